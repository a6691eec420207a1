"""Three hints for each exercise: what to look at, which formula, how it starts.

One file a notebook, of the notebook's name, with the exercises in its order under the names of
their checks. `dots`, one to three, says how hard an exercise is.
"""

import difflib
import functools
import textwrap
import tomllib
from dataclasses import dataclass
from pathlib import Path

from .. import record

KINDS = {"look": "what to look at", "formula": "which formula", "start": "how it starts"}


@dataclass(frozen=True)
class Exercise:
    """notebook: its file's name without the ending. place: its number there, from 1."""

    notebook: str
    place: int
    dots: int
    hints: tuple[str, str, str]


@functools.cache
def catalogue() -> dict[str, Exercise]:
    """All exercises of the course in the order of the notebooks, by the name of their check."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("*.toml")):
        content = tomllib.loads(path.read_text("utf-8"))
        for number, (name, about) in enumerate(content.items(), 1):
            hints = tuple(about[kind].strip() for kind in KINDS)
            found[name] = Exercise(path.stem, number, about["dots"], hints)
    return found


def hint(name: str, number: int | None = None) -> None:
    """Prints the next of the three hints for an exercise, or hint `number`, 1 to 3.

    name: what its check is called, as "gaussian_kl" for `exercises.gaussian_kl(...)`.
    Raises ValueError for a name or a number that is not there.
    """
    known = catalogue()
    if name not in known:
        near = difflib.get_close_matches(str(name), known, 3, 0.5)
        meant = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}."
        raise ValueError(
            f"There is no exercise {name!r}: {meant} The name stands in the check's cell, "
            "after `exercises.`"
        )
    if number is not None and (isinstance(number, bool) or number not in (1, 2, 3)):
        raise ValueError(f"number is {number!r}; there are three hints: 1, 2 and 3.")
    seen = record.note(name).hints
    shown = number or min(seen + 1, 3)
    if shown > seen:
        record.note(name, hints=shown - seen)
    print(f"Hint {shown} of 3, {list(KINDS.values())[shown - 1]}:")
    for line in known[name].hints[shown - 1].splitlines():
        print(textwrap.fill(line, 88))
