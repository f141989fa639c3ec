"""An objective gives the loop its loss and its score. Segmentation is here; pose and super-resolution are beside it.

The paper's objective is one function, ``dsrl_loss``: the task's loss, SISR's and feature affinity's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional as F

from dsrl_lab.affinity import feature_affinity_loss
from dsrl_lab.datasets.base import Sample, SegmentationDataset
from dsrl_lab.datasets.transforms import JointTransform, TrainingExample, low_and_high, normalise
from dsrl_lab.dsrl import DSRL, DSRLOutput
from dsrl_lab.losses import LossTerms, objective, pixel_count, reconstruction_loss, segmentation_loss
from dsrl_lab.training.config import TrainConfig
from dsrl_lab.training.evaluate import evaluate_segmentation


class Objective(Protocol):
    """What the loop asks for. Batches are named tuples of tensors with ``low_res``, the network's input."""

    score: str  # the metric that chooses the best weights; larger is better

    def example(self, sample: Any, generator: torch.Generator) -> Any:
        """Make a training example of a sample; all draws come from the generator."""

    def count(self, batch: Any) -> Tensor:
        """Pixels or joints that a batch counts for, a scalar, so that several processes add up to one."""

    def loss(self, model: Any, batch: Any, *, iteration: int, count: Tensor) -> LossTerms:
        """The whole objective of a batch, its task's sum divided by ``count``."""

    def evaluate(self, model: Any, fabric: Fabric | None = None) -> dict[str, Any]:
        """Scores on the validation set, which the processes of ``fabric`` share; each gets the whole."""

    def deployed(self, model: Any) -> nn.Module:
        """What of the model is left at inference."""


def dsrl_loss(task: DSRLObjective, output: DSRLOutput, batch: Any, *, iteration: int, count: Tensor) -> LossTerms:
    """The objective of the paper: task (summed, over ``count``) + w1 * SISR + w2 * feature affinity, which may rise."""
    config = task.config
    main = task.task_loss(output.logits, batch, count)
    for logits in output.auxiliary:
        main = main + config.auxiliary_weight * task.task_loss(logits, batch, count)
    sisr = affinity = None
    if output.super_res is not None:
        sisr = reconstruction_loss(normalise(output.super_res.float()), normalise(batch.high_res))
    if output.task_features is not None and output.sisr_features is not None:
        target = output.sisr_features.roll(1, dims=0) if config.shuffle_affinity else output.sisr_features
        options = {name: getattr(config, f"affinity_{name}") for name in ("q", "precision", "positions")}
        affinity = feature_affinity_loss(output.task_features, target, **options)
    ramp = min(1.0, (iteration + 1) / config.ramp_iterations) if config.ramp_iterations else 1.0
    weights = {"sisr_weight": config.sisr_weight, "affinity_weight": ramp * config.affinity_weight}
    return objective(main, sisr, affinity, **weights)


class DSRLObjective:
    """What the objectives of all DSRL networks share."""

    config: TrainConfig

    def task_loss(self, logits: Tensor, batch: Any, count: Tensor) -> Tensor:
        """The task's loss, summed over the batch and divided by ``count``."""
        raise NotImplementedError

    def loss(self, model: nn.Module, batch: Any, *, iteration: int, count: Tensor) -> LossTerms:
        """The whole objective of a batch."""
        return dsrl_loss(self, model(batch.low_res), batch, iteration=iteration, count=count)

    def deployed(self, model: DSRL) -> nn.Module:
        """The task model: host and SSSR head; a ValueError for a network that is no ``DSRL``."""
        if not isinstance(model, DSRL):
            wrap = "DSRL(host, sssr=None, sisr=False, affinity=False)"
            raise ValueError(f"expected a DSRL network, got {type(model).__name__}; wrap it: {wrap}")
        return model.task_model


@dataclass(frozen=True)
class SegmentationObjective(DSRLObjective):
    """Semantic segmentation: joint transforms, cross-entropy against the whole mask, pooled mIoU of whole pictures."""

    config: TrainConfig
    upscale_factor: int = 2  # sides of the high resolution over sides of the input
    validation: SegmentationDataset | None = None  # None for no evaluation
    class_weights: Tensor | None = None  # (K,) of the cross-entropy
    score = "miou"

    def example(self, sample: Sample, generator: torch.Generator) -> TrainingExample:
        """Scale, crop and flip, then reduce the picture for the network's input."""
        height, width = (side * self.upscale_factor for side in self.config.input_size)
        transform = JointTransform((height, width), self.config.scale_range, self.config.flip_probability)
        return low_and_high(transform(sample, generator), self.upscale_factor)

    def count(self, batch: TrainingExample) -> Tensor:
        """Pixels that are not ignored, each with its class's weight."""
        return pixel_count(batch.mask, class_weights=self._weights(batch.mask.device))

    def task_loss(self, logits: Tensor, batch: TrainingExample, count: Tensor) -> Tensor:
        """Cross-entropy against the whole mask; a coarser position answers for every label that it covers.

        Its target is each class's share, unbiased, where one pixel in four would shift the mask.
        """
        size = (batch.mask.shape[-2], batch.mask.shape[-1])
        if logits.shape[-2:] != size:
            logits = F.interpolate(logits, size, mode="nearest-exact")
        return segmentation_loss(logits, batch.mask, class_weights=self._weights(logits.device), normaliser=count)

    def evaluate(self, model: DSRL, fabric: Fabric | None = None) -> dict[str, Any]:
        """Pooled scores on the validation set with bilinear logits; empty where there is none."""
        if self.validation is None:
            return {}
        size = self.config.input_size
        return evaluate_segmentation(model.task_model, self.validation, input_size=size, fabric=fabric).to_json()

    def _weights(self, device: torch.device) -> Tensor | None:
        return None if self.class_weights is None else self.class_weights.to(device)


def class_weights_of(dataset: SegmentationDataset, exponent: float) -> Tensor | None:
    """(K,) weights frequency^-exponent of the classes, with a mean of 1 over pixels; None for exponent 0.

    A class that does not occur counts as the rarest that does, in the mean too. No labelled pixel is a ValueError.
    """
    if exponent == 0:
        return None
    counts = torch.zeros(dataset.class_table.num_classes, dtype=torch.float64)
    for index in range(len(dataset)):
        mask = dataset[index].mask
        counts += torch.bincount(mask[mask != 255], minlength=len(counts))
    if not counts.any():
        raise ValueError(f"expected at least one labelled pixel in {dataset.split}, got none; check the data folder")
    frequency = counts.clamp(min=float(counts[counts > 0].min())) / counts.sum()
    weights = frequency**-exponent
    return (weights / (weights * frequency).sum()).float()
