"""`bench`: how fast this machine is."""

import argparse

from .options import add_device, number, whole

HELP = "measure how fast this machine draws and trains"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--objective", choices=["beta_vae", "beta_tcvae"], default="beta_vae", help="what to train")
    add("--seconds", type=number(0, itself=False), default=4.0, help="for one turn")
    add("--turns", type=whole(1), default=3, help="for each figure")
    add_device(parser)
    add("--quick", action="store_true", help="one short turn of the main figures")


def run(options: argparse.Namespace) -> int:
    from .. import bench

    bench.main(options.objective, options.seconds, options.turns, options.device, options.quick)
    return 0
