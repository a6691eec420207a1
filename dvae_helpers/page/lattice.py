"""The lattice: a grid of two factors, drawn in the plane of two latents."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from .. import figures
from ..codes import lattice_codes, planes
from ..datasets import ImageSet
from ..models import VAE
from .component import Component
from .words import value_names


def beside(model: VAE, data: ImageSet, factors: Sequence[str]) -> dict[str, Any]:
    """The lattice as the explorer wants it."""
    codes, values = lattice_codes(model, data, factors)
    return {
        "factors": list(factors),
        "sizes": list(codes.shape[:2]),
        "values": [
            [value_names(data, factor)[v] for v in each.tolist()]
            for factor, each in zip(factors, values, strict=True)
        ],
        "axes": list(planes(model, data, factors)),
        "codes": [[round(v, 4) for v in row] for row in codes.flatten(0, 1).tolist()],
        "limit": 3,
    }


def lattice_animation(
    moments: Mapping[str, Tensor] | Sequence[Tensor],
    factors: Sequence[str],
    axes: Sequence[str] = ("the first latent", "the second latent"),
    title: str = "",
) -> Component:
    """A lattice at several moments of a training: a slider goes from one to the next.

    moments: for each moment (its name, as "step 500": the lattice), the two coordinates of each
        place of the grid, (A, B, 2); or a sequence of them. factors: the names of the rows and of
        the columns. axes: what goes to the right, and what goes up.

    Raises ValueError for fewer than two moments, for other or different shapes, and for numbers
    that are not finite.
    """
    if not isinstance(moments, Mapping):
        moments = {f"moment {n + 1}": points for n, points in enumerate(moments)}
    points = {name: torch.as_tensor(each).float().cpu() for name, each in moments.items()}
    shapes = {tuple(each.shape) for each in points.values()}
    if len(points) < 2 or len(shapes) != 1 or any(len(s) != 3 or s[2] != 2 for s in shapes):
        raise ValueError(
            f"moments has {len(points)} lattices of the shapes {sorted(shapes)}; expected at "
            "least two, all of one shape (A, B, 2)."
        )
    if not all(each.isfinite().all() for each in points.values()):
        raise ValueError("moments has numbers that are NaN or infinite; give finite ones.")
    if len(factors) != 2 or len(axes) != 2:
        raise ValueError(f"factors is {factors!r} and axes {axes!r}; expected two names each.")
    limit = max(1.0, *(float(each.abs().max()) for each in points.values())) * 1.08
    shown = [next(iter(points)), list(points)[len(points) // 2], list(points)[-1]]
    figure, places = figures.plt.subplots(1, len(shown), figsize=(9, 3.2))
    for place, name in zip(places, shown, strict=True):
        figures.draw_lattice(place, points[name], name)
        place.set(xlim=(-limit, limit), ylim=(-limit, limit))
    between = " and ".join(factors)
    content = {
        "factors": list(factors),
        "axes": list(axes),
        "sizes": list(next(iter(points.values())).shape[:2]),
        "limit": round(limit, 3),
        "moments": [
            {
                "label": name,
                "points": [[round(v, 3) for v in p] for p in each.flatten(0, 1).tolist()],
            }
            for name, each in points.items()
        ],
    }
    return Component(
        "lattice",
        content,
        figures.to_png(figure),
        f"The lattice of {between} at three moments of a training: {', '.join(shown)}.",
        f"The lattice of {between} in the plane of {axes[0]} and {axes[1]}, at three moments. "
        "Where scripts run, a slider goes through all of them.",
        title,
    )
