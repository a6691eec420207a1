"""What a run leaves: its history, or the news that it diverged."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..files import write_csv


class Diverged(ValueError):
    """The loss is no longer a number."""


@dataclass
class History:
    """What a run went through: one record every `log_every` steps.

    Each record has step, loss, distortion, rate (means over the steps since the last record),
    and mutual_information, total_correlation, dimension_kl (stratified estimates from the last
    batch alone); nats per image. Terms that an objective has of its own (`Terms.own`) come
    last, as means too.
    """

    records: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0
    images_per_second: float = 0.0
    interrupted: bool = False

    def __getitem__(self, name: str) -> np.ndarray:
        """One column, as `history["rate"]`."""
        if not self.records or name not in self.records[0]:
            there = list(self.records[0]) if self.records else "nothing yet"
            raise ValueError(f"The history has no {name!r}; it has {there}.")
        return np.array([record[name] for record in self.records])

    def __len__(self) -> int:
        return len(self.records)

    def write(self, path: str | Path) -> None:
        """As a CSV file."""
        write_csv(Path(path), list(self.records[0]) if self.records else [], self.records)
