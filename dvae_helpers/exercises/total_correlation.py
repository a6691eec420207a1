"""The checks of notebook 04."""

import math
from typing import Any

import torch

from .. import estimators
from .checking import (
    Wrong,
    call,
    check,
    compare,
    compare_number,
    number_of,
    refuse,
    tensor_of,
    two_of,
)


@check
def table_total_correlation(answer: Any) -> None:
    """total_correlation(table): KL from a joint table (R, C) to the product of its margins."""
    generator = torch.Generator().manual_seed(40)
    for shape in ((3, 5), (2, 4), (6, 3)):
        table = torch.rand(shape, generator=generator, dtype=torch.float64)
        table /= table.sum()
        product = table.sum(1, keepdim=True) * table.sum(0, keepdim=True)
        ratio = (table / product).log()
        right = (table * ratio).sum()
        value = number_of(call(answer, table.clone()))
        refuse(
            value,
            right,
            (-right, "the sign is turned: a KL is never negative."),
            (right / math.log(2), "that is in bits. This course counts in nats."),
            (ratio.mean(), "all cells count the same; weigh them by the joint."),
            (ratio.sum(), "you add up the logs; weigh each of them by the joint."),
            ((table * ratio).mean(), "the weights sum to 1 already: add up, do not average."),
            (-(product * ratio).sum(), "that is the KL from product to joint."),
            ((product * ratio).sum(), "the average must be under the joint."),
            (-(table * table.log()).sum(), "that is the entropy of the joint table."),
        )
        what = f"for a table of shape {tuple(shape)}, your total correlation"
        compare_number(value, float(right), 1e-6, what)


@check
def joint_and_product(answer: Any) -> None:
    """log densities (B, M, J), log weights (B, M) -> log q(z_i), log prod_j q(z_ij), both (B,)."""
    generator = torch.Generator().manual_seed(41)
    for shape, shift in (((4, 7, 3), 0.0), ((3, 2, 5), -900.0)):
        densities = 2 * torch.randn(shape, generator=generator, dtype=torch.float64) - 1 + shift
        weights = torch.randn(shape[:2], generator=generator, dtype=torch.float64)
        weights = weights.log_softmax(1)
        result = call(answer, densities.clone(), weights.clone())
        what = "two things: log q of all latents together, and of the product"
        joint, product = map(tensor_of, two_of(result, what))
        every = weights[:, :, None]
        right_joint = (densities.sum(2) + weights).logsumexp(1)
        right_product = (densities + every).logsumexp(1).sum(1)
        refuse(joint, right_joint, (right_product, "the joint and the product are exchanged."))
        if joint.isinf().any() or product.isinf().any():
            raise Wrong(
                "for very small densities you take the log of 0: exp() underflows. Stay with "
                "logs, and use logsumexp."
            )
        refuse(
            joint,
            right_joint,
            (
                (densities + every).sum(2).logsumexp(1),
                "in the joint, the weight of an image is counted once for every latent.",
            ),
            (densities.sum(2).logsumexp(1), "the joint has no weights."),
            (
                (densities.sum(2) * weights.exp()).sum(1),
                "the joint averages logs over the images; average the densities.",
            ),
        )
        compare(joint, right_joint, "log q(z)")
        plain = densities.logsumexp(1).sum(1)
        refuse(
            product,
            right_product,
            (plain + weights.logsumexp(1), "the product has no weights inside its sums."),
            (plain, "the product has no weights."),
        )
        compare(product, right_product, "the log of the product")


@check
def repaired_weights(answer: Any) -> None:
    """stratified(batch_size, dataset_size) -> log weights (B, B) of an unbiased estimate of q(z).

    Any weights are right whose row i has 1/N for its own image and 1 - 1/N for all others
    together: a batch is in random order, so it does not matter how the others share it.
    """
    for batch, dataset in ((6, 40), (3, 5), (9, 9), (2, 7), (16, 500)):
        size = f"for batch_size {batch} and dataset_size {dataset}"
        result = tensor_of(call(answer, batch, dataset)).double()
        if result.shape != (batch, batch):
            expected = (batch, batch)
            raise Wrong(f"{size}, your result has shape {tuple(result.shape)}, not {expected}.")
        right = estimators.stratified_log_weights(batch, dataset).exp()
        refuse(result, right.log(), (right, f"{size}, these are the weights; return their logs."))
        if not (result <= 1e-6).all() or not result.isfinite().all():
            raise Wrong(f"{size}, some weights are not the log of a number between 0 and 1.")
        weights = result.exp()
        own, totals = weights.diagonal(), weights.sum(1)
        if torch.allclose(totals, torch.ones_like(totals), rtol=0, atol=1e-5) and not _near(
            own, 1 / dataset
        ):
            row = int((own - 1 / dataset).abs().argmax())
            raise Wrong(
                f"{size}, all rows sum to 1, but in row {row} the own image counts "
                f"{own[row]:.4f}. Print a small matrix: which place has the image that is "
                "surely in the batch, and what does it count in q(z)?"
            )
        row = int((totals - 1).abs().argmax())
        if not abs(totals[row] - 1) < 1e-5:
            raise Wrong(f"{size}, row {row} sums to {totals[row]:.4f}; every row must sum to 1.")


def _near(values: torch.Tensor, right: float) -> bool:
    """All within a ten-thousandth of the right value."""
    return bool(((values - right).abs() <= 1e-4 * right).all())


@check
def price_of_a_turn(answer: Any) -> None:
    """price_of_a_turn(a, b, angle): nats that the best diagonal Gaussian loses to a turned one.

    a, b: precisions of the two latents, (B,); angle: in radians. -> (B,)
    """
    generator = torch.Generator().manual_seed(42)
    for angle in (0.0, 0.3, math.pi / 4, 1.9, -0.8):
        a, b = (3 * torch.rand(2, 6, generator=generator) + 0.1).double()
        right, cos2, sin2 = _turned(a, b, angle)
        result = call(answer, a.clone(), b.clone(), angle)
        by_variance = _turned(1 / a, 1 / b, angle)[0]  # the same: the formula has no side
        assert torch.allclose(by_variance, right)
        variances = (a * cos2 + b * sin2) * (a * sin2 + b * cos2)
        refuse(
            result,
            right,
            (-right, "the sign is turned: a KL is never negative."),
            (2 * right, "everything is twice too large: each latent has a half in front."),
            (right / math.log(2), "that is in bits. This course counts in nats."),
            (_turned(a, b, math.radians(angle))[0], "the angle is in radians already."),
            (_turned(a**2, b**2, angle)[0], "a and b are precisions, 1/s^2, not 1/s."),
            (0.5 * variances.log(), "you do not divide by the determinant."),
            (-0.5 * (a * b).log(), "that is the determinant alone; where are the two diagonals?"),
            (
                right.mean(),
                "one price for each pair of precisions, not their mean.",
            ),
        )
        what = f"for an angle of {angle:.2f}, your price"
        compare(result, right, what, 1e-6)


def _turned(a: torch.Tensor, b: torch.Tensor, angle: float) -> tuple[torch.Tensor, float, float]:
    """The price, and the squares of cosine and sine."""
    cos2, sin2 = math.cos(angle) ** 2, math.sin(angle) ** 2
    return 0.5 * ((a * cos2 + b * sin2) * (a * sin2 + b * cos2) / (a * b)).log(), cos2, sin2
