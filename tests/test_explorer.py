"""The explorer and the lattice: what is in their HTML, and what they do in Chromium."""

import html
import io
import json
import re

import pytest
import torch
from PIL import Image

from dvae_helpers import codes as code_names
from dvae_helpers import datasets, figures, models, page, zoo

SETTINGS = {"offline": True, "has_touch": True}
PICTURE = "canvas => canvas.toDataURL()"
DRAWN = """([n, channels]) => {
  const canvas = document.querySelectorAll(".picture canvas")[n];
  const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return [...data].filter((_, i) => i % 4 < channels);
}"""


@pytest.fixture(scope="module")
def two(small) -> page.Component:
    trained = {name: zoo.load(f"small_{name}") for name in ("beta_vae_8", "beta_vae_1")}
    return page.explorer(trained, small, 2000, lattice=("x", "y"), title="Two & more")


def facts(component: page.Component) -> dict:
    found = re.search(r'<script type="application/json">(.*?)</script>', component.html)
    return json.loads(found[1])


@pytest.fixture
def show(open_html):
    """Opens a component in a tab."""

    def go(component, width=1366, height=768, **more):
        head = '<meta name="viewport" content="width=device-width"><body>'
        size = {"width": width, "height": height}
        tab = open_html(f"{head}{component.html}", viewport=size, **more)
        if more.get("java_script_enabled", True):
            tab.locator(".live").first.wait_for()
            tab.wait_for_timeout(300)
        return tab

    return go


def drawn(tab, n, shape):
    channels, height, width = shape
    values = torch.tensor(tab.evaluate(DRAWN, [n, channels]))
    return values.view(height, width, channels).permute(2, 0, 1) / 255


def move(tab, name, value):
    slider = tab.locator(".sliders label", has_text=name).first.locator("input")
    slider.evaluate(
        "(one, value) => { one.value = value; one.dispatchEvent(new Event('input')); }", value
    )
    tab.wait_for_timeout(200)


def test_all_sliders_are_free_and_every_model_draws_its_own_code(two, show, small):
    tab, content = show(two), facts(two)
    code = [torch.tensor(codes[0]) for codes in content["starts"]["codes"]]
    for label, value in (("x", 1.5), ("y", -1.0)):
        move(tab, label, value)
        row = next(one for one in content["latents"] if one["label"] == label)
        by = value - float(code[0][row["places"][0]])
        for m, (j, sign) in enumerate(zip(row["places"], row["signs"], strict=True)):
            code[m][j] += sign * by
    for m, name in enumerate(("beta_vae_8", "beta_vae_1")):
        with torch.no_grad():
            expected = zoo.load(f"small_{name}").pictures(code[m][None])[0]
        assert float((drawn(tab, m + 1, small.shape) - expected).abs().max()) < 0.06
    original = small.images(torch.tensor([2000]))[0]
    assert torch.equal(drawn(tab, 0, small.shape)[:1], original)
    readouts = dict(
        zip(
            tab.locator(".sliders label span span").all_text_contents(),
            tab.locator(".sliders output").all_text_contents(),
            strict=False,
        )
    )
    assert (readouts["x"], readouts["y"]) == ("+1.50", "\u22121.00")
    before = tab.locator(".picture canvas").nth(1).evaluate(PICTURE)
    tab.get_by_role("button", name="Back to its code").click()
    tab.wait_for_timeout(200)
    assert tab.locator(".picture canvas").nth(1).evaluate(PICTURE) != before


def test_keys_touch_and_buttons(two, show):
    tab = show(two, has_touch=True)
    picture = tab.locator(".picture canvas").nth(1)
    slider = tab.locator(".sliders input").first
    seen = [picture.evaluate(PICTURE)]

    def changed():
        tab.wait_for_timeout(200)
        seen.append(picture.evaluate(PICTURE))
        return seen[-1] != seen[-2]

    slider.focus()
    tab.keyboard.press("Home")
    assert changed()
    assert slider.get_attribute("aria-valuetext") == "\u22123.00"
    box = slider.bounding_box()
    tab.touchscreen.tap(box["x"] + 0.8 * box["width"], box["y"] + box["height"] / 2)
    assert changed()
    tab.get_by_role("button", name="Picture 3").click()
    assert changed()
    tab.get_by_role("button", name="Random code").click()
    assert changed()
    tab.get_by_role("button", name="Play").click()
    assert changed()
    tab.get_by_role("button", name="Stop").click()
    assert changed() or True
    assert not changed()


def test_the_lattice_shows_the_picture_of_the_place_that_is_pointed_at(two, show, small):
    tab, content = show(two), facts(two)["lattice"]
    box = tab.locator(".plane").bounding_box()
    right, up = content["axes"]
    n = 40
    x, y = content["codes"][n][right], content["codes"][n][up]
    side = box["width"] / (2 * content["limit"])
    tab.mouse.move(box["x"] + box["width"] / 2 + x * side, box["y"] + box["height"] / 2 - y * side)
    tab.wait_for_timeout(300)
    with torch.no_grad():
        expected = zoo.load("small_beta_vae_8").pictures(torch.tensor([content["codes"][n]]))[0]
    assert float((drawn(tab, 1, small.shape) - expected).abs().max()) < 0.06
    row, column = divmod(n, content["sizes"][1])
    words = f"x = {content['values'][0][row]}, y = {content['values'][1][column]}"
    assert tab.locator(".lattice .note").text_content() == words


@pytest.mark.parametrize("size", [(1366, 768), (911, 512), (390, 844)])
def test_pictures_are_square_and_in_view_with_the_sliders(two, show, size):
    tab = show(two, *size)
    boxes = [one.bounding_box() for one in tab.locator(".picture canvas").all()]
    sliders = [one.bounding_box() for one in tab.locator(".sliders input:visible").all()]
    assert all(abs(box["width"] - box["height"]) < 1 for box in boxes)
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= size[0] for box in boxes + sliders)
    assert max(box["y"] + box["height"] for box in boxes) <= size[1]
    assert all(box["y"] + box["height"] <= size[1] for box in sliders[:4])


def test_a_picture_is_dragged_painted_on_and_encoded(show, small):
    model = zoo.load("small_beta_vae_8")
    tab = show(page.explorer(model, small, 2000, draw=True, pictures=2))
    paper = tab.locator("canvas.paper")
    paper.focus()
    for _ in range(3):
        tab.keyboard.press("ArrowLeft")
    tab.wait_for_timeout(300)
    moved = drawn(tab, 0, small.shape)
    assert torch.equal(moved[0, :, :-3], small.images(torch.tensor([2000]))[0, 0, :, 3:])
    with torch.no_grad():
        expected = model.pictures(model.encode(moved[None, :1])[0])[0]
    assert float((drawn(tab, 1, small.shape) - expected).abs().max()) < 0.06
    tab.locator(".buttons select").select_option("paint")
    box = paper.bounding_box()
    tab.mouse.move(box["x"] + 10, box["y"] + 10)
    tab.mouse.down()
    tab.mouse.move(box["x"] + 40, box["y"] + 10, steps=3)
    tab.mouse.up()
    assert float(drawn(tab, 0, small.shape).sum()) > float(moved.sum())


def test_where_scripts_are_stripped_a_contact_sheet_is_seen(two, show):
    tab = show(two, java_script_enabled=False)
    box = tab.locator("img.sheet").bounding_box()
    assert min(box["width"], box["height"]) > 100
    assert tab.locator("figcaption").is_visible()
    assert tab.locator("input, button, .live").count() == 0
    tracked = [one["label"] for one in facts(two)["latents"] if not one["asleep"]]
    assert all(label in tab.locator("img.sheet").get_attribute("alt") for label in tracked)
    assert "Two &amp; more" in two.html


def test_the_same_every_time_and_nothing_fetched(two, small):
    again = page.explorer(zoo.load("small_beta_vae_8"), small, 7)
    assert again.html == page.explorer(zoo.load("small_beta_vae_8"), small, 7).html
    assert " id=" not in two.html  # several on a page cannot meet
    outside = re.sub(r"http://www\.w3\.org/2000/svg", "", two.html)
    assert not re.search(r"https?:|@import|url\(", outside)
    assert len(again.html) < 620_000


def test_partners_are_found_when_latents_are_permuted_and_turned_round(small):
    model, other = zoo.load("small_beta_vae_1"), zoo.load("small_beta_vae_1")
    order, signs = torch.tensor([3, 0, 5, 1, 4, 2]), torch.tensor([1, -1, 1, 1, -1, -1.0])
    with torch.no_grad():
        last = other.encoder[-1]
        for part in (last.weight, last.bias):
            mean, log_var = part.view(2, 6, *part.shape[1:]).unbind(0)
            shape = (-1, *[1] * (part.ndim - 1))
            part.copy_(torch.cat((mean[order] * signs.view(shape), log_var[order])))
    content = facts(page.explorer({"a": model, "b": other}, small))
    for row in content["latents"]:
        j, p = row["places"]
        assert order[p] == j
        assert row["signs"][1] == signs[p]


def test_an_encoder_without_noise_has_names_for_its_latents_too(small):
    model = zoo.load("small_beta_vae_8")
    with torch.no_grad():
        model.encoder[-1].weight[6:] = 0
        model.encoder[-1].bias[6:] = -28.0  # sigma is a millionth
    labels = [row["label"] for row in facts(page.explorer(model, small))["latents"]]
    assert any("x" in label.split(" + ") for label in labels)
    assert any("y" in label.split(" + ") for label in labels)


def test_labels_cannot_end_the_script(small):
    model = zoo.load("small_beta_vae_8")
    bad = "</script><b>"
    component = page.explorer({bad: model}, small, title=bad)
    assert component.html.count("</script>") == 2
    assert facts(component)["names"] == [bad]
    assert html.escape(bad) in component.html


def test_colour_stays_colour():
    model = models.VAE((3, 8, 8), 2, "dense", 8, seed=1)
    data = datasets.load("small_fruits")
    pixels = data.pixels[:, :, :8, :8].contiguous()
    cut = datasets.ImageSet("cut", data.factors, (3, 8, 8), pixels)
    component = page.explorer(model, cut, [0, 5])
    assert Image.open(io.BytesIO(component.sheet)).mode == "RGB"
    assert facts(component)["networks"][0]["shape"] == [3, 8, 8]


def test_a_traversal_of_one_code_needs_no_images(show, small):
    model = zoo.load("small_beta_vae_8")
    z = torch.tensor([0.5, -1.0, 2.0, 0.0, 0.1, -0.2])
    tab = show(page.traversal(model, z, [2, 0], ["x", "y"], "Two of six"))
    assert tab.locator(".sliders output").all_text_contents() == ["+2.00", "+0.50"]
    move(tab, "x", -1)
    z[2] = -1
    with torch.no_grad():
        expected = model.pictures(z[None])[0]
    assert float((drawn(tab, 1, small.shape) - expected).abs().max()) < 0.06
    with pytest.raises(ValueError, match="1 latents and 2 labels"):
        page.traversal(model, z, [0], ["x", "y"])
    with pytest.raises(ValueError, match="no latent 6"):
        page.traversal(model, z, [6])
    with pytest.raises(ValueError, match=r"expected \(6,\)"):
        page.traversal(model, z[:4])


def test_what_does_not_fit_is_refused(small):
    model = zoo.load("small_beta_vae_8")
    with pytest.raises(ValueError, match="model is empty"):
        page.explorer({}, small)
    with pytest.raises(ValueError, match=r"draws images of \(1, 8, 8\)"):
        page.explorer(models.VAE((1, 8, 8), 2, "dense", 4), small)
    for start in (-1, len(small), [0, len(small)]):
        with pytest.raises(ValueError, match="has images 0 to"):
            page.explorer(model, small, start)
    with pytest.raises(ValueError, match="expected the number of an image"):
        page.explorer(model, small, 0.5)
    with pytest.raises(ValueError, match="expected two of shape, scale, x, y"):
        page.explorer(model, small, lattice=("x", "colour"))


class TestLattice:
    def test_codes_are_those_of_the_images(self, small):
        model = zoo.load("small_beta_vae_1")
        codes, (xs, ys) = page.lattice_codes(model, small, ("x", "y"), {"shape": 2, "scale": 5})
        assert codes.shape == (12, 12, 6)
        for a, b in ((0, 0), (3, 11), (7, 4)):
            image = small.images(small.find(torch.tensor([[2, 5, xs[a], ys[b]]])))
            assert torch.allclose(model.encode(image)[0][0], codes[a, b], atol=1e-5)

    def test_the_plane_is_that_of_the_latents_that_know_the_factors(self, small):
        content = facts(page.explorer(zoo.load("small_beta_vae_8"), small, lattice=("y", "x")))
        names = {row["places"][0]: row["label"] for row in content["latents"]}
        assert [names[j] for j in content["lattice"]["axes"]] == ["y", "x"]

    def test_a_figure_draws_every_line(self, small):
        trained = {"one": zoo.load("small_beta_vae_1"), "two": zoo.load("small_beta_vae_8")}
        figure = figures.lattice(trained, small, ("x", "scale"), latents=(1, 2))
        left, right = figure.axes
        assert [len(axes.lines) for axes in (left, right)] == [12 + 6] * 2
        codes, _ = page.lattice_codes(trained["two"], small, ("x", "scale"))
        assert torch.allclose(torch.tensor(right.lines[2].get_xdata()), codes[2, :, 1])
        assert right.get_ylabel() == "latent 2"
        figures.plt.close(figure)

    def test_an_animation_goes_through_the_moments(self, show):
        grid = torch.stack(torch.meshgrid(torch.arange(3.0), torch.arange(4.0), indexing="ij"), -1)
        moments = {"step 0": grid * 0, "step 10": grid / 2, "step 20": grid}
        tab = show(page.lattice_animation(moments, ("x", "y"), ("latent 3", "latent 1")))
        path, slider = tab.locator(".plane .first"), tab.locator("input")
        end = path.get_attribute("d")
        assert end.startswith("M0.000 0.000L0.000 -1.000L")
        slider.focus()
        tab.keyboard.press("ArrowLeft")
        tab.wait_for_timeout(200)
        assert path.get_attribute("d").startswith("M0.000 0.000L0.000 -0.500L")
        assert slider.get_attribute("aria-valuetext") == "step 10"
        assert "latent 3 and latent 1, step 10" in tab.locator(".plane").get_attribute("aria-label")

    @pytest.mark.parametrize(
        ("moments", "said"),
        [
            ([torch.zeros(2, 3, 2)], "at least two"),
            ([torch.zeros(2, 3, 2), torch.zeros(3, 2, 2)], "all of one shape"),
            ([torch.zeros(2, 3, 3)] * 2, r"\(A, B, 2\)"),
            ([torch.full((2, 3, 2), float("nan"))] * 2, "NaN or infinite"),
        ],
    )
    def test_bad_moments_are_refused(self, moments, said):
        with pytest.raises(ValueError, match=said):
            page.lattice_animation(moments, ("x", "y"))

    def test_bad_grids_are_refused(self, small):
        model = zoo.load("small_beta_vae_8")
        with pytest.raises(ValueError, match="expected two of"):
            page.lattice_codes(model, small, ("x", "x"))
        with pytest.raises(ValueError, match="at names 'x'"):
            page.lattice_codes(model, small, ("x", "y"), {"x": 1})
        with pytest.raises(ValueError, match="latents is"):
            figures.lattice(model, small, latents=(0, 9))
        assert code_names.planes(model, small, ("x", "y")) != (0, 0)
