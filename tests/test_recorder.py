"""Steps that are recorded once and played back: the same weights as step by step.

On the processor a stand-in takes CUDA's place. It takes down every operation of a step, and plays
them back into the same memory; like CUDA it refuses a step in which Python reads a number, and
Python's own part of a step happens once, when it is recorded.
"""

import functools

import pytest
import torch
from test_training import noise_images, same_weights, train
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from dvae_helpers import datasets, objectives
from dvae_helpers.adversaries import Discriminator
from dvae_helpers.models import VAE
from dvae_helpers.objectives import OBJECTIVES, Terms, beta_vae, elbo
from dvae_helpers.pairs import Pairs
from dvae_helpers.training import fit, fit_many, loop
from dvae_helpers.training.recorder import Steps, steps_of

GOALS = {
    "elbo": elbo,
    "beta_vae": functools.partial(beta_vae, beta=3.0),
    "beta_tcvae": functools.partial(objectives.beta_tcvae, beta=3.0),
    "weighted": functools.partial(objectives.beta_tcvae, beta=3.0, estimator="weighted"),
    "exact": functools.partial(objectives.beta_tcvae, beta=3.0, estimator="exact"),
    "dip_vae": objectives.dip_vae,
    "dip_vae I": functools.partial(objectives.dip_vae, version="I"),
    "capacity_vae": functools.partial(
        objectives.capacity_vae, capacity=6.0, gamma=5.0, over_steps=120
    ),
    "geco": functools.partial(objectives.geco, target=16.0, speed=0.01),
    "factor_vae": functools.partial(objectives.factor_vae, gamma=4.0),
    "aae": functools.partial(objectives.aae, gamma=4.0),
}


class Tape(TorchDispatchMode):
    """Takes down every operation, with the tensors that it read and wrote."""

    def __init__(self):
        super().__init__()
        self.done = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        if name in ("_local_scalar_dense", "nonzero", "lift_fresh"):
            raise RuntimeError(f"operation not permitted while a step is recorded: {name}")
        result = function(*args, **(kwargs or {}))
        self.done.append((function, args, kwargs or {}, result))
        return result


class StandIn:
    """What `CudaGraph` does, on a processor."""

    def __init__(self, runs):
        self.runs, self.tape, self.fresh, self.plays = runs, None, False, 0

    def warm_up(self, work):
        return work()

    def record(self, work):
        with Tape() as self.tape:
            result = work()
        self.fresh = True  # unlike a GPU, a processor has done what it took down
        return result

    def play(self):
        self.plays += 1
        if self.fresh:
            self.fresh = False
            return
        with torch.no_grad():
            for function, args, kwargs, before in self.tape.done:
                after = function(*args, **kwargs)
                for old, new in zip(tree_leaves(before), tree_leaves(after), strict=True):
                    if isinstance(old, torch.Tensor) and old.data_ptr() != new.data_ptr():
                        old.copy_(new)


class OnDevice(datasets.ImageSet):
    """Images that are found without a look at their numbers, as on a GPU."""

    def _check(self, index):
        return index


def on_device(data):
    return OnDevice(data.name, data.factors, data.shape, data.pixels, data.values)


@pytest.fixture
def stand_in(monkeypatch):
    """A switch: recorded by the stand-in, or step by step. Gives the graphs that were made."""
    usual = Discriminator.optimiser
    monkeypatch.setattr(Discriminator, "optimiser", lambda self, *_: usual(self, True))

    def switch(on):
        made = []

        def graph(runs):
            made.append(StandIn(runs))
            return made[-1]

        monkeypatch.setattr(
            loop, "steps_of", lambda engine: steps_of(engine, graph) if on else Steps(engine)
        )
        return made

    return switch


def images_on_device(shape=(1, 4, 6)):
    data = noise_images(shape)
    return OnDevice(data.name, data.factors, data.shape, data.pixels)


def both(stand_in, steps, **settings):
    """The same run step by step, and recorded: two of (model, history), and the graph."""
    architecture = settings.get("architecture", "dense")
    data = images_on_device((1, 8, 8) if architecture == "conv" else (1, 4, 6))
    stand_in(False)
    eager = train(steps, data=data, **settings)
    made = stand_in(True)
    recorded = train(steps, data=data, **settings)
    (graph,) = made
    return eager, recorded, graph


class TestSameAsStepByStep:
    def test_every_objective_of_the_package_is_tried(self):
        assert {name.split()[0] for name in GOALS} >= set(OBJECTIVES)

    @pytest.mark.parametrize("name", GOALS)
    def test_weights_and_history_after_200_steps(self, stand_in, name):
        (model, history), (other, again), graph = both(stand_in, 200, objective=GOALS[name])
        assert graph.plays == 197
        if name == "capacity_vae":  # a step that is a tensor is divided in float32
            for weight, twin in zip(model.parameters(), other.parameters(), strict=True):
                torch.testing.assert_close(weight, twin, rtol=1e-4, atol=1e-5)
            return
        assert same_weights(model, other)
        assert history.records == again.records

    @pytest.mark.parametrize("precision", ["float32", "bfloat16"])
    @pytest.mark.parametrize("name", ["beta_tcvae", "factor_vae"])
    def test_of_convolutional_models(self, stand_in, name, precision):
        settings = {"architecture": "conv", "objective": GOALS[name], "precision": precision}
        (model, history), (other, again), graph = both(stand_in, 20, log_every=1, **settings)
        assert graph.plays == 17
        assert same_weights(model, other)
        assert history.records == again.records

    def test_of_pairs(self, stand_in):
        pairs = Pairs(images_on_device())
        (model, _), (other, _), graph = both(stand_in, 30, objective=elbo, pairs=pairs)
        assert graph.plays == 27
        assert same_weights(model, other)

    @pytest.mark.parametrize("name", ["beta_tcvae", "geco", "factor_vae", "capacity_vae"])
    def test_a_run_in_two_parts_is_the_run_in_one(self, stand_in, tmp_path, name):
        settings = {"objective": GOALS[name], "data": images_on_device()}
        stand_in(False)
        whole, history = train(40, **settings)
        made = stand_in(True)
        train(15, checkpoint=tmp_path / "c", **settings)
        resumed, again = train(40, model_seed=9, checkpoint=tmp_path / "c", **settings)
        assert [graph.plays for graph in made] == [12, 22]
        assert same_weights(whole, resumed)
        assert history.records == again.records

    @pytest.mark.parametrize("names", [list(GOALS), ["beta_vae", "beta_tcvae", "exact", "geco"]])
    def test_many_models_in_one_recording(self, stand_in, names):
        """All objectives side by side; and those that make a stack."""
        data = images_on_device()

        def trained():
            made = [VAE(data.shape, 3, "dense", 8, seed=seed) for seed, _ in enumerate(names)]
            goals = [GOALS[name] for name in names]
            return made, fit_many(made, data, goals, 40, 7, progress=False, log_every=3)

        stand_in(False)
        models, histories = trained()
        graphs = stand_in(True)
        others, again = trained()
        assert [graph.plays for graph in graphs] == [37]
        for model, other in zip(models, others, strict=True):
            assert same_weights(model, other)
        assert [h.records for h in histories] == [h.records for h in again]

    def test_the_hook_sees_the_terms_of_its_own_step(self, stand_in):
        seen = []

        def on_step(terms, step):
            seen.append((step, terms.values()))

        both(stand_in, 30, on_step=on_step)
        assert seen[:30] == seen[30:]
        assert len({values["total_correlation"] for _, values in seen}) == 30

    def test_an_objective_s_own_memory_goes_on(self, stand_in):
        def rising(out):
            count = out.now.memory.get("count", torch.zeros(()))
            out.now.memory["count"] = count + 1
            return Terms(out.distortion + out.rate * (1 + 0.1 * count), out)

        (model, history), (other, again), graph = both(stand_in, 40, objective=rising)
        assert graph.plays == 37
        assert same_weights(model, other)
        assert history.records == again.records
        assert not same_weights(model, train(40, objective=elbo)[0])


class TestWhatCannotBeRecorded:
    """Goes on step by step with a line that says why, and to the same weights."""

    def reads_a_number():
        def objective(out):
            return Terms(out.distortion + out.rate * (1 + out.rate.detach().item() / 10), out)

        return objective

    def asks_for_the_step():
        def objective(out):
            return Terms(out.distortion + out.rate * (2 if out.now.step > 20 else 1), out)

        return objective

    def brings_a_number():
        def objective(out):
            return Terms(out.distortion + out.rate * torch.tensor(3.0), out)

        return objective

    def counts_by_itself():
        seen = []

        def objective(out):
            seen.append(1)
            return Terms(out.distortion + out.rate * len(seen) / 10, out)

        return objective

    def remembers_a_number():
        def objective(out):
            out.now.memory["count"] = out.now.memory.get("count", torch.zeros(1)).repeat(2)
            return Terms(out.distortion + out.rate * out.now.memory["count"].numel() / 100, out)

        return objective

    @pytest.mark.parametrize(
        ("objective", "why"),
        [
            (reads_a_number, "number is read in the middle"),
            (asks_for_the_step, "number is read in the middle"),
            (brings_a_number, "made of numbers of Python"),
            (counts_by_itself, "objective keeps something outside"),
            (remembers_a_number, "memory"),
        ],
    )
    def test_an_objective(self, stand_in, capsys, objective, why):
        data, steps = images_on_device(), 8 if "remembers" in objective.__name__ else 30
        stand_in(False)
        model, history = train(steps, data=data, objective=objective())
        made = stand_in(True)
        other, again = train(steps, data=data, objective=objective())
        (graph,) = made
        said = capsys.readouterr().out
        assert graph.plays == 0
        assert said.count("\n") == 1
        assert why in said
        assert same_weights(model, other)
        assert history.records == again.records

    def test_a_recording_that_breaks_goes_on_step_by_step(self, stand_in, capsys, monkeypatch):
        """Something that was not foreseen; what it did to the memory and the noise is undone."""

        def broken(graph, work):
            work()
            for run in graph.runs:
                torch.rand(5, generator=run.noise)
                run.memory["multiplier"] = torch.zeros(())
            raise RuntimeError("operation not permitted when stream is capturing\nCompile with ..")

        monkeypatch.setattr(StandIn, "record", broken)
        data, settings = images_on_device(), {"objective": GOALS["geco"]}
        stand_in(False)
        expected, _ = train(4, data=data, **settings)
        stand_in(True)
        model = train(4, data=data, **settings)[0]
        said = capsys.readouterr().out
        assert said.count("\n") == 1
        assert "operation not permitted when stream is capturing. Training goes on" in said
        assert not same_weights(model, expected)  # a processor does what it takes down: a step more
        assert all(bool(weight.isfinite().all()) for weight in model.parameters())

    def test_a_mask_is_a_number_that_is_read(self, stand_in, capsys):
        def objective(out):
            return Terms(out.distortion + out.rate + out.z[out.z > 0].sum(), out)

        stand_in(True)
        train(8, data=images_on_device(), objective=objective)
        assert "a number is read in the middle" in capsys.readouterr().out

    def test_images_on_another_device_say_where_they_should_be(self, capsys):
        run = type("Run", (), {})()
        run.device, run.data = torch.device("cuda:0"), images_on_device()
        engine = type("Engine", (), {"runs": [run]})()
        assert type(steps_of(engine)) is Steps
        assert "data.to('cuda:0')" in capsys.readouterr().out


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
class TestOnAGpu:
    @staticmethod
    def trained(monkeypatch, recorded, goals, steps=200, architecture="dense", **settings):
        data = noise_images((1, 8, 8) if architecture == "conv" else (1, 4, 6)).to("cuda")
        made = [
            VAE(data.shape, 3, architecture, 8, seed=seed).to("cuda") for seed in range(len(goals))
        ]
        plays = []
        if recorded:
            replay = torch.cuda.CUDAGraph.replay

            def counted(graph):
                plays.append(graph)
                replay(graph)

            monkeypatch.setattr(torch.cuda.CUDAGraph, "replay", counted)
        else:
            monkeypatch.setattr(loop, "steps_of", Steps)
        settings = {"precision": "float32", "log_every": 10, "progress": False} | settings
        if len(goals) == 1:
            histories = [fit(made[0], data, goals[0], steps, 7, **settings)]
        else:
            histories = fit_many(made, data, goals, steps, 7, **settings)
        monkeypatch.undo()
        assert len(plays) == (steps - 3 if recorded else 0)
        return made, histories

    def compare(self, monkeypatch, goals, **settings):
        one, first = self.trained(monkeypatch, False, goals, **settings)
        two, second = self.trained(monkeypatch, True, goals, **settings)
        for model, other in zip(one, two, strict=True):
            for weight, twin in zip(model.parameters(), other.parameters(), strict=True):
                torch.testing.assert_close(weight, twin, rtol=1e-3, atol=1e-4)
        for history, again in zip(first, second, strict=True):
            for record, twin in zip(history.records, again.records, strict=True):
                assert twin == pytest.approx(record, rel=1e-2, abs=1e-2)

    @pytest.mark.parametrize("architecture", ["dense", "conv"])
    @pytest.mark.parametrize("name", GOALS)
    def test_recorded_steps_give_the_weights_of_steps_one_by_one(
        self, monkeypatch, name, architecture
    ):
        self.compare(monkeypatch, [GOALS[name]], architecture=architecture)

    @pytest.mark.parametrize("names", [list(GOALS), ["beta_vae", "beta_tcvae", "exact", "geco"]])
    def test_many_models_in_one_recording(self, monkeypatch, names):
        self.compare(monkeypatch, [GOALS[name] for name in names])

    def test_a_run_in_two_parts_is_the_run_in_one(self, monkeypatch, tmp_path):
        goals = [GOALS["geco"]]
        (whole,), _ = self.trained(monkeypatch, True, goals, 40)
        self.trained(monkeypatch, True, goals, 15, checkpoint=tmp_path / "c")
        data = noise_images().to("cuda")
        model = VAE(data.shape, 3, "dense", 8, seed=9).to("cuda")
        settings = {"precision": "float32", "log_every": 10, "progress": False}
        fit(model, data, goals[0], 40, 7, checkpoint=tmp_path / "c", **settings)
        for weight, twin in zip(whole.parameters(), model.parameters(), strict=True):
            torch.testing.assert_close(weight, twin, rtol=1e-3, atol=1e-4)

    def test_what_cannot_be_recorded_goes_step_by_step(self, capsys):
        data = noise_images().to("cuda")
        model = VAE(data.shape, 3, "dense", 8).to("cuda")

        def objective(out):
            return Terms(out.distortion + out.rate * (1 + out.rate.detach().item() / 10), out)

        history = fit(model, data, objective, 20, 7, progress=False)
        assert "cannot be recorded" in capsys.readouterr().out
        assert history.records[-1]["step"] == 20
