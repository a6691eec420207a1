"""How fast this machine trains and draws, each against its plain baseline, in one run.

Every measurement is a process of its own, so that one cannot warm up or starve another. The
plain and the course's loop take turns, and the median of the turns is printed.
"""

import json
import os
import statistics
import subprocess
import sys
import time

import torch
from torch import Tensor

from . import objectives, sprites
from .datasets import ImageSet, load, pack
from .estimators import log_density, stratified_log_weights
from .models import VAE
from .training import fit

CASES = (("conv", 64), ("conv", 256), ("dense", 256), ("dense", 2048))
LOOPS = ("plain", "plain, memory kept", "fit")
_ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": "4000000000", "MALLOC_TRIM_THRESHOLD_": "8000000000"}


def main(objective: str = "beta_vae", seconds: float = 4.0, turns: int = 3) -> None:
    """Prints the table. objective: "beta_vae" or "beta_tcvae"."""
    print(f"Drawing: {drawing_speed():,.0f} sprites a second; all 737,280 in ", end="", flush=True)
    start = time.perf_counter()
    load("sprites")
    print(f"{time.perf_counter() - start:.1f} s.")
    print(
        f"\nTraining with {objective}, images a second, median of {turns} turns of {seconds:g} s."
    )
    print("plain: a float32 loop, standard Adam, images ready in memory; 'memory kept': the same")
    print("loop with the C library told to keep freed memory. fit: the course's loop.\n")
    print(f"{'model':<14}{'batch':>6}" + "".join(f"{loop:>21}" for loop in LOOPS), end="")
    print(f"{'fit / plain':>14}{'fit / kept':>14}")
    for architecture, batch_size in CASES:
        rates: dict[str, list[float]] = {loop: [] for loop in LOOPS}
        for _ in range(turns):
            for loop in LOOPS:
                rates[loop].append(_measure(loop, architecture, batch_size, objective, seconds))
        plain, kept, ours = (statistics.median(rates[loop]) for loop in LOOPS)
        spread = [
            f"{statistics.median(r):,.0f} ({min(r):,.0f}-{max(r):,.0f})" for r in rates.values()
        ]
        print(f"{architecture:<14}{batch_size:>6}" + "".join(f"{s:>21}" for s in spread), end="")
        print(f"{ours / plain:>13.2f}x{ours / kept:>13.2f}x", flush=True)


def drawing_speed(images: int = 100_000) -> float:
    """Sprites drawn a second, packed, on this processor."""
    generator = torch.Generator().manual_seed(0)
    classes = sprites.FACTORS.sample(images, generator)
    sprites.render_packed(classes[:2048])
    start = time.perf_counter()
    sprites.render_packed(classes)
    return images / (time.perf_counter() - start)


def _measure(loop: str, architecture: str, batch_size: int, objective: str, seconds: float):
    """Images a second of one loop, in a process of its own."""
    environment = {k: v for k, v in os.environ.items() if k not in _ALLOCATOR}
    if loop == "plain, memory kept":
        environment |= _ALLOCATOR
    request = json.dumps([loop, architecture, batch_size, objective, seconds])
    command = [sys.executable, "-m", __name__, request]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"The measurement {request} failed:\n{done.stderr}")
    return float(done.stdout)


def _speed(loop: str, architecture: str, batch_size: int, objective: str, seconds: float) -> float:
    """Steady-state images a second: a short warm-up, then as many steps as fit into the time."""
    classes = sprites.FACTORS.sample(8 * 2048, torch.Generator().manual_seed(0))
    pixels = pack(sprites.render_packed(classes))
    data = ImageSet("some sprites", sprites.FACTORS, (1, 64, 64), pixels, classes)
    model = VAE(architecture=architecture)
    steps = _fit_steps if loop == "fit" else _plain_steps
    warm_up = steps(model, data, getattr(objectives, objective), batch_size, 3)
    count = max(3, round(seconds * warm_up / batch_size))
    return steps(model, data, getattr(objectives, objective), batch_size, count)


def _fit_steps(model: VAE, data: ImageSet, objective, batch_size: int, count: int) -> float:
    """Images a second of `training.fit`."""
    return fit(model, data, objective, count, batch_size, progress=False).images_per_second


def _plain_steps(model: VAE, data: ImageSet, objective, batch_size: int, count: int) -> float:
    """Images a second of what one writes first: float32, standard Adam, TC by autograd."""
    images = data.images(torch.arange(len(data)))
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    start = time.perf_counter()
    for step in range(count):
        place = step * batch_size % (len(images) - batch_size + 1)
        x = images[place : place + batch_size]
        mean, log_var = model.encode(x)
        z = mean + torch.exp(0.5 * log_var) * torch.randn_like(mean)
        out = model.decode(z)
        distortion = torch.nn.functional.binary_cross_entropy_with_logits(out, x, reduction="sum")
        kl = 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum()
        loss = (distortion + 4 * kl) / batch_size
        if objective is objectives.beta_tcvae:
            loss = (distortion + kl) / batch_size + 5 * _plain_correlation(
                z, mean, log_var, len(data)
            )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return count * batch_size / (time.perf_counter() - start)


def _plain_correlation(z: Tensor, mean: Tensor, log_var: Tensor, dataset_size: int) -> Tensor:
    weights = stratified_log_weights(len(z), dataset_size).to(z.dtype)
    pairs = log_density(z[:, None], mean[None], log_var[None])
    joint = (weights + pairs.sum(2)).logsumexp(1)
    return (joint - (weights[:, :, None] + pairs).logsumexp(1).sum(1)).mean()


if __name__ == "__main__":
    print(_speed(*json.loads(sys.argv[1])))
