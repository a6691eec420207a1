"""Scores at their limits, against brute force, and with bad input."""

import csv
import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import mutual_info_score

from dvae_helpers import __main__ as command_line
from dvae_helpers import datasets, metrics, models, zoo
from dvae_helpers.factors import FactorSpace

SPACE = FactorSpace(("shape", "size", "place"), (3, 2, 7))


def random_posteriors(space, latents=4, seed=0, dtype=torch.float64):
    """Unequal, and related to the factors, as an encoder's: mean and log variance (N, J)."""
    generator = torch.Generator().manual_seed(seed)
    classes = space.classes(torch.arange(len(space))).double()
    mix = torch.randn(len(space.sizes), latents, generator=generator, dtype=torch.float64)
    noise = torch.randn(2, len(space), latents, generator=generator, dtype=torch.float64)
    spread = torch.rand(latents, generator=generator, dtype=torch.float64) + 0.2
    return (classes @ mix * 0.5 + noise[0] * spread).to(dtype), (noise[1] - 2).to(dtype)


def brute_force(mean, log_var, labels, finer=10):
    """I(z_j; g_k) (K, J) by direct summation, one factor value at a time, in float64."""
    result = torch.zeros(labels.shape[1], mean.shape[1], dtype=torch.float64)
    for j in range(mean.shape[1]):
        centre, sigma = mean[:, j].double(), (0.5 * log_var[:, j].double()).exp()
        step = 0.5 * float(sigma.min()) / finer
        low, high = float((centre - 9 * sigma).min()), float((centre + 9 * sigma).max())
        z = torch.arange(low, high, step, dtype=torch.float64)[:, None]
        density = torch.distributions.Normal(centre, sigma).log_prob(z).exp()  # (P, N)
        q = density.mean(1)
        for k in range(labels.shape[1]):
            for value in labels[:, k].unique():
                inside = labels[:, k] == value
                part = density[:, inside].mean(1)
                log_ratio = torch.special.xlogy(part, part / q.clamp(min=1e-300))
                result[k, j] += inside.double().mean() * step * log_ratio.sum()
    return result


@pytest.mark.parametrize("seed", range(3))
def test_mig_exact_is_what_brute_force_gives(seed):
    mean, log_var = random_posteriors(SPACE, seed=seed)
    labels = SPACE.classes(torch.arange(len(SPACE)))
    expected = brute_force(mean, log_var, labels)
    found = metrics.mig_exact(mean, log_var, SPACE)
    assert (found.information / expected - 1).abs().max() < 1e-6
    assert found.error < 1e-6
    torch.testing.assert_close(found.entropy, SPACE.entropies())
    first, second = expected.sort(dim=1, descending=True).values[:, :2].T
    torch.testing.assert_close(found.per_factor, (first - second) / SPACE.entropies())
    assert found.score == pytest.approx(float(found.per_factor.mean()))
    assert torch.equal(found.best, expected.argmax(1))


def test_single_precision_is_enough():
    mean, log_var = random_posteriors(SPACE, seed=3, dtype=torch.float32)
    labels = SPACE.classes(torch.arange(len(SPACE)))
    found = metrics.mig_exact(mean, log_var, SPACE)
    assert found.information.dtype == torch.float64
    assert (found.information / brute_force(mean, log_var, labels) - 1).abs().max() < 1e-6


def test_mig_exact_agrees_with_draws_from_the_posteriors():
    mean, log_var = random_posteriors(SPACE, seed=4)
    labels = SPACE.classes(torch.arange(len(SPACE)))
    found = metrics.mig_exact(mean, log_var, SPACE).information
    generator = torch.Generator().manual_seed(5)
    n = torch.randint(len(SPACE), (40_000,), generator=generator)
    noise = torch.randn(len(n), mean.shape[1], generator=generator, dtype=torch.float64)
    sigma = (0.5 * log_var).exp()
    for j in range(mean.shape[1]):
        z = mean[n, j] + sigma[n, j] * noise[:, j]
        density = torch.distributions.Normal(mean[:, j], sigma[:, j]).log_prob(z[:, None]).exp()
        for k in range(3):
            same = (labels[n, k][:, None] == labels[:, k]).double()
            inside = (density * same).sum(1) / same.sum(1)
            ratio = (inside / density.mean(1)).log()
            error = float(ratio.std()) / math.sqrt(len(n))
            assert abs(float(ratio.mean()) - float(found[k, j])) < 4.5 * error


@pytest.mark.parametrize("chunk", [1, 997, 100_000])
def test_chunks_change_nothing(chunk):
    mean, log_var = random_posteriors(SPACE, seed=6)
    whole = metrics.mig_exact(mean, log_var, SPACE)
    part = metrics.mig_exact(mean, log_var, SPACE, chunk=chunk)
    torch.testing.assert_close(part.information, whole.information, rtol=1e-10, atol=1e-12)


def test_a_sample_with_labels_in_any_order_and_with_any_names_of_values():
    mean, log_var = random_posteriors(SPACE, seed=7)
    labels = SPACE.classes(torch.arange(len(SPACE)))
    whole = metrics.mig_exact(mean, log_var, SPACE).information
    order = torch.randperm(len(SPACE), generator=torch.Generator().manual_seed(1))
    renamed = 10 - 3 * labels[order]
    again = metrics.mig_exact(mean[order], log_var[order], renamed).information
    torch.testing.assert_close(again, whole, rtol=1e-9, atol=1e-12)
    some = order[:17]
    found = metrics.mig_exact(mean[some], log_var[some], labels[some])
    expected = brute_force(mean[some], log_var[some], labels[some])
    torch.testing.assert_close(found.information, expected, rtol=1e-6, atol=1e-9)
    for k in range(3):
        share = labels[some, k].bincount() / 17
        share = share[share > 0].double()
        assert float(found.entropy[k]) == pytest.approx(float(-(share * share.log()).sum()))


@given(st.integers(0, 10**6), st.floats(0.001, 1000), st.floats(-50, 50))
def test_information_lies_between_0_and_the_entropy_and_ignores_scale(seed, scale, shift):
    mean, log_var = random_posteriors(SPACE, latents=2, seed=seed)
    found = metrics.mig_exact(mean, log_var, SPACE).information
    assert (found >= 0).all()
    assert (found <= SPACE.entropies()[:, None] + 1e-9).all()
    moved = metrics.mig_exact(
        scale * mean + shift * scale, log_var + 2 * math.log(scale), SPACE
    ).information
    torch.testing.assert_close(moved, found, rtol=1e-6, atol=1e-8)


def test_one_very_narrow_posterior_is_not_missed():
    """It falls between the points of a coarse grid; the density's integral then tells."""
    mean = torch.randn(14, 2, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    log_var = torch.zeros(14, 2, dtype=torch.float64)
    log_var[3, 0] = 2 * math.log(1e-4)
    labels = torch.stack((torch.arange(14) % 2, torch.arange(14) // 7), 1)
    found = metrics.mig_exact(mean, log_var, labels)
    expected = brute_force(mean, log_var, labels, finer=1)
    torch.testing.assert_close(found.information, expected, rtol=1e-6, atol=1e-9)
    assert found.points[0] > found.points[1]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_gpu_gives_the_same():
    mean, log_var = random_posteriors(SPACE, dtype=torch.float32)
    here = metrics.mig_exact(mean, log_var, SPACE)
    there = metrics.mig_exact(mean.cuda(), log_var.cuda(), SPACE)
    torch.testing.assert_close(there.information, here.information, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_binned_mig_follows_the_published_protocol(dtype):
    """np.histogram's edges without the last, np.digitize, scikit-learn's information."""
    mean, _ = random_posteriors(FactorSpace("abc", (9, 4, 40)), latents=6, dtype=dtype)
    labels = FactorSpace("abc", (9, 4, 40)).classes(torch.arange(len(mean))).numpy()
    codes = mean.numpy().copy()
    codes[:, 5] = labels[:, 0]  # values that lie on the edges of bins
    places = [np.digitize(c, np.histogram(c, 20)[1][:-1]) for c in codes.T]
    information = np.array([[mutual_info_score(g, p) for p in places] for g in labels.T])
    entropy = np.array([mutual_info_score(g, g) for g in labels.T])
    ordered = np.sort(information, 1)
    found = metrics.mig(codes, labels)
    np.testing.assert_allclose(found.information, information, atol=1e-12)
    np.testing.assert_allclose(found.entropy, entropy, atol=1e-12)
    assert found.score == pytest.approx(((ordered[:, -1] - ordered[:, -2]) / entropy).mean())


def test_more_bins_and_narrow_posteriors_meet_the_exact_score():
    """The finite sample inflates the binned information a little; it must not be far off."""
    space = FactorSpace(("a", "b"), (4, 3))
    labels = space.classes(torch.arange(24_000) % 12)
    generator = torch.Generator().manual_seed(2)
    centre = labels.double() * torch.tensor([1.0, 0.4])
    codes = centre + 0.25 * torch.randn(centre.shape, generator=generator, dtype=torch.float64)
    log_var = torch.full((12, 2), 2 * math.log(0.25), dtype=torch.float64)
    exact = metrics.mig_exact(centre[:12], log_var, space)
    binned = metrics.mig(codes, labels, bins=100)
    torch.testing.assert_close(binned.information, exact.information, atol=0.02, rtol=0)


# The limits


LIMITS = FactorSpace(("a", "b", "c"), (6, 5, 8))


@pytest.fixture(scope="module")
def labels():
    return LIMITS.classes(torch.arange(len(LIMITS)).repeat(9))


@pytest.fixture(scope="module")
def codes(labels):
    generator = torch.Generator().manual_seed(3)
    clean = (labels - labels.double().mean(0)) / labels.double().std(0)
    n, nothing = len(labels), torch.zeros(len(labels), 2, dtype=torch.float64)
    random = torch.randn(500, 3, 3, generator=generator, dtype=torch.float64)
    rotation = min(torch.linalg.qr(random)[0], key=lambda matrix: matrix.abs().max())
    perfect = torch.cat((clean, nothing), 1)
    return {
        "perfect": perfect,
        "permuted": perfect[:, [3, 2, 0, 4, 1]],
        "flipped": perfect * torch.tensor([-1, 1, -1, 1, 1]),
        "warped": torch.cat(((1.2 * clean).exp(), nothing), 1),
        "rotated": torch.cat((clean @ rotation, nothing), 1),
        "duplicated": torch.cat((clean, clean), 1),
        "constant": torch.full((n, 5), 2.0, dtype=torch.float64),
        "noise": torch.randn(n, 5, generator=generator, dtype=torch.float64),
    }


def narrow(codes, labels):
    return metrics.mig_exact(codes, torch.full_like(codes, 2 * math.log(0.02)), labels).score


def binned(codes, labels):
    return metrics.mig(codes, labels).score


def forest(name):
    return lambda codes, labels: getattr(metrics.dci(codes, labels, "forest"), name)


def lasso(name):
    return lambda codes, labels: getattr(metrics.dci(codes, labels, "lasso"), name)


def correlation(codes, labels):
    return metrics.sap(codes, labels, "correlation")


def latent_gap(codes, labels):
    return metrics.mig_sup_exact(codes, torch.full_like(codes, 2 * math.log(0.02)), labels)


def info(name):
    return lambda codes, labels: getattr(metrics.infomec(codes, labels), name)


def exact_info(name):
    def score(codes, labels):
        log_var = torch.full_like(codes, 2 * math.log(0.02))
        return getattr(metrics.infomec_exact(codes, log_var, labels), name)

    return score


D, C, ERROR = "disentanglement", "completeness", "informativeness"
SAME = ("permuted", "flipped")  # these must score as the perfect code does


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        # MIG: 1 for one latent a factor, 0 if no latent or two latents know it
        (narrow, {"perfect": 1, "warped": 1, "duplicated": 0, "constant": 0, "noise": 0.01}),
        (binned, {"perfect": 1, "duplicated": 0, "constant": 0, "noise": 0.01}),
        # D does not mind duplicates, C (of a forest) does; lasso picks one of two at random
        (forest(D), {"perfect": 1, "warped": 1, "duplicated": 1, "constant": 0, "noise": 0.02}),
        (forest(C), {"perfect": 1, "warped": 1, "constant": 0, "noise": 0.02}),
        (forest(ERROR), {"perfect": 0, "warped": 0, "rotated": 0, "constant": 1, "noise": 1}),
        (lasso(D), {"perfect": 1, "duplicated": 1, "constant": 0}),
        (lasso(C), {"perfect": 1, "constant": 0}),
        (lasso(ERROR), {"perfect": 0, "rotated": 0, "duplicated": 0, "constant": 1, "noise": 1}),
        # a linear classifier on one latent cannot name a value in the middle: SAP stays below 1
        (metrics.sap, {"duplicated": 0, "constant": 0, "noise": 0.02}),
        (
            metrics.beta_vae_score,
            {"perfect": 1, "duplicated": 1, "constant": 1 / 3, "noise": 1 / 3},
        ),
        (metrics.factor_vae_score, {"perfect": 1, "warped": 1, "duplicated": 1, "noise": 1 / 3}),
        # the two constant latents know nothing and count 0
        (metrics.modularity, {"perfect": 3 / 5, "duplicated": 1, "constant": 0}),
        (metrics.explicitness, {"perfect": 1, "rotated": 1, "duplicated": 1, "constant": 0.5}),
        # SAP of the paper: 1 for a line, less for a bend
        (correlation, {"perfect": 1, "warped": 0.82, "duplicated": 0, "constant": 0, "noise": 0}),
        # MIG-sup and InfoM do not mind copies, InfoC does: (1/2 - 1/6) / (1 - 1/6)
        (latent_gap, {"perfect": 1, "warped": 1, "duplicated": 1, "constant": 0, "noise": 0}),
        (info("modularity"), {"perfect": 1, "warped": 1, "duplicated": 1, "constant": 0}),
        (info("compactness"), {"perfect": 1, "warped": 1, "duplicated": 0.4, "constant": 0}),
        (info("explicitness"), {"perfect": 1, "rotated": 1, "constant": 0, "noise": 0}),
        (exact_info("modularity"), {"perfect": 1, "warped": 1, "duplicated": 1, "constant": 0}),
        (exact_info("compactness"), {"perfect": 1, "warped": 1, "duplicated": 0.4, "constant": 0}),
    ],
)
def test_limits(function, expected, codes, labels):
    found = {name: function(codes[name], labels) for name in {"perfect", *SAME, *expected}}
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=0.05), name
    for name in SAME:
        assert found[name] == pytest.approx(found["perfect"], abs=0.01), name


@pytest.mark.parametrize(
    ("function", "least"),
    [
        (narrow, 0.8),
        (binned, 0.8),
        (forest(D), 0.7),
        (forest(C), 0.4),
        (lasso(D), 0.8),
        (lasso(C), 0.5),
        (metrics.sap, 0.15),
        (metrics.factor_vae_score, 0.2),
        (metrics.modularity, 0.2),
        (correlation, 0.8),
        (latent_gap, 0.8),
        (info("modularity"), 0.2),
        (info("compactness"), 0.2),
        (exact_info("modularity"), 0.7),
        (exact_info("compactness"), 0.7),
    ],
)
def test_a_rotation_costs_every_score_that_looks_at_axes(function, least, codes, labels):
    assert function(codes["perfect"], labels) - function(codes["rotated"], labels) > least


def test_sap_of_a_linear_code_is_1_when_the_factors_are_taken_as_numbers(codes, labels):
    assert metrics.sap(codes["perfect"], labels, version="correlation") == pytest.approx(1)
    assert metrics.sap(codes["constant"], labels, version="correlation") == 0
    assert metrics.sap(codes["duplicated"], labels, version="correlation") == pytest.approx(0)


# DCI


def test_dci_scores_worked_by_hand():
    """Three latents, three factors, shares in halves and quarters: entropies are multiples of ln 2.

    Row 0 serves factor 0 alone: D = 1. Row 1 serves two equally: D = 1 - log_3 2. Row 2: shares
    1/4, 1/4, 1/2 with entropy 1.5 ln 2. The weights are 2/7, 2/7 ... of a total of 8.
    """
    table = [[2.0, 0.0, 0.0], [1.0, 1.0, 0.0], [1.0, 1.0, 2.0]]
    d, c, per_latent, weight, per_factor = metrics.importance_scores(torch.tensor(table))
    half = math.log(2) / math.log(3)
    torch.testing.assert_close(
        per_latent, torch.tensor([1, 1 - half, 1 - 1.5 * half], dtype=torch.float64)
    )
    torch.testing.assert_close(weight, torch.tensor([2, 2, 4], dtype=torch.float64) / 8)
    torch.testing.assert_close(
        per_factor, torch.tensor([1 - 1.5 * half, 1 - half, 1], dtype=torch.float64)
    )
    assert d == pytest.approx(0.25 + 0.25 * (1 - half) + 0.5 * (1 - 1.5 * half))
    assert c == pytest.approx((3 - 2.5 * half) / 3)


def test_the_base_is_the_number_of_columns_and_rows():
    """A table that is not square: equal importances score 0 both ways, whatever the sizes."""
    d, c, *_ = metrics.importance_scores(np.ones((5, 2)))
    assert (d, c) == pytest.approx((0, 0))
    table = np.zeros((5, 2))
    table[0, 0] = table[1, 1] = table[2, 1] = 1.0
    d, c, _, weight, per_factor = metrics.importance_scores(table)
    assert d == pytest.approx(1)
    assert per_factor.tolist() == pytest.approx([1, 1 - math.log(2) / math.log(5)])
    assert weight.tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0, 0])


@given(st.integers(0, 10**6), st.integers(2, 6), st.integers(2, 6))
def test_scores_of_any_table_lie_between_0_and_1_and_ignore_order_and_scale(seed, rows, columns):
    random = np.random.default_rng(seed)
    table = random.exponential(size=(rows, columns)) * (random.random((rows, columns)) < 0.6)
    d, c, *_ = metrics.importance_scores(table)
    assert 0 <= d <= 1
    assert 0 <= c <= 1
    shuffled = 7 * table[random.permutation(rows)][:, random.permutation(columns)]
    assert metrics.importance_scores(shuffled)[:2] == pytest.approx((d, c))
    assert metrics.importance_scores(table.T)[3].sum() == pytest.approx(float(table.any()))


def test_d_and_c_follow_the_published_protocol_for_trees():
    """scipy's entropies of importances + 1e-11; columns sum to 1, as those of trees do."""
    from scipy.stats import entropy

    random = np.random.default_rng(12)
    table = random.exponential(size=(7, 4)) ** 3
    table[2] = 0.0
    table /= table.sum(0)
    per_latent = 1 - entropy(table.T + 1e-11, base=4)
    per_factor = 1 - entropy(table + 1e-11, base=7)
    d, c, *_ = metrics.importance_scores(table)
    assert d == pytest.approx((table.sum(1) / table.sum()) @ per_latent, abs=1e-8)
    assert c == pytest.approx((table.sum(0) / table.sum()) @ per_factor, abs=1e-8)


def test_boosting_takes_importances_and_accuracy_from_a_default_classifier():
    from sklearn.ensemble import GradientBoostingClassifier

    space = FactorSpace(("a", "b"), (2, 3))
    labels = space.classes(torch.arange(6).repeat(40))
    noise = torch.randn(240, 3, generator=torch.Generator().manual_seed(8))
    codes = noise.clone()
    codes[:, :2] += 2 * labels
    found = metrics.dci(codes, labels, "boosting", seed=4)
    order = np.random.default_rng(4).permutation(240)
    held, train = order[:48], order[48:]
    for k in range(2):
        model = GradientBoostingClassifier(random_state=4)
        model.fit(codes[train].numpy(), labels[train, k].numpy())
        np.testing.assert_allclose(found.importance[:, k], model.feature_importances_)
        hits = model.score(codes[held].numpy(), labels[held, k].numpy())
        assert float(found.informed[k]) == pytest.approx(hits)
    assert "accuracy" in found.measure
    assert found.importance.shape == (3, 2)


def test_dead_latents_change_no_disentanglement(codes, labels):
    perfect = codes["perfect"]
    noisy = perfect[:, :3] + 0.3 * codes["noise"][:, :3]
    for regressor in ("lasso", "forest"):
        few = metrics.dci(noisy, labels, regressor)
        more = metrics.dci(torch.cat((perfect[:, 3:], noisy), 1), labels, regressor)
        assert more.disentanglement == pytest.approx(few.disentanglement, abs=0.02)
        assert more.importance[:2].abs().max() == 0
        assert more.weight[:2].abs().max() == 0


def test_lasso_and_forest_take_real_valued_factors(codes):
    factors = codes["perfect"][:, :3] @ torch.tensor(
        [[1.0, 0.3, 0.0], [0.0, 1.0, 0.2], [0.1, 0.0, 1.0]], dtype=torch.float64
    )
    found = metrics.dci(codes["perfect"], factors, "lasso")
    assert found.informativeness < 0.02
    assert 0.5 < found.disentanglement < 0.95
    with pytest.raises(ValueError, match="bucketize"):
        metrics.dci(codes["perfect"], factors + 0.01 * codes["noise"][:, :3], "boosting")


def test_the_same_seed_gives_the_same_scores(codes, labels):
    few = slice(0, 700)
    code, label = codes["rotated"][few] + 0.1 * codes["noise"][few], labels[few]
    for regressor in ("lasso", "forest"):
        one, two, other = (metrics.dci(code, label, regressor, seed=s) for s in (1, 1, 2))
        assert torch.equal(one.importance, two.importance)
        assert not torch.equal(one.importance, other.importance)


# Bad input


def all_scores():
    def exact(codes, factors):
        return metrics.mig_exact(codes, torch.zeros_like(codes), factors)

    def narrow_info(codes, factors):
        found = metrics.infomec_exact(codes, torch.full_like(codes, -4.0), factors)
        return found.modularity + found.compactness

    scores = {"mig_exact": exact, "mig": metrics.mig, "sap": metrics.sap}
    scores |= {"mig_sup_exact": latent_gap, "infomec": info("modularity")}
    scores |= {"infomec_exact": narrow_info}
    for regressor in ("lasso", "forest", "boosting"):
        scores[regressor] = lambda c, f, r=regressor: metrics.dci(c, f, r)
    for name in ("beta_vae_score", "factor_vae_score", "modularity", "explicitness"):
        scores[name] = getattr(metrics, name)
    return [pytest.param(name, score, id=name) for name, score in scores.items()]


@pytest.fixture(scope="module")
def good():
    space = FactorSpace(("a", "b"), (2, 3))
    labels = space.classes(torch.arange(6).repeat(20))
    noise = torch.randn(120, 3, generator=torch.Generator().manual_seed(11))
    return torch.cat((labels, labels[:, :1]), 1) + 0.3 * noise, labels


def numbers(result):
    """Everything that a score gives, flat."""
    if isinstance(result, float):
        return [result]
    parts = [v for v in vars(result).values() if isinstance(v, (float, torch.Tensor))]
    return [float(x) for part in parts for x in torch.as_tensor(part).flatten()]


@pytest.mark.parametrize(("name", "score"), all_scores())
def test_a_code_of_constants_or_copies_scores_a_number(name, score, good):
    codes, labels = good
    for odd in (
        torch.full_like(codes, 3.0),
        codes[:, [0, 0, 0]],
        torch.cat((codes, codes[:, :1], torch.zeros(120, 1)), 1),
    ):
        assert np.isfinite(numbers(score(odd, labels))).all()


@pytest.mark.parametrize(("name", "score"), all_scores())
def test_bad_codes_and_factors_are_refused_with_a_remedy(name, score, good):
    codes, labels = good
    broken = codes.clone()
    broken[4, 1] = math.nan
    with pytest.raises(ValueError, match="smaller learning rate"):
        score(broken, labels)
    flat = labels.clone()
    flat[:, 1] = 2
    with pytest.raises(ValueError, match="Factor 1 has the same value"):
        score(codes, flat)
    with pytest.raises(ValueError, match=r"expected \(120, K\)"):
        score(codes, labels[:-1])
    with pytest.raises(ValueError, match="has 6 images, but there are 120 rows"):
        score(codes, FactorSpace(("a", "b"), (2, 3)))
    with pytest.raises(ValueError, match="not empty"):
        score(codes[:0], labels[:0])
    if name not in ("lasso", "forest"):
        with pytest.raises(ValueError, match="bucketize"):
            score(codes, labels + 0.5 * codes[:, :2].double())


@pytest.mark.parametrize(("name", "score"), all_scores())
def test_one_latent_one_factor_few_rows(name, score, good):
    codes, labels = good
    for c, f in ((codes[:, :1], labels), (codes, labels[:, :1]), (codes[:7], labels[:7])):
        said, found = "Give", []
        try:
            found = numbers(score(c, f))
        except ValueError as error:
            said = str(error)
        assert np.isfinite(found).all()
        assert any(word in said for word in ("Give", "give", "Add", "Use", "look at")), said


def test_mig_says_what_is_missing(good):
    codes, labels = good
    with pytest.raises(ValueError, match="there is one latent"):
        metrics.mig(codes[:, :1], labels)
    with pytest.raises(ValueError, match="12 rows do not fill 20 bins"):
        metrics.mig(codes[:12], labels[:12])
    with pytest.raises(ValueError, match="fewer than 2"):
        metrics.mig(codes, labels, bins=1)
    tiny = codes.clone()
    tiny[:, 0] = 1 + 1e-7 * (torch.arange(120) % 2)
    with pytest.raises(ValueError, match="cannot be told apart"):
        metrics.mig(tiny, labels)
    with pytest.raises(ValueError, match="tolerance is 0"):
        metrics.mig_exact(codes, codes, labels, tolerance=0)


def test_a_value_that_is_in_no_row_is_left_out(good):
    codes, labels = good
    gap = metrics.mig(codes, torch.where(labels == 2, 9, labels))
    assert torch.equal(gap.information, metrics.mig(codes, labels).information)


def test_a_value_in_one_row_has_no_pair(good):
    codes, labels = good
    lonely = labels.clone()
    lonely[5, 1] = 7
    for score in (metrics.beta_vae_score, metrics.factor_vae_score):
        with pytest.raises(ValueError, match="one row only"):
            score(codes, lonely)
    assert 0.5 < metrics.explicitness(codes, lonely) <= 1


@pytest.mark.parametrize("log_sigma", [-25.0, -500.0])
def test_posteriors_too_narrow_to_integrate_are_refused(log_sigma):
    mean, log_var = random_posteriors(SPACE)
    log_var[3, 1] = 2 * log_sigma
    with pytest.raises(ValueError, match=r"Latent 1 has a posterior with sigma .* binned `mig`"):
        metrics.mig_exact(mean, log_var, SPACE)


def test_dci_refuses_what_it_cannot_score(good):
    codes, labels = good
    with pytest.raises(ValueError, match="choose one of lasso, forest, boosting"):
        metrics.dci(codes, labels, "ridge")
    with pytest.raises(ValueError, match="absolute values"):
        metrics.importance_scores(np.array([[1.0, -2.0], [0.0, 1.0]]))
    with pytest.raises(ValueError, match="base 1"):
        metrics.importance_scores(np.ones((3, 1)))
    with pytest.raises(ValueError, match="Give more rows"):
        metrics.dci(codes[:9], labels[:9])
    assert metrics.importance_scores(np.zeros((3, 2)))[:2] == (0, 0)


# All at once


@pytest.fixture
def tiny_model(data_folder):
    data = datasets.load("small_sprites")
    model = models.VAE(data.shape, latents=4, architecture="dense", hidden=16, seed=2).eval()
    zoo.save(model, "some_model", {"data": "small_sprites"})
    return zoo.load("some_model"), data


def test_the_table_has_every_score_once_and_is_written_as_csv_and_json(tiny_model, tmp_path):
    model, data = tiny_model
    scores = metrics.score(model, data, rows=600, progress=False)
    expected = {name for name in metrics.MEANING if "boosting" not in name}
    assert set(scores.values) == expected
    assert np.isfinite(list(scores.values.values())).all()
    exact = metrics.mig_exact(*models.posteriors(model, data), data.factors)
    assert scores.values["mig_exact"] == pytest.approx(exact.score, abs=1e-6)
    table, content = scores.write(tmp_path / "new")
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert {row["score"]: float(row["value"]) for row in rows} == scores.values
    assert json.loads(content.read_text()) == {"about": scores.about, "scores": scores.values}
    with pytest.raises(ValueError, match="choose images from 2 to 4608"):
        metrics.score(model, data, images=5000)


def test_the_command_prints_and_writes_the_table(tiny_model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert command_line.main(["score", "some_model", "--rows", "500", "--repeats", "2"]) == 0
    said = capsys.readouterr().out
    assert "mig_exact" in said
    assert "images: 4608" in said
    assert "[" in said  # intervals
    scores = json.loads((tmp_path / "runs" / "some_model" / "scores.json").read_text())["scores"]
    assert f"{scores['sap']:.3f}" in said
    assert (tmp_path / "runs" / "some_model" / "scores.csv").is_file()
    assert command_line.main(["score", "no_model"]) == 2
    assert "no_model" in capsys.readouterr().err
