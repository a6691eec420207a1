"""What more pressure does: objectives, weights and seeds.

    python -m dvae_helpers.studies pressure --seeds 10
    python -m dvae_helpers.studies small_sprites --seeds 10 --device cuda
    python -m dvae_helpers.studies sprites --seeds 3 --device cuda
    python -m dvae_helpers.studies sprites_dense --seeds 4 --device cuda

Does beta raise the score, and does the estimator of the total correlation matter for training?
The first asks it of small ellipses, ten minutes on a processor; the others of sprites, which is
work for a GPU. In `sprites_dense` network, batch and length are those of Chen et al. (2018).
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm

from .. import datasets, objectives, sweep, training, zoo
from ..datasets import ImageSet, data_folder
from ..models import VAE
from .store import check_settings, kept, write_rows

STACK = 5  # seeds of one setting that a processor trains together
TOGETHER = 64  # runs that a GPU trains together. If the study is stopped, such a group is lost


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

    def model(self, seed: int, data: ImageSet) -> VAE:
        """The untrained model, for these images."""
        return VAE(
            data.shape,
            self.latents,
            self.architecture,
            self.hidden,
            self.likelihood,
            self.noise,
            seed,
            start=self.start or None,
        )

    def of(self, seed: int) -> dict[str, Any]:
        """All that decides one run, as its file keeps it."""
        return dataclasses.asdict(self) | {"seed": seed}

    def path(self, folder: Path, seed: int) -> Path:
        """The file of one run. A folder is of one length of training, and of one network."""
        words = (self.data, self.architecture, self.start, self.objective, self.estimator)
        name = "-".join(word for word in words if word)
        return folder / f"{name}-{self.weight:g}-{seed}{zoo.SUFFIX}"


def _sprites() -> list[Setting]:
    """With FactorVAE's gamma 3 the total correlation weighs what it does in beta-TCVAE 4."""
    conv = functools.partial(Setting, "small_sprites", architecture="conv", hidden=128)
    found = [conv("beta_vae", beta) for beta in (1.0, 4.0)]
    found += [conv("beta_tcvae", 4.0, name) for name in ("stratified", "weighted")]
    return found + [conv("factor_vae", gamma) for gamma in (3.0, 15.0)]


def _dense_sprites() -> list[Setting]:
    """Dense models take far longer to settle, with either start of their weights."""
    dense = functools.partial(Setting, "small_sprites", steps=20_000)
    found = [dense("beta_vae", beta) for beta in (1.0, 4.0)]
    return found + [dense("beta_tcvae", 4.0, "stratified", start=s) for s in ("", "torch")]


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


def _all_sprites() -> list[Setting]:
    conv = functools.partial(
        Setting,
        "sprites",
        architecture="conv",
        latents=10,
        steps=30_000,
        batch_size=256,
    )
    return [conv("beta_vae", 1.0), conv("beta_vae", 4.0), conv("beta_tcvae", 4.0)]


def _chen() -> list[Setting]:
    """The network, the batch and the 50 epochs of Chen et al. (2018)."""
    dense = functools.partial(
        Setting, "sprites", hidden=1200, latents=10, steps=18_000, batch_size=2048
    )
    found = [dense("beta_vae", beta) for beta in (1.0, 4.0, 8.0)]
    return [*found, *(dense("beta_tcvae", beta) for beta in (4.0, 8.0))]


Grids = dict[str, Callable[[], list[Setting]]]
Wanted = Sequence[tuple[Setting, int]]  # settings, each with a seed
ELLIPSES: Grids = {"small_ellipses": _ellipses}
SMALL: Grids = {"small_sprites": _sprites, "small_sprites_dense": _dense_sprites}
SPRITES: Grids = {"sprites": _all_sprites}
DENSE: Grids = {"sprites_dense": _chen}
GRIDS: Grids = ELLIPSES | SMALL | SPRITES | DENSE


def train(runs: Wanted, folder: Path, device: str = "cpu") -> None:
    """Trains what is missing, and writes a file for each run, with the weights as float16.

    A processor trains a few seeds of one setting in one stack; a GPU trains together whatever has
    the same images, batches and number of steps.
    """
    groups: dict[tuple, list[tuple[Setting, int]]] = {}
    for setting, seed in runs:
        if setting.path(folder, seed).exists():
            continue
        kind: tuple = (setting,)
        if device != "cpu":
            kind = setting.data, setting.architecture, setting.steps, setting.batch_size
            kind += setting.learning_rate, setting.precision
        groups.setdefault(kind, []).append((setting, seed))
    for together in groups.values():
        size = STACK if device == "cpu" else TOGETHER
        if device == "cpu" and together[0][0].objective == "factor_vae":
            size = 1  # nothing of it can be a stack
        for part in (together[i : i + size] for i in range(0, len(together), size)):
            _train_together(part, folder, device)


def _train_together(runs: Wanted, folder: Path, device: str) -> None:
    first, losses = runs[0][0], [setting.loss() for setting, _ in runs]
    data = datasets.load(first.data, device)
    models = [setting.model(seed, data).to(device) for setting, seed in runs]
    histories = training.fit_many(
        models,
        data,
        losses,
        first.steps,
        first.batch_size,
        [seed for _, seed in runs],
        first.learning_rate,
        first.precision,
        log_every=max(1, first.steps // 40),
        progress=False,
    )
    if any(history.interrupted for history in histories):
        raise KeyboardInterrupt
    for (setting, seed), model, history in zip(runs, models, histories, strict=True):
        curve = {
            name: [round(float(value), 3) for value in history[name]]
            for name in ("step", "distortion", "rate")
        }
        notes = {"config": model.config, "curve": curve, "seconds": round(history.seconds, 1)}
        weights = {key: value.half().cpu() for key, value in model.state_dict().items()}
        zoo.write(setting.path(folder, seed), weights, {"settings": setting.of(seed), **notes})


def trained(setting: Setting, seed: int, folder: Path) -> tuple[VAE, dict[str, Any]]:
    """The model of a run, and what is noted of it. ValueError for a run with other settings."""
    path = setting.path(folder, seed)
    tensors, notes = zoo.read(path)
    check_settings(path, notes, setting.of(seed))
    model = VAE(**notes["config"])
    model.load_state_dict({key: value.float() for key, value in tensors.items()})
    return model.eval(), notes


def measured(
    setting: Setting, seed: int, folder: Path, device: str = "cpu"
) -> tuple[dict[str, Any], dict[str, list[float]]]:
    """A trained run's line of the table: terms over all images, and scores; and its curve.

    Both are kept in a file of their own: the table can be made again without the weights.
    """

    def make():
        model, notes = trained(setting, seed, folder)
        data, model = datasets.load(setting.data, device), model.to(device)
        found = sweep.terms(model, data) | sweep.scores(model, data)
        return {"nothing": torch.zeros(1)}, {"row": found, "curve": notes["curve"]}

    _, found = kept(setting.path(folder / "measured", seed), setting.of(seed), make)
    return setting.of(seed) | found["row"], found["curve"]


def ship(
    folder: Path,
    seeds: int,
    target: Path | None = None,
    grids: Grids | None = None,
    device: str = "cpu",
) -> None:
    """Trains and measures what is missing; writes a table and the curves of each set."""
    target = target or data_folder() / "sweeps"
    for name, settings in (grids or ELLIPSES).items():
        rows, curves = [], []
        runs = [(setting, seed) for setting in settings() for seed in range(seeds)]
        missing = [run for run in runs if not run[0].path(folder / "measured", run[1]).exists()]
        train(missing, folder, device)
        for setting, seed in tqdm(runs, desc=name, unit="run"):
            row, curve = measured(setting, seed, folder, device)
            rows.append(row)
            shown = ("objective", "weight", "estimator", "architecture", "start", "seed")
            which = {key: row[key] for key in shown}
            curves += [
                which | dict(zip(curve, values, strict=True))
                for values in zip(*curve.values(), strict=True)
            ]
        write_rows(target / f"pressure_{name}.csv", rows)
        write_rows(target / f"pressure_{name}_curves.csv", curves)


def ship_small(folder: Path, seeds: int, device: str = "cpu") -> None:
    """As `ship`, of the small sprites: convolutional, and dense."""
    ship(folder, seeds, grids=SMALL, device=device)


def ship_sprites(folder: Path, seeds: int, device: str = "cpu") -> None:
    """As `ship`, of all sprites; and writes the models to the zoo, where they are not there yet."""
    ship(folder, seeds, grids=SPRITES, device=device)
    there = set(zoo.names())
    for setting in SPRITES["sprites"]():
        for seed in range(seeds):
            name = f"sprites_{setting.objective}_{setting.weight:g}_seed{seed}"
            if name in there:
                continue
            model, _ = trained(setting, seed, folder)
            row, _ = measured(setting, seed, folder, device)
            command = f"python -m dvae_helpers.studies sprites --seeds {seed + 1} --device cuda"
            zoo.save(model, name, {"command": command, **row})


def ship_dense(folder: Path, seeds: int, device: str = "cpu") -> None:
    """As `ship`, with the network, the batch and the length of Chen et al. (2018)."""
    ship(folder, seeds, grids=DENSE, device=device)
