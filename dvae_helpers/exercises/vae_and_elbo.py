"""The checks of notebook 02."""

import itertools
import math
from typing import Any

import torch
from torch.nn import functional as F

from .. import estimators
from .checking import Wrong, call, check, compare, compare_number, number_of, refuse


@check
def elbo_from_samples(answer: Any) -> None:
    """log p(x, z) and log q(z|x), both (B, S) -> the ELBO of each image (B,)."""
    generator = torch.Generator().manual_seed(2)
    log_joint = 3 * torch.randn(4, 7, generator=generator) - 20
    log_q = torch.randn(4, 7, generator=generator)
    result, ratios = call(answer, log_joint, log_q), log_joint - log_q
    right = ratios.mean(1)
    weighed = "the samples were drawn from q, so each counts the same: do not weigh by q again."
    refuse(
        result,
        right,
        (ratios.logsumexp(1) - math.log(7), "that is the log of the average ratio."),
        (-right, "the sign is turned: the ELBO is a bound of log p(x)."),
        (log_joint.mean(1), "where is log q? An encoder that is too sure must pay."),
        (ratios.mean(), "that is one number for all images."),
        (ratios.mean(0), "that is one number for each sample: average over the samples, axis 1."),
        (ratios.sum(1), "that is the sum over the samples; an expectation is their mean."),
        (right / math.log(2), "that is in bits. This course counts in nats."),
        ((log_q.exp() * ratios).sum(1), weighed),
        ((log_q.softmax(1) * ratios).sum(1), weighed),
    )
    compare(result, right, "your ELBO")


@check
def gaussian_kl(answer: Any) -> None:
    """KL(N(mean, exp(log_var)) || N(0, 1)) of each latent of each image."""
    generator = torch.Generator().manual_seed(3)
    mean, log_var = torch.randn(2, 5, 3, generator=generator)
    result, right = call(answer, mean, log_var), estimators.gaussian_kl(mean, log_var)
    refuse(
        result,
        right,
        (2 * right, "everything is twice too large."),
        (-right, "the sign is turned: a KL is never negative."),
        (estimators.gaussian_kl(mean, 2 * log_var), "log_var is the log of s squared, not of s."),
        (right.sum(1), "do not add up yet: one number for each latent."),
        (right.mean(1), "do not average: one number for each latent."),
        (
            0.5 * (mean**2 + (2 * log_var).exp() - 1 - log_var),
            "exp(log_var) is s squared already: do not square it again.",
        ),
        (
            0.5 * (mean**2 + (0.5 * log_var).exp() - 1 - log_var),
            "the formula has s squared where you have s.",
        ),
        (
            0.5 * (mean**2 + log_var.exp() - 1 - 0.5 * log_var),
            "log_var is the log of s squared: it stands there as it is, without a half.",
        ),
        (0.5 * (mean.abs() + log_var.exp() - 1 - log_var), "the mean must be squared."),
        (right + log_var, "look at the sign of log s^2: being sure must cost."),
        (right / math.log(2), "that is in bits. This course counts in nats."),
    )
    compare(result, right, "your KL")


@check
def reparameterise(answer: Any) -> None:
    """Codes mean + s noise, and their gradients."""
    generator = torch.Generator().manual_seed(4)
    mean, log_var, noise, weights = torch.randn(4, 5, 3, generator=generator)
    mean.requires_grad_()
    log_var.requires_grad_()
    result = call(answer, mean, log_var, noise)
    right = mean + (0.5 * log_var).exp() * noise
    squared = "the noise is multiplied by s, but log_var is the log of s squared."
    refuse(
        result,
        right,
        (mean + log_var.exp() * noise, squared),
        (mean + log_var * noise, "log_var is a logarithm: it can be negative."),
        (
            mean + (2 * log_var).exp() * noise,
            "the log of s is half the log of s squared, not twice.",
        ),
        (mean + noise, "the noise must be multiplied by s."),
    )
    compare(result, right, "your z")
    wanted = torch.autograd.grad((right * weights).sum(), [mean, log_var])
    try:
        found = torch.autograd.grad((result * weights).sum(), [mean, log_var])
    except RuntimeError:
        raise Wrong("z is right, but no gradient reaches mean and log_var.") from None
    compare(found[0], wanted[0], "the gradient with respect to mean")
    compare(found[1], wanted[1], "the gradient with respect to log_var")


@check
def paper_beta(answer: Any) -> None:
    """The beta that a weight is when both parts are summed."""
    for weight, pixels, latents in ((1.0, 1024, 6), (0.003, 4096, 10), (2.5, 12288, 32)):
        for mean_pixels, mean_latents in itertools.product((False, True), repeat=2):
            right = weight * (pixels if mean_pixels else 1) / (latents if mean_latents else 1)
            result = call(answer, weight, pixels, latents, mean_pixels, mean_latents)
            over_pixels, over_latents = (
                "averaged" if mean else "summed" for mean in (mean_pixels, mean_latents)
            )
            what = (
                f"for weight {weight:g}, {pixels} pixels ({over_pixels}) and {latents} latents "
                f"({over_latents}), your beta"
            )
            turned = weight / (pixels if mean_pixels else 1) * (latents if mean_latents else 1)
            refuse(
                number_of(result),
                right,
                (
                    turned,
                    f"{what} goes the wrong way. A distortion that was made smaller leaves the KL "
                    "more weight, not less.",
                ),
                (
                    weight,
                    f"{what} is the weight itself: what did the averages do to the two parts?",
                ),
            )
            compare_number(result, right, 1e-6 * right, what)


@check
def repaired_loss(answer: Any) -> None:
    """Minus the ELBO, nats per image, from what the two networks gave."""
    generator = torch.Generator().manual_seed(5)
    mean, log_var = torch.randn(2, 5, 3, generator=generator)
    logits = torch.randn(5, 2, 4, 6, generator=generator)
    images = torch.rand(5, 2, 4, 6, generator=generator)
    zeros = torch.zeros(5, 3)
    distortion = F.binary_cross_entropy_with_logits(logits, images, reduction="sum") / 5
    rate = estimators.gaussian_kl(mean, log_var).sum(1).mean()

    result = call(answer, images, logits, zeros, zeros)
    refuse(
        number_of(result),
        float(distortion),
        (5 * distortion, "your distortion is a sum over the images; take their mean."),
        (distortion / 48, "your distortion is a mean over the pixels; take their sum."),
    )
    compare_number(result, float(distortion), 1e-3, "with a KL of 0, your loss")
    result = call(answer, images, logits, mean, zeros)
    only_mean = 0.5 * mean.square().sum(1).mean()
    summed = "your rate is a sum over the images; take their mean."
    averaged = "your rate is a mean over the latents; take their sum."
    refuse(
        number_of(result),
        float(distortion + only_mean),
        (distortion + 5 * only_mean, summed),
        (distortion + only_mean / 3, averaged),
        (distortion + 2 * only_mean, "your rate is twice too large: where is the half?"),
        (distortion, "the means cost nothing in your rate."),
    )
    compare_number(result, float(distortion + only_mean), 1e-3, "with s = 1 everywhere, your loss")
    result = call(answer, images, logits, mean, log_var)
    squared = 0.5 * (mean**2 + (2 * log_var).exp() - 1 - log_var).sum(1).mean()
    rooted = 0.5 * (mean**2 + (0.5 * log_var).exp() - 1 - log_var).sum(1).mean()
    refuse(
        number_of(result),
        float(distortion + rate),
        (distortion + squared, "exp(log_var) is s squared already: do not square it again."),
        (distortion + rooted, "the rate needs s squared, and you have s."),
        (
            distortion + estimators.gaussian_kl(mean, 2 * log_var).sum(1).mean(),
            "log_var is the log of s squared, not of s.",
        ),
    )
    compare_number(result, float(distortion + rate), 1e-3, "the distortion is right, but your loss")
