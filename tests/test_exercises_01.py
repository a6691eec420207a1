"""The checks of notebook 01: right answers are right, plausible wrong ones get their hint."""

import pytest
import torch

from dvae_helpers import exercises


def right_shares(matrix):
    square = matrix.T**2
    return square / square.sum(0)


def right_centre(image):
    height, width = image.shape
    column = (image.sum(0) * torch.arange(width)).sum() / image.sum()
    row = (image.sum(1) * torch.arange(height)).sum() / image.sum()
    return column, row


def scaled_centre(image):
    column, row = right_centre(image)
    return column * image.sum(), row * image.sum()


def brightest(image):
    place = int(image.argmax())
    return place % image.shape[1], place // image.shape[1]


def held_out(classes):
    return (classes[:, 0] == 0) & (classes[:, 1] == 5) & (classes[:, 2] <= 1)


def with_the_bug(classes):
    apple, black, small = classes[:, 0] == 0, classes[:, 1] == 5, classes[:, 2] <= 1
    return (~apple & ~black & ~small).nonzero()[:, 0]


def only_tiny(classes):
    gone = (classes[:, 0] == 0) & (classes[:, 1] == 5) & (classes[:, 2] == 0)
    return (~gone).nonzero()[:, 0]


def right_rows(classes):
    return (~held_out(classes)).nonzero()[:, 0]


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (exercises.small_black_apples, 512),
        (exercises.small_black_apples, torch.tensor(512)),
        (exercises.shares_of_mixture, right_shares),
        (exercises.shares_of_mixture, lambda matrix: right_shares(matrix).float()),
        (exercises.centre, right_centre),
        (exercises.centre, lambda image: [float(value) for value in right_centre(image)]),
        (exercises.training_images, right_rows),
        (exercises.training_images, lambda classes: right_rows(classes).flip(0).tolist()),
    ],
)
def test_right(check, answer, verdict):
    assert verdict(check, answer) == "Right.\n"


@pytest.mark.parametrize(
    ("check", "answer", "hint"),
    [
        (exercises.small_black_apples, 1, "many places"),
        (exercises.small_black_apples, 256, "one size"),
        (exercises.small_black_apples, 128, "shade can"),
        (exercises.small_black_apples, 64, "shade can"),
        (exercises.small_black_apples, 22, "multiply"),
        (exercises.small_black_apples, 30_720, "too large"),
        (exercises.small_black_apples, 500, "too small"),
        (exercises.shares_of_mixture, lambda m: right_shares(m).T, "one row for each factor"),
        (exercises.shares_of_mixture, lambda m: m.T**2, "divide by the variance"),
        (exercises.shares_of_mixture, lambda m: m.T**2 / (m.T**2).sum(1)[:, None], "add up to 1"),
        (exercises.shares_of_mixture, lambda m: m.T.abs() / m.T.abs().sum(0), "a square"),
        (exercises.shares_of_mixture, lambda m: right_shares(m).sqrt(), "compares variances"),
        (exercises.shares_of_mixture, lambda m: m.T**2 / (m.T**2).mean(0), "not their mean"),
        (exercises.shares_of_mixture, lambda m: m.T / m.T.sum(0), "never negative"),
        (exercises.shares_of_mixture, lambda m: m, "has shape (4, 3)"),
        (exercises.shares_of_mixture, lambda m: right_shares(m.abs_()), "changes the matrix"),
        (exercises.centre, lambda image: right_centre(image)[::-1], "row first"),
        (exercises.centre, lambda image: right_centre(torch.ones_like(image)), "weigh by light"),
        (exercises.centre, scaled_centre, "divide by the sum"),
        (exercises.centre, brightest, "brightest pixel"),
        (exercises.centre, lambda image: tuple(v + 1 for v in right_centre(image)), "number 0"),
        (exercises.centre, lambda image: (right_centre(image)[0], 0.0), "the row differs"),
        (exercises.centre, lambda image: right_centre((image > 1.0).float()), "differs by"),
        (exercises.centre, lambda image: right_centre(image)[0], "two numbers"),
        (exercises.training_images, with_the_bug, "must stay"),
        (exercises.training_images, only_tiny, "are still in"),
        (exercises.training_images, lambda c: held_out(c).nonzero()[:, 0], "leave out; return"),
        (exercises.training_images, lambda c: ~held_out(c), "true or false"),
        (exercises.training_images, lambda c: torch.where(~held_out(c)), "take entry 0"),
        (exercises.training_images, lambda c: (~held_out(c)).nonzero(), "one axis"),
        (exercises.training_images, lambda c: right_rows(c).repeat(2), "more than once"),
        (exercises.training_images, lambda c: right_rows(c) + 2000, "does not exist"),
        (exercises.training_images, lambda c: c[~held_out(c)], "one axis"),
    ],
)
def test_wrong(check, answer, hint, verdict):
    said = verdict(check, answer)
    assert said.startswith("Not yet: ")
    assert hint in said


@pytest.mark.parametrize(
    ("check", "stub"),
    [
        (exercises.small_black_apples, ...),
        (exercises.shares_of_mixture, lambda matrix: ...),
        (exercises.centre, lambda image: None),
        (exercises.training_images, lambda classes: ...),
    ],
)
def test_stub_is_not_answered(check, stub, verdict):
    assert verdict(check, stub).startswith("Not answered yet")
