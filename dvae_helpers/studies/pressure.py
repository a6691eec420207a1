"""What more pressure does: objectives, weights and seeds on two small sets.

Does beta raise the score, and does the estimator of the total correlation matter for training?
"""

import dataclasses
import functools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm

from .. import datasets, objectives, sweep, training, zoo
from ..datasets import data_folder
from ..models import VAE
from .store import kept, write_rows

STACK = 5  # runs that are trained together; what is lost at most when the study is stopped


@dataclass(frozen=True)
class Setting:
    """All of a run but its seed. `weight` is beta, or FactorVAE's gamma."""

    data: str
    objective: str
    weight: float
    estimator: str = ""
    architecture: str = "dense"
    start: str = ""
    hidden: int = 256
    latents: int = 6
    likelihood: str = "bernoulli"
    noise: float = 0.1
    steps: int = 8000
    batch_size: int = 64
    learning_rate: float = 1e-3
    precision: str = "bfloat16"

    def loss(self) -> training.Objective:
        """The objective with its weight and its estimator."""
        name = "gamma" if self.objective == "factor_vae" else "beta"
        settings: dict[str, Any] = {name: self.weight}
        if self.estimator:
            settings["estimator"] = self.estimator
        return functools.partial(getattr(objectives, self.objective), **settings)

    def model(self, seed: int) -> VAE:
        """The untrained model."""
        return VAE(
            datasets.load(self.data).shape,
            self.latents,
            self.architecture,
            self.hidden,
            self.likelihood,
            self.noise,
            seed,
            start=self.start or None,
        )

    def path(self, folder: Path, seed: int) -> Path:
        """The file of one run."""
        words = (self.data, self.architecture, self.start, self.objective, self.estimator)
        name = "-".join(word for word in words if word)
        return folder / f"{name}-{self.weight:g}-{seed}{zoo.SUFFIX}"


def _sprites() -> list[Setting]:
    """What is shipped. Convolutional: a dense model takes more than 16,000 steps to settle."""
    conv = functools.partial(Setting, "small_sprites", architecture="conv", hidden=128, steps=4000)
    found = [conv("beta_vae", beta) for beta in (1.0, 4.0)]
    return [*found, conv("beta_tcvae", 4.0, "stratified")]


def _more_sprites() -> list[Setting]:
    """What could stand beside them: estimators, starts, dense models and a FactorVAE."""
    dense = functools.partial(Setting, "small_sprites")
    found = [dense("beta_vae", beta) for beta in (1.0, 4.0, 16.0)]
    for beta in (4.0, 16.0):
        found += [dense("beta_tcvae", beta, name) for name in ("weighted", "stratified")]
    found.append(dense("factor_vae", 15.0))
    found += [dense("beta_vae", 4.0, start="torch")]
    found += [dense("beta_tcvae", 4.0, "weighted", start="torch")]
    conv = dataclasses.replace(_sprites()[-1], estimator="weighted")
    return [*found, conv]


def _ellipses() -> list[Setting]:
    conv = functools.partial(
        Setting,
        "small_ellipses",
        architecture="conv",
        hidden=128,
        likelihood="gaussian",
        steps=1500,
    )
    found = [conv("beta_vae", beta) for beta in (1.0, 16.0)]
    return [*found, *(conv("beta_tcvae", 16.0, name) for name in ("weighted", "stratified"))]


SHIPPED = {"small_ellipses": _ellipses, "small_sprites": _sprites}
GRIDS = SHIPPED | {"small_sprites": lambda: _sprites() + _more_sprites()}


def train(setting: Setting, seeds: Iterable[int], folder: Path) -> None:
    """Trains what is missing, several seeds in one stack, and writes a file for each."""
    missing = [seed for seed in seeds if not setting.path(folder, seed).exists()]
    data = datasets.load(setting.data)
    size = 1 if setting.objective == "factor_vae" else STACK
    for part in (missing[i : i + size] for i in range(0, len(missing), size)):
        models = [setting.model(seed) for seed in part]
        common: dict[str, Any] = {
            "steps": setting.steps,
            "batch_size": setting.batch_size,
            "learning_rate": setting.learning_rate,
            "precision": setting.precision,
            "log_every": max(1, setting.steps // 40),
            "progress": False,
        }
        if size == 1:
            found = [training.fit(models[0], data, setting.loss(), seed=part[0], **common)]
        else:
            losses = [setting.loss()] * len(part)
            found = training.fit_many(models, data, losses, seeds=part, **common)
        if any(history.interrupted for history in found):
            raise KeyboardInterrupt
        for seed, model, history in zip(part, models, found, strict=True):
            curve = {
                name: [round(float(value), 3) for value in history[name]]
                for name in ("step", "distortion", "rate")
            }
            notes = {"config": model.config, "curve": curve, "seconds": round(history.seconds, 1)}
            weights = {key: value.half() for key, value in model.state_dict().items()}
            settings = dataclasses.asdict(setting) | {"seed": seed}
            zoo.write(setting.path(folder, seed), weights, {"settings": settings, **notes})


def measured(setting: Setting, seed: int, folder: Path) -> dict[str, Any]:
    """A trained run's line of the table: terms over all images, and scores; kept in a file."""
    tensors, notes = zoo.read(setting.path(folder, seed))
    settings = dataclasses.asdict(setting) | {"seed": seed}

    def make():
        model = VAE(**notes["config"])
        model.load_state_dict({key: value.float() for key, value in tensors.items()})
        data = datasets.load(setting.data)
        found = sweep.terms(model.eval(), data) | sweep.scores(model, data)
        return {"nothing": torch.zeros(1)}, {"row": found}

    path = setting.path(folder / "measured", seed)
    _, found = kept(path, settings, make)
    return settings | found["row"] | {"seconds": notes["seconds"]}


def ship(folder: Path, seeds: int, target: Path | None = None, grids: dict | None = None) -> None:
    """Trains and measures what is missing; writes a table and the curves of each set."""
    target = target or data_folder() / "sweeps"
    for name, settings in (grids or SHIPPED).items():
        rows, curves = [], []
        for setting in tqdm(settings(), desc=name, unit="setting"):
            train(setting, range(seeds), folder)
            for seed in range(seeds):
                rows.append(measured(setting, seed, folder))
                curve = zoo.read(setting.path(folder, seed))[1]["curve"]
                shown = ("objective", "weight", "estimator", "architecture", "start", "seed")
                which = {key: rows[-1][key] for key in shown}
                curves += [
                    which | dict(zip(curve, values, strict=True))
                    for values in zip(*curve.values(), strict=True)
                ]
        write_rows(target / f"pressure_{name}.csv", rows)
        write_rows(target / f"pressure_{name}_curves.csv", curves)
