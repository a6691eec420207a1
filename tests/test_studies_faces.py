"""The study of the faces in miniature: it stops, goes on, and a model that grows stays itself."""

import pytest
import torch

from dvae_helpers.datasets import ImageSet
from dvae_helpers.factors import FactorSpace
from dvae_helpers.models import VAE
from dvae_helpers.studies import faces as study


@pytest.fixture
def squares():
    """Squares of four greys at eight places, 32x32 pixels."""
    space = FactorSpace(("grey", "place"), (4, 8))
    grey, place = space.classes(torch.arange(32)).unbind(1)
    pixels = torch.zeros(32, 1, 32, 32, dtype=torch.uint8)
    for n in range(32):
        pixels[n, :, 8:24, 2 * place[n] : 2 * place[n] + 16] = 60 * (grey[n] + 1)
    return ImageSet("squares", space, (1, 32, 32), pixels)


def test_a_coarse_pixel_is_the_mean_of_a_block(squares):
    coarse = study.coarser(squares, 8)
    assert coarse.shape == (1, 8, 8)
    for n, row, column in ((3, 2, 1), (17, 5, 4), (31, 0, 7)):
        block = squares.pixels[n, 0, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
        assert abs(int(coarse.pixels[n, 0, row, column]) - block.float().mean()) <= 0.5
    assert study.coarser(squares, 32) is squares
    for side in (0, -8, 5, 64):
        with pytest.raises(ValueError, match="divisor of 32"):
            study.coarser(squares, side)


def test_a_grown_model_gives_the_same_codes_and_pictures():
    model = VAE((3, 16, 16), 5, "conv", 40, "gaussian", 0.05, seed=3)
    with torch.no_grad():
        for layer in (*model.encoder, *model.decoder):  # large random weights: no symmetry
            if hasattr(layer, "weight"):
                layer.weight.normal_(0, 0.1)
                layer.bias.normal_(0, 0.1)
        model.decoder[-1].bias.fill_(2.0)
    grown = study.grow(model, seed=1)
    images, z = torch.rand(6, 3, 32, 32), torch.randn(6, 5)
    coarse = torch.nn.functional.avg_pool2d(images, 2)
    for one, other in zip(model.encode(coarse), grown.encode(images), strict=True):
        torch.testing.assert_close(one, other)
    small, large = model.decode(z), grown.decode(z)
    assert small.min() >= 0
    torch.testing.assert_close(small.repeat_interleave(2, 2).repeat_interleave(2, 3), large)
    assert grown.noise == 0.1
    (grown.decode(grown.encode(images)[0]) - images).square().sum().backward()
    assert (grown.decoder[-1].weight.grad.abs().amax((1, 2, 3)) > 0).sum() > 3  # new ones learn


def test_what_cannot_grow_is_refused():
    for settings in ({"architecture": "dense"}, {"likelihood": "bernoulli"}):
        model = VAE((1, 16, 16), 3, **({"likelihood": "gaussian"} | settings))
        with pytest.raises(ValueError, match="Only a conv model"):
            study.grow(model)


def test_a_stopped_study_goes_on_and_a_finished_one_is_not_trained_again(squares, tmp_path):
    def run(folder, steps):
        settings = {"latents": 3, "hidden": 16, "batch_size": 8, "precision": "float32"}
        return study.train(folder, 0, squares, steps, 2.0, progress=False, **settings)

    model, _, done = run(tmp_path / "whole", (6, 4))
    assert model.image_shape == (1, 32, 32)
    assert model.noise == study.SIGMA
    assert done == [6, 4]
    run(tmp_path / "parts", (3, 1))
    (tmp_path / "parts" / "faces_seed0_32.safetensors").unlink()
    run(tmp_path / "parts", (6, 2))
    again, _, _ = run(tmp_path / "parts", (6, 4))
    for name, value in model.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "whole").iterdir()}
    _, seconds, _ = run(tmp_path / "whole", (6, 4))
    assert before == {p.name: p.stat().st_mtime_ns for p in (tmp_path / "whole").iterdir()}
    assert seconds > 0
    assert set(before) == {"faces_seed0_16.safetensors", "faces_seed0_32.safetensors"}


def test_what_is_measured_of_a_model(squares):
    told = study.measure(VAE((1, 32, 32), 3, "conv", 16, "gaussian"), squares)
    assert set(told["best_share"]) == {"grey", "place"}
    assert 0 <= told["mig_exact"] <= 1
    assert told["mutual_information"] >= 0


def test_pairs_give_each_factor_a_latent_of_its_own(squares, tmp_path):
    """Two factors, two latents, in the order of the factors: the model is told which changed."""
    settings = {"hidden": 32, "batch_size": 16, "precision": "float32", "progress": False}
    model, _, _ = study.train(tmp_path, 0, squares, (300, 50), 1.0, pairs=True, **settings)
    told = study.measure(model, squares)
    assert model.latents == 2
    assert told["its_latent"] == {"grey": 0, "place": 1}
    assert min(told["best_share"].values()) > 0.9
