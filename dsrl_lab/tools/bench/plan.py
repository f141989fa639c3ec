"""What a training run will take on 1, 8 or 64 GPUs, reckoned before anything is rented.

From counts: multiply-adds of the whole network (forward once, backward twice as much), feature affinity's own products,
layers' outputs, parameters. Affinity stands apart, because it is computed in float32 whatever the precision, and a GPU
is slower at that by a factor of 5 to 16. From the record of ``bench decode``: what a core needs to read a picture, and
to score one. From the reader: how much of a GPU's peak is used in practice. It is arithmetic that can be checked, and
no measurement: a first run of a hundred iterations tells how far the assumed utilisation is off, and the plan is then
drawn again with it.

Deviations from reality, on purpose: gradients' exchange and the optimizer's step are not counted (they are small for
networks of a few million parameters), nor are PSNR and SSIM of the SISR branch at the end.
"""

from __future__ import annotations

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
from dsrl_lab.training.build import build_dsrl

FLOAT = 4  # bytes
VALIDATION = {"cityscapes": 500, "coco": 6352, "camvid": 101}
"""Pictures of a validation split (people, of COCO 2017); drawn data sets say theirs in the recipe."""


@dataclass(frozen=True, kw_only=True)
class Accelerator:
    """A GPU by its data sheet.

    Attributes:
        name: as it is sold.
        peak: floating-point operations per second of its matrix units, in mixed precision, without sparsity.
        float32_peak: floating-point operations per second in float32 proper; PyTorch leaves TF32 off.
        memory: bytes.
    """

    name: str
    peak: float
    float32_peak: float
    memory: float


# T4 and V100 have no bfloat16: there train.precision=16-mixed is what reaches the first peak.
ACCELERATORS = {
    "T4": Accelerator(name="T4", peak=65e12, float32_peak=8.1e12, memory=16e9),
    "V100": Accelerator(name="V100", peak=125e12, float32_peak=15.7e12, memory=16e9),  # SXM2
    "A100": Accelerator(name="A100", peak=312e12, float32_peak=19.5e12, memory=40e9),
    "H100": Accelerator(name="H100", peak=989e12, float32_peak=67e12, memory=80e9),  # SXM
}


@dataclass(frozen=True, kw_only=True)
class ImageCost:
    """What one training image of a recipe costs.

    Attributes:
        forward_macs: of the whole network, both branches.
        deployed_macs: of what is left at inference.
        affinity_macs: of the tiled affinity loss and its gradient; 0 without affinity.
        activation_bytes: outputs of all layers in float32, which the backward pass needs.
        dense_affinity_bytes: of one affinity matrix if it were built.
        tiled_affinity_bytes: of what the tiled loss holds: both maps as unit vectors, twice, with a gradient, and two
            tiles, which all images of a batch share.
        parameters: of the whole network.
    """

    forward_macs: int
    deployed_macs: int
    affinity_macs: int
    activation_bytes: int
    dense_affinity_bytes: int
    tiled_affinity_bytes: int
    parameters: int

    @property
    def training_macs(self) -> int:
        """Forward, backward (twice the forward pass) and affinity."""
        return 3 * self.forward_macs + self.affinity_macs


def affinity_macs(positions: int, channels: int, *, tile: int = GPU_TILE) -> int:
    """Multiply-adds of the tiled affinity loss of one image, gradient included.

    Each pair of tiles on or above the diagonal is compared once (half of all products), and its slopes go back to
    both sides (all of them): about 1.5 P^2 K, with K the channels of both maps together.

    Args:
        positions: P, of the grid that is compared.
        channels: K, of both feature maps together.
        tile: positions on a side of a tile.

    Example:
        >>> affinity_macs(4, 3, tile=4), affinity_macs(4, 3, tile=1)  # 16 + 16 products, and 10 + 16
        (96, 78)
    """
    strips = [min(tile, positions - start) for start in range(0, positions, tile)]
    compared = (positions**2 + sum(strip**2 for strip in strips)) // 2
    return channels * (compared + positions**2)


def image_cost(recipe: Recipe) -> ImageCost:
    """Count what one training image of a recipe costs; nothing is computed but shapes.

    Args:
        recipe: any experiment.

    Example:
        >>> from dsrl_lab.recipes import find_recipe
        >>> cost = image_cost(find_recipe("streets_tinynet_dsrl"))
        >>> cost.training_macs > 3 * cost.deployed_macs, cost.affinity_macs > 0
        (True, True)
    """
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
        affinity_macs=affinity_macs(positions, channels) if positions else 0,
        activation_bytes=activation_bytes(dsrl, size),
        dense_affinity_bytes=FLOAT * positions**2,
        tiled_affinity_bytes=FLOAT * (4 * positions * channels + 2 * min(GPU_TILE, positions) ** 2),
        parameters=whole.parameters,
    )


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A run on a number of GPUs.

    Attributes:
        gpus: how many.
        per_gpu: images on each, per iteration.
        iterations: so many that as many images are seen as the recipe says.
        learning_rate: the recipe's, in proportion to the batch.
        compute_hours: of the arithmetic, feature affinity's left out.
        affinity_hours: of feature affinity, in float32.
        decode_hours: if only reading pictures took time.
        evaluation_hours: of all evaluations, in which the network, its pictures and their scores wait for each other.
        memory: bytes on each GPU: weights, gradients, momentum, activations, affinity.
    """

    gpus: int
    per_gpu: int
    iterations: int
    learning_rate: float
    compute_hours: float
    affinity_hours: float
    decode_hours: float
    evaluation_hours: float
    memory: float

    @property
    def hours(self) -> float:
        """By the clock: reading goes on beside computing, so the slower of the two, and then evaluation."""
        return max(self.compute_hours + self.affinity_hours, self.decode_hours) + self.evaluation_hours

    @property
    def gpu_hours(self) -> float:
        """What is paid for."""
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
    utilisation: float = 0.2,
    reading: Reading | None = None,
    cores: int = 8,
    least_per_gpu: int = 2,
) -> Plan:
    """Plan a recipe on ``gpus`` GPUs, with as many images seen as it says.

    Args:
        recipe: any experiment.
        gpus: how many.
        accelerator: which.
        utilisation: share of its peaks that is reached; a fifth is good for networks of many small layers.
        reading: what a picture takes of a core's time; by default what the kit's record says (``decode.measured``).
        cores: that read pictures for each GPU.
        least_per_gpu: images that each GPU gets at least; BatchNorm wants two.

    Raises:
        ValueError: a number that makes no sense, or no record of reading.

    Example:
        >>> from dsrl_lab.recipes import find_recipe
        >>> recipe = find_recipe("cityscapes_espnetv2_dsrl")
        >>> one, many = plan(recipe, 1), plan(recipe, 64)
        >>> one.per_gpu, many.per_gpu, many.iterations * many.per_gpu * 64 == one.iterations * one.per_gpu
        (16, 2, True)
    """
    if gpus < 1 or cores < 1 or least_per_gpu < 1 or not 0 < utilisation <= 1:
        raise ValueError(
            "expected at least 1 GPU, core and image, and a utilisation above 0 and at most 1, "
            f"got {gpus}, {cores}, {least_per_gpu} and {utilisation}"
        )
    cost, train, reading = image_cost(recipe), recipe.train, reading or measured(recipe.dataset)
    per_gpu = max(least_per_gpu, -(-train.batch_size // gpus))
    images = train.iterations * train.batch_size
    peak = accelerator.peak if "mixed" in train.precision else accelerator.float32_peak
    per_second = gpus * peak * utilisation / 2  # multiply-adds, of two operations each
    in_float32 = gpus * accelerator.float32_peak * utilisation / 2
    scored = _scored_pictures(recipe)
    alone = reading.file_seconds + reading.scoring_seconds  # each process's one thread reads and scores
    tiles = min(cost.tiled_affinity_bytes, 2 * FLOAT * GPU_TILE**2)
    return Plan(
        gpus=gpus,
        per_gpu=per_gpu,
        iterations=-(-images // (per_gpu * gpus)),
        learning_rate=train.learning_rate * per_gpu * gpus / train.batch_size,
        compute_hours=3 * cost.forward_macs * images / per_second / 3600,
        affinity_hours=cost.affinity_macs * images / in_float32 / 3600,
        decode_hours=images * reading.file_seconds / (gpus * cores) / 3600,
        evaluation_hours=scored * (alone / gpus + cost.deployed_macs / in_float32) / 3600,
        memory=3 * FLOAT * cost.parameters
        + per_gpu * (cost.activation_bytes + cost.tiled_affinity_bytes - tiles)
        + tiles,
    )


def _scored_pictures(recipe: Recipe) -> int:
    """Pictures that a run scores, one by one: each time it is due, at the end, and masks once more as labels."""
    train, pose = recipe.train, recipe.dataset in POSE_DATASETS
    pictures = recipe.pictures[1] if recipe.pictures else VALIDATION.get(recipe.dataset, 0)
    due = train.iterations // train.evaluate_every if train.evaluate_every else 0
    last = 0 if train.evaluate_every and train.iterations % train.evaluate_every == 0 else 1
    return pictures * (due + last + (0 if pose else 1))


def table(plans: Sequence[Plan], title: str = "") -> Table:
    """Show plans side by side: hours of each part, and by the clock, where reading goes on beside computing.

    Example:
        >>> from dsrl_lab.recipes import find_recipe
        >>> table([plan(find_recipe("streets_tinynet_dsrl"), gpus) for gpus in (1, 8)]).row_count
        2
    """
    drawn = Table(title=title, padding=(0, 1, 0, 0))  # twelve columns, in 110 characters
    parts = "arithmetic", "FA", "reading", "scoring"
    headings = "GPUs", "images\neach", "steps", "rate", *parts, "time", "waits for", "GPU\nhours", "memory\neach"
    for heading in headings:
        drawn.add_column(heading, justify="right")
    for one in plans:
        drawn.add_row(
            str(one.gpus),
            str(one.per_gpu),
            f"{one.iterations:,}",
            f"{one.learning_rate:g}",
            *map(_by_the_clock, (one.compute_hours, one.affinity_hours, one.decode_hours, one.evaluation_hours)),
            _by_the_clock(one.hours),
            one.bound_by,
            f"{one.gpu_hours:.0f}",
            f"{one.memory / 1e9:.1f} GB",
        )
    return drawn


def _by_the_clock(hours: float) -> str:
    if hours >= 1:
        return f"{hours:.1f} h"
    return f"{60 * hours:.0f} min" if 60 * hours >= 1 else f"{3600 * hours:.0f} s"
