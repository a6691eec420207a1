"""The checks of notebook 01."""

from typing import Any

import torch

from .. import fruits
from .checking import (
    Wrong,
    call,
    check,
    compare,
    compare_number,
    number_of,
    refuse,
    tensor_of,
    two_of,
    unchanged,
    without_tuple,
)


@check
def small_black_apples(answer: Any) -> None:
    """How many pictures of the fruits show a tiny or small black apple."""
    pictures, sizes = number_of(answer), fruits.FACTORS.sizes
    places, shades = sizes[3] * sizes[4], sizes[5]
    right = 2 * places * shades
    words_only = "you count the words only. Each such apple comes at many places."
    forgotten = "you forget a factor: x, y and the shade can all change."
    added = "values add up, but combinations multiply."
    refuse(
        pictures,
        right,
        (1, words_only),
        (2, words_only),
        (places * shades, "that is one size; there are two, tiny and small."),
        *((count, forgotten) for count in (places, 2 * places, 2 * sizes[3] * shades)),
        *((count, added) for count in (sum(sizes), 2 + sizes[3] + sizes[4] + shades)),
    )
    compare_number(pictures, right, 0, "your number of pictures")


@check
def shares_of_mixture(answer: Any) -> None:
    """shares_of_mixture(matrix) -> (K, J): shares of z = matrix @ g, factors g independent."""
    generator = torch.Generator().manual_seed(11)
    for latents, factors in ((4, 3), (2, 2), (2, 5)):
        matrix = torch.randn(latents, factors, generator=generator, dtype=torch.float64)
        before = matrix.clone()
        result = tensor_of(call(answer, matrix))
        unchanged(matrix, before, "matrix")
        square, size = (matrix**2).T, matrix.T.abs()
        right = square / square.sum(0)
        if result.shape == right.shape and (result < 0).any():
            raise Wrong("a share is never negative.")
        refuse(
            result,
            right,
            (right.T, "you return one row for each latent; give one row for each factor."),
            (square, "you do not divide by the variance of the latent."),
            (square / square.sum(1, keepdim=True), "the shares of one latent must add up to 1."),
            (size / size.sum(0), "a variance is a square, not a size."),
            (right.sqrt(), "that is the share of the deviation; a share compares variances."),
            (
                square / square.mean(0),
                "the variance of a latent is the sum over factors, not their mean.",
            ),
        )
        compare(result, right, "your table")


@check
def centre(answer: Any) -> None:
    """centre(image) -> (column, row): the mean place of the light in an image (H, W)."""
    generator = torch.Generator().manual_seed(12)
    for height, width in ((20, 33), (41, 16), (24, 24)):
        image = torch.rand(height, width, generator=generator) ** 6
        image[2:7, 5:13] += 3 * torch.rand(5, 8, generator=generator)
        light = float(image.sum())
        column = float((image.sum(0) * torch.arange(width)).sum()) / light
        row = float((image.sum(1) * torch.arange(height)).sum()) / light
        result = two_of(call(answer, image.clone()), "two numbers, the column and the row")
        first, second = map(number_of, result)
        brightest = divmod(int(image.argmax()), width)
        for x, y, hint in (
            (row, column, "you return the row first; the column comes first."),
            ((width - 1) / 2, (height - 1) / 2, "that is the middle of the image, wherever the "
             "light is: weigh by light."),
            (column * light, row * light, "you do not divide by the sum of all light."),
            (column + 1, row + 1, "you are one pixel too far: the first column and row have "
             "number 0."),
            (*brightest[::-1], "that is the brightest pixel; take the mean over all pixels."),
        ):  # fmt: skip
            if max(abs(first - x), abs(second - y)) < 0.01:
                raise Wrong(hint)
        if first > width or second > height:
            raise Wrong(f"your point is outside an image of {height} rows and {width} columns.")
        differs = [not abs(first - column) < 0.01, not abs(second - row) < 0.01]
        if differs == [True, True]:
            raise Wrong(
                f"the column differs by {first - column:+.2f}, the row by {second - row:+.2f}."
            )
        if any(differs):
            raise Wrong(
                f"one of the two is right; the {'column' if differs[0] else 'row'} differs."
            )


@check
def training_images(answer: Any) -> None:
    """training_images(classes): rows that are no tiny or small black apple, as numbers."""
    generator = torch.Generator().manual_seed(13)
    classes = fruits.FACTORS.sample(3000, generator)
    apple, black, small = classes[:, 0] == 0, classes[:, 1] == 5, classes[:, 2] <= 1
    gone = apple & black & small
    result = tensor_of(without_tuple(call(answer, classes.clone())))
    if result.dtype == torch.bool:
        raise Wrong("you return true or false for each row; return the numbers of the rows.")
    if result.ndim != 1:
        raise Wrong(f"your rows have shape {tuple(result.shape)}; expected one axis.")
    outside = result[(result < 0) | (result >= len(classes))]
    if len(outside):
        raise Wrong(
            f"row {int(outside[0])} does not exist; there are rows 0 to {len(classes) - 1}."
        )
    kept = torch.zeros(len(classes), dtype=torch.bool)
    kept[result.long()] = True
    if len(result) != int(kept.sum()):
        raise Wrong("a row is there more than once.")
    if torch.equal(kept, gone):
        raise Wrong("these are the rows to leave out; return the others.")
    leak, lost = int((kept & gone).sum()), int((~kept & ~gone).sum())
    if leak:
        raise Wrong(f"{leak} of the {int(gone.sum())} small black apples are still in your rows.")
    if lost:
        missing = classes[~kept & ~gone]
        example = fruits.describe(missing[:1])[0]
        raise Wrong(f"you leave out {lost} pictures that must stay; one of them shows a {example}.")
