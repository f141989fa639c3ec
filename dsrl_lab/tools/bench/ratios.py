"""Timing side by side: one call each per round, so that other work slows all alike, and ratios within a round."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

UNTIMED = 2  # rounds: the first calls load kernels and fill caches


class Seconds(NamedTuple):
    """Of each round, by the clock and of the processor over all threads."""

    clock: list[float]
    processor: list[float]


def alternate(calls: Mapping[str, Callable[[], object]], rounds: int, *, untimed: int = UNTIMED) -> dict[str, Seconds]:
    """Time calls in turn; the order is reversed every round, so that no place is better."""
    seconds = {name: Seconds([], []) for name in calls}
    for number in range(untimed + rounds):
        for name in list(calls)[:: -1 if number % 2 else 1]:
            clock, processor = time.perf_counter(), time.process_time()
            calls[name]()
            if number >= untimed:
                seconds[name].clock.append(time.perf_counter() - clock)
                seconds[name].processor.append(time.process_time() - processor)
    return seconds


def ratio_to(baseline: Sequence[float], own: Sequence[float]) -> tuple[float, tuple[float, float]]:
    """Median and quartiles of the ratios to the baseline of the same round; raises ValueError for unequal rounds."""
    ratios = [mine / theirs for mine, theirs in zip(own, baseline, strict=True)]
    low, _, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    return statistics.median(ratios), (low, high)
