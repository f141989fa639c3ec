"""What networks cost (``dsrl-lab cost``), and how fast they train (``dsrl-lab bench networks``)."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
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
from dsrl_lab.tools.bench.ratios import alternate, ratio_to
from dsrl_lab.tools.bench.report import to_table
from dsrl_lab.tools.input_size import check_takes
from dsrl_lab.training.evaluate import device_of

GEMM_SIDE = 1024


@dataclass(frozen=True, kw_only=True)
class Row:
    """The cost of one network for one image; None where it was not measured."""

    name: str  # as in the catalogue
    input_size: tuple[int, int]  # (H, W)
    parameters: int  # auxiliary heads, which only training runs, are included
    macs: int  # multiply-adds, transposed convolutions included
    macs_without_transposed: int  # what a counter of plain convolutions finds
    activation_bytes: int  # outputs of all layers in float32, as training would keep them
    seconds: float | None = None  # latency in evaluation, median
    gemm_share: float | None = None  # multiply-adds per second over the rate of a 1024^3 float32 matrix product
    images_per_second: float | None = None  # in training: forward, loss, backward, optimizer step
    kept_bytes: float | None = None  # an image's share of what autograd holds for the way back, measured


def activation_bytes(model: nn.Module, input_size: tuple[int, int]) -> int:
    """Bytes of all leaf modules' outputs for one RGB image (H, W), without in-place layers or functions between."""
    total = 0

    def add(_: nn.Module, inputs: tuple[object, ...], output: object) -> None:
        nonlocal total
        if isinstance(output, Tensor) and all(output is not x for x in inputs):
            total += output.numel() * output.element_size()

    leaves = [module for module in model.modules() if not any(module.children())]
    handles = [leaf.register_forward_hook(add) for leaf in leaves]
    try:
        with torch.no_grad():
            model(torch.zeros(1, 3, *input_size, device=device_of(model)))
    finally:
        for handle in handles:
            handle.remove()
    return total


def kept_bytes(network: nn.Module, images: Tensor) -> float:
    """Bytes, for each of the images (N, 3, H, W), that autograd holds between the two halves of a training step."""
    weights = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    held: dict[int, torch.UntypedStorage] = {}

    def hold(x: Tensor) -> Tensor:
        held[x.untyped_storage().data_ptr()] = x.untyped_storage()
        return x

    with torch.autograd.graph.saved_tensors_hooks(hold, lambda x: x):
        training_loss(network.train(), images)
    return sum(storage.nbytes() for place, storage in held.items() if place not in weights) / len(images)


def training_loss(network: nn.Module, images: Tensor) -> Tensor:
    """A scalar loss of the usual cost for images (N, 3, H, W): cross-entropy for segmenters, else squared error."""
    if not isinstance(network, DensePredictor):
        return torch.stack([scale.square().mean() for scale in network(images).scales]).sum()
    head = network.forward_head(network.forward_features(images))
    outputs = [network.to_output_size(logits, images) for logits in (head.logits, *head.auxiliary)]
    if network.spec.output_stride > 1:  # heat-maps of a pose net
        return torch.stack([output.square().mean() for output in outputs]).sum()
    mask = torch.zeros(len(images), *outputs[0].shape[-2:], dtype=torch.int64)
    return torch.stack([F.cross_entropy(output, mask) for output in outputs]).sum()


def run(
    names: Sequence[str] | None = None,  # by default all segmentation hosts, without and with the authors' SSSR head
    input_size: tuple[int, int] = (256, 512),  # (H, W)
    *,
    num_classes: int = 19,
    runs: int = 3,  # after two that are not timed; 0 to count only
    batch_size: int = 0,  # images of a timed training step, at least 2 (BatchNorm); 0 to time none
) -> list[Row]:
    """Count networks, and time them in alternation, their layers in the fast exact forms that training uses.

    Raises ValueError for an unknown name, a number out of its range, or a size that a network cannot take.
    """
    if runs < 0 or batch_size < 0 or batch_size == 1 or (batch_size and not runs):
        raise ValueError(f"expected at least 2 images per step and 1 run, or 0 for none, got {batch_size} and {runs}")
    hosts_and_heads = [name + head for name in SEGMENTATION for head in ("", "+deconvolution")]
    builders = find(names or hosts_and_heads, num_classes=num_classes)
    rows: list[Row] = []
    calls: dict[str, Callable[[], object]] = {}
    for name, build in builders.items():
        with torch.device("meta"):
            rows.append(_count(name, build().eval(), input_size))
        if runs:
            network = use_fast_kernels(build())
            calls[f"{name} product"] = product()
            calls[f"{name} infer"] = functools.partial(_infer, network, torch.rand(1, 3, *input_size))
            if batch_size:
                optimizer = torch.optim.SGD(network.parameters(), lr=1e-4, momentum=0.9)
                images = torch.rand(batch_size, 3, *input_size)
                rows[-1] = replace(rows[-1], kept_bytes=kept_bytes(network, images))
                calls[name] = functools.partial(_train, network, optimizer, images)
    if not runs:
        return rows
    seconds = {name: timed.clock for name, timed in alternate(calls, runs).items()}
    for place, row in enumerate(rows):
        infer, products = seconds[f"{row.name} infer"], seconds[f"{row.name} product"]
        share = row.macs / GEMM_SIDE**3 * ratio_to(infer, products)[0]
        pace = batch_size / median(seconds[row.name]) if batch_size else None
        rows[place] = replace(row, seconds=median(infer), gemm_share=share, images_per_second=pace)
    return rows


def _count(name: str, blank: nn.Module, input_size: tuple[int, int]) -> Row:
    check_takes(blank, input_size)
    counted = complexity(blank, input_size)
    return Row(
        name=name,
        input_size=input_size,
        parameters=counted.parameters,
        macs=counted.macs,
        macs_without_transposed=counted.macs_without_transposed,
        activation_bytes=activation_bytes(blank, input_size),
    )


def product() -> Callable[[], Tensor]:
    """A float32 matrix product of ``GEMM_SIDE`` cubed: the machine's own rate."""
    a, b = torch.randn(GEMM_SIDE, GEMM_SIDE), torch.randn(GEMM_SIDE, GEMM_SIDE)
    return lambda: a @ b


def _infer(network: nn.Module, image: Tensor) -> None:
    network.eval()
    with torch.inference_mode():
        network(image)


def _train(network: nn.Module, optimizer: torch.optim.Optimizer, images: Tensor) -> None:
    network.train()
    optimizer.zero_grad()
    training_loss(network, images).backward()
    optimizer.step()


def table(rows: Sequence[Row]) -> Table:
    """Show the rows side by side; share: of the matrix product's rate."""
    sizes = ", ".join(dict.fromkeys(f"{height}x{width}" for height, width in (row.input_size for row in rows)))
    lines = [
        {
            "network": row.name,
            "parameters": f"{row.parameters / 1e6:.3f} M",
            "MACs": f"{row.macs / 1e9:.3f} G",
            "without\ntransposed": f"{row.macs_without_transposed / 1e9:.3f} G",
            "activations": f"{row.activation_bytes / 1e6:.1f} MB",
            "kept in\ntraining": "-" if row.kept_bytes is None else f"{row.kept_bytes / 1e6:.1f} MB",
            "latency": "-" if row.seconds is None else f"{1e3 * row.seconds:.0f} ms",
            "share": "-" if row.gemm_share is None else f"{100 * row.gemm_share:.0f} %",
            "training\nimages/s": "-" if row.images_per_second is None else f"{row.images_per_second:.2f}",
        }
        for row in rows
    ]
    return to_table(f"cost of one image, input {sizes}, {torch.get_num_threads()} thread(s)", lines, dense=True)
