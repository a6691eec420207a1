"""How all commands read numbers, words and devices, so that each is checked before work begins."""

import argparse
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NoReturn

_MOST = 2**63 - 1  # what torch takes for a whole number


class Parser(argparse.ArgumentParser):
    """Says what is wrong as a ValueError, of which `main` makes one line."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message.removesuffix('.')}. (See: {self.prog} --help)")

    def parse_known_args(self, args=None, namespace=None):
        try:
            return super().parse_known_args(args, namespace)
        except UnicodeDecodeError as error:  # of @FILE, the only thing that is read here
            self.error(f"the file of options after @ is not text in UTF-8 ({error})")

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


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """Reads a whole number from `least` up, or to `most`. None is above what 64 bits hold."""
    wanted = f"from {least} up" if most is None else f"from {least} to {most:,}"

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = None
        if number is None or number < least or (most is not None and number > most):
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number {wanted}")
        if number > _MOST:
            raise argparse.ArgumentTypeError(f"{text!r} is too large: at most {_MOST:,}")
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


def place(text: str) -> Path:
    """Reads the name of a file or folder; ~ is the home folder."""
    if not text:
        raise argparse.ArgumentTypeError("'' is no file or folder; give a name")
    return Path(text).expanduser()


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


def _path(text: str) -> str:
    return str(place(text))


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
    parser.add_argument("--path", type=_path, help="the dSprites file, for --data dsprites")
