"""InfoM, InfoC, InfoE: InfoMEC (Hsu et al., 2023), with information estimated, or exact.

Modularity: is the information of a latent about one factor? Compactness: is the information about
a factor in one latent? Explicitness: can a linear classifier use it? Axes: j latent, k factor.
"""

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_selection import mutual_info_classif
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from torch import Tensor

from ..estimators import Posterior
from .information import active_latents, entropies, exact_information
from .inputs import Codes, Factors, codes_in, labels_in, need_two_factors, need_two_latents
from .record import Column, Sample, Score


@dataclass(frozen=True)
class InfoMEC:
    """The three numbers of Hsu et al. (2023), and what they are made of.

    modularity: InfoM. For each active latent, its information about its best factor as a share of
        its information about all factors, each in units of the factor's entropy; mean over
        latents, put on the scale from 1/K -> 0 to 1 -> 1.
    compactness: InfoC. The same for each factor, over the J active latents; 1/J -> 0. With one
        active latent it is 1, with none 0.
    explicitness: InfoE. How much of a factor's entropy a linear classifier can predict away; mean
        over factors. None where only posteriors were given.
    share: (K, J), I(z_j; g_k) / H(g_k). active: (J,) bool, the latents that count.
    """

    modularity: float
    compactness: float
    explicitness: float | None
    share: Tensor
    active: Tensor


def infomec(codes: Codes, factors: Factors, neighbours: int = 10, seed: int = 0) -> InfoMEC:
    """InfoM, InfoC and InfoE of codes (N, J), usually the means, as the authors' program has them.

    The information is estimated from nearest neighbours (Ross, 2014), 10 of them. A latent is
    active if its codes span more than a twentieth of the widest span. InfoE: a logistic regression
    without penalty, balanced classes, on the rows that it was fitted to; it stops after 100
    rounds, since a code that separates the values has no best weights.

    factors: (N, K), discrete, or a FactorSpace for a whole grid. seed: of the small noise that
    tells equal codes apart. Raises ValueError for NaN, one latent, one factor, a constant factor.
    """
    codes = codes_in(codes).astype(np.float64)
    labels = labels_in(factors, len(codes))
    need_two_latents(codes.shape[1], "InfoMEC")
    need_two_factors(labels.shape[1], "InfoMEC")
    if not 1 <= neighbours < len(codes):
        raise ValueError(
            f"neighbours is {neighbours}, but there are {len(codes)} rows: expected 1 to "
            f"{len(codes) - 1}. Give more rows, or a smaller number."
        )
    span = np.ptp(codes, axis=0)
    active = torch.from_numpy(span > span.max() / 20)
    spread = codes.std(0)
    codes = (codes - codes.mean(0)) / np.where(span > 0, spread, 1)
    columns = [
        mutual_info_classif(
            codes, label, discrete_features=False, n_neighbors=neighbours, random_state=seed
        )
        for label in labels.T
    ]
    information = torch.from_numpy(np.stack(columns))
    information[:, torch.from_numpy(span == 0)] = 0.0
    share = information / entropies(labels)[:, None]
    explicit = [_predicted(codes, label) for label in labels.T]
    return InfoMEC(*_ratios(share, active), float(np.mean(explicit)), share, active)


def infomec_exact(mean: Posterior, log_var: Posterior, factors: Factors) -> InfoMEC:
    """InfoM and InfoC from the posteriors (N, J), as `mig_exact`: no estimate, no draws.

    A latent is active if it knows at least a hundredth of some factor. (Span does not tell: the
    means of an unused latent can move a little, inside wide posteriors.) InfoE is None: it asks
    for a classifier of codes. Raises ValueError as `mig_exact` does.
    """
    return _from_information(*exact_information(mean, log_var, factors)[:2])


def _from_information(information: Tensor, entropy: Tensor) -> InfoMEC:
    need_two_latents(information.shape[1], "InfoMEC")
    need_two_factors(information.shape[0], "InfoMEC")
    share = information / entropy[:, None]
    active = active_latents(share)
    return InfoMEC(*_ratios(share, active), None, share, active)


def _ratios(share: Tensor, active: Tensor) -> tuple[float, float]:
    """InfoM and InfoC of I / H (K, J)."""
    share = share[:, active]
    if not share.numel() or not share.any():
        return 0.0, 0.0
    return _purity(share.T), _purity(share)


def _purity(table: Tensor) -> float:
    """Mean over rows of (largest / sum), from 1/n -> 0 to 1 -> 1; a row of zeros counts 0."""
    columns = table.shape[1]
    if columns == 1:
        return float((table > 0).double().mean())
    total = table.sum(1)
    best = torch.where(total > 0, table.amax(1) / total.clamp(min=1e-300), 1 / columns)
    return float((best.mean() - 1 / columns) / (1 - 1 / columns))


def _predicted(codes: np.ndarray, label: np.ndarray) -> float:
    """1 - loss / ln V: balanced classes make the best guess without a code uniform."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression(C=np.inf, class_weight="balanced", max_iter=100)
        model.fit(codes, label)
    loss = log_loss(label, model.predict_proba(codes), labels=model.classes_)
    return 1 - loss / np.log(len(model.classes_))


def _read(sample: Sample) -> list[float]:
    found = infomec(sample.codes, sample.labels, seed=sample.seed)
    return [found.modularity, found.compactness, found.explicitness]


def _read_exact(sample: Sample) -> list[float]:
    found = _from_information(*sample.exact[:2])
    return [found.modularity, found.compactness]


SCORES = (
    Score(
        function=infomec,
        columns=(
            Column("infom", "InfoM: one factor a latent, by neighbours; 0 to 1"),
            Column("infoc", "InfoC: one latent a factor, by neighbours; 0 to 1"),
            Column("infoe", "InfoE: what a linear classifier can read; 0 to 1", -1.0),
        ),
        read=_read,
        source="Hsu et al. (2023)",
        factors=2,
    ),
    Score(
        function=infomec_exact,
        columns=(
            Column("infom_exact", "InfoM from the posteriors, by quadrature; 0 to 1"),
            Column("infoc_exact", "InfoC from the posteriors, by quadrature; 0 to 1"),
        ),
        read=_read_exact,
        source="Hsu et al. (2023)",
        factors=2,
        posteriors=True,
    ),
)
