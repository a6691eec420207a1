"""SAP, separated attribute predictability (Kumar et al., 2018), in two versions."""

from collections.abc import Sequence

import joblib
import numpy as np
import torch
from sklearn.svm import LinearSVC

from .inputs import (
    Codes,
    Factors,
    codes_in,
    labels_in,
    need_two_latents,
    need_two_values,
    refused_warnings,
    split,
    targets_in,
)
from .record import Column, Score

VERSIONS = ("classifier", "correlation")


def sap(
    codes: Codes,
    factors: Factors,
    version: str = "classifier",
    seed: int = 0,
    test: float = 0.2,
    kinds: Sequence[str] | None = None,
) -> float:
    """Separated attribute predictability (Kumar et al., 2018, Sec. 3.1): 0 to 1.

    S_jk says how well latent j alone predicts factor k. SAP is the mean over factors of the best
    S_jk less the second best. codes: (N, J). factors: (N, K) or a FactorSpace.

    version: how S_jk is found.
        "classifier": the accuracy, on held-out rows, of a linear classifier (a support vector
            machine with C = 0.01 and balanced classes), for every factor. So in
            disentanglement_lib, and so in most papers' tables. Of an ordered factor with many
            values it can pick out the first and the last alone: a perfect code scores far below
            1. It depends on the scale of the codes.
        "correlation": the paper's own. For an ordered factor the squared correlation,
            cov(z_j, g_k)^2 / (var z_j var g_k), over all rows: a perfect linear code scores 1, on
            any scale. For a nominal factor the classifier.
    kinds: "ordered" or "nominal" for each factor; see `dci`. Only "correlation" asks.

    Raises ValueError for NaN, one latent, a factor with one value, another version.
    """
    if version not in VERSIONS:
        raise ValueError(f"version is {version!r}; choose one of {', '.join(VERSIONS)}.")
    codes = codes_in(codes)
    need_two_latents(codes.shape[1], "SAP")
    if version == "correlation":
        values, kinds = targets_in(factors, len(codes), kinds)
    else:
        values = labels_in(factors, len(codes))
        kinds = ("nominal",) * values.shape[1]
    table = np.empty((values.shape[1], codes.shape[1]))
    ordered = np.array(kinds) == "ordered"
    if ordered.any():
        numbers = values[:, ordered].astype(np.float64)
        table[ordered] = _squared_correlations(codes.astype(np.float64), numbers)
    if not ordered.all():
        table[~ordered] = _accuracies(codes, values[:, ~ordered].astype(np.int64), test, seed)
    table = np.sort(table, axis=1)
    return float((table[:, -1] - table[:, -2]).mean())


def _accuracies(codes: np.ndarray, labels: np.ndarray, test: float, seed: int) -> np.ndarray:
    """(K, J): of one latent alone, for each factor."""
    train, held = split(len(codes), test, seed)
    need_two_values(labels[train])
    places = [(j, k) for k in range(labels.shape[1]) for j in range(codes.shape[1])]
    with refused_warnings():
        hits = joblib.Parallel(torch.get_num_threads(), prefer="threads")(
            joblib.delayed(_hits)(codes[:, [j]], labels[:, k], train, held) for j, k in places
        )
    return np.array(hits).reshape(labels.shape[1], codes.shape[1])


def _hits(codes: np.ndarray, label: np.ndarray, train: np.ndarray, held: np.ndarray) -> float:
    model = LinearSVC(C=0.01, class_weight="balanced", dual=False)
    model.fit(codes[train], label[train])
    return float((model.predict(codes[held]) == label[held]).mean())


def _squared_correlations(codes: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(K, J); 0 for a constant code."""
    codes, values = codes - codes.mean(0), values - values.mean(0)
    spread = np.outer((values**2).sum(0), (codes**2).sum(0))
    return np.divide((values.T @ codes) ** 2, spread, out=np.zeros_like(spread), where=spread > 0)


SCORES = (
    Score(
        function=sap,
        columns=(Column("sap", "gap of the best two linear classifiers of one latent; 0 to 1"),),
        read=lambda sample: [sap(sample.codes, sample.labels, seed=sample.seed)],
        source="Kumar et al. (2018), Sec. 3.1, as in Locatello et al. (2019)",
    ),
    Score(
        function=sap,
        columns=(Column("sap_correlation", "gap of the best two squared correlations; 0 to 1"),),
        read=lambda sample: [
            sap(sample.codes, sample.labels, "correlation", sample.seed, kinds=sample.kinds)
        ],
        source="Kumar et al. (2018), Sec. 3.1",
    ),
)
