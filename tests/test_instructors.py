"""The instructors' page: its minutes are those of the decks, and its plan names what is there."""

import re
from pathlib import Path

import nbformat
import pytest
from instructors import MADE, PAGE, VOTE, Lecture, Section, lecture, lectures, plans, table
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from dvae_helpers import page

TEXT = PAGE.read_text("utf-8")


@pytest.fixture(scope="module")
def counted():
    return lectures()


def cells_of(text):
    return [[part.strip() for part in line.strip("|").split("|")] for line in text.splitlines()[2:]]


def test_the_minutes_are_those_of_the_decks():
    told, now = (cells_of(text) for text in (MADE.search(TEXT)[0], table(TEXT)))
    assert [row[0] for row in told] == [row[0] for row in now]
    for before, after in zip(told, now, strict=True):
        for old, new in zip(before[1:], after[1:], strict=True):
            assert abs(int(old) - int(new)) <= 3, f"{after}: run python tests/instructors.py"


def test_every_deck_fits_into_an_hour_after_its_cuts():
    assert all(int(row[-1]) <= 61 for row in cells_of(table(TEXT)))


def test_the_plan_has_each_exercise_once_in_class_or_at_home(counted):
    planned = plans(TEXT)
    assert list(planned) == list(counted)
    rows = {
        row[0]: row for row in cells_of(re.search(r"<!-- plan -->\n(.*?)<!-- end", TEXT, re.S)[1])
    }
    for number, one in counted.items():
        inside = planned[number][0]
        home = [int(each) for each in re.findall(r"\d+", rows[number][2])]
        assert sorted(inside + home) == sorted(one.exercises), one.title
        assert not any(one.exercises[each] is None for each in inside)


def test_the_weeks_hand_in_what_is_left_for_home(counted):
    for week in re.findall(r"^\| \d+ \|.*\|$", TEXT, re.M):
        for number, words in re.findall(r"(\d\d): ([\d, to]+)", week):
            ends = re.match(r"(\d+) to (\d+)", words)
            named = range(int(ends[1]), int(ends[2]) + 1) if ends else re.findall(r"\d+", words)
            assert {int(each) for each in named} <= set(counted[number].exercises)


def test_a_deck_is_counted_by_hand(tmp_path):
    word = [new_markdown_cell("# A title\n\n" + "word " * 128)]
    word += [
        new_markdown_cell("## Second\n\n$$x = y$$\n\none $a + b$"),
        new_code_cell("a = 1\nb = 2"),
    ]
    word += [new_markdown_cell("### Exercise 1: try (7 minutes, ●○○)")]
    word += [new_markdown_cell("### Exercise 2: more (an evening, ●●●)")]
    vote = new_output("display_data", page.vote("Which?", ["a", "b"], 0, "c")._repr_mimebundle_())
    word += [new_code_cell("vote()", outputs=[vote], metadata={"tags": ["hide-input"]})]
    for one in word:
        one.metadata["slideshow"] = {"slide_type": "slide"}
    for kind in ("skip", "notes"):
        unsaid = new_markdown_cell("unsaid " * 500, metadata={"slideshow": {"slide_type": kind}})
        word.append(unsaid)
    nbformat.write(new_notebook(cells=word), tmp_path / "00.ipynb")
    found = lecture(Path(tmp_path / "00.ipynb"))
    assert found.exercises == {1: 7, 2: None}
    assert found.votes == 1
    minutes = {one.title: one.minutes for one in found.sections}
    assert minutes["A title"] == pytest.approx(130 / 130)
    assert minutes["Second"] == pytest.approx(3 / 130 + 1 / 3 + 2 / 20)


def test_a_cut_takes_what_stands_under_its_heading():
    sections = [Section("top", 1, 1), Section("a", 2, 2, 1), Section("b", 3, 4), Section("c", 2, 8)]
    one = Lecture("00", sections, {})
    assert one.within("a") == 2 + 4 + VOTE
    assert one.within("c") == 8
    with pytest.raises(ValueError, match="no section 'none'"):
        one.within("none")
