"""Makes adversarial.csv and adversarial_history.csv: python data/sweeps/adversarial.py FOLDER.

About half an hour on one thread. Every run is trained as in notebook 09 (its function `watched`),
and measured on frozen weights afterwards.
"""

import csv
import functools
import sys
from pathlib import Path

import torch

from dvae_helpers import datasets, estimators, metrics, models, objectives, sweep, training
from dvae_helpers.adversaries import Discriminator, classification_loss, permute_dims

DATA = datasets.load("small_sprites")
PARTS = ("mutual_information", "total_correlation", "dimension_kl")
RUNS = (("beta_vae", 1.0), ("beta_tcvae", 8.0), ("factor_vae", 31.0), ("aae", 20.0))


def exact_parts(mean, log_var, codes=1024):
    generator = torch.Generator().manual_seed(0)
    mean, log_var = mean.double(), log_var.double()
    index = torch.randperm(len(mean), generator=generator)[:codes]
    own = mean[index], log_var[index]
    z = models.sample(*own, generator)
    return estimators.batch_decomposition(z, *own, len(mean), "exact", (mean, log_var))


def blurred(log_var, width=0.1):
    return (log_var.exp() + width**2).log()


def both(mean, log_var):
    """The exact parts at the models' own widths and at the resolution 0.1."""
    row = {}
    for suffix, at in (("", log_var), ("_blurred", blurred(log_var))):
        parts = exact_parts(mean, at)
        row |= {name + suffix: float(getattr(parts, name)) for name in PARTS}
    return row


def train(name, weight, seed, steps=2000):
    """The model, and its rows for the history (adversarial objectives alone)."""
    model, rows = models.VAE(DATA.shape, 6, "dense", 256, seed=seed), []
    setting = "beta" if name.startswith("beta") else "gamma"
    objective = functools.partial(getattr(objectives, name), **{setting: weight})

    def watching(out):
        if setting == "gamma" and (out.now.step + 1) % 200 == 0:
            with torch.no_grad():
                mean, log_var = out.now.whole()
            width = float((0.5 * log_var).exp().median())
            rows.append({"step": out.now.step + 1, "width": width} | both(mean, log_var))
        return objective(out)

    history = training.fit(model, DATA, watching, steps, 128, seed, 2e-3, "float32")
    records = {record["step"]: record for record in history.records}
    for row in rows:
        record = records[row["step"]]
        row["estimated"] = record.get("estimated_tc", record.get("estimated_prior_kl"))
        row |= {key: record[key] for key in ("distortion", "discriminator_loss")}
    return model, rows


def fresh(mean, log_var, reference, steps=600, size=512):
    """Mean logit of a discriminator of 3 x 128 that learns on frozen codes, slower at the end."""
    generator = torch.Generator().manual_seed(0)
    network = Discriminator(6, hidden=128)
    optimiser = network.optimiser()

    def draw(count):
        index = torch.randint(len(mean), (count,), generator=generator)
        return models.sample(mean[index], log_var[index], generator)

    for step in range(steps):
        if step == steps * 3 // 4:
            optimiser.param_groups[0]["lr"] *= 0.2
        loss = classification_loss(network(draw(size)), network(reference(draw, size, generator)))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        return float(network(draw(20_000)).mean())


def measure(model):
    mean, log_var = models.posteriors(model, DATA)
    row = {"distortion": sweep.terms(model, DATA)["distortion"]} | both(mean, log_var)
    order = torch.rand(mean.shape, generator=torch.Generator().manual_seed(0)).argsort(0)
    alone = both(mean.gather(0, order), log_var.gather(0, order))  # columns shuffled apart
    row["floor"], row["floor_blurred"] = (
        alone["total_correlation" + suffix] for suffix in ("", "_blurred")
    )
    row["fresh_tc"] = fresh(mean, log_var, lambda draw, n, g: permute_dims(draw(n), g))
    row["fresh_prior_kl"] = fresh(mean, log_var, lambda _, n, g: torch.randn(n, 6, generator=g))
    row["mig_blurred"] = float(metrics.mig_exact(mean, blurred(log_var), DATA.factors).score)
    widths = (0.5 * log_var).exp()
    spread = (mean.var(0) + log_var.exp().mean(0)).sqrt()
    centred = mean - mean.mean(0)
    correlation = centred.T @ centred / len(mean) / spread / spread[:, None]
    row |= {"width": float(widths.median()), "largest_mean": float(mean.mean(0).abs().max())}
    row |= {"smallest_sd": float(spread.min()), "largest_sd": float(spread.max())}
    row["largest_correlation"] = float((correlation - correlation.diag().diag()).abs().max())
    return row | {"used": int((widths.median(0).values < 0.5).sum())}


def main(folder, seeds=5, steps=2000):
    torch.set_num_threads(1)
    table, history = [], []
    for name, weight in RUNS:
        for seed in range(seeds):
            model, rows = train(name, weight, seed, steps)
            key = {"objective": name, "weight": weight, "seed": seed}
            history += [key | row for row in rows]
            last = {"estimated": rows[-1]["estimated"] if rows else ""}
            table.append(key | measure(model) | last)
    for rows, file in ((table, "adversarial.csv"), (history, "adversarial_history.csv")):
        with (folder / file).open("w", newline="") as out:
            writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            for row in rows:
                cells = {k: f"{v:.4f}" if isinstance(v, float) else v for k, v in row.items()}
                writer.writerow(cells)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    main(target)
