"""Fruits in colour, drawn from six factors: kind, colour, size, x, y and the background's shade.

A fruit moves by whole pixels. So each fruit is drawn once, on a canvas that is larger than the
image, and every image is a window cut out of such a canvas.
"""

import math
from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from .factors import FactorSpace

SIZE = 64
KINDS = ("apple", "pear", "banana", "grapes")
COLOURS = ("red", "yellow", "green", "blue", "purple", "black")
SIZES = ("tiny", "small", "medium", "big", "huge")
FACTORS = FactorSpace(
    ("kind", "colour", "size", "x", "y", "shade"),
    (4, 6, 5, 8, 8, 4),
    ("nominal", "nominal", "ordered", "ordered", "ordered", "ordered"),
)

STEP = 4  # pixels from one position to the next
FIRST = 18  # where the middle of a fruit is at position 0, in pixels
_RADIUS = 17  # half the side of the square that a huge fruit fills, in pixels
_CANVAS = 2 * (SIZE - FIRST)  # so large that all windows lie inside; the fruit is in the middle
_SAMPLES = 8  # along each side of a pixel: edges are averages of 64 samples

RGB = torch.tensor(
    [
        [0.86, 0.13, 0.13],
        [0.99, 0.81, 0.10],
        [0.33, 0.70, 0.20],
        [0.13, 0.36, 0.88],
        [0.60, 0.20, 0.68],
        [0.13, 0.13, 0.15],
    ],
    dtype=torch.float64,
)
SHADES = torch.tensor([0.95, 0.82, 0.69, 0.56], dtype=torch.float64)  # of grey, bright to dark
_LEAF, _DARK_LEAF = (0.25, 0.62, 0.22), (0.16, 0.42, 0.16)
_WOOD, _TIP = (0.42, 0.27, 0.13), (0.36, 0.24, 0.12)


def render(classes: Tensor | Sequence) -> Tensor:
    """Images of the given factor values: (B, 6) integers -> (B, 3, 64, 64) uint8.

    The columns are kind, colour, size, x, y, shade. The work happens on the device of `classes`.
    Raises ValueError for another shape, a dtype that is not integer or a value off the grid.
    """
    classes = FACTORS.check(classes)
    if classes.ndim != 2:
        raise ValueError(f"classes has shape {tuple(classes.shape)}; expected (images, 6).")
    kind, colour, size, x, y, shade = classes.unbind(1)
    windows = _canvases().to(classes.device).unfold(-2, SIZE, STEP).unfold(-2, SIZE, STEP)
    last = windows.shape[-3] - 1  # a window further left shows the fruit further right
    return windows[kind, colour, size, shade, :, last - y, last - x].contiguous()


def describe(classes: Tensor | Sequence) -> list[str]:
    """In words, for example "big red apple": (B, 6) -> B strings.

    Raises ValueError as `render` does.
    """
    classes = FACTORS.check(classes)
    if classes.ndim != 2:
        raise ValueError(f"classes has shape {tuple(classes.shape)}; expected (images, 6).")
    return [f"{SIZES[s]} {COLOURS[c]} {KINDS[k]}" for k, c, s in classes[:, :3].tolist()]


@cache
def _canvases() -> Tensor:
    """Every fruit on every shade: (4, 6, 5, 4, 3, canvas, canvas) uint8, 12 MB.

    Always made on the CPU, so that every device cuts from the same pixels.
    """
    light, extra, cover = _layers()
    colour = RGB[:, None, :, None, None]
    fruit = light[:, None, :, None] * colour + extra[:, None]  # kind, colour, size, channel
    fruit = torch.minimum(fruit, cover[:, None, :, None])  # no brighter than white
    behind = SHADES[:, None, None, None] * (1 - cover)[:, :, None, None]  # kind, size, shade
    return (255 * (fruit[:, :, :, None] + behind[:, None])).round().to(torch.uint8)


def layers() -> Tensor:
    """Every kind at every size as light, other light (red, green, blue) and cover: (4, 5, 5, H, W).

    The picture is min(light * colour + other light, cover) + shade * (1 - cover), with the middle
    of the square H x W at FIRST + STEP * x, FIRST + STEP * y.
    """
    light, extra, cover = _layers()
    half = math.ceil(_RADIUS) + 1
    inside = slice(_CANVAS // 2 - half, _CANVAS // 2 + half)
    whole = torch.cat((light[:, :, None], extra, cover[:, :, None]), 2)
    return whole[..., inside, inside]


def _layers() -> tuple[Tensor, Tensor, Tensor]:
    """What `_kind` gives, for all kinds: their dimension comes first."""
    light, extra, cover = zip(*map(_kind, range(4)), strict=True)
    return torch.stack(light), torch.stack(extra), torch.stack(cover)


def _kind(kind: int) -> tuple[Tensor, Tensor, Tensor]:
    """One kind at all sizes, averaged over the samples of each pixel.

    light (5, H, W): how much of the fruit's colour; extra (5, 3, H, W): light of other colours;
    cover (5, H, W): which part of the pixel is not background.
    """
    paint = (_apple, _pear, _banana, _grapes)[kind]
    line = (torch.arange(_CANVAS * _SAMPLES, dtype=torch.float64) + 0.5) / _SAMPLES - _CANVAS / 2
    sizes = []
    for size in range(FACTORS.sizes[2]):
        radius = _RADIUS * (0.5 + 0.125 * size)
        margin = (_CANVAS // 2 - math.ceil(radius)) * _SAMPLES  # nothing is drawn out there
        v, u = torch.meshgrid(*[line[margin:-margin] / radius] * 2, indexing="ij")
        picture = paint(u, v)
        fine = torch.zeros(5, len(line), len(line), dtype=torch.float64)
        fine[:, margin:-margin, margin:-margin] = picture
        sizes.append(torch.nn.functional.avg_pool2d(fine, _SAMPLES))
    light, extra, cover = torch.stack(sizes).split((1, 3, 1), dim=1)
    return light[:, 0], extra, cover[:, 0]


def _over(below: Tensor, mask: Tensor, light: Tensor | float, extra: Tensor | Sequence) -> Tensor:
    """Paints one more layer where the mask is true. below: (5, H, W), see `_kind`.

    light: (H, W) or a number; extra: (H, W) white light, or three numbers, a colour.
    """
    layer = torch.ones_like(below)
    layer[0] = light
    layer[1:4] = extra if isinstance(extra, Tensor) else torch.tensor(extra)[:, None, None]
    return torch.where(mask, layer, below)


def _empty(u: Tensor) -> Tensor:
    return torch.zeros(5, *u.shape, dtype=torch.float64)


def _lit(nx: Tensor, ny: Tensor) -> tuple[Tensor, Tensor]:
    """Light and gloss of a surface whose normal is (nx, ny, sqrt(1 - nx^2 - ny^2)), y down.

    The lamp is above, left of and in front of the picture.
    """
    nz = (1 - nx**2 - ny**2).clamp(0, 1).sqrt()
    diffuse = (-0.48 * nx - 0.56 * ny + 0.67 * nz).clamp(0, 1)
    half = (-0.26 * nx - 0.31 * ny + 0.91 * nz).clamp(0, 1)  # between the lamp and the eye
    return 0.38 + 0.68 * diffuse, 0.10 * diffuse**2 + 0.55 * half**40


def _turned(u: Tensor, v: Tensor, x: float, y: float, degrees: float) -> tuple[Tensor, Tensor]:
    """Coordinates along and across a direction (counter-clockwise from the right) from (x, y)."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return (u - x) * cos - (v - y) * sin, (u - x) * sin + (v - y) * cos


def _leaf(
    below: Tensor, u: Tensor, v: Tensor, x: float, y: float, degrees: float, length: float
) -> Tensor:
    """A leaf that starts at (x, y) and points in a direction."""
    along, across = _turned(u, v, x, y, degrees)
    t = (along / length).clamp(0, 1)
    width = 0.30 * length * (math.pi * t**0.8).sin()
    below = _over(below, (along > 0) & (along < length) & (across.abs() < width), 0, _LEAF)
    vein = (along > 0) & (along < length) & (across > 0) & (across < width)
    return _over(below, vein, 0, _DARK_LEAF)


def _stick(
    below: Tensor, u: Tensor, v: Tensor, ends: tuple[float, float, float, float], thick: float
) -> Tensor:
    """A straight piece of wood between (x0, y0) and (x1, y1) with round ends."""
    x0, y0, x1, y1 = ends
    dx, dy = x1 - x0, y1 - y0
    t = (((u - x0) * dx + (v - y0) * dy) / (dx**2 + dy**2)).clamp(0, 1)
    near = (u - x0 - t * dx) ** 2 + (v - y0 - t * dy) ** 2 < thick**2
    return _over(below, near, 0, _WOOD)


def _apple(u: Tensor, v: Tensor) -> Tensor:
    """Round, wider than high, with a hollow at the top and a small one at the bottom."""
    x, y = u, v - 0.15
    radius = torch.hypot(x, y)
    top, bottom = torch.atan2(x, -y), torch.atan2(x, y)  # angles from straight up, straight down
    edge = 0.84 - 0.30 * (-((top / 0.42) ** 2)).exp() - 0.09 * (-((bottom / 0.35) ** 2)).exp()
    edge = edge * (1 + 0.07 * (-(((top.abs() - 0.75) / 0.45) ** 2)).exp())
    ratio = radius / edge
    scale = ratio / radius.clamp(min=1e-9)
    light, gloss = _lit(x * scale, y * scale)
    hollow = 1 - 0.45 * (-((x / 0.22) ** 2 + ((y + 0.58) / 0.14) ** 2)).exp()
    picture = _over(_empty(u), ratio < 1, light * hollow, gloss * hollow)
    picture = _stick(picture, u, v, (0.0, -0.40, 0.10, -0.90), 0.075)
    return _leaf(picture, u, v, 0.10, -0.62, 22, 0.68)


def _pear(u: Tensor, v: Tensor) -> Tensor:
    """A solid of revolution: half as wide as `width` at each height, with a thin neck."""
    high, low = -0.72, 0.98
    s = ((v - (high + low) / 2) / ((low - high) / 2)).clamp(-1, 1)
    width = (1 - s**2).sqrt() * (0.57 + 0.33 * s - 0.16 * (-(((s + 0.35) / 0.40) ** 2)).exp())
    slope = torch.gradient(width, spacing=(v[:, 0],), dim=0)[0]
    across = u / width.clamp(min=1e-9)
    steep = (1 + slope**2).sqrt()
    light, gloss = _lit(across / steep, -slope / steep)
    picture = _over(_empty(u), (v > high) & (v < low) & (across.abs() < 1), light, gloss)
    picture = _stick(picture, u, v, (0.0, -0.64, 0.12, -0.93), 0.07)
    return _leaf(picture, u, v, 0.05, -0.74, 10, 0.60)


def _banana(u: Tensor, v: Tensor) -> Tensor:
    """A bent rod, thick in the middle, with dark ends."""
    x, y, bend = u + 0.10, v + 0.38, 0.84  # the circle that the middle of the rod lies on
    radius, angle = torch.hypot(x, y), torch.atan2(y, x)
    t = (angle.rad2deg() + 34) / 184  # from 0 at the stem, upper right, to 1 at the lower left
    s = (2 * t - 1).clamp(-1, 1)
    half = 0.07 + 0.24 * (1 - s**2) ** 0.9
    across = (radius - bend) / half
    shape = (t > 0) & (t < 1) & (across.abs() < 1)
    light, gloss = _lit(across * angle.cos(), across * angle.sin())
    ridge = 1 - 0.36 * (-(((across - 0.12) / 0.13) ** 2)).exp()
    picture = _over(_empty(u), shape, light * ridge, gloss)
    return _over(picture, shape & ((t < 0.10) | (t > 0.95)), 0, _TIP)


def _grapes(u: Tensor, v: Tensor) -> Tensor:
    """Ten balls in rows of four, three, two and one, a stem and a leaf."""
    ball, picture = 0.27, _empty(u)
    picture = _stick(picture, u, v, (0.0, -0.5, 0.05, -0.92), 0.07)
    for row, count in enumerate((4, 3, 2, 1)):
        for place in range(count):
            x = (place - (count - 1) / 2) * 0.46
            y = -0.38 + 0.36 * row
            dx, dy = (u - x) / ball, (v - y) / ball
            light, gloss = _lit(dx, dy)
            picture = _over(picture, dx**2 + dy**2 < 1, light, gloss)
    return _leaf(picture, u, v, 0.02, -0.62, 15, 0.62)
