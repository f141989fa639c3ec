"""How fast networks run and train here (``dsrl-lab bench networks``), against what this machine can do at best.

Multiply-adds say little about seconds: a depthwise convolution has few and waits for memory. The last column says how
much of the machine's own matrix product rate, measured in the same minute, a network turns into multiply-adds. It can
pass 100 %, where convolution kernels are better than the matrix product's. All networks take turns in one run, so that
other work on the machine slows all of them; medians count.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import torch
from rich.table import Table
from torch import Tensor, nn
from torch.nn import functional as F

from dsrl_lab.complexity import complexity
from dsrl_lab.kernels import use_fast_kernels
from dsrl_lab.models import SEGMENTATION
from dsrl_lab.models.base import DensePredictor
from dsrl_lab.tools.bench.catalogue import find

GEMM_SIDE = 1024


@dataclass(frozen=True, kw_only=True)
class Row:
    """The pace of one network.

    Attributes:
        name: as in the catalogue.
        input_size: (H, W).
        batch_size: images of a training step.
        macs: multiply-adds of one image's forward pass.
        seconds: latency of one image in evaluation.
        images_per_second: in training: forward, loss, backward, optimizer step.
        gemm_macs_per_second: rate of a 1024^3 float32 matrix product, measured between the networks' turns.
        gemm_share: multiply-adds per second in evaluation over that rate.
    """

    name: str
    input_size: tuple[int, int]
    batch_size: int
    macs: int
    seconds: float
    images_per_second: float
    gemm_macs_per_second: float
    gemm_share: float


def _seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def gemm_rate() -> float:
    """Multiply-adds per second of a float32 matrix product, the best of three.

    Example:
        >>> gemm_rate() > 1e8
        True
    """
    a, b = torch.randn(GEMM_SIDE, GEMM_SIDE), torch.randn(GEMM_SIDE, GEMM_SIDE)
    return GEMM_SIDE**3 / min(_seconds(lambda: a @ b) for _ in range(3))


def training_loss(network: nn.Module, images: Tensor) -> Tensor:
    """A loss of the usual cost: cross-entropy at full size for segmenters, squared error for the others.

    Shape:
        - images: (N, 3, H, W)
        - output: scalar
    """
    if not isinstance(network, DensePredictor):
        return torch.stack([scale.square().mean() for scale in network(images).scales]).sum()
    head = network.forward_head(network.forward_features(images))
    outputs = [network.to_output_size(logits, images) for logits in (head.logits, *head.auxiliary)]
    if network.spec.output_stride > 1:  # heat-maps of a pose net
        return torch.stack([output.square().mean() for output in outputs]).sum()
    mask = torch.zeros(len(images), *outputs[0].shape[-2:], dtype=torch.int64)
    return torch.stack([F.cross_entropy(output, mask) for output in outputs]).sum()


class _Contestant:
    """A network with its optimizer and its images."""

    def __init__(self, network: nn.Module, input_size: tuple[int, int], batch_size: int, channels_last: bool) -> None:
        memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.network = network.to(memory_format=memory_format)
        self.images = torch.rand(batch_size, 3, *input_size).contiguous(memory_format=memory_format)
        self.optimizer = torch.optim.SGD(network.parameters(), lr=1e-4, momentum=0.9)
        self.latencies: list[float] = []
        self.steps: list[float] = []
        self.gemm_rates: list[float] = []

    def infer(self) -> None:
        self.network.eval()
        with torch.inference_mode():
            self.network(self.images[:1])

    def train_step(self) -> None:
        self.network.train()
        self.optimizer.zero_grad()
        training_loss(self.network, self.images).backward()
        self.optimizer.step()

    def take_turn(self) -> None:
        self.gemm_rates.append(gemm_rate())
        self.latencies.append(_seconds(self.infer))
        self.steps.append(_seconds(self.train_step))


def run(
    names: Sequence[str] | None = None,
    input_size: tuple[int, int] = (128, 256),
    *,
    batch_size: int = 4,
    rounds: int = 3,
    channels_last: bool = False,
    fast_kernels: bool = True,
    num_classes: int = 19,
) -> list[Row]:
    """Time networks in turns.

    Args:
        names: of the catalogue; None for all segmentation hosts.
        input_size: (H, W) of the input.
        batch_size: images of a training step, at least 2 (BatchNorm).
        rounds: timed turns of each network, after one that is not timed.
        channels_last: keep networks and images in that memory format.
        fast_kernels: give layers their fast exact forms, as training does.
        num_classes: outputs of the segmentation networks.

    Raises:
        ValueError: an unknown name, fewer than 2 images or 1 round, or a size that a network cannot serve.
    """
    if batch_size < 2 or rounds < 1:
        raise ValueError(f"expected at least 2 images per step and 1 round, got {batch_size} and {rounds}")
    contestants, macs = {}, {}
    for name, build in find(names or list(SEGMENTATION), num_classes=num_classes).items():
        with torch.device("meta"):
            macs[name] = complexity(build(), input_size).macs
        network = use_fast_kernels(build()) if fast_kernels else build()
        contestants[name] = _Contestant(network, input_size, batch_size, channels_last)
    for contestant in contestants.values():
        contestant.infer()
        contestant.train_step()
    for _ in range(rounds):
        for contestant in contestants.values():
            contestant.take_turn()
    rows = []
    for name, contestant in contestants.items():
        turns = zip(contestant.latencies, contestant.gemm_rates, strict=True)
        rows.append(
            Row(
                name=name,
                input_size=input_size,
                batch_size=batch_size,
                macs=macs[name],
                seconds=median(contestant.latencies),
                images_per_second=batch_size / median(contestant.steps),
                gemm_macs_per_second=median(contestant.gemm_rates),
                gemm_share=median(macs[name] / seconds / rate for seconds, rate in turns),
            )
        )
    return rows


def table(rows: Sequence[Row]) -> Table:
    """Show the rows side by side.

    Example:
        >>> row = Row(name="dabnet", input_size=(128, 256), batch_size=4, macs=640_000_000, seconds=0.05,
        ...           images_per_second=5.0, gemm_macs_per_second=4e10, gemm_share=0.32)
        >>> table([row]).row_count
        1
    """
    rate = median(row.gemm_macs_per_second for row in rows) / 1e9 if rows else 0.0
    threads = torch.get_num_threads()
    drawn = Table(title=f"pace on this machine, {threads} thread(s); matrix product: {rate:.1f} GMAC/s")
    drawn.add_column("network")
    for heading in ("input", "MACs", "latency", "training", "share of the matrix product's rate"):
        drawn.add_column(heading, justify="right")
    for row in rows:
        drawn.add_row(
            row.name,
            f"{row.input_size[0]}x{row.input_size[1]}",
            f"{row.macs / 1e9:.3f} G",
            f"{1e3 * row.seconds:.1f} ms",
            f"{row.images_per_second:.2f} images/s",
            f"{100 * row.gemm_share:.0f} %",
        )
    return drawn
