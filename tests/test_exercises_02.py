"""The judges of notebook 02: right answers are right, plausible wrong ones get their hint."""

import pytest
import torch
from torch.nn import functional as F

from dvae_helpers import exercises


def bound(log_joint, log_q):
    return (log_joint - log_q).mean(1)


def kl(mean, log_var):
    return 0.5 * (mean**2 + log_var.exp() - 1 - log_var)


def codes(mean, log_var, noise):
    return mean + (0.5 * log_var).exp() * noise


def beta(weight, pixels, latents, pixels_averaged, latents_averaged):
    return weight * (pixels if pixels_averaged else 1) / (latents if latents_averaged else 1)


def loss(images, logits, mean, log_var):
    distortion = F.binary_cross_entropy_with_logits(logits, images, reduction="sum") / len(images)
    return distortion + kl(mean, log_var).sum(1).mean()


def printed(capsys, judge, answer):
    getattr(exercises, judge)(answer)
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("judge", "answer"),
    [
        ("elbo_from_samples", bound),
        ("gaussian_kl", kl),
        ("reparameterise", codes),
        ("paper_beta", beta),
        ("repaired_loss", loss),
    ],
)
def test_right_answers_are_right(capsys, judge, answer):
    assert printed(capsys, judge, answer) == "Right.\n"
    assert printed(capsys, judge, ...).startswith("Not answered yet")
    assert printed(capsys, judge, lambda *inputs: None).startswith("Not answered yet")


@pytest.mark.parametrize(
    ("judge", "answer", "said"),
    [
        ("elbo_from_samples", lambda p, q: (p - q).exp().mean(1).log(), "log of the average"),
        ("elbo_from_samples", lambda p, q: (q - p).mean(1), "sign"),
        ("elbo_from_samples", lambda p, q: p.mean(1), "log q"),
        ("elbo_from_samples", lambda p, q: (p - q).mean(), "one number for all"),
        ("elbo_from_samples", lambda p, q: (p - q).mean(0), "shape (7,)"),
        ("elbo_from_samples", lambda p, q: (p + q).mean(1), "values differ"),
        ("gaussian_kl", lambda m, v: m**2 + v.exp() - 1 - v, "twice"),
        ("gaussian_kl", lambda m, v: -kl(m, v), "sign"),
        ("gaussian_kl", lambda m, v: kl(m, 2 * v), "squared"),
        ("gaussian_kl", lambda m, v: kl(m, v).sum(1), "do not add up"),
        ("gaussian_kl", lambda m, v: kl(m, v).T, "shape (3, 5)"),
        ("gaussian_kl", lambda m, v: kl(m, v) + 0.5, "values differ"),
        ("gaussian_kl", lambda m, v: m.log(), "NaN"),
        ("reparameterise", lambda m, v, e: m + v.exp() * e, "squared"),
        ("reparameterise", lambda m, v, e: m + v * e, "logarithm"),
        ("reparameterise", lambda m, v, e: codes(m, v, e).detach(), "no gradient"),
        ("reparameterise", lambda m, v, e: codes(m, v.detach(), e), "no gradient"),
        (
            "reparameterise",
            lambda m, v, e: codes(m, v, e).detach() + 2 * m - 2 * m.detach() + 0 * v,
            "gradient with respect to mean",
        ),
        ("reparameterise", lambda m, v, e: codes(m, v, torch.randn(5, 3)), "values differ"),
        ("paper_beta", lambda w, p, j, a, b: w, "latents (averaged), your beta is too large"),
        ("paper_beta", lambda w, p, j, a, b: w / (p if a else 1) * (j if b else 1), "averaged"),
        ("paper_beta", lambda w, p, j, a, b: w * p / j, "too"),
        (
            "repaired_loss",
            lambda x, o, m, v: F.binary_cross_entropy_with_logits(o, x) + kl(m, v).sum(1).mean(),
            "with a KL of 0, your loss is too small",
        ),
        ("repaired_loss", lambda x, o, m, v: loss(x, o, m, v) + kl(m, v).sum(), "with s = 1"),
        ("repaired_loss", lambda x, o, m, v: loss(x, o, m, 2 * v), "the distortion is right"),
        ("repaired_loss", lambda x, o, m, v: kl(m, v), "expected one number"),
        ("repaired_loss", lambda x, o, m, v: x @ o, "stopped with RuntimeError"),
        ("gaussian_kl", torch.ones(5, 3), "expected a function"),
    ],
)
def test_wrong_answers_get_their_hint(capsys, judge, answer, said):
    verdict = printed(capsys, judge, answer)
    assert verdict.startswith("Not yet")
    assert said in verdict
