"""What a discriminator's total correlation is worth: FactorVAE and AAE beside exact terms.

Every run is trained as in notebook 09 (its function `watched`), and measured on frozen weights.
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import tqdm

from .. import datasets, estimators, metrics, models, objectives, sweep, training
from ..adversaries import Discriminator, classification_loss, permute_dims
from ..datasets import data_folder
from ..models import VAE
from .store import kept, write_rows

PARTS = ("mutual_information", "total_correlation", "dimension_kl")
RUNS = (("beta_vae", 1.0), ("beta_tcvae", 8.0), ("factor_vae", 31.0), ("aae", 20.0))
STEPS, FRESH_STEPS, WATCHED = 2000, 600, 200

Row = dict[str, Any]


def exact_parts(mean: Tensor, log_var: Tensor, codes: int = 1024) -> estimators.Decomposition:
    """The parts of the KL against all posteriors (N, J), from so many codes."""
    generator = torch.Generator().manual_seed(0)
    mean, log_var = mean.double(), log_var.double()
    index = torch.randperm(len(mean), generator=generator)[:codes]
    own = mean[index], log_var[index]
    z = models.sample(*own, generator)
    return estimators.batch_decomposition(z, *own, len(mean), "exact", (mean, log_var))


def blurred(log_var: Tensor, width: float = 0.1) -> Tensor:
    """Log variances of posteriors that are seen through noise of this width."""
    return (log_var.exp() + width**2).log()


def both(mean: Tensor, log_var: Tensor) -> Row:
    """The exact parts at the model's own widths and at the resolution 0.1."""
    row = {}
    for suffix, at in (("", log_var), ("_blurred", blurred(log_var))):
        parts = exact_parts(mean, at)
        row |= {name + suffix: float(getattr(parts, name)) for name in PARTS}
    return row


def train(name: str, weight: float, seed: int) -> tuple[VAE, list[Row]]:
    """The model, and its rows for the history (adversarial objectives alone)."""
    data = datasets.load("small_sprites")
    model = VAE(data.shape, 6, "dense", 256, seed=seed)
    rows: list[Row] = []
    setting = "beta" if name.startswith("beta") else "gamma"
    objective = functools.partial(getattr(objectives, name), **{setting: weight})

    def watch(terms: objectives.Terms, step: int) -> None:
        if setting == "gamma" and step % WATCHED == 0:
            mean, log_var = models.posteriors(model, data)
            width = float((0.5 * log_var).exp().median())
            rows.append({"step": step, "width": width} | both(mean, log_var))

    history = training.fit(
        model,
        data,
        objective,
        steps=STEPS,
        batch_size=128,
        seed=seed,
        learning_rate=2e-3,
        precision="float32",
        progress=False,
        on_step=watch,
    )
    if history.interrupted:
        raise KeyboardInterrupt
    records = {record["step"]: record for record in history.records}
    for row in rows:
        record = records[row["step"]]
        row["estimated"] = record.get("estimated_tc", record.get("estimated_prior_kl"))
        row |= {key: record[key] for key in ("distortion", "discriminator_loss")}
    return model, rows


Draw = Callable[[int], Tensor]


def fresh(
    mean: Tensor,
    log_var: Tensor,
    reference: Callable[[Draw, int, torch.Generator], Tensor],
    size: int = 512,
) -> float:
    """Mean logit of a discriminator of 3 x 128 that learns on frozen codes, slower at the end."""
    generator = torch.Generator().manual_seed(0)
    network = Discriminator(6, hidden=128)
    optimiser = network.optimiser()

    def draw(count: int) -> Tensor:
        index = torch.randint(len(mean), (count,), generator=generator)
        return models.sample(mean[index], log_var[index], generator)

    for step in range(FRESH_STEPS):
        if step == FRESH_STEPS * 3 // 4:
            optimiser.param_groups[0]["lr"] *= 0.2
        loss = classification_loss(network(draw(size)), network(reference(draw, size, generator)))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        return float(network(draw(20_000)).mean())


def measure(model: VAE) -> Row:
    """A trained model's line of the table."""
    data = datasets.load("small_sprites")
    mean, log_var = models.posteriors(model, data)
    row = {"distortion": sweep.terms(model, data)["distortion"]} | both(mean, log_var)
    order = torch.rand(mean.shape, generator=torch.Generator().manual_seed(0)).argsort(0)
    alone = both(mean.gather(0, order), log_var.gather(0, order))  # columns shuffled apart
    row["floor"], row["floor_blurred"] = (
        alone["total_correlation" + suffix] for suffix in ("", "_blurred")
    )
    row["fresh_tc"] = fresh(mean, log_var, lambda draw, n, g: permute_dims(draw(n), g))
    row["fresh_prior_kl"] = fresh(mean, log_var, lambda _, n, g: torch.randn(n, 6, generator=g))
    row["mig_blurred"] = float(metrics.mig_exact(mean, blurred(log_var), data.factors).score)
    widths = (0.5 * log_var).exp()
    spread = (mean.var(0) + log_var.exp().mean(0)).sqrt()
    centred = mean - mean.mean(0)
    correlation = centred.T @ centred / len(mean) / spread / spread[:, None]
    row |= {"width": float(widths.median()), "largest_mean": float(mean.mean(0).abs().max())}
    row |= {"smallest_sd": float(spread.min()), "largest_sd": float(spread.max())}
    row["largest_correlation"] = float((correlation - correlation.diag().diag()).abs().max())
    return row | {"used": int((widths.median(0).values < 0.5).sum())}


def run(name: str, weight: float, seed: int) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Trains and measures one model: its weights, its line of the table, its history."""
    model, rows = train(name, weight, seed)
    weights = {key: value.half() for key, value in model.state_dict().items()}
    last = {"estimated": rows[-1]["estimated"] if rows else ""}
    return weights, {"config": model.config, "row": measure(model) | last, "history": rows}


def ship(folder: Path, seeds: int = 5, target: Path | None = None) -> None:
    """Trains what is missing; writes the two tables that notebook 09 reads."""
    target = target or data_folder() / "sweeps"
    table: list[Row] = []
    history: list[Row] = []
    cells = [(name, weight, seed) for seed in range(seeds) for name, weight in RUNS]
    found = {}
    for name, weight, seed in tqdm(cells, desc="adversarial", unit="run"):
        key = {"objective": name, "weight": weight, "seed": seed}
        path = folder / f"{name}-{weight:g}-{seed}.safetensors"
        make = functools.partial(run, name, weight, seed)
        found[name, seed] = key, kept(path, key | {"steps": STEPS}, make)[1]
    for name, _ in RUNS:
        for seed in range(seeds):
            key, notes = found[name, seed]
            table.append(key | notes["row"])
            history += [key | row for row in notes["history"]]
    write_rows(target / "adversarial.csv", table)
    write_rows(target / "adversarial_history.csv", history)
