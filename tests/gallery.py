"""One of each thing that moves in a page, as the notebooks have it: for tests and benchmarks."""

from functools import cache

import torch

from dvae_helpers import datasets, page, widgets, zoo
from dvae_helpers.site.hero import some_faces


@cache
def gallery() -> dict[str, page.Component | page.Vote]:
    """By name: explorers of one model and of two, with a lattice and with paper, and the rest."""
    small = datasets.load("small_sprites")
    model = zoo.load("small_beta_vae_8")
    painter = zoo.load("faces_gaussian_beta_tcvae_6_seed0")
    people = some_faces(400)
    generator = torch.Generator().manual_seed(3)
    rotation = torch.linalg.qr(torch.randn(6, 6, generator=generator).double())[0]
    trained = {float(beta): zoo.load(f"small_beta_vae_{beta}") for beta in (1, 2, 4, 8, 16, 32)}
    points = {
        beta: torch.tensor([[18.0, 20.0], [17.5, 21.0]]) + 9 * torch.tensor(beta).log() * slope
        for beta, slope in zip(trained, 6 * [torch.tensor([-0.5, 1.0])], strict=True)
    }
    grid = torch.stack(torch.meshgrid(torch.arange(5.0), torch.arange(7.0), indexing="ij"), -1) - 2
    turn = torch.tensor([[0.8, 0.6], [-0.6, 0.8]])
    moments = {f"step {100 * n}": grid @ turn * n / 3 for n in range(4)}
    return {
        "explorer": page.explorer(model, small, 2000),
        "two models": page.explorer(
            {f"beta = {beta}": trained[beta] for beta in (1.0, 8.0)},
            small,
            2000,
            lattice=("x", "y"),
            title="Two models on one set of sliders",
        ),
        "paper": page.explorer(model, small, 2000, draw=True),
        "traversal": page.traversal(painter, torch.zeros(painter.latents), [0, 5, 9, 7, 2, 6]),
        "lattice": page.lattice_animation(moments, ("x", "y"), ("latent 3", "latent 1")),
        "frontier": widgets.frontier(trained, points, small, torch.arange(8) * 500),
        "gap explorer": widgets.gap_explorer(),
        "race": widgets.race(
            {"code A": torch.eye(6), "code B": rotation}, [1, 1, 3, 2, 5, 1], [3, 5, 1, 7, 0, 1]
        ),
        "be the encoder": widgets.be_the_encoder(1.1, 0.51),
        "swapper": widgets.swapper(zoo.load("faces_pairs_seed0"), people, 0, 1, pictures=6),
        "vote": page.vote(
            "β rises from 1 to 8. What happens to the rate?",
            ["It rises", "It falls", "It stays the same"],
            1,
            "β is the price of a nat: what is dearer is bought less.",
        ),
    }
