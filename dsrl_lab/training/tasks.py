"""What a task adds to the loop: its examples, its loss, its score. Segmentation here; ``training.pose`` is another.

The loop knows no task: it asks for an example of a sample, for the loss of logits against it, and how much a batch
counts for (so that several processes add up to one).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn import functional as F

from dsrl_lab.datasets.base import Sample, SegmentationDataset
from dsrl_lab.datasets.transforms import JointTransform, TrainingExample, low_and_high
from dsrl_lab.losses import pixel_count, segmentation_loss
from dsrl_lab.models.base import DensePredictor
from dsrl_lab.training.config import TrainConfig
from dsrl_lab.training.evaluate import evaluate_segmentation


class Task(Protocol):
    """What the loop asks of a task.

    Samples and examples are between a task and its data; the loop only asks that an example is a named tuple of tensors
    with ``low_res`` and ``high_res``.
    """

    def example(self, sample: Any, generator: torch.Generator) -> Any:
        """Make a training example of a sample."""

    def count(self, example: Any, size: tuple[int, int]) -> Tensor:
        """How much a batch counts for (pixels, joints) when the logits have ``size``: a scalar."""

    def loss(self, logits: Tensor, example: Any, normaliser: Tensor) -> Tensor:
        """The task's loss, summed over the batch and divided by ``normaliser``."""

    def evaluate(self, model: DensePredictor, fabric: Fabric | None = None) -> dict[str, Any]:
        """Scores on the validation set, which the processes of ``fabric`` share; all of them get the whole."""


@dataclass(frozen=True)
class SegmentationTask:
    """Semantic segmentation: joint transforms, cross-entropy at the logits' size, pooled mIoU at the pictures' size.

    Args:
        config: of the run.
        upscale_factor: sides of the high resolution over sides of the input.
        validation: what is scored; None for no evaluation.
        class_weights: (K,) weights of the cross-entropy, or None.
    """

    config: TrainConfig
    upscale_factor: int = 2
    validation: SegmentationDataset | None = None
    class_weights: Tensor | None = None

    def example(self, sample: Sample, generator: torch.Generator) -> TrainingExample:
        """Scale, crop and flip, then reduce the picture for the network's input."""
        height, width = self.config.input_size
        transform = JointTransform(
            (height * self.upscale_factor, width * self.upscale_factor),
            self.config.scale_range,
            self.config.flip_probability,
        )
        return low_and_high(transform(sample, generator), self.upscale_factor)

    def count(self, example: TrainingExample, size: tuple[int, int]) -> Tensor:
        """Pixels that are not ignored."""
        return pixel_count(example.mask, class_weights=self._weights(example.mask.device))

    def loss(self, logits: Tensor, example: TrainingExample, normaliser: Tensor) -> Tensor:
        """Cross-entropy against the whole mask; a coarser position answers for every label that it covers.

        So the target of a coarse position is each class's share of its area. That has no bias and mirrors with the
        picture. One pixel in four as its label shifts the mask; a majority vote loses what is one pixel wide.
        """
        size = (example.mask.shape[-2], example.mask.shape[-1])
        if logits.shape[-2:] != size:
            logits = F.interpolate(logits, size, mode="nearest-exact")
        weights = self._weights(logits.device)
        return segmentation_loss(logits, example.mask, class_weights=weights, normaliser=normaliser)

    def evaluate(self, model: DensePredictor, fabric: Fabric | None = None) -> dict[str, Any]:
        """Pooled scores on the validation set with bilinear logits; empty where there is none."""
        if self.validation is None:
            return {}
        return evaluate_segmentation(model, self.validation, input_size=self.config.input_size, fabric=fabric).to_json()

    def _weights(self, device: torch.device) -> Tensor | None:
        return None if self.class_weights is None else self.class_weights.to(device)


def class_weights_of(dataset: SegmentationDataset, exponent: float) -> Tensor | None:
    """Weights frequency^-exponent of each class over a data set, with a mean of 1 over pixels; None for exponent 0.

    Shape:
        - output: (K,) float32; a class that does not occur gets the weight of the rarest that does
    """
    if exponent == 0:
        return None
    counts = torch.zeros(dataset.class_table.num_classes, dtype=torch.float64)
    for index in range(len(dataset)):
        mask = dataset[index].mask
        counts += torch.bincount(mask[mask != 255], minlength=len(counts))
    present = counts[counts > 0]
    frequency = counts.clamp(min=float(present.min())) / counts.sum()
    weights = frequency**-exponent
    return (weights / (weights * frequency).sum()).float()
