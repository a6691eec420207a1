"""The checks of notebook 00: right answers are right, plausible wrong ones get their hint."""

import pytest
import torch

from dvae_helpers import exercises


def right_move(decode, z, j, value):
    moved = z.clone()
    moved[j] = value
    return decode(moved[None])[0]


def right_unused(mean, limit=0.1):
    spread = mean.std(0)
    return [j for j in range(mean.shape[1]) if spread[j] < limit]


def moved_in_place(decode, z, j, value):
    z[j] = value
    return decode(z[None])[0]


def added(decode, z, j, value):
    moved = z.clone()
    moved[j] += value
    return decode(moved[None])[0]


def as_batch(decode, z, j, value):
    return right_move(decode, z, j, value)[None]


def all_moved(decode, z, j, value):
    return decode(torch.full_like(z, value)[None])[0]


def without_batch(decode, z, j, value):
    moved = z.clone()
    moved[j] = value
    return decode(moved)


def over_latents(mean):
    spread = mean.std(1)
    return [j for j in range(mean.shape[1]) if spread[j] < 0.1]


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (exercises.grid_size, 60),
        (exercises.grid_size, torch.tensor(60)),
        (exercises.move_one, right_move),
        (exercises.unused_latents, right_unused),
        (exercises.unused_latents, lambda mean, limit=0.1: (mean.std(0) < limit).nonzero()[:, 0]),
        (exercises.unused_latents, lambda mean, limit=0.1: set(right_unused(mean, limit))),
    ],
)
def test_right(check, answer, verdict):
    assert verdict(check, answer) == "Right.\n"


@pytest.mark.parametrize(
    ("check", "answer", "hint"),
    [
        (exercises.grid_size, 12, "sum"),
        (exercises.grid_size, 20, "two of the three"),
        (exercises.grid_size, 125, "too large"),
        (exercises.grid_size, 5, "too small"),
        (exercises.grid_size, "many", "one number"),
        (exercises.move_one, moved_in_place, "Change a copy"),
        (exercises.move_one, added, "replace it"),
        (exercises.move_one, as_batch, "batch with one image"),
        (exercises.move_one, all_moved, "every latent"),
        (exercises.move_one, without_batch, "batch of codes"),
        (exercises.move_one, lambda decode, z, j, value: decode(z[None])[0], "old one"),
        (exercises.unused_latents, over_latents, "axis 0"),
        (exercises.unused_latents, lambda mean: [3, 40], "axis 0"),
        (exercises.unused_latents, lambda mean: mean.std(0) < 0.1, "true or false"),
        (exercises.unused_latents, lambda mean: (mean.std(0) > 0.1).nonzero()[:, 0], "used ones"),
        (exercises.unused_latents, lambda mean: (mean.mean(0).abs() < 0.1).nonzero(), "average"),
        (exercises.unused_latents, lambda mean: (mean.mean(0) < 0.1).nonzero(), "average"),
        (exercises.unused_latents, lambda mean: (mean.var(0) < 0.1).nonzero()[:, 0], "its root"),
        (exercises.unused_latents, lambda mean: torch.where(mean.std(0) < 0.1), "take entry 0"),
        (exercises.unused_latents, lambda mean: [1, 3], "missing"),
        (exercises.unused_latents, lambda mean, limit=0.1: right_unused(mean), "for 0.1"),
        (exercises.unused_latents, lambda mean: 3, "list of numbers"),
    ],
)
def test_wrong(check, answer, hint, verdict):
    said = verdict(check, answer)
    assert said.startswith("Not yet: ")
    assert hint in said


@pytest.mark.parametrize(
    ("check", "stub"),
    [
        (exercises.grid_size, ...),
        (exercises.move_one, lambda decode, z, j, value: None),
        (exercises.unused_latents, lambda mean, limit=0.1: ...),
    ],
)
def test_stub_is_not_answered(check, stub, verdict):
    assert verdict(check, stub).startswith("Not answered yet")
