"""Image sets that stay on the device, with their factors: `load(name)`, and `own(images)`."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import dsprites_file, faces, fruits, sprites
from .dsprites_file import pack
from .factors import FactorSpace
from .files import data_folder
from .progress import tqdm

__all__ = ["NAMES", "ImageSet", "data_folder", "load", "own", "pack", "subset"]

_SMALL = FactorSpace(
    ("shape", "scale", "x", "y"), (3, 6, 16, 16), ("nominal", "ordered", "ordered", "ordered")
)
_SMALL_ELLIPSES = FactorSpace(("scale", "x", "y"), (6, 16, 8))
_SMALL_FRUITS = FactorSpace(
    ("kind", "colour", "size", "x", "y"), (4, 6, 5, 3, 3), fruits.FACTORS.kinds[:5]
)
_CHUNK = 8192
_DARK = 128  # numbers up to here, and none above: 255 is hardly white


@dataclass(frozen=True)
class ImageSet:
    """N images of shape (C, H, W) on one device, and the factor values that made each of them.

    pixels: (N, C, H, W) uint8, or (N, C, H, W / 8) uint8 with eight one-bit pixels in a byte.
    values: (N, K) factor values, or None if image n is combination n of the whole grid.

    Raises ValueError if these do not fit together. `own` makes one from images in other forms.
    """

    name: str
    factors: FactorSpace
    shape: tuple[int, int, int]
    pixels: Tensor
    values: Tensor | None = None

    def __post_init__(self) -> None:
        own = "datasets.own(images, labels) makes an image set from arrays of other forms"
        if not isinstance(self.pixels, Tensor) or self.pixels.dtype != torch.uint8:
            kind = getattr(self.pixels, "dtype", type(self.pixels).__name__)
            raise ValueError(f"pixels is {kind}; expected a torch tensor of uint8. {own}.")
        channels, height, width = self.shape
        inside = tuple(self.pixels.shape[1:])
        if inside not in ((channels, height, width), (channels, height, width / 8)):
            raise ValueError(
                f"pixels has shape {tuple(self.pixels.shape)}; expected (N, {channels}, {height}, "
                f"{width}), or a width of {width} / 8 with eight pixels in a byte. {own}."
            )
        if not len(self.pixels):
            raise ValueError(f"The set {self.name!r} has no images.")
        here = self.pixels.device.type == "cpu"  # to look at numbers elsewhere would wait for them
        if here and inside[-1] == width and int(self.pixels.max()) == 1:
            raise ValueError(f"The largest pixel is 1, and 255 is white: all is black. {own}.")
        if self.values is None:
            if len(self.pixels) != len(self.factors):
                raise ValueError(
                    f"There are {len(self.pixels):,} images and {len(self.factors):,} combinations "
                    "of factor values; give `values`, one row for each image."
                )
        elif len(self.factors.check(self.values) if here else self.values) != len(self.pixels):
            raise ValueError(
                f"There are {len(self.pixels):,} images and {len(self.values):,} rows of factor "
                "values; give one row for each image."
            )

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def device(self) -> torch.device:
        return self.pixels.device

    def images(self, index: Tensor) -> Tensor:
        """Images by number: index (B,) integers -> float32 (B, C, H, W) between 0 and 1."""
        index = self._check(index)
        chosen = self.pixels[index.to(self.device)]
        if chosen.shape[-1] == self.shape[-1]:
            return chosen.float() / 255
        bit = torch.arange(8, dtype=torch.uint8, device=self.device)
        return ((chosen[..., None] >> bit) & 1).flatten(-2).float()

    def classes(self, index: Tensor) -> Tensor:
        """Factor values by number: index (B,) integers -> (B, K) int64."""
        index = self._check(index)
        if self.values is None:
            return self.factors.classes(index)
        return self.values[index.to(self.values.device)]

    def find(self, classes: Tensor) -> Tensor:
        """Numbers of the images with the given factor values: (B, K) -> (B,) int64.

        Raises ValueError if a combination is not in the set.
        """
        wanted = self.factors.index(classes)
        if self.values is None:
            return wanted
        there, order = self.factors.index(self.values).sort()
        place = torch.searchsorted(there, wanted.to(there.device)).clamp(max=len(there) - 1)
        missing = there[place] != wanted.to(there.device)
        if missing.any():
            example = self.factors.classes(wanted[missing.to(wanted.device)][0]).tolist()
            raise ValueError(
                f"The set {self.name!r} has no image with {self.factors.names} = {example}; "
                "take values from .classes(index)."
            )
        return order[place]

    def to(self, device: str | torch.device) -> "ImageSet":
        """The same set with its pixels on another device."""
        values = None if self.values is None else self.values.to(device)
        return dataclasses.replace(self, pixels=self.pixels.to(device), values=values)

    def _check(self, index: Tensor) -> Tensor:
        index = torch.as_tensor(index)
        if index.ndim != 1 or index.dtype not in (torch.int64, torch.int32):
            raise ValueError(
                f"index has shape {tuple(index.shape)} and dtype {index.dtype}; "
                "expected one axis of int64 image numbers, as torch.tensor([0, 5, 7])."
            )
        if index.device.type == "cpu" and len(index):
            low, high = int(index.min()), int(index.max())
            if low < 0 or high >= len(self):
                raise ValueError(
                    f"Image numbers run from {low} to {high}, "
                    f"but {self.name!r} has images 0 to {len(self) - 1}."
                )
        return index

    def __repr__(self) -> str:
        size = self.pixels.numel() / 1e6
        return (
            f"ImageSet({self.name!r}: {len(self):,} images of {self.shape}, {self.factors}, "
            f"{size:,.1f} MB on {self.device})"
        )


def load(name: str, device: str | torch.device = "cpu", path: str | Path | None = None) -> ImageSet:
    """An image set by name.

    name: one of
        "small_sprites": 4,608 sprites of 32x32 pixels (shape, scale, x, y) for live training;
        "small_ellipses": 768 grey ellipses of 16x16 pixels (scale, x, y): a model takes 20 s;
        "sprites": all 737,280 dSprites, drawn here in a few seconds, no download (377 MB);
        "fruits": 30,720 fruits in colour, drawn here in a second, no download (377 MB);
        "faces": 32,400 cartoon faces, drawn here in a few seconds, no download (398 MB);
        "small_fruits": 1,080 fruits of 24x24 pixels (kind, colour, size, x, y), one shade;
        "dsprites": the published file. It is read from `path`; without a path it is fetched
        once into the data folder. Any file with the same keys works, a sample of it too.

    Raises ValueError for an unknown name, or a file that is missing, damaged or different.
    """
    if name not in NAMES:
        raise ValueError(f"There is no image set {name!r}; choose one of {', '.join(NAMES)}.")
    if path is not None and name != "dsprites":
        raise ValueError(f"{name!r} is drawn, not read; leave out path={str(path)!r}.")
    if name == "dsprites":
        pixels, values = dsprites_file.read(path)
        shape = (1, sprites.SIZE, sprites.SIZE)
        data = ImageSet("dsprites", sprites.FACTORS, shape, pixels, values)
    else:
        data = _DRAWN[name]()
    return data.to(device)


def own(
    images: Any,
    labels: Any = None,
    name: str = "own",
    white: float | None = None,
    device: str | torch.device = "cpu",
) -> ImageSet:
    """Your own images as an image set; one line says how they were understood.

    images: numpy, torch, or anything that numpy takes, of any number type: (N, H, W),
        (N, H, W, C) or (N, C, H, W), with one or three channels C.
    labels: what you know about each image: (N,) or (N, K) values of any type, or a dict of
        columns by name. Each column becomes a factor, and its sorted different values are numbered
        from 0: words are nominal, numbers are ordered. Without labels the only factor is the
        image's number: train, but scores make no sense.
    white: the number that is white (black is 0). If it is left out, it is 1 for bool, for numbers
        from 0 to 1, and 255 otherwise. Floats from -1 to 1, as some libraries have them, are
        moved to 0 to 1 first.

    "conv" models need square images of 8, 16, 32, 64, ... pixels; "dense" ones take any size.

    Raises ValueError for another shape, numbers that are not finite or outside black and white,
    or so small that the images would be almost black, labels of another number, and a label that
    is the same for all images or different for nearly each.
    """
    pixels, said = _own_pixels(images, white)
    if len(pixels) < 2:
        raise ValueError(f"There is {len(pixels)} image; give at least 2.")
    if labels is None:
        space = FactorSpace(("image",), (len(pixels),))
        values = None
        said += "; no labels, so scores make no sense"
    else:
        space, values = _own_factors(labels, len(pixels))
        said += f"; {space}"
    shape = _shape(pixels)
    print(f"{name}: {len(pixels):,} images of {shape}, {said}.")
    return ImageSet(name, space, shape, pixels, values).to(device)


def _own_pixels(images: Any, white: float | None) -> tuple[Tensor, str]:
    """(N, C, H, W) uint8 from 0 to 255, and how the numbers and axes were understood."""
    if isinstance(images, Tensor):
        images = images.detach().cpu()
        images = images.float() if images.is_floating_point() else images
    array = np.asarray(images)
    if array.dtype != bool and not np.issubdtype(array.dtype, np.number):
        raise ValueError(f"images has the type {array.dtype}; expected numbers of one shape.")
    if np.iscomplexobj(array):
        raise ValueError(f"images has the type {array.dtype}; expected real numbers.")
    if array.ndim == 3:
        array = array[:, None]
        axes = "one channel"
    elif array.ndim == 4 and array.shape[1] in (1, 3):
        axes = f"channels first ({array.shape[1]})"
    elif array.ndim == 4 and array.shape[3] in (1, 3):
        array = array.transpose(0, 3, 1, 2)
        axes = f"channels last ({array.shape[1]})"
    else:
        raise ValueError(
            f"images has shape {array.shape}; expected (N, H, W), (N, H, W, C) or (N, C, H, W) "
            "with 1 or 3 channels C. An alpha channel must be taken off: images[..., :3]."
        )
    if not array.size:
        raise ValueError(f"images has shape {array.shape}: there is nothing in it.")
    values = array.astype(np.float64)
    if not np.isfinite(values).all():
        raise ValueError("images holds NaN or infinite numbers.")
    low, high = float(values.min()), float(values.max())
    given = f"{array.dtype} from {low:g} to {high:g}"
    if white is None and np.issubdtype(array.dtype, np.floating) and -1 <= low < 0 and high <= 1:
        values = (values + 1) / 2
        said = f"{given}: -1 is black and 1 is white"
        white = 1.0
    else:
        if white is None:
            white = 1.0 if high <= 1 else 255.0
            if 1 < high <= _DARK:
                raise ValueError(
                    f"images is {given}; say which number is white: white={high:g}, or white=255."
                )
        if not white > 0 or low < 0 or high > white:
            raise ValueError(
                f"images is {given}, but black is 0 and white is {white:g}; scale them, or give "
                "white=..."
            )
        said = f"{given}: 0 is black and {white:g} is white"
    scaled = (values * (255 / white)).round().astype(np.uint8)
    return torch.from_numpy(np.ascontiguousarray(scaled)), f"{axes}, {said}"


def _own_factors(labels: Any, images: int) -> tuple[FactorSpace, Tensor]:
    """Columns of labels -> the factors, and their values (N, K)."""
    if isinstance(labels, Mapping):
        columns = {str(key): _as_array(column) for key, column in labels.items()}
    else:
        table = _as_array(labels)
        if table.ndim not in (1, 2):
            raise ValueError(f"labels has shape {table.shape}; expected (N,) or (N, K).")
        table = table.reshape(len(table), -1)
        names = ("label",) if table.shape[1] == 1 else [f"label {k}" for k in range(len(table.T))]
        columns = dict(zip(names, table.T, strict=True))
    if not columns:
        raise ValueError("labels is empty; leave it out if there are none.")
    sizes = []
    values = []
    for name, column in columns.items():
        if column.shape != (images,):
            raise ValueError(
                f"{name} has shape {column.shape}, and there are {images:,} images; give one value "
                "for each image."
            )
        if column.dtype.kind == "f" and not np.isfinite(column).all():
            raise ValueError(f"{name} holds NaN or infinite numbers.")
        if column.dtype == object:
            column = column.astype(str)
        different, numbers = np.unique(column, return_inverse=True)
        if not 2 <= len(different) <= max(2, images // 2):
            raise ValueError(
                f"{name} has {len(different):,} different values in {images:,} images; leave it "
                "out if it is always the same, and cut numbers into few bins (numpy.digitize)."
            )
        sizes.append(len(different))
        values.append(torch.from_numpy(numbers.reshape(-1).astype(np.int64)))
    kinds = ["nominal" if c.dtype.kind in "OSU" else "ordered" for c in columns.values()]
    return FactorSpace(tuple(columns), sizes, kinds), torch.stack(values, 1)


def _as_array(values: Any) -> np.ndarray:
    return np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values)


def subset(data: ImageSet, keep: Tensor, name: str | None = None) -> ImageSet:
    """The images that a mask keeps, in their order, with their factor values.

    keep: (N,) bool, one for each image. name: of the new set (default: the old name).

    Raises ValueError for a mask of another shape or dtype, and for one that keeps nothing.
    """
    keep = torch.as_tensor(keep)
    if keep.dtype != torch.bool or keep.shape != (len(data),):
        raise ValueError(
            f"keep has shape {tuple(keep.shape)} and dtype {keep.dtype}; expected one bool for "
            f"each of the {len(data)} images."
        )
    index = keep.nonzero()[:, 0]
    if not len(index):
        raise ValueError(f"The mask keeps none of the {len(data)} images of {data.name!r}.")
    pixels = data.pixels[index.to(data.device)]
    return ImageSet(name or data.name, data.factors, data.shape, pixels, data.classes(index))


def _shape(pixels: Tensor) -> tuple[int, int, int]:
    _, channels, height, width = pixels.shape
    return channels, height, width


def _sprites() -> ImageSet:
    space = sprites.FACTORS
    rows = torch.empty(len(space), sprites.SIZE, dtype=torch.int64)
    chunks = torch.arange(len(space)).split(space.sizes[-1] ** 2 * 40)
    for index in tqdm(chunks, desc="drawing sprites", unit="chunk", leave=False, delay=1):
        rows[index] = sprites.render_packed(space.classes(index))
    return ImageSet("sprites", space, (1, sprites.SIZE, sprites.SIZE), pack(rows))


def _in_colour(name: str, kind: ModuleType) -> ImageSet:
    """Every image of a module's grid, 64x64 pixels in three colours."""
    space = kind.FACTORS
    pixels = torch.empty(len(space), 3, kind.SIZE, kind.SIZE, dtype=torch.uint8)
    for index in torch.arange(len(space)).split(_CHUNK):
        pixels[index] = kind.render(space.classes(index))
    return ImageSet(name, space, _shape(pixels), pixels)


@functools.cache  # a tenth of a second, and many ask for it
def _small_fruits() -> ImageSet:
    """The middle 48x48 pixels at half the resolution, at places 2 to 4, on the brightest shade."""
    classes = _SMALL_FRUITS.classes(torch.arange(len(_SMALL_FRUITS)))
    classes = torch.nn.functional.pad(classes, (0, 1)) + torch.tensor([0, 0, 0, 2, 2, 0])
    middle = fruits.render(classes)[:, :, 6:54, 6:54]
    pixels = torch.nn.functional.avg_pool2d(middle.float(), 2).round().to(torch.uint8)
    return ImageSet("small_fruits", _SMALL_FRUITS, _shape(pixels), pixels)


@functools.cache
def _small_sprites() -> ImageSet:
    """Every second row and column of upright sprites, at every second place."""
    classes = _SMALL.classes(torch.arange(len(_SMALL)))
    shape, scale, x, y = classes.unbind(1)
    full = sprites.render(torch.stack((shape, scale, torch.zeros_like(x), 2 * x, 2 * y), 1))
    small = full[:, None, ::2, ::2]
    packed = np.packbits(small.numpy(), axis=-1, bitorder="little")
    return ImageSet("small_sprites", _SMALL, _shape(small), torch.from_numpy(packed))


def _small_ellipses() -> ImageSet:
    """Upright ellipses at a quarter of the resolution, at every second place, in grey."""
    scale, x, y = _SMALL_ELLIPSES.classes(torch.arange(len(_SMALL_ELLIPSES))).unbind(1)
    ellipse, upright = torch.ones_like(x), torch.zeros_like(x)
    full = sprites.render(torch.stack((ellipse, scale, upright, 2 * x, 8 + 2 * y), 1))
    pixels = torch.nn.functional.avg_pool2d(255.0 * full[:, None], 4).round().to(torch.uint8)
    return ImageSet("small_ellipses", _SMALL_ELLIPSES, _shape(pixels), pixels)


_DRAWN: dict[str, Callable[[], ImageSet]] = {
    "small_sprites": _small_sprites,
    "small_ellipses": _small_ellipses,
    "sprites": _sprites,
    "fruits": functools.partial(_in_colour, "fruits", fruits),
    "faces": functools.partial(_in_colour, "faces", faces),
    "small_fruits": _small_fruits,
}
NAMES = (*_DRAWN, "dsprites")
