"""The losses of the course, side by side. All terms: summed over pixels and latents, mean over
the batch, in nats per image.

An objective takes one `Pass` (a batch that went through the model) and gives `Terms`: the loss,
and every term of it by name. To train on one with other settings, fix them first:
`functools.partial(beta_tcvae, beta=4)`.
"""

import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from .adversaries import Discriminator, classification_loss, permute_dims
from .estimators import Decomposition, batch_decomposition, gaussian_kl
from .models import VAE, sample


@dataclass(frozen=True, kw_only=True)
class Now:
    """Where a run stands when its batch goes through the model.

    step: steps that were done before. A whole number; where the steps are recorded on a GPU, a
        tensor with that number, so that what depends on it is worked out anew at every step.
    generator: of everything random in the step.
    memory: what an objective keeps from step to step: the same dictionary every time.
    whole: gives the mean and log variance, (N, J) both, of all N images, for the exact estimator.
    """

    step: int | Tensor = 0
    generator: torch.Generator | None = None
    memory: dict[str, Tensor] = field(default_factory=dict)
    whole: Callable[[], tuple[Tensor, Tensor]] | None = None


@dataclass(frozen=True, kw_only=True)
class Adversary:
    """What an adversarial objective (factor_vae, aae) can ask for.

    discriminator: gives the discriminator that is trained beside the model.
    second_codes: gives the codes (B, J) of another batch, without gradient; factor_vae needs them.
    """

    discriminator: Callable[[], Discriminator]
    second_codes: Callable[[], Tensor] | None = None


@dataclass(frozen=True, kw_only=True)
class Pass:
    """One batch through the model. images, out: (B, C, H, W); mean, log_var, z: (B, J).

    out: what `VAE.decode` gave: logits, or Gaussian means. dataset_size: N.
    noise: the standard deviation of a pixel, for the Gaussian likelihood.
    paired: the second half of the batch are partners of the first. They are no independent draws
        of the data, so the parts of the rate are estimated from the first half alone.
    """

    images: Tensor
    out: Tensor
    mean: Tensor
    log_var: Tensor
    z: Tensor
    dataset_size: int
    likelihood: str = "bernoulli"
    noise: float | Tensor = 0.1
    now: Now = field(default_factory=Now)
    adversary: Adversary | None = None
    paired: bool = False

    @cached_property
    def distortion(self) -> Tensor:
        """-E log p(x|z), nats per image."""
        if self.likelihood == "bernoulli":
            total = F.binary_cross_entropy_with_logits(self.out, self.images, reduction="sum")
        else:
            noise = self.noise
            squares = ((self.images - self.out) / noise).square().sum()
            log_noise = noise.log() if isinstance(noise, Tensor) else math.log(noise)
            constant = log_noise + 0.5 * math.log(2 * math.pi)
            total = 0.5 * squares + constant * self.images.numel()
        return total / len(self.images)

    @cached_property
    def rate(self) -> Tensor:
        """KL(q(z|x) || p(z)), nats per image, in closed form."""
        return gaussian_kl(self.mean, self.log_var).sum(1).mean()

    @cached_property
    def parts(self) -> Decomposition:
        """The rate in three parts, by the stratified estimator; worked out when asked for."""
        return self.split("stratified")

    def split(self, estimator: str) -> Decomposition:
        """The rate in three parts, by an estimator of that name.

        Codes that are no numbers give parts that are none: `training.fit` looks for them where
        it writes its history. A look at every step would make a GPU wait.
        """
        exact = estimator == "exact" and self.now.whole is not None
        whole = self.now.whole() if exact else None
        first = slice(len(self.z) // 2 if self.paired else None)
        own = self.z[first], self.mean[first], self.log_var[first]
        return batch_decomposition(*own, self.dataset_size, estimator, whole, finite=False)


@dataclass(frozen=True)
class Terms:
    """The loss to minimise and the pass it came from; every other term is worked out on demand.

    own: terms that this objective alone has, by name.
    discriminator_loss: what the discriminator minimises in the same step, if there is one. Its
        gradient reaches the discriminator's weights only, and that of `loss` the model's only.
    """

    loss: Tensor
    out: Pass
    own: dict[str, Tensor] = field(default_factory=dict)
    discriminator_loss: Tensor | None = None

    def values(self) -> dict[str, float]:
        """Every term as a number, nats per image."""
        with torch.no_grad():
            parts = self.out.parts
            terms = {
                "loss": self.loss,
                "distortion": self.out.distortion,
                "rate": self.out.rate,
                "mutual_information": parts.mutual_information,
                "total_correlation": parts.total_correlation,
                "dimension_kl": parts.dimension_kl,
            } | self.own
            return {name: float(value) for name, value in terms.items()}


def forward(
    model: VAE,
    images: Tensor,
    dataset_size: int,
    generator: torch.Generator | None = None,
    *,
    step: int | Tensor = 0,
    memory: dict[str, Tensor] | None = None,
    whole: Callable[[], tuple[Tensor, Tensor]] | None = None,
    adversary: Adversary | None = None,
    join: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None = None,
    autocast: contextlib.AbstractContextManager | None = None,
) -> Pass:
    """Encodes images, draws z ~ q(z|x) with the generator, decodes.

    step, memory, whole: see `Now`. adversary: see `Adversary`.
    join: of pairs (`Pairs.join`): changes the posteriors, mean and log variance (B, J), of a batch
        whose second half are the partners of the first, before z is drawn.
    autocast: the networks run inside it, in lower precision; codes and losses stay float32.
    """
    with autocast or contextlib.nullcontext():
        mean, log_var = model.encode(images)
    if join is not None:
        mean, log_var = join(mean, log_var)
    z = sample(mean, log_var, generator)
    with autocast or contextlib.nullcontext():
        out = model.decode(z)
    memory = {} if memory is None else memory
    return Pass(
        images=images,
        out=out,
        mean=mean,
        log_var=log_var,
        z=z,
        dataset_size=dataset_size,
        likelihood=model.likelihood,
        noise=model.noise,
        now=Now(step=step, generator=generator, memory=memory, whole=whole),
        adversary=adversary,
        paired=join is not None,
    )


def elbo(out: Pass) -> Terms:
    """Kingma & Welling (2014), Eq. 3: minus the evidence lower bound."""
    return Terms(out.distortion + out.rate, out)


def beta_vae(out: Pass, beta: float = 4.0) -> Terms:
    """Higgins et al. (2017), Eq. 4."""
    return Terms(out.distortion + out.rate + (beta - 1) * out.rate, out)


def beta_tcvae(out: Pass, beta: float = 6.0, estimator: str = "stratified") -> Terms:
    """Chen et al. (2018), Eq. 4 with alpha = gamma = 1: beta on the total correlation alone.

    MI + beta TC + dimension-wise KL = rate + (beta - 1) TC; the rate is in closed form.
    estimator: of the TC: "stratified", "weighted" or "exact" (for small data sets: it encodes
    all images at every step).
    """
    parts = out.parts if estimator == "stratified" else out.split(estimator)
    return Terms(out.distortion + out.rate + (beta - 1) * parts.total_correlation, out)


def dip_vae(
    out: Pass, off_diagonal: float = 10.0, diagonal: float = 10.0, version: str = "II"
) -> Terms:
    """Kumar et al. (2018), Eq. 7 (version "II") or Eq. 6 ("I"): pulls a covariance of the codes
    to the identity.

    The covariance over the batch, (J, J): of q(z) in "II", so with the posteriors' own variances
    on its diagonal; of the means alone in "I" (there the paper takes diagonal = 100). What it
    cannot see is any dependence between latents that leaves them uncorrelated.
    """
    if version not in ("I", "II"):
        raise ValueError(f'version is {version!r}; choose "I" or "II".')
    _from_zero(off_diagonal=off_diagonal, diagonal=diagonal)
    centred = out.mean - out.mean.mean(0)
    covariance = centred.T @ centred / len(centred)
    if version == "II":
        covariance = covariance + out.log_var.exp().mean(0).diag()
    variances = covariance.diagonal()
    between = covariance.square().sum() - variances.square().sum()
    penalty = off_diagonal * between + diagonal * (variances - 1).square().sum()
    return Terms(out.distortion + out.rate + penalty, out)


def capacity_vae(
    out: Pass, capacity: float = 25.0, gamma: float = 1000.0, over_steps: int = 100_000
) -> Terms:
    """Burgess et al. (2018), Eq. 8: holds the rate at C nats; C grows from 0 over some steps."""
    _from_zero(capacity=capacity, gamma=gamma)
    if not (over_steps >= 1 and math.isfinite(over_steps)):
        raise ValueError(f"over_steps is {over_steps}; expected a whole number from 1 up.")
    step = out.now.step
    if isinstance(step, Tensor):  # in float64, as Python counts
        target = (capacity * (step.double() / over_steps).clamp(max=1.0)).to(out.rate.dtype)
    else:
        target = capacity * min(1.0, step / over_steps)
    return Terms(out.distortion + gamma * (out.rate - target).abs(), out)


def geco(out: Pass, target: float, speed: float = 5e-4, smooth: float = 0.9) -> Terms:
    """Rezende & Viola (2018), Algorithm 1: the smallest rate with a distortion of `target` nats.

    The loss is rate + multiplier * (distortion - target). It is beta-VAE read from the other
    side: at rest the multiplier is 1 / beta. At each step the multiplier grows by the factor
    exp(speed * average), where average is a running mean of (distortion - target). Here it is
    kept between -10 and 10 nats, since the first steps are hundreds of nats away.

    The multiplier (1 at first) and the running mean live in `out.now.memory`. `training.fit` hands
    the same memory to every step and keeps it in its checkpoint, so a resumed run goes on with
    the multiplier that it had. A pass of its own has an empty memory, and so the multiplier 1.
    """
    _from_zero(speed=speed, smooth=smooth)
    if smooth >= 1:
        raise ValueError(f"smooth is {smooth}; expected a number from 0 to less than 1.")
    if not math.isfinite(target):
        raise ValueError(f"target is {target}; expected a number of nats.")
    memory = out.now.memory
    multiplier = memory.get("multiplier", torch.ones_like(out.distortion)).detach()
    gap = (out.distortion - target).detach()
    average = smooth * memory.get("average", gap) + (1 - smooth) * gap
    memory["average"] = average
    memory["multiplier"] = multiplier * (speed * average.clamp(-10, 10)).exp()
    return Terms(out.rate + multiplier * (out.distortion - target), out)


def factor_vae(out: Pass, gamma: float = 10.0) -> Terms:
    """Kim & Mnih (2018), Eq. 2 and Algorithm 2: gamma on a discriminator's total correlation.

    TC is estimated by E[log D(z) - log(1 - D(z))], over the codes z of this batch; D is the
    probability that z came from q(z), and not from prod_j q(z_j). With the exact TC in its place
    this is beta_tcvae with beta = gamma + 1. D learns from the same codes, and from those of a
    second batch with every column shuffled. (The paper updates the model between the two; here
    both take one step from the same weights.)

    Terms of its own: estimated_tc, and discriminator_loss (ln 2 is guessing); both in nats.
    Raises ValueError if the pass has no discriminator, or gamma is negative.
    """
    discriminator = _discriminator("factor_vae", out, gamma)
    estimate = discriminator.frozen(out.z).mean()
    shuffled = permute_dims(out.adversary.second_codes(), out.now.generator)
    loss = classification_loss(discriminator(out.z.detach()), discriminator(shuffled))
    own = {"estimated_tc": estimate, "discriminator_loss": loss}
    return Terms(out.distortion + out.rate + gamma * estimate, out, own, loss)


def aae(out: Pass, gamma: float = 1.0) -> Terms:
    """Makhzani et al. (2015), Sec. 2: the adversarial autoencoder. No rate: a discriminator
    pulls the aggregate posterior q(z) to the prior.

    The encoder is the Gaussian one of the other objectives (their second choice of three), so
    that the same terms and scores exist. It minimises distortion + gamma * E[-log(1 - D(z))],
    the loss of a generator that does not saturate; D is the probability that z came from q(z),
    and not from p(z). Close to q = p the second term has half the gradient of
    KL(q(z) || p(z)) = total correlation + dimension-wise KL.

    Terms of its own: estimated_prior_kl = E[log D(z) - log(1 - D(z))], that same KL as the
    discriminator sees it, and discriminator_loss (ln 2 is guessing); both in nats.
    Raises ValueError if the pass has no discriminator, or gamma is negative.
    """
    discriminator = _discriminator("aae", out, gamma)
    log_ratio = discriminator.frozen(out.z)
    prior = sample(torch.zeros_like(out.mean), torch.zeros_like(out.mean), out.now.generator)
    loss = classification_loss(discriminator(out.z.detach()), discriminator(prior))
    own = {"estimated_prior_kl": log_ratio.mean(), "discriminator_loss": loss}
    return Terms(out.distortion + gamma * F.softplus(log_ratio).mean(), out, own, loss)


def _from_zero(**settings: float) -> None:
    for name, value in settings.items():
        if not (value >= 0 and math.isfinite(value)):
            raise ValueError(f"{name} is {value}; expected a number from 0 up.")


def _discriminator(name: str, out: Pass, gamma: float) -> Discriminator:
    _from_zero(gamma=gamma)
    adversary = out.adversary
    if adversary is None or (name == "factor_vae" and adversary.second_codes is None):
        raise ValueError(
            f"{name} needs a discriminator, which `training.fit` and `fit_many` give it. For one "
            "pass by hand, give `forward` an Adversary with a discriminator and a second batch "
            "of codes."
        )
    return adversary.discriminator()


# What the commands `train` and `sweep` offer, by name: a new objective is one more entry.
OBJECTIVES: dict[str, Callable[..., Terms]] = {
    function.__name__: function
    for function in (
        elbo,
        beta_vae,
        beta_tcvae,
        dip_vae,
        capacity_vae,
        geco,
        factor_vae,
        aae,
    )
}
