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
def true_total_correlation(answer: Any) -> None:
    """(printed TC, J, N, batch size) -> the range (low, high) in which the true TC lies."""
    for printed, latents, dataset, batch in (
        (83.5, 10, 5000, 256),
        (70.2, 7, 60_000, 64),
        (36.0, 5, 5000, 64),
    ):
        low = max(0.0, printed - (latents * math.log(dataset) - math.log(batch)))
        high = printed - (latents - 1) * math.log(dataset)
        result = call(answer, printed, latents, dataset, batch)
        first, second = map(number_of, two_of(result, "two numbers: (low, high)"))
        example = f"for a printed {printed}, J = {latents}, N = {dataset} and B = {batch}"
        if first > second:
            raise Wrong(f"{example}, your low is above your high.")
        added = "the printed number is too large, so take the constants away from it."
        refuse(first, low, (2 * printed - high, added))
        if first < 0 and math.isclose(second, high, abs_tol=1e-6):
            raise Wrong(f"{example}, your low is negative. Can a total correlation be?")
        compare_number(first, low, 1e-6, f"{example}, your low")
        compare_number(second, high, 1e-6, f"{example}, your high")
