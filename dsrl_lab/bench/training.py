"""What the parts of DSRL cost in training: the four main rows step in turns, on the same batches, in one run."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

import torch
from rich.table import Table

from dsrl_lab.datasets.base import Sample
from dsrl_lab.datasets.transforms import normalise
from dsrl_lab.kernels import keep_freed_memory
from dsrl_lab.recipes import MAIN_ROWS, find_recipe, with_row
from dsrl_lab.training.build import build_dsrl
from dsrl_lab.training.examples import Batches, DecodedSamples
from dsrl_lab.training.loop import training_loss
from dsrl_lab.training.optim import build_optimizer
from dsrl_lab.training.tasks import SegmentationTask


@dataclass(frozen=True)
class Row:
    """One row of the ablation: pace in training, and the cost of a step against the baseline's."""

    title: str
    images_per_second: float
    cost: float


def run(recipe: str = "streets_tinynet_dsrl", *, steps: int = 10) -> list[Row]:
    """Time training steps of baseline, + SSSR, + SISR and + FA in turns; the medians count.

    Args:
        recipe: any recipe of the setting; pictures are noise, weights random.
        steps: timed steps of each row, after two that are not timed.

    Raises:
        ValueError: unknown recipe.
    """
    keep_freed_memory()
    setting = find_recipe(recipe)
    base = with_row(setting, "baseline")
    config, scale = base.train, base.network.upscale_factor
    size = (config.input_size[0] * scale, config.input_size[1] * scale)
    classes = base.network.num_classes
    pictures = [Sample(torch.rand(3, *size), torch.randint(0, classes, size), str(i)) for i in range(config.batch_size)]
    rows = [with_row(setting, row) for row in MAIN_ROWS]
    task = SegmentationTask(config, scale)
    batch = Batches(DecodedSamples(pictures), task.example, batch_size=config.batch_size, seed=0)
    networks = [build_dsrl(row.network).train() for row in rows]
    if config.channels_last:
        networks = [network.to(memory_format=torch.channels_last) for network in networks]
    optimizers = [build_optimizer(network, network.task_model, config) for network in networks]
    seconds: list[list[float]] = [[] for _ in rows]
    for step in range(steps + 2):
        for row, network, optimizer, times in zip(rows, networks, optimizers, seconds, strict=True):
            clock = time.perf_counter()
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
                times.append(time.perf_counter() - clock)
    medians = [statistics.median(times) for times in seconds]
    return [
        Row(row.title, config.batch_size / median, median / medians[0])
        for row, median in zip(rows, medians, strict=True)
    ]


def table(rows: list[Row]) -> Table:
    """Show the rows side by side."""
    shown = Table(title="training pace, rows in turns on the same batches")
    shown.add_column("row")
    shown.add_column("images/s", justify="right")
    shown.add_column("step against baseline", justify="right")
    for row in rows:
        shown.add_row(row.title, f"{row.images_per_second:.1f}", f"{row.cost:.2f}x")
    return shown
