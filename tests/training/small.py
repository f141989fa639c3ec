"""A run small enough to be done many times: a two-convolution host, eight noisy pictures, sixteen steps."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from dsrl_lab.datasets.base import Sample
from dsrl_lab.dsrl import DSRL
from dsrl_lab.models.base import DensePredictor, HeadOutput, PredictorSpec
from dsrl_lab.training.config import TrainConfig
from dsrl_lab.training.examples import Batches, DecodedSamples
from dsrl_lab.training.loop import fit
from dsrl_lab.training.objectives import SegmentationObjective
from dsrl_lab.training.record import TrainRecord


class TwoLayers(DensePredictor):
    """A host with everything that has state: convolutions, BatchNorm, dropout."""

    def __init__(self, num_classes: int = 3) -> None:
        super().__init__()
        self.spec = PredictorSpec(
            num_classes=num_classes,
            feature_channels=(8,),
            feature_strides=(2,),
            head_channels=8,
            head_stride=2,
            logits_stride=2,
            class_layers=("classifier",),
        )
        self.encoder = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Conv2d(8, num_classes, 1))

    def forward_features(self, image: Tensor) -> tuple[Tensor, ...]:
        return (self.encoder(image),)

    def forward_head(self, features: tuple[Tensor, ...]) -> HeadOutput:
        return HeadOutput(self.classifier(features[-1]), features[-1])


def pictures(number: int = 8, size: tuple[int, int] = (24, 32)) -> list[Sample]:
    generator = torch.Generator().manual_seed(7)
    return [
        Sample(torch.rand(3, *size, generator=generator), torch.randint(0, 3, size, generator=generator), str(i))
        for i in range(number)
    ]


def small_config(**changes: object) -> TrainConfig:
    settings: dict[str, object] = {
        "input_size": (8, 12),
        "iterations": 16,
        "batch_size": 4,
        "record_every": 4,
        "checkpoint_every": 3,
        "learning_rate": 0.05,
        "scale_range": (0.8, 1.5),
    }
    return TrainConfig(**(settings | changes))  # type: ignore[arg-type]


def network(seed: int = 0) -> DSRL:
    torch.manual_seed(seed)
    return DSRL(TwoLayers())


def train(
    directory: Path | None, *, resume: bool = False, dsrl: DSRL | None = None, **changes: object
) -> list[TrainRecord]:
    """Train to the end, and give the records."""
    config = small_config(**changes)
    return list(fit(dsrl or network(), *learning(config), config, directory=directory, resume=resume))


def learning(
    config: TrainConfig, objective: SegmentationObjective | None = None, samples: list[Sample] | None = None
) -> tuple[SegmentationObjective, Batches]:
    """Objective and batches of a run."""
    objective = objective or SegmentationObjective(config)
    return objective, Batches.for_run(DecodedSamples(samples or pictures()), objective.example, config)
