"""How fast this machine draws, trains and scores, each against its plain baseline, in one run.

Every measurement is a process of its own, so that one cannot warm up or starve another. A baseline
and the course's way take turns; the median of the turns is printed, with the lowest and highest.
"""

import functools
import itertools
import json
import os
import statistics
import subprocess
import sys
import time

import torch
from matplotlib.path import Path as Outline
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.flop_counter import FlopCounterMode

from . import objectives, sprites
from .datasets import ImageSet, load, pack
from .estimators import log_density, stratified_log_weights
from .metrics import mig_exact
from .models import VAE
from .training import choose_precision, fit, fit_many, loop, recorder

CASES = (("conv", 64), ("conv", 256), ("dense", 64), ("dense", 256), ("dense", 2048))
STACKS = (("dense", 256, 64), ("conv", 256, 64))  # architecture, width, batch
GPU_STACKS = (*STACKS, ("dense", 1200, 2048), ("conv", 256, 256))
STACK = 8  # models
_ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": "4000000000", "MALLOC_TRIM_THRESHOLD_": "8000000000"}


def main(
    objective: str = "beta_vae",
    seconds: float = 4.0,
    turns: int = 3,
    device: str = "cpu",
    quick: bool = False,
) -> None:
    """Prints all tables. objective: "beta_vae" or "beta_tcvae"; seconds: of one turn.

    quick: one short turn of what says most about a GPU: its rates, the loops, the stacks. That
    is some 25 processes; most of their time is the start of Python and of CUDA.
    """
    if quick:
        seconds, turns = min(seconds, 1.0), 1
    on_gpu = not device.startswith("cpu")
    precision = choose_precision("auto", torch.device(device))
    race = functools.partial(_race, seconds=seconds, turns=turns)
    print(f"Device {device}, {torch.get_num_threads()} threads; fit trains in {precision}.")
    print(f"Every figure: median (lowest-highest) of {turns} turns of about {seconds:g} s.\n")

    size = 8192 if device.startswith("cuda") else 2048  # a large GPU is not busy with less
    print(f"Matrix products, {size} x {size}, billion operations a second")
    # without instructions for it, one product in bfloat16 takes minutes on a processor
    names = dict.fromkeys(("float32", precision))
    kinds = [(kind, ["matrix", device, kind, size]) for kind in names]
    matrix = race(kinds, scale=1e-9)[-1]
    print("Copies, billion bytes a second, read and written")
    (copies,) = race([("copy", ["copy", device])], scale=1e-9)

    if not quick:
        print("\nDrawing, sprites a second (plain: one image at a time, matplotlib's outlines)")
        race([("plain", ["plain drawing"]), ("sprites", ["drawing", device])])

    print(f"\nTraining with {objective}, images a second")
    print("(plain: a float32 loop, standard Adam, images ready in memory; on a GPU they come from")
    if device == "cpu":
        print("a DataLoader. 'kept': the same, with the C library told to keep freed memory)")
    else:
        print("a DataLoader. 'eager': fit, but its steps are not recorded)")
    for architecture, batch_size in CASES:
        if quick and (architecture, batch_size) == ("dense", 64):
            continue
        case = [device, architecture, batch_size, objective]
        kinds = [(f"{architecture} {batch_size} plain", ["plain", *case])]
        kinds += [("kept", ["plain, memory kept", *case])] * (device == "cpu" and not quick)
        kinds += [("eager", ["eager", *case])] * (device.startswith("cuda") and not quick)
        ours = race([*kinds, ("fit", ["fit", *case])])[-1]
        _share(VAE(architecture=architecture), batch_size, ours, precision, matrix, copies)

    print(f"\n{STACK} models, images a second of all together")
    for architecture, width, batch_size in GPU_STACKS if on_gpu else STACKS:
        case = [device, architecture, width, batch_size, objective]
        kinds = [(f"{architecture} {width}, {batch_size}: one by one", ["one by one", *case])]
        ours = race([*kinds, ("fit_many", ["stack", *case])])[-1]
        model = _several(architecture, width, 1)[0]
        _share(model, batch_size, ours, precision, matrix, copies)

    if not quick:
        print("\nMIG from 100,000 images and two latents, posteriors a second")
        print("(plain: the published way, 10,000 draws against all posteriors; from 20 of them)")
        race([("plain", ["plain mig", device]), ("mig_exact", ["mig", device])])


def _share(
    model: VAE, batch_size: int, images: float, precision: str, matrix: float, copies: float
) -> None:
    """Prints what a rate of training is of the machine's rates, which are in billions."""
    rate = images * flops_per_image(model, batch_size) / 1e9
    # Adam reads a weight, its gradient and two means, and writes all but the gradient
    moved = 7 * sum(4 * weight.numel() for weight in model.parameters())
    print(
        f"{'':<22}{rate:,.0f} billion operations a second, {rate / matrix:.1%} of {precision}; "
        f"Adam alone moves {images / batch_size * moved / 1e9 / copies:.1%} of the copies"
    )


def _race(
    kinds: list[tuple[str, list]], seconds: float, turns: int, scale: float = 1.0
) -> list[float]:
    """Measures each kind in turn, prints a line for each, and gives their medians."""
    rates: list[list[float]] = [[] for _ in kinds]
    for _ in range(turns):
        for found, (_, request) in zip(rates, kinds, strict=True):
            found.append(scale * _measure(request, seconds))
    medians = [statistics.median(found) for found in rates]
    for (name, _), found, median in zip(kinds, rates, medians, strict=True):
        times = "" if median == medians[0] else f"{median / medians[0]:>9.2f}x"
        span = f"({min(found):,.0f}-{max(found):,.0f})"
        print(f"  {name:<20}{median:>12,.0f} {span:<22}{times}", flush=True)
    return medians


def _measure(request: list, seconds: float) -> float:
    """One measurement in a process of its own."""
    environment = {k: v for k, v in os.environ.items() if k not in _ALLOCATOR}
    if request[0] == "plain, memory kept":
        environment |= _ALLOCATOR
    command = [sys.executable, "-m", __name__, json.dumps([*request, seconds])]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"The measurement {request} failed:\n{done.stderr}")
    return float(done.stdout)


def _sprites(device: str) -> ImageSet:
    classes = sprites.FACTORS.sample(8 * 2048, torch.Generator().manual_seed(0))
    pixels = pack(sprites.render_packed(classes)).to(device)
    return ImageSet("some sprites", sprites.FACTORS, (1, 64, 64), pixels, classes)


def flops_per_image(model: VAE, batch_size: int = 64) -> float:
    """Operations of one training step, by torch's counter, for each image (a product and a sum
    are two)."""
    images = torch.zeros(batch_size, *model.image_shape)
    with FlopCounterMode(display=False) as counter:
        objectives.elbo(objectives.forward(model, images, batch_size)).loss.backward()
    return counter.get_total_flops() / batch_size


def speed(kind: str, *settings) -> float:
    """What one kind of measurement reaches a second. The last setting is the seconds it takes."""
    *settings, seconds = settings
    return _KINDS[kind](*settings, seconds=seconds)


def _repeat(work, seconds: float) -> float:
    """Times a second that work() is done, after a first time that is not counted."""
    work()
    start, count = time.perf_counter(), 0
    while (passed := time.perf_counter() - start) < seconds:
        work()
        count += 1
    return count / passed


def _matrix(device: str, dtype: str, size: int, seconds: float) -> float:
    a = torch.ones(size, size, dtype=getattr(torch, dtype), device=device)
    return 2 * size**3 * _repeat(lambda: float((a @ a)[0, 0]), seconds)


def _copy(device: str, seconds: float) -> float:
    """Bytes that are read and written, of a tensor that no cache holds."""
    size = 2**26 if device.startswith("cuda") else 2**24
    a, b = (torch.zeros(size, device=device) for _ in range(2))
    return 8 * size * _repeat(lambda: float(b.copy_(a)[0]), seconds)


def _drawing(device: str, seconds: float, images: int = 50_000) -> float:
    classes = sprites.FACTORS.sample(images, torch.Generator().manual_seed(0)).to(device)
    return images * _repeat(lambda: int(sprites.render_packed(classes)[0, 0]), seconds)


def _plain_drawing(seconds: float) -> float:
    rows, columns = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    centres = torch.stack((columns, rows), -1).reshape(-1, 2).numpy() + 0.5
    corners = [(20, 20), (44, 20), (44, 44), (20, 44)]  # a square: the fastest outline
    return _repeat(lambda: Outline(corners, closed=False).contains_points(centres), seconds)


def _steps(loop, device: str, architecture: str, batch_size: int, objective: str, seconds: float):
    """Steady-state images a second: a short warm-up, then as many steps as fit into the time."""
    data, model = _sprites(device), VAE(architecture=architecture).to(device)
    warm_up = loop(model, data, getattr(objectives, objective), batch_size, 3)
    count = max(3, round(seconds * warm_up / batch_size))
    return loop(model, data, getattr(objectives, objective), batch_size, count)


def _eager(model: VAE, data: ImageSet, objective, batch_size: int, count: int) -> float:
    """`fit` on a GPU without its recorder."""
    loop.steps_of = recorder.Steps
    return _fit(model, data, objective, batch_size, count)


def _fit(model: VAE, data: ImageSet, objective, batch_size: int, count: int) -> float:
    return fit(model, data, objective, count, batch_size, progress=False).images_per_second


def _plain(model: VAE, data: ImageSet, objective, batch_size: int, count: int) -> float:
    """What one writes first: float32, standard Adam, TC by autograd."""
    images, device = data.images(torch.arange(len(data))), model.device
    if device.type == "cpu":
        whole = images[: len(images) // batch_size * batch_size].split(batch_size)
        batches = itertools.cycle(whole)
    else:
        loader = DataLoader(TensorDataset(images.cpu()), batch_size, shuffle=True, drop_last=True)
        batches = (x.to(device) for _ in itertools.count() for (x,) in loader)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    start = time.perf_counter()
    for x in itertools.islice(batches, count):
        mean, log_var = model.encode(x)
        z = mean + torch.exp(0.5 * log_var) * torch.randn_like(mean)
        out = model.decode(z)
        distortion = F.binary_cross_entropy_with_logits(out, x, reduction="sum")
        kl = 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum()
        loss = (distortion + 4 * kl) / batch_size
        if objective is objectives.beta_tcvae:
            correlation = _plain_correlation(z, mean, log_var, len(data))
            loss = (distortion + kl) / batch_size + 5 * correlation
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    float(loss.detach())  # waits for a GPU
    return count * batch_size / (time.perf_counter() - start)


def _plain_correlation(z: Tensor, mean: Tensor, log_var: Tensor, dataset_size: int) -> Tensor:
    weights = stratified_log_weights(len(z), dataset_size).to(z)
    pairs = log_density(z[:, None], mean[None], log_var[None])
    joint = (weights + pairs.sum(2)).logsumexp(1)
    return (joint - (weights[:, :, None] + pairs).logsumexp(1).sum(1)).mean()


def _several(architecture: str, width: int, count: int = STACK) -> list[VAE]:
    """Models for one stack; the dense ones of width 256 are small ones, for small sprites."""
    small = (architecture, width) == ("dense", 256)
    shape, latents = ((1, 32, 32), 6) if small else ((1, 64, 64), 10)
    return [VAE(shape, latents, architecture, width, seed=seed) for seed in range(count)]


def _data_for(model: VAE, device: str) -> ImageSet:
    return load("small_sprites", device) if model.image_shape[1] == 32 else _sprites(device)


def _stack(
    device: str, architecture: str, width: int, batch_size: int, objective: str, seconds: float
) -> float:
    found = [model.to(device) for model in _several(architecture, width)]
    data, ways = _data_for(found[0], device), [getattr(objectives, objective)] * STACK

    def train(steps: int) -> float:
        settings = {"log_every": steps, "progress": False}
        return fit_many(found, data, ways, steps, batch_size, **settings)[0].images_per_second

    return train(max(10, round(seconds * train(10) / batch_size / STACK)))


def _one_by_one(
    device: str, architecture: str, width: int, batch_size: int, objective: str, seconds: float
) -> float:
    """One model after the other: the mean rate of three of them stands for all."""
    found = [model.to(device) for model in _several(architecture, width, 3)]
    data, way = _data_for(found[0], device), getattr(objectives, objective)
    settings = {"batch_size": batch_size, "progress": False}
    first = fit(found[0], data, way, steps=10, **settings).images_per_second
    steps = max(10, round(seconds / 3 * first / batch_size))
    done = [fit(model, data, way, steps=steps, **settings) for model in found]
    return sum(history.images_per_second for history in done) / len(done)


def _posteriors(device: str, images: int = 100_000) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    mean = torch.randn(images, 2, generator=generator).to(device)
    return mean, torch.full_like(mean, -3.0)


def _mig(device: str, seconds: float) -> float:
    mean, log_var = _posteriors(device)
    classes = torch.arange(len(mean))[:, None] % 10
    return 2 * len(mean) * _repeat(lambda: mig_exact(mean, log_var, classes), seconds)


def _plain_mig(device: str, seconds: float, draws: int = 20) -> float:
    mean, log_var = _posteriors(device)
    z = mean[:draws]

    def work() -> float:
        return float(log_density(z[:, None], mean[None], log_var[None]).logsumexp(1).sum())

    return 2 * len(mean) * _repeat(work, seconds) * draws / 10_000


_KINDS = {
    "matrix": _matrix,
    "copy": _copy,
    "plain drawing": _plain_drawing,
    "drawing": _drawing,
    "plain": functools.partial(_steps, _plain),
    "plain, memory kept": functools.partial(_steps, _plain),
    "eager": functools.partial(_steps, _eager),
    "fit": functools.partial(_steps, _fit),
    "one by one": _one_by_one,
    "stack": _stack,
    "plain mig": _plain_mig,
    "mig": _mig,
}

if __name__ == "__main__":
    print(speed(*json.loads(sys.argv[1])))
