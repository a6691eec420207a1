"""What is said of a trained model: which latent goes with which factor, exact MIG, exact terms."""

import contextlib

import torch
from torch import Tensor

from .. import estimators, metrics
from ..datasets import ImageSet
from ..models import VAE, posteriors
from ..shares import shares

PARTS = ("mutual_information", "total_correlation", "dimension_kl")


def measure(model: VAE, data: ImageSet, most: int | None = None) -> dict[str, object]:
    """Shares, exact MIG and the exact parts of the rate (nats), over `most` images drawn by chance.

    most: None for all images. Factors with one value are left out. MIG and parts are NaN where
    posteriors are too narrow for the integrals, as those of an adversarial autoencoder.
    """
    index = torch.arange(len(data))
    if most is not None and len(data) > most:
        index = torch.randperm(len(data), generator=torch.Generator().manual_seed(0))[:most]
    mean, log_var = posteriors(model, data, index)
    classes = data.classes(index)
    varied = [k for k in range(classes.shape[1]) if len(classes[:, k].unique()) > 1]
    names, classes = [data.factors.names[k] for k in varied], classes[:, varied]
    best, where = shares(mean, log_var, classes).max(1)
    found = {"mig_exact": float("nan"), "gaps": {}} | dict.fromkeys(PARTS, float("nan"))
    with contextlib.suppress(ValueError):
        parts = estimators.decompose(mean, log_var)
        gap = metrics.mig_exact(mean, log_var, classes)
        found = {
            "mig_exact": round(float(gap.score), 4),
            "gaps": dict(zip(names, _short(gap.per_factor), strict=True)),
        } | {name: round(float(getattr(parts, name)), 3) for name in PARTS}
    return {
        "images": len(index),
        "best_share": dict(zip(names, _short(best), strict=True)),
        "its_latent": dict(zip(names, where.tolist(), strict=True)),
        **found,
    }


def _short(values: Tensor) -> list[float]:
    return [round(float(value), 3) for value in values]
