"""`fit` and `fit_many`: the loop around the steps."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from ..adversaries import Discriminator
from ..datasets import ImageSet
from ..models import VAE, plain_torch, whole_number
from ..objectives import Terms, beta_vae
from ..pairs import Pairs
from ..progress import tqdm
from .checkpoint import Checkpoint
from .history import History
from .machine import StopRequest, choose_precision, keep_freed_memory, stop_request
from .recorder import Engine, Together, steps_of
from .run import Objective, Run
from .stack import Stack, stackable


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
    *,
    pairs: Pairs | None = None,
    on_step: Callable[[Terms, int], None] | None = None,
) -> History:
    """Trains `model` in place with Adam and gives the history of its terms.

    Every epoch visits the images in a new random order; the last incomplete batch is left out.
    On one machine the same seeds give the same weights. Gradients are on and new numbers float32
    while it trains, whatever a notebook has set.

    precision: "float32", "bfloat16" (the networks alone; weights, codes and losses stay
        float32) or "auto": bfloat16 where the processor has instructions for it.
    checkpoint: a file that is written every `checkpoint_seconds` and at the end. If it is
        there when `fit` starts, the run goes on from it, to the same weights that it would have
        reached without the interruption. A file of a different run, or of another kind of
        device, is refused. So is an objective that cannot be told from another one: fix
        settings with functools.partial(objective, beta=4).
    discriminator: of an adversarial objective (factor_vae, aae), trained in place with an Adam of
        its own, one step for each step of the model. If none is given, `Discriminator(latents)`
        with the run's seed is made. The checkpoint keeps it, and its optimiser.
    pairs: draws a partner for each image of a batch. Both go through the model, and the pair's
        posteriors are joined before codes are drawn; means are over the 2B images.
    on_step: called after every step with its `Terms` and the number of steps done. On a GPU it
        sees tensors that the next step overwrites; looking at one makes the GPU wait.

    On CUDA, with the images there too, a step is recorded once and played back, which saves most
    of the time of small models. What cannot be recorded goes step by step, and a line says why.

    An interrupt (Ctrl-C, or the stop button of a notebook) ends the run after the step it is in:
    the model keeps what was reached, the checkpoint is written and `history.interrupted` is set.

    Raises ValueError for settings that cannot work, and `Diverged` if the loss stops being a
    number (the last checkpoint is then still good).
    """
    with stop_request() as stopping, plain_torch():
        settings = _checked(
            [model],
            data,
            steps=steps,
            batch_size=batch_size,
            seeds=[seed],
            learning_rate=learning_rate,
            log_every=log_every,
        )
        steps, batch_size, log_every = (
            settings[name] for name in ("steps", "batch_size", "log_every")
        )
        if discriminator is not None and discriminator.latents != model.latents:
            raise ValueError(
                f"The discriminator was made for {discriminator.latents} latents, but the model "
                f"has {model.latents}. Make it with Discriminator(model.latents)."
            )
        run = Run(
            model,
            data,
            objective,
            batch_size=batch_size,
            seed=settings["seeds"][0],
            learning_rate=settings["learning_rate"],
            precision=choose_precision(precision, model.device),
            discriminator=discriminator,
            pairs=pairs,
        )
        kept = None if checkpoint is None else Checkpoint(checkpoint, run)
        if kept is not None and kept.path.exists():
            kept.restore()
        first, started = run.step, time.perf_counter()
        saved, earlier = started, run.history.seconds

        def logged() -> None:
            nonlocal saved
            if kept is not None and time.perf_counter() - saved > checkpoint_seconds:
                saved = time.perf_counter()
                run.history.seconds = earlier + saved - started
                kept.save()

        def stepped(every: list[Terms], step: int) -> None:
            on_step(every[0], step)

        model.train()
        try:
            _train(
                Together([run]),
                steps,
                log_every,
                progress,
                stopping,
                on_step=on_step and stepped,
                on_log=logged,
            )
        finally:
            model.eval()
        history, seconds = run.history, time.perf_counter() - started
        history.seconds = earlier + seconds
        history.interrupted = run.step < steps
        if run.step > first:
            images = batch_size if pairs is None else 2 * batch_size
            history.images_per_second = (run.step - first) * images / seconds
            if kept is not None:
                kept.save()
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
    *,
    pairs: Pairs | None = None,
    on_step: Callable[[list[Terms], int], None] | None = None,
) -> list[History]:
    """Trains models together, on one device, and gives each one's history.

    Each model reaches the weights that `fit` would give it with its objective and its seed, up
    to rounding. Models may differ in all but the size of their images.

    - Dense models of one shape are a stack: their layers become batched matrix products, with one
      gradient and one step of Adam. That saves most where a step is short. On one thread, 8 models
      of width 256 at batch 64 train 1.3 (float32) to 1.6 times (bfloat16) as fast as one by one,
      at batch 256 1.1 to 1.2 times. On an H100, recorded, a stack of 8 models of width 1,200 at
      batch 2048 is 9 % faster than the same models on streams of their own.
    - All others take their steps side by side: on CUDA on streams of their own in one recording,
      where 16 convolutional models at batch 64 see 2.7 times as many images a second as one; on a
      processor one after the other, which gains nothing.

    objectives, seeds: one for each model; the seeds are 0, 1, 2, ... if not given.
    pairs, on_step: as for `fit`; `on_step` is called with the list of all models' Terms.
    There is no checkpoint. An interrupt ends all runs after the step they are in, as in `fit`.
    If memory runs out, two halves of the models are trained one after the other, and a line says
    so. A history's seconds are the model's share of the time, so that its images_per_second are
    those of all models together.

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
    with stop_request() as stopping, plain_torch():
        settings = _checked(
            models,
            data,
            steps=steps,
            batch_size=batch_size,
            seeds=seeds,
            learning_rate=learning_rate,
            log_every=log_every,
        )
        return _fit_parts(
            models,
            data,
            objectives,
            settings | {"precision": choose_precision(precision, models[0].device)},
            pairs,
            progress,
            stopping,
            on_step,
        )


def _fit_parts(
    models: list[VAE],
    data: ImageSet,
    objectives: list[Objective],
    settings: dict[str, Any],
    pairs: Pairs | None,
    progress: bool,
    stopping: StopRequest,
    on_step: Callable[[list[Terms], int], None] | None,
) -> list[History]:
    """All models together, or if memory runs out in two parts."""
    steps, log_every, seeds = (settings[name] for name in ("steps", "log_every", "seeds"))
    before = [{k: v.clone() for k, v in model.state_dict().items()} for model in models]
    try:
        runs = [
            Run(
                model,
                data,
                objective,
                batch_size=settings["batch_size"],
                seed=seed,
                learning_rate=settings["learning_rate"],
                precision=settings["precision"],
                pairs=pairs,
            )
            for model, objective, seed in zip(models, objectives, seeds, strict=True)
        ]
        engine: Engine = Stack(runs) if stackable(runs) else Together(runs)
        started = time.perf_counter()
        _train(engine, steps, log_every, progress, stopping, on_step=on_step)
        engine.finish()
    except BaseException as error:
        for model, weights in zip(models, before, strict=True):
            model.load_state_dict(weights)
            model.eval()
        if len(models) == 1 or not (isinstance(error, RuntimeError) and _out_of_memory(error)):
            raise
    else:
        seconds = (time.perf_counter() - started) / len(runs)
        images = settings["batch_size"] * (1 if pairs is None else 2)
        for run in runs:
            run.model.eval()
            run.history.seconds, run.history.interrupted = seconds, run.step < steps
            run.history.images_per_second = run.step * images / seconds
        return [run.history for run in runs]
    half = len(models) // 2
    print(f"Memory ran out: {len(models)} models go on as {half} and {len(models) - half}.")
    histories: list[History] = []
    for part in (slice(half), slice(half, None)):
        if stopping.is_set():
            return histories + [History(interrupted=True) for _ in models[part]]
        histories += _fit_parts(
            models[part],
            data,
            objectives[part],
            settings | {"seeds": seeds[part]},
            pairs,
            progress,
            stopping,
            on_step,
        )
    return histories


def _train(
    engine: Engine,
    steps: int,
    log_every: int,
    progress: bool,
    stopping: StopRequest,
    on_step: Callable[[list[Terms], int], None] | None = None,
    on_log: Callable[[], None] | None = None,
) -> None:
    """Takes all runs to a number of steps, or to where they are when a stop is asked for."""
    runs, first = engine.runs, engine.runs[0]
    if first.device.type == "cpu":
        keep_freed_memory()
    steps_ahead = steps_of(engine)
    stopping.preparing = False
    bar = tqdm(
        total=steps, initial=first.step, unit="step", disable=not progress, dynamic_ncols=True
    )
    with bar:
        while first.step < steps and not stopping.is_set():
            every = steps_ahead.advance()
            if on_step is not None:
                on_step(every, first.step)
            if first.step % log_every == 0 or first.step == steps or stopping.is_set():
                for run, terms in zip(runs, every, strict=True):
                    run.log(terms)
                bar.update(first.step - bar.n)
                bar.set_postfix_str(_summary(runs), refresh=False)
                if on_log is not None:
                    on_log()
        if stopping.is_set() and first.window_steps:  # the stop came while a record was written
            for run, terms in zip(runs, every, strict=True):
                run.log(terms)


def _summary(runs: list[Run]) -> str:
    records = [run.history.records[-1] for run in runs]
    if len(records) == 1:
        (record,) = records
        return (
            f"distortion {record['distortion']:.1f}, rate {record['rate']:.1f} "
            f"(MI {record['mutual_information']:.1f}, TC {record['total_correlation']:.1f}, "
            f"dimensions {record['dimension_kl']:.1f})"
        )
    found = [record["distortion"] for record in records]
    return f"{len(records)} models, distortion {min(found):.1f} to {max(found):.1f}"


def _checked(models: list[VAE], data: ImageSet, **given: Any) -> dict[str, Any]:
    """The settings as plain numbers of Python; ValueError for those that cannot work."""
    wanted = {
        name: whole_number(name, given[name]) for name in ("steps", "batch_size", "log_every")
    }
    wanted["seeds"] = [whole_number("seed", seed) for seed in given["seeds"]]
    try:
        wanted["learning_rate"] = float(given["learning_rate"])
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"learning_rate is {given['learning_rate']!r}; expected a number above 0."
        ) from error
    if min(wanted["steps"], wanted["log_every"]) < 1:
        raise ValueError(
            f"steps is {wanted['steps']} and log_every {wanted['log_every']}; expected at least 1."
        )
    if not 2 <= wanted["batch_size"] <= len(data):
        raise ValueError(
            f"batch_size is {wanted['batch_size']}; {data.name!r} has {len(data)} images, "
            f"so choose from 2 to {len(data)}."
        )
    if min(wanted["seeds"]) < 0:
        raise ValueError(f"seed is {min(wanted['seeds'])}; expected 0, 1, 2, ...")
    if not wanted["learning_rate"] > 0:
        raise ValueError(f"learning_rate is {wanted['learning_rate']}; it must be positive.")
    for model in models:
        _check_model(model, data, models[0].device)
    return wanted


def _check_model(model: VAE, data: ImageSet, device: torch.device) -> None:
    if model.image_shape != data.shape:
        raise ValueError(
            f"The model was made for images of {model.image_shape}, but {data.name!r} has "
            f"{data.shape}. Make it with VAE(image_shape=data.shape)."
        )
    if model.device != device:
        raise ValueError(f"One model is on {model.device}, the first on {device}.")
    weights = list(model.parameters())
    kinds = {weight.dtype for weight in weights}
    if kinds != {torch.float32}:
        raise ValueError(
            f"The model's weights are {', '.join(sorted(map(str, kinds)))}; training keeps them "
            "in float32: call model.float() first. To compute in bfloat16, give precision."
        )
    if not any(weight.requires_grad for weight in weights):
        raise ValueError(
            "No weight of the model asks for a gradient; call model.requires_grad_() first."
        )
    if any(weight.is_inference() for weight in weights):
        raise ValueError(
            "The model was made in torch.inference_mode() and cannot be trained; make it outside."
        )


def _out_of_memory(error: RuntimeError) -> bool:
    """torch has a class for this on a GPU; on a processor there is only the message."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
