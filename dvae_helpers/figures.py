"""Pictures of images, latents and training. Each function gives a matplotlib Figure."""

import io
import math
from collections.abc import Callable, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from PIL import Image
from torch import Tensor

from .codes import latent_order as latent_order  # its name in the notebooks
from .codes import lattice_codes, planes
from .datasets import ImageSet
from .models import VAE
from .training import History

# Okabe & Ito's palette without its yellow: told apart by colour-blind readers and on a projector.
BLUE, ORANGE, GREEN, RED, SKY, PURPLE, BLACK = COLOURS = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#56B4E9",
    "#CC79A7",
    "#000000",
)


def style() -> None:
    """The course's look for every figure after this call."""
    plt.rcParams.update(
        {
            "axes.prop_cycle": plt.cycler(color=COLOURS),
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlesize": 14,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "figure.constrained_layout.use": True,
            "figure.dpi": 100,
            "figure.figsize": (8, 4),
            "font.size": 13,
            "image.cmap": "gray",
            "image.interpolation": "nearest",
            "legend.frameon": False,
            "lines.linewidth": 2,
        }
    )


def to_png(figure: Figure) -> bytes:
    """A figure as the bytes of a PNG file; the figure is closed."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=100)
    plt.close(figure)
    return content.getvalue()


def png(image: Tensor, scale: int = 4) -> bytes:
    """An image (C, H, W) with values in [0, 1] as the bytes of a PNG file, enlarged in blocks."""
    if image.ndim != 3 or image.shape[0] not in (1, 3):
        raise ValueError(f"image has shape {tuple(image.shape)}; expected (1 or 3, H, W).")
    pixels = (image.detach().cpu().float().clamp(0, 1) * 255).round().to(torch.uint8)
    pixels = pixels.repeat_interleave(scale, 1).repeat_interleave(scale, 2)
    array, content = pixels.permute(1, 2, 0).numpy(), io.BytesIO()
    picture = Image.fromarray(array.squeeze(-1) if array.shape[-1] == 1 else array)
    picture.save(content, "PNG", compress_level=1)
    return content.getvalue()


def show(figure: Figure, alt: str) -> None:
    """Shows a figure in a notebook with a text for readers who cannot see it, and closes it.

    The picture has twice the pixels of the place that it takes in a page, or more, for projectors
    and print, and every pixel of an image in it is a square of whole pixels. A figure of lines,
    text and grey images is kept in 256 colours, which halves a notebook and cannot be seen. One
    with images in colour keeps all of its colours.
    """
    from IPython.display import display

    # The size in a page, and that of the smallest image in it: a deck enlarges both.
    about: dict[str, str | int] = {"alt": alt}
    if tiles := _whole_pixels(figure):
        about["tile"] = round(100 / figure.get_dpi() * min(tiles))
    about["width"] = round(100 * figure.get_figwidth())
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    plt.close(figure)
    picture, content = Image.fromarray(np.asarray(canvas.buffer_rgba())), io.BytesIO()
    picture = picture.convert("RGB")
    if not _in_colour(figure):
        picture = picture.quantize(256, dither=Image.Dither.NONE)
    picture.save(content, "PNG", optimize=True)
    display(
        {"image/png": content.getvalue(), "text/plain": f"Figure: {alt}"},
        metadata={"image/png": about},
        raw=True,
    )


def _whole_pixels(figure: Figure) -> list[int]:
    """Gives the figure a resolution at which its images fit the grid of pixels -> their widths.

    Each image is then moved and made smaller by a few pixels at most, so that all its pixels
    become squares of the same size.
    """
    figure.set_dpi(200)
    figure.canvas.draw()  # places what it holds
    figure.set_layout_engine("none")
    shown = [
        (axes, *axes.images[0].get_array().shape[:2])
        for axes in figure.axes
        if axes.get_visible() and len(axes.images) == 1 and axes.get_aspect() == 1
    ]
    sizes = [axes.get_window_extent().width / columns for axes, _, columns in shown]
    if not sizes:
        return []
    least = min(sizes)
    figure.set_dpi(200 * min(1.5, max(1.0, math.ceil(least - 0.05) / least)))
    width, height = (round(side) for side in figure.bbox.size)
    figure.set_size_inches(width / figure.get_dpi(), height / figure.get_dpi())
    widths = []
    for axes, rows, columns in shown:
        box = axes.get_window_extent()
        times = max(1, int(min(box.width / columns, box.height / rows) + 0.05))
        wide, high = times * columns, times * rows
        left, low = round((box.x0 + box.x1 - wide) / 2), round((box.y0 + box.y1 - high) / 2)
        place = Bbox.from_bounds(left, low, wide, high)
        axes.set_position(place.transformed(axes.get_figure().transSubfigure.inverted()))
        widths.append(wide)
    return widths


def _in_colour(figure: Figure) -> bool:
    """Whether any image in it has channels of its own, and not one number for a colour map."""
    images = (image for axes in figure.axes for image in axes.images)
    return any(image.get_array().ndim == 3 for image in images)


def traverse(
    decode: Callable[[Tensor], Tensor], z: Tensor, j: int, values: Tensor | Sequence[float]
) -> Tensor:
    """What `decode` draws when latent j of one code takes each value: (V, C, H, W).

    decode: codes (V, J) -> images (V, C, H, W). z: (J,), which is not changed. values: (V,).
    Raises ValueError if j is not a latent of z, or a number of z or values is NaN or infinite.
    """
    if z.ndim != 1:
        raise ValueError(f"z has shape {tuple(z.shape)}; expected one code of shape (J,).")
    if not 0 <= j < len(z):
        raise ValueError(f"There is no latent {j}; this code has latents 0 to {len(z) - 1}.")
    if not z.isfinite().all():
        raise ValueError(f"z is {z.tolist()}; every number of a code must be finite.")
    values = torch.as_tensor(values, dtype=z.dtype, device=z.device)
    if values.ndim != 1 or not len(values) or not values.isfinite().all():
        raise ValueError(f"values is {values.tolist()}; expected a list of finite numbers.")
    codes = z.repeat(len(values), 1)
    codes[:, j] = values
    with torch.no_grad():
        return decode(codes)


def tile(rows: Sequence[Tensor], gap: int = 2) -> Tensor:
    """Rows of V images, each row (V, C, H, W), as one picture on grey -> (C, height, width)."""
    if not rows or any(row.shape != rows[0].shape for row in rows):
        shapes = [tuple(row.shape) for row in rows]
        raise ValueError(f"rows have the shapes {shapes}; expected at least one, and all alike.")
    columns, channels, height, width = rows[0].shape
    sheet = torch.full(
        (channels, len(rows) * (height + gap) + gap, columns * (width + gap) + gap), 0.5
    )
    for r, row in enumerate(rows):
        for v, image in enumerate(row):
            y, x = gap + r * (height + gap), gap + v * (width + gap)
            sheet[:, y : y + height, x : x + width] = image
    return sheet


def draw(axes: Axes, image: Tensor, title: str = "") -> None:
    """One image (C, H, W) with values in [0, 1] on the axes, without ticks."""
    pixels = image.detach().cpu().float().clamp(0, 1).permute(1, 2, 0).numpy()
    pixels = pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels
    axes.imshow(pixels, vmin=0, vmax=1, interpolation="nearest", cmap="gray")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    if title:
        axes.set_title(title, fontsize=12, fontweight="normal", loc="center")


def image_grid(images: Tensor, columns: int = 8, title: str = "", captions: Sequence[str] = ()):
    """Images (B, C, H, W) row by row."""
    rows = -(-len(images) // columns)
    height = 1.35 if captions else 1.1
    width = max(1.1 * columns, 0.105 * len(title) + 0.2)  # so that the title fits
    figure, axes = plt.subplots(rows, columns, figsize=(width, height * rows + 0.45), squeeze=False)
    for place in axes.flat:
        place.set_axis_off()
    for n, image in enumerate(images):
        axes.flat[n].set_axis_on()
        draw(axes.flat[n], image, captions[n] if n < len(captions) else "")
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontweight="bold", fontsize=13)
    return figure


def strips(rows: Sequence[Tensor], labels: Sequence[str], title: str = "", width: float = 0.74):
    """Rows of images, each (V, C, H, W) with a V of its own, and a label at the left of each.

    width: of one image, in inches.
    """
    columns = max(map(len, rows))
    words = 0.1 * max(map(len, labels)) + 0.25  # inches; no gaps where labels are short
    size = (max(width * columns + words, 0.11 * len(title) + 0.2), width * len(rows) + 0.5)
    figure, axes = plt.subplots(
        len(rows), columns, figsize=size, squeeze=False, layout="constrained"
    )
    for row, images in enumerate(rows):
        for column, place in enumerate(axes[row]):
            place.set_visible(column < len(images))
            if column < len(images):
                draw(place, images[column])
        axes[row, 0].set_ylabel(labels[row], rotation=0, ha="right", va="center", fontsize=12)
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold", fontsize=13)
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.01, wspace=0, hspace=0)
    return figure


def reconstructions(model: VAE, data: ImageSet, index: Tensor, title: str = "") -> Figure:
    """Images (above) and what the model makes of their mean codes (below)."""
    images = data.images(index)
    with torch.no_grad():
        mean, _ = model.encode(images.to(model.device))
        rebuilt = model.pictures(mean).to(images.device)
    figure = image_grid(
        torch.cat((images, rebuilt)),
        columns=len(index),
        title=title or "Images (above) and their reconstructions (below)",
    )
    return figure


def traversal_grid(
    model: VAE,
    z: Tensor,
    latents: Sequence[int] | None = None,
    values: Sequence[float] = tuple(np.linspace(-2, 2, 9)),
    labels: Sequence[str] = (),
    title: str = "",
) -> Figure:
    """One row for each latent: the same code z (J,), with that latent moved through `values`."""
    latents = range(len(z)) if latents is None else latents
    rows = [traverse(model.pictures, z.to(model.device), j, values) for j in latents]
    height, width = 0.95 * len(rows) + 0.8, 0.95 * len(values) + 1.4
    figure, axes = plt.subplots(
        len(rows), len(values), figsize=(width, height), squeeze=False, layout="constrained"
    )
    for row, (images, j) in enumerate(zip(rows, latents, strict=True)):
        for column, image in enumerate(images):
            draw(axes[row, column], image)
        label = labels[row] if row < len(labels) else f"latent {j}"
        axes[row, 0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=12)
    for column, value in enumerate(values):
        axes[-1, column].set_xlabel(f"{value:+.1f}", fontsize=12)
    figure.suptitle(
        title or "Each row moves one latent", x=0.01, ha="left", fontweight="bold", fontsize=13
    )
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01, wspace=0, hspace=0)
    return figure


def training_curves(history: History, title: str = "") -> Figure:
    """Distortion and rate against steps, and the three parts of the rate."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8))
    steps = history["step"]
    left.plot(steps, history["distortion"], color=BLUE, label="distortion")
    left.plot(steps, history["rate"], color=RED, label="rate")
    left.set(xlabel="step", ylabel="nats per image", title=title or "Distortion and rate")
    left.set_ylim(bottom=0)
    parts = {
        "mutual_information": (BLUE, "index-code MI"),
        "total_correlation": (RED, "total correlation"),
        "dimension_kl": (GREEN, "dimension-wise KL"),
    }
    for name, (colour, label) in parts.items():
        right.plot(steps, history[name], color=colour, label=label)
    right.axhline(0, color="0.7", linewidth=1)
    right.set(xlabel="step", ylabel="nats per image", title="The three parts of the rate")
    for axes in (left, right):
        axes.legend()
    return figure


def rate_distortion(
    points: dict[float, Tensor],
    marked: float | None = None,
    title: str = "",
    axes: Axes | None = None,
) -> Figure:
    """Trained models in the plane of rate and distortion, by beta.

    points: for each beta, (R, 2): rate and distortion of R runs, nats per image. The line joins
    the means. marked: the beta whose runs are drawn large. axes: of a figure that is there.
    """
    if axes is None:
        axes = plt.subplots(figsize=(6, 4.2))[1]
    means = torch.stack([points[beta].mean(0) for beta in sorted(points)])
    axes.plot(*means.T, color="0.6", linewidth=1.5, zorder=1)
    for beta in sorted(points):
        chosen = beta == marked
        colour, size = (RED, 90) if chosen else (BLUE, 28)
        axes.scatter(*points[beta].T, s=size, color=colour, zorder=3 if chosen else 2)
        place = points[beta].mean(0).tolist()
        weight = "bold" if chosen else "normal"
        label = f"$\\beta$ = {beta:g}"
        axes.annotate(label, place, (9, 7), textcoords="offset points", color=colour, weight=weight)
    axes.set(xlabel="rate, nats per image", ylabel="distortion, nats per image", title=title)
    axes.margins(x=0.13, y=0.1)
    return axes.figure


def matrix(
    axes: Axes,
    table: Tensor,
    rows: Sequence[str],
    columns: Sequence[str],
    title: str = "",
    largest: float | None = None,
) -> None:
    """A table (R, S) of numbers from 0 up, as shades with the numbers in them.

    largest: the value of the darkest shade (default: the largest in the table).
    """
    largest = largest or float(table.max()) or 1.0
    axes.imshow(table.numpy(), cmap="Blues", vmin=0, vmax=1.1 * largest, aspect="auto")
    axes.set_yticks(range(len(rows)), rows)
    axes.set_xticks(range(len(columns)), columns)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(title)
    for r, row in enumerate(table.tolist()):
        for s, value in enumerate(row):
            colour = "white" if value > 0.65 * largest else "black"
            axes.text(s, r, f"{value:.2f}", ha="center", va="center", color=colour)


def draw_lattice(axes: Axes, points: Tensor, title: str = "") -> None:
    """A grid of two factors in the plane: points (A, B, 2).

    Along a blue line only the second factor changes, along an orange one only the first.
    """
    points = points.detach().cpu()
    for line in points:
        axes.plot(line[:, 0], line[:, 1], color=BLUE, linewidth=1.2)
    for line in points.transpose(0, 1):
        axes.plot(line[:, 0], line[:, 1], color=RED, linewidth=1.2)
    axes.set_aspect("equal")
    axes.set_title(title, fontsize=12, fontweight="normal", loc="center")


def lattice(
    model: VAE | dict[str, VAE],
    data: ImageSet,
    factors: Sequence[str] = ("x", "y"),
    latents: Sequence[int] | None = None,
    at: dict[str, int] | None = None,
    title: str = "",
) -> Figure:
    """A grid of two factors in the plane of two latents, for one model or several side by side.

    Where each factor has a latent of its own, the grid stands upright; where two latents share
    two factors, it is turned; where the code loses one, it is folded or collapses.

    latents: the two latents, right and up (default: for each model the two that know most of the
    two factors). at: values of the other factors (default: the middle ones).
    Raises ValueError for factors, latents or values that are not there.
    """
    models = model if isinstance(model, dict) else {"": model}
    width = 4.2 * len(models)
    figure, places = plt.subplots(1, len(models), figsize=(width, 4.2), squeeze=False)
    for place, (name, one) in zip(places[0], models.items(), strict=True):
        codes, _ = lattice_codes(one, data, factors, at)
        right, up = planes(one, data, factors) if latents is None else latents
        if not {right, up} <= set(range(one.latents)):
            raise ValueError(
                f"latents is {(right, up)}; this model has latents 0 to {one.latents - 1}."
            )
        draw_lattice(place, codes[:, :, [right, up]], name)
        place.set(xlabel=f"latent {right}", ylabel=f"latent {up}")
    colours = f"blue: {factors[1]} changes, orange: {factors[0]} changes"
    figure.suptitle(
        title or f"The lattice of {factors[0]} and {factors[1]} ({colours})",
        x=0.01,
        ha="left",
        fontweight="bold",
        fontsize=12,
    )
    return figure
