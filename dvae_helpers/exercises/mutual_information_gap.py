"""The checks of notebook 05."""

import math
from typing import Any

import torch
from torch import Tensor

from .. import metrics
from .checking import Wrong, call, check, compare_number, number_of, refuse, tensor_of


@check
def entropy(answer: Any) -> None:
    """entropy(share (V,)) -> H in nats; shares may be 0."""
    for share in ([0.5, 0.5], [0.7, 0.2, 0.1], [0.0, 0.25, 0.75], [0.1, 0.0, 0.3, 0.4, 0.2]):
        p = torch.tensor(share, dtype=torch.float64)
        right = float(torch.special.entr(p).sum())
        value, example = number_of(call(answer, p.clone())), f"for the shares {share}"
        if math.isnan(value):
            raise Wrong(f"{example} you get NaN: 0 times ln 0 counts 0. Leave out empty values.")
        refuse(
            value,
            right,
            (-right, "the sign: an entropy is never negative."),
            (right / math.log(2), "that is in bits. Use the natural logarithm: nats."),
        )
        compare_number(value, right, 1e-6, f"{example}, your entropy")


@check
def mutual_information(answer: Any) -> None:
    """mutual_information(counts (V, B)) -> I between row and column, in nats."""
    generator = torch.Generator().manual_seed(51)
    for rows, columns in ((2, 3), (4, 3), (5, 7)):
        counts = torch.randint(0, 9, (rows, columns), generator=generator)
        counts[0, 0], counts[1, 1] = 0, 12
        p = counts.double() / counts.sum()
        apart = p.sum(1, keepdim=True) * p.sum(0)
        right = float(torch.special.xlogy(p, p / apart).sum())
        joint = float(torch.special.entr(p).sum())
        value = number_of(call(answer, counts.clone()))
        if math.isnan(value):
            raise Wrong("you get NaN: cells with the count 0 add nothing. Leave them out.")
        refuse(
            value,
            right,
            (joint, "that is the entropy of the table. Compare it with independent columns."),
            (-right, "the sign: a mutual information is never negative."),
            (right / math.log(2), "that is in bits. Use the natural logarithm: nats."),
            (right * float(counts.sum()), "divide the counts by their sum first."),
        )
        what = f"for a table of {rows} x {columns} counts, your information"
        compare_number(value, right, 1e-6, what)


@check
def gap(answer: Any) -> None:
    """gap(information (K, J), entropy (K,)) -> MIG."""
    generator = torch.Generator().manual_seed(52)
    for factors, latents in ((2, 5), (4, 3), (3, 6)):
        entropy = 1 + 2 * torch.rand(factors, generator=generator, dtype=torch.float64)
        table = torch.rand(factors, latents, generator=generator, dtype=torch.float64)
        table = table * entropy[:, None]
        first, second = table.topk(2, dim=1).values.unbind(1)
        apart, best = first - second, table.topk(2, dim=0).values
        value, right = number_of(call(answer, table.clone(), entropy.clone())), apart / entropy
        refuse(
            value,
            right.mean(),
            (apart.mean(), "each gap must be divided by the entropy of its factor."),
            (right.sum(), "that is the sum over factors; take the mean."),
            ((first / entropy).mean(), "that is the best latent alone. Take the second best off."),
            (
                ((first - table.min(1).values) / entropy).mean(),
                "take off the second best, not the worst.",
            ),
            (
                apart.sum() / entropy.sum(),
                "divide each gap by its own entropy first, then take the mean.",
            ),
            (
                (apart / first).mean(),
                "divide by the entropy of the factor, not by the best information.",
            ),
            (
                (best[0] - best[1]).mean(),
                "you compare factors. Compare latents: they are the columns.",
            ),
        )
        what = f"for {factors} factors and {latents} latents, your MIG"
        compare_number(value, float(right.mean()), 1e-6, what)


def _known(codes: Tensor, classes: Tensor, width: float) -> tuple[Tensor, float]:
    """I(z_j; g_k) / H(g_k) and MIG of narrow posteriors: `width` of each latent's spread."""
    codes = codes.double()
    if codes.ndim != 2 or len(codes) != len(classes) or codes.shape[1] < 2:
        raise Wrong(
            f"your code has shape {tuple(codes.shape)}; expected ({len(classes)}, J) with J at "
            "least 2: one row for each image."
        )
    spread = codes.std(0)
    log_var = 2 * (width * torch.where(spread > 0, spread, 1)).log().expand_as(codes)
    found = metrics.mig_exact(codes, log_var, classes)
    return found.information / found.entropy[:, None], found.score


@check
def why_the_gap(answer: Any) -> None:
    """spoiled(code (N, 2)) -> (N, J): best information above 0.9, but MIG below 0.1."""
    for sizes in ((5, 8), (7, 4)):
        classes = torch.cartesian_prod(*map(torch.arange, sizes))
        code = (classes - classes.double().mean(0)) / classes.double().std(0)
        share, score = _known(tensor_of(call(answer, code.clone())), classes, 0.01)
        best = float(share.max(1).values.mean())
        example = f"for factors of {sizes} values your best MI is {best:.2f}"
        if best < 0.9:
            raise Wrong(
                f"{example} of the entropy: your code has lost something. It must still know both "
                "factors."
            )
        if score > 0.1:
            raise Wrong(
                f"{example}, but your MIG is still {score:.2f}. Each factor must be known by two "
                "latents, equally well."
            )


@check
def blind_spot(answer: Any) -> None:
    """two_in_one(classes (N, 2), sizes) -> (N, J): MIG above 0.95, with one latent for both."""
    for sizes in ((5, 8), (7, 4)):
        classes = torch.cartesian_prod(*map(torch.arange, sizes))
        result = tensor_of(call(answer, classes.clone(), list(sizes)))
        share, score = _known(result, classes, 0.005)
        example = f"for factors of {sizes} values your MIG is {score:.2f}"
        if score < 0.95:
            raise Wrong(
                f"{example}. Can both factors be read back from your one latent, and does no "
                "other latent know them?"
            )
        if share.argmax(1).unique().numel() > 1:
            raise Wrong(f"{example}, but each factor has its own latent.")
