"""Pairs of images: who is a partner, and what is averaged."""

import pytest
import torch

from dvae_helpers import combinations, datasets
from dvae_helpers.datasets import ImageSet
from dvae_helpers.factors import FactorSpace
from dvae_helpers.pairs import Pairs

DATA = combinations.training_set("hard")
BLOCKS = (("kind", "size"), ("colour",))


def drawn(pairs, seed=0, repeats=40):
    index = torch.arange(pairs.size).repeat(repeats)
    partner, changed = pairs.partners(index, torch.Generator().manual_seed(seed))
    return DATA.classes(index), DATA.classes(partner), changed


def test_one_factor_changes():
    first, second, told = drawn(Pairs(DATA))
    assert told is None
    differing = (first != second).sum(1)
    assert differing.max() == 1
    # Some apples have no partner of another colour, say, but most images do.
    assert (differing == 1).double().mean() > 0.9
    assert ((first != second).double().mean(0) > 0.15).all()  # each factor changes often


def test_a_group_changes_and_the_rest_is_shared():
    first, second, changed = drawn(Pairs(DATA, BLOCKS, latents=(5, 3)))
    colour, other = first[:, 1] != second[:, 1], (first != second)[:, [0, 2]].any(1)
    assert not (colour & (changed == 0)).any()
    assert not (other & (changed == 1)).any()
    assert (colour | other).all()  # nobody is its own partner
    assert 0.45 < (changed == 0).double().mean() < 0.55


def test_partners_are_equally_likely():
    pairs = Pairs(DATA, (("colour",),), latents=(2,))
    image = int(DATA.find(torch.tensor([[1, 2, 3]]))[0])
    alike = (DATA.classes(torch.arange(len(DATA)))[:, [0, 2]] == torch.tensor([1, 3])).all(1)
    partner, _ = pairs.partners(torch.full((3000,), image), torch.Generator().manual_seed(1))
    counts = partner.bincount(minlength=len(DATA))
    others = alike.clone()
    others[image] = False
    assert int(others.sum()) == 2
    assert counts[~others].sum() == 0
    assert (counts[others] > 1400).all()


def test_an_image_without_others_is_its_own_partner():
    space = FactorSpace(("a", "b"), (2, 2))
    values = torch.tensor([[0, 0], [1, 1]])
    data = ImageSet("two", space, (1, 8, 8), torch.zeros(2, 1, 8, 8, dtype=torch.uint8), values)
    partner, _ = Pairs(data).partners(torch.tensor([0, 1, 0]))
    assert partner.tolist() == [0, 1, 0]


def test_the_same_seed_draws_the_same_partners():
    for one, other in zip(drawn(Pairs(DATA), 3), drawn(Pairs(DATA), 3), strict=True):
        assert one is other is None or torch.equal(one, other)


def slow_join(mean, log_var, share):
    mean, variance = mean.clone(), log_var.exp()
    half = len(mean) // 2
    for b in range(half):
        for j in range(mean.shape[1]):
            if share(b, j):
                mean[b, j] = mean[half + b, j] = (mean[b, j] + mean[half + b, j]) / 2
                middle = (variance[b, j] + variance[half + b, j]) / 2
                variance[b, j] = variance[half + b, j] = middle
    return mean, variance.log()


def random_posteriors(pairs=7, latents=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    mean = torch.randn(2 * pairs, latents, generator=generator, dtype=torch.float64)
    log_var = torch.randn(2 * pairs, latents, generator=generator, dtype=torch.float64) - 1
    return mean, log_var


def test_join_of_known_groups_against_a_slow_one():
    mean, log_var = random_posteriors()
    changed = torch.tensor([0, 1, 1, 0, 1, 0, 0])
    owner = [0, 0, 0, 1, 1]
    found = Pairs(DATA, BLOCKS, latents=(3, 2)).join(mean, log_var, changed)
    wanted = slow_join(mean, log_var, lambda b, j: owner[j] != changed[b])
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other)


def test_join_of_unknown_groups_against_a_slow_one():
    mean, log_var = random_posteriors(seed=1)
    normal, half = torch.distributions.Normal, len(mean) // 2
    spread = (0.5 * log_var).exp()

    def apart(b, j):
        p, q = (normal(mean[n, j], spread[n, j]) for n in (b, half + b))
        kl = torch.distributions.kl_divergence
        return float(kl(p, q) + kl(q, p))

    def share(b, j):
        all_of_them = [apart(b, i) for i in range(mean.shape[1])]
        return apart(b, j) < (min(all_of_them) + max(all_of_them)) / 2

    found = Pairs(DATA).join(mean, log_var, None)
    for one, other in zip(found, slow_join(mean, log_var, share), strict=True):
        torch.testing.assert_close(one, other)
    changed_rows = (found[0] != mean).any(0)
    assert changed_rows.any()


def test_gradients_reach_both_images():
    mean, log_var = (value.requires_grad_() for value in random_posteriors(pairs=3))
    joint, _ = Pairs(DATA, BLOCKS, latents=(3, 2)).join(mean, log_var, torch.tensor([0, 0, 0]))
    joint[0, 4].backward()
    assert mean.grad[0, 4] == mean.grad[3, 4] == 0.5


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"groups": (("kind", "shade"),)}, "shade"),
        ({"groups": ((0,), (0, 1))}, "overlap"),
        ({"groups": ()}, "overlap"),
        ({"groups": BLOCKS, "latents": (5,)}, "2 groups"),
        ({"groups": BLOCKS, "latents": (5, 0)}, "at least 1"),
    ],
)
def test_wrong_settings(settings, said):
    with pytest.raises(ValueError, match=said):
        Pairs(DATA, **settings)


def test_wrong_posteriors():
    pairs = Pairs(DATA, BLOCKS, latents=(3, 2))
    mean, log_var = random_posteriors(latents=4)
    with pytest.raises(ValueError, match="latents=5"):
        pairs.join(mean, log_var, torch.zeros(7, dtype=torch.int64))
    with pytest.raises(ValueError, match="changed"):
        pairs.join(*random_posteriors())
    with pytest.raises(ValueError, match="2B"):
        pairs.join(mean[:3], log_var[:3], None)


def test_any_set_of_images():
    data = datasets.load("small_sprites")
    partner, _ = Pairs(data).partners(torch.arange(64), torch.Generator().manual_seed(0))
    assert ((data.classes(partner) != data.classes(torch.arange(64))).sum(1) == 1).all()


def test_parts_of_the_rate_come_from_the_first_images_alone():
    """A partner is no independent draw; and two images of each pair may be more than there are."""
    from dvae_helpers.estimators import batch_decomposition
    from dvae_helpers.objectives import forward

    model = combinations.small_model(DATA, 5)
    images = DATA.images(torch.arange(60).repeat(2))
    join = Pairs(DATA, BLOCKS, latents=(3, 2)).join
    changed = torch.arange(60) % 2
    with torch.no_grad():
        out = forward(model, images, len(DATA), join=lambda mean, var: join(mean, var, changed))
        wanted = batch_decomposition(out.z[:60], out.mean[:60], out.log_var[:60], 60)
    assert float(out.parts.total_correlation) == float(wanted.total_correlation)
    assert torch.equal(out.mean[:60, 3:][changed == 0], out.mean[60:, 3:][changed == 0])
