"""Along the trade-off of rate and distortion, one beta after another."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ..datasets import ImageSet
from ..figures import latent_order, tile, traverse
from ..models import VAE, posteriors
from ..page import Component, contact_sheet, png_url


def frontier(
    models: Mapping[float, VAE],
    points: Mapping[float, Tensor],
    data: ImageSet,
    index: Tensor,
    values: Sequence[float] = (-2.5, -1.5, -0.5, 0.5, 1.5, 2.5),
) -> Component:
    """A slider moves beta along the trade-off curve. All pictures are drawn beforehand.

    models: the model to show for each beta. points: for each beta, (R, 2): rate and distortion of
    R runs, nats per image. index: (V,) images of `data`: shown with their reconstructions; every
    latent of the first one is moved through `values`, the most used latent in the first row.

    Raises ValueError for no models, models without a point, and points that are not finite.
    """
    betas = sorted(models)
    if not betas:
        raise ValueError("models is empty; give a model for each beta, as {4.0: model}.")
    if missing := [beta for beta in betas if beta not in points]:
        raise ValueError(f"There are models for beta {missing}, but no points for them.")
    runs = {beta: torch.as_tensor(points[beta]).float() for beta in sorted(points)}
    for beta, each in runs.items():
        if each.ndim != 2 or each.shape[1] != 2 or not len(each) or not each.isfinite().all():
            raise ValueError(
                f"points[{beta}] has shape {tuple(each.shape)}; expected (R, 2) finite numbers: "
                "rate and distortion of each run."
            )
    listed = {
        beta: [[round(v, 3) for v in run] for run in each.tolist()] for beta, each in runs.items()
    }
    images = data.images(index)
    rebuilt = [_rebuilt(models[beta], images) for beta in betas]
    moved, latents = zip(
        *(_moved(models[beta], data, index, values) for beta in betas), strict=True
    )
    content = {
        "betas": [_short(beta) for beta in betas],
        "points": [listed[beta] for beta in betas],
        "curve": [{"beta": _short(beta), "points": each} for beta, each in listed.items()],
        "rebuilt": [png_url(tile([images, row])) for row in rebuilt],
        "moved": [png_url(picture) for picture in moved],
        "latents": latents,
        "values": list(values),
    }
    first, last = _short(betas[0]), _short(betas[-1])
    words = "Images, and their reconstructions by the model of each beta, the smallest at the top"
    return Component(
        "frontier",
        content,
        contact_sheet(tile([images, *rebuilt])),
        f"{words}.",
        f"{words} (from {first} to {last}). Where scripts run, a slider moves beta.",
    )


@torch.no_grad()
def _rebuilt(model: VAE, images: Tensor) -> Tensor:
    """The reconstructions of images, (V, C, H, W)."""
    return model.pictures(model.encode(images.to(model.device))[0]).cpu()


def _moved(
    model: VAE, data: ImageSet, index: Tensor, values: Sequence[float]
) -> tuple[Tensor, list[int]]:
    """Of one beta: the traversals, and the latent of each of their rows."""
    some = torch.linspace(0, len(data) - 1, min(len(data), 512)).long()
    order, _ = latent_order(*posteriors(model, data, some))
    code = posteriors(model, data, index[:1])[0][0]
    return tile([traverse(model.pictures, code, j, values).cpu() for j in order]), order


def _short(beta: float) -> float | int:
    return int(beta) if beta == int(beta) else float(beta)
