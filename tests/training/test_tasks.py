"""Segmentation as a task: labels of a coarser grid have no bias, and every row counts the same pixels."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from dsrl_lab.datasets.transforms import TrainingExample
from dsrl_lab.training.tasks import SegmentationTask
from tests.training.small import small_config

TASK = SegmentationTask(small_config())


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
    count = TASK.count(batch, size)
    torch.testing.assert_close(
        TASK.loss(logits, batch, count), TASK.loss(logits.flip(axis), mirrored, TASK.count(mirrored, size))
    )


def test_a_coarse_position_is_asked_for_the_areas_of_the_classes_below_it() -> None:
    mask = torch.tensor([[[0, 0, 1, 255], [0, 1, 255, 1]]])
    logits = torch.tensor([[[[1.0, -0.5]], [[0.3, 2.0]]]])
    log = F.log_softmax(logits, 1)
    by_hand = -(3 * log[0, 0, 0, 0] + log[0, 1, 0, 0] + 2 * log[0, 1, 0, 1]) / 6
    batch = example(mask)
    torch.testing.assert_close(TASK.loss(logits, batch, TASK.count(batch, (1, 2))), by_hand)


def test_the_best_answer_of_a_coarse_position_is_each_classs_share() -> None:
    torch.manual_seed(1)
    mask = torch.randint(0, 3, (1, 2, 2))
    shares = torch.bincount(mask.flatten(), minlength=3) / 4
    batch = example(mask)
    best = TASK.loss(shares.clamp(min=1e-9).log().view(1, 3, 1, 1), batch, TASK.count(batch, (1, 1)))
    for _ in range(20):
        assert TASK.loss(torch.randn(1, 3, 1, 1), batch, TASK.count(batch, (1, 1))) >= best


def test_every_grid_counts_the_same_pixels() -> None:
    mask = torch.randint(0, 3, (2, 12, 16))
    mask[:, :5] = 255
    assert TASK.count(example(mask), (6, 8)) == TASK.count(example(mask), (12, 16)) == (mask != 255).sum()
