"""Segmentation compare: picture, truth and two predictions; what the second wins and loses; IoU of each class."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from dsrl_lab.datasets.base import IGNORE_INDEX, ClassTable
from dsrl_lab.language import translate
from dsrl_lab.metrics import SegmentationScore
from dsrl_lab.plots.masks import class_handles, compare_masks, mask_errors, show_image, show_mask, to_picture
from dsrl_lab.plots.theme import new_figure, theme
from dsrl_lab.rows import BLUE, GREY, ORANGE
from dsrl_lab.training.evaluate import number_or_none
from dsrl_lab.widgets.base import Widget, as_image, as_tensor, or_refused

ALT = "Picture, true classes, predictions of {one} and {other}, and the pixels that differ"


class SegmentationCompare(Widget):
    """Compare two predictions with the truth, pixel by pixel and class by class.

    ``image`` is (3, H, W) in [0, 1] or a NumPy picture (H, W, 3); ``truth``, ``before`` and ``after`` are (H, W) class
    ids, 255 where nothing is known; ``names`` are those of the predictions. ``value`` is the chosen pixel (y, x);
    ``alt`` and ``guide`` as in ``Widget``.

    Example:
        >>> table, mask = ClassTable(("road", "pole"), ((128, 64, 128), (192, 192, 128))), torch.tensor([[0, 1]])
        >>> segmentation_compare(torch.rand(3, 1, 2), mask, mask + 1, mask, table)
        Refused("expected class ids 0 to 1 in the prediction...
    """

    script_name, title, chosen = "segmentation", "Segmentation compare", "position"

    def __init__(
        self,
        image: Any,
        truth: Any,
        before: Any,
        after: Any,
        table: ClassTable,
        *,
        names: tuple[str, str] = ("baseline", "DSRL"),
        alt: str = "",
        guide: Mapping[str, str] | None = None,
    ) -> None:
        image, truth, before, after = as_image(image), *(as_tensor(mask).long() for mask in (truth, before, after))
        picture = to_picture(image)
        if picture.shape[:2] != truth.shape:
            raise ValueError(
                f"expected masks of the picture's size {picture.shape[:2]}, got {tuple(truth.shape)}; "
                "resize the logits to the picture before the argmax"
            )
        if not torch.isfinite(image).all():
            raise ValueError("the picture holds NaN or infinity; pass it before it is normalised")
        changes = compare_masks(truth, before, after)
        self.masks, self.image, self.table, self.names = (truth, before, after), image, table, names
        scores = [_scores(pred, truth, table.num_classes) for pred in (before, after)]
        counted = max(changes.counted, 1)
        super().__init__(
            arrays={
                "image": picture,
                "truth": _ids(truth),
                "before": _ids(before),
                "after": _ids(after),
                "colors": np.asarray(table.colors, np.uint8),
            },
            facts={
                "classes": list(table.names),
                "names": list(names),
                "scores": scores,
                "shares": [float(part.sum()) / counted for part in changes[:2]],
                "ignore": IGNORE_INDEX,
                "changes": {"won": _rgb(BLUE), "lost": _rgb(ORANGE), "wrong": _rgb(GREY)},
            },
            state={"opacity": 0.6, "class": None, "position": [truth.shape[0] // 2, truth.shape[1] // 2]},
            alt=alt or translate(ALT, one=translate(names[0]), other=translate(names[1])),
            guide=guide,
        )

    def static(self) -> Figure:
        """Picture, truth, both predictions over the picture, and the pixels won and lost."""
        truth, before, after = self.masks
        with theme():
            height, width = truth.shape
            figure = new_figure(13, 2.6 * height / width + 1.0)
            axes = figure.subplots(1, 5)
            show_image(self.image, title="picture", ax=axes[0])
            scores = [f" (mIoU {100 * found['miou']:.1f} %)" for found in self.facts["scores"]]
            before_name, after_name = map(translate, self.names)
            titles = ("truth", before_name + scores[0], after_name + scores[1])
            for ax, mask, title in zip(axes[1:4], self.masks, titles, strict=True):
                show_mask(mask, self.table, image=self.image, alpha=0.75, legend=False, title=title, ax=ax)
            title = translate("{after} against {before}", after=after_name, before=before_name)
            mask_errors(truth, before, after, image=self.image, legend=False, title=title, ax=axes[4])
            won, lost = (100 * share for share in self.facts["shares"])
            axes[4].set_xlabel(f"blue: won {won:.1f} %, orange: lost {lost:.1f} %,\ngrey: wrong in both", fontsize=8.5)
            present = [i for i in torch.unique(torch.stack(self.masks)).tolist() if i != IGNORE_INDEX]
            handles = class_handles(self.table, present)
            figure.legend(handles=handles, loc="outside lower left", ncols=11, handlelength=1)
        return figure


segmentation_compare = or_refused(SegmentationCompare)


def _scores(pred: Tensor, truth: Tensor, num_classes: int) -> dict[str, Any]:
    score = SegmentationScore(num_classes)
    score.update(pred[None], truth[None])
    found = score.compute()
    return {"miou": found.miou, "iou": [number_or_none(x) for x in found.iou.tolist()]}


def _ids(mask: Tensor) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.asarray(mask.detach().cpu().numpy(), np.uint8)


def _rgb(color: str) -> list[int]:
    return [int(color[i : i + 2], 16) for i in (1, 3, 5)]
