"""Every model of the zoo, measured in one way: which latent goes with which factor, MIG, terms.

Writes a table, and a contact sheet of each model to look at: a row for each latent, moved through
the middle 98 % of its means while the others stay as they are for one image.
"""

import io
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from tqdm.auto import tqdm

from .. import combinations, datasets, zoo
from ..datasets import ImageSet, data_folder
from ..files import write_whole
from ..models import VAE, posteriors
from .measure import PARTS, measure
from .store import kept, write_rows

MOST = 50_000  # images of a large data set that are measured, drawn by chance
COLUMNS = 9  # pictures in a row of a sheet


def images_of(name: str, model: VAE) -> ImageSet | None:
    """The images that a model of the zoo was trained on, or None if they are not drawn any more."""
    if name.startswith("faces_gaussian"):
        return None  # an earlier drawing, with seven factors
    if name.startswith("fruits_"):
        return combinations.training_set("medium")
    found = datasets.load(zoo.about(name).get("data", "sprites"))
    return found if found.shape == tuple(model.image_shape) else None


@torch.no_grad()
def sheet(model: VAE, data: ImageSet) -> Tensor:
    """Its traversals as one picture, (C, latents * H, COLUMNS * W), between 0 and 1."""
    index = torch.arange(0, len(data), max(1, len(data) // 2000))
    mean, _ = posteriors(model, data, index)
    low, high = mean.quantile(0.01, 0), mean.quantile(0.99, 0)
    rows = []
    for j in range(model.latents):
        codes = mean[len(mean) // 2].repeat(COLUMNS, 1)
        codes[:, j] = torch.lerp(low[j], high[j], torch.linspace(0, 1, COLUMNS))
        rows.append(torch.cat(list(model.pictures(codes)), 2))
    return torch.cat(rows, 1)


def ship(folder: Path, seeds: int = 1, target: Path | None = None) -> None:
    """Measures what is missing; writes zoo_models.csv, and the sheets to `folder`.

    The sheets are not shipped. `seeds` is not used: the models are those of the zoo.
    """
    target = target or data_folder() / "sweeps"
    rows = []
    for name in tqdm(zoo.names(), unit="model"):
        model = zoo.load(name).eval()
        data = images_of(name, model)
        if data is None:
            continue
        weights = {key: value.half() for key, value in model.state_dict().items()}
        digest = float(sum(value.double().abs().sum() for value in weights.values()))

        def make(model=model, data=data):
            return {"sheet": (255 * sheet(model, data)).round().to(torch.uint8)}, {
                "row": measure(model, data, MOST)
            }

        settings = {"model": name, "weights": digest, "most": MOST}
        tensors, notes = kept(folder / f"{name}.safetensors", settings, make)
        write_whole(folder / f"{name}.png", _png(tensors["sheet"]))
        row = notes["row"]
        best = "; ".join(
            f"{factor}: latent {row['its_latent'][factor]} {share:.2f}"
            for factor, share in row["best_share"].items()
        )
        terms = {key: row[key] for key in ("images", "mig_exact", *PARTS)}
        rows.append({"model": name, "data": data.name, **terms, "best_variance_share": best})
    write_rows(target / "zoo_models.csv", rows)


def _png(pixels: Tensor) -> bytes:
    content = io.BytesIO()
    array = pixels.permute(1, 2, 0).numpy()
    Image.fromarray(array[..., 0] if array.shape[2] == 1 else array).save(content, "PNG")
    return content.getvalue()
