"""How much each latent knows about each factor, in nats: exact, and in bins. No score yet.

Axes: j latent, k factor, p point of the line. Information and entropies are in nats.
"""

import warnings

import numpy as np
import torch
from torch import Tensor

from .. import quadrature
from ..estimators import Posterior, posteriors_in
from .inputs import Factors, labels_in


@torch.no_grad()
def exact_information(
    mean: Posterior,
    log_var: Posterior,
    factors: Factors,
    tolerance: float = 1e-6,
    chunk: int | None = None,
    progress: bool = False,
) -> tuple[Tensor, Tensor, float, tuple[int, ...]]:
    """I(z_j; g_k) (K, J) and H(g_k) (K,), from the posteriors of all images; see `mig_exact`.

    Third, what the last halving of the step changed in any of them; fourth, each latent's points.
    """
    mean, log_var = posteriors_in(mean, log_var)
    if not tolerance > 0 or (chunk is not None and chunk < 1):
        raise ValueError(f"tolerance is {tolerance} and chunk {chunk}; both must be positive.")
    labels = labels_in(factors, len(mean))
    groups = quadrature.Groups(len(mean), torch.from_numpy(labels.T.copy()).to(mean.device))

    def integrand(density: Tensor, points: Tensor) -> Tensor:
        result = []
        parts = zip(density.split(groups.sizes), groups.share.split(groups.sizes), strict=True)
        for part, share in parts:
            apart = share[:, None] * part.sum(0).clamp(min=1e-300)  # q(g_k) q(z_j)
            result.append(torch.special.xlogy(part, part / apart).sum(0))
        return torch.stack(result)

    def of_latent(j: int) -> tuple[Tensor, float, int]:
        mixtures = quadrature.Mixtures(mean[:, j], log_var[:, j], groups, chunk)
        remedy = (
            "Take out the images whose codes lie far away; or, if all lie close, use the binned "
            "`mig` of draws."
        )
        return mixtures.integral(integrand, tolerance, j, remedy)

    done = quadrature.side_by_side(
        of_latent, mean.shape[1], mean.device, progress, "exact information"
    )
    columns, errors, points = zip(*done, strict=True)
    information = torch.stack(columns, 1).clamp(min=0).cpu()
    return information, entropies(labels), max(errors), points


def binned_information(codes: np.ndarray, labels: np.ndarray, bins: int) -> np.ndarray:
    """I(bin of z_j; g_k) in nats: codes (N, J), labels (N, K) of `labels_in` -> (K, J).

    Each latent is cut into `bins` parts of equal width between its smallest and its largest code.
    Warns when nearly all codes of a latent lie in a tenth of that range: then a few outliers
    decide, and the bins see little of the rest.
    """
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
        _warn_of_outliers(column, j)
        place = np.digitize(column, edges) - 1  # the last edge is left out: the largest is inside
        for k, label in enumerate(labels.T):
            table = np.bincount(label * bins + place, minlength=(label.max() + 1) * bins)
            table = table.reshape(-1, bins) / len(label)
            apart = table.sum(1, keepdims=True) * table.sum(0)
            there = table > 0
            result[k, j] = np.sum(table[there] * np.log(table[there] / apart[there]))
    return result.clip(min=0)


def _warn_of_outliers(column: np.ndarray, j: int) -> None:
    few = max(1, round(0.005 * len(column)))
    ordered = np.sort(column)
    span, most = ordered[-1] - ordered[0], ordered[-1 - few] - ordered[few]
    if span > 0 and most < 0.1 * span:
        warnings.warn(
            f"Latent {j}: all but {2 * few} of {len(column)} codes lie in {most / span:.0%} of the "
            "range that is cut into bins, so a few outliers decide the score. Take them out.",
            stacklevel=4,
        )


def entropies(labels: np.ndarray) -> Tensor:
    """H(g_k) of the factor values that are there: (N, K) -> (K,), nats."""
    shares = [np.bincount(column) / len(column) for column in labels.T]
    return torch.tensor([-(share * np.log(share)).sum() for share in shares], dtype=torch.float64)


def active_latents(share: Tensor, least: float = 0.01) -> Tensor:
    """Which latents know at least a hundredth of some factor: I / H (K, J) -> (J,) bool.

    What the others seem to know is chance or rounding, and which factor they know it of, too.
    """
    return share.amax(0) >= least
