"""The checks of notebook 03: right answers are right, plausible wrong ones get their hint."""

import math

import pytest
import torch

from dvae_helpers import exercises


def right_filling(variances, beta, sigma2):
    level = beta * sigma2
    return variances.clamp(max=level), 0.5 * (variances / level).log().clamp(min=0)


def filling(variances, beta, sigma2, lost=None, rates=None):
    """The right answer with one part replaced."""
    right = right_filling(variances, beta, sigma2)
    return right[0] if lost is None else lost, right[1] if rates is None else rates


def right_step(distortion, kl, beta, budget, eta):
    rate = kl.sum(1).mean()
    return distortion + beta * rate, max(0.0, beta + eta * (float(rate.detach()) - budget))


def step(rate=None, following=None, loss=None):
    """A step with one part wrong."""

    def wrong(distortion, kl, beta, budget, eta):
        r = kl.sum(1).mean() if rate is None else rate(kl)
        value = float(r.detach())
        new = max(0.0, beta + eta * (value - budget))
        if following is not None:
            new = following(beta, eta, value - budget)
        total = distortion + beta * r if loss is None else loss(distortion, beta, r)
        return total, new

    return wrong


def with_graph(distortion, kl, beta, budget, eta):
    rate = kl.sum(1).mean()
    return distortion + beta * rate, (beta + eta * (rate - budget)).clamp(min=0)


def right_price(awake, budget, sigma2):
    return float((awake.log().mean() - 2 * budget / len(awake)).exp()) / sigma2


def by_bisection(awake, budget, sigma2):
    """The beta at which the rates add up to the budget, by halving an interval."""
    low, high = 1e-9, 1e9
    for _ in range(200):
        beta = math.sqrt(low * high)
        rate = float(0.5 * (awake / (beta * sigma2)).log().sum())
        low, high = (beta, high) if rate > budget else (low, beta)
    return beta


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (exercises.price_with_sleepers, right_price),
        (exercises.price_with_sleepers, lambda *a: torch.tensor(right_price(*a))),
        (exercises.price_with_sleepers, by_bisection),
        (exercises.water_filling, right_filling),
        (exercises.water_filling, lambda *inputs: list(right_filling(*inputs))),
        (exercises.spare_budget, "b"),
        (exercises.spare_budget, " B"),
        (exercises.constrained_step, right_step),
        (exercises.constrained_step, step(loss=lambda d, b, r: d + b * (r - 7.0))),
    ],
)
def test_right(check, answer, verdict):
    assert verdict(check, answer) == "Right.\n"


@pytest.mark.parametrize(
    ("check", "answer", "hint"),
    [
        (exercises.price_with_sleepers, lambda v, d, s: s * right_price(v, d, s), "water level"),
        (
            exercises.price_with_sleepers,
            lambda v, d, s: s**2 * right_price(v, d, s),
            "not the level",
        ),
        (exercises.price_with_sleepers, lambda *a: 1 / right_price(*a), "one over"),
        (exercises.price_with_sleepers, lambda v, d, s: right_price(v, d / 2, s), "HALF"),
        (exercises.price_with_sleepers, lambda v, d, s: right_price(v, d * len(v), s), "share it"),
        (
            exercises.price_with_sleepers,
            lambda v, d, s: float(v.prod()) * math.exp(-2 * d) / s,
            "k-th root",
        ),
        (
            exercises.price_with_sleepers,
            lambda v, d, s: float(v.mean()) * math.exp(-2 * d / len(v)) / s,
            "geometric",
        ),
        (exercises.price_with_sleepers, lambda v, d, s: right_price(v, d * math.log(2), s), "bits"),
        (exercises.price_with_sleepers, lambda *a: 1.01 * right_price(*a), "too large"),
        (exercises.price_with_sleepers, lambda *a: "two", "one number"),
        (exercises.water_filling, lambda v, b, s: v.clamp(max=b * s), "two things"),
        (
            exercises.water_filling,
            lambda v, b, s: filling(v, b, s, lost=v.clamp(min=b * s)),
            "not the smaller",
        ),
        (exercises.water_filling, lambda v, b, s: filling(v, b, s, lost=v.clamp(max=b)), "not at"),
        (
            exercises.water_filling,
            lambda v, b, s: filling(v, b, s, lost=v.clamp(max=b * s**2)),
            "squared already",
        ),
        (
            exercises.water_filling,
            lambda v, b, s: filling(v, b, s, lost=v.clamp(max=b * s**0.5)),
            "not times its root",
        ),
        (
            exercises.water_filling,
            lambda v, b, s: filling(v, b, s, lost=v.clamp(max=b * s).sum()),
            "each direction",
        ),
        (
            exercises.water_filling,
            lambda v, b, s: filling(v, b, s, lost=(v - b * s).clamp(min=0)),
            "stands out of the water",
        ),
        (
            exercises.water_filling,
            lambda v, b, s: filling(v, b, s, rates=0.5 * (v / (b * s)).log()),
            "below 0",
        ),
        (
            exercises.water_filling,
            lambda v, b, s: filling(v, b, s, rates=2 * right_filling(v, b, s)[1]),
            "twice",
        ),
        (
            exercises.water_filling,
            lambda v, b, s: filling(v, b, s, rates=right_filling(v, b, s)[1].sum()),
            "each direction",
        ),
        (
            exercises.water_filling,
            lambda v, b, s: filling(v, b, s, rates=right_filling(v, b, s)[1] / math.log(2)),
            "in bits",
        ),
        (exercises.spare_budget, "a", "beta = 1"),
        (exercises.spare_budget, "c", "price"),
        (exercises.spare_budget, "d", "slackness"),
        (exercises.spare_budget, "e", "choose one of a, b, c, d"),
        (exercises.constrained_step, lambda d, kl, *rest: d + kl.sum(), "two things"),
        (exercises.constrained_step, step(rate=lambda kl: kl.mean()), "mean over latents"),
        (exercises.constrained_step, step(rate=lambda kl: kl.sum()), "sum over images"),
        (exercises.constrained_step, step(loss=lambda d, b, r: d + (b - 1) * r), "as the loss"),
        (exercises.constrained_step, step(loss=lambda d, b, r: d), "both"),
        (exercises.constrained_step, step(loss=lambda d, b, r: d.detach()), "no gradient"),
        (
            exercises.constrained_step,
            step(following=lambda b, eta, over: max(0.0, b - eta * over)),
            "cheaper",
        ),
        (
            exercises.constrained_step,
            step(following=lambda b, eta, over: b + eta * over),
            "below 0",
        ),
        (
            exercises.constrained_step,
            step(following=lambda b, eta, over: b),
            "the next beta is too",
        ),
        (exercises.constrained_step, with_graph, "graph"),
    ],
)
def test_wrong(check, answer, hint, verdict):
    said = verdict(check, answer)
    assert said.startswith("Not yet: ")
    assert hint in said


@pytest.mark.parametrize(
    ("check", "stub"),
    [
        (exercises.price_with_sleepers, lambda awake, budget, sigma2: ...),
        (exercises.water_filling, lambda variances, beta, sigma2: ...),
        (exercises.spare_budget, ...),
        (exercises.constrained_step, lambda distortion, kl, beta, budget, eta: ...),
    ],
)
def test_stub_is_not_answered(check, stub, verdict):
    assert verdict(check, stub).startswith("Not answered yet")
