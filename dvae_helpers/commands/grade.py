"""`grade`: the submissions of a class, checked."""

import argparse
from pathlib import Path

from .options import number, place, whole

HELP = "check the notebooks that a class handed in, and write a table and feedback"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("folder", type=place, metavar="FOLDER", help="NAME.ipynb or a folder NAME for each student")
    add("--out", type=place, default=Path("grades.csv"), help="the table; feedback lies beside it")
    add("--seconds", type=number(0, False), default=600, help="for a notebook")
    add("--memory", type=number(0, False), default=4, help="GB for a notebook")
    add("--jobs", type=whole(1, 1000), default=1, help="how many at a time")
    add("--again", action="store_true", help="grade those anew who did not change, too")


def run(options: argparse.Namespace) -> int:
    from .. import grading
    from ..files import check_writable
    from ..grading.confinement import namespaces

    check_writable(options.out)
    for result in grading.grade(
        options.folder,
        options.out,
        seconds=options.seconds,
        memory=options.memory,
        jobs=options.jobs,
        again=options.again,
    ):
        notes = f"   ({'; '.join(result.notes)})" if result.notes else ""
        line = f"{result.student}: {result.right} of {len(result.answers)} right{notes}"
        print(line[:300], flush=True)
    print(f"Written: {options.out}, and the feedback in {options.out.with_suffix('')}")
    if not namespaces():
        print(
            "There are no namespaces here (Linux: unshare), so only Python's own guard kept "
            "submissions from the network and from other files: enough against accidents."
        )
    return 0
