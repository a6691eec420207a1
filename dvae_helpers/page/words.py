"""Factor values by their names, where the drawn image sets have some."""

from collections.abc import Sequence

from torch import Tensor

from .. import faces, fruits, sprites
from ..datasets import NAMES, ImageSet

_NAMES: dict[str, Sequence[str]] = {
    "shape": sprites.SHAPES,
    "kind": fruits.KINDS,
    "colour": fruits.COLOURS,
    "size": fruits.SIZES,
    "hair length": faces.LENGTHS,
    "hair colour": faces.COLOURS,
    "age": faces.AGES,
    "face shape": faces.SHAPES,
    "facial hair": faces.BEARDS,
    "smile": faces.SMILES,
    "pose": faces.POSES,
}


def value_names(data: ImageSet, factor: str) -> list[str]:
    """The name of each value of a factor of `data`: "heart"; its number where it has no name.

    Only the values of the course's own sets have names: those of your labels are your own.
    """
    size = data.factors.sizes[data.factors.position(factor)]
    names = _NAMES.get(factor, ()) if data.name in NAMES else ()
    return list(names) if len(names) == size else [str(value) for value in range(size)]


def described(data: ImageSet, classes: Tensor) -> list[str]:
    """Images in words: (B, K) factor values -> "shape heart, scale 5, x 3, y 7", B of them."""
    names = data.factors.names
    tables = [value_names(data, name) for name in names]
    return [
        ", ".join(f"{name} {table[v]}" for name, table, v in zip(names, tables, row, strict=True))
        for row in classes.tolist()
    ]
