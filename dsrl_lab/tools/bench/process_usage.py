"""What a process has used since it began: processor seconds and the most memory it ever held."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What this process has used so far.

    Attributes:
        cpu_seconds: processor time of all its threads, in Python and in the system.
        peak_megabytes: the most resident memory it held at once, in units of 10^6 bytes.
    """

    cpu_seconds: float
    peak_megabytes: float


def spent() -> Spent:
    """What this process has used so far.

    Example:
        >>> before = spent()
        >>> before.cpu_seconds > 0, before.peak_megabytes > 10
        (True, True)
        >>> spent().peak_megabytes >= before.peak_megabytes
        True
    """
    return Spent(cpu_seconds=round(time.process_time(), 2), peak_megabytes=round(_peak_bytes() / 1e6, 1))


def _peak_bytes() -> int:
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
