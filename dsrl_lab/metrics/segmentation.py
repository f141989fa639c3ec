"""Scores of segmenters, pooled over the whole set.

mIoU: one confusion matrix for the set, as PASCAL VOC and Cityscapes have it, never a mean over images; counted by
torchmetrics. Boundary F: Csurka et al., "What is a good evaluation measure for semantic segmentation?", BMVC 2013, per
class; deviations: pixels are pooled over the set (theirs: a mean over images), and the tolerance is in pixels.
"""

import itertools
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F
from torchmetrics.functional.classification import multiclass_confusion_matrix

NO_BOUNDARY = -1


def _class_ids(pred_or_logits: Tensor, mask: Tensor, num_classes: int, ignore_index: int) -> tuple[Tensor, Tensor]:
    """Predicted and true class ids, both int64 (N, H, W) and checked; logits become their argmax."""
    pred = pred_or_logits
    if pred.is_floating_point():
        if pred.ndim != 4 or pred.shape[1] != num_classes:
            raise ValueError(
                f"expected logits of shape (N, {num_classes}, H, W), got {tuple(pred.shape)}; "
                "build the score with the network's number of classes"
            )
        if not pred.isfinite().all():
            raise ValueError("expected finite logits, got NaN or infinity; check the network's weights and its input")
        pred = pred.argmax(1)
    if pred.ndim != 3 or pred.shape != mask.shape:
        raise ValueError(
            f"expected prediction and mask of one shape (N, H, W), got {tuple(pred.shape)} and {tuple(mask.shape)}; "
            "resize the logits to the mask's size before scoring"
        )
    pred, mask = pred.long(), mask.long()  # bytes cannot hold a boundary's mark, nor a negative id
    labelled = mask != ignore_index
    for name, ids in (("mask", mask), ("prediction", pred)):
        wrong = labelled & ((ids < 0) | (ids >= num_classes))
        if wrong.any():
            raise ValueError(
                f"expected class ids 0 to {num_classes - 1} in the {name}, or {ignore_index} for ignored pixels, "
                f"got {int(ids[wrong][0])}; map the ids to the class table's order first"
            )
    return pred, mask


def pooled_iou(counts: Tensor) -> Tensor:
    """IoU (..., K) of summed counts (..., 3, K), right, predicted and true pixels; NaN where a class does not occur.

    Example:
        >>> pooled_iou(torch.tensor([[2, 4], [2, 5], [3, 4]])).tolist()  # 2/3 and 4/5
        [0.6666666666666666, 0.8]
    """
    right, predicted, true = counts.double().unbind(-2)
    return right / (predicted + true - right)


class SegmentationScores(NamedTuple):
    """Pooled scores of a segmenter."""

    miou: float  # mean of ``iou`` over the classes that have one
    iou: Tensor  # (K,) float64 in [0, 1]; NaN for a class that neither occurs nor is predicted
    pixel_accuracy: float  # share of labelled pixels that are right, in [0, 1]


class SegmentationScore:
    """Collects one confusion matrix over a whole set; make a fresh one for each evaluation.

    ``confusion`` is (K, K) int64: pixels of true class (row) that were given a class (column).

    Example:
        >>> score = SegmentationScore(num_classes=3)
        >>> score.update(torch.tensor([[[0, 0, 1, 1]]]), torch.tensor([[[0, 1, 1, 255]]]))
        >>> score.compute().iou.tolist()  # class 2 is nowhere
        [0.5, 0.5, nan]
    """

    def __init__(self, num_classes: int, ignore_index: int = 255) -> None:
        self.num_classes = num_classes
        self.ignore_index = ignore_index
        self.confusion = torch.zeros(self.num_classes, self.num_classes, dtype=torch.int64)

    def update(self, pred_or_logits: Tensor, mask: Tensor) -> None:
        """Add a batch: class ids (N, H, W) or floating-point logits (N, K, H, W), and a mask (N, H, W) of class ids.

        Shapes that do not fit, a class id out of range, or logits that are not finite, are a ValueError.
        """
        pred, mask = _class_ids(pred_or_logits, mask, self.num_classes, self.ignore_index)
        batch = multiclass_confusion_matrix(
            pred, mask, self.num_classes, ignore_index=self.ignore_index, validate_args=False
        )
        self.confusion += batch.cpu()

    def add_up(self, over_processes: Callable[[Tensor], Tensor]) -> None:
        """Make this the score of all processes' images; ``over_processes`` sums a tensor over the processes."""
        self.confusion = over_processes(self.confusion)

    def compute(self) -> SegmentationScores:
        """Scores of all that was added; a ValueError where no labelled pixel was."""
        if not self.confusion.any():
            raise ValueError("expected at least one labelled pixel, got none; call update with the set's masks first")
        right = self.confusion.diag()
        iou = pooled_iou(torch.stack([right, self.confusion.sum(0), self.confusion.sum(1)]))
        return SegmentationScores(float(iou.nanmean()), iou, float(right.double().sum() / self.confusion.sum()))


class BoundaryScores(NamedTuple):
    """Pooled boundary scores of a segmenter, each in [0, 1]."""

    mean: float  # mean of ``f`` over the classes that have one
    f: Tensor  # (K,) float64, harmonic mean of precision and recall; NaN where neither side has a boundary of the class
    precision: Tensor  # (K,) share of predicted boundary pixels with a true one near by; NaN if there is none
    recall: Tensor  # (K,) share of true boundary pixels with a predicted one of the class near by; NaN if there is none


class BoundaryScore:
    """Boundary F: are the outlines in the right place? More sensitive than IoU for poles, signs and fences.

    A boundary pixel of a class has a 4-neighbour of another class; the image's border and the edges of ignored regions
    make no boundary. "Near by" is a distance of pixel centres of at most ``tolerance`` pixels.

    Example:
        >>> pole = torch.zeros(1, 5, 9, dtype=torch.int64)
        >>> pole[..., 4] = 1
        >>> score = BoundaryScore(num_classes=2, tolerance=1)
        >>> score.update(pole.roll(2, dims=-1), pole)  # every pixel of the pole is 2 pixels off
        >>> score.compute().f[1].item()
        0.0
    """

    def __init__(self, num_classes: int, *, tolerance: int = 2, ignore_index: int = 255) -> None:
        if tolerance < 0:
            raise ValueError(f"expected a tolerance of 0 or more pixels, got {tolerance}")
        self.num_classes = num_classes
        self.tolerance = tolerance
        self.ignore_index = ignore_index
        self._near, self._all = torch.zeros(2, 2, self.num_classes, dtype=torch.float64)  # rows: predicted, true

    def update(self, pred_or_logits: Tensor, mask: Tensor) -> None:
        """Add a batch; shapes and errors as in ``SegmentationScore.update``."""
        pred, mask = _class_ids(pred_or_logits, mask, self.num_classes, self.ignore_index)
        labelled = mask != self.ignore_index
        predicted, true = self._boundaries(pred, labelled), self._boundaries(mask, labelled)
        for side, (ours, theirs) in enumerate(((predicted, true), (true, predicted))):
            near = self._near_same_class(ours, theirs)
            self._near[side] += torch.bincount(ours[near], minlength=self.num_classes).cpu()
            self._all[side] += torch.bincount(ours[ours != NO_BOUNDARY], minlength=self.num_classes).cpu()

    def add_up(self, over_processes: Callable[[Tensor], Tensor]) -> None:
        """Make this the score of all processes' images, as ``SegmentationScore.add_up``."""
        self._near, self._all = over_processes(self._near), over_processes(self._all)

    def compute(self) -> BoundaryScores:
        """Scores of all that was added."""
        precision, recall = self._near / self._all
        p, r = precision.nan_to_num(0), recall.nan_to_num(0)
        f = (2 * p * r / (p + r)).nan_to_num(0).masked_fill(self._all.sum(0) == 0, torch.nan)
        return BoundaryScores(float(f.nanmean()), f, precision, recall)

    def _boundaries(self, ids: Tensor, labelled: Tensor) -> Tensor:
        """(N, H, W): the class of each boundary pixel, NO_BOUNDARY elsewhere."""
        edge = torch.zeros_like(labelled)
        for axis in (1, 2):  # movedim gives views: what is set in them is set in edge
            here, known, found = (x.movedim(axis, 0) for x in (ids, labelled, edge))
            jump = (here[:-1] != here[1:]) & known[:-1] & known[1:]
            found[:-1] |= jump
            found[1:] |= jump
        return ids.masked_fill(~edge, NO_BOUNDARY)

    def _near_same_class(self, ours: Tensor, theirs: Tensor) -> Tensor:
        """(N, H, W): which of our boundary pixels have one of theirs, of the same class, within the tolerance."""
        reach = self.tolerance
        height, width = ours.shape[-2:]
        padded = F.pad(theirs, (reach, reach, reach, reach), value=NO_BOUNDARY)
        near = torch.zeros_like(ours, dtype=torch.bool)
        for dy, dx in itertools.product(range(-reach, reach + 1), repeat=2):
            if dy**2 + dx**2 <= reach**2:
                near |= padded[:, reach + dy : reach + dy + height, reach + dx : reach + dx + width] == ours
        return near & (ours != NO_BOUNDARY)
