"""Latents of one image put into the code of another."""

import torch

from ..codes import swap, used_and_tracked
from ..datasets import ImageSet
from ..figures import tile
from ..models import VAE, posteriors
from ..page import ASLEEP, Component, album, contact_sheet, described, network, png_url


def swapper(
    model: VAE, data: ImageSet, first: int = 0, second: int = 1, pictures: int = 12
) -> Component:
    """Two images, a box to tick for each latent, and what the decoder draws from the mixed code.

    The picture in the middle has the latents of image A; those that are ticked come from image B.
    The boxes stand in the order of how much the model uses each latent, and name the factors that
    it tracks; latents that are not used have no box.
    first, second: the numbers of A and B. Others can be chosen among `pictures` in all.

    Raises ValueError for numbers of images that are not there.
    """
    order, kl, words = used_and_tracked(model, data)
    others = album(data, first, pictures)[1 : pictures - 1]
    chosen = torch.cat((album(data, (first, second), 2), others))
    images, codes = data.images(chosen).cpu(), posteriors(model, data, chosen)[0].cpu()
    latents = [
        {
            "label": words.get(j, f"latent {j}"),
            "use": f"latent {j}, {kl[j]:.1f} nats" if j in words else f"{kl[j]:.1f} nats",
            "asleep": bool(kl[j] < ASLEEP),
            "place": j,
        }
        for j in order
    ]
    content = {
        "network": network(model),
        "latents": latents,
        "shown": [0, 1],
        "starts": {
            "sheet": png_url(torch.cat(list(images), 2)),
            "codes": [[round(v, 4) for v in code] for code in codes.tolist()],
            "words": described(data, data.classes(chosen).cpu()),
        },
    }
    used = [row["place"] for row in latents if not row["asleep"]][:8]
    with torch.no_grad():
        mixed = torch.stack([swap(codes[0], codes[1], [j]) for j in used] or [codes[0]])
        drawn = model.pictures(mixed.to(model.device)).cpu()
    row = torch.cat((images[:1], drawn, images[1:2]))
    listed = ", ".join(row["label"] for row in latents if row["place"] in used)
    return Component(
        "swapper",
        content,
        contact_sheet(tile([row], 1)),
        f"Image A, then A with one latent taken from B each: {listed}; then image B.",
        f"Image A, then A with one latent taken from B each ({listed}), then image B. "
        "Where scripts run, boxes stand here that can be ticked.",
    )
