"""Latency of what is deployed (``dsrl-lab bench deployment``): baseline, DSRL, and DSRL with SISR left in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from typing import Any

import torch
from rich.table import Table
from torch import Tensor, nn

from dsrl_lab.complexity import complexity, evaluating
from dsrl_lab.recipes import find_recipe
from dsrl_lab.tools.bench.ratios import Seconds, alternate, ratio_to
from dsrl_lab.tools.bench.report import times, to_table
from dsrl_lab.tools.export.exported import import_onnx
from dsrl_lab.tools.input_size import check_takes
from dsrl_lab.training.build import build_dsrl

HEADS = ("dsrl", "deconvolution_dsrl", "depthwise_dsrl")
KEPT = ", SISR not removed"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One variant, named by its row of the ablation; medians over rounds."""

    name: str
    macs: int
    macs_ratio: float
    eager_seconds: float  # processor time of one image
    eager_ratio: float  # over the baseline in the same round
    eager_spread: tuple[float, float]  # lower and upper quartile of the ratio
    onnx_seconds: float  # the same in onnxruntime
    onnx_ratio: float
    onnx_spread: tuple[float, float]


class WithSisr(nn.Module):
    """DSRL deployed with SISR: image (N, 3, H, W) to logits (N, K, s * H, s * W) and image (N, 3, s * H, s * W)."""

    def __init__(self, dsrl: nn.Module) -> None:
        super().__init__()
        self.dsrl = dsrl

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Run both branches."""
        output = self.dsrl(image)
        return output.logits, output.super_res


def variants(setting: str) -> dict[str, nn.Module]:
    """Build the variants of a setting ("cityscapes_espnetv2", say) with random weights, in evaluation."""
    baseline = find_recipe(f"{setting}_baseline")
    built: dict[str, nn.Module] = {baseline.title: build_dsrl(baseline.network).task_model}
    for row in HEADS:
        recipe = find_recipe(f"{setting}_{row}")
        dsrl = build_dsrl(replace(recipe.network, affinity=False))
        built |= {recipe.title: dsrl.task_model, recipe.title + KEPT: WithSisr(dsrl)}
    return {name: network.eval() for name, network in built.items()}


def input_size_of(setting: str) -> tuple[int, int]:
    """(H, W) that a setting's networks receive in training."""
    return find_recipe(f"{setting}_baseline").train.input_size


def run(
    setting: str = "cityscapes_espnetv2",
    *,
    input_size: tuple[int, int] | None = None,  # (H, W) of the image, by default the setting's own
    rounds: int = 15,  # after two that are not timed
) -> list[Row]:
    """Time the variants; raises ValueError for no such setting, round or size, ModuleNotFoundError without ONNX."""
    if rounds < 1:
        raise ValueError(f"expected at least 1 round, got {rounds}")
    networks = variants(setting)
    size = input_size or input_size_of(setting)
    for network in networks.values():
        check_takes(network, size)
    image = torch.rand(1, 3, *size)
    macs = {name: complexity(network, size).macs for name, network in networks.items()}
    first = next(iter(macs.values()))
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        eager = alternate({name: partial(_eager, network, image) for name, network in networks.items()}, rounds)
        in_onnx = alternate(_sessions(networks, image), rounds)
    finally:
        torch.set_num_threads(threads)
    measured = {name: _summary("eager", name, eager) | _summary("onnx", name, in_onnx) for name in macs}
    return [Row(name=name, macs=count, macs_ratio=count / first, **measured[name]) for name, count in macs.items()]


def _eager(network: nn.Module, image: Tensor) -> object:
    with evaluating(network):
        return network(image)


def _sessions(networks: dict[str, nn.Module], image: Tensor) -> dict[str, Callable[[], object]]:
    _, onnxruntime = import_onnx()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    calls: dict[str, Callable[[], object]] = {}
    for name, network in networks.items():
        program = torch.onnx.export(network, (image,), dynamo=True, verbose=False, input_names=["image"])
        assert program is not None  # of the dynamo exporter
        content = program.model_proto.SerializeToString()
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        calls[name] = partial(session.run, None, {"image": image.numpy()})  # None: all outputs, so none is cut off
    return calls


def _summary(kind: str, name: str, seconds: dict[str, Seconds]) -> dict[str, Any]:
    own, baseline = seconds[name].processor, next(iter(seconds.values())).processor
    ratio, spread = ratio_to(baseline, own)
    return {f"{kind}_seconds": median(own), f"{kind}_ratio": ratio, f"{kind}_spread": spread}


def table(rows: Sequence[Row], *, title: str = "") -> Table:
    """Show variants side by side: ratios with quartiles, and times."""
    lines = [
        {
            "variant": row.name,
            "true MACs (M)": f"{row.macs / 1e6:.1f}",
            "MACs": f"{row.macs_ratio:.2f}x",
            "PyTorch (ms)": f"{1000 * row.eager_seconds:.1f}",
            "PyTorch": times(row.eager_ratio, row.eager_spread),
            "onnxruntime (ms)": f"{1000 * row.onnx_seconds:.1f}",
            "onnxruntime": times(row.onnx_ratio, row.onnx_spread),
        }
        for row in rows
    ]
    return to_table(title, lines)
