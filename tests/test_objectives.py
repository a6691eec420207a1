"""The losses: identities between them, and each term against a slow loop."""

import functools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.distributions import Bernoulli, Normal

from dvae_helpers import objectives, training
from dvae_helpers.estimators import batch_decomposition
from dvae_helpers.models import VAE, sample
from dvae_helpers.objectives import (
    Now,
    Pass,
    beta_tcvae,
    beta_vae,
    capacity_vae,
    dip_vae,
    elbo,
    forward,
    geco,
)

NAMES = {"loss", "distortion", "rate", "mutual_information", "total_correlation", "dimension_kl"}


def make_pass(
    batch=5, shape=(2, 3, 4), latents=3, dataset_size=40, seed=0, dtype=torch.float64, **settings
):
    generator = torch.Generator().manual_seed(seed)

    def normal(*size):
        return torch.randn(*size, generator=generator, dtype=dtype)

    images = torch.rand(batch, *shape, generator=generator, dtype=dtype)
    mean, log_var = normal(batch, latents), -1 + 0.7 * normal(batch, latents)
    z = sample(mean, log_var, generator)
    now = {name: settings.pop(name) for name in ("step", "memory", "whole") if name in settings}
    return Pass(
        images=images,
        out=2 * normal(batch, *shape),
        mean=mean,
        log_var=log_var,
        z=z,
        dataset_size=dataset_size,
        now=Now(**now),
        **settings,
    )


class TestTerms:
    def test_bernoulli_distortion_sums_over_pixels_and_averages_over_images(self):
        out = make_pass()
        total = 0.0
        for image, logits in zip(out.images, out.out, strict=True):
            for x, logit in zip(image.flatten().tolist(), logits.flatten().tolist(), strict=True):
                p = 1 / (1 + math.exp(-logit))
                total -= x * math.log(p) + (1 - x) * math.log(1 - p)
        assert float(out.distortion) == pytest.approx(total / 5, rel=1e-10)

    def test_bernoulli_distortion_of_black_and_white_images_is_minus_the_log_probability(self):
        out = make_pass()
        out = replace(out, images=out.images.round())
        log_probability = Bernoulli(logits=out.out).log_prob(out.images).flatten(1).sum(1)
        torch.testing.assert_close(out.distortion, -log_probability.mean())

    @pytest.mark.parametrize("noise", [0.1, 1.0, 2.5])
    def test_gaussian_distortion_has_its_constant(self, noise):
        out = make_pass(likelihood="gaussian", noise=noise)
        log_probability = Normal(out.out, noise).log_prob(out.images).flatten(1).sum(1)
        torch.testing.assert_close(out.distortion, -log_probability.mean())

    def test_rate_sums_over_latents_and_averages_over_images(self):
        out = make_pass()
        total = 0.0
        for mean, log_var in zip(out.mean.tolist(), out.log_var.tolist(), strict=True):
            for m, v in zip(mean, log_var, strict=True):
                total += 0.5 * (m * m + math.exp(v) - 1 - v)
        assert float(out.rate) == pytest.approx(total / 5, rel=1e-12)

    def test_twice_the_batch_or_twice_the_pixels(self):
        out = make_pass()
        batch = ("images", "out", "mean", "log_var", "z")
        doubled = replace(out, **{k: torch.cat((getattr(out, k), getattr(out, k))) for k in batch})
        torch.testing.assert_close(doubled.distortion, out.distortion)
        torch.testing.assert_close(doubled.rate, out.rate)
        both = {k: torch.cat((getattr(out, k), getattr(out, k)), 2) for k in ("images", "out")}
        wide = replace(out, **both)
        torch.testing.assert_close(wide.distortion, 2 * out.distortion)
        torch.testing.assert_close(wide.rate, out.rate)

    def test_parts_are_the_stratified_ones(self):
        out = make_pass()
        expected = batch_decomposition(out.z, out.mean, out.log_var, 40, "stratified")
        torch.testing.assert_close(vars(out.parts), vars(expected))

    def test_exact_parts_use_the_posteriors_of_all_images(self):
        everything = make_pass(batch=12, seed=3)
        whole = (everything.mean, everything.log_var)
        names = ("images", "out", "mean", "log_var", "z")
        batch = {name: getattr(everything, name)[2:7] for name in names}
        out = Pass(**batch, dataset_size=12, now=Now(whole=lambda: whole))
        expected = batch_decomposition(out.z, out.mean, out.log_var, 12, "exact", whole)
        torch.testing.assert_close(vars(out.split("exact")), vars(expected))
        with pytest.raises(ValueError, match=r"all 12 images.*got 5"):
            Pass(**batch, dataset_size=12).split("exact")

    @pytest.mark.parametrize(
        "objective", [elbo, beta_vae, beta_tcvae, capacity_vae], ids=lambda f: f.__name__
    )
    def test_values_has_every_term_and_they_add_up(self, objective):
        out = make_pass(seed=4)
        terms = objective(out)
        values = terms.values()
        assert set(values) == NAMES
        assert all(type(value) is float for value in values.values())
        assert values["loss"] == float(terms.loss)
        assert values["distortion"] == float(out.distortion)
        parts = [values[k] for k in ("mutual_information", "total_correlation", "dimension_kl")]
        assert sum(parts) == pytest.approx(values["rate"], abs=1e-10)


class TestIdentities:
    def test_elbo_is_distortion_plus_rate(self):
        out = make_pass()
        torch.testing.assert_close(elbo(out).loss, out.distortion + out.rate)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_beta_1_is_the_elbo(self, dtype):
        out = make_pass(dtype=dtype)
        assert torch.equal(beta_vae(out, beta=1).loss, elbo(out).loss)
        for estimator in ("stratified", "weighted"):
            assert torch.equal(beta_tcvae(out, 1, estimator).loss, elbo(out).loss)
        whole = make_pass(dtype=dtype, dataset_size=5)
        assert torch.equal(beta_tcvae(whole, 1, "exact").loss, elbo(whole).loss)

    @pytest.mark.parametrize("beta", [0.0, 0.5, 4.0, 100.0])
    def test_beta_weighs_the_whole_rate(self, beta):
        out = make_pass()
        torch.testing.assert_close(beta_vae(out, beta).loss, out.distortion + beta * out.rate)

    @pytest.mark.parametrize("beta", [0.0, 0.5, 4.0, 100.0])
    @pytest.mark.parametrize("estimator", ["stratified", "weighted", "exact"])
    def test_beta_weighs_the_total_correlation_alone(self, beta, estimator):
        out = make_pass(dataset_size=5 if estimator == "exact" else 40)
        parts = out.split(estimator)
        got = beta_tcvae(out, beta, estimator).loss
        torch.testing.assert_close(
            got - elbo(out).loss, (beta - 1) * parts.total_correlation, rtol=1e-9, atol=1e-9
        )
        torch.testing.assert_close(
            got,
            out.distortion
            + parts.mutual_information
            + beta * parts.total_correlation
            + parts.dimension_kl,
        )

    def test_the_estimators_differ(self):
        out = make_pass()
        losses = {name: float(beta_tcvae(out, 6, name).loss) for name in ("stratified", "weighted")}
        assert abs(losses["stratified"] - losses["weighted"]) > 1
        assert float(beta_tcvae(out, 6).loss) == losses["stratified"]
        with pytest.raises(ValueError, match="'wheighted'"):
            beta_tcvae(out, 6, "wheighted")

    @pytest.mark.parametrize(
        ("step", "target"), [(0, 0.0), (25, 3.0), (50, 6.0), (100, 12.0), (1000, 12.0)]
    )
    def test_capacity_grows_evenly_and_then_stays(self, step, target):
        for seed in (0, 1):
            out = make_pass(step=step, seed=seed)
            got = capacity_vae(out, capacity=12.0, gamma=7.0, over_steps=100).loss
            expected = float(out.distortion) + 7 * abs(float(out.rate) - target)
            assert float(got) == pytest.approx(expected, rel=1e-12)

    def test_capacity_holds_the_rate_from_both_sides(self):
        out = make_pass()
        rate = float(out.rate)
        settings = {"gamma": 10.0, "over_steps": 1}
        done = replace(out, now=Now(step=5))
        for capacity in (rate - 0.5, rate + 0.5):
            got = capacity_vae(done, capacity, **settings).loss
            assert float(got) == pytest.approx(float(out.distortion) + 5, rel=1e-9)

    def test_defaults_are_those_of_the_papers(self):
        out = make_pass(step=100_000)
        assert float(beta_vae(out).loss) == float(beta_vae(out, 4.0).loss)
        assert float(beta_tcvae(out).loss) == float(beta_tcvae(out, 6.0).loss)
        expected = out.distortion + 1000 * (out.rate - 25).abs()
        torch.testing.assert_close(capacity_vae(out).loss, expected)

    def test_settings_can_be_fixed_first(self):
        out = make_pass()
        fixed = functools.partial(beta_tcvae, beta=2.5, estimator="weighted")
        assert torch.equal(fixed(out).loss, beta_tcvae(out, 2.5, "weighted").loss)


class TestForward:
    def model(self, **settings):
        return VAE((1, 4, 6), latents=3, architecture="dense", hidden=8, seed=2, **settings)

    def test_a_pass_holds_what_the_model_gave(self, tiny):
        model = self.model(likelihood="gaussian", noise=0.3)
        images = tiny.images(torch.arange(7))
        with torch.no_grad():
            out = forward(model, images, 30, torch.Generator().manual_seed(1), step=9)
            mean, log_var = model.encode(images)
            z = sample(mean, log_var, torch.Generator().manual_seed(1))
            torch.testing.assert_close((out.mean, out.log_var, out.z), (mean, log_var, z))
            torch.testing.assert_close(out.out, model.decode(z))
        assert (out.dataset_size, out.now.step) == (30, 9)
        assert (out.likelihood, out.noise) == ("gaussian", 0.3)

    def test_the_generator_alone_decides_the_noise(self, tiny):
        model, images = self.model(), tiny.images(torch.arange(4))
        before = torch.get_rng_state()
        first, same, other = (
            forward(model, images, 30, torch.Generator().manual_seed(seed)).z for seed in (1, 1, 2)
        )
        assert torch.equal(torch.get_rng_state(), before)
        assert torch.equal(first, same)
        assert not torch.equal(first, other)

    @pytest.mark.parametrize("name", ["elbo", "beta_vae", "beta_tcvae", "capacity_vae"])
    def test_the_loss_has_a_gradient_for_every_weight(self, name, tiny):
        model = self.model()
        out = forward(model, tiny.images(torch.arange(9)), 30, torch.Generator().manual_seed(3))
        getattr(objectives, name)(out).loss.backward()
        for key, weight in model.named_parameters():
            assert float(weight.grad.abs().sum()) > 0, key

    def test_in_autocast_codes_and_losses_stay_float32(self, tiny):
        model, images = self.model(), tiny.images(torch.arange(6))
        out = forward(
            model,
            images,
            30,
            torch.Generator().manual_seed(3),
            autocast=torch.autocast("cpu", torch.bfloat16),
        )
        for value in (out.mean, out.log_var, out.z, out.out, beta_tcvae(out).loss):
            assert value.dtype == torch.float32
        full = forward(model, images, 30, torch.Generator().manual_seed(3))
        assert not torch.equal(out.mean, full.mean)
        torch.testing.assert_close(out.mean, full.mean, rtol=0.05, atol=0.02)


class TestDip:
    @pytest.mark.parametrize("version", ["I", "II"])
    def test_against_a_slow_sum_over_pairs_of_latents(self, version):
        out = make_pass(batch=7, latents=4, seed=8)
        codes, variances = out.mean.numpy(), out.log_var.exp().numpy()
        covariance = np.cov(codes.T, bias=True)
        expected = float(elbo(out).loss)
        for j in range(4):
            for other in range(4):
                if j != other:
                    expected += 3 * covariance[j, other] ** 2
            own = variances[:, j].mean() if version == "II" else 0.0
            expected += 5 * (covariance[j, j] + own - 1) ** 2
        assert float(dip_vae(out, 3, 5, version).loss) == pytest.approx(expected, rel=1e-10)

    def test_version_2_looks_at_the_covariance_of_the_aggregate_posterior(self):
        out = make_pass(batch=6, latents=2, seed=9)
        draws = 400_000
        generator = torch.Generator().manual_seed(1)
        chosen = torch.randint(6, (draws,), generator=generator)
        z = sample(out.mean[chosen], out.log_var[chosen], generator)
        covariance = torch.cov(z.T)
        off, own = covariance[0, 1], covariance.diagonal()
        expected = 2 * off**2 + (own - 1).square().sum()
        penalty = dip_vae(out, 1, 1, "II").loss - elbo(out).loss
        assert float(penalty) == pytest.approx(float(expected), rel=0.03)

    @pytest.mark.parametrize("version", ["I", "II"])
    def test_without_weights_it_is_the_elbo(self, version):
        out = make_pass()
        torch.testing.assert_close(dip_vae(out, 0, 0, version).loss, elbo(out).loss)

    def test_codes_with_unit_covariance_are_free(self):
        out = make_pass(batch=4, latents=2)
        square = torch.tensor([[1, 1], [1, -1], [-1, 1], [-1, -1]], dtype=torch.float64)
        whitened = replace(out, mean=square + 3, log_var=torch.full((4, 2), -200.0).double())
        for version in ("I", "II"):
            gap = dip_vae(whitened, 7, 5, version).loss - elbo(whitened).loss
            assert float(gap) == pytest.approx(0, abs=1e-9)

    def test_the_mean_of_the_codes_does_not_matter_and_unknown_versions_are_refused(self):
        out = make_pass(seed=5)
        moved = replace(out, mean=out.mean + torch.tensor([1.0, -2.0, 0.5]))
        for version in ("I", "II"):
            penalties = [dip_vae(o, 3, 5, version).loss - elbo(o).loss for o in (out, moved)]
            torch.testing.assert_close(*penalties)
        with pytest.raises(ValueError, match="version is 2"):
            dip_vae(out, version=2)

    def test_defaults_are_version_2_with_10_for_both(self):
        out = make_pass()
        assert torch.equal(dip_vae(out).loss, dip_vae(out, 10, 10, "II").loss)
        assert not torch.allclose(dip_vae(out).loss, dip_vae(out, version="I").loss)

    def test_it_moves_the_encoder(self, tiny):
        model = VAE((1, 4, 6), latents=3, architecture="dense", hidden=8, seed=2)
        passes = [
            forward(model, tiny.images(torch.arange(9)), 30, torch.Generator().manual_seed(3))
            for _ in range(2)
        ]
        weights = list(model.encoder.parameters())
        plain = torch.autograd.grad(elbo(passes[0]).loss, weights)
        pulled = torch.autograd.grad(dip_vae(passes[1]).loss, weights)
        assert all(not torch.allclose(a, b) for a, b in zip(plain, pulled, strict=True))


class TestGeco:
    def test_the_first_loss_is_the_rate_and_what_the_distortion_has_too_much(self):
        out = make_pass()
        loss = geco(out, target=20.5).loss
        torch.testing.assert_close(loss, out.rate + out.distortion - 20.5)

    def test_the_multiplier_follows_the_running_mean_of_the_gap(self):
        memory, multiplier, average = {}, 1.0, None
        for seed in range(6):
            out = make_pass(seed=seed, memory=memory)
            target = float(make_pass(seed=3).distortion)  # some passes lie above it, some below
            gap = float(out.distortion) - target
            loss = geco(out, target, speed=0.05, smooth=0.7).loss
            expected = float(out.rate) + multiplier * gap
            assert float(loss) == pytest.approx(expected, rel=1e-9, abs=1e-9)
            average = gap if average is None else 0.7 * average + 0.3 * gap
            multiplier *= math.exp(0.05 * max(-10.0, min(10.0, average)))
            assert float(memory["multiplier"]) == pytest.approx(multiplier, rel=1e-9)

    @pytest.mark.parametrize(("above", "factor"), [(300, 10), (4, 4), (0, 0), (-4, -4), (-90, -10)])
    def test_too_much_distortion_raises_the_multiplier_by_a_bounded_factor(self, above, factor):
        out = make_pass()
        geco(out, float(out.distortion) - above, speed=0.02)
        assert float(out.now.memory["multiplier"]) == pytest.approx(
            math.exp(0.02 * factor), rel=1e-9
        )

    def test_it_is_beta_vae_with_beta_one_over_the_multiplier(self, tiny):
        model = VAE((1, 4, 6), latents=3, architecture="dense", hidden=8, seed=2)
        memory = {"multiplier": torch.tensor(0.2), "average": torch.tensor(0.0)}
        images = tiny.images(torch.arange(9))
        gradients = []
        for objective in (functools.partial(geco, target=9), functools.partial(beta_vae, beta=5)):
            noise = torch.Generator().manual_seed(3)
            loss = objective(forward(model, images, 30, noise, memory=memory)).loss
            gradients.append(torch.autograd.grad(loss, list(model.parameters())))
        for a, b in zip(*gradients, strict=True):
            torch.testing.assert_close(5 * a, b, rtol=1e-4, atol=1e-5)

    def test_the_memory_keeps_no_graph_and_passes_do_not_share_one(self, tiny):
        model = VAE((1, 4, 6), latents=3, architecture="dense", hidden=8, seed=2)
        first, second = (forward(model, tiny.images(torch.arange(9)), 30) for _ in range(2))
        geco(first, target=5)
        assert not any(value.requires_grad for value in first.now.memory.values())
        assert second.now.memory == {}

    def test_a_resumed_run_goes_on_with_its_multiplier(self, tiny, tmp_path):
        def run(steps, checkpoint=None):
            model = VAE((1, 4, 6), latents=3, architecture="dense", hidden=8, seed=2)
            objective = functools.partial(geco, target=14, speed=0.03)
            settings = {"batch_size": 7, "log_every": 1, "progress": False, "precision": "float32"}
            history = training.fit(model, tiny, objective, steps, checkpoint=checkpoint, **settings)
            return model.state_dict(), history["loss"]

        whole, losses = run(40)
        run(15, tmp_path / "c")
        resumed, again = run(40, tmp_path / "c")
        assert np.array_equal(losses, again)
        assert all(torch.equal(whole[key], resumed[key]) for key in whole)

    def test_training_brings_the_distortion_to_the_target(self, tiny):
        model = VAE((1, 4, 6), latents=3, architecture="dense", hidden=16, seed=2)
        objective = functools.partial(geco, target=15.2, speed=0.01)
        settings = {"batch_size": 15, "progress": False, "learning_rate": 3e-3}
        history = training.fit(model, tiny, objective, 1200, **settings)
        assert history["distortion"][-4:].mean() == pytest.approx(15.2, abs=0.15)
        assert history["rate"][-4:].mean() > 0.3
