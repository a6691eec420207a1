"""What the fruits and the faces have in common: every combination, drawn from any integers."""

import math

import pytest
import torch

from dvae_helpers import datasets, faces, fruits


@pytest.fixture(scope="module", params=[fruits, faces], ids=["fruits", "faces"])
def drawn(request):
    return request.param


@pytest.fixture(scope="module")
def data(drawn):
    return datasets.load("fruits" if drawn is fruits else "faces")


def some_classes(drawn, n, seed):
    return drawn.FACTORS.sample(n, torch.Generator().manual_seed(seed))


def test_images_have_the_shape_of_image_sets(drawn):
    images = drawn.render(some_classes(drawn, 7, 1))
    assert images.shape == (7, 3, 64, 64)
    assert images.dtype == torch.uint8
    assert images.is_contiguous()


def test_all_combinations_differ(drawn, data):
    """Two random projections of the pixels, exact in int64, have as many values as images."""
    assert len(data) == len(drawn.FACTORS) == {fruits: 30_720, faces: 32_400}[drawn]
    generator = torch.Generator().manual_seed(2)
    weights = torch.randint(-(2**40), 2**40, (3 * 64 * 64, 2), generator=generator)
    keys = torch.cat([part.flatten(1).long() @ weights for part in data.pixels.split(1024)])
    assert len(keys.unique(dim=0)) == len(data)


def test_the_image_set_holds_what_render_draws(drawn, data):
    assert data.shape == (3, 64, 64)
    assert data.factors == drawn.FACTORS
    assert data.pixels.dtype == torch.uint8
    assert data.pixels.numel() == len(data) * 3 * 64 * 64
    classes = some_classes(drawn, 60, 3)
    index = data.find(classes)
    assert torch.equal(data.classes(index), classes)
    assert torch.equal(data.images(index), drawn.render(classes).float() / 255)


def test_images_do_not_depend_on_their_batch_and_can_be_changed(drawn):
    classes = some_classes(drawn, 30, 28)
    images = drawn.render(classes)
    expected = images.clone()
    images.fill_(7)  # must not write into what the next call copies from
    order = torch.randperm(30, generator=torch.Generator().manual_seed(29))
    assert torch.equal(drawn.render(classes[order]), expected[order])
    one = drawn.render(classes[:1])
    assert torch.equal(one, expected[:1])
    one.zero_()
    assert torch.equal(drawn.render(classes[:1]), expected[:1])


def test_any_integers_are_classes(drawn):
    classes = some_classes(drawn, 6, 30)
    expected = drawn.render(classes)
    assert torch.equal(drawn.render(classes.to(torch.uint8)), expected)
    assert torch.equal(drawn.render(classes.int()), expected)
    assert torch.equal(drawn.render(classes.tolist()), expected)


def test_no_classes_give_no_images(drawn):
    none = torch.empty(0, len(drawn.FACTORS.names), dtype=torch.int64)
    assert drawn.render(none).shape == (0, 3, 64, 64)
    assert drawn.describe(none) == []


def refused(drawn, classes, said):
    for call in (drawn.render, drawn.describe):
        with pytest.raises(ValueError, match=said):
            call(classes)


@pytest.mark.parametrize("wrong", [torch.float32, torch.bool])
def test_what_is_no_integer_is_refused(drawn, wrong):
    refused(drawn, torch.zeros(3, len(drawn.FACTORS.names), dtype=wrong), str(wrong)[6:])


def test_numbers_that_are_none_are_refused(drawn):
    refused(drawn, torch.full((3, len(drawn.FACTORS.names)), math.nan), "float32")


@pytest.mark.parametrize("shape", [(3, -1), (3, +1), (0,), (2, 3, 0)], ids=str)
def test_another_shape_is_refused_and_named(drawn, shape):
    """The last number is the difference to the number of factors."""
    shape = (*shape[:-1], len(drawn.FACTORS.names) + shape[-1])
    refused(drawn, torch.zeros(shape, dtype=torch.int64), str(shape).replace("(", r"\(")[:-1])


def test_a_value_off_the_grid_is_refused_and_its_factor_named(drawn):
    for k, (name, size) in enumerate(zip(drawn.FACTORS.names, drawn.FACTORS.sizes, strict=True)):
        for value in (size, -1):
            classes = torch.zeros(1, len(drawn.FACTORS.names), dtype=torch.int64)
            classes[0, k] = value
            refused(drawn, classes, f"'{name}' has values from {value}")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_draws_the_same_images(drawn):
    classes = some_classes(drawn, 5_000, 31)
    assert torch.equal(drawn.render(classes.cuda()).cpu(), drawn.render(classes))
