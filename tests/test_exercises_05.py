"""The checks of notebook 05: right answers are right, plausible wrong ones get their hint."""

import pytest
import torch

from dvae_helpers import exercises


def right_entropy(share):
    share = share[share > 0]
    return -(share * share.log()).sum()


def right_information(counts):
    p = counts.double() / counts.sum()
    apart = p.sum(1, keepdim=True) * p.sum(0)
    there = p > 0
    return (p[there] * (p[there] / apart[there]).log()).sum()


def by_three_entropies(counts):
    p = counts.double() / counts.sum()
    return right_entropy(p.sum(0)) + right_entropy(p.sum(1)) - right_entropy(p.flatten())


def right_gap(information, entropy):
    first, second = information.sort(dim=1, descending=True).values[:, :2].T
    return ((first - second) / entropy).mean()


def copied(code):
    return torch.cat((code, code), 1)


def turned(code):
    rotation = torch.tensor([[0.6, -0.8], [0.8, 0.6]], dtype=code.dtype)
    return torch.cat((code, code @ rotation @ rotation.T), 1)


def position(classes, sizes):
    number = classes[:, 0] * sizes[1] + classes[:, 1]
    return torch.stack((number, torch.zeros_like(number)), 1)


def with_noise(classes, sizes):
    noise = torch.randn(len(classes), 2, generator=torch.Generator().manual_seed(0))
    return torch.cat((position(classes, sizes)[:, :1], 0 * noise), 1)


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (exercises.entropy, right_entropy),
        (exercises.entropy, lambda share: float(torch.special.entr(share).sum())),
        (exercises.mutual_information, right_information),
        (exercises.mutual_information, by_three_entropies),
        (exercises.gap, right_gap),
        (exercises.gap, lambda i, h: float(right_gap(i, h))),
        (exercises.why_the_gap, copied),
        (exercises.why_the_gap, turned),
        (exercises.why_the_gap, lambda code: torch.cat((code, -2 * code), 1)),
        (exercises.blind_spot, position),
        (exercises.blind_spot, with_noise),
        (exercises.blind_spot, lambda c, s: position(c.flip(1), s[::-1])),
    ],
)
def test_right(check, answer, verdict):
    assert verdict(check, answer) == "Right.\n"


@pytest.mark.parametrize(
    ("check", "answer", "hint"),
    [
        (exercises.entropy, lambda p: -(p * p.log()).sum(), "NaN"),
        (exercises.entropy, lambda p: -right_entropy(p), "sign"),
        (exercises.entropy, lambda p: right_entropy(p) / torch.tensor(2.0).log(), "bits"),
        (exercises.entropy, lambda p: -(p.clamp(1e-9) * p.clamp(1e-9).log()), "one number"),
        (exercises.entropy, lambda p: 1 - (p**2).sum(), "too small"),
        (exercises.mutual_information, lambda c: right_entropy((c / c.sum()).flatten()), "entropy"),
        (exercises.mutual_information, lambda c: -right_information(c), "sign"),
        (exercises.mutual_information, lambda c: right_information(c) / 0.6931471805599453, "bits"),
        (exercises.mutual_information, lambda c: right_information(c) * c.sum(), "by their sum"),
        (exercises.mutual_information, lambda c: (c / c.sum()).log().sum() * 0 + torch.nan, "NaN"),
        (exercises.mutual_information, lambda c: right_information(c) + 0.1, "too large"),
        (exercises.gap, lambda i, h: (i.topk(2).values @ torch.tensor([1.0, -1.0]).double()).mean(),
         "divided by the entropy"),
        (exercises.gap, lambda i, h: right_gap(i, h) * len(h), "take the mean"),
        (exercises.gap, lambda i, h: (i.max(1).values / h).mean(), "second best off"),
        (exercises.gap, lambda i, h: ((i.max(1).values - i.min(1).values) / h).mean(), "worst"),
        (exercises.gap, lambda i, h: i.topk(2, dim=0).values.diff(dim=0).neg().mean(), "columns"),
        (exercises.gap, lambda i, h: (right_gap(i, h) * h), "one number"),
        (exercises.why_the_gap, lambda code: code, "MIG is still"),
        (exercises.why_the_gap, lambda code: -code.flip(1), "MIG is still"),
        (exercises.why_the_gap, lambda code: torch.cat((code, code[:, :1]), 1), "MIG is still 0.5"),
        (exercises.why_the_gap, lambda code: 0 * code, "has lost something"),
        (exercises.why_the_gap, lambda code: code[:, :1], "at least 2"),
        (exercises.blind_spot, lambda c, s: c, "its own latent"),
        (exercises.blind_spot, lambda c, s: torch.stack((c.sum(1), 0 * c[:, 0]), 1), "read back"),
        (exercises.blind_spot, lambda c, s: position(c, s)[:, [0, 0]], "no other latent"),
        (exercises.blind_spot, lambda c, s: position(c, s)[:, 0], "at least 2"),
    ],
)  # fmt: skip
def test_wrong(check, answer, hint, verdict):
    said = verdict(check, answer)
    assert said.startswith("Not yet: ")
    assert hint in said


@pytest.mark.parametrize(
    ("check", "stub"),
    [
        (exercises.entropy, lambda share: ...),
        (exercises.mutual_information, ...),
        (exercises.gap, lambda information, entropy: None),
        (exercises.why_the_gap, lambda code: ...),
        (exercises.blind_spot, lambda classes, sizes: ...),
    ],
)
def test_stub_is_not_answered(check, stub, verdict):
    assert verdict(check, stub).startswith("Not answered yet")
