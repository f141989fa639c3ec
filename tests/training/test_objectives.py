"""Segmentation as a task: labels of a coarser grid have no bias, and every row counts the same pixels."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from dsrl_lab.datasets.transforms import TrainingExample
from dsrl_lab.training.objectives import SegmentationObjective
from tests.training.small import small_config

TASK = SegmentationObjective(small_config())


def example(mask: torch.Tensor) -> TrainingExample:
    n, height, width = mask.shape
    return TrainingExample(torch.zeros(n, 3, height // 2, width // 2), torch.zeros(n, 3, height, width), mask)


@pytest.mark.parametrize("size", [(6, 8), (12, 16), (4, 6)])
@pytest.mark.parametrize("axis", [-1, -2])
def test_mirroring_commutes_with_the_labels_of_every_grid(size: tuple[int, int], axis: int) -> None:
    torch.manual_seed(0)
    mask, logits = torch.randint(0, 3, (2, 12, 16)), torch.randn(2, 3, *size)
    mask[0, 3:5, 2:9] = 255
    batch, mirrored = example(mask), example(mask.flip(axis))
    count = TASK.count(batch)
    torch.testing.assert_close(
        TASK.task_loss(logits, batch, count), TASK.task_loss(logits.flip(axis), mirrored, TASK.count(mirrored))
    )


def test_a_coarse_position_is_asked_for_the_areas_of_the_classes_below_it() -> None:
    mask = torch.tensor([[[0, 0, 1, 255], [0, 1, 255, 1]]])
    logits = torch.tensor([[[[1.0, -0.5]], [[0.3, 2.0]]]])
    log = F.log_softmax(logits, 1)
    by_hand = -(3 * log[0, 0, 0, 0] + log[0, 1, 0, 0] + 2 * log[0, 1, 0, 1]) / 6
    batch = example(mask)
    torch.testing.assert_close(TASK.task_loss(logits, batch, TASK.count(batch)), by_hand)


def test_the_best_answer_of_a_coarse_position_is_each_classs_share() -> None:
    torch.manual_seed(1)
    mask = torch.randint(0, 3, (1, 2, 2))
    shares = torch.bincount(mask.flatten(), minlength=3) / 4
    batch = example(mask)
    best = TASK.task_loss(shares.clamp(min=1e-9).log().view(1, 3, 1, 1), batch, TASK.count(batch))
    for _ in range(20):
        assert TASK.task_loss(torch.randn(1, 3, 1, 1), batch, TASK.count(batch)) >= best


def test_a_batch_counts_for_its_labelled_pixels() -> None:
    mask = torch.randint(0, 3, (2, 12, 16))
    mask[:, :5] = 255
    assert TASK.count(example(mask)) == (mask != 255).sum()
