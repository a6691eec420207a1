"""The fruits: every factor changes what its name says, and nothing else."""

import itertools

import torch

from dvae_helpers import fruits

KIND, COLOUR, SIZE, X, Y, SHADE = range(6)


def some_classes(n, seed):
    return fruits.FACTORS.sample(n, torch.Generator().manual_seed(seed))


def with_value(classes, factor, value):
    changed = classes.clone()
    changed[:, factor] = value
    return changed


def covered(classes):
    """Pixels of which the fruit covers at least a part: (B, 64, 64)."""
    bright, dark = (fruits.render(with_value(classes, SHADE, shade)) for shade in (0, 3))
    return ((bright != bright[:, :, :1, :1]) | (dark != dark[:, :, :1, :1])).any(1)


def test_one_position_further_is_four_pixels_further():
    classes = some_classes(80, 4)
    for factor, axis in ((X, -1), (Y, -2)):
        start = fruits.render(with_value(classes, factor, 0))
        for value in (1, 7):
            moved = fruits.render(with_value(classes, factor, value))
            assert torch.equal(moved, start.roll(4 * value, axis))


def test_every_fruit_fits_and_is_in_the_middle_of_its_place():
    kinds = itertools.product(*map(range, fruits.FACTORS.sizes[:3]), (0, 7), (0, 7), (0, 3))
    classes = torch.tensor(list(kinds))
    mask = covered(classes)
    edge = torch.cat((mask[:, 0], mask[:, -1], mask[:, :, 0], mask[:, :, -1]), 1)
    assert not edge.any()
    line = torch.arange(64)
    for factor, along in ((X, mask.any(1)), (Y, mask.any(2))):
        first = torch.where(along, line, 64).amin(1)
        last = torch.where(along, line, -1).amax(1)
        middle = (first + last + 1) / 2
        assert ((middle - 18 - 4 * classes[:, factor]).abs() <= 3).all()


def test_a_larger_size_covers_more():
    classes = some_classes(50, 5)
    areas = [covered(with_value(classes, SIZE, size)).flatten(1).sum(1) for size in range(5)]
    for small, large in itertools.pairwise(areas):
        assert (large > 1.15 * small).all()
    assert (areas[4] > 3.2 * areas[0]).all()  # twice as high and wide, less the blurred edge


def test_the_shade_changes_only_the_background():
    classes = some_classes(60, 6)
    images = [fruits.render(with_value(classes, SHADE, shade)).int() for shade in range(4)]
    background = [image[:, :, 0, 0] for image in images]
    for level, shade in zip(background, (0.95, 0.82, 0.69, 0.56), strict=True):
        assert (level == round(255 * shade)).all()
    mask = covered(classes)
    for image, level in zip(images, background, strict=True):
        outside = ~mask[:, None].expand_as(image)
        assert torch.equal(image[outside], level[:, :, None, None].expand_as(image)[outside])
    # A pixel changes by its uncovered part of the whole change: the same part for every shade.
    parts = [
        (images[0] - images[shade]) / (background[0] - background[shade])[:, :, None, None]
        for shade in (1, 2, 3)
    ]
    assert (parts[2] == 0).all(1).flatten(1).sum(1).min() > 20  # the inside of the fruit stays
    for part in parts:
        assert part.min() >= -1e-6
        assert (part - parts[2]).abs().max() < 0.05  # rounding to whole grey values
        assert (part - part[:, :1]).abs().max() < 0.07  # the same in all channels


def test_colour_and_shade_leave_the_outline_as_it_is():
    classes = some_classes(40, 7)
    dark = [with_value(with_value(classes, COLOUR, colour), SHADE, 3) for colour in range(6)]
    bright = [with_value(change, SHADE, 0) for change in dark]
    uncovered = [
        (fruits.render(a).int() - fruits.render(b).int()) for a, b in zip(bright, dark, strict=True)
    ]
    for one in uncovered[1:]:
        assert (one - uncovered[0]).abs().max() <= 2  # rounding


def test_the_colour_is_the_one_that_is_named():
    classes = some_classes(60, 8)
    for colour, name in enumerate(fruits.COLOURS):
        images = fruits.render(with_value(classes, COLOUR, colour)).float()
        others = fruits.render(with_value(classes, COLOUR, (colour + 1) % 6)).float()
        body = (images - others).abs().sum(1) > 60  # leaf, stem and background do not change
        mean = torch.stack([images[n][:, body[n]].mean(1) for n in range(len(images))]).mean(0)
        red, green, blue = mean.tolist()
        assert {
            "red": red > 2 * green and red > 2 * blue,
            "yellow": min(red, green) > 2 * blue and red > green,
            "green": green > 1.4 * red and green > 1.4 * blue,
            "blue": blue > 1.8 * red and blue > 1.5 * green,
            "purple": min(red, blue) > 1.5 * green and blue > red,
            "black": max(red, green, blue) < 60,
        }[name], (name, mean)


def test_black_fruits_are_darker_than_every_background():
    classes = with_value(with_value(some_classes(40, 9), COLOUR, 5), SHADE, 3)
    images = fruits.render(classes).float().mean(1)
    assert (images.flatten(1).kthvalue(40, dim=1).values < 0.4 * images[:, 0, 0]).all()


def test_kinds_have_different_outlines():
    base = torch.tensor([[kind, 5, 0, 3, 4, 0] for kind in range(4)])
    mask = covered(base)
    for one, other in itertools.combinations(range(4), 2):
        overlap = (mask[one] & mask[other]).sum() / (mask[one] | mask[other]).sum()
        assert overlap < 0.85, (fruits.KINDS[one], fruits.KINDS[other])


def test_edges_are_smooth():
    """Many pixels are partly covered: with hard edges there would be none."""
    classes = with_value(some_classes(30, 10), COLOUR, 5)
    dark = fruits.render(with_value(classes, SHADE, 3))[:, 0].int()
    bright = fruits.render(with_value(classes, SHADE, 0))[:, 0].int()
    open_part = (bright - dark) / (242 - 143)
    between = (open_part > 0.05) & (open_part < 0.95)
    assert (between.flatten(1).sum(1) > 15).all()


def test_names():
    assert (
        tuple(map(len, (fruits.KINDS, fruits.COLOURS, fruits.SIZES))) == (fruits.FACTORS.sizes[:3])
    )
    classes = [[0, 0, 3, 1, 2, 3], [3, 5, 1, 0, 0, 0]]
    assert fruits.describe(classes) == ["big red apple", "small black grapes"]
