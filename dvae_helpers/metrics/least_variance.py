"""The FactorVAE score (Kim & Mnih, 2018): which latent is still while a factor is held?"""

import numpy as np

from .alike import Alike
from .inputs import Codes, Factors, codes_in, labels_in, need_two_factors
from .record import Column, Score


def factor_vae_score(
    codes: Codes,
    factors: Factors,
    batch_size: int = 64,
    train: int = 10_000,
    test: int = 5_000,
    seed: int = 0,
) -> float:
    """Kim & Mnih (2018), Sec. 4: an accuracy; 1/K is chance.

    A vote: pick a factor k and `batch_size` images that agree in it; the latent with the least
    variance, relative to its variance over all rows, votes for k. Each latent then stands for
    the factor with most votes; the score is how often that is right in new votes.
    Latents that never vary do not vote. codes (N, J), factors (N, K) or a FactorSpace.
    """
    codes = codes_in(codes)
    labels = labels_in(factors, len(codes))
    need_two_factors(labels.shape[1], "The FactorVAE score")
    random, alike = np.random.default_rng(seed), Alike(labels)
    variance = codes.var(0, dtype=np.float64)
    votes = np.zeros((2, codes.shape[1], labels.shape[1]), dtype=np.int64)  # train and test
    for turn, count in enumerate((train, test)):
        chosen = random.integers(labels.shape[1], size=count)
        for k in range(labels.shape[1]):
            value = labels[random.integers(len(codes), size=int((chosen == k).sum())), k]
            rows = alike.draw(k, np.repeat(value[:, None], batch_size, 1), random)
            share = np.full((len(rows), codes.shape[1]), np.inf)
            within = codes[rows].var(1, dtype=np.float64)
            np.divide(within, variance, out=share, where=variance > 0)
            votes[turn, :, k] = np.bincount(share.argmin(1), minlength=codes.shape[1])
    stands_for = votes[0].argmax(1)
    return float(votes[1, np.arange(codes.shape[1]), stands_for].sum() / test)


SCORES = (
    Score(
        function=factor_vae_score,
        columns=(Column("factor_vae_score", "accuracy; 1 is best, 1/K is chance"),),
        read=lambda sample: [factor_vae_score(sample.codes, sample.labels, seed=sample.seed)],
        source="Kim & Mnih (2018), Sec. 4",
        latents=1,
        factors=2,
    ),
)
