"""Trains the models of the faces, from coarse to fine: on 16x16 pixels, then 32x32, then 64x64.

    python -m dvae_helpers.studies faces --seeds 2
    python -m dvae_helpers.studies faces_pairs --seeds 2

The first is told nothing, the second sees pairs of faces that differ in one factor, and is told
which factor that is, never to what it changed: one latent for each factor.

A step on 16x16 pixels takes a quarter of the time of one on 64x64, and in a coarse image the
neighbouring poses overlap. Each stage starts from the model of the last one with one more layer
at the outside (`grow`): Karras et al. (2018) grow their networks in this way. The width sigma
of a pixel doubles with the side of the image, since a coarse pixel is the mean of four fine ones:
so the same change of a drawing is worth the same number of nats in each stage.

Its folder holds one checkpoint for each seed and stage. A stage that is finished is not trained
again, one that was stopped goes on, and one with fewer steps than `STEPS` is trained further
(the stages after it then belong to the shorter one: delete their checkpoints).
The models of the last stage go to `data/zoo`.
"""

import functools
from collections.abc import Sequence
from pathlib import Path

import torch
from torch.nn.functional import avg_pool2d

from .. import datasets, zoo
from ..datasets import ImageSet
from ..models import VAE
from ..objectives import beta_tcvae, beta_vae
from ..pairs import Pairs
from ..training import fit
from .measure import measure

STEPS = (6000, 2000, 1900)  # of 16x16, 32x32 and 64x64 pixels
PAIRS_STEPS, PAIRS_BETA = (2500, 5000, 5000), 1.0  # with pairs, half as many pairs as images
SIGMA = 0.2  # of a pixel of 64x64
BETA = 20.0


def coarser(data: ImageSet, side: int) -> ImageSet:
    """The same images with `side` pixels on each side, each the mean of a square block.

    Raises ValueError unless the image's side is a multiple of `side`.
    """
    block, rest = divmod(data.shape[1], side) if side >= 1 else (0, 1)
    if rest or block < 1:
        raise ValueError(
            f"side is {side}; expected a divisor of {data.shape[1]}, the side of {data.name!r}."
        )
    if block == 1:
        return data
    chunks = data.pixels.split(2048)
    pixels = torch.cat([avg_pool2d(c.float(), block).round().to(torch.uint8) for c in chunks])
    return ImageSet(data.name, data.factors, tuple(pixels.shape[1:]), pixels, data.values)


@torch.no_grad()
def grow(model: VAE, seed: int = 0) -> VAE:
    """A conv model for images of twice the side, which at first does what `model` does.

    Its encoder's first layer starts with the mean of 2x2 pixels in as many of its 32 channels as
    there are colours, its decoder's last layer with the repetition of a pixel; the other channels
    are random, and nothing reads them at first. `noise` doubles. Codes and means are those of
    `model` for the coarse image, where these means are not negative. seed: of the random channels.

    Raises ValueError for a model that is not convolutional or not Gaussian.
    """
    settings = model.config
    if settings["architecture"] != "conv" or settings["likelihood"] != "gaussian":
        raise ValueError(
            f"Only a conv model with a Gaussian likelihood can grow; this one is "
            f"{settings['architecture']} and {settings['likelihood']}."
        )
    colours, side, _ = model.image_shape
    size = {"image_shape": (colours, 2 * side, 2 * side), "noise": 2 * model.noise}
    grown = VAE(**(settings | size), seed=seed)
    state = model.state_dict()
    layers = {"encoder": len(model.encoder), "decoder": len(model.decoder)}
    last = layers["decoder"] - 1
    for name, value in state.items():
        part, number, kind = name.split(".")
        if part == "encoder" and number != "0":
            getattr(grown.encoder[int(number) + 2], kind).copy_(value)
        if part == "decoder" and int(number) != last:
            getattr(grown.decoder[int(number)], kind).copy_(value)
    first, second = grown.encoder[0], grown.encoder[2]
    inner, outer = grown.decoder[last], grown.decoder[last + 2]
    second.weight.zero_()
    second.weight[:, :colours] = state["encoder.0.weight"]
    second.bias.copy_(state["encoder.0.bias"])
    first.weight[:colours] = 0
    first.bias[:colours] = 0
    inner.weight[:, :colours] = state[f"decoder.{last}.weight"]
    inner.bias[:colours] = state[f"decoder.{last}.bias"]
    outer.weight.zero_()
    outer.bias.zero_()
    for colour in range(colours):
        first.weight[colour, colour, 1:3, 1:3] = 0.25
        outer.weight[colour, colour, 1:3, 1:3] = 1
    return grown


def train(
    folder: str | Path,
    seed: int,
    data: ImageSet,
    steps: Sequence[int] = STEPS,
    beta: float = BETA,
    sigma: float = SIGMA,
    latents: int = 10,
    hidden: int = 256,
    batch_size: int = 64,
    precision: str = "auto",
    pairs: bool = False,
    progress: bool = True,
) -> tuple[VAE, float, list[int]] | None:
    """One model through all stages, the seconds of its training and the steps of each stage.

    steps: of each stage; the last one sees the images as they are, the others each half the side.
    sigma: the standard deviation of a pixel in the last stage.
    pairs: whether to train a beta-VAE on pairs that differ in one factor (Bouchacourt et al.,
        2018), in place of a beta-TCVAE. It has one latent for each factor; `latents` says nothing
        then, and a batch is half as many pairs.
    Gives None if it was stopped: the same call goes on from there.
    """
    folder, seconds, done, model = Path(folder), 0.0, [], None
    objective, partners = beta_tcvae, None
    if pairs:
        objective, latents, batch_size = beta_vae, len(data.factors.names), batch_size // 2
        partners = Pairs(data, latents=(1,) * latents)
    folder.mkdir(parents=True, exist_ok=True)
    for stage, wanted in enumerate(steps):
        halvings = len(steps) - 1 - stage
        images = coarser(data, data.shape[1] >> halvings)
        if model is None:
            noise = sigma / 2**halvings
            model = VAE(images.shape, latents, "conv", hidden, "gaussian", noise, seed)
        else:
            model = grow(model, seed)
        history = fit(
            model,
            images,
            functools.partial(objective, beta=beta),
            wanted,
            batch_size,
            seed,
            precision=precision,
            checkpoint=folder / f"faces_seed{seed}_{images.shape[1]}.safetensors",
            log_every=min(100, wanted),
            progress=progress,
            pairs=partners,
        )
        seconds += history.seconds
        done.append(int(history.records[-1]["step"]))  # more than wanted, if it was once longer
        if history.interrupted:
            return None
    return model, seconds, done


def ship(
    folder: Path,
    seeds: int,
    steps: Sequence[int] = STEPS,
    beta: float = BETA,
    pairs: bool = False,
) -> None:
    """Trains what is missing and writes a model for each seed to the zoo, with what is measured.

    Raises ValueError if it was stopped.
    """
    data = datasets.load("faces")
    study = "faces_pairs" if pairs else "faces"
    for seed in range(seeds):
        trained = train(folder, seed, data, steps, beta, pairs=pairs)
        if trained is None:
            raise ValueError("Stopped. The same command goes on from there.")
        model, seconds, done = trained
        about = {
            "command": f"python -m dvae_helpers.studies {study} --seeds {seed + 1}",
            "data": "faces",
            "objective": "beta_vae" if pairs else "beta_tcvae",
            "beta": beta,
            "seed": seed,
            "steps": done,
            "batch_size": "32 pairs" if pairs else 64,
            "seconds": round(seconds),
            "device": "one thread of a busy CPU, bfloat16 where the processor has it",
        } | measure(model, data)
        name = "faces_pairs" if pairs else f"faces_beta_tcvae_{beta:g}"
        path = zoo.save(model, f"{name}_seed{seed}", about)
        print(f"{path}: {about}")


def ship_pairs(folder: Path, seeds: int) -> None:
    """As `ship`, with pairs."""
    ship(folder, seeds, PAIRS_STEPS, PAIRS_BETA, pairs=True)
