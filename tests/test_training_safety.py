"""`fit` in a notebook that has switched things, and with settings of every kind."""

import contextlib
import functools

import numpy as np
import pytest
import torch
from test_training import noise_images, same_weights, train

from dvae_helpers import datasets, doctor, models, training, zoo
from dvae_helpers.adversaries import Discriminator
from dvae_helpers.models import VAE
from dvae_helpers.objectives import Terms, aae, beta_tcvae, beta_vae, elbo, factor_vae
from dvae_helpers.pairs import Pairs
from dvae_helpers.training import choose_device, describe, fit, fit_many


@contextlib.contextmanager
def default_dtype(dtype):
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@contextlib.contextmanager
def default_device(name):
    torch.set_default_device(name)
    try:
        yield
    finally:
        torch.set_default_device(None)


SWITCHED = {
    "float64": lambda: default_dtype(torch.float64),
    "no gradients": torch.no_grad,
    "inference": torch.inference_mode,
    "another device": lambda: default_device("meta"),
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
}


class TestSwitchedNotebooks:
    @pytest.mark.parametrize("switch", SWITCHED)
    @pytest.mark.parametrize("objective", [beta_tcvae, factor_vae, aae], ids=lambda f: f.__name__)
    def test_fit_makes_the_same_weights_and_leaves_the_switch(self, switch, objective):
        plain, history = train(12, objective=objective)
        data = noise_images()
        with SWITCHED[switch]():
            state = torch.is_grad_enabled(), torch.get_default_dtype(), torch.get_default_device()
            model, again = train(12, objective=objective, data=data)
            assert state == (
                torch.is_grad_enabled(),
                torch.get_default_dtype(),
                torch.get_default_device(),
            )
        assert same_weights(plain, model)
        assert history.records == again.records

    @pytest.mark.parametrize("switch", SWITCHED)
    @pytest.mark.parametrize("architecture", ["dense", "conv"])
    def test_fit_many_too(self, switch, architecture):
        data = noise_images((1, 8, 8))

        def trained():
            made = [VAE(data.shape, 3, architecture, 8, seed=seed) for seed in (0, 1)]
            fit_many(made, data, [elbo, beta_tcvae], 6, 7, progress=False)
            return made

        plain = trained()
        with SWITCHED[switch]():
            switched = trained()
        assert all(map(same_weights, plain, switched))

    @pytest.mark.parametrize("switch", SWITCHED)
    def test_models_are_float32_with_gradients_from_wherever_they_come(self, switch, data_folder):
        data = noise_images()
        zoo.save(VAE(data.shape, 3, "dense", 8, seed=4), "model")
        expected = VAE(data.shape, 3, "dense", 8, seed=4)
        with SWITCHED[switch]():
            made, loaded = VAE(data.shape, 3, "dense", 8, seed=4), zoo.load("model")
            network = Discriminator(3)
        for model in (made, loaded, network):
            for weight in model.parameters():
                assert weight.dtype == torch.float32
                assert weight.device.type == "cpu"
                assert weight.requires_grad
                assert not weight.is_inference()
        assert same_weights(made, expected)
        if switch not in ("autocast", "another device"):
            with SWITCHED[switch]():
                for value in models.posteriors(loaded, data):
                    assert value.dtype == torch.float32

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            (lambda m: m.double(), "torch.float64.*float32"),
            (lambda m: m.half(), "torch.float16"),
            (lambda m: m.decoder.double(), "torch.float32, torch.float64"),
            (lambda m: m.requires_grad_(False), r"requires_grad_\(\) first"),
        ],
    )
    def test_a_model_that_cannot_be_trained_is_refused(self, change, said):
        data = noise_images()
        model = VAE(data.shape, 3, "dense", 8)
        change(model)
        for call in (
            lambda: fit(model, data, elbo, 5, 7),
            lambda: fit_many([model], data, [elbo], 5, 7),
        ):
            with pytest.raises(ValueError, match=said):
                call()


def weighed(beta):
    def loss(out):
        return Terms(out.distortion + beta * out.rate, out)

    return loss


def helper(out, beta):
    return Terms(out.distortion + beta * out.rate, out)


class Weighed:
    def __init__(self, beta):
        self.beta = beta

    def __call__(self, out):
        return Terms(out.distortion + self.beta * out.rate, out)

    def loss(self, out):
        return self(out)


WEIGHT = 3.0
KINDS = {
    "partial": lambda beta: functools.partial(beta_vae, beta=beta),
    "positional": lambda beta: functools.partial(lambda b, out: helper(out, b), beta),
    "lambda": lambda beta: lambda out: beta_vae(out, beta),
    "closure": weighed,
    "default": lambda beta: lambda out, b=beta: helper(out, b),
    "object": Weighed,
    "method": lambda beta: Weighed(beta).loss,
    "array in a closure": lambda beta: weighed(np.float64(beta)),
    "tensor in a closure": lambda beta: weighed(torch.tensor(beta)),
    "list in a closure": lambda beta: lambda out, b=[beta]: helper(out, b[0]),
    "helper in a helper": lambda beta: (lambda inner: lambda out: inner(out))(weighed(beta)),
}


class TestWhichRun:
    @pytest.mark.parametrize("kind", KINDS)
    def test_a_checkpoint_of_another_setting_is_refused(self, tmp_path, kind):
        make = KINDS[kind]
        train(10, objective=make(3.0), checkpoint=tmp_path / "c")
        content = (tmp_path / "c").read_bytes()
        with pytest.raises(ValueError, match="belongs to a different run: objective was"):
            train(20, objective=make(30.0), checkpoint=tmp_path / "c")
        assert (tmp_path / "c").read_bytes() == content
        resumed, _ = train(20, objective=make(3.0), checkpoint=tmp_path / "c")
        assert same_weights(resumed, train(20, objective=make(3.0))[0])

    def test_so_is_one_whose_global_variable_changed(self, tmp_path, monkeypatch):
        def objective(out):
            return beta_vae(out, WEIGHT)

        train(10, objective=objective, checkpoint=tmp_path / "c")
        train(15, objective=objective, checkpoint=tmp_path / "c")
        monkeypatch.setattr(f"{__name__}.WEIGHT", 30.0)
        with pytest.raises(ValueError, match="objective was"):
            train(20, objective=objective, checkpoint=tmp_path / "c")

    def test_so_is_one_of_other_code(self, tmp_path):
        def first(out):
            return Terms(out.distortion + 2 * out.rate, out)

        def second(out):
            return Terms(out.distortion + out.rate.square(), out)

        second.__name__ = "first"
        train(10, objective=first, checkpoint=tmp_path / "c")
        with pytest.raises(ValueError, match="objective was"):
            train(20, objective=second, checkpoint=tmp_path / "c")

    def test_what_cannot_be_told_from_another_needs_no_checkpoint(self, tmp_path):
        numbers = iter(range(10**6))

        def objective(out):
            return Terms(out.distortion + out.rate * min(1, next(numbers)), out)

        with pytest.raises(ValueError, match=r"cannot be told from another.*functools\.partial"):
            train(10, objective=objective, checkpoint=tmp_path / "c")
        assert next(numbers) == 0  # before a step was taken
        assert len(train(10, objective=objective)[1]) == 2

    def test_the_same_function_has_the_same_mark_in_another_process(self, tmp_path):
        from test_training import child

        code = "from test_training_safety import KINDS\nfrom dvae_helpers.training import describe"
        code += "\nprint([describe(make(3.0)) for make in KINDS.values()])"
        said, errors = child(code, tmp_path / "c").communicate(timeout=120)
        assert said.decode().strip() == str([describe(make(3.0)) for make in KINDS.values()]), (
            errors.decode()
        )

    def test_other_pairs_or_none_are_refused(self, tmp_path):
        data = noise_images()
        train(10, data=data, pairs=Pairs(data), checkpoint=tmp_path / "c")
        with pytest.raises(ValueError, match="pairs was"):
            train(20, data=data, checkpoint=tmp_path / "c")
        with pytest.raises(ValueError, match="pairs was"):
            train(20, data=data, pairs=Pairs(data, [["size"]]), checkpoint=tmp_path / "c")
        resumed, _ = train(20, data=data, pairs=Pairs(data), checkpoint=tmp_path / "c")
        whole, history = train(20, data=data, pairs=Pairs(data))
        assert same_weights(resumed, whole)
        assert not same_weights(whole, train(20, data=data)[0])
        assert history.images_per_second > 0


NUMBERS = {
    "numpy integer": np.array([1, 4])[1],
    "numpy float": np.float32(4),
    "torch number": torch.tensor(4.0),
    "numpy array of none": np.array(4.0),
}


class TestNumbersOfOtherKinds:
    @pytest.mark.parametrize("kind", NUMBERS)
    def test_in_an_objective_are_kept_in_the_checkpoint(self, tmp_path, kind):
        objective = functools.partial(beta_vae, beta=NUMBERS[kind])
        assert describe(objective) == {"name": "beta_vae", "beta": 4}
        train(10, objective=objective, checkpoint=tmp_path / "c")
        plain = functools.partial(beta_vae, beta=4.0)
        resumed, _ = train(20, objective=plain, checkpoint=tmp_path / "c")
        assert same_weights(resumed, train(20, objective=plain)[0])

    @pytest.mark.parametrize("whole", [np.int64, np.uint8, lambda n: torch.tensor(n)])
    def test_as_settings_of_fit(self, tmp_path, whole):
        plain, _ = train(12)
        model, _ = train(
            whole(12),
            seed=whole(3),
            batch_size=whole(7),
            log_every=whole(5),
            learning_rate=np.float64(1e-3),
            checkpoint=tmp_path / "c",
        )
        assert same_weights(plain, model)
        assert zoo.read(tmp_path / "c")[1]["settings"]["seed"] == 3

    @pytest.mark.parametrize(
        ("settings", "said"),
        [
            ({"steps": "many"}, "steps is 'many'; expected a whole number"),
            ({"steps": 10.5}, "steps is 10.5; expected a whole number"),
            ({"batch_size": None}, "batch_size is None"),
            ({"log_every": [5]}, r"log_every is \[5\]"),
            ({"seed": "three"}, "seed is 'three'"),
            ({"seed": -1}, "seed is -1; expected 0, 1, 2"),
            ({"learning_rate": "fast"}, "learning_rate is 'fast'"),
            ({"learning_rate": None}, "learning_rate is None"),
        ],
    )
    def test_what_is_no_number_is_refused(self, settings, said):
        with pytest.raises(ValueError, match=said):
            train(**{"steps": 10} | settings)


class TestCheckpointOfAGpu:
    """Its noise has another generator, so the run cannot go on to the same weights."""

    def test_is_refused_by_name(self, tmp_path):
        path = tmp_path / "c"
        train(10, checkpoint=path)
        tensors, notes = zoo.read(path)
        notes["settings"]["device"] = "cuda"
        tensors["noise"] = torch.zeros(16, dtype=torch.uint8)
        zoo.write(path, tensors, notes)
        data = noise_images()
        model = VAE(data.shape, 3, "dense", 8, seed=1)
        settings = {"precision": "float32", "seed": 3, "log_every": 5, "progress": False}
        objective = functools.partial(beta_tcvae, beta=3.0)
        with pytest.raises(ValueError, match="device was cuda, now cpu"):
            fit(model, data, objective, 20, 7, checkpoint=path, **settings)
        assert same_weights(model, VAE(data.shape, 3, "dense", 8, seed=1))

    @pytest.mark.parametrize("key", ["noise", "model.encoder.1.weight", "discriminator", "adam.0"])
    def test_a_part_that_does_not_fit_leaves_the_weights_as_they_were(self, tmp_path, key):
        path, objective = tmp_path / "c", functools.partial(factor_vae, gamma=2.0)
        train(10, objective=objective, checkpoint=path)
        tensors, notes = zoo.read(path)
        for name in [name for name in tensors if name.startswith(key)]:
            tensors[name] = torch.zeros(16, dtype=tensors[name].dtype)
        zoo.write(path, tensors, notes)
        data = noise_images()
        model = VAE(data.shape, 3, "dense", 8, seed=1)
        settings = {"precision": "float32", "seed": 3, "log_every": 5, "progress": False}
        with pytest.raises(ValueError, match=rf"{key}.*is missing, or of another shape"):
            fit(model, data, objective, 20, 7, checkpoint=path, **settings)
        assert same_weights(model, VAE(data.shape, 3, "dense", 8, seed=1))

    def test_an_older_one_without_a_device_goes_on_where_it_was_written(self, tmp_path):
        train(10, checkpoint=tmp_path / "c")
        tensors, notes = zoo.read(tmp_path / "c")
        del notes["settings"]["device"]
        zoo.write(tmp_path / "c", tensors, notes)
        assert same_weights(train(20, checkpoint=tmp_path / "c")[0], train(20)[0])


class TestDevices:
    @pytest.mark.parametrize("word", ["gpu", "CUDA", "tpu", "cuda:9", "banana", "", "CPU"])
    def test_a_wrong_word_says_what_is_there(self, word):
        with pytest.raises(ValueError, match=rf"no device '{word}' here; choose auto, cpu"):
            choose_device(word)

    def test_auto_takes_cuda_then_mps_where_a_model_can_be_trained_then_the_processor(
        self, monkeypatch
    ):
        place = training.device
        for there, trains, chosen in (
            ([], {}, "cpu"),
            (["cuda"], {"cuda": True}, "cuda"),
            (["cuda", "mps"], {"cuda": True, "mps": True}, "cuda"),
            (["mps"], {"mps": True}, "mps"),
            (["mps"], {"mps": False}, "cpu"),
        ):
            monkeypatch.setattr(place, "devices", lambda there=there: ["cpu", *there])
            monkeypatch.setattr(place, "_trains_on", trains.get)
            assert choose_device("auto") == chosen
            assert choose_device("cpu") == choose_device("cpu:0").split(":")[0] == "cpu"
            for name in there:
                assert choose_device(name) == name

    @pytest.mark.parametrize("kind", ["cuda", "mps"])
    def test_the_word_that_doctor_says_is_one_of_them(self, monkeypatch, kind):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: kind == "cuda")
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: kind == "mps")
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
        memory = type("", (), {"total_memory": 2**35})
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: memory)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "a GPU")
        word = doctor._gpu().finding.split("device='")[1].split("'")[0]
        assert choose_device(word) == word == kind

    def test_the_trial_is_a_training(self):
        assert training.device._trains_on("cpu")
        assert not training.device._trains_on("meta")


def test_images_that_were_asked_for_are_float32_in_any_notebook():
    with default_dtype(torch.float64):
        assert datasets.load("small_sprites").images(torch.arange(2)).dtype == torch.float32
