"""`fit` trains one model, safe to stop at any moment; `fit_many` trains several together.

Where to read on: `run.py` has one step of training in one method, `loop.py` the loop around it,
`checkpoint.py` what is kept of a run, `recorder.py` how a GPU plays a step back, `stack.py` how
models of one shape become one, `describe.py` how two objectives are told apart, `machine.py`
what depends on the machine.
"""

from .describe import describe
from .device import choose_device
from .history import Diverged, History
from .loop import fit, fit_many
from .machine import choose_precision, keep_freed_memory
from .run import Objective

__all__ = [
    "Diverged",
    "History",
    "Objective",
    "choose_device",
    "choose_precision",
    "describe",
    "fit",
    "fit_many",
    "keep_freed_memory",
]
