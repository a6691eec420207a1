"""How all commands read numbers, words and devices, so that each is checked before work begins."""

import argparse
import math
from collections.abc import Callable, Iterable
from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """Says what is wrong as a ValueError, of which `main` makes one line."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message.removesuffix('.')}. (See: {self.prog} --help)")

    def convert_arg_line_to_args(self, line: str) -> list[str]:
        """A line of a file of options: several words, and # begins a remark."""
        return line.partition("#")[0].split()


class Formatter(argparse.ArgumentDefaultsHelpFormatter):
    """Shows a default once: not if the help names it, and not if there is none."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        value = action.default
        none = value is None or value is False or value in ([], argparse.SUPPRESS)
        if none or not action.option_strings or "default" in (action.help or ""):
            return action.help
        return super()._get_help_string(action)


def whole(least: int) -> Callable[[str], int]:
    """Reads a whole number from `least` up."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = None
        if number is None or number < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} up")
        return number

    return read


def number(least: float, itself: bool = True) -> Callable[[str], float]:
    """Reads a finite number from `least` up, or above it if not `itself`."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or value < least or (value == least and not itself):
            wanted = f"from {least:g} up" if itself else f"above {least:g}"
            raise argparse.ArgumentTypeError(f"{text!r} is not a number {wanted}")
        return value

    return read


def one_of(known: Callable[[], Iterable[str]], what: str) -> Callable[[str], str]:
    """Reads one of the words that `known` gives; they are asked for when a word is read."""

    def read(text: str) -> str:
        words = list(known())
        if text not in words:
            raise argparse.ArgumentTypeError(
                f"there is no {what} {text!r}; choose one of {', '.join(words)}"
            )
        return text

    return read


def device(text: str) -> str:
    """Reads the name of a device: one that this machine has, or auto for the best of them."""
    from ..training import choose_device

    try:
        return choose_device(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def data_names() -> tuple[str, ...]:
    from ..datasets import NAMES

    return NAMES


def architectures() -> tuple[str, ...]:
    from ..models import ARCHITECTURES

    return ARCHITECTURES


def objective_names() -> list[str]:
    from ..objectives import OBJECTIVES

    return list(OBJECTIVES)


def add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", type=device, default="auto", help="auto, cpu, cuda or mps")


def add_data(parser: argparse.ArgumentParser, default: str | None, about: str = "") -> None:
    """--data and --path."""
    parser.add_argument(
        "--data",
        type=one_of(data_names, "image set"),
        default=default,
        metavar="DATA",
        help=f"an image set: small_sprites, sprites, fruits, faces, dsprites, ...{about}",
    )
    parser.add_argument("--path", help="the dSprites file, for --data dsprites")
