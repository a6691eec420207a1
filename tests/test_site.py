"""The site: what its pages leave out and fold, and some of them in a browser without network."""

import json
import shutil
import subprocess
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from dvae_helpers import __main__ as command_line
from dvae_helpers import site

AXE = "axe-core@4.14.1"
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def built(parts, tmp_path_factory) -> Path:
    pytest.importorskip("myst_nb", reason="needs pip install -e '.[site]'")
    return site.build(tmp_path_factory.mktemp("site") / "site").parent


@pytest.fixture(scope="module")
def axe(tmp_path_factory) -> str:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("needs npm, for axe-core")
    folder = tmp_path_factory.mktemp("axe")
    command = [npm, "install", "--no-save", "--ignore-scripts", "--prefix", folder, AXE]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("needs the network once, for axe-core")
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")


def test_every_page_is_there_and_none_asks_another_host(built):
    names = {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert names <= {path.stem for path in (built / "notebooks").glob("*.html")}
    assert {"index", "GLOSSARY", "INSTRUCTORS", "search"} <= {p.stem for p in built.glob("*.html")}
    assert (built / "reference" / "datasets.html").is_file()
    assert (built / "_static" / "mathjax.js").stat().st_size > 1e6
    for path in built.rglob("*.html"):
        text = path.read_text("utf-8")
        assert 'src="http' not in text, path
        assert '<link rel="stylesheet" type="text/css" href="http' not in text, path
    assert sum(path.stat().st_size for path in built.rglob("*") if path.is_file()) < 60e6


def test_solutions_are_folded_and_notes_for_instructors_left_out(built):
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        page = (built / "notebooks" / f"{path.stem}.html").read_text("utf-8")
        cells = nbformat.read(path, as_version=4).cells
        solutions = [cell for cell in cells if "solution" in cell.metadata.get("tags", [])]
        assert page.count("tag_hide-cell") >= len(solutions) > 0
        assert "For the instructor" not in page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "name",
    [
        "index",
        "GLOSSARY",
        "notebooks/04_total_correlation",
        "notebooks/05_mutual_information_gap",
        "reference/datasets",
        "search",
    ],
)
def test_a_page_has_no_violation_of_level_a_or_aa(name, scheme, built, browser, axe):
    context = browser.new_context(
        viewport={"width": 1366, "height": 768}, color_scheme=scheme, reduced_motion="reduce"
    )
    tab, faults = context.new_page(), []
    tab.on("request", lambda one: faults.extend([one.url] * one.url.startswith("http")))
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.goto((built / f"{name}.html").as_uri())
    tab.wait_for_timeout(1500)
    tab.add_script_tag(content=axe)
    rules = json.dumps(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"])
    found = tab.evaluate(f"async () => (await axe.run(document, {{runOnly: {rules}}})).violations")
    assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found] == []
    assert tab.evaluate("() => document.querySelectorAll('mjx-merror').length") == 0
    assert faults == []
    context.close()


def test_the_landing_page_moves_before_anything_is_touched_and_stops_on_request(built, browser):
    tab = browser.new_page(viewport={"width": 1366, "height": 768})
    tab.goto((built / "index.html").as_uri())
    canvas = tab.locator(".picture canvas").nth(1)
    canvas.wait_for()
    assert canvas.bounding_box()["y"] < 500
    pictures = set()
    for _ in range(4):
        tab.wait_for_timeout(400)
        pictures.add(canvas.evaluate("canvas => canvas.toDataURL()"))
    assert len(pictures) == 4
    tab.get_by_role("button", name="Stop").click()
    tab.wait_for_timeout(200)
    stopped = canvas.evaluate("canvas => canvas.toDataURL()")
    tab.wait_for_timeout(400)
    assert canvas.evaluate("canvas => canvas.toDataURL()") == stopped
    tab.close()


def test_headings_go_down_by_one_level_and_only_one_is_first():
    texts = ["# A\n### B\n```\n# no heading\n```", "# C\n#### D", "## E"]
    assert site.headings(texts) == [
        "# A\n## B\n```\n# no heading\n```",
        "## C\n### D",
        "## E",
    ]


def test_links_to_what_is_not_on_the_site_become_words():
    here = {"GLOSSARY.md", "notebooks/01_a.ipynb"}
    text = "[a](01_a.ipynb#The-$x$-part), [b](../README.md), [c](https://d.org), `[e](f)`, [g](#H)"
    changed = site.links(text, "notebooks/00_b.ipynb", here)
    assert changed == ("[a](<01_a.ipynb#The--part>), b, [c](https://d.org), `[e](f)`, [g](<#H>)")


def test_shown_cells():
    notebook = new_notebook(
        cells=[
            new_markdown_cell("# T"),
            new_markdown_cell("secret", metadata={"slideshow": {"slide_type": "notes"}}),
            new_code_cell("42", metadata={"tags": ["solution", "hide-input"]}),
        ]
    )
    shown = site.shown_cells(notebook)
    assert [cell.source for cell in shown.cells] == ["# T", "42"]
    assert shown.cells[1].metadata.tags == ["hide-cell", "solution"]
    assert len(notebook.cells) == 3


def test_a_folder_with_other_files_is_not_touched(tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("kept")
    assert command_line.main(["site", "--out", str(tmp_path)]) == 2
    assert "is not a site" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_without_sphinx_the_message_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(site, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install .*\[site\]"):
        site.build(tmp_path / "site")
