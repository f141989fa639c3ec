"""What feature affinity costs: its methods and precisions beside a plain matrix product (``dsrl-lab bench affinity``).

On cores that others use, take one thread, or set ``OMP_WAIT_POLICY=passive``: threads wait in every tile.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from statistics import median
from typing import Any

import torch
from rich.table import Table
from torch import Tensor

from dsrl_lab.affinity import CPU_TILE, GPU_TILE, feature_affinity_loss
from dsrl_lab.tools.bench.cost import GEMM_SIDE
from dsrl_lab.tools.bench.plan import affinity_macs
from dsrl_lab.tools.bench.process_usage import PeakMemory
from dsrl_lab.tools.bench.ratios import alternate, ratio_to
from dsrl_lab.tools.bench.report import to_table

SIDE = {"cpu": GEMM_SIDE, "cuda": 8192}  # of square matrices, whose plain product gives the machine's own rate


@dataclass(frozen=True, kw_only=True)
class Case:
    """Two random feature maps of ``channels`` channels at ``size`` (H, W) positions, and the methods to try on them."""

    size: tuple[int, int]
    channels: int = 64
    methods: tuple[str, ...] = ("dense", "tiled")  # in float32 where no precision is named: "fused bfloat16"


# The sizes of a 512x1024 and of a 1024x2048 output at 1/8 per side; dense: 4 GiB for each matrix of the second.
ALL = "dense", "tiled", "fused", "fused tf32", "fused bfloat16"
CASES = {
    "cpu": [Case(size=(64, 128)), Case(size=(128, 256), methods=("tiled",))],
    "cuda": [Case(size=(64, 128), methods=ALL), Case(size=(128, 256), methods=ALL)],
}


@dataclass(frozen=True)
class Row:
    """One method at one size."""

    method: str
    size: tuple[int, int]  # (H, W)
    channels: int
    seconds: float  # of a forward and a backward pass, median
    extra_megabytes: float  # of 10^6 bytes, beyond the inputs
    against_dense: tuple[float, float] | None  # dense's seconds over its own, median over rounds, and dense's memory
    share: tuple[float, ...]  # multiply-adds a second over a plain product's: median and quartiles over rounds
    errors: tuple[float, float]  # against float64: of the value, relative, and of a's gradient, in degrees


def _maps(size: tuple[int, int], channels: int, device: str) -> tuple[Any, Any]:
    """As far apart as the branches of a trained network: their loss is 0.04, where unrelated maps have 0.14."""
    a, noise = torch.randn(2, 1, channels, *size, generator=torch.Generator().manual_seed(0)).to(device)
    return a.clone().requires_grad_(), (a + 0.3 * noise).requires_grad_()


def _step(method: str, a: Tensor, b: Tensor) -> float:
    a.grad = b.grad = None
    name, _, precision = method.partition(" ")
    options: Any = {"method": name, "precision": precision or "float32"}
    loss = feature_affinity_loss(a, b, **options)
    loss.backward()
    return loss.item()  # when a GPU has finished


def _product(method: str, x: Tensor, y: Tensor) -> None:
    torch.set_float32_matmul_precision("high" if method.endswith("tf32") else "highest")
    torch.mm(x, y)[0, 0].item()
    torch.set_float32_matmul_precision("highest")


def _measure_memory(method: str, case: Case, threads: int, device: str) -> float:
    torch.set_num_threads(threads)
    _step(method, *_maps((16, 16), case.channels, device))  # loads the libraries
    a, b = _maps(case.size, case.channels, device)
    with PeakMemory() as memory:
        before = torch.cuda.memory_allocated() if a.is_cuda else 0
        _step(method, a, b)
    return (torch.cuda.max_memory_allocated() - before) / 1e6 if a.is_cuda else memory.extra_megabytes


def _measure(case: Case, threads: int, rounds: int, device: str) -> tuple[dict[str, list[float]], dict[str, Any]]:
    """Seconds of each method and of its "product", and its errors."""
    torch.set_num_threads(threads)
    a, b = _maps(case.size, case.channels, device)
    exact = [x.detach().double().requires_grad_() for x in (a, b)]
    value = _step("tiled", *exact)
    calls: dict[str, Callable[[], object]] = {}
    errors = {}
    for method in case.methods:
        loss = _step(method, a, b)
        cosine = torch.cosine_similarity(a.grad.double().flatten(), exact[0].grad.flatten(), dim=0)
        errors[method] = abs(loss / value - 1), cosine.clamp(max=1).acos().rad2deg().item()
        factors = torch.randn(2, SIDE[device], SIDE[device], device=device)
        calls[method] = partial(_step, method, a, b)
        calls[f"{method} product"] = partial(_product, method, *factors.bfloat16() if "bfloat" in method else factors)
    return {name: timed.clock for name, timed in alternate(calls, rounds, untimed=1).items()}, errors


def _in_fresh_process(function: Callable[..., Any], *arguments: object) -> Any:
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def run(cases: Sequence[Case] = (), *, threads: int | None = None, rounds: int = 5, device: str = "cpu") -> list[Row]:
    """Measure forward and backward passes of each method and case; ValueError for no thread, no round or no device."""
    threads = torch.get_num_threads() if threads is None else threads
    if threads < 1 or rounds < 1:
        raise ValueError(f"expected at least 1 thread and 1 round, got {threads} and {rounds}")
    if device not in CASES or (device == "cuda" and not torch.cuda.is_available()):
        raise ValueError(f"expected device 'cpu', or 'cuda' where PyTorch finds a GPU, got {device!r}")
    rows, tile = [], CPU_TILE if device == "cpu" else GPU_TILE
    for case in cases or CASES[device]:
        seconds, errors = _in_fresh_process(_measure, case, threads, rounds, device)
        memory = {m: _in_fresh_process(_measure_memory, m, case, threads, device) for m in case.methods}
        for method, own in memory.items():
            faster = ratio_to(seconds[method], seconds["dense"])[0] if "dense" in memory else 0
            dense = (faster, memory["dense"] / own) if faster and own else None
            rate, quartiles = ratio_to(seconds[method], seconds[f"{method} product"])
            macs = affinity_macs(case.size[0] * case.size[1], 2 * case.channels, method=method.split()[0], tile=tile)
            share = tuple(macs / SIDE[device] ** 3 * ratio for ratio in (rate, *quartiles))
            rows.append(
                Row(method, case.size, case.channels, median(seconds[method]), own, dense, share, errors[method])
            )
    return rows


def table(rows: Sequence[Row]) -> Table:
    """Rows as a table for the terminal; "rate" is the share of a plain product's, with quartiles."""
    lines = [
        {
            "method": row.method,
            "positions": f"{row.size[0]}x{row.size[1]}",
            "channels": f"{row.channels}+{row.channels}",
            "time": f"{row.seconds:.3g} s",
            "memory": f"{row.extra_megabytes:.0f} MB",
            "dense/it": "{:.1f}x, {:.1f}x".format(*row.against_dense) if row.against_dense else "-",
            "rate": "{:.0%} ({:.0%} to {:.0%})".format(*row.share),
            "error": "{:.0e}, {:.2g}°".format(*row.errors),
        }
        for row in rows
    ]
    return to_table("Feature affinity loss, forward and backward", lines, dense=True)
