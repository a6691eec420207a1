"""One piece of HTML with its scripts, styles and data in it; it asks for nothing else."""

import base64
import html
import io
import json
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

_HERE = Path(__file__).parent
STYLE = (_HERE / "page.css").read_text("utf-8")
VOTE_STYLE = (_HERE / "vote.css").read_text("utf-8")
SCRIPTS = {  # of each JavaScript function that makes something: its files, in order
    "explorer": ("decoder.js", "parts.js", "lattice.js", "explorer.js"),
    "lattice": ("parts.js", "lattice.js"),
    "frontier": ("parts.js", "chart.js", "frontier.js"),
    "gapExplorer": ("parts.js", "chart.js", "lattice.js", "gap_explorer.js"),
    "race": ("parts.js", "race.js"),
    "beTheEncoder": ("parts.js", "chart.js", "be_the_encoder.js"),
    "swapper": ("decoder.js", "parts.js", "swapper.js"),
    "vote": ("vote.js",),
}


@dataclass(frozen=True)
class Component:
    """What is seen and moved in a page, in a notebook's output, on a slide.

    kind: the JavaScript function that makes it, one of SCRIPTS. content: its data, as JSON. sheet:
    a PNG or JPEG that is seen where scripts do not run, with the words alt and caption. title:
    stands above.

    A notebook shows it as HTML; `.html` is the same text for a page.
    """

    kind: str
    content: dict[str, Any] = field(repr=False)
    sheet: bytes = field(repr=False)
    alt: str
    caption: str
    title: str = ""

    @property
    def html(self) -> str:
        facts = json.dumps({**self.content, "title": self.title}, separators=(",", ":"))
        return _FRAME.format(
            style=STYLE,
            title=html.escape(self.title),
            alt=html.escape(self.alt),
            format="png" if self.sheet.startswith(b"\x89PNG") else "jpeg",
            sheet=base64.b64encode(self.sheet).decode(),
            caption=html.escape(self.caption),
            facts=facts.replace("<", "\\u003c"),  # "</script>" would end it
            script=script(self.kind),
            kind=self.kind,
        )

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        return {"text/html": self.html, "text/plain": f"{self.title or self.alt}"}


@cache
def script(kind: str) -> str:
    """The files of a JavaScript function as one text, without the words about them."""
    texts = ((_HERE / name).read_text("utf-8") for name in SCRIPTS[kind])
    lines = (line.strip() for text in texts for line in text.splitlines())
    kept = (line for line in lines if line and not line.startswith("//"))
    return "\n".join(kept).replace("</script", "<\\/script")


def refreshed(saved: str) -> str:
    """HTML with components and votes as they were saved, with the scripts and styles of today."""

    def renew(match: re.Match) -> str:
        kind = match["kind"]
        if kind not in SCRIPTS:
            return match[0]
        style = VOTE_STYLE if kind == "vote" else STYLE
        return "".join((match["a"], style, match["b"], script(kind), "\n", match["c"]))

    return _SAVED.sub(renew, saved)


def contact_sheet(picture: Tensor) -> bytes:
    """Many pictures as one, (C, H, W) between 0 and 1: a PNG of few shades, a JPEG in colour."""
    if len(picture) == 1:
        return _png(picture, 16)
    content = io.BytesIO()
    image = Image.fromarray(_pixels(picture).permute(1, 2, 0).numpy())
    image.save(content, "JPEG", quality=90, subsampling=0)
    return content.getvalue()


def png_url(picture: Tensor, shades: int = 16) -> str:
    """(C, H, W) between 0 and 1 as the address of a PNG: all its colours, or shades of grey."""
    return "data:image/png;base64," + base64.b64encode(_png(picture, shades)).decode()


def _png(picture: Tensor, shades: int) -> bytes:
    pixels, content = _pixels(picture), io.BytesIO()
    if len(picture) == 3:
        Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(content, "PNG", optimize=True)
    elif shades == 256:
        Image.fromarray(pixels[0].numpy()).save(content, "PNG", optimize=True)
    else:
        steps = (pixels[0].float() / 255 * 15).round().to(torch.uint8).numpy()
        image = Image.fromarray(steps, "P")
        image.putpalette((np.arange(16, dtype=np.uint8) * 17).repeat(3).tobytes())
        image.save(content, "PNG", optimize=True, bits=4)
    return content.getvalue()


def _pixels(picture: Tensor) -> Tensor:
    return (picture.detach().cpu().float().clamp(0, 1) * 255).round().to(torch.uint8)


_SAVED = re.compile(
    r'(?P<a><(?:figure|div) class="dvae(?:-vote)?"[^>]*>\n<style>\n).*?(?P<b></style>.*?'
    r"<script>\n\(\(\) => \{\nconst root = [^\n]*\nif [^\n]*\n).*?"
    r"(?P<c>(?P<kind>\w+)\(root, JSON\.parse\(root\.querySelector\(\"script\"\)\.textContent\)\);"
    r"\n\}\)\(\);\n</script>)",
    re.S,
)

_FRAME = """<figure class="dvae" data-lm-suppress-shortcuts="true" data-prevent-swipe="">
<style>
{style}</style>
<div class="sheet title">{title}</div>
<img class="sheet" alt="{alt}" src="data:image/{format};base64,{sheet}">
<figcaption class="sheet">{caption}</figcaption>
<script type="application/json">{facts}</script>
<script>
(() => {{
const root = document.currentScript.closest(".dvae");
if (!root || root.querySelector(".live")) return;
{script}
{kind}(root, JSON.parse(root.querySelector("script").textContent));
}})();
</script>
</figure>
"""
