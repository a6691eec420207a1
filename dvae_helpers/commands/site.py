"""`site`: the course as a web site."""

import argparse
from pathlib import Path

from .options import place

HELP = "write the course as a web site of static files"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=place, default=Path("site"), help="its folder")


def run(options: argparse.Namespace) -> int:
    from .. import site
    from ..files import check_writable

    check_writable(options.out / "index.html")
    first = site.build(options.out)
    size = sum(path.stat().st_size for path in first.parent.rglob("*") if path.is_file())
    print(f"{first.parent}  {size / 1e6:.0f} MB\nOpen {first} in a browser.")
    return 0
