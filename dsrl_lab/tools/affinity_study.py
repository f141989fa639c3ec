"""What feature affinity compares, changed one thing at a time: do its matrices tell classes apart?

Exploratory. Each variant trains the whole of DSRL on the first part of the training scenes; affinities, IoU and SISR's
picture are scored on the last quarter, held out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from dsrl_lab import experiments
from dsrl_lab.dsrl import DSRL, FeatureTransform
from dsrl_lab.losses import LossTerms
from dsrl_lab.recipes import find_recipe, with_changes
from dsrl_lab.training import checkpoint, evaluate, record
from dsrl_lab.training.examples import Batches
from dsrl_lab.training.loop import fit
from dsrl_lab.training.objectives import SegmentationObjective, dsrl_loss


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One way to choose what is compared; the defaults are the kit's."""

    title: str
    changes: tuple[str, ...] = ()  # of the recipe
    task: str = "features"  # or "logits": the class maps before their enlargement
    sisr: str = "features"  # or "image": what the branch draws; or "before activation"
    activation: bool = True  # the ReLU of the feature transform
    centred: bool = False  # means over positions are removed from both maps
    unit: bool = True  # features as unit vectors; else scalar products over the channels' number


UNTRANSFORMED = ("network.feature_transform=false",)
VARIANTS = {
    "kit": Variant(title="as in the kit"),
    "centred": Variant(title="means over positions removed", centred=True),
    "before": Variant(title="before the activations", sisr="before activation", activation=False),
    "before_centred": Variant(
        title="before the activations, means removed", sisr="before activation", activation=False, centred=True
    ),
    "detached": Variant(title="gradient stopped at SISR", changes=("network.detach_sisr=true",)),
    "residual": Variant(title="SISR predicts a residual", changes=("network.sisr_residual=true",)),
    "deepest": Variant(title="SISR from the deepest map (Figure 4)", changes=("network.sisr_fuse=false",)),
    "stride16": Variant(title="1/16 of the output", changes=("network.affinity_stride=16",)),
    "raw": Variant(title="no transform", changes=UNTRANSFORMED),
    "weightless": Variant(title="no transform, FA weighs nothing (control)",
                          changes=(*UNTRANSFORMED, "train.affinity_weight=0")),
    "products": Variant(title="no unit vectors", unit=False),
    "logits": Variant(title="class maps against features of as many channels", task="logits",
                      changes=(*UNTRANSFORMED, "network.sisr_width=11")),
    "logits_image": Variant(title="class maps against the drawn image", task="logits", sisr="image",
                            changes=UNTRANSFORMED),
    "logits_image_transform": Variant(title="class maps, transformed, against the drawn image", task="logits",
                                      sisr="image"),
}  # fmt: skip


class Compared(DSRL):
    """DSRL that compares what a variant says; the layers and their names stay."""

    variant: Variant
    seen: dict[str, Tensor]

    def _compared(self, task: Tensor, sisr: Tensor, high_size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        task, sisr = self.seen.get(self.variant.task, task), self.seen.get(self.variant.sisr, sisr)
        pair = super()._compared(task, sisr, high_size)
        if self.variant.centred:
            return pair[0] - pair[0].mean((2, 3), keepdim=True), pair[1] - pair[1].mean((2, 3), keepdim=True)
        return pair


def as_variant(dsrl: DSRL, variant: Variant) -> Compared:
    """Let a network with feature affinity compare what a variant says, in place."""
    assert dsrl.sisr_head is not None
    dsrl.__class__ = Compared
    assert isinstance(dsrl, Compared)
    dsrl.variant, dsrl.seen = variant, {}
    task_model, sisr_head, seen = dsrl.task_model, dsrl.sisr_head, dsrl.seen

    def keep(name: str, module: nn.Module, *, first: bool = False) -> None:
        module.register_forward_hook(lambda _, __, found: seen.__setitem__(name, found[0] if first else found))

    if variant.task == "logits":
        keep("logits", task_model.get_submodule(task_model.spec.class_layers[-1]))
        if isinstance(dsrl.transform, FeatureTransform):
            dsrl.transform = FeatureTransform(task_model.num_classes, dsrl.transform[0].out_channels)  # type: ignore[arg-type]
    if isinstance(dsrl.transform, FeatureTransform) and not variant.activation:
        dsrl.transform[2] = nn.Identity()
    keep("image", sisr_head, first=True)
    keep("before activation", sisr_head.refine[-1][1])  # type: ignore[index]
    return dsrl


@dataclass(frozen=True)
class Products(SegmentationObjective):
    """The objective with scalar products over the channels' number in place of cosines."""

    def loss(self, model: nn.Module, batch: Any, *, iteration: int, count: Tensor) -> LossTerms:
        """CE + w1 * MSE + w2 * mean absolute difference of the products."""
        output = model(batch.low_res)
        terms = dsrl_loss(self, output._replace(task_features=None), batch, iteration=iteration, count=count)
        ours, theirs = (x.flatten(2) for x in (output.task_features, output.sisr_features))
        affinity = (ours.mT @ ours / ours.shape[1] - theirs.mT @ theirs / theirs.shape[1]).abs().mean()
        return terms._replace(total=terms.total + self.config.affinity_weight * affinity, affinity=affinity)


def study(
    names: Sequence[str], seeds: Sequence[int], path: Path, *, setting: str, keep: Path | None = None
) -> Iterator[dict[str, Any]]:
    """Train and score variants by name, each with its seeds; a line of the record each, and those that it has before.

    ``keep`` is a folder for the networks. ValueError for an unknown variant or setting.
    """
    if unknown := sorted(set(names) - set(VARIANTS)):
        raise ValueError(f"unknown variant {unknown[0]!r}; choose of {', '.join(VARIANTS)}")
    before = (
        {(line["variant"], line["seed"], line["setting"]): line for line in record.read(path)} if path.is_file() else {}
    )
    for seed in seeds:
        for name in names:
            line = before.get((name, seed, setting)) or _train(name, seed, setting, keep)
            if (name, seed, setting) not in before:
                record.append(path, line)
            yield line


def _train(name: str, seed: int, setting: str, keep: Path | None) -> dict[str, Any]:
    variant = VARIANTS[name]
    recipe = with_changes(find_recipe(f"{setting}_paper"), variant.changes)
    recipe = replace(recipe, train=replace(recipe.train, seed=seed))
    experiment = experiments.prepare(recipe, held_out=True)
    model, objective, size = as_variant(experiment.model, variant), experiment.objective, recipe.train.input_size
    if not variant.unit:
        objective = Products(**vars(objective))
    for last in fit(
        model, objective, Batches.for_run(experiment.samples, objective.example, recipe.train), recipe.train
    ):
        trained = last.to_json()
    if keep is not None:
        checkpoint.save(
            keep / f"{name}_seed{seed}.safetensors", model, experiment.description | {"train": recipe.train.to_json()}
        )
    compared = evaluate.evaluate_affinity(model, objective.validation, input_size=size)
    sisr = evaluate.evaluate_super_resolution(model, objective.validation, input_size=size)
    model.transform, model.variant = None, VARIANTS["kit"]  # the host's own features
    host = evaluate.evaluate_affinity(model, objective.validation, input_size=size)
    line = {"kind": "affinity_study", "variant": name, "title": variant.title, "seed": seed, "setting": setting}
    line |= {
        "miou": trained["metrics"]["miou"],
        "affinity": compared,
        "psnr": sisr["psnr"],
        "seconds": trained["seconds"],
    }
    line["host"] = {part: value for part, value in host.items() if part.startswith("task_")}
    return line | {"config": recipe.identity(), **record.environment()}
