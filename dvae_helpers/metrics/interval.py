"""How far a score would move with another choice of images."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..progress import tqdm


@dataclass(frozen=True)
class Interval:
    """A score of all rows, with its 95 % interval over images.

    value: the score. low, high: value -+ 1.96 `error`, within the score's range if that was given.
    error: the standard error. repeats: the random halves that it comes from.
    """

    value: float
    low: float
    high: float
    error: float
    repeats: int


def interval(
    score: Callable[..., float],
    *arrays: Tensor | np.ndarray,
    repeats: int = 20,
    seed: int = 0,
    limits: tuple[float, float] = (-np.inf, np.inf),
    progress: bool = False,
) -> Interval:
    """A score of the rows of some arrays, and how far it moves with the choice of rows.

    score: called with the arrays; for example `lambda z, g: metrics.mig(z, g).score`.
    arrays: of N rows each: codes and factor values, or means, log variances and factor values.
    repeats: how many random halves of the rows are scored; their standard deviation is the
        standard error of the score of all rows (the half-sample, or delete-d jackknife: Shao & Wu,
        1989). A bootstrap without replacement: with it, copies of one image would stand among the
        fitted and among the held-out rows, and a regressor would look better than it is.

    The images count as a random sample, and the interval is of the score at this number of rows:
    the bias of bins, neighbours and regressors with few rows is not in it (for MIG in 20 bins of
    500 rows it is larger than the standard error). It says nothing about another training seed.
    Raises ValueError for fewer than 2 repeats or 4 rows, and what the score raises, with a word
    where it refuses a half: a rare value of a factor may be missing there.
    """
    rows = len(arrays[0]) if arrays else 0
    if any(len(array) != rows for array in arrays) or rows < 4:
        lengths = ", ".join(str(len(array)) for array in arrays)
        raise ValueError(f"The arrays have {lengths} rows; expected the same, at least 4.")
    if repeats < 2:
        raise ValueError(f"repeats is {repeats}; a spread needs at least 2.")
    value = float(score(*arrays))
    random, found = np.random.default_rng(seed), []
    for _ in tqdm(range(repeats), desc="halves", disable=not progress):
        half = np.sort(random.permutation(rows)[: rows // 2])
        try:
            found.append(float(score(*(_rows(array, half) for array in arrays))))
        except ValueError as error:
            raise ValueError(
                f"The score refuses a random half of the {rows} rows: {error} Give more rows, or "
                "leave out values of a factor that only a few rows have."
            ) from error
    error = float(np.std(found, ddof=1))
    low, high = np.clip((value - 1.96 * error, value + 1.96 * error), *limits)
    return Interval(value, float(low), float(high), error, repeats)


def _rows(array: Any, rows: np.ndarray) -> Any:
    if isinstance(array, Tensor):
        return array[torch.from_numpy(rows).to(array.device)]
    return array[rows]
