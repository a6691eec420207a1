"""Image sets that stay on the device: `load(name)` gives images by number, with their factors."""

import dataclasses
import functools
import hashlib
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from . import faces, fruits, sprites
from .factors import FactorSpace
from .files import write_whole

DSPRITES_FILE = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz"
DSPRITES_URL = f"https://github.com/google-deepmind/dsprites-dataset/raw/master/{DSPRITES_FILE}"

_SMALL = FactorSpace(
    ("shape", "scale", "x", "y"), (3, 6, 16, 16), ("nominal", "ordered", "ordered", "ordered")
)
_SMALL_ELLIPSES = FactorSpace(("scale", "x", "y"), (6, 16, 8))
_SMALL_FRUITS = FactorSpace(
    ("kind", "colour", "size", "x", "y"), (4, 6, 5, 3, 3), fruits.FACTORS.kinds[:5]
)
_CHUNK = 8192
_PATIENCE = 30  # seconds that a server may be silent


@dataclass(frozen=True)
class ImageSet:
    """N images of shape (C, H, W) on one device, and the factor values that made each of them.

    pixels: (N, C, H, W) uint8, or (N, C, H, W / 8) uint8 with eight one-bit pixels in a byte.
    values: (N, K) factor values, or None if image n is combination n of the whole grid.
    """

    name: str
    factors: FactorSpace
    shape: tuple[int, int, int]
    pixels: Tensor
    values: Tensor | None = None

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


def data_folder() -> Path:
    """The course's data folder: the repository's `data/`, or what DVAE_DATA names."""
    return Path(os.environ.get("DVAE_DATA") or Path(__file__).resolve().parents[1] / "data")


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
        data = _dsprites(_fetch_dsprites() if path is None else Path(path))
    else:
        data = _DRAWN[name]()
    return data.to(device)


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


def pack(rows: Tensor) -> Tensor:
    """Words of 64 pixels (B, 64) -> (B, 1, 64, 8) uint8, eight pixels in a byte."""
    return torch.from_numpy(rows.numpy().astype("<i8", copy=False).view(np.uint8)).reshape(
        -1, 1, sprites.SIZE, sprites.SIZE // 8
    )


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
    return ImageSet(name, space, tuple(pixels.shape[1:]), pixels)


def _small_fruits() -> ImageSet:
    """The middle 48x48 pixels at half the resolution, at places 2 to 4, on the brightest shade."""
    classes = _SMALL_FRUITS.classes(torch.arange(len(_SMALL_FRUITS)))
    classes = torch.nn.functional.pad(classes, (0, 1)) + torch.tensor([0, 0, 0, 2, 2, 0])
    middle = fruits.render(classes)[:, :, 6:54, 6:54]
    pixels = torch.nn.functional.avg_pool2d(middle.float(), 2).round().to(torch.uint8)
    return ImageSet("small_fruits", _SMALL_FRUITS, tuple(pixels.shape[1:]), pixels)


def _small_sprites() -> ImageSet:
    """Every second row and column of upright sprites, at every second place."""
    classes = _SMALL.classes(torch.arange(len(_SMALL)))
    shape, scale, x, y = classes.unbind(1)
    full = sprites.render(torch.stack((shape, scale, torch.zeros_like(x), 2 * x, 2 * y), 1))
    small = full[:, None, ::2, ::2]
    packed = np.packbits(small.numpy(), axis=-1, bitorder="little")
    return ImageSet("small_sprites", _SMALL, tuple(small.shape[1:]), torch.from_numpy(packed))


def _small_ellipses() -> ImageSet:
    """Upright ellipses at a quarter of the resolution, at every second place, in grey."""
    scale, x, y = _SMALL_ELLIPSES.classes(torch.arange(len(_SMALL_ELLIPSES))).unbind(1)
    ellipse, upright = torch.ones_like(x), torch.zeros_like(x)
    full = sprites.render(torch.stack((ellipse, scale, upright, 2 * x, 8 + 2 * y), 1))
    pixels = torch.nn.functional.avg_pool2d(255.0 * full[:, None], 4).round().to(torch.uint8)
    return ImageSet("small_ellipses", _SMALL_ELLIPSES, tuple(pixels.shape[1:]), pixels)


_DRAWN = {
    "small_sprites": _small_sprites,
    "small_ellipses": _small_ellipses,
    "sprites": _sprites,
    "fruits": functools.partial(_in_colour, "fruits", fruits),
    "faces": functools.partial(_in_colour, "faces", faces),
    "small_fruits": _small_fruits,
}
NAMES = (*_DRAWN, "dsprites")


def _dsprites(path: Path) -> ImageSet:
    """Reads a dSprites file, checks every image against the renderer, and packs it."""
    if not path.is_file():
        raise ValueError(
            f"There is no file {path}. Give the path of a dSprites .npz file, "
            'or leave the path out to fetch it, or load("sprites"), which draws the same images.'
        )
    try:
        with path.open("rb") as opened:
            file = np.load(opened, allow_pickle=False)  # `metadata` needs pickle: never touched
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise ValueError("it holds one array, not an .npz archive of several")
            missing = {"imgs", "latents_classes"} - set(file.files)
            if missing:
                raise ValueError(f"it has no {sorted(missing)}, only {file.files}")
            values = file["latents_classes"]
        if not np.issubdtype(values.dtype, np.integer) or values.ndim != 2:
            raise ValueError(
                f"latents_classes is {values.dtype} {values.shape}, not integers (N, 5)"
            )
        if values.shape[1] == 6:  # the published file starts with `color`, which is always white
            if values[:, 0].any():
                raise ValueError("its color column is not always 0")
            values = values[:, 1:]
        values = sprites.FACTORS.check(torch.from_numpy(values.astype(np.int64)))
        if not len(values):
            raise ValueError("it holds no images")
        pixels, different = _read_images(path, values)
    except Exception as error:  # damaged archives make their readers raise a dozen kinds
        raise ValueError(
            f"{path} cannot be used as dSprites: {error}. "
            "Delete the file and fetch it again, or give the path of an undamaged copy."
        ) from error
    allowed = max(2, len(values) // 5000)  # the renderer differs by one pixel in 1 of 20,000
    if different > allowed:
        raise ValueError(
            f"{path}: {different:,} of {len(values):,} images are not what their factors say "
            f"(at most {allowed} expected). The file is damaged or is not dSprites: fetch it again."
        )
    whole = len(values) == len(sprites.FACTORS) and bool(
        (sprites.FACTORS.index(values) == torch.arange(len(values))).all()
    )
    shape = (1, sprites.SIZE, sprites.SIZE)
    return ImageSet("dsprites", sprites.FACTORS, shape, pixels, None if whole else values)


def _read_images(path: Path, values: Tensor) -> tuple[Tensor, int]:
    """Packs `imgs` part by part (it is 3 GB unpacked); counts images unlike their drawing."""
    side, different, parts = sprites.SIZE, 0, []
    with zipfile.ZipFile(path) as archive, archive.open("imgs.npy") as stream:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else None
        shape, fortran, dtype = (read or np.lib.format.read_array_header_2_0)(stream)
        if shape != (len(values), side, side) or dtype != np.uint8 or fortran:
            raise ValueError(f"imgs is {dtype} {shape}, expected uint8 {(len(values), side, side)}")
        chunks = values.split(_CHUNK)
        for classes in tqdm(chunks, desc="reading dSprites", unit="chunk", leave=False, delay=1):
            raw = np.frombuffer(stream.read(len(classes) * side * side), np.uint8)
            images = raw.reshape(len(classes), 1, side, side)  # ValueError if the file is cut off
            if images.max() > 1:
                raise ValueError(f"imgs holds the value {images.max()}, expected only 0 and 1")
            packed = torch.from_numpy(np.packbits(images, axis=-1, bitorder="little"))
            drawn = pack(sprites.render_packed(classes))
            different += int((packed != drawn).flatten(1).any(1).sum())
            parts.append(packed)
        stream.read()  # to the end, so that the archive's own checksum is compared
    return torch.cat(parts), different


def _fetch_dsprites() -> Path:
    """Fetches the published file once; later its SHA-256 must be what the first check found.

    The publisher gives no hash. So the first download is checked image by image against the
    renderer, and its hash is then kept beside the file.
    """
    import pooch

    folder = data_folder() / "downloads"
    path, known = folder / DSPRITES_FILE, folder / (DSPRITES_FILE + ".sha256")
    if path.is_file() and known.is_file():
        if _sha256(path) != known.read_text().split()[0]:
            raise ValueError(f"{path} has changed since it was checked. Delete it and load again.")
        return path
    try:
        downloader = pooch.HTTPDownloader(progressbar=True, timeout=_PATIENCE)
        pooch.retrieve(DSPRITES_URL, None, DSPRITES_FILE, folder, downloader=downloader)
    except Exception as error:  # pooch passes on whatever the network library raises
        raise ValueError(
            f"dSprites could not be fetched from {DSPRITES_URL}: {error}. "
            f"Check the network, and that {folder} has room and may be written; or give path=... "
            'if you have the file; or load("sprites"), which draws the same images without a '
            "download."
        ) from error
    _dsprites(path)
    write_whole(known, f"{_sha256(path)}  {DSPRITES_FILE}\n".encode())
    return path


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
