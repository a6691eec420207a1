"""dSprites (Matthey et al., 2017) drawn from its factors, with no download.

Of 20,000 published images that were compared, 19,999 are the same in every bit, and one differs
in one pixel. The tests hold the hashes of 400 of them.

Every sprite is a polygon. Its corners are snapped to 1/256 of a pixel, and a pixel is white if
its centre lies inside. All arithmetic after the snap is exact (integers), so the picture is the
same on every machine.
"""

import math
from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from .factors import FactorSpace

SIZE = 64
FACTORS = FactorSpace(
    ("shape", "scale", "orientation", "x", "y"),
    (3, 6, 40, 32, 32),
    ("nominal", "ordered", "ordered", "ordered", "ordered"),  # the angle is cut open at 0
)
SHAPES = ("square", "ellipse", "heart")

_HALF = 9.6  # half the side of the square at scale 1, in pixels
_FINE = 256  # corners are snapped to 1/256 of a pixel
_CENTRE = 128  # pixel centres sit half a pixel in
_CHUNK = 2048  # images at a time: small enough to stay in the processor's cache


def render(classes: Tensor | Sequence) -> Tensor:
    """Images of the given factor values: (B, 5) integers -> (B, 64, 64) uint8 of 0 and 1.

    The columns are shape, scale, orientation, x, y. The work happens on the device of `classes`.
    Raises ValueError for another shape, a dtype that is not integer or a value off the grid.
    """
    return unpack(render_packed(classes))


def render_packed(classes: Tensor | Sequence) -> Tensor:
    """As `render`, one bit a pixel: (B, 5) -> (B, 64) int64; bit j of word i is pixel (i, j)."""
    classes = FACTORS.check(classes)
    if classes.ndim != 2:
        raise ValueError(f"classes has shape {tuple(classes.shape)}; expected (images, 5).")
    rows = torch.zeros(len(classes), SIZE, dtype=torch.int64, device=classes.device)
    for shape, draw in enumerate((_draw_square, _draw_curve, _draw_curve)):
        chosen = (classes[:, 0] == shape).nonzero()[:, 0]
        for part in chosen.split(_CHUNK) if len(chosen) else ():
            x, y = _corners(classes[part])
            rows[part] = draw(x, y)
    return rows


def unpack(rows: Tensor) -> Tensor:
    """Words to pixels: (..., 64) int64 -> (..., 64, 64) uint8 of 0 and 1."""
    column = torch.arange(SIZE, device=rows.device)
    return ((rows[..., None] >> column) & 1).to(torch.uint8)


def _corners(classes: Tensor) -> tuple[Tensor, Tensor]:
    """Corner positions in 1/256 pixel, for images of one shape: two of (B, V) int32."""
    shape, scale, orientation, column, row = classes.unbind(1)
    turned = _turned_outlines(int(shape[0])).to(classes.device)[:, scale, orientation]
    centre = 16 + 32 * (torch.stack((column, row)).float() / 31)
    return (torch.floor((turned + centre[..., None]) * _FINE + 0.5).int()).unbind(0)


@cache
def _turned_outlines(shape: int) -> Tensor:
    """Outline of one shape at every scale and orientation: (2, 6, 40, V) float32, x then y."""
    if shape == 0:
        x = torch.tensor([-_HALF, _HALF, _HALF, -_HALF], dtype=torch.float64)
        y = torch.tensor([-_HALF, -_HALF, _HALF, _HALF], dtype=torch.float64)
    elif shape == 1:
        t = 2 * math.pi * torch.arange(100, dtype=torch.float64) / 100
        x, y = 1.33 * _HALF * t.cos(), _HALF / 1.33 * t.sin()
    else:
        t = 2 * math.pi * torch.arange(150, dtype=torch.float64) / 150
        wave = 13 * t.cos() - 5 * (2 * t).cos() - 2 * (3 * t).cos() - (4 * t).cos()
        x, y = _HALF * t.sin() ** 3, -0.15 * _HALF - _HALF / 14.5 * wave
    scale = (0.5 + 0.1 * torch.arange(6, dtype=torch.float64)).float()[:, None, None]
    # Single precision from here on, as in the published images: it decides some pixels.
    angle = (2 * math.pi * torch.arange(40, dtype=torch.float64) / 39).float().double()[:, None]
    cos, sin = angle.cos().float(), angle.sin().float()
    x, y = scale * x.float(), scale * y.float()
    return torch.stack((x * cos + y * sin, y * cos - x * sin))


def _crossings(x: Tensor, y: Tensor, row: Tensor) -> Tensor:
    """What each edge adds to the word of each row that it crosses, else 0.

    An edge crosses a row if low < centre <= high. The word -1 << column has all bits from that
    column on. The edge that enters the shape adds it, the edge that leaves takes it away, and the
    bits between them stay.
    x, y: (B, V) corners; row: (B, V, ...) -> int64 of that shape.
    """
    grow = (...,) + (None,) * (row.ndim - 2)
    x0, y0 = x[grow], y[grow]
    x1, y1 = x.roll(-1, 1)[grow], y.roll(-1, 1)[grow]
    height = y1 - y0
    centre = row * _FINE + _CENTRE
    crosses = (torch.minimum(y0, y1) < centre) & (centre <= torch.maximum(y0, y1))
    # x of the crossing, times the height, exactly; rounded up to the next pixel centre
    steep = height.abs().clamp(min=1)
    above = (x0 - _CENTRE) * steep + (centre - y0) * (x1 - x0) * height.sign()
    column = -torch.div(-above, _FINE * steep, rounding_mode="floor")
    bits = torch.bitwise_left_shift(torch.full_like(column, -1, dtype=torch.int64), column.long())
    return torch.where(crosses, -bits * height.sign(), 0)


def _draw_curve(x: Tensor, y: Tensor) -> Tensor:
    """Outlines whose edges are shorter than a pixel: each crosses at most one row. -> (B, 64)."""
    highest = torch.maximum(y, y.roll(-1, 1))
    row = torch.div(highest - _CENTRE, _FINE, rounding_mode="floor")
    rows = torch.zeros(len(x), SIZE, dtype=torch.int64, device=x.device)
    rows.scatter_add_(1, row.long(), _crossings(x, y, row))
    return rows


def _draw_square(x: Tensor, y: Tensor) -> Tensor:
    """Four long edges against all 64 rows. -> (B, 64)."""
    row = torch.arange(SIZE, dtype=torch.int32, device=x.device).expand(*x.shape, SIZE)
    return _crossings(x, y, row).sum(1)
