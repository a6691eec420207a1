"""The generative factors g_k of a data set, and the grid of all their combinations."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

KINDS = ("ordered", "nominal")


class FactorSpace:
    """Names and sizes of K factors; image n of the full grid shows `classes(n)`.

    The grid is row-major: the last factor varies fastest.

    names: K different strings.
    sizes: K integers, each at least 2: a factor with one value cannot be told from no factor.
    kinds: K words, "ordered" or "nominal" (default: all ordered). The values of a nominal factor
        are names in no order, as shapes or colours are: no score may take them as numbers.

    >>> space = FactorSpace(["size", "colour"], [2, 3])
    >>> len(space), space.classes(4).tolist(), int(space.index([1, 1]))
    (6, [1, 1], 4)
    """

    def __init__(
        self, names: Sequence[str], sizes: Sequence[int], kinds: Sequence[str] | None = None
    ):
        names, sizes = tuple(names), tuple(sizes)
        if len(names) != len(sizes) or not names:
            raise ValueError(
                f"FactorSpace got {len(names)} names and {len(sizes)} sizes; "
                "give one size for each name, and at least one factor."
            )
        if len(set(names)) != len(names):
            raise ValueError(f"Factor names must differ, but got {names}.")
        for name, size in zip(names, sizes, strict=True):
            if int(size) != size or size < 2:
                raise ValueError(
                    f"Factor {name!r} has size {size}; each factor needs a whole number of at "
                    "least 2 values. Leave a factor with one value out: it carries no information."
                )
        self.names: tuple[str, ...] = names
        self.sizes: tuple[int, ...] = tuple(int(size) for size in sizes)
        self.kinds: tuple[str, ...] = check_kinds(kinds, len(names))

    def __len__(self) -> int:
        """How many combinations (images in the full grid) there are."""
        return math.prod(self.sizes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FactorSpace) and (self.names, self.sizes, self.kinds) == (
            other.names,
            other.sizes,
            other.kinds,
        )

    def __hash__(self) -> int:
        return hash((self.names, self.sizes, self.kinds))

    def __repr__(self) -> str:
        inside = ", ".join(f"{n}: {s}" for n, s in zip(self.names, self.sizes, strict=True))
        return f"FactorSpace({inside}; {len(self):,} combinations)"

    def position(self, name: str) -> int:
        """The column k of the factor `name`. Raises ValueError for an unknown name."""
        if name not in self.names:
            raise ValueError(f"There is no factor {name!r}; this space has {self.names}.")
        return self.names.index(name)

    def classes(self, index: Tensor | Sequence[int] | int) -> Tensor:
        """Factor values of grid positions. index: (...) integers -> (..., K) int64."""
        index = _integers(index, "index")
        if index.numel() and (index.min() < 0 or index.max() >= len(self)):
            raise ValueError(
                f"Indices run from {int(index.min())} to {int(index.max())}, "
                f"but this grid has positions 0 to {len(self) - 1}."
            )
        values = []
        for size in reversed(self.sizes):
            values.append(index % size)
            index = torch.div(index, size, rounding_mode="floor")
        return torch.stack(values[::-1], dim=-1)

    def index(self, classes: Tensor | Sequence) -> Tensor:
        """Grid positions of factor values. classes: (..., K) integers -> (...) int64."""
        classes = self.check(classes)
        position = torch.zeros(classes.shape[:-1], dtype=torch.int64, device=classes.device)
        for k, size in enumerate(self.sizes):
            position = position * size + classes[..., k]
        return position

    def check(self, classes: Tensor | Sequence) -> Tensor:
        """The same factor values as int64, or a ValueError that says which one is outside."""
        classes = _integers(classes, "classes")
        if classes.ndim == 0 or classes.shape[-1] != len(self.sizes):
            raise ValueError(
                f"classes has shape {tuple(classes.shape)}; the last axis must have "
                f"{len(self.sizes)} entries, one for each of {self.names}."
            )
        if classes.numel():
            flat = classes.reshape(-1, len(self.sizes))
            low, high = flat.amin(0).tolist(), flat.amax(0).tolist()
            for name, size, a, b in zip(self.names, self.sizes, low, high, strict=True):
                if a < 0 or b >= size:
                    raise ValueError(
                        f"Factor {name!r} has values from {a} to {b}, "
                        f"but only 0 to {size - 1} exist."
                    )
        return classes

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n combinations, independent and uniform over the grid -> (n, K) int64."""
        if n < 1:
            raise ValueError(f"Asked for {n} samples; ask for at least 1.")
        device = generator.device if generator is not None else "cpu"
        index = torch.randint(len(self), (n,), generator=generator, device=device)
        return self.classes(index)

    def entropies(self) -> Tensor:
        """H(g_k) = ln V_k of every factor when the grid is drawn uniformly -> (K,), nats."""
        return torch.tensor(self.sizes, dtype=torch.float64).log()


def check_kinds(kinds: Sequence[str] | None, factors: int) -> tuple[str, ...]:
    """The kind of each of K factors; all "ordered" for None. Raises ValueError for other words."""
    if kinds is None:
        return ("ordered",) * factors
    if isinstance(kinds, str) or len(kinds) != factors or not set(kinds) <= set(KINDS):
        raise ValueError(
            f"kinds is {kinds!r}; expected one of {', '.join(map(repr, KINDS))} for each of the "
            f"{factors} factors."
        )
    return tuple(kinds)


def _integers(values: Tensor | Sequence | int, what: str) -> Tensor:
    values = torch.as_tensor(values)
    if values.dtype == torch.bool or values.is_floating_point() or values.is_complex():
        raise ValueError(
            f"{what} has dtype {values.dtype}; it must hold integers. "
            "Round it first, for example with .round().long()."
        )
    return values.long()
