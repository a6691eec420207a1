"""Every link inside the project leads to a file that is there, and to a heading that is in it."""

import re
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("data/*.md"), *ROOT.glob("notebooks/*.ipynb")]
LINK = re.compile(r"\]\((?:<([^>]*)>|([^)\s]*))\)")


def words(page: Path) -> list[str]:
    if page.suffix == ".md":
        return [page.read_text("utf-8")]
    cells = nbformat.read(page, as_version=4).cells
    return [cell.source for cell in cells if cell.cell_type == "markdown"]


def anchors(page: Path) -> set[str]:
    lines = "\n".join(words(page)).splitlines()
    titles = [line.lstrip("#").strip() for line in lines if re.match(r"#+ ", line)]
    # JupyterLab keeps the letters; an exported page and GitHub have small ones
    return {t.replace(" ", "-") for t in titles} | {t.replace(" ", "-").lower() for t in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for text in words(page):
        for match in LINK.finditer(re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.DOTALL)):
            target, _, heading = unquote(match[1] or match[2]).partition("#")
            if re.match(r"[a-z]+:", target):
                continue
            file = (page.parent / target).resolve() if target else page
            assert file.exists(), f"{page.name} links to {target}, which is not there."
            if heading and file.suffix in (".md", ".ipynb"):
                assert heading in anchors(file), f"{page.name}: no heading {heading} in {target}."
