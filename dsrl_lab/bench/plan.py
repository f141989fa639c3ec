"""What a training run will take on 1, 8 or 64 GPUs, reckoned before anything is rented.

From counts: multiply-adds of the whole network (forward once, backward twice as much), feature affinity's own products,
layers' outputs, parameters. From the reader: how much of a GPU's peak is used in practice, and what a core needs to
decode a picture. It is arithmetic that can be checked, and no measurement: a first run of a hundred iterations tells
how far the assumed utilisation is off, and the plan is then drawn again with it.

Deviations from reality, on purpose: gradients' exchange and the optimizer's step are not counted (they are small for
networks of a few million parameters), nor is evaluation during training.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from rich.table import Table

from dsrl_lab.bench.cost import activation_bytes
from dsrl_lab.complexity import complexity
from dsrl_lab.recipes import Recipe
from dsrl_lab.training.build import build_dsrl

FLOAT = 4  # bytes
TILE = 512  # positions on a side of the affinity's tile


@dataclass(frozen=True, kw_only=True)
class Accelerator:
    """A GPU by its data sheet.

    Attributes:
        name: as it is sold.
        peak: floating-point operations per second of its matrix units, in mixed precision, without sparsity.
        memory: bytes.
    """

    name: str
    peak: float
    memory: float


ACCELERATORS = {
    "T4": Accelerator(name="T4", peak=65e12, memory=16e9),
    "V100": Accelerator(name="V100", peak=125e12, memory=16e9),
    "A100": Accelerator(name="A100", peak=312e12, memory=40e9),
    "H100": Accelerator(name="H100", peak=989e12, memory=80e9),
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
        tiled_affinity_bytes: of what the tiled loss holds beside the features.
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


def affinity_macs(positions: int, channels: int, *, tile: int = TILE) -> int:
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
        tiled_affinity_bytes=FLOAT * (2 * min(TILE, positions) ** 2 + positions * channels),
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
        compute_hours: if only the arithmetic took time.
        decode_hours: if only reading pictures took time.
        memory: bytes on each GPU: weights, gradients, momentum, activations, affinity.
    """

    gpus: int
    per_gpu: int
    iterations: int
    learning_rate: float
    compute_hours: float
    decode_hours: float
    memory: float

    @property
    def hours(self) -> float:
        """By the clock: reading goes on beside computing, so the slower of the two."""
        return max(self.compute_hours, self.decode_hours)

    @property
    def gpu_hours(self) -> float:
        """What is paid for."""
        return self.gpus * self.hours

    @property
    def bound_by(self) -> str:
        """What the run waits for."""
        return "arithmetic" if self.compute_hours >= self.decode_hours else "reading"


def plan(
    recipe: Recipe,
    gpus: int,
    *,
    accelerator: Accelerator = ACCELERATORS["A100"],
    utilisation: float = 0.2,
    decode_seconds: float = 0.08,
    cores: int = 8,
    least_per_gpu: int = 2,
) -> Plan:
    """Plan a recipe on ``gpus`` GPUs, with as many images seen as it says.

    Args:
        recipe: any experiment.
        gpus: how many.
        accelerator: which.
        utilisation: share of its peak that is reached; a fifth is good for networks of many small layers.
        decode_seconds: of one core for one picture at full size.
        cores: that read pictures for each GPU.
        least_per_gpu: images that each GPU gets at least; BatchNorm wants two.

    Raises:
        ValueError: a number that makes no sense.

    Example:
        >>> from dsrl_lab.recipes import find_recipe
        >>> recipe = find_recipe("cityscapes_espnetv2_dsrl")
        >>> one, many = plan(recipe, 1), plan(recipe, 64)
        >>> one.per_gpu, many.per_gpu, many.iterations * many.per_gpu * 64 == one.iterations * one.per_gpu
        (16, 2, True)
    """
    if gpus < 1 or cores < 1 or least_per_gpu < 1 or decode_seconds < 0 or not 0 < utilisation <= 1:
        raise ValueError(
            "expected at least 1 GPU, core and image, decode_seconds of at least 0 and a utilisation above 0 and at "
            f"most 1, got {gpus}, {cores}, {least_per_gpu}, {decode_seconds} and {utilisation}"
        )
    cost, train = image_cost(recipe), recipe.train
    per_gpu = max(least_per_gpu, -(-train.batch_size // gpus))
    images = train.iterations * train.batch_size
    seconds = 2 * cost.training_macs * images / (gpus * accelerator.peak * utilisation)
    return Plan(
        gpus=gpus,
        per_gpu=per_gpu,
        iterations=-(-images // (per_gpu * gpus)),
        learning_rate=train.learning_rate * per_gpu * gpus / train.batch_size,
        compute_hours=seconds / 3600,
        decode_hours=images * decode_seconds / (gpus * cores) / 3600,
        memory=3 * FLOAT * cost.parameters + per_gpu * (cost.activation_bytes + cost.tiled_affinity_bytes),
    )


def table(plans: Sequence[Plan], title: str = "") -> Table:
    """Show plans side by side.

    Example:
        >>> from dsrl_lab.recipes import find_recipe
        >>> table([plan(find_recipe("streets_tinynet_dsrl"), gpus) for gpus in (1, 8)]).row_count
        2
    """
    drawn = Table(title=title)
    headings = "GPUs", "images each", "iterations", "learning rate", "time", "waits for", "GPU hours", "memory each"
    for heading in headings:
        drawn.add_column(heading, justify="right")
    for one in plans:
        drawn.add_row(
            str(one.gpus),
            str(one.per_gpu),
            f"{one.iterations:,}",
            f"{one.learning_rate:g}",
            _by_the_clock(one.hours),
            one.bound_by,
            f"{one.gpu_hours:.0f}",
            f"{one.memory / 1e9:.1f} GB",
        )
    return drawn


def _by_the_clock(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= 1 else f"{60 * hours:.0f} min"
