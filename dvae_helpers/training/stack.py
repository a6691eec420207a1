"""Dense models of one shape as one network, for `fit_many`."""

import functools
from collections.abc import Sequence

import torch
from torch import Tensor

from ..models import Stacked, sample
from ..objectives import OBJECTIVES, Now, Pass, Terms
from .describe import base
from .run import Run, adam


def stackable(runs: Sequence[Run]) -> bool:
    """Whether the runs can be one stack, and gain by it.

    Dense layers of M models are one batched matrix product. Convolutions have no such product:
    on one thread, 8 of them take a quarter longer in a stack than one after the other. An
    adversary needs networks of its own, pairs a step of their own, a learned noise a weight more.
    """
    first = runs[0].model
    alone = {OBJECTIVES["factor_vae"], OBJECTIVES["aae"]}
    dense = first.config["architecture"] == "dense" and first.config["noise"] != "learned"
    return dense and all(
        run.model.config == first.config and run.pairs is None and base(run.objective) not in alone
        for run in runs
    )


class Stack:
    """The networks of several runs as one, with one optimiser."""

    def __init__(self, runs: Sequence[Run]):
        self.runs = list(runs)
        self.encoder = Stacked([run.model.encoder for run in self.runs])
        self.decoder = Stacked([run.model.decoder for run in self.runs])
        weights = [*self.encoder.parameters(), *self.decoder.parameters()]
        self.optimisers = [adam(weights, self.runs[0].learning_rate, self.runs[0].device)]

    def work(self) -> list[Terms]:
        """One step of every run. Its loss is a sum, so a model's gradient is its own alone."""
        runs, first = self.runs, self.runs[0]
        images = first.data.images(torch.cat([run.index for run in runs])).to(first.device)
        images = images.unflatten(0, (len(runs), first.batch_size))
        # Taken apart once: each `out[m]` would give the whole stack a gradient of zeros but for m.
        mean, log_var = (part.unbind() for part in self._encode(images))
        codes = [sample(mean[m], log_var[m], run.noise) for m, run in enumerate(runs)]
        with first.autocast:
            out = self.decoder(torch.stack(codes)).float().unbind()

        @functools.cache
        def everything() -> tuple[Tensor, Tensor]:
            return self._encode(first.all_images().expand(len(runs), *[-1] * 4))

        every, kept = [], []
        for m, run in enumerate(runs):
            kept.append(dict(run.memory))
            every.append(
                run.terms(
                    Pass(
                        images=images[m],
                        out=out[m],
                        mean=mean[m],
                        log_var=log_var[m],
                        z=codes[m],
                        dataset_size=len(run.data),
                        likelihood=run.model.likelihood,
                        noise=run.model.noise,
                        now=Now(
                            step=run.now(),
                            generator=run.noise,
                            memory=run.memory,
                            whole=lambda m=m: tuple(part[m] for part in everything()),
                        ),
                    )
                )
            )
        (optimiser,) = self.optimisers
        optimiser.zero_grad(set_to_none=True)
        torch.stack([terms.loss for terms in every]).sum().backward()
        optimiser.step()
        for run, terms, memory in zip(runs, every, kept, strict=True):
            run.count(terms, memory)
        return every

    def finish(self) -> None:
        """Gives the models their weights."""
        self.encoder.write_back()
        self.decoder.write_back()

    def _encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images (M, B, C, H, W) -> mean and log variance (M, B, J), float32."""
        with self.runs[0].autocast:
            return self.encoder(images).float().chunk(2, dim=2)
