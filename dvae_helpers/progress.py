"""Progress bars that a saved notebook keeps as a line of text, not as a widget without a kernel."""

import io
import sys
from typing import Any

from tqdm import std


class tqdm(std.tqdm):
    """As tqdm's own. In a notebook the bar is one line of text, which is rewritten.

    The bars that tqdm has for notebooks are widgets: in a notebook that is opened again they are
    signs of a broken link. The output of this one is marked as progress.
    """

    def __init__(self, *args: Any, **settings: Any) -> None:
        shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
        if settings.get("file") is None and getattr(shell, "kernel", None) is not None:
            settings |= {"file": _Line(), "mininterval": 0.3, "dynamic_ncols": False, "ncols": 90}
        super().__init__(*args, **settings)


class _Line(io.StringIO):
    """What is written here last is seen in the notebook."""

    encoding = "utf-8"  # of the bar's blocks
    _shown = None

    def write(self, text: str) -> int:
        line = text.replace("\r", "").strip()
        if line or (self._shown is not None and "\r" in text):
            from IPython.display import display, update_display

            data, marked = {"text/plain": line}, {"progress": True}
            if self._shown is None:
                self._shown = display(data, raw=True, metadata=marked, display_id=True)
            else:
                update_display(data, raw=True, metadata=marked, display_id=self._shown.display_id)
        return len(text)
