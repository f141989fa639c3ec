"""What a training run will take on 1, 8 or 64 GPUs, estimated before anything is rented (``dsrl-lab cost --plan``).

Left out: gradient exchange, optimizer steps, PSNR and SSIM. Affinity is apart, by method: its precision is its own.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from rich.table import Table

from dsrl_lab.affinity import GPU_TILE
from dsrl_lab.complexity import complexity
from dsrl_lab.datasets.people import POSE_DATASETS
from dsrl_lab.recipes import Recipe
from dsrl_lab.tools.bench.cost import activation_bytes
from dsrl_lab.tools.bench.decode import Reading, measured
from dsrl_lab.tools.bench.report import to_table
from dsrl_lab.training.build import build_dsrl

FLOAT = 4  # bytes
VALIDATION = {"cityscapes": 500, "coco": 6352, "camvid": 101}
"""Pictures of a validation split (people, of COCO 2017); recipes of drawn data have their own number."""


@dataclass(frozen=True, kw_only=True)
class Accelerator:
    """A GPU by its data sheet: floating-point operations per second."""

    peak: float  # of its matrix units in mixed precision, without sparsity
    float32_peak: float  # proper: PyTorch leaves TF32 off
    tf32_peak: float = 0  # 0: neither TF32 nor bfloat16, and no fused affinity


ACCELERATORS = {  # T4 and V100 have no bfloat16: train.precision=16-mixed reaches the first peak there
    "T4": Accelerator(peak=65e12, float32_peak=8.1e12),
    "V100": Accelerator(peak=125e12, float32_peak=15.7e12),  # SXM2
    "A100": Accelerator(peak=312e12, float32_peak=19.5e12, tf32_peak=156e12),
    "H100": Accelerator(peak=989e12, float32_peak=67e12, tf32_peak=494e12),  # SXM
}
FUSED_SHARE = 0.5  # of a peak that the fused affinity reaches: assumed, as it was not measured on a GPU yet


@dataclass(frozen=True, kw_only=True)
class ImageCost:
    """What one training image of a recipe costs."""

    forward_macs: int  # of the whole network, both branches
    deployed_macs: int  # of what is left at inference
    affinity_shape: tuple[int, int]  # positions, 0 without affinity, and channels of both maps
    affinity_macs: int  # of the tiled affinity loss and its gradient
    activation_bytes: int  # outputs of all layers in float32, which the backward pass needs
    dense_affinity_bytes: int  # of one affinity matrix, if it were built
    tiled_affinity_bytes: int  # both maps as unit vectors, twice, with a gradient, and two tiles, which a batch shares
    parameters: int  # of the whole network

    @property
    def training_macs(self) -> int:
        """Forward, backward (twice the forward pass) and affinity."""
        return 3 * self.forward_macs + self.affinity_macs


def affinity_macs(positions: int, channels: int, *, method: str = "tiled", tile: int = GPU_TILE) -> int:
    """Multiply-adds of one image's affinity loss and its gradient: about 1.5 P^2 K, K channels of both maps."""
    if method != "tiled":  # "dense" multiplies each gradient by both factors of its matrix
        return (2 if method == "fused" else 3) * positions**2 * channels
    strips = [min(tile, positions - start) for start in range(0, positions, tile)]
    compared = (positions**2 + sum(strip**2 for strip in strips)) // 2
    return channels * (compared + positions**2)


def image_cost(recipe: Recipe) -> ImageCost:
    """Count what one training image of a recipe costs; only shapes are computed."""
    size, network = recipe.train.input_size, recipe.network
    with torch.device("meta"):
        dsrl = build_dsrl(network).eval()
    whole, deployed = complexity(dsrl, size), complexity(dsrl.task_model, size)
    high = (size[0] * network.upscale_factor, size[1] * network.upscale_factor)
    positions = math.prod(-(-side // network.affinity_stride) for side in high) if network.affinity else 0
    channels = 2 * network.sisr_width
    return ImageCost(
        forward_macs=whole.macs,
        deployed_macs=deployed.macs,
        affinity_shape=(positions, channels),
        affinity_macs=affinity_macs(positions, channels),
        activation_bytes=activation_bytes(dsrl, size),
        dense_affinity_bytes=FLOAT * positions**2,
        tiled_affinity_bytes=FLOAT * (4 * positions * channels + 2 * min(GPU_TILE, positions) ** 2),
        parameters=whole.parameters,
    )


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A run on a number of GPUs."""

    gpus: int
    per_gpu: int  # images on each, per iteration
    iterations: int  # so many that as many images are seen as in the recipe
    learning_rate: float  # the recipe's, in proportion to the batch
    compute_hours: float  # of the arithmetic without feature affinity
    affinity_hours: float  # of feature affinity, as the recipe has it
    affinity_by_method: dict[str, float]  # its hours, if another were chosen
    decode_hours: float  # if only reading pictures took time, from files
    kept_hours: float  # the same, all of them kept in memory
    evaluation_hours: float  # of all evaluations; reading, network and scoring do not overlap there
    memory: float  # bytes on each GPU: weights, gradients, momentum, activations, affinity

    @property
    def hours(self) -> float:
        """By the clock: reading overlaps with computing, so the slower of the two, and then evaluation."""
        return max(self.compute_hours + self.affinity_hours, self.decode_hours) + self.evaluation_hours

    @property
    def gpu_hours(self) -> float:
        """Hours times GPUs."""
        return self.gpus * self.hours

    @property
    def bound_by(self) -> str:
        """What the run waits for most, while it trains."""
        if self.compute_hours + self.affinity_hours < self.decode_hours:
            return "reading"
        return "FA" if self.affinity_hours > self.compute_hours else "arithmetic"


def plan(
    recipe: Recipe,
    gpus: int,
    *,
    accelerator: Accelerator = ACCELERATORS["A100"],
    utilisation: float = 0.2,  # share of the peaks that is reached; this is good for networks of many small layers
    reading: Reading | None = None,  # by default from the kit's record
    cores: int = 8,  # that read pictures for each GPU
) -> Plan:
    """Plan a recipe on GPUs, as many images seen; raises ValueError for a number out of its range, or no record."""
    if min(gpus, cores) < 1 or not 0 < utilisation <= 1:
        raise ValueError(
            "expected at least 1 GPU and core, and a utilisation above 0 and at most 1, "
            f"got {gpus}, {cores} and {utilisation}"
        )
    cost, train, reading = image_cost(recipe), recipe.train, reading or measured(recipe.dataset)
    per_gpu = max(2, -(-train.batch_size // gpus))  # BatchNorm needs two
    images = train.iterations * train.batch_size
    peak = accelerator.peak if "mixed" in train.precision else accelerator.float32_peak
    per_second = gpus * peak * utilisation / 2  # multiply-adds, of two operations each
    in_float32 = gpus * accelerator.float32_peak * utilisation / 2
    scored = _scored_pictures(recipe)
    alone = reading.file_seconds + reading.scoring_seconds  # each process's one thread reads and scores
    tiles = min(cost.tiled_affinity_bytes, 2 * FLOAT * GPU_TILE**2)

    def affinity(precision: str, positions: int | None = None) -> float:  # hours; fused where that runs by default
        size = min(positions or cost.affinity_shape[0], cost.affinity_shape[0]), cost.affinity_shape[1]
        if precision == "float32" or not accelerator.tf32_peak:
            return affinity_macs(*size) * images / in_float32 / 3600
        rate = gpus * FUSED_SHARE / 2 * (accelerator.tf32_peak if precision == "tf32" else accelerator.peak)
        return affinity_macs(*size, method="fused") * images / rate / 3600

    return Plan(
        gpus=gpus,
        per_gpu=per_gpu,
        iterations=-(-images // (per_gpu * gpus)),
        learning_rate=train.learning_rate * per_gpu * gpus / train.batch_size,
        compute_hours=3 * cost.forward_macs * images / per_second / 3600,
        affinity_hours=affinity(train.affinity_precision, train.affinity_positions),
        affinity_by_method={"FA, tiled in float32": affinity("float32")}
        | {"FA, 4096 positions in float32": affinity("float32", 4096)}
        | {f"FA, fused in {x} *": affinity(x) for x in ("tf32", "bfloat16") if accelerator.tf32_peak},
        decode_hours=images * reading.file_seconds / (gpus * cores) / 3600,
        kept_hours=images * reading.kept_seconds / (gpus * cores) / 3600,
        evaluation_hours=scored * (alone / gpus + cost.deployed_macs / in_float32) / 3600,
        memory=3 * FLOAT * cost.parameters
        + per_gpu * (cost.activation_bytes + cost.tiled_affinity_bytes - tiles)
        + tiles,
    )


def _scored_pictures(recipe: Recipe) -> int:
    train, pose = recipe.train, recipe.dataset in POSE_DATASETS
    pictures = recipe.pictures[1] if recipe.pictures else VALIDATION.get(recipe.dataset, 0)
    due = train.iterations // train.evaluate_every if train.evaluate_every else 0
    last = 0 if train.evaluate_every and train.iterations % train.evaluate_every == 0 else 1
    return pictures * (due + last + (0 if pose else 1))  # masks once more, by the labels' protocol


def table(plans: Sequence[Plan], title: str = "") -> Table:
    """Show plans side by side: hours of each part, and by the clock, where reading overlaps with computing."""
    columns = [
        {
            "images each": str(one.per_gpu),
            "steps": f"{one.iterations:,}",
            "learning rate": f"{one.learning_rate:g}",
            "arithmetic": _by_the_clock(one.compute_hours),
            "FA": _by_the_clock(one.affinity_hours),
            "reading": _by_the_clock(one.decode_hours),
            "reading, kept in memory": _by_the_clock(one.kept_hours),
            "scoring": _by_the_clock(one.evaluation_hours),
            "time": _by_the_clock(one.hours),
            "waits for": one.bound_by,
            "GPU hours": f"{one.gpu_hours:.0f}",
            "memory each": f"{one.memory / 1e9:.1f} GB",
        }
        | {name: _by_the_clock(hours) for name, hours in one.affinity_by_method.items() if hours}
        for one in plans
    ]
    gpus = [str(one.gpus) for one in plans]
    rows = [{"GPUs": row} | dict(zip(gpus, (of[row] for of in columns), strict=True)) for row in columns[0]]
    shown = to_table(title, rows)
    shown.caption = f"* at {FUSED_SHARE:.0%} of the peak: assumed, not measured" if plans[0].affinity_hours else None
    return shown


def _by_the_clock(hours: float) -> str:
    if hours >= 1:
        return f"{hours:.1f} h"
    return f"{60 * hours:.0f} min" if 60 * hours >= 1 else f"{3600 * hours:.0f} s"
