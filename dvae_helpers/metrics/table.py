"""All scores of one model, in one table."""

import json
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from ..datasets import ImageSet
from ..estimators import posteriors_in
from ..files import write_csv, write_whole
from ..models import VAE, posteriors
from ..progress import tqdm
from .inputs import Codes, Factors, codes_in, labels_in, targets_in
from .interval import Interval
from .record import Sample, Score
from .registry import COLUMNS, MEANING, SCORES


@dataclass(frozen=True)
class Scores:
    """One model's scores: `values` by name, with their meaning in MEANING; `about` the run.

    remarks: by name, why a score is missing (it needs two factors, say) or nan (it refused this
        model), or what it warned of. intervals: by name, if `repeats` was given.
    """

    values: dict[str, float]
    about: dict[str, object]
    remarks: dict[str, str] = field(default_factory=dict)
    intervals: dict[str, Interval] = field(default_factory=dict)

    def text(self) -> str:
        """A table, one score a line; then a line for each remark."""
        lines = [", ".join(f"{key}: {value}" for key, value in self.about.items()), ""]
        for name, value in self.values.items():
            known = self.intervals.get(name)
            between = f" [{known.low:.3f}, {known.high:.3f}]" if known else ""
            lines.append(f"{name:28} {value:7.3f}{between}   {MEANING[name]}")
        if self.remarks:
            lines += ["", *(f"{name}: {remark}" for name, remark in self.remarks.items())]
        return "\n".join(lines)

    def write(self, folder: str | Path) -> tuple[Path, Path]:
        """As scores.csv (name, value, meaning; low, high) and scores.json (with `about`)."""
        folder = Path(folder)
        columns = ("score", "value", "meaning", *(("low", "high") if self.intervals else ()))
        rows = []
        for name, value in self.values.items():
            row = {"score": name, "value": repr(value), "meaning": MEANING[name]}
            if self.intervals:
                known = self.intervals.get(name)
                row |= {side: repr(getattr(known, side, math.nan)) for side in ("low", "high")}
            rows.append(row)
        write_csv(folder / "scores.csv", columns, rows)
        content = {"about": self.about, "scores": self.values}
        if self.remarks:
            content["remarks"] = self.remarks
        if self.intervals:
            content["intervals"] = {name: vars(known) for name, known in self.intervals.items()}
        write_whole(folder / "scores.json", json.dumps(content, indent=2).encode())
        return folder / "scores.csv", folder / "scores.json"


def score(
    model: VAE,
    data: ImageSet,
    images: int | None = None,
    rows: int = 10_000,
    boosting: bool = False,
    seed: int = 0,
    progress: bool = True,
    repeats: int = 0,
) -> Scores:
    """All scores of one model.

    images: how many are encoded (default: all of a set of up to 50,000, or of any set on a GPU;
        else 50,000 at random). The exact scores use all of these.
    rows: how many of them the other scores use: the mean codes of a random choice.
    boosting: also DCI with boosted trees, which takes minutes.
    repeats: of random halves of the images, for a 95 % interval of every score (see `interval`).
        Each costs about half of the whole table.

    A score that refuses this model is nan, and `remarks` says why. One that needs more latents or
    labelled factors than there are is left out, with a remark. Raises ValueError for images or
    rows that the set does not have.
    """
    if images is None:
        images = len(data) if model.device.type == "cuda" else min(len(data), 50_000)
    if not 2 <= images <= len(data) or rows < 2:
        raise ValueError(
            f"images is {images} and rows {rows}; {data.name!r} has {len(data):,} images, so "
            f"choose images from 2 to {len(data)}, and at least 2 rows."
        )
    _check_repeats(repeats)
    generator = torch.Generator().manual_seed(seed)
    index = torch.randperm(len(data), generator=generator)[:images].sort().values
    some = torch.randperm(images, generator=generator)[:rows]
    parts = index.split(-(-images // 20))
    wanted = [one for one in SCORES if boosting or not one.slow]
    with tqdm(total=len(parts) + _steps(wanted, repeats), disable=not progress) as bar:
        encoded = []
        for part in parts:
            bar.set_description("encoding")
            encoded.append(posteriors(model, data, part))
            bar.update()
        mean, log_var = (torch.cat(half) for half in zip(*encoded, strict=True))
        sample = _sample(mean, log_var, data.classes(index), some, data.factors.kinds, seed)
        about = {"data": data.name, "images": images, "of": len(data), "rows": len(some)}
        return _scores(sample, wanted, repeats, about | {"seed": seed}, {}, bar)


def score_codes(
    codes: Codes,
    factors: Factors,
    log_var: Codes | None = None,
    kinds: Sequence[str] | None = None,
    rows: int = 10_000,
    boosting: bool = False,
    seed: int = 0,
    progress: bool = True,
    repeats: int = 0,
) -> Scores:
    """All scores of codes that you have, from any encoder: as `score`, without a model.

    codes: (N, J), tensor or array; the means, where the encoder gives posteriors.
    factors: (N, K) values of the same rows, or a FactorSpace, as for `mig`.
    log_var: (N, J), the log variances of Gaussian posteriors. Without them the exact scores, which
        integrate posteriors, are left out, with a remark.
    kinds: "ordered" or "nominal" for each factor; by default words are nominal, numbers ordered.
    rows, boosting, repeats: as for `score`.

    Raises ValueError for codes or factors that no score can take, and as `score` does.
    """
    points = codes_in(codes)
    targets, known = targets_in(factors, len(points), kinds)
    labels = labels_in(factors, len(points))
    if rows < 2:
        raise ValueError(f"rows is {rows}; expected at least 2.")
    _check_repeats(repeats)
    order = torch.randperm(len(points), generator=torch.Generator().manual_seed(seed))
    some = order[:rows].sort().values.numpy()
    wanted = [one for one in SCORES if boosting or not one.slow]
    remarks = {}
    if log_var is None:
        reason = "left out: it integrates posteriors. Give their log variances as log_var."
        columns = [column for one in wanted if one.posteriors for column in one.columns]
        remarks = {column.name: reason for column in columns}
        wanted = [one for one in wanted if not one.posteriors]
        mean, widths = torch.from_numpy(points), torch.zeros(points.shape)
    else:
        mean, widths = posteriors_in(torch.as_tensor(codes), torch.as_tensor(log_var))
    ordered = [kind == "ordered" for kind in known]
    values = np.where(ordered, targets, labels)  # an ordered factor keeps its numbers
    sample = Sample(mean, widths, torch.from_numpy(labels), points[some], values[some], known, seed)
    about = {"codes": len(points), "rows": len(some), "seed": seed}
    with tqdm(total=_steps(wanted, repeats), disable=not progress) as bar:
        return _scores(sample, wanted, repeats, about, remarks, bar)


def _steps(wanted: Sequence[Score], repeats: int) -> int:
    return len(wanted) * (1 + repeats)


def _scores(
    sample: Sample,
    wanted: Sequence[Score],
    repeats: int,
    about: dict[str, object],
    remarks: dict[str, str],
    bar: tqdm,
) -> Scores:
    """All numbers, and their intervals from random halves; the bar goes on with every score."""

    def read(one: Score, seen: Sample, word: str = "") -> tuple[dict[str, float], dict[str, str]]:
        bar.set_description(one.title + word)
        result = _values(one, seen)
        bar.update()
        return result

    values, remarks = {}, dict(remarks)
    for one in wanted:
        found, said = read(one, sample)
        values |= found
        remarks |= said
    halves: dict[str, list[float]] = {name: [] for name in values}
    random = np.random.default_rng(sample.seed)
    for _ in range(repeats):
        half = _half(sample, random)
        for one in wanted:
            found, _ = read(one, half, ", halves")
            for name in halves.keys() & found.keys():
                halves[name].append(found[name])
    intervals = {
        name: _interval(name, values[name], found, repeats)
        for name, found in halves.items()
        if repeats
    }
    return Scores(values, about, remarks, intervals)


def _check_repeats(repeats: int) -> None:
    if repeats < 0 or repeats == 1:
        raise ValueError(f"repeats is {repeats}; expected 0, or at least 2 for a spread.")


def _sample(mean, log_var, classes, some, kinds, seed: int) -> Sample:
    codes = codes_in(mean[some.to(mean.device)])
    classes = classes.cpu()
    return Sample(mean, log_var, classes, codes, labels_in(classes[some], len(codes)), kinds, seed)


def _half(sample: Sample, random: np.random.Generator) -> Sample:
    """A random half of the images, and a random half of the rows."""
    images, rows = (
        np.sort(random.permutation(n)[: n // 2]) for n in (len(sample.mean), len(sample.codes))
    )
    there = torch.from_numpy(images)
    device = sample.mean.device
    return replace(
        sample,
        mean=sample.mean[there.to(device)],
        log_var=sample.log_var[there.to(device)],
        classes=sample.classes[there],
        codes=sample.codes[rows],
        labels=sample.labels[rows],
    )


def _values(one: Score, sample: Sample) -> tuple[dict[str, float], dict[str, str]]:
    """The numbers of one score, and remarks, by column."""
    names = [column.name for column in one.columns]
    latents, factors = sample.mean.shape[1], sample.labels.shape[1]
    if latents < one.latents or factors < one.factors:
        reason = (
            f"left out: it compares at least {one.latents} latents and {one.factors} factors, but "
            f"there are {latents} and {factors}."
        )
        return {}, dict.fromkeys(names, reason)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        try:
            values = [float(value) for value in one.read(sample)]
        except ValueError as error:
            reason = f"refused this model: {error}"
            return dict.fromkeys(names, math.nan), dict.fromkeys(names, reason)
    said = " ".join(dict.fromkeys(str(warning.message) for warning in caught))
    return dict(zip(names, values, strict=True)), dict.fromkeys(names, said) if said else {}


def _interval(name: str, value: float, halves: list[float], repeats: int) -> Interval:
    column, error = COLUMNS[name], float(np.std(halves, ddof=1)) if len(halves) > 1 else math.nan
    low, high = np.clip((value - 1.96 * error, value + 1.96 * error), column.low, column.high)
    return Interval(value, float(low), float(high), error, repeats)
