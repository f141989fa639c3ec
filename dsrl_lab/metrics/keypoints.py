"""Scores of pose nets: PCK, ours, and OKS-AP by pycocotools.

PCK: a joint is right within alpha times the person's torso, measured from left shoulder to right hip (the usual choice
on Leeds Sports Pose); over marked joints of people whose torso is marked. OKS-AP: COCO's own evaluation.
"""

import contextlib
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from torch import Tensor


class PckScores(NamedTuple):
    """Percentage of correct keypoints, as fractions."""

    mean: float  # mean of ``joints`` over the joints that were marked at least once
    joints: Tensor  # (J,) float64, share of each joint's marked occurrences that were found; NaN if there is none


def pck(pred: Tensor, target: Tensor, visible: Tensor, *, alpha: float, torso: tuple[int, int] = (9, 2)) -> PckScores:
    """Share of joints found within ``alpha`` (usually 0.2) times the person's torso; pass the whole set at once.

    Joints are (N, J, 2), x and y in pixels, marked where ``visible`` (N, J) is above 0. ``torso`` is left shoulder and
    right hip: (9, 2) in LSP's order, (5, 12) in COCO's. People without a torso to measure are left out.

    ValueError for shapes that do not fit, a negative ``alpha``, or found joints that are not finite.

    Example:
        >>> import torch
        >>> target = torch.tensor([[[0.0, 0.0], [0.0, 10.0]]])  # a torso of 10 pixels
        >>> pred = target + torch.tensor([[[0.0, 2.0], [0.0, 2.1]]])
        >>> pck(pred, target, torch.ones(1, 2), alpha=0.2, torso=(0, 1)).joints.tolist()
        [1.0, 0.0]
    """
    if pred.ndim != 3 or pred.shape[-1] != 2 or pred.shape != target.shape or visible.shape != pred.shape[:2]:
        raise ValueError(
            "expected pred and target of shape (N, J, 2) and visible of shape (N, J), got "
            f"{tuple(pred.shape)}, {tuple(target.shape)} and {tuple(visible.shape)}"
        )
    if not (alpha >= 0 and pred.isfinite().all()):
        finite = "finite" if pred.isfinite().all() else "NaN or infinite"
        raise ValueError(f"expected alpha >= 0 and finite joints, got alpha={alpha} and {finite} joints")
    pred, target = pred.double(), target.double()
    length = (target[:, torso[0]] - target[:, torso[1]]).norm(dim=-1, keepdim=True)
    measurable = (visible[:, list(torso)] > 0).all(1, keepdim=True) & (length > 0)
    counted = (visible > 0) & measurable
    found = counted & ((pred - target).norm(dim=-1) <= alpha * length)
    joints = found.sum(0).double() / counted.sum(0)
    return PckScores(float(joints.nanmean()), joints)


class KeypointPrediction(NamedTuple):
    """One person that a pose net found."""

    image_id: int  # the image's id in the annotations
    joints: Tensor  # (17, 2), x and y in pixels, in COCO's order
    score: float  # how sure the net is; larger is surer


class KeypointAveragePrecision(NamedTuple):
    """COCO's keypoint scores, each in [0, 1]; NaN where no person counts."""

    ap: float  # average precision, the mean over object keypoint similarities 0.50, 0.55, ... 0.95
    ap50: float  # at 0.50
    ap75: float  # at 0.75
    ap_medium: float  # of people of 32^2 to 96^2 pixels
    ap_large: float  # of larger people
    ar: float  # average recall, the mean over the same similarities


def oks_average_precision(annotations: Path, predictions: Sequence[KeypointPrediction]) -> KeypointAveragePrecision:
    """Score found people, at most 20 an image, against all of ``annotations``, a ``person_keypoints_*.json`` of COCO.

    ValueError for no prediction, a wrong number of joints, values that are not finite, or an unknown image id;
    FileNotFoundError where the annotations are not there.
    """
    if not predictions:
        raise ValueError("expected at least one prediction, got none; a net that finds nobody has no precision")
    found = []
    for person in predictions:
        if person.joints.shape != (17, 2):
            raise ValueError(f"expected 17 joints (x, y) in COCO's order, got shape {tuple(person.joints.shape)}")
        if not (person.joints.isfinite().all() and math.isfinite(person.score)):
            raise ValueError(f"expected finite joints and score, got NaN or infinity for image {person.image_id}")
        keypoints = [value for x, y in person.joints.tolist() for value in (x, y, 1)]
        found.append(
            {"image_id": person.image_id, "category_id": 1, "keypoints": keypoints, "score": float(person.score)}
        )
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints
        truth = COCO(str(annotations))
        unknown = sorted({person.image_id for person in predictions} - set(truth.getImgIds()))
        if unknown:
            raise ValueError(f"expected image ids of {annotations}, got {unknown[:5]}; score the predicted split")
        evaluation = COCOeval(truth, truth.loadRes(found), iouType="keypoints")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return KeypointAveragePrecision(*(float("nan") if value < 0 else float(value) for value in evaluation.stats[:6]))
