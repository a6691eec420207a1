"""Grading a class: every submission is run on its own, and our checks say what it is worth.

`grade` -> a table with a row for each student, and a page of feedback for each.
"""

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ..exercises.hints import catalogue
from ..files import data_folder, write_csv, write_whole
from . import confinement
from .feedback import page
from .submission import Master, Submission, masters, read

_ROOT = Path(__file__).parents[2]
_BEST = ("right", "wrong", "crashed", "unanswered", "missing", "not reached")  # the best first
_START = 180  # seconds in which Python and its packages must have started
_COPIED = 20_000_000  # bytes of a student's own files beside the notebook


@dataclass
class Result:
    """Of one student. answers: by the name of the check, a verdict and its words."""

    student: str
    mark: str
    notebooks: list[str] = field(default_factory=list)
    answers: dict[str, tuple[str, str]] = field(default_factory=dict)
    code: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def right(self) -> int:
        return sum(kind == "right" for kind, _ in self.answers.values())


def grade(
    folder: Path,
    out: Path = Path("grades.csv"),
    notebooks: Path = _ROOT / "notebooks",
    seconds: float = 600,
    memory: float = 4,
    jobs: int = 1,
    again: bool = False,
) -> Iterator[Result]:
    """Grades the submissions in `folder`, and gives the result of each student when it is known.

    folder: NAME.ipynb for a student of this name, or a folder NAME with notebooks in it, one or
        several. A notebook is known by the ids of its cells or the checks that it calls, whatever
        its file is called; of two copies of an exercise the better one counts.
    out: the table. It has a row for each student with the number of right answers, and a column
        for each exercise of the notebooks that somebody handed in: right, wrong, crashed,
        unanswered, missing (its cells were deleted), or not reached (the program was stopped
        before). The pages of feedback are beside it, in the folder `out` without its ending.
    seconds: for a notebook; a cell may take a third of it (on Windows all). memory: GB. jobs: how
        many at a time.
    again: grade those anew who did not change since they were graded.

    The table and the pages are written after each student, so that a run which was stopped goes on
    where it was. What a submission cannot do is said in `confinement`. A student who attacks the
    checks themselves from inside may deceive them: read the code on the page of feedback.

    Raises ValueError if there is no such folder, or no submission in it.
    """
    if not folder.is_dir():
        raise ValueError(f"There is no folder {folder}; give the folder of the submissions.")
    found = dict(_submissions(folder))
    if not found:
        raise ValueError(
            f"There are no submissions in {folder}; expected NAME.ipynb for each student, or a "
            "folder NAME with notebooks in it."
        )
    ours = masters(notebooks)
    pages = out.with_suffix("")
    if pages == out:
        raise ValueError(f"{out} has no ending; give a file such as grades.csv.")
    hidden = _hidden(notebooks, folder, _ROOT / "tests", pages)
    results: dict[str, Result] = {}

    def one(student: str, paths: list[Path]) -> Result:
        mark = _mark(paths, notebooks, seconds, memory)
        kept = pages / f"{student}.json"
        if not again and (before := _kept(kept, student, mark)) is not None:
            return before
        try:
            result = _student(student, paths, folder, mark, ours, hidden, seconds, memory)
        except Exception as error:  # whatever it is, it must not cost the others their rows
            note = f"could not be graded: {type(error).__name__}: {error}"
            return Result(student, "", notes=[note])
        write_whole(kept, (json.dumps(asdict(result), indent=1) + "\n").encode())
        write_whole(pages / f"{student}.html", page(result, catalogue()).encode())
        return result

    with ThreadPoolExecutor(jobs) as pool:
        waiting = [pool.submit(one, student, paths) for student, paths in found.items()]
        try:
            for done in as_completed(waiting):
                result = done.result()
                results[result.student] = result
                _write_table(out, results, ours)
                yield result
        finally:
            pool.shutdown(cancel_futures=True)


def _hidden(*folders: Path) -> list[Path]:
    """Folders with answers in them; not one that holds what a submission needs in order to run."""
    needed = [_ROOT.resolve() / "dvae_helpers", data_folder(), Path(sys.prefix).resolve()]
    found = [folder.resolve() for folder in folders]
    return [each for each in found if not any(one.is_relative_to(each) for one in needed)]


def _submissions(folder: Path) -> Iterator[tuple[str, list[Path]]]:
    """For each student, by name, the files of notebooks. Links are not followed."""
    for place in sorted(folder.iterdir()):
        if place.is_symlink() or place.name.startswith("."):
            continue
        if place.is_dir():
            inside = [
                path
                for path in sorted(place.rglob("*.ipynb"))
                if not any(p.is_symlink() or p.name.startswith(".") for p in _below(path, place))
            ]
            yield place.name, [path for path in inside if path.is_file()]
        elif place.suffix == ".ipynb":
            yield place.stem, [place]


def _below(path: Path, folder: Path) -> Iterator[Path]:
    while path != folder:
        yield path
        path = path.parent


def _mark(paths: list[Path], notebooks: Path, seconds: float, memory: float) -> str:
    """Changes with the submission, with our notebooks and checks, and with the limits."""
    digest = hashlib.sha256(f"{seconds} {memory}".encode())
    ours = [*notebooks.glob("*.ipynb"), *(Path(__file__).parents[1] / "exercises").rglob("*.py")]
    for path in [*paths, *sorted(ours)]:
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _kept(file: Path, student: str, mark: str) -> Result | None:
    """The result of an earlier run, if nothing has changed since."""
    try:
        result = Result(**json.loads(file.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return result if (result.student, result.mark) == (student, mark) else None


def _student(
    student: str,
    paths: list[Path],
    folder: Path,
    mark: str,
    ours: dict[str, Master],
    hidden: list[Path],
    seconds: float,
    memory: float,
) -> Result:
    result = Result(student, mark)
    began = time.monotonic()
    if not paths:
        result.notes.append("there is no notebook in the folder")
    for path in paths:
        try:
            submission = read(path, ours)
        except ValueError as error:
            result.notes.append(f"{path.name}: {error}")
            continue
        if submission.notebook not in result.notebooks:
            result.notebooks.append(submission.notebook)
        beside = None if path.parent == folder else path.parent
        answers, notes = run(submission, beside, hidden, seconds, memory)
        result.notes += [f"{path.name}: {note}" for note in notes]
        for name, (kind, words) in answers.items():
            before = result.answers.get(name)
            if before is None or _BEST.index(kind) < _BEST.index(before[0]):
                result.answers[name] = (kind, words)
                result.code[name] = submission.code.get(name, "")
    result.seconds = round(time.monotonic() - began, 1)
    return result


def run(
    submission: Submission, beside: Path | None, hidden: list[Path], seconds: float, memory: float
) -> tuple[dict[str, tuple[str, str]], list[str]]:
    """Runs one notebook in a process of its own -> verdict and words for each check, and notes.

    beside: a folder whose other files it may read; None where all students' files lie together.
    """
    word = secrets.token_hex(16)
    before = confinement.namespaces()
    answers = dict.fromkeys(submission.checks, ("not reached", "The notebook stopped before."))
    notes: list[str] = []
    with tempfile.TemporaryDirectory(prefix="grade", ignore_cleanup_errors=True) as place:
        own, given = Path(place).resolve() / "own", Path(place).resolve() / "given"
        own.mkdir()
        _copy_small(beside, given)
        job = {
            "word": word,
            "own": str(own),
            "given": str(given),
            "hidden": [str(each) for each in hidden],
            "seconds": seconds,
            "memory": memory,
            "namespaces": bool(before),
            "cells": submission.cells,
        }
        said = Path(place) / "said"
        with said.open("wb") as output:
            command = [*before, sys.executable, "-P", "-m", f"{__name__}.worker"]
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.DEVNULL,
                env=_environment(own),
                cwd=place,
                start_new_session=True,
            )
            try:
                assert process.stdin is not None
                with contextlib.suppress(BrokenPipeError), process.stdin:
                    process.stdin.write(json.dumps(job).encode())
                late = not _ended(process, said, seconds)
            finally:
                _kill(process)
        ended = False
        for line in _lines(said, word):
            name, kind, cell = line.get("check"), line.get("kind"), line.get("cell")
            if name in answers and kind in _BEST:
                if _BEST.index(kind) < _BEST.index(answers[name][0]):
                    answers[name] = (kind, str(line.get("words")))
            elif cell is not None:
                notes.append(f"cell {cell}: {' '.join(str(line.get('error')).split())[:200]}")
            ended |= "finished" in line
        if late:
            notes.append(f"stopped after {seconds:.3g} seconds")
        elif not ended:
            notes.append(f"the program ended too early (status {process.returncode})")
    return answers, notes


def _ended(process: subprocess.Popen, said: Path, seconds: float) -> bool:
    """Waits for the end, so many seconds from the first cell on -> whether it came by itself."""
    until, started = time.monotonic() + _START, False
    while time.monotonic() < until:
        if not started and said.stat().st_size:
            until, started = time.monotonic() + seconds, True
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
            return True
    return False


def _lines(file: Path, word: str) -> Iterator[dict]:
    """What the worker reported; whatever a submission wrote between it is passed over."""
    with file.open("rb") as lines:
        for line in lines:
            mark, _, content = line.partition(b" ")
            if mark == word.encode():
                with contextlib.suppress(ValueError):  # half a line, if it was stopped there
                    yield json.loads(content)


def _copy_small(beside: Path | None, given: Path) -> None:
    """The files that a student handed in with the notebook, and the fonts that matplotlib knows."""
    import matplotlib

    (given / ".matplotlib").mkdir(parents=True)
    for fonts in Path(matplotlib.get_cachedir()).glob("fontlist*.json"):
        shutil.copy(fonts, given / ".matplotlib")
    if beside is None:
        return
    left = _COPIED
    for path in sorted(beside.rglob("*")):
        if path.is_symlink() or not path.is_file() or path.suffix == ".ipynb":
            continue
        left -= path.stat().st_size
        if left >= 0:
            copy = given / path.relative_to(beside)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)


def _environment(own: Path) -> dict[str, str]:
    """Little of ours: no keys and passwords, and a home folder of its own."""
    kept = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SYSTEMROOT", "OMP_NUM_THREADS")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    for name in ("HOME", "USERPROFILE", "TMPDIR", "TEMP", "TMP", "IPYTHONDIR"):
        environment[name] = str(own)
    return environment | {
        "DVAE_DATA": str(data_folder()),
        "DVAE_PROGRESS": "off",
        "MPLBACKEND": "agg",
        "MPLCONFIGDIR": str(own / ".matplotlib"),
        "PYTHONPATH": str(_ROOT),
        "PYTHONUTF8": "1",
    }


def _kill(process: subprocess.Popen) -> None:
    """The process and all that it has started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (AttributeError, OSError):
        process.kill()
    process.wait()


def _write_table(out: Path, results: dict[str, Result], ours: dict[str, Master]) -> None:
    handed_in = {notebook for result in results.values() for notebook in result.notebooks}
    names = [
        name
        for notebook, master in ours.items()
        if notebook in handed_in
        for name, _ in master.checks.values()
    ]
    rows = []
    for student in sorted(results):
        result = results[student]
        verdicts = {name: result.answers.get(name, ("missing", ""))[0] for name in names}
        rows.append(
            {
                "student": _harmless(student),
                "right": result.right,
                "of": len(names),
                **verdicts,
                "seconds": result.seconds,
                "notes": _harmless("; ".join(result.notes)),
            }
        )
    write_csv(out, ["student", "right", "of", *names, "seconds", "notes"], rows)


def _harmless(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    text = " ".join(text.split())
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text
