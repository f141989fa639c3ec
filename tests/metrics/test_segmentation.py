"""Segmentation scores against cases done by hand and against loops over pixels."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from dsrl_lab.metrics import BoundaryScore, SegmentationScore

K = 4


def scene(images: int = 3, size: tuple[int, int] = (12, 17)) -> tuple[Tensor, Tensor]:
    """Blocky random masks with ignored pixels, and predictions that are right about half of the time."""
    coarse = torch.randint(K, (images, 1, -(-size[0] // 3), -(-size[1] // 3)))
    mask = coarse.repeat_interleave(3, 2).repeat_interleave(3, 3)[:, 0, : size[0], : size[1]].clone()
    pred = torch.where(torch.rand(mask.shape) < 0.5, mask, torch.randint(K, mask.shape))
    mask[torch.rand(mask.shape) < 0.1] = 255
    return pred, mask


# --- mIoU -------------------------------------------------------------------------------------------------------------


def test_a_case_by_hand() -> None:
    mask = torch.tensor([[[0, 0, 0, 1], [1, 1, 255, 255]]])
    pred = torch.tensor([[[0, 0, 1, 1], [1, 2, 0, 1]]])
    score = SegmentationScore(5)
    score.update(pred, mask)
    miou, iou, accuracy = score.compute()
    # class 0: 2 of 3. class 1: 2 right, 4 in the union. class 2: predicted once, never true. classes 3, 4: nowhere.
    assert iou[:3].tolist() == pytest.approx([2 / 3, 2 / 4, 0])
    assert iou[3:].isnan().all()
    assert miou == pytest.approx((2 / 3 + 2 / 4 + 0) / 3)
    assert accuracy == pytest.approx(4 / 6)
    assert score.confusion[1].tolist() == [0, 2, 1, 0, 0]


def test_iou_is_that_of_sets_of_pixels_over_the_whole_set() -> None:
    score = SegmentationScore(K)
    true: list[set[tuple[int, ...]]] = [set() for _ in range(K)]
    predicted: list[set[tuple[int, ...]]] = [set() for _ in range(K)]
    for batch in range(2):
        pred, mask = scene()
        score.update(pred, mask)
        for place in (mask != 255).nonzero().tolist():
            true[mask[tuple(place)]].add((batch, *place))
            predicted[pred[tuple(place)]].add((batch, *place))
    expected = [len(t & p) / len(t | p) for t, p in zip(true, predicted, strict=True)]
    assert score.compute().iou.tolist() == pytest.approx(expected)
    assert score.compute().miou == pytest.approx(sum(expected) / K)


def test_pooled_is_not_the_mean_over_pictures() -> None:
    mask = torch.tensor([[[0, 0, 0, 1]], [[1, 1, 1, 1]]])
    pred = torch.tensor([[[0, 0, 0, 0]], [[1, 1, 1, 1]]])
    pooled, per_picture = SegmentationScore(2), []
    for p, m in zip(pred, mask, strict=True):
        alone = SegmentationScore(2)
        alone.update(p[None], m[None])
        pooled.update(p[None], m[None])
        per_picture.append(alone.compute().miou)
    assert per_picture == pytest.approx([3 / 8, 1])
    assert pooled.compute().miou == pytest.approx((3 / 4 + 4 / 5) / 2)


def test_what_is_predicted_on_ignored_pixels_does_not_count() -> None:
    pred, mask = scene()
    scores = []
    for anything in (0, 3, 200):
        score = SegmentationScore(K)
        score.update(torch.where(mask == 255, anything, pred), mask)
        scores.append(score.compute().miou)
    assert scores == [scores[0]] * 3


def test_logits_are_their_argmax() -> None:
    _, mask = scene()
    logits = torch.randn(len(mask), K, *mask.shape[1:])
    of_logits, of_ids = SegmentationScore(K), SegmentationScore(K)
    of_logits.update(logits.half(), mask)
    of_ids.update(logits.half().argmax(1), mask)
    assert torch.equal(of_logits.confusion, of_ids.confusion)


def test_another_ignore_index() -> None:
    pred, mask = scene()
    usual, other = SegmentationScore(K), SegmentationScore(K, ignore_index=-1)
    usual.update(pred, mask)
    other.update(pred, torch.where(mask == 255, -1, mask))
    assert torch.equal(usual.confusion, other.confusion)


def test_nothing_has_no_score() -> None:
    _, mask = scene()
    score = SegmentationScore(K)
    with pytest.raises(ValueError, match="at least one labelled pixel, got none"):
        score.compute()
    score.update(mask.clamp(max=K - 1), mask)
    assert score.compute().miou == 1


# --- boundary F -------------------------------------------------------------------------------------------------------


def boundary_by_loops(ids: Tensor, labelled: Tensor, of_class: int) -> list[tuple[int, int]]:
    height, width = ids.shape
    found = []
    for y in range(height):
        for x in range(width):
            if ids[y, x] != of_class or not labelled[y, x]:
                continue
            around = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
            inside = [(v, u) for v, u in around if 0 <= v < height and 0 <= u < width]
            if any(labelled[v, u] and ids[v, u] != of_class for v, u in inside):
                found.append((y, x))
    return found


@pytest.mark.parametrize("tolerance", [0, 1, 2, 3])
def test_boundary_scores_are_those_of_the_loops(tolerance: int) -> None:
    pred, mask = scene()
    score = BoundaryScore(K, tolerance=tolerance)
    for n in range(3):
        score.update(pred[n : n + 1], mask[n : n + 1])
    _, f, precision, recall = score.compute()
    for c in range(K):
        near = {"pred": 0, "mask": 0}
        count = {"pred": 0, "mask": 0}
        for p, m in zip(pred, mask, strict=True):
            outline = {name: boundary_by_loops(ids, m != 255, c) for name, ids in (("pred", p), ("mask", m))}
            for ours, theirs in (("pred", "mask"), ("mask", "pred")):
                count[ours] += len(outline[ours])
                near[ours] += sum(any(math.dist(a, b) <= tolerance for b in outline[theirs]) for a in outline[ours])
        assert precision[c].item() == pytest.approx(near["pred"] / count["pred"])
        assert recall[c].item() == pytest.approx(near["mask"] / count["mask"])
        assert f[c].item() == pytest.approx(
            2 * precision[c].item() * recall[c].item() / (precision[c] + recall[c]).item()
        )


def test_a_thin_pole_that_is_off() -> None:
    pole = torch.zeros(1, 9, 20, dtype=torch.int64)
    pole[:, :, 10] = 1
    seen = {}
    for off in (0, 2, 3):
        boundary, overlap = BoundaryScore(2, tolerance=2), SegmentationScore(2)
        for score in (boundary, overlap):
            score.update(pole.roll(off, dims=-1), pole)
        seen[off] = boundary.compute().f[1].item(), overlap.compute().iou[1].item()
    assert seen == {0: (1, 1), 2: (1, 0), 3: (0, 0)}


def test_tolerance_is_round() -> None:
    dot, moved = torch.zeros(2, 1, 9, 9, dtype=torch.int64)
    dot[:, 4, 4] = 1
    moved[:, 6, 6] = 1  # off by the square root of 8
    f = []
    for tolerance in (2, 3):
        score = BoundaryScore(2, tolerance=tolerance)
        score.update(moved, dot)
        f.append(score.compute().f[1].item())
    assert f == [0, 1]


def test_borders_of_picture_and_of_ignored_regions_are_no_boundaries() -> None:
    mask = torch.zeros(1, 6, 6, dtype=torch.int64)
    mask[:, :, 3:] = 255
    score = BoundaryScore(2)
    score.update(torch.zeros_like(mask), mask)
    assert score.compute().f.isnan().all()
    assert math.isnan(score.compute().mean)


def test_a_class_on_one_side_only_scores_zero_and_elsewhere_nan() -> None:
    mask = torch.zeros(1, 6, 6, dtype=torch.int64)
    pred = mask.clone()
    pred[:, 2:4, 2:4] = 1
    score = BoundaryScore(3, tolerance=1)
    score.update(pred, mask)
    mean, f, precision, recall = score.compute()
    assert f[:2].tolist() == [0, 0] and f[2].isnan()
    assert precision[1] == 0 and recall[1].isnan()
    assert mean == 0
    assert math.isnan(BoundaryScore(3).compute().mean)


# --- mistakes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("score", [SegmentationScore(K), BoundaryScore(K)], ids=["iou", "boundary"])
def test_mistakes_are_named(score: SegmentationScore | BoundaryScore) -> None:
    pred, mask = scene(images=2)
    with pytest.raises(ValueError, match=r"one shape \(N, H, W\), got \(2, 12, 17\) and \(2, 12, 16\); resize"):
        score.update(pred, mask[..., 1:])
    with pytest.raises(ValueError, match=r"one shape \(N, H, W\)"):
        score.update(pred[0], mask[0])
    with pytest.raises(ValueError, match=r"logits of shape \(N, 4, H, W\), got \(2, 5, 12, 17\)"):
        score.update(torch.zeros(2, 5, 12, 17), mask)
    with pytest.raises(ValueError, match=r"class ids 0 to 3 in the mask, or 255 for ignored pixels, got 11; map"):
        score.update(pred, mask.masked_fill(mask == 255, 11))
    mask[0, 0, 0], pred[0, 0, 0] = 0, 19
    with pytest.raises(ValueError, match=r"class ids 0 to 3 in the prediction.*got 19"):
        score.update(pred, mask)


def test_negative_tolerance_is_refused() -> None:
    with pytest.raises(ValueError, match="tolerance of 0 or more pixels, got -1"):
        BoundaryScore(2, tolerance=-1)


@pytest.mark.parametrize("kind", [SegmentationScore, BoundaryScore])
def test_masks_of_bytes_score_as_those_of_int64(kind: type[SegmentationScore] | type[BoundaryScore]) -> None:
    pred, mask = scene()
    scores = [kind(K) for _ in range(2)]
    scores[0].update(pred, mask)
    scores[1].update(pred.to(torch.uint8), mask.to(torch.uint8))
    for usual, of_bytes in zip(scores[0].compute(), scores[1].compute(), strict=True):
        torch.testing.assert_close(torch.as_tensor(of_bytes), torch.as_tensor(usual), rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("score", [SegmentationScore(K), BoundaryScore(K)], ids=["iou", "boundary"])
def test_logits_that_are_not_finite_are_refused(score: SegmentationScore | BoundaryScore, bad: float) -> None:
    _, mask = scene()
    logits = torch.randn(len(mask), K, *mask.shape[1:])
    logits[1, 2, 3, 4] = bad
    with pytest.raises(ValueError, match="expected finite logits, got NaN or infinity; check the network's weights"):
        score.update(logits, mask)
