"""Hand-outs: solutions and outputs are gone, and what is left still makes sense and runs."""

import math
import re
import subprocess
import symtable
import sys
from pathlib import Path

import nbformat
import pytest
import torch
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell

from dvae_helpers import __main__ as command_line
from dvae_helpers import exercises, handout

ROOT = Path(__file__).parents[1]
PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("course") / "handout"
    assert handout.build((), out) == [out / path.name for path in PATHS]
    return out


def tags(cell):
    return set(cell.metadata.get("tags", []))


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in PATHS])
def test_only_solutions_notes_of_the_instructor_and_outputs_are_gone(path, folder):
    master, copy = (nbformat.read(one, as_version=4) for one in (path, folder / path.name))
    nbformat.validate(copy)
    kept = [
        cell
        for cell in master.cells
        if "solution" not in tags(cell) and cell.metadata.slideshow.slide_type != "notes"
    ]
    assert len(kept) < len(master.cells)
    assert [(cell.id, cell.cell_type, tags(cell)) for cell in copy.cells] == [
        (cell.id, cell.cell_type, tags(cell)) for cell in kept
    ]
    for cell, before in zip(copy.cells, kept, strict=True):
        if cell.cell_type == "code":
            assert cell.source == before.source
            assert (cell.outputs, cell.execution_count) == ([], None)
    assert "widgets" not in copy.metadata
    assert (folder / path.name).stat().st_size < 150_000


def defined(code):
    """Names that a cell leaves behind for the cells after it."""
    table = symtable.symtable(code, "cell", "exec")
    return {name.get_name() for name in table.get_symbols() if name.is_assigned()}


def used(code):
    """Names that a cell takes from the cells before it, also inside its functions."""
    found, tables = set(), [symtable.symtable(code, "cell", "exec")]
    while tables:
        table = tables.pop()
        tables += table.get_children()
        found |= {
            name.get_name()
            for name in table.get_symbols()
            if name.is_referenced() and (name.is_global() or table.get_type() == "module")
        }
    return found


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in PATHS])
def test_nothing_uses_what_only_a_solution_defines(path):
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    solutions = [cell.source for cell in cells if "solution" in tags(cell)]
    others = [cell.source for cell in cells if "solution" not in tags(cell)]
    only = set().union(*map(defined, solutions)) - set().union(*map(defined, others))
    assert not only & set().union(*map(used, others))


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in PATHS])
def test_no_sentence_promises_a_solution_that_is_not_there(path):
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown" and "Hand-outs leave it out" not in cell.source:
            assert not re.search(
                r"solution (is |stands |comes )?(below|above|next)|(open|hidden|next) \**solution"
                r"|(see|open|its) (the )?\**solution|solution cell",
                cell.source,
                re.I,
            ), cell.source


def flat(text):
    return re.sub(r"\s", "", text)


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in PATHS])
def test_no_answer_is_left_anywhere_in_the_file(path, folder):
    text = (folder / path.name).read_text("utf-8")
    assert "For the instructor" not in text
    assert '"solution"' not in text
    assert '"notes"' not in text
    cells = nbformat.read(path, as_version=4).cells
    copy = nbformat.read(folder / path.name, as_version=4)
    rest = [flat(cell.source) for cell in copy.cells]
    for i, cell in enumerate(cells):
        if cell.metadata.get("slideshow", {}).get("slide_type") == "notes":
            for sentence in re.split(r"(?<=[.?!])\s+", cell.source):
                if len(sentence) > 25:
                    assert not any(flat(sentence) in one for one in rest), sentence
        if "solution" in tags(cell):
            given = flat("".join(one.source for one in cells[max(0, i - 3) : i]))  # task and stub
            lines = [flat(line.partition("  #")[0]) for line in cell.source.splitlines()]
            new = [line for line in lines if len(line) > 11 and line not in given]
            told = [line for line in new if any(line in one for one in rest)]
            assert 2 * len(told) <= len(new), (cell.source, told)
            for line in cell.source.splitlines():
                remark = flat(line.partition("  #")[2])
                assert len(remark) < 12 or not any(remark in one for one in rest), line


KEEP = "_before = {name: one for name, one in globals().items() if name[0] != '_'}"
RESTORE = """
globals().update(_before)
for _name in globals().keys() - _before.keys():
    if _name[0] != "_":
        del globals()[_name]
"""


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in PATHS])
def test_a_handout_runs_from_top_to_bottom_and_its_checks_take_our_solutions(path, folder):
    """Each solution is put in after the check of its stub, asked about, and taken out again."""
    copy = nbformat.read(folder / path.name, as_version=4)
    solutions = iter(
        cell for cell in nbformat.read(path, as_version=4).cells if "solution" in tags(cell)
    )
    cells, asked = [], []
    for cell in copy.cells:
        cells.append(cell)
        if "check" in tags(cell):
            again = new_code_cell(cell.source)
            asked.append((cell, again))
            solution = next(solutions).source
            cells += [new_code_cell(KEEP), new_code_cell(solution), again, new_code_cell(RESTORE)]
    assert next(solutions, None) is None
    copy.cells = cells
    NotebookClient(copy, timeout=300, resources={"metadata": {"path": folder}}).execute()
    assert asked
    for before, after in asked:
        assert said(before).startswith("Not answered yet"), before.source
        assert said(after) == "Right.\n", after.source


def said(cell):
    return "".join(output.get("text", "") for output in cell.outputs)


def test_links_lead_to_what_is_there(tmp_path):
    old, new = tmp_path / "notebooks", tmp_path / "out" / "today"
    old.mkdir()
    for name in ("01_a.ipynb", "02_b.ipynb", "map.png", "../README.md"):
        (old / name).touch()
    text = (
        "[a](01_a.ipynb) [part](01_a.ipynb#Sums) [b](02_b.ipynb#Sums) ![map](map.png) "
        '<img src="map.png"> [readme](../README.md) [web](https://a.org/map.png) '
        "[no](none.md) [x](#y)"
    )
    assert handout.moved_links(text, {"01_a"}, old, new) == (
        "[a](01_a.ipynb) [part](01_a.ipynb#Sums) [b](../../notebooks/02_b.ipynb#Sums) "
        '![map](../../notebooks/map.png) <img src="../../notebooks/map.png"> '
        "[readme](../../README.md) [web](https://a.org/map.png) [no](none.md) [x](#y)"
    )


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in PATHS])
def test_every_link_of_a_notebook_leads_somewhere_from_the_handout(path, folder):
    for cell in nbformat.read(folder / path.name, as_version=4).cells:
        if cell.cell_type == "markdown":
            for link in re.findall(r"\]\(([^)\s#]+)", cell.source):
                known = re.match(r"https?:", link) or (folder / link).exists()
                assert known or "$" in cell.source, link


def test_the_command_writes_what_is_named(tmp_path, capsys):
    out = tmp_path / "mine"
    assert command_line.main(["handout", PATHS[0].stem, "--out", str(out)]) == 0
    assert [path.name for path in out.iterdir() if path.suffix == ".ipynb"] == [PATHS[0].name]
    said = capsys.readouterr().out
    assert re.search(rf"{PATHS[0].name}: without \d solutions, \d+ notes .* of \d\d cells\n", said)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["99_none"], "no notebook '99_none'"),
        (["--out", str(ROOT / "notebooks")], "is the folder of the notebooks"),
    ],
)
def test_what_cannot_be_is_answered_in_one_line(words, said):
    done = subprocess.run(
        [sys.executable, "-m", "dvae_helpers", "handout", *words],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.fixture(scope="module")
def marked(tmp_path_factory):
    out = tmp_path_factory.mktemp("course") / "source" / "dvae"
    return {path.stem: nbformat.read(path, 4) for path in handout.build((), out, nbgrader=True)}


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in PATHS])
def test_answers_and_checks_are_marked_as_nbgrader_documents(path, marked):
    """https://nbgrader.readthedocs.io: metadata of a cell, schema version 3."""
    found = [cell for cell in marked[path.stem].cells if "nbgrader" in cell.metadata]
    marks = [cell.metadata.nbgrader for cell in found]
    keys = {"grade", "locked", "solution", "task", "grade_id", "schema_version"}
    assert [mark.schema_version for mark in marks] == [3] * len(marks)
    assert all(re.fullmatch(r"\w+", mark.grade_id) for mark in marks)
    assert len({mark.grade_id for mark in marks}) == len(marks)
    kinds = [(mark.grade, mark.locked, mark.solution, mark.task) for mark in marks]
    answer, check = (False, False, True, False), (True, True, False, False)
    master = nbformat.read(path, as_version=4)
    tags = [tag for cell in master.cells for tag in cell.metadata.get("tags", [])]
    assert kinds == [answer, check] * tags.count("check")
    assert len(kinds) == 2 * tags.count("exercise") > 0
    for cell, mark in zip(found, marks, strict=True):
        assert mark.keys() == (keys | {"points"} if mark.grade else keys)
        assert mark.get("points", 1) == 1
        assert cell.cell_type == "code"
        lines = cell.source.split("\n")
        assert ("### BEGIN SOLUTION" in lines) is ("### END SOLUTION" in lines) is mark.solution
    nbformat.validate(marked[path.stem])


def test_a_check_for_nbgrader_runs_only_if_the_answer_is_right(marked, capsys):
    found = [cell for cell in marked["06_dci"].cells if "nbgrader" in cell.metadata]
    cells = {cell.metadata.nbgrader.grade_id: cell for cell in found}
    code = cells["row_score"].source
    assert code == "exercises.required(exercises.row_score, row_score)"
    solution = next(
        cell.source
        for cell in nbformat.read(ROOT / "notebooks" / "06_dci.ipynb", as_version=4).cells
        if "solution" in cell.metadata.get("tags", []) and "def row_score" in cell.source
    )
    for source, said in (
        (cells["row_score_answer"].source, "Not answered yet"),
        ("def row_score(row):\n    return row.sum()", "Not yet"),
        ("def row_score(row):\n    return 1 / 0", "Not yet: your code stopped"),
    ):
        names = {"exercises": exercises}
        exec(source, names)
        with pytest.raises(AssertionError, match=said):
            exec(code, names)
    names = {"exercises": exercises, "math": math, "torch": torch}
    exec(solution, names)
    capsys.readouterr()
    exec(code, names)
    assert capsys.readouterr().out == "Right.\n"


def test_what_a_student_wrote_is_never_overwritten(tmp_path, capsys):
    names = [path.stem for path in PATHS[:2]]
    out = tmp_path / "mine"
    words = ["handout", *names, "--out", str(out)]
    assert command_line.main(words) == 0
    assert command_line.main(words) == 0  # as they were written
    answered = out / PATHS[0].name
    answered.write_text(answered.read_text("utf-8").replace("...", "42", 1), "utf-8")
    before = answered.read_bytes()
    (out / PATHS[1].name).unlink()
    capsys.readouterr()
    assert command_line.main(words) == 2
    said = capsys.readouterr().err
    assert f"{PATHS[0].name} in {out} changed" in said
    assert len(said.splitlines()) == 1
    assert answered.read_bytes() == before
    assert not (out / PATHS[1].name).exists()
    assert command_line.main([*words, "--force"]) == 0
    assert answered.read_bytes() != before
    assert command_line.main(words) == 0


def test_a_file_that_is_no_handout_is_not_overwritten(tmp_path):
    (tmp_path / PATHS[0].name).write_text("notes of my own")
    with pytest.raises(ValueError, match="changed since"):
        handout.build([PATHS[0].stem], tmp_path)
    assert (tmp_path / PATHS[0].name).read_text() == "notes of my own"


def test_links_to_another_drive_are_addresses_of_files(tmp_path, monkeypatch):
    def no_way(*_):
        raise ValueError("path is on mount 'C:', start on mount 'E:'")

    (tmp_path / "README.md").touch()
    monkeypatch.setattr(handout.os.path, "relpath", no_way)
    moved = handout.moved_links("[a](README.md#x)", set(), tmp_path, tmp_path / "out")
    assert moved == f"[a]({(tmp_path / 'README.md').as_uri()}#x)"


def test_without_the_course_it_says_what_is_missing(tmp_path):
    with pytest.raises(ValueError, match=r"no notebooks in .*Get the course's repository"):
        handout.build((), tmp_path / "out", tmp_path)
