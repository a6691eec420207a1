"""The lattice: a grid of two factors, drawn in the plane of two latents."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from .. import figures
from ..codes import shares
from ..datasets import ImageSet
from ..models import VAE, posteriors
from .component import Component

_LINES = 12  # of each factor, at most


def lattice_codes(
    model: VAE, data: ImageSet, factors: Sequence[str], at: Mapping[str, int] | None = None
) -> tuple[Tensor, list[Tensor]]:
    """Posterior means over a grid of two factors, (A, B, J), and the two lists of factor values.

    At most 12 values of each factor, evenly spread. at: values of the other factors, as
    {"shape": 2}; those that are not named stand in the middle of their values.

    Raises ValueError for factors that are not two different ones of `data`, and for a value or a
    combination that `data` does not have.
    """
    names, sizes = list(data.factors.names), list(data.factors.sizes)
    if len(factors) != 2 or len(set(factors)) != 2 or not set(factors) <= set(names):
        raise ValueError(f"factors is {factors!r}; expected two of {', '.join(names)}.")
    at = dict(at or {})
    if strange := [name for name in at if name not in names or name in factors]:
        raise ValueError(
            f"at names {strange[0]!r}; expected one of "
            f"{', '.join(name for name in names if name not in factors)}."
        )
    first, second = (names.index(name) for name in factors)
    values = [
        torch.linspace(0, sizes[k] - 1, min(sizes[k], _LINES)).round().long()
        for k in (first, second)
    ]
    classes = torch.tensor(
        [at.get(name, size // 2) for name, size in zip(names, sizes, strict=True)]
    )
    classes = classes.repeat(len(values[0]) * len(values[1]), 1)
    grid = torch.cartesian_prod(*values)
    classes[:, first], classes[:, second] = grid[:, 0], grid[:, 1]
    mean, _ = posteriors(model, data, data.find(classes))
    return mean.cpu().view(len(values[0]), len(values[1]), -1), values


def planes(model: VAE, data: ImageSet, factors: Sequence[str]) -> tuple[int, int]:
    """The latents that know most of each of two factors, two different ones."""
    known = shares(model, data)  # (K, J)
    k, other = (list(data.factors.names).index(name) for name in factors)
    pairs = known[k][:, None] + known[other][None]
    pairs.fill_diagonal_(-1)
    right, up = divmod(int(pairs.argmax()), pairs.shape[1])
    return right, up


def beside(model: VAE, data: ImageSet, factors: Sequence[str]) -> dict[str, Any]:
    """The lattice as the explorer wants it."""
    codes, values = lattice_codes(model, data, factors)
    return {
        "factors": list(factors),
        "sizes": list(codes.shape[:2]),
        "values": [each.tolist() for each in values],
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
        ("parts.js", "lattice.js"),
        content,
        figures.to_png(figure),
        f"The lattice of {between} at three moments of a training: {', '.join(shown)}.",
        f"The lattice of {between} in the plane of {axes[0]} and {axes[1]}, at three moments. "
        "Where scripts run, a slider goes through all of them.",
        title,
    )
