"""Training steps of the four main rows side by side (``dsrl-lab bench train``)."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import torch
from rich.table import Table

from dsrl_lab.datasets.base import Sample
from dsrl_lab.kernels import keep_freed_memory
from dsrl_lab.recipes import find_recipe, with_changes
from dsrl_lab.rows import MAIN_ROWS
from dsrl_lab.tools.bench import parts
from dsrl_lab.tools.bench.cost import GEMM_SIDE, product
from dsrl_lab.tools.bench.plan import image_cost
from dsrl_lab.tools.bench.ratios import alternate, ratio_to
from dsrl_lab.tools.bench.report import times, to_table
from dsrl_lab.training.build import build_dsrl
from dsrl_lab.training.config import Recipe
from dsrl_lab.training.examples import Batches, DecodedSamples
from dsrl_lab.training.loop import default_fabric, train_step
from dsrl_lab.training.objectives import SegmentationObjective
from dsrl_lab.training.optim import build_optimizer


@dataclass(frozen=True)
class Row:
    """One row of the ablation in training."""

    title: str
    images_per_second: float  # by the clock, from the median step
    cost: float  # processor time of a step over the first row's in the same round, median
    spread: tuple[float, float]  # its quartiles


def run(setting: str = "streets_tinynet_45x60", *, changes: Sequence[str] = (), steps: int = 10) -> list[Row]:
    """Time training steps of the main rows; raises ValueError for no such setting or field, or fewer than 2 steps."""
    recipes = [with_changes(find_recipe(f"{setting}_{row}"), changes) for row in MAIN_ROWS]
    _prepare(steps)
    return _rows({recipe.title: Steps(recipe) for recipe in recipes}, steps)


def run_parts(setting: str, *, changes: Sequence[str] = (), steps: int = 10) -> dict[str, tuple[float, float]]:
    """Milliseconds, forward and backward, of each part of the whole objective's step; errors as of ``run``."""
    _prepare(steps)
    whole = Steps(with_changes(find_recipe(f"{setting}_{MAIN_ROWS[-1]}"), changes))
    return parts.measure(whole, whole.network.module, steps=steps)


def utilisation(recipe: Recipe, *, steps: int = 5) -> tuple[float, float]:
    """Seconds of a recipe's step on this machine, and the share of its matrix product's rate that the step reaches."""
    _prepare(steps)
    seconds = alternate({"step": Steps(recipe), "product": product()}, steps)
    macs = recipe.train.batch_size * image_cost(recipe).training_macs
    share = macs / GEMM_SIDE**3 * ratio_to(seconds["step"].clock, seconds["product"].clock)[0]
    return median(seconds["step"].clock), share


class Steps:
    """A segmentation recipe's training steps, one each call."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe, self.number = recipe, 0
        config, scale = recipe.train, recipe.network.upscale_factor
        size = (config.input_size[0] * scale, config.input_size[1] * scale)
        draw = torch.Generator().manual_seed(0)
        masks = torch.randint(0, recipe.network.num_classes, (config.batch_size, *size), generator=draw)
        pictures = [Sample(torch.rand(3, *size, generator=draw), mask, str(i)) for i, mask in enumerate(masks)]
        self.objective = SegmentationObjective(config, scale)
        self.batch = Batches.for_run(DecodedSamples(pictures), self.objective.example, config)
        network = build_dsrl(recipe.network).train()
        if config.channels_last:
            network = network.to(memory_format=torch.channels_last)
        self.fabric = default_fabric(config)
        optimizer = build_optimizer(network, config)
        self.network, self.optimizer = self.fabric.setup(network, optimizer)

    def __call__(self) -> float:
        """Take the next step and give its loss."""
        batch, config, number = self.batch(self.number), self.recipe.train, self.number
        parts = self.network, self.optimizer, self.objective
        terms = train_step(*parts, batch, config, iteration=number, fabric=self.fabric)
        self.number += 1
        return float(terms.total)


def _prepare(steps: int) -> None:
    if steps < 2:
        raise ValueError(f"expected at least 2 steps, got {steps}")
    keep_freed_memory()


def _rows(timed: dict[str, Steps], steps: int) -> list[Row]:
    seconds = alternate(timed, steps)
    first = next(iter(seconds.values())).processor
    rows = []
    for title, (clock, processor) in seconds.items():
        pace = timed[title].recipe.train.batch_size / median(clock)
        rows.append(Row(title, pace, *ratio_to(first, processor)))
    return rows


def table(rows: Sequence[Row]) -> Table:
    """Show the rows side by side; the first is what the others are compared with."""
    step = f"step against {rows[0].title} (quartiles)"
    lines = [{"row": r.title, "images/s": f"{r.images_per_second:.1f}", step: times(r.cost, r.spread)} for r in rows]
    return to_table("training pace, rows in alternation on the same batches", lines)
