"""What a submission may not do: use the network, change other files, take all the memory.

Three layers, each of which works without the others:

- namespaces of Linux (`unshare`, where the system allows it): no network, no process that outlives
  the submission, a disk that is read-only but for the submission's own folder;
- limits of the system: memory, seconds of the processor, size of a file;
- an audit hook of Python, which refuses the same things in any system. It is good against
  accidents; code that goes around Python goes around it, too.
"""

import contextlib
import ctypes
import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_UNSHARE = ("--net", "--mount", "--pid", "--fork", "--kill-child")
_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE, _READ_ONLY = 442, -100, 0x8000, 1
_PRIVATE = 0x44000


@functools.cache
def namespaces() -> tuple[str, ...]:
    """Words before a command that give it namespaces of its own; none if that is not allowed."""
    if sys.platform != "linux" or shutil.which("unshare") is None:
        return ()
    for user in (("--map-root-user",), ()):
        words = ("unshare", *user, *_UNSHARE)
        tried = [*words, sys.executable, "-c", _TRIAL]
        if subprocess.run(tried, capture_output=True, timeout=60).returncode == 0:
            return words
    return ()


_TRIAL = """
import ctypes, sys
libc = ctypes.CDLL(None)
attributes = (ctypes.c_uint64 * 4)(1, 0, 0, 0)
sys.exit(
    libc.mount(None, b"/", None, 0x44000, None)
    or libc.syscall(442, -100, b"/", 0x8000, attributes, 32)
)
"""


def close_in(own: Path, hidden: Sequence[Path]) -> None:
    """Within namespaces: all of the disk read-only but the folder `own`; `hidden` ones look empty.

    `own` becomes an empty folder in memory, of 500 MB. Afterwards nothing of it can be undone: the
    rights to do so are given up.
    """
    libc = ctypes.CDLL(None, use_errno=True)

    def did(result: int) -> None:
        if result:
            raise OSError(ctypes.get_errno(), "The submission could not be closed in")

    def read_only(path: Path, on: bool) -> None:
        attributes = (ctypes.c_uint64 * 4)(_READ_ONLY * on, _READ_ONLY * (not on), 0, 0)
        name = os.fsencode(path)
        flags = _AT_RECURSIVE if on else 0
        did(libc.syscall(_MOUNT_SETATTR, _AT_FDCWD, name, flags, attributes, 32))

    did(libc.mount(None, b"/", None, _PRIVATE, None))
    for folder in hidden:
        if folder.is_dir():
            did(libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, None))
    did(libc.mount(b"tmpfs", os.fsencode(own), b"tmpfs", 0, b"size=500m"))
    read_only(Path("/"), True)
    read_only(own, False)
    os.chdir(own)  # the folder as it was mounted now
    for right in range(64):
        libc.prctl(24, right, 0, 0, 0)  # PR_CAPBSET_DROP
    libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
    header, none = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    did(libc.capset(header, none))


def limit(seconds: float, memory: float) -> None:
    """Seconds of the processor, GB of memory, and 100 MB for a file, where the system can."""
    if sys.platform == "win32":
        return
    import resource

    def at_most(name: str, value: int) -> None:
        if (which := getattr(resource, name, None)) is not None:
            hard = resource.getrlimit(which)[1]
            value = value if hard == resource.RLIM_INFINITY else min(value, hard)
            with contextlib.suppress(ValueError, OSError):  # macOS refuses some
                resource.setrlimit(which, (value, value))

    at_most("RLIMIT_CPU", int(4 * seconds) + 5)  # of several threads
    at_most("RLIMIT_FSIZE", 100_000_000)
    at_most("RLIMIT_CORE", 0)
    at_most("RLIMIT_DATA" if sys.platform == "linux" else "RLIMIT_AS", int(memory * 1e9))


def guard(own: Path, hidden: Sequence[Path]) -> None:
    """From now on Python refuses connections, new processes, and writing outside of `own`.

    Files in the folders `hidden` cannot be read. It cannot be switched off again.
    """
    own_folder = os.path.realpath(own)
    secret = [os.path.realpath(folder) for folder in hidden]

    def inside(path: Any, folder: str) -> bool:
        if isinstance(path, int):
            return True  # a file that is open already
        whole = os.path.realpath(os.path.join(os.getcwd(), os.fsdecode(path)))
        return whole == folder or whole.startswith(folder + os.sep)

    def refuse(what: str) -> None:
        raise PermissionError(f"{what} is not allowed while a notebook is graded")

    def hook(event: str, arguments: tuple) -> None:
        if event == "open":
            path, _, flags = arguments
            if path is None or isinstance(path, int):
                return
            if any(inside(path, folder) for folder in secret):
                refuse(f"Reading {path}")
            changes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
            null = os.fsdecode(path) == os.devnull
            if changes and not null and not inside(path, own_folder):
                refuse(f"Writing to {path}")
        elif event in _CHANGES:
            for path in arguments[: _CHANGES[event]]:
                if not inside(path, own_folder):
                    refuse(f"Changing {path}")
        elif event in ("os.listdir", "os.scandir") and arguments[0] is not None:
            if any(inside(arguments[0], folder) for folder in secret):
                refuse(f"Reading {arguments[0]}")
        elif event in _CONNECTIONS:
            refuse("A connection")
        elif event in _PROCESSES:
            refuse("Another process")

    sys.addaudithook(hook)


_CHANGES = {
    "os.remove": 1,
    "os.rmdir": 1,
    "os.mkdir": 1,
    "os.rename": 2,
    "os.link": 2,
    "os.symlink": 2,
    "os.truncate": 1,
    "os.chmod": 1,
    "os.chown": 1,
    "os.utime": 1,
    "os.setxattr": 1,
    "os.removexattr": 1,
    "shutil.rmtree": 1,
    "shutil.move": 2,
}
_CONNECTIONS = ("socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo")
_PROCESSES = (
    *("os.kill", "os.killpg", "subprocess.Popen", "os.system", "os.exec", "os.fork"),
    *("os.forkpty", "os.posix_spawn", "os.startfile", "pty.spawn"),
)
