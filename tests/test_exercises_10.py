"""The checks of notebook 10: right answers are right, plausible wrong ones get their hint."""

import pytest
import torch

from dvae_helpers import exercises


def worth(images, sigma):
    return (images - images.mean(1, keepdim=True)).square().sum(2).mean() / (2 * sigma**2)


def worth_of_faces(images, sigma):
    return (images - images.mean(0)).square().sum(2).mean() / (2 * sigma**2)


def worth_of_all(images, sigma):
    return (images - images.mean((0, 1))).square().sum(2).mean() / (2 * sigma**2)


def worth_in_place(images, sigma):
    images -= images.mean(1, keepdim=True)
    return images.square().sum(2).mean() / (2 * sigma**2)


def own(known, least):
    knows = known >= least
    return int((knows & (knows.sum(0) == 1)).any(1).sum())


def own_in_words(known, least):
    found = set()
    for column in known.T.tolist():
        rows = [k for k, value in enumerate(column) if value >= least]
        found |= set(rows if len(rows) == 1 else [])
    return len(found)


def direction(codes, labels):
    return codes[labels].mean(0) - codes[~labels].mean(0)


def by_sums(codes, labels):
    weight = labels.to(codes.dtype)
    return weight @ codes / weight.sum() - (1 - weight) @ codes / (1 - weight).sum()


def direction_in_place(codes, labels):
    codes -= codes[~labels].mean(0)
    return codes[labels].mean(0)


def within(codes, labels, other):
    return torch.stack([direction(codes[other == v], labels[other == v]) for v in other.unique()])


def matched(codes, labels, other):
    return within(codes, labels, other).mean(0)


def weighted(codes, labels, other):
    return (other.bincount().double() / len(other)) @ within(codes, labels, other)


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (exercises.worth, worth),
        (exercises.worth, lambda x, s: x.var(1, correction=0).sum(1).mean() / (2 * s * s)),
        (exercises.worth, lambda x, s: float(worth(x, s))),
        (exercises.latents_of_their_own, own),
        (exercises.latents_of_their_own, own_in_words),
        (exercises.attribute_direction, direction),
        (exercises.attribute_direction, by_sums),
        (exercises.attribute_direction, lambda c, m: direction(c, m).tolist()),
        (exercises.matched_direction, matched),
        (exercises.matched_direction, lambda c, m, o: matched(c, m, o).numpy()),
    ],
)
def test_right(check, answer, verdict):
    assert verdict(check, answer) == "Right.\n"


@pytest.mark.parametrize(
    ("check", "answer", "hint"),
    [
        (exercises.worth, lambda x, s: 2 * worth(x, s), "1/2"),
        (exercises.worth, lambda x, s: s * worth(x, s), "sigma squared"),
        (exercises.worth, lambda x, s: 2 * s * worth(x, s), "2 sigma squared"),
        (exercises.worth, lambda x, s: worth(x, s) / x.shape[2], "are a sum"),
        (exercises.worth, lambda x, s: worth(x, s) * x.shape[1], "values of the factor"),
        (exercises.worth, lambda x, s: worth(x, s) * x.shape[0], "add up the faces"),
        (exercises.worth, lambda x, s: x.var(1).sum(1).mean() / (2 * s * s), "V - 1"),
        (exercises.worth, worth_of_faces, "axis 1"),
        (exercises.worth, worth_of_all, "every factor"),
        (exercises.worth, worth_in_place, "changes the images"),
        (exercises.worth, lambda x, s: x.var(1), "one number"),
        (exercises.worth, lambda x, s: 0.9 * worth(x, s), "too small"),
        (exercises.latents_of_their_own, lambda t, a: (t >= a).any(1).sum(), "share one latent"),
        (
            exercises.latents_of_their_own,
            lambda t, a: ((t >= a).sum(0) == 1).sum(),
            "count latents",
        ),
        (
            exercises.latents_of_their_own,
            lambda t, a: ((t >= a) & ((t >= a).sum(1, keepdim=True) == 1)).any(1).sum(),
            "two latents",
        ),
        (exercises.latents_of_their_own, lambda t, a: (t >= a).sum(), "cells"),
        (exercises.latents_of_their_own, lambda t, a: len(t), "too large"),
        (exercises.attribute_direction, lambda c, m: -direction(c, m), "sign"),
        (exercises.attribute_direction, lambda c, m: c[m].mean(0), "Where are the others"),
        (exercises.attribute_direction, lambda c, m: c[m].mean(0) - c.mean(0), "not of all codes"),
        (exercises.attribute_direction, lambda c, m: c[m].sum(0) - c[~m].sum(0), "sums"),
        (exercises.attribute_direction, lambda c, m: c[m].mean() - c[~m].mean(), "one number"),
        (exercises.attribute_direction, lambda c, m: c.mean(1), "has shape"),
        (
            exercises.attribute_direction,
            lambda c, m: c[m].median(0).values - c[~m].median(0).values,
            "differ by up to",
        ),
        (
            exercises.attribute_direction,
            lambda c, m: direction(c, m) / direction(c, m).norm(),
            "length 1",
        ),
        (exercises.attribute_direction, lambda c, m: direction(c, m) * torch.nan, "NaN"),
        (exercises.attribute_direction, direction_in_place, "changes the codes"),
        (exercises.attribute_direction, lambda c, m: c - missing, "NameError"),  # noqa: F821
        (exercises.attribute_direction, 3.0, "expected a function"),
        (exercises.matched_direction, lambda c, m, o: direction(c, m), "plain direction"),
        (exercises.matched_direction, lambda c, m, o: -matched(c, m, o), "sign"),
        (exercises.matched_direction, lambda c, m, o: within(c, m, o).sum(0), "take their mean"),
        (exercises.matched_direction, weighted, "each counts alike"),
        (exercises.matched_direction, lambda c, m, o: within(c, m, o)[0], "within one value"),
        (exercises.matched_direction, lambda c, m, o: within(c, m, o)[-1], "within one value"),
        (exercises.matched_direction, within, "Average them"),
        (exercises.matched_direction, lambda c, m, o: 0.9 * matched(c, m, o), "differ by up to"),
    ],
)
def test_wrong(check, answer, hint, verdict):
    said = verdict(check, answer)
    assert said.startswith("Not yet: ")
    assert hint in said


@pytest.mark.parametrize(
    ("check", "stub"),
    [
        (exercises.worth, lambda images, sigma: ...),
        (exercises.latents_of_their_own, lambda known, least: None),
        (exercises.attribute_direction, ...),
        (exercises.attribute_direction, lambda codes, labels: ...),
        (exercises.matched_direction, lambda codes, labels, other: ...),
    ],
)
def test_stub_is_not_answered(check, stub, verdict):
    assert verdict(check, stub).startswith("Not answered yet")
