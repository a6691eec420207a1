"""Held-out combinations of fruits, and how to ask a model for one of them."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from . import datasets, fruits
from .datasets import ImageSet
from .factors import FactorSpace
from .metrics import mig_exact
from .models import VAE, posteriors
from .progress import tqdm

DESIGNS = ("easy", "medium", "hard")
NAMED = 3  # a wish names the first three factors: kind, colour, size

TRIPLES = FactorSpace(
    fruits.FACTORS.names[:NAMED], fruits.FACTORS.sizes[:NAMED], fruits.FACTORS.kinds[:NAMED]
)

# "hard": every kind in three colours, every colour on two kinds, any two kinds share one colour.
_COLOURS_OF_KIND = ((0, 1, 2), (2, 3, 4), (0, 4, 5), (1, 3, 5))


def held_out(classes: Tensor, design: str) -> Tensor:
    """Which combinations a model of this design never sees: (N, 3 or more) -> (N,) bool.

    The first three columns are kind, colour and size.

    "easy": tiny and small black apples. "medium": all black apples. "hard": half of all pairs of
    kind and colour; each kind is seen in three colours, each colour on two kinds.
    """
    kind, colour, size = TRIPLES.check(classes[..., :NAMED]).unbind(-1)
    if design == "hard":
        seen = torch.zeros(4, 6, dtype=torch.bool, device=classes.device)
        for row, colours in zip(seen, _COLOURS_OF_KIND, strict=True):
            row[list(colours)] = True
        return ~seen[kind, colour]
    if design not in DESIGNS:
        raise ValueError(f"design is {design!r}; choose one of {', '.join(DESIGNS)}.")
    return (kind == 0) & (colour == 5) & ((size <= 1) | (design == "medium"))


def neighbours(classes: Tensor, design: str) -> Tensor:
    """The control: combinations that are seen, one change of kind or colour away from a held-out
    one. (N, 3 or more) -> (N,) bool.
    """
    hole = held_out(TRIPLES.classes(torch.arange(len(TRIPLES))), design).reshape(TRIPLES.sizes)
    near = (hole.any(0, keepdim=True) | hole.any(1, keepdim=True)) & ~hole
    return near.flatten()[TRIPLES.index(classes[..., :NAMED])]


def middle_fruits() -> ImageSet:
    """All 120 combinations of kind, colour and size, in the middle of the picture."""
    data = datasets.load("small_fruits")
    classes = data.classes(torch.arange(len(data)))
    pixels = data.pixels[(classes[:, NAMED:] == 1).all(1)]
    return ImageSet("middle_fruits", TRIPLES, data.shape, pixels)


def training_set(design: str) -> ImageSet:
    """The middle fruits without the combinations that this design holds out."""
    data = middle_fruits()
    return datasets.subset(data, ~held_out(data.classes(torch.arange(len(data))), design))


def labels_code(classes: Tensor) -> Tensor:
    """A code made of the labels: kind and colour one-hot, size as a number from -1 to 1.

    (N, 3) -> (N, 11) float32. One block of numbers for each factor: it is disentangled.
    """
    kind, colour, size = TRIPLES.check(classes).unbind(1)
    return torch.cat((F.one_hot(kind, 4), F.one_hot(colour, 6), size[:, None] / 2 - 1), 1).float()


def small_model(
    data: ImageSet,
    latents: int,
    seed: int = 0,
    hidden: int = 64,
    blocks: tuple[int, int] | None = None,
) -> VAE:
    """An untrained VAE with a calm start: codes near the prior, the average image drawn.

    Gaussian with sigma = 0.1, since the images are not binary. With the usual start the first
    hundreds of steps go into the bright background.
    blocks: with it, a layered model: so many latents for the shape, so many for the colour.
    """
    architecture = "dense" if blocks is None else "layered"
    model = VAE(data.shape, latents, architecture, hidden, "gaussian", 0.1, seed, blocks=blocks)
    average = data.images(torch.arange(len(data))).mean(0).flatten()
    last = model.decoder[-2] if blocks is None else model.decoder.shape[-1]
    with torch.no_grad():
        model.encoder[-1].weight *= 0.1
        last.weight *= 0.1
        last.bias[-len(average) :] = average  # a layered decoder draws its mask first
    return model


def fit_decoder(
    data: ImageSet,
    steps: int = 800,
    batch_size: int = 32,
    seed: int = 0,
    learning_rate: float = 2e-3,
    progress: bool = True,
) -> VAE:
    """A model whose decoder draws from `labels_code`; its encoder is left untrained."""
    generator = torch.Generator().manual_seed(seed)
    images, code = (x(torch.arange(len(data))) for x in (data.images, data.classes))
    code = labels_code(code)
    model = small_model(data, code.shape[1], seed)
    optimiser = torch.optim.Adam(model.decoder.parameters(), lr=learning_rate)
    for _ in tqdm(range(steps), unit="step", disable=not progress):
        index = torch.randint(len(data), (batch_size,), generator=generator)
        with torch.enable_grad():
            loss = F.mse_loss(model.decode(code[index]), images[index], reduction="sum")
            optimiser.zero_grad()
            (loss / batch_size).backward()
        optimiser.step()
    return model.eval()


def effects(mean: Tensor, classes: Tensor, sizes: Sequence[int]) -> tuple[Tensor, list[Tensor]]:
    """The part of a code that is a sum over the factors, by least squares.

    mean_n = base + sum_k effect_k[g_nk] + rest_n; the effects of each factor sum to 0 over its
    values. mean: (N, J); classes: (N, K). Gives base (J,) and, for every factor, (V_k, J).
    Combinations may be missing: a least-squares fit does not mix the factors up, as means would.
    """
    columns = [F.one_hot(classes[:, k], v)[:, :-1].double() for k, v in enumerate(sizes)]
    last = [F.one_hot(classes[:, k], v)[:, -1:].double() for k, v in enumerate(sizes)]
    design = [a - b for a, b in zip(columns, last, strict=True)]  # the last effect: minus the rest
    design = torch.cat((torch.ones(len(mean), 1, dtype=torch.float64), *design), 1)
    found = torch.linalg.lstsq(design, mean.double()).solution.to(mean.dtype)
    base, *parts = found.split([1, *(v - 1 for v in sizes)])
    return base[0], [torch.cat((part, -part.sum(0, keepdim=True))) for part in parts]


def owners(information: Tensor, entropy: Tensor, least: float = 0.1) -> Tensor:
    """The factor that each latent tracks: the one with the largest I(z_j; g_k) / H(g_k).

    information: (K, J), entropy: (K,), as `metrics.mig_exact` gives them. -> (J,); -1 for a
    latent that knows less than the share `least` of every factor.
    """
    share, owner = (information / entropy[:, None]).max(0)
    return owner.where(share >= least, -1)


def set_latents(
    codes: Tensor, wanted: Tensor, owner: Tensor, base: Tensor, parts: list[Tensor]
) -> Tensor:
    """Sets the latents that track a factor to what its wanted value has on average.

    z_j = base_j + effect_k[wanted_k]_j, if latent j tracks factor k; other latents stay.
    codes: (B, J), of donors; wanted: (B, K).
    """
    result = codes.clone()
    for k in range(wanted.shape[1]):
        mine = owner == k
        result[:, mine] = (base + parts[k][wanted[:, k]])[:, mine]
    return result


def move_codes(codes: Tensor, donors: Tensor, wanted: Tensor, parts: list[Tensor]) -> Tensor:
    """Adds the difference between wanted and present values, on all latents.

    z + sum_k (effect_k[wanted_k] - effect_k[donor_k]). It asks for no axes, only that the code is
    a sum. codes: (B, J); donors, wanted: (B, K).
    """
    return codes + sum(part[wanted[:, k]] - part[donors[:, k]] for k, part in enumerate(parts))


def wishes(design: str, unseen: bool, donors: int = 9, seed: int = 0) -> tuple[Tensor, Tensor]:
    """What is asked of every model, and whose code it starts from: (B, 3) and (B, 3).

    unseen: each held-out combination, or else each of its seen `neighbours`, with so many donors.
    A donor is drawn among the combinations that the model was trained on; its kind, colour and
    size all differ from the wanted ones.
    """
    every = TRIPLES.classes(torch.arange(len(TRIPLES)))
    wanted = every[held_out(every, design) if unseen else neighbours(every, design)]
    wanted = wanted.repeat_interleave(donors, 0)
    known = every[~held_out(every, design)]
    fits = (known != wanted[:, None]).all(2)  # (B, known)
    generator = torch.Generator().manual_seed(seed)
    return wanted, known[torch.multinomial(fits.float(), 1, generator=generator)[:, 0]]


@torch.no_grad()
def drawings(model: VAE, design: str, wanted: Tensor, donors: Tensor) -> dict[str, Tensor]:
    """What a model draws when it is asked for `wanted`: (B, 3, 24, 24) for every way to ask.

    What it knows of the factors comes from its own training set, never from what is held out.
    "reconstruct" is no way to ask: it is given the wanted image itself.
    """
    every, seen = middle_fruits(), training_set(design)
    mean, log_var = posteriors(model, seen)
    classes = seen.classes(torch.arange(len(seen)))
    gap = mig_exact(mean, log_var, classes)
    base, parts = effects(mean, classes, TRIPLES.sizes)
    owner = owners(gap.information, gap.entropy)
    codes, _ = model.encode(every.images(every.find(donors)))
    target, _ = model.encode(every.images(every.find(wanted)))
    return {
        "set latents": model.pictures(set_latents(codes, wanted, owner, base, parts)),
        "add effects": model.pictures(move_codes(codes, donors, wanted, parts)),
        "reconstruct": model.pictures(target),
    }


def set_blocks(
    mean: Tensor,
    classes: Tensor,
    wanted: Tensor,
    groups: Sequence[Sequence[int]],
    latents: Sequence[int],
) -> Tensor:
    """Codes put together from blocks: each block as the seen images with its wanted values have it.

    mean (N, J), classes (N, K): of the images that the model was trained on. wanted: (B, K).
    groups: the factors of each block; latents: its size. Block by block, the code is the mean over
    the seen images whose factors of that group have the wanted values. -> (B, J).

    Raises ValueError if the wanted values of one group were never seen together.
    """
    blocks = []
    for group, block in zip(groups, mean.split(list(latents), 1), strict=True):
        match = (classes[:, group] == wanted[:, None, group]).all(2).to(mean.dtype)  # (B, N)
        if not match.any(1).all():
            raise ValueError(
                f"Factors {tuple(group)} have wanted values that were never seen together; "
                "put them into groups of their own."
            )
        blocks.append(match @ block / match.sum(1, keepdim=True))
    return torch.cat(blocks, 1)
