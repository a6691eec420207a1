"""The course in a real browser: JupyterLab with its widgets, an exported page, a deck."""

import io

import lab
import nbformat
import pytest
from nbconvert import HTMLExporter
from PIL import Image

from dvae_helpers import slides

START = lab.NOTEBOOKS / "00_start_here.ipynb"
PICTURE = "canvas => canvas.toDataURL()"
BYTES = """async picture => {
  const content = await (await fetch(picture.src)).arrayBuffer();
  return [...new Uint8Array(content)];
}"""


@pytest.fixture(scope="module")
def address(tmp_path_factory, browser):
    """Of JupyterLab. It waits for `browser`, so that it does not start if there is none."""
    play = lab.excerpt(START.name, ["c00-02", "c00-32", "number = 5000", "c00-50"])
    with lab.running(tmp_path_factory.mktemp("lab"), {"play.ipynb": play}) as address:
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


def use_the_page(page):
    """Moves a slider of the kernel-free traversal with keys; the others must stay."""
    whole = page.locator(".traversal").first
    sliders = whole.locator("input[type=range]")
    sliders.first.wait_for()
    assert whole.locator("img").count() == 0  # the sheet has made way
    start = [slider.input_value() for slider in sliders.all()]
    before = whole.locator("canvas").evaluate(PICTURE)
    sliders.nth(0).focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    moved = [slider.input_value() for slider in sliders.all()]
    assert moved == [str(int(start[0]) + 4), *start[1:]]
    after = whole.locator("canvas").evaluate(PICTURE)
    assert after != before
    number = whole.locator("output").first.text_content()
    assert sliders.nth(0).get_attribute("aria-valuetext") == number
    assert number in whole.locator("canvas").get_attribute("aria-label")
    sliders.nth(1).focus()
    page.keyboard.press("ArrowLeft")
    assert [slider.input_value() for slider in sliders.all()] == [
        start[0],
        str(int(start[1]) - 1),
        *start[2:],
    ]
    assert whole.locator("canvas").evaluate(PICTURE) not in (before, after)
    whole.locator("button").click()
    assert whole.locator("canvas").evaluate(PICTURE) == before


def middle(content):
    """Column and row of the middle of the white."""
    image = Image.open(io.BytesIO(bytes(content))).convert("L").resize((64, 64))
    cells = [(x, y, image.getpixel((x, y))) for x in range(64) for y in range(64)]
    white = sum(value for *_, value in cells)
    return tuple(sum(cell[k] * cell[2] for cell in cells) / white for k in (0, 1))


def test_in_jupyterlab_the_page_works_before_any_cell_is_run(notebook):
    page = notebook(START.name)
    page.locator(".traversal").first.scroll_into_view_if_needed()
    active = "() => jupyterapp.shell.currentWidget.content.activeCellIndex"
    at = page.evaluate(active)
    use_the_page(page)
    ids = [cell.id for cell in nbformat.read(START, as_version=4).cells]
    # The arrow keys did not also walk through the cells; the click may have chosen this one.
    assert page.evaluate(active) in (at, ids.index("c00-44c"))


def test_in_jupyterlab_a_slider_moves_its_own_latent_alone(notebook):
    page = notebook("play.ipynb")
    page.wait_for_function("() => jupyterapp.shell.currentWidget.sessionContext?.isReady")
    page.evaluate("() => jupyterapp.commands.execute('notebook:run-all-cells')")
    area = page.locator(".jp-OutputArea-output .widget-vbox").first
    area.wait_for()
    sliders = area.locator(".widget-slider")
    labels = [slider.locator(".widget-label").text_content() for slider in sliders.all()]
    assert len(labels) == 10
    assert [label for label in labels if "not used" in label] == labels[3:]
    k = next(k for k, label in enumerate(labels) if ": x (" in label)
    picture = area.locator("img.widget-image").nth(1)

    def readouts():
        return [slider.locator(".widget-readout").text_content() for slider in sliders.all()]

    sliders.nth(k).scroll_into_view_if_needed()
    start, before = readouts(), picture.evaluate(BYTES)
    source = picture.get_attribute("src")
    handle = sliders.nth(k).locator(".noUi-handle").bounding_box()
    x, y = handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 20, y, steps=4)
    page.mouse.up()
    page.wait_for_function("([p, old]) => p.src !== old", arg=[picture.element_handle(), source])
    page.wait_for_timeout(1500)
    now, after = readouts(), picture.evaluate(BYTES)
    assert now[:k] + now[k + 1 :] == start[:k] + start[k + 1 :]
    assert float(now[k].replace("−", "-")) > float(start[k].replace("−", "-"))
    (column, row), (new_column, new_row) = middle(before), middle(after)
    assert abs(new_column - column) > 4
    assert abs(new_row - row) < 3


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "start.html"
    path.write_text(HTMLExporter().from_filename(START)[0], "utf-8")
    return path


def test_an_exported_page_is_used_without_network(exported, browser):
    page = opened(browser, offline=True, has_touch=True)
    page.goto(exported.as_uri(), wait_until="domcontentloaded")
    use_the_page(page)
    slider = page.locator(".traversal input").first
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    page.touchscreen.tap(box["x"] + 0.9 * box["width"], box["y"] + box["height"] / 2)
    assert int(slider.input_value()) >= 20
    page.context.close()


def test_where_scripts_are_stripped_the_pictures_are_seen(exported, browser):
    page = opened(browser, offline=True, java_script_enabled=False)
    page.goto(exported.as_uri(), wait_until="domcontentloaded")
    sheet = page.locator(".traversal img").first
    box = sheet.bounding_box()
    assert min(box["width"], box["height"]) > 100
    assert page.locator(".traversal figcaption").first.is_visible()
    assert page.locator(".traversal input").count() == 0
    page.context.close()


def test_a_deck_is_used_without_network(parts, browser, tmp_path):
    deck = tmp_path / "deck.html"
    deck.write_text(slides.deck_html(nbformat.read(START, as_version=4), parts), "utf-8")
    page = opened(browser, offline=True)
    page.goto(deck.as_uri())
    page.evaluate("() => deck.ready")
    page.evaluate("""() => {
      const slide = document.querySelector(".traversal").closest("section");
      const {h, v} = Reveal.getIndices(slide);
      Reveal.slide(h, v);
      while (Reveal.nextFragment());
    }""")
    place = page.evaluate("() => Reveal.getIndices()")
    use_the_page(page)
    assert page.evaluate("() => Reveal.getIndices()") == place
    page.context.close()
