"""The reader as the encoder."""

import math
from collections.abc import Sequence

import numpy as np

from ..figures import BLUE, RED, plt, to_png
from ..page import Component


def be_the_encoder(mean: float, spread: float, start: Sequence[float] = (-1.0, 1.0)) -> Component:
    """Two sliders, mean and spread of a Gaussian, beside the true posterior N(mean, spread^2).

    The page draws both and the slack KL(q || p(z|x)), in nats. start: where the sliders begin.
    Raises ValueError for numbers that are not finite, and for a spread that is not positive.
    """
    numbers = [float(value) for value in (mean, spread, *start)]
    if len(numbers) != 4 or not all(map(math.isfinite, numbers)):
        raise ValueError(f"mean, spread, start are {mean}, {spread}, {start}; expected 4 numbers.")
    mean, spread, *start = numbers
    if spread <= 0 or start[1] <= 0:
        raise ValueError(f"A spread is {min(spread, start[1])}; expected a positive number.")
    figure, axes = plt.subplots(figsize=(6, 2.6))
    z = np.linspace(-3.2, 3.2, 300)
    for (m, s), colour, name in (
        ((mean, spread), BLUE, "true posterior"),
        (start, RED, "your encoder"),
    ):
        density = np.exp(-0.5 * ((z - m) / s) ** 2) / (s * math.sqrt(2 * math.pi))
        axes.plot(z, density, color=colour, label=name)
    axes.set(xlabel="code z", yticks=[])
    axes.legend()
    return Component(
        "beTheEncoder",
        {"mean": mean, "spread": spread, "start": start},
        to_png(figure),
        "The true posterior, and a Gaussian beside it.",
        "The true posterior, and a first guess of the encoder. Where scripts run, two sliders move "
        "the guess, and the slack is shown.",
    )
