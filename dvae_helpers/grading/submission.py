"""What a student handed in: which of our notebooks it is, and where our checks belong in it."""

import ast
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

_LARGEST = 30_000_000  # bytes of a file


@dataclass(frozen=True)
class Master:
    """Of our notebook: the check in each check cell, by the cell's id, and ids of other cells."""

    checks: dict[str, tuple[str, str]]  # id -> name of the check, expression that it is given
    stubs: dict[str, str]  # id of a stub -> name of its check
    solutions: frozenset[str]


@dataclass(frozen=True)
class Submission:
    """notebook: the name of ours. cells: for the worker, in order. code: of the stubs, by check."""

    notebook: str
    cells: list[dict[str, Any]]
    checks: list[str]
    code: dict[str, str]


def masters(notebooks: Path) -> dict[str, Master]:
    """Our notebooks by name. Raises ValueError if there are none."""
    found = {}
    for path in sorted(notebooks.glob("*.ipynb")):
        checks, stubs, solutions, last = {}, {}, set(), ""
        for cell in nbformat.read(path, as_version=4).cells:
            tags = cell.metadata.get("tags", [])
            if "exercise" in tags:
                last = cell.id
            elif "check" in tags:
                checks[cell.id] = asked(cell.source)
                stubs[last] = checks[cell.id][0]
            elif "solution" in tags:
                solutions.add(cell.id)
        found[path.stem] = Master(checks, stubs, frozenset(solutions))
    if not found:
        raise ValueError(f"There are no notebooks in {notebooks}; get the course's repository.")
    return found


def asked(source: str) -> tuple[str, str]:
    """Of a check cell such as `exercises.gap(gap)`: the name of the check, and what it is given.

    Raises ValueError for a cell that is anything else.
    """
    body = ast.parse(source).body
    call = body[0].value if len(body) == 1 and isinstance(body[0], ast.Expr) else None
    if (
        not isinstance(call, ast.Call)
        or not re.fullmatch(r"exercises\.\w+", ast.unparse(call.func))
        or len(call.args) != 1
        or call.keywords
    ):
        raise ValueError(f"Expected a check cell, as exercises.gap(gap), but it is {source!r}.")
    return ast.unparse(call.func).removeprefix("exercises."), ast.unparse(call.args[0])


def read(path: Path, ours: dict[str, Master]) -> Submission:
    """Raises ValueError for what is no notebook, and for one without an exercise of the course."""
    cells = _code_cells(path)
    name = max(ours, key=lambda each: _alike(cells, ours[each]))
    master = ours[name]
    if not _alike(cells, master):
        raise ValueError("none of the course's exercises is in it")
    expressions = dict(master.checks.values())
    job, code, seen = [], {}, set()
    for number, (identity, source, tags) in enumerate(cells, 1):
        if identity in master.solutions or "solution" in tags:
            continue
        own = [check for check in _called(source) if check in expressions]
        if identity in master.checks:
            source, own = "", [master.checks[identity][0]]
        if identity in master.stubs:
            code[master.stubs[identity]] = source
        seen.update(own)
        checks = [(check, expressions[check]) for check in own]
        job.append({"number": number, "source": source, "checks": checks})
    rest = [(check, what) for check, what in expressions.items() if check not in seen]
    job.append({"number": len(cells) + 1, "source": "", "checks": rest})
    return Submission(name, job, list(expressions), code)


def _code_cells(path: Path) -> list[tuple[str, str, list[str]]]:
    """id, source and tags of each code cell, as far as a file has them."""
    if path.stat().st_size > _LARGEST:
        raise ValueError(f"larger than {_LARGEST // 1_000_000} MB")
    try:
        content = json.loads(path.read_text("utf-8"))
        found = []
        for cell in content["cells"]:
            if cell["cell_type"] != "code":
                continue
            about, source = cell.get("metadata", {}), cell["source"]
            identity = cell.get("id") or about.get("id") or ""
            source = source if isinstance(source, str) else "".join(source)
            found.append((str(identity), source, [str(tag) for tag in about.get("tags", [])]))
        return found
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"not a notebook ({type(error).__name__})") from None


def _called(source: str) -> list[str]:
    """The checks that a cell calls itself."""
    return list(dict.fromkeys(re.findall(r"^exercises\.(\w+)\(", source, re.M)))


def _alike(cells: list[tuple[str, str, list[str]]], master: Master) -> int:
    """How many checks and stubs of ours are in it."""
    names = {name for name, _ in master.checks.values()}
    ids = {identity for identity, _, _ in cells}
    called = {name for _, source, _ in cells for name in _called(source)}
    return len(ids & (master.checks.keys() | master.stubs.keys())) + len(called & names)
