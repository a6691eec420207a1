"""Grading: submissions from right to hostile; each costs the row of its student alone."""

import csv
import json
import re
import shutil
import socket
import sys
import threading
import time
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from dvae_helpers import __main__ as command_line
from dvae_helpers import exercises, grading
from dvae_helpers.grading import confinement, submission

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

IMPORTS = "import math\nimport os\nimport torch\nfrom dvae_helpers import exercises"
BIG = 10**9 if sys.platform == "linux" else 10**14  # 4 GB, or more than any system has
STUBS = {
    "grid_size": "icons = ...",
    "gap": 'def gap(information, entropy):\n    """A matrix."""\n    ...',
    "row_score": 'def row_score(row):\n    """A row."""\n    ...',
}
ASKED = {"grid_size": "icons", "gap": "gap", "row_score": "row_score"}
RIGHT = {
    "grid_size": "icons = 3 * 4 * 5",
    "gap": "def gap(information, entropy):\n"
    "    best = information.sort(1, descending=True).values\n"
    "    return ((best[:, 0] - best[:, 1]) / entropy).mean()",
    "row_score": "def row_score(row):\n"
    "    share = row / row.sum()\n"
    "    return 1 - torch.special.entr(share).sum() / math.log(len(row))",
}


def cell(source, identity, *tags):
    return new_code_cell(source, id=identity, metadata={"tags": list(tags)})


def notebook(answers=(), before=(), after=()):
    """Three exercises of the course with these answers; cells of the student's own around them."""
    cells = [new_markdown_cell("# Three exercises"), cell(IMPORTS, "imports")]
    cells += [new_code_cell(source) for source in before]
    for name, stub in STUBS.items():
        cells.append(cell(dict(answers).get(name, stub), f"{name}-stub", "exercise"))
        cells.append(cell(f"exercises.{name}({ASKED[name]})", f"{name}-check", "check"))
        cells.append(cell(RIGHT[name], f"{name}-solution", "solution"))
    return new_notebook(cells=[*cells, *(new_code_cell(source) for source in after)])


def write(path, made):
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(made, path)


def without(made, *kinds):
    made.cells = [one for one in made.cells if not one.id.endswith(kinds)]
    return made


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A course of one notebook, a precious file, and a port on which nobody may call."""
    place = tmp_path_factory.mktemp("class")
    write(place / "course" / "01_three.ipynb", notebook())
    (place / "precious.txt").write_text("as it was")
    listener = socket.create_server(("127.0.0.1", 0))
    calls = []

    def listen():
        while True:
            try:
                calls.append(listener.accept())
            except OSError:
                return

    threading.Thread(target=listen, daemon=True).start()
    yield place, listener.getsockname()[1], calls
    listener.close()


@pytest.fixture(scope="module")
def graded(world):
    if sys.platform == "win32":
        pytest.skip("needs signals, to stop one cell")
    place, port, _ = world
    folder, precious = place / "handed in", str(place / "precious.txt")
    R = RIGHT
    wrong = {
        "grid_size": "icons = 12",
        "gap": "def gap(information, entropy):\n    return information.mean()",
        "row_score": "def row_score(row):\n    return row.sum()",
    }
    half = {name: R[name] for name in ("grid_size", "row_score")}
    crash = dict(R, gap="def gap(information, entropy):\n    return information[:, 99]")
    made = {
        "01 right": without(notebook(R), "solution"),
        "02 wrong": notebook(wrong),
        "03 half": notebook(half),
        "04 untouched, with our solutions": notebook(),
        "05 crashing": notebook(crash),
        "06 no such syntax": notebook(dict(R, gap="def gap(:")),
        "07 endless cell": notebook(R, before=["while True:\n    pass"]),
        "08 endless answer": notebook(
            dict(R, gap="def gap(information, entropy):\n    while True:\n        pass")
        ),
        "09 endless and not to be stopped": notebook(
            dict(
                R,
                gap="while True:\n    try:\n        while True:\n            pass\n"
                "    except BaseException:\n        pass",
            )
        ),
        "10 deletes files": notebook(
            R,
            before=[
                f"import pathlib, shutil\npathlib.Path({precious!r}).unlink()",
                f"pathlib.Path({precious!r}).write_text('mine')",
                f"shutil.rmtree({str(folder)!r}, ignore_errors=True)",
                f"os.system('rm -rf {place}/handed*')",
            ],
        ),
        "11 says Right itself": notebook(
            wrong, before=["print('Right.')"], after=["print('Right.')"]
        ),
        "12 changes the checks": notebook(
            wrong,
            before=[
                "def good(*a, **k):\n    print('Right.')",
                "for name in ('grid_size', 'gap', 'row_score'):\n"
                "    setattr(exercises, name, good)",
                "import sys\nfor m in list(sys.modules.values()):\n"
                "    if getattr(m, '__name__', '').startswith('dvae_helpers.exercises'):\n"
                "        for n in ('compare', 'compare_number', 'refuse', 'verdict'):\n"
                "            if hasattr(m, n):\n                setattr(m, n, good)",
                "torch.equal = torch.allclose = lambda *a, **k: True\nmath.isnan = bool\n"
                "import builtins\nbuiltins.abs = lambda x: 0\ntorch.Tensor.max = lambda *a: 0",
            ],
        ),
        "13 ends Python": notebook(R, after=["import sys\nsys.exit(0)", "os._exit(0)"]),
        "14 ends Python at once": notebook(R, before=["os._exit(0)"]),
        "15 takes all memory": notebook(dict(R, gap=f"big = torch.zeros({BIG})")),
        "16 calls home": notebook(
            R,
            before=[
                f"import socket\nsocket.create_connection(('127.0.0.1', {port}), 2).send(b'hello')",
                "import subprocess, sys\nsubprocess.run([sys.executable, '-c', "
                f"'import socket; socket.create_connection((\"127.0.0.1\", {port}), 2)'])",
            ],
        ),
        "17 reads the solutions": notebook(
            dict(
                wrong,
                grid_size=f"import json\nfile = open({str(place / 'course/01_three.ipynb')!r})\n"
                "for one in json.load(file)['cells']:\n"
                "    if 'solution' in one['metadata'].get('tags', []):\n"
                "        exec(''.join(one['source']))",
            )
        ),
        "18 deleted the checks": without(notebook(R), "check", "solution"),
        "20 =cmd|' <b>": notebook(R),
        "23 fills the disk": notebook(
            R,
            before=["for n in range(8):\n    open(f'{n}', 'wb').write(bytes(90_000_000))"],
            after=["open('one more', 'wb').write(bytes(200_000_000))"],
        ),
    }
    for name, one in made.items():
        write(folder / f"{name}.ipynb", one)
    (folder / "19 no notebook.ipynb").write_text("{ not JSON")
    write(folder / "21 a folder" / "first try.ipynb", notebook(wrong))
    own = "from helper import icons"
    write(folder / "21 a folder" / "second try.ipynb", notebook(dict(R, grid_size=own)))
    (folder / "21 a folder" / "helper.py").write_text("icons = 60")
    (folder / "22 nothing").mkdir()
    out = place / "grades.csv"
    began = time.monotonic()
    results = list(grading.grade(folder, out, place / "course", seconds=15, memory=3, jobs=2))
    print(f"{len(results)} in {time.monotonic() - began:.0f} s")
    with out.open(newline="") as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    return place, rows


NAMES = ("grid_size", "gap", "row_score")


@pytest.mark.parametrize(
    ("student", "expected"),
    [
        ("01 right", "right right right"),
        ("02 wrong", "wrong wrong wrong"),
        ("03 half", "right unanswered right"),
        ("04 untouched, with our solutions", "unanswered unanswered unanswered"),
        ("05 crashing", "right crashed right"),
        ("06 no such syntax", "right missing right"),
        ("07 endless cell", "right right right"),
        ("08 endless answer", "right crashed right"),
        ("09 endless and not to be stopped", "right not_reached not_reached"),
        ("10 deletes files", "right right right"),
        ("11 says Right itself", "wrong wrong wrong"),
        ("12 changes the checks", "wrong wrong wrong"),
        ("13 ends Python", "right right right"),
        ("14 ends Python at once", "not_reached not_reached not_reached"),
        ("15 takes all memory", "right missing right"),
        ("16 calls home", "right right right"),
        ("17 reads the solutions", "missing wrong wrong"),
        ("18 deleted the checks", "right right right"),
        ("19 no notebook", "missing missing missing"),
        ("20 =cmd|' <b>", "right right right"),
        ("21 a folder", "right right right"),
        ("22 nothing", "missing missing missing"),
        ("23 fills the disk", "right right right"),
    ],
)
def test_each_submission_gets_what_it_is_worth(graded, student, expected):
    row = graded[1][student]
    kinds = [word.replace("_", " ") for word in expected.split()]
    assert [row[name] for name in NAMES] == kinds, row["notes"]
    assert row["right"] == str(kinds.count("right"))
    assert row["of"] == "3"
    if student in ("01 right", "02 wrong", "03 half"):
        assert row["notes"] == ""


@pytest.mark.parametrize(
    ("student", "said"),
    [
        ("06", "cell 5: your code stopped with SyntaxError"),
        ("07", "cell 2: your code was stopped after 5 seconds"),
        ("09", "stopped after 15 seconds"),
        ("10", "cell 2: your code stopped with"),
        ("14", "the program ended too early"),
        ("15", "your code stopped with RuntimeError"),
        ("16", "cell 2: your code stopped with"),
        ("17", "cell 2: your code stopped with"),
        ("19", "not a notebook"),
        ("22", "there is no notebook"),
        ("23", "your code stopped with OSError"),
    ],
)
def test_the_notes_say_what_went_wrong(graded, student, said):
    row = next(row for name, row in graded[1].items() if name.startswith(student))
    assert said in row["notes"]


def test_nothing_was_changed_and_nobody_was_called(graded, world):
    place, _, calls = world
    assert (place / "precious.txt").read_text() == "as it was"
    assert len(list((place / "handed in").iterdir())) == 23
    assert calls == []
    assert len(graded[1]) == 23


def test_a_page_of_feedback_has_verdicts_and_answers_as_text(graded):
    page = (graded[0] / "grades" / "20 =cmd|' <b>.html").read_text("utf-8")
    assert "<b>Right.</b>" in page
    assert "<h1>20 =cmd|&#x27; &lt;b&gt;: 3 of 3 exercises are right</h1>" in page
    page = (graded[0] / "grades" / "05 crashing.html").read_text("utf-8")
    assert "2 of 3 exercises are right" in page
    assert "IndexError" in page
    assert "line 2 of your cell, in gap:  return information[:, 99]" in page
    assert RIGHT["grid_size"] in page
    assert "<script" not in page


def test_a_run_goes_on_where_it_was_and_looks_at_what_changed(graded, monkeypatch):
    place = graded[0]
    folder, out = place / "few", place / "few.csv"
    for name in ("01 right", "02 wrong"):
        shutil.copy(place / "handed in" / f"{name}.ipynb", (folder.mkdir(exist_ok=True), folder)[1])
    ran = []

    def run(submission, *_):
        ran.append(submission)
        return dict.fromkeys(submission.checks, ("right", "Right.")), []

    monkeypatch.setattr(grading, "run", run)
    again = iter(grading.grade(folder, out, place / "course"))
    next(again)
    again.close()  # stopped after the first
    assert out.read_text().count("\n") == 2
    before = len(ran)
    assert len(list(grading.grade(folder, out, place / "course"))) == 2
    assert len(ran) == 2
    assert before in (1, 2)
    write(folder / "02 wrong.ipynb", notebook(RIGHT))
    list(grading.grade(folder, out, place / "course"))
    assert len(ran) == 3
    (place / "few" / "01 right.json").write_text("damaged")
    (out.with_suffix("") / "01 right.json").write_text("damaged")
    list(grading.grade(folder, out, place / "course"))
    assert len(ran) == 4
    list(grading.grade(folder, out, place / "course", again=True))
    assert len(ran) == 6


def test_what_cannot_be_graded_costs_one_row(tmp_path, monkeypatch):
    write(tmp_path / "course" / "01_three.ipynb", notebook())
    for name in ("ada", "bob"):
        write(tmp_path / "in" / f"{name}.ipynb", notebook(RIGHT))

    def run(submission, *_):
        if not tried:
            tried.append(submission)
            raise OSError("no space left")
        return dict.fromkeys(submission.checks, ("right", "Right.")), []

    tried = []
    monkeypatch.setattr(grading, "run", run)
    ada, bob = grading.grade(tmp_path / "in", tmp_path / "g.csv", tmp_path / "course")
    assert ada.notes == ["could not be graded: OSError: no space left"]
    assert bob.right == 3
    again = grading.grade(tmp_path / "in", tmp_path / "g.csv", tmp_path / "course")
    assert [one.right for one in again] == [3, 3]


def test_forged_and_broken_lines_of_a_report_are_passed_over(tmp_path):
    file = tmp_path / "said"
    file.write_bytes(b'other {"check": "gap"}\nword {"check": "gap"\nword {"finished": true}\n\xff')
    assert list(grading._lines(file, "word")) == [{"finished": True}]


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in NOTEBOOKS])
def test_every_notebook_of_the_course_is_known_again(path):
    ours = submission.masters(path.parent)
    read = submission.read(path, ours)
    assert read.notebook == path.stem
    assert read.checks == [name for name, _ in ours[path.stem].checks.values()]
    assert all(hasattr(getattr(exercises, name), "__wrapped__") for name in read.checks)
    assert set(read.code) == set(read.checks)
    sources = [one["source"] for one in read.cells]
    for one in nbformat.read(path, as_version=4).cells:
        tags = one.metadata.get("tags", [])
        if one.cell_type == "code" and "solution" not in tags and "check" not in tags:
            assert one.source in sources
        if "solution" in tags:
            assert one.source not in sources


def test_without_ids_a_notebook_is_known_by_its_checks(tmp_path):
    write(tmp_path / "course" / "01_three.ipynb", notebook())
    made = json.loads(nbformat.writes(without(notebook(RIGHT), "solution")))
    for one in made["cells"]:
        del one["id"]
        one["metadata"].pop("tags", None)
    path = tmp_path / "renamed.ipynb"
    path.write_text(json.dumps(made))
    read = submission.read(path, submission.masters(tmp_path / "course"))
    asked = [name for one in read.cells for name, _ in one["checks"]]
    assert asked == list(NAMES)


@pytest.mark.parametrize(
    "source", ["exercises.gap(a, b)", "print(1)", "x = 1", "exercises.gap(a)\nprint(2)", "gap(gap)"]
)
def test_a_check_cell_of_ours_asks_one_check(source):
    with pytest.raises(ValueError, match=r"Expected a check cell"):
        submission.asked(source)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a system with fork")
def test_python_alone_refuses_the_same(tmp_path, world):
    """Where there are no namespaces."""
    place, port, calls = world
    code = f"""
import os, shutil, socket, subprocess, sys
from pathlib import Path
from dvae_helpers.grading import confinement
own, secret, precious = map(Path, sys.argv[1:])
confinement.guard(own, [secret])
(own / "mine.txt").write_text("mine")
os.chdir(own)
Path("mine.txt").rename("yours.txt")
def tried(function, *arguments):
    try:
        function(*arguments)
    except PermissionError as error:
        assert "not allowed while a notebook is graded" in str(error), error
    else:
        raise SystemExit(f"{{function}} was allowed")
tried(precious.write_text, "mine")
tried(precious.unlink)
tried(shutil.rmtree, precious.parent / "handed in")
tried(os.rename, precious, own / "mine")
tried(os.mkdir, precious.parent / "new")
tried(socket.create_connection, ("127.0.0.1", {port}))
tried(subprocess.run, ["true"])
tried(os.system, "true")
tried(os.fork)
tried(os.kill, 1, 0)
tried((secret / "01_three.ipynb").read_text)
tried(os.listdir, secret)
precious.read_text()
"""
    import subprocess

    own = tmp_path / "own"
    own.mkdir()
    arguments = [str(own), str(place / "course"), str(place / "precious.txt")]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    assert (place / "precious.txt").read_text() == "as it was"
    assert calls == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "There is no folder nowhere"),
        (["empty"], "There are no submissions in empty"),
        (["full", "--out", "grades"], "grades has no ending"),
        (["full", "--seconds", "0"], "not a number above 0"),
        (["full", "--jobs", "none"], "not a whole number from 1 to 1,000"),
    ],
)
def test_what_cannot_be_is_answered_in_one_line(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    write(tmp_path / "full" / "a.ipynb", notebook())
    assert command_line.main(["grade", *words]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert said in lines[0]


def test_the_command_writes_the_table_and_says_who_has_what(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        grading, "run", lambda one, *_: (dict.fromkeys(one.checks, ("right", "")), [])
    )
    shutil.copytree(ROOT / "notebooks", tmp_path / "in", ignore=lambda _, names: names[1:])
    out = tmp_path / "out" / "marks.csv"
    assert command_line.main(["grade", str(tmp_path / "in"), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert re.search(r"^\d\d_\w+: (\d) of \1 right$", said, re.M)
    assert f"Written: {out}" in said
    assert out.read_text().startswith("student,right,of,")
    assert ("Python's own guard" in said) == (not confinement.namespaces())
