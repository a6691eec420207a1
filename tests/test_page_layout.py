"""How everything that moves in a page is laid out, on a laptop, a projector and a telephone."""

import re

import pytest
from gallery import gallery

from dvae_helpers import datasets, page, widgets, zoo

NAMES = ["explorer", "two models", "paper", "traversal", "lattice", "frontier", "gap explorer"]
NAMES += ["race", "be the encoder", "swapper", "vote"]
SIZES = {"laptop": (1366, 768), "projector": (911, 512), "telephone": (390, 844)}
HEAD = """<meta charset=utf-8><title>t</title><meta name=viewport content="width=device-width">
<meta name=color-scheme content="light dark"><style>body { margin: 8px }</style><body>"""
# All letters that are seen, with their size on the screen; all pictures, and how square they are.
LOOK = """() => {
  const root = document.querySelector(".dvae, .dvae-vote"), faults = [];
  const { clientWidth, scrollWidth } = document.documentElement;
  for (const one of root.querySelectorAll("*")) {
    const box = one.getBoundingClientRect(), svg = one.ownerSVGElement;
    if (!box.width || getComputedStyle(one).visibility === "hidden") continue;
    const own = [...one.childNodes].filter((node) => node.nodeType === 3);
    const words = own.map((node) => node.data.trim()).join("");
    const say = (fault) => faults.push(`${fault}: ${one.tagName} ${words || one.className}`);
    if (box.left < 0 || box.right > clientWidth + 0.5) say("cut off");
    if (words) {
      const scale = svg ? svg.getScreenCTM().a : 1;
      const letters = parseFloat(getComputedStyle(one).fontSize) * scale;
      if (letters < 13.95) say(`${letters.toFixed(1)} px`);
      const within = svg && svg.getBoundingClientRect();
      if (svg && (box.top < within.top - 1 || box.bottom > within.bottom + 1)) say("cut off");
      if (!svg && one.clientWidth && one.scrollWidth > one.clientWidth + 1) say("too narrow");
    }
    const view = one.viewBox?.baseVal;
    const wide = view?.width || one.naturalWidth || (one.tagName === "CANVAS" && one.width);
    const high = view?.height || one.naturalHeight || one.height;
    if (wide && Math.abs((box.width * high) / (box.height * wide) - 1) > 0.03) say("squashed");
  }
  if (scrollWidth > clientWidth) faults.push("the page scrolls sideways");
  return faults;
}"""


@pytest.fixture
def show(open_html):
    """Opens a component of the gallery in a tab."""

    def go(html, size, **more):
        width, height = size
        telephone = {"has_touch": True, "is_mobile": True} if width < 600 else {}
        viewport = {"width": width, "height": height}
        tab = open_html(HEAD + html, viewport=viewport, offline=True, **telephone, **more)
        tab.wait_for_timeout(400)
        return tab

    return go


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_cut_off_squashed_or_too_small_to_read(name, size, show):
    assert show(gallery()[name].html, SIZES[size]).evaluate(LOOK) == []


def test_the_check_sees_what_is_wrong(show):
    html = gallery()["explorer"].html
    bad = "canvas { height: 90px !important } small { font-size: 9px !important } "
    bad += ".dvae .buttons { width: 500px } .dvae .buttons button { margin-left: 300px }"
    found = show(f"<style>{bad}</style>{html}", SIZES["telephone"]).evaluate(LOOK)
    for fault in ("squashed: CANVAS", "9.0 px: SMALL", "cut off: BUTTON", "scrolls sideways"):
        assert any(fault in one for one in found), fault


@pytest.mark.parametrize("name", ["explorer", "two models", "swapper", "race", "lattice"])
def test_pictures_grow_with_the_screen(name, show):
    sides = []
    for size in (SIZES["laptop"], (1920, 1080), (2560, 1440)):
        tab = show(gallery()[name].html, size)
        boxes = [one.bounding_box() for one in tab.locator(".picture canvas, .plane").all()]
        assert max(box["y"] + box["height"] for box in boxes) < size[1]
        sides.append(boxes[0]["width"])
    assert sides[1] > 1.2 * sides[0]
    assert sides[2] > 1.2 * sides[1]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("styles", [True, False])
def test_where_scripts_are_taken_out_there_is_a_picture_or_the_folded_answer(name, styles, show):
    html = re.sub(r"<script.*?</script>", "", gallery()[name].html, flags=re.S)
    if not styles:
        html = re.sub(r"<style>.*?</style>", "", html, flags=re.S)
    tab = show(html, SIZES["laptop"])
    assert "function" not in tab.locator("body").inner_text()
    if name == "vote":
        assert tab.get_by_text("What happens to the rate?").is_visible()
        assert tab.locator("li").all_text_contents()[1] == "It falls"
        assert tab.locator("details summary").is_visible()
        assert not tab.locator("details p").is_visible()
        return
    picture = tab.locator("img")
    assert picture.evaluate("one => one.complete && one.naturalWidth") > 60
    assert min(picture.bounding_box()[side] for side in ("width", "height")) > 60
    assert len(picture.get_attribute("alt")) > 20
    assert "Where scripts run" in tab.locator("figcaption").inner_text()


def test_values_of_factors_have_their_names(show, small):
    tab = show(gallery()["two models"].html, SIZES["laptop"])
    words = page.described(small, small.classes([2000]))[0]
    assert re.fullmatch(r"shape (square|ellipse|heart), scale \d, x \d+, y \d+", words)
    assert tab.get_by_role("button", name=f"Picture 1: {words}").count() == 1
    assert tab.get_by_role("img", name=f"Picture 1: {words}").count() == 1
    tab = show(gallery()["race"].html, SIZES["laptop"])
    goal = tab.locator(".picture canvas").nth(1).get_attribute("aria-label")
    assert goal == "The goal: kind grapes, colour black, size small, x 7, y 0, shade 1"
    other = page.explorer(zoo.load("small_beta_vae_8"), small, 7, lattice=("shape", "x"))
    tab = show(other.html, SIZES["laptop"])
    tab.locator(".plane").hover()
    assert re.fullmatch(
        r"shape = (square|ellipse|heart), x = \d+", tab.locator(".lattice .note").text_content()
    )


def test_only_the_course_s_own_values_have_names(small):
    assert page.value_names(small, "shape") == ["square", "ellipse", "heart"]
    assert page.value_names(small, "x") == [str(value) for value in range(16)]
    other = datasets.own(small.pixels[:6].numpy(), {"shape": [0, 1, 2, 0, 1, 2]}, white=255)
    assert page.value_names(other, "shape") == ["0", "1", "2"]
    with pytest.raises(ValueError, match="no factor 'colour'"):
        page.value_names(small, "colour")


def test_saved_components_get_the_scripts_and_styles_of_today():
    for name, component in gallery().items():
        old = component.html.replace("parent.appendChild", "old").replace("0.6em", "6em")
        assert old != component.html
        assert page.refreshed(f"<p>before</p>{old}after") == f"<p>before</p>{component.html}after"
        assert page.refreshed(component.html) == component.html, name
    both = gallery()["race"].html + gallery()["vote"].html
    assert page.refreshed(both.replace("const add", "const old")) == both
    strange = gallery()["race"].html.replace("\nrace(root", "\nmarathon(root")
    assert page.refreshed(strange) == strange
    assert page.refreshed("<b>nothing</b>") == "<b>nothing</b>"
    assert widgets.Explorer._esm.startswith(page.script("explorer"))
