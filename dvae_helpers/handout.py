"""Hand-outs: the notebooks without solutions and without outputs, for students to fill in."""

import os
import re
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from .files import write_whole
from .slides import find

_ROOT = Path(__file__).parents[1]


def build(
    names: Sequence[str] = (), out: Path = _ROOT / "handout", notebooks: Path = _ROOT / "notebooks"
) -> list[Path]:
    """Writes NAME.ipynb without solutions and outputs for each notebook named (default: all).

    Links to a notebook that is handed out stay in the folder `out`; all other links to files
    lead to where these are. Raises ValueError for an unknown name, and if `out` is the folder of
    the notebooks themselves.
    """
    found = find(names, notebooks)
    if out.resolve() == notebooks.resolve():
        raise ValueError(
            f"{out} is the folder of the notebooks: hand-outs would take their place. "
            "Give another folder with --out."
        )
    written = []
    for path in found.values():
        copy = stripped(nbformat.read(path, as_version=4))
        for cell in copy.cells:
            if cell.cell_type == "markdown":
                cell.source = moved_links(cell.source, set(found), notebooks, out)
        nbformat.validate(copy)
        written.append(out / path.name)
        write_whole(written[-1], (nbformat.writes(copy) + "\n").encode())
    return written


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


def for_the_instructor(cell: NotebookNode) -> bool:
    """Whether a cell is a solution, or a note that says what to ask and what is answered."""
    return "solution" in cell.metadata.get("tags", []) or cell.source.startswith(
        "**For the instructor.**"
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
        path = os.path.relpath(there.resolve(), new.resolve())
        return f"{match['before']}{Path(path).as_posix()}{part}{match['after']}"

    return re.sub(
        r"""(?P<before>\]\(|src=")(?P<file>[^)\s"#:]+)(?P<part>#[^)\s"]*)?(?P<after>[)"])""",
        move,
        text,
    )
