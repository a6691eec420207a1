"""Many runs, one for each (objective, beta, seed): here in processes, or on a Dask cluster.

Each finished run is a file in the sweep's folder: weights, terms, scores. A sweep that was killed
goes on from them.
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
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch
from torch import Tensor

from . import datasets, metrics, objectives, training, zoo
from .datasets import ImageSet
from .estimators import decompose
from .files import write_csv
from .models import VAE, posteriors
from .progress import tqdm

TERMS = ("distortion", "rate", "mutual_information", "total_correlation", "dimension_kl")
SCORES = tuple(
    column.name for score in metrics.SCORES if not score.slow for column in score.columns
)

_GROUP = 16  # runs that are trained together at most
_MANY = 50_000  # images; of a larger set, this many at random stand for all where that is enough


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
            for name, function in objectives.OBJECTIVES.items()
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
        if self.latents < 2:
            raise ValueError(f"latents is {self.latents}; scores compare latents: give at least 2.")

    @property
    def file(self) -> str:
        """A name that says which run it is, and differs if any setting differs."""
        settings = json.dumps(dataclasses.asdict(self), sort_keys=True)
        mark = hashlib.sha256(settings.encode()).hexdigest()[:8]
        return f"{self.objective}-{self.beta:g}-{self.seed}-{mark}{zoo.SUFFIX}"


COLUMNS = (*(field.name for field in dataclasses.fields(Run)), *TERMS, *SCORES, "seconds")
NUMBERS = set(COLUMNS) - {"objective", "data", "architecture"}


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
    device: str | None = None,
) -> list[dict[str, Any]]:
    """Trains and scores what is not yet in `folder`, and gives the table: a row for each run.

    jobs: processes on this machine, each with one thread and one run at a time.
    scheduler: the address of a Dask scheduler ("tcp://host:8786"). Its workers train instead;
        they need this package, not this folder. A run whose worker dies is given to another one.
    device: train here, in this process, on that device, up to 16 runs together (see
        `training.fit_many`). That is for a GPU; each model is what `fit` gives there, up to
        rounding.

    Raises ValueError if a file in the folder is damaged, and `training.Diverged` as `fit` does.
    """
    runs, folder = list(dict.fromkeys(runs)), Path(folder)
    if jobs < 1:
        raise ValueError(f"jobs is {jobs}; expected 1 or more processes.")
    if device is not None and (jobs > 1 or scheduler is not None):
        raise ValueError(
            f"Runs train together on {device!r}, or apart in processes; give a device, or jobs, "
            "or a scheduler."
        )
    missing = [run for run in runs if not (folder / run.file).exists()]
    done = len(runs) - len(missing)
    with contextlib.ExitStack() as stack:
        if device is None:
            parallel = stack.enter_context(_workers(jobs, scheduler))
            finished = parallel(joblib.delayed(train)(run) for run in missing)
        else:
            finished = _train_groups(missing, device)
        bar = tqdm(total=len(runs), initial=done, unit="run", disable=not progress)
        stack.enter_context(bar)
        for run, weights, notes in finished:
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
    """Trains and scores one model on one thread: the run, its weights, the notes for its file."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        data = datasets.load(run.data)
        model = _model(run, data)
        history = training.fit(
            model,
            data,
            _objective(run),
            run.steps,
            run.batch_size,
            run.seed,
            run.learning_rate,
            "float32",  # the same on every machine
            progress=False,
        )
        return _measured(run, model, data, history)
    finally:
        torch.set_num_threads(threads)


def _train_groups(
    runs: Iterable[Run], device: str
) -> Iterator[tuple[Run, dict[str, np.ndarray], dict[str, Any]]]:
    """As `train` for each run, but on a device, with runs of one kind trained together."""
    together: dict[tuple, list[Run]] = {}
    for run in runs:
        kind = run.data, run.architecture, run.hidden, run.latents
        kind += run.steps, run.batch_size, run.learning_rate
        together.setdefault(kind, []).append(run)
    data = None
    for alike in together.values():
        for place in range(0, len(alike), _GROUP):
            group = alike[place : place + _GROUP]
            first = group[0]
            if data is None or data.name != first.data:
                data = datasets.load(first.data, device)
            found = [_model(run, data).to(device) for run in group]
            histories = training.fit_many(
                found,
                data,
                [_objective(run) for run in group],
                first.steps,
                first.batch_size,
                [run.seed for run in group],
                first.learning_rate,
                "float32",
                progress=False,
            )
            for run, model, history in zip(group, found, histories, strict=True):
                yield _measured(run, model, data, history)


def _model(run: Run, data: ImageSet) -> VAE:
    return VAE(data.shape, run.latents, run.architecture, run.hidden, seed=run.seed)


def _objective(run: Run) -> training.Objective:
    return functools.partial(objectives.OBJECTIVES[run.objective], beta=run.beta)


def _measured(
    run: Run, model: VAE, data: ImageSet, history: training.History
) -> tuple[Run, dict[str, np.ndarray], dict[str, Any]]:
    """What `train` gives, of a model that was trained."""
    if history.interrupted:
        raise KeyboardInterrupt
    notes = {"config": model.config, "run": dataclasses.asdict(run)}
    with joblib.parallel_config("sequential"):  # or Dask sends parts of a score to others
        notes |= {"terms": terms(model, data), "scores": scores(model, data)}
    notes["seconds"] = round(history.seconds, 1)
    weights = {key: value.cpu().numpy() for key, value in model.state_dict().items()}
    return run, weights, notes


@torch.no_grad()
def terms(model: VAE, data: ImageSet, seed: int = 0) -> dict[str, float]:
    """The five `TERMS` over all images, nats per image; z drawn once for each, with this seed.

    Of a set of more than 50,000 images, the distortion takes 50,000 at random, and the mutual
    information is the mean over 512 codes instead of 4,096. q(z) is always of all images: that
    of a part of them would have a smaller mutual information and a larger total correlation.
    """
    generator = torch.Generator(model.device).manual_seed(seed)
    index, samples, total = torch.arange(len(data)), 4096, 0.0
    if len(data) > _MANY:
        order = torch.randperm(len(data), generator=generator, device=model.device)
        index, samples = order[:_MANY].sort().values, 512
    for part in index.split(1024):
        images = data.images(part).to(model.device)
        out = objectives.forward(model, images, len(data), generator)
        total += float(out.distortion) * len(part)
    parts = decompose(*posteriors(model, data), samples)
    found = {"distortion": total / len(index), "rate": float(parts.kl)}
    return found | {name: float(getattr(parts, name)) for name in TERMS[2:]}


def scores(model: VAE, data: ImageSet, seed: int = 0) -> dict[str, float]:
    """The `SCORES` as `metrics.score` gives them: they depend on model, data and seed alone.

    One that refuses this model (a classifier that does not converge, say), or does not apply to
    it, is nan, so that the others and the other runs of the sweep go on; a line says which and why.
    """
    found = metrics.score(model, data, seed=seed, progress=False)
    for name, remark in found.remarks.items():
        tqdm.write(f"{data.name}, {name}: {remark}", file=sys.stderr)
    return dict.fromkeys(SCORES, math.nan) | found.values


def between_seeds(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """How far two seeds of one setting differ: a row for each setting and number of the table.

    setting: the fields of `Run` but the seed, in words. name: of a term or score. seeds: how many
    have a number. mean, and spread, the standard deviation over seeds. difference: the mean
    absolute difference of two seeds. nan where fewer than two seeds have a number.
    """
    settings = [field.name for field in dataclasses.fields(Run) if field.name != "seed"]
    groups: dict[tuple, list[dict[str, Any]]] = {}
    for line in rows:
        groups.setdefault(tuple(line[name] for name in settings), []).append(line)
    result = []
    for group, lines in groups.items():
        words = ", ".join(f"{key}={value}" for key, value in zip(settings, group, strict=True))
        for name in (*TERMS, *SCORES):
            values = np.array([line[name] for line in lines if math.isfinite(line[name])])
            pairs = np.abs(values[:, None] - values)[np.triu_indices(len(values), 1)]
            there = len(pairs) > 0
            result.append(
                {
                    "setting": words,
                    "name": name,
                    "seeds": len(values),
                    "mean": float(values.mean()) if len(values) else math.nan,
                    "spread": float(values.std(ddof=1)) if there else math.nan,
                    "difference": float(pairs.mean()) if there else math.nan,
                }
            )
    return result


def write_seeds(rows: list[dict[str, Any]], path: str | Path) -> None:
    """`between_seeds` as CSV, with five decimals."""
    lines = between_seeds(rows)
    numbers = ("mean", "spread", "difference")
    shown = [line | {name: f"{line[name]:.5f}" for name in numbers} for line in lines]
    write_csv(Path(path), ("setting", "name", "seeds", *numbers), shown)


def load(run: Run, folder: str | Path) -> VAE:
    """The trained model of a run, in evaluation mode."""
    tensors, notes = _read(run, Path(folder))
    model = VAE(**notes["config"])
    model.load_state_dict(tensors)
    return model.eval()


def row(run: Run, folder: str | Path) -> dict[str, Any]:
    """One run's line of the table, by column."""
    _, notes = _read(run, Path(folder))
    found = notes["terms"] | notes["scores"]
    return dataclasses.asdict(run) | found | {"seconds": notes["seconds"]}


def _read(run: Run, folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    tensors, notes = zoo.read(folder / run.file)
    if notes.get("run") != dataclasses.asdict(run):
        raise zoo.DamagedFile(f"{folder / run.file} holds another run. Delete it and sweep again.")
    if set(notes.get("scores", ())) != set(SCORES):
        raise zoo.DamagedFile(
            f"{folder / run.file} has the scores of another version. Delete it and sweep again."
        )
    return tensors, notes


def write_codes(
    runs: Iterable[Run], folder: str | Path, path: str | Path, images: int = 512
) -> None:
    """What the encoder of each of R runs says about the same images, for `read_codes`.

    The images are random ones of the set, the same for all runs; the file is float16.
    """
    runs, data, found = list(runs), None, []
    for run in runs:
        if data is None or data.name != run.data:
            data = datasets.load(run.data)
        generator = torch.Generator().manual_seed(0)
        index = torch.randperm(len(data), generator=generator)[:images].sort().values
        with torch.no_grad():
            found.append(posteriors(load(run, folder), data, index))
    shapes = {mean.shape for mean, _ in found}
    if len(shapes) != 1:
        raise ValueError(f"The runs have codes of {len(shapes)} shapes; one file holds one shape.")
    mean, log_var = (torch.stack(parts).half() for parts in zip(*found, strict=True))
    notes = {"runs": [dataclasses.asdict(run) for run in runs]}
    zoo.write(Path(path), {"mean": mean, "log_var": log_var}, notes)


def read_codes(path: str | Path) -> tuple[Tensor, Tensor, list[dict[str, Any]]]:
    """Means and log variances, (R, n, J) float32, and the settings of each of the R runs."""
    tensors, notes = zoo.read(Path(path))
    return tensors["mean"].float(), tensors["log_var"].float(), notes["runs"]


def write_table(rows: list[dict[str, Any]], path: str | Path) -> None:
    """As CSV, terms and scores with five decimals."""
    shown = (*TERMS, *SCORES)
    lines = [line | {name: f"{line[name]:.5f}" for name in shown} for line in rows]
    write_csv(Path(path), COLUMNS, lines)


def read_table(path: str | Path) -> dict[str, np.ndarray]:
    """The columns of a CSV table by name: numbers where all entries are numbers, else words.

    Raises ValueError for a file that is missing or cut off, or has a word in a full column of
    `NUMBERS`. (It carries no hash: a digit that became another digit is not seen.)
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"There is no table {path}; `python -m dvae_helpers sweep` makes one.")
    remedy = "Fetch it again (git checkout data), or make it again with the same command."
    try:
        text = path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not a readable table: {error}. {remedy}") from error
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    if not rows or not text.endswith("\n") or any(None in (*row, *row.values()) for row in rows):
        raise ValueError(f"{path} is cut off, or its lines are not all of one length. {remedy}")
    columns = {name: np.array([line[name] for line in rows]) for name in rows[0]}
    for name, values in columns.items():
        try:
            columns[name] = values.astype(float)
        except ValueError as error:
            if name in NUMBERS and all(values):
                raise ValueError(f"{path}, column {name}: {error}. {remedy}") from error
    return columns
