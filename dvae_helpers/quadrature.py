"""The one integral of the course: along a line, of a function of mixtures of Gaussians.

The code of image n on latent j is N(mean_n, sigma_n^2). All images together, or those that share a
factor value, have a mixture of these as their density. What we ask of a latent (how much it knows
about a factor, how far it is from the prior) is an integral of such densities.

The integral is a sum over evenly spaced points. For smooth functions that vanish at both ends, such
as these, the error of the sum falls exponentially with the number of points (Trefethen & Weideman,
2014). The step is halved until neither the integral nor the mass of any density moves.

Axes: n image, p point, v factor value.
"""

import contextlib
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from .progress import tqdm

MOST_POINTS = 2**18

Result = TypeVar("Result")
Integrand = Callable[[Tensor, Tensor], Tensor]

# A Gaussian counts as 0 further than this many sigmas from its mean: what is left out is 1e-15 of
# it in double precision, and 8e-11 in single precision, which rounds at 6e-8.
_REACH = {torch.float64: 8.0, torch.float32: 6.5}


class Groups:
    """Which factor values each image has, for K factors at once; or none, for the whole mixture.

    labels: (K, N) int64, each row with the values 0 .. V_k - 1, all of them there; or None.
    share: (V_1 + ... + V_K,) the part of the images with each value; one 1 without labels.
    """

    def __init__(self, images: int, labels: Tensor | None = None, device: str | None = None):
        if labels is None:
            self.sizes = [1]
            self.share = torch.ones(1, dtype=torch.float64, device=device)
            self.rows = None
            return
        self.sizes = [int(row.max()) + 1 for row in labels]
        counts = [row.bincount(minlength=v) for row, v in zip(labels, self.sizes, strict=True)]
        self.share = torch.cat(counts).double() / images
        first = torch.tensor([0, *self.sizes[:-1]], device=labels.device).cumsum(0)
        self.rows = (labels + first[:, None]).to(torch.int32)  # the row of each value, (K, N)


class Mixtures:
    """The densities of one latent: q(z_j, g_k = v) for every value v of every factor k.

    The images are sorted so that neighbours have alike posteriors. So a part of them meets only
    the points that are near, and the others are never computed.

    mean, log_var: (N,), float32 or float64. chunk: how many numbers the largest temporary holds.
    """

    def __init__(self, mean: Tensor, log_var: Tensor, groups: Groups, chunk: int | None = None):
        cuda = mean.device.type == "cuda"
        self.chunk = chunk or (2**26 if cuda else 2**18)
        self.most_images = 2**14 if cuda else 2**11
        self.groups = groups
        self.reach = _REACH[mean.dtype]
        sigma = (0.5 * log_var.double()).exp()
        self.narrowest = float(sigma.min())
        self.low = float((mean.double() - self.reach * sigma).min())
        self.high = float((mean.double() + self.reach * sigma).max())
        octave = (2 * (sigma / sigma.min()).log2()).floor()
        place = mean.double() - mean.double().min()
        order = (octave + 0.999 * place / place.max().clamp(min=1e-300)).argsort()
        self.rows = None if groups.rows is None else groups.rows[:, order]
        self.mean, sigma = mean[order][:, None], sigma[order][:, None]
        # q(z) = 2 ** (offset - ((z - mean) * scale) ** 2): exp2 is the fastest exponential.
        self.scale = (math.sqrt(0.5 * math.log2(math.e)) / sigma).to(mean.dtype)
        self.offset = -(sigma * math.sqrt(2 * math.pi)).log2().to(mean.dtype)
        self.starts, self.ends = (self.mean + side * self.reach * sigma for side in (-1, 1))

    def density(self, points: Tensor) -> Tensor:
        """At evenly spaced points (P,) float64 -> (V_1 + ... + V_K, P) float64."""
        images, count = len(self.mean), len(points)
        first, step = float(points[0]), float(points[1] - points[0])
        result = torch.zeros(
            len(self.groups.share), count, device=points.device, dtype=torch.float64
        )
        size = min(images, self.most_images, max(1, self.chunk // count))
        starts = torch.stack([part.min() for part in self.starts.split(size)]).double()
        ends = torch.stack([part.max() for part in self.ends.split(size)]).double()
        begins = ((starts - first) / step).ceil().clamp(0, count).long().tolist()
        stops = ((ends - first) / step + 1).floor().clamp(0, count).long().tolist()
        points = points.to(self.mean.dtype)
        for start, a, b in zip(range(0, images, size), begins, stops, strict=True):
            part = slice(start, start + size)
            values = (points[a:b] - self.mean[part]).mul_(self.scale[part])
            torch.addcmul(self.offset[part], values, values, value=-1, out=values)
            # Without the clamp, numbers too small for their format make everything slow.
            result[:, a:b] += self._sums(values.clamp_(min=-100).exp2_(), part)
        return result / images

    def _sums(self, values: Tensor, part: slice) -> Tensor:
        """The sum over the images of each factor value: (n, P) -> (V_1 + ... + V_K, P)."""
        if self.rows is None:
            return values.sum(0, keepdim=True)
        rows, groups = self.rows[:, part], len(self.groups.share)
        if values.device.type == "cpu":  # each image is in K of the sums: add it to these alone
            factors, images = rows.shape
            ends = np.arange(0, factors * images + 1, factors, dtype=np.int32)
            ones = np.ones(factors * images, dtype=values.numpy().dtype)
            member = sparse.csc_matrix(
                (ones, rows.T.flatten().numpy(), ends), shape=(groups, images)
            )
            return torch.from_numpy(member @ values.numpy())
        member = torch.zeros(groups, rows.shape[1], device=values.device, dtype=values.dtype)
        return member.scatter_(0, rows.long(), 1.0) @ values

    def integral(
        self, integrand: Integrand, tolerance: float, latent: int, remedy: str
    ) -> tuple[Tensor, float, int]:
        """Of integrand(density (V, P), points (P,)) -> (M, P), along the line.

        -> the integrals (M,), what the last halving changed in any of them, the points used.
        Raises ValueError if that takes more than 262,144 points; the message names the latent
        and ends with the remedy.
        """
        span = self.high - self.low
        if not self.narrowest > 0 or not span < math.inf:
            raise ValueError(_too_narrow(latent, self.narrowest, span, remedy))
        # Powers of two: the points are then exact in float32 too, and each grid holds the last.
        step = 2.0 ** math.floor(math.log2(max(1.5 * self.narrowest, span / 256)))
        first = math.floor(self.low / step) * step
        count = math.ceil((self.high - first) / step) + 1
        total, mass = self._sum(integrand, first, step, count)
        while True:
            middle, middle_mass = self._sum(integrand, first + step / 2, step, count)
            finer, mass = (total + middle) / 2, (mass + middle_mass) / 2
            error, total = float((finer - total).abs().max()), finer
            step, count = step / 2, 2 * count
            missing = float((mass / self.groups.share - 1).abs().max())
            if error <= tolerance and missing <= tolerance:
                return total, error, count
            if count > MOST_POINTS or step < 1e-7 * max(abs(self.low), abs(self.high)):
                raise ValueError(_too_narrow(latent, self.narrowest, span, remedy))

    def _sum(self, integrand: Integrand, first: float, step: float, count: int):
        """step times the sum of the integrand (M,), and of every density (V,)."""
        steps = torch.arange(count, device=self.mean.device, dtype=torch.float64)
        points = first + step * steps
        density = self.density(points)
        return step * integrand(density, points).sum(1), step * density.sum(1)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Small operations: threads would mostly wait for one another."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def side_by_side(
    work: Callable[[int], Result],
    tasks: int,
    device: torch.device,
    progress: bool,
    title: str,
    unit: str = "latent",
) -> list[Result]:
    """work(0), work(1), ... on one processor thread each; on a GPU one after another.

    The operations are too small to be shared out among threads: these would mostly wait for one
    another. One thread a task also gives the same numbers whatever the machine.
    """
    threads = torch.get_num_threads()
    workers = 1 if device.type == "cuda" else min(threads, tasks)
    with (
        tqdm(total=tasks, desc=title, unit=unit, disable=not progress) as bar,
        ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool,
    ):
        try:
            started = [pool.submit(work, number) for number in range(tasks)]
            for _ in as_completed(started):
                bar.update()
            return [task.result() for task in started]
        finally:
            pool.shutdown(cancel_futures=True)
            torch.set_num_threads(threads)


def _too_narrow(latent: int, sigma: float, span: float, remedy: str) -> str:
    return (
        f"Latent {latent} has a posterior with sigma {sigma:.1e}, but its codes span {span:.1e}: "
        f"the integral would need more than {MOST_POINTS:,} points. {remedy}"
    )
