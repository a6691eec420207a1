"""Modularity (Ridgeway & Mozer, 2018): is the information of a latent about one factor only?"""

import numpy as np

from .information import binned_information
from .inputs import Codes, Factors, codes_in, labels_in, need_two_factors
from .record import Column, Score


def modularity(codes: Codes, factors: Factors, bins: int = 20) -> float:
    """Ridgeway & Mozer (2018), Sec. 3: 1 if each latent knows one factor; 0 to 1.

    Of latent j, with I_jk the binned mutual information and k* its best factor:
    1 - sum_{k != k*} I_jk^2 / (I_jk*^2 (K - 1)); the mean over latents. A latent that knows
    nothing counts 0, as in disentanglement_lib. codes: (N, J).
    """
    codes = codes_in(codes)
    labels = labels_in(factors, len(codes))
    need_two_factors(labels.shape[1], "Modularity")
    square = binned_information(codes, labels, bins) ** 2  # (K, J)
    best, others = square.max(0), square.sum(0) - square.max(0)
    known = best > 1e-24  # a constant code has rounding errors only
    result = np.zeros(codes.shape[1])
    result[known] = 1 - others[known] / (best[known] * (labels.shape[1] - 1))
    return float(result.mean())


SCORES = (
    Score(
        function=modularity,
        columns=(Column("modularity", "one factor a latent, by binned information; 0 to 1"),),
        read=lambda sample: [modularity(sample.codes, sample.labels)],
        source="Ridgeway & Mozer (2018), Sec. 3",
        latents=1,
        factors=2,
    ),
)
