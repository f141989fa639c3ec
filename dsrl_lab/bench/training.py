"""What the parts of DSRL cost in training: the four main rows step in turns, on the same batches, in one run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from rich.table import Table

from dsrl_lab.bench.turns import ratio_to
from dsrl_lab.datasets.base import Sample
from dsrl_lab.datasets.transforms import normalise
from dsrl_lab.kernels import keep_freed_memory
from dsrl_lab.recipes import MAIN_ROWS, find_recipe, with_changes
from dsrl_lab.training import record
from dsrl_lab.training.build import build_dsrl
from dsrl_lab.training.examples import Batches, DecodedSamples
from dsrl_lab.training.loop import training_loss
from dsrl_lab.training.optim import build_optimizer
from dsrl_lab.training.tasks import SegmentationTask


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
    if steps < 2:
        raise ValueError(f"expected at least 2 steps, got {steps}")
    keep_freed_memory()
    rows = [with_changes(find_recipe(f"{setting}_{row}"), changes) for row in MAIN_ROWS]
    config, scale, classes = rows[0].train, rows[0].network.upscale_factor, rows[0].network.num_classes
    size = (config.input_size[0] * scale, config.input_size[1] * scale)
    pictures = [Sample(torch.rand(3, *size), torch.randint(0, classes, size), str(i)) for i in range(config.batch_size)]
    task = SegmentationTask(config, scale)
    batch = Batches(DecodedSamples(pictures), task.example, batch_size=config.batch_size, seed=0)
    networks = [build_dsrl(row.network).train() for row in rows]
    if config.channels_last:
        networks = [network.to(memory_format=torch.channels_last) for network in networks]
    optimizers = [build_optimizer(network, network.task_model, config) for network in networks]
    seconds: list[list[float]] = [[] for _ in rows]
    spent: list[list[float]] = [[] for _ in rows]
    for step in range(steps + 2):
        for number, (row, network, optimizer) in enumerate(zip(rows, networks, optimizers, strict=True)):
            clock, processor = time.perf_counter(), time.process_time()
            example = batch(step)
            image = normalise(example.low_res)
            if config.channels_last:
                image = image.contiguous(memory_format=torch.channels_last)
            output = network(image)
            count = task.count(example, (output.logits.shape[-2], output.logits.shape[-1]))
            terms = training_loss(output, example, task, row.train, iteration=step, normaliser=count)
            optimizer.zero_grad()
            terms.total.backward()
            optimizer.step()
            if step >= 2:
                seconds[number].append(time.perf_counter() - clock)
                spent[number].append(time.process_time() - processor)
    return [
        Row(row.title, config.batch_size / statistics.median(times), *ratio_to(spent[0], own))
        for row, times, own in zip(rows, seconds, spent, strict=True)
    ]


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
    """Show the rows side by side."""
    shown = Table(title="training pace, rows in turns on the same batches")
    for column in ("row", "images/s", "step against baseline", "quartiles"):
        shown.add_column(column, justify="left" if column == "row" else "right")
    for row in rows:
        low, high = row.spread
        shown.add_row(row.title, f"{row.images_per_second:.1f}", f"{row.cost:.2f}x", f"{low:.2f} to {high:.2f}")
    return shown
