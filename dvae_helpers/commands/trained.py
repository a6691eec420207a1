"""A trained model by any name that a user may have for it, and the images it was trained on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from .. import datasets, zoo
from ..datasets import ImageSet
from ..estimators import gaussian_kl
from ..models import VAE

CHECKPOINT = f"checkpoint{zoo.SUFFIX}"
SILENT = 0.01  # nats: a latent whose mean KL is below says nothing about the image


@dataclass(frozen=True)
class Trained:
    """A model, what it was trained on (None if its file does not say), a folder for results."""

    model: VAE
    data: str | None
    out: Path

    def images(self, data: str | None, path: str | None) -> ImageSet:
        """The image set that is named, or the one that the model was trained on."""
        name = data or self.data
        if name is None:
            raise ValueError("The model does not say what it was trained on; give --data.")
        if name not in datasets.NAMES:
            raise ValueError(
                f"The model was trained on {name!r}, which is no image set of the course; name "
                f"one with --data: {', '.join(datasets.NAMES)}."
            )
        images = datasets.load(name, self.model.device, path)
        if images.shape != self.model.image_shape:
            raise ValueError(
                f"The model is for images of {self.model.image_shape}, but those of {name!r} are "
                f"{images.shape}; choose another set with --data."
            )
        return images


def find(word: str, device: str) -> Trained:
    """The model that a word names: one of the zoo, the folder of a run, or a model's file.

    Raises ValueError if there is none, and zoo.DamagedFile for a file that holds no model.
    """
    if not word:
        raise ValueError(f"'' is no model; choose one of the zoo: {', '.join(zoo.names())}.")
    path = Path(word).expanduser()
    if path.is_dir():
        if not (path / CHECKPOINT).is_file():
            raise ValueError(
                f"There is no {CHECKPOINT} in the folder {path}; name a folder that `train` wrote, "
                "or one file of a sweep."
            )
        model, data = _from_file(path / CHECKPOINT)
        return Trained(model.to(device), data, path)
    if path.is_file():
        model, data = _from_file(path)
        return Trained(model.to(device), data, Path("runs") / path.name.removesuffix(zoo.SUFFIX))
    if path.name != word or word.endswith(zoo.SUFFIX):
        raise ValueError(
            f"There is no file or folder {word}; name a model of the zoo "
            f"({', '.join(zoo.names()) or 'which is empty'}), the folder of a run, or a file."
        )
    model = zoo.load(word, device)
    return Trained(model, zoo.about(word).get("data"), Path("runs") / word)


def silence(mean: Tensor, log_var: Tensor) -> str | None:
    """A warning if no latent says anything about the image, from posteriors (B, J) each."""
    most = float(gaussian_kl(mean, log_var).mean(0).max())
    if most >= SILENT:
        return None
    return (
        f"Warning: the code says nothing: no latent carries more than {most:.4f} nats about the "
        "image, so scores and sliders mean nothing. Train longer, or with a smaller beta."
    )


def _from_file(path: Path) -> tuple[VAE, str | None]:
    """A model and the name of its image set: from the zoo, from a run, or from a sweep."""
    tensors, notes = zoo.read(path)
    settings: dict[str, Any] = notes.get("settings", {})
    try:
        if settings:  # a checkpoint: the weights are among the optimiser's tensors
            config = settings["model"]
            data = settings["data"][0]
            start = "model."
            weights = {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}
        else:
            config = notes["config"]
            data = (notes.get("run") or notes.get("about") or {}).get("data")
            weights = tensors
        model = VAE(**config)
        model.load_state_dict({key: value.float() for key, value in weights.items()})
    except (KeyError, TypeError, IndexError, RuntimeError) as error:
        raise zoo.DamagedFile(f"{path} does not hold a VAE of this course: {error}") from error
    return model.eval(), data
