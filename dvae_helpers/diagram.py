"""The picture of a VAE that all notebooks share: image, encoder, mean and spread, code, decoder."""

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon

from .figures import BLACK, BLUE, ORANGE, RED

TERMS = {"distortion": BLUE, "rate": RED, "noise": ORANGE}


def vae(marked: str = "", title: str = "", loss: bool = True) -> Figure:
    """The way of an image through a VAE.

    loss: with the two terms of the loss below. marked: "distortion", "rate" or "noise" is drawn
    strongly and the other two faintly; "" (the default) draws all three. Raises ValueError for any
    other word.
    """
    if marked and marked not in TERMS:
        raise ValueError(f"marked is {marked!r}; choose one of {', '.join(TERMS)}, or nothing.")
    figure, axes = plt.subplots(figsize=(10, 3.6 if loss else 2.7), layout="constrained")
    axes.set(xlim=(0, 10), ylim=(-1.9 if loss else -1.0, 1.65))
    axes.set_axis_off()
    for x, name in ((0.5, "$x$"), (9.5, r"$\hat x$")):
        _box(axes, x, 0, 0.75, 1.5, name)
    _network(axes, 1.5, 3.1, 0.9, 0.45, "encoder\n$q(z|x)$")
    _network(axes, 6.9, 8.5, 0.45, 0.9, "decoder\n$p(x|z)$")
    _box(axes, 4.0, 0.5, 1.0, 0.65, "mean $m$")
    _box(axes, 4.0, -0.5, 1.0, 0.65, "spread $s$")
    _box(axes, 5.85, 0, 1.3, 0.8, r"$z = m + s\,\varepsilon$")
    for start, end in (
        ((0.9, 0), (1.5, 0)),
        ((3.1, 0.1), (3.48, 0.5)),
        ((3.1, -0.1), (3.48, -0.5)),
        ((4.52, 0.5), (5.18, 0.12)),
        ((4.52, -0.5), (5.18, -0.12)),
        ((6.52, 0), (6.9, 0)),
        ((8.5, 0), (9.1, 0)),
    ):
        _arrow(axes, start, end, BLACK)
    strength = {term: 1.0 if marked in ("", term) else 0.2 for term in TERMS}
    noise = {"color": ORANGE, "alpha": strength["noise"]}
    axes.text(5.85, 1.35, r"noise $\varepsilon \sim \mathcal{N}(0, I)$", ha="center", **noise)
    _arrow(axes, (5.85, 1.2), (5.85, 0.42), **noise)
    if loss:
        _bracket(axes, 3.5, 4.5, -1.0, "rate: how far from the prior", RED, strength["rate"])
        words = "distortion: how badly the image comes back"
        _bracket(axes, 0.5, 9.5, -1.5, words, BLUE, strength["distortion"])
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold", fontsize=13)
    return figure


def _box(axes: Axes, x: float, y: float, width: float, height: float, text: str) -> None:
    """A rectangle with its middle at (x, y)."""
    left, low = x - width / 2, y - height / 2
    corners = [(left, low), (left + width, low), (left + width, low + height), (left, low + height)]
    axes.add_patch(Polygon(corners, facecolor="white", edgecolor=BLACK, linewidth=1.8))
    axes.text(x, y, text, ha="center", va="center", fontsize=12)


def _network(
    axes: Axes, left: float, right: float, at_left: float, at_right: float, text: str
) -> None:
    """A funnel from one half height to another."""
    corners = [(left, -at_left), (right, -at_right), (right, at_right), (left, at_left)]
    axes.add_patch(Polygon(corners, facecolor="0.92", edgecolor=BLACK, linewidth=1.8))
    axes.text((left + right) / 2, 0, text, ha="center", va="center", fontsize=12)


def _arrow(
    axes: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    color: str,
    alpha: float = 1.0,
) -> None:
    look = {"arrowstyle": "-|>", "shrinkA": 0, "shrinkB": 0, "linewidth": 1.8}
    axes.annotate("", end, start, arrowprops=look | {"color": color, "alpha": alpha})


def _bracket(
    axes: Axes, left: float, right: float, y: float, text: str, color: str, alpha: float
) -> None:
    """A line below the picture from one part to another, and what it stands for."""
    axes.plot([left, left, right, right], [y + 0.12, y, y, y + 0.12], color=color, alpha=alpha)
    axes.text((left + right) / 2, y - 0.08, text, color=color, alpha=alpha, ha="center", va="top")
