"""The course as a web site of static files: notebooks, glossary, instructors' page, reference."""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from copy import deepcopy
from importlib.util import find_spec
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from ..files import write_whole
from ..slides import MATHJAX, fetch, live_outputs
from .hero import hero
from .reference import reference

_ROOT = Path(__file__).parents[2]
_HERE = Path(__file__).parent
_PAGES = ("GLOSSARY.md", "INSTRUCTORS.md")
_LINK = re.compile(r"\[(?P<words>[^\]\[]*)\]\((?:<(?P<long>[^>]*)>|(?P<short>[^)\s]*))\)")


def build(out: Path = _ROOT / "site", root: Path = _ROOT) -> Path:
    """Writes the site to the folder `out`, ready to be published or opened -> its first page.

    It asks no other host for anything. Everything is made beside `out` first; a site that was
    there is then replaced, any other folder with files in it is not touched.

    Raises ValueError if Sphinx is missing, if MathJax is neither here nor to be had, if a link or
    an anchor leads nowhere, and for a folder `out` that is not a site.
    """
    if find_spec("sphinx_book_theme") is None or find_spec("myst_nb") is None:
        raise ValueError(
            "The site needs Sphinx, myst-nb and sphinx-book-theme. Install them with: "
            "python -m pip install -c constraints.txt -e '.[site]' (make site does it)."
        )
    if out.exists() and not (out / "searchindex.js").is_file() and any(out.iterdir()):
        raise ValueError(f"{out} has files in it and is not a site; give another folder by --out.")
    mathjax = fetch() / MATHJAX[0] / "es5" / "tex-svg.js"
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".site", dir=out.parent) as place:
        source, made = Path(place) / "source", Path(place) / "made" / "html"
        stage(source, root)
        shutil.copy(mathjax, source / "_static" / "mathjax.js")
        command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html"]
        done = subprocess.run([*command, source, made], capture_output=True, text=True)
        if done.returncode:
            said = [
                line for line in done.stderr.splitlines() if "WARNING" in line or "rror" in line
            ]
            raise ValueError(
                f"Sphinx found {len(said)} faults in the pages; the first: "
                + " | ".join(line.replace(str(source), "") for line in said[:5])
            )
        for page in made.rglob("*.html"):
            page.write_text(accessible(page.read_text("utf-8")), "utf-8")
        shutil.rmtree(made / ".doctrees", ignore_errors=True)
        shutil.rmtree(out, ignore_errors=True)
        made.rename(out)
    return out / "index.html"


def stage(source: Path, root: Path = _ROOT) -> None:
    """The pages as Sphinx wants them, in the folder `source`."""
    shutil.copytree(_HERE / "static", source / "_static")
    shutil.copy(_HERE / "conf.py", source / "conf.py")
    notebooks = sorted((root / "notebooks").glob("*.ipynb"))
    here = {f"notebooks/{path.name}" for path in notebooks} | set(_PAGES)
    for path in notebooks:
        page = shown_cells(nbformat.read(path, as_version=4))
        for cell in page.cells:
            if cell.cell_type == "markdown":
                cell.source = links(cell.source, f"notebooks/{path.name}", here)
        write_whole(source / "notebooks" / path.name, nbformat.writes(page).encode())
    for name in _PAGES:
        text = links((root / name).read_text("utf-8"), name, here)
        write_whole(source / name, headings([text])[0].encode())
    for name, text in reference().items():
        write_whole(source / "reference" / f"{name}.md", text.encode())
    write_whole(source / "_static" / "hero.html", hero().encode())
    readme = (root / "README.md").read_text("utf-8")
    start = re.search(r"^## Start\n(.*?)^## ", readme, re.M | re.S)[1]
    table = readme.split("<!-- notebooks -->")[1].split("<!-- end -->")[0]
    index = (_HERE / "index.md").read_text("utf-8")
    parts = {
        "table": links(table.strip(), "README.md", here),
        "start": links(start.strip(), "README.md", here),
        "notebooks": "\n".join(f"notebooks/{path.stem}" for path in notebooks),
    }
    for name, text in parts.items():
        index = index.replace(f"{{{{ {name} }}}}", text)
    write_whole(source / "index.md", index.encode())


def accessible(page: str) -> str:
    """A page of the theme in which buttons and folded parts have the names that are seen.

    A wide table can be scrolled with the keys once it can be reached by them.
    """
    page = page.replace('<table class="table">', '<table class="table" tabindex="0">')
    page = page.replace('<summary aria-label="Toggle hidden content">', "<summary>")
    page = page.replace(
        '<summary><span class="toctree-toggle"',
        '<summary aria-label="Show its pages"><span class="toctree-toggle"',
    )
    return re.sub(
        r'(<button class="[^"]*search-button-field[^"]*" title="Search") aria-label="Search"',
        r"\1",
        page,
    )


def shown_cells(notebook: NotebookNode) -> NotebookNode:
    """A copy for readers: without instructor's notes, solutions folded, widgets as pictures."""
    copy = live_outputs(deepcopy(notebook))
    copy.cells = [
        cell
        for cell in copy.cells
        if cell.metadata.get("slideshow", {}).get("slide_type") != "notes"
    ]
    for cell in copy.cells:
        tags = set(cell.metadata.get("tags", []))
        if "solution" in tags:
            cell.metadata["tags"] = sorted(tags - {"hide-input"} | {"hide-cell"})
        widths = [
            output.metadata["image/png"]["width"]
            for output in cell.get("outputs", [])
            if "width" in output.get("metadata", {}).get("image/png", {})
        ]
        if widths:  # the file has more pixels than its place in the page
            cell.metadata["mystnb"] = {"image": {"width": f"{max(widths)}px"}}
    texts = [cell for cell in copy.cells if cell.cell_type == "markdown"]
    for cell, text in zip(texts, headings([cell.source for cell in texts]), strict=True):
        cell.source = text
    return copy


def headings(texts: Sequence[str]) -> list[str]:
    """Texts whose headings go down by one level at most, with one of the first level."""
    level = 0

    def lower(match: re.Match) -> str:
        nonlocal level
        wanted = len(match[1])
        level = min(wanted if level == 0 else max(wanted, 2), level + 1)
        return "#" * level + match[2]

    changed = []
    for text in texts:
        parts = re.split(r"(^```.*?^```)", text, flags=re.M | re.S)
        parts[::2] = [re.sub(r"^(#{1,6})( .+)$", lower, part, flags=re.M) for part in parts[::2]]
        changed.append("".join(parts))
    return changed


def links(text: str, page: str, here: set[str]) -> str:
    """Markdown of a page whose links to other pages of the site work; others become words."""

    def change(match: re.Match) -> str:
        target, _, part = (match["long"] or match["short"] or "").partition("#")
        if re.match(r"[a-z]+:", target) or not match["words"]:
            return match[0]
        part = re.sub(r"[$][^$]*[$]|`", "", part)  # anchors are made without formulas
        if not target:
            return f"[{match['words']}](<#{part}>)"
        folder = Path(page).parent
        file = (Path("/") / folder / target).resolve().relative_to("/").as_posix()
        if file not in here:
            return match["words"]
        return f"[{match['words']}](<{target}{'#' + part if part else ''}>)"

    parts = re.split(r"(^```.*?^```|`[^`\n]+`(?!\]))", text, flags=re.M | re.S)
    parts[::2] = [_LINK.sub(change, piece) for piece in parts[::2]]
    return "".join(parts)
