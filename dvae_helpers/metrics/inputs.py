"""The one door: what codes and factor values may look like, and what is refused, with a remedy.

Codes may be tensors, with a gradient or without, of any float type and on any device, or arrays or
lists. Factor values may be integers, booleans, words or objects.
"""

import contextlib
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from ..factors import FactorSpace, check_kinds

Codes = Tensor | np.ndarray
Factors = FactorSpace | Tensor | np.ndarray

_MOST_REAL = 100


def codes_in(codes: Codes) -> np.ndarray:
    """Codes (N, J) as finite float32 or float64, on the processor."""
    codes = _array(codes)
    if codes.ndim != 2 or not codes.size:
        raise ValueError(f"codes has shape {codes.shape}; expected (images, latents), not empty.")
    if codes.dtype == object or codes.dtype.kind not in "fiub":
        raise ValueError(f"codes has dtype {codes.dtype}; expected real numbers.")
    if codes.dtype == np.float16:
        codes = codes.astype(np.float32)
    elif codes.dtype not in (np.float32, np.float64):
        codes = codes.astype(np.float64)
    if not np.isfinite(codes).all():
        bad = int((~np.isfinite(codes)).sum())
        raise ValueError(
            f"codes has {bad} of {codes.size} entries NaN or infinite; the model that made them "
            "has diverged. Train it again with a smaller learning rate."
        )
    return codes


def labels_in(factors: Factors, rows: int) -> np.ndarray:
    """Factor values as the integers 0 .. V_k - 1, all of them there: (N, K) int64.

    factors: a FactorSpace, if the rows are every image of its grid in order; or the values of the
        rows, (N, K): whole numbers, booleans, words or objects. Real numbers pass if there are
        few of them, as in a list of 32 positions: at most 100, and half as many as rows.
    Raises ValueError for a factor with one value, since its entropy is 0.
    """
    if isinstance(factors, FactorSpace):
        return _grid(factors, rows)
    values = _table(factors, rows)
    if values.dtype.kind == "f":
        for k, column in enumerate(values.T):
            different = len(np.unique(column))
            if (column != column.round()).any() and different > min(_MOST_REAL, rows // 2):
                raise ValueError(
                    f"Factor {k} holds real numbers, {different} different ones in {rows} rows, "
                    "but this score needs discrete values. Cut the factor into bins first, for "
                    "example with torch.bucketize."
                )
    return np.stack([_numbered(column, k) for k, column in enumerate(values.T)], 1)


def targets_in(
    factors: Factors, rows: int, kinds: Sequence[str] | None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Factor values for regressors, (N, K) float64, and the kind of each factor.

    An ordered factor keeps its numbers, real ones too. A nominal factor gets the numbers
    0 .. V_k - 1 as names. kinds: as in FactorSpace, which brings its own; by default words are
    nominal and numbers ordered.
    """
    if isinstance(factors, FactorSpace):
        if kinds is not None:
            raise ValueError("Give the kinds in the FactorSpace, not beside it.")
        return _grid(factors, rows).astype(np.float64), factors.kinds
    values = _table(factors, rows)
    kinds = check_kinds(kinds, values.shape[1]) if kinds is not None else None
    targets, known = np.empty(values.shape), []
    for k, column in enumerate(values.T):
        numbers = None
        # a table of numpy is of words throughout if one of its columns is: look at each
        if values.dtype.kind == "U" or not any(isinstance(v, str | bytes) for v in column):
            with contextlib.suppress(TypeError, ValueError):
                numbers = column.astype(np.float64)
        if numbers is not None and not np.isfinite(numbers).all():
            numbers = None  # the word "nan"
        kind = kinds[k] if kinds else "nominal" if numbers is None else "ordered"
        if kind == "ordered" and numbers is None:
            raise ValueError(
                f"Factor {k} is declared ordered, but holds words, as {column[0]!r}. Declare it "
                "nominal, or give numbers in its order."
            )
        targets[:, k] = numbers if kind == "ordered" else _numbered(column, k)
        known.append(kind)
    return targets, tuple(known)


def _grid(factors: FactorSpace, rows: int) -> np.ndarray:
    if len(factors) != rows:
        raise ValueError(
            f"{factors} has {len(factors):,} images, but there are {rows:,} rows. Give the "
            "codes of every image in order, or the factor values of your rows, (N, K)."
        )
    return factors.classes(torch.arange(rows)).numpy()


def _table(factors: Tensor | np.ndarray, rows: int) -> np.ndarray:
    """(N, K), of one type, no factor constant."""
    values = _array(factors)
    if values.ndim != 2 or len(values) != rows or not values.size:
        raise ValueError(
            f"factors has shape {values.shape}; expected ({rows}, K): a row for each code, a "
            "column for each factor."
        )
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ValueError("factors has entries that are NaN or infinite; leave those rows out.")
    if values.dtype.kind not in "fiubOSU":
        raise ValueError(f"factors has dtype {values.dtype}; expected numbers or words.")
    for k, column in enumerate(values.T):
        if (column == column[0]).all():
            raise ValueError(
                f"Factor {k} has the same value in all {rows} rows, so its entropy is 0 and "
                "no code can tell it. Leave that column out, or take rows in which it varies."
            )
    return values


def _numbered(column: np.ndarray, k: int) -> np.ndarray:
    try:
        return np.unique(column, return_inverse=True)[1].astype(np.int64)
    except TypeError as error:
        kinds = ", ".join(sorted({type(value).__name__ for value in column}))
        raise ValueError(
            f"Factor {k} mixes values that cannot be compared ({kinds}). Make all of them words, "
            "or all of them numbers."
        ) from error


def _array(values: Any) -> np.ndarray:
    if isinstance(values, Tensor):
        values = values.detach().cpu()
        if values.dtype == torch.bfloat16:
            values = values.float()
        return values.numpy()
    try:
        return np.asarray(values)
    except ValueError as error:
        raise ValueError(f"The rows are not all of one length: {error}") from error


def need_two_latents(latents: int, score: str) -> None:
    """Raises ValueError for one latent: it has no second best."""
    if latents < 2:
        raise ValueError(
            f"{score} compares the best latent with the second best, but there is one latent. "
            "Add a constant column if the others are unused."
        )


def need_two_factors(factors: int, score: str) -> None:
    """Raises ValueError for one factor: there is no other that a latent could serve."""
    if factors < 2:
        raise ValueError(f"{score} tells factors apart, but there is one factor. Use MIG.")


def need_two_values(labels: np.ndarray) -> None:
    """Raises ValueError if a factor has one value in these rows, so that no classifier can fit."""
    for k, column in enumerate(labels.T):
        if column.min() == column.max():
            raise ValueError(
                f"Factor {k} has one value in all {len(column)} rows that the classifier sees. "
                "Give more rows, or another seed."
            )


def split(rows: int, test: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers to fit and to test, at random: two arrays without a row in common."""
    held = round(rows * test)
    if not 0 < test < 1 or held < 1 or rows - held < 10:
        raise ValueError(
            f"{rows} rows with the share {test} held out leave {rows - held} to fit and {held} to "
            "test; at least 10 and 1 are needed. Give more rows."
        )
    order = np.random.default_rng(seed).permutation(rows)
    return order[held:], order[:held]


@contextlib.contextmanager
def refused_warnings():
    """A fit that does not converge is an error: its number would mean nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            yield
        except ConvergenceWarning as warning:
            raise ValueError(
                f"A fit did not converge ({str(warning).splitlines()[0]}). Rescale the codes, for "
                "example to a standard deviation of 1, and leave out far outliers."
            ) from warning
