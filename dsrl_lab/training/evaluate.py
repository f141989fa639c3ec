"""Scoring a segmenter the honest way, and the paper's released way beside it.

"logits": the network's logits are enlarged bilinearly to the picture's own size, then the argmax is taken. "labels":
the argmax is taken at the network's output size and the label map is enlarged by nearest neighbour, as the authors'
released evaluation does; a larger output then gains by finer labels alone. Scores are pooled over the whole set. Beside
the areas (IoU) stand the outlines (boundary F), which tell more about poles, signs and fences. Several processes share
the pictures (``training.processes``); the scores are those of one, to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from dsrl_lab.datasets.base import SegmentationDataset
from dsrl_lab.datasets.transforms import normalise, reduce_image, resize_mask
from dsrl_lab.dsrl import DSRL
from dsrl_lab.layers import resize
from dsrl_lab.metrics import BoundaryScore, SegmentationScore, psnr, ssim
from dsrl_lab.training.examples import Samples
from dsrl_lab.training.processes import all_reduce_sum, broadcast_buffers, shard

PROTOCOLS = ("logits", "labels")


@dataclass(frozen=True, kw_only=True)
class SegmentationResult:
    """Pooled scores of a segmenter on one split.

    Attributes:
        miou: mean of ``iou`` over the classes that occur.
        pixel_accuracy: share of pixels that are right, in [0, 1].
        iou: class name to intersection over union in [0, 1]; None for a class that does not occur.
        thin_miou: mean of ``iou`` over the thin classes that occur.
        boundary_f: class name to boundary F in [0, 1], 2 pixels tolerance at the pictures' size; None as for ``iou``.
        thin_boundary_f: mean of ``boundary_f`` over the thin classes that occur.
        protocol: "logits" or "labels", see the file's first lines.
        split: which split was scored.
        pictures: how many.
        input_size: (H, W) that the network received.
    """

    miou: float
    pixel_accuracy: float
    iou: dict[str, float | None]
    thin_miou: float | None
    boundary_f: dict[str, float | None]
    thin_boundary_f: float | None
    protocol: str
    split: str
    pictures: int
    input_size: tuple[int, int]

    def to_json(self) -> dict[str, Any]:
        """As a dictionary that JSON can hold."""
        return asdict(self)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model into evaluation without gradients, and back into what it was afterwards."""
    was_training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for module in was_training:
            module.training = True


def predict_logits(model: nn.Module, image: Tensor, *, input_size: tuple[int, int]) -> Tensor:
    """Logits of one picture at the network's own output size.

    Args:
        model: a segmenter.
        image: a picture at its full size.
        input_size: (H, W) that the picture is reduced to (antialiased) for the network.

    Shape:
        - image: (3, H, W) in [0, 1]
        - output: (1, K, h, w)
    """
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))  # exported: none
    with evaluating(model):
        return model(normalise(reduce_image(image.to(device), input_size)[None]))


def predict_mask(model: nn.Module, image: Tensor, *, input_size: tuple[int, int], protocol: str = "logits") -> Tensor:
    """Class ids of one picture at its own size.

    Args:
        model: a segmenter.
        image: a picture at its full size.
        input_size: (H, W) that the network receives.
        protocol: "logits" (bilinear) or "labels" (nearest neighbour).

    Shape:
        - image: (3, H, W) in [0, 1]
        - output: (H, W) int64

    Raises:
        ValueError: unknown protocol.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"unknown protocol {protocol!r}; choose one of {', '.join(PROTOCOLS)}")
    logits = predict_logits(model, image, input_size=input_size)
    size = (image.shape[-2], image.shape[-1])
    if protocol == "labels":
        return resize_mask(logits.argmax(1), size)[0]
    return resize(logits, size).argmax(1)[0]


def evaluate_segmentation(
    model: nn.Module,
    dataset: SegmentationDataset,
    *,
    input_size: tuple[int, int],
    protocol: str = "logits",
    progress: Callable[[int, int], None] | None = None,
    fabric: Fabric | None = None,
) -> SegmentationResult:
    """Score a segmenter over a whole split, each picture at its own size.

    Args:
        model: a segmenter without its training-only half (``dsrl.task_model``), or an exported one.
        dataset: a split with masks.
        input_size: (H, W) that the network receives.
        protocol: "logits" (bilinear) or "labels" (nearest neighbour).
        progress: called with (done, all) after each picture; of this process.
        fabric: processes that share the pictures, each of which must call this and gets the whole result; None for one.

    Raises:
        ValueError: the network and the data set differ in their number of classes, or an unknown protocol.
    """
    table = dataset.class_table
    if model.num_classes != table.num_classes:
        raise ValueError(
            f"the network gives {model.num_classes} classes, the data set has {table.num_classes}; "
            "evaluate on the data set it was trained on, or build it with that num_classes"
        )
    score, outlines = SegmentationScore(table.num_classes), BoundaryScore(table.num_classes)
    broadcast_buffers(model, fabric)
    part = shard(len(dataset), fabric)
    for done, index in enumerate(part, start=1):
        sample = dataset[index]
        pred = predict_mask(model, sample.image, input_size=input_size, protocol=protocol)
        score.update(pred[None].cpu(), sample.mask[None])
        outlines.update(pred[None].cpu(), sample.mask[None])
        if progress is not None:
            progress(done, len(part))
    for collected in (score, outlines):
        collected.add_up(lambda counts: all_reduce_sum(counts, fabric))
    result = score.compute()
    iou, boundary_f = (
        {name: number_or_none(value) for name, value in zip(table.names, values.tolist(), strict=True)}
        for values in (result.iou, outlines.compute().f)
    )
    return SegmentationResult(
        miou=float(result.miou),
        pixel_accuracy=float(result.pixel_accuracy),
        iou=iou,
        thin_miou=_mean(iou[name] for name in table.thin),
        boundary_f=boundary_f,
        thin_boundary_f=_mean(boundary_f[name] for name in table.thin),
        protocol=protocol,
        split=dataset.split,
        pictures=len(dataset),
        input_size=(input_size[0], input_size[1]),
    )


def evaluate_super_resolution(
    dsrl: DSRL, dataset: Samples, *, input_size: tuple[int, int], fabric: Fabric | None = None
) -> dict[str, float]:
    """PSNR (dB) and SSIM of the SISR branch's image, RGB, the mean over pictures; bilinear enlargement beside it.

    Args:
        dsrl: a network with a SISR head.
        dataset: pictures of one size, at least ``upscale_factor * input_size``.
        input_size: (H, W) that the network receives.
        fabric: processes that share the pictures, as in ``evaluate_segmentation``.

    Raises:
        ValueError: the network has no SISR head.
    """
    if dsrl.sisr_head is None:
        raise ValueError("this network has no SISR head; score one that was trained with sisr=True")
    high_size = (input_size[0] * dsrl.upscale_factor, input_size[1] * dsrl.upscale_factor)
    device = next(dsrl.parameters()).device
    broadcast_buffers(dsrl, fabric)
    scores = torch.zeros(len(dataset), 4, dtype=torch.float64)
    for index in shard(len(dataset), fabric):
        high_res = reduce_image(dataset[index].image, high_size)[None]
        low_res = reduce_image(high_res, input_size)
        with evaluating(dsrl):
            super_res = dsrl(normalise(low_res.to(device))).super_res.clamp(0, 1).cpu()
        ours, bilinear = ((psnr(x, high_res), ssim(x, high_res)) for x in (super_res, resize(low_res, high_size)))
        scores[index] = torch.stack([*ours, *bilinear])
    means = all_reduce_sum(scores, fabric).mean(0).tolist()
    return dict(zip(("psnr", "ssim", "bilinear_psnr", "bilinear_ssim"), means, strict=True))


def _mean(values: Iterable[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return sum(there) / len(there) if there else None


def number_or_none(value: float) -> float | None:
    """A score as JSON can hold it: None for NaN, the score of a class or joint that does not occur.

    Example:
        >>> number_or_none(0.5), number_or_none(float("nan"))
        (0.5, None)
    """
    return None if value != value else value
