"""What depends on the machine: its precision, its memory, its stop button."""

import contextlib
import signal
import threading
from collections.abc import Iterator

import torch


def keep_freed_memory() -> None:
    """Tells the C library to keep large buffers for the next step instead of giving them back.

    A training step frees and asks for the same buffers again and again; the kernel would clear
    every page each time. Linux with glibc only; elsewhere nothing happens.
    """
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL("libc.so.6").mallopt
        mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD
        mallopt(-3, 2**31 - 1)  # M_MMAP_THRESHOLD


def choose_precision(wanted: str, device: torch.device) -> str:
    """The precision that `fit` takes on a device: "float32" or "bfloat16"."""
    if wanted not in ("auto", "float32", "bfloat16"):
        raise ValueError(f"precision is {wanted!r}; choose 'auto', 'float32' or 'bfloat16'.")
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    if device.type == "cpu":
        checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        fast = any(getattr(torch.cpu, check, lambda: False)() for check in checks)
        return "bfloat16" if fast else "float32"
    return "float32"


class StopRequest:
    """Whether the stop button (Ctrl-C) was pressed since `stop_request` began.

    preparing: a second press changes nothing yet. Once it is False, a second press stops at once.
    """

    def __init__(self):
        self.made, self.preparing = False, True

    def is_set(self) -> bool:
        return self.made


@contextlib.contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Turns the first Ctrl-C into a request to stop after this step; the second one raises.

    A run is made inside it, too. The first optimiser of a process imports large parts of torch,
    some seconds of it, and an import that is broken off cannot be repeated in that process.
    """
    stopping = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield stopping
        return
    previous = signal.getsignal(signal.SIGINT)

    def request(number, frame):
        if stopping.made and not stopping.preparing:
            raise KeyboardInterrupt
        stopping.made = True

    signal.signal(signal.SIGINT, request)
    try:
        yield stopping
    finally:
        signal.signal(signal.SIGINT, previous)
