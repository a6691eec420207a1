"""The check of the faces in notebook 08: right answers are right, wrong ones get their hint."""

import pytest
import torch

from dvae_helpers import exercises


def right(codes, labels):
    return codes[labels].mean(0) - codes[~labels].mean(0)


def by_sums(codes, labels):
    weight = labels.to(codes.dtype)
    return weight @ codes / weight.sum() - (1 - weight) @ codes / (1 - weight).sum()


def in_place(codes, labels):
    codes -= codes[~labels].mean(0)
    return codes[labels].mean(0)


@pytest.mark.parametrize("answer", [right, by_sums, lambda c, m: right(c, m).tolist()])
def test_right(answer, verdict):
    assert verdict(exercises.attribute_direction, answer) == "Right.\n"


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda c, m: -right(c, m), "sign"),
        (lambda c, m: c[m].mean(0), "Where are the others"),
        (lambda c, m: c[m].mean(0) - c.mean(0), "not of all codes"),
        (lambda c, m: c[m].sum(0) - c[~m].sum(0), "sums"),
        (lambda c, m: c[m].mean() - c[~m].mean(), "one number"),
        (lambda c, m: c.mean(1), "has shape"),
        (lambda c, m: c[m].median(0).values - c[~m].median(0).values, "differ by up to"),
        (lambda c, m: right(c, m) / right(c, m).norm(), "differ by up to"),
        (lambda c, m: right(c, m) * torch.nan, "NaN"),
        (in_place, "changes the codes"),
        (lambda c, m: c[m == 2].mean(0) - missing, "NameError"),  # noqa: F821
        (3.0, "expected a function"),
    ],
)
def test_wrong(answer, hint, verdict):
    said = verdict(exercises.attribute_direction, answer)
    assert said.startswith("Not yet: ")
    assert hint in said


@pytest.mark.parametrize("stub", [..., lambda codes, labels: ..., lambda codes, labels: None])
def test_the_untouched_stub_is_not_answered(stub, verdict):
    assert verdict(exercises.attribute_direction, stub).startswith("Not answered yet")
