"""`handout`: notebooks without solutions, outputs and notes for the instructor."""

import argparse
from pathlib import Path

from .options import place

HELP = "write notebooks for students: without solutions, outputs and instructor's notes"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("names", nargs="*", metavar="NAME", help="notebooks (default: all)")
    add("--out", type=place, default=Path("handout"), help="their folder")
    add("--force", action="store_true", help="overwrite hand-outs that somebody has worked in")
    add("--nbgrader", action="store_true", help="mark answers and checks for nbgrader")


def run(options: argparse.Namespace) -> int:
    import nbformat

    from .. import handout
    from ..slides import find

    masters = find(options.names, handout.NOTEBOOKS)
    for path in handout.build(
        options.names, options.out, force=options.force, nbgrader=options.nbgrader
    ):
        words = handout.left_out(nbformat.read(masters[path.stem], as_version=4))
        print(f"{path}: {words}")
    return 0
