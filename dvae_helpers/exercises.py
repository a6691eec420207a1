"""The judge behind the students' exercises: one function for each.

In the notebook: `exercises.gaussian_kl(my_kl)`. It prints "Not answered yet", "Right" or what
differs, and never the answer. Functions are tried on random input with unequal sizes.
"""

import functools
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy import stats
from torch import Tensor
from torch.nn import functional as F

from . import adversaries, estimators, fruits, importances, information


class _Wrong(Exception):
    """What differs, in words for the student."""


class _Unanswered(Exception):
    """The stub is still there."""


def _judge(check: Callable[[Any], None]) -> Callable[[Any], None]:
    """Turns a check that raises into one that prints its verdict."""

    @functools.wraps(check)
    def verdict(answer: Any) -> None:
        try:
            if answer is ... or answer is None:
                raise _Unanswered
            check(answer)
        except _Unanswered:
            print("Not answered yet: put your answer where the ... is, then run both cells again.")
        except _Wrong as wrong:
            print(f"Not yet: {wrong}")
        except Exception as error:  # whatever the student's code raises is part of the verdict
            print(f"Not yet: your code stopped with {type(error).__name__}: {error}")
        else:
            print("Right.")

    return verdict


def _call(function: Any, *inputs: Any) -> Any:
    """What the student's function gives; None means that the stub is still there."""
    if not callable(function):
        raise _Wrong(f"expected a function, but got {type(function).__name__}.")
    result = function(*inputs)
    if result is None or result is ...:
        raise _Unanswered
    return result


def _tensor(result: Any, expected: Tensor, what: str, tolerance: float = 1e-5) -> None:
    """Compares shape, then values."""
    result = torch.as_tensor(result)
    if result.shape != expected.shape:
        raise _Wrong(f"{what} has shape {tuple(result.shape)}; expected {tuple(expected.shape)}.")
    if not result.isfinite().all():
        raise _Wrong(f"{what} has entries that are NaN or infinite.")
    gap = (result.double() - expected.double()).abs().max().item()
    if gap > tolerance * max(1.0, expected.abs().max().item()):
        raise _Wrong(f"{what} has the right shape, but the values differ by up to {gap:.3g}.")


def _number(result: Any, expected: float, tolerance: float, what: str = "your number") -> None:
    """Compares one number, and says on which side it lies."""
    try:
        value = float(result)
    except (TypeError, ValueError):
        raise _Wrong(f"expected one number, but got {type(result).__name__}.") from None
    if not abs(value - expected) <= tolerance:
        raise _Wrong(f"{what} is too {'large' if value > expected else 'small'}.")


def _not_this(result: Any, mistake: Tensor, hint: str) -> None:
    """A known mistake has a hint of its own."""
    result = torch.as_tensor(result)
    if result.shape == mistake.shape and torch.allclose(result.double(), mistake.double()):
        raise _Wrong(hint)


def _one_tensor(result: Any) -> Any:
    """Refuses the tuple that torch.where and nonzero(as_tuple=True) give."""
    if isinstance(result, tuple) and len(result) == 1 and isinstance(result[0], Tensor):
        raise _Wrong("you return a tuple with one tensor in it, as torch.where does: take entry 0.")
    return result


def _choice(result: Any, right: str, options: dict[str, str]) -> None:
    """A multiple-choice question; `options` maps each wrong choice to a hint."""
    choice = str(result).strip().lower()
    if choice == right:
        return
    if choice not in options:
        raise _Wrong(f"choose one of {', '.join(sorted([right, *options]))}, as a string.")
    raise _Wrong(options[choice])


# Notebook 00


@_judge
def grid_size(answer: Any) -> None:
    """How many icons there are with 3 shapes, 4 colours and 5 sizes."""
    if answer == 3 + 4 + 5:
        raise _Wrong("that is the sum. Each shape comes in every colour, so do not add.")
    if answer in (3 * 4, 4 * 5, 3 * 5):
        raise _Wrong("that counts two of the three properties.")
    _number(answer, 3 * 4 * 5, 0, "your number of icons")


@_judge
def position(answer: Any) -> None:
    """position(classes, sizes) -> int: the number of a combination; the last factor is fastest."""
    generator = torch.Generator().manual_seed(4)
    for sizes in ([2, 3], [3, 5, 2], [4, 2, 3, 6, 5]):
        for _ in range(5):
            classes = [int(torch.randint(size, (), generator=generator)) for size in sizes]
            classes[0], classes[-1] = sizes[0] - 1, min(1, sizes[-1] - 1)
            result = _call(answer, list(classes), list(sizes))
            right = _row_major(classes, sizes)
            first_fastest = _row_major(classes[::-1], sizes[::-1])
            try:
                value = float(result)
            except (TypeError, ValueError, RuntimeError):
                kind = type(result).__name__
                raise _Wrong(f"expected one number, but your function gave a {kind}.") from None
            if value == right:
                continue
            example = f"for classes {classes} and sizes {sizes}"
            if value == first_fastest:
                raise _Wrong(f"{example}, your first factor changes fastest; it must be the last.")
            if value == right + 1:
                raise _Wrong(f"{example}, you are one too high: the first image has number 0.")
            if value == sum(classes):
                raise _Wrong(f"{example}, you add the values; a step of an early factor jumps far.")
            side = "large" if value > right else "small"
            raise _Wrong(f"{example}, your number is too {side}.")


def _row_major(classes: list[int], sizes: list[int]) -> int:
    number = 0
    for value, size in zip(classes, sizes, strict=True):
        number = number * size + value
    return number


@_judge
def move_one(answer: Any) -> None:
    """move_one(decode, z, j, value): the image (C, H, W) of code z (J,) with z_j set to value."""
    generator = torch.Generator().manual_seed(5)
    weights = torch.randn(4, 1, 3, 5, generator=generator)

    def decode(codes: Tensor) -> Tensor:
        if not isinstance(codes, Tensor) or codes.ndim != 2 or codes.shape[1] != 4:
            shape = tuple(codes.shape) if isinstance(codes, Tensor) else type(codes).__name__
            raise ValueError(f"decode takes a batch of codes, (B, J), but it got {shape}")
        return torch.einsum("bj,jchw->bchw", codes, weights)

    for j, value in ((2, -1.5), (0, 0.75), (3, 2.0)):
        z = torch.randn(4, generator=generator)
        before = z.clone()
        moved, shifted = z.clone(), z.clone()
        moved[j] = value
        shifted[j] += value
        result = _call(answer, decode, z, j, value)
        if not torch.equal(z, before):
            raise _Wrong("your function changes the code that it was given. Change a copy.")
        result = torch.as_tensor(result)
        if result.shape == (1, 1, 3, 5):
            raise _Wrong("you return a batch with one image in it; return that image.")
        expected = decode(moved[None])[0]
        for other, words in (
            (decode(before[None])[0], "the image is the old one: the code was not changed."),
            (decode(shifted[None])[0], "you add the value to the latent; replace it."),
            (decode(torch.full((1, 4), value))[0], "you changed every latent, not one."),
        ):
            if result.shape == other.shape and torch.allclose(result.float(), other, atol=1e-5):
                raise _Wrong(words)
        _tensor(result, expected, "your image")


@_judge
def unused_latents(answer: Any) -> None:
    """unused_latents(mean, limit=0.1): the latents whose mean (N, J) spreads by less than limit."""
    generator = torch.Generator().manual_seed(6)
    spread = torch.tensor([1.0, 0.02, 0.6, 0.04, 0.3, 1.4, 0.01])
    centre = torch.tensor([0.0, 1.5, -2.0, 0.3, 0.0, 1.0, -0.7])
    mean = torch.randn(60, len(spread), generator=generator) * spread + centre
    right = {1, 3, 6}
    result = _one_tensor(_call(answer, mean))
    try:
        if isinstance(result, Tensor):
            result = result.flatten().tolist()
        result = list(result)
        flags = any(isinstance(j, bool) for j in result)
        chosen = {int(j) for j in result}
    except (TypeError, ValueError, RuntimeError):
        raise _Wrong(f"expected a list of numbers, but got {type(result).__name__}.") from None
    if flags:
        raise _Wrong("you return true or false for each latent; return the numbers of latents.")
    if not chosen:
        raise _Wrong("your list is empty. Is the spread taken over the images, axis 0?")
    if any(not 0 <= j < mean.shape[1] for j in chosen):
        raise _Wrong(
            f"you name latent {max(chosen)}, but mean has shape {tuple(mean.shape)}: latents are "
            "its columns. Take the spread over the images, axis 0."
        )
    if chosen == set(range(mean.shape[1])) - right:
        raise _Wrong("these are the used ones.")
    if chosen == set((mean.var(0) < 0.1).nonzero().flatten().tolist()):
        raise _Wrong("you compare the variance with the limit; compare its root.")
    average = mean.mean(0)
    by_average = [set((a < 0.1).nonzero().flatten().tolist()) for a in (average, average.abs())]
    if chosen in by_average:
        raise _Wrong(
            "you look at the average of a latent. It can be far from 0 and still never change: "
            "look at how much it spreads."
        )
    if chosen != right:
        extra, missing = len(chosen - right), len(right - chosen)
        raise _Wrong(f"your list has {extra} that are used, and {missing} unused are missing.")


# Notebook 01


@_judge
def small_black_apples(answer: Any) -> None:
    """How many pictures of the fruits show a tiny or small black apple."""
    sizes = fruits.FACTORS.sizes
    places, shades = sizes[3] * sizes[4], sizes[5]
    if answer in (1, 2):
        raise _Wrong("you count the words only. Each such apple comes at many places.")
    if answer == places * shades:
        raise _Wrong("that is one size; there are two, tiny and small.")
    if answer in (places, 2 * places, 2 * sizes[3] * shades):
        raise _Wrong("you forget a factor: x, y and the shade can all change.")
    if answer in (sum(sizes), 2 + sizes[3] + sizes[4] + shades):
        raise _Wrong("values add up, but combinations multiply.")
    _number(answer, 2 * places * shades, 0, "your number of pictures")


@_judge
def shares_of_mixture(answer: Any) -> None:
    """shares_of_mixture(matrix) -> (K, J): shares of z = matrix @ g, factors g independent."""
    generator = torch.Generator().manual_seed(11)
    for latents, factors in ((4, 3), (2, 2), (2, 5)):
        matrix = torch.randn(latents, factors, generator=generator, dtype=torch.float64)
        before = matrix.clone()
        result = _call(answer, matrix)
        if not torch.equal(matrix, before):
            raise _Wrong("your function changes the matrix that it was given.")
        result = torch.as_tensor(result).double()
        square = (matrix**2).T
        expected = square / square.sum(0)
        if result.shape == expected.shape and (result < 0).any():
            raise _Wrong("a share is never negative.")
        for other, words in (
            (expected.T, "you return one row for each latent; give one row for each factor."),
            (square, "you do not divide by the variance of the latent."),
            (square / square.sum(1, keepdim=True), "the shares of one latent must add up to 1."),
            (matrix.T.abs() / matrix.T.abs().sum(0), "a variance is a square, not a size."),
        ):
            alike = result.shape == other.shape and torch.allclose(result, other, atol=1e-6)
            if alike and not torch.allclose(other, expected.reshape(other.shape), atol=1e-6):
                raise _Wrong(words)
        _tensor(result, expected, "your table", tolerance=1e-5)


@_judge
def centre(answer: Any) -> None:
    """centre(image) -> (column, row): the mean place of the light in an image (H, W)."""
    generator = torch.Generator().manual_seed(12)
    for height, width in ((20, 33), (41, 16), (24, 24)):
        image = torch.rand(height, width, generator=generator) ** 6
        image[2:7, 5:13] += 3 * torch.rand(5, 8, generator=generator)
        column = float((image.sum(0) * torch.arange(width)).sum() / image.sum())
        row = float((image.sum(1) * torch.arange(height)).sum() / image.sum())
        result = _call(answer, image.clone())
        try:
            first, second = (float(value) for value in result)
        except (TypeError, ValueError, RuntimeError):
            raise _Wrong("return two numbers, the column and the row.") from None

        def near(a: float, b: float, first: float = first, second: float = second) -> bool:
            return abs(first - a) < 0.01 and abs(second - b) < 0.01

        if near(column, row):
            continue
        light = float(image.sum())
        if near(row, column):
            raise _Wrong("you return the row first; the column comes first.")
        if near((width - 1) / 2, (height - 1) / 2):
            raise _Wrong("that is the middle of the image, wherever the light is: weigh by light.")
        if first > width or second > height:
            heavy = near(column * light, row * light)
            raise _Wrong(
                "you do not divide by the sum of all light."
                if heavy
                else f"your point is outside an image of {height} rows and {width} columns."
            )
        if near(column + 1, row + 1):
            raise _Wrong("you are one pixel too far: the first column and row have number 0.")
        brightest = int(image.argmax())
        if near(brightest % width, brightest // width):
            raise _Wrong("that is the brightest pixel; take the mean over all pixels.")
        if abs(first - column) < 0.01 or abs(second - row) < 0.01:
            other = "row" if abs(first - column) < 0.01 else "column"
            raise _Wrong(f"one of the two is right; the {other} differs.")
        gap = f"the column differs by {first - column:+.2f}, the row by {second - row:+.2f}"
        raise _Wrong(f"{gap}.")


@_judge
def training_images(answer: Any) -> None:
    """training_images(classes): rows that are no tiny or small black apple, as numbers."""
    generator = torch.Generator().manual_seed(13)
    classes = fruits.FACTORS.sample(3000, generator)
    apple, black, small = classes[:, 0] == 0, classes[:, 1] == 5, classes[:, 2] <= 1
    gone = apple & black & small
    result = torch.as_tensor(_one_tensor(_call(answer, classes.clone())))
    if result.dtype == torch.bool:
        raise _Wrong("you return true or false for each row; return the numbers of the rows.")
    if result.ndim != 1:
        raise _Wrong(f"your rows have shape {tuple(result.shape)}; expected one axis.")
    kept = torch.zeros(len(classes), dtype=torch.bool)
    if len(result) and not 0 <= int(result.min()) <= int(result.max()) < len(classes):
        raise _Wrong(f"row {int(result.max())} does not exist; there are {len(classes)} rows.")
    kept[result.long()] = True
    if len(result) != int(kept.sum()):
        raise _Wrong("a row is there more than once.")
    if torch.equal(kept, gone):
        raise _Wrong("these are the rows to leave out; return the others.")
    leak, lost = int((kept & gone).sum()), int((~kept & ~gone).sum())
    if leak:
        raise _Wrong(f"{leak} of the {int(gone.sum())} small black apples are still in your rows.")
    if lost:
        missing = classes[~kept & ~gone]
        example = fruits.describe(missing[:1])[0]
        raise _Wrong(
            f"you leave out {lost} pictures that must stay; one of them shows a {example}."
        )


# Notebook 02


@_judge
def elbo_from_samples(answer: Any) -> None:
    """log p(x, z) and log q(z|x), both (B, S) -> the ELBO of each image (B,)."""
    generator = torch.Generator().manual_seed(2)
    log_joint = 3 * torch.randn(4, 7, generator=generator) - 20
    log_q = torch.randn(4, 7, generator=generator)
    result, expected = _call(answer, log_joint, log_q), (log_joint - log_q).mean(1)
    ratios = log_joint - log_q
    _not_this(result, ratios.logsumexp(1) - math.log(7), "that is the log of the average ratio.")
    _not_this(result, -expected, "the sign is turned: the ELBO is a bound of log p(x).")
    _not_this(result, log_joint.mean(1), "where is log q? An encoder that is too sure must pay.")
    _not_this(result, ratios.mean(), "that is one number for all images.")
    hint = "the samples were drawn from q, so each counts the same: do not weigh by q again."
    _not_this(result, (log_q.exp() * ratios).sum(1), hint)
    _not_this(result, (log_q.softmax(1) * ratios).sum(1), hint)
    _tensor(result, expected, "your ELBO")


@_judge
def gaussian_kl(answer: Any) -> None:
    """KL(N(mean, exp(log_var)) || N(0, 1)) of each latent of each image."""
    generator = torch.Generator().manual_seed(3)
    mean, log_var = torch.randn(2, 5, 3, generator=generator)
    result, expected = _call(answer, mean, log_var), estimators.gaussian_kl(mean, log_var)
    _not_this(result, 2 * expected, "everything is twice too large.")
    _not_this(result, -expected, "the sign is turned: a KL is never negative.")
    as_log_sigma = estimators.gaussian_kl(mean, 2 * log_var)
    _not_this(result, as_log_sigma, "log_var is the log of s squared, not of s.")
    _not_this(result, expected.sum(1), "do not add up yet: one number for each latent.")
    _not_this(result, expected + log_var, "look at the sign of log s^2: being sure must cost.")
    _tensor(result, expected, "your KL")


@_judge
def reparameterise(answer: Any) -> None:
    """Codes mean + s noise, and their gradients."""
    generator = torch.Generator().manual_seed(4)
    mean, log_var, noise, weights = torch.randn(4, 5, 3, generator=generator)
    mean.requires_grad_()
    log_var.requires_grad_()
    result = _call(answer, mean, log_var, noise)
    expected = mean + (0.5 * log_var).exp() * noise
    hint = "the noise is multiplied by s, but log_var is the log of s squared."
    _not_this(result, mean + log_var.exp() * noise, hint)
    _not_this(result, mean + log_var * noise, "log_var is a logarithm: it can be negative.")
    _tensor(result, expected, "your z")
    wanted = torch.autograd.grad((expected * weights).sum(), [mean, log_var])
    try:
        found = torch.autograd.grad((result * weights).sum(), [mean, log_var])
    except RuntimeError:
        raise _Wrong("z is right, but no gradient reaches mean and log_var.") from None
    _tensor(found[0], wanted[0], "the gradient with respect to mean")
    _tensor(found[1], wanted[1], "the gradient with respect to log_var")


@_judge
def paper_beta(answer: Any) -> None:
    """The beta that a weight is when both parts are summed."""
    for weight, pixels, latents in ((1.0, 1024, 6), (0.003, 4096, 10), (2.5, 12288, 32)):
        for mean_pixels, mean_latents in itertools.product((False, True), repeat=2):
            expected = weight * (pixels if mean_pixels else 1) / (latents if mean_latents else 1)
            result = _call(answer, weight, pixels, latents, mean_pixels, mean_latents)
            over_pixels, over_latents = (
                "averaged" if mean else "summed" for mean in (mean_pixels, mean_latents)
            )
            what = (
                f"for weight {weight:g}, {pixels} pixels ({over_pixels}) and {latents} latents "
                f"({over_latents}), your beta"
            )
            _number(result, expected, 1e-6 * expected, what)


@_judge
def repaired_loss(answer: Any) -> None:
    """Minus the ELBO, nats per image, from what the two networks gave."""
    generator = torch.Generator().manual_seed(5)
    mean, log_var = torch.randn(2, 5, 3, generator=generator)
    logits = torch.randn(5, 2, 4, 6, generator=generator)
    images = torch.rand(5, 2, 4, 6, generator=generator)
    zeros = torch.zeros(5, 3)
    distortion = F.binary_cross_entropy_with_logits(logits, images, reduction="sum") / 5
    rate = estimators.gaussian_kl(mean, log_var).sum(1).mean()

    result = torch.as_tensor(_call(answer, images, logits, zeros, zeros))
    if result.numel() > 1:
        raise _Wrong(f"expected one number, but got shape {tuple(result.shape)}.")
    _number(result, float(distortion), 1e-3, "with a KL of 0, your loss")
    result = _call(answer, images, logits, mean, zeros)
    only_mean = float(distortion + 0.5 * mean.square().sum(1).mean())
    _number(result, only_mean, 1e-3, "with s = 1 everywhere, your loss")
    result = _call(answer, images, logits, mean, log_var)
    _number(result, float(distortion + rate), 1e-3, "the distortion is right, but your loss")


# Notebook 03


@_judge
def price_by_hand(answer: Any) -> None:
    """Variances 8, 2, 0.5; sigma^2 = 0.5; a budget of ln 4 nats. The multiplier is 2."""
    try:
        value = float(answer)
    except (TypeError, ValueError):
        raise _Wrong(f"expected one number, but got {type(answer).__name__}.") from None
    all_alive = (8 * 2 * 0.5 / 16) ** (1 / 3)
    for mistake, hint in (
        (1.0, "that is the water level. What does beta have to do with it?"),
        (all_alive, "that is a water level, and one variance lies below it."),
        (2 * all_alive, "you let three latents speak. Does one of them lie under water?"),
        (0.5, "that would be beta one over. The level is beta times sigma squared."),
        (4.0, "did you forget that a latent costs HALF the logarithm?"),
    ):
        if abs(value - mistake) < 0.01:
            raise _Wrong(hint)
    _number(value, 2.0, 1e-3, "your beta")


@_judge
def water_filling(answer: Any) -> None:
    """water_filling(variances, beta, sigma2) -> what is lost, and the rate, of each direction."""
    generator = torch.Generator().manual_seed(30)
    for size, beta, sigma2 in ((4, 0.7, 1.5), (5, 3.0, 0.2), (3, 50.0, 0.4)):
        variances = 3 * torch.rand(size, generator=generator).double() + 0.05
        level = beta * sigma2
        result = _call(answer, variances, beta, sigma2)
        if not isinstance(result, tuple | list) or len(result) != 2:
            raise _Wrong("return two things: what is lost, and the rates.")
        lost, rates = result
        right = variances.clamp(max=level)
        for mistake, hint in (
            (variances.clamp(min=level), "you keep the larger of the two, not the smaller."),
            (variances.clamp(max=beta), "the water stands at beta sigma^2, not at beta."),
            ((variances - level).clamp(min=0), "that stands out of the water; what is under it?"),
        ):
            if not torch.allclose(mistake, right):
                _not_this(lost, mistake, hint)
        _tensor(lost, right, "what is lost")
        logs = (variances / level).log()
        expected = 0.5 * logs.clamp(min=0)
        for mistake, hint in (
            (0.5 * logs, "a rate below 0? A latent under water pays nothing."),
            (2 * expected, "your rates are twice too large."),
            (expected.sum(), "one rate for each direction, not their sum."),
        ):
            if mistake.shape != expected.shape or not torch.allclose(mistake, expected):
                _not_this(rates, mistake, hint)
        _tensor(rates, expected, "your rates")


@_judge
def spare_budget(answer: Any) -> None:
    """The constraint is inactive, so the multiplier is 0 and the KL is gone: choice b."""
    options = {
        "a": "this is beta = 1. Which multiplier has a constraint that does not bind?",
        "c": "then the budget would be a price. The budget is a limit; beta is the price.",
        "d": "look at complementary slackness: one of its two factors is not 0.",
    }
    _choice(answer, "b", options)


@_judge
def constrained_step(answer: Any) -> None:
    """constrained_step(distortion, kl, beta, budget, eta) -> the loss, and the next beta."""
    generator = torch.Generator().manual_seed(32)
    for beta, budget, eta in ((2.0, 3.0, 0.1), (0.5, 9.0, 0.2), (0.3, 1.0, 0.05)):
        kl = (2 * torch.rand(5, 3, generator=generator).double()).requires_grad_()
        distortion = torch.tensor(30.0, dtype=torch.float64, requires_grad=True)
        rate = float(kl.detach().sum(1).mean())
        result = _call(answer, distortion, kl, beta, budget, eta)
        if not isinstance(result, tuple | list) or len(result) != 2:
            raise _Wrong("return two things: the loss, and the next beta.")
        loss, following = result
        if not isinstance(loss, Tensor) or not loss.requires_grad:
            raise _Wrong("no gradient comes back from your loss.")
        slopes = torch.autograd.grad(loss, [distortion, kl], allow_unused=True)
        if slopes[0] is None or slopes[1] is None:
            raise _Wrong("your loss must depend on both the distortion and the KL.")
        _number(slopes[0], 1.0, 1e-9, "the weight of the distortion")
        weight = slopes[1] * len(kl)
        _not_this(weight, torch.full_like(weight, beta / 3), "is the rate a mean over latents?")
        _not_this(weight, torch.full_like(weight, 5 * beta), "is the rate a sum over images?")
        _tensor(weight, torch.full_like(weight, beta), "beta, as the loss weighs it,")
        if isinstance(following, Tensor) and following.requires_grad:
            raise _Wrong(
                "the next beta drags the graph of this step along; make it a plain number."
            )
        value = float(following)
        right = max(0.0, beta + eta * (rate - budget))
        if value < 0:
            raise _Wrong("your beta fell below 0: a price that pays for waste.")
        if abs(value - max(0.0, beta - eta * (rate - budget))) < 1e-9:
            raise _Wrong("over budget, your beta falls. Should a thing in demand get cheaper?")
        _number(value, right, 1e-9, f"with rate {rate:.2f} and budget {budget:g}, the next beta")


# Notebook 04


@_judge
def table_total_correlation(answer: Any) -> None:
    """total_correlation(table): KL from a joint table (R, C) to the product of its margins."""
    generator = torch.Generator().manual_seed(40)
    for shape in ((3, 5), (2, 4), (6, 3)):
        table = torch.rand(shape, generator=generator, dtype=torch.float64)
        table /= table.sum()
        product = table.sum(1, keepdim=True) * table.sum(0, keepdim=True)
        expected = (table * (table / product).log()).sum()
        result = torch.as_tensor(_call(answer, table.clone()))
        if result.numel() > 1:
            raise _Wrong(f"expected one number, but got shape {tuple(result.shape)}.")
        for mistake, hint in (
            (-expected, "the sign is turned: a KL is never negative."),
            (expected / math.log(2), "that is in bits. This course counts in nats."),
            ((table / product).log().mean(), "all cells count the same; weigh them by the joint."),
            ((product * (product / table).log()).sum(), "that is the KL from product to joint."),
            ((product * (table / product).log()).sum(), "the average must be under the joint."),
            (-(table * table.log()).sum(), "that is the entropy of the joint table."),
        ):
            _not_this(result, mistake, hint)
        what = f"for a table of shape {tuple(shape)}, your total correlation"
        _number(result, float(expected), 1e-6, what)


@_judge
def joint_and_product(answer: Any) -> None:
    """log densities (B, M, J), log weights (B, M) -> log q(z_i), log prod_j q(z_ij), both (B,)."""
    generator = torch.Generator().manual_seed(41)
    for shape, shift in (((4, 7, 3), 0.0), ((3, 2, 5), -900.0)):
        densities = 2 * torch.randn(shape, generator=generator, dtype=torch.float64) - 1 + shift
        weights = torch.randn(shape[:2], generator=generator, dtype=torch.float64)
        weights = weights.log_softmax(1)
        result = _call(answer, densities.clone(), weights.clone())
        if not isinstance(result, tuple | list) or len(result) != 2:
            raise _Wrong("return two things: log q of all latents together, and of the product.")
        joint, product = map(torch.as_tensor, result)
        every = weights[:, :, None]
        right_joint = (densities.sum(2) + weights).logsumexp(1)
        right_product = (densities + every).logsumexp(1).sum(1)
        if joint.shape == right_joint.shape and torch.allclose(joint, right_product):
            raise _Wrong("the joint and the product are exchanged.")
        if joint.isinf().any() or product.isinf().any():
            raise _Wrong(
                "for very small densities you take the log of 0: exp() underflows. Stay with "
                "logs, and use logsumexp."
            )
        _not_this(
            joint,
            (densities + every).sum(2).logsumexp(1),
            "in the joint, the weight of an image is counted once for every latent.",
        )
        _not_this(joint, densities.sum(2).logsumexp(1), "the joint has no weights.")
        hint = "the joint averages logs over the images; average the densities."
        _not_this(joint, (densities.sum(2) * weights.exp()).sum(1), hint)
        _tensor(joint, right_joint, "log q(z)")
        _not_this(
            product,
            densities.logsumexp(1).sum(1) + weights.logsumexp(1),
            "the product has no weights inside its sums.",
        )
        _not_this(product, densities.logsumexp(1).sum(1), "the product has no weights.")
        _tensor(product, right_product, "the log of the product")


@_judge
def repaired_weights(answer: Any) -> None:
    """stratified(batch_size, dataset_size) -> log weights (B, B)."""
    for batch, dataset in ((6, 40), (3, 5), (9, 9), (2, 7), (16, 500)):
        size = f"for batch_size {batch} and dataset_size {dataset}"
        result = torch.as_tensor(_call(answer, batch, dataset)).double()
        if result.shape != (batch, batch):
            expected = (batch, batch)
            raise _Wrong(f"{size}, your result has shape {tuple(result.shape)}, not {expected}.")
        right = estimators.stratified_log_weights(batch, dataset).exp()
        if torch.allclose(result, right):
            raise _Wrong(f"{size}, these are the weights themselves; return their logs.")
        if not (result <= 1e-6).all():
            raise _Wrong(f"{size}, some weights are not the log of a number between 0 and 1.")
        weights = result.exp()
        totals = weights.sum(1)
        if not torch.allclose(totals, torch.ones(batch).double(), atol=1e-6):
            row = int((totals - 1).abs().argmax())
            raise _Wrong(f"{size}, row {row} sums to {totals[row]:.4f}; every row must sum to 1.")
        others = ~torch.eye(batch, dtype=torch.bool)
        mine, wanted = (
            torch.cat((w.diagonal()[:, None], w[others].view(batch, -1).sort(1).values), 1)
            for w in (weights, right)
        )
        if not torch.allclose(mine, wanted, rtol=1e-4, atol=0):
            wrong = int(((mine - wanted).abs() > 1e-4 * wanted).any(1).sum())
            raise _Wrong(
                f"{size}, all rows sum to 1, but {wrong} of {batch} rows hold a wrong weight or "
                "a weight at a wrong place. Print a small matrix, and say for one row what each "
                "image in it should count."
            )


@_judge
def true_total_correlation(answer: Any) -> None:
    """(printed TC, J, N, batch size) -> the range (low, high) in which the true TC lies."""
    for printed, latents, dataset, batch in (
        (83.5, 10, 5000, 256),
        (70.2, 7, 60_000, 64),
        (36.0, 5, 5000, 64),
    ):
        low = max(0.0, printed - (latents * math.log(dataset) - math.log(batch)))
        high = printed - (latents - 1) * math.log(dataset)
        result = _call(answer, printed, latents, dataset, batch)
        example = f"for a printed {printed}, J = {latents}, N = {dataset} and B = {batch}"
        try:
            first, second = (float(value) for value in result)
        except (TypeError, ValueError):
            raise _Wrong("return two numbers: (low, high).") from None
        if first > second:
            raise _Wrong(f"{example}, your low is above your high.")
        if math.isclose(first, 2 * printed - high, abs_tol=1e-6):
            raise _Wrong("the printed number is too large, so take the constants away from it.")
        if first < 0 and math.isclose(second, high, abs_tol=1e-6):
            raise _Wrong(f"{example}, your low is negative. Can a total correlation be?")
        _number(first, low, 1e-6, f"{example}, your low")
        _number(second, high, 1e-6, f"{example}, your high")


# Notebook 05


@_judge
def entropy(answer: Any) -> None:
    """entropy(share (V,)) -> H in nats; shares may be 0."""
    for share in ([0.5, 0.5], [0.7, 0.2, 0.1], [0.0, 0.25, 0.75], [0.1, 0.0, 0.3, 0.4, 0.2]):
        p = torch.tensor(share, dtype=torch.float64)
        right = -float(torch.special.xlogy(p, p).sum())
        result = torch.as_tensor(_call(answer, p.clone()))
        if result.numel() != 1:
            raise _Wrong(f"expected one number, but got the shape {tuple(result.shape)}.")
        value, example = float(result), f"for the shares {share}"
        if math.isnan(value):
            raise _Wrong(f"{example} you get NaN: 0 times ln 0 counts 0. Leave out empty values.")
        if math.isclose(value, -right, abs_tol=1e-9):
            raise _Wrong("the sign: an entropy is never negative.")
        if math.isclose(value, right / math.log(2), rel_tol=1e-5):
            raise _Wrong("that is in bits. Use the natural logarithm: nats.")
        _number(value, right, 1e-6, f"{example}, your entropy")


@_judge
def mutual_information(answer: Any) -> None:
    """mutual_information(counts (V, B)) -> I between row and column, in nats."""
    generator = torch.Generator().manual_seed(51)
    for rows, columns in ((2, 3), (4, 3), (5, 7)):
        counts = torch.randint(0, 9, (rows, columns), generator=generator)
        counts[0, 0], counts[1, 1] = 0, 12
        p = counts.double() / counts.sum()
        apart = p.sum(1, keepdim=True) * p.sum(0)
        right = float(torch.special.xlogy(p, p / apart).sum())
        joint = -float(torch.special.xlogy(p, p).sum())
        result = torch.as_tensor(_call(answer, counts.clone()))
        if result.numel() != 1:
            raise _Wrong(f"expected one number, but got the shape {tuple(result.shape)}.")
        value = float(result)
        if math.isnan(value):
            raise _Wrong("you get NaN: cells with the count 0 add nothing. Leave them out.")
        for other, words in (
            (joint, "that is the entropy of the table. Compare it with independent columns."),
            (-right, "the sign: a mutual information is never negative."),
            (right / math.log(2), "that is in bits. Use the natural logarithm: nats."),
            (right * float(counts.sum()), "divide the counts by their sum first."),
        ):
            if math.isclose(value, other, rel_tol=1e-6, abs_tol=1e-9):
                raise _Wrong(words)
        _number(value, right, 1e-6, f"for a table of {rows} x {columns} counts, your information")


@_judge
def gap(answer: Any) -> None:
    """gap(information (K, J), entropy (K,)) -> MIG."""
    generator = torch.Generator().manual_seed(52)
    for factors, latents in ((2, 5), (4, 3), (3, 6)):
        entropy = 1 + 2 * torch.rand(factors, generator=generator, dtype=torch.float64)
        table = torch.rand(factors, latents, generator=generator, dtype=torch.float64)
        table = table * entropy[:, None]
        first, second = table.topk(2, dim=1).values.unbind(1)
        right = float(((first - second) / entropy).mean())
        result = torch.as_tensor(_call(answer, table.clone(), entropy.clone()))
        if result.numel() != 1:
            raise _Wrong(f"return one number, the mean over factors; got {tuple(result.shape)}.")
        value = float(result)
        over_factors = table.topk(2, dim=0).values
        for other, words in (
            ((first - second).mean(), "each gap must be divided by the entropy of its factor."),
            (((first - second) / entropy).sum(), "that is the sum over factors; take the mean."),
            ((first / entropy).mean(), "that is the best latent alone. Take the second best off."),
            (((first - table.min(1).values) / entropy).mean(), "take off the second best, not the "
             "worst."),
            ((first - second).sum() / entropy.sum(), "divide each gap by its own entropy first, "
             "then take the mean."),
            (((first - second) / first).mean(), "divide by the entropy of the factor, not by the "
             "best information."),
            ((over_factors[0] - over_factors[1]).mean(), "you compare factors. Compare latents: "
             "they are the columns."),
        ):  # fmt: skip
            if math.isclose(value, float(other), rel_tol=1e-6):
                raise _Wrong(words)
        _number(value, right, 1e-6, f"for {factors} factors and {latents} latents, your MIG")


def _shares(codes: Tensor, classes: Tensor, width: float) -> tuple[Tensor, float]:
    """I(z_j; g_k) / H(g_k) and MIG of narrow posteriors: `width` of each latent's spread."""
    codes = codes.double()
    if codes.ndim != 2 or len(codes) != len(classes) or codes.shape[1] < 2:
        raise _Wrong(
            f"your code has shape {tuple(codes.shape)}; expected ({len(classes)}, J) with J at "
            "least 2: one row for each image."
        )
    spread = codes.std(0)
    log_var = 2 * (width * torch.where(spread > 0, spread, 1)).log().expand_as(codes)
    found = information.mig_exact(codes, log_var, classes)
    return found.information / found.entropy[:, None], found.score


@_judge
def why_the_gap(answer: Any) -> None:
    """spoiled(code (N, 2)) -> (N, J): best information above 0.9, but MIG below 0.1."""
    for sizes in ((5, 8), (7, 4)):
        classes = torch.cartesian_prod(*map(torch.arange, sizes))
        code = (classes - classes.double().mean(0)) / classes.double().std(0)
        share, score = _shares(torch.as_tensor(_call(answer, code.clone())), classes, 0.01)
        best = float(share.max(1).values.mean())
        if best < 0.9:
            raise _Wrong(
                f"for factors of {sizes} values your best MI is {best:.2f} of the entropy: your "
                "code has lost something. It must still know both factors."
            )
        if score > 0.1:
            raise _Wrong(
                f"for factors of {sizes} values your best MI is {best:.2f}, but your MIG is still "
                f"{score:.2f}. Each factor must be known by two latents, equally well."
            )


@_judge
def blind_spot(answer: Any) -> None:
    """two_in_one(classes (N, 2), sizes) -> (N, J): MIG above 0.95, with one latent for both."""
    for sizes in ((5, 8), (7, 4)):
        classes = torch.cartesian_prod(*map(torch.arange, sizes))
        result = torch.as_tensor(_call(answer, classes.clone(), list(sizes)))
        share, score = _shares(result, classes, 0.005)
        example = f"for factors of {sizes} values"
        if score < 0.95:
            raise _Wrong(
                f"{example} your MIG is {score:.2f}. Can both factors be read back from your one "
                "latent, and does no other latent know them?"
            )
        if share.argmax(1).unique().numel() > 1:
            raise _Wrong(f"{example} your MIG is {score:.2f}, but each factor has its own latent.")


# Notebook 06


def _rows_of_importance(generator: torch.Generator, rows: int, columns: int) -> Tensor:
    table = torch.rand(rows, columns, generator=generator, dtype=torch.float64)
    table[torch.rand(rows, columns, generator=generator) < 0.3] = 0.0
    table[:, 0] += 0.1  # no row and no first column of zeros
    return table


def _one_less_entropy(table: Tensor, base: float) -> Tensor:
    """1 - entropy of every row's shares, in the given base; 0 for a row of zeros."""
    shares = table / table.sum(1, keepdim=True).clamp(min=1e-300)
    score = 1 - torch.special.entr(shares).sum(1) / math.log(base)
    return torch.where(table.sum(1) > 0, score, 0.0)


@_judge
def row_score(answer: Any) -> None:
    """row_score(row (K,)) -> D_j of the importances of one latent, not yet shares."""
    generator = torch.Generator().manual_seed(61)
    for columns in (5, 3, 4):
        row = 3 * torch.rand(columns, generator=generator, dtype=torch.float64)
        row[1] = 0.0
        right = float(_one_less_entropy(row[None], columns))
        result = torch.as_tensor(_call(answer, row.clone()))
        if result.numel() != 1:
            raise _Wrong(f"expected one number, but got the shape {tuple(result.shape)}.")
        value = float(result)
        if math.isnan(value):
            raise _Wrong("you get NaN: an importance of 0 adds nothing to the entropy.")
        shares = row / row.sum()
        raw = float(torch.special.entr(shares).sum())
        for other, words in (
            (raw / math.log(columns), "that is the entropy. A pure row must score 1."),
            (1 - raw, "that entropy is in nats: use base K, the number of factors."),
            (1 - raw / math.log(2), "that entropy is in bits: use base K."),
            (1 - float(torch.special.entr(row).sum()) / math.log(columns), "make shares first: "
             "divide the row by its sum."),
        ):  # fmt: skip
            if math.isclose(value, other, rel_tol=1e-6):
                raise _Wrong(words)
        _number(value, right, 1e-6, f"for {columns} factors, your score")


@_judge
def both_scores(answer: Any) -> None:
    """both_scores(importance (J, K)) -> (D, C); some latents may be dead."""
    generator = torch.Generator().manual_seed(62)
    for rows, columns in ((6, 3), (4, 5), (3, 3)):
        table = _rows_of_importance(generator, rows, columns)
        table[1] = 0.0  # a dead latent
        table[0] += 0.5 / rows
        per_latent, per_factor = _one_less_entropy(table, columns), _one_less_entropy(table.T, rows)
        weight = table.sum(1) / table.sum()
        d, c = float(weight @ per_latent), float(per_factor.mean())
        try:
            mine = [float(value) for value in _call(answer, table.clone())]
        except TypeError:
            raise _Wrong("return two numbers: (D, C).") from None
        if len(mine) != 2:
            raise _Wrong(f"return two numbers, (D, C), but you return {len(mine)}.")
        example = f"for {rows} latents, one of them dead, and {columns} factors"
        if any(math.isnan(value) for value in mine):
            raise _Wrong(f"{example} you get NaN. A dead latent has the weight 0: leave it out.")
        if math.isclose(mine[0], c, rel_tol=1e-6) and math.isclose(mine[1], d, rel_tol=1e-6):
            raise _Wrong("you have them the wrong way round: D looks along rows (latents).")
        swapped = float(weight @ _one_less_entropy(table, rows))
        for other, words in (
            (float(per_latent.mean()), "weight each latent by its share of all importance."),
            (float(per_latent[weight > 0].mean()), "weight each latent by its share of all "
             "importance; leaving out dead ones is not enough."),
            (swapped, "the entropy of a row has base K, the number of factors."),
        ):  # fmt: skip
            if rows != columns and math.isclose(mine[0], other, rel_tol=1e-6):
                raise _Wrong(f"D: {words}")
        if rows != columns and math.isclose(
            mine[1], float(_one_less_entropy(table.T, columns).mean()), rel_tol=1e-6
        ):
            raise _Wrong("C: the entropy of a column has base J, the number of latents.")
        if math.isclose(mine[1], float(_one_less_entropy(table.T, rows - 1).mean()), rel_tol=1e-6):
            raise _Wrong("C: the base J counts every latent, the dead one too.")
        _number(mine[0], d, 1e-6, f"{example}, your D")
        _number(mine[1], c, 1e-6, f"{example}, your C")


@_judge
def normalised_error(answer: Any) -> None:
    """normalised_error(predicted (n,), target (n,), guess) -> RMSE over the RMSE of the guess."""
    generator = torch.Generator().manual_seed(63)
    for size in (40, 70):
        target = 3 * torch.randn(size, generator=generator, dtype=torch.float64) + 5
        guess = 4.4  # the mean of other rows
        predicted = target + torch.randn(size, generator=generator, dtype=torch.float64)
        square, least = ((predicted - target) ** 2).mean(), ((guess - target) ** 2).mean()
        right = float((square / least).sqrt())
        result = torch.as_tensor(_call(answer, predicted.clone(), target.clone(), guess))
        if result.numel() != 1:
            raise _Wrong(f"expected one number, but got the shape {tuple(result.shape)}.")
        value = float(result)
        for other, words in (
            (float(square / least), "take the root of the ratio."),
            (float(square.sqrt()), "divide by the error of the guess, so that 1 means useless."),
            (float(square.sqrt() / target.std()), "compare with the guess that was given, not with "
             "the mean of the held-out rows."),
            (float((square / target.var(correction=0)).sqrt()), "compare with the guess that was "
             "given. The mean of the held-out rows is not known to anybody who predicts them."),
            (1 - float(square / least), "that is a share of explained variance; return an error."),
        ):  # fmt: skip
            if math.isclose(value, other, rel_tol=1e-6):
                raise _Wrong(words)
        _number(value, right, 1e-6, "your error")


@_judge
def extremes(answer: Any) -> None:
    """Two tables of importances (J, K): D = 1 with C below 0.7; then C = 1 with D below 0.7."""
    try:
        first, second = answer
        tables = [torch.as_tensor(table, dtype=torch.float64) for table in (first, second)]
    except (TypeError, ValueError):
        raise _Wrong("give two tables: (first, second), each a list of rows.") from None
    for number, table in enumerate(tables):
        if table.ndim != 2 or min(table.shape) < 2 or (table < 0).any():
            raise _Wrong("a table has at least 2 rows, 2 columns, and no negative number.")
        if (table.sum(0) == 0).any():
            raise _Wrong("every factor must be served by some latent: no column of zeros.")
        d, c, *_ = importances.importance_scores(table)
        high, low = (d, c) if number == 0 else (c, d)
        names = ("D", "C") if number == 0 else ("C", "D")
        which = ("first", "second")[number]
        if high < 0.999:
            raise _Wrong(f"your {which} table has {names[0]} = {high:.2f}; it must be 1.")
        if low >= 0.7:
            raise _Wrong(f"your {which} table has {names[1]} = {low:.2f}; it must be below 0.7.")


# Notebook 07


def _scores(*shape: int, seed: int) -> np.ndarray:
    """Random scores between 0 and 1, with an effect of every axis."""
    random = np.random.default_rng(seed)
    table = 0.2 * random.random(shape)
    for axis, size in enumerate(shape):
        effect = 0.25 * random.random(size)
        table += effect.reshape([-1 if place == axis else 1 for place in range(len(shape))])
    return table


def _pair(result: Any, what: str) -> tuple[float, float]:
    try:
        first, second = (float(value) for value in result)
    except (TypeError, ValueError, RuntimeError):
        raise _Wrong(f"return two numbers: {what}.") from None
    return first, second


@_judge
def paired_interval(answer: Any) -> None:
    """paired_interval(first (S,), second (S,)) -> mean difference, half of its 95% interval."""
    for seeds in (3, 5, 9):
        first, second = _scores(2, seeds, seed=70 + seeds)
        gap = first - second
        quantile = float(stats.t.ppf(0.975, seeds - 1))
        right = quantile * gap.std(ddof=1) / math.sqrt(seeds)
        mean, half = _pair(_call(answer, first.copy(), second.copy()), "mean and half width")
        if math.isclose(mean, -gap.mean(), rel_tol=1e-9):
            raise _Wrong("the sign of the mean: it is the first minus the second.")
        _number(mean, gap.mean(), 1e-9, f"for {seeds} seeds, your mean")
        apart = math.sqrt((first.var(ddof=1) + second.var(ddof=1)) / seeds)
        for other, words in (
            (right * math.sqrt(seeds), "that is the spread of single differences; the mean of S "
             "of them is sqrt(S) times as sharp."),
            (right * math.sqrt((seeds - 1) / seeds), "divide by S - 1 in the standard deviation."),
            (1.96 * gap.std(ddof=1) / math.sqrt(seeds), "1.96 is right for many seeds. For so "
             "few, take the quantile of Student's t with S - 1 degrees of freedom."),
            (right / quantile, "that is the standard error. Multiply it by the quantile."),
            (2 * right, "that is the full width; return half of it."),
            (float(stats.t.ppf(0.95, seeds - 1)) * right / quantile, "95% inside leaves 2.5% on "
             "each side: the quantile 0.975."),
            (quantile * apart, "you treat the two as strangers. They share their seeds: take the "
             "difference seed by seed first."),
            (float(stats.t.ppf(0.975, seeds)) * right / quantile, "S - 1 degrees of freedom, "
             "not S."),
        ):  # fmt: skip
            if math.isclose(half, other, rel_tol=1e-4):
                raise _Wrong(words)
        _number(half, right, 1e-6, f"for {seeds} seeds, your half width")


@_judge
def wrong_winner(answer: Any) -> None:
    """wrong_winner(better (S,), worse (T,)) -> share of all pairs in which `worse` scores more."""
    for sizes in ((5, 5), (4, 7), (6, 3)):
        random = np.random.default_rng(sum(sizes))
        better, worse = random.normal(0.4, 1, sizes[0]), random.normal(0, 1, sizes[1])
        right = float((worse[None, :] > better[:, None]).mean())
        result = _call(answer, better.copy(), worse.copy())
        if np.size(result) != 1:
            raise _Wrong(f"return one number; yours has the shape {np.shape(result)}.")
        value = float(np.asarray(result).reshape(()))
        if value == 1 - right != right:
            raise _Wrong("that is the share in which the better one wins.")
        if value == right * sizes[0] * sizes[1]:
            raise _Wrong("that is the number of pairs. Divide by all pairs.")
        _number(value, right, 1e-9, f"for {sizes[0]} and {sizes[1]} seeds, your share")


@_judge
def shares(answer: Any) -> None:
    """shares(scores (O, B, S)) -> (4,): objective, beta, both together, seed; they sum to 1."""
    for sizes in ((2, 5, 5), (3, 4, 6)):
        scores = _scores(*sizes, seed=sum(sizes))
        parts = _parts_of_variance(scores)
        result = np.asarray(_call(answer, scores.copy()), dtype=float)
        if result.shape != (4,):
            raise _Wrong(f"return four numbers; yours has the shape {result.shape}.")
        if np.allclose(result, parts) and not np.allclose(result, parts / parts.sum()):
            raise _Wrong("those are the four parts. Divide each by their sum.")
        if not math.isclose(result.sum(), 1, rel_tol=1e-6):
            raise _Wrong(
                f"your shares sum to {result.sum():.3f}, but the four parts are all there is."
            )
        right = parts / parts.sum()
        _number(result[0], right[0], 1e-6, "the share of the objective")
        _number(result[1], right[1], 1e-6, "the share of beta")
        _number(result[2], right[2], 1e-6, "the share of both together")
        _number(result[3], right[3], 1e-6, "the share of the seed")


def _parts_of_variance(scores: np.ndarray) -> np.ndarray:
    """(4,): variances of the effects of objective, beta, both together, and within settings."""
    cell = scores.mean(2)
    objective = cell.mean(1, keepdims=True) - scores.mean()
    beta = cell.mean(0, keepdims=True) - scores.mean()
    together = cell - scores.mean() - objective - beta
    within = scores - cell[:, :, None]
    return np.array([(part**2).mean() for part in (objective, beta, together, within)])


@_judge
def rank_agreement(answer: Any) -> None:
    """rank_agreement(a (M,), b (M,)) -> Spearman's rank correlation; no ties."""
    for models in (6, 11, 20):
        random = np.random.default_rng(models)
        a = random.normal(size=models)
        b = np.exp(a + 0.8 * random.normal(size=models))
        right = float(stats.spearmanr(a, b).statistic)
        result = _call(answer, a.copy(), b.copy())
        if np.size(result) != 1:
            raise _Wrong(f"return one number; yours has the shape {np.shape(result)}.")
        value = float(np.asarray(result).reshape(()))
        for other, words in (
            (np.corrcoef(a, b)[0, 1], "that is the correlation of the values. Take their ranks."),
            (np.corrcoef(a.argsort(), b.argsort())[0, 1], "`a.argsort()` says who is at each "
             "place, not at which place each model is. Sort once more: the argsort of it."),
            (-right, "the sign: two equal orders must give +1."),
            (float(stats.kendalltau(a, b).statistic), "that is Kendall's tau; take Spearman's."),
        ):  # fmt: skip
            if math.isclose(value, other, rel_tol=1e-6) and not math.isclose(other, right):
                raise _Wrong(words)
        _number(value, right, 1e-6, f"for {models} models, your agreement")


@_judge
def turned_posteriors(answer: Any) -> None:
    """turned(mean (N, J), variance (N, J), rotation (J, J)) -> both for z' = rotation @ z."""
    generator = torch.Generator().manual_seed(75)
    for n, latents in ((7, 3), (5, 4)):
        draw = functools.partial(torch.randn, generator=generator, dtype=torch.float64)
        mean, variance = draw(n, latents), draw(n, latents).exp()
        rotation = torch.linalg.qr(draw(latents, latents)).Q
        right = mean @ rotation.T, variance @ rotation.square().T
        result = _call(answer, mean.clone(), variance.clone(), rotation.clone())
        if not isinstance(result, list | tuple) or len(result) != 2:
            raise _Wrong("return two tensors: the means and the variances.")
        first, second = (torch.as_tensor(part) for part in result)
        _not_this(first, mean @ rotation, "your means are turned the other way: z' = R z.")
        _tensor(first, right[0], "your tensor of means")
        for other, words in (
            (variance, "the variances of the latents do change."),
            (variance @ rotation.T, "a variance is not a length: weights enter it squared."),
            (variance @ rotation.abs().T, "weights enter a variance squared, not as |R|."),
            (variance @ rotation.square(), "your variances are turned the other way."),
            (variance.sqrt() @ rotation.square().T, "you mix standard deviations; the variances "
             "of independent numbers add."),
        ):  # fmt: skip
            _not_this(second, other, words)
        _tensor(second, right[1], "your tensor of variances")


# Notebook 08


@_judge
def unseen_pairs(answer: Any) -> None:
    """unseen_pairs(classes (N, 2), sizes) -> how many pairs of values are in no row."""
    generator = torch.Generator().manual_seed(81)
    for sizes, rows in (((4, 6), 30), ((3, 5), 9), ((2, 7), 40)):
        classes = torch.stack([torch.randint(v, (rows,), generator=generator) for v in sizes], 1)
        there = len(classes.unique(dim=0))
        right, all_pairs = sizes[0] * sizes[1] - there, sizes[0] * sizes[1]
        result = _call(answer, classes.clone(), list(sizes))
        try:
            value = int(result)
        except (TypeError, ValueError, RuntimeError):
            raise _Wrong(f"expected one number, but got {type(result).__name__}.") from None
        example = f"for {rows} rows with {sizes[0]} and {sizes[1]} values"
        if value == there != right:
            raise _Wrong(f"{example}, you count the pairs that are there.")
        if value == all_pairs - rows:
            raise _Wrong(f"{example}, you count rows. The same pair can be in many rows.")
        missing = sum(v - len(column.unique()) for v, column in zip(sizes, classes.T, strict=True))
        if value == missing != right:
            raise _Wrong(f"{example}, you count single values. A pair is two values in one row.")
        _number(value, right, 0, f"{example}, your number of unseen pairs")


@_judge
def set_latents(answer: Any) -> None:
    """set_latents(z (B, J), owner (J,), k, value (J,)) -> (B, J): latents of factor k replaced."""
    generator = torch.Generator().manual_seed(82)
    owner = torch.tensor([2, 0, -1, 1, 0, 2, 1])
    for k in (0, 1, 2):
        z = torch.randn(5, len(owner), generator=generator)
        value = torch.randn(len(owner), generator=generator)
        before, mine = z.clone(), owner == k
        expected, added, all_set, one = z.clone(), z.clone(), z.clone(), z.clone()
        expected[:, mine] = value[mine]
        added[:, mine] += value[mine]
        all_set[:] = value
        one[:, k] = value[k]
        result = torch.as_tensor(_call(answer, z, owner.clone(), k, value.clone()))
        if not torch.equal(z, before):
            raise _Wrong("your function changes the code that it was given. Change a copy.")
        _not_this(result, before, "the code is as it was. Which latents have owner == k?")
        _not_this(result, added, "you add the value to the old one; replace it.")
        _not_this(result, all_set, "you set every latent; set those of factor k only.")
        _not_this(result, one, "you set latent k. Set the latents whose owner is factor k.")
        _tensor(result, expected, "your code", 1e-6)


@_judge
def all_right(answer: Any) -> None:
    """all_right(said (B, K), wanted (B, K)) -> the share of rows in which everything is right."""
    generator = torch.Generator().manual_seed(83)
    for rows, columns in ((40, 3), (25, 2), (60, 4)):
        wanted = torch.randint(5, (rows, columns), generator=generator)
        slip = torch.rand(rows, columns, generator=generator) < 0.3
        said = torch.where(slip, (wanted + 1) % 5, wanted)
        same = (said == wanted).double()
        right = float(same.prod(1).mean())
        result = torch.as_tensor(_call(answer, said.clone(), wanted.clone()))
        if result.numel() != 1:
            raise _Wrong(f"return one number; yours has shape {tuple(result.shape)}.")
        value = float(result)
        for other, words in (
            (same.mean(), "you count single factors. A red pear is not half a red apple."),
            (same.mean(0).prod(), "you multiply the factors' shares. Mistakes may come together: "
             "look row by row."),
            (same.amax(1).mean(), "you ask for one factor; ask for all of them."),
            (1 - right, "that is the share of failures."),
            (same.prod(1).sum(), "divide by the number of rows."),
        ):  # fmt: skip
            if abs(value - float(other)) < 1e-6 < abs(right - float(other)):
                raise _Wrong(words)
        _number(value, right, 1e-6, "your share")


@_judge
def after_rotation(answer: Any) -> None:
    """Which draw is unchanged if the code is rotated, and the decoder turns it back."""
    _choice(
        answer,
        "add",
        {
            "set": "after a rotation every latent tracks a bit of everything. What is set then?",
            "both": "one of them is right. Which one says 'latent j' in its formula?",
            "none": "the sum of effects is turned together with the code. Is the sum the same?",
        },
    )


@_judge
def attribute_direction(answer: Any) -> None:
    """attribute_direction(codes, labels) -> (J,): the mean code with the label, less the others'.

    codes: (N, J). labels: (N,) booleans.
    """
    generator = torch.Generator().manual_seed(11)
    for count, width in ((9, 4), (40, 3), (25, 6)):
        codes = torch.randn(count, width, generator=generator, dtype=torch.float64) + 0.3
        labels = torch.rand(count, generator=generator) < 0.35
        labels[:2] = torch.tensor([True, False])
        kept = codes.clone()
        result = _call(answer, codes, labels)
        if not torch.equal(codes, kept):
            raise _Wrong("your function changes the codes it is given; make a new tensor.")
        with_label, without = codes[labels].mean(0), codes[~labels].mean(0)
        right = with_label - without
        _not_this(result, -right, "the sign is the other way: from the others to the labelled.")
        _not_this(result, with_label, "that is where the labelled codes lie. Where are the others?")
        _not_this(
            result, with_label - codes.mean(0), "subtract the mean of the others, not of all codes."
        )
        _not_this(
            result,
            codes[labels].sum(0) - codes[~labels].sum(0),
            "those are sums: the larger group wins. Use means.",
        )
        _not_this(
            result,
            codes[labels].mean() - codes[~labels].mean(),
            "that is one number. Average over the images only, and keep the latents.",
        )
        _tensor(result, right, "your direction")


# Notebook 09


@_judge
def unequal_classes(answer: Any) -> None:
    """log_ratio(logits, share): logits (B,) of a perfect classifier that was shown q with that
    share of all codes -> log q(z) / p(z), (B,)."""
    generator = torch.Generator().manual_seed(9)
    logits = 2 * torch.randn(7, generator=generator)
    for share in (0.9, 0.25, 0.5):
        result = _call(answer, logits.clone(), share)
        prior = math.log(share / (1 - share))
        if share != 0.5:
            _not_this(result, logits, "these are the logits. They also hold how often q was shown.")
            _not_this(result, logits + prior, "the share enters with the wrong sign.")
            _not_this(result, logits - math.log(share), "what was the share of the other cloud?")
            _not_this(result, (logits - prior).exp(), "that is the ratio; give its logarithm.")
            _not_this(result, logits.sigmoid(), "that is D, the probability. Give log q/p.")
        _tensor(result, logits - prior, f"your log ratio for the share {share:g}")


@_judge
def repaired_shuffle(answer: Any) -> None:
    """shuffle(z, generator): (B, J) -> (B, J), every column shuffled on its own."""
    noise = torch.randn(400, 1, generator=torch.Generator().manual_seed(2))
    z = torch.cat((noise, 2 * noise + 1, noise - 3), 1)
    result = torch.as_tensor(_call(answer, z.clone(), torch.Generator().manual_seed(5)))
    if result.shape != z.shape:
        raise _Wrong(f"your codes have shape {tuple(result.shape)}; expected {tuple(z.shape)}.")
    if torch.equal(result, z):
        raise _Wrong("nothing was shuffled.")
    if not torch.equal(result.sort(0).values, z.sort(0).values):
        raise _Wrong("a column lost some of its values: each must keep all of them, once.")
    together = torch.corrcoef(result.T)[[0, 0, 1], [1, 2, 2]].abs()
    if together.min() > 0.99:
        raise _Wrong(
            "whole rows were shuffled. A code still has its old neighbours, so this is again q(z)."
        )
    if together.max() > 0.25:
        raise _Wrong("some columns still move together: give each one an order of its own.")


@_judge
def lower_bound(answer: Any) -> None:
    """bound(q_logits, p_logits): (B,), (C,) -> E_q[l] - log E_p[exp(l)], one number."""
    generator = torch.Generator().manual_seed(3)
    for size in (1, 60):
        q = size * torch.randn(50, generator=generator) + 1
        p = size * torch.randn(80, generator=generator) - 1
        result = torch.as_tensor(_call(answer, q.clone(), p.clone()))
        right = q.mean() - p.logsumexp(0) + math.log(len(p))
        if size > 1 and not result.isfinite().all():
            raise _Wrong("for logits of 100 your exp overflows; use logsumexp.")
        _not_this(result, q.mean(), "that is the plain estimate, without its correction.")
        _not_this(result, q.mean() - p.mean(), "E_p[exp(l)] and its log: you average l itself.")
        _not_this(result, q.mean() - p.logsumexp(0), "the log of a sum is not the log of a mean.")
        _not_this(result, q.mean() - p.exp().mean(), "the logarithm of the second mean is missing.")
        _not_this(result, q.mean() + p.logsumexp(0) - math.log(len(p)), "mind the sign between.")
        _tensor(result, right, "your bound")


@_judge
def repaired_losses(answer: Any) -> None:
    """losses(q_logits, product_logits): (B,), (C,) -> (TC estimate, loss of the discriminator)."""
    generator = torch.Generator().manual_seed(8)
    for size in (1, 40):
        q = size * (torch.randn(30, generator=generator) + 0.5)
        other = size * (torch.randn(50, generator=generator) - 0.5)
        result = _call(answer, q.clone(), other.clone())
        try:
            estimate, loss = (torch.as_tensor(part) for part in result)
        except (TypeError, ValueError):
            raise _Wrong("expected two things: the estimate of the TC, and the loss.") from None
        if size > 1 and not (estimate.isfinite().all() and loss.isfinite().all()):
            raise _Wrong("for logits of 40 a probability is rounded to 1, and its log breaks.")
        right_loss = adversaries.classification_loss(q, other)
        twice = adversaries.classification_loss(q.sigmoid(), other.sigmoid())
        _not_this(estimate, -q.mean(), "the TC has the wrong sign: codes of q(z) should raise it.")
        _not_this(estimate, q.sigmoid().mean(), "the mean of D is no log ratio.")
        _not_this(loss, twice, "the loss turns logits into probabilities twice.")
        _not_this(loss, 2 * right_loss, "each class has the weight 1/2: guessing must cost ln 2.")
        _not_this(loss, adversaries.classification_loss(-q, -other), "the labels are exchanged.")
        _tensor(estimate, q.mean(), "your estimate of the TC")
        _tensor(loss, right_loss, "your loss")


@_judge
def which_side(answer: Any) -> None:
    """Three situations, in order: "over" or "under" for the discriminator's estimate."""
    if isinstance(answer, str) or len(answer) != 3:
        raise _Wrong('expected three words in a list, each "over" or "under".')
    words = [str(word).strip().lower() for word in answer]
    if not set(words) <= {"over", "under"}:
        raise _Wrong('each word must be "over" or "under".')
    if words[0] != "over":
        raise _Wrong("A: it knows these 100 codes by heart. Is it then too sure, or not enough?")
    if words[1] != "under":
        raise _Wrong("B: before the first step, all logits are near 0. What is their mean?")
    if words[2] != "under":
        raise _Wrong("C: can a smooth network see 4,608 spikes that lie close together?")
