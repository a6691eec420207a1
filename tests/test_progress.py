"""Progress bars in a notebook that is run, and elsewhere."""

import sys

import nbformat
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from dvae_helpers import progress

RUN = """from dvae_helpers.progress import tqdm
for n in tqdm(range(3), desc="kept"):
    print("line", n)
for _ in tqdm(range(3), desc="gone", leave=False):
    pass
for _ in tqdm(range(3), desc="fast", delay=60):
    pass
for _ in tqdm(range(3), desc="silent", disable=True):
    pass"""


def test_a_notebook_keeps_a_line_of_text_and_no_widget():
    notebook = new_notebook(cells=[new_code_cell(RUN)])
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    kept, *others = [one for one in notebook.cells[0].outputs if one.output_type != "stream"]
    assert kept.data["text/plain"].startswith("kept: 100%|")
    assert "3/3" in kept.data["text/plain"]
    assert [one.data["text/plain"] for one in others] == [""]
    for one in (kept, *others):
        assert set(one.data) == {"text/plain"}
        assert one.metadata == {"progress": True}
    printed = [one.text for one in notebook.cells[0].outputs if one.output_type == "stream"]
    assert "".join(printed) == "line 0\nline 1\nline 2\n"
    assert "widgets" not in notebook.metadata
    nbformat.validate(notebook)


def test_in_a_terminal_it_is_tqdm_s_own_bar(capsys):
    for _ in progress.tqdm(range(4), desc="here"):
        pass
    assert "here: 100%" in capsys.readouterr().err
    assert progress.tqdm(disable=True).disable
    assert progress.tqdm([1], file=sys.stdout).fp is not None
    capsys.readouterr()
