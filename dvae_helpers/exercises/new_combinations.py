"""The checks of notebook 08."""

import math
from typing import Any

import torch

from .. import combinations, referee
from .checking import (
    Wrong,
    call,
    check,
    choose,
    compare,
    compare_number,
    number_of,
    refuse,
    tensor_of,
    unchanged,
)


@check
def unseen_pairs(answer: Any) -> None:
    """unseen_pairs(classes (N, 2), sizes) -> how many pairs of values are in no row."""
    generator = torch.Generator().manual_seed(81)
    # In the last case no row has the last value: the largest one that is seen is not the size.
    for sizes, used, rows in (((4, 6), (4, 6), 30), ((3, 5), (3, 5), 9), ((2, 7), (2, 6), 40)):
        classes = torch.stack([torch.randint(v, (rows,), generator=generator) for v in used], 1)
        there, pairs = len(classes.unique(dim=0)), sizes[0] * sizes[1]
        seen = [len(column.unique()) for column in classes.T]
        single = sum(sizes) - sum(seen)
        value, right = number_of(call(answer, classes.clone(), list(sizes))), pairs - there
        example = f"for {rows} rows with {sizes[0]} and {sizes[1]} values"
        refuse(
            value,
            right,
            (
                math.prod(seen) - there,
                f"{example}, you leave out values that are in no row. Their pairs are unseen, too.",
            ),
            (there, f"{example}, you count the pairs that are there."),
            (pairs - rows, f"{example}, you count rows. The same pair can be in many rows."),
            (single, f"{example}, you count single values. A pair is two values in one row."),
        )
        compare_number(value, right, 0, f"{example}, your number of unseen pairs")


@check
def set_latents(answer: Any) -> None:
    """set_latents(z (B, J), owner (J,), k, value (J,)) -> (B, J): latents of factor k replaced."""
    generator = torch.Generator().manual_seed(82)
    owner = torch.tensor([2, 0, -1, 1, 0, 2, 1])
    for k in (0, 1, 2):
        z = torch.randn(5, len(owner), generator=generator)
        value = torch.randn(len(owner), generator=generator)
        before, mine, latent_k = z.clone(), owner == k, torch.arange(len(owner)) == k
        right = torch.where(mine, value, z)
        result = call(answer, z, owner.clone(), k, value.clone())
        unchanged(z, before, "code")
        refuse(
            result,
            right,
            (z, "the code is as it was. Which latents have owner == k?"),
            (torch.where(mine, z + value, z), "you add the value to the old one; replace it."),
            (value.expand_as(z), "you set every latent; set those of factor k only."),
            (
                torch.where(latent_k, value, z),
                "you set latent k. Set the latents whose owner is factor k.",
            ),
        )
        compare(result, right, "your code", 1e-6)


@check
def all_right(answer: Any) -> None:
    """all_right(said (B, K), wanted (B, K)) -> the share of rows in which everything is right."""
    generator = torch.Generator().manual_seed(83)
    for rows, columns in ((40, 3), (25, 2), (60, 4)):
        wanted = torch.randint(5, (rows, columns), generator=generator)
        slip = torch.rand(rows, columns, generator=generator) < 0.3
        said = torch.where(slip, (wanted + 1) % 5, wanted)
        same = (said == wanted).double()
        right = float(same.prod(1).mean())
        value = number_of(call(answer, said.clone(), wanted.clone()))
        refuse(
            value,
            right,
            (same.mean(), "you count single factors. A red pear is not half a red apple."),
            (
                same.mean(0).prod(),
                "you multiply the factors' shares. Mistakes may come together: look row by row.",
            ),
            (same.amax(1).mean(), "you ask for one factor; ask for all of them."),
            (1 - right, "that is the share of failures."),
            (100 * right, "you give percent; give the share, between 0 and 1."),
            (same.prod(1).sum(), "divide by the number of rows."),
        )
        compare_number(value, right, 1e-6, "your share")


@check
def after_rotation(answer: Any) -> None:
    """Which draw is unchanged if the code is rotated, and the decoder turns it back."""
    hints = {
        "set": "after a rotation every latent tracks a bit of everything. What is set then?",
        "both": "one of them is right. Which one says 'latent j' in its formula?",
        "none": "the sum of effects is turned together with the code. Is the sum the same?",
    }
    choose(answer, "add", hints)


@check
def another_way(answer: Any) -> None:
    """another_way(seed, seen) -> draw; draw(wanted (B, 3)) -> images (B, 3, 24, 24), from 0 to 1.

    The open project. It is run with three seeds on the training set "hard", and asked for every
    held-out combination and every seen neighbour, the small black apple among them. Each seed
    must be right about three quarters of both: more than the decoder that is told the labels.
    """
    seen = combinations.training_set("hard")
    arbiter, every = referee.load(), combinations.middle_fruits()
    wanted, near = (combinations.wishes("hard", unseen, 1)[0] for unseen in (True, False))
    truth = every.images(every.find(wanted))
    apple = (wanted == torch.tensor([0, 5, 1])).all(1)  # small and black
    for seed in range(3):
        draw = call(answer, seed, seen)
        drawn = _drawings(call(draw, wanted.clone()), wanted)
        if ((drawn - truth).abs().flatten(1).amax(1) < 1 / 255).double().mean() > 0.5:
            raise Wrong(
                "those are the held-out images themselves, pixel by pixel. Learn from `seen` alone."
            )
        new = referee.marks(drawn, wanted, "hard", arbiter)
        known = referee.marks(_drawings(call(draw, near.clone()), near), near, "hard", arbiter)
        marks = (
            f"seed {seed}: the referee finds {100 * new['named']:.0f} % of the unseen and "
            f"{100 * known['named']:.0f} % of the seen combinations right, and "
            f"{100 * new['copied']:.0f} % of the unseen ones look most like a training image."
        )
        if min(new["named"], known["named"]) < 0.75:
            raise Wrong(f"{marks} Reach 75 % of both with each of three seeds.")
        if referee.marks(drawn[apple], wanted[apple], "hard", arbiter)["named"] < 1:
            raise Wrong(f"{marks} But its small black apple is none.")


def _drawings(images: Any, wanted: torch.Tensor) -> torch.Tensor:
    """What a student's function drew, as images."""
    images, shape = tensor_of(images).detach().float(), (len(wanted), 3, 24, 24)
    if images.shape != shape:
        raise Wrong(f"the drawings have shape {tuple(images.shape)}; expected {shape}.")
    if not images.isfinite().all():
        raise Wrong("some drawings have pixels that are NaN or infinite.")
    return images.clamp(0, 1)
