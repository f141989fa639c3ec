"""Pose in the loop: the loss by hand and in its invariances, scores of a net that knows, a run from end to end."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from dsrl_lab import experiments
from dsrl_lab.datasets.joint_tables import LSP_JOINTS
from dsrl_lab.datasets.people import StreetPeople, open_people
from dsrl_lab.datasets.pose import PoseDataset, PoseSample
from dsrl_lab.datasets.pose_transforms import PoseExample
from dsrl_lab.dsrl import DSRL
from dsrl_lab.models.base import DensePredictor, HeadOutput, PredictorSpec
from dsrl_lab.models.pose.heatmaps import gaussian_heatmaps
from dsrl_lab.recipes import find_recipe, with_changes
from dsrl_lab.results import release_runs as keeping
from dsrl_lab.training.build import load_task_model
from dsrl_lab.training.config import TrainConfig
from dsrl_lab.training.optim import build_optimizer
from dsrl_lab.training.pose import PersonCrops, PoseObjective, evaluate_mean_pose, evaluate_pose, find_joints
from tests.training.small import TwoLayers

CONFIG = TrainConfig(input_size=(32, 32), iterations=1, heatmap_sigma=6.0)
TASK = PoseObjective(CONFIG, LSP_JOINTS)


def example(people: int = 3) -> PoseExample:
    joints = 12 + 40 * torch.rand(people, 14, 2)
    return PoseExample(torch.rand(people, 3, 32, 32), torch.rand(people, 3, 64, 64), joints, torch.ones(people, 14))


def test_a_blank_answer_costs_about_one_at_every_size_of_heat_map() -> None:
    batch = example()
    for size in ((8, 8), (16, 16), (64, 64)):
        loss = TASK.task_loss(torch.zeros(3, 14, *size), batch, TASK.count(batch))
        assert float(loss) == pytest.approx(1.0, abs=0.1)  # what a Gaussian loses beyond the border


def test_the_loss_by_hand() -> None:
    batch = example(1)
    target = TASK.target(batch, (16, 16))
    logits = target.clone()
    logits[0, 4, 3, 5] += 0.5
    wanted = 0.25 / (math.pi * 1.5**2) / 14  # sigma of 6 on 64 pixels is 1.5 on 16
    assert float(TASK.task_loss(logits, batch, TASK.count(batch))) == pytest.approx(wanted, rel=1e-4)


def test_joints_that_are_not_marked_neither_cost_nor_count() -> None:
    batch, size = example(), (16, 16)
    batch.visible[:, 3:] = 0
    logits = torch.rand(3, 14, *size)
    before = TASK.task_loss(logits, batch, TASK.count(batch))
    logits[:, 3:] += 9
    assert torch.equal(TASK.task_loss(logits, batch, TASK.count(batch)), before)
    assert TASK.count(batch) == 9
    nobody = batch._replace(visible=torch.zeros(3, 14))
    assert float(TASK.task_loss(logits, nobody, TASK.count(nobody))) == 0.0


def test_parts_of_a_batch_add_up_to_the_whole() -> None:
    batch, size = example(4), (16, 16)
    batch.visible[0, :9] = 0
    logits = torch.rand(4, 14, *size)
    count = TASK.count(batch)
    halves = [PoseExample(*(part[place] for part in batch)) for place in (slice(0, 1), slice(1, 4))]
    parts = [TASK.task_loss(logits[:1], halves[0], count), TASK.task_loss(logits[1:], halves[1], count)]
    assert float(sum(parts)) == pytest.approx(float(TASK.task_loss(logits, batch, count)), rel=1e-5)


class Listed(PoseDataset):
    """People of a list."""

    joint_table, split = LSP_JOINTS, "val"

    def __init__(self, people: list[PoseSample]) -> None:
        self.people, self.names = people, tuple(person.name for person in people)

    def __getitem__(self, index: int) -> PoseSample:
        return self.people[index]


class Oracle(DensePredictor):
    """Knows where the joints are: draws the heat-maps of the crop it was told about."""

    def __init__(self, joints: Tensor, size: tuple[int, int]) -> None:
        super().__init__()
        self.spec = PredictorSpec(
            num_classes=14, feature_channels=(3,), feature_strides=(1,), head_channels=3, head_stride=1, logits_stride=1
        )
        self.joints, self.size = joints, size
        self.scale = nn.Parameter(torch.ones(1))

    def forward_features(self, image: Tensor) -> tuple[Tensor, ...]:
        return (image,)

    def forward_head(self, features: tuple[Tensor, ...]) -> HeadOutput:
        image = features[0]
        size = (image.shape[-2], image.shape[-1])
        maps = gaussian_heatmaps(self.joints, torch.ones(len(self.joints), 14), image_size=self.size, size=size)
        return HeadOutput(maps * self.scale, image)


def test_who_draws_the_true_heat_maps_scores_one_in_the_pictures_own_pixels() -> None:
    people = StreetPeople("val", size=(96, 80), length=3)
    crops = PersonCrops(people, (64, 48))
    oracle = Oracle(torch.stack([crops[index].joints for index in range(3)]), (64, 48))
    found, scores = find_joints(oracle, people, input_size=(32, 24))
    truth = torch.stack([people[index].joints for index in range(3)])
    assert float((found - truth).abs().max()) < 2.0  # a quarter of a heat-map pixel is half a pixel of the crop
    assert float(scores.min()) > 0.8
    result = evaluate_pose(oracle, people, input_size=(32, 24))
    assert (result.pck, result.pck_strict, result.oks, result.people) == (1.0, 1.0, None, 3)


def test_the_mean_pose_is_found_where_everybody_stands_alike_and_never_looks() -> None:
    people = StreetPeople("val", size=(96, 96), length=3)
    one = Listed([people[0]] * 2)
    same = evaluate_mean_pose(one, one, input_size=(32, 32))
    assert same.pck == same.pck_strict == 1.0  # the mean of equals, through the crop and back into the picture
    others = evaluate_mean_pose(one, people, input_size=(32, 32))
    assert others.people == 3 and others.pck < 1.0
    blank = [people[index]._replace(image=torch.zeros_like(people[index].image)) for index in range(3)]
    assert evaluate_mean_pose(one, Listed(blank), input_size=(32, 32)) == others


def test_a_net_for_other_joints_is_refused() -> None:
    people = StreetPeople("val", size=(64, 64), length=1)
    oracle = Oracle(torch.zeros(1, 14, 2), (64, 64))
    oracle.spec = replace(oracle.spec, num_classes=17)
    with pytest.raises(ValueError, match="gives 17 joints, the data set has 14"):
        evaluate_pose(oracle, people, input_size=(32, 32))


def test_heat_maps_that_are_not_finite_are_not_scored() -> None:
    oracle = Oracle(torch.zeros(1, 14, 2), (64, 64))
    oracle.scale.data.fill_(float("nan"))
    with pytest.raises(ValueError, match="expected finite logits, the network gives NaN or infinity"):
        evaluate_pose(oracle, StreetPeople("val", size=(64, 64), length=1), input_size=(32, 32))
    with pytest.raises(ValueError, match="expected at least one picture in val to score, got none"):
        evaluate_pose(oracle, Listed([]), input_size=(32, 32))


def test_adam_gets_the_same_groups_and_mistakes_are_named() -> None:
    net = DSRL(TwoLayers(), sssr=None, sisr=False, affinity=False)
    config = replace(CONFIG, optimizer="adam", weight_decay=0.1)
    groups = build_optimizer(net, config).param_groups
    assert isinstance(build_optimizer(net, config), torch.optim.Adam)
    assert {group["weight_decay"] for group in groups} == {0.1, 0.0}
    with pytest.raises(ValueError, match="unknown optimizer 'lion'; choose sgd, adam"):
        replace(CONFIG, optimizer="lion")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expected heatmap_sigma as a number from 1e-06"):
        replace(CONFIG, heatmap_sigma=0.0)


def small(row: str = "dsrl", *changes: str) -> experiments.Recipe:
    recipe = replace(find_recipe(f"people_hrnet_{row}"), pictures=(4, 3))
    settings = ["train.input_size=[32,32]", "train.iterations=4", "train.batch_size=2", "train.record_every=2"]
    return with_changes(recipe, [*settings, "train.checkpoint_every=2", *changes])


def test_a_pose_run_leaves_record_and_deployed_net_and_resumes_bit_for_bit(tmp_path: Path) -> None:
    whole = list(experiments.run(small(), directory=tmp_path / "whole"))
    assert all(line.sisr > 0 and line.affinity > 0 for line in whole)
    cut = experiments.run(small(), directory=tmp_path / "cut")
    next(cut)
    cut.close()  # type: ignore[attr-defined]
    list(experiments.run(small(), directory=tmp_path / "cut", resume=True))
    ends = [keeping.final_scores(tmp_path / name / "record.jsonl") for name in ("whole", "cut")]
    assert ends[0]["keypoints"] == ends[1]["keypoints"] and ends[0]["super_resolution"]["psnr"] > 0
    model, loaded = load_task_model(tmp_path / "whole" / "deployed.safetensors")
    assert not any("sisr" in name or "transform" in name for name in loaded.tensors)
    people = open_people("street_people", "val", None, size=(85, 85), length=3)
    again = evaluate_pose(model, people, input_size=(32, 32)).to_json()
    assert json.loads(json.dumps(again))["joints"] == ends[0]["keypoints"]["joints"]
    written = keeping.keep(tmp_path / "whole", tmp_path / "data")
    assert written[0] == tmp_path / "data" / "runs" / "people_hrnet" / "dsrl_seed0.jsonl"


def test_a_net_with_other_joints_than_the_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="gives 17 joints, street_people has 14: set network.num_classes=14"):
        next(experiments.run(small("dsrl", "network.num_classes=17"), directory=tmp_path))


def test_choices_are_made_on_the_last_quarter_of_train() -> None:
    train, held = experiments.open_data(replace(small(), pictures=(8, 3)), None, held_out=True)
    assert isinstance(train, PoseDataset) and isinstance(held, PoseDataset)
    assert (held.names, held.split) == (("train/person_000006", "train/person_000007"), "train, held out")
    assert isinstance(held[0], PoseSample) and set(train.names).isdisjoint(held.names)


@pytest.mark.slow
def test_cocos_own_evaluation_is_asked_where_the_people_are_cocos(real_data: Path) -> None:
    people = open_people("coco", "val", real_data / "pose" / "coco_tiny")
    crops = PersonCrops(people, (256, 192))
    cut = [crops[index] for index in range(len(people))]

    class Sure(Oracle):
        num_classes, seen = 17, 0

        def forward_head(self, features: tuple[Tensor, ...]) -> HeadOutput:
            batch = slice(self.seen, self.seen + len(features[0]))
            self.seen += len(features[0])
            size = (features[0].shape[-2], features[0].shape[-1])
            marks = torch.ones(len(features[0]), 17)
            return HeadOutput(
                gaussian_heatmaps(self.joints[batch], marks, image_size=self.size, size=size) * self.scale, features[0]
            )

    sure = Sure(torch.stack([one.joints for one in cut]), (256, 192))
    oks = evaluate_pose(sure, people, input_size=(128, 96)).oks
    assert oks is not None and oks["ap50"] is not None and oks["ap50"] > 0.9
