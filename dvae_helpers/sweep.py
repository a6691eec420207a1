"""Many runs, one for each (objective, beta, seed): here in processes, or on a Dask cluster.

Each finished run is a file in the sweep's folder. A sweep that was killed goes on from them.
"""

import contextlib
import csv
import dataclasses
import functools
import hashlib
import inspect
import io
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from . import datasets, objectives, training, zoo
from .datasets import ImageSet, write_whole
from .estimators import decompose
from .models import VAE

TERMS = ("distortion", "rate", "mutual_information", "total_correlation", "dimension_kl")


@dataclass(frozen=True)
class Run:
    """What decides one run. The seed is of the first weights, of the data order and the noise."""

    objective: str
    beta: float
    seed: int
    data: str = "small_sprites"
    architecture: str = "dense"
    hidden: int = 256
    latents: int = 6
    steps: int = 8000
    batch_size: int = 64
    learning_rate: float = 1e-3

    def __post_init__(self):
        for name in ("beta", "learning_rate"):  # 4 and 4.0 are one run
            object.__setattr__(self, name, float(getattr(self, name)))
        known = [
            name
            for name, function in inspect.getmembers(objectives, inspect.isfunction)
            if "beta" in inspect.signature(function).parameters
        ]
        if self.objective not in known:
            raise ValueError(
                f"objective is {self.objective!r}; choose one that has a beta: {', '.join(known)}."
            )
        if not (math.isfinite(self.beta) and self.beta >= 0):
            raise ValueError(f"beta is {self.beta}; expected a number from 0 up.")
        if self.seed < 0:
            raise ValueError(f"seed is {self.seed}; expected 0, 1, 2, ...")

    @property
    def file(self) -> str:
        """A name that says which run it is, and differs if any setting differs."""
        settings = json.dumps(dataclasses.asdict(self), sort_keys=True)
        mark = hashlib.sha256(settings.encode()).hexdigest()[:8]
        return f"{self.objective}-{self.beta:g}-{self.seed}-{mark}{zoo.SUFFIX}"


COLUMNS = (*(field.name for field in dataclasses.fields(Run)), *TERMS, "seconds")


def grid(names: Iterable[str], betas: Iterable[float], seeds: Iterable[int], **settings) -> list:
    """A `Run` for every (objective, beta, seed); `settings` are the other fields of `Run`.

    Seeds come first: a sweep that is stopped half-way has some seeds of every beta.
    """
    names, betas = list(names), list(betas)
    runs = [Run(name, beta, s, **settings) for s in seeds for name in names for beta in betas]
    if not runs:
        raise ValueError("The grid is empty; give at least one objective, beta and seed.")
    return runs


def sweep(
    runs: Iterable[Run],
    folder: str | Path,
    jobs: int = 1,
    scheduler: str | None = None,
    progress: bool = True,
) -> list[dict[str, Any]]:
    """Trains what is not yet in `folder`, and gives the table: one row for each run, in order.

    jobs: processes on this machine, each with one thread.
    scheduler: the address of a Dask scheduler ("tcp://host:8786"). Its workers train instead;
        they need this package, not this folder. A run whose worker dies is given to another one.

    Raises ValueError if a file in the folder is damaged, and `training.Diverged` as `fit` does.
    """
    runs, folder = list(dict.fromkeys(runs)), Path(folder)
    if jobs < 1:
        raise ValueError(f"jobs is {jobs}; expected 1 or more processes.")
    missing = [run for run in runs if not (folder / run.file).exists()]
    done = len(runs) - len(missing)
    with (
        _workers(jobs, scheduler) as parallel,
        tqdm(total=len(runs), initial=done, unit="run", disable=not progress) as bar,
    ):
        for run, weights, notes in parallel(joblib.delayed(train)(run) for run in missing):
            tensors = {key: torch.from_numpy(value) for key, value in weights.items()}
            zoo.write(folder / run.file, tensors, notes)
            bar.update()
            bar.set_postfix_str(f"{run.objective} {run.beta:g}, seed {run.seed}", refresh=False)
    return [row(run, folder) for run in runs]


@contextlib.contextmanager
def _workers(jobs: int, scheduler: str | None):
    """A joblib.Parallel that gives each result as soon as it is there."""
    with contextlib.ExitStack() as stack:
        if scheduler is None:
            stack.enter_context(joblib.parallel_config("loky", inner_max_num_threads=1))
        else:
            stack.enter_context(_dask(scheduler))
            jobs = -1
        yield joblib.Parallel(jobs, batch_size=1, return_as="generator_unordered")


@contextlib.contextmanager
def _dask(scheduler: str):
    try:
        from distributed import Client
    except ImportError as error:
        raise ValueError(
            "A Dask cluster needs the package `distributed`: "
            'python -m pip install -c constraints.txt -e ".[cluster]"'
        ) from error
    try:
        client = Client(scheduler, timeout="10s")
    except (OSError, ValueError) as error:
        raise ValueError(f"No Dask scheduler answers at {scheduler}: {error}") from error
    with client, joblib.parallel_config("dask"):
        yield


def train(run: Run) -> tuple[Run, dict[str, np.ndarray], dict[str, Any]]:
    """Trains one model on one thread: the run, its weights, and the notes for its file."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        data = datasets.load(run.data)
        model = VAE(data.shape, run.latents, run.architecture, run.hidden, seed=run.seed)
        history = training.fit(
            model,
            data,
            functools.partial(getattr(objectives, run.objective), beta=run.beta),
            run.steps,
            run.batch_size,
            run.seed,
            run.learning_rate,
            "float32",  # the same on every machine
            progress=False,
        )
        if history.interrupted:
            raise KeyboardInterrupt
        notes = {"config": model.config, "run": dataclasses.asdict(run)}
        notes |= {"terms": terms(model, data), "seconds": round(history.seconds, 1)}
    finally:
        torch.set_num_threads(threads)
    return run, {key: value.numpy() for key, value in model.state_dict().items()}, notes


@torch.no_grad()
def terms(model: VAE, data: ImageSet, seed: int = 0) -> dict[str, float]:
    """The five `TERMS` over all images, nats per image; z drawn once for each, with this seed."""
    generator = torch.Generator(model.device).manual_seed(seed)
    total, posteriors = 0.0, []
    for index in torch.arange(len(data)).split(1024):
        images = data.images(index).to(model.device)
        out = objectives.forward(model, images, len(data), generator)
        total += float(out.distortion) * len(index)
        posteriors.append((out.mean, out.log_var))
    mean, log_var = (torch.cat(parts) for parts in zip(*posteriors, strict=True))
    parts = decompose(mean, log_var)
    values = (total / len(data), float(parts.kl))
    return dict(zip(TERMS, values, strict=False)) | {
        name: float(getattr(parts, name)) for name in TERMS[2:]
    }


def load(run: Run, folder: str | Path) -> VAE:
    """The trained model of a run, in evaluation mode."""
    tensors, notes = _read(run, Path(folder))
    model = VAE(**notes["config"])
    model.load_state_dict(tensors)
    return model.eval()


def row(run: Run, folder: str | Path) -> dict[str, Any]:
    """One run's line of the table, by column."""
    _, notes = _read(run, Path(folder))
    return dataclasses.asdict(run) | notes["terms"] | {"seconds": notes["seconds"]}


def _read(run: Run, folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    tensors, notes = zoo.read(folder / run.file)
    if notes.get("run") != dataclasses.asdict(run):
        raise zoo.DamagedFile(f"{folder / run.file} holds another run. Delete it and sweep again.")
    return tensors, notes


def write_table(rows: list[dict[str, Any]], path: str | Path) -> None:
    """As CSV, terms with five decimals."""
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    for line in rows:
        table.writerow(line | {name: f"{line[name]:.5f}" for name in TERMS})
    write_whole(Path(path), text.getvalue().encode())


def read_table(path: str | Path) -> dict[str, np.ndarray]:
    """The columns of a CSV table by name: numbers where all entries are numbers, else words."""
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"There is no table {path}; `python -m dvae_helpers sweep` makes one.")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    columns = {name: np.array([line[name] for line in rows]) for name in (rows[0] if rows else ())}
    for name, values in columns.items():
        with contextlib.suppress(ValueError):
            columns[name] = values.astype(float)
    return columns
