"""Pose scores against cases done by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from dsrl_lab.metrics import KeypointPrediction, oks_average_precision, pck

COCO_SIGMAS = (26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89)  # thousandths, cocodataset.org
AREA = 10_000.0  # large


# --- PCK --------------------------------------------------------------------------------------------------------------


def people(count: int = 40) -> tuple[Tensor, Tensor, Tensor]:
    target = 100 * torch.rand(count, 14, 2)
    pred = target + 10 * torch.randn(count, 14, 2)
    visible = (torch.rand(count, 14) < 0.8).long()
    return pred, target, visible


@pytest.mark.parametrize("alpha", [0.1, 0.2, 0.5])
def test_pck_is_that_of_the_loops(alpha: float) -> None:
    pred, target, visible = people()
    right, all_of = [0] * 14, [0] * 14
    for p, t, v in zip(pred.tolist(), target.tolist(), visible.tolist(), strict=True):
        if not (v[9] and v[2]):
            continue
        for j in range(14):
            if v[j]:
                all_of[j] += 1
                right[j] += math.dist(p[j], t[j]) <= alpha * math.dist(t[9], t[2])
    mean, joints = pck(pred, target, visible, alpha=alpha)
    expected = [r / a for r, a in zip(right, all_of, strict=True)]
    assert joints.tolist() == pytest.approx(expected)
    assert mean == pytest.approx(sum(expected) / 14)
    assert 0.05 < mean < 0.99


def test_pck_does_not_depend_on_the_picture_s_scale() -> None:
    pred, target, visible = people()
    assert torch.equal(
        pck(8 * pred, 8 * target, visible, alpha=0.2).joints, pck(pred, target, visible, alpha=0.2).joints
    )


def test_people_without_a_torso_and_joints_without_a_mark() -> None:
    target = torch.tensor([[[0.0, 0.0], [0.0, 10.0], [5.0, 5.0]]]).repeat(3, 1, 1)
    target[2, 1] = 0  # shoulder and hip coincide
    visible = torch.tensor([[1, 1, 0], [1, 0, 1], [1, 1, 1]])
    mean, joints = pck(target, target, visible, alpha=0.2, torso=(0, 1))
    assert joints[:2].tolist() == [1, 1] and joints[2].isnan()
    assert mean == 1
    assert math.isnan(pck(target[1:], target[1:], visible[1:], alpha=0.2, torso=(0, 1)).mean)


def test_pck_refuses_shapes_that_do_not_fit() -> None:
    pred, target, visible = people()
    for wrong in (
        (pred[..., :1], target[..., :1], visible),
        (pred, target[1:], visible),
        (pred, target, visible[:, 1:]),
    ):
        with pytest.raises(ValueError, match=r"pred and target of shape \(N, J, 2\) and visible of shape \(N, J\)"):
            pck(*wrong, alpha=0.2)


def test_joints_that_are_not_finite_and_a_negative_tolerance_are_refused() -> None:
    pred, target, visible = people()
    for bad in (math.nan, math.inf):
        with pytest.raises(ValueError, match="expected alpha >= 0 and finite joints"):
            pck(pred.index_fill(0, torch.tensor([3]), bad), target, visible, alpha=0.2)
    for alpha in (-0.1, math.nan):
        with pytest.raises(ValueError, match=f"expected alpha >= 0 and finite joints, got alpha={alpha}"):
            pck(pred, target, visible, alpha=alpha)


# --- OKS-AP -----------------------------------------------------------------------------------------------------------


def coco_file(path: Path, people_of_images: list[list[Tensor]]) -> Path:
    annotations: list[dict[str, Any]] = []
    for image_id, persons in enumerate(people_of_images):
        for joints in persons:
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": 1,
                    "iscrowd": 0,
                    "area": AREA,
                    "bbox": [0, 0, 100, 100],
                    "num_keypoints": 17,
                    "keypoints": [value for x, y in joints.tolist() for value in (x, y, 2)],
                }
            )
    images = [{"id": image_id} for image_id in range(len(people_of_images))]
    categories = [{"id": 1, "name": "person", "keypoints": [""] * 17}]
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path


def test_oks_ap_by_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    joints = 100 * torch.rand(17, 2)
    annotations = coco_file(tmp_path / "person_keypoints.json", [[joints]])
    # Off by d at every joint with OKS = exp(-d^2 / (2 area (2 sigma)^2)) = 0.72: right at 0.50 to 0.70, 5 of 10.
    two_sigma = 2 * torch.tensor(COCO_SIGMAS, dtype=torch.float64) / 1000
    off = (-math.log(0.72) * 2 * AREA * two_sigma**2).sqrt()
    moved = joints + torch.stack([off, torch.zeros(17)], 1)
    scores = oks_average_precision(annotations, [KeypointPrediction(0, moved, 0.9)])
    assert scores.ap == pytest.approx(0.5) and scores.ar == pytest.approx(0.5)
    assert (scores.ap50, scores.ap75) == (pytest.approx(1), pytest.approx(0))
    assert scores.ap_large == pytest.approx(0.5) and math.isnan(scores.ap_medium)
    assert capsys.readouterr().out == ""


def test_people_who_are_not_found_lower_the_recall(tmp_path: Path) -> None:
    first, second, third = 100 * torch.rand(3, 17, 2)
    annotations = coco_file(tmp_path / "person_keypoints.json", [[first], [second], [third], []])
    scores = oks_average_precision(annotations, [KeypointPrediction(0, first, 0.5), KeypointPrediction(1, second, 0.4)])
    assert scores.ar == pytest.approx(2 / 3)
    assert scores.ap == pytest.approx(67 / 101)  # precision 1 at the recalls 0.00 to 0.66, then 0


def test_a_confident_ghost_lowers_the_precision(tmp_path: Path) -> None:
    joints = 100 * torch.rand(17, 2)
    annotations = coco_file(tmp_path / "person_keypoints.json", [[joints], []])
    found, ghost = KeypointPrediction(0, joints, 0.5), KeypointPrediction(1, joints, 0.9)
    assert oks_average_precision(annotations, [found, ghost]).ap == pytest.approx(0.5)
    assert oks_average_precision(annotations, [found, ghost._replace(score=0.1)]).ap == pytest.approx(1)


def test_predictions_that_cannot_be_scored(tmp_path: Path) -> None:
    joints = 100 * torch.rand(17, 2)
    annotations = coco_file(tmp_path / "person_keypoints.json", [[joints]])
    with pytest.raises(ValueError, match="at least one prediction, got none"):
        oks_average_precision(annotations, [])
    with pytest.raises(ValueError, match=r"17 joints.*got shape \(14, 2\)"):
        oks_average_precision(annotations, [KeypointPrediction(0, joints[:14], 1.0)])
    with pytest.raises(ValueError, match=r"image ids of .*person_keypoints.json, got \[7\]"):
        oks_average_precision(annotations, [KeypointPrediction(7, joints, 1.0)])
    for broken in (KeypointPrediction(0, joints, math.nan), KeypointPrediction(0, joints / 0, 1.0)):
        with pytest.raises(ValueError, match="finite joints and score, got NaN or infinity for image 0"):
            oks_average_precision(annotations, [broken])
    with pytest.raises(FileNotFoundError):
        oks_average_precision(tmp_path / "absent.json", [KeypointPrediction(0, joints, 1.0)])


@pytest.mark.slow
def test_truth_scores_one_on_real_annotations(real_data: Path) -> None:
    annotations = next((real_data / "pose" / "coco_tiny" / "annotations").glob("person_keypoints_val*.json"))
    predictions = [
        KeypointPrediction(person["image_id"], torch.tensor(person["keypoints"]).view(17, 3)[:, :2].double(), 1.0)
        for person in json.loads(annotations.read_text())["annotations"]
        if person["num_keypoints"] and not person["iscrowd"]
    ]
    scores = oks_average_precision(annotations, predictions)
    assert scores.ap == pytest.approx(1, abs=1e-6) and scores.ar == pytest.approx(1, abs=1e-6)
