"""`fit_many`: a stack gives each model what `fit` alone would give it."""

import functools
import signal

import pytest
import torch

from dvae_helpers import datasets, models, objectives
from dvae_helpers.factors import FactorSpace
from dvae_helpers.models import VAE
from dvae_helpers.objectives import Terms, beta_tcvae, beta_vae, capacity_vae, elbo
from dvae_helpers.training import Diverged, fit, fit_many, stack


def noisy(out):
    """An objective that draws: the run's own generator is in the pass."""
    blur = torch.randn(out.z.shape, generator=out.now.generator)
    return Terms(out.distortion + out.rate + (out.z * blur).mean(), out)


GOALS = [
    functools.partial(beta_vae, beta=3.0),
    functools.partial(beta_tcvae, beta=5.0),
    functools.partial(beta_tcvae, beta=2.0, estimator="exact"),
    functools.partial(capacity_vae, capacity=3.0, gamma=2.0, over_steps=4),
    functools.partial(objectives.geco, target=10.0),
    noisy,
]
SEEDS = [3, 0, 8, 3, 5, 4]


def noise_images(shape):
    space = FactorSpace(("colour", "size", "kind"), (5, 2, 3))
    generator = torch.Generator().manual_seed(30)
    pixels = torch.randint(256, (30, *shape), generator=generator, dtype=torch.uint8)
    return datasets.ImageSet("noise", space, shape, pixels)


def several(architecture="dense", count=6, **settings):
    """Fresh models that differ, and their images: 4 batches of 7, and 2 images over."""
    data = noise_images((2, 8, 8) if architecture == "conv" else (1, 4, 6))
    made = [VAE(data.shape, 3, architecture, 8, seed=seed, **settings) for seed in range(count)]
    if architecture == "conv":
        # Adam divides by the size of a gradient, so where small first weights make one nearly 0
        # rounding would grow; these are of the size that keeps a signal (He et al., 2015).
        for weight in (w for model in made for w in model.parameters() if w.ndim > 1):
            weight.data *= 6**0.5
    return made, data


def stacked(made, data, steps, goals=GOALS, seeds=SEEDS, **settings):
    settings = {"precision": "float32", "log_every": 2, "progress": False} | settings
    return fit_many(made, data, goals, steps, 7, seeds, 1e-2, **settings)


def alone(made, data, steps, goals=GOALS, seeds=SEEDS, precision="float32"):
    return [
        fit(m, data, goal, steps, 7, seed, 1e-2, precision, log_every=2, progress=False)
        for m, goal, seed in zip(made, goals, seeds, strict=True)
    ]


def differences(first, second):
    """The largest difference of any weight, for each pair of models."""
    return [
        max(
            float((a - b).detach().abs().max())
            for a, b in zip(m.parameters(), n.parameters(), strict=True)
        )
        for m, n in zip(first, second, strict=True)
    ]


class TestSameAsAlone:
    @pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
    @pytest.mark.parametrize("architecture", ["dense", "conv"])
    def test_weights_and_history(self, architecture, likelihood):
        settings = {"likelihood": likelihood, "noise": 0.3}
        one_by_one, data = several(architecture, **settings)
        together, _ = several(architecture, **settings)
        before, _ = several(architecture, **settings)
        expected = alone(one_by_one, data, 9)  # two epochs and a step
        histories = stacked(together, data, 9)
        assert max(differences(one_by_one, together)) < 2e-5
        assert min(differences(before, together)) > 1e-2
        for history, wanted in zip(histories, expected, strict=True):
            assert len(history) == 5
            for record, other in zip(history.records, wanted.records, strict=True):
                assert record == pytest.approx(other, rel=1e-3, abs=1e-3)
        assert not any(model.training for model in together)

    def test_bfloat16(self):
        one_by_one, data = several()
        together, _ = several()
        before, _ = several()
        alone(one_by_one, data, 3, precision="bfloat16")
        stacked(together, data, 3, precision="bfloat16")
        moved = differences(before, together)
        for difference, distance in zip(differences(one_by_one, together), moved, strict=True):
            assert difference < 0.5 * distance  # bfloat16 has three digits, and Adam divides

    def test_a_neighbour_changes_nothing(self):
        first, data = several()
        second, _ = several()
        stacked(first, data, 6)
        goals = [GOALS[0], *[functools.partial(beta_vae, beta=50.0)] * 5]
        stacked(second, data, 6, goals, [3, 1, 1, 1, 1, 1])
        apart = differences(first, second)
        assert apart[0] < 1e-6
        assert min(apart[1:]) > 1e-3

    def test_a_stack_of_one(self):
        one, data = several(count=1)
        other, _ = several(count=1)
        alone(one, data, 6, GOALS[:1], [4])
        (history,) = stacked(other, data, 6, GOALS[:1], [4])
        assert differences(one, other)[0] < 2e-5
        assert history.images_per_second > 0

    def test_the_seeds_count_up_if_none_are_given(self):
        first, data = several()
        second, _ = several()
        stacked(first, data, 4, seeds=None)
        stacked(second, data, 4, seeds=range(6))
        assert differences(first, second) == [0] * 6

    def test_it_is_repeatable_and_leaves_the_global_generator_alone(self):
        state = torch.get_rng_state()
        first, data = several("conv")
        second, _ = several("conv")
        stacked(first, data, 6)
        stacked(second, data, 6, progress=True)
        assert differences(first, second) == [0] * 6
        assert torch.equal(torch.get_rng_state(), state)

    def test_models_that_differ_train_side_by_side(self):
        data = noise_images((1, 8, 8))

        def made():
            shapes = [("dense", 3, "bernoulli"), ("conv", 2, "gaussian"), ("dense", 5, "gaussian")]
            return [VAE(data.shape, j, kind, 8, likelihood) for kind, j, likelihood in shapes]

        one_by_one, together = made(), made()
        expected = alone(one_by_one, data, 6, GOALS[:3], [4, 1, 0])
        histories = stacked(together, data, 6, GOALS[:3], [4, 1, 0])
        assert differences(one_by_one, together) == [0] * 3
        assert [h.records for h in histories] == [h.records for h in expected]

    def test_the_hook_sees_every_step_of_every_model(self):
        made, data = several(count=2)
        seen = []
        stacked(made, data, 5, GOALS[:2], [0, 1], on_step=lambda terms, n: seen.append((terms, n)))
        assert [(len(terms), step) for terms, step in seen] == [(2, n) for n in range(1, 6)]
        assert all(each.loss.item() > 0 for terms, _ in seen for each in terms)


class TestStacked:
    @pytest.mark.parametrize("architecture", ["dense", "conv"])
    def test_gives_each_network_s_own_output(self, architecture):
        made, data = several(architecture, 3)
        images = torch.rand(3, 5, *data.shape)
        codes = torch.randn(3, 5, 3)
        encoder = models.Stacked([model.encoder for model in made])
        decoder = models.Stacked([model.decoder for model in made])
        for m, model in enumerate(made):
            torch.testing.assert_close(encoder(images)[m], model.encoder(images[m]))
            torch.testing.assert_close(decoder(codes)[m], model.decoder(codes[m]))

    def test_trains_copies_until_they_are_written_back(self):
        made, _ = several("conv", 3)
        other, _ = several("conv", 3)
        network = models.Stacked([model.encoder for model in made])
        count = sum(p.numel() for m in made for p in m.encoder.parameters())
        assert sum(p.numel() for p in network.parameters()) == count
        with torch.no_grad():
            for parameter in network.parameters():
                parameter *= 2
        assert differences(made, other) == [0] * 3
        network.write_back()
        for model, twin in zip(made, other, strict=True):
            pairs = zip(model.encoder.parameters(), twin.encoder.parameters(), strict=True)
            assert all(torch.equal(a, 2 * b) for a, b in pairs)


class TestOutOfMemory:
    @pytest.mark.parametrize(
        "error",
        [
            torch.OutOfMemoryError("CUDA out of memory"),
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate ..."),
        ],
    )
    def test_the_stack_is_split_and_says_so(self, monkeypatch, capsys, error):
        one_by_one, data = several()
        together, _ = several()
        work, sizes = stack.Stack.work, []

        def small(self):
            if self.runs[0].step == 0:
                sizes.append(len(self.runs))
            if len(self.runs) > 2:
                raise error
            return work(self)

        monkeypatch.setattr(stack.Stack, "work", small)
        histories = stacked(together, data, 6)
        assert sizes == [6, 3, 1, 2, 3, 1, 2]
        said = capsys.readouterr().out.splitlines()
        assert said == [
            "Memory ran out: 6 models go on as 3 and 3.",
            "Memory ran out: 3 models go on as 1 and 2.",
            "Memory ran out: 3 models go on as 1 and 2.",
        ]
        alone(one_by_one, data, 6)
        assert max(differences(one_by_one, together)) < 2e-5
        assert [len(history) for history in histories] == [3] * 6

    def test_after_an_interrupt_the_other_half_is_not_trained(self, monkeypatch):
        work = stack.Stack.work

        def small(self):
            if len(self.runs) > 1:
                raise torch.OutOfMemoryError("CUDA out of memory")
            signal.raise_signal(signal.SIGINT)
            return work(self)

        monkeypatch.setattr(stack.Stack, "work", small)
        made, data = several(count=2)
        twins, _ = several(count=2)
        histories = stacked(made, data, 6, GOALS[:2], [0, 1])
        assert [history.interrupted for history in histories] == [True, True]
        assert [len(history) for history in histories] == [1, 0]
        assert differences(made, twins)[1] == 0

    def test_one_model_alone_gives_the_error_and_so_does_another_error(self, monkeypatch):
        def fail(error):
            def work(self):
                raise error

            monkeypatch.setattr(stack.Stack, "work", work)

        made, data = several(count=2)
        fail(torch.OutOfMemoryError("CUDA out of memory"))
        with pytest.raises(torch.OutOfMemoryError):
            stacked(made, data, 2, GOALS[:2], [0, 1])
        fail(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
        with pytest.raises(RuntimeError, match="mat1 and mat2"):
            stacked(made, data, 2, GOALS[:2], [0, 1])


def test_an_interrupt_keeps_what_was_reached():
    def interrupted(out):
        if out.now.step == 3:
            signal.raise_signal(signal.SIGINT)
        return elbo(out)

    together, data = several(count=2)
    one_by_one, _ = several(count=2)
    before = signal.getsignal(signal.SIGINT)
    histories = stacked(together, data, 40, [interrupted, elbo], [1, 2])
    assert signal.getsignal(signal.SIGINT) is before
    assert all(history.interrupted for history in histories)
    assert [history.records[-1]["step"] for history in histories] == [4, 4]
    alone(one_by_one, data, 4, [elbo, elbo], [1, 2])
    assert max(differences(one_by_one, together)) < 2e-5


def test_a_loss_that_is_no_number_leaves_the_models_as_they_were():
    def nothing(out):
        return Terms(elbo(out).loss * float("nan"), out)

    made, data = several(count=2)
    twins, _ = several(count=2)
    with pytest.raises(Diverged, match="loss is nan at step 2"):
        stacked(made, data, 6, [elbo, nothing], [0, 1])
    assert differences(made, twins) == [0, 0]


def test_a_huge_learning_rate_says_so():
    made, data = several()
    with pytest.raises(Diverged, match=r"learning rate.*1e\+18"):
        fit_many(made, data, GOALS, 60, 7, None, 1e18, "float32", progress=False)


class TestRefusals:
    def test_lists_of_unequal_length(self):
        made, data = several()
        with pytest.raises(ValueError, match="6 models, 4 objectives and 6 seeds"):
            stacked(made, data, 2, GOALS[:4])
        with pytest.raises(ValueError, match="0 models"):
            stacked([], data, 2, [], [])

    def test_models_for_other_images_or_twice_the_same(self):
        made, data = several(count=2)
        with pytest.raises(ValueError, match=r"images of \(1, 6, 4\), but"):
            stacked([made[0], VAE((1, 6, 4), 3, "dense", 8)], data, 2, GOALS[:2], [0, 1])
        with pytest.raises(ValueError, match="there twice"):
            stacked([made[0], made[0]], data, 2, GOALS[:2], [0, 1])

    def test_settings_that_fit_refuses(self):
        made, data = several(count=2)
        for change, said in (
            ({"steps": 0}, "steps is 0"),
            ({"precision": "int4"}, "precision is 'int4'"),
        ):
            with pytest.raises(ValueError, match=said):
                stacked(made, data, **{"steps": 2, "goals": GOALS[:2], "seeds": [0, 1]} | change)
        with pytest.raises(ValueError, match="batch_size is 1"):
            fit_many(made, data, GOALS[:2], 2, 1)
