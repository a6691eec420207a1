"""`fit` trains one model, safe to stop at any moment; `fit_many` trains a stack of them."""

import contextlib
import functools
import math
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from . import zoo
from .adversaries import Discriminator
from .datasets import ImageSet
from .files import write_csv
from .models import VAE, Stacked, sample
from .objectives import Pass, Terms, beta_vae, forward
from .pairs import Pairs

Objective = Callable[[Pass], Terms]


class Diverged(ValueError):
    """The loss is no longer a number."""


@dataclass
class History:
    """What a run went through: one record every `log_every` steps.

    Each record has step, loss, distortion, rate (means over the steps since the last record),
    and mutual_information, total_correlation, dimension_kl (stratified estimates from the last
    batch alone); nats per image. Terms that an objective has of its own (`Terms.own`) come
    last, as means too.
    """

    records: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0
    images_per_second: float = 0.0
    interrupted: bool = False

    def __getitem__(self, name: str) -> np.ndarray:
        """One column, as `history["rate"]`."""
        if not self.records or name not in self.records[0]:
            there = list(self.records[0]) if self.records else "nothing yet"
            raise ValueError(f"The history has no {name!r}; it has {there}.")
        return np.array([record[name] for record in self.records])

    def __len__(self) -> int:
        return len(self.records)

    def write(self, path: str | Path) -> None:
        """As a CSV file."""
        write_csv(Path(path), list(self.records[0]) if self.records else [], self.records)


def fit(
    model: VAE,
    data: ImageSet,
    objective: Objective = beta_vae,
    steps: int = 1000,
    batch_size: int = 64,
    seed: int = 0,
    learning_rate: float = 1e-3,
    precision: str = "auto",
    checkpoint: str | Path | None = None,
    checkpoint_seconds: float = 30.0,
    log_every: int = 50,
    progress: bool = True,
    discriminator: Discriminator | None = None,
    pairs: Pairs | None = None,
) -> History:
    """Trains `model` in place with Adam and gives the history of its terms.

    Every epoch visits the images in a new random order; the last incomplete batch is left out.
    On one machine the same seeds give the same weights.

    precision: "float32", "bfloat16" (the networks alone; weights, codes and losses stay
        float32) or "auto": bfloat16 where the processor has instructions for it.
    checkpoint: a file that is written every `checkpoint_seconds` and at the end. If it is
        there when `fit` starts, the run goes on from it, to the same weights that it would have
        reached without the interruption. A file of a different run is refused.
    discriminator: of an adversarial objective (factor_vae, aae), trained in place with an Adam of
        its own, one step for each step of the model. If none is given, `Discriminator(latents)`
        with the run's seed is made. The checkpoint keeps it, and its optimiser.
    An interrupt (Ctrl-C, or the stop button of a notebook) ends the run after the step it is in:
    the model keeps what was reached, the checkpoint is written and `history.interrupted` is set.

    Raises ValueError for settings that cannot work, and `Diverged` if the loss stops being a
    number (the last checkpoint is then still good).
    """
    _check(model, data, steps, batch_size, learning_rate, log_every)
    if discriminator is not None and discriminator.latents != model.latents:
        raise ValueError(
            f"The discriminator was made for {discriminator.latents} latents, but the model has "
            f"{model.latents}. Make it with Discriminator(model.latents)."
        )
    device = model.device
    precision = choose_precision(precision, device)
    if device.type == "cpu":
        keep_freed_memory()
    run = _Run(model, data, objective, batch_size, seed, learning_rate, precision, discriminator)
    run.pairs = pairs
    checkpoint = Path(checkpoint) if checkpoint is not None else None
    if checkpoint is not None and checkpoint.exists():
        run.restore(checkpoint)
    start_step, started = run.step, time.perf_counter()
    saved, earlier = started, run.history.seconds
    bar = tqdm(total=steps, initial=run.step, unit="step", disable=not progress, dynamic_ncols=True)
    model.train()
    with bar, _stop_request() as stopping:
        while run.step < steps and not stopping.is_set():
            terms = run.advance()
            if run.step % log_every == 0 or run.step == steps or stopping.is_set():
                run.log(terms)
                bar.update(run.step - bar.n)
                bar.set_postfix_str(_summary(run.history.records[-1]), refresh=False)
                if checkpoint is not None and time.perf_counter() - saved > checkpoint_seconds:
                    saved = time.perf_counter()
                    run.history.seconds = earlier + saved - started
                    run.save(checkpoint)
        if stopping.is_set() and run.window_steps:
            run.log(terms)
    model.eval()
    history = run.history
    seconds = time.perf_counter() - started
    history.seconds = earlier + seconds
    history.interrupted = run.step < steps
    if run.step > start_step:
        history.images_per_second = (run.step - start_step) * batch_size / seconds
        if checkpoint is not None:
            run.save(checkpoint)
    return history


def fit_many(
    models: Sequence[VAE],
    data: ImageSet,
    objectives: Sequence[Objective],
    steps: int = 1000,
    batch_size: int = 64,
    seeds: Sequence[int] | None = None,
    learning_rate: float = 1e-3,
    precision: str = "auto",
    log_every: int = 50,
    progress: bool = True,
) -> list[History]:
    """Trains models of one shape together, on one device, and gives each one's history.

    Each model reaches the weights that `fit` would give it with its objective and its seed, up
    to rounding. One step of all models is one pass, one gradient and one step of Adam: dense
    layers become batched matrix products. That saves most where a step is short. On one thread,
    8 dense models of width 256 at batch 64 train 1.3 (float32) to 1.6 times (bfloat16) as fast
    as one by one, at batch 256 1.1 to 1.2 times; convolutional ones gain nothing there.

    objectives, seeds: one for each model; the seeds are 0, 1, 2, ... if not given. Adversarial
        objectives (factor_vae, aae) need `fit`, which has a discriminator for them.
    There is no checkpoint. An interrupt ends all runs after the step they are in, as in `fit`.
    If memory runs out, two halves of the stack are trained one after the other, and a line says
    so. A history's seconds are the model's share of the time, so that its images_per_second are
    those of the whole stack.

    Raises ValueError for settings that cannot work, and `Diverged` if the loss of any model
    stops being a number; the models then keep the weights they came with.
    """
    models, objectives = list(models), list(objectives)
    seeds = list(range(len(models)) if seeds is None else seeds)
    if not models or not len(models) == len(objectives) == len(seeds):
        raise ValueError(
            f"There are {len(models)} models, {len(objectives)} objectives and {len(seeds)} "
            "seeds; expected one objective and one seed for each model."
        )
    if len({id(model) for model in models}) < len(models):
        raise ValueError("A model is there twice; make one for each run.")
    for model in models:
        if (model.config, model.device) != (models[0].config, models[0].device):
            raise ValueError(
                f"Models in a stack must be alike: one is {model.config} on {model.device}, the "
                f"first {models[0].config} on {models[0].device}."
            )
    _check(models[0], data, steps, batch_size, learning_rate, log_every)
    precision = choose_precision(precision, models[0].device)
    if models[0].device.type == "cpu":
        keep_freed_memory()
    runs = [
        _Run(model, data, objective, batch_size, seed, learning_rate, precision)
        for model, objective, seed in zip(models, objectives, seeds, strict=True)
    ]
    try:
        _fit_stack(runs, steps, learning_rate, log_every, progress)
    except RuntimeError as error:
        if len(models) == 1 or not _out_of_memory(error):
            raise
        half = len(models) // 2
        print(f"Memory ran out: {len(models)} models go on as {half} and {len(models) - half}.")
    else:
        return [run.history for run in runs]
    histories: list[History] = []
    for part in (slice(half), slice(half, None)):
        if any(history.interrupted for history in histories):
            return histories + [History(interrupted=True) for _ in models[part]]
        histories += fit_many(
            models[part],
            data,
            objectives[part],
            steps,
            batch_size,
            seeds[part],
            learning_rate,
            precision,
            log_every,
            progress,
        )
    return histories


def _fit_stack(runs, steps: int, learning_rate: float, log_every: int, progress: bool) -> None:
    stack, started = _Stack(runs, learning_rate), time.perf_counter()
    bar = tqdm(total=steps, unit="step", disable=not progress, dynamic_ncols=True)
    with bar, _stop_request() as stopping:
        for step in range(1, steps + 1):
            every = stack.advance()
            if step % log_every == 0 or step == steps or stopping.is_set():
                for run, terms in zip(runs, every, strict=True):
                    run.log(terms)
                bar.update(step - bar.n)
                found = [run.history.records[-1]["distortion"] for run in runs]
                bar.set_postfix_str(
                    f"{len(runs)} models, distortion {min(found):.1f} to {max(found):.1f}",
                    refresh=False,
                )
            if stopping.is_set():
                break
    stack.write_back()
    seconds = (time.perf_counter() - started) / len(runs)
    for run in runs:
        run.history.seconds, run.history.interrupted = seconds, step < steps
        run.history.images_per_second = step * run.batch_size / seconds


def _check(model, data, steps, batch_size, learning_rate, log_every) -> None:
    """Raises ValueError for settings that cannot work."""
    if steps < 1 or log_every < 1:
        raise ValueError(f"steps is {steps} and log_every {log_every}; expected at least 1.")
    if not 2 <= batch_size <= len(data):
        raise ValueError(
            f"batch_size is {batch_size}; {data.name!r} has {len(data)} images, "
            f"so choose from 2 to {len(data)}."
        )
    if model.image_shape != data.shape:
        raise ValueError(
            f"The model was made for images of {model.image_shape}, but {data.name!r} has "
            f"{data.shape}. Make it with VAE(image_shape=data.shape)."
        )
    if not learning_rate > 0:
        raise ValueError(f"learning_rate is {learning_rate}; it must be positive.")


class _Run:
    """The moving parts of one training run, all of which a checkpoint keeps."""

    def __init__(
        self,
        model,
        data,
        objective,
        batch_size,
        seed,
        learning_rate,
        precision,
        discriminator=None,
    ):
        self.model, self.data, self.objective = model, data, objective
        self.batch_size, self.seed = batch_size, seed
        device = model.device
        self.optimiser = torch.optim.Adam(
            model.parameters(), lr=learning_rate, fused=device.type in ("cpu", "cuda") or None
        )
        self.noise = torch.Generator(device).manual_seed(seed)
        self.step, self.epoch, self.order = 0, -1, torch.empty(0)
        self.history = History()
        self.memory: dict[str, Tensor] = {}  # what the objective keeps from step to step
        self.discriminator, self.opponent = None, None  # the second: the first one's optimiser
        self._clear_window()
        self.autocast = contextlib.nullcontext()
        if precision == "bfloat16":
            self.autocast = torch.autocast(device.type, torch.bfloat16)
        model.to(memory_format=torch.channels_last)
        self.settings = {
            "model": model.config,
            "data": [data.name, len(data)],
            "objective": describe(objective),
            "batch_size": batch_size,
            "seed": seed,
            "learning_rate": learning_rate,
            "precision": precision,
        }
        if discriminator is not None:
            self.settings["discriminator"] = discriminator.config
            self._take(discriminator)

    def _take(self, discriminator: Discriminator) -> None:
        self.discriminator = discriminator.to(self.model.device)
        self.opponent = self.discriminator.optimiser()

    def _ask_discriminator(self) -> Discriminator:
        """Made when an objective first asks for one."""
        if self.discriminator is None:
            self._take(Discriminator(self.model.latents, seed=self.seed))
        return self.discriminator

    @torch.no_grad()
    def _second(self) -> Tensor:
        """Codes of images that are drawn again, by chance."""
        device = self.model.device
        index = torch.randint(
            len(self.data), (self.batch_size,), generator=self.noise, device=device
        )
        with self.autocast:
            mean, log_var = self.model.encode(self.data.images(index.cpu()).to(device))
        return sample(mean, log_var, self.noise)

    def next_index(self) -> Tensor:
        """The numbers of the next images. Epoch e's order depends on the seed and e alone."""
        per_epoch = len(self.data) // self.batch_size
        epoch, place = divmod(self.step, per_epoch)
        if epoch != self.epoch:
            words = np.random.SeedSequence([self.seed, epoch]).generate_state(1, np.uint64)
            generator = torch.Generator().manual_seed(int(words[0] >> np.uint64(1)))
            self.epoch = epoch
            self.order = torch.randperm(len(self.data), generator=generator)
        return self.order[place * self.batch_size : (place + 1) * self.batch_size]

    def all_images(self) -> Tensor:
        if len(self.data) > 20_000:
            raise ValueError(
                f"The exact estimator encodes all {len(self.data):,} images at every step; "
                "with more than 20,000 choose estimator='stratified'."
            )
        return self.data.images(torch.arange(len(self.data))).to(self.model.device)

    def _whole(self) -> tuple[Tensor, Tensor]:
        """The posteriors of all images, with their gradient."""
        with self.autocast:
            return self.model.encode(self.all_images())

    def advance(self) -> Terms:
        """One step of the optimiser."""
        index, join = self.next_index(), None
        if getattr(self, "pairs", None) is not None:
            partner, known = self.pairs.partners(index, self.noise)
            index = torch.cat((index, partner))
            join = functools.partial(self.pairs.join, changed=known)
        out = forward(
            self.model,
            self.data.images(index).to(self.model.device),
            len(self.data),
            self.noise,
            self.step,
            self.autocast,
            self._whole,
            self.memory,
            self._ask_discriminator,
            self._second,
            join,
        )
        terms = self.terms(out)
        self.optimiser.zero_grad(set_to_none=True)
        terms.loss.backward()
        self.optimiser.step()
        if terms.discriminator_loss is not None:
            self.opponent.zero_grad(set_to_none=True)
            terms.discriminator_loss.backward()
            self.opponent.step()
        self.count(terms)
        return terms

    def terms(self, out: Pass) -> Terms:
        """The objective's terms. It may refuse codes that are no numbers before `log` sees them."""
        try:
            return self.objective(out)
        except ValueError as error:
            if bool(out.mean.isfinite().all() & out.log_var.isfinite().all()):
                raise
            raise self._diverged("A code is nan or infinite") from error

    def count(self, terms: Terms) -> None:
        """Takes note of a step that was done."""
        self.step += 1
        self.window_steps += 1
        out = terms.out
        means = (terms.loss, out.distortion, out.rate, *terms.own.values())
        self.window = self.window + torch.stack(means).detach()

    def log(self, terms: Terms) -> None:
        names = ("loss", "distortion", "rate", *terms.own)
        means = dict(zip(names, (self.window / self.window_steps).tolist(), strict=True))
        if not math.isfinite(means["loss"]):
            raise self._diverged(f"The loss is {means['loss']}")
        self.history.records.append({"step": self.step, **terms.values()} | means)
        self._clear_window()

    def _diverged(self, what: str) -> Diverged:
        return Diverged(
            f"{what} at step {self.step}. Use a smaller learning rate "
            f"(it is {self.settings['learning_rate']}), or a smaller beta or gamma."
        )

    def _clear_window(self) -> None:
        self.window, self.window_steps = torch.zeros((), device=self.model.device), 0

    def save(self, path: Path) -> None:
        tensors = _named("model", self.model, "adam", self.optimiser)
        if self.discriminator is not None:
            tensors |= _named("discriminator", self.discriminator, "opponent", self.opponent)
        tensors |= {f"memory.{key}": value for key, value in self.memory.items()}
        tensors["noise"] = self.noise.get_state()
        if not all(bool(value.isfinite().all()) for value in tensors.values()):
            raise self._diverged("A weight is nan or infinite")  # the next loss would show it
        notes = {"settings": self.settings, "step": self.step, "records": self.history.records}
        zoo.write(path, tensors, notes | {"seconds": self.history.seconds})

    def restore(self, path: Path) -> None:
        tensors, notes = zoo.read(path)
        there, here = notes.get("settings", {}), self.settings
        if there != here:
            differing = [key for key in here | there if there.get(key) != here.get(key)]
            details = "; ".join(f"{k} was {there.get(k)}, now {here.get(k)}" for k in differing)
            raise ValueError(
                f"{path} belongs to a different run: {details}. "
                "Choose another file for this run, or delete that one."
            )
        _give(tensors, "model", self.model, "adam", self.optimiser)
        if any(key.startswith("discriminator.") for key in tensors):
            discriminator = self._ask_discriminator()
            _give(tensors, "discriminator", discriminator, "opponent", self.opponent)
        for key, value in tensors.items():
            if key.startswith("memory."):
                self.memory[key.removeprefix("memory.")] = value.to(self.model.device)
        self.noise.set_state(tensors["noise"])
        self.step = notes["step"]
        self.history.records, self.history.seconds = notes["records"], notes["seconds"]


def _named(name: str, network, adam: str, optimiser) -> dict[str, Tensor]:
    """A network's weights and its optimiser's state, under names for a checkpoint."""
    tensors = {f"{name}.{key}": value for key, value in network.state_dict().items()}
    for number, state in optimiser.state_dict()["state"].items():
        tensors |= {f"{adam}.{number}.{key}": value for key, value in state.items()}
    return tensors


def _give(tensors: dict[str, Tensor], name: str, network, adam: str, optimiser) -> None:
    """Gives a network and its optimiser what `_named` took from them."""
    weights = {
        k.removeprefix(f"{name}."): v for k, v in tensors.items() if k.startswith(f"{name}.")
    }
    network.load_state_dict(weights)
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith(f"{adam}."):
            number, what = key.removeprefix(f"{adam}.").split(".")
            state.setdefault(int(number), {})[what] = value
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": state, "param_groups": groups})


class _Stack:
    """The networks of several runs as one, with one optimiser."""

    def __init__(self, runs: list[_Run], learning_rate: float):
        self.runs = runs
        self.encoder = Stacked([run.model.encoder for run in runs])
        self.decoder = Stacked([run.model.decoder for run in runs])
        device = runs[0].model.device
        self.optimiser = torch.optim.Adam(
            [*self.encoder.parameters(), *self.decoder.parameters()],
            lr=learning_rate,
            fused=device.type in ("cpu", "cuda") or None,
        )

    def _encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images (M, B, C, H, W) -> mean and log variance (M, B, J), float32."""
        with self.runs[0].autocast:
            return self.encoder(images).float().chunk(2, dim=2)

    def advance(self) -> list[Terms]:
        """One step of every run. Its loss is a sum, so a model's gradient is its own alone."""
        runs, first = self.runs, self.runs[0]
        index = torch.cat([run.next_index() for run in runs])
        images = first.data.images(index).to(first.model.device)
        images = images.unflatten(0, (len(runs), first.batch_size))
        mean, log_var = self._encode(images)
        codes = [sample(mean[m], log_var[m], run.noise) for m, run in enumerate(runs)]
        with first.autocast:
            out = self.decoder(torch.stack(codes)).float()

        @functools.cache
        def everything() -> tuple[Tensor, Tensor]:
            return self._encode(first.all_images().expand(len(runs), *[-1] * 4))

        every = []
        for m, (run, *parts) in enumerate(
            zip(runs, images, out, mean, log_var, codes, strict=True)
        ):
            passed = Pass(
                *parts,
                len(run.data),
                run.step,
                run.model.likelihood,
                run.model.noise,
                lambda m=m: tuple(part[m] for part in everything()),
                run.memory,
            )
            every.append(run.terms(passed))
        self.optimiser.zero_grad(set_to_none=True)
        torch.stack([terms.loss for terms in every]).sum().backward()
        self.optimiser.step()
        for run, terms in zip(runs, every, strict=True):
            run.count(terms)
        return every

    def write_back(self) -> None:
        """Gives the models their weights."""
        self.encoder.write_back()
        self.decoder.write_back()
        for run in self.runs:
            run.model.eval()


def _out_of_memory(error: RuntimeError) -> bool:
    """torch has a class for this on a GPU; on a processor there is only the message."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def describe(objective: Objective) -> dict[str, Any]:
    """An objective's name and settings, as functools.partial(beta_vae, beta=4) holds them."""
    settings: dict[str, Any] = {}
    while isinstance(objective, functools.partial):
        settings = objective.keywords | settings
        objective = objective.func
    return {"name": getattr(objective, "__name__", repr(objective)), **settings}


def keep_freed_memory() -> None:
    """Tells the C library to keep large buffers for the next step instead of giving them back.

    A training step frees and asks for the same buffers again and again; the kernel would clear
    every page each time. Linux with glibc only; elsewhere nothing happens.
    """
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL("libc.so.6").mallopt
        mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD
        mallopt(-3, 2**31 - 1)  # M_MMAP_THRESHOLD


def choose_precision(wanted: str, device: torch.device) -> str:
    """The precision that `fit` takes on a device: "float32" or "bfloat16"."""
    if wanted not in ("auto", "float32", "bfloat16"):
        raise ValueError(f"precision is {wanted!r}; choose 'auto', 'float32' or 'bfloat16'.")
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    if device.type == "cpu":
        checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        fast = any(getattr(torch.cpu, check, lambda: False)() for check in checks)
        return "bfloat16" if fast else "float32"
    return "float32"


def _summary(record: dict[str, float]) -> str:
    return (
        f"distortion {record['distortion']:.1f}, rate {record['rate']:.1f} "
        f"(MI {record['mutual_information']:.1f}, TC {record['total_correlation']:.1f}, "
        f"dimensions {record['dimension_kl']:.1f})"
    )


@contextlib.contextmanager
def _stop_request():
    """Turns the first Ctrl-C into a request to stop after this step; the second one raises."""
    stopping = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopping
        return
    previous = signal.getsignal(signal.SIGINT)

    def request(number, frame):
        if stopping.is_set():
            raise KeyboardInterrupt
        stopping.set()

    signal.signal(signal.SIGINT, request)
    try:
        yield stopping
    finally:
        signal.signal(signal.SIGINT, previous)
