"""The training monitor: one more consumer of what ``fit`` yields, with curves, time left, and a stop.

JupyterLab (4.4 and later) hands a press of "stop" to the kernel while a cell is still running, on a subshell of
ipykernel 7; with an older kernel the interrupt button does the same. Either way ``fit`` is closed between two steps and
leaves latest.safetensors, from where ``resume=True`` goes on.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from dsrl_lab.plots.theme import new_figure, theme
from dsrl_lab.results.curves import training_curves
from dsrl_lab.results.records import Run
from dsrl_lab.training.record import TrainRecord
from dsrl_lab.widgets.base import Refused, Widget, is_static

CURVES = ("loss", "task", "sisr", "affinity", "learning_rate", "miou")
RUNNING, FINISHED, STOPPED = "running", "finished", "stopped"


class TrainingMonitor(Widget):
    """What ``training_monitor`` returns.

    Attributes:
        records: those that came so far.
    """

    script_name, title = "training", "Training monitor"

    def __init__(self, records: Iterable[TrainRecord], *, row: str = "dsrl", alt: str = "") -> None:
        if not isinstance(records, Iterable):
            raise ValueError(
                f"expected the records that fit yields, got {type(records).__name__}; pass fit(...) itself, "
                "not a network"
            )
        self._source, self._row = iter(records), row
        self.records: list[TrainRecord] = []
        self._asked = False
        super().__init__(
            arrays={},
            facts={"terms": list(CURVES)},
            state={"status": RUNNING, "lines": [], "left": None},
            alt=alt or f"Curves of training {row}: objective and its parts, learning rate",
        )

    @property
    def stopped(self) -> bool:
        """Whether the reader stopped the run before its end."""
        return bool(self.state["status"] == STOPPED)

    def stop(self) -> None:
        """Ask for the run to end after the record at hand, as the button does."""
        self._asked = True

    def __iter__(self) -> Iterator[TrainRecord]:
        """Show the monitor, and train: one record after the other, until the end or a stop."""
        if not is_static():
            hear_while_busy(self.widget.comm)
            self.show()
        try:
            for record in self._source:
                self._take(record)
                yield record
                if self._asked or (not is_static() and self.widget.asked):
                    break
        finally:
            self._close()
            if is_static():
                self.show()
            else:
                self.refresh_twin()

    def run(self) -> list[TrainRecord]:
        """Train to the end or until "stop" is pressed, and show it.

        Returns:
            The records that came.
        """
        return list(self)

    def _take(self, record: TrainRecord) -> None:
        self.records.append(record)
        line = {name: _finite(getattr(record, name, None)) for name in ("iteration", "iterations", *CURVES[:-1])}
        line |= {"miou": _finite(record.metrics.get("miou")), "speed": _finite(record.images_per_second)}
        now = self.state
        self.state = now | {"lines": [*now["lines"], line], "left": _finite(record.seconds_left)}

    def _close(self) -> None:
        """Close the source: ``fit`` writes its checkpoint then."""
        close = getattr(self._source, "close", None)
        if close is not None:
            close()
        done = bool(self.records) and self.records[-1].iteration >= self.records[-1].iterations
        self.state = self.state | {"status": FINISHED if done else STOPPED, "left": 0}

    def static(self) -> Figure:
        """The objective and its parts, the learning rate, and the score where there is one."""
        lines = ({"kind": "run", "title": self._row}, *(record.to_json() for record in self.records))
        run = Run("", self._row, 0, lines, Path())
        shown = [term for term in CURVES if any(line.get(term) for line in self.state["lines"])] or ["loss"]
        with theme():
            figure = new_figure(12, 2.7)
            for term, ax in zip(shown, figure.subplots(1, len(shown), squeeze=False)[0], strict=True):
                training_curves([run], term, legend=False, ax=ax)
            if self.records:
                last = self.records[-1]
                figure.suptitle(
                    f"{last.iteration} of {last.iterations} iterations, {last.seconds:.0f} s, objective {last.loss:.3f}"
                )
        return figure


def training_monitor(records: Iterable[TrainRecord], *, row: str = "dsrl", alt: str = "") -> TrainingMonitor | Refused:
    """Watch a training run, and stop it if need be.

    Args:
        records: what ``fit(...)`` yields; it trains while it is asked for the next one.
        row: of the ablation, for the curve's style.
        alt: what the static picture shows, for those who do not see it.

    Returns:
        The monitor: ``run()`` trains to the end; ``for record in monitor`` does one record at a time.

    Example:
        >>> monitor = training_monitor([])
        >>> monitor.records, monitor.stopped
        ([], False)
        >>> training_monitor(3)
        Refused('expected the records that fit yields, got int; pass fit(...) itself, not a network')
    """
    try:
        return TrainingMonitor(records, row=row, alt=alt)
    except ValueError as error:
        return Refused(str(error))


def hear_while_busy(comm: Any) -> None:
    """Let the browser's messages reach a widget while a cell is running.

    JupyterLab sends them to a subshell, but ipykernel 7.4 hands them to the shell that used the comm last, which is
    the busy one. Where an ipykernel does not route so, nothing is changed.

    Args:
        comm: of the widget.
    """
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = lambda data, sent_to: sent_to


def _finite(value: Any) -> float | None:
    return value if value is not None and math.isfinite(value) else None
