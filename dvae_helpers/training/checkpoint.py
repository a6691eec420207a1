"""What is kept of a run, and how it goes on from there to the weights of an unbroken one."""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .. import zoo
from ..datasets import ImageSet
from .describe import describe
from .run import Run


def _digest(data: ImageSet) -> str:
    """A mark of the images, from 64 of them: two sets of one name and size are not the same."""
    index = torch.linspace(0, len(data) - 1, min(64, len(data))).round().long()
    return hashlib.sha256(data.images(index).cpu().numpy().tobytes()).hexdigest()[:16]


class Checkpoint:
    """The file of one run.

    Made before the run begins: an objective's own variables may change on the way.
    """

    def __init__(self, path: str | Path, run: Run):
        self.path, self.run = Path(path), run
        settings: dict[str, Any] = {
            "model": run.model.config,
            "data": [run.data.name, len(run.data), _digest(run.data)],
            "objective": describe(run.objective),
            "batch_size": run.batch_size,
            "seed": run.seed,
            "learning_rate": run.learning_rate,
            "precision": run.precision,
            "device": run.device.type,
        }
        if run.discriminator is not None:
            settings["discriminator"] = run.discriminator.config
        if run.pairs is not None:
            settings["pairs"] = run.pairs.describe()
        self.settings = json.loads(json.dumps(settings))

    def save(self) -> None:
        """Raises Diverged rather than keep a weight that is no number."""
        run = self.run
        tensors = _named("model", run.model, "adam", run.optimiser)
        if run.discriminator is not None:
            tensors |= _named(
                "discriminator", run.discriminator, "discriminator_adam", run.discriminator_adam
            )
        tensors |= {f"memory.{key}": value for key, value in run.memory.items()}
        tensors["noise"] = run.noise.get_state()
        if not all(bool(value.isfinite().all()) for value in tensors.values()):
            raise run.diverged("A weight is nan or infinite")  # the next loss would show it
        notes = {"settings": self.settings, "step": run.step, "records": run.history.records}
        zoo.write(self.path, tensors, notes | {"seconds": run.history.seconds})

    def restore(self) -> None:
        """Gives the run what the file has. A file of another run is refused by its settings.

        All of it is looked at before anything of the run changes.
        """
        run = self.run
        tensors, notes = zoo.read(self.path)
        there = notes.get("settings", {})
        if there:
            there = {"device": "cpu"} | there  # older files do not name it
        if there != self.settings:
            names = self.settings | there
            differing = [key for key in names if there.get(key) != self.settings.get(key)]
            details = "; ".join(
                f"{key} was {there.get(key)}, now {self.settings.get(key)}" for key in differing
            )
            raise ValueError(
                f"{self.path} belongs to a different run: {details}. "
                "Choose another file for this run, or delete that one."
            )
        expected = {f"model.{key}": value for key, value in run.model.state_dict().items()}
        if any(key.startswith("discriminator.") for key in tensors):
            network = run.ask_discriminator()
            expected |= {f"discriminator.{k}": v for k, v in network.state_dict().items()}
        expected["noise"] = run.noise.get_state()
        for adam, optimiser in (
            ("adam", run.optimiser),
            ("discriminator_adam", run.discriminator_adam),
        ):
            weights = optimiser.param_groups[0]["params"] if optimiser is not None else ()
            for number, weight in enumerate(weights):
                state = f"{adam}.{number}."
                if any(key.startswith(state) for key in tensors):  # a weight may have no gradient
                    expected |= {state + name: weight for name in ("exp_avg", "exp_avg_sq")}
                    expected[state + "step"] = torch.zeros(())
        for key, value in expected.items():
            if key not in tensors or tensors[key].shape != value.shape:
                raise zoo.DamagedFile(
                    f"{self.path} cannot go on here: its {key} is missing, or of another shape. "
                    "Delete it, or go on where it was written."
                )
        _give(tensors, "model", run.model, "adam", run.optimiser)
        if run.discriminator is not None and "discriminator.network.0.weight" in tensors:
            _give(
                tensors,
                "discriminator",
                run.discriminator,
                "discriminator_adam",
                run.discriminator_adam,
            )
        for key, value in tensors.items():
            if key.startswith("memory."):
                run.memory[key.removeprefix("memory.")] = value.to(run.device)
        run.noise.set_state(tensors["noise"])
        run.step = notes["step"]
        run.history.records, run.history.seconds = notes["records"], notes["seconds"]


def _named(name: str, network, adam: str, optimiser) -> dict[str, Tensor]:
    """A network's weights and its optimiser's state, under names for a checkpoint."""
    tensors = {f"{name}.{key}": value for key, value in network.state_dict().items()}
    for number, state in optimiser.state_dict()["state"].items():
        tensors |= {f"{adam}.{number}.{key}": value for key, value in state.items()}
    return tensors


def _give(tensors: dict[str, Tensor], name: str, network, adam: str, optimiser) -> None:
    """Gives a network and its optimiser what `_named` took from them."""
    weights = {
        k.removeprefix(f"{name}."): v for k, v in tensors.items() if k.startswith(f"{name}.")
    }
    network.load_state_dict(weights)
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith(f"{adam}."):
            number, what = key.removeprefix(f"{adam}.").split(".")
            state.setdefault(int(number), {})[what] = value
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": state, "param_groups": groups})
    # In the weight's own order in memory: the fused Adam walks through both side by side.
    for parameter, kept in optimiser.state.items():
        for name, value in kept.items():
            if value.shape == parameter.shape:
                kept[name] = torch.empty_like(parameter).copy_(value)
