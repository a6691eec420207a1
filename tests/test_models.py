"""The networks: shapes, sizes, seeds."""

import math

import numpy as np
import pytest
import torch

from dvae_helpers import models, objectives, training, zoo
from dvae_helpers.models import VAE


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def dense_model(**settings):
    return VAE(
        **{"image_shape": (1, 4, 6), "latents": 3, "architecture": "dense", "hidden": 8} | settings
    )


def images(n, shape, seed=0):
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(seed))


def test_burgess_s_network_has_502005_parameters():
    model = VAE((1, 64, 64), latents=10)
    assert count(model) == 502_005
    kernels = [m for m in model.encoder if isinstance(m, torch.nn.Conv2d)]
    assert [(m.out_channels, m.kernel_size, m.stride) for m in kernels] == [
        (32, (4, 4), (2, 2))
    ] * 4


def test_chen_s_network_has_the_published_widths():
    model = VAE((1, 64, 64), latents=10, architecture="dense")

    def widths(part):
        return [(m.in_features, m.out_features) for m in part if isinstance(m, torch.nn.Linear)]

    assert widths(model.encoder) == [(4096, 1200), (1200, 1200), (1200, 20)]
    assert widths(model.decoder) == [(10, 1200), (1200, 1200), (1200, 1200), (1200, 4096)]
    assert count(model) == 14_196_516
    assert sum(isinstance(m, torch.nn.ReLU) for m in model.encoder) == 2
    assert sum(isinstance(m, torch.nn.Tanh) for m in model.decoder) == 3


@pytest.mark.parametrize(
    ("shape", "architecture"),
    [((1, 8, 8), "conv"), ((3, 32, 32), "conv"), ((1, 5, 9), "dense"), ((3, 7, 2), "dense")],
)
def test_shapes_go_through(shape, architecture):
    model = VAE(shape, latents=4, architecture=architecture, hidden=6)
    with torch.no_grad():
        mean, log_var = model.encode(images(5, shape))
        out = model.decode(mean)
        pictures = model.pictures(mean)
    assert mean.shape == log_var.shape == (5, 4)
    assert out.shape == pictures.shape == (5, *shape)
    assert mean.dtype == log_var.dtype == out.dtype == torch.float32


@pytest.mark.parametrize("architecture", ["conv", "dense"])
def test_each_image_is_encoded_and_each_code_decoded_by_itself(architecture):
    model = VAE((1, 8, 8), latents=3, architecture=architecture, hidden=6, seed=3)
    batch = images(5, (1, 8, 8))
    with torch.no_grad():
        mean, log_var = model.encode(batch)
        alone = model.encode(batch[3:4])
        torch.testing.assert_close(alone, (mean[3:4], log_var[3:4]))
        torch.testing.assert_close(model.decode(mean[3:4]), model.decode(mean)[3:4])
    assert float(mean.std(0).min()) > 0


def test_every_weight_has_a_gradient():
    for architecture in models.ARCHITECTURES:
        blocks = (2, 1) if architecture == "layered" else None
        model = VAE((1, 8, 8), 3, architecture, hidden=6, seed=1, blocks=blocks)
        mean, log_var = model.encode(images(4, (1, 8, 8)))
        model.decode(models.sample(mean, log_var)).square().sum().backward()
        assert all(float(p.grad.abs().sum()) > 0 for p in model.parameters()), architecture


def test_a_layered_decoder_draws_a_base_and_a_coloured_mask():
    model = VAE((3, 5, 4), 5, "layered", hidden=7, seed=2, blocks=(3, 2))
    z = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        drawn = model.decode(z)
        layers = model.decoder.shape(z[:, :3]).view(6, 4, 5, 4)
        colour = model.decoder.colour(z[:, 3:])
    for b in range(6):
        for c in range(3):
            wanted = layers[b, 1 + c] + layers[b, 0] * colour[b, c]
            torch.testing.assert_close(drawn[b, c], wanted)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"architecture": "layered"}, r"blocks=\(5, 3\)"),
        ({"architecture": "dense", "blocks": (2, 1)}, r"blocks=\(5, 3\)"),
        ({"architecture": "layered", "blocks": (2, 2)}, "latents = 3"),
        ({"architecture": "layered", "blocks": (3, 0)}, "latents = 3"),
    ],
)
def test_blocks_that_do_not_fit(settings, said):
    with pytest.raises(ValueError, match=said):
        VAE((3, 8, 8), 3, **settings)


def test_the_seed_fixes_the_weights_and_the_global_generator_is_left_alone():
    torch.manual_seed(11)
    before = torch.get_rng_state()
    first = dense_model(seed=5).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(12)
    second, other = dense_model(seed=5).state_dict(), dense_model(seed=6).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)
    weights = [key for key in first if key.endswith("weight")]
    assert not any(torch.equal(first[key], other[key]) for key in weights)


@pytest.mark.parametrize("shape", [(1, 64, 64), (3, 8, 8), (1, 5, 9)])
def test_the_first_dense_weights_let_codes_reach_pixels_and_images_reach_codes(shape):
    """Spread over images or codes, not over pixels or latents: what a constant would lack."""
    for seed in range(2):
        model = VAE(shape, latents=10, architecture="dense", seed=seed)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            out = model.decode(torch.randn(50, 10, generator=generator))
            mean, _ = model.encode(torch.randn(50, *shape, generator=generator))
        assert 0.3 < float(out.std(0).mean()) < 3
        assert 0.3 < float(mean.std(0).mean()) < 3


def test_pictures_are_the_expected_images():
    codes = torch.randn(6, 3, generator=torch.Generator().manual_seed(1)) * 20
    with torch.no_grad():
        bernoulli, gaussian = dense_model(), dense_model(likelihood="gaussian", noise=0.3)
        assert torch.equal(bernoulli.pictures(codes), bernoulli.decode(codes).sigmoid())
        with torch.random.fork_rng():
            gaussian.decoder[-2].bias.uniform_(-2, 2, generator=torch.Generator().manual_seed(2))
        out = gaussian.decode(codes)
        assert float(out.min()) < 0
        assert float(out.max()) > 1
        assert torch.equal(gaussian.pictures(codes), out.clamp(0, 1))


def test_the_configuration_makes_the_same_model_again():
    model = dense_model(likelihood="gaussian", noise=0.25)
    again = VAE(**model.config)
    assert again.config == model.config
    assert (again.likelihood, again.noise, again.image_shape) == ("gaussian", 0.25, (1, 4, 6))
    again.load_state_dict(model.state_dict())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"image_shape": (64, 64)}, r"image_shape is \(64, 64\)"),
        ({"image_shape": (1, 0, 6)}, r"image_shape is \(1, 0, 6\)"),
        ({"architecture": "resnet"}, "'resnet'.*conv.*dense"),
        ({"likelihood": "laplace"}, "'laplace'.*bernoulli.*gaussian"),
        ({"latents": 0}, "latents is 0"),
        ({"noise": 0.0}, r"noise is 0\.0"),
        ({"noise": -1.0}, r"noise is -1\.0"),
        ({"noise": math.nan}, "noise is nan"),
        ({"architecture": "conv", "image_shape": (1, 8, 16)}, r"square.*\(1, 8, 16\)"),
        ({"architecture": "conv", "image_shape": (1, 48, 48)}, r"8, 16, 32.*\(1, 48, 48\)"),
        ({"architecture": "conv", "image_shape": (1, 4, 4)}, r"\(1, 4, 4\)"),
        ({"architecture": "conv", "image_shape": (1, 1, 1)}, r"\(1, 1, 1\)"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, said):
    with pytest.raises(ValueError, match=said):
        dense_model(**settings)


@pytest.mark.parametrize(
    ("batch", "said"),
    [
        (torch.rand(2, 1, 6, 4), r"\(2, 1, 6, 4\).*\(B, 1, 4, 6\)"),
        (torch.rand(1, 4, 6), r"\(1, 4, 6\)"),
        (torch.rand(2, 3, 4, 6), r"\(2, 3, 4, 6\)"),
        (torch.zeros(2, 1, 4, 6, dtype=torch.uint8), "uint8.*floats"),
    ],
)
def test_images_of_another_kind_are_refused(batch, said):
    with pytest.raises(ValueError, match=said):
        dense_model().encode(batch)


@pytest.mark.parametrize("shape", [(3,), (2, 4), (2, 3, 1)])
def test_codes_of_another_shape_are_refused(shape):
    for call in (dense_model().decode, dense_model().pictures):
        with pytest.raises(ValueError, match=r"z has shape.*\(B, 3\)"):
            call(torch.zeros(shape))


class TestSample:
    def test_has_the_mean_and_the_spread_it_is_given(self):
        generator = torch.Generator().manual_seed(4)
        mean, log_var = torch.tensor([-1.0, 0.5, 3.0]), torch.tensor([-3.0, 0.0, 1.5])
        n = 20_000
        z = models.sample(mean.expand(n, 3), log_var.expand(n, 3), generator)
        sigma = (0.5 * log_var).exp()
        assert bool(((z.mean(0) - mean).abs() < 4 * sigma / math.sqrt(n)).all())
        assert bool(((z.std(0) / sigma - 1).abs() < 4 / math.sqrt(2 * n)).all())

    def test_is_mean_plus_sigma_times_noise_with_the_gradient_of_that(self):
        mean = torch.randn(4, 3, generator=torch.Generator().manual_seed(5)).requires_grad_()
        log_var = torch.randn(4, 3, generator=torch.Generator().manual_seed(6)).requires_grad_()
        z = models.sample(mean, log_var, torch.Generator().manual_seed(7))
        noise = torch.randn(4, 3, generator=torch.Generator().manual_seed(7))
        torch.testing.assert_close(z, mean + (log_var / 2).exp() * noise)
        z.sum().backward()
        assert torch.equal(mean.grad, torch.ones(4, 3))
        torch.testing.assert_close(log_var.grad, 0.5 * (log_var / 2).exp().detach() * noise)


class TestPosteriors:
    def test_equal_those_of_one_batch_whatever_the_part_size(self, tiny):
        model = dense_model(seed=2)
        with torch.no_grad():
            mean, log_var = model.encode(tiny.images(torch.arange(30)))
        for batch_size in (7, 30, 1000):
            got = models.posteriors(model, tiny, batch_size=batch_size)
            torch.testing.assert_close(got, (mean, log_var))
        assert not got[0].requires_grad

    def test_of_some_images_are_in_the_order_asked_for(self, tiny):
        model = dense_model(seed=2)
        everything = models.posteriors(model, tiny)
        index = torch.tensor([20, 3, 3, 0])
        got = models.posteriors(model, tiny, index, batch_size=3)
        torch.testing.assert_close(got, (everything[0][index], everything[1][index]))
        torch.testing.assert_close(models.posteriors(model, tiny, index.tolist()), got)

    def test_of_no_images_are_refused(self, tiny):
        with pytest.raises(ValueError, match="index is empty"):
            models.posteriors(dense_model(), tiny, torch.empty(0, dtype=torch.int64))


class TestLearnedNoise:
    def model(self):
        return dense_model(likelihood="gaussian", noise="learned")

    def test_at_its_best_it_is_the_root_mean_square_error(self):
        """d distortion / d log sigma = D - sum of squares / sigma**2."""
        model = self.model()
        shown = images(7, (1, 4, 6))
        with torch.no_grad():
            out = model.decode(torch.randn(7, 3, generator=torch.Generator().manual_seed(1)))
            error = (out - shown).square().mean().sqrt()
            model.log_noise.copy_(error.log())
        codes = torch.zeros(7, 3)
        passed = objectives.Pass(
            images=shown,
            out=out,
            mean=codes,
            log_var=codes,
            z=codes,
            dataset_size=70,
            likelihood=model.likelihood,
            noise=model.noise,
        )
        (gradient,) = torch.autograd.grad(passed.distortion, model.log_noise)
        assert gradient.item() == pytest.approx(0, abs=1e-4)
        expected = -torch.distributions.Normal(out, error).log_prob(shown).sum() / 7
        assert passed.distortion.item() == pytest.approx(expected.item(), rel=1e-5)

    def test_training_finds_it_and_the_zoo_keeps_it(self, tiny, data_folder):
        model = self.model()
        assert model.noise.item() == pytest.approx(0.1)
        settings = {"steps": 400, "batch_size": 15, "learning_rate": 2e-2, "progress": False}
        training.fit(model, tiny, objectives.elbo, **settings)
        shown = tiny.images(torch.arange(30))
        with torch.no_grad():
            out = objectives.forward(model, shown, 30, torch.Generator().manual_seed(1))
            error = (out.out - shown).square().mean().sqrt()
        assert model.noise.item() == pytest.approx(error.item(), rel=0.1)
        zoo.save(model, "model")
        assert zoo.load("model").noise.item() == pytest.approx(model.noise.item(), rel=1e-2)

    def test_several_train_side_by_side(self, tiny):
        alone, together = self.model(), [self.model(), self.model()]
        settings = {"steps": 12, "batch_size": 7, "progress": False}
        training.fit(alone, tiny, objectives.elbo, **settings)
        training.fit_many(together, tiny, [objectives.elbo] * 2, **settings)
        assert torch.equal(alone.log_noise, together[0].log_noise)
        assert not torch.equal(alone.log_noise, together[1].log_noise)

    def test_is_for_the_gaussian_alone(self):
        with pytest.raises(ValueError, match=r"likelihood=.gaussian. alone"):
            dense_model(noise="learned")


@pytest.mark.parametrize("number", [np.int64, np.float32, torch.tensor])
def test_numbers_of_other_kinds_can_be_saved(number, data_folder):
    settings = {"noise": number(1)}
    if number is not np.float32:
        settings |= {"latents": number(3), "hidden": number(8)}
    model = dense_model(likelihood="gaussian", **settings)
    zoo.save(model, "model", {"seed": number(4)})
    assert zoo.about("model") == {"seed": 4}
    assert zoo.load("model").noise == 1.0


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"latents": "three"}, "latents is 'three'; expected a whole number"),
        ({"latents": 2.5}, "latents is 2.5"),
        ({"hidden": "wide"}, "hidden is 'wide'"),
        ({"hidden": 0}, "hidden is 0"),
        ({"noise": "loud"}, "noise is 'loud'; expected a number above 0"),
        ({"noise": None}, "noise is None"),
        ({"noise": float("inf")}, "noise is inf"),
        ({"start": "zeros"}, "start is 'zeros'"),
    ],
)
def test_settings_of_another_kind_are_refused(settings, said):
    with pytest.raises(ValueError, match=said):
        dense_model(**settings)


@pytest.mark.parametrize("architecture", ["dense", "conv"])
def test_the_start_decides_the_size_of_the_first_weights(architecture):
    """A signal of size 1 stays about that large, or shrinks."""

    def made(start):
        return VAE((1, 32, 32), 4, architecture, 128, seed=1, start=start)

    usual, scaled, small = made(None), made("scaled"), made("torch")
    same = scaled if architecture == "dense" else small
    assert all(
        torch.equal(a, b) for a, b in zip(usual.parameters(), same.parameters(), strict=True)
    )
    codes = torch.randn(500, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        large, little = scaled.decode(codes).std(), small.decode(codes).std()
    assert 0.3 < float(large) < 3
    assert float(little) < 0.5 * float(large)
    assert scaled.config["start"] == "scaled"
    assert "start" not in usual.config
