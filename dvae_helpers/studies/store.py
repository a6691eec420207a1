"""Finished runs of a study, one file each: a study that was stopped goes on from them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

from .. import zoo
from ..files import write_csv

Found = tuple[dict[str, Tensor], dict[str, Any]]


def kept(path: Path, settings: dict[str, Any], make: Callable[[], Found]) -> Found:
    """Tensors and notes of one run: read from its file, or else made, and then written.

    settings: all that decides the run, as JSON keeps it (lists, not tuples).
    Raises ValueError if the file is of a run with other settings, or damaged.
    """
    if not path.exists():
        tensors, notes = make()
        zoo.write(path, tensors, {"settings": settings, **notes})
    tensors, notes = zoo.read(path)
    check_settings(path, notes, settings)
    return tensors, notes


def check_settings(path: Path, notes: dict[str, Any], settings: dict[str, Any]) -> None:
    """Raises ValueError if a file is of a run with other settings."""
    if notes.get("settings") != settings:
        raise ValueError(
            f"{path} holds a run with other settings: {notes.get('settings')}, expected "
            f"{settings}. Give another folder with --out, or delete the file."
        )


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """A table of runs, numbers with five decimals. The columns are those of the first row."""
    shown = [{k: f"{v:.5f}" if isinstance(v, float) else v for k, v in row.items()} for row in rows]
    write_csv(path, list(rows[0]), shown)
