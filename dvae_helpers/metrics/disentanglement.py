"""DCI: how important each latent is for each factor, and the scores of that table.

Eastwood & Williams (2018). Axes: n image, j latent, k factor. The two halves are apart:
`importances` fits a regressor for each factor, `importance_scores` is arithmetic on the table.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import joblib
import numpy as np
import torch
from scipy.special import xlogy
from sklearn.ensemble import GradientBoostingClassifier, RandomForestRegressor
from sklearn.linear_model import LassoCV
from torch import Tensor

from .inputs import Codes, Factors, codes_in, labels_in, refused_warnings, split, targets_in
from .record import Column, Sample, Score

ERROR = "normalised error: 0 is best, 1 is no better than the mean"
ACCURACY = "accuracy: 1 is best"
REGRESSORS = {"lasso": ERROR, "forest": ERROR, "boosting": ACCURACY}

_TREES = 40  # in a forest: the importances hardly move any more


@dataclass(frozen=True)
class DCI:
    """Disentanglement, completeness, informativeness (Eastwood & Williams, 2018, Sec. 2).

    disentanglement: D, does a latent serve one factor only? Mean of per_latent, weights `weight`.
    completeness: C, is a factor served by one latent only? Mean of per_factor.
    informativeness: I, mean of `informed`, how well held-out rows are predicted.
    measure: what I is, in words: an error for lasso and forest, an accuracy for boosting.
    importance: (J, K), how much latent j matters in the prediction of factor k.
    per_latent: (J,), D_j; weight: (J,), rho_j. per_factor: (K,), C_k. informed: (K,).
    """

    disentanglement: float
    completeness: float
    informativeness: float
    measure: str
    importance: Tensor
    per_latent: Tensor
    weight: Tensor
    per_factor: Tensor
    informed: Tensor


def dci(
    codes: Codes,
    factors: Factors,
    regressor: str = "lasso",
    seed: int = 0,
    test: float = 0.2,
    jobs: int | None = None,
    kinds: Sequence[str] | None = None,
) -> DCI:
    """D, C and I of codes (N, J), usually the means, for factors (N, K).

    regressor: one for each factor, and where its importances come from:
        "lasso": linear, on standardised codes and factor; importance |W|; the penalty is chosen
            by cross-validation. (The paper's first.)
        "forest": 40 random regression trees; importance by impurity. (The paper's second.)
        "boosting": gradient-boosted trees as a classifier with the library's own settings, as in
            disentanglement_lib: the scores of Locatello et al. (2019) compare with this. Slow.
    factors: a FactorSpace, if the rows are every image of its grid; or the values, (N, K).
        Real-valued ones only for lasso and forest.
    kinds: "ordered" or "nominal" for each factor, as in `FactorSpace.kinds`, which is taken from
        a FactorSpace; by default words are nominal and numbers ordered. Lasso and forest predict
        an ordered factor as a number. For a nominal one, such as a shape, they predict one number
        a value, "is it this?" (one-hot), so that the names of its values carry no order; the
        lasso's importance is the mean over these. Boosting classifies, and knows no order.
    seed: of the split into rows to fit and rows to test (the share `test`), and of the trees.
    jobs: factors that are fitted at once (default: torch.get_num_threads()).

    Raises ValueError for NaN, one latent, one factor, a factor with one value, too few rows.
    """
    importance, informed = importances(codes, factors, regressor, seed, test, jobs, kinds)
    d, c, per_latent, weight, per_factor = importance_scores(importance)
    measure, i = REGRESSORS[regressor], float(informed.mean())
    return DCI(d, c, i, measure, importance, per_latent, weight, per_factor, informed)


def importance_scores(importance: Tensor | np.ndarray):
    """D, C, D_j (J,), rho_j (J,) and C_k (K,) of a table of importances (J, K).

    D_j = 1 - H(row j as shares) in base K: 1 if latent j matters for one factor, 0 if equally
    for all. rho_j = its share of all importance; D = sum_j rho_j D_j, so unused latents do not
    count. C_k = 1 - H(column k as shares) in base J; C is their mean. A row or column of zeros
    has the score 0: it serves nothing. All are between 0 and 1. A table may be off by rounding:
    entries above -1e-9 of the largest count as 0.
    Raises ValueError for negative or infinite numbers, one latent, or one factor: entropy in
    base 1 does not exist.
    """
    table = torch.as_tensor(importance).detach().cpu().double().numpy()
    if table.ndim != 2 or min(table.shape) < 2:
        raise ValueError(
            f"importance has shape {table.shape}; DCI needs (latents, factors) with at least 2 of "
            "each: entropies in base 1 do not exist. For one factor, look at MIG."
        )
    if not np.isfinite(table).all() or table.min() < -1e-9 * np.abs(table).max():
        raise ValueError(
            f"importance has entries from {table.min()} to {table.max()}; they must be finite and "
            "not negative. Take absolute values of regression weights."
        )
    table = table.clip(min=0)
    per_latent, row_sums = _purity(table)
    per_factor, _ = _purity(table.T)
    weight = row_sums / row_sums.sum() if row_sums.any() else row_sums
    tensors = [torch.from_numpy(part) for part in (per_latent, weight, per_factor)]
    return float(weight @ per_latent), float(per_factor.mean()), *tensors


def _purity(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """1 - entropy of each row's shares, in base (number of columns); and the row sums."""
    sums = table.sum(1)
    shares = table / np.where(sums > 0, sums, 1)[:, None]
    entropy = -xlogy(shares, shares).sum(1) / np.log(table.shape[1])
    return np.where(sums > 0, 1 - entropy, 0.0).clip(0, 1), sums


def importances(
    codes: Codes,
    factors: Factors,
    regressor: str = "lasso",
    seed: int = 0,
    test: float = 0.2,
    jobs: int | None = None,
    kinds: Sequence[str] | None = None,
) -> tuple[Tensor, Tensor]:
    """The importances (J, K), and the error or accuracy on held-out rows (K,). See `dci`."""
    if regressor not in REGRESSORS:
        raise ValueError(f"regressor is {regressor!r}; choose one of {', '.join(REGRESSORS)}.")
    codes = codes_in(codes)
    if regressor == "boosting":
        values = labels_in(factors, len(codes))
        kinds = ("nominal",) * values.shape[1]
    else:
        values, kinds = targets_in(factors, len(codes), kinds)
    if codes.shape[1] < 2 or values.shape[1] < 2:
        raise ValueError(
            f"DCI got {codes.shape[1]} latents and {values.shape[1]} factors, but needs 2 of each: "
            "entropies in base 1 do not exist. Add a constant column of codes, or look at MIG."
        )
    train, held = split(len(codes), test, seed)
    for k, column in enumerate(values[train].T):
        if column.min() == column.max():
            raise ValueError(
                f"Factor {k} has one value in all {len(train)} rows that the regressor sees. "
                "Give more rows, or another seed."
            )
    alive = np.ptp(codes[train], axis=0) > 0
    # The factor with most values takes longest, so it goes first.
    order = sorted(range(values.shape[1]), key=lambda k: -len(np.unique(values[:, k])))
    with refused_warnings():
        fits = joblib.Parallel(jobs or torch.get_num_threads(), prefer="threads")(
            joblib.delayed(_fit)(
                regressor, codes[:, alive], values[:, k], kinds[k], train, held, seed
            )
            for k in order
        )
    importance = np.zeros((codes.shape[1], values.shape[1]))
    informed = np.zeros(values.shape[1])
    for k, (weights, quality) in zip(order, fits, strict=True):
        importance[alive, k] = weights
        informed[k] = quality
    return torch.from_numpy(importance), torch.from_numpy(informed)


def _fit(regressor: str, codes: np.ndarray, values: np.ndarray, kind: str, train, held, seed: int):
    """Importances of the codes (n, J) for one factor (n,), and the error or the accuracy."""
    if not codes.shape[1]:  # no latent varies: guess the mean, or the commonest value
        classes, counts = np.unique(values[train], return_counts=True)
        hits = float((values[held] == classes[counts.argmax()]).mean())
        return np.zeros(0), hits if regressor == "boosting" else 1.0
    if regressor == "boosting":
        model = GradientBoostingClassifier(random_state=seed).fit(codes[train], values[train])
        hits = float((model.predict(codes[held]) == values[held]).mean())
        return model.feature_importances_, hits
    target = values[:, None]
    if kind == "nominal":  # one column for each value that the regressor sees
        target = (target == np.unique(values[train])).astype(np.float64)
    target = (target - target[train].mean(0)) / target[train].std(0)
    if regressor == "forest":
        model = RandomForestRegressor(_TREES, random_state=seed)
        fitted = target[train] if target.shape[1] > 1 else target[train, 0]
        predicted = model.fit(codes[train], fitted).predict(codes[held]).reshape(len(held), -1)
        weights = model.feature_importances_
    else:
        codes = codes.astype(np.float64)
        codes = (codes - codes[train].mean(0)) / codes[train].std(0)
        models = [LassoCV(max_iter=20_000).fit(codes[train], column) for column in target[train].T]
        predicted = np.stack([model.predict(codes[held]) for model in models], 1)
        weights = np.mean([np.abs(model.coef_) for model in models], 0)
    wrong = np.sqrt(np.mean((predicted - target[held]) ** 2))
    guess = np.sqrt(np.mean(target[held] ** 2))  # the error of the mean of the fitted rows
    return weights, float(wrong / guess) if guess else float(wrong)


def _columns(regressor: str) -> tuple[Column, ...]:
    published = ", as in disentanglement_lib" if regressor == "boosting" else ""
    name = f"dci_{regressor}_informativeness"
    informed = Column(name, "error of held-out rows; 0 is best, 1 is chance", 0.0, 2.0)
    if regressor == "boosting":
        informed = Column(name, "accuracy on held-out rows; 1 is best")
    return (
        Column(f"dci_{regressor}_disentanglement", f"D{published}: one factor a latent; 0 to 1"),
        Column(f"dci_{regressor}_completeness", f"C{published}: one latent a factor; 0 to 1"),
        informed,
    )


def _score(regressor: str) -> Score:
    def read(sample: Sample) -> list[float]:
        found = dci(sample.codes, sample.labels, regressor, sample.seed, kinds=sample.kinds)
        return [found.disentanglement, found.completeness, found.informativeness]

    source = "Eastwood & Williams (2018), Sec. 2"
    return Score(dci, _columns(regressor), read, source, factors=2, slow=regressor == "boosting")


SCORES = tuple(_score(regressor) for regressor in REGRESSORS)
