"""Segmentation compare: what it refuses, its scores, its twin."""

from __future__ import annotations

import pytest
import torch

from dsrl_lab.datasets.class_tables import CAMVID
from dsrl_lab.metrics import SegmentationScore
from dsrl_lab.widgets.base import Refused
from dsrl_lab.widgets.segmentation import SegmentationCompare, segmentation_compare

IMAGE = torch.rand(3, 12, 16)
TRUTH = torch.randint(0, 5, (12, 16))
NAN = torch.full_like(IMAGE, torch.nan)


@pytest.mark.parametrize(
    ("image", "before", "message"),
    [
        (torch.rand(3, 12, 15), TRUTH, "expected masks of the picture's size"),
        (NAN, TRUTH, "the picture holds NaN"),
        (IMAGE, TRUTH[1:], "expected three masks of one size"),
        (IMAGE, TRUTH + 11, "expected class ids 0 to 10 in the prediction"),
        (IMAGE[:1], TRUTH, "expected one RGB image"),
    ],
)
def test_wrong_input_is_refused(image: torch.Tensor, before: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SegmentationCompare(image, TRUTH, before, TRUTH, CAMVID)
    refused = segmentation_compare(image, TRUTH, before, TRUTH, CAMVID)
    assert isinstance(refused, Refused)


def test_the_table_is_the_metrics_own() -> None:
    before = TRUTH.clone()
    before[:4] = 0
    made = SegmentationCompare(IMAGE, TRUTH, before, TRUTH, CAMVID)
    score = SegmentationScore(11)
    score.update(before[None], TRUTH[None])
    assert made.facts["scores"][0]["miou"] == score.compute().miou
    assert made.facts["scores"][0]["iou"][10] is None, "a class that is nowhere has no IoU"
    assert made.facts["shares"] == [pytest.approx(float((before != TRUTH).float().mean())), 0.0]


def test_numpy_pictures_and_masks_are_accepted() -> None:
    picture, mask = (255 * IMAGE).byte().permute(1, 2, 0).numpy(), TRUTH.numpy().astype("uint8")
    made = SegmentationCompare(picture, mask, mask, TRUTH, CAMVID)
    assert (made.facts["shares"], made.value) == ([0.0, 0.0], (6, 8))


def test_the_twin_shows_five_pictures() -> None:
    made = SegmentationCompare(IMAGE, TRUTH, TRUTH, TRUTH, CAMVID, names=("one", "two"))
    figure = made.static()
    assert [ax.get_title(loc="left") for ax in figure.axes][2] == "one (mIoU 100.0 %)"
    assert len([ax for ax in figure.axes if ax.images]) == 5


def test_the_twin_says_how_much_was_won_and_lost() -> None:
    before = TRUTH.clone()
    before[:3] = 5 - before[:3].clamp(0, 4)
    assert "won 25.0 %" in SegmentationCompare(IMAGE, TRUTH, before, TRUTH, CAMVID).static().axes[4].get_xlabel()
    assert "lost 25.0 %" in SegmentationCompare(IMAGE, TRUTH, TRUTH, before, CAMVID).static().axes[4].get_xlabel()
