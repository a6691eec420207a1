"""Pairs of images that share factors: help for a model that is not told any label.

Two images differ in one group of factors and share the rest. So the latents of what they share
must be equal, and are averaged between the encoder and the decoder. Axes: b pair, j latent.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .datasets import ImageSet


class Pairs:
    """Draws a partner for each image, and joins the posteriors of the two.

    data: the images to draw from; a partner is always one of them.
    groups: sets of factors, by name or number, that change together, as
        (("kind", "size"), ("colour",)). In a pair one group, drawn by chance, takes other values;
        every factor outside it is shared. Default: each factor is a group of its own.
    latents: how many latents belong to each group, in the order of `groups`. The model is then
        told *which* group changed, never to what: the latents of all other groups are averaged
        (Bouchacourt et al., 2018; Hosoya, 2019). Without it the model is told nothing: of each
        pair, the latents whose posteriors differ least are averaged (Locatello et al., 2020,
        Ada-GVAE).

    Raises ValueError for groups that name no factor, overlap, or are not matched by `latents`.
    """

    def __init__(
        self,
        data: ImageSet,
        groups: Sequence[Sequence[str | int]] | None = None,
        latents: Sequence[int] | None = None,
    ):
        names = data.factors.names
        groups = [(k,) for k in range(len(names))] if groups is None else groups
        self.groups = tuple(tuple(_number(factor, names) for factor in group) for group in groups)
        used = [factor for group in self.groups for factor in group]
        if not used or not all(self.groups) or len(set(used)) < len(used):
            raise ValueError(
                f"groups is {groups!r}; expected groups of factors of {names} that do not overlap."
            )
        self.latents = None if latents is None else tuple(int(count) for count in latents)
        if self.latents is not None and (
            len(self.latents) != len(self.groups) or min(self.latents) < 1
        ):
            raise ValueError(
                f"latents is {latents!r}; expected one number of latents, at least 1, for each of "
                f"the {len(self.groups)} groups."
            )
        self._owner = torch.tensor(
            [group for group, count in enumerate(self.latents or ()) for _ in range(count)],
            device=data.device,
        )
        self.name, self.size = data.name, len(data)
        classes = data.classes(torch.arange(len(data)))
        orders, places, starts, counts = [], [], [], []
        for group in self.groups:
            kept = [k for k in range(len(names)) if k not in group]
            alike = torch.zeros(len(data), dtype=torch.int64)
            if kept:
                alike = classes[:, kept].unique(dim=0, return_inverse=True)[1].cpu()
            count = alike.bincount()
            order = alike.argsort(stable=True)
            first = count.cumsum(0) - count
            orders.append(order)
            places.append(order.argsort() - first[alike])  # an image's place among those like it
            starts.append(first[alike])
            counts.append(count[alike])
        # Each of shape (groups, N).
        tables = (torch.stack(table) for table in (orders, places, starts, counts))
        self._orders, self._places, self._starts, self._counts = (t.to(data.device) for t in tables)

    def partners(
        self, index: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Image numbers (B,) -> numbers of their partners (B,), and which group changed (B,).

        The second is None if the model is not told. A partner differs in at least one factor of
        its group; an image that has no such partner gets itself.
        """
        device = self._orders.device
        index = index.to(device)
        where = None if generator is None else generator.device
        draws = torch.rand(2, len(index), generator=generator, device=where or device).to(device)
        group = (draws[0] * len(self.groups)).long().clamp(max=len(self.groups) - 1)
        count = self._counts[group, index]
        others = count - 1
        step = torch.minimum(1 + (draws[1] * others).long(), others)  # 0: there is no other image
        place = (self._places[group, index] + step) % count
        partner = self._orders[group, self._starts[group, index] + place]
        return partner, None if self.latents is None else group

    def join(
        self, mean: Tensor, log_var: Tensor, changed: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Gives both images of a pair one posterior for what they share.

        mean, log_var: (2B, J), all first images and then all second ones. changed: (B,) group
        numbers, or None. Shared latents get the average mean and the average variance.
        """
        if len(mean) % 2 or mean.shape != log_var.shape:
            raise ValueError(
                f"mean is {tuple(mean.shape)} and log_var {tuple(log_var.shape)}; expected two "
                "tensors (2B, J), the first images of all pairs and then the second ones."
            )
        shared = self._shared(mean, log_var, changed)
        first, second = mean.chunk(2)
        one, other = log_var.exp().chunk(2)
        joint_mean = torch.where(shared, (first + second) / 2, mean.view(2, *shared.shape))
        joint_log_var = torch.where(
            shared, ((one + other) / 2).log(), log_var.view(2, *shared.shape)
        )
        return joint_mean.flatten(0, 1), joint_log_var.flatten(0, 1)

    @torch.no_grad()
    def _shared(self, mean: Tensor, log_var: Tensor, changed: Tensor | None) -> Tensor:
        """Which latents the two images of each pair share: (B, J) bool."""
        if self.latents is not None:
            if changed is None:
                raise ValueError("These pairs have latents for each group: give `changed` too.")
            if sum(self.latents) != mean.shape[1]:
                raise ValueError(
                    f"The groups have {sum(self.latents)} latents, but the model has "
                    f"{mean.shape[1]}. Make it with latents={sum(self.latents)}."
                )
            return self._owner.to(mean.device) != changed.to(mean.device)[:, None]
        (m1, m2), (v1, v2) = mean.chunk(2), log_var.exp().chunk(2)
        gap = (m1 - m2).square()
        # KL in both directions, so that it does not matter which image came first.
        apart = 0.5 * ((v1 + gap) / v2 + (v2 + gap) / v1) - 1
        low, high = apart.amin(1, keepdim=True), apart.amax(1, keepdim=True)
        return apart < (low + high) / 2

    def describe(self) -> dict[str, Any]:
        """Its settings, as a checkpoint keeps them."""
        return {"data": [self.name, self.size], "groups": self.groups, "latents": self.latents}

    def __repr__(self) -> str:
        told = "not told which" if self.latents is None else f"latents {self.latents}"
        return f"Pairs({self.name!r}: one of {self.groups} changes, {told})"


def _number(factor: str | int, names: Sequence[str]) -> int:
    if factor in names:
        return names.index(factor)
    if isinstance(factor, int) and 0 <= factor < len(names):
        return factor
    raise ValueError(f"There is no factor {factor!r}; choose from {', '.join(names)}.")
