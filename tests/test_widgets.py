"""The widgets show what the pure functions return. (No browser: the kernel's half.)"""

import io

import pytest
import torch
from PIL import Image

from dvae_helpers import datasets, figures, models, widgets
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


class TestFrontier:
    @pytest.fixture
    def box(self, data):
        self.models = {
            beta: models.VAE(data.shape, 3, "dense", 16, seed=seed).eval()
            for seed, beta in enumerate((4.0, 0.5, 16.0))
        }
        self.points = {beta: torch.rand(2, 2) + beta for beta in (0.5, 4.0, 8.0, 16.0)}
        self.index = torch.tensor([7, 3000, 41])
        return widgets.frontier(self.models, self.points, data, self.index, values=(-2, 0, 1, 2))

    def test_the_slider_goes_through_the_betas_in_order(self, box):
        assert [value for _, value in box.slider.options] == [0.5, 4.0, 16.0]

    def test_each_beta_shows_its_own_model(self, box, data):
        images = data.images(self.index)
        for beta in (16.0, 0.5, 4.0):
            box.slider.value = beta
            model = self.models[beta]
            with torch.no_grad():
                codes, _ = model.encode(images)
                rebuilt = model.pictures(codes)
            assert box.rebuilt.value == widgets.png(widgets.tile([images, rebuilt]), 2)
            order, _ = figures.latent_order(
                *models.posteriors(model, data, torch.linspace(0, len(data) - 1, 512).long())
            )
            rows = [figures.traverse(model.pictures, codes[0], j, (-2, 0, 1, 2)) for j in order]
            assert box.traversal.value == widgets.png(widgets.tile(rows), 2)

    def test_the_plane_marks_the_beta_and_nothing_is_drawn_while_sliding(self, box, monkeypatch):
        monkeypatch.setattr(widgets, "rate_distortion", None)  # a call would fail
        planes = []
        for beta in (0.5, 4.0, 16.0):
            box.slider.value = beta
            planes.append(bytes(box.plane.value))
        assert len(set(planes)) == 3
        assert all(plane.startswith(b"\x89PNG") for plane in planes)

    def test_a_model_without_a_point_is_refused(self, box, data):
        with pytest.raises(ValueError, match=r"beta \[4.0\], but no points"):
            widgets.frontier(
                self.models, {0.5: torch.rand(2, 2), 16.0: torch.rand(1, 2)}, data, self.index
            )


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


def test_the_gap_explorer_follows_its_sliders():
    box = widgets.gap_explorer()
    before = box.picture.value
    box.copy.value = 1.0
    after = box.picture.value
    box.degrees.value = 45
    assert len({bytes(value) for value in (before, after, box.picture.value)}) == 3
    assert bytes(before).startswith(b"\x89PNG")
