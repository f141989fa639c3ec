"""Running a recipe: open its data, build its network, fit, score, and leave a record and checkpoints in a folder.

``latest.safetensors`` is to resume from; ``deployed.safetensors`` (the task model alone) or, of a super-resolution
network, ``best.safetensors`` is the network to use.
"""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric
from torch import nn

from dsrl_lab.complexity import complexity
from dsrl_lab.datasets.base import SegmentationDataset
from dsrl_lab.datasets.pose import PoseDataset
from dsrl_lab.datasets.super_resolution import BENCHMARKS, benchmark_pairs, t91_pairs
from dsrl_lab.dsrl import DSRL, SuperResolved
from dsrl_lab.models import RELEASES
from dsrl_lab.models.encoders import Encoder, load_torchvision_weights
from dsrl_lab.models.segmentation.espnetv2 import ESPNetv2, load_imagenet_encoder
from dsrl_lab.training import checkpoint, evaluate, record
from dsrl_lab.training.build import build_dsrl, build_super_resolver
from dsrl_lab.training.config import Recipe, SuperResolutionRecipe
from dsrl_lab.training.examples import Batches
from dsrl_lab.training.folder import RunFolder
from dsrl_lab.training.loop import default_fabric, fit
from dsrl_lab.training.objectives import Objective, SegmentationObjective, class_weights_of
from dsrl_lab.training.pose import PersonCrops, PoseObjective, evaluate_mean_pose
from dsrl_lab.training.record import TrainRecord
from dsrl_lab.training.splits import check_scoreable, find_released, fit_to_folder, open_data, open_recipe_split
from dsrl_lab.training.splits import open_split as open_split
from dsrl_lab.training.super_resolution import SuperResolutionObjective, score_pairs

COUNTED_INPUT = (128, 256)  # (h, w) that a super-resolver's MACs are for: 256x512 out at x2


@dataclass
class Experiment(ABC):
    """A recipe with its data open and its network built."""

    recipe: Recipe | SuperResolutionRecipe  # with its seed
    model: Any
    samples: Any  # that it learns from
    objective: Any
    description: dict[str, Any]  # how to build it again, for the header of checkpoints

    @abstractmethod
    def first_line(self) -> dict[str, Any]:
        """Numbers of pictures and the network's cost, for the record's first line."""

    @abstractmethod
    def final_scores(self, trained: dict[str, Any], directory: Path, fabric: Fabric) -> list[dict[str, Any]]:
        """Score the last weights, keep the network to use, and give the record's last lines; all processes share it."""


def prepare(recipe: Recipe | SuperResolutionRecipe, root: Path | None = None, *, held_out: bool = False) -> Experiment:
    """Open a recipe's data, check every split that will be scored, and build its network; arguments as in ``run``.

    Raises:
        ValueError: the recipe and the data do not fit each other, or a picture cannot be scored.
        FileNotFoundError: data or released weights are missing.
    """
    if isinstance(recipe, SuperResolutionRecipe):
        return _super_resolution(recipe, root)
    recipe = fit_to_folder(recipe, root)
    train_set, val_set = open_data(recipe, root, held_out=held_out)
    table = train_set.joint_table if isinstance(train_set, PoseDataset) else train_set.class_table
    given, wanted = recipe.network.num_classes, len(table.names)
    if given != wanted:
        kind = "joints" if isinstance(train_set, PoseDataset) else "classes"
        raise ValueError(
            f"the network gives {given} {kind}, {recipe.dataset} has {wanted}: set network.num_classes={wanted}"
        )
    model = build(recipe, root=root, seed=recipe.train.seed)
    kept = ("recipe", "network", "dataset", "classes")
    description = {name: value for name, value in recipe.identity().items() if name in kept}
    scale = recipe.network.upscale_factor
    (height, width), of_sisr = recipe.train.input_size, scale if recipe.network.sisr else 1
    scored_size = height * of_sisr, width * of_sisr  # SISR's picture is compared with the reduced original
    check_scoreable(val_set, scored_size)
    if isinstance(train_set, PoseDataset):
        assert isinstance(val_set, PoseDataset)
        objective = PoseObjective(recipe.train, train_set.joint_table, scale, val_set)
        return _Pose(recipe, model, train_set, objective, description, val_set)
    assert isinstance(val_set, SegmentationDataset)
    further = None
    if recipe.further_split is not None and not held_out:
        further = open_recipe_split(recipe, recipe.further_split, root)
        check_scoreable(further, recipe.train.input_size)
    weights = class_weights_of(train_set, recipe.train.class_balance)
    learnt = SegmentationObjective(recipe.train, scale, val_set, weights)
    return _Segmentation(recipe, model, train_set, learnt, description, val_set, further)


def build(recipe: Recipe, *, root: Path | None = None, seed: int = 0) -> DSRL:
    """Build a recipe's network as training starts from it: released weights, or an encoder's, where it names them.

    A FileNotFoundError names the command for a missing release; a host without release or encoder is a ValueError.
    """
    network, host = recipe.network, None
    if recipe.released is not None:
        if network.host not in RELEASES:
            raise ValueError(f"the kit reads releases of {', '.join(RELEASES)}, not of {network.host}")
        host = RELEASES[network.host](find_released(recipe.released, root), class_map=recipe.class_map)
        asked = build_dsrl(dataclasses.replace(network, sssr=None, sisr=False, affinity=False)).task_model
        sizes, wanted = ([x.shape for x in one.state_dict().values()] for one in (host, asked))
        if sizes != wanted:
            raise ValueError(f"{recipe.released} does not fit {network.host_options}; leave host_options as they were")
    dsrl = build_dsrl(network, host=host, seed=seed)
    if recipe.encoder_weights is not None:
        plain = dsrl.task_model.host if isinstance(dsrl.task_model, SuperResolved) else dsrl.task_model
        if isinstance(plain, ESPNetv2):
            load_imagenet_encoder(plain, recipe.encoder_weights)
        elif isinstance(encoder := getattr(plain, "encoder", None), Encoder):
            load_torchvision_weights(encoder, recipe.encoder_weights)
        else:
            raise ValueError(f"{network.host} has no encoder for ImageNet weights; use --encoder-weights none")
    return dsrl


def run(
    recipe: Recipe | SuperResolutionRecipe,
    *,
    directory: Path,
    root: Path | None = None,
    seed: int = 0,
    resume: bool = False,
    held_out: bool = False,
    fabric: Fabric | None = None,
) -> Iterator[TrainRecord]:
    """Run a recipe with one seed (0 to 2^63 - 1): train, score, and leave record and checkpoints in ``directory``.

    With ``resume`` a run goes on where it stopped; a finished one is left as it is. ``held_out`` is for choices: train
    on the first part of the training split, score on its last quarter. Yields the records of ``fit``.

    Raises:
        FileExistsError: the folder already holds a run, and ``resume`` is not set.
        BlockingIOError: another process is running in the folder.
        ValueError: the recipe, the data and the folder do not fit each other.
    """
    recipe = dataclasses.replace(recipe, train=dataclasses.replace(recipe.train, seed=seed))
    if isinstance(recipe, Recipe):
        recipe = fit_to_folder(recipe, root)
    fabric = fabric or default_fabric(recipe.train)
    fabric.launch()
    identity = recipe.identity() | {"held_out": held_out, "seed": seed}
    folder = RunFolder(directory, first_process=fabric.is_global_zero)
    with folder.locked():
        folder.check(identity, resume=resume)
        if fabric.broadcast(folder.is_finished()):
            return
        experiment = prepare(recipe, root, held_out=held_out)
        objective: Objective = experiment.objective
        batches = Batches.for_run(experiment.samples, objective.example, recipe.train, fabric)
        folder.open_record(lambda: {"kind": "run"} | identity | experiment.first_line() | record.environment())
        saved: dict[str, Any] = {"directory": directory, "resume": resume, "description": experiment.description}
        lines = fit(experiment.model, objective, batches, recipe.train, fabric=fabric, **saved)
        for line in lines:
            try:
                folder.append(line.to_json())
            except OSError as error:
                lines.throw(error)  # no checkpoint that counts this line as written
            yield line
        trained = fabric.broadcast(folder.last_line())
        if not trained.get("metrics"):
            raise ValueError(
                f"expected the scores of iteration {recipe.train.iterations} in the last line of {folder.record}, "
                "found none; record and checkpoint are not of one run: start anew in another folder"
            )
        for last in experiment.final_scores(trained, directory, fabric):
            folder.append(last)


def _pictures_and_cost(experiment: Experiment, splits: list[Any]) -> dict[str, Any]:
    parts, size = (experiment.model.task_model, experiment.model), experiment.recipe.train.input_size
    deployed, trained = (complexity(part, input_size=size) for part in parts)
    cost = {"parameters": deployed.parameters, "macs": deployed.macs}
    cost |= {"training_parameters": trained.parameters, "training_macs": trained.macs}
    return {"pictures": {split.split: len(split) for split in splits}} | cost


def _keep_deployed(experiment: Experiment, directory: Path, scores: dict[str, Any], fabric: Fabric) -> None:
    header = {"train": experiment.recipe.train.to_json(), "deployed": True, "scores": scores}
    if fabric.is_global_zero:
        path, network = directory / "deployed.safetensors", experiment.model.task_model
        checkpoint.save(path, network, experiment.description | header)


def _end(recipe: Recipe | SuperResolutionRecipe, trained: dict[str, Any], **scores: Any) -> dict[str, Any]:
    seconds = {name: trained.get(name) for name in ("seconds", "cpu_seconds")}
    return {"kind": "end", "iteration": recipe.train.iterations, **seconds, **scores}


@dataclass
class _Segmentation(Experiment):
    """Scores: masks by both protocols, and once on a further split; SISR's pictures and both branches' affinities."""

    validation: SegmentationDataset
    further: SegmentationDataset | None

    def first_line(self) -> dict[str, Any]:
        splits = [self.samples, self.validation, *([] if self.further is None else [self.further])]
        return _pictures_and_cost(self, splits)

    def final_scores(self, trained: dict[str, Any], directory: Path, fabric: Fabric) -> list[dict[str, Any]]:
        size, network = self.recipe.train.input_size, self.model.task_model
        labels = evaluate.evaluate_segmentation(
            network, self.validation, input_size=size, protocol="labels", fabric=fabric
        )
        scores: dict[str, Any] = {"logits": trained["metrics"], "labels": labels.to_json()}
        super_resolution = affinity = None
        if self.model.sisr_head is not None:
            super_resolution = evaluate.evaluate_super_resolution(
                self.model, self.validation, input_size=size, fabric=fabric
            )
            affinity = evaluate.evaluate_affinity(self.model, self.validation, input_size=size)
        lines = [_end(self.recipe, trained, **scores, super_resolution=super_resolution, affinity=affinity)]
        if self.further is not None:
            fresh = evaluate.evaluate_segmentation(network, self.further, input_size=size, fabric=fabric)
            lines.insert(0, {"kind": "scores"} | fresh.to_json() | {"counts": record.pack(fresh.counts)})
        _keep_deployed(self, directory, scores, fabric)
        return lines


@dataclass
class _Pose(Experiment):
    validation: PoseDataset

    def first_line(self) -> dict[str, Any]:
        return _pictures_and_cost(self, [self.samples, self.validation])

    def final_scores(self, trained: dict[str, Any], directory: Path, fabric: Fabric) -> list[dict[str, Any]]:
        size, scale = self.recipe.train.input_size, self.model.upscale_factor
        control = evaluate_mean_pose(self.samples, self.validation, input_size=size, upscale_factor=scale)
        scores = {"keypoints": trained["metrics"], "mean_pose": control.to_json()}
        super_resolution = None
        if self.model.sisr_head is not None:
            crops = PersonCrops(self.validation, (size[0] * scale, size[1] * scale))
            super_resolution = evaluate.evaluate_super_resolution(self.model, crops, input_size=size, fabric=fabric)
        _keep_deployed(self, directory, scores, fabric)
        return [_end(self.recipe, trained, **scores, super_resolution=super_resolution)]


@dataclass
class _SuperResolution(Experiment):
    """Scores: Set5 and Set14 by the weights that the held-out pictures chose, beside bicubic interpolation."""

    benchmarks: dict[str, Any]

    def first_line(self) -> dict[str, Any]:
        cost = complexity(self.model, COUNTED_INPUT, channels=self.model.channels)
        return {"parameters": cost.parameters, "macs": cost.macs, "macs_input_size": COUNTED_INPUT}

    def final_scores(self, trained: dict[str, Any], directory: Path, fabric: Fabric) -> list[dict[str, Any]]:
        best = directory / "best.safetensors"
        chosen = checkpoint.load(best)
        checkpoint.load_model(self.model, chosen)
        scores = {
            name: {"network": score_pairs(self.model, pairs), "bicubic": score_pairs(None, pairs)}
            for name, pairs in self.benchmarks.items()
        }
        checkpoint.save(best, self.model, chosen.description | {"scores": scores})
        return [_end(self.recipe, trained, chosen_iteration=chosen.description["iteration"], scores=scores)]


def _super_resolution(recipe: SuperResolutionRecipe, root: Path | None) -> Experiment:
    network = recipe.network
    if root is None:
        raise ValueError(f"{recipe.name} needs its pictures: give --data ROOT, the folder of T91, Set5 and Set14")
    factor = network.upscale_factor
    train, validation = (t91_pairs(root, split=split, upscale_factor=factor) for split in ("train", "val"))
    benchmarks = {name: benchmark_pairs(root, name, upscale_factor=factor) for name in BENCHMARKS}
    for name, pairs in {"the held-out part of T91": validation, **benchmarks}.items():
        evaluate.check_not_empty(pairs, name)
    model: nn.Module = build_super_resolver(network, seed=recipe.train.seed)
    objective = SuperResolutionObjective(recipe.train, train, factor, network.loss, validation)
    description = {"recipe": recipe.name, "config": network.to_json()}
    return _SuperResolution(recipe, model, train, objective, description, benchmarks)
