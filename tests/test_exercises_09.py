"""The checks of notebook 09: right answers are right, plausible wrong ones get their hint."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch.nn import functional as F

from dvae_helpers import exercises
from dvae_helpers.adversaries import classification_loss, permute_dims


def right_ratio(logits, share):
    return logits - math.log(share / (1 - share))


def by_gather(z, generator):
    order = torch.stack([torch.randperm(len(z), generator=generator) for _ in range(z.shape[1])], 1)
    return z.gather(0, order)


def by_columns(z, generator):
    columns = [z[torch.randperm(len(z), generator=generator), j] for j in range(z.shape[1])]
    return torch.stack(columns, 1)


def whole_rows(z, generator):
    return z[torch.randperm(len(z), generator=generator)]


def two_together(z, generator):
    order = torch.randperm(len(z), generator=generator)
    last = torch.randperm(len(z), generator=generator)
    return torch.stack((z[order, 0], z[order, 1], z[last, 2]), 1)


def with_replacement(z, generator):
    return z.gather(0, torch.randint(len(z), z.shape, generator=generator))


def right_bound(q, p):
    return q.mean() - p.logsumexp(0) + math.log(len(p))


def by_entropy(q, other):
    loss = F.binary_cross_entropy_with_logits
    return q.mean(), 0.5 * (loss(q, torch.ones_like(q)) + loss(other, torch.zeros_like(other)))


def through_probabilities(q, other):
    chance, rest = q.sigmoid(), other.sigmoid()
    loss = -0.5 * (chance.log().mean() + (1 - rest).log().mean())
    return (chance.log() - (1 - chance).log()).mean(), loss


def report(**changed):
    """A report without a fault: the first is better in every seed, at the same distortion."""
    first, second = np.array([0.5, 0.4, 0.6, 0.45, 0.5]), np.array([0.3, 0.25, 0.35, 0.2, 0.35])
    gap = first - second
    given = {
        "question": "Does the first objective score more than the second?",
        "prediction": "I think that we cannot tell them apart.",
        "seeds": [3, 1, 4, 15, 9],
        "first": first,
        "second": second,
        "first_distortion": [26.0, 27.0, 25.5, 26.5, 26.0],
        "second_distortion": [25.0, 25.5, 26.5, 25.0, 26.0],
        "mean": gap.mean(),
        "half": stats.t.ppf(0.975, 4) * gap.std(ddof=1) / math.sqrt(5),
        "claim": "first",
    }
    return given | changed


def no_difference():
    gap = np.array([0.1, -0.1, 0.2, -0.15, 0.0])
    half = stats.t.ppf(0.975, 4) * gap.std(ddof=1) / math.sqrt(5)
    second = 0.3 + 0 * gap
    return report(first=(second + gap).tolist(), second=second, mean=gap.mean(), half=half)


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (exercises.unequal_classes, right_ratio),
        (exercises.unequal_classes, lambda logits, s: logits - math.log(s) + math.log(1 - s)),
        (exercises.repaired_shuffle, by_gather),
        (exercises.repaired_shuffle, by_columns),
        (exercises.repaired_shuffle, permute_dims),
        (exercises.lower_bound, right_bound),
        (exercises.lower_bound, lambda q, p: float(right_bound(q, p))),
        (exercises.repaired_losses, by_entropy),
        (exercises.repaired_losses, lambda q, p: [q.mean(), classification_loss(q, p)]),
        (exercises.fair_comparison, report()),
        (exercises.fair_comparison, no_difference() | {"claim": "cannot tell"}),
    ],
)
def test_right(check, answer, verdict):
    assert verdict(check, answer) == "Right.\n"


@pytest.mark.parametrize(
    ("check", "answer", "hint"),
    [
        (exercises.unequal_classes, lambda logits, s: logits, "how often q was shown"),
        (
            exercises.unequal_classes,
            lambda logits, s: logits + math.log(s / (1 - s)),
            "the wrong sign",
        ),
        (exercises.unequal_classes, lambda logits, s: logits - math.log(s), "the other cloud"),
        (
            exercises.unequal_classes,
            lambda logits, s: right_ratio(logits, s).exp(),
            "give its logarithm",
        ),
        (exercises.unequal_classes, lambda logits, s: logits.mean(), "shape"),
        (exercises.repaired_shuffle, whole_rows, "whole rows were shuffled"),
        (exercises.repaired_shuffle, two_together, "still move together"),
        (exercises.repaired_shuffle, with_replacement, "lost some of its values"),
        (exercises.repaired_shuffle, lambda z, g: z, "nothing was shuffled"),
        (exercises.repaired_shuffle, lambda z, g: z.T, "shape"),
        (exercises.lower_bound, lambda q, p: q.mean(), "plain estimate"),
        (exercises.lower_bound, lambda q, p: q.mean() - p.mean(), "you average l itself"),
        (exercises.lower_bound, lambda q, p: q.mean() - p.logsumexp(0), "log of a mean"),
        (exercises.lower_bound, lambda q, p: q.mean() - p.exp().mean(), "logarithm of the second"),
        (exercises.lower_bound, lambda q, p: q.mean() - p.exp().mean() + 1, "looser"),
        (exercises.lower_bound, lambda q, p: q.mean() - (p - 1).exp().mean(), "looser"),
        (
            exercises.lower_bound,
            lambda q, p: q.mean() + p.logsumexp(0) - math.log(len(p)),
            "mind the sign",
        ),
        (exercises.lower_bound, lambda q, p: q.mean() - p.exp().mean().log(), "overflows"),
        (exercises.lower_bound, lambda q, p: q, "shape"),
        (exercises.repaired_losses, lambda q, p: (-q.mean(), by_entropy(q, p)[1]), "wrong sign"),
        (
            exercises.repaired_losses,
            lambda q, p: (q.mean(), by_entropy(q.sigmoid(), p.sigmoid())[1]),
            "probabilities twice",
        ),
        (exercises.repaired_losses, lambda q, p: (q.mean(), 2 * by_entropy(q, p)[1]), "1/2"),
        (exercises.repaired_losses, lambda q, p: (q.mean(), by_entropy(-q, -p)[1]), "exchanged"),
        (exercises.repaired_losses, through_probabilities, "rounded to 1"),
        (exercises.repaired_losses, lambda q, p: q.mean(), "two things"),
        (exercises.fair_comparison, {"claim": "first"}, "no entry 'question'"),
        (exercises.fair_comparison, report(prediction="none"), "say the prediction"),
        (exercises.fair_comparison, report(seeds=[1, 2, 3]), "at least five"),
        (exercises.fair_comparison, report(seeds=[1, 2, 3, 4, 4]), "different seeds"),
        (exercises.fair_comparison, report(first=[0.5] * 4), "for each of the 5"),
        (exercises.fair_comparison, report(first=[0.5] * 4 + [math.nan]), "NaN"),
        (exercises.fair_comparison, report(first=["good"] * 5), "no numbers"),
        (exercises.fair_comparison, report(second_distortion=[29.0] * 5), "differ by 2.8 nats"),
        (exercises.fair_comparison, report(mean=-0.2), "mean of first - second is too small"),
        (exercises.fair_comparison, report(half=0.03), "interval is too small"),
        (exercises.fair_comparison, report(claim="better"), "expected one of"),
        (exercises.fair_comparison, report(claim="cannot tell"), "does not say so"),
        (exercises.fair_comparison, no_difference(), "does not say so"),
    ],
)
def test_wrong(check, answer, hint, verdict):
    said = verdict(check, answer)
    assert said.startswith("Not yet: ")
    assert hint in said


@pytest.mark.parametrize(
    ("check", "stub"),
    [
        (exercises.unequal_classes, lambda logits, share: ...),
        (exercises.repaired_shuffle, lambda z, generator: None),
        (exercises.lower_bound, lambda q_logits, p_logits: ...),
        (exercises.repaired_losses, lambda q_logits, product_logits: ...),
        (exercises.fair_comparison, ...),
    ],
)
def test_stub_is_not_answered(check, stub, verdict):
    assert verdict(check, stub).startswith("Not answered yet")
