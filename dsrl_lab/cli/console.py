"""What all commands share on the screen: the two consoles, and the progress of a training run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer
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


@contextmanager
def on_stop(kept: Callable[[], str]) -> Iterator[None]:
    """At Ctrl-C print what was kept and how to go on, and end with exit code 130."""
    try:
        yield
    except KeyboardInterrupt:
        errors.print(f"Stopped. {kept()}", markup=False, highlight=False, style="yellow", soft_wrap=True)
        raise typer.Exit(130) from None


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
