"""Weights on disk: safetensors with their configuration and a hash; nothing is ever unpickled."""

import difflib
import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as read_tensors
from safetensors.torch import save as write_tensors
from torch import Tensor

from .files import data_folder, where_from, write_whole
from .models import VAE

SUFFIX = ".safetensors"


class DamagedFile(ValueError):
    """The file is not what was once written: cut off, changed, or something else altogether."""


def folder() -> Path:
    """Where the models are."""
    return data_folder() / "zoo"


def names() -> list[str]:
    """The models that are there, in alphabetical order."""
    return sorted(path.name.removesuffix(SUFFIX) for path in folder().glob(f"*{SUFFIX}"))


def save(model: VAE, name: str, about: dict[str, Any] | None = None) -> Path:
    """Writes the weights as float16 to the zoo, with the model's configuration and `about`.

    about: how the model was made (data, objective, seed, steps, seconds, device, ...): JSON.
    """
    path = path_of(name)
    weights = {key: value.detach().half() for key, value in model.state_dict().items()}
    broken = [key for key, value in weights.items() if not value.isfinite().all()]
    if broken:
        raise ValueError(
            f"The weights {broken} are not finite as float16, so the model is of no use. "
            "Train it again with a smaller learning rate."
        )
    write(path, weights, {"config": model.config, "about": about or {}})
    return path


def load(name: str, device: str | torch.device = "cpu") -> VAE:
    """A model of the zoo, ready to use: float32, in evaluation mode.

    Raises ValueError if there is no such model or its file is damaged.
    """
    path = _existing(name)
    tensors, notes = read(path)
    try:
        model = VAE(**notes["config"])
        model.load_state_dict({key: value.float() for key, value in tensors.items()})
    except (KeyError, TypeError, RuntimeError) as error:
        raise DamagedFile(f"{path} does not hold a VAE of this course: {error}") from error
    return model.to(device).eval()


def about(name: str) -> dict[str, Any]:
    """How a model of the zoo was made."""
    return read(_existing(name))[1]["about"]


def write(path: Path, tensors: dict[str, Tensor], notes: dict[str, Any]) -> None:
    """Tensors and notes (JSON) in one safetensors file, with a SHA-256 over both."""
    tensors = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    text = json.dumps(notes, sort_keys=True, default=_plain)
    header = {"notes": text, "sha256": _hash(tensors, text)}
    write_whole(path, write_tensors(tensors, metadata=header))


def _plain(value: Any) -> Any:
    """Numbers of numpy and torch, as JSON can hold them."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise ValueError(f"{value!r} cannot be kept in a file; give numbers, words or lists.")


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `write` wrote, or a ValueError that says what is wrong with the file."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}.") from error
    remedy = "Delete it and fetch it again (git checkout), or train it again."
    try:
        tensors = read_tensors(content)
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length]).get("__metadata__", {})
    except (SafetensorError, ValueError) as error:
        raise DamagedFile(
            f"{path} is not a readable safetensors file: {error}. {remedy}"
        ) from error
    if not {"notes", "sha256"} <= set(header):
        raise DamagedFile(f"{path} was not written by this course: it carries no hash. {remedy}")
    if _hash(tensors, header["notes"]) != header["sha256"]:
        raise DamagedFile(f"{path} has changed since it was written: its hash differs. {remedy}")
    return tensors, json.loads(header["notes"])


def _hash(tensors: dict[str, Tensor], text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for key in sorted(tensors):
        value = tensors[key]
        digest.update(f"{key} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def path_of(name: str) -> Path:
    """The file of a model of this name, which need not be there. ValueError for no name."""
    if not name or Path(name).name != name or name.startswith("."):
        raise ValueError(f"{name!r} is not a model's name; use letters, digits, '-' and '_'.")
    return folder() / (name + SUFFIX)


def _existing(name: str) -> Path:
    path = path_of(name)
    if not path.is_file():
        there = names()
        near = ", ".join(difflib.get_close_matches(name, there, 4, 0.4) or there[:4])
        listed = f"{len(there)} models (zoo.names()), as {near}" if near else "no model yet"
        raise ValueError(
            f"There is no {path}. The zoo has {listed}. "
            f"{where_from()} Or train it: python -m dvae_helpers train --zoo {name}"
        )
    return path
