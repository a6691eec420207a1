"""Attributes swapped between two images: the function, and the widget over it."""

import pytest
import torch

from dvae_helpers import datasets, models, widgets


@pytest.fixture(scope="module")
def data():
    return datasets.load("small_sprites")


@pytest.fixture(scope="module")
def model(data):
    return models.VAE(data.shape, latents=4, architecture="dense", hidden=16, seed=1).eval()


def codes_of(model, data, *numbers):
    with torch.no_grad():
        return model.encode(data.images(torch.tensor(numbers)))[0]


def drawn(model, code):
    with torch.no_grad():
        return widgets.png(model.pictures(code[None])[0])


def test_only_the_chosen_latents_come_from_b():
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 5, generator=generator)
    before = a.clone(), b.clone()
    mixed = widgets.swap(a, b, [3, 1])
    assert mixed.tolist() == [a[0], b[1], a[2], b[3], a[4]]
    assert torch.equal(a, before[0])
    assert torch.equal(b, before[1])


def test_none_and_all():
    a, b = torch.rand(2, 3, 4)  # three codes at once
    assert torch.equal(widgets.swap(a, b, []), a)
    assert torch.equal(widgets.swap(a, b, range(4)), b)
    widgets.swap(a, b, []).zero_()
    assert a.any()  # the result is a tensor of its own


def test_swapping_back_gives_both_codes_again():
    a, b = torch.rand(2, 3, 6)
    there, back = widgets.swap(a, b, (0, 4)), widgets.swap(b, a, (0, 4))
    assert torch.equal(widgets.swap(there, back, (0, 4)), a)


@pytest.mark.parametrize(
    ("shapes", "latents", "said"),
    [
        (((3,), (4,)), [0], r"\(3,\) and \(4,\)"),
        (((2, 3), (3,)), [0], r"\(2, 3\) and \(3,\)"),
        (((), ()), [], r"\(\) and \(\)"),
        (((3,), (3,)), [0, 3], "no latent 3; these codes have 0 to 2"),
        (((3,), (3,)), [-1], "no latent -1"),
        (((3,), (3,)), ["x"], "no latent 'x'"),
    ],
)
def test_bad_input_is_refused_and_named(shapes, latents, said):
    with pytest.raises(ValueError, match=said):
        widgets.swap(*map(torch.zeros, shapes), latents)


def test_without_a_tick_the_widget_shows_the_reconstruction_of_a(model, data):
    box = widgets.swapper(model, data, 40, 3000)
    a, _ = codes_of(model, data, 40, 3000)
    assert box.picture.value == drawn(model, a)
    images = data.images(torch.tensor([40, 3000]))
    assert [one.value for one in box.originals] == [widgets.png(image) for image in images]


def test_a_tick_takes_that_latent_from_b(model, data):
    box = widgets.swapper(model, data, 40, 3000)
    a, b = codes_of(model, data, 40, 3000)
    box.boxes[2].value = True
    assert box.picture.value == drawn(model, widgets.swap(a, b, [2]))
    box.boxes[0].value = True
    assert box.picture.value == drawn(model, widgets.swap(a, b, [0, 2]))
    box.boxes[2].value = False
    assert box.picture.value == drawn(model, widgets.swap(a, b, [0]))


def test_another_number_keeps_the_ticks(model, data):
    box = widgets.swapper(model, data, 40, 3000)
    box.boxes[1].value = True
    box.numbers[1].value = 77
    a, b = codes_of(model, data, 40, 77)
    assert box.picture.value == drawn(model, widgets.swap(a, b, [1]))
    box.numbers[0].value = 5
    a, b = codes_of(model, data, 5, 77)
    assert box.picture.value == drawn(model, widgets.swap(a, b, [1]))


def test_the_buttons_take_all_from_one_image(model, data):
    box = widgets.swapper(model, data, 40, 3000)
    a, b = codes_of(model, data, 40, 3000)
    _, all_a, all_b = box.children[0].children[2:]
    all_b.click()
    assert box.picture.value == drawn(model, b)
    all_a.click()
    assert box.picture.value == drawn(model, a)


def test_two_others_are_in_the_set(model, data):
    box = widgets.swapper(model, data, 40, 3000)
    torch.manual_seed(3)
    box.children[0].children[2].click()
    numbers = [number.value for number in box.numbers]
    assert numbers != [40, 3000]
    assert box.picture.value == drawn(model, codes_of(model, data, *numbers)[0])


def test_latents_that_are_not_used_have_no_box_on_the_screen(data):
    model = models.VAE(data.shape, latents=3, architecture="dense", hidden=16, seed=2).eval()
    with torch.no_grad():  # latent 1 always has the prior's mean and variance
        last = model.encoder[-1]
        last.weight[[1, 4]], last.bias[[1, 4]] = 0, 0
        last.weight[[0, 2]] *= 30
    box = widgets.swapper(model, data)
    shown = box.children[2].children[1:]
    assert box.boxes[1] not in shown
    assert box.boxes[0] in shown
    assert box.boxes[2] in shown
