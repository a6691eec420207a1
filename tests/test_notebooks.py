"""Hygiene of the notebooks. `test_handout.py` runs them, with every solution asked about."""

import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NOTEBOOKS = [pytest.param(path, id=path.stem) for path in PATHS]
TAGS = {"exercise", "check", "solution", "hide-input", "nbval-ignore-output", "raises-exception"}
SLIDE_TYPES = {"slide", "subslide", "fragment", "skip", "notes", "-"}


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def code_cells(path: Path) -> list[nbformat.NotebookNode]:
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def tags(cell: nbformat.NotebookNode) -> set[str]:
    return set(cell.metadata.get("tags", []))


def test_the_readme_lists_exactly_the_notebooks_that_are_there():
    table = (ROOT / "README.md").read_text().split("<!-- notebooks -->")[1].split("<!-- end -->")[0]
    listed = re.findall(r"\]\(notebooks/(\w+)\.ipynb\)", table)
    assert listed == [path.stem for path in PATHS]
    assert listed


@pytest.mark.parametrize("path", NOTEBOOKS)
def test_every_cell_was_run_once_from_top_to_bottom_without_errors(path):
    cells = code_cells(path)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    for cell in cells:
        for output in cell.outputs:
            assert output.output_type != "error", cell.source
            assert output.get("name") != "stderr" or "it/s" in output.text or "step" in output.text


@pytest.mark.parametrize("path", NOTEBOOKS)
def test_no_cell_hides_its_value_with_a_semicolon(path):
    assert not [cell.source for cell in code_cells(path) if cell.source.rstrip().endswith(";")]


@pytest.mark.parametrize("path", NOTEBOOKS)
def test_the_file_is_small_and_carries_no_traces_of_a_machine(path):
    text = path.read_text()
    weights = sum(map(len, re.findall(r'weight\\":\\"([A-Za-z0-9+/=]+)', text)))  # of explorers
    assert len(text) - weights < 1_600_000
    assert len(text) < 2_400_000
    assert not re.findall(r"/home/|/root/|/tmp/|/Users/|/work/|[A-Z]:\\\\", text)
    assert read(path).metadata.kernelspec.name == "python3"


@pytest.mark.parametrize("path", NOTEBOOKS)
def test_every_cell_says_how_it_appears_on_a_slide(path):
    for cell in read(path).cells:
        assert cell.metadata.get("slideshow", {}).get("slide_type") in SLIDE_TYPES, cell.source
        assert tags(cell) <= TAGS, cell.source


@pytest.mark.parametrize("path", NOTEBOOKS)
def test_every_picture_has_a_text_for_those_who_cannot_see_it(path):
    figures = 0
    for cell in code_cells(path):
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                figures += 1
                assert len(output.metadata["image/png"]["alt"]) > 30, cell.source
    assert figures >= 4


@pytest.mark.parametrize("path", NOTEBOOKS)
def test_the_notebook_has_the_size_that_a_lesson_needs(path):
    cells = read(path).cells
    lesson = [cell for cell in cells if cell.metadata.slideshow.slide_type != "notes"]
    assert 40 <= len(lesson) <= 85
    assert 3 <= sum("exercise" in tags(cell) for cell in cells) <= 5
    assert max(len(cell.source.splitlines()) for cell in code_cells(path)) <= 40


@pytest.mark.parametrize("path", NOTEBOOKS)
def test_the_outline_has_one_title(path):
    texts = [cell.source for cell in read(path).cells if cell.cell_type == "markdown"]
    without_code = re.sub(r"```.*?```", "", "\n\n".join(texts), flags=re.S)
    assert len(re.findall(r"^# ", without_code, re.M)) == 1


@pytest.mark.parametrize("path", NOTEBOOKS)
def test_each_exercise_is_a_stub_a_check_and_a_collapsed_solution(path):
    kinds = [
        (kind, cell)
        for cell in code_cells(path)
        for kind in ("exercise", "check", "solution")
        if kind in tags(cell)
    ]
    assert [kind for kind, _ in kinds] == ["exercise", "check", "solution"] * (len(kinds) // 3)
    for kind, cell in kinds:
        if kind == "exercise":
            assert "..." in cell.source
        if kind == "check":
            said = "".join(output.get("text", "") for output in cell.outputs)
            assert said.startswith("Not answered yet")
        if kind == "solution":
            assert cell.metadata.jupyter.source_hidden
