"""A perfect code, rotated and copied, and the scores that follow or do not."""

import csv
from pathlib import Path

import torch

from ..codes import small_code, spoil, spoiled_scores
from ..figures import draw_lattice, plt, to_png
from ..files import write_csv
from ..page import Component

DEGREES, COPIES = tuple(range(0, 91, 3)), tuple(n / 10 for n in range(11))
SCORES = ("best MI", "MIG", "D", "C")
TABLE = Path(__file__).with_name("spoiled_codes.csv")  # `python -m ...gap_explorer` makes it


def gap_explorer() -> Component:
    """Two sliders that rotate and copy a perfect code, and the scores that follow or do not.

    The page turns the lattice; the scores of every place of the sliders are those of
    `codes.spoiled_scores`, from a table that comes with the package.
    """
    rows = {(row[0], row[1]): row[2:] for row in read_table()}
    code, sizes = small_code()
    places = [[rows[degrees, copy] for degrees in DEGREES] for copy in COPIES]
    content = {
        "factors": ["a", "b"],
        "sizes": list(sizes),
        "points": [[round(v, 4) for v in point] for point in code.tolist()],
        "degrees": list(DEGREES),
        "copies": list(COPIES),
        "names": list(SCORES),
        "scores": [[place[:4] for place in row] for row in places],
        "shares": [[place[4:] for place in row] for row in places],
    }
    figure, axes = plt.subplots(1, 3, figsize=(9, 3))
    for place, degrees in zip(axes, (0, 21, 45), strict=True):
        scores = dict(zip(SCORES, rows[degrees, 0.0], strict=False))
        title = f"{degrees} degrees: MIG {scores['MIG']:.2f}, best MI {scores['best MI']:.2f}"
        draw_lattice(place, spoil(code, degrees, 0.0)[:, :2].view(*sizes, 2), title)
    return Component(
        "gapExplorer",
        content,
        to_png(figure),
        "A grid of two factors, upright and turned by 21 and 45 degrees, with two scores of each.",
        "A perfect code turned by 0, 21 and 45 degrees. Where scripts run, two sliders turn it and "
        "copy one of its latents, and four scores follow.",
    )


def read_table() -> list[tuple[float, ...]]:
    """Degrees, copy, four scores and six shares of information, for each place of the sliders."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        _, *rows = csv.reader(file)
    return [tuple(map(float, row)) for row in rows]


def _write_table() -> None:
    """Computes the scores of all 341 places anew: some minutes."""
    columns = ["degrees", "copy", *SCORES]
    columns += [f"share of {factor} in {latent}" for factor in "ab" for latent in range(3)]
    rows = []
    for copy in COPIES:
        for degrees in DEGREES:
            scores, share = spoiled_scores(degrees, copy)
            numbers = [*(scores[name] for name in SCORES), *share.flatten().tolist()]
            values = [degrees, copy, *(f"{v:.4f}" for v in numbers)]
            rows.append(dict(zip(columns, values, strict=True)))
    write_csv(TABLE, columns, rows)


if __name__ == "__main__":
    torch.set_num_threads(1)
    _write_table()
