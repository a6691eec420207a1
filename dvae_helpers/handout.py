"""Hand-outs for students to fill in: without solutions, outputs and what is for the instructor."""

import hashlib
import json
import os
import re
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from .files import write_whole
from .grading.submission import asked
from .slides import find

_ROOT = Path(__file__).parents[1]
NOTEBOOKS = _ROOT / "notebooks"
_WRITTEN = ".handout.json"  # the hash of each file as it was written


def build(
    names: Sequence[str] = (),
    out: Path = _ROOT / "handout",
    notebooks: Path = NOTEBOOKS,
    force: bool = False,
    nbgrader: bool = False,
) -> list[Path]:
    """Writes NAME.ipynb without what is not for students, for each notebook named (default: all).

    Left out are solutions, outputs, and notes for the instructor. Votes keep their hidden source:
    they need it, and their answer is in it. Links to a notebook that is handed out stay in the
    folder `out`; all other links to files lead to where these are.
    nbgrader: see `for_nbgrader`.

    Raises ValueError for an unknown name, if `out` is the folder of the notebooks themselves, and,
    unless `force`, if a file there was changed since `build` wrote it: nothing is then written.
    """
    found = find(names, notebooks)
    if out.resolve() == notebooks.resolve():
        raise ValueError(
            f"{out} is the folder of the notebooks: hand-outs would take their place. "
            "Give another folder with --out."
        )
    contents = {}
    for path in found.values():
        copy = stripped(nbformat.read(path, as_version=4))
        for cell in copy.cells:
            if cell.cell_type == "markdown":
                cell.source = moved_links(cell.source, set(found), notebooks, out)
        if nbgrader:
            for_nbgrader(copy)
        nbformat.validate(copy)
        contents[out / path.name] = (nbformat.writes(copy) + "\n").encode()
    written = _marks_of_written(out)
    changed = [path.name for path in contents if _changed(path, written, contents[path])]
    if changed and not force:
        raise ValueError(
            f"{', '.join(changed)} in {out} changed since the hand-outs were written; a student's "
            "answers may be in there, so nothing was written. Give another folder with --out, "
            "or --force to overwrite."
        )
    for path, content in contents.items():
        write_whole(path, content)
        written[path.name] = _mark(content)
    write_whole(out / _WRITTEN, (json.dumps(written, indent=1, sort_keys=True) + "\n").encode())
    return list(contents)


def _marks_of_written(out: Path) -> dict[str, str]:
    """The hash of each hand-out as it was written to this folder, by file name."""
    try:
        marks = json.loads((out / _WRITTEN).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return marks if isinstance(marks, dict) else {}


def _changed(path: Path, written: dict[str, str], new: bytes) -> bool:
    """Whether a file is there that is neither what was written nor what is to be written."""
    if not path.exists():
        return False
    there = path.read_bytes()
    return there != new and _mark(there) != written.get(path.name)


def _mark(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def stripped(notebook: NotebookNode) -> NotebookNode:
    """A copy without solutions, instructor's notes and outputs, as if it had never been run."""
    copy = deepcopy(notebook)
    copy.metadata.pop("widgets", None)
    copy.cells = [cell for cell in copy.cells if not for_the_instructor(cell)]
    for cell in copy.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return copy


def for_nbgrader(notebook: NotebookNode) -> None:
    """Marks the cells of a hand-out as nbgrader's do (metadata, schema 3), in place.

    An exercise is an "autograded answer". Below its stub is an empty region for a solution:
    without one, `nbgrader generate_assignment` would put a stub of its own in the place of ours.
    A check is a locked cell of "autograder tests", worth one point: it raises unless the answer
    is right, because nbgrader asks only whether a cell runs.
    """
    stub = NotebookNode()
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        if "exercise" in tags:
            stub = cell
        elif "check" in tags:
            check, answer = asked(cell.source)
            stub.source += "\n### BEGIN SOLUTION\n### END SOLUTION"
            stub.metadata["nbgrader"] = _mark_of_nbgrader(f"{check}_answer", solution=True)
            cell.source = f"exercises.required(exercises.{check}, {answer})"
            cell.metadata["nbgrader"] = _mark_of_nbgrader(check, grade=True, locked=True, points=1)


def _mark_of_nbgrader(name: str, **settings: bool | int) -> dict[str, bool | int | str]:
    off = {"grade": False, "locked": False, "solution": False, "task": False}
    return {**off, "grade_id": name, "schema_version": 3, **settings}


def for_the_instructor(cell: NotebookNode) -> bool:
    """Whether a cell is a solution, or a speaker's note: what to ask, and what is answered."""
    return (
        "solution" in cell.metadata.get("tags", [])
        or cell.metadata.get("slideshow", {}).get("slide_type") == "notes"
        or cell.source.lstrip().startswith("**For the instructor.**")
    )


def left_out(notebook: NotebookNode) -> str:
    """In words, what a hand-out of this notebook does not have."""
    cells = [cell for cell in notebook.cells if for_the_instructor(cell)]
    solutions = sum("solution" in cell.metadata.get("tags", []) for cell in cells)
    outputs = sum(bool(cell.get("outputs")) for cell in notebook.cells if cell not in cells)
    return (
        f"without {solutions} solutions, {len(cells) - solutions} notes for the instructor and "
        f"the outputs of {outputs} cells"
    )


def moved_links(text: str, here: set[str], old: Path, new: Path) -> str:
    """Markdown from the folder `old` whose links work from `new`, where the notebooks `here` are.

    Links and images, as ](file), ](file#part) and src="file"; addresses on the web stay.
    """

    def move(match: re.Match) -> str:
        file, part = match["file"], match["part"] or ""
        there = old / file
        if not there.exists() or (there.parent == old and there.stem in here):
            return match[0]
        try:
            path = Path(os.path.relpath(there.resolve(), new.resolve())).as_posix()
        except ValueError:  # another drive of Windows
            path = there.resolve().as_uri()
        return f"{match['before']}{path}{part}{match['after']}"

    return re.sub(
        r"""(?P<before>\]\(|src=")(?P<file>[^)\s"#:]+)(?P<part>#[^)\s"]*)?(?P<after>[)"])""",
        move,
        text,
    )
