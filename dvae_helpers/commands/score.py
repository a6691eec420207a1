"""`score`: every score of a trained model."""

import argparse

from .options import add_data, add_device, place, whole

HELP = "score a trained model: MIG, DCI and the others"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("name", metavar="MODEL", help="a model of the zoo, the folder of a run, or a model's file")
    add_data(parser, None, " (default: what the model was trained on)")
    add("--images", type=whole(2), help="images to encode (default: at most 50,000; on a GPU all)")
    add("--rows", type=whole(2), default=10_000, help="rows for all scores but exact MIG")
    add("--boosting", action="store_true", help="also DCI with boosted trees: takes minutes")
    add(
        "--repeats",
        type=whole(0),
        default=0,
        help="random halves of the images, for a 95 %% interval of each score",
    )
    add("--seed", type=whole(0), default=0, help="of the choice of images and rows")
    add_device(parser)
    add("--out", type=place, help="folder for scores.csv and scores.json (default: the run's)")


def run(options: argparse.Namespace) -> int:
    import torch

    from .. import metrics
    from ..files import check_writable
    from ..models import posteriors
    from .trained import find, silence

    trained = find(options.name, options.device)
    out = options.out or trained.out
    check_writable(out / "scores.csv")
    data = trained.images(options.data, options.path)
    some = torch.linspace(0, len(data) - 1, min(len(data), 2000)).long()
    if warning := silence(*posteriors(trained.model, data, some)):
        print(warning)
    scores = metrics.score(
        trained.model,
        data,
        images=options.images,
        rows=options.rows,
        boosting=options.boosting,
        seed=options.seed,
        repeats=options.repeats,
    )
    table, content = scores.write(out)
    print(f"{options.name}\n{scores.text()}\n\nWritten to {table} and {content}.")
    return 0
