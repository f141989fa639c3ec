"""Scoring a segmenter by two protocols; areas (IoU) and outlines (boundary F) are pooled over the whole set.

"logits": logits are enlarged bilinearly to the picture's size, then the argmax is taken. "labels": the argmax is taken
at the network's output size and enlarged by nearest neighbour, as in the authors' release; a larger output then gains
by finer labels alone. Several processes that share the pictures give the scores of one, to the bit.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from dsrl_lab.affinity import unit_vectors
from dsrl_lab.complexity import evaluating
from dsrl_lab.datasets.base import SegmentationDataset
from dsrl_lab.datasets.transforms import reduce_image, resize_mask
from dsrl_lab.dsrl import DSRL
from dsrl_lab.layers import resize
from dsrl_lab.metrics import BoundaryScore, SegmentationScore, psnr, ssim
from dsrl_lab.metrics.affinity import affinity_statistics
from dsrl_lab.metrics.segmentation import pooled_iou
from dsrl_lab.training.examples import Samples
from dsrl_lab.training.processes import all_reduce_sum, broadcast_buffers, shard

PROTOCOLS = ("logits", "labels")


@dataclass(frozen=True, kw_only=True)
class SegmentationResult:
    """Pooled scores of a segmenter on one split, each in [0, 1]."""

    miou: float  # mean of ``iou`` over the classes that occur
    pixel_accuracy: float
    iou: dict[str, float | None]  # of each class by name; None for one that does not occur
    thin_miou: float | None  # mean of ``iou`` over the thin classes that occur
    boundary_f: dict[str, float | None]  # as ``iou``, 2 pixels tolerance at the pictures' size
    thin_boundary_f: float | None
    protocol: str
    split: str
    pictures: int
    input_size: tuple[int, int]  # (H, W) that the network received
    drives: dict[str, float]  # mIoU of each video sequence (``drive_of``); empty for one sequence
    counts: Tensor  # (pictures, 3, K) pixels of each picture and class: right, predicted, true; not in ``to_json``

    def to_json(self) -> dict[str, Any]:
        """As a dictionary that JSON can hold."""
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "counts"}
        return values if self.drives else {name: value for name, value in values.items() if name != "drives"}


def predict_logits(model: nn.Module, image: Tensor, *, input_size: tuple[int, int]) -> Tensor:
    """Logits (1, K, h, w) of a picture (3, H, W), resized to ``input_size`` first; a ValueError if not finite."""
    device = device_of(model)
    size = max(image.shape[-2], input_size[0]), max(image.shape[-1], input_size[1])
    enlarged = image if size == tuple(image.shape[-2:]) else resize(image[None], size)[0]
    with evaluating(model):
        reduced = reduce_image(enlarged.to(device), input_size)[None]
        return check_finite(model(reduced.to(next(model.parameters(), reduced).dtype)).float())


def check_not_empty(samples: Samples, split: str) -> None:
    """Refuse to score nothing."""
    if not len(samples):
        raise ValueError(f"expected at least one picture in {split} to score, got none; check the data folder")


def check_outputs(model: nn.Module, dataset: Any, count: int, what: str) -> None:
    """Refuse a split without samples, and a network that gives another number of classes or joints than it has."""
    check_not_empty(dataset, dataset.split)
    if model.num_classes != count:
        raise ValueError(
            f"the network gives {model.num_classes} {what}, the data set has {count}; "
            "take the data set it was trained on, or build it with that num_classes"
        )


def device_of(model: nn.Module) -> torch.device:
    """Where a model's parameters are; the CPU for one without (exported networks)."""
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))


def check_finite(logits: Tensor, *, source: str = "the network") -> Tensor:
    """Give logits back, or refuse NaN and infinity by a ValueError: the argmax of NaN is class 0."""
    if not bool(logits.isfinite().all()):
        raise ValueError(
            f"expected finite logits, {source} gives NaN or infinity; its weights are damaged or their training "
            "diverged: take another checkpoint"
        )
    return logits


def predict_mask(model: nn.Module, image: Tensor, *, input_size: tuple[int, int], protocol: str = "logits") -> Tensor:
    """Class ids (H, W) of an image (3, H, W), by one of ``PROTOCOLS``; a ValueError for others or logits not finite."""
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

    ``model`` is without its training-only half (``dsrl.task_model``). ``progress`` gets (done, all) after each
    picture; processes that share the pictures, ``fabric``, must each call this and get the whole result.

    ValueError for no pictures, a wrong number of classes, an unknown protocol, or logits of a picture not finite.
    """
    table = dataset.class_table
    check_outputs(model, dataset, table.num_classes, "classes")
    score, outlines = SegmentationScore(table.num_classes), BoundaryScore(table.num_classes)
    counts = torch.zeros(len(dataset), 3, table.num_classes, dtype=torch.int64)
    broadcast_buffers(model, fabric)
    part = shard(len(dataset), fabric)
    for done, index in enumerate(part, start=1):
        sample = dataset[index]
        try:
            pred = predict_mask(model, sample.image, input_size=input_size, protocol=protocol)[None].cpu()
        except ValueError as error:
            raise ValueError(f"{sample.name}: {error}") from error
        before = score.confusion.clone()
        score.update(pred, sample.mask[None])
        outlines.update(pred, sample.mask[None])
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


def drive_of(name: str) -> str:
    """The video sequence in a picture's name, its part before the first "_"; "" for none.

    Example:
        >>> drive_of("test/Seq05VD_f00000.png"), drive_of("val/000002")
        ('Seq05VD', '')
    """
    stem = name.rpartition("/")[2]
    return stem.partition("_")[0] if "_" in stem else ""


def drive_scores(names: Sequence[str], counts: Tensor) -> dict[str, float]:
    """Pooled mIoU of each video sequence; empty for fewer than two."""
    places: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        places.setdefault(drive_of(name), []).append(index)
    return {drive: float(pooled_iou(counts[ids].sum(0)).nanmean()) for drive, ids in places.items() if len(places) > 1}


def evaluate_affinity(
    dsrl: DSRL, dataset: SegmentationDataset, *, input_size: tuple[int, int], pictures: int = 25
) -> dict[str, float]:
    """How well the two branches' affinities separate the classes, the mean over evenly spaced pictures.

    ``AffinityStatistics`` of "task" and "sisr" ("task_auc", ...), and with the mean over positions removed
    ("sisr_centred_mean", ...). A ValueError for a network without a SISR head.
    """
    _check_sisr(dsrl)
    device = device_of(dsrl)
    sums: dict[str, list[float]] = {}
    for index in range(0, len(dataset), max(1, -(-len(dataset) // pictures))):
        sample = dataset[index]
        with evaluating(dsrl):
            task, sisr = dsrl.compared_features(reduce_image(sample.image.to(device), input_size)[None])
        labels = resize_mask(sample.mask, (task.shape[-2], task.shape[-1])).flatten()
        for name, features in (("task", task), ("sisr", sisr)):
            centred = features - features.mean(dim=(2, 3), keepdim=True)
            for kind, x in ((name, features), (f"{name}_centred", centred)):
                for part, value in affinity_statistics(unit_vectors(x, 2.0)[0].cpu(), labels)._asdict().items():
                    sums.setdefault(f"{kind}_{part}", []).append(value)
    return {name: float(torch.tensor(values).nanmean()) for name, values in sums.items()}


def evaluate_super_resolution(
    dsrl: DSRL, dataset: Samples, *, input_size: tuple[int, int], fabric: Fabric | None = None
) -> dict[str, float]:
    """PSNR (dB) and SSIM of the SISR branch's RGB image, the mean over pictures of one size; bilinear beside it.

    A ValueError for a network without a SISR head, or an image that is not finite.
    """
    _check_sisr(dsrl)
    high_size = (input_size[0] * dsrl.upscale_factor, input_size[1] * dsrl.upscale_factor)
    device = device_of(dsrl)
    broadcast_buffers(dsrl, fabric)
    scores = torch.zeros(len(dataset), 4, dtype=torch.float64)
    for index in shard(len(dataset), fabric):
        high_res = reduce_image(dataset[index].image, high_size)[None]
        low_res = reduce_image(high_res, input_size)
        with evaluating(dsrl):
            super_res = check_finite(dsrl(low_res.to(device)).super_res.cpu()).clamp(0, 1)
        ours, bilinear = ((psnr(x, high_res), ssim(x, high_res)) for x in (super_res, resize(low_res, high_size)))
        scores[index] = torch.stack([*ours, *bilinear])
    means = all_reduce_sum(scores, fabric).mean(0).tolist()
    return dict(zip(("psnr", "ssim", "bilinear_psnr", "bilinear_ssim"), means, strict=True))


def _check_sisr(dsrl: DSRL) -> None:
    if dsrl.sisr_head is None:
        raise ValueError("this network has no SISR head; score one that was trained with sisr=True")


def _mean(values: Iterable[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return sum(there) / len(there) if there else None


def number_or_none(value: float) -> float | None:
    """A score as JSON can hold it: None for NaN, the score of a class or joint that does not occur."""
    return None if value != value else value
