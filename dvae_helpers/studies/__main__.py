"""`python -m dvae_helpers.studies NAME`: makes again what a study ships."""

import argparse
import sys
from pathlib import Path

import torch

from . import (
    adversarial,
    faces,
    fruit_pairs,
    new_combinations,
    pressure,
    referee_training,
    shipped,
)

STUDIES = {
    "pressure": pressure.ship,
    "adversarial": adversarial.ship,
    "referee": referee_training.ship,
    "new_combinations": new_combinations.ship,
    "fruit_pairs": fruit_pairs.ship,
    "faces": faces.ship,
    "faces_pairs": faces.ship_pairs,
    "shipped": shipped.ship,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m dvae_helpers.studies", description=__doc__)
    parser.add_argument("name", choices=STUDIES)
    parser.add_argument("--out", help="folder of the finished runs (default: runs/NAME)")
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    if options.seeds < 1:
        parser.error(f"--seeds is {options.seeds}; expected 1 or more.")
    torch.set_num_threads(1)
    try:
        STUDIES[options.name](Path(options.out or f"runs/{options.name}"), options.seeds)
    except ValueError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
