"""Which device a word names."""

import functools

import torch

from ..datasets import ImageSet
from ..factors import FactorSpace
from ..models import VAE
from ..objectives import beta_tcvae
from .loop import fit


def choose_device(wanted: str = "auto") -> str:
    """The device that a word names: "auto", "cpu", "cuda", "cuda:0", ... or "mps".

    "auto" is a GPU of this machine if a model can be trained on it, CUDA before Apple's MPS; else
    the processor. Raises ValueError for a device that is not there, and says which ones are.
    """
    there = devices()
    if wanted == "auto":
        return next(name for name in (*there[1:], "cpu") if name == "cpu" or _trains_on(name))
    count = torch.cuda.device_count() if "cuda" in there else 0
    numbered = [f"cuda:{number}" for number in range(count)]
    if wanted not in (*there, *numbered, *(f"{name}:0" for name in there)):
        more = f" ({', '.join(numbered)})" if count > 1 else ""
        raise ValueError(
            f"There is no device {wanted!r} here; choose auto, {', '.join(there)}{more}."
        )
    return wanted


def devices() -> list[str]:
    """The kinds of device that torch finds on this machine, the processor first."""
    found = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    return ["cpu", *(name for name, there in found.items() if there)]


@functools.cache
def _trains_on(name: str) -> bool:
    """Tries two steps of training with all that a run needs: not every GPU has every operation."""
    if name == "cuda":
        return True
    space = FactorSpace(("number",), (8,))
    try:
        data = ImageSet("trial", space, (1, 8, 8), torch.zeros(8, 1, 8, 8, dtype=torch.uint8))
        model = VAE(data.shape, 2, "conv", 4).to(name)
        fit(model, data.to(name), beta_tcvae, 2, 4, progress=False)
    except (RuntimeError, TypeError, NotImplementedError):
        return False
    return True
