"""Hints and the record of what is done: what is told, when it is offered, where it is kept."""

import json
import re
from pathlib import Path

import nbformat
import pytest

from dvae_helpers import exercises
from dvae_helpers.exercises import hints, record

PATHS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
NOTEBOOKS = [pytest.param(path, id=path.stem) for path in PATHS]


@pytest.fixture
def file(tmp_path, monkeypatch):
    place = tmp_path / "a student" / "done.json"
    monkeypatch.setenv("DVAE_PROGRESS", str(place))
    return place


def said(capsys, function, *arguments):
    capsys.readouterr()
    function(*arguments)
    return capsys.readouterr().out


def tagged(path, tag):
    cells = nbformat.read(path, as_version=4).cells
    return [cell.source for cell in cells if tag in cell.metadata.get("tags", [])]


@pytest.mark.parametrize("path", NOTEBOOKS)
def test_every_exercise_of_a_notebook_has_its_hints_in_its_order(path):
    asked = [re.search(r"exercises\.(\w+)\(", check)[1] for check in tagged(path, "check")]
    known = hints.catalogue()
    assert [name for name, one in known.items() if one.notebook == path.stem] == asked
    assert [known[name].place for name in asked] == list(range(1, len(asked) + 1))


def test_no_hint_is_for_a_notebook_that_is_not_there():
    assert {one.notebook for one in hints.catalogue().values()} == {path.stem for path in PATHS}


@pytest.mark.parametrize("name", hints.catalogue())
def test_an_exercise_has_three_different_hints_of_a_few_lines(name):
    one = hints.catalogue()[name]
    assert len(set(one.hints)) == 3
    assert all(15 <= len(text) <= 420 for text in one.hints)
    assert one.dots in (1, 2, 3)


def flat(code):
    return re.sub(r"\s", "", code)


@pytest.mark.parametrize("path", NOTEBOOKS)
def test_no_hint_holds_what_a_solution_returns(path):
    names = [re.search(r"exercises\.(\w+)\(", check)[1] for check in tagged(path, "check")]
    for name, solution in zip(names, tagged(path, "solution"), strict=True):
        told = flat(" ".join(hints.catalogue()[name].hints))
        lines = [line.partition("  #")[0].strip() for line in solution.splitlines()]
        lines = [line for line in lines if line and not line.startswith(("#", "def ", '"""'))]
        finals = [line for line in lines if line.startswith("return ")] or lines[-1:]
        for line in finals:
            assert flat(line) not in told, (name, line)
            right = flat(line.removeprefix("return ").partition(" = ")[2] or line)
            assert right not in told or len(right) < 4, (name, line)
        assert sum(flat(line) in told for line in lines) <= 2, name  # how it starts, at most


@pytest.mark.parametrize("path", NOTEBOOKS)
def test_the_dots_beside_the_minutes_are_those_of_the_hints(path):
    places = {
        one.place: one.dots for one in hints.catalogue().values() if one.notebook == path.stem
    }
    for cell in nbformat.read(path, as_version=4).cells:
        for line in re.findall(r"^#+ Exercise .*$", cell.source, re.M):
            number, dots = int(re.search(r"Exercise (\d+)", line)[1]), line.count("●")
            assert dots in (0, places[number]), line


def test_hints_come_one_after_the_other_and_again_by_number(capsys):
    one = hints.catalogue()["row_score"]
    for number, kind in enumerate(("what to look at", "which formula", "how it starts"), 1):
        told = said(capsys, exercises.hint, "row_score")
        assert told.startswith(f"Hint {number} of 3, {kind}:\n")
        assert flat(one.hints[number - 1]) in flat(told)
    assert said(capsys, exercises.hint, "row_score").startswith("Hint 3 of 3")
    assert said(capsys, exercises.hint, "row_score", 1).startswith("Hint 1 of 3")
    assert said(capsys, exercises.hint, "gap").startswith("Hint 1 of 3")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("row_scores",), r"no exercise 'row_scores': did you mean row_score"),
        (("gausian_kl",), r"did you mean gaussian_kl"),
        (("zzz",), r"there are grid_size, move_one, .*attribute_direction"),
        ((7,), "no exercise 7"),
        (("gap", 0), "number is 0; there are three hints"),
        (("gap", 4), "number is 4"),
        (("gap", True), "number is True"),
    ],
)
def test_a_name_that_is_not_there_is_answered_with_the_near_ones(arguments, words):
    with pytest.raises(ValueError, match=words):
        exercises.hint(*arguments)


def test_help_is_offered_from_the_second_wrong_try_until_all_of_it_is_seen(capsys, file):
    def crash(row):
        raise KeyError("row")

    offer = 'For {}, without the answer: exercises.hint("row_score")\n'
    assert "exercises.hint" not in said(capsys, exercises.row_score, ...)
    assert "exercises.hint" not in said(capsys, exercises.row_score, crash)
    assert "exercises.hint" not in said(capsys, exercises.gap, crash)  # another exercise
    assert said(capsys, exercises.row_score, lambda row: row.sum()).endswith(
        offer.format("a first hint")
    )
    for _ in range(2):
        exercises.hint("row_score")
        assert said(capsys, exercises.row_score, crash).endswith(offer.format("the next hint"))
    exercises.hint("row_score")
    assert "exercises.hint" not in said(capsys, exercises.row_score, crash)
    assert json.loads(file.read_text())["row_score"] == {"tries": 5, "hints": 3, "right": False}
    assert said(capsys, exercises.grid_size, 60) == "Right.\n"


def test_progress_names_what_is_done_and_the_next_after_it(capsys, file):
    fresh = said(capsys, exercises.progress)
    assert "No exercise is done yet" in fresh
    assert "Next: 00_start_here, exercise 1 (grid_size)." in fresh
    exercises.grid_size(61)
    assert said(capsys, exercises.progress) == fresh
    exercises.grid_size(60)
    exercises.gap(lambda information, entropy: information)  # a wrong try is not a step
    exercises.small_black_apples(512)
    told = said(capsys, exercises.progress)
    assert f"Done: 2 of {len(hints.catalogue())} exercises." in told
    assert re.search(r"00_start_here +●○○ +1 of 3", told)
    assert "Next: 01_what_is_disentanglement, exercise 2 (shares_of_mixture)." in told
    record.forget()  # as a new kernel does
    assert said(capsys, exercises.progress) == told


def test_after_the_last_exercise_the_ones_that_were_left_out_are_next(capsys):
    names = list(hints.catalogue())
    for name in names[1:]:
        record.note(name, right=True)
    told = said(capsys, exercises.progress)
    assert "Next: 00_start_here, exercise 1 (grid_size)." in told
    record.note(names[0], right=True)
    assert said(capsys, exercises.progress).endswith("All are done.\n")


def test_the_text_is_the_same_for_every_notebook_when_nothing_is_kept(capsys, file, monkeypatch):
    record.note("gap", right=True)
    record.forget()
    monkeypatch.setenv("DVAE_PROGRESS", "off")
    told = said(capsys, exercises.progress)
    assert told.startswith("No exercise is done yet")
    assert not re.search(r"\d of \d", told)  # notebooks need not be run again for a new exercise
    exercises.grid_size(60)
    assert json.loads(file.read_text()).keys() == {"gap"}


def test_it_is_kept_in_the_home_folder_if_nothing_else_is_named(tmp_path, monkeypatch):
    monkeypatch.delenv("DVAE_PROGRESS")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    record.note("gap", tries=1)
    assert [path.name for path in (tmp_path / ".dvae_helpers").iterdir()] == ["progress.json"]


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"gap": 3}', '{"gap": {"tries": "two"}}', '{"gap": {"when": 1}}', "\x00\xff"],
)
def test_a_damaged_file_is_left_alone_and_no_check_fails_for_it(capsys, file, content):
    file.parent.mkdir()
    file.write_text(content)
    assert said(capsys, exercises.grid_size, 60) == "Right.\n"
    exercises.hint("grid_size")
    assert file.read_text() == content
    with pytest.raises(ValueError, match=r"done\.json.* cannot be read.*delete or move it"):
        exercises.progress()


def test_where_nothing_can_be_written_it_is_known_until_the_kernel_stops(capsys, file):
    file.parent.write_text("a file where the folder should be")
    assert said(capsys, exercises.grid_size, 60) == "Right.\n"
    assert "Done: 1 of" in said(capsys, exercises.progress)


def test_two_notebooks_at_a_time_do_not_lose_one_anothers_exercises(file):
    record.note("gap", right=True)
    record.forget()  # the other kernel
    record.note("entropy", right=True)
    assert record.traces()["gap"].right
    assert record.traces()["entropy"].right
