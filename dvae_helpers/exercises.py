"""The judge behind the students' exercises: one function for each.

In the notebook: `exercises.gaussian_kl(my_kl)`. It prints "Not answered yet", "Right" or what
differs, and never the answer. Functions are tried on random input with unequal sizes.
"""

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class _Wrong(Exception):
    """What differs, in words for the student."""


class _Unanswered(Exception):
    """The stub is still there."""


def _judge(check: Callable[[Any], None]) -> Callable[[Any], None]:
    """Turns a check that raises into one that prints its verdict."""

    @functools.wraps(check)
    def verdict(answer: Any) -> None:
        try:
            if answer is ... or answer is None:
                raise _Unanswered
            check(answer)
        except _Unanswered:
            print("Not answered yet: put your answer where the ... is, then run both cells again.")
        except _Wrong as wrong:
            print(f"Not yet: {wrong}")
        except Exception as error:  # whatever the student's code raises is part of the verdict
            print(f"Not yet: your code stopped with {type(error).__name__}: {error}")
        else:
            print("Right.")

    return verdict


def _call(function: Any, *inputs: Any) -> Any:
    """What the student's function gives; None means that the stub is still there."""
    if not callable(function):
        raise _Wrong(f"expected a function, but got {type(function).__name__}.")
    result = function(*inputs)
    if result is None or result is ...:
        raise _Unanswered
    return result


def _tensor(result: Any, expected: Tensor, what: str, tolerance: float = 1e-5) -> None:
    """Compares shape, then values."""
    result = torch.as_tensor(result)
    if result.shape != expected.shape:
        raise _Wrong(f"{what} has shape {tuple(result.shape)}; expected {tuple(expected.shape)}.")
    if not result.isfinite().all():
        raise _Wrong(f"{what} has entries that are NaN or infinite.")
    gap = (result.double() - expected.double()).abs().max().item()
    if gap > tolerance * max(1.0, expected.abs().max().item()):
        raise _Wrong(f"{what} has the right shape, but the values differ by up to {gap:.3g}.")


def _number(result: Any, expected: float, tolerance: float, what: str = "your number") -> None:
    """Compares one number, and says on which side it lies."""
    try:
        value = float(result)
    except (TypeError, ValueError):
        raise _Wrong(f"expected one number, but got {type(result).__name__}.") from None
    if not abs(value - expected) <= tolerance:
        raise _Wrong(f"{what} is too {'large' if value > expected else 'small'}.")


def _choice(result: Any, right: str, options: dict[str, str]) -> None:
    """A multiple-choice question; `options` maps each wrong choice to a hint."""
    choice = str(result).strip().lower()
    if choice == right:
        return
    if choice not in options:
        raise _Wrong(f"choose one of {', '.join(sorted([right, *options]))}, as a string.")
    raise _Wrong(options[choice])
