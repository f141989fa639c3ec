"""Running a recipe: open its data, build its network, fit, score, and leave records and checkpoints.

The command line, the notebooks and the tests all come through ``run``. A run's folder holds ``record.jsonl``,
``latest.safetensors`` (to go on from) and ``deployed.safetensors`` (the task model alone, SISR left behind).
"""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric

from dsrl_lab.complexity import complexity
from dsrl_lab.datasets.base import Sample, SegmentationDataset
from dsrl_lab.datasets.camvid import CamVid
from dsrl_lab.datasets.cityscapes import Cityscapes
from dsrl_lab.datasets.people import POSE_DATASETS, open_crowds
from dsrl_lab.datasets.pose import PoseDataset
from dsrl_lab.datasets.streets import Streets
from dsrl_lab.dsrl import DSRL
from dsrl_lab.models.base import DensePredictor
from dsrl_lab.models.segmentation.espnetv2 import from_released_checkpoint
from dsrl_lab.recipes import Recipe
from dsrl_lab.training import checkpoint, record
from dsrl_lab.training.build import build_dsrl
from dsrl_lab.training.evaluate import (
    drive_of,
    evaluate_affinity,
    evaluate_segmentation,
    evaluate_super_resolution,
)
from dsrl_lab.training.examples import DecodedSamples, Samples
from dsrl_lab.training.loop import fit
from dsrl_lab.training.pose import PersonCrops, PoseTask, evaluate_mean_pose
from dsrl_lab.training.record import TrainRecord
from dsrl_lab.training.tasks import SegmentationTask, Task, class_weights_of

REPOSITORY = Path(__file__).resolve().parent.parent


class Part(SegmentationDataset):
    """Some samples of a data set, as a split of its own.

    Args:
        dataset: where they come from.
        split: name of the part.
        indices: which.
    """

    def __init__(self, dataset: SegmentationDataset, split: str, indices: list[int]) -> None:
        self.dataset, self.indices = dataset, indices
        self.class_table, self.split = dataset.class_table, split
        self.names = tuple(dataset.names[index] for index in indices)

    def __getitem__(self, index: int) -> Sample:
        return self.dataset[self.indices[index]]


def hold_out(dataset: SegmentationDataset, *, share: float = 0.25) -> tuple[Part, Part]:
    """Cut a training split in two for choices: the first part of each sequence (``drive_of``), and its last ``share``.

    Neighbouring frames of a video look alike, so the cut is one per sequence and not at random.

    Args:
        dataset: a training split.
        share: of each sequence that is held out.

    Example:
        >>> kept, held = hold_out(Streets("train", size=(8, 8), length=8), share=0.25)
        >>> len(kept), len(held)
        (6, 2)
    """
    sequences: dict[str, list[int]] = {}
    for index, name in enumerate(dataset.names):
        sequences.setdefault(drive_of(name), []).append(index)
    kept: list[int] = []
    held: list[int] = []
    for indices in sequences.values():
        cut = round(len(indices) * (1 - share))
        kept += indices[:cut]
        held += indices[cut:]
    return Part(dataset, f"{dataset.split}, first part", kept), Part(dataset, f"{dataset.split}, held out", held)


@functools.lru_cache(maxsize=4)
def open_split(
    dataset: str, split: str, root: Path | None, *, size: tuple[int, int], length: int, town: int = 0
) -> SegmentationDataset:
    """Open one split of a data set by name; its pictures are decoded (or drawn) once, for all that ask for it.

    Args:
        dataset: "streets", "camvid" or "cityscapes" (people: ``datasets.people.open_people``).
        split: "train", "val", ...
        root: its folder; "streets" needs none.
        size: (H, W) of the pictures that are drawn ("streets" only).
        length: how many are drawn ("streets" only).
        town: seed of the town that they are drawn in ("streets" only).

    Raises:
        ValueError: unknown data set, a folder that is needed and not given, or a split that is not there.
    """
    if dataset == "streets":
        return DecodedSamples(Streets(split, size=size, length=length, seed=town))
    folders = {"camvid": CamVid, "cityscapes": Cityscapes}
    if dataset not in folders:
        raise ValueError(f"unknown data set {dataset!r}; choose one of streets, {', '.join(folders)}")
    if root is None:
        raise ValueError(f"{dataset} needs its folder: give --data ROOT, or get it with dsrl-lab data fetch {dataset}")
    return DecodedSamples(folders[dataset](root, split))


def open_data(
    recipe: Recipe, root: Path | None, *, held_out: bool = False
) -> tuple[SegmentationDataset | PoseDataset, SegmentationDataset | PoseDataset]:
    """Open what a recipe trains on and what it is scored on.

    Args:
        recipe: the experiment, with its seed.
        root: folder of its data set.
        held_out: score on the last quarter of the training split, and train on the rest; for choices.
    """
    if recipe.dataset in POSE_DATASETS:
        train_people, val_people = recipe.pictures or (0, 0)
        lengths = (train_people, val_people)
        return open_crowds(recipe.dataset, root, size=_picture_size(recipe), lengths=lengths, held_out=held_out)
    train = _open(recipe, "train", root)
    return hold_out(train) if held_out else (train, _open(recipe, "val", root))


def _open(recipe: Recipe, split: str, root: Path | None) -> SegmentationDataset:
    numbers = dict(zip(("train", "val", "test"), recipe.pictures or (), strict=False))
    town = recipe.train.seed if recipe.town_per_seed else 0
    size = _picture_size(recipe)
    return open_split(recipe.dataset, split, root, size=size, length=numbers.get(split, 0), town=town)


def _picture_size(recipe: Recipe) -> tuple[int, int]:
    (height, width), scale = recipe.train.input_size, recipe.network.upscale_factor
    return recipe.picture_size or (height * scale, width * scale)


def find_released(name: str, root: Path | None) -> Path:
    """Find a file of released weights: under the data folder's neighbour ``weights``, DSRL_LAB_DATA or ``data``.

    Raises:
        FileNotFoundError: it is in none of them; the message says where was looked and how to get it.
    """
    places = [REPOSITORY / "data" / "weights"]
    if "DSRL_LAB_DATA" in os.environ:
        places.insert(0, Path(os.environ["DSRL_LAB_DATA"]) / "weights")
    if root is not None:
        places.insert(0, root.resolve().parent / "weights")
    for place in places:
        if (place / name).is_file():
            return place / name
    raise FileNotFoundError(
        f"released weights {name} not found in {', '.join(map(str, places))}; "
        f"get them with dsrl-lab data fetch {name.split('/')[0]}"
    )


def build(recipe: Recipe, *, root: Path | None = None, seed: int = 0) -> DSRL:
    """Build a recipe's network as training starts from it: released weights where the recipe names them."""
    host: DensePredictor | None = None
    if recipe.released is not None:
        host = from_released_checkpoint(find_released(recipe.released, root), class_map=recipe.class_map)
    return build_dsrl(recipe.network, host=host, seed=seed)


def run(
    recipe: Recipe,
    *,
    directory: Path,
    root: Path | None = None,
    seed: int = 0,
    resume: bool = False,
    held_out: bool = False,
    fabric: Fabric | None = None,
) -> Iterator[TrainRecord]:
    """Run a recipe with one seed: train, score, and leave everything in ``directory``.

    Args:
        recipe: the experiment.
        directory: where record and checkpoints go.
        root: folder of the data set.
        seed: of every draw.
        resume: go on where an earlier run in the same folder stopped.
        held_out: train on the first part of the training split and score on the held-out rest.
        fabric: device, precision, processes.

    Yields:
        The records of ``fit``; after the last one the final scores are in ``record.jsonl``.

    Raises:
        FileExistsError: the folder already holds a run, and ``resume`` was not asked for.
        ValueError: the recipe, the data and the folder do not fit each other.
    """
    path = directory / "record.jsonl"
    first_process = fabric is None or fabric.is_global_zero
    if first_process and path.exists() and not resume:
        raise FileExistsError(f"{path} is there already; go on with --resume, or name another folder with --out")
    recipe = dataclasses.replace(recipe, train=dataclasses.replace(recipe.train, seed=seed))
    train_set, val_set = open_data(recipe, root, held_out=held_out)
    pose = isinstance(train_set, PoseDataset)
    table = train_set.joint_table if isinstance(train_set, PoseDataset) else train_set.class_table
    wanted = len(table.names)
    if recipe.network.num_classes != wanted:
        raise ValueError(
            f"the network gives {recipe.network.num_classes} {'joints' if pose else 'classes'}, {recipe.dataset} has "
            f"{wanted}: set network.num_classes={wanted}"
        )
    dsrl = build(recipe, root=root, seed=seed)
    latest = directory / "latest.safetensors"
    if first_process and latest.is_file() and path.exists():
        record.truncate(path, checkpoint.progress(checkpoint.load(latest)).iteration)
    elif first_process:
        path.unlink(missing_ok=True)
        record.append(path, _first_line(recipe, dsrl, train_set, val_set, held_out=held_out))
    task = _task(recipe, train_set, val_set)
    description = {"recipe": recipe.name, "network": recipe.network.to_json(), "dataset": recipe.dataset}
    for line in fit(
        dsrl,
        task,
        train_set,
        recipe.train,
        directory=directory,
        resume=resume,
        description=description,
        fabric=fabric,
    ):
        if first_process:
            record.append(path, line.to_json())
        yield line
    finished = first_process and record.read(path)[-1].get("kind") == "end"
    if not (finished if fabric is None else fabric.broadcast(finished)):
        further = None if recipe.further_split is None or held_out else _open(recipe, recipe.further_split, root)
        _finish(recipe, dsrl, train_set, val_set, further, directory, path, description, fabric)


def _task(
    recipe: Recipe, train_set: SegmentationDataset | PoseDataset, val_set: SegmentationDataset | PoseDataset
) -> Task:
    scale = recipe.network.upscale_factor
    if isinstance(train_set, PoseDataset):
        assert isinstance(val_set, PoseDataset)
        return PoseTask(recipe.train, train_set.joint_table, scale, val_set)
    assert isinstance(val_set, SegmentationDataset)
    return SegmentationTask(recipe.train, scale, val_set, class_weights_of(train_set, recipe.train.class_balance))


def _first_line(
    recipe: Recipe,
    dsrl: DSRL,
    train_set: SegmentationDataset | PoseDataset,
    val_set: SegmentationDataset | PoseDataset,
    *,
    held_out: bool,
) -> dict[str, Any]:
    deployed = complexity(dsrl.task_model, input_size=recipe.train.input_size)
    trained = complexity(dsrl, input_size=recipe.train.input_size)
    return {
        "kind": "run",
        "recipe": recipe.name,
        "setting": recipe.setting,
        "row": recipe.row,
        "held_out": held_out,
        "title": recipe.title,
        "dataset": recipe.dataset,
        "network": recipe.network.to_json(),
        "train": recipe.train.to_json(),
        "released": recipe.released,
        "seed": recipe.train.seed,
        "pictures": {train_set.split: len(train_set), val_set.split: len(val_set)},
        "parameters": deployed.parameters,
        "macs": deployed.macs,
        "training_parameters": trained.parameters,
        "training_macs": trained.macs,
        **record.environment(),
    }


def _finish(
    recipe: Recipe,
    dsrl: DSRL,
    train_set: SegmentationDataset | PoseDataset,
    val_set: SegmentationDataset | PoseDataset,
    further: SegmentationDataset | None,
    directory: Path,
    path: Path,
    description: dict[str, Any],
    fabric: Fabric | None,
) -> None:
    """Score the last weights (masks by both protocols and on a further split, joints beside the mean pose).

    Then keep the network and close the record.

    All processes share the scoring; the first one writes.
    """
    size, scale = recipe.train.input_size, recipe.network.upscale_factor
    pictures: Samples = val_set
    labels = super_resolution = affinity = fresh = None
    if isinstance(val_set, PoseDataset):
        pictures = PersonCrops(val_set, (size[0] * scale, size[1] * scale))
    else:
        labels = evaluate_segmentation(dsrl.task_model, val_set, input_size=size, protocol="labels", fabric=fabric)
    if dsrl.sisr_head is not None and isinstance(val_set, SegmentationDataset):
        affinity = evaluate_affinity(dsrl, val_set, input_size=size)
    if further is not None:
        fresh = evaluate_segmentation(dsrl.task_model, further, input_size=size, fabric=fabric)
    if dsrl.sisr_head is not None:
        super_resolution = evaluate_super_resolution(dsrl, pictures, input_size=size, fabric=fabric)
    if fabric is not None and not fabric.is_global_zero:
        return
    trained = record.read(path)[-1]
    if not isinstance(trained.get("metrics"), dict) or not trained["metrics"]:
        raise ValueError(
            f"expected the scores of iteration {recipe.train.iterations} in the last line of {path}, found none; "
            "record and checkpoint are not of one run: start anew in another folder"
        )
    if labels is not None:
        scores = {"logits": trained["metrics"], "labels": labels.to_json()}
    else:
        assert isinstance(train_set, PoseDataset) and isinstance(val_set, PoseDataset)
        control = evaluate_mean_pose(train_set, val_set, input_size=size, upscale_factor=scale)
        scores = {"keypoints": trained["metrics"], "mean_pose": control.to_json()}
    deployed = description | {"train": recipe.train.to_json(), "deployed": True, "scores": scores}
    checkpoint.save(directory / "deployed.safetensors", dsrl.task_model, deployed)
    if fresh is not None:
        record.append(path, {"kind": "scores"} | fresh.to_json() | {"counts": record.pack(fresh.counts)})
    record.append(
        path,
        {
            "kind": "end",
            "iteration": recipe.train.iterations,
            "seconds": trained.get("seconds"),
            **scores,
            "super_resolution": super_resolution,
            "affinity": affinity,
        },
    )
