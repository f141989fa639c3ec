"""One network under every protocol in public use: whoever compares two numbers must know which mIoU each of them is."""

from collections.abc import Callable

import torch
from torch import nn

from dsrl_lab.datasets.base import IGNORE_INDEX, SegmentationDataset
from dsrl_lab.datasets.transforms import resize_mask
from dsrl_lab.layers import resize
from dsrl_lab.metrics import SegmentationScore
from dsrl_lab.training.evaluate import check_outputs, predict_logits

MEANING = {
    "logits": "pooled over the set, logits enlarged: this kit's, and that of Cityscapes' server",
    "labels": "pooled, labels enlarged: the authors' released script",
    "per picture": "the mean over pictures of each one's own mIoU",
    "half size": "pooled, at half of the pictures' sides",
    "ignored as a class": "pooled, ignored pixels being one class more (20 of Cityscapes)",
}


def every_protocol(
    model: nn.Module,
    dataset: SegmentationDataset,
    *,
    input_size: tuple[int, int],
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, float]:
    """MIoU in [0, 1] by each protocol of ``MEANING``, the network run once for each picture; errors as of scoring."""
    classes = dataset.class_table.num_classes
    check_outputs(model, dataset, classes, "classes")
    scores = {name: SegmentationScore(classes) for name in ("logits", "labels", "half size")}
    scores["ignored as a class"] = SegmentationScore(classes + 1)
    own = []
    for index in range(len(dataset)):
        sample = dataset[index]
        mask, (height, width) = sample.mask[None], sample.mask.shape
        logits = predict_logits(model, sample.image, input_size=input_size).cpu()
        pred, half = resize(logits, (height, width)).argmax(1), (height // 2, width // 2)
        scores["labels"].update(resize_mask(logits.argmax(1), (height, width)), mask)
        scores["half size"].update(resize(logits, half).argmax(1), resize_mask(mask, half))
        scores["ignored as a class"].update(pred, torch.where(mask == IGNORE_INDEX, classes, mask))
        alone = SegmentationScore(classes)
        alone.update(pred, mask)
        scores["logits"].confusion += alone.confusion
        if alone.confusion.any():
            own.append(alone.compute().miou)
        if progress is not None:
            progress(index + 1, len(dataset))
    found = {name: score.compute().miou for name, score in scores.items()} | {"per picture": sum(own) / len(own)}
    return {name: found[name] for name in MEANING}
