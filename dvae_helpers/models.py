"""The two networks of a VAE: encoder q(z|x) and decoder p(x|z). Nothing here about losses."""

import contextlib
import functools
import itertools
import math
import operator
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .datasets import ImageSet

ARCHITECTURES = ("conv", "dense", "layered")
LIKELIHOODS = ("bernoulli", "gaussian")
STARTS = ("scaled", "torch")


@contextlib.contextmanager
def plain_torch() -> Iterator[None]:
    """torch as it is when Python starts: gradients on, new numbers float32, on the processor.

    What a notebook has switched (torch.set_grad_enabled, set_default_dtype, set_default_device,
    inference mode, autocast) comes back afterwards. Networks are made and trained in here.
    """
    dtype, device = torch.get_default_dtype(), torch.get_default_device()
    torch.set_default_dtype(torch.float32)
    if device.type != "cpu":
        torch.set_default_device("cpu")
    kinds = [kind for kind in ("cpu", "cuda", "mps") if torch.is_autocast_enabled(kind)]
    try:
        with contextlib.ExitStack() as stack:
            stack.enter_context(torch.inference_mode(False))
            stack.enter_context(torch.enable_grad())
            for kind in kinds:
                # without a cache: it would live as long as the notebook's own autocast
                stack.enter_context(torch.autocast(kind, enabled=False, cache_enabled=False))
            yield
    finally:
        torch.set_default_dtype(dtype)
        if device.type != "cpu":
            torch.set_default_device(device)


class VAE(nn.Module):
    """A Gaussian encoder and a Bernoulli (or Gaussian) decoder.

    image_shape: (C, H, W). "conv" needs H = W = 8, 16, 32, 64, ...
    latents: J.
    architecture: "conv" (Burgess et al., 2018: 4x4 kernels, stride 2, 32 channels, two layers
        of `hidden` = 256) or "dense" (Chen et al., 2018: two ReLU layers of `hidden` = 1200 in
        the encoder, three tanh layers in the decoder) or "layered" (the same encoder; the decoder
        is a `LayeredDecoder`, which has to be told its `blocks`).
    blocks: of "layered" alone: how many of the latents, the first ones, are the shape's, and how
        many, the last ones, the colour's.
    likelihood: "bernoulli": the decoder gives logits; "gaussian": it gives the mean, and the
        standard deviation of every pixel is `noise`: a number, or "learned": one more weight,
        the same for all pixels, that starts at 0.1.
    seed: of the random initial weights; the same seed gives the same weights.
    start: how large they are. "torch": as torch makes them; "scaled": so that a signal keeps its
        size from layer to layer. If none is given, dense models are scaled and convolutional
        ones are torch's; `_keep_scale` says why.

    The weights are float32 with gradients, whatever a notebook has set for new tensors.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (1, 64, 64),
        latents: int = 10,
        architecture: str = "conv",
        hidden: int | None = None,
        likelihood: str = "bernoulli",
        noise: float | str = 0.1,
        seed: int = 0,
        start: str | None = None,
        blocks: tuple[int, int] | None = None,
    ):
        super().__init__()
        image_shape = tuple(whole_number("image_shape", size) for size in image_shape)
        latents = whole_number("latents", latents)
        if hidden is not None:
            hidden = whole_number("hidden", hidden)
        if len(image_shape) != 3 or min(image_shape) < 1:
            raise ValueError(f"image_shape is {image_shape}; expected (channels, height, width).")
        if architecture not in ARCHITECTURES:
            raise ValueError(f"architecture is {architecture!r}; choose one of {ARCHITECTURES}.")
        if likelihood not in LIKELIHOODS:
            raise ValueError(f"likelihood is {likelihood!r}; choose one of {LIKELIHOODS}.")
        if start not in (None, *STARTS):
            raise ValueError(f"start is {start!r}; choose one of {STARTS}, or None.")
        if latents < 1:
            raise ValueError(f"latents is {latents}; a VAE needs at least 1.")
        if hidden is not None and hidden < 1:
            raise ValueError(f"hidden is {hidden}; a layer needs at least 1 unit.")
        if noise != "learned":
            noise = _deviation(noise)
        elif likelihood != "gaussian":
            raise ValueError('noise is "learned", which is for likelihood="gaussian" alone.')
        if (architecture == "layered") != (blocks is not None):
            raise ValueError(
                f"architecture is {architecture!r} and blocks {blocks!r}; a layered model, and no "
                "other, needs two numbers of latents, as blocks=(5, 3)."
            )
        if blocks is not None and (len(blocks) != 2 or min(blocks) < 1 or sum(blocks) != latents):
            raise ValueError(
                f"blocks is {tuple(blocks)}; expected two numbers, at least 1 each, with the sum "
                f"latents = {latents}."
            )
        if hidden is None:
            hidden = 256 if architecture == "conv" else 1200
        self.config = {
            "image_shape": list(image_shape),
            "latents": latents,
            "architecture": architecture,
            "hidden": hidden,
            "likelihood": likelihood,
            "noise": noise,
        }
        if start is not None:
            self.config["start"] = start
        if blocks is not None:
            self.config["blocks"] = list(blocks)
        self.image_shape, self.latents = image_shape, latents
        self.likelihood, self._noise = likelihood, noise
        with plain_torch(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            build = _conv if architecture == "conv" else _dense
            self.encoder, self.decoder = build(image_shape, latents, hidden)
            if blocks is not None:
                self.decoder = LayeredDecoder(image_shape, blocks, hidden)
            if (start or ("torch" if architecture == "conv" else "scaled")) == "scaled":
                self.apply(_keep_scale)
            if noise == "learned":
                self.log_noise = nn.Parameter(torch.tensor(math.log(0.1)))

    @property
    def noise(self) -> float | Tensor:
        """The standard deviation of a pixel; a tensor with a gradient if it is learned."""
        return self.log_noise.exp() if self._noise == "learned" else self._noise

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images (B, C, H, W) -> mean (B, J) and log variance (B, J) of q(z|x), float32."""
        if images.shape[1:] != self.image_shape:
            raise ValueError(
                f"images has shape {tuple(images.shape)}; this model expects (B, "
                f"{', '.join(map(str, self.image_shape))})."
            )
        if not images.is_floating_point():
            raise ValueError(f"images has dtype {images.dtype}; expected floats between 0 and 1.")
        return self.encoder(images).float().chunk(2, dim=1)

    def decode(self, z: Tensor) -> Tensor:
        """Codes (B, J) -> what p(x|z) is made of: logits, or Gaussian means. (B, C, H, W)."""
        if z.ndim != 2 or z.shape[1] != self.latents:
            raise ValueError(f"z has shape {tuple(z.shape)}; expected (B, {self.latents}).")
        return self.decoder(z).float()

    def pictures(self, z: Tensor) -> Tensor:
        """Codes (B, J) -> the expected image under p(x|z), between 0 and 1. (B, C, H, W)."""
        out = self.decode(z)
        return out.sigmoid() if self.likelihood == "bernoulli" else out.clamp(0, 1)

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device


def whole_number(name: str, value: object) -> int:
    """A setting as a whole number of Python; it may come from numpy or torch."""
    try:
        return operator.index(value)
    except TypeError as error:
        raise ValueError(f"{name} is {value!r}; expected a whole number.") from error


def _deviation(noise: object) -> float:
    try:
        number = float(noise)
    except (TypeError, ValueError) as error:
        raise ValueError(f'noise is {noise!r}; expected a number above 0, or "learned".') from error
    if not (number > 0 and math.isfinite(number)):
        raise ValueError(f"noise is {noise}; a standard deviation must be positive.")
    return number


class LayeredDecoder(nn.Module):
    """image = base(a) + mask(a) * colour(b), with a and b the two blocks of the code.

    The first block knows where things are, the second one colours them: every colour that was
    learnt on one shape is there for all others. z: (B, J) -> (B, C, H, W).
    """

    def __init__(self, shape: tuple[int, int, int], blocks: tuple[int, int], hidden: int):
        super().__init__()
        channels, height, width = shape
        self.blocks = tuple(blocks)
        drawn = (channels + 1) * height * width
        self.shape = nn.Sequential(*_layers([blocks[0], hidden, hidden, drawn], nn.Tanh))
        self.colour = nn.Sequential(*_layers([blocks[1], 32, channels], nn.Tanh))
        self.unflatten = nn.Unflatten(1, (channels + 1, height, width))

    def forward(self, z: Tensor) -> Tensor:
        a, b = z.split(self.blocks, 1)
        drawn = self.unflatten(self.shape(a))
        mask, base = drawn[:, :1], drawn[:, 1:]
        return base + mask * self.colour(b)[:, :, None, None]


def sample(mean: Tensor, log_var: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """z ~ q(z|x) by the reparameterisation z = mean + sigma * noise. (B, J)."""
    noise = torch.randn(mean.shape, generator=generator, device=mean.device, dtype=mean.dtype)
    return mean + (0.5 * log_var).exp() * noise


@torch.no_grad()
def posteriors(model: VAE, data: ImageSet, index: Tensor | None = None, batch_size: int = 1024):
    """q(z|x_n) of every image, or of those in `index`: mean (N, J) and log variance (N, J)."""
    index = torch.arange(len(data)) if index is None else index
    if not len(index):
        raise ValueError("index is empty; give at least one image number.")
    parts = [
        model.encode(data.images(part).to(model.device))
        for part in torch.as_tensor(index).split(batch_size)
    ]
    return torch.cat([mean for mean, _ in parts]), torch.cat([log_var for _, log_var in parts])


class Stacked(nn.Module):
    """Copies of M networks of one shape, run side by side: (M, B, ...) -> (M, B, ...).

    The dense layers of all models are one batched matrix product. Their weights lie transposed,
    (M, in, out), as the product wants them: the gradient then comes in the same layout, and is
    not copied into another one at every step.
    """

    def __init__(self, networks: list[nn.Sequential]):
        super().__init__()
        self.layers = list(zip(*networks, strict=True))  # a plain list: not trained, written back
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        with torch.no_grad():
            for same in self._weighted():
                self.weights.append(torch.stack([_transposed(layer) for layer in same]))
                self.biases.append(torch.stack([layer.bias for layer in same]))

    def forward(self, x: Tensor) -> Tensor:
        pairs = zip(self.weights, self.biases, strict=True)
        for same in self.layers:
            layer = same[0]
            if isinstance(layer, nn.Linear):
                weight, bias = next(pairs)
                x = torch.baddbmm(bias[:, None], x, weight)
            elif isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                function = F.conv2d if isinstance(layer, nn.Conv2d) else F.conv_transpose2d
                one = functools.partial(function, stride=layer.stride, padding=layer.padding)
                x = torch.stack([one(*each) for each in zip(x, *next(pairs), strict=True)])
            elif isinstance(layer, nn.Flatten):
                x = x.flatten(2)
            elif isinstance(layer, nn.Unflatten):
                x = x.unflatten(2, layer.unflattened_size)
            else:
                x = layer(x)
        return x

    @torch.no_grad()
    def write_back(self) -> None:
        """Gives the networks that were copied the weights that the copies have now."""
        for same, weights, biases in zip(self._weighted(), self.weights, self.biases, strict=True):
            for layer, weight, bias in zip(same, weights, biases, strict=True):
                _transposed(layer).copy_(weight)
                layer.bias.copy_(bias)

    def _weighted(self) -> list[tuple[nn.Module, ...]]:
        return [same for same in self.layers if hasattr(same[0], "weight")]


def _transposed(layer: nn.Module) -> Tensor:
    """A layer's weight as `Stacked` keeps it."""
    return layer.weight.T if isinstance(layer, nn.Linear) else layer.weight


def _conv(shape: tuple[int, int, int], latents: int, hidden: int) -> tuple[nn.Module, nn.Module]:
    """Burgess et al. (2018), appendix: halve the image down to 4x4, then two dense layers."""
    channels, height, width = shape
    depth = round(math.log2(height / 4)) if height >= 4 else 0
    if height != width or depth < 1 or 4 * 2**depth != height:
        raise ValueError(f'"conv" needs square images of 8, 16, 32, 64, ... pixels, not {shape}.')
    widths = [channels, *[32] * depth]
    down: list[nn.Module] = []
    for inside, outside in itertools.pairwise(widths):
        down += [nn.Conv2d(inside, outside, 4, stride=2, padding=1), nn.ReLU()]
    encoder = nn.Sequential(
        *down, nn.Flatten(), *_layers([32 * 16, hidden, hidden, 2 * latents], nn.ReLU)
    )
    dense = _layers([latents, hidden, hidden, 32 * 16], nn.ReLU)
    up: list[nn.Module] = []
    for inside, outside in itertools.pairwise(reversed(widths)):
        up += [nn.ReLU(), nn.ConvTranspose2d(inside, outside, 4, stride=2, padding=1)]
    decoder = nn.Sequential(*dense, up[0], nn.Unflatten(1, (32, 4, 4)), *up[1:])
    return encoder, decoder


def _dense(shape: tuple[int, int, int], latents: int, hidden: int) -> tuple[nn.Module, nn.Module]:
    """Chen et al. (2018), appendix."""
    pixels = math.prod(shape)
    encoder = nn.Sequential(nn.Flatten(), *_layers([pixels, hidden, hidden, 2 * latents], nn.ReLU))
    decoder = nn.Sequential(
        *_layers([latents, hidden, hidden, hidden, pixels], nn.Tanh), nn.Unflatten(1, shape)
    )
    return encoder, decoder


def _keep_scale(module: nn.Module) -> None:
    """Random weights under which a signal keeps its size from layer to layer (He et al., 2015).

    By default for dense models only. With torch's own start, which shrinks the signal at each
    layer, they stand still for thousands of steps. Convolutional models need that small start:
    they then find few directions first, one for x and one for y. With this one they find several
    at once, and often share the position between three or four latents for the rest of the run.
    """
    if isinstance(module, nn.Linear):
        inputs = module.in_features
    elif isinstance(module, nn.Conv2d):
        inputs = module.in_channels * math.prod(module.kernel_size)
    elif isinstance(module, nn.ConvTranspose2d):  # each pixel is reached by 1 / stride of a kernel
        inputs = module.in_channels * math.prod(module.kernel_size) / math.prod(module.stride)
    else:
        return
    nn.init.normal_(module.weight, std=math.sqrt(2 / inputs))
    nn.init.zeros_(module.bias)


def _layers(widths: list[int], activation: type[nn.Module]) -> list[nn.Module]:
    """Dense layers of these widths with the activation between them, none at the end."""
    layers: list[nn.Module] = []
    for inside, outside in itertools.pairwise(widths):
        layers += [nn.Linear(inside, outside), activation()]
    return layers[:-1]
