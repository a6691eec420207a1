"""The checks of notebook 03."""

import math
from typing import Any

import torch
from torch import Tensor

from .checking import (
    Wrong,
    call,
    check,
    choose,
    compare,
    compare_number,
    number_of,
    refuse,
    two_of,
)


@check
def price_with_sleepers(answer: Any) -> None:
    """price_with_sleepers(awake, budget, sigma2) -> beta, if these directions share the budget."""
    for awake, budget, sigma2 in (
        ([4.0, 2.0, 1.0, 0.5], 3.0, 0.1),
        ([2.0, 1.0, 0.5, 0.25], 3.0, 0.1),
        ([3.0, 7.0], 1.2, 0.5),
        ([0.9], 0.4, 2.0),
    ):
        variances = torch.tensor(awake, dtype=torch.float64)
        count, logs = len(awake), variances.log()
        level = float((logs.mean() - 2 * budget / count).exp())
        result = number_of(call(answer, variances.clone(), budget, sigma2))
        half = "a latent costs HALF the logarithm: where did the half go?"
        refuse(
            result,
            level / sigma2,
            (level, "that is the water level. What does beta have to do with it?"),
            (level * sigma2, "the level is beta times sigma^2, so beta is not the level times it."),
            (sigma2 / level, "that would be one over beta."),
            ((logs.mean() - budget / count).exp() / sigma2, half),
            (
                (logs.mean() - 2 * budget).exp() / sigma2,
                "that is the level if each latent had the whole budget. They share it.",
            ),
            (
                (logs.sum() - 2 * budget).exp() / sigma2,
                "take the k-th root: k latents have the same level.",
            ),
            (
                variances.mean() * math.exp(-2 * budget / count) / sigma2,
                "the logs add up, so the mean of the variances is a geometric one.",
            ),
            (
                (logs.mean() - 2 * budget * math.log(2) / count).exp() / sigma2,
                "you take the budget for bits. It is in nats: exp, not a power of 2.",
            ),
        )
        what = f"for awake variances {awake}, budget {budget:g} and sigma^2 {sigma2:g}, your beta"
        compare_number(result, level / sigma2, 1e-5 * level / sigma2, what)


@check
def water_filling(answer: Any) -> None:
    """water_filling(variances, beta, sigma2) -> what is lost, and the rate, of each direction."""
    generator = torch.Generator().manual_seed(30)
    for size, beta, sigma2 in ((4, 0.7, 1.5), (5, 3.0, 0.2), (3, 50.0, 0.4)):
        variances = 3 * torch.rand(size, generator=generator).double() + 0.05
        level = beta * sigma2
        result = call(answer, variances, beta, sigma2)
        lost, rates = two_of(result, "two things: what is lost, and the rates")
        right_lost, logs = variances.clamp(max=level), (variances / level).log()
        right_rates = 0.5 * logs.clamp(min=0)
        refuse(
            lost,
            right_lost,
            (variances.clamp(min=level), "you keep the larger of the two, not the smaller."),
            (variances.clamp(max=beta), "the water stands at beta sigma^2, not at beta."),
            (variances.clamp(max=beta * sigma2**2), "sigma2 is sigma squared already."),
            (
                variances.clamp(max=beta * sigma2**0.5),
                "the level is beta times the variance sigma^2, not times its root.",
            ),
            (
                right_lost.sum(),
                "what is lost in each direction, not in all together.",
            ),
            (
                (variances - level).clamp(min=0),
                "that stands out of the water; what is under it?",
            ),
        )
        compare(lost, right_lost, "what is lost")
        refuse(
            rates,
            right_rates,
            (0.5 * logs, "a rate below 0? A latent under water pays nothing."),
            (2 * right_rates, "your rates are twice too large."),
            (right_rates / math.log(2), "that is in bits. This course counts in nats."),
            (right_rates.mean(), "one rate for each direction, not their mean."),
            (right_rates.sum(), "one rate for each direction, not their sum."),
        )
        compare(rates, right_rates, "your rates")


@check
def spare_budget(answer: Any) -> None:
    """The constraint is inactive, so the multiplier is 0 and the KL is gone: choice b."""
    hints = {
        "a": "this is beta = 1. Which multiplier has a constraint that does not bind?",
        "c": "then the budget would be a price. The budget is a limit; beta is the price.",
        "d": "look at complementary slackness: one of its two factors is not 0.",
    }
    choose(answer, "b", hints)


@check
def constrained_step(answer: Any) -> None:
    """constrained_step(distortion, kl, beta, budget, eta) -> the loss, and the next beta."""
    generator = torch.Generator().manual_seed(32)
    for beta, budget, eta in ((2.0, 3.0, 0.1), (0.5, 9.0, 0.2), (0.3, 1.0, 0.05)):
        kl = (2 * torch.rand(5, 3, generator=generator).double()).requires_grad_()
        distortion = torch.tensor(30.0, dtype=torch.float64, requires_grad=True)
        over = float(kl.detach().sum(1).mean()) - budget
        result = call(answer, distortion, kl, beta, budget, eta)
        loss, following = two_of(result, "two things: the loss, and the next beta")
        _weighs(loss, distortion, kl, beta)
        if isinstance(following, Tensor) and following.requires_grad:
            raise Wrong("the next beta drags the graph of this step along; make it a plain number.")
        value = number_of(following)
        if value < 0:
            raise Wrong("your beta fell below 0: a price that pays for waste.")
        right, turned = max(0.0, beta + eta * over), max(0.0, beta - eta * over)
        cheaper = "over budget, your beta falls. Should a thing in demand get cheaper?"
        refuse(value, right, (turned, cheaper))
        what = f"with rate {over + budget:.2f} and budget {budget:g}, the next beta"
        compare_number(value, right, 1e-9, what)


def _weighs(loss: Any, distortion: Tensor, kl: Tensor, beta: float) -> None:
    """The loss is the distortion plus beta times the rate, up to a constant."""
    if not isinstance(loss, Tensor) or not loss.requires_grad:
        raise Wrong("no gradient comes back from your loss.")
    slopes = torch.autograd.grad(loss, [distortion, kl], allow_unused=True)
    if slopes[0] is None or slopes[1] is None:
        raise Wrong("your loss must depend on both the distortion and the KL.")
    compare_number(slopes[0], 1.0, 1e-9, "the weight of the distortion")
    weight, right = slopes[1] * len(kl), torch.full_like(kl, beta)
    refuse(
        weight,
        right,
        (right / kl.shape[1], "is the rate a mean over latents?"),
        (right * len(kl), "is the rate a sum over images?"),
    )
    compare(weight, right, "beta, as the loss weighs it,")
