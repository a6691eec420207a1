"""The beta-VAE score (Higgins et al., 2017): can a classifier say what two images agree in?"""

import numpy as np
from sklearn.linear_model import LogisticRegression

from .alike import Alike
from .inputs import Codes, Factors, codes_in, labels_in, need_two_factors, refused_warnings
from .record import Column, Score


def beta_vae_score(
    codes: Codes,
    factors: Factors,
    batch_size: int = 64,
    train: int = 10_000,
    test: int = 5_000,
    seed: int = 0,
) -> float:
    """Higgins et al. (2017), Sec. 3: an accuracy; 1/K is chance.

    A point: pick a factor k; draw `batch_size` pairs of images that agree in it; take the mean
    of |z_j - z_j'| of the pairs, one number a latent. A linear classifier must say k.
    The images are drawn from the rows: codes (N, J), factors (N, K) or a FactorSpace.
    """
    codes = codes_in(codes)
    labels = labels_in(factors, len(codes))
    need_two_factors(labels.shape[1], "The beta-VAE score")
    random, alike = np.random.default_rng(seed), Alike(labels)
    chosen = random.integers(labels.shape[1], size=train + test)
    points = np.empty((train + test, codes.shape[1]))
    for k in range(labels.shape[1]):
        first = random.integers(len(codes), size=(int((chosen == k).sum()), batch_size))
        second = alike.draw(k, labels[first, k], random)
        points[chosen == k] = np.abs(codes[first] - codes[second]).mean(1)
    with refused_warnings():
        model = LogisticRegression(max_iter=2000).fit(points[:train], chosen[:train])
    return float(model.score(points[train:], chosen[train:]))


SCORES = (
    Score(
        function=beta_vae_score,
        columns=(Column("beta_vae_score", "accuracy; 1 is best, 1/K is chance"),),
        read=lambda sample: [beta_vae_score(sample.codes, sample.labels, seed=sample.seed)],
        source="Higgins et al. (2017), Sec. 3",
        latents=1,
        factors=2,
    ),
)
