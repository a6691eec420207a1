"""Networks in the page: what `decoder.js` draws is what torch draws, in node and in Chromium."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from dvae_helpers import models, page, zoo
from dvae_helpers.page import weights

SCRIPT = Path(page.__file__).with_name("decoder.js")
ANSWER = """({content, codes, pictures}) => {
  const all = (network, inputs) =>
    network && inputs.map(networkOf(network)).map(out => [...out]);
  return {drawn: all(content.decoder, codes), codes: all(content.encoder, pictures)};
}"""
NODE = f"""const {{ networkOf }} = require(process.argv[1]);
const question = JSON.parse(require("fs").readFileSync(0));
console.log(JSON.stringify(({ANSWER})(question)));"""


def prior(model: models.VAE, count: int = 50) -> Tensor:
    return torch.randn(count, model.latents, generator=torch.Generator().manual_seed(1))


def question(model: models.VAE, bits: int | None, codes: Tensor, pictures: Tensor) -> dict:
    flat = pictures.permute(0, 2, 3, 1).flatten(1)  # channels last
    content = weights.network(model, bits, encoder=True)
    return {"content": content, "codes": codes.tolist(), "pictures": flat.tolist()}


def in_node(question: dict) -> dict:
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node: apt install nodejs")
    command = [node, "-e", NODE, str(SCRIPT)]
    done = subprocess.run(command, input=json.dumps(question), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def differences(model: models.VAE, bits: int | None, ask) -> tuple[float, float]:
    """The largest difference to torch: of the pictures of 50 codes, of the codes of 8 pictures."""
    codes = prior(model)
    with torch.no_grad():
        drawn = model.pictures(codes)
        posterior = torch.cat(model.encode(drawn[:8]), 1)
    answer = ask(question(model, bits, codes, drawn[:8]))
    channels, height, width = model.image_shape
    mine = torch.tensor(answer["drawn"]).view(-1, height, width, channels).permute(0, 3, 1, 2)
    return (
        float((mine - drawn).abs().max()),
        float((torch.tensor(answer["codes"]) - posterior).abs().max()),
    )


@pytest.mark.parametrize("name", zoo.names())
def test_every_model_of_the_zoo_draws_and_encodes_as_in_torch(name):
    pictures, codes = differences(zoo.load(name), 16, in_node)
    assert pictures < 1e-5
    assert codes < 1e-4


@torch.no_grad()
@pytest.mark.parametrize("name", zoo.names())
def test_rounded_weights_are_used_only_where_nobody_sees_it(name):
    model = zoo.load(name)
    codes, content = prior(model), weights.network(model)
    used = weights.rounded(model) if content["bits"] == 8 else model
    drawn = used.pictures(codes)
    assert float((drawn - model.pictures(codes)).abs().mean((1, 2, 3)).max()) < 3 / 255
    answer = in_node({"content": {**content, "encoder": None}, "codes": codes.tolist()})
    mine = torch.tensor(answer["drawn"])
    assert float((mine - drawn.permute(0, 2, 3, 1).flatten(1)).abs().max()) < 1e-5
    if content["bits"] == 8:
        assert len(json.dumps(content)) < 560_000


KINDS = [
    ((1, 32, 32), 3, "conv", 7, "bernoulli"),
    ((3, 16, 16), 5, "conv", 9, "gaussian"),
    ((3, 5, 7), 4, "dense", 11, "gaussian"),
    ((1, 6, 4), 2, "dense", 8, "bernoulli"),
    ((3, 5, 6), 5, "layered", 9, "gaussian"),
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind[2]} {kind[4]} {kind[0]}")
def test_every_kind_of_model_agrees(kind):
    shape, latents, architecture, hidden, likelihood = kind
    blocks = (3, 2) if architecture == "layered" else None
    model = models.VAE(shape, latents, architecture, hidden, likelihood, blocks=blocks, seed=3)
    with torch.no_grad():
        for parameter in model.parameters():  # larger than at the start, and exact as float16
            parameter.copy_((2 * parameter).half().float())
    pictures, codes = differences(model, 16, in_node)
    assert pictures < 1e-5
    assert codes < 1e-4


@pytest.mark.parametrize("name", [zoo.names()[0], zoo.names()[-1]])
def test_in_chromium_as_in_torch(name, browser):
    tab = browser.new_page()
    tab.add_script_tag(content=SCRIPT.read_text("utf-8"))
    pictures, codes = differences(zoo.load(name), 16, lambda asked: tab.evaluate(ANSWER, asked))
    tab.close()
    assert pictures < 1e-5
    assert codes < 1e-4


def test_weights_that_suffer_keep_sixteen_bits():
    model = models.VAE((1, 4, 4), 2, "dense", 16).eval()
    with torch.no_grad():
        model.decoder[-2].weight[:, 0] *= 300  # one large weight, and all others are rounded to 0
    assert weights.rounding(model) > 2 / 255
    content = weights.network(model)
    assert content["bits"] == 16
    assert all("scale" not in layer for layer in content["decoder"]["layers"])


def test_what_the_page_cannot_do_is_refused():
    model = models.VAE((1, 8, 8), 2, "conv", 8)
    with pytest.raises(ValueError, match="bits is 4; choose 8 or 16"):
        weights.network(model, 4)
    with torch.no_grad():
        model.decoder[0].bias[0] = float("nan")
    with pytest.raises(ValueError, match="not finite"):
        weights.network(model, 16)
    model = models.VAE((1, 8, 8), 2, "conv", 8)
    model.decoder.append(nn.Softplus())
    with pytest.raises(ValueError, match="no layer Softplus"):
        weights.network(model, 16)
    model.decoder[-1] = nn.ConvTranspose2d(1, 1, 3, dilation=2)
    with pytest.raises(ValueError, match="plain convolutions only"):
        weights.network(model, 16)
