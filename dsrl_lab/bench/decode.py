"""How fast pictures reach a network (``dsrl-lab bench decode``): from files and memory, over processes and threads.

Training shards its decoding: each process makes its own part of every batch (``Batches`` with rank and world_size), and
within a process threads may make the next one. This runs that very code, without a network: files are decoded, cropped,
mirrored and reduced as the recipe says. The first pass reads files; the second finds the pictures decoded in memory.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from rich.table import Table

from dsrl_lab import experiments
from dsrl_lab.datasets.base import SegmentationDataset
from dsrl_lab.datasets.drawn_cityscapes import write_drawn_cityscapes
from dsrl_lab.recipes import Recipe, find_recipe
from dsrl_lab.training import record
from dsrl_lab.training.examples import Batches
from dsrl_lab.training.tasks import SegmentationTask

DRAWN = 16
PATIENCE = 600  # seconds for all processes to start and answer


@dataclass(frozen=True, kw_only=True)
class Row:
    """One way to read.

    Attributes:
        processes: that share every batch.
        workers: threads of each; 0 makes examples in the process's own thread.
        pictures: read once from files, then once from memory.
        files_per_second: pictures per second over all processes, from files to stacked batches.
        memory_per_second: the same for pictures that were decoded before.
        processor_seconds: of all processes, per picture from a file.
    """

    processes: int
    workers: int
    pictures: int
    files_per_second: float
    memory_per_second: float
    processor_seconds: float


def run(
    recipe: str = "cityscapes_espnetv2_dsrl",
    root: Path | None = None,
    *,
    processes: Sequence[int] = (1, 2),
    workers: Sequence[int] = (0, 2),
    batches: int = 4,
) -> list[Row]:
    """Read batches of a recipe's training split, each combination for itself.

    Args:
        recipe: any segmentation recipe; its batch size, crop and scale count.
        root: folder of its data set; without one, 16 drawn full-size pictures in Cityscapes' layout.
        processes: how many share a batch.
        workers: threads of each process.
        batches: of each pass; no more than one epoch has.

    Raises:
        ValueError: an unknown recipe, a batch that the processes cannot share, fewer than 1 batch, or no data.
    """
    if batches < 1:
        raise ValueError(f"expected at least 1 batch, got {batches}")
    found = find_recipe(recipe)
    with tempfile.TemporaryDirectory() as folder:
        if root is None and found.dataset == "cityscapes":
            root = write_drawn_cityscapes(Path(folder), pictures={"train": DRAWN, "val": 1})
            found = replace(found, train=replace(found.train, batch_size=min(found.train.batch_size, DRAWN // batches)))
        return [_measure(found, root, count, threads, batches) for count in processes for threads in workers]


def _measure(recipe: Recipe, root: Path | None, processes: int, workers: int, batches: int) -> Row:
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(processes), context.Queue()
    started = [
        context.Process(
            target=_read, args=(recipe, root, rank, processes, workers, batches, barrier, answers), daemon=True
        )
        for rank in range(processes)
    ]
    for process in started:
        process.start()
    told = [answers.get(timeout=PATIENCE) for _ in started]
    for process in started:
        process.join()
    failures = [answer for answer in told if isinstance(answer, str)]
    if failures:
        raise ValueError(max(failures, key=len))  # the others only say that the first has left
    pictures = batches * recipe.train.batch_size
    files, memory = (max(answer[place] for answer in told) for place in (0, 1))
    return Row(
        processes=processes,
        workers=workers,
        pictures=pictures,
        files_per_second=pictures / files,
        memory_per_second=pictures / memory,
        processor_seconds=sum(answer[2] for answer in told) / pictures,
    )


def _read(
    recipe: Recipe, root: Path | None, rank: int, processes: int, workers: int, batches: int, barrier: Any, answers: Any
) -> None:
    """One process's share: seconds of the pass over files, of the pass from memory, processor seconds of the first."""
    try:
        torch.set_num_threads(1)
        train, _ = experiments.open_data(recipe, root)
        if not isinstance(train, SegmentationDataset):
            raise ValueError(f"{recipe.name} reads people; measure a segmentation recipe")
        shard = Batches(
            train,
            SegmentationTask(recipe.train, recipe.network.upscale_factor).example,
            batch_size=recipe.train.batch_size,
            seed=0,
            rank=rank,
            world_size=processes,
            workers=workers,
        )
        seconds, used = [], []
        for _ in ("files", "memory"):
            barrier.wait(PATIENCE)
            clock, spent = time.perf_counter(), time.process_time()
            for iteration in range(batches):
                shard(iteration)
            seconds.append(time.perf_counter() - clock)
            used.append(time.process_time() - spent)
        shard.close()
        answers.put((*seconds, used[0]))
    except Exception as error:  # told to the process that waits for an answer
        barrier.abort()
        answers.put(str(error))


def to_record(rows: Sequence[Row], recipe: str) -> dict[str, Any]:
    """One line for a record: what was measured, on what, and with which versions."""
    return {"kind": "decode", "recipe": recipe, "rows": [asdict(row) for row in rows], **record.environment()}


def table(rows: Sequence[Row]) -> Table:
    """Show the ways to read side by side."""
    shown = Table(title="pictures per second, from the file to the batch")
    for column in ("processes", "threads each", "from files", "decoded before", "processor ms a picture"):
        shown.add_column(column, justify="right")
    for row in rows:
        numbers = f"{row.files_per_second:.1f}", f"{row.memory_per_second:.1f}", f"{1000 * row.processor_seconds:.0f}"
        shown.add_row(str(row.processes), str(row.workers), *numbers)
    return shown
