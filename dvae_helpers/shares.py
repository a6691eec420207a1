"""Which latent goes with which factor: shares of variance, as notebook 00 derives them."""

from collections.abc import Sequence

import torch
from torch import Tensor


def shares(mean: Tensor, log_var: Tensor, classes: Tensor) -> Tensor:
    """The part of each latent's variance that goes with each factor alone: (K, J), from 0 to 1.

    Var(E[z_j | g_k]) / Var(z_j), with the spread of the posteriors in the variance below the
    line. mean, log_var: (N, J), the posteriors of N images; classes: (N, K), their factor values.
    The values of a factor may be unequally frequent. A latent that never changes has shares of 0.
    Raises ValueError for other shapes, fewer than two images, or numbers that are not finite.
    """
    if mean.ndim != 2 or mean.shape != log_var.shape:
        raise ValueError(
            f"mean and log_var have the shapes {tuple(mean.shape)} and {tuple(log_var.shape)}; "
            "expected (N, J) for both."
        )
    if classes.ndim != 2 or len(classes) != len(mean) or len(mean) < 2:
        raise ValueError(
            f"classes has the shape {tuple(classes.shape)}; expected (N, K) with the N of the "
            f"mean, {len(mean)}, and at least two images."
        )
    if not (mean.isfinite().all() and log_var.isfinite().all()):
        raise ValueError("mean and log_var must be finite; some entries are NaN or infinite.")
    mean, total = mean.double(), mean.double().var(0, correction=0)
    total = total + log_var.double().exp().mean(0)
    rows = []
    for factor in classes.T:
        values, places = factor.unique(return_inverse=True)
        sizes = places.bincount(minlength=len(values)).double()[:, None]
        sums = torch.zeros(len(values), mean.shape[1], dtype=mean.dtype, device=mean.device)
        averages = sums.index_add(0, places, mean) / sizes
        rows.append((sizes / len(mean) * (averages - mean.mean(0)) ** 2).sum(0))
    table = torch.stack(rows)
    return torch.where(total > 0, table / total.clamp(min=torch.finfo(total.dtype).tiny), 0.0)


def best_latents(table: Tensor, rows: Sequence[int]) -> list[int]:
    """For each of these factors, in turn, the latent with the largest share that is still free.

    table: (K, J). Raises ValueError if there are more rows than latents.
    """
    if len(rows) > table.shape[1]:
        raise ValueError(
            f"{len(rows)} factors need {len(rows)} latents; there are only {table.shape[1]}."
        )
    chosen: list[int] = []
    for row in rows:
        free = table[row].clone()
        free[chosen] = -1
        chosen.append(int(free.argmax()))
    return chosen
