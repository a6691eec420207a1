"""What more pressure does: objectives, weights and seeds.

    python -m dvae_helpers.studies pressure --seeds 10
    python -m dvae_helpers.studies sprites --seeds 3 --device cuda
    python -m dvae_helpers.studies sprites_dense --seeds 4 --device cuda

Does beta raise the score, and does the estimator of the total correlation matter for training?
The first asks it of two small sets, on a processor; the others of all sprites, which is work for
a GPU. In `sprites_dense` network, batch and length are those of Chen et al. (2018).
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm

from .. import datasets, objectives, sweep, training, zoo
from ..datasets import ImageSet, data_folder
from ..models import VAE
from .store import kept, write_rows

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

    def path(self, folder: Path, seed: int) -> Path:
        """The file of one run."""
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
SMALL: Grids = {
    "small_ellipses": _ellipses,
    "small_sprites": _sprites,
    "small_sprites_dense": _dense_sprites,
}
SPRITES: Grids = {"sprites": _all_sprites}
DENSE: Grids = {"sprites_dense": _chen}
GRIDS: Grids = SMALL | SPRITES | DENSE


def train(
    settings: Sequence[Setting], seeds: Iterable[int], folder: Path, device: str = "cpu"
) -> None:
    """Trains what is missing, and writes a file for each run.

    A processor trains a few seeds of one setting in one stack; a GPU trains together whatever has
    the same images, batches and number of steps.
    """
    groups: dict[Any, list[tuple[Setting, int]]] = {}
    for setting in settings:
        alike = (setting.data, setting.steps, setting.batch_size, setting.learning_rate)
        alike = (*alike, setting.architecture, setting.precision) if device != "cpu" else setting
        missing = [(setting, s) for s in seeds if not setting.path(folder, s).exists()]
        groups.setdefault(alike, []).extend(missing)
    for runs in groups.values():
        first = runs[0][0] if runs else None
        size = STACK if device == "cpu" else TOGETHER
        size = 1 if device == "cpu" and first and first.objective == "factor_vae" else size
        for part in (runs[i : i + size] for i in range(0, len(runs), size)):
            _train_together(part, folder, device)


def _train_together(runs: list[tuple[Setting, int]], folder: Path, device: str) -> None:
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
        settings = dataclasses.asdict(setting) | {"seed": seed}
        zoo.write(setting.path(folder, seed), weights, {"settings": settings, **notes})


def measured(
    setting: Setting, seed: int, folder: Path, device: str = "cpu"
) -> tuple[dict[str, Any], dict[str, list[float]]]:
    """A trained run's line of the table: terms over all images, and scores; and its curve.

    Both are kept in a file of their own: the table can be made again without the weights.
    """
    settings = dataclasses.asdict(setting) | {"seed": seed}

    def make():
        tensors, notes = zoo.read(setting.path(folder, seed))
        model = VAE(**notes["config"])
        model.load_state_dict({key: value.float() for key, value in tensors.items()})
        data, model = datasets.load(setting.data, device), model.to(device).eval()
        found = sweep.terms(model, data) | sweep.scores(model, data)
        kept_too = {name: notes[name] for name in ("curve", "seconds")}
        return {"nothing": torch.zeros(1)}, {"row": found, **kept_too}

    _, found = kept(setting.path(folder / "measured", seed), settings, make)
    return settings | found["row"] | {"seconds": found["seconds"]}, found["curve"]


def ship(
    folder: Path,
    seeds: int,
    target: Path | None = None,
    grids: Grids | None = None,
    device: str = "cpu",
) -> None:
    """Trains and measures what is missing; writes a table and the curves of each set."""
    target = target or data_folder() / "sweeps"
    for name, settings in (grids or SMALL).items():
        rows, curves = [], []
        every = settings()
        missing = [
            setting
            for setting in every
            if not all(setting.path(folder / "measured", seed).exists() for seed in range(seeds))
        ]
        train(missing, range(seeds), folder, device)
        runs = [(setting, seed) for setting in every for seed in range(seeds)]
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


def ship_sprites(folder: Path, seeds: int, device: str = "cpu") -> None:
    """As `ship`, of all sprites; and writes the models to the zoo, where they are not there yet."""
    ship(folder, seeds, grids=SPRITES, device=device)
    there = set(zoo.names())
    for setting in SPRITES["sprites"]():
        for seed in range(seeds):
            name = f"sprites_{setting.objective}_{setting.weight:g}_seed{seed}"
            if name in there:
                continue
            tensors, notes = zoo.read(setting.path(folder, seed))
            model = VAE(**notes["config"])
            model.load_state_dict({key: value.float() for key, value in tensors.items()})
            row, _ = measured(setting, seed, folder, device)
            command = f"python -m dvae_helpers.studies sprites --seeds {seed + 1} --device cuda"
            zoo.save(model.eval(), name, {"command": command, **row})


def ship_dense(folder: Path, seeds: int, device: str = "cpu") -> None:
    """As `ship`, with the network, the batch and the length of Chen et al. (2018)."""
    ship(folder, seeds, grids=DENSE, device=device)
