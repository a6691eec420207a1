"""How to estimate log q(z), log prod_j q(z_j), and the parts of the KL that they split it into.

q(z) = 1/N sum_n q(z|x_n) is the aggregate posterior. Axes: i the image that z came from,
n the images whose posteriors make up q(z), j the latent. Everything is in nats.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

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
def decompose(mean: Tensor, log_var: Tensor, samples: int = 4096, seed: int = 0) -> Decomposition:
    """The parts of the mean KL for a finite data set, against the posteriors of all N images.

    mean, log_var: (N, J), of every image. The sum of the three parts is the mean KL, exactly.
    - dimension_kl: the one-dimensional q(z_j) are integrated by quadrature.
    - mutual_information: the mean of log q(z|x) - log q(z) over about `samples` codes, spread
      evenly over the images, with q(z) summed over all N; `error` is its standard error.
    - total_correlation: what is left of the KL, so it has the same error.
    The work is in float64; samples * N * J numbers pass through it, in parts.
    """
    check_posteriors(mean, log_var)
    if samples < 1:
        raise ValueError(f"samples is {samples}; expected at least 1.")
    n, latents = mean.shape
    mean, log_var = mean.double(), log_var.double()
    generator = torch.Generator(mean.device).manual_seed(seed)
    repeats = -(-samples // n)
    chosen = torch.arange(n, device=mean.device).repeat(repeats)
    if n > samples:
        chosen = torch.randperm(n, generator=generator, device=mean.device)[:samples]
    noise = torch.randn(
        len(chosen), latents, generator=generator, device=mean.device, dtype=mean.dtype
    )
    # log N(z; mean, var), summed over the latents, is a - z**2 / (2 var) + z mean / var: one
    # matrix product gives it for all pairs of a code and an image.
    precision = (-log_var).exp()
    slopes = torch.cat((-0.5 * precision, precision * mean), 1).T  # (2J, N)
    offset = -0.5 * (mean**2 * precision + log_var + LOG_2PI).sum(1) - math.log(n)
    information = []
    for part, draw in zip(chosen.split(64), noise.split(64), strict=True):
        z = mean[part] + (0.5 * log_var[part]).exp() * draw
        log_q = torch.addmm(offset, torch.cat((z**2, z), 1), slopes).logsumexp(1)
        information.append(log_density(z, mean[part], log_var[part]).sum(1) - log_q)
    information = torch.cat(information)
    rate = gaussian_kl(mean, log_var).sum(1).mean()
    mutual_information = information.mean()
    dimension_kl = marginal_kl(mean, log_var).sum()
    return Decomposition(
        mutual_information,
        rate - mutual_information - dimension_kl,
        dimension_kl,
        information.std(correction=min(1, len(information) - 1)) / math.sqrt(len(information)),
    )


def marginal_kl(mean: Tensor, log_var: Tensor) -> Tensor:
    """KL(q(z_j) || p(z_j)) of every latent, by quadrature -> (J,), nats. mean, log_var: (N, J)."""
    result = []
    for j in range(mean.shape[1]):
        points = line(mean[:, j], log_var[:, j])
        log_q = mixture_log_density(points, mean[:, j], log_var[:, j])
        log_p = -0.5 * (points**2 + LOG_2PI)
        result.append(torch.trapezoid(log_q.exp() * (log_q - log_p), points))
    return torch.stack(result)


def line(mean: Tensor, log_var: Tensor) -> Tensor:
    """Evenly spaced points on which a mixture of Gaussians is integrated: (N,), (N,) -> (P,).

    For a Gaussian of width sigma, the trapezium rule with step h errs by a factor of about
    exp(-2 pi^2 sigma^2 / h^2): 1e-15 for h = 0.75 sigma. So the narrowest component sets h. The
    logarithm of a mixture is less smooth where a narrow and a wide component meet: hence 0.4.
    Raises ValueError if that asks for more than two million points.
    """
    sigma = (0.5 * log_var).exp()
    narrow = float(sigma.min())
    low, high = float((mean - 9 * sigma).min()), float((mean + 9 * sigma).max())
    steps = (high - low) / (0.4 * narrow) if narrow > 0 else math.inf
    if not steps <= 2_000_000:
        raise ValueError(
            f"The narrowest posterior has sigma {narrow:.1e} and the codes span "
            f"{high - low:.1e}, so the integral would need {steps:,.0f} points. "
            "Add noise to the codes, or rescale the latent."
        )
    steps = math.ceil(steps)
    return torch.linspace(low, high, steps + 1, dtype=mean.dtype, device=mean.device)


def mixture_log_density(points: Tensor, mean: Tensor, log_var: Tensor) -> Tensor:
    """log 1/N sum_n N(points; mean_n, var_n) on a line: (P,), (N,), (N,) -> (P,)."""
    parts = points.split(max(1, 4_000_000 // len(mean)))
    return torch.cat([_pairs(part, mean, log_var).logsumexp(1) for part in parts]) - math.log(
        len(mean)
    )


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
