"""Splits of data sets: opened by name and decoded once, cut in two for choices, checked before training begins."""

import functools
import os
from dataclasses import replace
from pathlib import Path

from dsrl_lab.datasets.base import Sample, SegmentationDataset
from dsrl_lab.datasets.camvid import CamVid
from dsrl_lab.datasets.cityscapes import Cityscapes
from dsrl_lab.datasets.folder import PictureFolder
from dsrl_lab.datasets.people import POSE_DATASETS, open_crowds
from dsrl_lab.datasets.pose import PoseDataset, PoseSample
from dsrl_lab.datasets.streets import Streets
from dsrl_lab.files import REPOSITORY
from dsrl_lab.training.config import Recipe
from dsrl_lab.training.evaluate import check_not_empty, drive_of
from dsrl_lab.training.examples import DecodedSamples


class Part(SegmentationDataset):
    """Some samples of a data set, as a split of its own."""

    def __init__(self, dataset: SegmentationDataset, split: str, indices: list[int]) -> None:
        self.dataset, self.indices = dataset, indices
        self.class_table, self.split = dataset.class_table, split
        self.names = tuple(dataset.names[index] for index in indices)

    def __getitem__(self, index: int) -> Sample:
        return self.dataset[self.indices[index]]


def hold_out(dataset: SegmentationDataset, *, share: float = 0.25) -> tuple[Part, Part]:
    """Cut a split in two: the first part of each sequence, and its last ``share`` (frames look alike)."""
    sequences: dict[str, list[int]] = {}
    for index, name in enumerate(dataset.names):
        sequences.setdefault(drive_of(name), []).append(index)
    held = [index for indices in sequences.values() for index in indices[round(len(indices) * (1 - share)) :]]
    if len(held) < share * len(dataset) / 2:  # most pictures are a sequence of their own
        held = list(range(min(round(len(dataset) * (1 - share)), len(dataset) - 1), len(dataset)))
    kept = sorted(set(range(len(dataset))) - set(held))
    return Part(dataset, f"{dataset.split}, first part", kept), Part(dataset, f"{dataset.split}, held out", held)


@functools.lru_cache(maxsize=4)
def open_split(
    dataset: str, split: str, root: Path | None, *, size: tuple[int, int], length: int, town: int | None = None
) -> SegmentationDataset:
    """Open one split of "streets", "camvid", "cityscapes" or "folder", decoded (or drawn) once for all callers.

    ``size`` (H, W), ``length`` and ``town``, a seed, are of drawn pictures alone, which need no ``root``; a named town
    is drawn into the cache. ValueError for an unknown data set, a folder not given, or a split that is not there.
    """
    if dataset == "streets":
        streets = Streets(split, size=size, length=length, seed=town or 0, cache=town is not None)
        streets.drawn.draw()
        return streets if streets.drawn.folder else DecodedSamples(streets)
    folders = {"camvid": CamVid, "cityscapes": Cityscapes, "folder": PictureFolder}
    if dataset not in folders:
        raise ValueError(f"unknown data set {dataset!r}; choose one of streets, {', '.join(folders)}")
    if root is None:
        fetch = f", or get it with dsrl-lab data fetch {dataset}" * (dataset != "folder")
        raise ValueError(f"{dataset} needs its folder: give --data ROOT{fetch}")
    return DecodedSamples(folders[dataset](root, split))


def open_data(
    recipe: Recipe, root: Path | None, *, held_out: bool = False
) -> tuple[SegmentationDataset | PoseDataset, SegmentationDataset | PoseDataset]:
    """Open what a recipe trains on and what it is scored on: val, or the last quarter of train with ``held_out``."""
    if recipe.dataset in POSE_DATASETS:
        train_people, val_people = recipe.pictures or (0, 0)
        lengths = (train_people, val_people)
        return open_crowds(recipe.dataset, root, size=picture_size_of(recipe), lengths=lengths, held_out=held_out)
    train = open_recipe_split(recipe, "train", root)
    return hold_out(train) if held_out else (train, open_recipe_split(recipe, "val", root))


def open_recipe_split(recipe: Recipe, split: str, root: Path | None) -> SegmentationDataset:
    """Open one split of a recipe's data set, in its seed's town where towns are drawn."""
    numbers = dict(zip(("train", "val", "test"), recipe.pictures or (), strict=False))
    town = recipe.train.seed if recipe.town_per_seed else None
    size = picture_size_of(recipe)
    opened = open_split.__wrapped__ if recipe.dataset == "folder" else open_split  # a folder of one's own may change
    return opened(recipe.dataset, split, root, size=size, length=numbers.get(split, 0), town=town)


def fit_to_folder(recipe: Recipe, root: Path | None) -> Recipe:
    """Give a recipe for a folder of one's own its classes and, if left at 1, the scales of its first picture's crops.

    They run from the whole picture, which is how it is scored, to a half of its sides. Other recipes stay as they are.
    """
    if recipe.dataset != "folder" or recipe.classes is not None:
        return recipe
    data = open_recipe_split(recipe, "train", root)
    sides = zip(picture_size_of(recipe), data[0].mask.shape, strict=True)
    whole = max(of_crop / of_picture for of_crop, of_picture in sides)
    scales = (whole, 2 * whole) if recipe.train.scale_range == (1.0, 1.0) else recipe.train.scale_range
    classes = recipe.network.num_classes
    network = replace(recipe.network, num_classes=data.class_table.num_classes if classes == 1 else classes)
    return replace(recipe, network=network, train=replace(recipe.train, scale_range=scales), classes=data.class_table)


def picture_size_of(recipe: Recipe) -> tuple[int, int]:
    """(H, W) of a recipe's drawn pictures."""
    (height, width), scale = recipe.train.input_size, recipe.network.upscale_factor
    return recipe.picture_size or (height * scale, width * scale)


def check_scoreable(dataset: SegmentationDataset | PoseDataset, size: tuple[int, int]) -> None:
    """Read every picture of a split that will be scored, so that a fault shows before training and not after it.

    ValueError for an empty split, or a picture of masks smaller than ``size``, which the scores need; it is named.
    """
    check_not_empty(dataset, dataset.split)
    labelled = False
    for index in range(len(dataset)):
        sample = dataset[index]
        height, width = size if isinstance(sample, PoseSample) else sample.mask.shape
        labelled |= isinstance(sample, PoseSample) or bool((sample.mask != 255).any())
        if height < size[0] or width < size[1]:
            raise ValueError(
                f"{sample.name} of {dataset.split} is (H, W) = {(height, width)}, smaller than "
                f"{tuple(size)}, which its scores need; take it out of the split, or lower train.input_size"
            )
    if not labelled:
        raise ValueError(f"expected at least one labelled pixel in {dataset.split}, got none; check the data folder")


def find_released(name: str, root: str | Path | None) -> Path:
    """Find released weights in ``weights`` beside the data's root, under DSRL_LAB_DATA or under ``data``."""
    folders = [root and Path(root).resolve().parent, os.environ.get("DSRL_LAB_DATA"), REPOSITORY / "data"]
    places = [Path(folder) / "weights" for folder in folders if folder]
    for place in places:
        if (place / name).is_file():
            return place / name
    raise FileNotFoundError(
        f"released weights {name} not found in {', '.join(map(str, places))}; "
        f"get them with dsrl-lab data fetch {name.split('/')[0]}"
    )
