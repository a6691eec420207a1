"""The renderer against the real images, and against a slow and independent one."""

import csv
import hashlib
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from dvae_helpers import sprites


def slow_sprite(shape, scale, orientation, x, y):
    """One sprite by the definition: each of 64 x 64 pixel centres against each edge, even-odd.

    A point lies inside if an odd number of edges pass at or to the left of it in its row; an edge
    is in a row if low < y <= high. Exact integers after the snap to 1/256 pixel.
    """
    half = 9.6
    if shape == 0:
        outline = [(-half, -half), (half, -half), (half, half), (-half, half)]
    elif shape == 1:
        angles = [2 * math.pi * k / 100 for k in range(100)]
        outline = [(1.33 * half * math.cos(t), half / 1.33 * math.sin(t)) for t in angles]
    else:
        outline = []
        for t in (2 * math.pi * k / 150 for k in range(150)):
            wave = 13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)
            outline.append((half * math.sin(t) ** 3, -0.15 * half - half / 14.5 * wave))
    single = np.float32
    theta = float(single(2 * math.pi * orientation / 39))
    cos, sin = single(math.cos(theta)), single(math.sin(theta))
    size = single(0.5 + 0.1 * scale)
    centre_x = single(16) + single(32) * (single(x) / single(31))
    centre_y = single(16) + single(32) * (single(y) / single(31))
    corners = []
    for along, down in outline:
        along, down = size * single(along), size * single(down)
        at_x = (along * cos + down * sin) + centre_x
        at_y = (down * cos - along * sin) + centre_y
        half_up = single(0.5)
        corners.append(
            (math.floor(single(256) * at_x + half_up), math.floor(single(256) * at_y + half_up))
        )
    image = np.zeros((64, 64), np.uint8)
    px = 256 * np.arange(64)[None, :] + 128
    py = 256 * np.arange(64)[:, None] + 128
    for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
        if y0 > y1:
            x0, y0, x1, y1 = x1, y1, x0, y0
        if y0 == y1:
            continue
        in_row = (y0 < py) & (py <= y1)
        left_of = (px - x0) * (y1 - y0) >= (py - y0) * (x1 - x0)
        image ^= (in_row & left_of).astype(np.uint8)
    return torch.from_numpy(image)


def some_classes(n, seed):
    return sprites.FACTORS.sample(n, torch.Generator().manual_seed(seed))


def test_equals_400_real_images_by_their_hashes():
    """SHA-256 (its first 16 digits) of published images, eight pixels in a byte."""
    path = Path(__file__).with_name("dsprites_hashes.csv")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 400
    classes = torch.tensor([[int(row[name]) for name in sprites.FACTORS.names] for row in rows])
    bits = np.packbits(sprites.render(classes).numpy(), axis=-1, bitorder="little")
    found = [hashlib.sha256(image.tobytes()).hexdigest()[:16] for image in bits]
    assert found == [row["sha256"] for row in rows]


def test_equals_a_sample_of_real_images_but_for_a_pixel_in_one_of_20000(subset_path):
    with np.load(subset_path, allow_pickle=False) as file:
        real = torch.from_numpy(file["imgs"])
        classes = torch.from_numpy(file["latents_classes"][:, -5:])
    wrong = (sprites.render(classes) != real).flatten(1).sum(1)
    assert int((wrong > 0).sum()) <= max(1, len(real) // 5000)
    assert int(wrong.max()) <= 1


def test_equals_a_slow_point_in_polygon_test():
    corners_of_the_grid = [[0, 5, 0, 31, 0], [1, 0, 13, 0, 31], [2, 5, 39, 31, 31]]
    level_with_centres = [[0, 1, 0, 3, 23], [1, 3, 18, 28, 12], [2, 0, 6, 24, 5]]
    in_line_with_centres = [[0, 1, 0, 8, 9], [1, 2, 39, 21, 22], [2, 1, 27, 4, 7]]
    chosen = torch.tensor(corners_of_the_grid + level_with_centres + in_line_with_centres)
    classes = torch.cat([some_classes(40, 7), chosen])
    images = sprites.render(classes)
    for row, image in zip(classes.tolist(), images, strict=True):
        assert torch.equal(image, slow_sprite(*row)), row


@pytest.mark.parametrize(
    ("classes", "rows", "columns"),
    [
        ([0, 5, 0, 0, 0], (6, 26), (6, 26)),  # 16 +- 9.6 has the centres 6.5 ... 25.5
        ([0, 5, 0, 31, 0], (6, 26), (38, 58)),  # x = 31: 32 pixels to the right
        ([0, 5, 0, 0, 31], (38, 58), (6, 26)),  # y = 31: 32 pixels down
        ([0, 0, 0, 31, 0], (11, 21), (43, 53)),  # half the size: +- 4.8
    ],
)
def test_upright_squares_by_hand(classes, rows, columns):
    expected = torch.zeros(64, 64, dtype=torch.uint8)
    expected[slice(*rows), slice(*columns)] = 1
    assert torch.equal(sprites.render([classes])[0], expected)


def test_the_heart_stands_on_its_tip_and_turns_counter_clockwise():
    upright, turned = sprites.render([[2, 5, 0, 3, 3], [2, 5, 10, 3, 3]]).long()
    widths = upright.sum(1)[upright.sum(1) > 0]
    assert int(widths[-1]) < 4 < int(widths[4])  # tip below
    heights = turned.sum(0)[turned.sum(0) > 0]
    assert int(heights[-1]) < 4 < int(heights[4])  # after about 90 degrees: tip on the right


def test_the_first_and_the_last_orientation_are_the_same():
    classes = some_classes(300, 8)
    first, last = classes.clone(), classes.clone()
    first[:, 2], last[:, 2] = 0, 39
    assert torch.equal(sprites.render(first), sprites.render(last))


def test_other_orientations_differ():
    hearts = torch.tensor([[2, 5, turn, 9, 20] for turn in range(39)])
    images = sprites.render(hearts).flatten(1)
    assert len(images.unique(dim=0)) == 39


def test_images_do_not_depend_on_their_batch():
    classes = some_classes(5000, 9)  # more than one part of each shape
    images = sprites.render(classes)
    order = torch.randperm(5000, generator=torch.Generator().manual_seed(10))
    assert torch.equal(sprites.render(classes[order]), images[order])
    alone = torch.cat([sprites.render(classes[n : n + 1]) for n in range(20)])
    assert torch.equal(alone, images[:20])


def test_packed_and_unpacked_agree():
    classes = some_classes(50, 11)
    rows = sprites.render_packed(classes)
    assert rows.shape == (50, 64)
    assert rows.dtype == torch.int64
    assert torch.equal(sprites.unpack(rows), sprites.render(classes))


def test_unpack_reads_bit_j_as_column_j_the_sign_bit_too():
    rows = torch.zeros(2, 64, dtype=torch.int64)
    rows[0, 3] = (1 << 5) | (1 << 62)
    rows[1, 7] = -(1 << 63)
    image = sprites.unpack(rows)
    assert image.nonzero().tolist() == [[0, 3, 5], [0, 3, 62], [1, 7, 63]]
    assert image.dtype == torch.uint8


def test_any_integers_are_classes():
    classes = some_classes(6, 12)
    expected = sprites.render(classes)
    assert torch.equal(sprites.render(classes.to(torch.uint8)), expected)
    assert torch.equal(sprites.render(classes.int()), expected)
    assert torch.equal(sprites.render(classes.tolist()), expected)


def test_no_classes_give_no_images():
    assert sprites.render(torch.empty(0, 5, dtype=torch.int64)).shape == (0, 64, 64)
    assert sprites.render_packed(torch.empty(0, 5, dtype=torch.int64)).shape == (0, 64)


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        (torch.zeros(3, 5), "float32"),
        (torch.full((3, 5), math.nan), "float32"),
        (torch.zeros(3, 5, dtype=torch.bool), "bool"),
        (torch.zeros(3, 4, dtype=torch.int64), r"\(3, 4\)"),
        (torch.zeros(3, 6, dtype=torch.int64), r"\(3, 6\)"),
        (torch.zeros(5, dtype=torch.int64), r"\(5,\)"),
        (torch.zeros(2, 3, 5, dtype=torch.int64), r"\(2, 3, 5\)"),
        ([[0, 0, 40, 0, 0]], "'orientation' has values from 40"),
        ([[3, 0, 0, 0, 0]], "'shape' has values from 3"),
        ([[0, 0, 0, 0, -1]], "'y' has values from -1"),
    ],
)
def test_bad_classes_are_refused_and_named(classes, said):
    for call in (sprites.render, sprites.render_packed):
        with pytest.raises(ValueError, match=said):
            call(classes)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_draws_the_same_bits():
    classes = some_classes(20_000, 13)
    assert torch.equal(sprites.render_packed(classes.cuda()).cpu(), sprites.render_packed(classes))
