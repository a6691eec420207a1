"""The checks of notebook 06."""

import math
from typing import Any

import torch
from torch import Tensor

from .. import metrics
from .checking import Wrong, call, check, compare_number, number_of, refuse, two_of


def _one_less_entropy(table: Tensor, base: float) -> Tensor:
    """1 - entropy of every row's shares, in the given base; 0 for a row of zeros."""
    shares = table / table.sum(1, keepdim=True).clamp(min=1e-300)
    score = 1 - torch.special.entr(shares).sum(1) / math.log(base)
    return torch.where(table.sum(1) > 0, score, 0.0)


@check
def row_score(answer: Any) -> None:
    """row_score(row (K,)) -> D_j of the importances of one latent, not yet shares."""
    generator = torch.Generator().manual_seed(61)
    for columns in (5, 3, 4):
        row = 3 * torch.rand(columns, generator=generator, dtype=torch.float64)
        row[1] = 0.0
        right = float(_one_less_entropy(row[None], columns))
        value = number_of(call(answer, row.clone()))
        if math.isnan(value):
            raise Wrong("you get NaN: an importance of 0 adds nothing to the entropy.")
        nats = torch.special.entr(row / row.sum()).sum()
        unscaled = torch.special.entr(row).sum() / math.log(columns)
        refuse(
            value,
            right,
            (1 - right, "that is the entropy. A pure row must score 1."),
            (1 - nats, "that entropy is in nats: use base K, the number of factors."),
            (1 - nats / math.log(2), "that entropy is in bits: use base K."),
            (1 - unscaled, "make shares first: divide the row by its sum."),
        )
        compare_number(value, right, 1e-6, f"for {columns} factors, your score")


@check
def both_scores(answer: Any) -> None:
    """both_scores(importance (J, K)) -> (D, C); some latents may be dead."""
    generator = torch.Generator().manual_seed(62)
    for latents, factors in ((6, 3), (4, 5), (3, 3)):
        table = _one_dead_latent(generator, latents, factors)
        weight = table.sum(1) / table.sum()
        per_latent = _one_less_entropy(table, factors)
        right_d = float(weight @ per_latent)
        right_c = float(_one_less_entropy(table.T, latents).mean())
        d, c = map(number_of, two_of(call(answer, table.clone()), "two numbers: (D, C)"))
        example = f"for {latents} latents, one of them dead, and {factors} factors"
        if math.isnan(d) or math.isnan(c):
            raise Wrong(f"{example} you get NaN. A dead latent has the weight 0: leave it out.")
        exchanged = "you have them the wrong way round: D looks along rows (latents)."
        refuse([d, c], [right_d, right_c], ([right_c, right_d], exchanged))
        refuse(
            d,
            right_d,
            (per_latent.mean(), "D: weight each latent by its share of all importance."),
            (
                per_latent[weight > 0].mean(),
                "D: weight each latent by its share of all importance; leaving out dead ones is "
                "not enough.",
            ),
            (
                weight @ _one_less_entropy(table, latents),
                "D: the entropy of a row has base K, the number of factors.",
            ),
        )
        refuse(
            c,
            right_c,
            (
                _one_less_entropy(table.T, factors).mean(),
                "C: the entropy of a column has base J, the number of latents.",
            ),
            (
                _one_less_entropy(table.T, latents - 1).mean(),
                "C: the base J counts every latent, the dead one too.",
            ),
        )
        compare_number(d, right_d, 1e-6, f"{example}, your D")
        compare_number(c, right_c, 1e-6, f"{example}, your C")


def _one_dead_latent(generator: torch.Generator, latents: int, factors: int) -> Tensor:
    """Random importances, some of them 0; latent 1 has none."""
    table = torch.rand(latents, factors, generator=generator, dtype=torch.float64)
    table[torch.rand(latents, factors, generator=generator) < 0.3] = 0.0
    table[:, 0] += 0.1  # no row and no first column of zeros
    table[1] = 0.0
    table[0] += 0.5 / latents
    return table


@check
def normalised_error(answer: Any) -> None:
    """normalised_error(predicted (n,), target (n,), guess) -> RMSE over the RMSE of the guess."""
    generator = torch.Generator().manual_seed(63)
    for size in (40, 70):
        target = 3 * torch.randn(size, generator=generator, dtype=torch.float64) + 5
        guess = 4.4  # the mean of other rows
        predicted = target + torch.randn(size, generator=generator, dtype=torch.float64)
        square, least = ((predicted - target) ** 2).mean(), ((guess - target) ** 2).mean()
        ratio = square / least
        value = number_of(call(answer, predicted.clone(), target.clone(), guess))
        refuse(
            value,
            ratio.sqrt(),
            (ratio, "take the root of the ratio."),
            (square.sqrt(), "divide by the error of the guess, so that 1 means useless."),
            (
                square.sqrt() / target.std(),
                "compare with the guess that was given, not with the mean of the held-out rows.",
            ),
            (
                (square / target.var(correction=0)).sqrt(),
                "compare with the guess that was given. The mean of the held-out rows is not "
                "known to anybody who predicts them.",
            ),
            (1 - ratio, "that is a share of explained variance; return an error."),
        )
        compare_number(value, float(ratio.sqrt()), 1e-6, "your error")


@check
def extremes(answer: Any) -> None:
    """Two tables of importances (J, K): D = 1 with C below 0.7; then C = 1 with D below 0.7."""
    try:
        first, second = answer
        tables = [torch.as_tensor(table, dtype=torch.float64) for table in (first, second)]
    except (TypeError, ValueError):
        raise Wrong("give two tables: (first, second), each a list of rows.") from None
    for which, table, names in zip(("first", "second"), tables, ("DC", "CD"), strict=True):
        if table.ndim != 2 or min(table.shape) < 2 or (table < 0).any():
            raise Wrong("a table has at least 2 rows, 2 columns, and no negative number.")
        if (table.sum(0) == 0).any():
            raise Wrong("every factor must be served by some latent: no column of zeros.")
        d, c, *_ = metrics.importance_scores(table)
        high, low = (d, c) if names == "DC" else (c, d)
        if high < 0.999:
            raise Wrong(f"your {which} table has {names[0]} = {high:.2f}; it must be 1.")
        if low >= 0.7:
            raise Wrong(f"your {which} table has {names[1]} = {low:.2f}; it must be below 0.7.")


def _codes_of_known_worth() -> dict[str, tuple[Tensor, Tensor]]:
    """Codes (N, J) of a grid of two factors (N, 2), each with a name."""
    generator = torch.Generator().manual_seed(65)
    classes = torch.cartesian_prod(torch.arange(6), torch.arange(5)).repeat(20, 1)
    clean = classes.double() - classes.double().mean(0)
    clean = clean / clean.std(0)
    empty = torch.zeros(len(classes), 2, dtype=torch.float64)
    number = (5 * classes[:, :1] + classes[:, 1:]).double()
    turn = torch.tensor([[1.0, 1.0], [-1.0, 1.0]], dtype=torch.float64) / math.sqrt(2)
    codes = {
        "perfect": torch.cat((clean, empty), 1),
        "in another order": torch.cat((empty, clean), 1)[:, [3, 0, 2, 1]],
        "with signs turned": torch.cat((-clean, empty), 1),
        "noise": torch.randn(len(classes), 4, generator=generator, dtype=torch.float64),
        "copied": torch.cat((clean, clean), 1),
        "merged": torch.cat((number, empty), 1),
        "rotated": torch.cat((clean @ turn, empty), 1),
    }
    return {name: (code, classes) for name, code in codes.items()}


@check
def own_score(answer: Any) -> None:
    """score(codes (N, J), classes (N, K)) -> 0 to 1, tried on codes whose worth is known."""
    found = {}
    for name, (codes, classes) in _codes_of_known_worth().items():
        found[name] = number_of(call(answer, codes.clone(), classes.clone()))
        if math.isnan(found[name]):
            raise Wrong(f"the code {name!r} gets NaN. Does it have an unused latent, all zeros?")
        if not -1e-6 <= found[name] <= 1 + 1e-6:
            raise Wrong(f"the code {name!r} gets {found[name]:.2f}: a score lies from 0 to 1.")
    best = found["perfect"]
    if best < 0.9:
        raise Wrong(
            f"the perfect code (with two unused latents) gets {best:.2f}; expected at least 0.90."
        )
    for name in ("in another order", "with signs turned"):
        if abs(found[name] - best) > 0.02:
            raise Wrong(
                f"the perfect code gets {best:.2f}, and {found[name]:.2f} {name}: that must not "
                "matter."
            )
    if found["noise"] > 0.15:
        raise Wrong(f"pure noise gets {found['noise']:.2f}; expected at most 0.15.")
    asks = {
        "copied": "each factor is in two latents",
        "merged": "one latent holds both factors",
        "rotated": "both latents are mixtures of both factors",
    }
    for name, what in asks.items():
        if found[name] > 0.6 * best:
            raise Wrong(
                f"{what} in the code {name!r}, but it gets {found[name]:.2f}; expected at most "
                f"{0.6 * best:.2f}, six tenths of the perfect one."
            )
