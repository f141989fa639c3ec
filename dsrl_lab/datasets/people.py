"""People one at a time: drawn ones, seen through a long lens, and those of any data set by name, decoded once.

The drawn people are those of ``streets``: the camera turns to one person and zooms in, past what stands before them.
Joints are exact, covered ones not marked. (Leeds Sports Pose marks hidden joints too, and some of them wrongly.)
"""

import functools
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dsrl_lab.datasets.base import memory_to_keep
from dsrl_lab.datasets.joint_tables import LSP_JOINTS
from dsrl_lab.datasets.pose import CocoKeypoints, LspExtended, PoseDataset, PoseSample
from dsrl_lab.datasets.streets import Streets
from dsrl_lab.streets.people import Person
from dsrl_lab.streets.render import render
from dsrl_lab.streets.scene import Scene

SHARE = 0.6  # of the picture's height that a person takes
NEAREST = 3.5  # metres; whoever is nearer would be cut by the camera's near plane
POSE_DATASETS = ("street_people", "lsp", "coco")


class StreetPeople(PoseDataset):
    """Drawn people with Leeds Sports Pose's 14 joints, one from each scene of ``Streets``: whom one sees best.

    The picture is of ``size`` (H, W), the person about 0.6 of its height tall; another ``seed`` is another town.

    ValueError as ``Streets``.

    Example:
        >>> person = StreetPeople("val", size=(64, 64), length=2)[1]
        >>> person.image.shape, person.joints.shape, int(person.visible.sum()) >= 7
        (torch.Size([3, 64, 64]), torch.Size([14, 2]), True)
    """

    def __init__(self, split: str, *, size: tuple[int, int] = (128, 128), length: int | None = None, seed: int = 0):
        self._streets = Streets(split, size=size, length=length, seed=seed)
        self.joint_table, self.split, self.size = LSP_JOINTS, split, self._streets.size
        self.names = tuple(name.replace("/", "/person_") for name in self._streets.names)

    def __getitem__(self, index: int) -> PoseSample:
        scene = self._streets.scene(index)
        number = _best_seen(scene, self.size)
        close = _turned_to(scene, scene.people[number])
        image, _ = render(close, self.size)
        marks = torch.from_numpy(close.joints(self.size)[number]).float()
        joints, visible = marks[:, :2] - 0.5, marks[:, 2]  # scenes count from a pixel's edge, poses from its centre
        box = torch.cat([joints.amin(0), joints.amax(0) + 1])
        pixels = torch.from_numpy(image).permute(2, 0, 1).contiguous().float() / 255
        return PoseSample(pixels, joints, visible, self.names[index], box)


def _best_seen(scene: Scene, size: tuple[int, int]) -> int:
    """Number of the person with most joints in sight, nobody too near; of equals the nearest."""
    marked = scene.joints(size)[:, :, 2].sum(1)
    depths = [float(_seen(scene, person)[:, 2].min()) for person in scene.people]
    order = sorted(range(len(depths)), key=lambda k: (depths[k] >= NEAREST, marked[k], -depths[k]))
    return order[-1]


def _seen(scene: Scene, person: Person) -> NDArray[np.float64]:
    return scene.camera.see(np.array(person.joints(), np.float64))


def _turned_to(scene: Scene, person: Person) -> Scene:
    """The same scene from the same place, through a long lens that is turned to one person."""
    camera, seen = scene.camera, _seen(scene, person)
    right, depth = float(seen[:, 0].mean()), float(seen[:, 2].mean())
    distance = math.hypot(right, depth)
    low, high = float(seen[:, 1].min()), float(seen[:, 1].max())
    focal = SHARE * distance / max(high - low, 0.5)
    yaw, horizon = camera.yaw + math.atan2(right, depth), 0.5 + focal * ((low + high) / 2) / distance
    return replace(scene, camera=replace(camera, yaw=yaw, focal=focal, horizon=horizon))


class PeoplePart(PoseDataset):
    """Some people of a data set, as a split of its own."""

    def __init__(self, dataset: PoseDataset, split: str, indices: list[int]) -> None:
        self.dataset, self.indices = dataset, indices
        self.joint_table, self.split = dataset.joint_table, split
        self.names = tuple(dataset.names[index] for index in indices)

    def __getitem__(self, index: int) -> PoseSample:
        return self.dataset[self.indices[index]]


class DecodedPeople(PoseDataset):
    """People whose pictures are decoded (or drawn) once and kept, at most ``budget`` bytes; the rest each time.

    Example:
        >>> people = DecodedPeople(StreetPeople("val", size=(32, 32), length=1))
        >>> bool((people[0].image - people[0].image).abs().max() == 0), len(people.kept)
        (True, 1)
    """

    def __init__(self, dataset: PoseDataset, *, budget: int | None = None) -> None:
        self.dataset, self.room = dataset, memory_to_keep() if budget is None else budget
        self.joint_table, self.split, self.names = dataset.joint_table, dataset.split, dataset.names
        self.kept: dict[int, tuple[Tensor, PoseSample]] = {}

    def __getitem__(self, index: int) -> PoseSample:
        if index in self.kept:
            pixels, rest = self.kept[index]
            return rest._replace(image=pixels.float() / 255)
        sample = self.dataset[index]
        pixels = (sample.image * 255).round().to(torch.uint8)
        if self.room >= pixels.numel():
            self.kept[index] = (pixels, sample._replace(image=torch.empty(0)))
            self.room -= pixels.numel()
        return sample._replace(image=pixels.float() / 255)


@functools.lru_cache(maxsize=4)
def open_people(
    dataset: str, split: str, root: Path | None, *, size: tuple[int, int] = (128, 128), length: int = 100
) -> DecodedPeople:
    """Open one split of a pose data set by name; ``size`` (H, W) and ``length`` are for drawn people.

    People of Leeds Sports Pose are framed by their joints, as by a perfect detector; COCO's by their annotated boxes.

    ValueError for an unknown data set, a folder that is needed and not given, or a split that is not there.
    """
    if dataset not in POSE_DATASETS:
        raise ValueError(f"unknown pose data set {dataset!r}; choose one of {', '.join(POSE_DATASETS)}")
    if dataset == "street_people":
        return DecodedPeople(StreetPeople(split, size=size, length=length))
    if root is None:
        raise ValueError(f"{dataset} needs its folder: give --data ROOT (dsrl-lab data check lsp_extended)")
    return DecodedPeople(LspExtended(root, split, box="joints") if dataset == "lsp" else CocoKeypoints(root, split))


def drawing_size(crop_size: tuple[int, int]) -> tuple[int, int]:
    """Size (H, W) to draw people at whose crops are of ``crop_size``: a third larger, so that crops lie inside."""
    return 4 * crop_size[0] // 3, 4 * crop_size[1] // 3


def open_crowds(
    dataset: str, root: Path | None, *, size: tuple[int, int], lengths: tuple[int, int], held_out: bool = False
) -> tuple[PoseDataset, PoseDataset]:
    """Open who is learnt from and who is scored: with ``held_out`` the last quarter of train.

    Example:
        >>> tuple(map(len, open_crowds("street_people", None, size=(24, 24), lengths=(8, 0), held_out=True)))
        (6, 2)
    """
    drawn = drawing_size(size)
    train = open_people(dataset, "train", root, size=drawn, length=lengths[0])
    if not held_out:
        return train, open_people(dataset, "val", root, size=drawn, length=lengths[1])
    order, end = list(range(len(train))), round(0.75 * len(train))
    return PeoplePart(train, "train, first part", order[:end]), PeoplePart(train, "train, held out", order[end:])
