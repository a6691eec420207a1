"""The course in a real browser: JupyterLab with its explorer, an exported page, a deck."""

import lab
import nbformat
import pytest
from nbconvert import HTMLExporter
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from dvae_helpers import page as pages
from dvae_helpers import slides, zoo

START = "00_start_here.ipynb"
PICTURE = "canvas => canvas.toDataURL()"
CODE = """import torch
from dvae_helpers import datasets, widgets, zoo
data = datasets.load("small_sprites")
model = zoo.load("small_beta_vae_8")"""
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


@pytest.fixture(scope="module")
def address(tmp_path_factory, browser, small):
    """Of JupyterLab. It waits for `browser`, so that it does not start if there is none."""
    play = lab.excerpt(START, [CODE, "widgets.explorer(model, data, 2000)", LIVE, "box.codes[0]"])
    with lab.running(
        tmp_path_factory.mktemp("lab"), {"play.ipynb": play, "0_saved.ipynb": saved(small)}
    ) as address:
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
        page.goto(f"{address}/lab/tree/{name}?token={lab.TOKEN}&reset")
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
