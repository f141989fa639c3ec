"""What feature affinity costs: the dense and the tiled loss side by side (``dsrl-lab bench affinity``).

Seconds are those of one forward and backward pass. The methods take turns in one process, so that other work on the
machine slows both; the speed-up is the median of the ratios of neighbouring turns. A quiet machine is wanted: threads
wait for each other in every tile, so on cores that others use two threads measure the neighbours (OpenMP's waiting
threads spin). There, take ``threads=1``, or set ``OMP_WAIT_POLICY=passive`` before Python starts.

Extra memory is the peak of a process's resident memory during one pass minus what it held before, when the inputs and
the mathematics libraries were already there; each figure comes from a process of its own, because an allocator does
not give everything back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from statistics import median
from types import TracebackType
from typing import Literal, TypeVar

import psutil
import torch
from rich.table import Table
from torch import Tensor

from dsrl_lab.affinity import feature_affinity_loss

Method = Literal["dense", "tiled"]
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Case:
    """Two random feature maps of ``channels`` channels at ``size`` (H, W) positions, and the methods to try on them."""

    size: tuple[int, int]
    channels: int = 64
    methods: tuple[Method, ...] = ("dense", "tiled")


CASES = (
    Case(size=(64, 128)),
    Case(size=(128, 256), methods=("tiled",)),  # dense: 4 GiB for each matrix
)
"""The sizes of a 512x1024 and of a 1024x2048 output at 1/8 per side."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One method at one size.

    Attributes:
        method: "dense" or "tiled".
        size: positions (H, W).
        channels: channels of each of the two maps.
        seconds: forward and backward, median.
        extra_megabytes: peak memory beyond the inputs, in units of 10^6 bytes.
        speedup: how many times faster than dense; None where dense was not run.
        memory_ratio: how many times less extra memory than dense; None where dense was not run or nothing was seen.
    """

    method: Method
    size: tuple[int, int]
    channels: int
    seconds: float
    extra_megabytes: float
    speedup: float | None
    memory_ratio: float | None


class PeakMemory:
    """Watches this process's resident memory from a thread, every half millisecond, on any platform.

    Example:
        >>> import mmap
        >>> with PeakMemory() as memory:
        ...     fresh = mmap.mmap(-1, 32_000_000)  # a tensor could get pages that this process already has
        ...     _ = fresh.write(bytes(32_000_000))
        >>> memory.extra_megabytes > 20
        True
    """

    def __enter__(self) -> PeakMemory:
        self._process = psutil.Process()
        self._before = self._peak = self._process.memory_info().rss
        self._done = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._done.set()
        self._watcher.join()
        self._look()

    @property
    def extra_megabytes(self) -> float:
        """The highest reading minus the first, in units of 10^6 bytes."""
        return (self._peak - self._before) / 1e6

    def _look(self) -> None:
        self._peak = max(self._peak, self._process.memory_info().rss)

    def _watch(self) -> None:
        while not self._done.wait(0.0005):
            self._look()


def _maps(size: tuple[int, int], channels: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(1, channels, *size, generator=generator).requires_grad_() for _ in range(2))
    return a, b


def _step(method: Method, q: Literal[1, 2], a: Tensor, b: Tensor) -> float:
    """Seconds of one forward and backward pass."""
    a.grad = b.grad = None
    start = time.perf_counter()
    feature_affinity_loss(a, b, q=q, method=method).backward()
    return time.perf_counter() - start


def _measure_memory(method: Method, case: Case, q: Literal[1, 2], threads: int) -> float:
    torch.set_num_threads(threads)
    _step(method, q, *_maps((16, 16), case.channels))  # loads the libraries
    a, b = _maps(case.size, case.channels)
    with PeakMemory() as memory:
        _step(method, q, a, b)
    return memory.extra_megabytes


def _measure_seconds(case: Case, q: Literal[1, 2], threads: int, rounds: int) -> dict[Method, list[float]]:
    torch.set_num_threads(threads)
    a, b = _maps(case.size, case.channels)
    seconds: dict[Method, list[float]] = {method: [] for method in case.methods}
    for method in case.methods:
        _step(method, q, a, b)  # warms up
    for _ in range(rounds):
        for method in case.methods:
            seconds[method].append(_step(method, q, a, b))
    return seconds


def _in_fresh_process(function: Callable[..., Result], *arguments: object) -> Result:
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def run(
    cases: Sequence[Case] = CASES, *, q: Literal[1, 2] = 1, threads: int | None = None, rounds: int = 5
) -> list[Row]:
    """Measure each method of each case, forward and backward; about a minute on two cores for the default cases.

    Args:
        cases: what to measure.
        q: the loss's exponent.
        threads: threads that torch uses; None for the number it uses now.
        rounds: timed turns of each method, after one that is not timed.

    Returns:
        One row per case and method, in the order of the cases.

    Raises:
        ValueError: fewer than one thread or round.
    """
    threads = torch.get_num_threads() if threads is None else threads
    if threads < 1 or rounds < 1:
        raise ValueError(f"expected at least 1 thread and 1 round, got {threads} and {rounds}")
    rows = []
    for case in cases:
        seconds = _in_fresh_process(_measure_seconds, case, q, threads, rounds)
        megabytes = {m: _in_fresh_process(_measure_memory, m, case, q, threads) for m in case.methods}
        for method in case.methods:
            speedup = memory_ratio = None
            if "dense" in case.methods:
                turns = zip(seconds["dense"], seconds[method], strict=True)
                speedup = median(dense / ours for dense, ours in turns)
                memory_ratio = megabytes["dense"] / megabytes[method] if megabytes[method] else None
            rows.append(
                Row(
                    method=method,
                    size=case.size,
                    channels=case.channels,
                    seconds=median(seconds[method]),
                    extra_megabytes=megabytes[method],
                    speedup=speedup,
                    memory_ratio=memory_ratio,
                )
            )
    return rows


def table(rows: Sequence[Row]) -> Table:
    """Rows as a table for the terminal.

    Example:
        >>> from rich.console import Console
        >>> row = Row(method="tiled", size=(8, 16), channels=4, seconds=0.5, extra_megabytes=3.0, speedup=None,
        ...           memory_ratio=None)
        >>> table([row]).row_count
        1
    """
    drawn = Table(title="Feature affinity loss, forward and backward")
    for heading in ("positions", "channels", "method", "seconds", "extra memory", "faster", "smaller"):
        drawn.add_column(heading, justify="left" if heading == "method" else "right")
    for row in rows:
        drawn.add_row(
            f"{row.size[0]}x{row.size[1]}",
            f"{row.channels} + {row.channels}",
            row.method,
            f"{row.seconds:.3f}",
            f"{row.extra_megabytes:.0f} MB",
            "-" if row.speedup is None else f"{row.speedup:.1f}x",
            "-" if row.memory_ratio is None else f"{row.memory_ratio:.1f}x",
        )
    return drawn
