"""The published dSprites file (Matthey et al., 2017): fetched once, checked, and packed."""

import hashlib
import zipfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from . import sprites
from .files import data_folder, write_whole
from .progress import tqdm

FILE = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz"
URL = f"https://github.com/google-deepmind/dsprites-dataset/raw/master/{FILE}"

_CHUNK = 8192
_PATIENCE = 30  # seconds that a server may be silent


def read(path: str | Path | None = None) -> tuple[Tensor, Tensor | None]:
    """(N, 1, 64, 8) uint8, eight pixels in a byte, and the factor values (N, 5).

    path: the file, or a sample of it with the same keys; None: it is fetched once into the data
    folder. The values are None if it is the whole grid in order.

    Raises ValueError for a file that is missing, damaged or different.
    """
    return _verified(_fetch() if path is None else Path(path).expanduser())


def pack(rows: Tensor) -> Tensor:
    """Words of 64 pixels (B, 64) -> (B, 1, 64, 8) uint8, eight pixels in a byte."""
    return torch.from_numpy(rows.numpy().astype("<i8", copy=False).view(np.uint8)).reshape(
        -1, 1, sprites.SIZE, sprites.SIZE // 8
    )


def _verified(path: Path) -> tuple[Tensor, Tensor | None]:
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
            table = file["latents_classes"]
        if not np.issubdtype(table.dtype, np.integer) or table.ndim != 2:
            raise ValueError(f"latents_classes is {table.dtype} {table.shape}, not integers (N, 5)")
        if table.shape[1] == 6:  # the published file starts with `color`, which is always white
            if table[:, 0].any():
                raise ValueError("its color column is not always 0")
            table = table[:, 1:]
        values = sprites.FACTORS.check(torch.from_numpy(table.astype(np.int64)))
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
    return pixels, None if whole else values


def _read_images(path: Path, values: Tensor) -> tuple[Tensor, int]:
    """Packs `imgs` part by part (it is 3 GB unpacked); counts images unlike their drawing."""
    side = sprites.SIZE
    different = 0
    parts = []
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


def _fetch() -> Path:
    """Fetches the published file once; later its SHA-256 must be what the first check found.

    The publisher gives no hash. So the first download is checked image by image against the
    renderer, and its hash is then kept beside the file.
    """
    import pooch

    folder = data_folder() / "downloads"
    path = folder / FILE
    known = folder / f"{FILE}.sha256"
    if path.is_file() and known.is_file():
        if _sha256(path) != known.read_text().split()[0]:
            raise ValueError(f"{path} has changed since it was checked. Delete it and load again.")
        return path
    try:
        downloader = pooch.HTTPDownloader(progressbar=True, timeout=_PATIENCE)
        pooch.retrieve(URL, None, FILE, folder, downloader=downloader)
    except Exception as error:  # pooch passes on whatever the network library raises
        raise ValueError(
            f"dSprites could not be fetched from {URL}: {error}. "
            f"Check the network, and that {folder} has room and may be written; or give path=... "
            'if you have the file; or load("sprites"), which draws the same images without a '
            "download."
        ) from error
    _verified(path)
    write_whole(known, f"{_sha256(path)}  {FILE}\n".encode())
    return path


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
