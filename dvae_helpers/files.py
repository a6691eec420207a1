"""Files that are written whole or not at all, and where those of the course are."""

import csv
import io
import os
import tempfile
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any


def checkout() -> Path | None:
    """The folder of the course's checkout; None if the package was installed without one."""
    root = Path(__file__).resolve().parents[1]
    return root if (root / "notebooks").is_dir() and (root / "pyproject.toml").is_file() else None


def data_folder() -> Path:
    """The course's data folder: what DVAE_DATA names, or the checkout's `data/`.

    DVAE_DATA may begin with ~. A relative one is looked for in the current folder, then in the
    checkout, so that it means the same in a terminal and in a notebook. Without a checkout and
    without DVAE_DATA it is `.dvae_helpers` in the home folder.
    """
    root = checkout()
    if named := os.environ.get("DVAE_DATA"):
        path = Path(os.path.expanduser(named))
        if root is not None and not path.exists() and (root / path).exists():
            path = root / path
        return path.resolve()
    return Path(os.path.expanduser("~/.dvae_helpers")) if root is None else root / "data"


def where_from() -> str:
    """What to do if something of the data folder is missing or damaged."""
    if checkout() is None and not os.environ.get("DVAE_DATA"):
        return (
            "The package was installed without the course's data: get the course's repository, "
            "and set DVAE_DATA to the folder data in it."
        )
    return "Fetch the data folder again (git checkout data)."


class CannotWrite(OSError, ValueError):
    """A file was not written: the disk is full, say, or the folder is read-only."""


def write_whole(path: Path, content: bytes) -> None:
    """Writes to a temporary name first, and then renames. Folders are made.

    Raises CannotWrite if that fails; what was there before is then still there, whole.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise _refused(path, error) from error


def _refused(path: Path, error: OSError) -> CannotWrite:
    return CannotWrite(
        f"{path} was not written: {error.strerror or error}. What was there before is unharmed. "
        "Make room on the disk, or choose a folder where you may write (--out of a command; "
        "DVAE_DATA for the data folder), and do the same again."
    )


def check_writable(path: Path) -> None:
    """Raises CannotWrite if a file cannot be written there. Nothing is written, and no folder made.

    For work that takes long and is written at its end.
    """
    try:
        if path.is_dir():
            raise IsADirectoryError(0, "it is a folder; give the name of a file")
        folder = path.parent
        while not os.path.lexists(folder):
            folder = folder.parent
        if not folder.is_dir():
            raise NotADirectoryError(0, f"{folder} is a file, no folder")
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise _refused(path, error) from error


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """A table: the names of the columns, then the rows as they are; lines end in a line feed."""
    text = io.StringIO()
    table = csv.DictWriter(text, columns, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write_whole(path, text.getvalue().encode())
