"""Latency of what is deployed (``dsrl-lab bench deployment``): baseline, DSRL, and DSRL with SISR left in.

"No extra cost at inference" has two halves. SISR and feature affinity can be left behind: the last variant of each head
shows what they would cost if they were not. The SSSR head cannot: what it adds to the host stays. All variants take
turns in one run, eagerly in PyTorch and as ONNX files in onnxruntime, one image at a time on one thread. What is timed
is that thread's processor time: on a quiet core it is the latency, and on a busy one it does not count the wait for a
turn. A ratio is the median over the rounds of what a variant took over what the baseline took in the same round.
Weights are random: they cost the same.
"""

from __future__ import annotations

import functools
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from rich.table import Table
from torch import Tensor, nn

from dsrl_lab.complexity import complexity
from dsrl_lab.recipes import find_recipe
from dsrl_lab.tools.bench.ratios import ratio_to
from dsrl_lab.tools.export.exported import import_onnx
from dsrl_lab.training import record
from dsrl_lab.training.build import build_dsrl
from dsrl_lab.training.evaluate import evaluating

HEADS = ("dsrl", "deconvolution_dsrl", "depthwise_dsrl")
KEPT = ", SISR not removed"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One variant.

    Attributes:
        name: the row of the ablation, and whether SISR was left in.
        macs: multiply-adds of one image.
        macs_ratio: over the baseline's.
        eager_seconds: median processor seconds of one image in PyTorch.
        eager_ratio: median over the rounds of the latency over the baseline's in the same round.
        eager_spread: (lower, upper) quartile of that ratio.
        onnx_seconds: the same in onnxruntime; None where that was not measured.
        onnx_ratio: as ``eager_ratio``.
        onnx_spread: as ``eager_spread``.
    """

    name: str
    macs: int
    macs_ratio: float
    eager_seconds: float
    eager_ratio: float
    eager_spread: tuple[float, float]
    onnx_seconds: float | None = None
    onnx_ratio: float | None = None
    onnx_spread: tuple[float, float] | None = None


class WithSisr(nn.Module):
    """A whole DSRL network as it would be deployed if nobody took SISR out: mask and reconstruction are both computed.

    Shape:
        - image: (N, 3, H, W)
        - output: logits (N, K, s * H, s * W) and image (N, 3, s * H, s * W)
    """

    def __init__(self, dsrl: nn.Module) -> None:
        super().__init__()
        self.dsrl = dsrl

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Run both branches; the feature transform, which only the loss needs, is not called by any deployment."""
        output = self.dsrl(image)
        return output.logits, output.super_res


def variants(setting: str) -> dict[str, nn.Module]:
    """Build the variants of a setting with random weights, in evaluation.

    Args:
        setting: of the recipes, "cityscapes_espnetv2" say.

    Raises:
        ValueError: no such setting.

    Example:
        >>> list(variants("streets_tinynet"))[:3]
        ['baseline', '+ SSSR + SISR + FA', '+ SSSR + SISR + FA, SISR not removed']
    """
    baseline = find_recipe(f"{setting}_baseline")
    built: dict[str, nn.Module] = {baseline.title: build_dsrl(baseline.network).task_model}
    for row in HEADS:
        recipe = find_recipe(f"{setting}_{row}")
        dsrl = build_dsrl(replace(recipe.network, affinity=False))
        built |= {recipe.title: dsrl.task_model, recipe.title + KEPT: WithSisr(dsrl)}
    return {name: network.eval() for name, network in built.items()}


def input_size_of(setting: str) -> tuple[int, int]:
    """(H, W) that a setting's networks receive in training.

    Raises:
        ValueError: no such setting.

    Example:
        >>> input_size_of("cityscapes_espnetv2")
        (256, 512)
    """
    return find_recipe(f"{setting}_baseline").train.input_size


def run(
    setting: str = "cityscapes_espnetv2",
    *,
    input_size: tuple[int, int] | None = None,
    rounds: int = 15,
    onnx: bool = True,
) -> list[Row]:
    """Time the variants in turns.

    Args:
        setting: of the recipes.
        input_size: (H, W) of the image; the setting's own by default.
        rounds: timed turns of each variant, after two that are not timed.
        onnx: measure onnxruntime too.

    Raises:
        ValueError: no such setting, or fewer than 1 round.
        ModuleNotFoundError: onnxruntime is asked for and not installed.
    """
    if rounds < 1:
        raise ValueError(f"expected at least 1 round, got {rounds}")
    networks = variants(setting)
    size = input_size or input_size_of(setting)
    image = torch.rand(1, 3, *size)
    macs = {name: complexity(network, size).macs for name, network in networks.items()}
    first = next(iter(macs.values()))
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        eager = _turns({name: _eager(network, image) for name, network in networks.items()}, rounds)
        in_onnx = _turns(_sessions(networks, image), rounds) if onnx else {}
    finally:
        torch.set_num_threads(threads)
    return [
        Row(
            name=name,
            macs=macs[name],
            macs_ratio=macs[name] / first,
            **{f"eager_{key}": value for key, value in _summary(name, eager).items()},  # type: ignore[arg-type]
            **({f"onnx_{key}": value for key, value in _summary(name, in_onnx).items()} if onnx else {}),  # type: ignore[arg-type]
        )
        for name in networks
    ]


def _eager(network: nn.Module, image: Tensor) -> Callable[[], object]:
    def call() -> object:
        with evaluating(network):
            return network(image)

    return call


def _sessions(networks: dict[str, nn.Module], image: Tensor) -> dict[str, Callable[[], object]]:
    """Each network as an ONNX file in a session of onnxruntime; all outputs are asked for, so that none is cut off."""
    _, onnxruntime = import_onnx()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    calls: dict[str, Callable[[], object]] = {}
    for name, network in networks.items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "network.onnx"
            torch.onnx.export(
                network, (image,), path, dynamo=True, verbose=False, external_data=False, input_names=["image"]
            )
            session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
        calls[name] = functools.partial(session.run, None, {"image": image.numpy()})
    return calls


def _turns(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each call in each round; the order is turned round every time, so that no place is better."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds + 2):
        for name in list(calls) if number % 2 else reversed(calls):
            clock = time.process_time()
            calls[name]()
            if number >= 2:
                seconds[name].append(time.process_time() - clock)
    return seconds


def _summary(name: str, seconds: dict[str, list[float]]) -> dict[str, float | tuple[float, float]]:
    ratio, spread = ratio_to(next(iter(seconds.values())), seconds[name])
    return {"seconds": statistics.median(seconds[name]), "ratio": ratio, "spread": spread}


def to_record(rows: Sequence[Row], *, setting: str, input_size: tuple[int, int], rounds: int) -> dict[str, Any]:
    """One line for a record: what was measured, on what, and with which versions."""
    return {
        "kind": "deployment",
        "setting": setting,
        "input_size": list(input_size),
        "rounds": rounds,
        "rows": [asdict(row) for row in rows],
        **record.environment(),
        "threads": 1,
    }


def table(rows: Sequence[dict[str, Any]], *, title: str = "") -> Table:
    """Show the variants side by side: ratios to the baseline with their quartiles, and milliseconds.

    Args:
        rows: of a record's line, or ``Row`` as dictionaries.
        title: above the table.
    """
    shown = Table(title=title)
    shown.add_column("variant")
    for column in ("true MACs (M)", "MACs", "PyTorch (ms)", "PyTorch", "onnxruntime (ms)", "onnxruntime"):
        shown.add_column(column, justify="right")

    def times(ratio: float | None, spread: Sequence[float] | None) -> str:
        return "" if ratio is None or spread is None else f"{ratio:.2f}x ({spread[0]:.2f} to {spread[1]:.2f})"

    def milliseconds(seconds: float | None) -> str:
        return "" if seconds is None else f"{1000 * seconds:.1f}"

    for row in rows:
        shown.add_row(
            row["name"],
            f"{row['macs'] / 1e6:.1f}",
            f"{row['macs_ratio']:.2f}x",
            milliseconds(row["eager_seconds"]),
            times(row["eager_ratio"], row["eager_spread"]),
            milliseconds(row["onnx_seconds"]),
            times(row["onnx_ratio"], row["onnx_spread"]),
        )
    return shown
