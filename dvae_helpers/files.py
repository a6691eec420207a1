"""Files that are written whole or not at all."""

import csv
import io
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any


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
        raise CannotWrite(
            f"{path} was not written: {error.strerror or error}. What was there before is "
            "unharmed. Make room on the disk, or choose a folder where you may write (--out of a "
            "command; DVAE_DATA for the data folder), and do the same again."
        ) from error


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """A table: the names of the columns, then the rows as they are; lines end in a line feed."""
    text = io.StringIO()
    table = csv.DictWriter(text, columns, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write_whole(path, text.getvalue().encode())
