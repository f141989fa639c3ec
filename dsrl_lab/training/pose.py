"""Pose nets in the same loop: heat-maps of joints as the task, PCK and OKS-AP as its scores.

The loss is the squared error of marked joints' heat-maps over that of one blank joint (pi sigma^2). So it starts near 1
at every size, and w1 and w2 mean about what they mean beside cross-entropy (the release's starts near 0.002).
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from dsrl_lab.complexity import evaluating
from dsrl_lab.datasets.joint_tables import JointTable
from dsrl_lab.datasets.people import DecodedPeople
from dsrl_lab.datasets.pose import CocoKeypoints, PoseDataset, PoseSample
from dsrl_lab.datasets.pose_transforms import (
    PoseExample,
    PoseTransform,
    crop_person,
    crop_to_picture,
    pose_low_and_high,
    transform_joints,
)
from dsrl_lab.dsrl import DSRL
from dsrl_lab.losses import heatmap_loss
from dsrl_lab.metrics.keypoints import KeypointPrediction, oks_average_precision, pck
from dsrl_lab.models.base import DensePredictor
from dsrl_lab.models.pose.heatmaps import decode_heatmaps, flip_test, gaussian_heatmaps
from dsrl_lab.training.config import TrainConfig
from dsrl_lab.training.evaluate import check_finite, check_outputs, device_of, number_or_none
from dsrl_lab.training.objectives import DSRLObjective
from dsrl_lab.training.processes import all_reduce_sum, broadcast_buffers, shard

MARGIN = 1.25  # sides of the crop over the person's box, as in HRNet's release
BATCH = 32


@dataclass(frozen=True)
class PoseObjective(DSRLObjective):
    """Joints of one person: crops, Gaussian heat-maps at the network's own output size, PCK."""

    config: TrainConfig
    joint_table: JointTable
    upscale_factor: int = 2  # sides of the high-resolution crop over sides of the input
    validation: PoseDataset | None = None  # None for no evaluation
    score = "pck"

    @property
    def high_size(self) -> tuple[int, int]:
        """(H, W) of the crop at high resolution."""
        return _crop_size(self.config.input_size, self.upscale_factor)

    def example(self, sample: PoseSample, generator: torch.Generator) -> PoseExample:
        """Cut the person out, scaled, turned and mirrored by one draw, and reduce the crop for the network."""
        drawn = {name: getattr(self.config, name) for name in ("scale_range", "max_degrees", "flip_probability")}
        transform = PoseTransform(self.high_size, self.joint_table, margin=MARGIN, **drawn)
        return pose_low_and_high(transform(sample, generator), self.upscale_factor)

    def count(self, batch: PoseExample) -> Tensor:
        """Joints that are marked and inside the crop."""
        return batch.visible.sum()

    def target(self, example: PoseExample, size: tuple[int, int]) -> Tensor:
        """(N, J, h, w) Gaussians at the heat-maps' ``size`` (h, w); their deviation is in pixels of the crop."""
        options: Any = {"image_size": self.high_size, "size": size, "sigma": self._sigma(size)}
        return gaussian_heatmaps(example.joints, example.visible, **options)

    def task_loss(self, logits: Tensor, batch: PoseExample, count: Tensor) -> Tensor:
        """Squared error of marked joints' heat-maps, in units of a blank joint's, over ``count`` joints."""
        size = (logits.shape[-2], logits.shape[-1])
        half_mean = heatmap_loss(logits.float(), self.target(batch, size), batch.visible)
        blank = math.pi * self._sigma(size) ** 2 / (size[0] * size[1])
        return 2 * half_mean / blank * batch.visible.numel() / count.clamp(min=1)

    def evaluate(self, model: DSRL, fabric: Fabric | None = None) -> dict[str, Any]:
        """Scores on the validation people; empty where there are none."""
        if self.validation is None:
            return {}
        size, scale = self.config.input_size, self.upscale_factor
        result = evaluate_pose(model.task_model, self.validation, input_size=size, upscale_factor=scale, fabric=fabric)
        return result.to_json()

    def _sigma(self, size: tuple[int, int]) -> float:
        return self.config.heatmap_sigma * size[0] / self.high_size[0]


@dataclass(frozen=True, kw_only=True)
class PoseResult:
    """Scores of a pose net on one split, each in [0, 1]."""

    pck: float  # share of joints within 0.2 of the torso, the mean over joints
    pck_strict: float  # the same within 0.1 of the torso
    joints: dict[str, float | None]  # joint name to its share within 0.2; None for a joint that is never marked
    oks: dict[str, float | None] | None  # COCO's keypoint scores by pycocotools; None for other data sets
    split: str
    people: int
    input_size: tuple[int, int]  # (H, W) that the network received
    flip: bool  # whether heat-maps were averaged with the mirror image's

    def to_json(self) -> dict[str, Any]:
        """As a dictionary that JSON can hold."""
        return asdict(self)


class PersonCrops(PoseDataset):
    """The people of a data set as evaluation crops them: at high resolution, (H, W) = ``size``, unturned."""

    def __init__(self, people: PoseDataset, size: tuple[int, int]) -> None:
        self.people, self.size = people, size
        self.joint_table, self.split, self.names = people.joint_table, people.split, people.names

    def __getitem__(self, index: int) -> PoseSample:
        sample = self.people[index]
        return crop_person(sample, self.matrix(sample), self.size)

    def matrix(self, sample: PoseSample) -> Tensor:
        """(2, 3) from the crop's pixels to the picture's, for joints that were found in the crop."""
        return crop_to_picture(sample.box, self.size, margin=MARGIN)


def find_joints(
    model: DensePredictor,
    people: PoseDataset,
    *,
    input_size: tuple[int, int],
    upscale_factor: int = 2,
    flip: bool = False,
    progress: Callable[[int, int], None] | None = None,
    fabric: Fabric | None = None,
) -> tuple[Tensor, Tensor]:
    """Find every person's joints (N, J, 2) as (x, y) pixels of their own picture, and the confidence in each (N, J).

    ``flip`` averages with the mirror image, at twice the cost. Other arguments as in ``evaluate_segmentation``.
    ValueError for heat-maps that are not finite.
    """
    crops = PersonCrops(people, _crop_size(input_size, upscale_factor))
    device = device_of(model)
    broadcast_buffers(model, fabric)
    joints, scores = (torch.zeros(len(people), people.joint_table.num_joints, *last) for last in ((2,), ()))
    for batch in shard(-(-len(people) // BATCH), fabric):
        start, stop = batch * BATCH, min((batch + 1) * BATCH, len(people))
        samples = [people[index] for index in range(start, stop)]
        matrices = [crops.matrix(sample) for sample in samples]
        cut = [crop_person(sample, matrix, crops.size) for sample, matrix in zip(samples, matrices, strict=True)]
        image = torch.stack([pose_low_and_high(crop, upscale_factor).low_res for crop in cut]).to(device)
        with evaluating(model):
            heatmaps = flip_test(model, image, people.joint_table.pairs) if flip else model(image)
        found = decode_heatmaps(check_finite(heatmaps.cpu()), crops.size)
        joints[start:stop] = torch.stack(list(map(transform_joints, found.joints, matrices)))
        scores[start:stop] = found.scores
        if progress is not None:
            progress(stop, len(people))
    return all_reduce_sum(joints, fabric), all_reduce_sum(scores, fabric)


def evaluate_pose(
    model: DensePredictor, people: PoseDataset, *, input_size: tuple[int, int], **options: Any
) -> PoseResult:
    """Score a pose net on a split, boxes given: PCK, and OKS-AP where people are COCO's; options as ``find_joints``.

    ValueError for no people, another number of joints than the network's, or heat-maps that are not finite.
    """
    check_outputs(model, people, people.joint_table.num_joints, "joints")
    found, scores = find_joints(model, people, input_size=input_size, **options)
    return _score(found, scores, people, input_size, options.get("flip", False), options.get("fabric"))


def evaluate_mean_pose(
    train: PoseDataset, people: PoseDataset, *, input_size: tuple[int, int], upscale_factor: int = 2
) -> PoseResult:
    """Score the control: everybody has the training people's mean pose; a joint never marked is in the middle."""
    size = _crop_size(input_size, upscale_factor)
    learnt, crops = PersonCrops(train, size), PersonCrops(people, size)
    places, marked = torch.zeros(train.joint_table.num_joints, 2), torch.zeros(train.joint_table.num_joints, 1)
    for index in range(len(learnt)):
        crop = learnt[index]
        seen = (crop.visible > 0).float()[:, None]
        places, marked = places + crop.joints * seen, marked + seen
    middle = torch.tensor([(size[1] - 1) / 2, (size[0] - 1) / 2])
    pose = torch.where(marked > 0, places / marked.clamp(min=1), middle)
    found = torch.stack([transform_joints(pose, crops.matrix(people[index])) for index in range(len(people))])
    return _score(found, torch.ones(found.shape[:2]), people, input_size, flip=False, fabric=None)


def _crop_size(input_size: tuple[int, int], upscale_factor: int) -> tuple[int, int]:
    return input_size[0] * upscale_factor, input_size[1] * upscale_factor


def _score(
    found: Tensor, scores: Tensor, people: PoseDataset, input_size: tuple[int, int], flip: bool, fabric: Fabric | None
) -> PoseResult:
    table = people.joint_table
    target, visible = torch.zeros_like(found), torch.zeros_like(scores)
    for index in shard(len(people), fabric):
        target[index], visible[index] = people[index].joints, people[index].visible
    target, visible = all_reduce_sum(target, fabric), all_reduce_sum(visible, fabric)
    loose, strict = (pck(found, target, visible, alpha=alpha, torso=table.torso) for alpha in (0.2, 0.1))
    shares = zip(table.names, loose.joints.tolist(), strict=True)
    return PoseResult(
        pck=loose.mean,
        pck_strict=strict.mean,
        joints={name: number_or_none(share) for name, share in shares},
        oks=_oks(people, found, scores),
        split=people.split,
        people=len(people),
        input_size=(input_size[0], input_size[1]),
        flip=flip,
    )


def _oks(people: PoseDataset, found: Tensor, scores: Tensor) -> dict[str, float | None] | None:
    coco = people.dataset if isinstance(people, DecodedPeople) else people
    if not isinstance(coco, CocoKeypoints):
        return None
    people_found = zip(coco.image_ids, found, scores.mean(1), strict=True)
    predictions = [KeypointPrediction(image_id, joints, float(score)) for image_id, joints, score in people_found]
    result = oks_average_precision(coco.annotations, predictions)
    return {name: number_or_none(value) for name, value in result._asdict().items()}
