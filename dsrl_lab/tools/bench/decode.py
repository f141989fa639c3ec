"""How fast training's code reads pictures, from files and memory, without a network (``dsrl-lab bench decode``)."""

import math
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from rich.table import Table

from dsrl_lab import experiments
from dsrl_lab.datasets.base import IGNORE_INDEX, Sample, SegmentationDataset
from dsrl_lab.datasets.pose import PoseDataset
from dsrl_lab.files import REPOSITORY
from dsrl_lab.metrics import BoundaryScore, SegmentationScore
from dsrl_lab.recipes import Recipe, find_recipe
from dsrl_lab.tools.bench.drawn_cityscapes import write_drawn_cityscapes
from dsrl_lab.tools.bench.report import to_table
from dsrl_lab.training import record
from dsrl_lab.training.examples import Batches
from dsrl_lab.training.objectives import Objective, SegmentationObjective
from dsrl_lab.training.pose import PoseObjective

DRAWN = 16
RECORD = REPOSITORY / "data" / "runs" / "deployment.jsonl"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One way to read ``pictures``, once from files and once from memory, where they are decoded."""

    processes: int
    workers: int  # threads of each process; 0 makes examples in the process's own thread
    pictures: int
    files_per_second: float  # over all processes
    memory_per_second: float
    processor_seconds: float  # of one picture
    memory_processor_seconds: float
    scoring_seconds: float  # of one picture at its own size; 0 for people


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a picture takes of a core's time, from a record; raises ValueError for seconds negative or not finite."""

    file_seconds: float  # from its file to an example: decoded, cropped, mirrored, reduced
    scoring_seconds: float  # to score it in evaluation, after it was read
    source: str  # the record it comes from
    kept_seconds: float = 0  # from the memory that keeps it decoded, to an example

    def __post_init__(self) -> None:
        seconds = self.file_seconds, self.scoring_seconds, self.kept_seconds
        if not all(0 <= one < math.inf for one in seconds):
            raise ValueError(f"expected seconds of at least 0 for a picture, got {seconds} ({self.source})")


def measured(dataset: str, path: Path = RECORD) -> Reading:
    """Median reading of a data set, or of Cityscapes, as ``source`` tells; raises ValueError without a record."""
    lines = record.read(path) if path.is_file() else []
    names = {field.name for field in fields(Row)}  # lines of older forms are skipped, the last of a data set counts
    decoded = [line for line in lines if line["kind"] == "decode" and names == line["rows"][0].keys()]
    of = {find_recipe(line["recipe"]).dataset: (line["recipe"], line["rows"]) for line in decoded}
    if not of:
        raise ValueError(
            f"expected a line of kind 'decode' in {path}, found none; measure it with dsrl-lab bench decode --record "
            f"{path}, or give what a picture takes (--decode-ms)"
        )
    recipe, rows = of.get(dataset) or of.get("cityscapes") or next(iter(of.values()))
    place = path.relative_to(REPOSITORY) if path.is_relative_to(REPOSITORY) else path
    missing = "" if dataset in of else f", which has no pictures of {dataset}"
    return Reading(
        file_seconds=statistics.median(row["processor_seconds"] for row in rows),
        scoring_seconds=statistics.median(row["scoring_seconds"] for row in rows),
        kept_seconds=statistics.median(row["memory_processor_seconds"] for row in rows),
        source=f"{place.as_posix()}, bench decode of {recipe}{missing}",
    )


def run(
    recipe: str = "cityscapes_espnetv2_dsrl",
    root: Path | None = None,  # of its data set; without one, 16 drawn full-size pictures in Cityscapes' layout
    *,
    processes: Sequence[int] = (1, 2),  # how many share a batch, which is smaller where the split is short
    workers: Sequence[int] = (0, 2),  # threads of each process
    batches: int = 4,  # of each pass
) -> list[Row]:
    """Read batches of a recipe; raises ValueError for no recipe or data, a number too small or not to be shared."""
    if batches < 1 or min(processes) < 1 or min(workers) < 0:
        raise ValueError(
            "expected at least 1 batch, 1 process and 0 threads each, "
            f"got {batches}, {min(processes)} and {min(workers)}"
        )
    found = find_recipe(recipe)
    with tempfile.TemporaryDirectory() as folder:
        if root is None and found.dataset == "cityscapes":
            root = write_drawn_cityscapes(Path(folder), pictures={"train": DRAWN, "val": 1})
        train, _ = experiments.open_data(found, root)
        fits = len(train) // batches // max(processes) * max(processes)  # no picture twice, and equal shares
        found = replace(found, train=replace(found.train, batch_size=min(found.train.batch_size, max(fits, 1))))
        return [_measure(found, root, count, threads, batches) for count in processes for threads in workers]


def _measure(recipe: Recipe, root: Path | None, processes: int, workers: int, batches: int) -> Row:
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(processes, context) as pool:
        barrier = manager.Barrier(processes)
        shared = processes, workers, batches, barrier
        shards = [pool.submit(_read, recipe, root, rank, *shared) for rank in range(processes)]
        try:
            replies = [shard.result() for shard in as_completed(shards)]
        except Exception:
            barrier.abort()  # the others wait at it
            raise
    pictures = batches * recipe.train.batch_size
    files, memory, files_used, memory_used, scoring = zip(*replies, strict=True)
    return Row(
        processes=processes,
        workers=workers,
        pictures=pictures,
        files_per_second=pictures / max(files),
        memory_per_second=pictures / max(memory),
        processor_seconds=sum(files_used) / pictures,
        memory_processor_seconds=sum(memory_used) / pictures,
        scoring_seconds=statistics.median(scoring),
    )


def _read(
    recipe: Recipe, root: Path | None, rank: int, processes: int, workers: int, batches: int, barrier: Any
) -> tuple[float, ...]:
    torch.set_num_threads(1)
    train, val = experiments.open_data(recipe, root)
    scale, size = recipe.network.upscale_factor, recipe.train.batch_size
    task: Objective = SegmentationObjective(recipe.train, scale)
    if isinstance(train, PoseDataset):
        task = PoseObjective(recipe.train, train.joint_table, scale)
    shard = Batches(train, task.example, batch_size=size, seed=0, rank=rank, world_size=processes, workers=workers)
    seconds, used = [], []
    for _ in ("files", "memory"):
        barrier.wait()
        clock, processor = time.perf_counter(), time.process_time()
        for iteration in range(batches):
            shard(iteration)
        seconds.append(time.perf_counter() - clock)
        used.append(time.process_time() - processor)
    shard.close()
    scored = _score(val[0], recipe.network.num_classes) if isinstance(val, SegmentationDataset) else 0.0
    return *seconds, *used, scored


def _score(sample: Sample, num_classes: int) -> float:
    pred = sample.mask.roll(2, dims=-1)  # 2 pixels off
    pred[pred == IGNORE_INDEX] = 0
    clock = time.process_time()
    for score in (SegmentationScore(num_classes), BoundaryScore(num_classes)):
        score.update(pred[None], sample.mask[None])
    return time.process_time() - clock


def table(rows: Sequence[Row]) -> Table:
    """Show the ways to read side by side."""
    lines = [
        {
            "processes x threads each": f"{row.processes} x {row.workers}",
            "from files": f"{row.files_per_second:.1f}",
            "decoded before": f"{row.memory_per_second:.1f}",
            "core's ms a picture": f"{1000 * row.processor_seconds:.0f}",
            "to score one": f"{1000 * row.scoring_seconds:.0f}",
        }
        for row in rows
    ]
    return to_table("pictures per second, from the file to the batch", lines)
