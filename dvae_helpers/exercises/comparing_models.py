"""The checks of notebook 07."""

import functools
import math
from typing import Any

import numpy as np
import torch
from scipy import stats

from .checking import Wrong, call, check, compare, compare_number, number_of, refuse, two_of


def _scores(*shape: int, seed: int) -> np.ndarray:
    """Random scores between 0 and 1, with an effect of every axis."""
    random = np.random.default_rng(seed)
    table = 0.2 * random.random(shape)
    for axis, size in enumerate(shape):
        effect = 0.25 * random.random(size)
        table += effect.reshape([-1 if place == axis else 1 for place in range(len(shape))])
    return table


@check
def paired_interval(answer: Any) -> None:
    """paired_interval(first (S,), second (S,)) -> mean difference, half of its 95% interval."""
    for seeds in (3, 5, 9):
        first, second = _scores(2, seeds, seed=70 + seeds)
        gap = first - second
        error = gap.std(ddof=1) / math.sqrt(seeds)
        quantile = stats.t.ppf(0.975, seeds - 1)
        right = float(quantile * error)
        result = two_of(call(answer, first.copy(), second.copy()), "two numbers: mean, half width")
        mean, half = map(number_of, result)
        minus = "the sign of the mean: it is the first minus the second."
        refuse(mean, gap.mean(), (-gap.mean(), minus))
        compare_number(mean, gap.mean(), 1e-9, f"for {seeds} seeds, your mean")
        apart = math.sqrt((first.var(ddof=1) + second.var(ddof=1)) / seeds)
        refuse(
            half,
            right,
            (
                right * math.sqrt(seeds),
                "that is the spread of single differences; the mean of S of them is sqrt(S) times "
                "as sharp.",
            ),
            (
                right * math.sqrt((seeds - 1) / seeds),
                "divide by S - 1 in the standard deviation.",
            ),
            *(
                (
                    normal * error,
                    "1.96 is right for many seeds. For so few, take the quantile of Student's t "
                    "with S - 1 degrees of freedom.",
                )
                for normal in (1.96, stats.norm.ppf(0.975))
            ),
            (error, "that is the standard error. Multiply it by the quantile."),
            (2 * right, "that is the full width; return half of it."),
            (
                stats.t.ppf(0.95, seeds - 1) * error,
                "95% inside leaves 2.5% on each side: the quantile 0.975.",
            ),
            (
                quantile * apart,
                "that is the unpaired interval, of two unrelated groups. Take the difference seed "
                "by seed first.",
            ),
            (stats.t.ppf(0.975, seeds) * error, "S - 1 degrees of freedom, not S."),
        )
        compare_number(half, right, 1e-6, f"for {seeds} seeds, your half width")


@check
def wrong_winner(answer: Any) -> None:
    """wrong_winner(better (S,), worse (T,)) -> share of all pairs in which `worse` scores more."""
    for sizes in ((5, 5), (4, 7), (6, 3)):
        random = np.random.default_rng(sum(sizes))
        better, worse = random.normal(0.4, 1, sizes[0]), random.normal(0, 1, sizes[1])
        right = float((worse[None, :] > better[:, None]).mean())
        value = number_of(call(answer, better.copy(), worse.copy()))
        refuse(
            value,
            right,
            (1 - right, "that is the share in which the better one wins."),
            (right * math.prod(sizes), "that is the number of pairs. Divide by all pairs."),
        )
        compare_number(value, right, 1e-9, f"for {sizes[0]} and {sizes[1]} seeds, your share")


@check
def shares(answer: Any) -> None:
    """shares(scores (C, S)) -> (3,): setting, seed, rest; they sum to 1."""
    for sizes in ((4, 7), (3, 5)):
        scores = _scores(*sizes, seed=sum(sizes))
        parts = _parts_of_variance(scores)
        right = parts / parts.sum()
        result = np.asarray(call(answer, scores.copy()), dtype=float)
        if result.shape != (3,):
            raise Wrong(f"return three numbers; yours has the shape {result.shape}.")
        within = parts[1] + parts[2]
        refuse(
            result,
            right,
            (parts, "those are the three parts. Divide each by their sum."),
            (right[[1, 0, 2]], "settings are the rows, seeds the columns."),
            (
                np.array([parts[0], parts[1], within]) / parts.sum(),
                "your rest still has the seed in it: take the mean of each seed off, too.",
            ),
        )
        if not math.isclose(result.sum(), 1, rel_tol=1e-6):
            raise Wrong(
                f"your shares sum to {result.sum():.3f}, but the three parts are all there is."
            )
        for place, name in enumerate(("the setting", "the seed", "the rest")):
            compare_number(result[place], right[place], 1e-6, f"the share of {name}")


def _parts_of_variance(scores: np.ndarray) -> np.ndarray:
    """(3,): mean squares of the effects of setting and seed, and of what they leave over."""
    setting = scores.mean(1, keepdims=True) - scores.mean()
    seed = scores.mean(0, keepdims=True) - scores.mean()
    rest = scores - scores.mean() - setting - seed
    return np.array([(part**2).mean() for part in (setting, seed, rest)])


@check
def rank_agreement(answer: Any) -> None:
    """rank_agreement(a (M,), b (M,)) -> Spearman's rank correlation; no ties."""
    for models in (6, 11, 20):
        random = np.random.default_rng(models)
        a = random.normal(size=models)
        b = np.exp(a + 0.8 * random.normal(size=models))
        right = float(stats.spearmanr(a, b).statistic)
        value = number_of(call(answer, a.copy(), b.copy()))
        refuse(
            value,
            right,
            (np.corrcoef(a, b)[0, 1], "that is the correlation of the values. Take their ranks."),
            (
                np.corrcoef(a.argsort(), b.argsort())[0, 1],
                "`a.argsort()` says who is at each place, not at which place each model is. Sort "
                "once more: the argsort of it.",
            ),
            (-right, "the sign: two equal orders must give +1."),
            (stats.kendalltau(a, b).statistic, "that is Kendall's tau; take Spearman's."),
        )
        compare_number(value, right, 1e-6, f"for {models} models, your agreement")


@check
def turned_posteriors(answer: Any) -> None:
    """turned(mean (N, J), variance (N, J), rotation (J, J)) -> both for z' = rotation @ z."""
    generator = torch.Generator().manual_seed(75)
    for n, latents in ((7, 3), (5, 4)):
        draw = functools.partial(torch.randn, generator=generator, dtype=torch.float64)
        mean, variance = draw(n, latents), draw(n, latents).exp()
        rotation = torch.linalg.qr(draw(latents, latents)).Q
        squares, right_mean = rotation.square(), mean @ rotation.T
        right_variance = variance @ squares.T
        result = call(answer, mean.clone(), variance.clone(), rotation.clone())
        first, second = two_of(result, "two tensors: the means and the variances")
        other_way = "your means are turned the other way: z' = R z."
        refuse(first, right_mean, (mean @ rotation, other_way))
        compare(first, right_mean, "your tensor of means")
        refuse(
            second,
            right_variance,
            (variance, "the variances of the latents do change."),
            (variance @ rotation.T, "a variance is not a length: weights enter it squared."),
            (variance @ rotation.abs().T, "weights enter a variance squared, not as |R|."),
            (variance @ squares, "your variances are turned the other way."),
            (
                variance.sqrt() @ squares.T,
                "you mix standard deviations; the variances of independent numbers add.",
            ),
        )
        compare(second, right_variance, "your tensor of variances")
