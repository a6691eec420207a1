"""Explicitness (Ridgeway & Mozer, 2018): can a linear classifier read the factors?"""

import joblib
import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from .inputs import Codes, Factors, codes_in, labels_in, need_two_values, refused_warnings, split
from .record import Column, Score


def explicitness(codes: Codes, factors: Factors, seed: int = 0, test: float = 0.2) -> float:
    """Ridgeway & Mozer (2018), Sec. 3: can a linear classifier read the factors? 0.5 is chance.

    The area under the ROC curve of a logistic regression from all standardised codes to factor k,
    one value against the rest, on held-out rows; mean over the values, then over factors.
    """
    codes = codes_in(codes)
    labels = labels_in(factors, len(codes))
    train, held = split(len(codes), test, seed)
    need_two_values(labels[train])
    spread = codes[train].std(0, dtype=np.float64)
    codes = (codes - codes[train].mean(0, dtype=np.float64)) / np.where(spread > 0, spread, 1)
    with refused_warnings():
        areas = joblib.Parallel(torch.get_num_threads(), prefer="threads")(
            joblib.delayed(_area)(codes, label, train, held, k) for k, label in enumerate(labels.T)
        )
    return float(np.mean(areas))


def _area(codes: np.ndarray, label: np.ndarray, train, held, k: int) -> float:
    model = LogisticRegression(max_iter=2000).fit(codes[train], label[train])
    sure = model.predict_proba(codes[held])
    areas = [
        roc_auc_score(label[held] == value, sure[:, column])
        for column, value in enumerate(model.classes_)
        if 0 < (label[held] == value).sum() < len(held)
    ]
    if not areas:
        raise ValueError(
            f"No value of factor {k} is both among the {len(train)} fitted and the {len(held)} "
            "held-out rows. Give more rows; or cut the factor into bins if each row has a value of "
            "its own."
        )
    return float(np.mean(areas))


SCORES = (
    Score(
        function=explicitness,
        columns=(Column("explicitness", "area under the ROC curve; 1 is best, 0.5 is chance"),),
        read=lambda sample: [explicitness(sample.codes, sample.labels, sample.seed)],
        source="Ridgeway & Mozer (2018), Sec. 3",
        latents=1,
    ),
)
