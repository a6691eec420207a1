"""The checks of notebook 08."""

import math
from typing import Any

import torch

from .checking import call, check, choose, compare, compare_number, number_of, refuse, unchanged


@check
def unseen_pairs(answer: Any) -> None:
    """unseen_pairs(classes (N, 2), sizes) -> how many pairs of values are in no row."""
    generator = torch.Generator().manual_seed(81)
    for sizes, rows in (((4, 6), 30), ((3, 5), 9), ((2, 7), 40)):
        classes = torch.stack([torch.randint(v, (rows,), generator=generator) for v in sizes], 1)
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
def attribute_direction(answer: Any) -> None:
    """attribute_direction(codes, labels) -> (J,): the mean code with the label, less the others'.

    codes: (N, J). labels: (N,) booleans.
    """
    generator = torch.Generator().manual_seed(11)
    for count, width in ((9, 4), (40, 3), (25, 6)):
        codes = torch.randn(count, width, generator=generator, dtype=torch.float64) + 0.3
        labels = torch.rand(count, generator=generator) < 0.35
        labels[:2] = torch.tensor([True, False])
        before = codes.clone()
        result = call(answer, codes, labels)
        unchanged(codes, before, "codes")
        mine, others = codes[labels], codes[~labels]
        right = mine.mean(0) - others.mean(0)
        refuse(
            result,
            right,
            (-right, "the sign is the other way: from the others to the labelled."),
            (mine.mean(0), "that is where the labelled codes lie. Where are the others?"),
            (
                mine.mean(0) - codes.mean(0),
                "subtract the mean of the others, not of all codes.",
            ),
            (mine.sum(0) - others.sum(0), "those are sums: the larger group wins. Use means."),
            (
                mine.mean() - others.mean(),
                "that is one number. Average over the images only, and keep the latents.",
            ),
        )
        compare(result, right, "your direction")
