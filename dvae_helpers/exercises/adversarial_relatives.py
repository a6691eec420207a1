"""The checks of notebook 09."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from scipy import stats

from .. import adversaries
from .checking import Wrong, call, check, compare, compare_number, refuse, tensor_of, two_of

REPORT = ("question", "prediction", "seeds", "first", "second", "first_distortion")
REPORT += ("second_distortion", "mean", "half", "claim")
CLAIMS = ("first", "second", "cannot tell")


@check
def unequal_classes(answer: Any) -> None:
    """log_ratio(logits, share): logits (B,) of a perfect classifier that was shown q with that
    share of all codes -> log q(z) / p(z), (B,)."""
    generator = torch.Generator().manual_seed(9)
    logits = 2 * torch.randn(7, generator=generator)
    for share in (0.9, 0.25, 0.5):
        result = call(answer, logits.clone(), share)
        prior = math.log(share / (1 - share))
        right = logits - prior
        refuse(
            result,
            right,
            (logits, "these are the logits. They also hold how often q was shown."),
            (logits + prior, "the share enters with the wrong sign."),
            (logits - math.log(share), "what was the share of the other cloud?"),
            (right.exp(), "that is the ratio; give its logarithm."),
            (logits.sigmoid(), "that is D, the probability. Give log q/p."),
        )
        compare(result, right, f"your log ratio for the share {share:g}")


@check
def repaired_shuffle(answer: Any) -> None:
    """shuffle(z, generator): (B, J) -> (B, J), every column shuffled on its own."""
    noise = torch.randn(400, 1, generator=torch.Generator().manual_seed(2))
    z = torch.cat((noise, 2 * noise + 1, noise - 3), 1)
    result = tensor_of(call(answer, z.clone(), torch.Generator().manual_seed(5)))
    if result.shape != z.shape:
        raise Wrong(f"your codes have shape {tuple(result.shape)}; expected {tuple(z.shape)}.")
    if torch.equal(result, z):
        raise Wrong("nothing was shuffled.")
    if not torch.equal(result.sort(0).values, z.sort(0).values):
        raise Wrong("a column lost some of its values: each must keep all of them, once.")
    together = torch.corrcoef(result.T)[[0, 0, 1], [1, 2, 2]].abs()
    if together.min() > 0.99:
        raise Wrong(
            "whole rows were shuffled. A code still has its old neighbours, so this is again q(z)."
        )
    if together.max() > 0.25:
        raise Wrong("some columns still move together: give each one an order of its own.")


@check
def lower_bound(answer: Any) -> None:
    """bound(q_logits, p_logits): (B,), (C,) -> E_q[l] - log E_p[exp(l)], one number."""
    generator = torch.Generator().manual_seed(3)
    looser = "that is a bound, too, but a looser one: keep the log of the mean, log E_p[exp(l)]."
    for size in (1, 60):
        q = size * torch.randn(50, generator=generator) + 1
        p = size * torch.randn(80, generator=generator) - 1
        result = tensor_of(call(answer, q.clone(), p.clone()))
        mean, log_sum, log_count = q.mean(), p.logsumexp(0), math.log(len(p))
        right = mean - log_sum + log_count
        if size > 1 and not result.isfinite().all():
            raise Wrong("for logits of 100 your exp overflows; use logsumexp.")
        refuse(
            result,
            right,
            (mean, "that is the plain estimate, without its correction."),
            (mean - p.mean(), "E_p[exp(l)] and its log: you average l itself."),
            (mean - log_sum, "the log of a sum is not the log of a mean."),
            (mean - p.exp().mean(), "the logarithm of the second mean is missing."),
            (mean - p.exp().mean() + 1, looser),
            (mean - (p - 1).exp().mean(), looser),
            (mean + log_sum - log_count, "mind the sign between."),
        )
        compare(result, right, "your bound")


@check
def repaired_losses(answer: Any) -> None:
    """losses(q_logits, product_logits): (B,), (C,) -> (TC estimate, loss of the discriminator)."""
    generator = torch.Generator().manual_seed(8)
    for size in (1, 40):
        q = size * (torch.randn(30, generator=generator) + 0.5)
        other = size * (torch.randn(50, generator=generator) - 0.5)
        result = call(answer, q.clone(), other.clone())
        what = "two things: the estimate of the TC, and the loss"
        estimate, loss = map(tensor_of, two_of(result, what))
        if size > 1 and not (estimate.isfinite().all() and loss.isfinite().all()):
            raise Wrong("for logits of 40 a probability is rounded to 1, and its log breaks.")
        right_loss = adversaries.classification_loss(q, other)
        twice = adversaries.classification_loss(q.sigmoid(), other.sigmoid())
        exchanged = adversaries.classification_loss(-q, -other)
        refuse(
            estimate,
            q.mean(),
            (-q.mean(), "the TC has the wrong sign: codes of q(z) should raise it."),
            (q.sigmoid().mean(), "the mean of D is no log ratio."),
        )
        refuse(
            loss,
            right_loss,
            (twice, "the loss turns logits into probabilities twice."),
            (2 * right_loss, "each class has the weight 1/2: guessing must cost ln 2."),
            (exchanged, "the labels are exchanged."),
        )
        compare(estimate, q.mean(), "your estimate of the TC")
        compare(loss, right_loss, "your loss")


@check
def fair_comparison(answer: Any) -> None:
    """A report of two objectives at equal distortion: a dict with the entries of `REPORT`.

    first, second and both distortions: one number for each seed, in the order of the seeds.
    """
    if not isinstance(answer, Mapping):
        raise Wrong(f"expected a dict, but got {type(answer).__name__}.")
    for name in REPORT:
        if name not in answer:
            raise Wrong(f"your report has no entry {name!r}; it needs {', '.join(REPORT)}.")
    for name in ("question", "prediction"):
        if not isinstance(answer[name], str) or len(answer[name].split()) < 5:
            raise Wrong(f"say the {name} in a sentence, in words, before you look.")
    seeds = [int(seed) for seed in answer["seeds"]]
    if len(seeds) < 5 or len(set(seeds)) < len(seeds):
        raise Wrong(f"expected at least five different seeds; yours are {seeds}.")
    columns = {name: _of_every_seed(answer[name], name, len(seeds)) for name in REPORT[3:7]}
    gap = columns["first_distortion"].mean() - columns["second_distortion"].mean()
    if abs(gap) > 2:
        raise Wrong(
            f"the mean distortions differ by {abs(gap):.1f} nats. Equal means: by 2 nats at most. "
            "Change beta or gamma of one of them."
        )
    difference = columns["first"] - columns["second"]
    half = float(stats.t.ppf(0.975, len(seeds) - 1) * difference.std(ddof=1) / len(seeds) ** 0.5)
    mean = float(difference.mean())
    compare_number(answer["mean"], mean, 1e-6 + 1e-3 * abs(mean), "the mean of first - second")
    compare_number(answer["half"], half, 1e-6 + 1e-3 * half, "half of its paired 95% interval")
    right = "cannot tell" if abs(mean) <= half else "first" if mean > 0 else "second"
    if answer["claim"] not in CLAIMS:
        raise Wrong(f"your claim is {answer['claim']!r}; expected one of {', '.join(CLAIMS)}.")
    if answer["claim"] != right:
        raise Wrong(
            f"your claim is {answer['claim']!r}, but the interval {mean:+.3f} +- {half:.3f} does "
            "not say so."
        )


def _of_every_seed(values: Any, name: str, seeds: int) -> np.ndarray:
    """One finite number for each seed."""
    try:
        numbers = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise Wrong(f"{name} has entries that are no numbers.") from None
    if numbers.shape != (seeds,):
        raise Wrong(
            f"{name} has the shape {numbers.shape}; expected one number for each of the {seeds} "
            "seeds."
        )
    if not np.isfinite(numbers).all():
        raise Wrong(f"{name} has entries that are NaN or infinite.")
    return numbers
