"""A step that a GPU records once and then plays back, so that nothing waits for Python.

A step of a small model is some 200 short kernels, each started from Python, which takes longer
than they do. A CUDA graph starts all of them at once. Every kernel then reads and writes the same
memory as when it was recorded, and nothing in between can depend on a number that Python has to
see first.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ..objectives import OBJECTIVES, Terms
from .describe import base, mark, name_of
from .run import Run


class Engine(Protocol):
    """Runs that go forward together: `work` is one step of all, `finish` gives the weights."""

    runs: list[Run]
    optimisers: list[torch.optim.Optimizer]

    def work(self) -> list[Terms]: ...

    def finish(self) -> None: ...


class Together:
    """Runs side by side, each with its own networks: any architecture, any objective.

    On CUDA each has a stream of its own, so that small kernels of several models overlap; in one
    graph, 16 convolutional models at batch 64 do 2.7 times as many images a second as one (H100).
    """

    def __init__(self, runs: Sequence[Run]):
        self.runs = list(runs)
        self.optimisers = [run.optimiser for run in self.runs]
        on_gpu = self.runs[0].device.type == "cuda"
        several = on_gpu and len(self.runs) > 1
        self.streams = [torch.cuda.Stream(run.device) for run in self.runs] if several else []

    def work(self) -> list[Terms]:
        if not self.streams:
            return [run.work() for run in self.runs]
        main, every = torch.cuda.current_stream(self.runs[0].device), []
        for run, stream in zip(self.runs, self.streams, strict=True):
            stream.wait_stream(main)
            with torch.cuda.stream(stream):
                every.append(run.work())
        for stream in self.streams:
            main.wait_stream(stream)
        return every

    def finish(self) -> None:
        """The models were trained in place."""


class Steps:
    """Steps as Python gives them, one after the other."""

    def __init__(self, engine: Engine):
        self.engine = engine

    def advance(self) -> list[Terms]:
        """One step of every run."""
        for run in self.engine.runs:
            run.stage()
        every = self.engine.work()
        for run in self.engine.runs:
            run.done()
        return every


class CudaGraph:
    """What `Recorded` asks of CUDA. Tests put another class in its place."""

    def __init__(self, runs: Sequence[Run]):
        self.runs, self.device = runs, runs[0].device
        self.side = torch.cuda.Stream(self.device)

    def warm_up(self, work: Callable[[], Any]) -> Any:
        """Does the work beside the current stream, as CUDA asks for before a recording."""
        with torch.cuda.device(self.device):
            self.side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self.side):
                result = work()
            torch.cuda.current_stream().wait_stream(self.side)
        return result

    def record(self, work: Callable[[], Any]) -> Any:
        """Takes the work down without doing it; the result's tensors are filled by `play`."""
        with torch.cuda.device(self.device):
            torch.cuda.synchronize()
            self.graph = torch.cuda.CUDAGraph()
            for run in self.runs:
                self.graph.register_generator_state(run.noise)
            # the same stream again: a gradient is added up on the stream of its first time
            with torch.cuda.graph(self.graph, stream=self.side):
                return work()

    def play(self) -> None:
        with torch.cuda.device(self.device):
            self.graph.replay()


class Recorded(Steps):
    """Three steps as they are, then one that is recorded, and from there on it is played back.

    An objective that lets Python see a number, or keeps something outside of the pass's memory,
    cannot be recorded; the runs then go on step by step, and one line says so.
    """

    def __init__(self, engine: Engine, graph: type | None = None, warm_up: int = 3):
        super().__init__(engine)
        self.graph, self.left = (graph or CudaGraph)(engine.runs), warm_up
        self.every: list[Terms] | None = None
        self.given_up = False
        self.marks = [_mark(run) for run in engine.runs]

    def advance(self) -> list[Terms]:
        runs = self.engine.runs
        for run in runs:
            run.stage()
        if self.given_up:
            # on the stream of the first steps: that is where gradients are added up
            every = self.graph.warm_up(self.engine.work)
        elif self.left:
            every = self.graph.warm_up(self._last_trial if self.left == 1 else self.engine.work)
            self.left -= 1
        elif self.every is not None or self._record():
            self.graph.play()
            every = self.every
            for terms, inside in zip(every, self.inside, strict=True):
                # what was worked out from an earlier step's numbers, outside of the recording
                for name in vars(terms.out).keys() - inside:
                    del vars(terms.out)[name]
        else:
            every = self.graph.warm_up(self.engine.work)
        for run in runs:
            run.done()
        return every

    def _record(self) -> bool:
        """Whether it could be done."""
        runs = self.engine.runs
        before = [(run.noise.get_state(), dict(run.memory)) for run in runs]
        for optimiser in self._optimisers():
            optimiser.zero_grad(set_to_none=True)
        try:
            self.every = self.graph.record(self.engine.work)
        except RuntimeError as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            for run, (state, memory) in zip(runs, before, strict=True):
                # a generator that was in a broken recording draws no more
                run.noise = torch.Generator(run.device)
                run.noise.set_state(state)
                run.memory.clear()
                run.memory.update(memory)
            self._give_up(str(error).partition("\n")[0])
            return False
        self.inside = [set(vars(terms.out)) for terms in self.every]
        return True

    def _give_up(self, why: str) -> None:
        print(f"The steps cannot be recorded: {why}. Training goes on step by step.")
        self.given_up = True
        for run in self.engine.runs:
            run.recorded = False

    def _optimisers(self) -> list[torch.optim.Optimizer]:
        others = (run.discriminator_adam for run in self.engine.runs)
        return [*self.engine.optimisers, *(adam for adam in others if adam is not None)]

    def _last_trial(self) -> list[Terms]:
        """One step more, watched for what cannot be recorded."""
        kept = [dict(run.memory) for run in self.engine.runs]
        with _Watch() as watch:
            every = self.engine.work()
        why = watch.why
        for run, before, was in zip(self.engine.runs, kept, self.marks, strict=True):
            if any(run.memory.get(name) is not value for name, value in before.items()):
                why = why or "its memory holds other things than tensors of one shape"
            if set(run.memory) != set(before):
                why = why or "it goes on putting new things into its memory"
            if was is None or was != _mark(run):
                why = why or f"{name_of(run.objective)} keeps something outside of its memory"
        if why:
            self._give_up(why)
        return every


def steps_of(engine: Engine, graph: type | None = None) -> Steps:
    """How an engine goes forward on its device: recorded on CUDA, else step by step.

    graph: instead of CUDA's, for tests.
    """
    runs = engine.runs
    if graph is None and runs[0].device.type != "cuda":
        return Steps(engine)
    there = getattr(runs[0].data, "device", None)
    if there != runs[0].device:
        print(
            f"The images lie on {there}, the model on {runs[0].device}: the steps are not "
            f"recorded. Give data.to({str(runs[0].device)!r}) to `fit`."
        )
        return Steps(engine)
    for run in runs:
        run.recorded = True
    return Recorded(engine, graph)


def _mark(run: Run) -> str | None:
    """Whether the objective's own variables change; None if that cannot be told."""
    if base(run.objective) in OBJECTIVES.values():
        return ""
    try:
        return mark(run.objective)
    except ValueError:
        return None


class _Watch(TorchDispatchMode):
    """Notices operations that wait for the device, or bring numbers to it from Python."""

    WAITING = (
        "_local_scalar_dense",
        "nonzero",
        "masked_select",
        "bincount",
        "unique",
        "_unique",
        "equal",
    )

    def __init__(self):
        super().__init__()
        self.why = ""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        result = function(*args, **(kwargs or {}))
        by_mask = name.startswith("index") and any(
            isinstance(leaf, Tensor) and leaf.dtype in (torch.bool, torch.uint8)
            for leaf in tree_leaves(args[1:2])
        )
        if by_mask or name.startswith(self.WAITING):
            self.why = self.why or "a number is read in the middle of a step, as .item() does"
        elif name == "lift_fresh":
            self.why = self.why or "a tensor is made of numbers of Python, as torch.tensor() does"
        else:
            given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
            made = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
            devices = {tensor.device for tensor in (*given, *made) if tensor.ndim}
            if len(devices) > 1:
                self.why = self.why or "numbers go from one device to another"
        return result
