"""What a student has tried and done: one small file, so that it is still known tomorrow."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from ..files import CannotWrite, write_whole


@dataclass
class Trace:
    """Of one exercise: wrong tries, hints seen, and whether a check ever said "Right."."""

    tries: int = 0
    hints: int = 0
    right: bool = False


_unsaved: dict[str, Trace] = {}  # what is not, or cannot be, in the file


def place() -> Path | None:
    """What DVAE_PROGRESS names, or `~/.dvae_helpers/progress.json`; None if it says "off"."""
    named = os.environ.get("DVAE_PROGRESS") or "~/.dvae_helpers/progress.json"
    return None if named == "off" else Path(os.path.expanduser(named))


def traces() -> dict[str, Trace]:
    """The traces of all exercises that were tried, by the name of their check.

    Raises ValueError if the file is damaged.
    """
    file = place()
    if file is None or not file.exists():
        return dict(_unsaved)
    try:
        kept = json.loads(file.read_text("utf-8"))
        read = {name: Trace(**trace) for name, trace in kept.items()}
        sound = all(
            isinstance(one.right, bool) and type(one.tries) is type(one.hints) is int
            for one in read.values()
        )
    except (OSError, ValueError, TypeError, AttributeError):
        sound = False
    if not sound:
        raise ValueError(
            f"{file}, which remembers the exercises that are done, cannot be read. Nothing else "
            "depends on it: delete or move it, and checks will write a new one."
        )
    return read | _unsaved


def note(name: str, tries: int = 0, hints: int = 0, right: bool = False) -> Trace:
    """Adds to the trace of one exercise -> what it is now.

    A file that cannot be read or written is left as it is: a check must not fail for it. What
    was done is then known until the kernel stops.
    """
    try:
        known = traces()
    except ValueError:
        known = dict(_unsaved)
        file = None
    else:
        file = place()
    before = known.get(name, Trace())
    after = Trace(before.tries + tries, before.hints + hints, before.right or right)
    known[name] = _unsaved[name] = after
    if file is not None:
        content = {each: asdict(trace) for each, trace in known.items()}
        try:
            write_whole(file, (json.dumps(content, indent=1) + "\n").encode())
            _unsaved.clear()
        except CannotWrite:
            pass
    return after


def forget() -> None:
    """Drops what is known of this session only; the file stays."""
    _unsaved.clear()
