"""What must never come of a file: code that runs or a write elsewhere (seen by Python's audit events), a hang, a bomb.

Time is the process's own, in user and kernel mode; whoever sleeps is stopped by pytest's timeout. Memory is the address
space beyond what was in use, where the system bounds it (Linux): PyTorch, NumPy, Pillow and onnxruntime then fail with
an error in place of an allocation.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

if sys.platform == "linux":
    import resource

FORBIDDEN = (
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "subprocess.Popen",
    "pickle.find_class",
    "marshal.load",
)
FORBIDDEN += ("socket.connect", "urllib.Request", "code.__new__", "ctypes.dlopen")
CHANGES = ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "shutil.rmtree", "os.chmod")
PROBES = (("ctypes.dlopen", ("libnvidia-ml.so.1",)),)  # PyTorch asks whether there is a GPU
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

_watched: dict[str, Any] = {"folder": None, "seen": [], "hook": False}


class TooLongError(BaseException):
    """No ``Exception``: no handler of the readers may swallow it."""


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    folder = _watched["folder"]
    if folder is None:
        return
    if event in FORBIDDEN and (event, arguments) not in PROBES:
        _watched["seen"].append(f"{event} {arguments!r:.200}")
    elif event in CHANGES or (event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING):
        place = arguments[0]
        if isinstance(place, int):
            return
        if event in ("os.remove", "os.rmdir", "os.mkdir") and arguments[-1] >= 0:  # relative to an open folder
            place = os.path.join(os.path.realpath(f"/proc/self/fd/{arguments[-1]}"), os.fsdecode(place))  # noqa: PTH118
        if not os.path.abspath(os.fsdecode(place)).startswith((folder, "/dev/null")):  # noqa: PTH100 (in a hook)
            _watched["seen"].append(f"{event} outside: {place!r:.200}")


@contextmanager
def bounded(gigabytes: float) -> Iterator[None]:
    """Let the process take so much address space more than it has, and no more."""
    if sys.platform != "linux":  # elsewhere there is no such bound, or it is not kept
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    wanted = used + int(gigabytes * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (wanted if before[0] < 0 else min(before[0], wanted), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@contextmanager
def watched(folder: Path, *, seconds: float, gigabytes: float) -> Iterator[list[str]]:
    """Give the list of what was seen that must not be.

    ``TooLongError`` is raised after so many seconds of CPU time; what asks for more memory fails.
    """
    if not _watched["hook"]:
        sys.addaudithook(_hook)
        _watched["hook"] = True

    def stop(number: int, frame: FrameType | None) -> None:
        raise TooLongError(f"more than {seconds} s")

    before = signal.signal(signal.SIGPROF, stop)
    _watched["seen"] = []
    _watched["folder"] = str(folder.resolve())
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        with bounded(gigabytes):
            yield _watched["seen"]
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        _watched["folder"] = None
        signal.signal(signal.SIGPROF, before)
