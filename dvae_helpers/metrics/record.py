"""What the registry knows of a score, and what a score may look at."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from torch import Tensor

from .information import exact_information


@dataclass(frozen=True)
class Column:
    """One number of a score: its name in every table, what it says, its smallest and largest."""

    name: str
    meaning: str
    low: float = 0.0
    high: float = 1.0


@dataclass(frozen=True)
class Sample:
    """A model's code: the posteriors of all images that were encoded, and some rows of means.

    mean, log_var: (N, J), classes: (N, K). codes: (n, J), the means of n of them; labels: (n, K).
    kinds: ordered or nominal, for each factor. seed: of every random choice.
    """

    mean: Tensor
    log_var: Tensor
    classes: Tensor
    codes: np.ndarray
    labels: np.ndarray
    kinds: tuple[str, ...]
    seed: int

    @cached_property
    def exact(self) -> tuple[Tensor, Tensor, float, tuple[int, ...]]:
        """What `exact_information` gives: several scores are made of it."""
        return exact_information(self.mean, self.log_var, self.classes)


@dataclass(frozen=True)
class Score:
    """A line of the registry.

    function: what users call. columns: its numbers. read: these numbers for a sample.
    source: the paper. latents, factors: the fewest that it can compare.
    posteriors: whether it needs them, or codes alone. slow: minutes, so only when asked for.
    """

    function: Callable
    columns: tuple[Column, ...]
    read: Callable[[Sample], Sequence[float]]
    source: str
    latents: int = 2
    factors: int = 1
    posteriors: bool = False
    slow: bool = False

    @property
    def title(self) -> str:
        """For a progress bar."""
        return self.columns[0].name.removesuffix("_disentanglement").replace("_", " ")
