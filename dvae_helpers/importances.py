"""DCI: how important each latent is for each factor, and the scores of that table.

Eastwood & Williams (2018). Axes: n image, j latent, k factor. The two halves are apart:
`importances` fits a regressor for each factor, `importance_scores` is arithmetic on the table.
"""

import contextlib
import warnings
from dataclasses import dataclass

import joblib
import numpy as np
import torch
from scipy.special import xlogy
from sklearn.ensemble import GradientBoostingClassifier, RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LassoCV
from torch import Tensor

from .information import Factors, codes_and_labels

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
    codes: Tensor | np.ndarray,
    factors: Factors,
    regressor: str = "lasso",
    seed: int = 0,
    test: float = 0.2,
    jobs: int | None = None,
) -> DCI:
    """D, C and I of codes (N, J), usually the means, for factors (N, K).

    regressor: one for each factor, and where its importances come from:
        "lasso": linear, on standardised codes and factor; importance |W|; the penalty is chosen
            by cross-validation. (The paper's first.)
        "forest": 40 random regression trees; importance by impurity. (The paper's second.)
        "boosting": gradient-boosted trees as a classifier with the library's own settings, as in
            disentanglement_lib: the scores of Locatello et al. (2019) compare with this. Slow.
    factors: a FactorSpace, if the rows are every image of its grid; or the values, (N, K).
        Real-valued ones only for lasso and forest. Both take the values as numbers: the order
        of a nominal factor's values (such as shape) then matters; boosting knows no order.
    seed: of the split into rows to fit and rows to test (the share `test`), and of the trees.
    jobs: factors that are fitted at once (default: torch.get_num_threads()).

    Raises ValueError for NaN, one latent, one factor, a factor with one value, too few rows.
    """
    importance, informed = importances(codes, factors, regressor, seed, test, jobs)
    d, c, per_latent, weight, per_factor = importance_scores(importance)
    measure, i = REGRESSORS[regressor], float(informed.mean())
    return DCI(d, c, i, measure, importance, per_latent, weight, per_factor, informed)


def importance_scores(importance: Tensor | np.ndarray):
    """D, C, D_j (J,), rho_j (J,) and C_k (K,) of a table of importances (J, K).

    D_j = 1 - H(row j as shares) in base K: 1 if latent j matters for one factor, 0 if equally
    for all. rho_j = its share of all importance; D = sum_j rho_j D_j, so unused latents do not
    count. C_k = 1 - H(column k as shares) in base J; C is their mean. A row or column of zeros
    has the score 0: it serves nothing. All are between 0 and 1.
    Raises ValueError for negative or infinite numbers, one latent, or one factor: entropy in
    base 1 does not exist.
    """
    table = torch.as_tensor(importance).detach().cpu().double().numpy()
    if table.ndim != 2 or min(table.shape) < 2:
        raise ValueError(
            f"importance has shape {table.shape}; DCI needs (latents, factors) with at least 2 of "
            "each: entropies in base 1 do not exist. For one factor, look at MIG."
        )
    if not np.isfinite(table).all() or table.min() < 0:
        raise ValueError(
            f"importance has entries from {table.min()} to {table.max()}; they must be finite and "
            "not negative. Take absolute values of regression weights."
        )
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
    codes: Tensor | np.ndarray,
    factors: Factors,
    regressor: str = "lasso",
    seed: int = 0,
    test: float = 0.2,
    jobs: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The importances (J, K), and the error or accuracy on held-out rows (K,). See `dci`."""
    if regressor not in REGRESSORS:
        raise ValueError(f"regressor is {regressor!r}; choose one of {', '.join(REGRESSORS)}.")
    codes, values = codes_and_labels(codes, factors, real=regressor != "boosting")
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
            joblib.delayed(_fit)(regressor, codes[:, alive], values[:, k], train, held, seed)
            for k in order
        )
    importance = np.zeros((codes.shape[1], values.shape[1]))
    informed = np.zeros(values.shape[1])
    for k, (weights, quality) in zip(order, fits, strict=True):
        importance[alive, k] = weights
        informed[k] = quality
    return torch.from_numpy(importance), torch.from_numpy(informed)


def _fit(regressor: str, codes: np.ndarray, target: np.ndarray, train, held, seed: int):
    """Importances of the codes (n, J) for one factor (n,), and the error or the accuracy."""
    if not codes.shape[1]:  # no latent varies: guess the mean, or the commonest value
        classes, counts = np.unique(target[train], return_counts=True)
        hits = float((target[held] == classes[counts.argmax()]).mean())
        return np.zeros(0), hits if regressor == "boosting" else 1.0
    if regressor == "boosting":
        model = GradientBoostingClassifier(random_state=seed).fit(codes[train], target[train])
        hits = float((model.predict(codes[held]) == target[held]).mean())
        return model.feature_importances_, hits
    target = (target - target[train].mean()) / target[train].std()
    if regressor == "forest":
        model = RandomForestRegressor(_TREES, random_state=seed).fit(codes[train], target[train])
        weights = model.feature_importances_
    else:
        codes = codes.astype(np.float64)
        codes = (codes - codes[train].mean(0)) / codes[train].std(0)
        model = LassoCV(max_iter=20_000).fit(codes[train], target[train])
        weights = np.abs(model.coef_)
    wrong = np.sqrt(np.mean((model.predict(codes[held]) - target[held]) ** 2))
    guess = np.sqrt(np.mean(target[held] ** 2))  # the error of the mean of the fitted rows
    return weights, float(wrong / guess) if guess else float(wrong)


@contextlib.contextmanager
def refused_warnings():
    """A fit that does not converge is an error: its number would mean nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            yield
        except ConvergenceWarning as warning:
            raise ValueError(
                f"A fit did not converge ({str(warning).splitlines()[0]}). Rescale the codes, for "
                "example to a standard deviation of 1, and leave out far outliers."
            ) from warning


def split(rows: int, test: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers to fit and to test, at random: two arrays without a row in common."""
    held = round(rows * test)
    if not 0 < test < 1 or held < 1 or rows - held < 10:
        raise ValueError(
            f"{rows} rows with the share {test} held out leave {rows - held} to fit and {held} to "
            "test; at least 10 and 1 are needed. Give more rows."
        )
    order = np.random.default_rng(seed).permutation(rows)
    return order[held:], order[:held]
