"""What all commands share on the screen: the two consoles, and the progress of a training run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from dsrl_lab.training.record import TrainRecord

output = Console()
errors = Console(stderr=True)


def progress_bar() -> Progress:
    """A progress bar on stderr, with a spinner, a count and the time left."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=errors,
        transient=False,
    )


def follow(records: Iterable[TrainRecord], *, title: str, iterations: int) -> TrainRecord | None:
    """Drive a run to its end under a progress bar; give its last record, None if there was nothing left to do."""
    last: TrainRecord | None = None
    with progress_bar() as progress:
        bar = progress.add_task(title, total=iterations)
        for last in records:
            miou = last.metrics.get("miou")
            score = f"  mIoU {miou:.4f}" if miou is not None else ""
            pace = f"  {last.images_per_second:.1f} images/s"
            progress.update(bar, completed=last.iteration, description=f"{title}  loss {last.loss:.4f}{pace}{score}")
    return last
