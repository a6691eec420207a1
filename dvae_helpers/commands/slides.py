"""`slides`: notebooks as decks."""

import argparse
from pathlib import Path

from .options import place

HELP = "turn notebooks into slides that need no network"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("names", nargs="*", metavar="NAME", help="notebooks (default: all)")
    add("--out", type=place, default=Path("slides"), help="folder of the decks")
    add("--pdf", action="store_true", help="a PDF of each too (needs Chromium)")


def run(options: argparse.Namespace) -> int:
    from .. import slides
    from ..files import check_writable

    check_writable(options.out / "index.html")
    decks = slides.build(options.names, options.out)
    for deck in decks:
        print(f"{deck}  {deck.stat().st_size / 1e6:.1f} MB")
    if options.pdf:
        try:
            for deck in decks:
                path = slides.pdf(deck)
                print(f"{path}  {path.stat().st_size / 1e6:.1f} MB")
        except ValueError as error:
            print(f"No PDF: {error}")
        slides.write_index(options.out)  # with the PDFs that there are now
    print(f"Open {options.out / 'index.html'} in a browser.")
    return 0
