"""Every score, once: the table of `score`, the columns of a sweep and the glossary read this."""

from . import (
    difference_classifier,
    disentanglement,
    information_ratios,
    latent_gap,
    least_variance,
    mutual_information_gap,
    readable,
    separated_predictability,
    squared_ratio,
)
from .record import Column, Score

SCORES: tuple[Score, ...] = (
    *mutual_information_gap.SCORES,
    *latent_gap.SCORES,
    *disentanglement.SCORES,
    *information_ratios.SCORES,
    *separated_predictability.SCORES,
    *difference_classifier.SCORES,
    *least_variance.SCORES,
    *squared_ratio.SCORES,
    *readable.SCORES,
)
COLUMNS: dict[str, Column] = {column.name: column for score in SCORES for column in score.columns}
MEANING: dict[str, str] = {name: column.meaning for name, column in COLUMNS.items()}


def as_markdown() -> str:
    """The registry as a table for people."""
    lines = ["| score | what it says | call | source |", "|---|---|---|---|"]
    for score in SCORES:
        call = f"`metrics.{score.function.__name__}`"
        lines += [
            f"| `{column.name}` | {column.meaning} | {call} | {score.source} |"
            for column in score.columns
        ]
    return "\n".join(lines)
