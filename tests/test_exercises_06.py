"""The checks of notebook 06: right answers are right, plausible wrong ones get their hint."""

import math

import pytest
import torch

from dvae_helpers import exercises, metrics


def entropy(table):
    """Of the shares in every row, in nats."""
    return torch.special.entr(table / table.sum(1, keepdim=True).clamp(min=1e-300)).sum(1)


def right_row(row):
    return 1 - entropy(row[None])[0] / math.log(len(row))


def right_both(table, row_base=None, column_base=None, weighted=True):
    rows, columns = table.shape
    weight = table.sum(1) / table.sum()
    per_latent = 1 - entropy(table) / math.log(row_base or columns)
    per_latent = torch.where(weight > 0, per_latent, 0)
    per_factor = 1 - entropy(table.T) / math.log(column_base or rows)
    d = weight @ per_latent if weighted else per_latent.mean()
    return float(d), float(per_factor.mean())


def right_error(predicted, target, guess):
    return (((predicted - target) ** 2).mean() / ((guess - target) ** 2).mean()).sqrt()


SPLIT = [[1, 0], [1, 0], [0, 1], [0, 1]]  # every factor by two latents: D = 1
MERGED = [[1, 1], [0, 0]]  # one latent serves all: C = 1


def both_gaps(codes, classes):
    """MIG and MIG-sup, the lower of the two."""
    found = metrics.mig(codes, classes)
    share = found.information / found.entropy[:, None]
    known = share[:, share.amax(0) > 0.05]
    if known.shape[1] == 0:
        return 0.0
    factors, latents = share.topk(2, dim=1).values, known.topk(2, dim=0).values
    return min(
        float((factors[:, 0] - factors[:, 1]).mean()), float((latents[0] - latents[1]).mean())
    )


def forest(codes, classes, name):
    """D or C of a small part of the images."""
    return getattr(metrics.dci(codes[::3], classes[::3], "forest"), name)


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (exercises.own_score, both_gaps),
        (exercises.row_score, right_row),
        (exercises.both_scores, right_both),
        (exercises.both_scores, lambda table: torch.tensor(right_both(table))),
        (exercises.normalised_error, right_error),
        (exercises.extremes, (SPLIT, MERGED)),
        (exercises.extremes, [torch.tensor(SPLIT), torch.tensor([[2.0, 3, 0], [0, 0, 1]])]),
    ],
)
def test_right(check, answer, verdict):
    assert verdict(check, answer) == "Right.\n"


@pytest.mark.parametrize(
    ("check", "answer", "hint"),
    [
        (exercises.row_score, lambda row: entropy(row[None])[0] / math.log(len(row)), "entropy"),
        (exercises.row_score, lambda row: 1 - entropy(row[None])[0], "in nats"),
        (exercises.row_score, lambda row: right_row(row / 2 + 0.01), "too"),
        (exercises.row_score, lambda row: 1 + (row * row.log()).sum(), "NaN"),
        (exercises.row_score, lambda row: row / row.sum(), "one number"),
        (exercises.both_scores, lambda t: right_both(t)[::-1], "wrong way round"),
        (exercises.both_scores, lambda t: right_both(t, weighted=False), "weight each"),
        (exercises.both_scores, lambda t: right_both(t, row_base=len(t)), "base K"),
        (exercises.both_scores, lambda t: right_both(t, column_base=t.shape[1]), "base J"),
        (exercises.both_scores, lambda t: right_both(t, column_base=len(t) - 1), "every latent"),
        (exercises.both_scores, lambda t: (math.nan, 0.5), "dead latent"),
        (exercises.both_scores, lambda t: right_both(t)[0], "two numbers"),
        (exercises.normalised_error, lambda p, t, g: right_error(p, t, g) ** 2, "root"),
        (exercises.normalised_error, lambda p, t, g: ((p - t) ** 2).mean().sqrt(), "guess"),
        (exercises.normalised_error, lambda p, t, g: right_error(p, t, t.mean()), "held-out"),
        (
            exercises.normalised_error,
            lambda p, t, g: ((p - t) ** 2).mean().sqrt() / t.std(),
            "held-out",
        ),
        (exercises.normalised_error, lambda p, t, g: 1 - right_error(p, t, g) ** 2, "explained"),
        (exercises.normalised_error, lambda p, t, g: p - t, "one number"),
        (exercises.extremes, (MERGED, SPLIT), "first table has D"),
        (exercises.extremes, (SPLIT, SPLIT), "second table has C"),
        (exercises.extremes, ([[1, 0], [0, 1]], MERGED), "must be below 0.7"),
        (exercises.extremes, ([[1, 0], [1, 0]], MERGED), "column of zeros"),
        (exercises.extremes, SPLIT, "two tables"),
        (exercises.extremes, ([[1, -1], [0, 2]], MERGED), "negative"),
        (exercises.own_score, lambda z, g: metrics.mig(z, g).score, "the code 'merged'"),
        (exercises.own_score, lambda z, g: forest(z, g, "disentanglement"), "the code 'copied'"),
        (exercises.own_score, lambda z, g: 1.0, "pure noise gets 1.00"),
        (exercises.own_score, lambda z, g: 0.0, "at least 0.90"),
        (exercises.own_score, lambda z, g: 100 * both_gaps(z, g), "from 0 to 1"),
        (exercises.own_score, lambda z, g: math.nan, "NaN"),
        (exercises.own_score, lambda z, g: float(z[:, 1].std() > 0), "that must not matter"),
        (exercises.own_score, lambda z, g: z, "one number"),
    ],
)
def test_wrong(check, answer, hint, verdict):
    said = verdict(check, answer)
    assert said.startswith("Not yet: ")
    assert hint in said


@pytest.mark.parametrize(
    ("check", "stub"),
    [
        (exercises.row_score, lambda row: ...),
        (exercises.both_scores, lambda importance: None),
        (exercises.normalised_error, lambda predicted, target, guess: ...),
        (exercises.extremes, ...),
        (exercises.own_score, lambda codes, classes: ...),
    ],
)
def test_stub_is_not_answered(check, stub, verdict):
    assert verdict(check, stub).startswith("Not answered yet")
