"""What the widgets take into the page is what the pure functions return. (No browser.)"""

import base64
import io
import math

import numpy as np
import pytest
import torch
from PIL import Image

from dvae_helpers import datasets, figures, fruits, models, widgets
from dvae_helpers.factors import FactorSpace


@pytest.fixture(scope="module")
def data():
    return datasets.load("small_sprites")


@pytest.fixture
def model(data):
    return models.VAE(data.shape, latents=3, architecture="dense", hidden=16, seed=1).eval()


def test_png_keeps_every_pixel():
    image = torch.arange(6).reshape(1, 2, 3) / 5
    picture = Image.open(io.BytesIO(widgets.png(image, scale=1)))
    assert picture.size == (3, 2)
    assert picture.tobytes() == bytes([0, 51, 102, 153, 204, 255])
    colour = Image.open(io.BytesIO(widgets.png(torch.rand(3, 4, 5), scale=2)))
    assert (colour.size, colour.mode) == ((10, 8), "RGB")
    with pytest.raises(ValueError, match=r"shape \(2, 4, 5\)"):
        widgets.png(torch.rand(2, 4, 5))


def test_a_latent_is_named_by_the_factors_that_it_tracks():
    space = FactorSpace(("a", "b", "c"), (4, 5, 3))
    classes = space.classes(torch.arange(len(space)))
    a, b, c = classes.double().T
    mean = torch.stack((b, torch.zeros_like(a), a + 0.1 * b, a + 0.8 * c), 1)
    log_var = torch.full_like(mean, -3.0)
    names = widgets.tracked(mean, log_var, classes, space.names)
    assert names == {0: "b", 2: "a", 3: "a + c"}
    still = classes.clone()
    still[:, 0] = 1  # a factor that does not vary is never named
    assert widgets.tracked(mean, log_var, still, space.names)[0] == "b"
    assert widgets.tracked(mean[:, :1], log_var[:, :1], classes, space.names) == {}


def test_the_nearest_image_has_the_wanted_value(data):
    some = datasets.subset(data, torch.arange(len(data)) % 7 == 0)
    wanted = torch.tensor([2, 1, 3, 9])
    found = some.classes(torch.tensor([widgets.nearest(some, wanted, 0)]))[0]
    values = some.values[some.values[:, 0] == 2]
    assert found[0] == 2
    assert (found - wanted).abs().sum() == (values - wanted).abs().sum(1).min()
    assert widgets.nearest(data, wanted, 0) == int(data.find(wanted[None]))


class TestExplorer:
    def test_its_codes_are_those_of_the_page(self, model, data):
        box = widgets.Explorer({"first": model, "again": model}, data, 17)
        mean, _ = model.encode(data.images(torch.tensor([17])))
        for code in box.codes:
            assert torch.allclose(torch.tensor(code), mean[0].detach(), atol=1e-4)
        assert box.content["networks"][0]["latents"] == 3
        assert "networkOf" in box._esm
        assert "export default" in box._esm

    def test_a_code_is_asked_for(self, model, data):
        box = widgets.Explorer(model, data)
        box.go(torch.tensor([1.0, 2.0, -0.5]))
        assert box.wanted == [1.0, 2.0, -0.5]
        for bad in ([1.0, 2.0], [1.0, 2.0, float("nan")]):
            with pytest.raises(ValueError, match="expected 3 finite numbers"):
                box.go(bad)


def test_tile_puts_every_image_in_its_place():
    rows = [torch.rand(4, 3, 2, 5) for _ in range(2)]
    sheet = widgets.tile(rows, gap=1)
    assert sheet.shape == (3, 2 * 3 + 1, 4 * 6 + 1)
    assert torch.equal(sheet[:, 4:6, 13:18], rows[1][2])
    assert (sheet[:, 3] == 0.5).all()
    assert (sheet[:, :, 12] == 0.5).all()
    with pytest.raises(ValueError, match="all alike"):
        widgets.tile([rows[0], rows[1][:3]])
    with pytest.raises(ValueError, match="at least one"):
        widgets.tile([])


def pixels(url):
    """The picture in a data URL, (H, W, 3), between 0 and 1."""
    with Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))) as picture:
        return torch.tensor(np.asarray(picture.convert("RGB"))).float() / 255


def shown(picture):
    """What a tile (C, H, W) looks like in `pixels`."""
    return picture.expand(3, -1, -1).permute(1, 2, 0)


class TestFrontier:
    @pytest.fixture
    def parts(self, data):
        trained = {
            beta: models.VAE(data.shape, 3, "dense", 16, seed=seed).eval()
            for seed, beta in enumerate((4.0, 0.5, 16.0))
        }
        points = {beta: torch.rand(2, 2) + beta for beta in (0.5, 4.0, 8.0, 16.0)}
        return trained, points, data, torch.tensor([7, 3000, 41])

    def test_the_betas_are_in_order_and_each_has_its_own_pictures(self, parts):
        trained, points, data, index = parts
        content = widgets.frontier(*parts, values=(-2, 0, 1, 2)).content
        assert content["betas"] == [0.5, 4, 16]
        assert [each["beta"] for each in content["curve"]] == [0.5, 4, 8, 16]
        images = data.images(index)
        for n, beta in enumerate((0.5, 4.0, 16.0)):
            torch.testing.assert_close(
                torch.tensor(content["points"][n]), points[beta], atol=1e-3, rtol=0
            )
            model = trained[beta]
            with torch.no_grad():
                codes, _ = model.encode(images)
                rebuilt = shown(widgets.tile([images, model.pictures(codes)]))
            assert (pixels(content["rebuilt"][n]) - rebuilt).abs().max() < 0.04  # 16 shades
            some = torch.linspace(0, len(data) - 1, 512).long()
            order, _ = figures.latent_order(*models.posteriors(model, data, some))
            assert content["latents"][n] == order
            rows = [figures.traverse(model.pictures, codes[0], j, (-2, 0, 1, 2)) for j in order]
            moved = shown(widgets.tile(rows))
            assert (pixels(content["moved"][n]) - moved).abs().max() < 0.04

    @pytest.mark.parametrize(
        ("points", "said"),
        [
            ({0.5: torch.rand(2, 2), 16.0: torch.rand(1, 2)}, r"beta \[4.0\], but no points"),
            (dict.fromkeys((0.5, 4.0, 16.0), torch.rand(3)), r"shape \(3,\); expected \(R, 2\)"),
            (dict.fromkeys((0.5, 4.0, 16.0), torch.full((1, 2), torch.nan)), "finite numbers"),
        ],
    )
    def test_points_that_are_missing_or_wrong_are_refused(self, parts, points, said):
        trained, _, data, index = parts
        with pytest.raises(ValueError, match=said):
            widgets.frontier(trained, points, data, index)
        with pytest.raises(ValueError, match="models is empty"):
            widgets.frontier({}, points, data, index)


class TestSwapper:
    def test_it_begins_with_the_two_images_and_has_their_codes(self, model, data):
        content = widgets.swapper(model, data, 2000, 17, pictures=5).content
        assert content["shown"] == [0, 1]
        mean, _ = model.encode(data.images(torch.tensor([2000, 17])))
        assert torch.allclose(torch.tensor(content["starts"]["codes"][:2]), mean, atol=1e-4)
        assert len(content["starts"]["codes"]) == 5
        assert sorted(row["place"] for row in content["latents"]) == [0, 1, 2]

    def test_an_image_that_is_not_there_is_refused(self, model, data):
        for first, second in ((0, len(data)), (-1, 0)):
            with pytest.raises(ValueError, match="has images 0 to"):
                widgets.swapper(model, data, first, second)


class TestBeTheEncoder:
    def test_it_has_the_posterior_and_where_the_sliders_begin(self):
        content = widgets.be_the_encoder(torch.tensor(0.8), 0.45).content
        assert content == {"mean": pytest.approx(0.8), "spread": 0.45, "start": [-1.0, 1.0]}

    @pytest.mark.parametrize(
        "bad", [(0.0, 0.0), (0.0, -1.0), (math.nan, 1.0), (0.0, math.inf), (0, 1, (0.0, 0.0))]
    )
    def test_what_is_no_density_is_refused(self, bad):
        with pytest.raises(ValueError, match="expected"):
            widgets.be_the_encoder(*bad)


class TestRace:
    def test_its_pictures_are_made_of_what_it_takes_along(self):
        content = widgets.race({"A": torch.eye(6)}, [1, 1, 3, 2, 5, 1], [3, 5, 1, 7, 0, 1]).content
        fruit, side = content["fruit"], content["fruit"]["side"]
        layers = fruit["most"] * pixels(fruit["sheet"])[..., 0].unfold(1, side, side).transpose(
            0, 1
        )
        generator = torch.Generator().manual_seed(4)
        sizes = torch.tensor(fruits.FACTORS.sizes)
        for classes in (torch.rand(30, 6, generator=generator) * sizes).long().tolist():
            kind, colour, size, x, y, shade = classes
            light, *extra, cover = layers[5 * (kind * sizes[2] + size) :][:5]
            grey = fruit["shades"][shade]
            mine = torch.full((3, fruit["size"], fruit["size"]), grey)
            left, top = (fruit["first"] + fruit["step"] * place - side // 2 for place in (x, y))
            rows = slice(max(top, 0), min(top + side, fruit["size"]))
            columns = slice(max(left, 0), min(left + side, fruit["size"]))
            within = (
                slice(rows.start - top, rows.stop - top),
                slice(columns.start - left, columns.stop - left),
            )
            for c in range(3):
                part = torch.minimum(light * fruit["colours"][colour][c] + extra[c], cover)
                mine[c, rows, columns] = (part + grey * (1 - cover))[within]
            real = fruits.render([classes])[0].float() / 255
            assert (mine - real).abs().max() < 0.02

    def test_a_matrix_that_cannot_be_turned_back_is_refused(self):
        for bad in (2 * torch.eye(6), torch.eye(5), torch.full((6, 6), torch.nan)):
            with pytest.raises(ValueError, match="R'R = I"):
                widgets.race({"A": bad}, [0] * 6, [1] * 6)
        with pytest.raises(ValueError, match="codes is empty"):
            widgets.race({}, [0] * 6, [1] * 6)
        with pytest.raises(ValueError, match="kind"):
            widgets.race({"A": torch.eye(6)}, [9] * 6, [1] * 6)


def test_spoil_turns_and_copies():
    code = torch.tensor([[1.0, 0.0], [0.0, 2.0], [-1.0, 3.0]])
    torch.testing.assert_close(widgets.spoil(code, 0, 0), torch.cat((code, torch.zeros(3, 1)), 1))
    turned = widgets.spoil(code, 30, 0.4)
    assert turned[0, 0] == pytest.approx(3**0.5 / 2)
    assert turned[0, 1] == pytest.approx(0.5)
    torch.testing.assert_close(turned[:, :2].norm(dim=1), code.norm(dim=1))
    torch.testing.assert_close(turned[:, 2], 0.4 * turned[:, 0])
    quarter = widgets.spoil(code, 90, 1)
    torch.testing.assert_close(quarter[:, 1], code[:, 0])
    torch.testing.assert_close(quarter[:, 0], -code[:, 1])
    with pytest.raises(ValueError, match=r"expected \(N, 2\)"):
        widgets.spoil(torch.zeros(4, 3), 0, 0)


def test_the_gap_falls_where_the_best_information_does_not():
    clean, share = widgets.spoiled_scores(0, 0)
    assert min(clean.values()) > 0.95
    assert share.shape == (2, 3)
    copied, _ = widgets.spoiled_scores(0, 1)
    assert copied["best MI"] > 0.95
    assert copied["D"] > 0.95
    assert copied["MIG"] < 0.55  # one of the two factors has two latents
    assert copied["C"] < 0.8
    turned, _ = widgets.spoiled_scores(33, 0)
    assert turned["best MI"] > 0.5
    assert max(turned["MIG"], turned["D"]) < 0.3


@pytest.mark.parametrize(("degrees", "copy"), [(0, 0.0), (33, 0.0), (69, 0.7), (90, 1.0)])
def test_the_gap_explorer_has_the_scores_of_each_place(degrees, copy):
    content = widgets.gap_explorer().content
    n, m = content["degrees"].index(degrees), content["copies"].index(copy)
    scores, share = widgets.spoiled_scores(degrees, copy)
    assert content["names"] == list(scores)
    assert content["scores"][m][n] == pytest.approx(list(scores.values()), abs=1e-3)
    assert content["shares"][m][n] == pytest.approx(share.flatten().tolist(), abs=1e-3)
    assert len(content["scores"]) == 11
    assert all(len(row) == 31 for row in content["scores"])


def test_every_name_is_what_it_says_and_no_module():
    for name in widgets.__all__:
        assert callable(getattr(widgets, name)), f"widgets.{name} is {getattr(widgets, name)}"
