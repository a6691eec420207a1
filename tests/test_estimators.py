"""log q(z), its estimators, and the parts of the KL, against slow or closed forms."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Normal, kl_divergence

from dvae_helpers import estimators, log_sums
from dvae_helpers.estimators import batch_decomposition, decompose


def posteriors(n, latents, seed, spread=1.0, dtype=torch.float64):
    """Random means, and sigmas between about 0.2 and 1."""
    generator = torch.Generator().manual_seed(seed)
    mean = spread * torch.randn(n, latents, generator=generator, dtype=dtype)
    log_var = -1.5 + 0.8 * torch.randn(n, latents, generator=generator, dtype=dtype)
    return mean, log_var


def noise(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def draw(mean, log_var, seed):
    return mean + (0.5 * log_var).exp() * noise(*mean.shape, seed=seed)


def naive_log_marginals(z, mean, log_var, log_weights):
    """log sum_n w_in prod_j N(z_ij; n, j), and sum_j log sum_n w_in N(z_ij; n, j)."""
    density = Normal(mean, (0.5 * log_var).exp()).log_prob(z[:, None])  # (B, M, J)
    log_q = (density.sum(2) + log_weights).logsumexp(1)
    return log_q, (density + log_weights[:, :, None]).logsumexp(1).sum(1)


class TestDensities:
    def test_log_density_is_the_normal_one(self):
        mean, log_var = posteriors(7, 3, 1)
        z = noise(7, 3, seed=2)
        torch.testing.assert_close(
            estimators.log_density(z, mean, log_var),
            Normal(mean, (0.5 * log_var).exp()).log_prob(z),
        )

    def test_gaussian_kl_is_the_closed_form(self):
        mean, log_var = posteriors(7, 3, 3)
        expected = kl_divergence(Normal(mean, (0.5 * log_var).exp()), Normal(0.0, 1.0))
        torch.testing.assert_close(estimators.gaussian_kl(mean, log_var), expected)
        zero = torch.zeros(2, 3)
        assert torch.equal(estimators.gaussian_kl(zero, zero), zero)

    def test_log_weights_of_q_are_averages(self):
        assert estimators.exact_log_weights(3, 8).shape == (3, 8)
        torch.testing.assert_close(
            estimators.exact_log_weights(3, 8).exp().sum(1), torch.ones(3).double()
        )
        weighted = estimators.weighted_log_weights(3, 8).exp()
        torch.testing.assert_close(weighted, torch.full((3, 3), 1 / 24).double())


sizes = st.integers(2, 60).flatmap(lambda b: st.tuples(st.just(b), st.integers(b, 10_000)))


class TestStratifiedWeights:
    @given(sizes)
    def test_rows_sum_to_1_with_1_over_n_on_the_diagonal(self, size):
        batch, dataset = size
        weights = estimators.stratified_log_weights(batch, dataset).exp().double()
        assert weights.shape == (batch, batch)
        torch.testing.assert_close(weights.sum(1), torch.ones(batch).double(), rtol=0, atol=1e-6)
        torch.testing.assert_close(
            weights.diagonal(), torch.full((batch,), 1 / dataset).double(), rtol=1e-6, atol=0
        )

    @given(sizes)
    def test_one_other_image_counts_the_rest_of_the_share_and_all_others_1_over_m(self, size):
        batch, dataset = size
        others = batch - 1
        weights = estimators.stratified_log_weights(batch, dataset).exp().double()
        special = (dataset - others) / (dataset * others)
        expected = torch.tensor(sorted([special] + [1 / others] * (others - 1))).double()
        for row in range(batch):
            rest = torch.cat((weights[row, :row], weights[row, row + 1 :])).sort().values
            torch.testing.assert_close(rest, expected, rtol=1e-5, atol=0)

    def test_a_batch_that_is_the_whole_data_set_gives_back_1_over_n_on_average(self):
        weights = estimators.stratified_log_weights(5, 5).exp()
        torch.testing.assert_close(weights.sum(), torch.tensor(5.0).to(weights))

    @pytest.mark.parametrize(("batch", "dataset"), [(1, 10), (0, 10), (-2, 10), (11, 10), (2, 1)])
    @pytest.mark.parametrize("name", ["stratified", "weighted"])
    def test_sizes_out_of_range_are_refused(self, name, batch, dataset):
        with pytest.raises(ValueError, match=f"batch_size is {batch} and dataset_size {dataset}"):
            estimators.ESTIMATORS[name](batch, dataset)


class TestUnbiased:
    """E[q_hat(z_i) / q(z_i)] over random batches; the right answer is 1 (FACTS.md, section 2)."""

    N, LATENTS = 500, 4

    def ratios(self, log_weights, batch, batches, seed=0):
        """Mean of q_hat / q in each batch; batches are independent. -> (batches,)"""
        mean, log_var = posteriors(self.N, self.LATENTS, 20)
        log_var = log_var * 0.3 - 0.5
        generator = torch.Generator().manual_seed(seed)
        exact = estimators.exact_log_weights(batch, self.N).double()
        result = []
        for number in range(batches):
            chosen = torch.randperm(self.N, generator=generator)[:batch]
            z = draw(mean[chosen], log_var[chosen], seed=1000 * seed + number)
            log_q, _ = naive_log_marginals(z, mean, log_var, exact)
            got, _ = estimators.log_marginals(z, mean[chosen], log_var[chosen], log_weights)
            result.append((got - log_q).exp().mean())
        return torch.stack(result)

    @pytest.mark.parametrize("batch", [8, 32, 128])
    def test_the_stratified_estimate_of_q_is_unbiased(self, batch):
        log_weights = estimators.stratified_log_weights(batch, self.N)
        ratios = self.ratios(log_weights.double(), batch, 300)
        error = float(ratios.std()) / math.sqrt(len(ratios))
        assert error < 0.05
        assert abs(float(ratios.mean()) - 1) < 4 * error

    @pytest.mark.parametrize("batch", [32, 128])
    def test_the_published_stride_is_far_off(self, batch):
        """1/N in column 0 and (N - M)/(N M) in column 1 of every row: own images count 1/M."""
        others = batch - 1
        weights = torch.full((batch, batch), 1 / others, dtype=torch.float64)
        weights[:, 0] = 1 / self.N
        weights[:, 1] = (self.N - others) / (self.N * others)
        torch.testing.assert_close(weights.sum(1), torch.ones(batch).double())
        ratios = self.ratios(weights.log(), batch, 60)
        error = float(ratios.std()) / math.sqrt(len(ratios))
        assert float(ratios.mean()) - 1 > max(0.15, 10 * error)

    def test_the_weighted_estimate_is_far_too_small(self):
        log_weights = estimators.weighted_log_weights(32, self.N)
        assert float(self.ratios(log_weights.double(), 32, 60).mean()) < 0.05


class TestLogMarginals:
    def inputs(self, codes=4, images=7, latents=3):
        z = noise(codes, latents, seed=30)
        mean, log_var = posteriors(images, latents, 31)
        return z, mean, log_var, noise(codes, images, seed=32)

    def test_are_the_naive_sums(self):
        inputs = self.inputs()
        log_q, log_product = estimators.log_marginals(*inputs)
        expected = naive_log_marginals(*inputs)
        torch.testing.assert_close((log_q, log_product), expected)

    def test_gradients_are_right(self):
        z, mean, log_var, log_weights = self.inputs()
        inputs = [value.requires_grad_() for value in (z, mean, log_var)]
        assert torch.autograd.gradcheck(
            lambda *v: estimators.log_marginals(*v, log_weights), inputs
        )

    def test_gradients_are_those_of_autograd_for_one_output_alone(self):
        *inputs, log_weights = self.inputs(codes=6, images=2, latents=5)
        for which in (0, 1):
            mine = [value.clone().requires_grad_() for value in inputs]
            theirs = [value.clone().requires_grad_() for value in inputs]
            pull = noise(6, seed=33)
            (estimators.log_marginals(*mine, log_weights)[which] * pull).sum().backward()
            (naive_log_marginals(*theirs, log_weights)[which] * pull).sum().backward()
            for a, b in zip(mine, theirs, strict=True):
                torch.testing.assert_close(a.grad, b.grad)

    def test_far_away_codes_give_large_finite_values_in_float32(self):
        z = torch.tensor([[40.0, -30.0], [0.1, 0.2]])
        mean, log_var = torch.zeros(3, 2), torch.tensor([[-6.0, -5.0]]).expand(3, 2)
        log_weights = estimators.exact_log_weights(2, 3)
        for value in estimators.log_marginals(z, mean, log_var, log_weights):
            assert value.dtype == torch.float32
            assert bool(value.isfinite().all())
            assert float(value[0]) < -1e5

    def test_in_one_piece_they_are_the_same_with_the_same_gradients(self):
        *inputs, log_weights = self.inputs(codes=6, images=2, latents=5)
        mine = [value.clone().requires_grad_() for value in inputs]
        theirs = [value.clone().requires_grad_() for value in inputs]
        pulls = noise(6, seed=33), noise(6, seed=34)
        found = estimators.in_one_piece(*mine, log_weights)
        expected = estimators.log_marginals(*theirs, log_weights)
        torch.testing.assert_close(found, expected)
        for values in (found, expected):
            sum((value * pull).sum() for value, pull in zip(values, pulls, strict=True)).backward()
        for a, b in zip(mine, theirs, strict=True):
            torch.testing.assert_close(a.grad, b.grad)

    @pytest.mark.gpu
    @pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
    @pytest.mark.parametrize("batch", [64, 1024])
    def test_on_a_gpu_small_and_large_batches_give_the_processor_s_values(self, batch):
        mean, log_var = posteriors(batch, 5, 1)
        z = draw(mean, log_var, 2)
        weights = estimators.stratified_log_weights(batch, 5000)
        expected = estimators.log_marginals(z, mean, log_var, weights)
        moved = (value.float().cuda() for value in (z, mean, log_var, weights))
        for value, there in zip(estimators.log_marginals(*moved), expected, strict=True):
            torch.testing.assert_close(value.cpu().double(), there.double(), rtol=1e-4, atol=1e-4)

    @pytest.mark.gpu
    @pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
    @pytest.mark.parametrize(("codes", "images", "latents"), [(1030, 2051, 3), (700, 65, 10)])
    def test_kernels_of_a_gpu_give_the_formula_s_values_and_gradients(self, codes, images, latents):
        if not log_sums.available():
            pytest.skip("needs a GPU with Triton")
        *inputs, log_weights = self.inputs(codes=codes, images=images, latents=latents)
        exact = [value.clone().requires_grad_() for value in inputs]
        moved = [value.float().cuda().requires_grad_() for value in inputs]
        expected = estimators.in_one_piece(*exact, log_weights)
        found = log_sums.LogSums.apply(*moved, log_weights.float().cuda())
        pulls = noise(codes, seed=33), noise(codes, seed=34)
        for values in (found, expected):
            sum((v * p.to(v)).sum() for v, p in zip(values, pulls, strict=True)).backward()
        for mine, theirs in zip(
            (*found, *(value.grad for value in moved)),
            (*expected, *(value.grad for value in exact)),
            strict=True,
        ):
            torch.testing.assert_close(mine.cpu().double(), theirs, rtol=1e-3, atol=1e-3)

    def test_inputs_are_not_changed(self):
        inputs = self.inputs()
        copies = [value.clone() for value in inputs]
        estimators.log_marginals(*inputs)
        assert all(torch.equal(a, b) for a, b in zip(inputs, copies, strict=True))


class TestBatchDecomposition:
    @given(st.integers(2, 9), st.integers(1, 4), st.integers(0, 10_000))
    def test_the_parts_sum_to_the_mean_kl(self, images, latents, seed):
        mean, log_var = posteriors(images, latents, seed)
        z = draw(mean, log_var, seed + 1)
        expected = kl_divergence(Normal(mean, (0.5 * log_var).exp()), Normal(0.0, 1.0))
        for estimator, size in (("exact", images), ("weighted", 50), ("stratified", 50)):
            parts = batch_decomposition(z, mean, log_var, size, estimator)
            total = parts.mutual_information + parts.total_correlation + parts.dimension_kl
            assert abs(float(total - expected.sum(1).mean())) < 1e-10
            assert float(parts.kl) == float(total)

    def test_each_part_is_its_definition(self):
        mean, log_var = posteriors(9, 3, 40)
        batch = torch.tensor([2, 5, 1, 8])
        z = draw(mean[batch], log_var[batch], 41)
        log_q, log_product = naive_log_marginals(
            z, mean, log_var, torch.full((4, 9), -math.log(9)).double()
        )
        own = Normal(mean[batch], (0.5 * log_var[batch]).exp()).log_prob(z).sum(1)
        parts = batch_decomposition(
            z, mean[batch], log_var[batch], 9, "exact", whole=(mean, log_var)
        )
        torch.testing.assert_close(parts.mutual_information, (own - log_q).mean())
        torch.testing.assert_close(parts.total_correlation, (log_q - log_product).mean())
        assert parts.error is None

    @pytest.mark.parametrize("estimator", ["exact", "weighted", "stratified"])
    def test_the_order_of_latents_does_not_matter(self, estimator):
        mean, log_var = posteriors(6, 4, 42)
        z = draw(mean, log_var, 43)
        turn = torch.tensor([2, 0, 3, 1])
        first = batch_decomposition(z, mean, log_var, 6, estimator)
        second = batch_decomposition(z[:, turn], mean[:, turn], log_var[:, turn], 6, estimator)
        torch.testing.assert_close(vars(first), vars(second))

    @pytest.mark.parametrize("estimator", ["exact", "weighted"])
    def test_the_order_of_images_does_not_matter(self, estimator):
        mean, log_var = posteriors(6, 4, 44)
        z = draw(mean, log_var, 45)
        turn = torch.tensor([2, 0, 5, 3, 1, 4])
        first = batch_decomposition(z, mean, log_var, 6, estimator)
        second = batch_decomposition(z[turn], mean[turn], log_var[turn], 6, estimator)
        torch.testing.assert_close(vars(first), vars(second))

    def test_one_latent_has_no_total_correlation(self):
        mean, log_var = posteriors(6, 1, 46)
        z = draw(mean, log_var, 47)
        for estimator in estimators.ESTIMATORS:
            parts = batch_decomposition(z, mean, log_var, 6, estimator)
            assert abs(float(parts.total_correlation)) < 1e-12

    def test_only_the_total_correlation_is_pushed_by_its_gradient(self):
        """Latents that depend on one another: a step down its gradient lowers the exact TC."""
        base = noise(40, 1, seed=48)
        mean = base * torch.tensor([1.0, -1.0]).double() + 0.05 * noise(40, 2, seed=49)
        log_var = torch.full((40, 2), -2.0).double()
        mean.requires_grad_()
        z = mean + (0.5 * log_var).exp() * noise(40, 2, seed=50)
        parts = batch_decomposition(z, mean, log_var, 40, "exact")
        (gradient,) = torch.autograd.grad(parts.total_correlation, mean)
        before = decompose(mean.detach(), log_var).total_correlation
        after = decompose(mean.detach() - 2 * gradient, log_var).total_correlation
        assert float(after) < float(before) - 0.02

    def test_wrong_calls_are_refused(self):
        mean, log_var = posteriors(5, 3, 51)
        z = draw(mean, log_var, 52)
        with pytest.raises(ValueError, match=r"'magic'.*exact.*weighted.*stratified"):
            batch_decomposition(z, mean, log_var, 5, "magic")
        with pytest.raises(ValueError, match=r"all 50 images.*got 5.*whole"):
            batch_decomposition(z, mean, log_var, 50, "exact")
        with pytest.raises(ValueError, match=r"z is \(4, 3\) but mean is \(5, 3\)"):
            batch_decomposition(z[:4], mean, log_var, 5)
        with pytest.raises(ValueError, match="batch_size is 5 and dataset_size 4"):
            batch_decomposition(z, mean, log_var, 4)


def brute_force_2d(mean, log_var, points=1201):
    """MI, TC and dimension-wise KL of a mixture in two dimensions, all by quadrature on a grid."""
    mean, sigma = mean.numpy(), np.exp(0.5 * log_var.numpy())
    axes = [
        np.linspace(
            (mean[:, j] - 9 * sigma[:, j]).min(), (mean[:, j] + 9 * sigma[:, j]).max(), points
        )
        for j in (0, 1)
    ]
    one = [
        np.exp(-0.5 * ((axes[j] - mean[:, j : j + 1]) / sigma[:, j : j + 1]) ** 2)
        / (sigma[:, j : j + 1] * math.sqrt(2 * math.pi))
        for j in (0, 1)
    ]  # two of (N, P)
    cell = [axis[1] - axis[0] for axis in axes]
    joint = np.einsum("np,nq->pq", *one) / len(mean)
    marginal = [density.mean(0) for density in one]

    def entropy_term(p, q):
        return np.where(p > 1e-300, p * (np.log(p + 1e-320) - np.log(q + 1e-320)), 0)

    correlation = entropy_term(joint, np.outer(*marginal)).sum() * cell[0] * cell[1]
    information = np.mean(
        [
            entropy_term(np.outer(one[0][n], one[1][n]), joint).sum() * cell[0] * cell[1]
            for n in range(len(mean))
        ]
    )
    dimension = sum(
        (entropy_term(marginal[j], np.exp(-0.5 * axes[j] ** 2) / math.sqrt(2 * math.pi)).sum())
        * cell[j]
        for j in (0, 1)
    )
    return information, correlation, dimension


class TestDecompose:
    @given(st.integers(1, 40), st.integers(1, 5), st.integers(0, 10_000))
    def test_the_parts_sum_to_the_mean_kl(self, images, latents, seed):
        mean, log_var = posteriors(images, latents, seed)
        parts = decompose(mean, log_var, samples=30)
        expected = kl_divergence(Normal(mean, (0.5 * log_var).exp()), Normal(0.0, 1.0))
        assert abs(float(parts.kl - expected.sum(1).mean())) < 1e-10

    def test_equals_quadrature_in_two_dimensions(self):
        mean, log_var = posteriors(5, 2, 60)
        information, correlation, dimension = brute_force_2d(mean, log_var)
        parts = decompose(mean, log_var, samples=40_000)
        assert float(parts.dimension_kl) == pytest.approx(dimension, abs=1e-6)
        error = float(parts.error)
        assert error < 0.01
        assert abs(float(parts.mutual_information) - information) < 4 * error
        assert abs(float(parts.total_correlation) - correlation) < 4 * error

    def test_equals_an_independent_monte_carlo_estimate_in_three_dimensions(self):
        mean, log_var = posteriors(11, 3, 61)
        rng = np.random.default_rng(62)
        centre, sigma = mean.numpy(), np.exp(0.5 * log_var.numpy())
        chosen = rng.integers(11, size=40_000)
        z = rng.normal(centre[chosen], sigma[chosen])
        density = np.exp(-0.5 * ((z[:, None] - centre) / sigma) ** 2) / (
            sigma * math.sqrt(2 * math.pi)
        )
        values = np.log(density.prod(2).mean(1)) - np.log(density.mean(1)).sum(1)
        parts = decompose(mean, log_var, samples=20_000)
        error = math.hypot(float(parts.error), values.std() / math.sqrt(len(values)))
        assert error < 0.01
        assert abs(float(parts.total_correlation) - values.mean()) < 4 * error

    def test_a_factorised_code_has_no_total_correlation(self):
        """Means on a whole grid, the sigma of a latent set by its own coordinate alone."""
        first, second = torch.linspace(-2, 2, 6).double(), torch.linspace(-1, 3, 4).double()
        mean = torch.cartesian_prod(first, second)
        log_var = torch.stack((-3 + 0.3 * mean[:, 0], -2 - 0.4 * mean[:, 1]), 1)
        parts = decompose(mean, log_var, samples=20_000)
        assert float(parts.error) < 0.01
        assert abs(float(parts.total_correlation)) < 4 * float(parts.error)
        assert float(parts.mutual_information) > 1

    def test_equal_posteriors_carry_no_information(self):
        mean, log_var = posteriors(1, 3, 63)
        parts = decompose(mean.expand(9, 3), log_var.expand(9, 3))
        assert abs(float(parts.mutual_information)) < 1e-12
        assert abs(float(parts.total_correlation)) < 1e-12
        torch.testing.assert_close(parts.dimension_kl, estimators.gaussian_kl(mean, log_var).sum())

    def test_separate_posteriors_carry_log_n_nats(self):
        generator = torch.Generator().manual_seed(64)
        mean = torch.randperm(13, generator=generator)[:, None] * torch.tensor([14.0, -13.0])
        log_var = torch.tensor([[-1.0, -0.5]]).expand(13, 2)
        parts = decompose(mean, log_var)
        assert float(parts.mutual_information) == pytest.approx(math.log(13), abs=1e-6)
        assert float(parts.total_correlation) == pytest.approx(math.log(13), abs=1e-6)

    def test_neither_the_order_of_images_nor_of_latents_matters(self):
        mean, log_var = posteriors(17, 3, 65)
        rows, columns = torch.randperm(17), torch.tensor([1, 2, 0])
        first = decompose(mean, log_var, samples=8000)
        for other in (
            decompose(mean[rows], log_var[rows], samples=8000),
            decompose(mean[:, columns], log_var[:, columns], samples=8000),
        ):
            torch.testing.assert_close(first.dimension_kl, other.dimension_kl)
            error = math.hypot(float(first.error), float(other.error))
            difference = float(first.mutual_information - other.mutual_information)
            assert abs(difference) < 4 * error

    def test_fewer_samples_than_images_are_enough(self):
        mean, log_var = posteriors(700, 2, 66)
        few, many = decompose(mean, log_var, samples=200), decompose(mean, log_var, samples=7000)
        assert float(few.error) > 3 * float(many.error)
        difference = float(few.mutual_information - many.mutual_information)
        assert abs(difference) < 4 * float(few.error)

    def test_the_stated_error_is_about_the_true_one(self):
        """Standard deviation over 80 seeds against the mean of the stated errors."""
        mean, log_var = posteriors(300, 2, 67)
        runs = [decompose(mean, log_var, samples=64, seed=seed) for seed in range(80)]
        spread = torch.stack([run.mutual_information for run in runs]).std()
        stated = torch.stack([run.error for run in runs]).mean()
        assert 0.7 < float(spread / stated) < 1.3

    def test_repeats_with_its_seed_alone(self):
        mean, log_var = posteriors(9, 2, 68)
        torch.manual_seed(1)
        first = decompose(mean, log_var, seed=3)
        torch.manual_seed(2)
        again, other = decompose(mean, log_var, seed=3), decompose(mean, log_var, seed=4)
        assert float(first.mutual_information) == float(again.mutual_information)
        assert float(first.mutual_information) != float(other.mutual_information)

    def test_float32_posteriors_are_worked_in_float64(self):
        mean, log_var = posteriors(9, 2, 69, dtype=torch.float32)
        parts = decompose(mean, log_var)
        assert parts.kl.dtype == torch.float64
        expected = estimators.gaussian_kl(mean.double(), log_var.double()).sum(1).mean()
        assert abs(float(parts.kl - expected)) < 1e-10

    @pytest.mark.parametrize("samples", [0, -5])
    def test_no_samples_are_refused(self, samples):
        with pytest.raises(ValueError, match="samples"):
            decompose(*posteriors(9, 2, 70), samples=samples)

    def test_one_image_and_one_sample_work(self):
        mean, log_var = posteriors(1, 2, 71)
        parts = decompose(mean, log_var, samples=1)
        assert abs(float(parts.mutual_information)) < 1e-12


def mixture_log_density(points, mean, log_var):
    log_q = Normal(mean, (0.5 * log_var).exp()).log_prob(points[:, None])
    return log_q.logsumexp(1) - math.log(len(mean))


class TestMarginalKl:
    def test_one_gaussian_has_the_closed_form(self):
        mean = torch.tensor([[0.0, 3.5, -20.0, 0.2]]).double()
        log_var = torch.tensor([[0.0, -2.0, 1.5, -16.0]]).double()
        got = estimators.marginal_kl(mean, log_var)
        torch.testing.assert_close(
            got, estimators.gaussian_kl(mean, log_var)[0], rtol=1e-9, atol=1e-9
        )

    def test_far_components_cost_their_own_kl_less_log_n(self):
        mean = torch.tensor([[-30.0], [0.5], [40.0]]).double()
        log_var = torch.tensor([[-1.0], [0.4], [-3.0]]).double()
        expected = float(estimators.gaussian_kl(mean, log_var).mean()) - math.log(3)
        assert float(estimators.marginal_kl(mean, log_var)) == pytest.approx(expected, abs=1e-9)

    def test_components_of_very_unequal_width_are_all_integrated(self):
        """Against a trapezium rule on a grid that is fine where the narrow component is."""
        mean = torch.tensor([[0.3], [-0.4], [0.31]]).double()
        log_var = torch.tensor([[-13.0], [0.2], [-9.0]]).double()
        sigma = (0.5 * log_var[:, 0]).exp()
        points = (
            torch.cat(
                [mean[n] + sigma[n] * torch.linspace(-12, 12, 60_001).double() for n in range(3)]
            )
            .sort()
            .values
        )
        log_q = mixture_log_density(points, mean[:, 0], log_var[:, 0])
        log_p = Normal(0.0, 1.0).log_prob(points)
        expected = float(torch.trapezoid(log_q.exp() * (log_q - log_p), points))
        assert float(estimators.marginal_kl(mean, log_var)) == pytest.approx(expected, abs=1e-7)

    def test_is_right_to_a_millionth_of_a_nat(self):
        """Random mixtures of 2 to 8 unequal components against a grid 25 times as fine."""
        for seed in range(60):
            mean, log_var = posteriors(2 + seed % 7, 1, 200 + seed, spread=2.0)
            mean, log_var = mean[:, 0], 1.5 * log_var[:, 0] - 1
            sigma = (0.5 * log_var).exp()
            low, high = float((mean - 12 * sigma).min()), float((mean + 12 * sigma).max())
            steps = math.ceil((high - low) / (0.03 * float(sigma.min())))
            points = torch.linspace(low, high, steps + 1, dtype=torch.float64)
            log_q = mixture_log_density(points, mean, log_var)
            log_p = Normal(0.0, 1.0).log_prob(points)
            expected = float(torch.trapezoid(log_q.exp() * (log_q - log_p), points))
            got = float(estimators.marginal_kl(mean[:, None], log_var[:, None]))
            assert got == pytest.approx(expected, abs=1e-6), seed

    def test_each_latent_is_on_its_own(self):
        mean, log_var = posteriors(8, 3, 80)
        together = estimators.marginal_kl(mean, log_var)
        for j in range(3):
            alone = estimators.marginal_kl(mean[:, j : j + 1], log_var[:, j : j + 1])
            assert float(alone) == pytest.approx(float(together[j]), abs=1e-12)

    @given(st.integers(0, 10_000))
    def test_is_never_negative_and_at_most_the_mean_kl(self, seed):
        mean, log_var = posteriors(6, 2, seed)
        got = estimators.marginal_kl(mean, log_var)
        assert bool((got > -1e-12).all())
        assert bool((got <= estimators.gaussian_kl(mean, log_var).mean(0) + 1e-12).all())


class TestBadPosteriors:
    @pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
    @pytest.mark.parametrize("which", [0, 1])
    def test_nan_and_infinity_are_refused(self, bad, which):
        values = list(posteriors(5, 3, 90))
        values[which][2, 1] = bad
        name = ("mean", "log_var")[which]
        for call in (decompose, lambda m, v: batch_decomposition(m.clone(), m, v, 9)):
            with pytest.raises(ValueError, match=f"{name} has 1 of 15 entries NaN or infinite"):
                call(*values)

    @pytest.mark.parametrize(
        ("mean", "log_var", "said"),
        [
            (torch.zeros(5), torch.zeros(5), r"shape \(5,\)"),
            (torch.zeros(0, 3), torch.zeros(0, 3), r"shape \(0, 3\).*not empty"),
            (torch.zeros(5, 0), torch.zeros(5, 0), r"shape \(5, 0\)"),
            (torch.zeros(2, 3, 1), torch.zeros(2, 3, 1), r"shape \(2, 3, 1\)"),
            (torch.zeros(5, 3), torch.zeros(5, 2), r"mean is \(5, 3\) but log_var is \(5, 2\)"),
            (torch.zeros(5, 3), torch.zeros(1, 3), "but log_var is"),
            (torch.zeros(5, 3).long(), torch.zeros(5, 3), "mean has dtype torch.int64"),
            (torch.zeros(5, 3), torch.zeros(5, 3, dtype=torch.bool), "log_var has dtype"),
        ],
    )
    def test_other_shapes_and_dtypes_are_refused(self, mean, log_var, said):
        for call in (decompose, lambda m, v: batch_decomposition(m, m, v, 9)):
            with pytest.raises(ValueError, match=said):
                call(mean, log_var)

    @pytest.mark.parametrize("log_var", [-40.0, -2000.0])
    def test_a_sigma_too_small_to_integrate_is_refused(self, log_var):
        mean = torch.tensor([[0.0, 0.3], [1.0, -0.5]]).double()
        spread = torch.tensor([[-1.0, log_var], [-1.0, -2.0]]).double()
        for call in (decompose, estimators.marginal_kl):
            with pytest.raises(ValueError, match="sigma"):
                call(mean, spread)

    def test_a_variance_beyond_the_numbers_is_refused_not_nan(self):
        mean, log_var = posteriors(4, 2, 91)
        log_var[1, 1] = 1500.0
        with pytest.raises(ValueError, match=r"sigma|log_var"):
            decompose(mean, log_var)
