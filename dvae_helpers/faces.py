"""Cartoon faces, drawn from eight factors.

Hair length and colour, age, skin tone, face shape, facial hair, smile and pose.

The factors are those of a drawing. None of them is a person's gender, origin or health: a drawing
with long hair is a drawing with long hair, and one with a beard is one with a beard. On the grid
every combination is equally frequent: children with grey hair are as common as old people with
it, and a full beard as common below long hair as below short.

The values of a factor are in an order, in steps that are as even as the drawing allows.

A face is a stack of flat layers. A layer is a part of the hair's colour, a part of the skin's
colour, or a colour of its own, so one stack serves all colours. The mouth is drawn apart from the
head, since the smile changes nothing else, and is laid over it.
"""

import functools
import itertools
import math
from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from .factors import FactorSpace
from .progress import tqdm

SIZE = 64
LENGTHS = ("short", "chin-long", "long")
COLOURS = ("black", "brown", "blond", "grey")
AGES = ("child", "adult", "old adult")
SHAPES = ("oval", "square", "round")  # from narrow to wide
BEARDS = ("no facial hair", "moustache", "full beard")
SMILES = ("sad", "serious", "friendly", "smiling", "laughing")
POSES = ("far left", "left", "to the front", "right", "far right")  # as the viewer sees it
FACTORS = FactorSpace(
    (
        "hair length",
        "hair colour",
        "age",
        "skin tone",
        "face shape",
        "facial hair",
        "smile",
        "pose",
    ),
    (3, 4, 3, 4, 3, 3, 5, 5),
    # Skin tones run from light to dark, facial hair from none to much; colours of hair and shapes
    # of a face are in no order.
    ("ordered", "nominal", "ordered", "ordered", "nominal", "ordered", "ordered", "ordered"),
)

_FINE = 2  # samples along each side of a pixel; edges are also smooth within a sample
_MIDDLE = (32.0, 28.5)  # where the middle of the head is, in pixels
_UNIT = 1.2  # pixels; the sizes below are in this unit
_INNER = (slice(14, 58), slice(6, 58))  # rows and columns of the face and its features
_MOUTH = (slice(32, 54), slice(8, 56))  # rows and columns that a mouth can touch
_YAW = math.radians(8)  # from one pose to the next

_HAIR = torch.tensor(
    [
        [0.20, 0.18, 0.19],
        [0.43, 0.27, 0.16],
        [0.84, 0.66, 0.31],
        [0.68, 0.68, 0.72],
    ]
)
_SKIN = torch.tensor(
    [
        [1.00, 0.87, 0.77],
        [0.88, 0.68, 0.52],
        [0.68, 0.47, 0.33],
        [0.46, 0.30, 0.22],
    ]
)
_WALL, _SHIRT, _COLLAR = (0.74, 0.87, 0.93), (0.20, 0.47, 0.62), (0.15, 0.38, 0.52)
_WHITE, _IRIS, _LINE = (1.0, 1.0, 1.0), (0.17, 0.11, 0.10), (0.20, 0.13, 0.12)
_LIP, _THROAT, _TONGUE = (0.22, 0.05, 0.07), (0.42, 0.08, 0.11), (0.85, 0.36, 0.38)

# By age: eye height, half an eye's width and height, mouth, chin, half the neck, depth of lines.
_EYES_AT = (2.0, 0.2, -0.6)
_EYE = ((4.0, 4.2), (3.7, 3.4), (3.3, 2.5))
_MOUTH_AT = (11.6, 11.8, 12.0)
_CHIN = (17.6, 18.8, 19.8)
_NECK = (5.2, 6.2, 6.6)
_LINES = (0.0, 0.06, 0.34)
# By face shape: half the width, the jaw's power (2: an ellipse, more: a box), extra chin.
_WIDE, _JAW, _LONGER = (15.0, 16.2, 17.6), (2.0, 3.0, 2.2), (1.0, 0.2, -0.6)
_ENDS = (None, 19.0, 40.0)  # by hair length: how far down it hangs


def render(classes: Tensor | Sequence) -> Tensor:
    """Images of the given factor values: (B, 8) integers -> (B, 3, 64, 64) uint8.

    The columns are in the order of `FACTORS.names`. The work happens on the device of `classes`.
    Raises ValueError for another shape, a dtype that is not integer or a value off the grid.
    """
    length, colour, age, skin, shape, beard, smile, pose = _columns(classes)
    heads, mouths, covers = _parts(length.device)
    images = heads[length, age, shape, beard, pose, colour, skin]
    below = images[:, :, *_MOUTH].int()
    cover = covers[smile, age, shape, pose][:, None].int()
    mouth = mouths[smile, age, shape, pose, skin].int()
    images[:, :, *_MOUTH] = mouth + (below * (255 - cover) + 127).div(255, rounding_mode="floor")
    return images


def describe(classes: Tensor | Sequence) -> list[str]:
    """In words: "adult, long blond hair, skin tone 2 of 4, oval face, moustache, sad, turned left".

    (B, 8) -> B strings. Raises ValueError as `render` does.
    """
    words = []
    columns = torch.stack(_columns(classes), 1).tolist()
    for length, colour, age, skin, shape, beard, smile, pose in columns:
        words.append(
            f"{AGES[age]}, {LENGTHS[length]} {COLOURS[colour]} hair, "
            f"skin tone {skin + 1} of {len(_SKIN)}, {SHAPES[shape]} face, "
            f"{BEARDS[beard]}, {SMILES[smile]}, "
            f"turned {POSES[pose]}"
        )
    return words


def _columns(classes: Tensor | Sequence) -> tuple[Tensor, ...]:
    classes = FACTORS.check(classes)
    if classes.ndim != 2:
        raise ValueError(f"classes has shape {tuple(classes.shape)}; expected (images, 8).")
    return classes.unbind(1)


@cache
def _parts(device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Every head and every mouth, uint8, 90 MB in all.

    heads (length, age, shape, beard, pose, colour, skin, 3, 64, 64); mouths (smile, age, shape,
    pose, skin, 3, h, w): colour times cover; covers (smile, age, shape, pose, h, w).
    Always drawn on the CPU, so that every device copies the same pixels.
    """
    if device.type != "cpu":
        return tuple(part.to(device) for part in _parts(torch.device("cpu")))
    yaws = [_YAW * (pose - len(POSES) // 2) for pose in range(len(POSES))]
    ages, shapes, beards = (range(len(names)) for names in (AGES, SHAPES, BEARDS))
    heads, mouths, covers = [], [], []
    all_heads = list(itertools.product(range(len(LENGTHS)), ages, shapes, beards, yaws))
    for which in tqdm(all_heads, desc="drawing heads", leave=False, delay=1):
        hair, skin, rest = _head(*which).split((1, 1, 3))
        colours = hair * _HAIR[:, None, :, None, None] + skin * _SKIN[:, :, None, None] + rest
        heads.append(_bytes(colours))
    for which in itertools.product(range(len(SMILES)), ages, shapes, yaws):
        cover, skin, rest = _mouth(*which).split((1, 1, 3))
        mouths.append(_bytes(skin * _SKIN[:, :, None, None] + rest))
        covers.append(_bytes(cover[0]))
    sizes = (len(AGES), len(SHAPES), len(POSES))
    return (
        torch.stack(heads).unflatten(0, (len(LENGTHS), *sizes[:2], len(BEARDS), sizes[2])),
        torch.stack(mouths).unflatten(0, (len(SMILES), *sizes)),
        torch.stack(covers).unflatten(0, (len(SMILES), *sizes)),
    )


def _bytes(colour: Tensor) -> Tensor:
    return (255 * colour.clamp(0, 1)).round().to(torch.uint8)


def _samples(rows: slice, columns: slice) -> tuple[Tensor, Tensor]:
    """Coordinates u (1, W) and v (H, 1) of the samples, in units from the middle of the head."""
    line = (torch.arange(SIZE * _FINE) + 0.5) / _FINE
    v, u = (line[part.start * _FINE : part.stop * _FINE] for part in (rows, columns))
    return (u[None] - _MIDDLE[0]) / _UNIT, (v[:, None] - _MIDDLE[1]) / _UNIT


def _over(
    picture: Tensor,
    away: Tensor,
    hair: Tensor | float = 0,
    skin: Tensor | float = 0,
    colour: Sequence[float] = (0, 0, 0),
    strength: float = 1,
) -> None:
    """Paints one more layer on (5, H, W): parts of hair and skin, and a colour.

    away: signed distance from the layer's edge in units, (H, W), negative inside.
    """
    cover = strength * (0.5 - _FINE * _UNIT * away).clamp(0, 1)
    for channel, value in zip(picture, (hair, skin, *colour), strict=True):
        channel += cover * (value - channel)


def _both(*away: Tensor) -> Tensor:
    """Distance from the edge of what lies inside all of these."""
    return functools.reduce(torch.maximum, away)


def _oval(
    u: Tensor,
    v: Tensor,
    middle: tuple[float, float],
    radii: tuple[Tensor | float, Tensor | float],
    power: Tensor | float = 2,
) -> Tensor:
    """Distance from the edge of |x/a|^n + |y/b|^n = 1, along the ray from its middle."""
    x, y = u - middle[0], v - middle[1]
    ray = (x * x + y * y).sqrt().clamp(min=1e-3)
    level = ((x / radii[0]).abs() ** power + (y / radii[1]).abs() ** power) ** (1 / power)
    return ray - ray / level.clamp(min=1e-5)


def _arc(
    u: Tensor,
    v: Tensor,
    middle: tuple[float, float],
    half: float,
    bend: float,
    thick: float,
    tilt: float = 0,
) -> Tensor:
    """Distance from a stroke with round ends: its ends lie `bend` pixels below its middle."""
    x, y = u - middle[0], v - middle[1]
    t = (x / half).clamp(-1, 1)
    slope = 2 * bend * t / half + tilt
    along, up = x - half * t, y - bend * t**2 - tilt * half * t
    return (along**2 + up**2 / (1 + slope**2)).sqrt() - thick / 2


def _turned(yaw: float, degrees: float, radius: float) -> tuple[float, float]:
    """Where a point of the turned head is, from its middle, and how narrow it looks."""
    angle = yaw + math.radians(degrees)
    return radius * math.sin(angle), math.cos(angle)


def _face(u: Tensor, v: Tensor, yaw: float, age: int, shape: int) -> Tensor:
    """Distance from the face's edge."""
    low = v > 0
    high = torch.where(low, _CHIN[age] + _LONGER[shape], 19.0)
    power = torch.where(low, _JAW[shape], 2.0)
    return _oval(u, v, (4.5 * math.sin(yaw), 0.0), (_WIDE[shape], high), power)


def _head(length: int, age: int, shape: int, beard: int, yaw: float) -> Tensor:
    """All but the mouth: (5, 64, 64), averaged over the samples of each pixel."""
    u, v = _samples(slice(0, SIZE), slice(0, SIZE))
    turn, wide = math.sin(yaw), _WIDE[shape]
    middle, back = 4.5 * turn, -2.5 * turn
    face = _face(u, v, yaw, age, shape)
    picture = torch.zeros(5, SIZE * _FINE, SIZE * _FINE)
    picture[2:] = torch.tensor(_WALL)[:, None, None]

    # Behind the face: the hair at the back, the neck, the shirt, the ears.
    volume, top = ((2.4, 21.6), (2.6, 21.5), (2.6, 21.5))[length]
    cap = _oval(u, v, (0.2 * back, -3.0), (wide + volume, top), 2.1)
    if length == 0:
        cap = cap - 1.1 * (4.5 * torch.atan2(u + 3, -v)).sin().abs() * (v < -4)
    locks = []
    if length >= 1:
        down = (v + 3).clamp(0, 30)
        sway = 0.9 * ((v + 3) / 5).sin() * down / 12 if length == 2 else 0.0
        half = wide + volume + 1.5 * (down / 12).clamp(0, 1)
        side = (u - back * down / 12 + sway).abs() - half
        hem = v - _ENDS[length] + (0.014 * (u - back) ** 2 if length == 1 else 0)
        curtain = torch.where(v < -3, cap, _both(side, hem))
        _over(picture, curtain, hair=0.68)
        locks = [
            _both(curtain, -3 - v, wide - 1.4 - 4 * s * turn - s * (u - middle)) for s in (-1, 1)
        ]
    neck = _both((u - 0.5 * middle).abs() - _NECK[age], 8 - v)
    _over(picture, neck, skin=0.80)
    low = 20.8 + _CHIN[age]
    shirt = _oval(u, v, (0.0, low), (17.0 + 1.6 * _NECK[age], 15.0), 2.8)
    hole = _oval(u, v, (0.5 * middle, low - 17), (_NECK[age] + 2.2, 5.0))
    _over(picture, _both(shirt, -hole), colour=_SHIRT)
    _over(picture, _both(shirt, (hole - 0.8).abs() - 0.8), colour=_COLLAR)
    for s in (-1, 1):
        ear = (middle + s * (wide + 0.2) - 4.5 * turn, _EYES_AT[age] + 2.5)
        _over(picture, _oval(u, v, ear, (3.2, 4.4)), skin=0.93)
        _over(picture, _oval(u, v, ear, (1.6, 2.6)), skin=0.78)

    _over(picture, face, skin=1 - 0.10 * ((u - middle + 9 * turn) / wide).clamp(0, 1) ** 2)
    _features(picture, yaw, age, shape)
    _beard(picture, yaw, age, shape, beard)

    # In front: the hair over the forehead and at the sides, with its shadow.
    line, front = _EYES_AT[age] - 10.5, 7.0 * turn
    left = _oval(u, v, (0.8 * front - 3.0, line + 13.5), (wide - 3.2, 14.8), 2.6)
    right = _oval(u, v, (0.8 * front + 2.0, line + 15.5), (wide - 2.4, 16.8), 2.4)
    opening = torch.minimum(left, right)
    fringe = _both(cap, -opening, v - _EYES_AT[age] - 3.0)
    _over(picture, _both(fringe - 1.2, face), skin=0.80, strength=0.7)
    root = torch.atan2(u - front - 6, v + 27)
    strands = 0.05 * (16 * root).sin() * ((v + 22) / 8).clamp(0, 1)
    shine = (-(((v + 15 - 0.02 * (u - 3) ** 2) / 1.7) ** 2) - ((u + 5) / 9) ** 2).exp()
    tone = 0.96 + 0.22 * shine + strands
    for lock in locks:
        _over(picture, lock, hair=0.90 + 0.05 * (1.6 * (u + 0.25 * v)).sin())
    _over(picture, fringe, hair=tone)
    return torch.nn.functional.avg_pool2d(picture, _FINE)


def _features(picture: Tensor, yaw: float, age: int, shape: int) -> None:
    """Eyes, brows, nose, cheeks and the lines of age, which turn with the head."""
    (top, bottom), (left, right) = ([_FINE * part.start, _FINE * part.stop] for part in _INNER)
    picture = picture[:, top:bottom, left:right]
    u, v = _samples(*_INNER)
    face = _face(u, v, yaw, age, shape)
    at, (a, b), old = _EYES_AT[age], _EYE[age], _LINES[age]
    radius = 12.0 + 0.3 * _WIDE[shape]
    for s in (-1, 1):
        x, narrow = _turned(yaw, s * 34, radius)
        blush = _oval(u, v, (x, at + 6.8), (3.6 * narrow, 2.3))
        _over(picture, _both(blush, face), skin=0.86, colour=(0.12, 0.0, 0.0), strength=0.6)
        x, narrow = _turned(yaw, s * 25, radius)
        wide = a * (0.25 + 0.75 * narrow)
        ball = _both(_oval(u, v, (x, at), (wide, b)), face)
        _over(picture, ball, colour=_WHITE)
        iris = x + 2.0 * math.sin(yaw)
        size = (min(b, 2.3) * (0.4 + 0.6 * narrow), min(b + 0.1, 2.5))
        _over(picture, _both(_oval(u, v, (iris, at + 0.2), size), ball), colour=_IRIS)
        _over(
            picture, _both(_oval(u, v, (iris - 0.7, at - 0.8), (0.75, 0.75)), ball), colour=_WHITE
        )
        lid = _arc(u, v, (x, at - b), wide, 0.55 * b, 0.9)
        _over(picture, _both(lid, face), colour=_LINE)
        brow = _arc(u, v, (x, at - b - 3.0), wide + 0.8, 1.2, 1.5 + 1.2 * old, 0.05 * s)
        _over(picture, _both(brow, face), hair=0.72)
        if old:
            bag = _arc(u, v, (x, at + b + 1.4), 0.9 * wide, -0.9, 0.9)
            _over(picture, _both(bag, face), skin=1 - old)
            x, narrow = _turned(yaw, s * 48, radius)
            for tilt in (-0.5, 0.4):
                crow = _arc(u, v, (x, at + 3.5 * tilt), 1.5 * narrow, 0.0, 0.8, s * tilt)
                _over(picture, _both(crow, face), skin=1 - old)
            x, narrow = _turned(yaw, s * 20, radius)
            fold = _arc(v, u, (at + 8.2, x), 2.6, s * 0.5, 0.9, s * 0.55)
            _over(picture, _both(fold, face), skin=1 - old)
    x, narrow = _turned(yaw, 0, radius)
    for row in range((0, 0, 1, 2)[age]):
        line = _arc(u, v, (x, at - 7.6 - 2.0 * row), 5.0 - row, 0.5, 0.8)
        _over(picture, _both(line, face), skin=1 - 0.8 * old)
    x, narrow = _turned(yaw, 0, radius + 2.5)
    nose = (1.5, 1.9, 2.2, 2.5)[age]
    tip = at + (4.8, 6.0, 6.6, 6.8)[age]
    _over(picture, _oval(u, v, (x, tip - 0.6), (nose + 0.2, 1.6)), skin=0.93)
    _over(picture, _arc(u, v, (x, tip), nose, -1.1, 1.1), skin=0.68)


def _beard(picture: Tensor, yaw: float, age: int, shape: int, beard: int) -> None:
    """A moustache, or one with a beard around the mouth; room for every mouth is left free."""
    if not beard:
        return
    (top, bottom), (left, right) = ([_FINE * part.start, _FINE * part.stop] for part in _INNER)
    picture = picture[:, top:bottom, left:right]
    u, v = _samples(*_INNER)
    face = _face(u, v, yaw, age, shape)
    x, narrow = _turned(yaw, 0, 11.5 + 0.3 * _WIDE[shape])
    at = _MOUTH_AT[age] + _LONGER[shape] / 2
    tone = 0.78 + 0.24 * (2.2 * (u - x)).sin()
    if beard == 2:
        free = _oval(u, v, (x, at + 0.4), (9.6 * narrow, 4.9), 2.6)
        edge = v - at + 2.0 + 5.0 * ((u - x).abs() / 14 - 0.4)
        _over(picture, _both(face - 0.6, -free, -edge), hair=tone)
    upper = _arc(u, v, (x, at - 4.6), 6.2 * narrow, 1.2, 3.6)
    _over(picture, _both(upper, face), hair=tone)


def _mouth(smile: int, age: int, shape: int, yaw: float) -> Tensor:
    """A mouth in its window: (5, h, w); its cover, a part of the skin's colour, a colour."""
    u, v = _samples(*_MOUTH)
    face = _face(u, v, yaw, age, shape)
    x, narrow = _turned(yaw, 0, 11.5 + 0.3 * _WIDE[shape])
    half = (6.6, 6.6, 7.0, 7.6, 8.2)[smile] * narrow
    bend = (4.2, 1.2, -1.8, -3.6, -3.8)[smile]
    drop = (0.0, 0.0, 0.0, 3.6, 7.0)[smile]  # how far the mouth is open
    at = _MOUTH_AT[age] + _LONGER[shape] / 2 - 0.5 * bend - 0.4 * drop
    picture = torch.zeros(5, *(v + u).shape)

    def paint(away: Tensor, skin: float, colour: Sequence[float]) -> None:
        _over(picture, _both(away, face), 1, skin, colour)

    low = (x, at + drop + 1.1)
    paint(_arc(u, v, low, 0.7 * half, 0.49 * (bend - drop), 2.0), 0.22, (0.57, 0.26, 0.26))
    if drop:
        t = ((u - x) / half).clamp(-1, 1)
        upper = at + bend * t**2
        lower = upper + drop * (1 - t**2)
        hole = _both(upper - v, v - lower, (u - x).abs() - half)
        paint(hole, 0, _THROAT)
        paint(_both(hole, lower - 1.7 - v), 0, _TONGUE)
        paint(_both(hole, v - upper - 0.42 * drop - 0.3), 0, _WHITE)
    paint(_arc(u, v, (x, at), half, bend, 1.9), 0, _LIP)
    if smile >= 3:
        for s in (-1, 1):
            paint(
                _arc(v, u, (at + bend, x + s * (half + 0.9)), 1.1, -s * 0.5, 0.8), 0.70, (0, 0, 0)
            )
    return torch.nn.functional.avg_pool2d(picture, _FINE)
