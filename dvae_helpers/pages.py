"""Traversals that move without a kernel: one piece of HTML, with all of its pictures in it.

It works in JupyterLab before any cell is run, in an exported page and on slides, without network.
"""

import base64
import html
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .figures import tile, traverse

_TEMPLATE = Path(__file__).with_name("traversal.html")
_LARGEST = 150_000  # bytes of one page
_GAP = 1  # pixels between the pictures of the sheet
_GREYS, _COLOURS = 16, 64  # enough for soft edges, and a sheet takes half the space


def show_traversal(*inputs, title: str = "", **settings) -> None:
    """Shows `traversal_page`, which takes the same, in a notebook.

    The sliders move as long as this output is there, without a kernel too.
    """
    from IPython.display import display

    page = traversal_page(*inputs, title=title, **settings)
    words = f"A picture with sliders: {title or 'each moves one latent'}"
    display({"text/html": page, "text/plain": words}, raw=True)


def traversal_page(
    decode: Callable[[Tensor], Tensor],
    z: Tensor,
    latents: Sequence[int] | None = None,
    values: Sequence[float] = tuple(np.linspace(-3, 3, 25)),
    labels: Sequence[str] = (),
    title: str = "",
) -> str:
    """A slider for each latent: it moves this latent of the code z, the others stay -> HTML.

    decode: codes (V, J) -> images (V, C, H, W) between 0 and 1. z: (J,), where all sliders start.
    latents: which ones, in the order of the rows (default: all). labels: one for each of them.
    values: where a slider can stop. The value nearest to z_j gives way to z_j itself.
    Where scripts do not run, all pictures are seen at once: a row for each latent.

    The same input gives the same text. Raises ValueError for a page of more than 150 kB.
    """
    latents = range(len(z)) if latents is None else latents
    if missing := [j for j in latents if not 0 <= j < len(z)]:
        raise ValueError(f"There is no latent {missing[0]}; z has latents 0 to {len(z) - 1}.")
    labels = labels or [f"latent {j}" for j in latents]
    if len(labels) != len(latents) or not len(latents):
        raise ValueError(
            f"There are {len(latents)} latents and {len(labels)} labels; "
            "give at least one latent, and one label for each."
        )
    rows, facts = [], []
    for j, label in zip(latents, labels, strict=True):
        stops, start = _stops(values, z[j].cpu())
        rows.append(traverse(decode, z, j, stops).cpu())
        shown = [round(value, 3) for value in stops.tolist()]
        facts.append({"label": label, "values": shown, "start": start})
    height, width = rows[0].shape[-2:]
    content = {"width": width, "height": height, "gap": _GAP, "latents": facts}
    first, last = (f"{number:+.1f}" for number in (min(values), max(values)))
    listed = "; ".join(labels)
    parts = {
        "title": html.escape(title),
        "alt": html.escape(f"Pictures drawn from one code; each row moves one latent: {listed}."),
        "caption": f"Each row moves one latent from {first} to {last}: {html.escape(listed)}.",
        "sheet": base64.b64encode(_sheet(tile(rows, _GAP))).decode(),
        "facts": json.dumps(content).replace("<", "\\u003c"),  # "</script>" would end it
    }
    page = _TEMPLATE.read_text("utf-8")
    for name, text in parts.items():
        page = page.replace(f"{{{{ {name} }}}}", text)
    if len(page) > _LARGEST:
        raise ValueError(
            f"The page has {len(page) / 1000:.0f} kB; at most {_LARGEST // 1000} kB. "
            f"It holds {len(rows)} latents x {len(values)} values; give fewer of either."
        )
    return page


def _stops(values: Sequence[float], own: Tensor) -> tuple[Tensor, int]:
    """Where a slider can stop, (V,): the nearest value gives way to the code's own; its place."""
    stops = torch.as_tensor(values, dtype=own.dtype).clone()
    start = int((stops - own).abs().argmin())
    stops[start] = own
    return stops, start


def _sheet(picture: Tensor) -> bytes:
    """(C, H, W) between 0 and 1 as a PNG of few shades."""
    channels = len(picture)
    if channels == 1:
        shades = (picture[0].clamp(0, 1) * (_GREYS - 1)).round().to(torch.uint8).numpy()
        image = Image.fromarray(shades, "P")
        grey = np.linspace(0, 255, _GREYS).round().astype(np.uint8)
        image.putpalette(grey.repeat(3).tobytes())
    else:
        pixels = (picture.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
        image = Image.fromarray(pixels).quantize(_COLOURS, dither=Image.Dither.NONE)
    content = io.BytesIO()
    image.save(content, "PNG", optimize=True, bits=4 if channels == 1 else 8)
    return content.getvalue()
