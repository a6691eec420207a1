"""Attributes swapped between two images."""

import pytest
import torch

from dvae_helpers import widgets


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
