"""A model's weights as JSON, small enough to travel inside a page. `decoder.js` reads it."""

import base64
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..models import VAE, LayeredDecoder

_CODES = 50  # on which the rounding of the weights is judged
_SEEN = 2 / 255  # two shades of grey: a mean difference of a picture's pixels that stays unseen
_ACTIVATIONS = {nn.ReLU: "relu", nn.Tanh: "tanh", nn.Sigmoid: "sigmoid"}


def network(model: VAE, bits: int | None = None, encoder: bool = False) -> dict[str, Any]:
    """The decoder of a VAE, and its encoder if wanted, as JSON for `decoder.js`.

    bits: of a weight of a dense layer: 16 (float16, as the zoo keeps them) or 8 (whole numbers,
        with one scale for each output). Default: 8 if the pictures of 50 codes from the prior
        change by less than two of 255 shades each, in the mean over pixels; 16 otherwise.
        Convolutions have 16: they are small, and rounding them shifts the colours of whole areas.

    Raises ValueError for another number of bits, weights that are not finite, and a layer that
    `decoder.js` does not have.
    """
    if bits not in (None, 8, 16):
        raise ValueError(f"bits is {bits!r}; choose 8 or 16, or leave it out.")
    if bits is None:
        bits = 8 if rounding(model) < _SEEN else 16
    last = {"type": "sigmoid" if model.likelihood == "bernoulli" else "clamp"}
    content: dict[str, Any] = {
        "shape": list(model.image_shape),
        "latents": model.latents,
        "bits": bits,
        "decoder": {
            "shape": [1, 0, 0],
            "layers": [*_decoder(model, bits), last],
        },
    }
    if encoder:
        layers = _layers(model.encoder, model.image_shape, bits)
        content["encoder"] = {"shape": list(model.image_shape), "layers": layers}
    return content


@torch.no_grad()
def rounding(model: VAE) -> float:
    """The largest mean change of a picture's pixels by weights of 8 bits, of 50 prior codes.

    Between 0 and 1; 1/255 is one shade of grey.
    """
    codes = torch.randn(_CODES, model.latents, generator=torch.Generator().manual_seed(0))
    codes = codes.to(model.device)
    change = rounded(model).pictures(codes) - model.pictures(codes)
    return float(change.abs().mean((1, 2, 3)).max())


def rounded(model: VAE) -> VAE:
    """A copy whose weights are those that `decoder.js` computes with, at 8 bits a weight."""
    copy = deepcopy(model)
    with torch.no_grad():
        for layer in copy.modules():
            if isinstance(layer, nn.Linear):
                whole, scale = _whole(layer)
                layer.weight.copy_(whole.float() * scale[:, None])
    return copy


def _decoder(model: VAE, bits: int) -> list[dict[str, Any]]:
    decoder, shape = model.decoder, model.image_shape
    if not isinstance(decoder, LayeredDecoder):
        return _layers(decoder, shape, bits)
    parts = {
        "first": decoder.blocks[0],
        "drawn": _layers(decoder.shape, shape, bits),
        "colour": _layers(decoder.colour, shape, bits),
    }
    return [{"type": "layered", "shape": list(shape), **parts}]


def _layers(layers: Sequence[nn.Module], shape: tuple[int, ...], bits: int) -> list[dict]:
    found = []
    for layer in layers:
        if isinstance(layer, nn.Linear):
            kind = {"type": "linear", "inputs": layer.in_features, "outputs": layer.out_features}
            found.append(kind | _parameters(layer, bits))
        elif isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            found.append(_convolution(layer) | _parameters(layer, bits))
        elif isinstance(layer, nn.Flatten):
            found.append({"type": "flatten", "shape": _before_flatten(layers, shape)})
        elif isinstance(layer, nn.Unflatten):
            found.append({"type": "unflatten", "shape": list(layer.unflattened_size)})
        elif type(layer) in _ACTIVATIONS:
            found.append({"type": _ACTIVATIONS[type(layer)]})
        else:
            raise ValueError(
                f"The page has no layer {type(layer).__name__}; it has Linear, Conv2d, "
                "ConvTranspose2d, Flatten, Unflatten, ReLU, Tanh and Sigmoid."
            )
    return found


def _convolution(layer: nn.Conv2d | nn.ConvTranspose2d) -> dict[str, Any]:
    same = [layer.kernel_size, layer.stride, layer.padding]
    plain = layer.groups == 1 and layer.dilation == (1, 1) and layer.output_padding == (0, 0)
    if not plain or any(a != b for a, b in same):
        raise ValueError(
            f"The page has square, plain convolutions only (no groups, no dilation), not {layer}."
        )
    return {
        "type": "conv" if isinstance(layer, nn.Conv2d) else "convTransposed",
        "inputs": layer.in_channels,
        "outputs": layer.out_channels,
        "kernel": layer.kernel_size[0],
        "stride": layer.stride[0],
        "padding": layer.padding[0],
    }


def _before_flatten(layers: Sequence[nn.Module], shape: tuple[int, ...]) -> list[int]:
    """(C, H, W) of what reaches the Flatten."""
    picture = torch.zeros(1, *shape, device=next(layers.parameters()).device)
    for layer in layers:
        if isinstance(layer, nn.Flatten):
            break
        picture = layer(picture)
    return list(picture.shape[1:])


def _parameters(layer: nn.Module, bits: int) -> dict[str, str]:
    if not all(parameter.isfinite().all() for parameter in layer.parameters()):
        raise ValueError(f"Weights of {layer} are not finite; train the model again.")
    bias = _text(layer.bias.detach().cpu().numpy().astype("<f4"))
    if bits == 16 or not isinstance(layer, nn.Linear):
        return {"weight": _text(layer.weight.detach().cpu().numpy().astype("<f2")), "bias": bias}
    whole, scale = _whole(layer)
    parts = {"weight": whole.to(torch.int8).cpu().numpy(), "scale": scale.cpu().numpy()}
    return {name: _text(part) for name, part in parts.items()} | {"bias": bias}


def _whole(layer: nn.Linear) -> tuple[Tensor, Tensor]:
    """Weights as whole numbers from -127 to 127, (O, I), and the scale of each output, (O,)."""
    weight = layer.weight.detach()
    scale = (weight.abs().amax(1) / 127).clamp(min=1e-12)
    return (weight / scale[:, None]).round(), scale


def _text(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
