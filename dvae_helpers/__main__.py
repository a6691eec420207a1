"""The course's commands: `python -m dvae_helpers COMMAND --help`."""

import argparse
import ast
import functools
import inspect
import json
import sys
from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; what it cannot do becomes one line of errors and exit status 2."""
    parser = argparse.ArgumentParser(prog="python -m dvae_helpers", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("doctor", help="say what works on this machine")
    _add_train(commands)
    _add_sweep(commands)
    _add_score(commands)
    slides = commands.add_parser("slides", help="turn notebooks into slides that need no network")
    slides.add_argument("names", nargs="*", metavar="NAME", help="notebooks (default: all)")
    slides.add_argument("--out", default="slides", help="folder of the decks (default: slides)")
    slides.add_argument("--pdf", action="store_true", help="a PDF of each too (needs Chromium)")
    handout = commands.add_parser("handout", help="write notebooks without solutions and outputs")
    handout.add_argument("names", nargs="*", metavar="NAME", help="notebooks (default: all)")
    handout.add_argument("--out", default="handout", help="their folder (default: handout)")
    site = commands.add_parser("site", help="the course as a web site of static files")
    site.add_argument("--out", default="site", help="its folder (default: site)")
    bench = commands.add_parser("bench", help="measure how fast this machine draws and trains")
    bench.add_argument("--objective", choices=["beta_vae", "beta_tcvae"], default="beta_vae")
    bench.add_argument("--seconds", type=float, default=4.0, help="for one turn (default 4)")
    bench.add_argument("--turns", type=int, default=3, help="for each figure (default 3)")
    bench.add_argument("--device", default="auto", help="auto, cpu or cuda")
    options = parser.parse_args(arguments)
    try:
        if options.command == "doctor":
            return _doctor()
        if options.command == "train":
            return _train(options)
        if options.command == "sweep":
            return _sweep(options)
        if options.command == "score":
            return _score(options)
        if options.command == "slides":
            return _slides(options)
        if options.command == "handout":
            return _handout(options)
        if options.command == "site":
            return _site(options)
        from . import bench as speed

        device = _device(options.device)
        speed.main(options.objective, options.seconds, options.turns, device)
        return 0
    except ValueError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(
            f"Error: {error}. See whether the disk is full, and whether you may read and write "
            "there; then give the same command again.",
            file=sys.stderr,
        )
        return 2


def _doctor() -> int:
    from . import doctor

    checks = doctor.report()
    print(doctor.text(checks))
    return int(any(check.state == doctor.PROBLEM for check in checks))


def _add_train(commands) -> None:
    parser = commands.add_parser(
        "train",
        help="train one model, with checkpoints and pictures",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--data", default="sprites", help="sprites, small_sprites, fruits, faces or dsprites")
    add("--path", help="the dSprites file, for --data dsprites")
    add("--objective", default="beta_tcvae", help="elbo, beta_vae, beta_tcvae, factor_vae, aae, ..")
    add("--beta", type=float, help="short for --set beta=BETA")
    add("--set", nargs="*", default=[], metavar="NAME=VALUE", help="settings of the objective")
    add("--architecture", default="conv", help="conv or dense")
    add("--hidden", type=int, help="width of the dense layers")
    add("--latents", type=int, default=10, help="number of latents J")
    add("--steps", type=int, default=3000)
    add("--batch-size", type=int, default=64)
    add("--learning-rate", type=float, default=1e-3)
    add("--seed", type=int, default=0)
    add("--precision", default="auto", help="auto, float32 or bfloat16")
    add("--device", default="auto", help="auto, cpu, cuda or mps")
    add("--out", help="folder for what the run writes (default: runs/DATA-OBJECTIVE-SEED)")
    add("--zoo", metavar="NAME", help="also save the model to the zoo, under this name")


def _objective(options):
    """The objective function with its settings fixed."""
    from . import objectives

    known = objectives.OBJECTIVES
    if options.objective not in known:
        raise ValueError(
            f"There is no objective {options.objective!r}; choose one of {', '.join(known)}."
        )
    function = known[options.objective]
    pairs = list(options.set)
    if options.beta is not None:
        pairs.append(f"beta={options.beta}")
    allowed = list(inspect.signature(function).parameters)[1:]
    settings = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or name not in allowed:
            raise ValueError(
                f"{options.objective} has no setting {pair!r}; "
                f"write NAME=VALUE with one of: {', '.join(allowed) or 'none at all'}."
            )
        try:
            settings[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            settings[name] = value
    return functools.partial(function, **settings)


def _train(options) -> int:
    import matplotlib

    matplotlib.use("Agg")
    import torch

    from . import datasets, estimators, training, zoo
    from .models import VAE, posteriors

    objective = _objective(options)
    device = _device(options.device)
    data = datasets.load(options.data, device, options.path)
    model = VAE(
        data.shape, options.latents, options.architecture, options.hidden, seed=options.seed
    ).to(device)
    out = Path(options.out or f"runs/{options.data}-{options.objective}-{options.seed}")
    checkpoint = out / "checkpoint.safetensors"
    if checkpoint.exists():
        print(f"Going on from {checkpoint}.")
    history = training.fit(
        model,
        data,
        objective,
        options.steps,
        options.batch_size,
        options.seed,
        options.learning_rate,
        options.precision,
        checkpoint,
    )
    if not len(history):
        print("Stopped before the first record; nothing was written.")
        return 1
    history.write(out / "history.csv")

    shown = torch.linspace(0, len(data) - 1, min(len(data), 10_000)).long()
    mean, log_var = posteriors(model, data, shown)
    parts = estimators.decompose(mean.cpu(), log_var.cpu())
    _print_terms(history, parts, len(shown))
    _draw(model, data, history, mean, log_var, out)
    print(f"Written to {out}: checkpoint, history.csv, traversal, reconstructions, curves (.png).")
    if options.zoo:
        about = _about(options, history, parts)
        path = zoo.save(model, options.zoo, about)
        print(f"Saved to the zoo: {path.name}\n{json.dumps(about, indent=2)}")
    return 0


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

    from . import figures
    from .files import write_whole

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


def _about(options, history, parts) -> dict[str, object]:
    """How a model was made, for its file in the zoo."""
    from . import training

    last = history.records[-1]
    return {
        "command": "python -m dvae_helpers train " + " ".join(_as_typed(options)),
        "data": options.data,
        "objective": training.describe(_objective(options)),
        "steps": int(last["step"]),
        "batch_size": options.batch_size,
        "learning_rate": options.learning_rate,
        "seed": options.seed,
        "seconds": round(history.seconds),
        "device": _device_name(_device(options.device)),
        "distortion": round(last["distortion"], 2),
        "rate": round(float(parts.kl), 2),
        "total_correlation": round(float(parts.total_correlation), 2),
    }


def _add_sweep(commands) -> None:
    parser = commands.add_parser(
        "sweep",
        help="train a grid of models, and write a table of their terms and scores",
        epilog="@FILE takes options from a file: several a line, and # begins a remark.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        fromfile_prefix_chars="@",
    )
    parser.convert_arg_line_to_args = lambda line: line.partition("#")[0].split()
    add = parser.add_argument
    add("--objectives", nargs="+", default=["beta_vae", "beta_tcvae"], metavar="NAME")
    add("--betas", nargs="+", type=float, default=[1.0, 4.0, 16.0], metavar="BETA")
    add("--seeds", type=int, default=3, help="how many: 0, 1, 2, ...")
    add("--data", default="small_sprites", help="a set that is drawn: small_sprites, sprites, ...")
    add("--architecture", default="dense", help="conv or dense")
    add("--hidden", type=int, default=256, help="width of the dense layers")
    add("--latents", type=int, default=6, help="number of latents J")
    add("--steps", type=int, default=2000)
    add("--batch-size", type=int, default=128)
    add("--learning-rate", type=float, default=2e-3)
    add("--jobs", type=int, default=1, help="processes on this machine, one thread each")
    add("--scheduler", metavar="ADDRESS", help="train on this Dask cluster instead of here")
    add("--out", help="folder of the finished runs (default: runs/DATA)")
    add("--table", help="CSV file to write (default: table.csv in that folder)")
    add("--codes", help="file to write with every model's codes of the same 512 images")


def _sweep(options) -> int:
    from . import sweep

    names = ("data", "architecture", "hidden", "latents", "steps", "batch_size", "learning_rate")
    settings = {name: getattr(options, name) for name in names}
    runs = sweep.grid(options.objectives, options.betas, range(options.seeds), **settings)
    out = Path(options.out or f"runs/{options.data}")
    table = Path(options.table or out / "table.csv")
    try:
        rows = sweep.sweep(runs, out, options.jobs, options.scheduler)
    except KeyboardInterrupt:
        done = sum((out / run.file).exists() for run in runs)
        print(f"Stopped: {done} of {len(runs)} runs are in {out}; the same command goes on.")
        return 1
    sweep.write_table(rows, table)
    seeds = table.with_name(f"{table.stem}_seeds.csv")
    sweep.write_seeds(rows, seeds)
    if options.codes:
        sweep.write_codes(runs, out, options.codes)
    print(f"{len(rows)} runs, {sum(row['seconds'] for row in rows):,.0f} s of training: {table}")
    print(f"How far two seeds of one setting differ: {seeds}")
    return 0


def _add_score(commands) -> None:
    parser = commands.add_parser("score", help="score a trained model: MIG, DCI and the others")
    add = parser.add_argument
    add("name", metavar="NAME", help="a model of the zoo")
    add("--data", help="the image set (default: the one that the model was trained on)")
    add("--path", help="the dSprites file, for --data dsprites")
    add("--images", type=int, help="images to encode (default: at most 50,000; on a GPU all)")
    add("--rows", type=int, default=10_000, help="rows for all scores but exact MIG (10,000)")
    add("--boosting", action="store_true", help="also DCI with boosted trees: takes minutes")
    add("--repeats", type=int, default=0, help="random halves, for a 95 %% interval of each score")
    add("--seed", type=int, default=0, help="of the choice of images and rows (default 0)")
    add("--device", default="auto", help="auto, cpu, cuda or mps")
    add("--out", help="folder for scores.csv and scores.json (default: runs/NAME)")


def _score(options) -> int:
    from . import datasets, metrics, zoo

    device = _device(options.device)
    model = zoo.load(options.name, device)
    trained_on = zoo.about(options.name).get("data")
    if options.data is None and trained_on is None:
        raise ValueError(f"{options.name} does not say what it was trained on; give --data.")
    data = datasets.load(options.data or trained_on, device, options.path)
    scores = metrics.score(
        model,
        data,
        options.images,
        options.rows,
        options.boosting,
        options.seed,
        repeats=options.repeats,
    )
    table, content = scores.write(options.out or f"runs/{options.name}")
    print(f"{options.name}\n{scores.text()}\n\nWritten to {table} and {content}.")
    return 0


def _slides(options) -> int:
    from . import slides

    out = Path(options.out)
    decks = slides.build(options.names, out)
    for deck in decks:
        print(f"{deck}  {deck.stat().st_size / 1e6:.1f} MB")
    if options.pdf:
        try:
            for deck in decks:
                path = slides.pdf(deck)
                print(f"{path}  {path.stat().st_size / 1e6:.1f} MB")
        except ValueError as error:
            print(f"No PDF: {error}")
    print(f"Open {out / 'index.html'} in a browser.")
    return 0


def _handout(options) -> int:
    from . import handout

    for path in handout.build(options.names, Path(options.out)):
        print(path)
    return 0


def _site(options) -> int:
    from . import site

    first = site.build(Path(options.out))
    size = sum(path.stat().st_size for path in first.parent.rglob("*") if path.is_file())
    print(f"{first.parent}  {size / 1e6:.0f} MB\nOpen {first} in a browser.")
    return 0


def _as_typed(options) -> list[str]:
    """The train command that gives this model again, without folders of this machine."""
    words = ["--data", options.data, "--objective", options.objective]
    if options.beta is not None:
        words += ["--beta", f"{options.beta:g}"]
    if options.set:
        words += ["--set", *options.set]
    words += ["--architecture", options.architecture, "--latents", str(options.latents)]
    if options.hidden:
        words += ["--hidden", str(options.hidden)]
    words += ["--steps", str(options.steps), "--batch-size", str(options.batch_size)]
    words += ["--learning-rate", f"{options.learning_rate:g}", "--seed", str(options.seed)]
    return words + (["--precision", options.precision] if options.precision != "auto" else [])


def _device(wanted: str) -> str:
    from . import training

    return training.choose_device(wanted)


def _device_name(device: str) -> str:
    import torch

    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{device}, {threads} thread{'s' if threads > 1 else ''}"


if __name__ == "__main__":
    sys.exit(main())
