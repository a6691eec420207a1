"""`handout`: notebooks without solutions and outputs."""

import argparse
from pathlib import Path

HELP = "write notebooks without solutions and outputs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("names", nargs="*", metavar="NAME", help="notebooks (default: all)")
    add("--out", type=Path, default=Path("handout"), help="their folder")
    add("--force", action="store_true", help="overwrite hand-outs that somebody has worked in")


def run(options: argparse.Namespace) -> int:
    from .. import handout

    for path in handout.build(options.names, options.out, force=options.force):
        print(path)
    return 0
