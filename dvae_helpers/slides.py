"""Slide decks of the notebooks: one file each, which needs no network to be shown."""

import html
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path

import nbformat
from nbconvert import SlidesExporter
from nbconvert.filters import markdown2html
from nbformat import NotebookNode
from pygments.formatters import HtmlFormatter
from traitlets.config import Config

from . import page
from .files import write_whole

REVEAL, MATHJAX = ("reveal.js", "4.6.1"), ("mathjax", "3.2.2")
GLOSSARY = "GLOSSARY.md"
_ROOT = Path(__file__).parents[1]
_TEMPLATE = Path(__file__).parent / "deck"
_WIDGET = "application/vnd.jupyter.widget-view+json"
_WIDGET_STATE = "application/vnd.jupyter.widget-state+json"


def build(
    names: Sequence[str] = (), out: Path = _ROOT / "slides", notebooks: Path = _ROOT / "notebooks"
) -> list[Path]:
    """Writes NAME.slides.html for each of the notebooks named (default: all), and index.html.

    The index lists every deck in the folder `out`, and its PDF if there is one. A glossary beside
    the notebooks' folder becomes GLOSSARY.html, one click from every slide.

    Raises ValueError for an unknown name, and if reveal.js and MathJax are neither here nor to be
    had.
    """
    found = find(names, notebooks)
    parts = fetch()
    decks, glossary = [], notebooks.parent / GLOSSARY
    for name, path in found.items():
        decks.append(out / f"{name}.slides.html")
        page = deck_html(nbformat.read(path, as_version=4), parts, glossary.is_file())
        write_whole(decks[-1], page.encode())
    if glossary.is_file():
        page = glossary_html(glossary.read_text("utf-8"), parts)
        write_whole(out / Path(GLOSSARY).with_suffix(".html"), page.encode())
    write_index(out, notebooks)
    return decks


def find(names: Sequence[str], notebooks: Path) -> dict[str, Path]:
    """The notebooks with these names, or all of them; ValueError for a name that is not there."""
    found = {path.stem: path for path in sorted(notebooks.glob("*.ipynb"))}
    if not found:
        raise ValueError(
            f"There are no notebooks in {notebooks}: the package was installed without the "
            "course. Get the course's repository, and give this command in its folder."
        )
    if unknown := [name for name in names if name not in found]:
        raise ValueError(
            f"There is no notebook {unknown[0]!r} in {notebooks}; choose from {', '.join(found)}."
        )
    return {name: found[name] for name in names or found}


def fetch(folder: Path = _ROOT / "slides" / "node_modules") -> Path:
    """The folder of reveal.js and MathJax in their exact versions; npm fetches them once."""
    wanted = [f"{name}@{version}" for name, version in (REVEAL, MATHJAX)]
    if all(_version(folder / name) == version for name, version in (REVEAL, MATHJAX)):
        return folder
    npm = shutil.which("npm")
    if npm is None:
        raise ValueError(
            f"The slides need {' and '.join(wanted)}, which npm fetches once, and there is no npm "
            "here. Install Node.js (https://nodejs.org, or: apt install npm), then try again."
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    command = [npm, "install", "--no-save", "--no-package-lock", "--ignore-scripts", "--no-audit"]
    command += ["--no-fund", "--fetch-retries=1", "--fetch-timeout=30000"]
    command += ["--fetch-retry-mintimeout=1000", *wanted, "--prefix"]
    # Elsewhere first: a killed npm leaves packages that look whole.
    with tempfile.TemporaryDirectory(prefix=".npm", dir=folder.parent) as place:
        done = subprocess.run([*command, place], capture_output=True, text=True)
        if done.returncode:
            said = [line for line in done.stderr.splitlines() if "npm error" in line]
            raise ValueError(
                f"npm could not fetch {' and '.join(wanted)}. The first time, the slides need the "
                "network; connect and try again. npm said: " + " ".join(said[:3])
            )
        shutil.rmtree(folder, ignore_errors=True)
        (Path(place) / "node_modules").rename(folder)
    return folder


def pdf(deck: Path) -> Path:
    """Prints a deck to NAME.slides.pdf beside it, one page for each slide, with Chromium.

    Raises ValueError if there is no Chromium, or if it fails.
    """
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = next(filter(None, map(shutil.which, names)), None)
    if chromium is None:
        raise ValueError(
            "PDFs of the slides need Chromium, and there is none here. Install it (for example: "
            "apt install chromium), then try again. Or open a deck in any browser, put ?print-pdf "
            "behind its address, and print it to a file."
        )
    with tempfile.TemporaryDirectory() as folder:
        printed = Path(folder) / "deck.pdf"
        command = [chromium, "--headless", "--disable-gpu", f"--user-data-dir={folder}/profile"]
        command += ["--no-first-run", "--disable-background-networking", "--disable-sync"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            command.append("--no-sandbox")  # Chromium's sandbox does not work for root
        command += ["--no-pdf-header-footer", f"--print-to-pdf={printed}"]
        # Time in the page runs ahead while nothing happens there: so long may a deck take. On a
        # busy machine Chromium can print too early; one page is then all that there is.
        for budget in (60_000, 600_000, 6_000_000):
            done = subprocess.run(
                [
                    *command,
                    f"--virtual-time-budget={budget}",
                    f"{deck.resolve().as_uri()}?print-pdf",
                ],
                capture_output=True,
                text=True,
            )
            if not printed.is_file():
                said = done.stderr.strip().splitlines() or ["nothing"]
                raise ValueError(f"Chromium could not print {deck}. It said: {said[-1]}")
            if len(re.findall(rb"/Type /Page\b", printed.read_bytes())) > 1:
                break
        else:
            raise ValueError(f"Chromium printed {deck} before it was ready. Try again.")
        path = deck.with_suffix(".pdf")
        write_whole(path, printed.read_bytes())
    return path


def _version(package: Path) -> str | None:
    about = package / "package.json"
    return json.loads(about.read_text("utf-8"))["version"] if about.is_file() else None


def glossary_html(text: str, parts: Path) -> str:
    """The glossary, Markdown, as a page whose links lead to decks."""
    text = re.sub(r"\(<notebooks/(\w+)\.ipynb[^>]*>\)", r"(\1.slides.html)", text)
    text = re.sub(r"\(notebooks/(\w+)\.ipynb[^)]*\)", r"(\1.slides.html)", text)
    text = re.sub(r"(?<!!)\[([^\]]+)\]\((?:\w+/)*\w+\.md\)", r"\1", text)
    mathjax = (parts / MATHJAX[0] / "es5" / "tex-svg.js").read_text("utf-8")
    pieces = {
        "words": re.sub(r'<a class="anchor-link".*?</a>', "", markdown2html(text)),
        "settings": (_TEMPLATE / "mathjax.js").read_text("utf-8"),
        "mathjax": _in_page(mathjax),
    }
    page = (_TEMPLATE / "glossary.html").read_text("utf-8")
    return re.sub(r"\{\{ (\w+) \}\}", lambda match: pieces[match[1]], page)


def _in_page(script: str) -> str:
    """A script ends at the first "</script", wherever that stands."""
    return re.sub(r"</(script)", r"<\\/\1", script)


def deck_html(notebook: NotebookNode, parts: Path, glossary: bool = False) -> str:
    """A notebook as one page of slides; cells that are skipped and solutions are left out.

    glossary: whether every slide has a link to GLOSSARY.html beside the deck.
    """
    title = _title(notebook)
    shown = shown_cells(notebook)
    scripts = [
        (_TEMPLATE / "mathjax.js"),
        parts / MATHJAX[0] / "es5" / "tex-svg.js",
        parts / REVEAL[0] / "dist" / "reveal.js",
        parts / REVEAL[0] / "plugin" / "notes" / "notes.js",
        _TEMPLATE / "deck.js",
    ]
    styles = [
        (parts / REVEAL[0] / "dist" / "reveal.css").read_text("utf-8"),
        HtmlFormatter(style="default").get_style_defs(".highlight"),
        (_TEMPLATE / "deck.css").read_text("utf-8"),
    ]
    exporter = SlidesExporter(
        template_name=_TEMPLATE.name,
        extra_template_basedirs=[str(_TEMPLATE.parent)],
        config=Config({"CSSHTMLHeaderPreprocessor": {"enabled": False}}),
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        exclude_anchor_links=True,
    )
    deck = {
        "title": title,
        "style": "\n".join(styles),
        "scripts": [_in_page(path.read_text("utf-8")) for path in scripts],
        "glossary": str(Path(GLOSSARY).with_suffix(".html")) if glossary else "",
    }
    whole, _ = exporter.from_notebook_node(shown, resources={"deck": deck})
    return whole


def shown_cells(notebook: NotebookNode) -> NotebookNode:
    """A copy with the cells that belong on slides; links lead to decks, widgets are pictures.

    Of a cell tagged `hide-input` (as in Jupyter Book) only the outputs are shown.
    """
    copy = live_outputs(deepcopy(notebook))
    copy.cells = [
        cell
        for cell in copy.cells
        if "solution" not in cell.metadata.get("tags", [])
        and cell.metadata.get("slideshow", {}).get("slide_type") != "skip"
    ]
    for cell in copy.cells:
        if cell.cell_type == "markdown":
            cell.source = re.sub(r"\]\((\w+)\.ipynb\)", r"](\1.slides.html)", cell.source)
            beside = Path(GLOSSARY).with_suffix(".html")
            cell.source = cell.source.replace(f"](../{GLOSSARY})", f"]({beside})")
        for output in cell.get("outputs", []):
            if output.output_type == "stream" and (table := printed_table(output.text)):
                output.output_type, output.data, output.metadata = "display_data", {}, {}
                output.data["text/html"] = table
                del output["name"], output["text"]
        if "hide-input" in cell.metadata.get("tags", []):
            cell.metadata["transient"] = {"remove_source": True}  # nbconvert's own mark
    return copy


def live_outputs(notebook: NotebookNode) -> NotebookNode:
    """The notebook itself, in which widgets that need a kernel have become pictures.

    An explorer that was a widget (`widgets.Explorer`) becomes the same explorer in the page. All
    components have the scripts of today. What was printed in pieces is one text. Progress bars are
    left out.
    """
    state = notebook.metadata.pop("widgets", {}).get(_WIDGET_STATE, {}).get("state", {})
    for cell in notebook.cells:
        if cell.cell_type == "code":
            shown = [one for one in cell.outputs if "progress" not in one.get("metadata", {})]
            cell.outputs = _whole_prints(shown)
        for output in cell.get("outputs", []):
            if "text/html" in output.get("data", {}):
                output.data["text/html"] = page.refreshed(output.data["text/html"])
            if _WIDGET in output.get("data", {}):
                output.data = {"text/html": _still(output.data[_WIDGET]["model_id"], state)}
                output.metadata = {}
    return notebook


def _whole_prints(outputs: Sequence[NotebookNode]) -> list[NotebookNode]:
    """Outputs in which neighbours that were printed to the same stream are one."""
    whole: list[NotebookNode] = []
    for output in outputs:
        last = whole[-1] if whole else None
        if last and output.output_type == last.output_type == "stream" and output.name == last.name:
            last.text += output.text
        else:
            whole.append(output)
    return whole


def printed_table(text: str) -> str:
    """Printed lines as HTML in which those that stand in columns are a table; "" if none do.

    Columns are at least two blanks apart in every line of the table. It has three lines or more;
    a first line without digits above lines with some is its head.
    """
    lines = text.rstrip().expandtabs().split("\n")
    for length in range(len(lines), 2, -1):
        for start in range(len(lines) - length + 1):
            if cells := _columns(lines[start : start + length]):
                parts = [lines[:start], lines[start + length :]]
                before, after = ("\n".join(part).strip("\n") for part in parts)
                table = _html_table(cells)
                return "".join(
                    f"<pre>{html.escape(part)}</pre>" if part is not table else part
                    for part in (before, table, after)
                    if part
                )
    return ""


def _columns(lines: Sequence[str]) -> list[list[str]]:
    """The cells of lines that stand in columns; nothing if they do not, or if one has no number."""
    if not all(line.strip() for line in lines) or any("[" in line for line in lines):
        return []
    width = max(map(len, lines))
    padded = [line.ljust(width) for line in lines]
    blank = [all(line[at] == " " for line in padded) for at in range(width)] + [True]
    edges, start = [], None  # of the columns
    for at in range(width + 1):
        gap = blank[at] and (at + 1 >= width or blank[at + 1])
        if start is None and not blank[at]:
            start = at
        elif start is not None and gap:
            edges.append((start, at))
            start = None
    cells = [[line[a:b].strip() for a, b in edges] for line in padded]
    numbers = sum(bool(re.search(r"\d", "".join(row[1:]))) for row in cells)
    return cells if len(edges) > 1 and numbers >= len(lines) - 1 else []


def _html_table(cells: Sequence[Sequence[str]]) -> str:
    head = cells[0] if not re.search(r"\d", "".join(cells[0])) else None
    rows = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
        for row in (cells if head is None else cells[1:])
    )
    if head is not None:
        names = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in head)
        rows = f"<thead><tr>{names}</tr></thead>{rows}"
    return f'<table class="printed">{rows}</table>'


def _still(widget: str, state: dict) -> str:
    """The pictures inside a widget as it was saved; nothing for a progress bar."""
    content = state.get(widget, {}).get("state", {}).get("content", {})
    if "networks" in content:
        return page.revived(content).html
    pictures, seen, waiting = [], set(), [widget]
    while waiting:
        name = waiting.pop(0)
        if name in seen or name not in state:
            continue
        seen.add(name)
        model = state[name]
        if model["model_name"] == "ImageModel":
            pictures += [part["data"] for part in model.get("buffers", [])]
        waiting += re.findall(r"IPY_MODEL_(\w+)", json.dumps(model["state"].get("children", [])))
    if not pictures:
        return ""
    images = "".join(
        f'<img alt="a picture of the widget, as saved" src="data:image/png;base64,{data}">'
        for data in (picture.replace("\n", "") for picture in pictures)
    )
    words = "In the notebook this is live."
    return f'<div class="pictures">{images}</div><p class="live">{words}</p>'


def _title(notebook: NotebookNode) -> str:
    """The first heading."""
    for cell in notebook.cells:
        if match := re.search(r"^# (.+)$", cell.source, re.M):
            return match[1].strip()
    raise ValueError("The notebook has no heading '# ...' to name its slides.")


def write_index(out: Path, notebooks: Path = _ROOT / "notebooks") -> None:
    """Writes index.html: every deck in the folder `out`, its PDF, and the glossary."""
    rows = []
    for name, path in find((), notebooks).items():
        if (out / f"{name}.slides.html").is_file():
            title = html.escape(_title(nbformat.read(path, as_version=4)))
            printed = out / f"{name}.slides.pdf"
            also = f' (<a href="{printed.name}">PDF</a>)' if printed.is_file() else ""
            rows.append(f'<li><a href="{name}.slides.html">{title}</a>{also}</li>')
    if (words := out / Path(GLOSSARY).with_suffix(".html")).is_file():
        rows.append(f'<li><a href="{words.name}">Glossary</a></li>')
    contents = (_TEMPLATE / "contents.html").read_text("utf-8")
    write_whole(out / "index.html", contents.replace("{{ rows }}", "\n".join(rows)).encode())
