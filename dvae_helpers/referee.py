"""The referee, a classifier: what kind, colour, size and place of fruit a drawing shows."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from . import datasets, zoo
from .combinations import NAMED, held_out, middle_fruits
from .datasets import ImageSet, data_folder


def network(sizes: Sequence[int]) -> nn.Sequential:
    """From an image (B, 3, 24, 24) to the scores of all values of all factors, side by side."""
    layers: list[nn.Module] = []
    for inside, outside in ((3, 16), (16, 32), (32, 32)):
        layers += [nn.Conv2d(inside, outside, 4, stride=2, padding=1), nn.ReLU()]
    layers += [nn.Flatten(), nn.Linear(32 * 9, 128), nn.ReLU(), nn.Linear(128, sum(sizes))]
    return nn.Sequential(*layers)


def split(count: int) -> tuple[Tensor, Tensor]:
    """Image numbers that the referee learns from, four fifths, and those that test it."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(0))
    return order[count // 5 :], order[: count // 5]


@torch.no_grad()
def classify(referee: nn.Sequential, images: Tensor, sizes: Sequence[int]) -> Tensor:
    """What the referee sees: images (B, C, H, W) -> factor values (B, K)."""
    parts = [referee(part).split(list(sizes), 1) for part in images.split(1024)]
    return torch.cat([torch.stack([s.argmax(1) for s in scores], 1) for scores in parts])


def nearest(images: Tensor, data: ImageSet) -> Tensor:
    """The number of the nearest image of `data`, by the distance of pixels: (B, ...) -> (B,)."""
    known = data.images(torch.arange(len(data))).flatten(1)
    return torch.cat([torch.cdist(part, known).argmin(1) for part in images.flatten(1).split(512)])


def path() -> Path:
    return data_folder() / "referees" / f"small_fruits{zoo.SUFFIX}"


def load() -> nn.Sequential:
    """The shipped referee; its accuracy on test images is in `zoo.read(path())[1]`.

    Raises zoo.DamagedFile if the file is not whole, or holds something else.
    """
    tensors, _ = zoo.read(path())
    referee = network(datasets.load("small_fruits").factors.sizes)
    try:
        referee.load_state_dict({key: value.float() for key, value in tensors.items()})
    except RuntimeError as error:
        raise zoo.DamagedFile(
            f"{path()} does not hold the referee: {error}. Fetch it again (git checkout data)."
        ) from error
    return referee.eval()


def marks(drawn: Tensor, wanted: Tensor, design: str, referee: nn.Sequential) -> dict[str, float]:
    """The share of drawings in which the referee sees what was wanted, (B, 3), by factor.

    named: kind, colour and size all right. nearest: the nearest of all 120 images in the middle,
    held-out ones too, is the wanted one. copied: it is one of the training set.
    """
    every = middle_fruits()
    sizes = datasets.load("small_fruits").factors.sizes
    right = (classify(referee, drawn, sizes)[:, :NAMED] == wanted).double()
    near = every.classes(nearest(drawn, every))
    result = {"named": right.prod(1).mean()}
    result |= {name: right[:, k].mean() for k, name in enumerate(every.factors.names)}
    result |= {"nearest": (near == wanted).all(1).double().mean()}
    result |= {"copied": (~held_out(near, design)).double().mean()}
    return {name: float(value) for name, value in result.items()}
