"""The explorer with a line to the kernel."""

from collections.abc import Mapping, Sequence
from typing import Any

import anywidget
import torch
import traitlets
from torch import Tensor

from .. import page
from ..datasets import ImageSet
from ..models import VAE

_RENDER = """
export default {
  render({ model, el }) {
    const root = document.createElement("figure");
    root.className = "dvae";
    root.dataset.lmSuppressShortcuts = "true";
    el.append(root);
    let told = 0;
    const tell = (codes) => {
      clearTimeout(told);
      told = setTimeout(() => {
        model.set("codes", codes);
        model.save_changes();
      }, 50);
    };
    const shown = explorer(root, model.get("content"), tell);
    const go = () => model.get("wanted").length && shown.go(model.get("wanted"));
    model.on("change:wanted", go);
    shown.ready.then(go);
    return () => model.off("change:wanted", go);
  },
};
"""


class Explorer(anywidget.AnyWidget):
    """`page.explorer` with a line to the kernel: `.codes` follows the sliders.

    The page draws; a kernel that is busy or gone does not stop it, but only a running one learns
    the codes. Arguments as those of `page.explorer`. `.go(code)` moves the sliders.
    """

    _esm = page.script("explorer") + _RENDER
    _css = page.STYLE
    content = traitlets.Dict().tag(sync=True)
    codes = traitlets.List().tag(sync=True)
    wanted = traitlets.List().tag(sync=True)

    def __init__(
        self, model: VAE | Mapping[str, VAE], data: ImageSet, start: int = 0, **settings: Any
    ) -> None:
        component = page.explorer(model, data, start, **settings)
        codes = [each[0] for each in component.content["starts"]["codes"]]
        super().__init__(content={**component.content, "title": component.title}, codes=codes)

    def go(self, code: Sequence[float] | Tensor) -> None:
        """Moves the sliders to a code of the first model, (J,)."""
        numbers = torch.as_tensor(code, dtype=torch.float32)
        if numbers.shape != (len(self.codes[0]),) or not numbers.isfinite().all():
            raise ValueError(f"code is {code}; expected {len(self.codes[0])} finite numbers.")
        self.wanted = [float(value) for value in numbers]
