"""What all checks share: their modules, and how they take answers that are of no use."""

import importlib
import math
import re
from pathlib import Path

import nbformat
import pytest
import torch
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from dvae_helpers import exercises

ROOT = Path(__file__).parents[1]
PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_notebook_asks_each_check_of_its_module_once(path):
    name = path.stem.split("_", 1)[1]
    module = importlib.import_module(f"dvae_helpers.exercises.{name}")
    checks = re.findall(r"^@check\ndef (\w+)", Path(module.__file__).read_text(), re.M)
    cells = nbformat.read(path, as_version=4).cells
    asked = [cell.source for cell in cells if "check" in cell.metadata.get("tags", [])]
    assert sorted(re.findall(r"exercises\.(\w+)\(", "\n".join(asked))) == sorted(checks)
    for check in checks:
        assert getattr(exercises, check) is getattr(module, check)


@pytest.mark.parametrize(
    ("check", "answer", "said"),
    [
        (exercises.small_black_apples, math.nan, "is NaN"),
        (exercises.small_black_apples, torch.ones(2), "one number, but got the shape (2,)"),
        (exercises.gaussian_kl, lambda mean, log_var: "much", "expected a tensor, but got str"),
        (exercises.gaussian_kl, lambda mean, log_var: 1 / 0, "stopped with ZeroDivisionError"),
        (exercises.both_scores, lambda table: (1, 2, 3), "return two numbers: (D, C)."),
        (exercises.both_scores, lambda table: ("one", "two"), "expected one number, but got str"),
        (exercises.fair_comparison, 3, "expected a dict"),
        (exercises.training_images, lambda classes: [-3], "row -3 does not exist"),
    ],
)
def test_an_answer_of_no_use_is_named(check, answer, said, verdict):
    assert said in verdict(check, answer)


def test_half_an_answer_is_not_answered_yet(verdict):
    assert verdict(exercises.both_scores, lambda table: (0.5, ...)).startswith("Not answered yet")


def test_a_crash_names_the_lines_of_the_student_and_no_others(verdict):
    def inner(row):
        return row.sum() @ row

    def answer(table):
        return inner(torch.as_tensor(table)[0]), 0.5

    said = verdict(exercises.both_scores, answer).splitlines()
    assert said[0].startswith("Not yet: your code stopped with RuntimeError: ")
    assert [line.split(":", 1)[1].strip() for line in said[1:]] == [
        "return inner(torch.as_tensor(table)[0]), 0.5",
        "return row.sum() @ row",
    ]
    assert "in answer" in said[1]
    assert "line " in said[1]


def test_code_that_calls_itself_for_ever_does_not_fill_the_page(verdict):
    def answer(row):
        return answer(row)

    said = verdict(exercises.row_score, answer).splitlines()
    assert said[0].startswith("Not yet: your code stopped with RecursionError: ")
    assert re.fullmatch(r"  \.\.\. \d+ lines before these", said[1])
    assert [line.split(":", 1)[1].strip() for line in said[2:]] == ["return answer(row)"] * 5


def test_in_a_notebook_the_line_is_that_of_the_cell():
    student = "import torch\n\n\ndef row_score(row):\n    share = row / 0\n    return share @ 1"
    cells = [new_code_cell("from dvae_helpers import exercises"), new_code_cell(student)]
    cells += [new_code_cell("exercises.row_score(row_score)")]
    notebook = new_notebook(cells=cells)
    NotebookClient(notebook, timeout=300).execute()
    said = notebook.cells[-1].outputs[0].text.splitlines()
    assert said[0].startswith("Not yet: your code stopped with TypeError: ")
    assert said[1] == "  line 6 of your cell, in row_score:  return share @ 1"
