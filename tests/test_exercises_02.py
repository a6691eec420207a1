"""The checks of notebook 02: right answers are right, plausible wrong ones get their hint."""

import math

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


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (exercises.elbo_from_samples, bound),
        (exercises.gaussian_kl, kl),
        (exercises.reparameterise, codes),
        (exercises.paper_beta, beta),
        (exercises.repaired_loss, loss),
    ],
)
def test_right(check, answer, verdict):
    assert verdict(check, answer) == "Right.\n"
    for stub in (..., lambda *inputs: None):
        assert verdict(check, stub).startswith("Not answered yet")


@pytest.mark.parametrize(
    ("check", "answer", "hint"),
    [
        (
            exercises.elbo_from_samples,
            lambda p, q: (p - q).exp().mean(1).log(),
            "log of the average",
        ),
        (exercises.elbo_from_samples, lambda p, q: (q - p).mean(1), "sign"),
        (exercises.elbo_from_samples, lambda p, q: p.mean(1), "log q"),
        (exercises.elbo_from_samples, lambda p, q: (p - q).mean(), "one number for all"),
        (exercises.elbo_from_samples, lambda p, q: (p - q).mean(0), "each sample"),
        (exercises.elbo_from_samples, lambda p, q: (p - q).sum(1), "their mean"),
        (exercises.elbo_from_samples, lambda p, q: (p - q).mean(1) / math.log(2), "in bits"),
        (exercises.elbo_from_samples, lambda p, q: (p + q).mean(1), "values differ"),
        (exercises.elbo_from_samples, lambda p, q: (q.exp() * (p - q)).sum(1), "do not weigh by q"),
        (
            exercises.elbo_from_samples,
            lambda p, q: (q.softmax(1) * (p - q)).sum(1),
            "do not weigh by q",
        ),
        (exercises.gaussian_kl, lambda m, v: m**2 + v.exp() - 1 - v, "twice"),
        (exercises.gaussian_kl, lambda m, v: -kl(m, v), "sign"),
        (exercises.gaussian_kl, lambda m, v: kl(m, 2 * v), "squared"),
        (exercises.gaussian_kl, lambda m, v: kl(m, v).sum(1), "do not add up"),
        (exercises.gaussian_kl, lambda m, v: kl(m, v).mean(1), "do not average"),
        (exercises.gaussian_kl, lambda m, v: kl(m, v) + (v.exp() ** 2 - v.exp()) / 2, "already"),
        (exercises.gaussian_kl, lambda m, v: kl(m, v) + ((v / 2).exp() - v.exp()) / 2, "have s."),
        (exercises.gaussian_kl, lambda m, v: kl(m, v) + v / 4, "without a half"),
        (exercises.gaussian_kl, lambda m, v: kl(m, v) + (m.abs() - m**2) / 2, "must be squared"),
        (exercises.gaussian_kl, lambda m, v: kl(m, v).T, "shape (3, 5)"),
        (exercises.gaussian_kl, lambda m, v: kl(m, v) + 0.5, "values differ"),
        (exercises.gaussian_kl, lambda m, v: kl(m, v) + v, "being sure must cost"),
        (exercises.gaussian_kl, lambda m, v: kl(m, v) / math.log(2), "in bits"),
        (exercises.gaussian_kl, lambda m, v: m.log(), "NaN"),
        (exercises.reparameterise, lambda m, v, e: m + (2 * v).exp() * e, "not twice"),
        (exercises.reparameterise, lambda m, v, e: m + e, "multiplied by s"),
        (exercises.reparameterise, lambda m, v, e: m + v.exp() * e, "squared"),
        (exercises.reparameterise, lambda m, v, e: m + v * e, "logarithm"),
        (exercises.reparameterise, lambda m, v, e: codes(m, v, e).detach(), "no gradient"),
        (exercises.reparameterise, lambda m, v, e: codes(m, v.detach(), e), "no gradient"),
        (
            exercises.reparameterise,
            lambda m, v, e: codes(m, v, e).detach() + 2 * m - 2 * m.detach() + 0 * v,
            "gradient with respect to mean",
        ),
        (exercises.reparameterise, lambda m, v, e: codes(m, v, torch.randn(5, 3)), "values differ"),
        (
            exercises.paper_beta,
            lambda w, p, j, a, b: w,
            "latents (averaged), your beta is the weight itself",
        ),
        (
            exercises.paper_beta,
            lambda w, p, j, a, b: w / (p if a else 1) * (j if b else 1),
            "the wrong way",
        ),
        (exercises.paper_beta, lambda w, p, j, a, b: w * p / j, "too"),
        (
            exercises.repaired_loss,
            lambda x, o, m, v: F.binary_cross_entropy_with_logits(o, x) + kl(m, v).sum(1).mean(),
            "a mean over the pixels",
        ),
        (
            exercises.repaired_loss,
            lambda x, o, m, v: loss(x, o, m, v) + kl(m, v).sum(),
            "with s = 1",
        ),
        (
            exercises.repaired_loss,
            lambda x, o, m, v: loss(x, o, m, v) + v.sum(),
            "the distortion is right",
        ),
        (exercises.repaired_loss, lambda x, o, m, v: loss(x, o, m, 2 * v), "not of s."),
        (
            exercises.repaired_loss,
            lambda x, o, m, v: loss(x, o, m, v) + 4 * kl(m, v).sum(1).mean(),
            "a sum over the images",
        ),
        (
            exercises.repaired_loss,
            lambda x, o, m, v: loss(x, o, m, v) - kl(m, v).sum(1).mean() + kl(m, v).mean(),
            "a mean over the latents",
        ),
        (
            exercises.repaired_loss,
            lambda x, o, m, v: loss(x, o, m, v) + kl(m, v).sum(1).mean(),
            "where is the half",
        ),
        (
            exercises.repaired_loss,
            lambda x, o, m, v: loss(x, o, 0 * m, v),
            "the means cost nothing",
        ),
        (
            exercises.repaired_loss,
            lambda x, o, m, v: loss(x, o, m, v) + 0.5 * (v.exp() ** 2 - v.exp()).sum(1).mean(),
            "do not square it again",
        ),
        (
            exercises.repaired_loss,
            lambda x, o, m, v: loss(x, o, m, v) + 0.5 * ((v / 2).exp() - v.exp()).sum(1).mean(),
            "you have s.",
        ),
        (exercises.repaired_loss, lambda x, o, m, v: kl(m, v), "expected one number"),
        (exercises.repaired_loss, lambda x, o, m, v: x @ o, "stopped with RuntimeError"),
        (exercises.gaussian_kl, torch.ones(5, 3), "expected a function"),
    ],
)
def test_wrong(check, answer, hint, verdict):
    said = verdict(check, answer)
    assert said.startswith("Not yet: ")
    assert hint in said
