"""A game that shows what a disentangled code is good for."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from .. import fruits
from ..figures import tile
from ..page import Component, contact_sheet, png_url


def race(
    codes: Mapping[str, Tensor], start: Sequence[int] | Tensor, goal: Sequence[int] | Tensor
) -> Component:
    """From one fruit to another by sliders, in as few moves as can be: with one code, then another.

    codes: for each its name and its matrix R, (6, 6) with R'R = I. Its latents are R times the six
    factor values, each less its mean and divided by its standard deviation over the grid; the
    decoder turns back, rounds to the nearest values of the grid and draws.
    start, goal: (6,) factor values. The page counts the moves and keeps the best of each code.

    Raises ValueError for a matrix that is no rotation or mirror, and values off the grid.
    """
    size = len(fruits.FACTORS.sizes)
    tables = {}
    for name, matrix in codes.items():
        matrix = torch.as_tensor(matrix).double()
        if matrix.shape != (size, size) or not torch.allclose(
            matrix.T @ matrix, torch.eye(size).double(), atol=1e-6
        ):
            raise ValueError(
                f"The matrix of {name!r} has shape {tuple(matrix.shape)}; expected ({size}, "
                f"{size}) with R'R = I, so that its transpose is its inverse."
            )
        tables[name] = [[round(v, 9) for v in row] for row in matrix.tolist()]
    if not tables:
        raise ValueError("codes is empty; give at least one, as {'code A': torch.eye(6)}.")
    places = torch.stack([torch.as_tensor(each) for each in (start, goal)])
    images = fruits.render(places).float() / 255
    layers = fruits.layers()  # (kind, size, 5, H, W)
    most, side = float(layers.max()), layers.shape[-1]
    content = {
        "factors": list(fruits.FACTORS.names),
        "sizes": list(fruits.FACTORS.sizes),
        "values": [list(names) for names in (fruits.KINDS, fruits.COLOURS, fruits.SIZES)],
        "codes": tables,
        "start": places[0].tolist(),
        "goal": places[1].tolist(),
        "fruit": {
            "sheet": png_url(torch.cat(list(layers.flatten(0, 2)[:, None] / most), 2), shades=256),
            "side": side,
            "size": fruits.SIZE,
            "first": fruits.FIRST,
            "step": fruits.STEP,
            "most": most,
            "colours": fruits.RGB.tolist(),
            "shades": fruits.SHADES.tolist(),
        },
    }
    words = fruits.describe(places)
    return Component(
        "race",
        content,
        contact_sheet(tile([images], 2)),
        f"Two fruits: {words[0]} and {words[1]}.",
        f"From {words[0]} to {words[1]}. Where scripts run, sliders stand here, and a counter.",
        "From the left fruit to the right one, in as few moves as you can",
    )
