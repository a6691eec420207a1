"""Images that agree in a factor: what the beta-VAE and the FactorVAE score draw."""

import numpy as np


class Alike:
    """Draws rows that have a given value of a given factor."""

    def __init__(self, labels: np.ndarray):
        self.order = labels.argsort(0, kind="stable")
        self.counts = [np.bincount(column) for column in labels.T]
        for k, counts in enumerate(self.counts):
            if counts.min() < 2:
                raise ValueError(
                    f"A value of factor {k} is in one row only, so no two images agree in it. "
                    "Give more rows, or leave that row out."
                )
        self.starts = [np.cumsum(counts) - counts for counts in self.counts]

    def draw(self, k: int, value: np.ndarray, random: np.random.Generator) -> np.ndarray:
        place = (random.random(value.shape) * self.counts[k][value]).astype(np.int64)
        return self.order[self.starts[k][value] + place, k]
