"""The checks of notebook 07: right answers, wrong ones, and stubs."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from dvae_helpers import exercises


def right_interval(first, second):
    gap = first - second
    quantile = stats.t.ppf(0.975, len(gap) - 1)
    return gap.mean(), quantile * gap.std(ddof=1) / math.sqrt(len(gap))


def interval_with(quantile, ddof=1, root=True):
    def answer(first, second):
        gap = first - second
        return gap.mean(), quantile(len(gap)) * gap.std(ddof=ddof) / (
            math.sqrt(len(gap)) if root else 1
        )

    return answer


def t(n):
    return stats.t.ppf(0.975, n - 1)


def unpaired(first, second):
    spread = math.sqrt((first.var(ddof=1) + second.var(ddof=1)) / len(first))
    return first.mean() - second.mean(), t(len(first)) * spread


def right_winner(better, worse):
    return np.mean([b < w for b in better for w in worse])


def right_shares(scores):
    rows, columns = scores.mean(1), scores.mean(0)
    rest = scores - rows[:, None] - columns + scores.mean()
    parts = [rows.var(), columns.var(), (rest**2).mean()]
    return np.array(parts) / scores.var()


def seed_left_in_the_rest(scores):
    setting, seed, rest = right_shares(scores)
    return np.array([setting, seed, seed + rest])


def right_agreement(a, b):
    return np.corrcoef(a.argsort().argsort(), b.argsort().argsort())[0, 1]


def right_turned(mean, variance, rotation):
    full = rotation @ torch.diag_embed(variance) @ rotation.T
    return mean @ rotation.T, full.diagonal(dim1=1, dim2=2)


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (exercises.paired_interval, right_interval),
        (exercises.wrong_winner, right_winner),
        (exercises.shares, right_shares),
        (exercises.shares, lambda scores: right_shares(scores).tolist()),
        (exercises.rank_agreement, right_agreement),
        (exercises.rank_agreement, lambda a, b: stats.spearmanr(a, b).statistic),
        (exercises.turned_posteriors, right_turned),
    ],
)
def test_right(check, answer, verdict):
    assert verdict(check, answer) == "Right.\n"


@pytest.mark.parametrize(
    ("check", "answer", "hint"),
    [
        (exercises.paired_interval, lambda a, b: right_interval(b, a), "sign"),
        (exercises.paired_interval, unpaired, "seed by seed"),
        (exercises.paired_interval, interval_with(lambda n: 1.96), "Student"),
        (exercises.paired_interval, interval_with(t, root=False), "sqrt(S)"),
        (exercises.paired_interval, interval_with(t, ddof=0), "S - 1"),
        (exercises.paired_interval, interval_with(lambda n: 1), "standard error"),
        (exercises.paired_interval, interval_with(lambda n: 2 * t(n)), "full width"),
        (
            exercises.paired_interval,
            interval_with(lambda n: stats.t.ppf(0.95, n - 1)),
            "quantile 0.975",
        ),
        (
            exercises.paired_interval,
            interval_with(lambda n: stats.t.ppf(0.975, n)),
            "degrees of freedom",
        ),
        (exercises.paired_interval, lambda a, b: a.mean(), "two numbers"),
        (exercises.wrong_winner, lambda a, b: 1 - right_winner(a, b), "better one wins"),
        (
            exercises.wrong_winner,
            lambda a, b: right_winner(a, b) * len(a) * len(b),
            "Divide by all pairs",
        ),
        (exercises.wrong_winner, lambda a, b: b, "one number"),
        (exercises.wrong_winner, lambda a, b: 2.0, "too large"),
        (exercises.shares, lambda s: right_shares(s) * s.var(), "Divide each by their sum"),
        (exercises.shares, lambda s: right_shares(s)[:2], "three numbers"),
        (exercises.shares, lambda s: right_shares(s)[[1, 0, 2]], "settings are the rows"),
        (exercises.shares, seed_left_in_the_rest, "seed in it"),
        (exercises.shares, lambda s: right_shares(s)[[2, 1, 0]], "share of the setting"),
        (exercises.shares, lambda s: right_shares(s) + np.array([0, 0, 0.3]), "sum to 1.300"),
        (
            exercises.rank_agreement,
            lambda a, b: np.corrcoef(a, b)[0, 1],
            "correlation of the values",
        ),
        (
            exercises.rank_agreement,
            lambda a, b: np.corrcoef(a.argsort(), b.argsort())[0, 1],
            "Sort once more",
        ),
        (exercises.rank_agreement, lambda a, b: -right_agreement(a, b), "sign"),
        (exercises.rank_agreement, lambda a, b: stats.kendalltau(a, b).statistic, "Kendall"),
        (exercises.rank_agreement, lambda a, b: a, "one number"),
        (
            exercises.turned_posteriors,
            lambda m, v, r: (m @ r, right_turned(m, v, r)[1]),
            "other way",
        ),
        (exercises.turned_posteriors, lambda m, v, r: (m @ r.T, v), "do change"),
        (exercises.turned_posteriors, lambda m, v, r: (m @ r.T, v @ r.T), "squared"),
        (exercises.turned_posteriors, lambda m, v, r: (m @ r.T, v @ r.abs().T), "squared"),
        (
            exercises.turned_posteriors,
            lambda m, v, r: (m @ r.T, v @ r.square()),
            "variances are turned the other way",
        ),
        (exercises.turned_posteriors, lambda m, v, r: m @ r.T, "two tensors"),
    ],
)
def test_wrong(check, answer, hint, verdict):
    said = verdict(check, answer)
    assert said.startswith("Not yet: ")
    assert hint in said


@pytest.mark.parametrize(
    ("check", "stub"),
    [
        (exercises.paired_interval, lambda first, second: ...),
        (exercises.wrong_winner, lambda better, worse: ...),
        (exercises.shares, lambda scores: None),
        (exercises.rank_agreement, lambda a, b: ...),
        (exercises.turned_posteriors, lambda mean, variance, rotation: ...),
    ],
)
def test_stub_is_not_answered(check, stub, verdict):
    assert verdict(check, stub).startswith("Not answered yet")
