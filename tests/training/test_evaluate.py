"""Scoring: the two protocols differ where they should, scores are pooled, splits and classes are checked."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from dsrl_lab.complexity import evaluating
from dsrl_lab.datasets.base import ClassTable, Sample, SegmentationDataset
from dsrl_lab.dsrl import DSRL
from dsrl_lab.training.evaluate import (
    evaluate_segmentation,
    evaluate_super_resolution,
    predict_mask,
)
from tests.training.small import TwoLayers

TABLE = ClassTable(("left", "right", "absent"), ((0, 0, 0), (255, 0, 0), (0, 255, 0)), thin=("right", "absent"))


class Fixed(TwoLayers):
    """Says left on the left half of a 2x4 map, right on the right half, with slopes that bilinear logits show."""

    def forward(self, image: Tensor) -> Tensor:
        row = torch.tensor([[3.0, 1.0, 0.0, 0.0], [0.0, 0.0, 2.0, 3.0], [-9.0, -9.0, -9.0, -9.0]])
        return row[None, :, None, :].expand(image.shape[0], 3, 2, 4)


class Halves(SegmentationDataset):
    """Two pictures of 4x16; in the first the border lies at column 8, in the second at column 7; a row is ignored."""

    class_table, split, names = TABLE, "val", ("a", "b")

    def __getitem__(self, index: int) -> Sample:
        mask = torch.zeros(4, 16, dtype=torch.long)
        mask[:, 8 - index :] = 1
        mask[0] = 255
        return Sample(torch.rand(3, 4, 16), mask, self.names[index])


def by_hand(border: int) -> float:
    """Pooled mIoU over both pictures of a prediction that turns right at ``border``, 3 rows of 16 that count."""
    left = [border, border]
    truth = [8, 7]
    inter = sum(min(a, b) for a, b in zip(left, truth, strict=True))
    union = sum(max(a, b) for a, b in zip(left, truth, strict=True))
    other = sum(16 - max(a, b) for a, b in zip(left, truth, strict=True))
    whole = sum(16 - min(a, b) for a, b in zip(left, truth, strict=True))
    return (inter / union + other / whole) / 2


@pytest.mark.parametrize("protocol", ["logits", "labels"])
def test_protocols_put_the_border_where_they_must(protocol: str) -> None:
    """Labels: columns 0-1 of 4 are left, so the border is at 8. Logits: left minus right is 3, 1, -2, -3 at centres
    1.5, 5.5, 9.5, 13.5; bilinearly it passes zero at 5.5 + 4 / 3 = 6.8, so that columns 0 to 6 are left: border 7."""
    border = 8 if protocol == "labels" else 7
    pred = predict_mask(Fixed(), torch.rand(3, 4, 16), input_size=(2, 4), protocol=protocol)
    assert pred.shape == (4, 16) and (pred[:, :border] == 0).all() and (pred[:, border:] == 1).all()
    result = evaluate_segmentation(Fixed(), Halves(), input_size=(2, 4), protocol=protocol)
    assert result.miou == pytest.approx(by_hand(border))
    assert result.iou["absent"] is None and result.thin_miou == result.iou["right"]
    assert result.boundary_f == {"left": 1.0, "right": 1.0, "absent": None} and result.thin_boundary_f == 1.0
    assert (result.split, result.pictures, result.protocol) == ("val", 2, protocol)


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="unknown protocol 'nearest'.*logits, labels"):
        predict_mask(Fixed(), torch.rand(3, 4, 16), input_size=(2, 4), protocol="nearest")
    with pytest.raises(ValueError, match="gives 5 classes, the data set has 3"):
        evaluate_segmentation(TwoLayers(5), Halves(), input_size=(2, 4))
    with pytest.raises(ValueError, match="no SISR head"):
        evaluate_super_resolution(DSRL(TwoLayers(), sisr=False, affinity=False), Halves(), input_size=(2, 8))


def test_super_resolution_is_scored_beside_bilinear_enlargement() -> None:
    scores = evaluate_super_resolution(DSRL(TwoLayers()), Halves12(), input_size=(12, 16))
    assert set(scores) == {"psnr", "ssim", "bilinear_psnr", "bilinear_ssim"}
    assert all(math.isfinite(value) for value in scores.values())


def test_super_resolution_is_scored_on_the_networks_device() -> None:
    """The meta device stands for a GPU: whoever hands it a picture that was left on the CPU is found out."""

    class Elsewhere(DSRL):
        def forward(self, image: Tensor) -> Any:
            assert image.device.type == "meta"
            return SimpleNamespace(super_res=torch.full((1, 3, 24, 32), 0.5))

    scores = evaluate_super_resolution(Elsewhere(TwoLayers()).to("meta"), Halves12(), input_size=(12, 16))
    assert 0 < scores["psnr"] < 20


class Halves12(Halves):
    """Pictures large enough for SSIM's window."""

    def __getitem__(self, index: int) -> Sample:
        return Sample(torch.rand(3, 24, 32), torch.zeros(24, 32, dtype=torch.long), self.names[index])


def test_evaluation_leaves_the_model_as_it_was() -> None:
    model = TwoLayers().train()
    model.encoder[1].eval()
    with evaluating(model):
        assert not any(module.training for module in model.modules())
    assert model.training and not model.encoder[1].training and model.classifier.training


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_logits_that_are_not_finite_are_not_scored(value: float) -> None:
    class Spoilt(Fixed):
        def forward(self, image: Tensor) -> Tensor:
            logits = super().forward(image).clone()
            logits[0, 2, 1, 3] = value  # of the class that wins nowhere
            return logits

    for protocol in ("logits", "labels"):
        with pytest.raises(ValueError, match="a: expected finite logits, the network gives NaN or infinity.*another"):
            evaluate_segmentation(Spoilt(), Halves(), input_size=(2, 4), protocol=protocol)


def test_a_picture_of_sisr_that_is_not_finite_is_not_scored() -> None:
    dsrl = DSRL(TwoLayers())
    with torch.no_grad():
        next(dsrl.sisr_head.parameters()).fill_(float("nan"))
    with pytest.raises(ValueError, match="expected finite logits"):
        evaluate_super_resolution(dsrl, Halves12(), input_size=(12, 16))


def test_nothing_is_not_scored() -> None:
    class Empty(Halves):
        names = ()

    with pytest.raises(ValueError, match="expected at least one picture in val to score, got none"):
        evaluate_segmentation(Fixed(), Empty(), input_size=(2, 4))


def test_a_picture_smaller_than_the_input_is_enlarged() -> None:
    seen: list[Tensor] = []

    class Watching(Fixed):
        def forward(self, image: Tensor) -> Tensor:
            seen.append(image)
            return super().forward(image)

    image = torch.rand(3, 4, 16)
    for size in ((8, 32), (8, 4), (2, 32)):  # larger, and larger in one direction alone
        assert predict_mask(Watching(), image, input_size=size).shape == (4, 16)
        assert seen[-1].shape == (1, 3, *size)
    constant = predict_mask(Watching(), torch.full((3, 4, 16), 0.5), input_size=(9, 31))
    assert constant.shape == (4, 16) and seen[-1].flatten(2).std(-1).max() < 1e-6
