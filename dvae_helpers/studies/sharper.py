"""A discriminator that sharpens the drawings of a trained VAE: its decoder alone is trained on.

A VAE draws the mean of all the images that a code may stand for. What the code does not hold comes
out as a blur: the faces of a model without a smile latent have a smudge for a mouth. Larsen et al.
(2016) add a discriminator, as in a GAN, to the decoder's loss. It knows no code, so that it can ask
for *a* mouth, never for the right one.
"""

import itertools
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm
from tqdm.auto import tqdm

from .. import datasets, zoo
from ..datasets import ImageSet
from ..models import VAE, posteriors
from .store import kept

MODEL = "faces_beta_tcvae_20_seed1"
STEPS, BATCH, RATE = 800, 32, 2e-4
WEIGHT = 20.0  # of the discriminator's opinion (nats of its choice), against the distortion


def network(colours: int, side: int) -> nn.Sequential:
    """Images (B, C, side, side) -> logits (B, 1) of being an image of the data.

    Four layers with stride 2 and spectral norm (Miyato et al., 2018). `side` is 16 or more, a
    power of 2.
    """
    layers: list[nn.Module] = []
    sizes = [colours, 32, 64, 128, 128]
    for inside, outside in itertools.pairwise(sizes):
        layers += [spectral_norm(nn.Conv2d(inside, outside, 4, 2, 1)), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * (side // 16) ** 2, 1))


def sharpen(
    model: VAE,
    data: ImageSet,
    steps: int = STEPS,
    weight: float = WEIGHT,
    seed: int = 0,
    progress: bool = True,
) -> nn.Sequential:
    """Trains the decoder of `model` on, in place, against a discriminator, which it returns.

    The decoder's loss for an image, in nats: the squared distance over 2 sigma^2, and `weight`
    times -log D(drawing). The encoder stays as it is, and so do all codes and scores.
    """
    colours, side, _ = model.image_shape
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        critic = network(colours, side)
    with torch.no_grad():
        mean, log_var = posteriors(model, data)
    adam = {"lr": RATE, "betas": (0.5, 0.99)}
    painter = torch.optim.Adam(model.decoder.parameters(), **adam)
    expert = torch.optim.Adam(critic.parameters(), **adam)
    for _ in tqdm(range(steps), desc="sharpening", unit="step", disable=not progress):
        index = torch.randint(len(data), (BATCH,), generator=generator)
        real = data.images(index)
        noise = torch.randn(BATCH, model.latents, generator=generator)
        z = mean[index] + (log_var[index] / 2).exp() * noise
        drawn = model.decode(z)

        expert.zero_grad()
        loss = F.softplus(-critic(real)) + F.softplus(critic(drawn.detach()))
        loss.mean().backward()
        expert.step()

        painter.zero_grad()
        distance = (drawn - real).square().sum((1, 2, 3)) / (2 * float(model.noise) ** 2)
        opinion = F.softplus(-critic(drawn))[:, 0]
        (distance + weight * opinion).mean().backward()
        painter.step()
    return critic.eval()


def sharpness(images: Tensor) -> float:
    """The mean absolute difference of neighbouring pixels: (B, C, H, W), 0 to 1 -> a number.

    A blur lowers it, noise raises it.
    """
    down = (images[:, :, 1:] - images[:, :, :-1]).abs().mean()
    across = (images[..., 1:] - images[..., :-1]).abs().mean()
    return float((down + across) / 2)


@torch.no_grad()
def measure(before: VAE, after: VAE, data: ImageSet, images: int = 2000) -> dict[str, float]:
    """Sharpness and distance of both models' drawings, from the means of every k-th image.

    distance: the mean squared difference of a pixel from the image itself.
    """
    index = torch.arange(0, len(data), max(1, len(data) // images))
    real = data.images(index)
    found = {"sharpness of the images": sharpness(real)}
    for name, model in (("before", before), ("after", after)):
        z = torch.cat([model.encode(part)[0] for part in real.split(500)])
        drawn = torch.cat([model.pictures(part) for part in z.split(500)])
        found[f"sharpness {name}"] = sharpness(drawn)
        found[f"distance {name}"] = float((drawn - real).square().mean())
    return {name: round(value, 5) for name, value in found.items()}


def ship(folder: Path, seeds: int = 1, steps: int = STEPS) -> None:
    """Sharpens `MODEL` and writes it to the zoo as faces_sharper; there is one, with seed 0."""
    data = datasets.load("faces")
    settings = {"model": MODEL, "steps": steps, "batch": BATCH, "rate": RATE, "weight": WEIGHT}

    def make():
        model = zoo.load(MODEL).train()
        sharpen(model, data, steps)
        return dict(model.state_dict()), {"config": model.config}

    tensors, _ = kept(folder / "faces_sharper.safetensors", settings, make)
    before, after = zoo.load(MODEL).eval(), zoo.load(MODEL)
    after.load_state_dict(tensors)
    about = {
        "command": "python -m dvae_helpers.studies sharper",
        "data": "faces",
        "started from": MODEL,
        **settings,
    } | measure(before, after.eval(), data)
    print(f"{zoo.save(after, 'faces_sharper', about)}: {about}")
