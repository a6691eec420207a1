"""MIG, the mutual information gap (Chen et al., 2018): is a factor in one latent only?"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..estimators import Posterior
from .information import binned_information, entropies, exact_information
from .inputs import Codes, Factors, codes_in, labels_in, need_two_latents
from .record import Column, Sample, Score


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
    mean: Posterior,
    log_var: Posterior,
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
        values of a sample of images, (N, K), discrete.
    chunk: how many numbers the largest temporary holds (default: 2**18, on a GPU 2**26).

    Raises ValueError for NaN, one latent, a factor with one value, real-valued factors, and
    posteriors so narrow that the sum would need more than 262,144 points.
    """
    if len(shape := tuple(getattr(mean, "shape", ()))) == 2:
        need_two_latents(shape[1], "MIG")
    return _gap(*exact_information(mean, log_var, factors, tolerance, chunk, progress))


def mig(codes: Codes, factors: Factors, bins: int = 20) -> Gap:
    """MIG from codes in `bins` equal bins, as disentanglement_lib has it (Locatello et al., 2019).

    Each latent is cut into `bins` parts of equal width between its smallest and largest code;
    the information is that of the table of counts. It depends on the bins, on the rows and on
    every outlier: prefer `mig_exact` where the posteriors are known.

    codes: (N, J), means or samples. factors: (N, K) discrete values, or a FactorSpace if the rows
    are every image of its grid. Raises ValueError for NaN, one latent, a factor with one value,
    real-valued factors, and fewer rows than bins. Warns if a few outliers stretch the bins.
    """
    codes = codes_in(codes)
    labels = labels_in(factors, len(codes))
    need_two_latents(codes.shape[1], "MIG")
    information = torch.from_numpy(binned_information(codes, labels, bins))
    return _gap(information, entropies(labels), None, (bins,) * codes.shape[1])


def _gap(information: Tensor, entropy: Tensor, error: float | None, points: tuple[int, ...]) -> Gap:
    first, second = information.topk(2, dim=1).values.unbind(1)
    per_factor = (first - second) / entropy
    best = information.argmax(1)
    return Gap(float(per_factor.mean()), per_factor, information, entropy, best, error, points)


def _exact(sample: Sample) -> list[float]:
    information, entropy, error, points = sample.exact
    return [_gap(information, entropy, error, points).score]


SCORES = (
    Score(
        function=mig_exact,
        columns=(Column("mig_exact", "MIG from the posteriors, by quadrature; 0 to 1"),),
        read=_exact,
        source="Chen et al. (2018), Eq. 6",
        posteriors=True,
    ),
    Score(
        function=mig,
        columns=(Column("mig", "MIG of the means in 20 bins; 0 to 1"),),
        read=lambda sample: [mig(sample.codes, sample.labels).score],
        source="Chen et al. (2018), Eq. 6; bins of Locatello et al. (2019)",
    ),
)
