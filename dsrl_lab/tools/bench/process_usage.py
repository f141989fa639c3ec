"""What a process has used: processor seconds, and the most memory it ever held, by the kernel's own account."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, kw_only=True)
class ProcessUsage:
    """What this process has used so far."""

    cpu_seconds: float  # processor time of all its threads, in Python and in the system
    peak_megabytes: float  # the most resident memory it held at once, in units of 10^6 bytes


def process_usage() -> ProcessUsage:
    """Processor time and peak memory of this process since it began."""
    PeakMemory.highest = max(PeakMemory.highest, _peak_bytes())
    return ProcessUsage(cpu_seconds=round(time.process_time(), 2), peak_megabytes=round(PeakMemory.highest / 1e6, 1))


class PeakMemory:
    """The most memory that a block holds beyond what the process held or kept: ``extra_megabytes``, of 10^6 bytes."""

    highest = 0  # bytes: the kernel forgets, and its own count is not exact to the page

    def __enter__(self) -> PeakMemory:
        PeakMemory.highest = max(PeakMemory.highest, _peak_bytes())
        forget = Path("/proc/self/clear_refs")  # elsewhere an earlier peak hides a lower one: use a fresh process
        if forget.exists():
            forget.write_text("5", encoding="ascii")
        self._before = psutil.Process().memory_info().rss
        return self

    def __exit__(self, *_: object) -> None:
        self.extra_megabytes = max(0, _peak_bytes() - self._before) / 1e6


def _peak_bytes() -> int:
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss would include the process that started this one
        return 1024 * next(int(line.split()[1]) for line in status.read_text().splitlines() if "VmHWM" in line)
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
