"""`sweep`: a grid of models, and their table."""

import argparse
from pathlib import Path

from .options import architectures, data_names, number, one_of, place, whole

HELP = "train a grid of models, and write a table of their terms and scores"
PARSER = {
    "epilog": "@FILE takes options from a file: several a line, and # begins a remark.",
    "fromfile_prefix_chars": "@",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    objectives = ["beta_vae", "beta_tcvae"]
    add(
        "--objectives",
        nargs="+",
        type=one_of(_with_beta, "objective with a beta"),
        default=objectives,
        metavar="NAME",
        help=f"what to train on (default: {' '.join(objectives)})",
    )
    add(
        "--betas",
        nargs="+",
        type=number(0),
        default=[1.0, 4.0, 16.0],
        metavar="BETA",
        help="(default: 1 4 16)",
    )
    add("--seeds", type=whole(1, 10_000), default=3, help="how many: 0, 1, 2, ...")
    add(
        "--data",
        type=one_of(data_names, "image set"),
        default="small_sprites",
        metavar="DATA",
        help="an image set that is drawn: small_sprites, sprites, fruits, ...",
    )
    add(
        "--architecture",
        type=one_of(architectures, "architecture"),
        default="dense",
        help="conv or dense",
    )
    add("--hidden", type=whole(1, 100_000), default=256, help="width of the dense layers")
    add("--latents", type=whole(2, 10_000), default=6, help="number of latents J")
    add("--steps", type=whole(1), default=2000, help="of training, for each model")
    add("--batch-size", type=whole(2), default=128, help="images in a step")
    add("--learning-rate", type=number(0, itself=False), default=2e-3, help="of Adam")
    add("--jobs", type=whole(1, 1000), default=1, help="processes on this machine, one thread each")
    add("--scheduler", metavar="ADDRESS", help="train on this Dask cluster instead of here")
    add(
        "--device",
        default="auto",
        metavar="DEVICE",
        help="cpu, or train together on: cuda, mps, auto",
    )
    add("--out", type=place, help="folder of the finished runs (default: runs/DATA)")
    add("--table", type=place, help="CSV file to write (default: table.csv in that folder)")
    add("--codes", type=place, help="file to write with every model's codes of the same 512 images")


def _with_beta() -> list[str]:
    import inspect

    from ..objectives import OBJECTIVES

    return [name for name, f in OBJECTIVES.items() if "beta" in inspect.signature(f).parameters]


def run(options: argparse.Namespace) -> int:
    from .. import sweep, training
    from ..files import check_writable

    device = training.choose_device(options.device)
    apart = device == "cpu" or (
        options.device == "auto" and (options.jobs > 1 or options.scheduler)
    )
    names = ("data", "architecture", "hidden", "latents", "steps", "batch_size", "learning_rate")
    settings = {name: getattr(options, name) for name in names}
    runs = sweep.grid(options.objectives, options.betas, range(options.seeds), **settings)
    out = options.out or Path("runs") / options.data
    table = options.table or out / "table.csv"
    for path in (out / "a run", table, *([options.codes] if options.codes else [])):
        check_writable(path)
    try:
        rows = sweep.sweep(
            runs, out, options.jobs, options.scheduler, device=None if apart else device
        )
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
