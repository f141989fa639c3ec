"""What a reader of files must never do, seen by Python's audit events: run code, write elsewhere, take for ever."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

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
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

_watched: dict[str, Any] = {"folder": None, "seen": [], "hook": False}


class TooLongError(BaseException):
    """No ``Exception``: no handler of the readers may swallow it."""


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    folder = _watched["folder"]
    if folder is None:
        return
    if event in FORBIDDEN:
        _watched["seen"].append(f"{event} {arguments!r:.200}")
    elif event in CHANGES or (event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING):
        place = arguments[0]
        if isinstance(place, int):
            return
        if not os.path.abspath(os.fsdecode(place)).startswith((folder, "/dev/null")):  # noqa: PTH100 (in a hook)
            _watched["seen"].append(f"{event} outside: {place!r:.200}")


@contextmanager
def watched(folder: Path, *, seconds: int) -> Iterator[list[str]]:
    """Give the list of what was seen that must not be; raise ``TooLongError`` after so many seconds of CPU time."""
    if not _watched["hook"]:
        sys.addaudithook(_hook)
        _watched["hook"] = True

    def stop(number: int, frame: FrameType | None) -> None:
        raise TooLongError(f"more than {seconds} s")

    before = signal.signal(signal.SIGVTALRM, stop)
    _watched["seen"] = []
    _watched["folder"] = str(folder.resolve())
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield _watched["seen"]
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        _watched["folder"] = None
        signal.signal(signal.SIGVTALRM, before)
