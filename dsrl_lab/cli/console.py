"""What all commands share on the screen: the two consoles, tables that fit, and the progress of a training run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

if TYPE_CHECKING:
    from dsrl_lab.training.config import Recipe
    from dsrl_lab.training.record import TrainRecord

output = Console()
errors = Console(stderr=True)


def progress_bar(*, transient: bool = False) -> Progress:
    """A progress bar on stderr; a long description is cut, the rest is not. ``transient`` removes it at its end."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
        BarColumn(bar_width=16),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        console=errors,
        transient=transient,
        expand=True,
    )


@contextmanager
def on_stop(kept: Callable[[], str]) -> Iterator[None]:
    """What a command says at Ctrl-C, where that depends on how far it came: what was kept, and how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(kept()) from None


def draw_scenes(recipe: Recipe) -> None:
    """Draw the scenes that a recipe reads from the cache, a process for each of PyTorch's threads."""
    import torch

    from dsrl_lab.datasets.streets import LENGTHS, Streets
    from dsrl_lab.training.splits import picture_size_of

    size, town, counts = picture_size_of(recipe), recipe.train.seed, recipe.pictures if recipe.town_per_seed else None
    sets = [
        Streets(split, size=size, length=n, seed=town, cache=True)
        for split, n in zip(LENGTHS, counts or (), strict=False)
    ]
    with progress_bar(transient=True) as progress:
        bar = progress.add_task("drawing scenes", total=sum(map(len, sets)), visible=bool(sets))
        for one in sets:
            one.drawn.draw(processes=torch.get_num_threads(), progress=lambda: progress.advance(bar))


def follow(records: Iterable[TrainRecord], *, title: str, iterations: int) -> TrainRecord | None:
    """Drive a run to its end under a progress bar, and sum it up in a line; None if there was nothing left to do."""
    last: TrainRecord | None = None
    with progress_bar(transient=True) as progress:
        bar = progress.add_task(title, total=iterations)
        for last in records:
            state = f"loss {last.loss:.3f}, {last.images_per_second:.0f} images/s"
            progress.update(bar, completed=last.iteration, description=f"{state}: {title}")
    if last is not None:
        errors.print(f"{title}: {summary(last)}", markup=False, highlight=False)
    return last


def summary(last: TrainRecord) -> str:
    """A run in a line: how far it came, in what time, at what mean rate, and its score.

    Example:
        >>> from dsrl_lab.training.record import TrainRecord
        >>> parts = dict(loss=0.5, task=0.5, sisr=0.0, affinity=0.0, images_per_second=1.0, learning_rate=0.1)
        >>> summary(TrainRecord(iteration=600, iterations=600, seconds=374.0, metrics={"miou": 0.489}, **parts))
        '600 of 600 iterations in 6 min 14 s, loss 0.5000, mIoU 48.9 %'
    """
    minutes, seconds = divmod(round(last.seconds), 60)
    time = f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
    miou = last.metrics.get("miou")
    score = "" if miou is None else f", mIoU {100 * miou:.1f} %"
    return f"{last.iteration} of {last.iterations} iterations in {time}, loss {last.loss:.4f}{score}"


def fitting_table(
    names: Sequence[str],
    lines: Iterable[Sequence[str]],
    *,
    title: str = "",
    wide: bool = False,
    console: Console = output,
) -> Table:
    """A table as wide as the console at most: its last columns are left out, and named below it; no number is broken.

    The first column of ``names`` holds words, which may be wrapped, the others numbers; ``wide`` keeps all columns.
    """
    lines, count = list(lines), len(names)
    texts = [[*(line[number] for line in lines), *name.split()] for number, name in enumerate(names)]
    widths = [16, *(max(map(cell_len, column)) for column in texts[1:])]
    while not wide and count > 2 and sum(width + 3 for width in widths[:count]) > console.width:
        count -= 1
    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column(names[0], min_width=16)
    for name, width in zip(names[1:count], widths[1:count], strict=True):
        table.add_column(name, justify="right", width=width)
    for line in lines:
        table.add_row(*line[:count])
    if count < len(names):
        table.caption, table.caption_justify = f"also there with --wide: {', '.join(names[count:])}", "left"
    return table
