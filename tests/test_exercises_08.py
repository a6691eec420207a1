"""The checks of notebook 08: right answers are right, plausible wrong ones get their hint."""

import pytest
import torch

from dvae_helpers import combinations, exercises


def right_pairs(classes, sizes):
    return sizes[0] * sizes[1] - len(classes.unique(dim=0))


def right_set(z, owner, k, value):
    z = z.clone()
    z[:, owner == k] = value[owner == k]
    return z


def set_in_place(z, owner, k, value):
    z[:, owner == k] = value[owner == k]
    return z


def set_one(z, owner, k, value):
    z = z.clone()
    z[:, k] = value[k]
    return z


def right_share(said, wanted):
    return (said == wanted).all(1).double().mean()


def of_largest_values(classes, sizes):
    return int((classes.max(0).values + 1).prod()) - len(classes.unique(dim=0))


def of_seen_values(classes, sizes):
    seen = [len(column.unique()) for column in classes.T]
    return seen[0] * seen[1] - len(classes.unique(dim=0))


def singles(classes, sizes):
    return sum(v - len(column.unique()) for v, column in zip(sizes, classes.T, strict=True))


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (exercises.unseen_pairs, right_pairs),
        (exercises.unseen_pairs, lambda c, s: torch.tensor(right_pairs(c, s))),
        (exercises.set_latents, right_set),
        (exercises.set_latents, lambda z, o, k, v: torch.where(o == k, v, z)),
        (exercises.all_right, right_share),
        (exercises.all_right, lambda s, w: float(right_share(s, w))),
        (exercises.after_rotation, "add"),
        (exercises.after_rotation, " ADD "),
    ],
)
def test_right(check, answer, verdict):
    assert verdict(check, answer) == "Right.\n"


@pytest.mark.parametrize(
    ("check", "answer", "hint"),
    [
        (exercises.unseen_pairs, lambda c, s: len(c.unique(dim=0)), "that are there"),
        (exercises.unseen_pairs, lambda c, s: s[0] * s[1] - len(c), "you count rows"),
        (exercises.unseen_pairs, singles, "single values"),
        (exercises.unseen_pairs, of_seen_values, "in no row"),
        (exercises.unseen_pairs, of_largest_values, "in no row"),
        (exercises.unseen_pairs, lambda c, s: s[0] * s[1], "too large"),
        (exercises.unseen_pairs, lambda c, s: c, "one number"),
        (exercises.set_latents, set_in_place, "Change a copy"),
        (exercises.set_latents, lambda z, o, k, v: z, "as it was"),
        (exercises.set_latents, lambda z, o, k, v: torch.where(o == k, z + v, z), "replace it"),
        (exercises.set_latents, lambda z, o, k, v: v.expand_as(z), "every latent"),
        (exercises.set_latents, set_one, "latent k"),
        (exercises.set_latents, lambda z, o, k, v: torch.where(o != k, v, z), "values differ"),
        (exercises.all_right, lambda s, w: (s == w).double().mean(), "red pear"),
        (exercises.all_right, lambda s, w: 100 * right_share(s, w), "between 0 and 1"),
        (exercises.all_right, lambda s, w: (s == w).double().mean(0).prod(), "row by row"),
        (exercises.all_right, lambda s, w: (s == w).any(1).double().mean(), "ask for all"),
        (exercises.all_right, lambda s, w: 1 - right_share(s, w), "failures"),
        (exercises.all_right, lambda s, w: (s == w).all(1).sum(), "divide"),
        (exercises.all_right, lambda s, w: (s == w).all(1), "one number"),
        (exercises.after_rotation, "set", "bit of everything"),
        (exercises.after_rotation, "both", "latent j"),
        (exercises.after_rotation, "none", "turned together"),
        (exercises.after_rotation, "rotation", "choose one of"),
    ],
)
def test_wrong(check, answer, hint, verdict):
    said = verdict(check, answer)
    assert said.startswith("Not yet: ")
    assert hint in said


@pytest.mark.parametrize(
    ("check", "stub"),
    [
        (exercises.unseen_pairs, lambda classes, sizes: ...),
        (exercises.set_latents, lambda z, owner, k, value: None),
        (exercises.all_right, lambda said, wanted: ...),
        (exercises.after_rotation, ...),
    ],
)
def test_stub_is_not_answered(check, stub, verdict):
    assert verdict(check, stub).startswith("Not answered yet")


def the_images_themselves(seed, seen):
    truth = combinations.middle_fruits()
    return lambda wanted: truth.images(truth.find(wanted))


def good(seed, seen):
    """Stands for a good drawing: near the held-out image, not equal."""
    truth = the_images_themselves(seed, seen)
    return lambda wanted: 0.98 * truth(wanted)


def nearest_seen(seed, seen):
    """What is like the wanted one in kind and size, in a colour that was seen."""
    images, classes = (x(torch.arange(len(seen))) for x in (seen.images, seen.classes))

    def draw(wanted):
        apart = (classes != wanted[:, None]).double() @ torch.tensor([9.0, 1, 4]).double()
        return images[apart.argmin(1)]

    return draw


def no_apple(seed, seen):
    draw = good(seed, seen)

    def spoiled(wanted):
        images = draw(wanted)
        images[(wanted == torch.tensor([0, 5, 1])).all(1)] = 1.0
        return images

    return spoiled


def one_bad_seed(seed, seen):
    return nearest_seen(seed, seen) if seed == 2 else good(seed, seen)


def test_the_project_is_right_if_it_is_right_for_three_seeds(verdict):
    assert verdict(exercises.another_way, good) == "Right.\n"


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (the_images_themselves, "pixel by pixel"),
        (nearest_seen, "seed 0: the referee finds 0 % of the unseen and 100 % of the seen"),
        (one_bad_seed, "seed 2: the referee"),
        (no_apple, "small black apple is none"),
        (lambda seed, seen: lambda wanted: torch.ones(len(wanted), 24, 24), "have shape"),
        (lambda seed, seen: lambda w: torch.full((len(w), 3, 24, 24), torch.nan), "NaN"),
        (lambda seed, seen: torch.ones(3), "expected a function"),
    ],
)
def test_the_project_is_not_right_without_a_new_combination(answer, hint, verdict):
    said = verdict(exercises.another_way, answer)
    assert said.startswith("Not yet: ")
    assert hint in said


@pytest.mark.parametrize(
    "stub", [..., lambda seed, seen: ..., lambda seed, seen: lambda wanted: None]
)
def test_the_project_is_not_answered(stub, verdict):
    assert verdict(exercises.another_way, stub).startswith("Not answered yet")
