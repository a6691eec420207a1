"""Shares of variance against their closed form, and the choice of one latent for each factor."""

import math

import pytest
import torch

from dvae_helpers.factors import FactorSpace
from dvae_helpers.shares import best_latents, shares

SPACE = FactorSpace(("a", "b", "c"), (3, 5, 2))


def grid():
    classes = SPACE.classes(torch.arange(len(SPACE)))
    codes = classes.double()
    return classes, (codes - codes.mean(0)) / codes.std(0, correction=0)


def test_a_mixture_of_independent_factors_has_its_squared_weights_as_shares():
    classes, codes = grid()
    weights = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)).double()
    spread = torch.tensor([0.1, 0.5, 1.0, 2.0]).double()
    log_var = (2 * spread.log()).expand(len(codes), -1)
    expected = (weights**2).T / ((weights**2).sum(1) + spread**2)
    torch.testing.assert_close(shares(codes @ weights.T, log_var, classes), expected)


def test_unequally_frequent_values_against_a_slow_loop():
    generator = torch.Generator().manual_seed(1)
    classes = torch.stack(
        (torch.randint(3, (50,), generator=generator) ** 2, torch.arange(50) % 7), 1
    )
    mean = torch.randn(50, 4, generator=generator)
    log_var = torch.randn(50, 4, generator=generator) - 1
    for k in range(2):
        for j in range(4):
            explained = sum(
                float(mean[classes[:, k] == classes[n, k], j].mean() - mean[:, j].mean()) ** 2
                for n in range(50)
            )
            total = float(mean[:, j].var(correction=0) + log_var[:, j].exp().mean())
            assert math.isclose(
                shares(mean, log_var, classes)[k, j], explained / 50 / total, rel_tol=1e-5
            )


def test_a_latent_that_never_changes_has_no_share():
    classes, codes = grid()
    table = shares(0 * codes, torch.full_like(codes, -2000.0), classes)
    assert (table == 0).all()


def test_each_factor_gets_a_latent_of_its_own():
    table = torch.tensor([[0.2, 0.9, 0.1], [0.1, 0.8, 0.3], [0.0, 0.0, 0.5]])
    assert best_latents(table, [0, 1]) == [1, 2]
    assert best_latents(table, [1, 0, 2]) == [1, 0, 2]
    with pytest.raises(ValueError, match="only 3"):
        best_latents(table, [0, 1, 2, 0])


@pytest.mark.parametrize(
    ("mean", "log_var", "classes"),
    [
        (torch.zeros(4), torch.zeros(4), torch.zeros(4, 2)),
        (torch.zeros(4, 2), torch.zeros(4, 3), torch.zeros(4, 2)),
        (torch.zeros(4, 2), torch.zeros(4, 2), torch.zeros(5, 2)),
        (torch.zeros(4, 2), torch.zeros(4, 2), torch.zeros(4)),
        (torch.zeros(1, 2), torch.zeros(1, 2), torch.zeros(1, 2)),
        (torch.full((4, 2), torch.nan), torch.zeros(4, 2), torch.zeros(4, 2)),
        (torch.zeros(4, 2), torch.full((4, 2), torch.inf), torch.zeros(4, 2)),
    ],
)
def test_bad_input_is_refused(mean, log_var, classes):
    with pytest.raises(ValueError, match=r"shape|finite"):
        shares(mean, log_var, classes)
