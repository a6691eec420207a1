"""`python -m dvae_helpers.studies NAME`: makes again what a study ships."""

import argparse
import inspect
import sys
from pathlib import Path
from typing import NoReturn

import torch

from .. import training
from ..files import check_writable
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
    "small_sprites": pressure.ship_small,
    "sprites": pressure.ship_sprites,
    "sprites_dense": pressure.ship_dense,
    "adversarial": adversarial.ship,
    "referee": referee_training.ship,
    "new_combinations": new_combinations.ship,
    "fruit_pairs": fruit_pairs.ship,
    "faces": faces.ship,
    "faces_pairs": faces.ship_pairs,
    "shipped": shipped.ship,
}


class Parser(argparse.ArgumentParser):
    """Its errors are ValueErrors, so that they are one line as all others."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message}. Help: {self.prog} --help")


def main() -> None:
    parser = Parser(prog="python -m dvae_helpers.studies", description=__doc__)
    parser.add_argument("name", choices=STUDIES)
    parser.add_argument("--out", help="folder of the finished runs (default: runs/NAME)")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--device", default="cpu", help="auto, cpu, cuda or mps (default: cpu)")
    torch.set_num_threads(1)
    try:
        options = parser.parse_args()
        if options.seeds < 1:
            raise ValueError(f"--seeds is {options.seeds}; expected 1 or more.")
        if options.out == "":
            raise ValueError("--out is empty; give the name of a folder, or leave it out.")
        study, settings = STUDIES[options.name], {}
        device = training.choose_device(options.device)
        if "device" in inspect.signature(study).parameters:
            settings["device"] = device
        elif device != "cpu":
            raise ValueError(f"{options.name} is made on a CPU; leave out --device {device}.")
        folder = Path(options.out or f"runs/{options.name}")
        check_writable(folder / "run")
        study(folder, options.seeds, **settings)
    except ValueError as error:
        print(f"Error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
