"""`train`: one model, with checkpoints and pictures."""

import argparse
import functools
import inspect
import json
import math
import types
import typing
from collections.abc import Callable
from pathlib import Path

from .options import (
    add_data,
    add_device,
    architectures,
    number,
    objective_names,
    one_of,
    place,
    whole,
)

HELP = "train one model, with checkpoints and pictures"
_NOT_TYPED = {"help", "path", "device", "out", "zoo"}  # of this machine, or of no effect


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add_data(parser, "sprites")
    add(
        "--objective",
        type=one_of(objective_names, "objective"),
        default="beta_tcvae",
        help="elbo, beta_vae, beta_tcvae, factor_vae, aae, ...",
    )
    add("--beta", type=number(0), help="short for --set beta=BETA")
    add(
        "--set",
        nargs="*",
        default=[],
        metavar="NAME=VALUE",
        help="settings of the objective, as in: --objective geco --set target=60",
    )
    add(
        "--architecture",
        type=one_of(architectures, "architecture"),
        default="conv",
        help="conv or dense",
    )
    add(
        "--hidden",
        type=whole(1, 100_000),
        help="width of the dense layers (default: 256, dense 1200)",
    )
    add("--latents", type=whole(1, 10_000), default=10, help="number of latents J")
    add("--steps", type=whole(1), default=3000, help="of training")
    add("--batch-size", type=whole(2), default=64, help="images in a step")
    add("--learning-rate", type=number(0, itself=False), default=1e-3, help="of Adam")
    add("--seed", type=whole(0), default=0, help="of weights, order and noise")
    add(
        "--precision",
        choices=["auto", "float32", "bfloat16"],
        default="auto",
        help="of the networks",
    )
    add_device(parser)
    add("--out", type=place, help="folder of the run (default: runs/DATA-OBJECTIVE-SEED)")
    add("--zoo", metavar="NAME", help="also save the model to the zoo, under this name")


def run(options: argparse.Namespace) -> int:
    objective = objective_of(options)

    import matplotlib

    matplotlib.use("Agg")
    import torch

    from .. import datasets, estimators, training, zoo
    from ..files import check_writable
    from ..models import VAE, posteriors
    from .trained import CHECKPOINT, silence

    out = options.out or Path("runs") / f"{options.data}-{options.objective}-{options.seed}"
    checkpoint = out / CHECKPOINT
    check_writable(checkpoint)
    if options.zoo is not None:
        check_writable(zoo.path_of(options.zoo))
    data = datasets.load(options.data, options.device, options.path)
    model = VAE(
        data.shape,
        latents=options.latents,
        architecture=options.architecture,
        hidden=options.hidden,
        seed=options.seed,
    ).to(options.device)
    if checkpoint.exists():
        print(f"Resuming from {checkpoint}.")
    history = training.fit(
        model,
        data,
        objective,
        steps=options.steps,
        batch_size=options.batch_size,
        seed=options.seed,
        learning_rate=options.learning_rate,
        precision=options.precision,
        checkpoint=checkpoint,
    )
    if not len(history):
        print("Stopped before the first record; nothing was written.")
        return 1
    history.write(out / "history.csv")

    shown = torch.linspace(0, len(data) - 1, min(len(data), 10_000)).long()
    mean, log_var = posteriors(model, data, shown)
    parts = estimators.decompose(mean.cpu(), log_var.cpu())
    _print_terms(history, parts, len(shown))
    if warning := silence(mean, log_var):
        print(warning)
    _draw(model, data, history, mean, log_var, out)
    print(f"Written to {out}: checkpoint, history.csv, traversal, reconstructions, curves (.png).")
    print(f"Go on with: python -m dvae_helpers explore {out}  (or: score {out})")
    if options.zoo:
        about = _about(options, objective, history, parts)
        path = zoo.save(model, options.zoo, about)
        print(f"Saved to the zoo: {path.name}\n{json.dumps(about, indent=2)}")
    return 0


def objective_of(options: argparse.Namespace) -> Callable:
    """The objective with the settings that --set and --beta name, each read by its annotation."""
    from ..objectives import OBJECTIVES

    function = OBJECTIVES[options.objective]
    hints = typing.get_type_hints(function)
    allowed = list(inspect.signature(function).parameters)[1:]
    settings = {}
    pairs = list(options.set)
    if options.beta is not None:
        pairs.append(f"beta={options.beta}")
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or name not in allowed:
            raise ValueError(
                f"{options.objective} has no setting {pair!r}; "
                f"write NAME=VALUE with one of: {', '.join(allowed) or 'none at all'}."
            )
        if name in settings:
            raise ValueError(f"{name} is given twice; give it once, by --set or --beta.")
        settings[name] = _read(name, text, hints.get(name, str))
    missing = [
        name
        for name, parameter in list(inspect.signature(function).parameters.items())[1:]
        if parameter.default is parameter.empty and name not in settings
    ]
    if missing:
        raise ValueError(
            f"{options.objective} needs a value for {missing[0]}: add --set {missing[0]}=VALUE."
        )
    objective = functools.partial(function, **settings)
    _try(objective)
    return objective


def _try(objective: Callable) -> None:
    """One step on noise, so that an objective refuses its settings before work begins."""
    import torch

    from ..adversaries import Discriminator
    from ..models import VAE
    from ..objectives import Adversary, forward

    model = VAE((1, 16, 16), 2, "dense", 2)
    noise = torch.Generator().manual_seed(0)
    images = torch.rand(4, 1, 16, 16, generator=noise)
    adversary = Adversary(
        discriminator=lambda: Discriminator(2), second_codes=lambda: torch.zeros(4, 2)
    )
    out = forward(model, images, 4, noise, whole=lambda: model.encode(images), adversary=adversary)
    objective(out)


def _read(name: str, text: str, kind) -> object:
    """A setting as its annotation wants it; numbers must be finite, and no price is negative."""
    kinds = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    if type(None) in kinds and text == "None":
        return None
    if bool in kinds and text in ("True", "False"):
        return text == "True"
    wanted = {int: "a whole number", float: "a number"}
    for one in (int, float):
        if one in kinds:
            try:
                value = one(text)
            except ValueError:
                continue
            if math.isfinite(value) and not (name == "beta" and value < 0):
                return value
    if str in kinds:
        return text
    words = " or ".join(wanted[one] for one in (int, float) if one in kinds) or "True or False"
    least = " from 0 up" if name == "beta" else ""
    raise ValueError(f"--set {name}={text}: {name} is {words}{least}.")


def _print_terms(history, parts, images: int) -> None:
    last = history.records[-1]
    state = "Stopped early" if history.interrupted else "Done"
    print(
        f"{state} at step {last['step']:.0f}, after {history.seconds:.0f} s "
        f"({history.images_per_second:,.0f} images a second). In nats per image:"
    )
    print(f"  distortion           {last['distortion']:8.2f}   (mean of the last steps)")
    print(f"  rate                 {float(parts.kl):8.2f}   ({images:,} images), made of")
    print(f"    index-code MI      {float(parts.mutual_information):8.2f}")
    print(f"    total correlation  {float(parts.total_correlation):8.2f}")
    print(f"    dimension-wise KL  {float(parts.dimension_kl):8.2f}")
    print(f"  (standard error of MI and TC: {float(parts.error):.2f})")


def _draw(model, data, history, mean, log_var, out: Path) -> None:
    """Writes the pictures of a run: its traversal, reconstructions and curves."""
    import torch

    from .. import figures
    from ..files import write_whole

    figures.style()
    order, kl = figures.latent_order(mean, log_var)
    labels = [f"latent {j} ({kl[j]:.1f} nats)" for j in order]
    start = mean[len(mean) // 2]
    few = torch.linspace(0, len(data) - 1, 10).long()
    pictures = {
        "traversal.png": figures.traversal_grid(model, start, order, labels=labels),
        "reconstructions.png": figures.reconstructions(model, data, few),
        "curves.png": figures.training_curves(history),
    }
    for name, figure in pictures.items():
        write_whole(out / name, figures.to_png(figure))


def _about(options, objective: Callable, history, parts) -> dict[str, object]:
    """How a model was made, for its file in the zoo."""
    from .. import training

    last = history.records[-1]
    return {
        "command": "python -m dvae_helpers train " + " ".join(_as_typed(options)),
        "data": options.data,
        "objective": training.describe(objective),
        "steps": int(last["step"]),
        "batch_size": options.batch_size,
        "learning_rate": options.learning_rate,
        "seed": options.seed,
        "seconds": round(history.seconds),
        "device": _device_name(options.device),
        "distortion": round(last["distortion"], 2),
        "rate": round(float(parts.kl), 2),
        "total_correlation": round(float(parts.total_correlation), 2),
    }


def _as_typed(options: argparse.Namespace) -> list[str]:
    """All options that decide the model, defaults too, without what is of this machine."""
    words = []
    for action in options.parser._actions:
        value = getattr(options, action.dest, None)
        if action.dest in _NOT_TYPED or value in (None, []):
            continue
        values = value if isinstance(value, list) else [value]
        texts = [f"{one:g}" if isinstance(one, float) else str(one) for one in values]
        words += [action.option_strings[0], *texts]
    return words


def _device_name(device: str) -> str:
    import torch

    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{device}, {threads} thread{'s' if threads > 1 else ''}"
