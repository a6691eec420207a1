"""MIG-sup, the gap of each latent (Li et al., 2020): does a latent hold one factor only?"""

from torch import Tensor

from ..estimators import Posterior
from .information import active_latents, exact_information
from .inputs import Factors, need_two_factors
from .record import Column, Score


def mig_sup_exact(mean: Posterior, log_var: Posterior, factors: Factors) -> float:
    """MIG-sup (Li et al., 2020) from the posteriors, by quadrature: 0 to 1.

    The supplement of MIG, which looks along the other axis. For a latent, how much more it knows
    about its best factor than about the second best, both as a share of the factor's entropy.
    The mean over the active latents, which know at least a hundredth of some factor; 0 if none
    does. Two factors in one latent cost it everything, and MIG nothing; two copies the reverse.

    mean, log_var: (N, J). factors: (N, K), discrete, or a FactorSpace for a whole grid.
    Raises ValueError as `mig_exact` does, and for one factor.
    """
    return _score(*exact_information(mean, log_var, factors)[:2])


def _score(information: Tensor, entropy: Tensor) -> float:
    need_two_factors(len(information), "MIG-sup")
    share = information / entropy[:, None]
    share = share[:, active_latents(share)]
    if not share.numel():
        return 0.0
    first, second = share.topk(2, dim=0).values
    return float((first - second).mean())


SCORES = (
    Score(
        function=mig_sup_exact,
        columns=(Column("mig_sup_exact", "MIG-sup: one factor a latent, exact; 0 to 1"),),
        read=lambda sample: [_score(*sample.exact[:2])],
        source="Li et al. (2020)",
        latents=1,
        factors=2,
        posteriors=True,
    ),
)
