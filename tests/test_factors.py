"""FactorSpace: the grid of all combinations."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dvae_helpers import combinations, datasets, faces, fruits, sprites
from dvae_helpers.factors import FactorSpace

SPACE = FactorSpace(("kind", "size", "colour"), (3, 2, 4))

spaces = st.lists(st.integers(2, 7), min_size=1, max_size=5).map(
    lambda sizes: FactorSpace([f"g{k}" for k in range(len(sizes))], sizes)
)


@given(spaces, st.data())
def test_index_and_classes_undo_each_other(space, data):
    numbers = st.lists(st.integers(0, len(space) - 1), min_size=1, max_size=20)
    index = torch.tensor(data.draw(numbers))
    classes = space.classes(index)
    assert classes.shape == (len(index), len(space.sizes))
    assert classes.dtype == torch.int64
    assert torch.equal(space.index(classes), index)


@given(spaces)
def test_the_grid_is_row_major(space):
    everything = np.arange(len(space))
    expected = np.stack(np.unravel_index(everything, space.sizes), -1)
    assert np.array_equal(space.classes(everything), expected)
    assert len(space) == np.prod(space.sizes)


def test_one_combination_by_hand():
    assert SPACE.classes(1 * 8 + 1 * 4 + 3).tolist() == [1, 1, 3]
    assert int(SPACE.index([2, 0, 1])) == 17


def test_any_leading_axes_are_kept():
    index = torch.arange(24).reshape(2, 3, 4)
    classes = SPACE.classes(index)
    assert classes.shape == (2, 3, 4, 3)
    assert torch.equal(SPACE.index(classes), index)
    assert SPACE.classes(5).shape == (3,)
    assert SPACE.classes(torch.empty(0, dtype=torch.int64)).shape == (0, 3)
    assert SPACE.index(torch.empty(0, 3, dtype=torch.int64)).shape == (0,)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32, torch.int64])
def test_narrow_integers_do_not_overflow(dtype):
    space = FactorSpace(("a", "b"), (100, 100))
    classes = torch.tensor([[99, 98], [3, 99]], dtype=dtype)
    assert space.index(classes).tolist() == [9998, 399]


def test_check_gives_the_same_values_back_and_does_not_change_them():
    classes = torch.tensor([[2, 1, 3], [0, 0, 1]], dtype=torch.int32)
    checked = SPACE.check(classes)
    assert checked.dtype == torch.int64
    assert checked.tolist() == classes.tolist() == [[2, 1, 3], [0, 0, 1]]


def test_samples_are_uniform_over_the_grid_and_independent():
    """Chi-square over all 24 cells: below 60 unless a true one exceeds its 99.997% quantile."""
    n = 24_000
    classes = SPACE.sample(n, torch.Generator().manual_seed(1))
    assert classes.shape == (n, 3)
    counts = torch.bincount(SPACE.index(classes), minlength=24).double()
    assert float(((counts - n / 24) ** 2 / (n / 24)).sum()) < 60


def test_samples_repeat_with_the_generator_and_leave_the_global_one_alone():
    before = torch.get_rng_state()
    first = SPACE.sample(50, torch.Generator().manual_seed(2))
    assert torch.equal(first, SPACE.sample(50, torch.Generator().manual_seed(2)))
    assert not torch.equal(first, SPACE.sample(50, torch.Generator().manual_seed(3)))
    assert torch.equal(torch.get_rng_state(), before)


def test_entropies_are_those_of_the_drawn_grid():
    classes = SPACE.classes(torch.arange(len(SPACE)))
    for k, entropy in enumerate(SPACE.entropies().tolist()):
        share = torch.bincount(classes[:, k]).double() / len(SPACE)
        assert math.isclose(entropy, float(-(share * share.log()).sum()), rel_tol=1e-12)


def test_equal_means_the_same_names_and_sizes():
    same = FactorSpace(["kind", "size", "colour"], [3, 2, 4])
    assert same == SPACE
    assert hash(same) == hash(SPACE)
    assert FactorSpace(("kind", "size", "hue"), (3, 2, 4)) != SPACE
    assert FactorSpace(("kind", "size", "colour"), (3, 2, 5)) != SPACE
    assert SPACE != (3, 2, 4)


def test_position_finds_a_factor_by_name():
    assert [SPACE.position(name) for name in ("kind", "size", "colour")] == [0, 1, 2]
    with pytest.raises(ValueError, match=r"no factor 'weight'.*kind"):
        SPACE.position("weight")


def test_repr_names_the_factors():
    assert "size: 2" in repr(SPACE)
    assert "24 combinations" in repr(SPACE)


@pytest.mark.parametrize(
    ("names", "sizes", "said"),
    [
        (["a", "b"], [3, 1], "'b' has size 1"),
        (["a"], [0], "'a' has size 0"),
        (["a"], [-4], "'a' has size -4"),
        (["a"], [2.5], r"'a' has size 2\.5"),
        ([], [], "0 names and 0 sizes"),
        (["a", "b"], [3], "2 names and 1 sizes"),
        (["a", "a"], [3, 4], "must differ"),
    ],
)
def test_a_space_that_cannot_be_is_refused(names, sizes, said):
    with pytest.raises(ValueError, match=said):
        FactorSpace(names, sizes)


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        ([[0, 0, 4]], "'colour' has values from 4 to 4, but only 0 to 3"),
        ([[0, 0, 1], [3, 0, 1]], "'kind' has values from 0 to 3, but only 0 to 2"),
        ([[0, -1, 1]], "'size' has values from -1"),
        ([[0, 1]], r"shape \(1, 2\).*3 entries"),
        (1, r"shape \(\)"),
        ([[0.0, 1.0, 1.0]], "float32.*integers"),
        ([[True, False, True]], "bool.*integers"),
        ([[math.nan, 1, 1]], "integers"),
    ],
)
def test_classes_off_the_grid_are_refused(classes, said):
    for call in (SPACE.index, SPACE.check):
        with pytest.raises(ValueError, match=said):
            call(classes)


@pytest.mark.parametrize("index", [-1, 24, [0, 24], [3, -2]])
def test_positions_off_the_grid_are_refused(index):
    with pytest.raises(ValueError, match="positions 0 to 23"):
        SPACE.classes(index)


@pytest.mark.parametrize("index", [1.0, [True, False], torch.ones(2), torch.ones(2) * 1j])
def test_positions_that_are_not_integers_are_refused(index):
    with pytest.raises(ValueError, match=r"index has dtype.*integers"):
        SPACE.classes(index)


@pytest.mark.parametrize("n", [0, -3])
def test_no_samples_are_refused(n):
    with pytest.raises(ValueError, match=f"Asked for {n}"):
        SPACE.sample(n)


def test_factors_are_ordered_unless_declared_nominal():
    assert SPACE.kinds == ("ordered",) * 3
    space = FactorSpace(SPACE.names, SPACE.sizes, ["nominal", "ordered", "nominal"])
    assert space.kinds == ("nominal", "ordered", "nominal")
    assert space != SPACE
    assert space == FactorSpace(SPACE.names, SPACE.sizes, space.kinds)


@pytest.mark.parametrize("kinds", ["ordered", ["ordered"], ["ordered", "nominal", "circular"]])
def test_other_kinds_are_refused(kinds):
    with pytest.raises(ValueError, match=r"kinds is .*'ordered', 'nominal'.*3 factors"):
        FactorSpace(SPACE.names, SPACE.sizes, kinds)


def test_names_of_things_are_nominal_in_every_set_of_the_course():
    """What has no order must not become a number in a regression; the rest may."""
    nominal = {"shape", "kind", "colour", "hair colour", "face shape"}
    for name in ("small_sprites", "small_fruits"):
        space = datasets.load(name).factors
        assert {n for n, kind in zip(space.names, space.kinds, strict=True) if kind == "nominal"}
    for space in (sprites.FACTORS, fruits.FACTORS, faces.FACTORS, combinations.TRIPLES):
        for name, kind in zip(space.names, space.kinds, strict=True):
            assert (kind == "nominal") == (name in nominal), name
