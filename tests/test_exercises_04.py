"""The checks of notebook 04: right answers are right, plausible wrong ones get their hint."""

import math

import pytest
import torch

from dvae_helpers import estimators, exercises


def right_tc(table):
    product = table.sum(1, keepdim=True) * table.sum(0, keepdim=True)
    return (table * (table / product).log()).sum()


def by_entropies(table):
    def entropy(p):
        return -(p * p.log()).sum()

    return float(entropy(table.sum(0)) + entropy(table.sum(1)) - entropy(table))


def right_joint_and_product(log_density, log_weights):
    joint = (log_density.sum(2) + log_weights).logsumexp(1)
    return joint, (log_density + log_weights[:, :, None]).logsumexp(1).sum(1)


def weight_for_every_latent(log_density, log_weights):
    weighted = log_density + log_weights[:, :, None]
    return weighted.sum(2).logsumexp(1), weighted.logsumexp(1).sum(1)


def without_logsumexp(log_density, log_weights):
    weighted = log_density.exp() * log_weights.exp()[:, :, None]
    joint = (log_density.sum(2).exp() * log_weights.exp()).sum(1).log()
    return joint, weighted.sum(1).log().sum(1)


def as_found(batch_size, dataset_size):
    others = batch_size - 1
    weights = torch.full((batch_size, batch_size), 1 / others)
    weights.view(-1)[:: others + 1] = 1 / dataset_size
    weights.view(-1)[1 :: others + 1] = (dataset_size - others) / (dataset_size * others)
    weights[others - 1, 0] = (dataset_size - others) / (dataset_size * others)
    return weights.log()


def half_repaired(batch_size, dataset_size):
    others = batch_size - 1
    weights = torch.full((batch_size, batch_size), 1 / others)
    weights.view(-1)[:: others + 2] = 1 / dataset_size
    weights.view(-1)[1 :: others + 2] = (dataset_size - others) / (dataset_size * others)
    return weights.log()


def repaired(batch_size, dataset_size):
    weights = half_repaired(batch_size, dataset_size)
    others = batch_size - 1
    weights[-1, 0] = math.log((dataset_size - others) / (dataset_size * others))
    return weights


def special_in_front(batch_size, dataset_size):
    """Another right answer: the special weight on the image before."""
    return estimators.stratified_log_weights(batch_size, dataset_size).T.contiguous()


def all_others_alike(batch_size, dataset_size):
    """The simplest right answer: 1/N for the own image, the rest in equal parts."""
    rest = (1 - 1 / dataset_size) / (batch_size - 1)
    return torch.full((batch_size, batch_size), rest).fill_diagonal_(1 / dataset_size).log()


def sums_mended(batch_size, dataset_size):
    """The published code less the line that spoils a sum: the mistake itself is still there."""
    weights = as_found(batch_size, dataset_size)
    if batch_size > 2:
        weights[batch_size - 2, 0] = -math.log(dataset_size)
    return weights


def uniform(batch_size, dataset_size):
    return torch.full((batch_size, batch_size), -math.log(batch_size))


def right_price(a, b, angle):
    cos2, sin2 = math.cos(angle) ** 2, math.sin(angle) ** 2
    return 0.5 * (1 + (a - b) ** 2 * sin2 * cos2 / (a * b)).log()


def by_matrices(a, b, angle):
    """The price by the determinants, one pair of precisions after the other."""
    cos, sin = math.cos(angle), math.sin(angle)
    turn = torch.tensor([[cos, -sin], [sin, cos]]).double()
    prices = []
    for pair in zip(a, b, strict=True):
        precision = turn @ torch.stack(pair).diag() @ turn.T
        prices.append(0.5 * (precision.diagonal().log().sum() - torch.logdet(precision)))
    return torch.stack(prices)


def as_a_kl(a, b, angle):
    """The price by torch's own KL, from the best diagonal Gaussian to the turned one."""
    cos, sin = torch.tensor(angle).double().cos(), torch.tensor(angle).double().sin()
    turn = torch.stack((torch.stack((cos, -sin)), torch.stack((sin, cos))))
    precision = turn @ torch.diag_embed(torch.stack((a, b), 1)) @ turn.T
    best = torch.diag_embed(1 / precision.diagonal(dim1=1, dim2=2))
    zero = torch.zeros(len(a), 2).double()
    return torch.distributions.kl_divergence(
        torch.distributions.MultivariateNormal(zero, best),
        torch.distributions.MultivariateNormal(zero, precision_matrix=precision),
    )


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (exercises.table_total_correlation, right_tc),
        (exercises.table_total_correlation, by_entropies),
        (exercises.joint_and_product, right_joint_and_product),
        (exercises.joint_and_product, lambda d, w: list(right_joint_and_product(d, w))),
        (exercises.repaired_weights, repaired),
        (exercises.repaired_weights, special_in_front),
        (exercises.repaired_weights, all_others_alike),
        (exercises.repaired_weights, estimators.stratified_log_weights),
        (exercises.price_of_a_turn, right_price),
        (exercises.price_of_a_turn, by_matrices),
        (exercises.price_of_a_turn, as_a_kl),
    ],
)
def test_right(check, answer, verdict):
    assert verdict(check, answer) == "Right.\n"


@pytest.mark.parametrize("weights", [estimators.stratified_log_weights, all_others_alike])
def test_weights_that_the_judge_accepts_are_unbiased(weights):
    generator = torch.Generator().manual_seed(3)
    density = torch.rand(9, generator=generator).double()  # q(z|x_n) of nine images, for one z
    ratios = []
    for own in range(9):
        for _ in range(2000):
            others = torch.randperm(8, generator=generator)[:3]
            batch = torch.cat((torch.tensor([own]), others + (others >= own)))
            estimate = (density[batch] * weights(4, 9).double().exp()[0]).sum()
            ratios.append(density[own] * estimate)  # z falls near `own` by its density
    ratios = torch.stack(ratios)
    exact = density.mean() * density.mean()
    assert abs(ratios.mean() - exact) < 4 * ratios.std() / len(ratios) ** 0.5


@pytest.mark.parametrize(
    ("check", "answer", "hint"),
    [
        (exercises.table_total_correlation, lambda t: -right_tc(t), "sign"),
        (exercises.table_total_correlation, lambda t: right_tc(t) / math.log(2), "nats"),
        (exercises.table_total_correlation, lambda t: -(t * t.log()).sum(), "entropy"),
        (
            exercises.table_total_correlation,
            lambda t: (t / (t.sum(1, True) * t.sum(0, True))).log().mean(),
            "weigh them",
        ),
        (
            exercises.table_total_correlation,
            lambda t: -((p := t.sum(1, True) * t.sum(0, True)) * (t / p).log()).sum(),
            "product to joint",
        ),
        (
            exercises.table_total_correlation,
            lambda t: ((p := t.sum(1, True) * t.sum(0, True)) * (t / p).log()).sum(),
            "under the joint",
        ),
        (exercises.table_total_correlation, lambda t: right_tc(t) / t.numel(), "do not average"),
        (
            exercises.table_total_correlation,
            lambda t: (t / (t.sum(1, keepdim=True) * t.sum(0, keepdim=True))).log().sum(),
            "add up the logs",
        ),
        (exercises.table_total_correlation, lambda t: t, "one number"),
        (exercises.table_total_correlation, lambda t: 0.0, "too small"),
        (exercises.joint_and_product, weight_for_every_latent, "every latent"),
        (exercises.joint_and_product, without_logsumexp, "underflows"),
        (
            exercises.joint_and_product,
            lambda d, w: right_joint_and_product(d, w)[::-1],
            "exchanged",
        ),
        (
            exercises.joint_and_product,
            lambda d, w: right_joint_and_product(d, torch.zeros_like(w)),
            "joint has no weights",
        ),
        (
            exercises.joint_and_product,
            lambda d, w: (right_joint_and_product(d, w)[0], d.logsumexp(1).sum(1)),
            "product has no weights",
        ),
        (
            exercises.joint_and_product,
            lambda d, w: ((d.sum(2) * w.exp()).sum(1), (d + w[:, :, None]).logsumexp(1).sum(1)),
            "averages logs",
        ),
        (exercises.joint_and_product, lambda d, w: d.sum(2).logsumexp(1), "two things"),
        (
            exercises.joint_and_product,
            lambda d, w: tuple(x.mean() for x in right_joint_and_product(d, w)),
            "shape",
        ),
        (exercises.repaired_weights, as_found, "row 4 sums to 1.1500"),
        (exercises.repaired_weights, sums_mended, "in row 2 the own image counts 0.2000"),
        (exercises.repaired_weights, half_repaired, "row 5 sums to"),
        (exercises.repaired_weights, uniform, "the own image counts"),
        (exercises.repaired_weights, estimators.weighted_log_weights, "row 0 sums to 0.025"),
        (
            exercises.repaired_weights,
            lambda b, n: estimators.stratified_log_weights(b, n).exp(),
            "return their logs",
        ),
        (exercises.repaired_weights, estimators.exact_log_weights, "shape"),
        (exercises.price_of_a_turn, lambda *a: -right_price(*a), "sign"),
        (exercises.price_of_a_turn, lambda *a: 2 * right_price(*a), "a half"),
        (exercises.price_of_a_turn, lambda *a: right_price(*a) / math.log(2), "nats"),
        (
            exercises.price_of_a_turn,
            lambda a, b, t: right_price(a, b, t * math.pi / 180),
            "radians",
        ),
        (exercises.price_of_a_turn, lambda a, b, t: right_price(a**2, b**2, t), "not 1/s"),
        (exercises.price_of_a_turn, lambda a, b, t: right_price(a, b, t) + 0.1, "values differ"),
        (exercises.price_of_a_turn, lambda *a: right_price(*a).mean(), "not their mean"),
        (
            exercises.price_of_a_turn,
            lambda a, b, t: right_price(a, b, t) + 0.5 * (a * b).log(),
            "determinant",
        ),
    ],
)
def test_wrong(check, answer, hint, verdict):
    said = verdict(check, answer)
    assert said.startswith("Not yet: ")
    assert hint in said


@pytest.mark.parametrize(
    ("check", "stub"),
    [
        (exercises.table_total_correlation, lambda table: ...),
        (exercises.joint_and_product, lambda log_density, log_weights: None),
        (exercises.repaired_weights, lambda batch_size, dataset_size: ...),
        (exercises.price_of_a_turn, lambda a, b, angle: ...),
    ],
)
def test_stub_is_not_answered(check, stub, verdict):
    assert verdict(check, stub).startswith("Not answered yet")
