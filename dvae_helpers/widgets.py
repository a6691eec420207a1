"""Sliders over pure functions: the widgets only show what `figures.traverse` returns."""

import io

import ipywidgets
import torch
from PIL import Image
from torch import Tensor

from .datasets import ImageSet
from .figures import latent_order, traverse
from .models import VAE, posteriors

__all__ = ["explorer", "png", "traverse"]

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
