"""What is done to codes: named after what they track, swapped, spoiled."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from .datasets import ImageSet
from .estimators import gaussian_kl
from .factors import FactorSpace
from .metrics import dci, mig_exact
from .models import VAE, posteriors, sample

_LOOK = 1024  # images that say how much each latent is used, and what for
_LINES = 12  # of a lattice, of each factor, at most


def tracked(mean: Tensor, log_var: Tensor, classes: Tensor, names: Sequence[str]) -> dict[int, str]:
    """What each latent tracks, in words, as {3: "x", 5: "scale + shape"}; no entry if nothing.

    A factor is named if the latent knows at least a fifth of its entropy, and at least half as
    much as of the factor that it knows best: shares of the exact I(z_j; g_k) / H(g_k).
    mean, log_var: (N, J), posteriors of some images. classes: (N, K), their factor values.
    """
    varied = [k for k in range(len(names)) if classes[:, k].min() < classes[:, k].max()]
    if mean.shape[1] < 2 or not varied:
        return {}
    gap = mig_exact(mean, _wide(mean, log_var), classes[:, varied], tolerance=1e-3)
    shares = (gap.information / gap.entropy[:, None]).T  # (J, K)
    words = {}
    for j, share in enumerate(shares):
        least = max(0.2, float(share.max()) / 2)
        found = [names[varied[k]] for k in share.argsort(descending=True) if share[k] >= least]
        if found:
            words[j] = " + ".join(found)
    return words


def _wide(mean: Tensor, log_var: Tensor) -> Tensor:
    """Log variances of at least a thousandth of the spread of the codes.

    An encoder that is hardly noisy (an adversarial autoencoder's) would need a grid of millions
    of points; for the name of a latent this is near enough.
    """
    spread = mean.std(0).clamp(min=1e-6)
    return log_var.maximum(2 * (1e-3 * spread).log())


@torch.no_grad()
def shares(model: VAE, data: ImageSet) -> Tensor:
    """What each latent knows of each factor, (K, J): the exact I(z_j; g_k) / H(g_k).

    From at most 1,024 images of `data`; 0 for a factor that has one value there, and for a model
    of one latent.
    """
    some = torch.linspace(0, len(data) - 1, min(len(data), _LOOK)).long()
    mean, log_var = posteriors(model, data, some)
    classes = data.classes(some).cpu()
    varied = [k for k in range(classes.shape[1]) if classes[:, k].min() < classes[:, k].max()]
    found = torch.zeros(classes.shape[1], model.latents, dtype=torch.float64)
    if model.latents > 1 and varied:
        mean, log_var = mean.cpu(), log_var.cpu()
        gap = mig_exact(mean, _wide(mean, log_var), classes[:, varied], tolerance=1e-3)
        found[varied] = (gap.information / gap.entropy[:, None]).double()
    return found


def used_and_tracked(model: VAE, data: ImageSet) -> tuple[list[int], Tensor, dict[int, str]]:
    """The latents by use, their mean KL in nats, and what they track, from at most 1,024 images."""
    some = torch.linspace(0, len(data) - 1, min(len(data), _LOOK)).long()
    mean, log_var = posteriors(model, data, some)
    words = tracked(mean.cpu(), log_var.cpu(), data.classes(some).cpu(), data.factors.names)
    return *latent_order(mean, log_var), words


def nearest(data: ImageSet, wanted: Tensor, k: int) -> int:
    """The number of the image with value wanted[k] of factor k, and the others as near as can be.

    wanted: (K,) factor values. In a set that is the whole grid it has all of them.
    """
    if data.values is None:
        return int(data.find(wanted[None]))
    values = data.values.cpu()
    far = (values - wanted).abs().sum(1)
    return int(far.masked_fill(values[:, k] != wanted[k], far.max() + 1).argmin())


def swap(code_a: Tensor, code_b: Tensor, latents: Sequence[int]) -> Tensor:
    """Code a, with the given latents taken from code b. Both (..., J) -> (..., J), a new tensor.

    Raises ValueError for codes of different shapes, or a latent that they do not have.
    """
    if code_a.shape != code_b.shape or not code_a.ndim:
        raise ValueError(
            f"The codes have shapes {tuple(code_a.shape)} and {tuple(code_b.shape)}; "
            "expected the same shape (..., J) twice: two codes of one model."
        )
    width = code_a.shape[-1]
    if strange := [j for j in latents if j not in range(width)]:
        raise ValueError(f"There is no latent {strange[0]!r}; these codes have 0 to {width - 1}.")
    mixed = code_a.clone()
    mixed[..., list(latents)] = code_b[..., list(latents)]
    return mixed


def spoil(code: Tensor, degrees: float, copy: float) -> Tensor:
    """A code of two latents, rotated and partly copied: (N, 2) -> (N, 3).

    Latents 0 and 1 are the code turned by `degrees`; latent 2 is `copy` times the new latent 0.
    With degrees = copy = 0 the code is as it was, beside a latent that is always 0.
    """
    if code.ndim != 2 or code.shape[1] != 2:
        raise ValueError(f"code has shape {tuple(code.shape)}; expected (N, 2).")
    angle = torch.deg2rad(torch.tensor(degrees, dtype=code.dtype))
    cos, sin = angle.cos(), angle.sin()
    turned = code @ torch.stack((torch.stack((cos, sin)), torch.stack((-sin, cos))))
    return torch.cat((turned, copy * turned[:, :1]), 1)


def small_code() -> tuple[Tensor, tuple[int, int]]:
    """A perfect code of two factors with 5 and 8 values, (40, 2), and these two numbers."""
    space = FactorSpace(("a", "b"), (5, 8))
    classes = space.classes(torch.arange(len(space))).double()
    return (classes - classes.mean(0)) / classes.std(0), (5, 8)


def spoiled_scores(degrees: float, copy: float, sigma: float = 0.05) -> tuple[dict, Tensor]:
    """Scores of a perfect code of two factors after `spoil`, and I(z_j; g_k) / H(g_k), (2, 3).

    The factors have 5 and 8 values, one latent each; every posterior has the width `sigma`. D and
    C are DCI's, from a forest on 20 draws of each code.
    """
    code, sizes = small_code()
    space = FactorSpace(("a", "b"), sizes)
    classes = space.classes(torch.arange(len(space)))
    mean = spoil(code, degrees, copy)
    log_var = torch.full_like(mean, 2 * math.log(sigma))
    gap = mig_exact(mean, log_var, space)
    share = gap.information / gap.entropy[:, None]
    drawn = sample(mean.repeat(20, 1), log_var.repeat(20, 1), torch.Generator().manual_seed(0))
    importance = dci(drawn, classes.repeat(20, 1), "forest")
    scores = {
        "best MI": float(share.max(1).values.mean()),
        "MIG": gap.score,
        "D": importance.disentanglement,
        "C": importance.completeness,
    }
    return scores, share


def latent_order(mean: Tensor, log_var: Tensor) -> tuple[list[int], Tensor]:
    """Latents from the most to the least used, and the mean KL of each (J,), nats per image."""
    kl = gaussian_kl(mean, log_var).mean(0)
    return kl.argsort(descending=True).tolist(), kl


def lattice_codes(
    model: VAE, data: ImageSet, factors: Sequence[str], at: Mapping[str, int] | None = None
) -> tuple[Tensor, list[Tensor]]:
    """Posterior means over a grid of two factors, (A, B, J), and the two lists of factor values.

    At most 12 values of each factor, evenly spread. at: values of the other factors, as
    {"shape": 2}; those that are not named stand in the middle of their values.

    Raises ValueError for factors that are not two different ones of `data`, and for a value or a
    combination that `data` does not have.
    """
    names, sizes = list(data.factors.names), list(data.factors.sizes)
    if len(factors) != 2 or len(set(factors)) != 2 or not set(factors) <= set(names):
        raise ValueError(f"factors is {factors!r}; expected two of {', '.join(names)}.")
    at = dict(at or {})
    if strange := [name for name in at if name not in names or name in factors]:
        raise ValueError(
            f"at names {strange[0]!r}; expected one of "
            f"{', '.join(name for name in names if name not in factors)}."
        )
    first, second = (names.index(name) for name in factors)
    values = [
        torch.linspace(0, sizes[k] - 1, min(sizes[k], _LINES)).round().long()
        for k in (first, second)
    ]
    classes = torch.tensor(
        [at.get(name, size // 2) for name, size in zip(names, sizes, strict=True)]
    )
    classes = classes.repeat(len(values[0]) * len(values[1]), 1)
    grid = torch.cartesian_prod(*values)
    classes[:, first], classes[:, second] = grid[:, 0], grid[:, 1]
    mean, _ = posteriors(model, data, data.find(classes))
    return mean.cpu().view(len(values[0]), len(values[1]), -1), values


def planes(model: VAE, data: ImageSet, factors: Sequence[str]) -> tuple[int, int]:
    """The latents that know most of each of two factors, two different ones."""
    known = shares(model, data)  # (K, J)
    k, other = (list(data.factors.names).index(name) for name in factors)
    pairs = known[k][:, None] + known[other][None]
    pairs.fill_diagonal_(-1)
    right, up = divmod(int(pairs.argmax()), pairs.shape[1])
    return right, up
