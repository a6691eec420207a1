"""What holds for every code and every set of factors: scores, estimators, image sets."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dvae_helpers import datasets, estimators, metrics
from dvae_helpers.factors import FactorSpace

seeds = st.integers(0, 10**6)

# Some of the heavy-tailed codes below are outliers, and binned scores warn of them.
pytestmark = pytest.mark.filterwarnings("ignore:Latent .. all but")


def codes_of(seed, rows=60, latents=3):
    """Codes that know something, with one heavy tail and one latent of few values."""
    random = np.random.default_rng(seed)
    codes = random.standard_normal((rows, latents))
    codes[:, 0] = random.standard_t(2, rows)
    codes[:, -1] = random.integers(0, 3, rows)
    return codes


def labels_of(seed, rows=60, sizes=(2, 3)):
    """Labels (N, K) in which every value of every factor is there more than once."""
    random = np.random.default_rng(seed)
    return np.stack([random.permutation(np.arange(rows) % size) for size in sizes], 1)


def posteriors_of(seed, images=12, latents=2):
    generator = torch.Generator().manual_seed(seed)
    mean, log_var = torch.randn(2, images, latents, generator=generator, dtype=torch.float64)
    return 2 * mean, log_var - 1


def in_order(codes, labels):
    """Every score that needs no fit of a regressor, by name."""
    few = {"batch_size": 4, "train": 30, "test": 20}
    return {
        "mig": metrics.mig(codes, labels, bins=5).score,
        "modularity": metrics.modularity(codes, labels, bins=5),
        "sap": metrics.sap(codes, labels, version="correlation"),
        "factor_vae_score": metrics.factor_vae_score(codes, labels, **few),
    }


@given(seeds)
def test_every_score_lies_between_0_and_1(seed):
    for name, score in in_order(codes_of(seed), labels_of(seed)).items():
        assert 0 <= score <= 1 + 1e-12, name


@given(seeds, st.permutations(range(3)), st.permutations(range(2)))
def test_the_order_of_latents_and_factors_does_not_matter(seed, latents, factors):
    codes, labels = codes_of(seed), labels_of(seed)
    before = in_order(codes, labels)
    after = in_order(codes[:, latents], labels[:, factors])
    for name in ("mig", "modularity", "sap"):  # the other draws its pairs factor by factor
        assert after[name] == pytest.approx(before[name], abs=1e-9), name


@given(seeds, st.permutations(range(3)))
def test_names_of_values_carry_no_information(seed, names):
    codes, labels = codes_of(seed), labels_of(seed)
    renamed = labels.copy()
    renamed[:, 1] = np.array([7 * name - 4 for name in names])[labels[:, 1]]
    for function in (metrics.mig, metrics.modularity):
        again = function(codes, renamed, bins=5)
        whole = function(codes, labels, bins=5)
        again, whole = (getattr(found, "score", found) for found in (again, whole))
        assert again == pytest.approx(whole, abs=1e-12)


@given(seeds, st.floats(0.01, 100), st.floats(-10, 10))
def test_a_latent_that_never_moves_changes_no_gap_and_stretching_no_sap(seed, stretch, shift):
    codes, labels = codes_of(seed), labels_of(seed)
    dead = np.concatenate((codes, np.full((len(codes), 1), shift)), 1)
    assert metrics.mig(dead, labels, bins=5).score == metrics.mig(codes, labels, bins=5).score
    moved = metrics.sap(stretch * codes + shift, labels, version="correlation")
    assert moved == pytest.approx(metrics.sap(codes, labels, version="correlation"), abs=1e-6)


@given(seeds, st.integers(2, 12))
def test_binned_information_is_at_most_either_entropy(seed, bins):
    codes, labels = codes_of(seed), labels_of(seed)
    found = metrics.binned_information(codes, labels, bins)
    entropy = metrics.entropies(labels).numpy()
    assert (found >= 0).all()
    assert (found <= entropy[:, None] + 1e-12).all()
    assert (found <= math.log(bins) + 1e-12).all()


@given(seeds)
def test_noise_on_a_code_never_adds_information(seed):
    """Data processing: wider posteriors are a noisier channel."""
    mean, log_var = posteriors_of(seed)
    labels = torch.from_numpy(labels_of(seed, 12))
    sharp = metrics.mig_exact(mean, log_var, labels).information
    blurred = metrics.mig_exact(mean, (log_var.exp() + 0.5).log(), labels).information
    assert (blurred <= sharp + 1e-6).all()


@given(seeds, st.integers(2, 12))
def test_a_code_tells_at_most_log_n_nats_about_its_image(seed, images):
    """log q(z|x_n) - log q(z) <= ln N for every single z, since q(z) >= q(z|x_n) / N."""
    mean, log_var = posteriors_of(seed, images)
    found = estimators.decompose(mean, log_var, samples=64, seed=seed)
    assert found.mutual_information <= math.log(images) + 1e-12
    assert (found.dimension_kl >= -1e-9).all()


@given(seeds, st.floats(0.1, 10), st.floats(-5, 5))
def test_densities_follow_a_change_of_units(seed, scale, shift):
    """z -> scale z + shift takes ln(scale) off every log density, once for each latent."""
    mean, log_var = posteriors_of(seed, 6)
    weights = estimators.exact_log_weights(6, 6).double()
    before = estimators.log_marginals(mean, mean, log_var, weights)
    moved = scale * mean + shift
    after = estimators.log_marginals(moved, moved, log_var + 2 * math.log(scale), weights)
    for old, new in zip(before, after, strict=True):
        torch.testing.assert_close(new, old - 2 * math.log(scale), rtol=1e-9, atol=1e-9)


@given(seeds)
def test_a_data_set_counted_twice_has_the_same_aggregate_posterior(seed):
    mean, log_var = posteriors_of(seed, 5)
    once = estimators.log_marginals(mean, mean, log_var, estimators.exact_log_weights(5, 5))
    twice = estimators.log_marginals(
        mean, mean.repeat(2, 1), log_var.repeat(2, 1), estimators.exact_log_weights(5, 10)
    )
    for old, new in zip(once, twice, strict=True):
        torch.testing.assert_close(new, old, rtol=1e-6, atol=1e-6)


@given(st.floats(-30, 30), st.floats(-20, 20))
def test_the_kl_of_a_gaussian_is_never_negative(mean, log_var):
    found = estimators.gaussian_kl(torch.tensor(mean).double(), torch.tensor(log_var).double())
    assert found >= -1e-12  # rounding, close to the prior


@given(st.lists(st.integers(2, 4), min_size=1, max_size=4), st.data())
def test_an_image_is_found_by_its_factors_in_a_set_and_in_a_part_of_it(sizes, data):
    space = FactorSpace([f"factor {k}" for k in range(len(sizes))], sizes)
    pixels = 255 - torch.arange(len(space))[:, None, None, None].to(torch.uint8)
    whole = datasets.ImageSet("numbers", space, (1, 1, 1), pixels)
    index = torch.arange(len(space))
    assert torch.equal(whole.find(whole.classes(index)), index)
    mask = data.draw(st.lists(st.booleans(), min_size=len(space), max_size=len(space)).filter(any))
    part = datasets.subset(whole, torch.tensor(mask))
    kept = torch.tensor(mask).nonzero()[:, 0]
    assert torch.equal(255 - part.pixels[:, 0, 0, 0].long(), kept)
    assert torch.equal(part.classes(torch.arange(len(part))), space.classes(kept))
    assert torch.equal(part.find(space.classes(kept)), torch.arange(len(part)))
