"""What the parts of DSRL cost in training: the four main rows step in turns, on the same batches, in one run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from rich.table import Table

from dsrl_lab.datasets.base import Sample
from dsrl_lab.kernels import keep_freed_memory
from dsrl_lab.recipes import find_recipe, with_changes
from dsrl_lab.rows import MAIN_ROWS
from dsrl_lab.tools.bench.ratios import ratio_to
from dsrl_lab.training import record
from dsrl_lab.training.build import build_dsrl
from dsrl_lab.training.config import Recipe
from dsrl_lab.training.examples import Batches, DecodedSamples
from dsrl_lab.training.loop import default_fabric, train_step
from dsrl_lab.training.objectives import SegmentationObjective
from dsrl_lab.training.optim import build_optimizer

UNTIMED = 2  # rounds: the first steps load kernels and fill caches


@dataclass(frozen=True)
class Row:
    """One row of the ablation in training.

    Attributes:
        title: as the ablation names it.
        images_per_second: by the clock, from the median step.
        cost: processor time of a step over the baseline's in the same turn, median.
        spread: its quartiles.
    """

    title: str
    images_per_second: float
    cost: float
    spread: tuple[float, float]


def run(setting: str = "streets_tinynet_45x60", *, changes: Sequence[str] = (), steps: int = 10) -> list[Row]:
    """Time training steps of baseline, + SSSR, + SISR and + FA in turns.

    Args:
        setting: of the recipes; pictures are noise, weights random.
        changes: to every row, as ``recipes.with_changes`` takes them.
        steps: timed steps of each row, after two that are not timed.

    Raises:
        ValueError: no such setting or field, or fewer than 2 steps.
    """
    rows = [with_changes(find_recipe(f"{setting}_{row}"), changes) for row in MAIN_ROWS]
    _check_steps(steps)
    keep_freed_memory()
    turns = [TimedSteps(row) for row in rows]
    take_turns(turns, steps)
    return [one.row(one.recipe.title, against=turns[0]) for one in turns]


class TimedSteps:
    """One recipe's training steps, each timed: pictures are noise, weights random.

    Args:
        recipe: of a segmentation setting.
        compiled: let torch.compile fuse the network, as ``TrainConfig.compile`` does.

    Attributes:
        seconds: of each timed step, by the clock.
        spent: processor seconds of each timed step, over all threads.
    """

    def __init__(self, recipe: Recipe, *, compiled: bool = False) -> None:
        self.recipe, config, scale = recipe, recipe.train, recipe.network.upscale_factor
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
        self.network, self.optimizer = self.fabric.setup(torch.compile(network) if compiled else network, optimizer)  # type: ignore[arg-type]
        self.seconds: list[float] = []
        self.spent: list[float] = []

    def step(self, number: int) -> float:
        """Take one step and note what it took.

        Args:
            number: of the step; it says which pictures and crops are drawn.

        Returns:
            The step's loss.
        """
        clock, processor = time.perf_counter(), time.process_time()
        batch, config = self.batch(number), self.recipe.train
        terms = train_step(
            self.network, self.optimizer, self.objective, batch, config, iteration=number, fabric=self.fabric
        )
        self.seconds.append(time.perf_counter() - clock)
        self.spent.append(time.process_time() - processor)
        return float(terms.total)

    def row(self, title: str, *, against: TimedSteps) -> Row:
        """What was measured, as ratios to another's steps of the same turns."""
        pace = self.recipe.train.batch_size / statistics.median(self.seconds)
        return Row(title, pace, *ratio_to(against.spent, self.spent))


def take_turns(turns: Sequence[TimedSteps], steps: int) -> None:
    """Let each take a step, ``steps`` times over, after two rounds that are not timed.

    Args:
        turns: who steps, in this order.
        steps: timed steps of each.
    """
    for number in range(steps + UNTIMED):
        for one in turns:
            one.step(number)
    for one in turns:
        del one.seconds[:-steps], one.spent[:-steps]


def _check_steps(steps: int) -> None:
    if steps < 2:
        raise ValueError(f"expected at least 2 steps, got {steps}")


def to_record(rows: Sequence[Row], *, setting: str, changes: Sequence[str], steps: int) -> dict[str, Any]:
    """One line for a record: what was measured, on what, and with which versions."""
    return {
        "kind": "training_pace",
        "setting": setting,
        "changes": list(changes),
        "steps": steps,
        "rows": [asdict(row) for row in rows],
        **record.environment(),
    }


def table(rows: Sequence[Row]) -> Table:
    """Show the rows side by side; the first is what the others are compared with."""
    shown = Table(title="training pace, rows in turns on the same batches")
    for column in ("row", "images/s", f"step against {rows[0].title}", "quartiles"):
        shown.add_column(column, justify="left" if column == "row" else "right")
    for row in rows:
        low, high = row.spread
        shown.add_row(row.title, f"{row.images_per_second:.1f}", f"{row.cost:.2f}x", f"{low:.2f} to {high:.2f}")
    return shown
