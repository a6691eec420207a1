"""The first models of notebook 08 that never saw some combinations, and their marks."""

import functools
import io
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .. import combinations, objectives, referee, training, zoo
from ..combinations import DESIGNS, fit_decoder, small_model, training_set
from ..datasets import data_folder
from ..files import write_whole
from ..metrics import dci, mig_exact
from ..models import VAE, posteriors
from ..sweep import terms
from .store import write_rows

BETAS = {"VAE": 1.0, "beta-VAE": 16.0, "beta-TCVAE": 16.0}
DECODER = "decoder"  # it is told the factors: no code could be better
METHODS = (*BETAS, DECODER)
DRAWS = ("set latents", "add effects", "reconstruct")  # the decoder has one: "labels"
SHOWN = (0, 5, 1)  # the wish whose drawings are kept, with its first donor: a small black apple

LATENTS, STEPS, BATCH, RATE = 8, 800, 32, 2e-3


def settings() -> dict[str, Any]:
    """What decides every run of the study."""
    return {"betas": BETAS, "steps": STEPS, "batch_size": BATCH, "learning_rate": RATE}


def train(design: str, seed: int, progress: bool = True) -> dict[str, tuple[VAE, float]]:
    """One model of every method on one thread, with its seconds: the VAEs as one stack."""
    data, objective = training_set(design), {}
    for method, beta in BETAS.items():
        function = objectives.beta_tcvae if method == "beta-TCVAE" else objectives.beta_vae
        objective[method] = functools.partial(function, beta=beta)
    stack = [small_model(data, LATENTS, seed) for _ in BETAS]
    seeds = [seed] * len(stack)
    histories = training.fit_many(
        stack,
        data,
        list(objective.values()),
        steps=STEPS,
        batch_size=BATCH,
        seeds=seeds,
        learning_rate=RATE,
        precision="float32",
        log_every=200,
        progress=progress,
    )
    if histories[0].interrupted:
        raise KeyboardInterrupt
    started = time.perf_counter()
    decoder = fit_decoder(data, STEPS, BATCH, seed, RATE, progress)
    seconds = [*(history.seconds for history in histories), time.perf_counter() - started]
    return dict(zip(METHODS, zip([*stack, decoder], seconds, strict=True), strict=True))


def run(folder: Path, seeds: int = 5) -> None:
    """Trains every model that is not yet in the folder; seeds come first."""
    for seed in range(seeds):
        for design in DESIGNS:
            if all(_file(folder, design, method, seed).exists() for method in METHODS):
                continue
            for method, (model, seconds) in train(design, seed).items():
                notes = {"config": model.config, "seconds": round(seconds, 1)}
                weights = {key: value.half() for key, value in model.state_dict().items()}
                zoo.write(_file(folder, design, method, seed), weights, notes | settings())


def load(folder: Path, design: str, method: str, seed: int) -> tuple[VAE, dict]:
    """A model of `run` and its notes."""
    tensors, notes = zoo.read(_file(folder, design, method, seed))
    if {key: notes.get(key) for key in settings()} != settings():
        raise ValueError(f"{folder} holds runs with other settings; give another folder.")
    model = VAE(**notes["config"])
    model.load_state_dict({key: value.float() for key, value in tensors.items()})
    return model.eval(), notes


def _file(folder: Path, design: str, method: str, seed: int) -> Path:
    return folder / f"{design}-{method.replace(' ', '_')}-{seed}{zoo.SUFFIX}"


def drawn_by(model: VAE, method: str, design: str, unseen: bool) -> tuple[dict, Tensor]:
    """What a model draws for all wishes, by the way to ask, and the wishes."""
    wanted, donors = combinations.wishes(design, unseen)
    if method != DECODER:
        return combinations.drawings(model, design, wanted, donors), wanted
    with torch.no_grad():
        return {"labels": model.pictures(combinations.labels_code(wanted))}, wanted


def described(model: VAE, design: str) -> dict[str, float]:
    """Terms over the training set; MIG, DCI's D and the additive share over the whole grid.

    additive: the share of the variance of the means that is a sum over the factors.
    """
    every = combinations.middle_fruits()
    mean, log_var = posteriors(model, every)
    classes = every.classes(torch.arange(len(every)))
    base, parts = combinations.effects(mean, classes, every.factors.sizes)
    rest = mean - base - sum(part[classes[:, k]] for k, part in enumerate(parts))
    return terms(model, training_set(design)) | {
        "mig": mig_exact(mean, log_var, every.factors).score,
        "disentanglement": dci(mean, every.factors, "forest").disentanglement,
        "additive": 1 - float(rest.var(0).sum() / mean.var(0).sum()),
    }


def judged(folder: Path, design: str, method: str, seed: int) -> tuple[dict[str, Tensor], dict]:
    """A model's picture of `SHOWN` for every way to ask, its marks and scores; kept in a file."""
    path = folder / "judged" / _file(folder, design, method, seed).name
    if path.exists():
        return zoo.read(path)
    model, notes = load(folder, design, method, seed)
    classifier, name = referee.load(), {"design": design, "method": method, "seed": seed}
    pictures, marks = {}, []
    for unseen in (True, False):
        drawn, wanted = drawn_by(model, method, design, unseen)
        for draw, images in drawn.items():
            row = name | {"draw": draw, "combinations": "unseen" if unseen else "seen"}
            row |= {"images": len(images)}
            marks.append(row | referee.marks(images, wanted, design, classifier))
            if unseen:
                first = (wanted == torch.tensor(SHOWN)).all(1).nonzero()[0, 0]
                pictures[draw] = (255 * images[first]).round().to(torch.uint8)
    scores = None
    if method != DECODER:
        scores = name | described(model, design) | {"seconds": notes["seconds"]}
    zoo.write(path, pictures, {"marks": marks, "scores": scores})
    return pictures, {"marks": marks, "scores": scores}


def tables(folder: Path, seeds: int = 5) -> tuple[list[dict], list[dict], dict[str, np.ndarray]]:
    """The marks of all drawings, the scores of all VAEs, and the pictures that are kept."""
    marks, scores, kept = [], [], {}
    for design in DESIGNS:
        for method in METHODS:
            for seed in range(seeds):
                pictures, notes = judged(folder, design, method, seed)
                marks += notes["marks"]
                scores += [notes["scores"]] if notes["scores"] else []
                for draw, picture in pictures.items():
                    kept.setdefault(f"{design}, {method}, {draw}", []).append(picture)
    return marks, scores, {key: torch.stack(images).numpy() for key, images in kept.items()}


def zoo_name(method: str) -> str:
    """The zoo's name of a method's first model of the medium set."""
    return f"fruits_{method.replace('-', '_').lower()}_{BETAS[method]:g}"


def ship(folder: Path, seeds: int = 5) -> None:
    """Trains what is missing and writes what notebook 08 reads: two tables, the kept pictures,
    three models for the zoo.
    """
    run(folder, seeds)
    marks, scores, pictures = tables(folder, seeds)
    target, content = data_folder() / "sweeps", io.BytesIO()
    write_rows(target / "new_combinations.csv", marks)
    write_rows(target / "new_combinations_models.csv", scores)
    np.savez_compressed(content, **pictures)
    write_whole(target / "new_combinations.npz", content.getvalue())
    for method in BETAS:
        model, notes = load(folder, "medium", method, 0)
        about = {"data": "small_fruits", "held_out": "all black apples", "seed": 0}
        about |= {
            "command": "python -m dvae_helpers.studies new_combinations",
            "device": "cpu, 1 thread",
        }
        zoo.save(model, zoo_name(method), about | {"seconds": notes["seconds"]} | settings())
