"""The density-ratio trick: a classifier between two clouds of codes knows the ratio of their
densities. FactorVAE and the adversarial autoencoder are built on it.

Axes: b code in the batch, j latent. D(z) is always the probability that z came from q(z), the
encoder's cloud, and not from the reference: prod_j q(z_j) in FactorVAE, the prior in an AAE.
"""

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .models import plain_torch, whole_number


class Discriminator(nn.Module):
    """Codes (B, J) -> logits (B,): log D(z) / (1 - D(z)), at best log q(z) / reference(z), nats.

    At best: if the two classes are shown equally often (Sugiyama et al., 2012, Ch. 4).

    latents: J. hidden, depth: width and number of its leaky ReLU layers. Kim & Mnih (2018) take
        six layers of 1,000; here the default is made for a laptop.
    learning_rate: of the discriminator's own Adam, with betas (0.5, 0.9) as in that paper.
    seed: of the random initial weights; the same seed gives the same weights.
    """

    def __init__(
        self,
        latents: int,
        hidden: int = 256,
        depth: int = 3,
        learning_rate: float = 2e-3,
        seed: int = 0,
    ):
        super().__init__()
        latents = whole_number("latents", latents)
        hidden, depth = whole_number("hidden", hidden), whole_number("depth", depth)
        if min(latents, hidden, depth) < 1:
            raise ValueError(
                f"latents is {latents}, hidden {hidden} and depth {depth}; expected at least 1."
            )
        learning_rate = float(learning_rate)
        if not (learning_rate > 0 and math.isfinite(learning_rate)):
            raise ValueError(f"learning_rate is {learning_rate}; it must be positive.")
        self.config = {
            "latents": latents,
            "hidden": hidden,
            "depth": depth,
            "learning_rate": learning_rate,
        }
        self.latents, self.learning_rate = latents, learning_rate
        layers: list[nn.Module] = []
        with plain_torch(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for inside, outside in itertools.pairwise([latents, *[hidden] * depth]):
                layers += [nn.Linear(inside, outside), nn.LeakyReLU(0.2)]
            self.network = nn.Sequential(*layers, nn.Linear(hidden, 1))

    def forward(self, z: Tensor) -> Tensor:
        if z.ndim != 2 or z.shape[1] != self.latents:
            raise ValueError(
                f"z has shape {tuple(z.shape)}; this discriminator expects (B, {self.latents})."
            )
        return self.network(z)[:, 0]

    def frozen(self, z: Tensor) -> Tensor:
        """The same logits, with a gradient for z and none for the discriminator's weights."""
        weights = {name: value.detach() for name, value in self.named_parameters()}
        return torch.func.functional_call(self, weights, (z,))

    def optimiser(self, recorded: bool = False) -> torch.optim.Adam:
        """A new Adam for its weights. recorded: its steps can be recorded on a GPU."""
        on_gpu = next(self.parameters()).device.type == "cuda"
        return torch.optim.Adam(
            self.parameters(),
            self.learning_rate,
            betas=(0.5, 0.9),
            fused=recorded or None,
            capturable=recorded and on_gpu,
        )


def permute_dims(z: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Shuffles every column on its own: codes of q(z) -> codes of prod_j q(z_j). (B, J).

    Kim & Mnih (2018), Algorithm 1. Each latent keeps its values, and so its marginal; who stands
    beside whom is left to chance. One shuffle for all columns would change nothing.
    """
    if z.ndim != 2 or len(z) < 2:
        raise ValueError(f"z has shape {tuple(z.shape)}; expected (B, J) with at least two codes.")
    order = torch.rand(z.shape, generator=generator, device=z.device).argsort(0)
    return z.gather(0, order)


def classification_loss(q_logits: Tensor, reference_logits: Tensor) -> Tensor:
    """Cross entropy of both classes, each with weight 1/2, in nats; ln 2 is guessing.

    q_logits: (B,), of codes of q(z): D should be 1. reference_logits: (B',): D should be 0.
    At the optimum it is ln 2 less the Jensen-Shannon divergence of the two (Goodfellow et al.,
    2014, Theorem 1).
    """
    return 0.5 * (F.softplus(-q_logits).mean() + F.softplus(reference_logits).mean())
