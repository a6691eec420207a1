"""Trains the referee of notebook 08, a classifier of small fruits."""

from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from .. import datasets, referee, zoo
from ..combinations import DESIGNS, NAMED, held_out
from ..datasets import ImageSet


def train(data: ImageSet, steps: int = 3000) -> nn.Sequential:
    """A classifier of every factor, from *all* combinations, the held-out ones too.

    Half of its images are blurred and all are a little noisy, since a VAE's drawings are blurred.
    """
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = referee.network(data.factors.sizes)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    known, _ = referee.split(len(data))
    for _ in tqdm(range(steps), desc="referee", unit="step"):
        index = known[torch.randint(len(known), (64,), generator=generator)]
        images = data.images(index)
        images[::2] = F.avg_pool2d(images[::2], 3, 1, 1, count_include_pad=False)
        images += 0.03 * torch.randn(images.shape, generator=generator)
        scores = network(images).split(data.factors.sizes, 1)
        right = data.classes(index).unbind(1)
        loss = sum(F.cross_entropy(*pair) for pair in zip(scores, right, strict=True))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return network.eval()


def save(network: nn.Sequential, data: ImageSet) -> dict[str, float]:
    """Writes the referee with its accuracy on test images, in percent: each factor, all three."""
    _, test = referee.split(len(data))
    network = network.half().float()  # as it will be read
    classes = data.classes(test)
    said = referee.classify(network, data.images(test), data.factors.sizes)
    right = (said == classes).float()
    accuracy = dict(zip(data.factors.names, right.mean(0).tolist(), strict=True))
    accuracy["named"] = float(right[:, :NAMED].all(1).float().mean())
    for design in DESIGNS:
        rows = right[held_out(classes, design), :NAMED]
        accuracy[f"named, held out, {design}"] = float(rows.all(1).float().mean())
    accuracy = {name: round(100 * value, 2) for name, value in accuracy.items()}
    weights = {key: value.half() for key, value in network.state_dict().items()}
    zoo.write(referee.path(), weights, {"accuracy": accuracy, "test images": len(test)})
    return accuracy


def ship(folder: Path, seeds: int = 1, steps: int = 3000) -> None:
    """Trains it and writes its weights; `folder` and `seeds` are not used: there is one referee."""
    data = datasets.load("small_fruits")
    print(save(train(data, steps), data))
