"""The checks of notebook 00."""

from typing import Any

import torch
from torch import Tensor

from .checking import (
    Wrong,
    call,
    check,
    compare,
    compare_number,
    number_of,
    refuse,
    tensor_of,
    unchanged,
    without_tuple,
)


@check
def grid_size(answer: Any) -> None:
    """How many icons there are with 3 shapes, 4 colours and 5 sizes."""
    icons, right = number_of(answer), 3 * 4 * 5
    two = "that counts two of the three properties."
    refuse(
        icons,
        right,
        (3 + 4 + 5, "that is the sum. Each shape comes in every colour, so do not add."),
        *((count, two) for count in (3 * 4, 4 * 5, 3 * 5)),
    )
    compare_number(icons, right, 0, "your number of icons")


@check
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
        result = tensor_of(call(answer, decode, z, j, value))
        unchanged(z, before, "code")
        if result.shape == (1, 1, 3, 5):
            raise Wrong("you return a batch with one image in it; return that image.")
        right, old, added, all_set = decode(
            torch.stack((moved, before, shifted, torch.full_like(z, value)))
        )
        refuse(
            result,
            right,
            (old, "the image is the old one: the code was not changed."),
            (added, "you add the value to the latent; replace it."),
            (all_set, "you changed every latent, not one."),
        )
        compare(result, right, "your image")


@check
def unused_latents(answer: Any) -> None:
    """unused_latents(mean, limit=0.1): the latents whose mean (N, J) spreads by less than limit."""
    generator = torch.Generator().manual_seed(6)
    spread = torch.tensor([1.0, 0.02, 0.6, 0.04, 0.3, 1.4, 0.01])
    centre = torch.tensor([0.0, 1.5, -2.0, 0.3, 0.0, 1.0, -0.7])
    mean = torch.randn(60, len(spread), generator=generator) * spread + centre
    _names_the_unused(without_tuple(call(answer, mean)), mean, 0.1)
    for limit in (0.03, 0.5):
        _names_the_unused(without_tuple(call(answer, mean, limit)), mean, limit)


def _names_the_unused(result: Any, mean: Tensor, limit: float) -> None:
    """The latents of one answer are those whose spread is below the limit."""
    right = set((mean.std(0) < limit).nonzero().flatten().tolist())
    chosen = _latents(result)
    at = "" if limit == 0.1 else f"with limit = {limit:g}, "
    if at and chosen == set((mean.std(0) < 0.1).nonzero().flatten().tolist()):
        raise Wrong(f"{at}your list is the one for 0.1: use the limit that is given.")
    if not chosen:
        raise Wrong(f"{at}your list is empty. Is the spread taken over the images, axis 0?")
    if any(not 0 <= j < mean.shape[1] for j in chosen):
        raise Wrong(
            f"you name latent {max(chosen)}, but mean has shape {tuple(mean.shape)}: latents are "
            "its columns. Take the spread over the images, axis 0."
        )
    average = mean.mean(0)
    by_average = (
        "you look at the average of a latent. It can be far from 0 and still never change: "
        "look at how much it spreads."
    )
    for others, hint in (
        (mean.std(0) >= limit, "these are the used ones."),
        (mean.var(0) < limit, "you compare the variance with the limit; compare its root."),
        (average < limit, by_average),
        (average.abs() < limit, by_average),
    ):
        if chosen == set(others.nonzero().flatten().tolist()) != right:
            raise Wrong(f"{at}{hint}")
    if chosen != right:
        extra, missing = len(chosen - right), len(right - chosen)
        raise Wrong(f"{at}your list has {extra} that are used, and {missing} unused are missing.")


def _latents(result: Any) -> set[int]:
    """The numbers in a list, a set or a tensor."""
    try:
        numbers = result.flatten().tolist() if isinstance(result, Tensor) else list(result)
        chosen = {int(j) for j in numbers}
    except (TypeError, ValueError, RuntimeError):
        raise Wrong(f"expected a list of numbers, but got {type(result).__name__}.") from None
    if any(isinstance(j, bool) for j in numbers):
        raise Wrong("you return true or false for each latent; return the numbers of latents.")
    return chosen
