"""The course in a real browser: JupyterLab with its explorer, an exported page, a deck."""

import lab
import nbformat
import pytest
import torch
from nbconvert import HTMLExporter
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from dvae_helpers import page as pages
from dvae_helpers import slides, widgets, zoo

START = "00_start_here.ipynb"
PICTURE = "canvas => canvas.toDataURL()"
CODE = """import torch
from dvae_helpers import datasets, widgets, zoo
data = datasets.load("small_sprites")
model = zoo.load("small_beta_vae_8")"""
LOOK = """top => [...document.querySelectorAll('.dvae .live')].map(live => {
  live.scrollIntoView();
  const panel = document.querySelector('.jp-WindowedPanel-outer');
  const bottom = panel ? panel.getBoundingClientRect().bottom : window.innerHeight;
  const shown = [...live.querySelectorAll('canvas, svg, img')]
    .filter(one => one.getBoundingClientRect().height > 0 && !one.closest('.choice'));
  const uneven = shown.filter(one => {
    const {width, height} = one.getBoundingClientRect();
    const box = one.viewBox && one.viewBox.baseVal;
    const wide = box ? box.width : one.naturalWidth || one.width;
    const high = box ? box.height : one.naturalHeight || one.height;
    return Math.abs(width * high / (height * wide) - 1) > 0.03;
  });
  const moved = '.live > .sliders > label > input, .ticks input';
  const all = [...shown, ...live.querySelectorAll(moved)];
  const reach = Math.max(...all.map(one => one.getBoundingClientRect().bottom));
  return {
    what: live.textContent.slice(0, 40), uneven: uneven.length,
    below: Math.round(reach - bottom), above: live.scrollWidth - live.clientWidth,
  };
})"""
LIVE = """box = widgets.Explorer(model, data, 2000)
box"""


def saved(data) -> nbformat.NotebookNode:
    """A notebook that was run: an explorer is its output."""
    component = pages.explorer(zoo.load("small_beta_vae_8"), data, 2000, title="An explorer")
    output = new_output("display_data", component._repr_mimebundle_())
    slide = {"slideshow": {"slide_type": "slide"}}
    title = new_markdown_cell("# Saved", metadata=slide)
    code = new_code_cell("explorer", outputs=[output], metadata=slide, execution_count=1)
    kernel = lab.excerpt(START, []).metadata
    return new_notebook(cells=[title, code], metadata=kernel)


def moved(data) -> nbformat.NotebookNode:
    """A notebook that was run, with all that moves in the page."""
    model, index = zoo.load("small_beta_vae_8"), torch.arange(8) * 500
    trained = {float(beta): zoo.load(f"small_beta_vae_{beta}") for beta in (1, 8)}
    points = {1.0: torch.tensor([[12.0, 20.0]]), 8.0: torch.tensor([[6.0, 40.0]])}
    faces = zoo.load("faces_gaussian_beta_tcvae_6_seed0")
    shown = [
        pages.explorer(model, data, 2000),
        pages.explorer({f"beta = {beta:g}": one for beta, one in trained.items()}, data, 2000),
        widgets.frontier(trained, points, data, index),
        widgets.gap_explorer(),
        widgets.race({"code A": torch.eye(6)}, [1, 1, 3, 2, 5, 1], [3, 5, 1, 7, 0, 1]),
        widgets.be_the_encoder(0.8, 0.45),
        widgets.swapper(model, data, 2000, 17),
        pages.traversal(faces, torch.zeros(faces.latents), [0, 5, 9, 7, 2, 6]),
    ]
    cells = [
        new_code_cell(
            "widget",
            outputs=[new_output("display_data", component._repr_mimebundle_())],
            execution_count=1,
        )
        for component in shown
    ]
    return new_notebook(cells=cells, metadata=lab.excerpt(START, []).metadata)


@pytest.fixture(scope="module")
def address(tmp_path_factory, browser, small):
    """Of JupyterLab. It waits for `browser`, so that it does not start if there is none."""
    play = lab.excerpt(START, [CODE, "widgets.explorer(model, data, 2000)", LIVE, "box.codes[0]"])
    more = {"play.ipynb": play, "0_saved.ipynb": saved(small), "0_moved.ipynb": moved(small)}
    words = new_markdown_cell("What is a latent? [Glossary](../GLOSSARY.md)")
    more["words.ipynb"] = new_notebook(cells=[words], metadata=play.metadata)
    with lab.running(tmp_path_factory.mktemp("lab"), more) as address:
        yield address


def opened(browser, **more):
    context = browser.new_context(viewport={"width": 1366, "height": 768}, **more)
    context.set_default_timeout(1000 * lab.PATIENCE)
    return context.new_page()


@pytest.fixture
def notebook(address, browser):
    """Opens a notebook in JupyterLab; afterwards its kernel is shut down."""
    pages = []

    def go(name):
        page = opened(browser)
        pages.append(page)
        page.goto(f"{address}/lab/tree/notebooks/{name}?token={lab.TOKEN}&reset")
        page.locator(".jp-Notebook .jp-Cell").first.wait_for()
        return page

    yield go
    for page in pages:
        page.evaluate("() => jupyterapp.serviceManager.sessions.shutdownAll()")
        page.context.close()


def use_the_page(page, whole=None):
    """Moves two sliders with keys; the first must stay where it was put."""
    whole = whole or page.locator(".dvae").first
    whole.locator("input[type=range]").first.wait_for()
    assert whole.locator("img").count() == 0  # the sheet has made way
    sliders = whole.locator("input[type=range]:visible").all()
    picture = whole.locator(".picture canvas").nth(1)
    whole.get_by_role("button", name="Back to its code").click()
    page.wait_for_timeout(300)
    seen = [picture.evaluate(PICTURE)]

    def press(slider, key):
        slider.focus()
        for _ in range(40):
            page.keyboard.press(key)
        page.wait_for_timeout(300)
        seen.append(picture.evaluate(PICTURE))

    start = [float(slider.input_value()) for slider in sliders]
    press(sliders[0], "ArrowRight")
    press(sliders[1], "ArrowLeft")
    assert len(set(seen)) == 3
    moved = [float(slider.input_value()) for slider in sliders]
    assert moved[0] > start[0]
    assert moved[1] < start[1]
    assert moved[2:] == start[2:]
    number = whole.locator("output").first.text_content()
    assert sliders[0].get_attribute("aria-valuetext") == number
    whole.get_by_role("button", name="Back to its code").click()
    page.wait_for_timeout(300)
    assert picture.evaluate(PICTURE) == seen[0]


def test_in_jupyterlab_the_page_works_before_any_cell_is_run(notebook):
    page = notebook("0_saved.ipynb")
    page.locator(".dvae").first.scroll_into_view_if_needed()
    active = "() => jupyterapp.shell.currentWidget.content.activeCellIndex"
    at = page.evaluate(active)
    use_the_page(page)
    # The arrow keys did not also walk through the cells; the click may have chosen this one.
    assert page.evaluate(active) in (at, 1)


def test_in_jupyterlab_it_moves_while_the_kernel_is_gone_and_tells_it_the_code(notebook):
    page = notebook("play.ipynb")
    page.wait_for_function("() => jupyterapp.shell.currentWidget.sessionContext?.isReady")
    page.evaluate("() => jupyterapp.commands.execute('notebook:run-all-cells')")
    page.locator(".dvae").nth(1).locator("input[type=range]").first.wait_for()
    live = page.locator(".dvae").nth(1)
    use_the_page(page, live)
    live.locator("input[type=range]").first.evaluate(
        "one => { one.value = 1.25; one.dispatchEvent(new Event('input')); }"
    )
    page.wait_for_timeout(500)
    page.evaluate("""async () => {
      const {content} = jupyterapp.shell.currentWidget;
      content.activeCellIndex = 3;
      await jupyterapp.commands.execute('notebook:run-cell');
    }""")
    page.get_by_text("1.25").last.wait_for()
    page.evaluate("() => jupyterapp.serviceManager.sessions.shutdownAll()")
    page.wait_for_timeout(500)
    use_the_page(page, page.locator(".dvae").first)
    use_the_page(page, live)


def test_in_jupyterlab_the_glossary_is_one_click_from_a_notebook(notebook):
    page = notebook("words.ipynb")
    page.get_by_role("link", name="Glossary").click()
    page.locator(".jp-MarkdownViewer").get_by_role("heading", name="Glossary").first.wait_for()
    page.locator(".jp-MarkdownViewer mjx-container").first.wait_for()
    assert page.get_by_text("Would you like to get notified").count() == 0


@pytest.mark.parametrize("path", sorted(lab.NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_saved_notebook_that_is_opened_again_has_no_broken_parts(path, notebook):
    page = notebook(path.name)
    saved = nbformat.read(path, as_version=4)
    outputs = [one for cell in saved.cells for one in cell.get("outputs", [])]
    texts = [one.get("data", {}).get("text/html", "") for one in outputs]
    live = sum('<figure class="dvae"' in text for text in texts)
    page.wait_for_function(
        "live => document.querySelectorAll('.jp-Notebook .dvae .live').length === live", arg=live
    )
    broken = page.evaluate("""async () => {
      const images = [...document.querySelectorAll(".jp-Notebook img")];
      const loaded = await Promise.allSettled(images.map((one) => one.decode()));
      return loaded.filter((one) => one.status === "rejected").length;
    }""")
    assert broken == 0
    for slider in page.locator(".dvae input[type=range]:visible").all():
        assert slider.is_enabled()


def out_of_view(page, count):
    """What is squashed, or not in view together with its sliders: its first words."""
    page.locator(".dvae .live").nth(count - 1).wait_for()
    page.wait_for_timeout(1500)
    found = page.evaluate(LOOK)
    assert len(found) == count
    return [one for one in found if one["uneven"] or one["below"] > 0 or one["above"] > 0]


def test_in_jupyterlab_sliders_and_pictures_are_in_view_at_once(notebook):
    assert out_of_view(notebook("0_moved.ipynb"), 8) == []


@pytest.mark.parametrize("width", [911])  # a laptop at 150 %
def test_in_a_small_window_sliders_and_pictures_are_in_view_at_once(
    width, browser, tmp_path, small
):
    parts = [cell.outputs[0].data["text/html"] for cell in moved(small).cells]
    path = tmp_path / "moved.html"
    path.write_text("<!doctype html><meta charset=utf-8><title>t</title>" + "".join(parts), "utf-8")
    page = opened(browser)
    page.set_viewport_size({"width": width, "height": 512 if width > 600 else 400})
    page.goto(path.as_uri())
    wrong = out_of_view(page, 8)
    page.context.close()
    assert wrong == []


@pytest.fixture(scope="module")
def exported(tmp_path_factory, small):
    path = tmp_path_factory.mktemp("page") / "saved.html"
    path.write_text(HTMLExporter().from_notebook_node(saved(small))[0], "utf-8")
    return path


def test_an_exported_page_is_used_without_network(exported, browser):
    page = opened(browser, offline=True)
    page.goto(exported.as_uri(), wait_until="domcontentloaded")
    use_the_page(page)
    page.context.close()


def test_where_scripts_are_stripped_the_pictures_are_seen(exported, browser):
    page = opened(browser, offline=True, java_script_enabled=False)
    page.goto(exported.as_uri(), wait_until="domcontentloaded")
    box = page.locator(".dvae img").first.bounding_box()
    assert min(box["width"], box["height"]) > 60
    assert page.locator(".dvae figcaption").first.is_visible()
    assert page.locator(".dvae input").count() == 0
    page.context.close()


def test_a_deck_is_used_without_network(parts, browser, tmp_path, small):
    deck = tmp_path / "deck.html"
    deck.write_text(slides.deck_html(saved(small), parts), "utf-8")
    page = opened(browser, offline=True)
    page.goto(deck.as_uri())
    page.evaluate("() => deck.ready")
    page.evaluate("""() => {
      const slide = document.querySelector(".dvae").closest("section");
      const {h, v} = Reveal.getIndices(slide);
      Reveal.slide(h, v);
      while (Reveal.nextFragment());
    }""")
    place = page.evaluate("() => Reveal.getIndices()")
    use_the_page(page)
    assert page.evaluate("() => Reveal.getIndices()") == place
    page.context.close()
