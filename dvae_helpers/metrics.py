"""The field's scores of a code. MIG and DCI have files of their own; all can be had from here.

Axes: n image, j latent, k factor, v factor value. Every score is larger for a better code, except
the errors of DCI's regressors.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.svm import LinearSVC
from torch import Tensor
from tqdm.auto import tqdm

from .datasets import ImageSet
from .files import write_csv, write_whole
from .importances import DCI, dci, importance_scores, importances, refused_warnings, split
from .information import (
    Factors,
    Gap,
    binned_information,
    codes_and_labels,
    mig,
    mig_exact,
    need_two_latents,
)
from .models import VAE, posteriors

__all__ = ["DCI", "Gap", "Scores", "beta_vae_score", "dci", "explicitness", "factor_vae_score"]
__all__ += ["importance_scores", "importances", "mig", "mig_exact", "modularity", "sap", "score"]

Codes = Tensor | np.ndarray


def sap(
    codes: Codes, factors: Factors, continuous: bool = False, seed: int = 0, test: float = 0.2
) -> float:
    """Separated attribute predictability (Kumar et al., 2018, Sec. 3.1): 0 to 1.

    S_jk says how well latent j alone predicts factor k: the accuracy of a linear classifier on
    held-out rows, or, if `continuous`, cov(z_j, g_k)^2 / (var z_j var g_k). SAP is the mean over
    factors of the best S_jk less the second best. codes: (N, J). factors: (N, K) or a FactorSpace.
    """
    codes, labels = codes_and_labels(codes, factors, real=continuous)
    need_two_latents(codes.shape[1], "SAP")
    if continuous:
        table = _squared_correlations(codes.astype(np.float64), labels.astype(np.float64))
    else:
        train, held = split(len(codes), test, seed)
        _need_two_values(labels[train])
        places = [(j, k) for k in range(labels.shape[1]) for j in range(codes.shape[1])]
        with refused_warnings():
            hits = joblib.Parallel(torch.get_num_threads(), prefer="threads")(
                joblib.delayed(_hits)(codes[:, [j]], labels[:, k], train, held) for j, k in places
            )
        table = np.array(hits).reshape(labels.shape[1], codes.shape[1])
    table = np.sort(table, axis=1)
    return float((table[:, -1] - table[:, -2]).mean())


def _hits(codes: np.ndarray, label: np.ndarray, train: np.ndarray, held: np.ndarray) -> float:
    model = LinearSVC(C=0.01, class_weight="balanced", dual=False)
    model.fit(codes[train], label[train])
    return float((model.predict(codes[held]) == label[held]).mean())


def _squared_correlations(codes: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(K, J); 0 for a constant code."""
    codes, values = codes - codes.mean(0), values - values.mean(0)
    spread = np.outer((values**2).sum(0), (codes**2).sum(0))
    return np.divide((values.T @ codes) ** 2, spread, out=np.zeros_like(spread), where=spread > 0)


def beta_vae_score(
    codes: Codes,
    factors: Factors,
    batch_size: int = 64,
    train: int = 10_000,
    test: int = 5_000,
    seed: int = 0,
) -> float:
    """Higgins et al. (2017), Sec. 3: an accuracy; 1/K is chance.

    A point: pick a factor k; draw `batch_size` pairs of images that agree in it; take the mean
    of |z_j - z_j'| of the pairs, one number a latent. A linear classifier must say k.
    The images are drawn from the rows: codes (N, J), factors (N, K) or a FactorSpace.
    """
    codes, labels = codes_and_labels(codes, factors)
    _need_two_factors(labels, "The beta-VAE score")
    random, alike = np.random.default_rng(seed), _Alike(labels)
    chosen = random.integers(labels.shape[1], size=train + test)
    points = np.empty((train + test, codes.shape[1]))
    for k in range(labels.shape[1]):
        first = random.integers(len(codes), size=(int((chosen == k).sum()), batch_size))
        second = alike.draw(k, labels[first, k], random)
        points[chosen == k] = np.abs(codes[first] - codes[second]).mean(1)
    with refused_warnings():
        model = LogisticRegression(max_iter=2000).fit(points[:train], chosen[:train])
    return float(model.score(points[train:], chosen[train:]))


def factor_vae_score(
    codes: Codes,
    factors: Factors,
    batch_size: int = 64,
    train: int = 10_000,
    test: int = 5_000,
    seed: int = 0,
) -> float:
    """Kim & Mnih (2018), Sec. 4: an accuracy; 1/K is chance.

    A vote: pick a factor k and `batch_size` images that agree in it; the latent with the least
    variance, relative to its variance over all rows, votes for k. Each latent then stands for
    the factor with most votes; the score is how often that is right in new votes.
    Latents that never vary do not vote. codes (N, J), factors (N, K) or a FactorSpace.
    """
    codes, labels = codes_and_labels(codes, factors)
    _need_two_factors(labels, "The FactorVAE score")
    random, alike = np.random.default_rng(seed), _Alike(labels)
    variance = codes.var(0, dtype=np.float64)
    votes = np.zeros((2, codes.shape[1], labels.shape[1]), dtype=np.int64)  # train and test
    for turn, count in enumerate((train, test)):
        chosen = random.integers(labels.shape[1], size=count)
        for k in range(labels.shape[1]):
            value = labels[random.integers(len(codes), size=int((chosen == k).sum())), k]
            rows = alike.draw(k, np.repeat(value[:, None], batch_size, 1), random)
            share = np.full((len(rows), codes.shape[1]), np.inf)
            within = codes[rows].var(1, dtype=np.float64)
            np.divide(within, variance, out=share, where=variance > 0)
            votes[turn, :, k] = np.bincount(share.argmin(1), minlength=codes.shape[1])
    stands_for = votes[0].argmax(1)
    return float(votes[1, np.arange(codes.shape[1]), stands_for].sum() / test)


def modularity(codes: Codes, factors: Factors, bins: int = 20) -> float:
    """Ridgeway & Mozer (2018), Sec. 3: 1 if each latent knows one factor; 0 to 1.

    Of latent j, with I_jk the binned mutual information and k* its best factor:
    1 - sum_{k != k*} I_jk^2 / (I_jk*^2 (K - 1)); the mean over latents. A latent that knows
    nothing counts 0, as in disentanglement_lib. codes: (N, J).
    """
    codes, labels = codes_and_labels(codes, factors)
    _need_two_factors(labels, "Modularity")
    square = binned_information(codes, labels, bins) ** 2  # (K, J)
    best, others = square.max(0), square.sum(0) - square.max(0)
    known = best > 1e-24  # a constant code has rounding errors only
    result = np.zeros(codes.shape[1])
    result[known] = 1 - others[known] / (best[known] * (labels.shape[1] - 1))
    return float(result.mean())


def explicitness(codes: Codes, factors: Factors, seed: int = 0, test: float = 0.2) -> float:
    """Ridgeway & Mozer (2018), Sec. 3: can a linear classifier read the factors? 0.5 is chance.

    The area under the ROC curve of a logistic regression from all standardised codes to factor k,
    one value against the rest, on held-out rows; mean over the values, then over factors.
    """
    codes, labels = codes_and_labels(codes, factors)
    train, held = split(len(codes), test, seed)
    _need_two_values(labels[train])
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
        raise ValueError(f"The {len(held)} held-out rows have one value of factor {k}: give more.")
    return float(np.mean(areas))


class _Alike:
    """Draws rows that have a given value of a given factor."""

    def __init__(self, labels: np.ndarray):
        self.order = labels.argsort(0, kind="stable")
        self.counts = [np.bincount(column) for column in labels.T]
        for k, counts in enumerate(self.counts):
            if counts.min() < 2:
                raise ValueError(
                    f"A value of factor {k} is in one row only, so no two images agree in it. "
                    "Give more rows, or leave that row out."
                )
        self.starts = [np.cumsum(counts) - counts for counts in self.counts]

    def draw(self, k: int, value: np.ndarray, random: np.random.Generator) -> np.ndarray:
        place = (random.random(value.shape) * self.counts[k][value]).astype(np.int64)
        return self.order[self.starts[k][value] + place, k]


def _need_two_factors(labels: np.ndarray, score: str) -> None:
    if labels.shape[1] < 2:
        raise ValueError(f"{score} asks which factor it is, but there is one factor. Use MIG.")


def _need_two_values(labels: np.ndarray) -> None:
    for k, column in enumerate(labels.T):
        if column.min() == column.max():
            raise ValueError(
                f"Factor {k} has one value in all {len(column)} rows that the classifier sees. "
                "Give more rows, or another seed."
            )


@dataclass(frozen=True)
class Scores:
    """One model's scores: `values` by name, with their meaning in MEANING; `about` the run."""

    values: dict[str, float]
    about: dict[str, object]

    def text(self) -> str:
        """A table, one score a line."""
        lines = [", ".join(f"{key}: {value}" for key, value in self.about.items()), ""]
        lines += [f"{name:28} {x:7.3f}   {MEANING[name]}" for name, x in self.values.items()]
        return "\n".join(lines)

    def write(self, folder: str | Path) -> tuple[Path, Path]:
        """As scores.csv (name, value, meaning) and scores.json (with `about`)."""
        folder = Path(folder)
        rows = [
            {"score": name, "value": repr(value), "meaning": MEANING[name]}
            for name, value in self.values.items()
        ]
        write_csv(folder / "scores.csv", ("score", "value", "meaning"), rows)
        content = json.dumps({"about": self.about, "scores": self.values}, indent=2)
        write_whole(folder / "scores.json", content.encode())
        return folder / "scores.csv", folder / "scores.json"


_ERROR = "error of held-out rows; 0 is best, 1 is chance"
MEANING = {
    "mig_exact": "MIG from the posteriors, by quadrature; 0 to 1",
    "mig": "MIG of the means in 20 bins; 0 to 1",
    "dci_lasso_disentanglement": "D: one factor a latent; 0 to 1",
    "dci_lasso_completeness": "C: one latent a factor; 0 to 1",
    "dci_lasso_informativeness": _ERROR,
    "dci_forest_disentanglement": "D: one factor a latent; 0 to 1",
    "dci_forest_completeness": "C: one latent a factor; 0 to 1",
    "dci_forest_informativeness": _ERROR,
    "dci_boosting_disentanglement": "D, as in disentanglement_lib; 0 to 1",
    "dci_boosting_completeness": "C, as in disentanglement_lib; 0 to 1",
    "dci_boosting_informativeness": "accuracy on held-out rows; 1 is best",
    "sap": "gap between the best two linear classifiers of one latent; 0 to 1",
    "beta_vae_score": "accuracy; 1 is best, 1/K is chance",
    "factor_vae_score": "accuracy; 1 is best, 1/K is chance",
    "modularity": "one factor a latent, by binned information; 0 to 1",
    "explicitness": "area under the ROC curve; 1 is best, 0.5 is chance",
}


def score(
    model: VAE,
    data: ImageSet,
    images: int | None = None,
    rows: int = 10_000,
    boosting: bool = False,
    seed: int = 0,
    progress: bool = True,
) -> Scores:
    """All scores of one model.

    images: how many are encoded (default: all of a set of up to 50,000, or of any set on a GPU;
        else 50,000 at random). `mig_exact` uses all of these.
    rows: how many of them the other scores use: the mean codes of a random choice.
    boosting: also DCI with boosted trees, which takes minutes.
    """
    if images is None:
        images = len(data) if model.device.type == "cuda" else min(len(data), 50_000)
    if not 2 <= images <= len(data) or rows < 2:
        raise ValueError(
            f"images is {images} and rows {rows}; {data.name!r} has {len(data):,} images, so "
            f"choose images from 2 to {len(data)}, and at least 2 rows."
        )
    generator = torch.Generator().manual_seed(seed)
    index = torch.randperm(len(data), generator=generator)[:images].sort().values
    some = torch.randperm(images, generator=generator)[:rows]
    regressors = ["lasso", "forest", *["boosting"] * boosting]
    parts = index.split(-(-images // 20))
    with tqdm(total=len(parts) + len(regressors) + 7, disable=not progress) as bar:

        def step(name: str, work: Callable, *inputs, **settings):
            bar.set_description(name)
            result = work(*inputs, **settings)
            bar.update()
            return result

        encoded = [step("encoding", posteriors, model, data, part) for part in parts]
        mean, log_var = (torch.cat(half) for half in zip(*encoded, strict=True))
        factors = data.classes(index)
        values = {"mig_exact": step("exact MIG", mig_exact, mean, log_var, factors).score}
        codes, factors = mean[some.to(mean.device)].cpu(), factors.cpu()[some]
        values["mig"] = step("MIG", mig, codes, factors).score
        for regressor in regressors:
            result = step(f"DCI, {regressor}", dci, codes, factors, regressor, seed)
            for name in ("disentanglement", "completeness", "informativeness"):
                values[f"dci_{regressor}_{name}"] = getattr(result, name)
        for function in (sap, beta_vae_score, factor_vae_score):
            values[function.__name__] = step(function.__name__, function, codes, factors, seed=seed)
        values["modularity"] = step("modularity", modularity, codes, factors)
        values["explicitness"] = step("explicitness", explicitness, codes, factors, seed)
    about = {"data": data.name, "images": images, "of": len(data), "rows": len(some), "seed": seed}
    return Scores(values, about)
