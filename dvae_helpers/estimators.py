"""How to estimate log q(z), log prod_j q(z_j), and the parts of the KL that they split it into.

q(z) = 1/N sum_n q(z|x_n) is the aggregate posterior. Axes: i the image that z came from,
n the images whose posteriors make up q(z), j the latent. Everything is in nats.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from . import log_sums, quadrature

Posterior = Tensor | np.ndarray

LOG_2PI = math.log(2 * math.pi)
_SMALL = 2**21  # numbers of (B, M, J) that a GPU works on in one piece


@dataclass(frozen=True)
class Decomposition:
    """KL(q(z|x) || p(z)), averaged over images, in its three parts (Chen et al., 2018, Eq. 2).

    mutual_information: I(z; n), between the code and the number of the image.
    total_correlation: KL(q(z) || prod_j q(z_j)), the dependence between latents.
    dimension_kl: sum_j KL(q(z_j) || p(z_j)), how far each latent alone is from the prior.
    error: standard error of the first two, from the random draws of z; None for one batch.
    All nats per image.
    """

    mutual_information: Tensor
    total_correlation: Tensor
    dimension_kl: Tensor
    error: Tensor | None = None

    @property
    def kl(self) -> Tensor:
        """The sum of the parts: the mean KL."""
        return self.mutual_information + self.total_correlation + self.dimension_kl


def log_density(z: Tensor, mean: Tensor, log_var: Tensor) -> Tensor:
    """log N(z; mean, exp(log_var)), element by element."""
    return -0.5 * ((z - mean) ** 2 * (-log_var).exp() + log_var + LOG_2PI)


def gaussian_kl(mean: Tensor, log_var: Tensor) -> Tensor:
    """KL(N(mean, exp(log_var)) || N(0, 1)), element by element (Kingma & Welling, 2014, app. B)."""
    return 0.5 * (mean**2 + log_var.exp() - 1 - log_var)


def exact_log_weights(
    batch_size: int,
    dataset_size: int,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float64,
) -> Tensor:
    """log 1/N for each of `batch_size` codes (rows) and all N images (columns): (B, N)."""
    shape = batch_size, dataset_size
    return torch.full(shape, -math.log(dataset_size), device=device, dtype=dtype)


def weighted_log_weights(
    batch_size: int,
    dataset_size: int,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float64,
) -> Tensor:
    """Minibatch weighted sampling (Chen et al., 2018, Sec. 4): log 1/(N B) everywhere: (B, B).

    A row sums to 1/N, not to 1: the estimate is far too small, by a constant that has no
    gradient.
    """
    _check_sizes(batch_size, dataset_size)
    shape = batch_size, batch_size
    return torch.full(shape, -math.log(dataset_size * batch_size), device=device, dtype=dtype)


def stratified_log_weights(
    batch_size: int,
    dataset_size: int,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float64,
) -> Tensor:
    """Minibatch stratified sampling (Chen et al., 2018, appendix): (B, B), rows sum to 1.

    Code i (row) came from image i, so that image is always in the batch and must count 1/N, as
    it does in q(z). The other M = B - 1 are random. One of them counts (N - M)/(N M), the rest
    1/M each, which makes the estimate of q(z) unbiased. Much public code puts the first two
    weights into columns 0 and 1 of every row; image i then counts 1/M.

    Raises ValueError unless 2 <= batch_size <= dataset_size.
    """
    _check_sizes(batch_size, dataset_size)
    others = batch_size - 1
    first = math.log((dataset_size - others) / (dataset_size * others))
    weights = torch.full((batch_size, batch_size), math.log(1 / others), device=device, dtype=dtype)
    weights.diagonal().fill_(-math.log(dataset_size))
    weights.diagonal(1).fill_(first)  # column i + 1 of row i; of the last row, column 0
    weights[-1, 0].fill_(first)
    return weights


ESTIMATORS: dict[str, Callable[..., Tensor]] = {
    "exact": exact_log_weights,
    "weighted": weighted_log_weights,
    "stratified": stratified_log_weights,
}


def log_marginals(z: Tensor, mean: Tensor, log_var: Tensor, log_weights: Tensor):
    """log q(z_i) and log prod_j q(z_ij) of every code -> two of (B,), nats.

    z: (B, J). mean, log_var: (M, J). log_weights: (B, M). Each log q is a weighted log-sum-exp
    over the posteriors n; the weights enter every latent's sum once, and the joint's once.
    """
    if z.is_cuda and log_weights.numel() * z.shape[1] <= _SMALL:
        return in_one_piece(z, mean, log_var, log_weights)
    if z.is_cuda and z.dtype == log_weights.dtype == torch.float32 and log_sums.available():
        return log_sums.LogSums.apply(z, mean, log_var, log_weights)
    return _LogMarginals.apply(z, mean, log_var, log_weights)


def in_one_piece(
    z: Tensor, mean: Tensor, log_var: Tensor, log_weights: Tensor
) -> tuple[Tensor, Tensor]:
    """`log_marginals` as the formula stands, by autograd: it keeps several (B, M, J) tensors.

    On a GPU a small batch is a question of how many kernels there are, and here there are few.
    """
    pairs = log_density(z[:, None], mean, log_var)
    weights = log_weights.to(z.dtype)
    log_q = (weights + pairs.sum(2)).logsumexp(1)
    return log_q, (weights[:, :, None] + pairs).logsumexp(1).sum(1)


class _LogMarginals(torch.autograd.Function):
    """One latent at a time, and gradients by matrix products with the responsibilities.

    Autograd would keep several (B, M, J) tensors, 170 MB each for batch 2048 and 10 latents.
    d log q(z_i) / d t_n = r_in d log N_in / d t_n, with r_in the share of posterior n in q(z_i).
    """

    @staticmethod
    def forward(ctx, z, mean, log_var, log_weights):
        joint, product = log_weights.to(z.dtype).clone(), 0
        for j in range(z.shape[1]):
            pair = _pairs(z[:, j], mean[:, j], log_var[:, j])
            joint += pair
            product = product + pair.add_(log_weights).logsumexp(1)
        log_q = joint.logsumexp(1)
        ctx.save_for_backward(z, mean, log_var, log_weights, joint.sub_(log_q[:, None]))
        return log_q, product

    @staticmethod
    def backward(ctx, grad_joint, grad_product):
        z, mean, log_var, log_weights, log_share = ctx.saved_tensors
        joint_share = log_share.exp().mul_(grad_joint[:, None])
        grad_z, grad_mean, grad_log_var = map(torch.zeros_like, (z, mean, log_var))
        for j in range(z.shape[1]):
            share = _pairs(z[:, j], mean[:, j], log_var[:, j]).add_(log_weights)
            share = share.softmax(1).mul_(grad_product[:, None]).add_(joint_share)
            code, centre, precision = z[:, j], mean[:, j], (-log_var[:, j]).exp()
            pulls = share @ torch.stack((precision, precision * centre), 1)
            grad_z[:, j] = pulls[:, 1] - code * pulls[:, 0]
            total, first, second = (
                share.T @ torch.stack((torch.ones_like(code), code, code**2), 1)
            ).unbind(1)
            grad_mean[:, j] = precision * (first - centre * total)
            spread = second - 2 * centre * first + centre**2 * total
            grad_log_var[:, j] = 0.5 * (precision * spread - total)
        return grad_z, grad_mean, grad_log_var, None


def _pairs(z: Tensor, mean: Tensor, log_var: Tensor) -> Tensor:
    """log N(z_i; mean_n, var_n) for one latent: (B,), (M,), (M,) -> (B, M)."""
    scale = (-0.5 * log_var).exp() * math.sqrt(0.5)
    offset = -0.5 * (log_var + LOG_2PI)
    return (z[:, None] - mean).mul_(scale).square_().neg_().add_(offset)


def batch_decomposition(
    z: Tensor,
    mean: Tensor,
    log_var: Tensor,
    dataset_size: int,
    estimator: str = "stratified",
    whole: tuple[Tensor, Tensor] | None = None,
    finite: bool = True,
) -> Decomposition:
    """The parts of the KL, estimated from one batch; differentiable. z, mean, log_var: (B, J).

    estimator: "stratified" or "weighted", from the batch alone; or "exact", which needs the mean
        and log variance of all N images, two of (N, J), as `whole` (or a batch that is all of
        them).
    finite: refuse posteriors that are no numbers. A GPU waits for the answer.
    The third part is the closed-form KL less the first two, so that their sum has no noise.
    """
    if estimator not in ESTIMATORS:
        raise ValueError(f"estimator is {estimator!r}; choose one of {', '.join(ESTIMATORS)}.")
    check_posteriors(mean, log_var, finite)
    if z.shape != mean.shape:
        raise ValueError(f"z is {tuple(z.shape)} but mean is {tuple(mean.shape)}.")
    all_mean, all_log_var = mean, log_var
    if estimator == "exact":
        all_mean, all_log_var = whole or (mean, log_var)
        if len(all_mean) != dataset_size:
            raise ValueError(
                f"The exact estimator needs the posteriors of all {dataset_size} images, but got "
                f"{len(all_mean)}. Give them as `whole`, or choose 'stratified'."
            )
    log_weights = ESTIMATORS[estimator](len(z), dataset_size, z.device, z.dtype)
    log_q, log_product = log_marginals(z, all_mean, all_log_var, log_weights)
    mutual_information = (log_density(z, mean, log_var).sum(1) - log_q).mean()
    total_correlation = (log_q - log_product).mean()
    rate = gaussian_kl(mean, log_var).sum(1).mean()
    return Decomposition(
        mutual_information, total_correlation, rate - mutual_information - total_correlation
    )


@torch.no_grad()
def decompose(
    mean: Posterior,
    log_var: Posterior,
    samples: int = 4096,
    seed: int = 0,
    progress: bool = False,
) -> Decomposition:
    """The parts of the mean KL for a finite data set, against the posteriors of all N images.

    mean, log_var: (N, J), of every image. The sum of the three parts is the mean KL, exactly.
    - dimension_kl: the one-dimensional q(z_j) are integrated by quadrature (`marginal_kl`).
    - mutual_information: the mean of log q(z|x) - log q(z) over about `samples` codes, spread
      evenly over the images, with q(z) summed over all N; `error` is its standard error.
    - total_correlation: what is left of the KL, so it has the same error.
    The codes are drawn on the processor, so that every device scores the same ones. 737,280
    images with 10 latents take about ten seconds on two cores.
    Raises ValueError as `check_posteriors` does, and for a posterior too narrow to integrate.
    """
    mean, log_var = posteriors_in(mean, log_var)
    if samples < 1:
        raise ValueError(f"samples is {samples}; expected at least 1.")
    n, latents = mean.shape
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.arange(n).repeat(-(-samples // n))
    if n > samples:
        chosen = torch.randperm(n, generator=generator)[:samples]
    noise = torch.randn(len(chosen), latents, generator=generator, dtype=torch.float64)
    dimension_kl = marginal_kl(mean, log_var, progress).sum()
    mean, log_var, chosen = mean.double(), log_var.double(), chosen.to(mean.device)
    z = mean[chosen] + (0.5 * log_var[chosen]).exp() * noise.to(mean.device)
    own = log_density(z, mean[chosen], log_var[chosen]).sum(1)
    information = own - aggregate_log_density(z, own, mean, log_var, progress)
    rate = gaussian_kl(mean, log_var).sum(1).mean()
    mutual_information = information.mean()
    return Decomposition(
        mutual_information,
        rate - mutual_information - dimension_kl,
        dimension_kl,
        information.std(correction=min(1, len(information) - 1)) / math.sqrt(len(information)),
    )


def marginal_kl(mean: Posterior, log_var: Posterior, progress: bool = False) -> Tensor:
    """KL(q(z_j) || p(z_j)) of every latent, by quadrature -> (J,), nats. mean, log_var: (N, J)."""
    # Far from 0, log p is thousands of nats, and single precision would lose the fourth decimal.
    mean, log_var = (half.double() for half in posteriors_in(mean, log_var))
    groups = quadrature.Groups(len(mean), device=mean.device)

    def integrand(density: Tensor, points: Tensor) -> Tensor:
        log_p = -0.5 * (points**2 + LOG_2PI)
        return torch.special.xlogy(density, density) - density * log_p

    def of_latent(j: int) -> Tensor:
        mixture = quadrature.Mixtures(mean[:, j], log_var[:, j], groups)
        remedy = "Add noise to the codes, or take out the images whose codes lie far away."
        return mixture.integral(integrand, 1e-7, j, remedy)[0][0]

    title = "KL of each latent"
    return torch.stack(
        quadrature.side_by_side(of_latent, mean.shape[1], mean.device, progress, title)
    )


_BLOCK = 2048  # images that are near one another
_NEGLIGIBLE = 25.0  # nats: what is left out of q(z) is 1e-11 of it


def aggregate_log_density(
    z: Tensor, own: Tensor, mean: Tensor, log_var: Tensor, progress: bool = False
) -> Tensor:
    """log q(z_i) = log 1/N sum_n q(z_i|x_n) of S codes, in nats -> (S,).

    z: (S, J) float64; own: (S,), log q(z_i|x_i), a lower bound of the sum. mean, log_var: (N, J)
    float64. The images are cut into blocks of neighbours. If even the nearest corner of a block
    is so far from z_i that all N images there would count less than e^-25 of image i, the block
    is left out.
    """
    cuda = z.device.type == "cuda"
    n, tile = len(mean), 512 if cuda else 32
    with quadrature.one_thread():
        images = _by_neighbourhood(mean, log_var, 2**17 if cuda else _BLOCK)
        order, sizes = torch.cat(images), [len(rows) for rows in images]
        mean, log_var = mean[order], log_var[order]
        # log N(z; mean, var), summed over the latents, is a - z**2 / (2 var) + z mean / var: one
        # matrix product gives it for all pairs of a code and an image.
        precision = (-log_var).exp()
        slopes = torch.cat((-0.5 * precision, precision * mean), 1).split(sizes)
        peaks = -0.5 * (log_var + LOG_2PI).sum(1)
        offsets = (peaks - 0.5 * (mean**2 * precision).sum(1)).split(sizes)
        low, high = (
            torch.stack([getattr(part, side)(0) for part in mean.split(sizes)])
            for side in ("amin", "amax")
        )
        widest = torch.stack([part.amax(0) for part in log_var.split(sizes)])
        peak = torch.stack([part.amax() for part in peaks.split(sizes)])

    def of_tile(codes: Tensor) -> Tensor:
        code = z[codes]
        away = (low - code[:, None]).clamp(min=0) + (code[:, None] - high).clamp(min=0)
        bound = peak - 0.5 * (away**2 * (-widest).exp()).sum(2)  # (codes, blocks)
        near = (bound >= own[codes, None] - math.log(n) - _NEGLIGIBLE).any(0).nonzero()[:, 0]
        powers = torch.cat((code**2, code), 1)
        parts = [
            torch.addmm(offsets[block], powers, slopes[block].T).logsumexp(1)
            for block in near.tolist()
        ]
        return torch.stack(parts).logsumexp(0)

    # Codes that are near one another need the same blocks.
    nearest = torch.cdist(z, (low + high) / 2).argmin(1)
    tiles = nearest.argsort().split(tile)
    done = quadrature.side_by_side(
        lambda number: of_tile(tiles[number]), len(tiles), z.device, progress, "log q(z)", "part"
    )
    result = torch.empty_like(own)
    result[torch.cat(tiles)] = torch.cat(done)
    return result - math.log(n)


def _by_neighbourhood(mean: Tensor, log_var: Tensor, block: int) -> list[Tensor]:
    """Image numbers in blocks of at most `block`: halved again and again, along one latent.

    That latent is the one whose means spread most, in units of the posteriors' widths.
    """
    parts, done = [torch.arange(len(mean), device=mean.device)], []
    scaled = (mean * (-0.5 * log_var.median(0).values).exp()).float()
    while parts:
        rows = parts.pop()
        if len(rows) <= block:
            done.append(rows)
            continue
        inside = scaled[rows]
        latent = int((inside.amax(0) - inside.amin(0)).argmax())
        order = inside[:, latent].argsort(stable=True)
        parts += [rows[half] for half in order.tensor_split(2)]
    return done


def posteriors_in(mean: Posterior, log_var: Posterior) -> tuple[Tensor, Tensor]:
    """Posteriors as this file computes with them: two (N, J) of one dtype, on one device.

    They may come as tensors, with a gradient or without, on any device, or as arrays. Halves
    become float32. An Apple GPU has no float64, so its tensors come to the processor.
    Raises ValueError as `check_posteriors` does.
    """
    pair = []
    for what, value in (("mean", mean), ("log_var", log_var)):
        try:
            value = torch.as_tensor(value).detach()
        except (TypeError, ValueError, RuntimeError) as error:
            raise ValueError(
                f"{what} is not an array of numbers ({error}); expected (images, latents)."
            ) from error
        if value.dtype in (torch.float16, torch.bfloat16):
            value = value.float()
        pair.append(value.cpu() if value.device.type == "mps" else value)
    mean, log_var = pair
    check_posteriors(mean, log_var)
    dtype = torch.promote_types(mean.dtype, log_var.dtype)
    return mean.to(dtype), log_var.to(mean.device, dtype)


def check_posteriors(mean: Tensor, log_var: Tensor, finite: bool = True) -> None:
    """Raises ValueError unless mean and log_var are floats of one shape (N, J), and finite."""
    for what, value in (("mean", mean), ("log_var", log_var)):
        if value.ndim != 2 or not value.numel():
            raise ValueError(
                f"{what} has shape {tuple(value.shape)}; expected (images, latents), not empty."
            )
        if not value.is_floating_point():
            raise ValueError(f"{what} has dtype {value.dtype}; expected floats.")
        if finite and not value.isfinite().all():
            bad = int((~value.isfinite()).sum())
            raise ValueError(
                f"{what} has {bad} of {value.numel()} entries NaN or infinite; the model that "
                "made them has diverged. Train it again with a smaller learning rate."
            )
    if mean.shape != log_var.shape:
        raise ValueError(f"mean is {tuple(mean.shape)} but log_var is {tuple(log_var.shape)}.")


def _check_sizes(batch_size: int, dataset_size: int) -> None:
    if not 2 <= batch_size <= dataset_size:
        raise ValueError(
            f"batch_size is {batch_size} and dataset_size {dataset_size}; "
            "expected 2 <= batch_size <= dataset_size."
        )
