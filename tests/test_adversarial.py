"""The density-ratio trick, FactorVAE and the adversarial autoencoder."""

import dataclasses
import functools
import math
import signal

import pytest
import torch
from test_training import child, noise_images, same_weights, train, wait_for_step
from torch.nn import functional as F

from dvae_helpers import __main__ as command_line
from dvae_helpers import objectives, sweep, training, zoo
from dvae_helpers.adversaries import Discriminator, classification_loss, permute_dims
from dvae_helpers.models import VAE
from dvae_helpers.objectives import Adversary, aae, elbo, factor_vae, forward

ADVERSARIAL = [pytest.param(aae, id="aae"), pytest.param(factor_vae, id="factor_vae")]


def learnt(q, reference, steps, size=512, seed=0, **settings):
    """A discriminator that has seen `steps` fresh batches of both clouds."""
    generator = torch.Generator().manual_seed(seed)
    model = Discriminator(q(2, generator).shape[1], seed=seed, **settings)
    optimiser = model.optimiser()
    for _ in range(steps):
        loss = classification_loss(model(q(size, generator)), model(reference(size, generator)))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return model, generator


def correlated(size, generator, rho=0.8):
    noise = torch.randn(size, 2, generator=generator)
    return torch.stack((noise[:, 0], rho * noise[:, 0] + math.sqrt(1 - rho**2) * noise[:, 1]), 1)


def shuffled(size, generator):
    return permute_dims(correlated(size, generator), generator)


def by_hand(model, images, seed=3, network_seed=1):
    """One pass with everything that an adversarial objective asks for, and its discriminator."""
    generator = torch.Generator().manual_seed(seed)
    network = Discriminator(model.latents, hidden=16, depth=2, seed=network_seed)
    second = torch.randn(len(images), model.latents, generator=torch.Generator().manual_seed(8))
    out = forward(
        model,
        images,
        30,
        generator,
        adversary=Adversary(discriminator=lambda: network, second_codes=lambda: second),
    )
    return out, network, second


@pytest.fixture
def model():
    return VAE((1, 4, 6), latents=3, architecture="dense", hidden=8, seed=2)


@pytest.fixture
def images(tiny):
    return tiny.images(torch.arange(9))


class TestRatio:
    """Where the answer is known. Each bound is about twice the largest error over five seeds."""

    @pytest.mark.parametrize("seed", [0, 1])
    def test_of_two_gaussians_is_the_known_line_and_its_mean_the_kl(self, seed):
        """q = N(1, 1), reference N(0, 1): log ratio z - 1/2, KL 1/2."""

        def q(size, generator):
            return 1 + torch.randn(size, 1, generator=generator)

        def reference(size, generator):
            return torch.randn(size, 1, generator=generator)

        model, generator = learnt(
            q, reference, 400, seed=seed, hidden=16, depth=2, learning_rate=3e-3
        )
        with torch.no_grad():
            z = torch.linspace(-1, 2, 31)[:, None]
            assert float((model(z) - (z[:, 0] - 0.5)).abs().max()) < 0.25
            assert float(model(q(20_000, generator)).mean()) == pytest.approx(0.5, abs=0.08)

    @pytest.mark.parametrize("seed", [0, 1])
    def test_of_a_cloud_and_its_shuffled_columns_gives_the_total_correlation(self, seed):
        model, generator = learnt(
            correlated, shuffled, 400, seed=seed, hidden=32, depth=2, learning_rate=3e-3
        )
        with torch.no_grad():
            estimate = float(model(correlated(20_000, generator)).mean())
        truth = -0.5 * math.log(1 - 0.8**2)  # 0.511
        assert estimate == pytest.approx(truth, abs=0.15)

    def test_of_two_equal_clouds_is_none(self):
        model, generator = learnt(shuffled, shuffled, 150, hidden=16, depth=2)
        with torch.no_grad():
            assert float(model(shuffled(20_000, generator)).mean()) == pytest.approx(0, abs=0.05)

    def test_the_true_log_ratio_has_the_smallest_loss(self):
        """On a grid, so without sampling: any change of the optimal logits raises the loss."""
        z = torch.linspace(-8, 9, 2001, dtype=torch.float64)
        q, p = ((-0.5 * (z - m) ** 2).exp() / math.sqrt(2 * math.pi) for m in (1, 0))

        def loss(logits):
            both = q * F.softplus(-logits) + p * F.softplus(logits)
            return float(0.5 * torch.trapezoid(both, z))

        best = q.log() - p.log()
        generator = torch.Generator().manual_seed(0)
        for _ in range(20):
            change = 0.3 * torch.randn(3, generator=generator, dtype=torch.float64)
            other = best + change[0] + change[1] * z.sin() + change[2] * z
            assert loss(other) > loss(best)
        assert loss(best) < loss(0 * z) == pytest.approx(math.log(2))


class TestPermuteDims:
    def test_every_column_keeps_its_values_exactly(self):
        generator = torch.Generator().manual_seed(0)
        z = torch.randn(101, 5, generator=generator)
        mixed = permute_dims(z, generator)
        assert torch.equal(mixed.sort(0).values, z.sort(0).values)
        assert not torch.equal(mixed, z)

    def test_columns_are_shuffled_apart_from_one_another(self):
        generator = torch.Generator().manual_seed(0)
        column = torch.arange(1000.0)[:, None]
        mixed = permute_dims(column.repeat(1, 4), generator)
        together = torch.corrcoef(mixed.T) - torch.eye(4)
        assert float(together.abs().max()) < 0.15  # 0.03 is one standard deviation

    def test_every_order_is_equally_likely(self):
        generator = torch.Generator().manual_seed(0)
        z = torch.arange(3.0)[:, None]
        orders = [tuple(permute_dims(z, generator)[:, 0].tolist()) for _ in range(3000)]
        counts = [orders.count(order) for order in set(orders)]
        assert len(counts) == 6
        assert max(abs(count - 500) for count in counts) < 90  # 20 is one standard deviation

    def test_the_generator_decides(self):
        z = torch.randn(50, 3, generator=torch.Generator().manual_seed(1))
        first, again, other = (
            permute_dims(z, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
        )
        assert torch.equal(first, again)
        assert not torch.equal(first, other)

    @pytest.mark.parametrize("shape", [(1, 3), (5,), (0, 2), (2, 3, 4)])
    def test_what_is_no_batch_of_codes_is_refused(self, shape):
        with pytest.raises(ValueError, match=r"expected \(B, J\) with at least two codes"):
            permute_dims(torch.zeros(shape))


class TestDiscriminator:
    def test_the_seed_decides_its_weights_and_the_global_generator_is_left_alone(self):
        before = torch.get_rng_state()
        first, again, other = (Discriminator(3, seed=seed) for seed in (1, 1, 2))
        assert torch.equal(torch.get_rng_state(), before)
        assert same_weights(first, again)
        assert not same_weights(first, other)

    def test_frozen_gives_the_same_logits_and_no_gradient_for_its_weights(self):
        network = Discriminator(3, hidden=7, depth=2)
        z = torch.randn(5, 3, generator=torch.Generator().manual_seed(1), requires_grad=True)
        assert torch.equal(network.frozen(z), network(z))
        network.frozen(z).sum().backward()
        assert float(z.grad.abs().sum()) > 0
        assert all(weight.grad is None for weight in network.parameters())

    @pytest.mark.parametrize(
        ("settings", "said"),
        [
            ({"latents": 0}, "latents is 0"),
            ({"hidden": 0}, "hidden 0"),
            ({"depth": 0}, "depth 0"),
            ({"learning_rate": 0}, "learning_rate is 0"),
            ({"learning_rate": float("nan")}, "learning_rate is nan"),
        ],
    )
    def test_settings_that_cannot_work_are_refused(self, settings, said):
        with pytest.raises(ValueError, match=said):
            Discriminator(**{"latents": 3} | settings)

    def test_codes_of_another_width_are_refused(self):
        with pytest.raises(ValueError, match=r"shape \(4, 2\).*expects \(B, 3\)"):
            Discriminator(3)(torch.zeros(4, 2))

    def test_the_loss_is_that_of_two_classes_with_equal_shares(self):
        logits = torch.tensor([0.3, -1.2, 2.0]), torch.tensor([0.7, -0.4, 0.1, 1.5, -2.0])
        by_class = [
            F.binary_cross_entropy_with_logits(values, torch.full_like(values, label))
            for values, label in zip(logits, (1.0, 0.0), strict=True)
        ]
        assert float(classification_loss(*logits)) == pytest.approx(float(sum(by_class)) / 2)


class TestObjectives:
    def test_gamma_zero_gives_the_elbo(self, model, images):
        out, _, _ = by_hand(model, images)
        assert torch.equal(factor_vae(out, 0.0).loss, elbo(out).loss)

    def test_factor_vae_adds_gamma_times_the_mean_log_ratio(self, model, images):
        out, network, _ = by_hand(model, images)
        terms = factor_vae(out, 7.0)
        chance = network(out.z).sigmoid()  # the slow way: D / (1 - D)
        estimate = (chance / (1 - chance)).log().mean()
        assert terms.own["estimated_tc"].item() == pytest.approx(estimate.item(), rel=1e-4)
        expected = out.distortion + out.rate + 7 * estimate
        assert terms.loss.item() == pytest.approx(expected.item(), rel=1e-6)
        assert terms.values()["estimated_tc"] == pytest.approx(estimate.item(), rel=1e-4)

    def test_a_discriminator_that_sees_dependence_raises_the_loss(self, model, images):
        """The sign: logits above 0 mean 'from q(z)', so the estimate of the TC is positive."""
        out, network, _ = by_hand(model, images)
        with torch.no_grad():
            network.network[-1].bias += 5
        assert (factor_vae(out, 2.0).loss - elbo(out).loss).item() > 5
        assert factor_vae(out).own["estimated_tc"].item() > 2

    def test_factor_vae_s_discriminator_learns_from_z_and_the_shuffled_second_batch(
        self, model, images, monkeypatch
    ):
        out, network, second = by_hand(model, images)
        given = []

        def noted(z, generator):
            given.append(z)
            return z + 100  # so that it is known again

        monkeypatch.setattr(objectives, "permute_dims", noted)
        loss = factor_vae(out).discriminator_loss
        assert len(given) == 1
        assert given[0] is second
        expected = classification_loss(network(out.z), network(second + 100))
        assert loss.item() == pytest.approx(expected.item())

    def test_aae_has_no_rate_and_its_generator_does_not_saturate(self, model, images):
        out, network, _ = by_hand(model, images)
        chance = network(out.z).sigmoid()
        expected = out.distortion - 5 * (1 - chance).log().mean()
        terms = aae(out, 5.0)
        assert terms.loss.item() == pytest.approx(expected.item(), rel=1e-6)
        assert terms.own["estimated_prior_kl"].item() == pytest.approx(
            network(out.z).mean().item(), rel=1e-6
        )
        assert aae(out, 0.0).loss.item() == pytest.approx(out.distortion.item())

    @pytest.mark.parametrize("objective", ADVERSARIAL)
    def test_each_gradient_stays_on_its_side(self, objective, model, images):
        out, network, _ = by_hand(model, images)
        terms = objective(out, gamma=3.0)
        terms.loss.backward(retain_graph=True)
        assert all(weight.grad is None for weight in network.parameters())
        assert all(float(w.grad.abs().sum()) > 0 for w in model.parameters())
        model.zero_grad()
        terms.discriminator_loss.backward()
        assert all(weight.grad is None for weight in model.parameters())
        assert all(float(w.grad.abs().sum()) > 0 for w in network.parameters())

    @pytest.mark.parametrize("objective", ADVERSARIAL)
    def test_a_pass_without_a_discriminator_is_refused(self, objective, model, images):
        with pytest.raises(ValueError, match=f"{objective.__name__} needs a discriminator"):
            objective(forward(model, images, 30))

    @pytest.mark.parametrize("objective", ADVERSARIAL)
    @pytest.mark.parametrize("gamma", [-1.0, float("nan"), float("inf")])
    def test_a_gamma_that_cannot_work_is_refused(self, objective, gamma, model, images):
        out, _, _ = by_hand(model, images)
        with pytest.raises(ValueError, match=f"gamma is {gamma}"):
            objective(out, gamma)


def adversarial(objective=factor_vae, gamma=3.0):
    return functools.partial(objective, gamma=gamma)


FOREVER = """
import sys
from test_adversarial import adversarial, train
from dvae_helpers import objectives
objective = adversarial(objectives.{name})
train(10**9, objective=objective, checkpoint=sys.argv[1], checkpoint_seconds=0)
"""


class TestFit:
    @pytest.mark.parametrize("objective", ADVERSARIAL)
    def test_the_same_seeds_give_the_same_weights_and_others_do_not(self, objective):
        first, history = train(23, objective=adversarial(objective))
        torch.manual_seed(5)
        again, same = train(23, objective=adversarial(objective))
        assert same_weights(first, again)
        assert history.records == same.records
        assert not same_weights(first, train(23, seed=4, objective=adversarial(objective))[0])

    @pytest.mark.parametrize("objective", ADVERSARIAL)
    @pytest.mark.parametrize("precision", ["float32", "bfloat16"])
    def test_a_run_in_two_parts_is_the_run_in_one(self, tmp_path, objective, precision):
        settings = {"objective": adversarial(objective), "precision": precision}
        whole, history = train(40, **settings)
        train(15, checkpoint=tmp_path / "c", **settings)
        resumed, again = train(40, model_seed=9, checkpoint=tmp_path / "c", **settings)
        assert same_weights(whole, resumed)
        assert history.records == again.records

    def test_a_discriminator_that_was_handed_over_is_trained_kept_and_resumed(self, tmp_path):
        def own(seed):
            return Discriminator(3, hidden=16, depth=2, learning_rate=3e-3, seed=seed)

        settings = {"objective": adversarial()}
        whole, part, later, untouched = own(1), own(1), own(2), own(1)
        first, _ = train(30, discriminator=whole, **settings)
        train(15, discriminator=part, checkpoint=tmp_path / "c", **settings)
        second, _ = train(30, discriminator=later, checkpoint=tmp_path / "c", **settings)
        assert same_weights(first, second)
        assert same_weights(whole, later)
        assert not same_weights(whole, untouched)
        assert not same_weights(whole, part)

    def test_a_checkpoint_with_another_discriminator_is_refused(self, tmp_path):
        settings = {"objective": adversarial(), "checkpoint": tmp_path / "c"}
        train(15, discriminator=Discriminator(3, hidden=16), **settings)
        for other in (Discriminator(3, hidden=8), None):
            with pytest.raises(ValueError, match=r"discriminator was .*16.*, now"):
                train(30, discriminator=other, **settings)

    @pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL: not on Windows")
    @pytest.mark.parametrize("objective", ADVERSARIAL)
    def test_a_killed_run_goes_on_to_the_weights_of_an_unbroken_one(self, tmp_path, objective):
        path = tmp_path / "run.safetensors"
        process = child(FOREVER.format(name=objective.__name__), path)
        try:
            wait_for_step(process, path, 10)
        finally:
            process.kill()
            process.communicate()
        assert process.returncode == -signal.SIGKILL
        steps = zoo.read(path)[1]["step"] + 33
        resumed, again = train(steps, objective=adversarial(objective), checkpoint=path)
        whole, history = train(steps, objective=adversarial(objective))
        assert same_weights(whole, resumed)
        assert history.records == again.records

    def test_history_has_the_terms_of_their_own_as_means_since_the_last_record(self):
        _, every = train(10, log_every=1, objective=adversarial())
        _, fifth = train(10, log_every=5, objective=adversarial())
        for name in ("estimated_tc", "discriminator_loss", "distortion"):
            means = every[name].reshape(2, 5).mean(1)
            assert fifth[name].tolist() == pytest.approx(means.tolist(), rel=1e-4, abs=1e-6)
        assert fifth["discriminator_loss"][0] == pytest.approx(math.log(2), abs=0.1)
        assert "estimated_prior_kl" in train(5, objective=adversarial(aae))[1].records[0]

    def test_the_adversary_holds_the_codes_at_the_prior(self):
        """Without it they run away, and the discriminator tells them from the prior with ease.
        Seen over three seeds: loss 0.11 to 0.16 and 0.70, estimated KL 5.2 to 6.0 and 0.0."""
        free, held = (
            train(400, objective=adversarial(aae, gamma), learning_rate=5e-3)[1]
            for gamma in (0.0, 20.0)
        )
        assert free["discriminator_loss"][-8:].mean() < 0.3
        assert free["estimated_prior_kl"][-8:].mean() > 3
        assert held["discriminator_loss"][-8:].mean() == pytest.approx(math.log(2), abs=0.03)
        assert held["estimated_prior_kl"][-8:].mean() == pytest.approx(0, abs=0.1)

    def test_gamma_zero_trains_the_elbo_s_model_if_the_noise_is_the_same(self):
        """Without the second batch and the shuffle, which draw from the same generator."""
        network = Discriminator(3, seed=0)

        def without_draws(out):
            own = torch.Generator().manual_seed(out.now.step)
            now = dataclasses.replace(out.now, generator=own)
            adversary = dataclasses.replace(out.adversary, second_codes=lambda: out.z.detach())
            return factor_vae(dataclasses.replace(out, now=now, adversary=adversary), 0.0)

        trained, _ = train(23, objective=without_draws, discriminator=network)
        assert same_weights(trained, train(23, objective=elbo)[0])

    @pytest.mark.parametrize("objective", ADVERSARIAL)
    def test_a_discriminator_that_breaks_ends_the_run_and_the_checkpoint_stays_good(
        self, tmp_path, objective
    ):
        network = Discriminator(3, hidden=8)

        def broken(terms, step):
            if step == 17:
                with torch.no_grad():
                    network.network[0].weight[0, 0] = float("nan")

        with pytest.raises(training.Diverged, match=r"loss is nan at step 20.*gamma"):
            train(
                40,
                objective=adversarial(objective, 1.0),
                on_step=broken,
                discriminator=network,
                checkpoint=tmp_path / "c",
                checkpoint_seconds=0,
            )
        tensors, notes = zoo.read(tmp_path / "c")
        assert notes["step"] == 15
        assert all(bool(value.isfinite().all()) for value in tensors.values())

    def test_a_discriminator_for_other_codes_is_refused(self):
        with pytest.raises(ValueError, match="made for 4 latents, but the model has 3"):
            train(5, objective=adversarial(), discriminator=Discriminator(4))

    @pytest.mark.parametrize("objective", ADVERSARIAL)
    def test_fit_many_gives_each_model_a_discriminator_of_its_own(self, objective):
        data = noise_images()
        one_by_one, together = (
            [VAE(data.shape, 3, "dense", 8, seed=seed) for seed in (0, 1, 2)] for _ in range(2)
        )
        goals = [adversarial(objective), elbo, adversarial(objective, 9.0)]
        settings = {"batch_size": 7, "precision": "float32", "log_every": 5, "progress": False}
        histories = training.fit_many(together, data, goals, 12, **settings)
        for seed, (model, twin) in enumerate(zip(one_by_one, together, strict=True)):
            alone = training.fit(model, data, goals[seed], 12, seed=seed, **settings)
            assert same_weights(model, twin)
            assert alone.records == histories[seed].records

    @pytest.mark.parametrize("objective", ADVERSARIAL)
    def test_the_sweep_has_none_because_they_have_no_beta(self, objective):
        with pytest.raises(ValueError, match="choose one that has a beta"):
            sweep.Run(objective.__name__, 4.0, 0)


@pytest.mark.parametrize("name", ["aae", "factor_vae"])
def test_the_command_line_trains_it(name, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DVAE_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    words = ["train", "--data", "small_sprites", "--architecture", "dense", "--hidden", "24"]
    words += ["--objective", name, "--set", "gamma=3", "--latents", "3", "--batch-size", "32"]
    assert command_line.main([*words, "--steps", "20", "--out", "run"]) == 0
    assert command_line.main([*words, "--steps", "60", "--out", "run", "--zoo", "mine"]) == 0
    assert "Resuming from run" in capsys.readouterr().out
    assert zoo.about("mine")["objective"] == {"name": name, "gamma": 3}
    assert "estimated" in (tmp_path / "run" / "history.csv").read_text().splitlines()[0]
    assert command_line.main([*words, "--set", "beta=3", "--steps", "20"]) == 2
    assert "has no setting 'beta=3'" in capsys.readouterr().err
