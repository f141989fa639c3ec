"""What a network costs before anything is trained (``dsrl-lab cost``): parameters, multiply-adds, activations, latency.

The two columns of multiply-adds stand side by side because of a trap in DSRL's own numbers: a counter that overlooks
transposed convolutions finds the network with the authors' SSSR head as cheap as without, when it costs 87 % more.

Parameters, multiply-adds and activations are counted on the meta device, where only shapes are computed; the latency is
measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import torch
from rich.table import Table
from torch import Tensor, nn

from dsrl_lab.complexity import complexity, latency
from dsrl_lab.models import SEGMENTATION
from dsrl_lab.tools.bench.catalogue import find

FACTORS = (0.25, 0.5, 1, 2, 4)
"""Of both sides of the input, for a plot of cost against input size."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """The cost of one network at one size.

    Attributes:
        name: as in the catalogue.
        input_size: (H, W) of the one image that goes in.
        parameters: all of them; auxiliary heads, which only training runs, are included.
        macs: multiply-adds of one image, transposed convolutions included.
        macs_without_transposed: what a counter of plain convolutions finds.
        activation_bytes: outputs of all layers of one float32 image, as training would keep them.
        seconds: median latency of one image; None where it was not measured.
    """

    name: str
    input_size: tuple[int, int]
    parameters: int
    macs: int
    macs_without_transposed: int
    activation_bytes: int
    seconds: float | None


def activation_bytes(model: nn.Module, input_size: tuple[int, int]) -> int:
    """Add up the outputs of all leaf modules for one RGB image, in bytes.

    In-place layers and what functions compute between modules (sums, concatenations, resizing) are not counted, so this
    is a measure to compare networks by and not the memory of a process.

    Args:
        model: any network of RGB images; on the meta device nothing is computed.
        input_size: (H, W) of the image.

    Example:
        >>> activation_bytes(nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(), nn.ReLU(inplace=True)), (4, 5))
        1280
    """
    total = 0

    def add(_: nn.Module, inputs: tuple[object, ...], output: object) -> None:
        nonlocal total
        if isinstance(output, Tensor) and all(output is not x for x in inputs):
            total += output.numel() * output.element_size()

    leaves = [module for module in model.modules() if not any(module.children())]
    handles = [leaf.register_forward_hook(add) for leaf in leaves]
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    try:
        with torch.no_grad():
            model(torch.zeros(1, 3, *input_size, device=device))
    finally:
        for handle in handles:
            handle.remove()
    return total


def run(
    names: Sequence[str] | None = None,
    input_size: tuple[int, int] = (256, 512),
    *,
    num_classes: int = 19,
    runs: int = 3,
) -> list[Row]:
    """Count and time networks.

    Args:
        names: of the catalogue; None for all segmentation hosts, each without and with the authors' SSSR head.
        input_size: (H, W) of the input.
        num_classes: outputs of the segmentation networks.
        runs: timed runs of each network after two that are not timed; 0 to count only, which takes no time at any size.

    Raises:
        ValueError: an unknown name, or a size that a network cannot serve.

    Example:
        >>> (row,) = run(["espnetv2+deconvolution"], (256, 512), num_classes=20, runs=0)
        >>> f"{row.macs / 1e6:.0f} M, overlooked: {(row.macs - row.macs_without_transposed) / 1e6:.0f} M"
        '1264 M, overlooked: 590 M'
    """
    rows = []
    for name, build in find(names or _hosts_and_heads(), num_classes=num_classes).items():
        with torch.device("meta"):
            counted = _count(name, build().eval(), input_size)
        rows.append(replace(counted, seconds=latency(build(), input_size, runs=runs)) if runs else counted)
    return rows


def sweep(
    names: Sequence[str] | None = None,
    input_size: tuple[int, int] = (256, 512),
    *,
    num_classes: int = 19,
    factors: Sequence[float] = FACTORS,
) -> list[Row]:
    """Count networks, without timing them, at a range of input sizes around one.

    Args:
        names: as in ``run``.
        input_size: (H, W) in the middle.
        num_classes: outputs of the segmentation networks.
        factors: of both sides.

    Returns:
        A row for each network and size; sizes that a network refuses (sides under its stride, say) are left out.

    Raises:
        ValueError: an unknown name.

    Example:
        >>> small, large = sweep(["tinynet"], (64, 128), factors=(1, 2))
        >>> large.input_size, large.macs / small.macs
        ((128, 256), 4.0)
    """
    rows = []
    height, width = input_size
    for name, build in find(names or _hosts_and_heads(), num_classes=num_classes).items():
        with torch.device("meta"):
            blank = build().eval()
        for factor in factors:
            with suppress(ValueError):
                rows.append(_count(name, blank, (round(factor * height), round(factor * width))))
    return rows


def _hosts_and_heads() -> list[str]:
    return [name + head for name in SEGMENTATION for head in ("", "+deconvolution")]


def _count(name: str, blank: nn.Module, input_size: tuple[int, int]) -> Row:
    counted = complexity(blank, input_size)
    return Row(
        name=name,
        input_size=input_size,
        parameters=counted.parameters,
        macs=counted.macs,
        macs_without_transposed=counted.macs_without_transposed,
        activation_bytes=activation_bytes(blank, input_size),
        seconds=None,
    )


def table(rows: Sequence[Row]) -> Table:
    """Show the rows side by side.

    Example:
        >>> table(run(["espcn"], (32, 64), runs=0)).row_count
        1
    """
    sizes = ", ".join(dict.fromkeys(f"{height}x{width}" for height, width in (row.input_size for row in rows)))
    drawn = Table(title=f"cost of one image, input {sizes}")
    drawn.add_column("network")
    for heading in ("parameters", "MACs", "without transposed", "activations", "latency"):
        drawn.add_column(heading, justify="right")
    for row in rows:
        drawn.add_row(
            row.name,
            f"{row.parameters / 1e6:.3f} M",
            f"{row.macs / 1e9:.3f} G",
            f"{row.macs_without_transposed / 1e9:.3f} G",
            f"{row.activation_bytes / 1e6:.1f} MB",
            "-" if row.seconds is None else f"{1e3 * row.seconds:.0f} ms",
        )
    return drawn
