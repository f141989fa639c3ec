"""What feature affinity costs: the dense and the tiled loss side by side (``dsrl-lab bench affinity``).

On cores that others use, take one thread, or set ``OMP_WAIT_POLICY=passive``: threads wait in every tile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from statistics import median
from typing import Literal, TypeVar

import torch
from rich.table import Table
from torch import Tensor

from dsrl_lab.affinity import feature_affinity_loss
from dsrl_lab.tools.bench.process_usage import PeakMemory
from dsrl_lab.tools.bench.ratios import alternate
from dsrl_lab.tools.bench.report import times, to_table

Method = Literal["dense", "tiled"]
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Case:
    """Two random feature maps of ``channels`` channels at ``size`` (H, W) positions, and the methods to try on them."""

    size: tuple[int, int]
    channels: int = 64
    methods: tuple[Method, ...] = ("dense", "tiled")


# The sizes of a 512x1024 and of a 1024x2048 output at 1/8 per side; dense: 4 GiB for each matrix of the second.
CASES = (Case(size=(64, 128)), Case(size=(128, 256), methods=("tiled",)))


@dataclass(frozen=True, kw_only=True)
class Row:
    """One method at one size; None where dense was not run or nothing was measured."""

    method: Method
    size: tuple[int, int]  # (H, W)
    channels: int
    seconds: float  # of a forward and a backward pass, median
    extra_megabytes: float  # of 10^6 bytes, beyond the inputs
    speedup: float | None = None  # dense over this method, median of the ratios of the same round
    memory_ratio: float | None = None  # dense over this method


def _maps(size: tuple[int, int], channels: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(1, channels, *size, generator=generator).requires_grad_() for _ in range(2))
    return a, b


def _step(method: Method, a: Tensor, b: Tensor) -> None:
    a.grad = b.grad = None
    feature_affinity_loss(a, b, method=method).backward()


def _measure_memory(method: Method, case: Case, threads: int) -> float:
    torch.set_num_threads(threads)
    _step(method, *_maps((16, 16), case.channels))  # loads the libraries
    a, b = _maps(case.size, case.channels)
    with PeakMemory() as memory:
        _step(method, a, b)
    return memory.extra_megabytes


def _measure_seconds(case: Case, threads: int, rounds: int) -> dict[Method, list[float]]:
    torch.set_num_threads(threads)
    a, b = _maps(case.size, case.channels)
    timed = alternate({method: partial(_step, method, a, b) for method in case.methods}, rounds, untimed=1)
    return {method: timed[method].clock for method in case.methods}


def _in_fresh_process(function: Callable[..., Result], *arguments: object) -> Result:
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def run(cases: Sequence[Case] = CASES, *, threads: int | None = None, rounds: int = 5) -> list[Row]:
    """Measure forward and backward passes of each method and case; raises ValueError for no thread or no round."""
    threads = torch.get_num_threads() if threads is None else threads
    if threads < 1 or rounds < 1:
        raise ValueError(f"expected at least 1 thread and 1 round, got {threads} and {rounds}")
    rows = []
    for case in cases:
        seconds = _in_fresh_process(_measure_seconds, case, threads, rounds)
        megabytes = {m: _in_fresh_process(_measure_memory, m, case, threads) for m in case.methods}
        for method, size in megabytes.items():
            row = Row(
                method=method,
                size=case.size,
                channels=case.channels,
                seconds=median(seconds[method]),
                extra_megabytes=size,
            )
            if "dense" in megabytes:
                faster = median(map(float.__truediv__, seconds["dense"], seconds[method]))
                row = replace(row, speedup=faster, memory_ratio=megabytes["dense"] / size if size else None)
            rows.append(row)
    return rows


def table(rows: Sequence[Row]) -> Table:
    """Rows as a table for the terminal."""
    lines = [
        {
            "method": row.method,
            "positions": f"{row.size[0]}x{row.size[1]}",
            "channels": f"{row.channels} + {row.channels}",
            "seconds": f"{row.seconds:.3f}",
            "extra memory": f"{row.extra_megabytes:.0f} MB",
            "faster": times(row.speedup),
            "smaller": times(row.memory_ratio),
        }
        for row in rows
    ]
    return to_table("Feature affinity loss, forward and backward", lines)
