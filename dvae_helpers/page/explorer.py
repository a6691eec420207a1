"""The explorer: sliders for all latents of one model or several, decoded in the page."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from ..codes import used_and_tracked
from ..datasets import ImageSet
from ..figures import tile, traverse
from ..models import VAE, posteriors
from .component import Component, contact_sheet, png_url
from .lattice import beside
from .weights import network
from .words import described

ASLEEP = 0.05  # a latent with less KL than this, in nats, carries nothing
_STOPS = (-2.4, -1.6, -0.8, 0.0, 0.8, 1.6, 2.4)
_ROWS = 8  # latents of one model on the contact sheet, at most


def explorer(
    model: VAE | Mapping[str, VAE],
    data: ImageSet,
    start: int | Sequence[int] | Tensor = 0,
    *,
    lattice: Sequence[str] = (),
    draw: bool = False,
    moving: bool = False,
    pictures: int = 10,
    title: str = "",
) -> Component:
    """Sliders for all latents at once, and what the decoder draws, without a kernel.

    The sliders stand in the order of how much the model uses each latent (its mean KL over some
    images of `data`) and have the names of the factors that it tracks; unused ones are folded.
    It begins at the code of an image; others, and codes from the prior, are one click away.

    model: one model, or several as {"beta-VAE": first, "beta-TCVAE": second}: one set of sliders
        moves them all. A latent of the others goes with that of the first whose means over `data`
        it follows best, up or down.
    start: the number of the image to begin with, or of all images to choose from. Otherwise there
        are `pictures` of them, spread over the data set.
    lattice: two factors, as ("x", "y"): their grid in the plane of two latents of the first model
        stands beside. Point at it, and the picture of this place is drawn.
    draw: the encoder comes along: the picture is dragged and painted on, and its code is shown.
    moving: latents move one after another from the beginning, until something is touched.

    Raises ValueError for no model, models and images of different shapes, unknown image numbers
    or factors.
    """
    models = dict(model) if isinstance(model, Mapping) else {"drawn from the code": model}
    if not models:
        raise ValueError("model is empty; give a model, or several as {name: model}.")
    for name, one in models.items():
        if tuple(one.image_shape) != tuple(data.shape):
            raise ValueError(
                f"The model {name!r} draws images of {tuple(one.image_shape)}, but {data.name!r} "
                f"has {tuple(data.shape)}; give the images that it was trained on."
            )
    chosen = album(data, start, pictures)
    images = data.images(chosen)
    codes = [posteriors(one, data, chosen)[0].cpu() for one in models.values()]
    first = next(iter(models.values()))
    _, kl, words = used_and_tracked(first, data)
    places, signs = _partners(list(models.values()), data)
    used = [
        used_and_tracked(one, data)[1][row]
        for one, row in zip(models.values(), places, strict=True)
    ]
    kl = torch.stack(used).amax(0)  # nats of the model that uses it most
    order = kl.argsort(descending=True).tolist()
    latents = [_latent(j, kl, words, places, signs) for j in order]
    content: dict[str, Any] = {
        "networks": [network(one, encoder=draw) for one in models.values()],
        "names": list(models),
        "latents": latents,
        "starts": {
            "sheet": png_url(torch.cat(list(images.cpu()), 2)),
            "codes": [_rounded(each) for each in codes],
            "words": described(data, data.classes(chosen).cpu()),
        },
        "moving": moving,
    }
    if lattice:
        content["lattice"] = beside(first, data, lattice)
    return _component(list(models.values()), codes, latents, content, title)


def traversal(
    model: VAE,
    z: Tensor,
    latents: Sequence[int] | None = None,
    labels: Sequence[str] = (),
    title: str = "",
) -> Component:
    """The same for one code z, (J,), without a data set: sliders for these latents, in this order.

    labels: one for each of the latents. The picture beside is what z draws.
    Raises ValueError for a code of another length, a latent that is not there, and other labels.
    """
    if z.shape != (model.latents,):
        raise ValueError(f"z has shape {tuple(z.shape)}; expected ({model.latents},).")
    latents = range(model.latents) if latents is None else list(latents)
    if missing := [j for j in latents if not 0 <= j < len(z)]:
        raise ValueError(f"There is no latent {missing[0]}; z has latents 0 to {len(z) - 1}.")
    labels = labels or [f"latent {j}" for j in latents]
    if len(labels) != len(latents) or not len(latents):
        raise ValueError(
            f"There are {len(latents)} latents and {len(labels)} labels; "
            "give at least one latent, and one label for each."
        )
    rows = [
        {"label": label, "use": "", "asleep": False, "places": [int(j)], "signs": [1]}
        for j, label in zip(latents, labels, strict=True)
    ]
    with torch.no_grad():
        start = model.pictures(z[None].to(model.device))[0].cpu()
    content = {
        "networks": [network(model)],
        "names": ["drawn from the code"],
        "original": "where the sliders began",
        "latents": rows,
        "starts": {"sheet": png_url(start), "codes": [_rounded(z[None].detach().cpu())]},
    }
    return _component([model], [z[None].detach()], rows, content, title)


def revived(content: dict[str, Any]) -> Component:
    """An explorer from the content that another was made of, as a saved widget has it.

    Its first picture alone is there where scripts do not run.
    """
    words = "Where scripts run, sliders stand here that move a picture."
    sheet = base64.b64decode(content["starts"]["sheet"].split(",")[1])
    facts = {key: value for key, value in content.items() if key != "title"}
    title = content.get("title", "")
    return Component("explorer", facts, sheet, "Pictures to start from.", words, title)


def _component(
    models: Sequence[VAE],
    codes: Sequence[Tensor],
    latents: Sequence[dict],
    content: dict[str, Any],
    title: str,
) -> Component:
    rows, shown = _contact(models, codes, latents)
    listed = "; ".join(shown)
    among = "" if len(models) == 1 else f" Models, from the top: {', '.join(content['names'])}."
    return Component(
        "explorer",
        content,
        contact_sheet(tile(rows, 1)),
        f"Pictures drawn from one code; each row moves one latent: {listed}.",
        f"Each row moves one latent from {_STOPS[0]:+.1f} to {_STOPS[-1]:+.1f}: {listed}.{among} "
        "Where scripts run, sliders stand here instead.",
        title,
    )


def album(data: ImageSet, start: int | Sequence[int] | Tensor, pictures: int) -> Tensor:
    """The numbers of some images to choose from: those of `start`, others spread over the set."""
    numbers = torch.as_tensor(start).flatten()
    if not len(numbers) or numbers.is_floating_point():
        raise ValueError(f"start is {start!r}; expected the number of an image, or several.")
    if len(numbers) == 1 and pictures > 1:
        # Golden steps: no two alike in a grid, and the same every time.
        steps = (torch.arange(1, pictures) * 0.6180339887) % 1
        numbers = torch.cat((numbers, (steps * len(data)).long()))
    low, high = int(numbers.min()), int(numbers.max())
    if low < 0 or high >= len(data):
        raise ValueError(f"start is {start!r}, but {data.name!r} has images 0 to {len(data) - 1}.")
    return numbers.long()


def _partners(models: Sequence[VAE], data: ImageSet) -> tuple[list[list[int]], list[list[int]]]:
    """For each model, which latent follows latent j of the first best, and whether up or down."""
    some = torch.linspace(0, len(data) - 1, min(len(data), 1024)).long()
    means = [posteriors(one, data, some)[0].cpu().double() for one in models]
    first = _standard(means[0])
    places, signs = [], []
    for mean in means:
        if mean.shape[1] < first.shape[1]:
            raise ValueError(
                f"A model has {mean.shape[1]} latents and the first {first.shape[1]}; put the "
                "model with the fewest latents first."
            )
        alike = first.T @ _standard(mean)  # (J, J')
        _, partner = linear_sum_assignment(-alike.abs())
        if mean is means[0]:
            partner = torch.arange(first.shape[1]).numpy()
        places.append(partner.tolist())
        signs.append([1 if alike[j, p] >= 0 else -1 for j, p in enumerate(partner)])
    return places, signs


def _standard(mean: Tensor) -> Tensor:
    """Columns of mean 0 and length 1."""
    centred = mean - mean.mean(0)
    return centred / centred.norm(dim=0).clamp(min=1e-9)


def _latent(j: int, kl: Tensor, words: dict[int, str], places: list, signs: list) -> dict:
    asleep = bool(kl[j] < ASLEEP)
    most = "≤ " if len(places) > 1 else ""
    use = "not used" if asleep else f"{most}{kl[j]:.1f} nats"
    numbers = [str(each[j]) for each in places]
    numbered = f"latent {numbers[0]}" if len(numbers) == 1 else f"latents {' and '.join(numbers)}"
    return {
        "label": words.get(j, f"latent {j}"),
        "use": f"{numbered}, {use}" if j in words or len(numbers) > 1 else use,
        "asleep": asleep,
        "places": [each[j] for each in places],
        "signs": [1, *[each[j] for each in signs[1:]]],
    }


def _contact(models: Sequence[VAE], codes: Sequence[Tensor], latents: Sequence[dict]):
    """The rows of the contact sheet, and their names."""
    awake = [latent for latent in latents if not latent["asleep"]] or list(latents)
    rows, names = [], []
    for m, (model, code) in enumerate(zip(models, codes, strict=True)):
        for latent in awake[:_ROWS]:
            stops = torch.tensor(_STOPS) * latent["signs"][m]
            z = code[0].to(model.device)
            rows.append(traverse(model.pictures, z, latent["places"][m], stops.to(z)).cpu())
            if m == 0:
                names.append(latent["label"])
    return rows, names


def _rounded(table: Tensor) -> list:
    return [[round(value, 4) for value in row] for row in table.tolist()]
