"""What a process has used: processor time that work adds to, and a peak that does not fall."""

from __future__ import annotations

import mmap
import sys

import pytest

from dsrl_lab.tools.bench.process_usage import PeakMemory, process_usage


def test_work_adds_processor_time_and_held_memory_stays_in_the_peak() -> None:
    before = process_usage()
    pages = mmap.mmap(-1, 64_000_000)
    pages.write(bytes(64_000_000))
    while process_usage().cpu_seconds < before.cpu_seconds + 0.02:
        sum(range(10_000))
    held = process_usage().peak_megabytes
    pages.close()
    assert held >= 64 and process_usage().peak_megabytes >= held >= before.peak_megabytes


def test_a_peak_is_seen_after_it_is_gone_and_whatever_was_held_before() -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux forgets an earlier, higher peak")
    with mmap.mmap(-1, 200_000_000) as earlier:
        earlier.write(bytes(200_000_000))
    highest = process_usage().peak_megabytes
    with PeakMemory() as memory, mmap.mmap(-1, 100_000_000) as pages:  # a tensor could get pages that are kept
        for start in range(0, 100_000_000, 10_000_000):
            pages[start : start + 10_000_000] = bytes(10_000_000)
    assert 99 < memory.extra_megabytes < 125
    assert process_usage().peak_megabytes >= highest >= 200  # the process's own peak is not forgotten
