"""Sliders over pure functions: the widgets only show what these return."""

import functools
import io
from collections.abc import Sequence

import anywidget
import ipywidgets
import matplotlib.pyplot as plt
import torch
import traitlets
from PIL import Image
from torch import Tensor

from . import page
from .codes import nearest, spoil, spoiled_scores, swap, tracked, used_and_tracked
from .datasets import ImageSet
from .figures import COLOURS, latent_order, matrix, rate_distortion, tile, to_png, traverse
from .models import VAE, posteriors

__all__ = ["Explorer", "explorer", "frontier", "gap_explorer", "nearest", "png", "spoil"]
__all__ += ["spoiled_scores", "swap", "swapper", "tile", "tracked", "traverse"]

_ASLEEP = 0.05  # a latent with less KL than this, in nats, carries nothing
_RENDER = """
export default {
  render({ model, el }) {
    const root = document.createElement("figure");
    root.className = "dvae";
    root.dataset.lmSuppressShortcuts = "true";
    el.append(root);
    let told = 0;
    const tell = (codes) => {
      clearTimeout(told);
      told = setTimeout(() => {
        model.set("codes", codes);
        model.save_changes();
      }, 50);
    };
    const shown = explorer(root, model.get("content"), tell);
    const go = () => model.get("wanted").length && shown.go(model.get("wanted"));
    model.on("change:wanted", go);
    shown.ready.then(go);
    return () => model.off("change:wanted", go);
  },
};
"""


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


def explorer(model: VAE | dict[str, VAE], data: ImageSet, start: int = 0, **settings):
    """`page.explorer`: sliders for all latents that work without a kernel, and stay when saved."""
    return page.explorer(model, data, start, **settings)


class Explorer(anywidget.AnyWidget):
    """The same explorer with a line to the kernel: `.codes` follows the sliders.

    The page draws; a kernel that is busy or gone does not stop it. Arguments as those of
    `page.explorer`. Setting `.codes[0]` by `.go(code)` moves the sliders.
    """

    _esm = page.script(page.EXPLORER_SCRIPTS) + _RENDER
    _css = page.STYLE
    content = traitlets.Dict().tag(sync=True)
    codes = traitlets.List().tag(sync=True)
    wanted = traitlets.List().tag(sync=True)

    def __init__(self, model: VAE | dict[str, VAE], data: ImageSet, start: int = 0, **settings):
        component = page.explorer(model, data, start, **settings)
        codes = [each[0] for each in component.content["starts"]["codes"]]
        super().__init__(content={**component.content, "title": component.title}, codes=codes)

    def go(self, code: Sequence[float] | Tensor) -> None:
        """Moves the sliders to a code of the first model, (J,)."""
        numbers = torch.as_tensor(code, dtype=torch.float32)
        if numbers.shape != (len(self.codes[0]),) or not numbers.isfinite().all():
            raise ValueError(f"code is {code}; expected {len(self.codes[0])} finite numbers.")
        self.wanted = [float(value) for value in numbers]


def _picture() -> ipywidgets.Image:
    layout = {"width": "224px", "height": "224px", "border": "1px solid #888888"}
    layout |= {"flex": "0 0 auto", "object_fit": "contain"}  # a narrow row must not squash it
    return ipywidgets.Image(format="png", layout=layout)


def _under(picture: ipywidgets.Image, words: str) -> ipywidgets.VBox:
    return ipywidgets.VBox([picture, ipywidgets.Label(words)])


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
        ipywidgets.HBox(
            [box.plane, pictures],
            layout={"flex_flow": "row wrap", "align_items": "flex-start"},  # no stretched picture
        ),
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


def gap_explorer() -> ipywidgets.VBox:
    """Two sliders that rotate and copy a perfect code, and the scores that follow or do not.

    The parts are `.degrees`, `.copy`, `.picture`.
    """
    box = ipywidgets.VBox(layout={"align_items": "flex-start"})  # no stretched picture
    wide = {"layout": {"width": "30em"}, "style": {"description_width": "8em"}}
    wide |= {"continuous_update": False}
    box.degrees = ipywidgets.IntSlider(0, 0, 90, 3, description="rotate, degrees", **wide)
    box.copy = ipywidgets.FloatSlider(0.0, min=0, max=1, step=0.1, description="copy", **wide)
    box.picture = ipywidgets.Image(format="png")

    @functools.cache  # a forest for every new place takes longest
    def drawn(degrees: int, copy: float) -> bytes:
        scores, share = spoiled_scores(degrees, copy)
        figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3))
        latents = [f"latent {j}" for j in range(3)]
        matrix(left, share, ("factor a", "factor b"), latents, "MI / entropy", 1.0)
        bars = right.bar(list(scores), list(scores.values()), color=COLOURS[:4])
        right.bar_label(bars, fmt="%.2f")
        right.set(ylim=(0, 1.15), title="Scores")
        return to_png(figure)

    def redraw(change=None) -> None:
        box.picture.value = drawn(box.degrees.value, box.copy.value)

    box.degrees.observe(redraw, "value")
    box.copy.observe(redraw, "value")
    redraw()
    box.children = [box.degrees, box.copy, box.picture]
    return box


def swapper(model: VAE, data: ImageSet, first: int = 0, second: int = 1) -> ipywidgets.VBox:
    """Two images, a box to tick for each latent, and what the decoder draws from the mixed code.

    The picture in the middle has the latents of image A; those that are ticked come from image B.
    The boxes stand in the order of how much the model uses each latent, and name the factors that
    it tracks; latents that are not used have no box on the screen.
    first, second: the numbers of A and B.
    The parts are `.boxes` (one for each latent j), `.numbers`, `.originals` (of A, of B) and
    `.picture`.
    """
    order, kl, words = used_and_tracked(model, data)
    box = ipywidgets.VBox()
    box.picture, box.originals = _picture(), [_picture(), _picture()]
    box.numbers = [
        ipywidgets.BoundedIntText(start, 0, len(data) - 1, description=f"image {name}")
        for name, start in (("A", first), ("B", second))
    ]
    box.boxes = [
        ipywidgets.Checkbox(False, description=f"latent {j}: {words.get(j, 'no single factor')}")
        for j in range(model.latents)
    ]
    codes: list[Tensor] = [torch.empty(0)] * 2
    busy = False  # while several boxes are ticked at once, the picture is drawn once, at the end

    def redraw(change=None) -> None:
        if not busy:
            ticked = [j for j, tick in enumerate(box.boxes) if tick.value]
            with torch.no_grad():
                box.picture.value = png(model.pictures(swap(*codes, ticked))[0])

    def encode(n: int) -> None:
        image = data.images(torch.tensor([box.numbers[n].value]))
        box.originals[n].value = png(image[0])
        with torch.no_grad():
            codes[n], _ = model.encode(image.to(model.device))

    def choose(change) -> None:
        encode(box.numbers.index(change.owner))
        redraw()

    def tick(every: bool) -> None:
        nonlocal busy
        busy = True
        for one in box.boxes:
            one.value = every
        busy = False
        redraw()

    def draw_lots(button) -> None:
        for number in box.numbers:
            number.value = int(torch.randint(len(data), ()))

    buttons = [
        ipywidgets.Button(description=name) for name in ("Two others", "All from A", "All from B")
    ]
    buttons[0].on_click(draw_lots)
    buttons[1].on_click(lambda button: tick(False))
    buttons[2].on_click(lambda button: tick(True))
    for n, number in enumerate(box.numbers):
        encode(n)
        number.observe(choose, "value")
    for one in box.boxes:
        one.observe(redraw, "value")
    redraw()
    shown = [box.boxes[j] for j in order if kl[j] >= _ASLEEP]
    (a, b), middle = box.originals, box.picture
    rows = {"flex_flow": "row wrap"}
    pictures = [_under(a, "image A"), _under(middle, "drawn from the mixed code")]
    box.children = [
        ipywidgets.HBox([*box.numbers, *buttons], layout=rows),
        ipywidgets.HBox([*pictures, _under(b, "image B")], layout=rows),
        ipywidgets.VBox([ipywidgets.Label("Take from B:"), *shown]),
    ]
    return box
