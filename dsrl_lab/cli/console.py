"""What all commands share on the screen: the two consoles, tables that fit, and the progress of a training run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import rich.progress as bars
import typer
from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleDimensions
from rich.table import Column, Table
from rich.text import Text

from dsrl_lab.language import VARIABLE, choose_language

if TYPE_CHECKING:
    from dsrl_lab.training.record import TrainRecord

PIPE = 1000  # columns where there is no screen: no path in a table is broken
LanguageOption = Annotated[
    str, typer.Option(callback=choose_language, envvar=VARIABLE, show_envvar=False, help="en, or zh for Chinese.")
]
LOG_SECONDS = 30.0  # between two lines of progress in a log


class _Console(Console):
    """Breaks no line of text: a screen wraps it, and in a pipe or a log a path stays whole; brackets are no markup."""

    def print(self, *objects: Any, **options: Any) -> None:
        text = all(isinstance(one, str) for one in objects)
        fits = not any(isinstance(one, Table) and one.width for one in objects)  # others are as wide as they say
        super().print(*objects, **{"soft_wrap": text, "markup": False if text else None, "crop": fits} | options)

    @property  # type: ignore[misc]
    def size(self) -> ConsoleDimensions:
        there = self.is_terminal or self._width is not None
        return super().size if there else ConsoleDimensions(PIPE, 25)


output, errors = _Console(highlight=False), _Console(stderr=True, highlight=False)


class _Progress(bars.Progress):
    """A bar on a screen; in a log a line every ``LOG_SECONDS``."""

    written = 0.0

    def start(self) -> None:
        self.disable = not self.console.is_terminal
        self.written = self.get_time()
        super().start()

    def update(self, task_id: bars.TaskID, **changes: Any) -> None:
        super().update(task_id, **changes)
        if self.disable and self.get_time() - self.written >= LOG_SECONDS:
            self.written, task = self.get_time(), self._tasks[task_id]
            done = f"{task.completed:.0f}" + ("" if task.total is None else f" of {task.total:.0f}")
            self.console.print(f"{task.description}: {done}")


def progress_bar(*, transient: bool = False) -> bars.Progress:
    """Progress on stderr: a bar whose long description is cut, removed at its end if ``transient``; in a log, lines."""
    return _Progress(
        bars.SpinnerColumn(),
        bars.TextColumn(
            "{task.description}", markup=False, table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")
        ),
        bars.BarColumn(bar_width=16),
        bars.MofNCompleteColumn(),
        bars.TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        console=errors,
        transient=transient,
        expand=True,
    )


@contextmanager
def counting(title: str, total: int | None = None) -> Iterator[Callable[[int, int], None]]:
    """Progress of one task, as a function of (done, all): what the library's ``progress`` arguments take."""
    with progress_bar() as progress:
        bar = progress.add_task(title, total=total)
        yield lambda done, of: progress.update(bar, completed=done, total=of)


@contextmanager
def on_stop(kept: Callable[[], str]) -> Iterator[None]:
    """What a command says at Ctrl-C, where that depends on how far it came: what was kept, and how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(kept()) from None


def follow(records: Iterable[TrainRecord], *, title: str, iterations: int) -> TrainRecord | None:
    """Drive a run to its end under a progress bar, and sum it up in a line; None if there was nothing left to do."""
    last: TrainRecord | None = None
    with progress_bar(transient=True) as progress:
        bar = progress.add_task(title, total=iterations)
        for last in records:
            state = f"loss {last.loss:.3f}, {last.images_per_second:.0f} images/s"
            progress.update(bar, completed=last.iteration, description=f"{state}: {title}")
    if last is not None:
        errors.print(f"{title}: {summary(last)}")
    return last


def summary(last: TrainRecord) -> str:
    """A run in a line: how far it came, in what time, at what mean rate, and its score."""
    minutes, seconds = divmod(round(last.seconds), 60)
    time = f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
    miou = last.metrics.get("miou")
    score = "" if miou is None else f", mIoU {100 * miou:.1f} %"
    return f"{last.iteration} of {last.iterations} iterations in {time}, loss {last.loss:.4f}{score}"


def fitting_table(
    names: Sequence[str], lines: Iterable[Sequence[str]], *, title: str = "", wide: bool | None = None
) -> Table:
    """A table as wide as ``output`` at most: its last columns are left out, and named below it; no number is broken.

    The first column of ``names`` holds words, which may be wrapped, the others numbers; ``wide`` keeps all columns, and
    is None for a command without such an option.
    """
    lines, count = list(lines), len(names)
    texts = [[*(line[number] for line in lines), *name.split()] for number, name in enumerate(names)]
    widths = [16, *(max(map(cell_len, column)) for column in texts[1:])]
    while not wide and count > 2 and sum(width + 3 for width in widths[:count]) > output.width:
        count -= 1
    table = Table(title=Text(title) if title else None, title_justify="left", box=box.SIMPLE_HEAD)
    table.width = sum(width + 3 for width in widths) if wide else None
    table.add_column(names[0], min_width=16)
    for name, width in zip(names[1:count], widths[1:count], strict=True):
        table.add_column(name, justify="right", width=width)
    for line in lines:
        table.add_row(*map(Text, line[:count]))
    if count < len(names):
        left = "also there in a wider window" if wide is None else "also there with --wide"
        table.caption, table.caption_justify = f"{left}: {', '.join(names[count:])}", "left"
    return table
