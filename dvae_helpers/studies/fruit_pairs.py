"""Two kinds of help for new combinations: pairs of images, and a decoder that knows layers.

Each cell of the table is one kind of pairs (or none) with one decoder, trained on one of the
three designs of notebook 08, and judged as that notebook judges.
"""

import functools
import io
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .. import combinations, objectives, referee, training
from ..combinations import DESIGNS, TRIPLES, small_model, training_set
from ..datasets import data_folder
from ..files import write_whole
from ..metrics import mig_exact
from ..models import VAE, posteriors
from ..pairs import Pairs
from .store import kept, write_rows

HELP = {
    "none": None,
    "one factor, told which": ((("kind",), ("size",), ("colour",)), (4, 1, 3)),
    "one factor, not told": ((("kind",), ("size",), ("colour",)), None),
    "shape or colour, told which": ((("kind", "size"), ("colour",)), (5, 3)),
}
DECODERS = ("ordinary", "layered")
SHAPE, COLOUR = 5, 3  # latents of a layered decoder's blocks
STEPS, BATCH, RATE, HIDDEN = 2500, 32, 1e-3, 128
SHOWN = (0, 5, 1)  # the wish whose drawings are kept, with its first donor: a small black apple


def train(design: str, help: str, decoder: str, seed: int) -> VAE:
    """One model, about 50 s on one thread.

    Without pairs it takes twice as many steps, so that it sees as many images.
    """
    data, pairs = training_set(design), None
    blocks = (SHAPE, COLOUR) if decoder == "layered" else None
    model = small_model(data, SHAPE + COLOUR, seed, HIDDEN, blocks)
    if HELP[help] is not None:
        groups, latents = HELP[help]
        pairs = Pairs(data, groups, latents)
    history = training.fit(
        model,
        data,
        functools.partial(objectives.beta_vae, beta=1.0),
        steps=STEPS if pairs else 2 * STEPS,
        batch_size=BATCH,
        seed=seed,
        learning_rate=RATE,
        precision="float32",
        log_every=250,
        progress=False,
        pairs=pairs,
    )
    if history.interrupted:
        raise KeyboardInterrupt
    return model


@torch.no_grad()
def drawings(model: VAE, design: str, help: str, unseen: bool) -> tuple[dict, torch.Tensor]:
    """What the model draws for all wishes, by the way to ask, and the wishes (B, 3)."""
    wanted, donors = combinations.wishes(design, unseen)
    drawn = combinations.drawings(model, design, wanted, donors)
    groups, latents = HELP[help] or (None, None)
    if latents:
        seen = training_set(design)
        mean, _ = posteriors(model, seen)
        classes = seen.classes(torch.arange(len(seen)))
        numbers = [[TRIPLES.names.index(name) for name in group] for group in groups]
        codes = combinations.set_blocks(mean, classes, wanted, numbers, latents)
        drawn["set blocks"] = model.pictures(codes)
    return drawn, wanted


def run(design: str, help: str, decoder: str, seed: int):
    """Trains and judges one model: its pictures of `SHOWN`, and its rows."""
    model = train(design, help, decoder, seed)
    arbiter = referee.load()
    cell = {"design": design, "help": help, "decoder": decoder, "seed": seed}
    rows, kept_pictures = [], {}
    for unseen in (True, False):
        drawn, wanted = drawings(model, design, help, unseen)
        for ask, images in drawn.items():
            row = cell | {"ask": ask, "combinations": "unseen" if unseen else "seen"}
            rows.append(row | referee.marks(images, wanted, design, arbiter))
            if unseen:
                first = (wanted == torch.tensor(SHOWN)).all(1).nonzero()[0, 0]
                kept_pictures[ask] = (255 * images[first]).round().to(torch.uint8)
    every = combinations.middle_fruits()
    gap = mig_exact(*posteriors(model, every), every.factors)
    weights = {f"weights.{key}": value.half() for key, value in model.state_dict().items()}
    pictures = {f"picture.{ask}": picture for ask, picture in kept_pictures.items()}
    return weights | pictures, {"config": model.config, "rows": rows, "mig": gap.score}


def cells(seeds: int) -> list[tuple[str, str, str, int]]:
    """Seeds come first: a study that is stopped half-way has some seeds of every cell."""
    return [
        (design, help, decoder, seed)
        for seed in range(seeds)
        for help in HELP
        for decoder in DECODERS
        for design in DESIGNS
    ]


def result(folder: Path, cell: tuple[str, str, str, int]):
    """Tensors and notes of one cell, from its file in the folder or trained now."""
    design, help, decoder, seed = cell
    settings: dict[str, Any] = {"design": design, "help": help, "decoder": decoder, "seed": seed}
    settings |= {"steps": STEPS, "batch": BATCH, "rate": RATE, "hidden": HIDDEN}
    name = "-".join((design, help.replace(", ", "_").replace(" ", "_"), decoder, str(seed)))
    path = folder / f"{name}.safetensors"
    return kept(path, settings, lambda: run(design, help, decoder, seed))


def ship(folder: Path, seeds: int, target: Path | None = None) -> None:
    """Trains what is missing; writes the table and the pictures that notebook 08 reads."""
    target = target or data_folder() / "sweeps"
    rows, pictures, content = [], {}, io.BytesIO()
    for cell in cells(seeds):
        tensors, notes = result(folder, cell)
        rows += [row | {"mig": notes["mig"]} for row in notes["rows"]]
        for key, picture in tensors.items():
            if key.startswith("picture."):
                name = ", ".join((*cell[:3], key.removeprefix("picture.")))
                pictures.setdefault(name, []).append(picture)
    write_rows(target / "fruit_pairs.csv", rows)
    stacked = {name: torch.stack(images).numpy() for name, images in pictures.items()}
    np.savez_compressed(content, **stacked)
    write_whole(target / "fruit_pairs.npz", content.getvalue())
