"""The widgets show what the pure functions return. (No browser: the kernel's half.)"""

import io

import pytest
import torch
from PIL import Image

from dvae_helpers import datasets, models, widgets


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


def test_a_slider_moves_its_own_latent_and_the_picture_follows(model, data):
    box = widgets.explorer(model, data, start=17)
    before = [slider.value for slider in box.sliders]
    old = box.picture.value
    box.sliders[1].value = 2.5
    expected = torch.tensor([before[0], 2.5, before[2]])
    assert box.picture.value == widgets.png(model.pictures(expected[None])[0])
    assert box.picture.value != old
    assert [slider.value for slider in box.sliders] == [before[0], 2.5, before[2]]


def test_another_image_sets_every_slider_to_its_code(model, data):
    box = widgets.explorer(model, data)
    box.number.value = 1234
    image = data.images(torch.tensor([1234]))
    mean, _ = model.encode(image)
    shown = torch.tensor([slider.value for slider in box.sliders])
    torch.testing.assert_close(shown, mean[0].detach().clamp(-3, 3), atol=0.03, rtol=0)
    assert box.original.value == widgets.png(image[0])


def test_setting_all_sliders_draws_once(model, data, monkeypatch):
    box = widgets.explorer(model, data)
    calls = []
    monkeypatch.setattr(widgets, "traverse", lambda *a: calls.append(a) or torch.zeros(1, 1, 4, 4))
    box.number.value = 99
    assert len(calls) == 1


def test_latents_are_ordered_by_use_and_the_names_are_shown(data, model):
    with torch.no_grad():  # latent 0 asleep, latent 2 the most used
        model.encoder[-1].weight[[0, 3]] = 0.0
        model.encoder[-1].bias[[0, 3]] = 0.0
        model.encoder[-1].weight[2] *= 50
    box = widgets.explorer(model, data, names={2: "size"})
    column = box.children[1].children[0].children
    assert column[0] is box.sliders[2]
    assert column[-1] is box.sliders[0]
    assert "size" in column[0].description
    assert "not used" in column[-1].description
