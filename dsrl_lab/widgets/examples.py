"""Widgets filled with what the kit brings along: a drawn street and the committed networks that saw it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from dsrl_lab.experiments import REPOSITORY
from dsrl_lab.results.figures_streets import see
from dsrl_lab.training.build import load_task_model
from dsrl_lab.widgets.affinity import AffinityExplorer

KEPT = REPOSITORY / "data" / "checkpoints" / "streets_tinynet"
CHECKPOINT, BASELINE = KEPT / "dsrl_seed0_whole.safetensors", KEPT / "baseline_seed0.safetensors"
BEFORE = "DSRL before the transform"


class StreetFeatures(NamedTuple):
    """A street and what networks make of it, all features on the grid of the affinity matrix.

    Attributes:
        image: (3, H, W) in [0, 1].
        mask: (H, W) class ids.
        task: (C, h, w) of the segmentation branch. "DSRL": after its feature transform, as they enter feature
            affinity. "DSRL before the transform" and "baseline", which has no transform: the decoders' last features,
            averaged to the grid; these two compare like with like.
        sisr: (C', h, w) of DSRL's super-resolution branch.
    """

    image: Tensor
    mask: Tensor
    task: dict[str, Tensor]
    sisr: Tensor


def street_features(checkpoint: Path = CHECKPOINT, baseline: Path = BASELINE) -> StreetFeatures:
    """Features of the first validation scene of the drawn streets, by DSRL and by the baseline.

    Args:
        checkpoint: a whole network (with its SISR branch) that was trained with feature affinity on streets.
        baseline: a network that was trained on streets without any of it.

    Raises:
        FileNotFoundError: there is no such checkpoint.
        ValueError: the network was trained without feature affinity.

    Example:
        >>> {name: tuple(features.shape) for name, features in street_features().task.items()}
        {'DSRL': (16, 23, 30), 'DSRL before the transform': (24, 23, 30), 'baseline': (24, 23, 30)}
    """
    for path in (checkpoint, baseline):
        if not path.is_file():
            raise FileNotFoundError(
                f"expected a network at {path}, found none; train one: dsrl-lab train streets_tinynet_dsrl "
                "(or streets_tinynet_baseline)"
            )
    seen = see(checkpoint)
    task, sisr = seen.output.task_features, seen.output.sisr_features
    if task is None or sisr is None:
        raise ValueError(f"{checkpoint} was trained without feature affinity; choose a run of the row dsrl")
    found = {"DSRL": task[0]}
    for name, path in ((BEFORE, checkpoint), ("baseline", baseline)):
        network, _ = load_task_model(path)
        with torch.no_grad():
            features = network.forward_head(network.forward_features(network.normalise(seen.low_res[None]))).features
        found[name] = F.adaptive_avg_pool2d(features, (sisr.shape[-2], sisr.shape[-1]))[0]
    return StreetFeatures(seen.high_res, seen.sample.mask, found, sisr[0])


def street_affinity(checkpoint: Path = CHECKPOINT, baseline: Path = BASELINE) -> AffinityExplorer:
    """The affinity explorer on ``street_features``, whose arguments and errors it has; DSRL and baseline take turns."""
    seen = street_features(checkpoint, baseline)
    return AffinityExplorer(
        seen.image,
        seen.task,
        seen.sisr,
        alt="A drawn street with one position marked, and how similar all positions are to it in the features of "
        "segmentation (DSRL's and a baseline's) and of super-resolution",
    )
