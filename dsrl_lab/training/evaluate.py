"""Scoring a segmenter the honest way, and the paper's released way beside it.

"logits": the network's logits are enlarged bilinearly to the picture's own size, then the argmax is taken. "labels":
the argmax is taken at the network's output size and the label map is enlarged by nearest neighbour, as the authors'
released evaluation does; a larger output then gains by finer labels alone. Scores are pooled over the whole set. Beside
the areas (IoU) stand the outlines (boundary F), which tell more about poles, signs and fences. Several processes share
the pictures (``training.processes``); the scores are those of one, to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from dsrl_lab.affinity import affinity_matrix
from dsrl_lab.datasets.base import SegmentationDataset
from dsrl_lab.datasets.transforms import reduce_image, resize_mask
from dsrl_lab.dsrl import DSRL
from dsrl_lab.layers import resize
from dsrl_lab.metrics import BoundaryScore, SegmentationScore, psnr, ssim
from dsrl_lab.metrics.affinity import affinity_statistics
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
        drives: sequence of a video to mIoU over its pictures alone; the sequence is a name's part before the first "_".
        counts: (pictures, 3, K) pixels of each picture and class: right, predicted, true. Not in ``to_json``.
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
    drives: dict[str, float]
    counts: Tensor

    def to_json(self) -> dict[str, Any]:
        """As a dictionary that JSON can hold."""
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "counts"}
        return values if self.drives else {name: value for name, value in values.items() if name != "drives"}


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
        input_size: (H, W) that the picture is reduced to (antialiased) for the network; smaller ones are enlarged.

    Shape:
        - image: (3, H, W) in [0, 1]
        - output: (1, K, h, w)

    Raises:
        ValueError: logits that are not finite.
    """
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))  # exported: none
    size = max(image.shape[-2], input_size[0]), max(image.shape[-1], input_size[1])
    enlarged = image if size == tuple(image.shape[-2:]) else resize(image[None], size)[0]
    with evaluating(model):
        return check_finite(model(reduce_image(enlarged.to(device), input_size)[None]))


def check_finite(logits: Tensor, *, source: str = "the network") -> Tensor:
    """Give logits back, or refuse them: the argmax of NaN is class 0, and a comparison with NaN passes many a guard.

    Raises:
        ValueError: a logit is NaN or infinite.

    Example:
        >>> check_finite(torch.tensor([0.5, float("nan")]))
        Traceback (most recent call last):
            ...
        ValueError: expected finite logits, the network gives NaN or infinity; ...
    """
    if not bool(logits.isfinite().all()):
        raise ValueError(
            f"expected finite logits, {source} gives NaN or infinity; its weights are damaged or their training "
            "diverged: take another checkpoint"
        )
    return logits


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
    counts = torch.zeros(len(dataset), 3, table.num_classes, dtype=torch.int64)
    broadcast_buffers(model, fabric)
    part = shard(len(dataset), fabric)
    for done, index in enumerate(part, start=1):
        sample = dataset[index]
        pred = predict_mask(model, sample.image, input_size=input_size, protocol=protocol)
        before = score.confusion.clone()
        score.update(pred[None].cpu(), sample.mask[None])
        outlines.update(pred[None].cpu(), sample.mask[None])
        picture = score.confusion - before
        counts[index] = torch.stack([picture.diag(), picture.sum(0), picture.sum(1)])
        if progress is not None:
            progress(done, len(part))
    for collected in (score, outlines):
        collected.add_up(lambda counts: all_reduce_sum(counts, fabric))
    counts = all_reduce_sum(counts, fabric)
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
        drives=drive_scores(dataset.names, counts),
        counts=counts,
    )


def pooled_miou(counts: Tensor) -> float:
    """MIoU of some pictures together.

    Shape:
        - counts: (pictures, 3, K) as in ``SegmentationResult``

    Example:
        >>> pooled_miou(torch.tensor([[[2, 0], [2, 1], [3, 0]], [[0, 4], [0, 4], [0, 4]]]))  # 2/3 and 4/5
        0.7333333333333334
    """
    right, predicted, true = counts.sum(0).double()
    return float((right / (predicted + true - right)).nanmean())


def drive_of(name: str) -> str:
    """The video sequence that a picture's name tells of, "" for none.

    Example:
        >>> drive_of("test/Seq05VD_f00000.png"), drive_of("val/000002")
        ('Seq05VD', '')
    """
    stem = name.rpartition("/")[2]
    return stem.partition("_")[0] if "_" in stem else ""


def drive_scores(names: Sequence[str], counts: Tensor) -> dict[str, float]:
    """Pooled mIoU of each video sequence; empty where the names tell of no more than one."""
    places: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        places.setdefault(drive_of(name), []).append(index)
    return {drive: pooled_miou(counts[found]) for drive, found in places.items()} if len(places) > 1 else {}


def evaluate_affinity(
    dsrl: DSRL, dataset: SegmentationDataset, *, input_size: tuple[int, int], pictures: int = 25
) -> dict[str, float]:
    """What the two branches' affinities know of the classes, the mean over evenly spaced pictures.

    Args:
        dsrl: a network with a SISR head; without a feature transform the host's last features stand for the task's.
        dataset: a split with masks, best one that was not trained on.
        input_size: (H, W) that the network receives.
        pictures: how many are looked at.

    Returns:
        For "task" and "sisr", and for both with the mean over positions removed ("task_centred", ...), the three
        numbers of ``AffinityStatistics``, as "task_auc", "sisr_centred_mean", ...

    Raises:
        ValueError: the network has no SISR head.
    """
    if dsrl.sisr_head is None:
        raise ValueError("this network has no SISR head; measure one that was trained with sisr=True")
    device = next(dsrl.parameters()).device
    sums: dict[str, list[float]] = {}
    for index in range(0, len(dataset), max(1, len(dataset) // pictures)):
        sample = dataset[index]
        with evaluating(dsrl):
            task, sisr = dsrl.compared_features(reduce_image(sample.image.to(device), input_size)[None])
        labels = resize_mask(sample.mask, (task.shape[-2], task.shape[-1])).flatten()
        for name, features in (("task", task), ("sisr", sisr)):
            centred = features - features.mean(dim=(2, 3), keepdim=True)
            for kind, x in ((name, features), (f"{name}_centred", centred)):
                for part, value in affinity_statistics(affinity_matrix(x)[0].cpu(), labels)._asdict().items():
                    sums.setdefault(f"{kind}_{part}", []).append(value)
    return {name: float(torch.tensor(values).nanmean()) for name, values in sums.items()}


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
            super_res = dsrl(low_res.to(device)).super_res.clamp(0, 1).cpu()
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
