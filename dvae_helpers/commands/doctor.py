"""`doctor`: what works on this machine."""

import argparse

HELP = "say what works on this machine"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It has none."""


def run(options: argparse.Namespace) -> int:
    from .. import doctor

    checks = doctor.report()
    print(doctor.text(checks))
    return int(any(check.state == doctor.PROBLEM for check in checks))
