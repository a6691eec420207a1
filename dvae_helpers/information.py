"""The mutual information between latents and factors, and the gap (MIG): exact, and binned.

Axes: n image, j latent, k factor, v factor value. Information and entropies are in nats.
"""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from .estimators import check_posteriors
from .factors import FactorSpace

Factors = FactorSpace | Tensor | np.ndarray

_REACH = 8.0  # a Gaussian is taken to be 0 further than this many sigmas from its mean
_MOST_POINTS = 2**18


@dataclass(frozen=True)
class Gap:
    """The mutual information gap (Chen et al., 2018, Eq. 6) and what it is made of.

    score: the mean of per_factor, between 0 and 1.
    per_factor: (K,), the best latent's information less the second best's, over the entropy.
    information: (K, J), I(z_j; g_k) in nats. entropy: (K,), H(g_k) in nats.
    best: (K,), the latent that knows most about each factor.
    error: what the last halving of the step changed in any I(z_j; g_k), in nats. The trapezium
        rule converges so fast on Gaussians that what is left is far less. Binned: None.
    points: the grid points that each latent took. Binned: the bins.
    """

    score: float
    per_factor: Tensor
    information: Tensor
    entropy: Tensor
    best: Tensor
    error: float | None
    points: tuple[int, ...]


def mig_exact(
    mean: Tensor,
    log_var: Tensor,
    factors: Factors,
    tolerance: float = 1e-6,
    chunk: int | None = None,
    progress: bool = False,
) -> Gap:
    """MIG from the posteriors q(z_j|x_n), without drawing codes and without bins.

    q(z_j | g_k = v) is the mean of the posteriors of the images with that value. The integral
    of q(z_j, g_k) log q(z_j, g_k) / q(z_j) q(g_k) is a sum over evenly spaced points; one pass
    over the images gives the densities of all factors. The step is halved until no information
    moves by more than `tolerance` nats and every density integrates to 1 as closely.

    mean, log_var: (N, J), on any device. float32 is precise enough: see `tolerance`.
    factors: a FactorSpace, if the rows are every image of its grid in order; or the factor
        values of a sample of images, (N, K) integers.
    chunk: how many numbers the largest temporary holds (default: 2**20, on a GPU 2**26).

    Raises ValueError for NaN, one latent, a factor with one value, real-valued factors, and
    posteriors so narrow that the sum would need more than 262,144 points.
    """
    check_posteriors(mean, log_var)
    if not tolerance > 0 or (chunk is not None and chunk < 1):
        raise ValueError(f"tolerance is {tolerance} and chunk {chunk}; both must be positive.")
    if mean.device.type == "mps":  # has no float64
        mean, log_var = mean.cpu(), log_var.cpu()
    labels = labels_of(factors, len(mean))
    need_two_latents(mean.shape[1], "MIG")
    sums = _Sums(torch.from_numpy(labels.T.copy()).to(mean.device), chunk)
    done = _side_by_side(
        lambda j: sums.information(mean[:, j], log_var[:, j], tolerance, j),
        mean,
        tqdm(total=mean.shape[1], desc="exact MIG", unit="latent", disable=not progress),
    )
    columns, errors, points = zip(*done, strict=True)
    return _gap(torch.stack(columns, 1), entropies(labels), max(errors), points)


def _side_by_side(work: Callable[[int], Any], mean: Tensor, bar: tqdm) -> list[Any]:
    """work(j) for every latent, one processor thread each.

    The operations are too small to be shared out among threads: these would mostly wait for one
    another. One thread a latent also gives the same numbers whatever the machine.
    """
    threads = torch.get_num_threads()
    workers = 1 if mean.device.type == "cuda" else min(threads, mean.shape[1])
    with bar, ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            tasks = [pool.submit(work, j) for j in range(mean.shape[1])]
            for _ in as_completed(tasks):
                bar.update()
            return [task.result() for task in tasks]
        finally:
            pool.shutdown(cancel_futures=True)
            torch.set_num_threads(threads)


class _Sums:
    """Densities of one latent under every factor value, as sums over images."""

    def __init__(self, labels: Tensor, chunk: int | None):
        """labels: (K, N) int64, each row with the values 0 .. V_k - 1, all of them there."""
        cuda = labels.device.type == "cuda"
        self.chunk = chunk or (2**26 if cuda else 2**20)
        self.most_rows = 2**14 if cuda else 2**11
        self.sizes = [int(row.max()) + 1 for row in labels]
        counts = [row.bincount(minlength=v) for row, v in zip(labels, self.sizes, strict=True)]
        self.share = torch.cat(counts).double() / labels.shape[1]  # q(g_k = v), (V_1 + ... + V_K,)
        first = torch.tensor([0, *self.sizes[:-1]], device=labels.device).cumsum(0)
        self.labels = (labels + first[:, None]).to(torch.int32)

    def information(self, mean: Tensor, log_var: Tensor, tolerance: float, j: int):
        """I(z_j; g_k) of every factor -> (K,) float64, its error in nats, the points used."""
        sigma = (0.5 * log_var.double()).exp()
        narrow = float(sigma.min())
        low = float((mean.double() - _REACH * sigma).min())
        high = float((mean.double() + _REACH * sigma).max())
        if not narrow > 0 or not high - low < math.inf:
            raise ValueError(_too_narrow(j, narrow, high - low))
        # Powers of two: the points are then exact in float32 too, and each grid holds the last.
        step = 2.0 ** math.floor(math.log2(max(0.75 * narrow, (high - low) / 256)))
        rows = _Rows(self, mean, log_var, sigma)
        first = math.floor(low / step) * step
        count = math.ceil((high - first) / step) + 1
        total, mass = self._integrals(rows, first, step, count)
        while True:
            middle, middle_mass = self._integrals(rows, first + step / 2, step, count)
            finer, mass = (total + middle) / 2, (mass + middle_mass) / 2
            error, total = float((finer - total).abs().max()), finer
            step, count = step / 2, 2 * count
            missing = float((mass / self.share - 1).abs().max())
            if error <= tolerance and missing <= tolerance:
                return total.clamp(min=0).cpu(), error, count
            if count > _MOST_POINTS or step < 1e-7 * max(abs(low), abs(high)):
                raise ValueError(_too_narrow(j, narrow, high - low))

    def _integrals(self, rows: "_Rows", first: float, step: float, count: int):
        """Of the information's integrand (K,) and of every density (V_1 + ... + V_K,)."""
        density = rows.density(first, step, count)
        information = []
        for part, share in zip(
            density.split(self.sizes), self.share.split(self.sizes), strict=True
        ):
            apart = share[:, None] * part.sum(0).clamp(min=1e-300)  # q(g_k) q(z_j)
            information.append(torch.special.xlogy(part, part / apart).sum())
        return step * torch.stack(information), step * density.sum(1)


class _Rows:
    """The images, sorted so that neighbours have alike posteriors: a chunk meets few points."""

    def __init__(self, sums: _Sums, mean: Tensor, log_var: Tensor, sigma: Tensor):
        octave = (2 * (sigma / sigma.min()).log2()).floor()
        place = mean.double() - mean.double().min()
        order = (octave + 0.999 * place / place.max().clamp(min=1e-300)).argsort()
        self.sums, self.labels = sums, sums.labels[:, order]
        self.mean, sigma = mean[order][:, None], sigma[order][:, None]
        # q(z) = 2 ** (offset - ((z - mean) * scale) ** 2): exp2 is the fastest exponential.
        self.scale = (math.sqrt(0.5 * math.log2(math.e)) / sigma).to(mean.dtype)
        self.offset = -(sigma * math.sqrt(2 * math.pi)).log2().to(mean.dtype)
        self.low, self.high = (self.mean + side * _REACH * sigma for side in (-1, 1))

    def density(self, first: float, step: float, count: int) -> Tensor:
        """q(z_j, g_k = v) at the points first, first + step, ... -> (V_1 + ... + V_K, count)."""
        n, device, dtype = len(self.mean), self.mean.device, self.mean.dtype
        points = (first + step * torch.arange(count, device=device, dtype=torch.float64)).to(dtype)
        result = torch.zeros(len(self.sums.share), count, device=device, dtype=torch.float64)
        rows = min(n, self.sums.most_rows, max(1, self.sums.chunk // count))
        starts = range(0, n, rows)
        low = torch.stack([part.min() for part in self.low.split(rows)])
        high = torch.stack([part.max() for part in self.high.split(rows)])
        begins = ((low - first) / step).ceil().clamp(0, count).long().tolist()
        ends = ((high - first) / step + 1).floor().clamp(0, count).long().tolist()
        for start, a, b in zip(starts, begins, ends, strict=True):
            part = slice(start, start + rows)
            labels = self.labels[:, part].long()
            member = torch.zeros(len(result), labels.shape[1], device=device, dtype=dtype)
            member.scatter_(0, labels, 1.0)
            values = (points[a:b] - self.mean[part]).mul_(self.scale[part])
            torch.addcmul(self.offset[part], values, values, value=-1, out=values)
            # Without the clamp, numbers too small for their format make everything slow.
            result[:, a:b] += member @ values.clamp_(min=-100).exp2_()
        return result / n


def mig(codes: Tensor | np.ndarray, factors: Factors, bins: int = 20) -> Gap:
    """MIG from codes in `bins` equal bins, as disentanglement_lib has it (Locatello et al., 2019).

    Each latent is cut into `bins` parts of equal width between its smallest and largest code;
    the information is that of the table of counts. It depends on the bins, on the rows and on
    every outlier: prefer `mig_exact` where the posteriors are known.

    codes: (N, J), means or samples. factors: (N, K) integers, or a FactorSpace if the rows are
    every image of its grid. Raises ValueError for NaN, one latent, a factor with one value,
    real-valued factors, and fewer rows than bins.
    """
    codes, labels = codes_and_labels(codes, factors)
    need_two_latents(codes.shape[1], "MIG")
    information = binned_information(codes, labels, bins)
    return _gap(torch.from_numpy(information), entropies(labels), None, (bins,) * codes.shape[1])


def binned_information(codes: np.ndarray, labels: np.ndarray, bins: int) -> np.ndarray:
    """I(bin of z_j; g_k) in nats: codes (N, J), labels (N, K) from `codes_and_labels` -> (K, J)."""
    if bins < 2:
        raise ValueError(f"bins is {bins}; with fewer than 2 every code looks the same.")
    if len(codes) < bins:
        raise ValueError(
            f"{len(codes)} rows do not fill {bins} bins: give more rows, or fewer bins."
        )
    result = np.zeros((labels.shape[1], codes.shape[1]))
    for j, column in enumerate(codes.T):
        try:
            edges = np.histogram_bin_edges(column, bins)[:-1]
        except ValueError as error:
            raise ValueError(
                f"Latent {j} varies by so little that {bins} bins between {column.min()} and "
                f"{column.max()} cannot be told apart. Subtract its mean in float64 first."
            ) from error
        place = np.digitize(column, edges) - 1  # the last edge is left out: the largest is inside
        for k, label in enumerate(labels.T):
            table = np.bincount(label * bins + place, minlength=(label.max() + 1) * bins)
            table = table.reshape(-1, bins) / len(label)
            apart = table.sum(1, keepdims=True) * table.sum(0)
            there = table > 0
            result[k, j] = np.sum(table[there] * np.log(table[there] / apart[there]))
    return result.clip(min=0)


def entropies(labels: np.ndarray) -> Tensor:
    """H(g_k) of the factor values that are there: (N, K) -> (K,), nats."""
    shares = [np.bincount(column) / len(column) for column in labels.T]
    return torch.tensor([-(share * np.log(share)).sum() for share in shares], dtype=torch.float64)


def _gap(information: Tensor, entropy: Tensor, error: float | None, points: tuple[int, ...]) -> Gap:
    first, second = information.topk(2, dim=1).values.unbind(1)
    per_factor = (first - second) / entropy
    best = information.argmax(1)
    return Gap(float(per_factor.mean()), per_factor, information, entropy, best, error, points)


def codes_and_labels(
    codes: Tensor | np.ndarray, factors: Factors, real: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Codes (N, J) as floats and factor values (N, K) as 0 .. V_k - 1, both checked.

    real: let real-valued factors pass as they are, for the regressors that can use them.
    """
    if isinstance(codes, Tensor):
        codes = codes.detach().cpu().numpy()
    codes = np.asarray(codes)
    if codes.ndim != 2 or not codes.size:
        raise ValueError(f"codes has shape {codes.shape}; expected (images, latents), not empty.")
    if not np.issubdtype(codes.dtype, np.floating):
        codes = codes.astype(np.float64)
    if not np.isfinite(codes).all():
        bad = int((~np.isfinite(codes)).sum())
        raise ValueError(
            f"codes has {bad} of {codes.size} entries NaN or infinite; the model that made them "
            "has diverged. Train it again with a smaller learning rate."
        )
    return codes, labels_of(factors, len(codes), real)


def labels_of(factors: Factors, rows: int, real: bool = False) -> np.ndarray:
    """Factor values as the integers 0 .. V_k - 1, all of them there: (N, K) int64."""
    if isinstance(factors, FactorSpace):
        if len(factors) != rows:
            raise ValueError(
                f"{factors} has {len(factors):,} images, but there are {rows:,} rows. Give the "
                "codes of every image in order, or the factor values of your rows, (N, K)."
            )
        return factors.classes(torch.arange(rows)).numpy()
    values = factors.detach().cpu().numpy() if isinstance(factors, Tensor) else np.asarray(factors)
    if values.ndim != 2 or len(values) != rows or not values.size:
        raise ValueError(
            f"factors has shape {values.shape}; expected ({rows}, K): a row for each code, a "
            "column for each factor."
        )
    if np.issubdtype(values.dtype, np.floating):
        if not np.isfinite(values).all():
            raise ValueError("factors has entries that are NaN or infinite; leave those rows out.")
        if not real and (values != values.round()).any():
            raise ValueError(
                "factors holds real numbers, but this score needs discrete values. Cut each "
                "factor into bins first, for example with torch.bucketize."
            )
    constant = [k for k, column in enumerate(values.T) if column.min() == column.max()]
    if constant:
        raise ValueError(
            f"Factor {constant[0]} has the same value in all {rows} rows, so its entropy is 0 and "
            "no code can tell it. Leave that column out, or take rows in which it varies."
        )
    if real:
        return values.astype(np.float64)
    return np.stack([np.unique(column, return_inverse=True)[1] for column in values.T], 1)


def need_two_latents(latents: int, score: str) -> None:
    """Raises ValueError for one latent: it has no second best."""
    if latents < 2:
        raise ValueError(
            f"{score} compares the best latent with the second best, but there is one latent. "
            "Add a constant column if the others are unused."
        )


def _too_narrow(j: int, sigma: float, span: float) -> str:
    return (
        f"Latent {j} has a posterior with sigma {sigma:.1e}, but its codes span {span:.1e}: the "
        f"integral would need more than {_MOST_POINTS:,} points. Use the binned `mig`, or take "
        "out the images whose codes lie far away."
    )
