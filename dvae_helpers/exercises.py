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


# Notebook 00


@_judge
def grid_size(answer: Any) -> None:
    """How many icons there are with 3 shapes, 4 colours and 5 sizes."""
    if answer == 3 + 4 + 5:
        raise _Wrong("that is the sum. Each shape comes in every colour, so do not add.")
    if answer in (3 * 4, 4 * 5, 3 * 5):
        raise _Wrong("that counts two of the three properties.")
    _number(answer, 3 * 4 * 5, 0, "your number of icons")


@_judge
def position(answer: Any) -> None:
    """position(classes, sizes) -> int: the number of a combination; the last factor is fastest."""
    generator = torch.Generator().manual_seed(4)
    for sizes in ([2, 3], [3, 5, 2], [4, 2, 3, 6, 5]):
        for _ in range(5):
            classes = [int(torch.randint(size, (), generator=generator)) for size in sizes]
            classes[0], classes[-1] = sizes[0] - 1, min(1, sizes[-1] - 1)
            result = _call(answer, list(classes), list(sizes))
            right = _row_major(classes, sizes)
            first_fastest = _row_major(classes[::-1], sizes[::-1])
            try:
                value = float(result)
            except (TypeError, ValueError, RuntimeError):
                kind = type(result).__name__
                raise _Wrong(f"expected one number, but your function gave a {kind}.") from None
            if value == right:
                continue
            example = f"for classes {classes} and sizes {sizes}"
            if value == first_fastest:
                raise _Wrong(f"{example}, your first factor changes fastest; it must be the last.")
            if value == right + 1:
                raise _Wrong(f"{example}, you are one too high: the first image has number 0.")
            if value == sum(classes):
                raise _Wrong(f"{example}, you add the values; a step of an early factor jumps far.")
            side = "large" if value > right else "small"
            raise _Wrong(f"{example}, your number is too {side}.")


def _row_major(classes: list[int], sizes: list[int]) -> int:
    number = 0
    for value, size in zip(classes, sizes, strict=True):
        number = number * size + value
    return number


@_judge
def move_one(answer: Any) -> None:
    """move_one(decode, z, j, value): the image (C, H, W) of code z (J,) with z_j set to value."""
    generator = torch.Generator().manual_seed(5)
    weights = torch.randn(4, 1, 3, 5, generator=generator)

    def decode(codes: Tensor) -> Tensor:
        if not isinstance(codes, Tensor) or codes.ndim != 2 or codes.shape[1] != 4:
            shape = tuple(codes.shape) if isinstance(codes, Tensor) else type(codes).__name__
            raise ValueError(f"decode takes a batch of codes, (B, J), but it got {shape}")
        return torch.einsum("bj,jchw->bchw", codes, weights)

    for j, value in ((2, -1.5), (0, 0.75), (3, 2.0)):
        z = torch.randn(4, generator=generator)
        before = z.clone()
        moved, shifted = z.clone(), z.clone()
        moved[j] = value
        shifted[j] += value
        result = _call(answer, decode, z, j, value)
        if not torch.equal(z, before):
            raise _Wrong("your function changes the code that it was given. Change a copy.")
        result = torch.as_tensor(result)
        if result.shape == (1, 1, 3, 5):
            raise _Wrong("you return a batch with one image in it; return that image.")
        expected = decode(moved[None])[0]
        for other, words in (
            (decode(before[None])[0], "the image is the old one: the code was not changed."),
            (decode(shifted[None])[0], "you add the value to the latent; replace it."),
            (decode(torch.full((1, 4), value))[0], "you changed every latent, not one."),
        ):
            if result.shape == other.shape and torch.allclose(result.float(), other, atol=1e-5):
                raise _Wrong(words)
        _tensor(result, expected, "your image")


@_judge
def unused_latents(answer: Any) -> None:
    """unused_latents(mean, limit=0.1): the latents whose mean (N, J) spreads by less than limit."""
    generator = torch.Generator().manual_seed(6)
    spread = torch.tensor([1.0, 0.02, 0.6, 0.04, 0.3, 1.4, 0.01])
    centre = torch.tensor([0.0, 1.5, -2.0, 0.3, 0.0, 1.0, -0.7])
    mean = torch.randn(60, len(spread), generator=generator) * spread + centre
    right = {1, 3, 6}
    result = _call(answer, mean)
    try:
        if isinstance(result, Tensor):
            result = result.flatten().tolist()
        result = list(result)
        flags = any(isinstance(j, bool) for j in result)
        chosen = {int(j) for j in result}
    except (TypeError, ValueError, RuntimeError):
        raise _Wrong(f"expected a list of numbers, but got {type(result).__name__}.") from None
    if flags:
        raise _Wrong("you return true or false for each latent; return the numbers of latents.")
    if not chosen:
        raise _Wrong("your list is empty. Is the spread taken over the images, axis 0?")
    if any(not 0 <= j < mean.shape[1] for j in chosen):
        raise _Wrong(
            f"you name latent {max(chosen)}, but mean has shape {tuple(mean.shape)}: latents are "
            "its columns. Take the spread over the images, axis 0."
        )
    if chosen == set(range(mean.shape[1])) - right:
        raise _Wrong("these are the used ones.")
    average = mean.mean(0)
    by_average = [set((a < 0.1).nonzero().flatten().tolist()) for a in (average, average.abs())]
    if chosen in by_average:
        raise _Wrong(
            "you look at the average of a latent. It can be far from 0 and still never change: "
            "look at how much it spreads."
        )
    if chosen != right:
        extra, missing = len(chosen - right), len(right - chosen)
        raise _Wrong(f"your list has {extra} that are used, and {missing} unused are missing.")
