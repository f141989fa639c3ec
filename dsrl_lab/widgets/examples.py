"""Widgets filled with what the kit brings along: pictures, committed networks that saw them, and a record."""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from dsrl_lab.datasets.class_tables import CAMVID
from dsrl_lab.datasets.photos import Photos
from dsrl_lab.datasets.streets import Streets
from dsrl_lab.datasets.super_resolution import imresize_bicubic, luminance, reduce_bicubic
from dsrl_lab.files import REPOSITORY
from dsrl_lab.language import translate
from dsrl_lab.models.super_resolution import SuperResolver
from dsrl_lab.results.figures_streets import see
from dsrl_lab.training import record
from dsrl_lab.training.build import load_super_resolver, load_task_model
from dsrl_lab.training.evaluate import predict_mask
from dsrl_lab.widgets.affinity import AffinityExplorer
from dsrl_lab.widgets.base import Widget
from dsrl_lab.widgets.segmentation import SegmentationCompare
from dsrl_lab.widgets.super_resolution import SuperResolutionCompare
from dsrl_lab.widgets.training import TrainingMonitor

DATA = REPOSITORY / "data"
KEPT = DATA / "checkpoints" / "streets_tinynet"
# Of all that the affinity study compares features by, matrices without the transform tell classes apart best.
CHECKPOINT, BASELINE = KEPT / "untransformed_seed0_whole.safetensors", KEPT / "baseline_seed0.safetensors"


class StreetFeatures(NamedTuple):
    """A street and what networks make of it, all features on the grid of the affinity matrix.

    ``task`` holds "DSRL", as it enters feature affinity, and the last features of the "baseline", averaged to the grid.
    """

    image: Tensor  # (3, H, W) in [0, 1]
    mask: Tensor  # (H, W) class ids
    task: dict[str, Tensor]  # (C, h, w) of the segmentation branch
    sisr: Tensor  # (C', h, w) of DSRL's super-resolution branch


def street_features(checkpoint: Path = CHECKPOINT, baseline: Path = BASELINE) -> StreetFeatures:
    """Features of the first validation scene of the drawn streets, by DSRL (with its SISR branch) and by the baseline.

    FileNotFoundError for no such checkpoint; ValueError for a network that was trained without feature affinity.
    """
    for path in (checkpoint, baseline):
        if not path.is_file():
            row = path.name.split("_seed")[0]
            raise FileNotFoundError(f"no network at {path}; train it: dsrl-lab train streets_tinynet_{row}")
    seen = see(checkpoint)
    task, sisr = seen.output.task_features, seen.output.sisr_features
    if task is None or sisr is None:
        raise ValueError(f"{checkpoint} was trained without feature affinity; choose a run of the row dsrl")
    network, _ = load_task_model(baseline)
    with torch.no_grad():
        features = network.forward_head(network.forward_features(network.normalise(seen.low_res[None]))).features
    others = F.adaptive_avg_pool2d(features, (sisr.shape[-2], sisr.shape[-1]))
    return StreetFeatures(seen.high_res, seen.sample.mask, {"DSRL": task[0], "baseline": others[0]}, sisr[0])


def street_affinity(checkpoint: Path = CHECKPOINT, baseline: Path = BASELINE) -> AffinityExplorer:
    """The affinity explorer on ``street_features``, with its arguments and errors; features can be switched."""
    seen = street_features(checkpoint, baseline)
    return AffinityExplorer(
        seen.image,
        seen.task,
        seen.sisr,
        alt=translate(
            "A drawn street with one position marked, and how similar all positions are to it in the features of "
            "segmentation (DSRL's and a baseline's) and of super-resolution"
        ),
    )


def street_segmentation() -> SegmentationCompare:
    """The first validation scene of the drawn streets, as baseline and DSRL segment it."""
    street = Streets("val", size=(180, 240), length=1)[0]
    networks = [load_task_model(KEPT / f"{row}_seed0.safetensors")[0] for row in ("baseline", "dsrl")]
    before, after = (predict_mask(network, street.image, input_size=(90, 120)) for network in networks)
    return SegmentationCompare(street.image, street.mask, before, after, CAMVID)


def cat_super_resolution() -> SuperResolutionCompare:
    """A photograph of a cat, enlarged by bicubic and by the committed networks, which enlarge Y alone."""
    photos = Photos()
    cat = photos[photos.names.index("chelsea")].image[:, 54:246, 97:353]
    small = reduce_bicubic(cat, 2)
    bicubic = imresize_bicubic(small, (192, 256))

    def enlarged(network: SuperResolver) -> Tensor:
        with torch.no_grad():
            detail = network(luminance(small)[None]).image[0] - luminance(bicubic)
        return (bicubic + detail * 255 / 219).clamp(0, 1)  # Y spans 219 of 255 levels

    made = {"bicubic": bicubic.clamp(0, 1)}
    for name in ("SRCNN", "ESPCN", "LapSRN", "DBPN"):
        path = DATA / "checkpoints" / f"super_resolution_{name.lower()}.safetensors"
        made[name] = enlarged(load_super_resolver(path))
    return SuperResolutionCompare(small, cat, made, crop=(37, 47, 48, 48))


def street_training() -> TrainingMonitor:
    """The committed record of DSRL on drawn streets."""
    lines = record.read(DATA / "runs" / "streets_tinynet" / "dsrl_seed0.jsonl")
    names = [entry.name for entry in fields(record.TrainRecord)]
    monitor = TrainingMonitor([])
    for line in lines:
        if line["kind"] == "train":
            monitor.take(record.TrainRecord(**{name: line[name] for name in names if name in line}))
    monitor.end()
    return monitor


EXAMPLES: dict[str, Callable[[], Widget]] = {
    "affinity": street_affinity,
    "segmentation": street_segmentation,
    "super-resolution": cat_super_resolution,
    "training": street_training,
}
