"""Losses: hand-computed cases, invariance to batch and ignored pixels, errors that help."""

from __future__ import annotations

import math

import pytest
import torch

from dsrl_lab.losses import heatmap_loss, objective, pixel_count, reconstruction_loss, segmentation_loss


def test_segmentation_loss_equals_the_hand_computed_mean() -> None:
    logits = torch.tensor([[[[2.0, 0.0]], [[0.0, 1.0]]]])  # two classes, two pixels
    mask = torch.tensor([[[0, 1]]])
    by_hand = (torch.log(1 + torch.exp(torch.tensor(-2.0))) + torch.log(1 + torch.exp(torch.tensor(-1.0)))) / 2
    assert torch.allclose(segmentation_loss(logits, mask), by_hand)


def test_a_batch_of_copies_has_the_loss_of_one() -> None:
    logits, mask = torch.randn(1, 5, 4, 6), torch.randint(0, 5, (1, 4, 6))
    one = segmentation_loss(logits, mask)
    assert torch.allclose(segmentation_loss(logits.repeat(3, 1, 1, 1), mask.repeat(3, 1, 1)), one)


def test_ignored_pixels_neither_count_nor_get_a_gradient() -> None:
    logits = torch.randn(1, 3, 2, 2, requires_grad=True)
    mask = torch.tensor([[[0, 255], [1, 255]]])
    segmentation_loss(logits, mask).backward()
    assert logits.grad is not None
    assert (logits.grad[..., 1] == 0).all() and (logits.grad[..., 0] != 0).any()
    assert pixel_count(mask).item() == 2


def test_a_batch_of_ignored_pixels_gives_zero_and_no_nan() -> None:
    logits = torch.randn(1, 3, 2, 2, requires_grad=True)
    loss = segmentation_loss(logits, torch.full((1, 2, 2), 255))
    loss.backward()
    assert loss.item() == 0 and torch.isfinite(logits.grad).all()


def test_class_weights_agree_with_torch() -> None:
    logits, mask, weights = torch.randn(2, 3, 4, 4), torch.randint(0, 3, (2, 4, 4)), torch.tensor([1.0, 2.0, 0.5])
    mask[0, 0] = 255
    expected = torch.nn.functional.cross_entropy(logits, mask, weight=weights, ignore_index=255)
    assert torch.allclose(segmentation_loss(logits, mask, class_weights=weights), expected)


def test_shards_with_a_shared_normaliser_add_up_to_the_whole() -> None:
    logits, mask = torch.randn(4, 3, 4, 4), torch.randint(0, 3, (4, 4, 4))
    mask[0] = 255  # shards of unequal size
    mean_count = (pixel_count(mask[:2]) + pixel_count(mask[2:])) / 2
    shards = [segmentation_loss(logits[i : i + 2], mask[i : i + 2], normaliser=mean_count) for i in (0, 2)]
    assert torch.allclose(sum(shards) / 2, segmentation_loss(logits, mask))


def test_sizes_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="resize the logits"):
        segmentation_loss(torch.zeros(1, 2, 4, 4), torch.zeros(1, 8, 8, dtype=torch.long))
    with pytest.raises(ValueError, match="upscale_factor times the input"):
        reconstruction_loss(torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 1, 4))
    with pytest.raises(ValueError, match="draw the target"):
        heatmap_loss(torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 8, 8), torch.ones(1, 2))


def test_invisible_joints_get_no_gradient() -> None:
    heatmaps = torch.rand(1, 2, 4, 4, requires_grad=True)
    heatmap_loss(heatmaps, torch.zeros(1, 2, 4, 4), torch.tensor([[1.0, 0.0]])).backward()
    assert (heatmaps.grad[0, 1] == 0).all() and (heatmaps.grad[0, 0] != 0).any()


def test_objective_weighs_the_papers_way() -> None:
    task, sisr, affinity = (torch.tensor(value, dtype=torch.float64) for value in (1.0, 2.0, 3.0))
    assert torch.allclose(objective(task, sisr, affinity).total, torch.tensor(1 + 0.1 * 2 + 1.0 * 3).double())
    alone = objective(task)
    assert alone.total == task and alone.sisr == 0 and alone.affinity == 0


def test_losses_pass_gradcheck() -> None:
    logits = torch.randn(1, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[[0, 1], [2, 255]]])
    assert torch.autograd.gradcheck(lambda x: segmentation_loss(x, mask), logits)
    image, target = torch.rand(1, 3, 2, 2, dtype=torch.float64, requires_grad=True), torch.rand(1, 3, 2, 2).double()
    assert torch.autograd.gradcheck(lambda x: reconstruction_loss(x, target), image)


def test_masks_of_bytes_are_class_ids() -> None:
    logits, mask, weights = torch.randn(2, 3, 4, 4), torch.randint(0, 3, (2, 4, 4)), torch.tensor([1.0, 2.0, 0.5])
    mask[0, 0] = 255
    of_bytes = segmentation_loss(logits, mask.to(torch.uint8), class_weights=weights)
    torch.testing.assert_close(of_bytes, segmentation_loss(logits, mask, class_weights=weights), rtol=0, atol=0)


def test_a_mask_of_floats_or_with_a_channel_is_refused() -> None:
    logits = torch.zeros(1, 4, 2, 2)
    for mask in (torch.zeros(1, 2, 2), torch.zeros(1, 1, 2, 2, dtype=torch.int64)):
        with pytest.raises(ValueError, match=r"expected logits \(N, K, H, W\) and ids \(N, H, W\)"):
            segmentation_loss(logits, mask)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_logits_of_half_precision_have_the_loss_of_float32(dtype: torch.dtype) -> None:
    loss = segmentation_loss(torch.zeros(1, 19, 256, 512, dtype=dtype), torch.zeros(1, 256, 512, dtype=torch.int64))
    assert loss.item() == pytest.approx(math.log(19), rel=1e-6)
