"""One training run: a model, its images, its optimiser. `Run.work` is one step of training."""

import contextlib
import functools
import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ..adversaries import Discriminator
from ..datasets import ImageSet
from ..models import VAE, sample
from ..objectives import Adversary, Pass, Terms, forward
from ..pairs import Pairs
from .history import Diverged, History

Objective = Callable[[Pass], Terms]


class Run:
    """The moving parts of one run. `checkpoint.save` keeps all of them.

    recorded: its steps are to be recorded and played back. The numbers of the images and of the
    step, and what the objective keeps, then stay in the same tensors from step to step.
    """

    def __init__(
        self,
        model: VAE,
        data: ImageSet,
        objective: Objective,
        *,
        batch_size: int,
        seed: int,
        learning_rate: float,
        precision: str,
        discriminator: Discriminator | None = None,
        pairs: Pairs | None = None,
    ):
        self.model, self.data, self.objective, self.pairs = model, data, objective, pairs
        self.batch_size, self.seed = batch_size, seed
        self.learning_rate, self.precision, self.recorded = learning_rate, precision, False
        self.device = model.device
        self.optimiser = adam(model.parameters(), learning_rate, self.device)
        self.noise = torch.Generator(self.device).manual_seed(seed)
        self.step, self.epoch, self.order = 0, -1, torch.empty(0)
        self.clock = torch.zeros((), dtype=torch.int64, device=self.device)  # the step, recorded
        self.index: Tensor | None = None
        self.history = History()
        self.memory: dict[str, Tensor] = {}  # what the objective keeps from step to step
        self.discriminator: Discriminator | None = None
        self.discriminator_adam: torch.optim.Adam | None = None
        self.adversary = Adversary(
            discriminator=self.ask_discriminator, second_codes=self.second_codes
        )
        self.window, self.window_steps = torch.zeros((), device=self.device), 0
        self.autocast = contextlib.nullcontext()
        if precision == "bfloat16":
            # a weight that was cast in an earlier step would be an old one in a recorded step
            cached = self.device.type != "cuda" and torch.is_autocast_cache_enabled()
            self.autocast = torch.autocast(self.device.type, torch.bfloat16, cache_enabled=cached)
        model.to(memory_format=torch.channels_last)
        if discriminator is not None:
            self.take(discriminator)

    def work(self) -> Terms:
        """One step of training with the images that `stage` laid out."""
        index, join = self.index, None
        if self.pairs is not None:
            partners, known = self.pairs.partners(index, self.noise)
            index = torch.cat((index, partners))
            join = functools.partial(self.pairs.join, changed=known)
        out = forward(
            self.model,
            self.data.images(index).to(self.device),
            len(self.data),
            self.noise,
            step=self.now(),
            memory=self.memory,
            whole=self.whole,
            adversary=self.adversary,
            join=join,
            autocast=self.autocast,
        )
        kept = dict(self.memory)
        terms = self.terms(out)
        self.optimiser.zero_grad(set_to_none=True)
        terms.loss.backward()
        self.optimiser.step()
        if terms.discriminator_loss is not None:
            self.discriminator_adam.zero_grad(set_to_none=True)
            terms.discriminator_loss.backward()
            self.discriminator_adam.step()
        self.count(terms, kept)
        return terms

    def stage(self) -> None:
        """Lays out the numbers of the next images. Epoch e's order depends on seed and e alone."""
        per_epoch = len(self.data) // self.batch_size
        epoch, place = divmod(self.step, per_epoch)
        if epoch != self.epoch:
            words = np.random.SeedSequence([self.seed, epoch]).generate_state(1, np.uint64)
            generator = torch.Generator().manual_seed(int(words[0] >> np.uint64(1)))
            self.epoch = epoch
            order = torch.randperm(len(self.data), generator=generator)
            self.order = order.to(self.device) if self.device.type == "cuda" else order
        index = self.order[place * self.batch_size : (place + 1) * self.batch_size]
        if not self.recorded:
            self.index = index
        elif self.index is None:
            self.index = index.clone()
            self.clock.fill_(self.step)
        else:
            self.index.copy_(index)

    def now(self) -> int | Tensor:
        """The number of the step, for the objective."""
        return self.clock if self.recorded else self.step

    def terms(self, out: Pass) -> Terms:
        """The objective's terms. It may refuse codes that are no numbers before `log` sees them."""
        try:
            return self.objective(out)
        except ValueError as error:
            if bool(out.mean.isfinite().all() & out.log_var.isfinite().all()):
                raise
            raise self.diverged("A code is nan or infinite") from error

    def count(self, terms: Terms, kept: dict[str, Tensor]) -> None:
        """Adds a step's terms to the sums since the last record, and settles the memory.

        kept: the memory before the step. In a recorded step it has to stay in its tensors.
        """
        out = terms.out
        means = torch.stack((terms.loss, out.distortion, out.rate, *terms.own.values())).detach()
        if self.window.shape != means.shape:
            self.window = torch.zeros_like(means)
        self.window.add_(means)
        if self.recorded:
            for name, value in kept.items():
                new = self.memory.get(name)
                if new is not value and _alike(new, value):
                    self.memory[name] = value.copy_(new)
            self.clock.add_(1)

    def done(self) -> None:
        """Takes note of a step that was done."""
        self.step += 1
        self.window_steps += 1

    def log(self, terms: Terms) -> None:
        """Writes a record of the means since the last one. Here values are looked at."""
        names = ("loss", "distortion", "rate", *terms.own)
        means = dict(zip(names, (self.window / self.window_steps).tolist(), strict=True))
        if not math.isfinite(means["loss"]):
            raise self.diverged(f"The loss is {means['loss']}")
        self.history.records.append({"step": self.step, **terms.values()} | means)
        self.window.zero_()
        self.window_steps = 0

    def diverged(self, what: str) -> Diverged:
        return Diverged(
            f"{what} at step {self.step}. Use a smaller learning rate "
            f"(it is {self.learning_rate}), or a smaller beta or gamma."
        )

    def all_images(self) -> Tensor:
        if len(self.data) > 20_000:
            raise ValueError(
                f"The exact estimator encodes all {len(self.data):,} images at every step; "
                "with more than 20,000 choose estimator='stratified'."
            )
        index = torch.arange(len(self.data), device=self.order.device)
        return self.data.images(index).to(self.device)

    def whole(self) -> tuple[Tensor, Tensor]:
        """The posteriors of all images, with their gradient."""
        with self.autocast:
            return self.model.encode(self.all_images())

    def take(self, discriminator: Discriminator) -> None:
        self.discriminator = discriminator.to(self.device)
        recorded = self.recorded or self.device.type == "cuda"
        self.discriminator_adam = self.discriminator.optimiser(recorded)

    def ask_discriminator(self) -> Discriminator:
        """Made when an objective first asks for one."""
        if self.discriminator is None:
            self.take(Discriminator(self.model.latents, seed=self.seed))
        return self.discriminator

    @torch.no_grad()
    def second_codes(self) -> Tensor:
        """Codes of images that are drawn again, by chance."""
        shape = (self.batch_size,)
        index = torch.randint(len(self.data), shape, generator=self.noise, device=self.device)
        with self.autocast:
            mean, log_var = self.model.encode(self.data.images(index).to(self.device))
        return sample(mean, log_var, self.noise)


def _alike(first: object, second: object) -> bool:
    both = isinstance(first, Tensor) and isinstance(second, Tensor)
    return both and (first.shape, first.dtype) == (second.shape, second.dtype)


def adam(parameters, learning_rate: float, device: torch.device) -> torch.optim.Adam:
    """Adam as fast as the device has it, and on CUDA so that its steps can be recorded."""
    return torch.optim.Adam(
        parameters,
        lr=learning_rate,
        fused=device.type in ("cpu", "cuda") or None,
        capturable=device.type == "cuda",
    )
