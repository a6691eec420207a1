"""`fit`: repeatable, and safe to stop at any moment."""

import csv
import functools
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from dvae_helpers import datasets, files, training, zoo
from dvae_helpers.factors import FactorSpace
from dvae_helpers.models import VAE
from dvae_helpers.objectives import Terms, beta_tcvae, beta_vae, elbo
from dvae_helpers.training import Diverged, History, fit

TERMS = ["loss", "distortion", "rate", "mutual_information", "total_correlation", "dimension_kl"]


def noise_images(shape=(1, 4, 6)):
    """30 random images, made here so that a child process has the same ones."""
    space = FactorSpace(("colour", "size", "kind"), (5, 2, 3))
    generator = torch.Generator().manual_seed(30)
    pixels = torch.randint(256, (30, *shape), generator=generator, dtype=torch.uint8)
    return datasets.ImageSet("noise", space, shape, pixels)


def train(steps, architecture="dense", data=None, seed=3, model_seed=1, objective=None, **settings):
    """A small model, trained: (model, history). 7 images a batch: 4 batches and 2 images over."""
    if data is None:
        data = noise_images((1, 8, 8) if architecture == "conv" else (1, 4, 6))
    model = VAE(data.shape, 3, architecture, hidden=8, seed=model_seed)
    settings = {
        "batch_size": 7,
        "log_every": 5,
        "precision": "float32",
        "progress": False,
    } | settings
    objective = objective or functools.partial(beta_tcvae, beta=3.0)
    return model, fit(model, data, objective, steps, seed=seed, **settings)


def same_weights(first, second):
    first, second = first.state_dict(), second.state_dict()
    return all(torch.equal(first[key], second[key]) for key in first)


def leftovers(folder):
    return sorted(path.name for path in folder.iterdir())


class TestRepeatable:
    @pytest.mark.parametrize("architecture", ["dense", "conv"])
    def test_the_same_seeds_give_the_same_weights_and_history(self, architecture):
        torch.manual_seed(1)
        first, history = train(23, architecture)
        torch.manual_seed(2)
        second, again = train(23, architecture)
        assert same_weights(first, second)
        assert history.records == again.records

    @pytest.mark.parametrize("change", [{"seed": 4}, {"model_seed": 2}])
    def test_other_seeds_give_other_weights(self, change):
        assert not same_weights(train(23)[0], train(23, **change)[0])

    def test_the_seed_decides_the_noise_of_the_codes_and_each_step_draws_its_own(self):
        def noise_of(seed):
            drawn = []

            def objective(out):
                drawn.append(((out.z - out.mean) / (0.5 * out.log_var).exp()).detach())
                return elbo(out)

            train(2, seed=seed, objective=objective)
            return drawn

        first, other, again = noise_of(3), noise_of(4), noise_of(3)
        torch.testing.assert_close(first, again)
        assert float((first[0] - other[0]).abs().max()) > 0.1
        assert float((first[0] - first[1]).abs().max()) > 0.1

    def test_the_global_generator_is_left_alone(self):
        before = torch.get_rng_state()
        train(6)
        assert torch.equal(torch.get_rng_state(), before)

    def test_looking_at_it_does_not_change_it(self, tmp_path, capsys):
        plain, _ = train(23)
        watched, _ = train(
            23, log_every=1, progress=True, checkpoint=tmp_path / "c", checkpoint_seconds=0
        )
        assert same_weights(plain, watched)
        assert "distortion" in capsys.readouterr().err

    def test_it_works_outside_the_main_thread(self):
        result = []
        thread = threading.Thread(target=lambda: result.append(train(23)))
        thread.start()
        thread.join(60)
        assert same_weights(result[0][0], train(23)[0])


class TestLearning:
    @pytest.mark.parametrize("seed", [0, 1])
    def test_the_loss_falls_on_small_sprites(self, small, seed):
        model = VAE(small.shape, 3, "dense", 24, seed=seed)
        history = fit(
            model, small, beta_vae, 100, 32, seed, 3e-3, "float32", log_every=20, progress=False
        )
        assert history["loss"][-1] < 0.4 * history["loss"][0]
        assert not model.training

    def test_one_image_set_is_learnt_by_heart(self):
        """Gaussian likelihood, 30 images: far below the error of the mean image."""
        data = noise_images()
        model = VAE(data.shape, 10, "dense", 64, "gaussian", noise=0.05, seed=1)
        fit(model, data, elbo, 800, 15, learning_rate=3e-3, precision="float32", progress=False)
        images = data.images(torch.arange(30))
        with torch.no_grad():
            rebuilt = model.pictures(model.encode(images)[0])
        error = (rebuilt - images).square().mean()
        assert float(error) < 0.25 * float(images.var(0).mean())

    def test_bfloat16_gives_nearly_the_same_terms(self, small):
        """Seen over seeds 0 to 3: distortion within 0.5%, rate within 4%."""
        last = {}
        for precision in ("float32", "bfloat16"):
            model = VAE(small.shape, 4, "dense", 32, seed=5)
            history = fit(
                model,
                small,
                functools.partial(beta_tcvae, beta=2.0),
                150,
                32,
                precision=precision,
                progress=False,
            )
            last[precision] = history.records[-1]
            assert next(model.parameters()).dtype == torch.float32
        full, half = last["float32"], last["bfloat16"]
        assert full["distortion"] != half["distortion"]
        assert half["distortion"] == pytest.approx(full["distortion"], rel=0.02)
        assert half["rate"] == pytest.approx(full["rate"], rel=0.15)

    def test_the_exact_estimator_sees_all_images(self):
        seen = []

        def objective(out):
            seen.append(tuple(len(part) for part in out.now.whole()))
            return beta_tcvae(out, 3.0, "exact")

        model, _ = train(6, objective=objective)
        assert seen == [(30, 30)] * 6
        assert not same_weights(model, train(6)[0])

    def test_the_exact_estimator_is_refused_on_large_sets(self):
        space = FactorSpace(("a", "b"), (201, 100))
        data = datasets.ImageSet(
            "large", space, (1, 4, 6), torch.zeros(20_100, 1, 4, 6, dtype=torch.uint8)
        )
        with pytest.raises(ValueError, match=r"20,100 images.*stratified"):
            train(6, data=data, objective=functools.partial(beta_tcvae, estimator="exact"))


class Watched:
    """An image set that notes which images are asked for."""

    def __init__(self, data):
        self.data, self.asked = data, []
        self.name, self.shape, self.factors = data.name, data.shape, data.factors

    def __len__(self):
        return len(self.data)

    def images(self, index):
        self.asked.append(index.tolist())
        return self.data.images(index)


class TestOrder:
    def test_each_epoch_visits_images_once_in_a_new_order(self):
        data = Watched(noise_images())
        train(12, data=data)
        assert [len(batch) for batch in data.asked] == [7] * 12
        epochs = [[n for batch in data.asked[e : e + 4] for n in batch] for e in (0, 4, 8)]
        for epoch in epochs:
            assert len(set(epoch)) == 28  # of 30: the incomplete batch is left out
            assert set(epoch) <= set(range(30))
        assert len({tuple(epoch) for epoch in epochs}) == 3
        assert set().union(*epochs) == set(range(30))
        assert epochs[0] != sorted(epochs[0])

    def test_another_seed_gives_another_order(self):
        first, second, again = (Watched(noise_images()) for _ in range(3))
        for data, seed in ((first, 3), (second, 4), (again, 3)):
            train(4, data=data, seed=seed)
        assert first.asked == again.asked != second.asked

    def test_a_resumed_run_goes_on_in_the_middle_of_its_epoch(self, tmp_path):
        whole, parts = Watched(noise_images()), Watched(noise_images())
        train(11, data=whole)
        train(6, data=parts, checkpoint=tmp_path / "c")
        train(11, data=parts, checkpoint=tmp_path / "c")
        assert [batch for batch in parts.asked if len(batch) == 7] == whole.asked

    def test_a_batch_may_be_all_images(self):
        data = Watched(noise_images())
        train(2, data=data, batch_size=30)
        assert [sorted(batch) for batch in data.asked] == [list(range(30))] * 2


class TestCheckpoint:
    @pytest.mark.parametrize("architecture", ["dense", "conv"])
    @pytest.mark.parametrize("precision", ["float32", "bfloat16"])
    def test_a_run_in_two_parts_is_the_run_in_one(self, tmp_path, architecture, precision):
        path = tmp_path / "folder" / "run.safetensors"
        whole, history = train(40, architecture, precision=precision)
        train(15, architecture, precision=precision, checkpoint=path)
        resumed, again = train(40, architecture, precision=precision, checkpoint=path)
        assert same_weights(whole, resumed)
        assert history.records == again.records
        assert leftovers(path.parent) == ["run.safetensors"]

    def test_moments_go_on_where_their_weights_lie_otherwise_in_memory(self, tmp_path):
        """In a layer with several channels on both sides, kernels lie with the channels last."""
        data = noise_images((3, 16, 16))
        whole, _ = train(12, "conv", data)
        train(5, "conv", data, checkpoint=tmp_path / "c")
        resumed, _ = train(12, "conv", data, checkpoint=tmp_path / "c")
        assert same_weights(whole, resumed)

    def test_nothing_comes_from_the_new_model_s_own_weights(self, tmp_path):
        whole, _ = train(30)
        train(15, checkpoint=tmp_path / "c")
        resumed, _ = train(30, model_seed=9, checkpoint=tmp_path / "c")
        assert same_weights(whole, resumed)

    def test_a_run_that_is_done_is_not_trained_further(self, tmp_path):
        first, history = train(15, checkpoint=tmp_path / "c")
        content = (tmp_path / "c").read_bytes()
        for steps in (15, 8):
            again, same = train(steps, model_seed=9, checkpoint=tmp_path / "c")
            assert same_weights(first, again)
            assert same.records == history.records
            assert not same.interrupted
        assert (tmp_path / "c").read_bytes() == content

    def test_it_is_written_every_so_often_and_at_the_end(self, tmp_path, monkeypatch):
        steps, write = [], zoo.write

        def noted(path, tensors, notes):
            steps.append(notes["step"])
            write(path, tensors, notes)

        monkeypatch.setattr(zoo, "write", noted)
        train(23, checkpoint=tmp_path / "a", checkpoint_seconds=0)
        assert steps[:4] == [5, 10, 15, 20]
        assert steps[-1] == 23
        steps.clear()
        train(23, checkpoint=tmp_path / "b", checkpoint_seconds=1e6)
        assert steps == [23]

    @pytest.mark.parametrize(
        ("change", "named"),
        [
            ({"seed": 4}, "seed was 3, now 4"),
            ({"batch_size": 6}, "batch_size was 7, now 6"),
            ({"learning_rate": 0.01}, r"learning_rate was 0\.001, now 0\.01"),
            ({"precision": "bfloat16"}, "precision was float32, now bfloat16"),
            ({"objective": functools.partial(beta_tcvae, beta=4.0)}, "objective was.*3.*now.*4"),
            ({"objective": elbo}, "objective was.*beta_tcvae.*now.*elbo"),
            ({"architecture": "conv"}, "model was.*dense.*now.*conv"),
        ],
    )
    def test_one_of_other_settings_is_refused_by_their_names(self, tmp_path, change, named):
        train(15, checkpoint=tmp_path / "c")
        content = (tmp_path / "c").read_bytes()
        with pytest.raises(ValueError, match=named) as caught:
            train(30, **change, checkpoint=tmp_path / "c")
        # a conv model needs images of another size
        assert str(caught.value).count(" was ") == 1 + ("architecture" in change)
        assert (tmp_path / "c").read_bytes() == content

    def test_one_of_another_image_set_is_refused(self, tmp_path):
        train(15, checkpoint=tmp_path / "c")
        noise = noise_images()
        other = datasets.ImageSet("other", noise.factors, noise.shape, noise.pixels)
        with pytest.raises(ValueError, match=r"data was \['noise', 30, .*now \['other', 30, "):
            train(30, data=other, checkpoint=tmp_path / "c")

    def test_so_is_one_of_other_images_with_the_same_name(self, tmp_path):
        train(15, checkpoint=tmp_path / "c")
        noise = noise_images()
        negative = datasets.ImageSet(noise.name, noise.factors, noise.shape, 255 - noise.pixels)
        with pytest.raises(ValueError, match="data was"):
            train(30, data=negative, checkpoint=tmp_path / "c")

    @pytest.mark.parametrize("place", [4, 60, 2000, -5])
    def test_a_damaged_one_is_refused(self, tmp_path, place):
        path = tmp_path / "run.safetensors"
        train(15, checkpoint=path)
        content = bytearray(path.read_bytes())
        content[place] ^= 4
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"run\.safetensors"):
            train(30, checkpoint=path)

    @pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04"])
    def test_something_else_in_its_place_is_refused_and_kept(self, tmp_path, content):
        path = tmp_path / "thesis.txt"
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"thesis\.txt"):
            train(30, checkpoint=path)
        assert path.read_bytes() == content

    def test_a_model_of_the_zoo_is_no_checkpoint(self, data_folder):
        path = zoo.save(train(5)[0], "model")
        with pytest.raises(ValueError, match="different run"):
            train(30, checkpoint=path)

    def test_a_failed_write_leaves_the_one_before(self, tmp_path, monkeypatch):
        train(15, checkpoint=tmp_path / "c")
        content = (tmp_path / "c").read_bytes()

        def fail(*args):
            raise OSError("No space left on device")

        monkeypatch.setattr(files.os, "replace", fail)
        with pytest.raises(OSError, match="No space"):
            train(30, checkpoint=tmp_path / "c")
        assert (tmp_path / "c").read_bytes() == content
        assert leftovers(tmp_path) == ["c"]


def child(code, checkpoint):
    """A process that imports this file and runs `code`; one thread, as here."""
    root = Path(__file__).parents[1]
    return subprocess.Popen(
        [sys.executable, "-c", f"import torch; torch.set_num_threads(1)\n{code}", str(checkpoint)],
        env=os.environ
        | {"PYTHONPATH": os.pathsep.join([str(root), str(root / "tests")]), "OMP_NUM_THREADS": "1"},
        cwd=checkpoint.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


FOREVER = """
import sys
from test_training import train
train(10**9, {architecture!r}, checkpoint=sys.argv[1], checkpoint_seconds=0)
"""


def wait_for_step(process, path, step):
    """Waits until the checkpoint has reached a step; gives the step that it has then."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if path.exists():
            reached = zoo.read(path)[1]["step"]
            if reached >= step:
                return reached
        assert process.poll() is None, process.communicate()[1].decode()
        time.sleep(0.01)
    raise AssertionError("the child wrote no checkpoint within a minute")


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL: not on Windows")
@pytest.mark.parametrize("architecture", ["dense", "conv"])
def test_a_killed_run_goes_on_to_the_weights_of_an_unbroken_one(tmp_path, architecture):
    path = tmp_path / "run.safetensors"
    process = child(FOREVER.format(architecture=architecture), path)
    try:
        wait_for_step(process, path, 10)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    reached = zoo.read(path)[1]["step"]
    assert reached % 5 == 0
    steps = reached + 33
    resumed, again = train(steps, architecture, checkpoint=path)
    whole, history = train(steps, architecture)
    assert same_weights(whole, resumed)
    assert history.records == again.records
    assert len(history) > 3


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_a_child_stopped_by_ctrl_c_ends_well_and_goes_on(tmp_path):
    path = tmp_path / "run.safetensors"
    code = FOREVER.format(architecture="dense").replace("train(10**9", "_, h = train(10**9")
    process = child(code + "\nprint(h.interrupted, h.records[-1]['step'])", path)
    try:
        wait_for_step(process, path, 10)
        process.send_signal(signal.SIGINT)
        said, errors = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0, errors.decode()
    reached = zoo.read(path)[1]["step"]
    assert said.decode().split() == ["True", str(reached)]
    resumed, _ = train(reached + 12, checkpoint=path)
    assert same_weights(resumed, train(reached + 12)[0])


class TestInterrupt:
    """Ctrl-C comes while a step is being worked out."""

    @staticmethod
    def press(at, times=1):
        """A hook that presses the button in the step after `at` others."""

        def on_step(terms, step):
            if step == at + 1:
                for _ in range(times):
                    signal.raise_signal(signal.SIGINT)

        return on_step

    @pytest.mark.parametrize("at", [0, 12, 14])
    def test_it_keeps_what_was_reached_and_goes_on_later(self, tmp_path, at):
        path = tmp_path / "c"
        before = signal.getsignal(signal.SIGINT)
        stopped, history = train(40, on_step=self.press(at), checkpoint=path)
        assert signal.getsignal(signal.SIGINT) is before
        assert history.interrupted
        assert history.records[-1]["step"] == at + 1
        assert not stopped.training
        assert same_weights(stopped, train(at + 1)[0])
        assert zoo.read(path)[1]["step"] == at + 1
        resumed, later = train(40, checkpoint=path)
        assert not later.interrupted
        assert later.records[-1]["step"] == 40
        assert same_weights(resumed, train(40)[0])

    def test_it_may_come_in_the_middle_of_a_step(self):
        def interrupted(out):
            if out.now.step == 7:
                signal.raise_signal(signal.SIGINT)
            return beta_tcvae(out, 3.0)

        model, history = train(40, objective=interrupted)
        assert history.interrupted
        assert same_weights(model, train(8)[0])

    def test_in_the_last_step_the_run_is_simply_done(self):
        _, history = train(10, on_step=self.press(9))
        assert not history.interrupted
        assert [record["step"] for record in history.records] == [5, 10]

    def test_a_second_one_stops_at_once(self):
        before = signal.getsignal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            train(40, on_step=self.press(7, times=2))
        assert signal.getsignal(signal.SIGINT) is before

    @pytest.mark.parametrize("presses", [1, 3])
    def test_while_a_run_is_made_it_waits(self, monkeypatch, tmp_path, presses):
        """Presses that come in there must not break an import off."""
        made = torch.optim.Adam

        def interrupted(*args, **settings):
            for _ in range(presses):
                signal.raise_signal(signal.SIGINT)
            return made(*args, **settings)

        monkeypatch.setattr(torch.optim, "Adam", interrupted)
        before = signal.getsignal(signal.SIGINT)
        model, history = train(40, checkpoint=tmp_path / "c")
        assert history.interrupted
        assert len(history) == 0
        assert not model.training
        assert leftovers(tmp_path) == []
        assert signal.getsignal(signal.SIGINT) is before
        monkeypatch.undo()
        assert same_weights(train(12)[0], train(12, checkpoint=tmp_path / "c")[0])

    def test_while_the_last_checkpoint_is_written_it_is_written_whole(self, monkeypatch, tmp_path):
        write = zoo.write

        def interrupted(*args):
            signal.raise_signal(signal.SIGINT)
            write(*args)

        monkeypatch.setattr(zoo, "write", interrupted)
        _, history = train(12, checkpoint=tmp_path / "c", checkpoint_seconds=1e6)
        assert [record["step"] for record in history.records] == [5, 10, 12]
        assert zoo.read(tmp_path / "c")[1]["step"] == 12


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_the_stop_button_in_the_first_second_of_the_first_fit_leaves_a_kernel_that_trains(tmp_path):
    """The first optimiser imports sympy and torch._dynamo; the button is pressed in the middle."""
    code = """
import builtins, os, signal, sys
from test_training import train
usual, pressed = builtins.__import__, []
def watched(name, *rest, **others):
    if name.startswith("sympy") and len(pressed) < 2:
        pressed.append(name)
        os.kill(os.getpid(), signal.SIGINT)
    return usual(name, *rest, **others)
builtins.__import__ = watched
assert "sympy" not in sys.modules
_, first = train(10)
builtins.__import__ = usual
_, second = train(10)
print(len(pressed), first.interrupted, second.interrupted, len(second))
"""
    said, errors = child(code, tmp_path / "c").communicate(timeout=120)
    assert said.decode().split() == ["2", "True", "False", "2"], errors.decode()


class TestDiverged:
    def test_a_loss_that_is_no_number_ends_the_run_and_the_checkpoint_stays_good(self, tmp_path):
        def elbo_then_nan(out):
            terms = elbo(out)
            return Terms(terms.loss * float("nan"), out) if out.now.step == 17 else terms

        path = tmp_path / "c"
        with pytest.raises(Diverged, match=r"loss is nan at step 20.*learning rate.*0\.001"):
            train(40, objective=elbo_then_nan, checkpoint=path, checkpoint_seconds=0)
        tensors, notes = zoo.read(path)
        assert notes["step"] == 15
        assert all(bool(value.isfinite().all()) for value in tensors.values())

    def test_a_gradient_that_is_no_number_does_not_reach_the_checkpoint(self, tmp_path):
        """The loss of the step before a checkpoint is still a number; its gradient is not."""

        def elbo_then_nan(out):
            terms = elbo(out)
            if out.now.step == 14:
                nothing = (out.mean - out.mean.detach()).sum()
                return Terms(terms.loss + nothing.abs().sqrt(), out)
            return terms

        path = tmp_path / "c"
        with pytest.raises(Diverged):
            train(40, objective=elbo_then_nan, checkpoint=path, checkpoint_seconds=0)
        tensors, _ = zoo.read(path)
        assert all(bool(value.isfinite().all()) for value in tensors.values())

    def test_a_huge_learning_rate_says_so(self):
        with pytest.raises(Diverged, match="learning rate"):
            train(60, learning_rate=1e18, log_every=1)

    def test_it_is_a_value_error(self):
        assert issubclass(Diverged, ValueError)


class TestHistory:
    def test_has_every_term_at_every_record(self):
        _, history = train(23)
        assert [record["step"] for record in history.records] == [5, 10, 15, 20, 23]
        assert len(history) == 5
        assert list(history.records[0]) == ["step", *TERMS]
        assert all(list(record) == ["step", *TERMS] for record in history.records)
        assert history["rate"].tolist() == [record["rate"] for record in history.records]
        assert not history.interrupted
        assert history.seconds > 0
        assert history.images_per_second > 0

    def test_loss_distortion_and_rate_are_means_since_the_last_record(self):
        _, every = train(10, log_every=1)
        _, fifth = train(10, log_every=5)
        for name in ("loss", "distortion", "rate"):
            means = every[name].reshape(2, 5).mean(1)
            assert fifth[name].tolist() == pytest.approx(means.tolist(), rel=1e-5)
        for name in ("mutual_information", "total_correlation", "dimension_kl"):
            assert fifth[name].tolist() == every[name][[4, 9]].tolist()

    def test_is_written_as_a_table(self, tmp_path):
        _, history = train(23)
        history.write(tmp_path / "new" / "history.csv")
        rows = list(csv.DictReader((tmp_path / "new" / "history.csv").read_text().splitlines()))
        assert [
            {key: float(value) for key, value in row.items()} for row in rows
        ] == history.records
        History().write(tmp_path / "empty.csv")
        assert (tmp_path / "empty.csv").read_text().strip() == ""

    def test_an_unknown_column_is_refused(self):
        _, history = train(5)
        with pytest.raises(ValueError, match=r"no 'mig'.*distortion"):
            history["mig"]
        with pytest.raises(ValueError, match="nothing yet"):
            History()["rate"]


def test_describe_names_an_objective_and_its_settings():
    twice = functools.partial(functools.partial(beta_tcvae, beta=2, estimator="exact"), beta=5)
    assert training.describe(twice) == {"name": "beta_tcvae", "beta": 5, "estimator": "exact"}
    assert training.describe(elbo) == {"name": "elbo"}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"steps": 0}, "steps is 0"),
        ({"log_every": 0}, "log_every 0"),
        ({"batch_size": 1}, "batch_size is 1; 'noise' has 30 images"),
        ({"batch_size": 31}, "batch_size is 31.*2 to 30"),
        ({"learning_rate": 0}, "learning_rate is 0"),
        ({"learning_rate": -1e-3}, "learning_rate is -0.001"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
        ({"precision": "float8"}, "'float8'.*bfloat16"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, said):
    with pytest.raises(ValueError, match=said):
        train(**{"steps": 10} | settings)


def test_a_model_for_other_images_is_refused():
    model = VAE((1, 6, 4), 3, "dense", 8)
    with pytest.raises(ValueError, match=r"\(1, 6, 4\), but 'noise' has \(1, 4, 6\)"):
        fit(model, noise_images(), steps=5, batch_size=7, progress=False)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_learns_the_same(small):
    last = []
    for device in ("cpu", "cuda"):
        model = VAE(small.shape, 3, "dense", 24, seed=1).to(device)
        history = fit(
            model, small.to(device), beta_vae, 100, 32, 0, 3e-3, "float32", progress=False
        )
        last.append(history["distortion"][-1])
    assert last[1] == pytest.approx(last[0], rel=0.03)
