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
from .training import choose_precision, fit, fit_many

CASES = (("conv", 64), ("conv", 256), ("dense", 256), ("dense", 2048))
STACK = 8  # models
_ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": "4000000000", "MALLOC_TRIM_THRESHOLD_": "8000000000"}


def main(
    objective: str = "beta_vae", seconds: float = 4.0, turns: int = 3, device: str = "cpu"
) -> None:
    """Prints all tables. objective: "beta_vae" or "beta_tcvae"; seconds: of one turn."""
    precision = choose_precision("auto", torch.device(device))
    race = functools.partial(_race, seconds=seconds, turns=turns)
    print(f"Device {device}, {torch.get_num_threads()} threads; fit trains in {precision}.")
    print(f"Every figure: median (lowest-highest) of {turns} turns of about {seconds:g} s.\n")

    print("Matrix products, 2048 x 2048, billion operations a second")
    # without instructions for it, one product in bfloat16 takes minutes on a processor
    kinds = [(kind, ["matrix", device, kind]) for kind in dict.fromkeys(("float32", precision))]
    matrix = race(kinds, scale=1e-9)[-1]

    print("\nDrawing, sprites a second (plain: one image at a time, matplotlib's outlines)")
    race([("plain", ["plain drawing"]), ("sprites", ["drawing", device])])

    print(f"\nTraining with {objective}, images a second")
    print("(plain: a float32 loop, standard Adam, images ready in memory; on a GPU they come from")
    print("a DataLoader. 'kept': the same, with the C library told to keep freed memory)")
    for architecture, batch_size in CASES:
        case = [device, architecture, batch_size, objective]
        kinds = [(f"{architecture} {batch_size} plain", ["plain", *case])]
        kinds += [("kept", ["plain, memory kept", *case])] * (device == "cpu")
        ours = race([*kinds, ("fit", ["fit", *case])])[-1]
        rate = ours * flops_per_image(architecture, batch_size) / 1e9
        share = rate / matrix
        print(f"{'':<22}fit: {rate:,.0f} billion operations a second, {share:.0%} of {precision}")

    print(f"\n{STACK} small dense models, batch 64, images a second of all together")
    race([("one by one", ["one by one", device]), ("fit_many", ["stack", device])])

    print("\nMIG from 100,000 images and two latents, posteriors a second")
    print("(plain: the published way, 10,000 draws against all posteriors; from 20 of them)")
    race([("plain", ["plain mig", device]), ("mig_exact", ["mig", device])])


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


def flops_per_image(architecture: str, batch_size: int = 64) -> float:
    """Operations of one training step, by torch's counter, for each image (a product and a sum
    are two)."""
    model, images = VAE(architecture=architecture), torch.zeros(batch_size, 1, 64, 64)
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


def _matrix(device: str, dtype: str, seconds: float, size: int = 2048) -> float:
    a = torch.ones(size, size, dtype=getattr(torch, dtype), device=device)
    return 2 * size**3 * _repeat(lambda: float((a @ a)[0, 0]), seconds)


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


def _small(device: str) -> tuple[list[VAE], ImageSet]:
    data = load("small_sprites", device)
    return [VAE(data.shape, 6, "dense", 256, seed=s).to(device) for s in range(STACK)], data


def _stack(device: str, seconds: float) -> float:
    (found, data), ways = _small(device), [objectives.beta_vae] * STACK

    def train(steps: int) -> float:
        done = fit_many(found, data, ways, steps, log_every=steps, progress=False)
        return done[0].images_per_second

    return train(max(3, round(seconds * train(10) / 64 / STACK)))


def _one_by_one(device: str, seconds: float) -> float:
    found, data = _small(device)
    fit(found[0], data, steps=10, progress=False)
    start = time.perf_counter()
    done = [fit(model, data, steps=round(30 * seconds), progress=False) for model in found]
    return sum(h.images_per_second * h.seconds for h in done) / (time.perf_counter() - start)


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
    "plain drawing": _plain_drawing,
    "drawing": _drawing,
    "plain": functools.partial(_steps, _plain),
    "plain, memory kept": functools.partial(_steps, _plain),
    "fit": functools.partial(_steps, _fit),
    "one by one": _one_by_one,
    "stack": _stack,
    "plain mig": _plain_mig,
    "mig": _mig,
}

if __name__ == "__main__":
    print(speed(*json.loads(sys.argv[1])))
