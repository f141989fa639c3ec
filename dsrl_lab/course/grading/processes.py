"""Descendants, memory, CPU time and state of a process, from Linux's /proc; zeros for one that is gone."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from pathlib import Path


def descendants(pid: int) -> list[int]:
    """All descendants of a process, by the kernel's own lists; to look at all processes would cost more."""
    found, queue = [], [pid]
    while queue:
        with suppress(OSError):  # the process is gone
            for task in list(Path(f"/proc/{queue.pop()}/task").iterdir()):
                below = [int(child) for child in read(task / "children").split()]
                found += below
                queue += below
    return found


def read(path: Path) -> str:
    """A text of the kernel's; "" where there is none, or its process is gone."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def own_memory(pid: int) -> int:
    """Bytes of memory that only this process holds, and of shared memory."""
    lines = dict(line.split(":", 1) for line in read(Path(f"/proc/{pid}/status")).splitlines() if ":" in line)
    return sum(1024 * int(lines[name].split()[0]) for name in ("RssAnon", "RssShmem") if name in lines)


def _state(pid: int) -> list[str]:
    return read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()


def cpu_time(pid: int) -> tuple[float, float]:
    """CPU seconds of a process, and of those of its children that have ended."""
    fields = _state(pid)[11:15] or ["0"] * 4
    user, system, childrens_user, childrens_system = (int(field) for field in fields)
    tick = os.sysconf("SC_CLK_TCK")
    return (user + system) / tick, (childrens_user + childrens_system) / tick


def wants_to_run(pid: int) -> bool:
    """Whether a process runs, or waits for the disk."""
    return _state(pid)[:1] in (["R"], ["D"])


def kernel_version() -> tuple[int, int]:
    """Major and minor version of the kernel."""
    major, minor = platform.release().split("-")[0].split(".")[:2]
    return int(major), int(minor)
