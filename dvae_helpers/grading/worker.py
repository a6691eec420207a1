"""One submission in a process of its own: its cells run in order, with our checks in their places.

`python -P -m dvae_helpers.grading.worker` reads a job as JSON, and writes a line of JSON for each
check that was asked, behind a word that the submission does not know. What the submission prints
goes nowhere, so printing "Right." is of no use.
"""

import contextlib
import io
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_LONGEST = 2_000  # characters of what is said about one answer


class TooLong(BaseException):
    """A cell, or a check, took longer than a cell may. No `except Exception` catches it."""


def main() -> None:
    job = json.load(sys.stdin)
    report = _reporter(job["word"])
    own, hidden = Path(job["own"]), [Path(folder) for folder in job["hidden"]]
    from . import confinement

    confinement.limit(job["seconds"], job["memory"])
    if job["namespaces"]:
        confinement.close_in(own, hidden)
    shutil.copytree(job["given"], own, dirs_exist_ok=True)
    os.chdir(own)
    checks = _checks()
    shell = _shell()
    untouched = _untouched()
    _forget_the_course()
    sys.path.append(str(own))
    confinement.guard(own, hidden)
    report(started=True)
    for cell in job["cells"]:
        if cell["source"]:
            error = _run(shell, cell["source"], job["seconds"] / 3)
            if error:
                report(cell=cell["number"], error=error[:_LONGEST])
        for name, argument in cell["checks"]:
            untouched()
            kind, words = _judge(shell, checks[name], argument, job["seconds"] / 3)
            report(check=name, kind=kind, words=words[:_LONGEST])
    report(finished=True)
    # What the submission left to be done at the end is not done.
    os._exit(0)


def _reporter(word: str) -> Callable[..., None]:
    """Writes a line to what was the standard output, which afterwards leads nowhere."""
    file = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)

    def report(**content: Any) -> None:
        os.write(file, f"{word} {json.dumps(content)}\n".encode())

    return report


def _checks() -> dict[str, tuple[Callable, Callable]]:
    """For each check: what asks, and what it asks."""
    from .. import exercises
    from ..exercises.checking import verdict
    from ..exercises.hints import catalogue

    return {name: (verdict, getattr(exercises, name).__wrapped__) for name in catalogue()}


def _untouched() -> Callable[[], None]:
    """A function that puts back what a submission changed in the modules that the checks use."""
    import builtins
    import math

    import numpy
    import torch

    kept = {}
    for owner in (builtins, math, numpy, torch, torch.Tensor, torch.nn.functional):
        kept[owner] = dict(vars(owner))

    def put_back() -> None:
        for owner, names in kept.items():
            now = vars(owner)
            for name, value in names.items():
                if now.get(name) is not value:
                    with contextlib.suppress(AttributeError, TypeError):
                        setattr(owner, name, value)
            if isinstance(owner, type):  # a new name would hide an inherited one
                for name in now.keys() - names.keys():
                    delattr(owner, name)

    return put_back


def _forget_the_course() -> None:
    """The submission imports the package afresh: its changes there do not reach the checks."""
    package = __spec__.name.partition(".")[0]
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        del sys.modules[name]


def _shell() -> Any:
    """What runs cells, with the magics of notebooks; nothing of it is kept."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    class Shell(InteractiveShell):
        """Errors are reported by us, and shown to nobody."""

        def showtraceback(self, *_: Any, **__: Any) -> None: ...

        def showsyntaxerror(self, *_: Any, **__: Any) -> None: ...

    shell = Shell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    return shell


@contextlib.contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Raises TooLong after so many seconds, where the system has signals for it."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def stop(*_: Any) -> None:
        signal.setitimer(signal.ITIMER_REAL, 1)  # and again, if it was caught
        raise TooLong

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _run(shell: Any, source: str, seconds: float) -> str:
    """Runs a cell -> what stopped it, or nothing."""
    try:
        with _at_most(seconds), contextlib.redirect_stdout(_Nowhere()):
            result = shell.run_cell(source, store_history=False, silent=False)
        error = result.error_before_exec or result.error_in_exec
    except TooLong:
        error = TooLong()
    except BaseException as stopped:  # SystemExit, and whatever else a submission may raise
        error = stopped
    finally:
        if "matplotlib.pyplot" in sys.modules:
            with contextlib.suppress(Exception):
                sys.modules["matplotlib.pyplot"].close("all")
    return "" if error is None else _said(error, seconds)


class _Nowhere(io.TextIOBase):
    """Takes any text, and keeps none."""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        return len(text)


def _judge(
    shell: Any, check: tuple[Callable, Callable], argument: str, seconds: float
) -> tuple[str, str]:
    """The verdict on an expression in the submission's names."""
    verdict, examine = check
    try:
        with _at_most(seconds), contextlib.redirect_stdout(_Nowhere()):
            try:
                answer = eval(argument, shell.user_ns)
            except NameError:
                return "missing", f"Nothing has the name that the check asks for: {argument}."
            return verdict(examine, answer)
    except BaseException as error:
        return "crashed", f"Not yet: {_said(error, seconds)}"


def _said(error: BaseException, seconds: float) -> str:
    if isinstance(error, TooLong):
        return f"your code was stopped after {seconds:.3g} seconds."
    with contextlib.suppress(Exception):
        return f"your code stopped with {type(error).__name__}: {error}"
    return f"your code stopped with {type(error).__name__}"


if __name__ == "__main__":
    main()
