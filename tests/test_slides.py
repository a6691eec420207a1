"""The slides: what they leave out, and every deck looked at in a real browser without network."""

import base64
import io
import re
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from dvae_helpers import __main__ as command_line
from dvae_helpers import slides

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))

TOLD = """() => {
  const copy = document.querySelector('.slides').cloneNode(true);
  copy.querySelectorAll('.carried, aside').forEach(one => one.remove());
  return copy.textContent;
}"""
# Every slide is shown in turn, with its fragments; what reaches over an edge is reported.
OVERFLOWS = """() => {
const frame = document.querySelector('.slides').getBoundingClientRect();
return [...document.querySelectorAll('.slides > section > section')].flatMap(slide => {
  const {h, v} = Reveal.getIndices(slide);
  Reveal.slide(h, v);
  slide.querySelectorAll('.fragment').forEach(part => part.classList.add('visible'));
  const over = [...slide.querySelectorAll('*')].filter(part => {
    const box = part.getBoundingClientRect();
    return box.width > 0
      && !part.closest('aside, mjx-assistive-mml, details:not([open]) > :not(summary)')
      && (box.bottom > frame.bottom || box.right > frame.right || box.left < frame.left);
  });
  const words = slide.textContent.trim().slice(0, 40);
  const wide = slide.scrollWidth > slide.clientWidth;
  return over.length || wide ? [`slide ${h}.${v} overflows: ${words}`] : [];
})}"""
UNRENDERED = r"""() => {
  const wrong = [...document.querySelectorAll('[data-mml-node=merror]')].map(e => e.textContent);
  for (const part of document.querySelectorAll('.slides .jp-MarkdownOutput')) {
    const copy = part.cloneNode(true);
    copy.querySelectorAll('code, pre, mjx-container').forEach(inside => inside.remove());
    if (/\$|\\[a-zA-Z([]/.test(copy.textContent)) wrong.push(copy.textContent.trim());
  }
  return wrong.map(text => `formula not set: ${text.slice(0, 80)}`);
}"""
# What a slide that can be lectured from has: a heading, words, code that is read in the last row.
RULES = """() => [...document.querySelectorAll('.slides > section > section')].flatMap(slide => {
  const {h, v} = Reveal.getIndices(slide), wrong = [];
  Reveal.slide(h, v);
  slide.querySelectorAll('.fragment').forEach(part => part.classList.add('visible'));
  const all = what => [...slide.querySelectorAll(what)].filter(one => !one.closest('aside'));
  if (!all('h1, h2, h3, h4').some(one => one.textContent.trim())) wrong.push('no heading');
  const words = all('.jp-MarkdownOutput > :is(p, ul, ol, blockquote, table),'
    + ' .carried:not(h3), .dvae-vote :is(legend, .question)');
  if (!words.some(one => one.textContent.trim())) wrong.push('no text');
  const cells = all('.jp-Cell').filter(one => one.getBoundingClientRect().height > 0);
  if (!cells.length) wrong.push('nothing of its own');
  for (const block of all('.jp-InputArea pre')) {
    const {fontSize, lineHeight} = getComputedStyle(block);
    if (parseFloat(fontSize) < 24) wrong.push(`code of ${fontSize}`);
    const lines = Math.round(block.clientHeight / parseFloat(lineHeight));
    if (lines > 12) wrong.push(`${lines} lines of code`);
  }
  for (const formula of all('.columns mjx-container')) {
    const column = formula.closest('.columns > div').getBoundingClientRect();
    if (formula.getBoundingClientRect().right > column.right + 1) wrong.push('formula cut off');
  }
  for (const figure of all('img[data-tile]')) {
    const scale = figure.getBoundingClientRect().width / figure.dataset.width;
    const tile = Math.round(scale * figure.dataset.tile);
    if (tile < 34) wrong.push(`images of ${tile} pixels`);
  }
  const start = slide.textContent.trim().slice(0, 40);
  return wrong.map(what => `slide ${h}.${v}, ${what}: ${start}`);
})"""
# Slides with a figure, a widget or a vote, of which the lecturer's window says nothing.
SILENT = """() => [...document.querySelectorAll('.slides > section > section')]
  .filter(slide => [...slide.querySelectorAll('img, canvas, input[type=range], .dvae-vote')]
    .some(one => !one.closest('aside')))
  .filter(slide => !slide.querySelector('aside.notes'))
  .map(slide => `no note: ${slide.textContent.trim().slice(0, 60)}`)"""
SMALLEST = """() => Math.min(...[...document.querySelectorAll('.slides pre')]
  .map(block => parseFloat(getComputedStyle(block).fontSize)))"""


@pytest.fixture
def page(browser):
    context = browser.new_context(viewport={"width": 1280, "height": 720}, offline=True)
    yield context.new_page()
    context.close()


def problems(page, path: Path) -> list[str]:
    """What is wrong with a deck, as lines: errors, requests, formulas, overflowing slides."""
    found = []

    def request(asked):
        if asked.url != path.as_uri() and not asked.url.startswith("data:"):
            found.append(f"request: {asked.url[:80]}")

    def message(said):
        if said.type in ("error", "warning"):
            found.append(f"console: {said.text[:200]}")

    page.on("request", request)
    page.on("pageerror", lambda error: found.append(f"script error: {error}"))
    page.on("console", message)
    page.goto(path.as_uri(), timeout=240_000)
    page.evaluate("() => deck.ready")
    return found + page.evaluate(UNRENDERED) + page.evaluate(OVERFLOWS)


def cell(make, source, kind="slide", **more):
    return make(source, metadata={"slideshow": {"slide_type": kind}}, **more)


def html_output(content):
    return [new_output("display_data", {"text/html": content})]


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in NOTEBOOKS])
def test_a_deck_is_whole_fits_and_asks_the_network_for_nothing(path, parts, page, tmp_path):
    notebook = nbformat.read(path, as_version=4)
    deck = tmp_path / "deck.html"
    deck.write_text(slides.deck_html(notebook, parts), "utf-8")
    assert deck.stat().st_size < 5e6
    assert problems(page, deck) == []
    assert page.evaluate(RULES) == []
    assert page.evaluate("() => document.querySelectorAll('mjx-container svg').length") > 0
    assert page.evaluate("() => document.querySelectorAll('aside.notes').length") > 0
    assert page.evaluate(SILENT) == []
    assert page.evaluate(SMALLEST) >= 15
    # Long slides were cut: nothing of the code may be lost, and nothing told too early.
    shown = "".join(page.evaluate(TOLD).split())
    for one in notebook.cells:
        if one.cell_type == "code":
            hidden = "solution" in one.metadata.get("tags", [])
            hidden |= one.metadata.slideshow.slide_type == "skip"
            hidden |= "hide-input" in one.metadata.get("tags", [])
            assert ("".join(one.source.split()) in shown) != hidden, one.source


def without_note(notebook):
    """The ids of the cells that show a figure, a widget or a vote on a slide without a note."""
    silent, on_slide, noted = [], [], False
    for one in [*slides.shown_cells(notebook).cells, cell(new_markdown_cell, "the end")]:
        kind = one.metadata.slideshow.slide_type
        if kind in ("slide", "subslide"):
            silent += [] if noted else on_slide
            on_slide, noted = [], False
        noted |= kind == "notes"
        for data in (output.get("data", {}) for output in one.get("outputs", [])):
            live = data.get("text/html", "")
            if "image/png" in data or (live and 'class="printed"' not in live):
                on_slide.append(one.id)
    return silent


@pytest.mark.parametrize("path", [pytest.param(one, id=one.stem) for one in NOTEBOOKS])
def test_every_figure_has_a_speaker_s_note(path):
    assert without_note(nbformat.read(path, as_version=4)) == []


def test_a_note_counts_for_its_own_slide_only():
    cells = [
        cell(new_code_cell, "1", outputs=figure(9, 9), id="one"),
        cell(new_markdown_cell, "What is this?", "notes"),
        cell(new_code_cell, "2", "fragment", outputs=html_output("<b>live</b>"), id="two"),
        cell(new_code_cell, "3", "subslide", outputs=figure(9, 9), id="three"),
        cell(new_markdown_cell, "Of the next slide", "slide"),
        cell(new_markdown_cell, "Look here.", "notes"),
        cell(new_code_cell, "4", outputs=[new_output("stream", text="a  b\n1  2\n3  4\n")]),
    ]
    assert without_note(new_notebook(cells=cells)) == ["three"]
    solution = cell(new_code_cell, "5", outputs=figure(9, 9), id="five")
    solution.metadata.tags = ["solution"]
    assert without_note(new_notebook(cells=[solution])) == []


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (cell(new_markdown_cell, "many words " * 900), "slide 1.0 overflows: Title"),
        (cell(new_markdown_cell, "W" * 300), "slide 1.0 overflows: Title"),
        (cell(new_markdown_cell, r"$\nosuchmacro{x}$"), "formula not set"),
        (cell(new_markdown_cell, r"\$\frac{1}{2}"), "formula not set: $"),
        (cell(new_markdown_cell, r"$\cancel{x}$"), "formula not set"),
        (
            cell(new_code_cell, "0", outputs=html_output("<script>absent()</script>")),
            "script error: absent is not defined",
        ),
        (
            cell(new_code_cell, "0", outputs=html_output('<img src="http://localhost:9/a.png">')),
            "request: http://localhost:9/a.png",
        ),
    ],
)
def test_the_check_sees_what_is_wrong(bad, said, parts, page, tmp_path):
    deck = tmp_path / "bad.html"
    good = [cell(new_markdown_cell, "# Title"), cell(new_code_cell, "1 + 1", "fragment")]
    deck.write_text(slides.deck_html(new_notebook(cells=[*good, bad]), parts), "utf-8")
    assert any(line.startswith(said) for line in problems(page, deck))


def figure(width, height):
    """An output: a grey picture."""
    content = io.BytesIO()
    Image.new("L", (width, height), 128).save(content, "PNG")
    data = {"image/png": base64.b64encode(content.getvalue()).decode()}
    return [new_output("display_data", data, metadata={"image/png": {"alt": "grey"}})]


def texts(page):
    """What stands on each slide, stack by stack."""
    return page.evaluate(
        "() => [...document.querySelectorAll('.slides > section')].map("
        "stack => [...stack.children].map(slide => slide.textContent.trim()))"
    )


def test_long_code_goes_on_below_with_its_heading_and_what_was_said(parts, page, tmp_path):
    code = "\n".join(f"def f{i}(x):\n    return x + {i}\n" for i in range(13)).rstrip()
    printed = [new_output("stream", name="stdout", text="printed\n")]
    cells = [
        cell(new_markdown_cell, "# Short"),
        cell(new_markdown_cell, "## Long\n\nFirst this is said.\n\nHere come the functions."),
        cell(new_code_cell, code, "fragment", outputs=printed),
    ]
    deck = tmp_path / "long.html"
    deck.write_text(slides.deck_html(new_notebook(cells=cells), parts), "utf-8")
    assert problems(page, deck) == []
    assert [line for line in page.evaluate(RULES) if "slide 0" not in line] == []
    stacks = texts(page)
    assert [len(stack) for stack in stacks] == [1, len(stacks[1])]
    assert len(stacks[1]) > 3
    assert "printed" in stacks[1][-1]
    assert all("Long" in text and "Here come the functions." in text for text in stacks[1][1:])
    assert "".join(code.split()) in "".join(page.evaluate(TOLD).split())


def test_a_figure_or_a_line_of_output_stands_with_the_text_before_it(parts, page, tmp_path):
    said = "A few words about what is to be seen below, and where one should look first."
    printed = [new_output("stream", name="stdout", text="printed\n")]
    cells = [
        cell(new_markdown_cell, f"# A title\n\n{said}"),
        cell(new_code_cell, "1", "subslide", outputs=printed),
        cell(new_markdown_cell, f"## Another\n\n{said * 9}\n\nHere are the last words."),
        cell(new_code_cell, "2", "subslide", outputs=figure(900, 500)),
    ]
    deck = tmp_path / "beside.html"
    deck.write_text(slides.deck_html(new_notebook(cells=cells), parts), "utf-8")
    assert problems(page, deck) == []
    assert page.evaluate(RULES) == []
    first, second = texts(page)
    assert len(first) == 1
    assert "printed" in first[0]
    assert len(second) == 2, second
    assert "Here are the last words." not in second[0]  # they went along
    assert second[1].startswith("Another")
    assert "Here are the last words." in second[1]


def test_of_a_long_paragraph_the_last_sentence_is_carried_whole(parts, page, tmp_path):
    """A full stop within a name ends no sentence, and the words stand below the heading."""
    last = "(The rest is in `data/marks.npz`; the next figure counts all of it.)"
    said = f"{'These words fill the slide. ' * 12}{last}"
    cells = [
        cell(new_markdown_cell, f"# A title\n\n{said}"),
        cell(new_code_cell, "2", "subslide", outputs=figure(1200, 700)),
    ]
    deck = tmp_path / "carried.html"
    deck.write_text(slides.deck_html(new_notebook(cells=cells), parts), "utf-8")
    assert problems(page, deck) == []
    heading, carried = page.evaluate(
        "() => [...document.querySelectorAll('.carried')].map(one => one.textContent)"
    )
    assert (heading, carried) == ("A title", last.replace("`", ""))


def test_a_table_stays_where_it_stands(parts, page, tmp_path):
    """The words before it are said again, not the table."""
    table = "| score | question |\n|---|---|\n" + "| MIG | how large is the gap? |\n" * 9
    cells = [
        cell(new_markdown_cell, f"# A title\n\nThese are the scores of papers:\n\n{table}"),
        cell(new_code_cell, "2", "subslide", outputs=figure(1200, 700)),
    ]
    deck = tmp_path / "table.html"
    deck.write_text(slides.deck_html(new_notebook(cells=cells), parts), "utf-8")
    assert problems(page, deck) == []
    assert page.evaluate(RULES) == []
    _, second = texts(page)[0]
    tables = "() => [...document.querySelectorAll('.slides > section > section')].map("
    assert page.evaluate(tables + "s => s.querySelectorAll('table').length)") == [1, 0]
    assert "These are the scores of papers:" in second


def test_the_rules_see_code_that_nothing_was_said_about(parts, page, tmp_path):
    cells = [cell(new_code_cell, "1 + 1"), cell(new_markdown_cell, "# A title\n\nAnd words.")]
    deck = tmp_path / "bare.html"
    deck.write_text(slides.deck_html(new_notebook(cells=cells), parts), "utf-8")
    assert problems(page, deck) == []
    assert page.evaluate(RULES) == [
        "slide 0.0, no heading: 1 + 1",
        "slide 0.0, no text: 1 + 1",
    ]


@pytest.mark.parametrize(
    ("text", "rows", "head"),
    [
        (
            "beta   rate\n 0.5  10.21\n   1   9.9\n",
            [["0.5", "10.21"], ["1", "9.9"]],
            ["beta", "rate"],
        ),
        ("VAE        0.1  2\nbeta-VAE  10.0  3\nGAN        7.0  4", 3, None),
        ("some words first\nA   1   2\nB   3   4\nC  10  20\nand words after", 3, None),
    ],
)
def test_printed_columns_become_a_table(text, rows, head):
    made = slides.printed_table(text)
    found = [re.findall("<td>(.*?)</td>", row) for row in re.findall("<tr>(.*?)</tr>", made)]
    found = [row for row in found if row]
    assert len(found) == (rows if isinstance(rows, int) else len(rows))
    if not isinstance(rows, int):
        assert found == rows
    assert re.findall("<th [^>]*>(.*?)</th>", made) == (head or [])
    assert ("words first" in text) == ("<pre>some words first</pre>" in made)


@pytest.mark.parametrize(
    "text",
    [
        "one line",
        "Some words that are set\nin three lines of prose,\nas a person writes them.",
        "tensor([[1.,  2.],\n        [3.,  4.],\n        [5.,  6.]])",
        "a  b\nc  d\ne  f",
        "",
    ],
)
def test_what_is_no_table_stays_as_it_was_printed(text):
    assert slides.printed_table(text) == ""


def test_what_was_printed_in_pieces_is_one_text():
    pieces = [new_output("stream", name="stdout", text=text) for text in ("a\n", "b\n")]
    pieces += [new_output("stream", name="stderr", text="c\n")]
    shown = slides.live_outputs(new_notebook(cells=[new_code_cell("x", outputs=pieces)]))
    assert [output.text for output in shown.cells[0].outputs] == ["a\nb\n", "c\n"]


def test_a_deck_is_used_with_keys(parts, page, tmp_path):
    cells = [
        cell(new_markdown_cell, "# First"),
        cell(new_markdown_cell, "Say **this** aloud.", "notes"),
        cell(new_markdown_cell, "later", "fragment"),
        cell(new_markdown_cell, "Second"),
    ]
    deck = tmp_path / "keys.html"
    deck.write_text(slides.deck_html(new_notebook(cells=cells), parts), "utf-8")
    assert problems(page, deck) == []
    page.evaluate("() => Reveal.slide(0, 0, -1)")
    assert not page.get_by_text("Say this aloud").is_visible()
    page.keyboard.press("Space")
    assert page.evaluate("() => Reveal.getIndices().f") == 0
    page.keyboard.press("Space")
    assert page.evaluate("() => Reveal.getIndices().h") == 1
    page.keyboard.press("ArrowLeft")
    with page.expect_popup() as popup:
        page.keyboard.press("s")
    popup.value.get_by_text("Say this aloud").wait_for(timeout=10_000)


def test_solutions_and_skipped_cells_stay_out_links_and_widgets_change():
    picture = {"model_name": "ImageModel", "state": {}, "buffers": [{"data": "QUJD"}]}
    box = {"model_name": "VBoxModel", "state": {"children": ["IPY_MODEL_b", "IPY_MODEL_none"]}}
    bar = {"model_name": "FloatProgressModel", "state": {"children": []}}
    state = {"state": {"a": box, "b": picture, "c": bar}}
    kind = "application/vnd.jupyter.widget-view+json"
    outputs = [new_output("display_data", {kind: {"model_id": name}}) for name in "ac"]
    line = {"text/plain": "100%|##| 5/5"}
    outputs.append(new_output("display_data", line, metadata={"progress": True}))
    hidden = cell(new_code_cell, "answer = 42", "subslide")
    hidden.metadata.tags = ["solution"]
    notebook = new_notebook(
        cells=[
            cell(new_markdown_cell, "See [the next](01_next.ipynb)."),
            cell(new_code_cell, "box", outputs=outputs),
            cell(new_markdown_cell, "only in the notebook", "skip"),
            hidden,
        ],
        metadata={"widgets": {"application/vnd.jupyter.widget-state+json": state}},
    )
    shown = slides.shown_cells(notebook)
    assert [one.source for one in shown.cells] == ["See [the next](01_next.slides.html).", "box"]
    first, second = (output.data["text/html"] for output in shown.cells[1].outputs)
    assert re.findall(r'src="(.+?)"', first) == ["data:image/png;base64,QUJD"]
    assert "In the notebook this is live" in first
    assert second == ""
    assert len(notebook.cells) == 4
    assert "widgets" in notebook.metadata


def test_a_cell_with_hidden_input_shows_what_it_makes(parts):
    outputs = html_output("<b>made by it</b>")
    plot = cell(new_code_cell, "draw_a_figure()", outputs=outputs)
    plot.metadata.tags = ["hide-input"]
    title = cell(new_markdown_cell, "# A title")
    page = slides.deck_html(new_notebook(cells=[title, plot]), parts)
    assert "made by it" in page
    assert "draw_a_figure" not in page
    plot.metadata.tags = []
    assert "draw_a_figure" in slides.deck_html(new_notebook(cells=[title, plot]), parts)


def test_the_command_writes_the_decks_that_are_named_and_a_list(parts, tmp_path, capsys):
    out = tmp_path / "decks"
    name = NOTEBOOKS[0].stem
    assert command_line.main(["slides", name, "--out", str(out)]) == 0
    assert "MB" in capsys.readouterr().out
    deck = f"{name}.slides.html"
    assert {path.name for path in out.iterdir()} == {deck, "GLOSSARY.html", "index.html"}
    index = (out / "index.html").read_text("utf-8")
    assert re.findall(r'href="(\w.+?)"', index) == ["data:,", deck, "GLOSSARY.html"]
    (out / f"{name}.slides.pdf").write_bytes(b"printed")
    slides.write_index(out)
    assert f'<a href="{name}.slides.pdf">PDF</a>' in (out / "index.html").read_text("utf-8")


def test_the_glossary_is_one_click_from_every_slide(parts, page, tmp_path):
    cells = [cell(new_markdown_cell, "# First"), cell(new_markdown_cell, "## Second")]
    deck = tmp_path / "00_start_here.slides.html"
    deck.write_text(slides.deck_html(new_notebook(cells=cells), parts, True), "utf-8")
    text = (NOTEBOOKS[0].parents[1] / slides.GLOSSARY).read_text("utf-8")
    (tmp_path / "GLOSSARY.html").write_text(slides.glossary_html(text, parts), "utf-8")
    assert problems(page, deck) == []
    page.evaluate("() => Reveal.slide(1)")
    number = page.locator(".slide-number").bounding_box()
    link = page.get_by_role("link", name="Glossary")
    assert link.bounding_box()["x"] > number["x"] + number["width"]
    link.click()
    page.get_by_role("heading", name="Glossary", exact=False).first.wait_for()
    page.evaluate("() => deck.ready")
    assert page.locator("td mjx-container svg").count() > 20
    assert page.locator("[data-mml-node=merror]").count() == 0
    left = page.evaluate("() => [...document.links].map(one => one.getAttribute('href'))")
    left = {one for one in left if not one.startswith("http")}
    assert left <= {f"{path.stem}.slides.html" for path in NOTEBOOKS}
    assert "$" not in page.locator("main").inner_text()
    assert "Glossary" not in slides.deck_html(new_notebook(cells=cells), parts)


def test_an_unknown_notebook_is_answered_with_those_that_are_there(tmp_path, capsys):
    assert command_line.main(["slides", "99_nothing", "--out", str(tmp_path / "none")]) == 2
    said = capsys.readouterr().err
    assert "no notebook '99_nothing'" in said
    assert NOTEBOOKS[-1].stem in said
    assert not (tmp_path / "none").exists()


def test_without_npm_the_message_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(slides.shutil, "which", lambda name: None)
    with pytest.raises(ValueError, match=r"reveal\.js@4\.6\.1 and mathjax@3\.2\.2.* Node\.js"):
        slides.fetch(tmp_path / "node_modules")


def test_without_network_the_message_says_so_and_repeats_npm(tmp_path, monkeypatch):
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho 'npm error code ENOTFOUND' >&2\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setattr(slides.shutil, "which", lambda name: str(npm))
    with pytest.raises(ValueError, match=r"need the network; .*code ENOTFOUND"):
        slides.fetch(tmp_path / "node_modules")


def test_without_chromium_the_decks_are_made_and_one_line_says_what_to_install(
    parts, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("PATH", str(tmp_path))
    out = tmp_path / "decks"
    assert command_line.main(["slides", NOTEBOOKS[-1].stem, "--pdf", "--out", str(out)]) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("No PDF")]
    assert len(said) == 1
    assert "apt install chromium" in said[0]
    assert {path.suffix for path in out.iterdir()} == {".html"}


def test_the_pdf_has_a_page_for_each_slide(parts, browser, tmp_path):
    cells = [cell(new_markdown_cell, "# First"), cell(new_markdown_cell, "$x^2$", "subslide")]
    cells += [cell(new_markdown_cell, "later", "fragment"), cell(new_markdown_cell, "Third")]
    deck = tmp_path / "a deck.slides.html"
    deck.write_text(slides.deck_html(new_notebook(cells=cells), parts), "utf-8")
    printed = slides.pdf(deck)
    assert printed == tmp_path / "a deck.slides.pdf"
    # One each; Chromium was seen to add one.
    assert len(re.findall(rb"/Type /Page\b", printed.read_bytes())) in (3, 4)


def test_a_printed_page_has_the_margins_of_its_slide(parts, page, tmp_path):
    deck = tmp_path / "margins.html"
    cells = [cell(new_markdown_cell, "# First"), cell(new_markdown_cell, "## Second")]
    deck.write_text(slides.deck_html(new_notebook(cells=cells), parts), "utf-8")
    page.goto(f"{deck.as_uri()}?print-pdf")
    page.evaluate("() => deck.ready")
    page.locator(".pdf-page").nth(1).wait_for()
    for sheet in page.locator(".pdf-page").all():
        outside, heading = sheet.bounding_box(), sheet.locator("h1, h2").bounding_box()
        assert heading["x"] - outside["x"] >= 40
        assert heading["y"] - outside["y"] >= 20


def test_what_is_there_in_its_version_is_not_fetched_again(tmp_path, monkeypatch):
    for name, version in (slides.REVEAL, slides.MATHJAX):
        (tmp_path / name).mkdir()
        (tmp_path / name / "package.json").write_text(f'{{"version": "{version}"}}')
    monkeypatch.setattr(slides.shutil, "which", lambda name: None)
    assert slides.fetch(tmp_path) == tmp_path
    (tmp_path / "mathjax" / "package.json").write_text('{"version": "4.0.0"}')
    with pytest.raises(ValueError, match="no npm"):
        slides.fetch(tmp_path)


def test_a_link_to_the_glossary_leads_to_the_page_beside_the_deck():
    words = "Words are explained in the [glossary](../GLOSSARY.md)."
    (shown,) = slides.shown_cells(new_notebook(cells=[cell(new_markdown_cell, words)])).cells
    assert shown.source == "Words are explained in the [glossary](GLOSSARY.html)."
