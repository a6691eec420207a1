"""What all checks share: how an answer is asked for, compared, and spoken about."""

import functools
import math
import re
import sysconfig
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from . import record

_LINES = 5  # of a student's own, shown where a check stopped


class Wrong(Exception):
    """What differs, in words for the student."""


class Unanswered(Exception):
    """The stub is still there."""


def check(examine: Callable[[Any], None]) -> Callable[[Any], None]:
    """Turns a function that raises Wrong into a check that prints what it found.

    It is remembered which checks said "Right."; from the second wrong try on, a hint is offered.
    """

    @functools.wraps(examine)
    def checked(answer: Any) -> None:
        kind, words = verdict(examine, answer)
        print(words)
        if kind == "right":
            record.note(examine.__name__, right=True)
        elif kind != "unanswered":
            _offer_a_hint(examine.__name__)

    return checked


def required(check: Callable[[Any], None], answer: Any) -> None:
    """Asks a check as a test does that must pass: AssertionError unless the answer is right.

    For programs that grade by whether a cell runs, such as nbgrader.
    """
    kind, words = verdict(getattr(check, "__wrapped__", check), answer)
    print(words)
    if kind != "right":
        raise AssertionError(words)


def verdict(examine: Callable[[Any], None], answer: Any) -> tuple[str, str]:
    """What a check finds, in one word (unanswered, wrong, crashed or right), and in words."""
    try:
        examine(_answered(answer))
    except Unanswered:
        return (
            "unanswered",
            "Not answered yet: put your answer where the ... is, then run both cells again.",
        )
    except Wrong as wrong:
        return "wrong", f"Not yet: {wrong}"
    except Exception as error:  # whatever the student's code raises is part of the answer
        said = f"Not yet: your code stopped with {type(error).__name__}: {error}"
        return "crashed", "\n".join([said, *_where(error)])
    return "right", "Right."


def _offer_a_hint(name: str) -> None:
    """From the second wrong try on, as long as there are hints that the student has not seen."""
    trace = record.note(name, tries=1)
    if trace.tries >= 2 and trace.hints < 3:
        which = "a first hint" if trace.hints == 0 else "the next hint"
        print(f'For {which}, without the answer: exercises.hint("{name}")')


def _where(error: Exception) -> list[str]:
    """The lines at which the student's own code stood, the outermost first.

    Of a function that calls itself until Python stops it, the last lines are enough.
    """
    own = Path(__file__).parents[1]
    others = [own, *(Path(sysconfig.get_path(name)) for name in ("purelib", "platlib", "stdlib"))]
    lines = []
    for frame in traceback.extract_tb(error.__traceback__):
        if not any(folder in Path(frame.filename).parents for folder in others):
            cell = " of your cell" if re.search(r"ipykernel_|ipython-input", frame.filename) else ""
            lines.append(f"  line {frame.lineno}{cell}, in {frame.name}:  {frame.line}")
    before = [f"  ... {len(lines) - _LINES} lines before these"] if len(lines) > _LINES else []
    return [*before, *lines[-_LINES:]]


def _answered(result: Any) -> Any:
    """None, as the dots, means that the stub is still there."""
    if result is None or result is ...:
        raise Unanswered
    return result


def call(function: Any, *inputs: Any) -> Any:
    """What the student's function gives."""
    if not callable(function):
        raise Wrong(f"expected a function, but got {type(function).__name__}.")
    return _answered(function(*inputs))


def tensor_of(result: Any) -> Tensor:
    """A tensor, or what can become one."""
    try:
        return torch.as_tensor(result)
    except (TypeError, ValueError, RuntimeError):
        raise Wrong(f"expected a tensor, but got {type(result).__name__}.") from None


def number_of(result: Any) -> float:
    """One number, as Python, numpy and torch have it."""
    shape = tuple(getattr(result, "shape", ()))
    if math.prod(shape) != 1:
        raise Wrong(f"expected one number, but got the shape {shape}.")
    try:
        return float(result.item() if hasattr(result, "item") else result)
    except (TypeError, ValueError):
        raise Wrong(f"expected one number, but got {type(result).__name__}.") from None


def two_of(result: Any, what: str) -> tuple[Any, Any]:
    """Both parts of a pair; `what` says what they are."""
    try:
        first, second = result
    except (TypeError, ValueError):
        raise Wrong(f"return {what}.") from None
    return _answered(first), _answered(second)


def unchanged(given: Tensor, before: Tensor, what: str) -> None:
    """A function must not write into its input."""
    if not torch.equal(given, before):
        raise Wrong(f"your function changes the {what} that it was given. Change a copy.")


def refuse(result: Any, right: Any, *mistakes: tuple[Any, str]) -> None:
    """Known mistakes, each with a hint of its own.

    A mistake that gives the right value on this input is passed over.
    """
    result = tensor_of(result)
    for mistake, hint in mistakes:
        if _alike(result, mistake) and not _alike(torch.as_tensor(right), mistake):
            raise Wrong(hint)


def compare(result: Any, right: Tensor, what: str, tolerance: float = 1e-5) -> None:
    """Compares shape, then values."""
    result = tensor_of(result)
    if result.shape != right.shape:
        raise Wrong(f"{what} has shape {tuple(result.shape)}; expected {tuple(right.shape)}.")
    if not result.isfinite().all():
        raise Wrong(f"{what} has entries that are NaN or infinite.")
    if not _alike(result, right, tolerance):
        gap = (result.double() - right.double()).abs().max().item()
        raise Wrong(f"{what} has the right shape, but the values differ by up to {gap:.3g}.")


def compare_number(result: Any, right: float, tolerance: float, what: str) -> None:
    """Compares one number, and says on which side it lies."""
    value = number_of(result)
    if math.isnan(value):
        raise Wrong(f"{what} is NaN, not a number.")
    if not abs(value - right) <= tolerance:
        raise Wrong(f"{what} is too {'large' if value > right else 'small'}.")


def _alike(a: Tensor, b: Any, tolerance: float = 1e-5) -> bool:
    """The same shape, and values within the tolerance times the largest of b (if above 1)."""
    a, b = a.double(), torch.as_tensor(b).double()
    if a.shape != b.shape:
        return False
    return bool((a - b).abs().max() <= tolerance * max(1.0, b.abs().max().item()))


def choose(result: Any, right: str, hints: dict[str, str]) -> None:
    """A multiple-choice question; `hints` has a hint for each wrong choice."""
    choice = str(result).strip().lower()
    if choice == right:
        return
    if choice not in hints:
        raise Wrong(f"choose one of {', '.join(sorted([right, *hints]))}, as a string.")
    raise Wrong(hints[choice])


def without_tuple(result: Any) -> Any:
    """Refuses the tuple that torch.where and nonzero(as_tuple=True) give."""
    if isinstance(result, tuple) and len(result) == 1 and isinstance(result[0], Tensor):
        raise Wrong("you return a tuple with one tensor in it, as torch.where does: take entry 0.")
    return result
