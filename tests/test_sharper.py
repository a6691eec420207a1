"""The study that sharpens a decoder, in miniature: what it changes and what it leaves alone."""

import torch

from dvae_helpers import datasets, zoo
from dvae_helpers.models import VAE
from dvae_helpers.studies import sharper


def test_blur_and_noise_move_the_sharpness():
    flat = torch.full((2, 3, 16, 16), 0.4)
    steps = torch.zeros(1, 1, 4, 4)
    steps[..., 2:] = 1  # one edge in three places across, none down
    blurred = torch.nn.functional.avg_pool2d(torch.rand(4, 3, 32, 32), 3, 1, 1)
    assert sharper.sharpness(flat) == 0
    assert abs(sharper.sharpness(steps) - 1 / 6) < 1e-6
    assert sharper.sharpness(blurred) < 0.5 * sharper.sharpness(torch.rand(4, 3, 32, 32))


def test_the_decoder_alone_changes():
    data = datasets.own(torch.rand(60, 3, 16, 16))
    model = VAE(data.shape, 3, "conv", 16, "gaussian", 0.2)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    critic = sharper.sharpen(model, data, steps=3, progress=False)
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key]) == key.startswith("encoder"), key
    assert critic(data.images(torch.arange(5))).shape == (5, 1)


def test_a_large_weight_teaches_what_the_critic_likes():
    """Images with noise as their only detail: the VAE's mean is flat, the sharpened one is not."""
    data = datasets.own(torch.rand(200, 3, 16, 16))
    model = VAE(data.shape, 2, "conv", 16, "gaussian", 1.0)
    before = VAE(data.shape, 2, "conv", 16, "gaussian", 1.0)
    sharper.sharpen(model, data, steps=120, weight=500, progress=False)
    found = sharper.measure(before, model, data)
    assert found["sharpness after"] > 3 * found["sharpness before"]
    assert found["sharpness of the images"] > 0.2


def test_it_ships_a_model_and_goes_on_from_its_file(tmp_path, monkeypatch):
    data = datasets.own(torch.rand(40, 3, 16, 16))
    monkeypatch.setenv("DVAE_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(sharper.datasets, "load", lambda name: data)
    zoo.save(VAE(data.shape, 2, "conv", 16, "gaussian", 0.3), sharper.MODEL)
    sharper.ship(tmp_path / "runs", steps=2)
    first = zoo.load("faces_sharper").state_dict()
    monkeypatch.setattr(sharper, "sharpen", None)  # not called again
    sharper.ship(tmp_path / "runs", steps=2)
    assert all(
        torch.equal(value, first[key])
        for key, value in zoo.load("faces_sharper").state_dict().items()
    )
