"""Sliders over pure functions: the widgets only show what these return."""

import functools
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
from .figures import COLOURS, latent_order, matrix, rate_distortion, tile, to_png, traverse
from .metrics import dci, mig_exact
from .models import VAE, posteriors, sample

__all__ = ["explorer", "frontier", "gap_explorer", "nearest", "png", "spoil"]
__all__ += ["spoiled_scores", "swap", "swapper", "tile", "tracked", "traverse"]

_REACH = 3.0  # sliders go from -3 to 3: nearly all of the prior
_ASLEEP = 0.05  # a latent with less KL than this, in nats, carries nothing
_LOOK = 1024  # images that say how much each latent is used, and what for


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


def tracked(mean: Tensor, log_var: Tensor, classes: Tensor, names: Sequence[str]) -> dict[int, str]:
    """What each latent tracks, in words, as {3: "x", 5: "scale + shape"}; no entry if nothing.

    A factor is named if the latent knows at least a fifth of its entropy, and at least half as
    much as of the factor that it knows best: shares of the exact I(z_j; g_k) / H(g_k).
    mean, log_var: (N, J), posteriors of some images. classes: (N, K), their factor values.
    """
    varied = [k for k in range(len(names)) if classes[:, k].min() < classes[:, k].max()]
    if mean.shape[1] < 2 or not varied:
        return {}
    gap = mig_exact(mean, log_var, classes[:, varied], tolerance=1e-3)
    shares = (gap.information / gap.entropy[:, None]).T  # (J, K)
    words = {}
    for j, share in enumerate(shares):
        least = max(0.2, float(share.max()) / 2)
        found = [names[varied[k]] for k in share.argsort(descending=True) if share[k] >= least]
        if found:
            words[j] = " + ".join(found)
    return words


def explorer(model: VAE | dict[str, VAE], data: ImageSet, start: int = 0) -> ipywidgets.VBox:
    """A traversal explorer: one slider for each latent, and the image that the decoder draws.

    The sliders stand in the order of how much the model uses each latent (its mean KL over some
    images of `data`), and name the factors that it tracks. Unused latents come last, in grey.
    model: one model, or several side by side, as {"beta-VAE": first, "beta-TCVAE": second}.
    start: the number of the image whose code the sliders begin with. Another one is chosen by
        number, by its factor values (the nearest image that is there), or at random.
    The parts are `.panels` (one for each model, with `.sliders`, one for each latent j, and
    `.picture`), `.original`, `.number`, `.factors`; `.sliders` and `.picture` of the first model.
    """
    models = model if isinstance(model, dict) else {"drawn from the code": model}
    box = ipywidgets.VBox()
    box.panels = [_panel(one, data) for one in models.values()]
    box.sliders, box.picture = box.panels[0].sliders, box.panels[0].picture
    box.original = _picture()
    # Widgets share their layouts: a saved notebook keeps each of them with all its fields.
    narrow, rows = ipywidgets.Layout(width="12em"), ipywidgets.Layout(flex_flow="row wrap")
    menu_style = {"description_width": "5.5em"}
    box.number = ipywidgets.BoundedIntText(
        start, 0, len(data) - 1, description="image", layout=narrow
    )
    another = ipywidgets.Button(description="Another image", icon="random", layout=narrow)
    back = ipywidgets.Button(description="Back to its code", icon="undo", layout=narrow)
    box.factors = [
        ipywidgets.Dropdown(
            options=range(size) if data.values is None else data.values[:, k].unique().tolist(),
            description=name,
            layout=narrow,
            style=menu_style,
        )
        for k, (name, size) in enumerate(zip(data.factors.names, data.factors.sizes, strict=True))
    ]
    busy = False  # while the menus are set to the values of a new image

    def restart(change=None) -> None:
        nonlocal busy
        index = torch.tensor([box.number.value])
        image = data.images(index)
        box.original.value = png(image[0])
        busy = True
        for menu, value in zip(box.factors, data.classes(index)[0].tolist(), strict=True):
            menu.value = value
        busy = False
        for panel in box.panels:
            panel.encode(image)

    def choose(change) -> None:
        if not busy:
            wanted = torch.tensor([menu.value for menu in box.factors])
            found = nearest(data, wanted, box.factors.index(change.owner))
            if found == box.number.value:
                restart()  # there is no other image: the menus go back
            box.number.value = found

    def draw_lots(button) -> None:
        box.number.value = int(torch.randint(len(data), ()))

    for menu in box.factors:
        menu.observe(choose, "value")
    box.number.observe(restart, "value")
    another.on_click(draw_lots)
    back.on_click(restart)
    restart()

    drawn = [
        ipywidgets.HBox([_under(panel.picture, words), panel], layout=rows)
        for panel, words in zip(box.panels, models, strict=True)
    ]
    box.children = [
        ipywidgets.HBox([box.number, another, back], layout=rows),
        ipywidgets.HBox(box.factors, layout=rows),
        ipywidgets.HBox([_under(box.original, "the image"), ipywidgets.HBox(drawn, layout=rows)]),
        ipywidgets.HTML("<style>.dvae-unused { opacity: 0.5; }</style>"),
    ]
    return box


def nearest(data: ImageSet, wanted: Tensor, k: int) -> int:
    """The number of the image with value wanted[k] of factor k, and the others as near as can be.

    wanted: (K,) factor values. In a set that is the whole grid it has all of them.
    """
    if data.values is None:
        return int(data.find(wanted[None]))
    values = data.values.cpu()
    far = (values - wanted).abs().sum(1)
    return int(far.masked_fill(values[:, k] != wanted[k], far.max() + 1).argmin())


def _panel(model: VAE, data: ImageSet) -> ipywidgets.VBox:
    """The sliders of one model, and `.picture`, which follows them; `.encode(image)` sets them."""
    order, kl, words = _look(model, data)
    panel = ipywidgets.VBox()
    panel.picture = _picture()
    panel.sliders = []
    layout = ipywidgets.Layout(width="29em")
    style = ipywidgets.SliderStyle(description_width="13em")
    for j in range(model.latents):
        asleep = kl[j] < _ASLEEP
        use = "not used" if asleep else f"{kl[j]:.1f} nats"
        slider = ipywidgets.FloatSlider(
            min=-_REACH,
            max=_REACH,
            step=0.05,
            description=f"latent {j}{': ' + words[j] if j in words else ''} ({use})",
            readout_format="+.2f",
            style=style,
            layout=layout,
        )
        if asleep:
            slider.add_class("dvae-unused")
        panel.sliders.append(slider)
    busy = False  # while all sliders are set at once, the picture is drawn once, at the end

    def redraw(change=None) -> None:
        if not busy:
            z = torch.tensor([slider.value for slider in panel.sliders], device=model.device)
            panel.picture.value = png(traverse(model.pictures, z, 0, z[:1])[0])

    def encode(image: Tensor) -> None:
        nonlocal busy
        with torch.no_grad():
            mean, _ = model.encode(image.to(model.device))
        busy = True
        for slider, value in zip(panel.sliders, mean[0].tolist(), strict=True):
            slider.value = min(max(value, -_REACH), _REACH)
        busy = False
        redraw()

    for slider in panel.sliders:
        slider.observe(redraw, "value")
    panel.encode = encode
    panel.children = [panel.sliders[j] for j in order]
    return panel


def _look(model: VAE, data: ImageSet) -> tuple[list[int], Tensor, dict[int, str]]:
    """The latents by use, their mean KL, and what they track, from some images of `data`."""
    some = torch.linspace(0, len(data) - 1, min(len(data), _LOOK)).long()
    mean, log_var = posteriors(model, data, some)
    words = tracked(mean.cpu(), log_var.cpu(), data.classes(some).cpu(), data.factors.names)
    return *latent_order(mean, log_var), words


def _picture() -> ipywidgets.Image:
    layout = {"width": "224px", "height": "224px", "border": "1px solid #888888"}
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


def swap(code_a: Tensor, code_b: Tensor, latents: Sequence[int]) -> Tensor:
    """Code a, with the given latents taken from code b. Both (..., J) -> (..., J), a new tensor.

    Raises ValueError for codes of different shapes, or a latent that they do not have.
    """
    if code_a.shape != code_b.shape or not code_a.ndim:
        raise ValueError(
            f"The codes have shapes {tuple(code_a.shape)} and {tuple(code_b.shape)}; "
            "expected the same shape (..., J) twice: two codes of one model."
        )
    width = code_a.shape[-1]
    if strange := [j for j in latents if j not in range(width)]:
        raise ValueError(f"There is no latent {strange[0]!r}; these codes have 0 to {width - 1}.")
    mixed = code_a.clone()
    mixed[..., list(latents)] = code_b[..., list(latents)]
    return mixed


def swapper(model: VAE, data: ImageSet, first: int = 0, second: int = 1) -> ipywidgets.VBox:
    """Two images, a box to tick for each latent, and what the decoder draws from the mixed code.

    The picture in the middle has the latents of image A; those that are ticked come from image B.
    The boxes stand in the order of how much the model uses each latent, and name the factors that
    it tracks; latents that are not used have no box on the screen.
    first, second: the numbers of A and B.
    The parts are `.boxes` (one for each latent j), `.numbers`, `.originals` (of A, of B) and
    `.picture`.
    """
    order, kl, words = _look(model, data)
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
