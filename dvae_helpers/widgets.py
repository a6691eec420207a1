"""Sliders over pure functions: the widgets only show what these return."""

import io
import math
from collections.abc import Sequence

import ipywidgets
import matplotlib.pyplot as plt
import torch
from PIL import Image
from torch import Tensor

from .datasets import ImageSet
from .factors import FactorSpace
from .figures import COLOURS, latent_order, matrix, rate_distortion, to_png, traverse
from .metrics import dci, mig_exact
from .models import VAE, posteriors, sample

__all__ = ["explorer", "frontier", "gap_explorer", "png", "spoil"]
__all__ += ["spoiled_scores", "tile", "traverse"]

_REACH = 3.0  # sliders go from -3 to 3: nearly all of the prior
_ASLEEP = 0.05  # a latent with less KL than this, in nats, carries nothing


def png(image: Tensor, scale: int = 4) -> bytes:
    """An image (C, H, W) with values in [0, 1] as the bytes of a PNG file, enlarged in blocks."""
    if image.ndim != 3 or image.shape[0] not in (1, 3):
        raise ValueError(f"image has shape {tuple(image.shape)}; expected (1 or 3, H, W).")
    pixels = (image.detach().cpu().float().clamp(0, 1) * 255).round().to(torch.uint8)
    pixels = pixels.repeat_interleave(scale, 1).repeat_interleave(scale, 2)
    array = pixels.permute(1, 2, 0).numpy()
    content = io.BytesIO()
    Image.fromarray(array.squeeze(-1) if array.shape[-1] == 1 else array).save(
        content, "PNG", compress_level=1
    )
    return content.getvalue()


def explorer(
    model: VAE, data: ImageSet, start: int = 0, names: dict[int, str] | None = None
) -> ipywidgets.VBox:
    """A traversal explorer: one slider for each latent, and the image that the decoder draws.

    The sliders stand in the order of how much the model uses each latent (its mean KL over some
    images of `data`). Unused latents come last and say so.
    start: the number of the image whose code the sliders begin with.
    names: labels for latents, as {3: "x"}.
    The parts are `.sliders` (one for each latent j), `.picture`, `.original`, `.number`.
    """
    some = torch.linspace(0, len(data) - 1, min(len(data), 512)).long()
    order, kl = latent_order(*posteriors(model, data, some))
    names = names or {}

    def label(j: int) -> str:
        use = "not used" if kl[j] < _ASLEEP else f"{kl[j]:.1f} nats"
        return f"latent {j}{': ' + names[j] if j in names else ''} ({use})"

    box = ipywidgets.VBox()
    box.picture = ipywidgets.Image(format="png", width=224, height=224)
    box.original = ipywidgets.Image(format="png", width=224, height=224)
    box.picture.layout.border = box.original.layout.border = "1px solid #888888"
    box.sliders = [
        ipywidgets.FloatSlider(
            min=-_REACH,
            max=_REACH,
            step=0.05,
            description=label(j),
            readout_format="+.2f",
            style={"description_width": "13em"},
            layout={"width": "29em"},
        )
        for j in range(model.latents)
    ]
    box.number = ipywidgets.BoundedIntText(start, 0, len(data) - 1, description="image")
    another = ipywidgets.Button(description="Another image", icon="random")
    back = ipywidgets.Button(description="Back to its code", icon="undo")
    busy = False  # while all sliders are set at once, the picture is drawn once, at the end

    def redraw(change=None) -> None:
        if not busy:
            z = torch.tensor([slider.value for slider in box.sliders], device=model.device)
            box.picture.value = png(traverse(model.pictures, z, 0, z[:1])[0])

    def restart(change=None) -> None:
        nonlocal busy
        image = data.images(torch.tensor([box.number.value]))
        with torch.no_grad():
            mean, _ = model.encode(image.to(model.device))
        box.original.value = png(image[0])
        busy = True
        for slider, value in zip(box.sliders, mean[0].tolist(), strict=True):
            slider.value = min(max(value, -_REACH), _REACH)
        busy = False
        redraw()

    def choose(button) -> None:
        box.number.value = int(torch.randint(len(data), ()))

    for slider in box.sliders:
        slider.observe(redraw, "value")
    box.number.observe(restart, "value")
    another.on_click(choose)
    back.on_click(restart)
    restart()

    def under(picture: ipywidgets.Image, words: str) -> ipywidgets.VBox:
        return ipywidgets.VBox([picture, ipywidgets.Label(words)])

    pictures = [under(box.original, "the image"), under(box.picture, "drawn from the code")]
    column = ipywidgets.VBox([box.sliders[j] for j in order])
    box.children = [
        ipywidgets.HBox([box.number, another, back]),
        ipywidgets.HBox([column, ipywidgets.HBox(pictures)], layout={"flex_flow": "row wrap"}),
    ]
    return box


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


def frontier(
    models: dict[float, VAE],
    points: dict[float, Tensor],
    data: ImageSet,
    index: Tensor,
    values: Sequence[float] = (-2.5, -1.5, -0.5, 0.5, 1.5, 2.5),
) -> ipywidgets.VBox:
    """A slider moves beta along the trade-off curve. All pictures are drawn beforehand.

    models: the model to show for each beta. points: for each beta, (R, 2): rate and distortion of
    R runs, nats per image. index: (V,) images of `data`: shown with their reconstructions; every
    latent of the first one is moved through `values`, the most used latent in the first row.
    The parts are `.slider`, `.plane`, `.rebuilt`, `.traversal`.
    """
    betas = sorted(models)
    if missing := [beta for beta in betas if beta not in points]:
        raise ValueError(f"There are models for beta {missing}, but no points for them.")
    frames = {
        beta: _frontier_frames(models[beta], beta, points, data, index, values) for beta in betas
    }
    box = ipywidgets.VBox()
    box.slider = ipywidgets.SelectionSlider(
        options=[(f"{beta:g}", beta) for beta in betas],
        description="beta",
        layout={"width": "36em"},
    )
    box.plane, box.rebuilt, box.traversal = (ipywidgets.Image(format="png") for _ in range(3))

    def redraw(change=None) -> None:
        box.plane.value, box.rebuilt.value, box.traversal.value = frames[box.slider.value]

    box.slider.observe(redraw, "value")
    redraw()
    words = (
        "the images, their reconstructions, and the first code with one latent moved in each row"
    )
    pictures = ipywidgets.VBox([ipywidgets.Label(words), box.rebuilt, box.traversal])
    box.children = [
        box.slider,
        ipywidgets.HBox([box.plane, pictures], layout={"flex_flow": "row wrap"}),
    ]
    return box


def _frontier_frames(
    model: VAE,
    beta: float,
    points: dict[float, Tensor],
    data: ImageSet,
    index: Tensor,
    values: Sequence[float],
) -> tuple[bytes, bytes, bytes]:
    """The pictures of one beta: the plane, the reconstructions, the traversals."""
    images = data.images(index).to(model.device)
    with torch.no_grad():
        codes, _ = model.encode(images)
        rebuilt = model.pictures(codes)
    some = torch.linspace(0, len(data) - 1, min(len(data), 512)).long()
    order, _ = latent_order(*posteriors(model, data, some))
    rows = [traverse(model.pictures, codes[0], j, values) for j in order]
    plane = to_png(rate_distortion(points, beta, f"beta = {beta:g}"))
    return plane, png(tile([images, rebuilt]), 2), png(tile(rows), 2)


def spoil(code: Tensor, degrees: float, copy: float) -> Tensor:
    """A code of two latents, rotated and partly copied: (N, 2) -> (N, 3).

    Latents 0 and 1 are the code turned by `degrees`; latent 2 is `copy` times the new latent 0.
    With degrees = copy = 0 the code is as it was, beside a latent that is always 0.
    """
    if code.ndim != 2 or code.shape[1] != 2:
        raise ValueError(f"code has shape {tuple(code.shape)}; expected (N, 2).")
    angle = torch.deg2rad(torch.tensor(degrees, dtype=code.dtype))
    cos, sin = angle.cos(), angle.sin()
    turned = code @ torch.stack((torch.stack((cos, sin)), torch.stack((-sin, cos))))
    return torch.cat((turned, copy * turned[:, :1]), 1)


def spoiled_scores(degrees: float, copy: float, sigma: float = 0.05) -> tuple[dict, Tensor]:
    """Scores of a perfect code of two factors after `spoil`, and I(z_j; g_k) / H(g_k), (2, 3).

    The factors have 5 and 8 values, one latent each; every posterior has the width `sigma`. D and
    C are DCI's, from a forest on 20 draws of each code.
    """
    space = FactorSpace(("a", "b"), (5, 8))
    classes = space.classes(torch.arange(len(space)))
    code = (classes - classes.double().mean(0)) / classes.double().std(0)
    mean = spoil(code, degrees, copy)
    log_var = torch.full_like(mean, 2 * math.log(sigma))
    gap = mig_exact(mean, log_var, space)
    share = gap.information / gap.entropy[:, None]
    drawn = sample(mean.repeat(20, 1), log_var.repeat(20, 1), torch.Generator().manual_seed(0))
    importance = dci(drawn, classes.repeat(20, 1), "forest")
    scores = {
        "best MI": float(share.max(1).values.mean()),
        "MIG": gap.score,
        "D": importance.disentanglement,
        "C": importance.completeness,
    }
    return scores, share


def gap_explorer() -> ipywidgets.VBox:
    """Two sliders that rotate and copy a perfect code, and the scores that follow or do not.

    The parts are `.degrees`, `.copy`, `.picture`.
    """
    box = ipywidgets.VBox()
    wide = {"layout": {"width": "30em"}, "style": {"description_width": "8em"}}
    wide |= {"continuous_update": False}
    box.degrees = ipywidgets.IntSlider(0, 0, 90, 3, description="rotate, degrees", **wide)
    box.copy = ipywidgets.FloatSlider(0.0, min=0, max=1, step=0.1, description="copy", **wide)
    box.picture = ipywidgets.Image(format="png")

    def redraw(change=None) -> None:
        scores, share = spoiled_scores(box.degrees.value, box.copy.value)
        figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3))
        latents = [f"latent {j}" for j in range(3)]
        matrix(left, share, ("factor a", "factor b"), latents, "MI / entropy", 1.0)
        bars = right.bar(list(scores), list(scores.values()), color=COLOURS[:4])
        right.bar_label(bars, fmt="%.2f")
        right.set(ylim=(0, 1.15), title="Scores")
        box.picture.value = to_png(figure)
        plt.close(figure)

    box.degrees.observe(redraw, "value")
    box.copy.observe(redraw, "value")
    redraw()
    box.children = [box.degrees, box.copy, box.picture]
    return box
