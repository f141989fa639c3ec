"""What a process has used: processor time that work adds to, and a peak that does not fall."""

from __future__ import annotations

import mmap

from dsrl_lab.tools.bench.process_usage import spent


def test_work_adds_processor_time_and_held_memory_stays_in_the_peak() -> None:
    before = spent()
    pages = mmap.mmap(-1, 64_000_000)
    pages.write(bytes(64_000_000))
    while spent().cpu_seconds < before.cpu_seconds + 0.02:
        sum(range(10_000))
    held = spent().peak_megabytes
    pages.close()
    assert held >= 64 and spent().peak_megabytes >= held >= before.peak_megabytes
