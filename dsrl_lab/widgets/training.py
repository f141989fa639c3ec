"""The training monitor: one more consumer of what ``fit`` yields, with curves, time left, and a stop.

JupyterLab (from 4.4, with ipykernel 7) hands "stop" to a busy kernel on a subshell; else use the interrupt button.
``fit`` is closed between two steps and leaves latest.safetensors, from where ``resume=True`` goes on.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from IPython.display import display
from matplotlib.figure import Figure

from dsrl_lab.language import translate
from dsrl_lab.plots.theme import new_figure, theme
from dsrl_lab.results.charts import training_curves
from dsrl_lab.results.frames import curves, frame
from dsrl_lab.results.records import Record
from dsrl_lab.training.record import TrainRecord
from dsrl_lab.widgets.base import Widget, is_static, or_refused

CURVES = ("loss", "task", "sisr", "affinity", "learning_rate", "miou")
RUNNING, FINISHED, STOPPED = "running", "finished", "stopped"


class TrainingMonitor(Widget):
    """Watch a training run, stop it, and go on.

    ``records`` is what ``fit(...)`` yields: it trains while it is asked for the next one; the attribute holds those
    of this session. ``earlier`` ones of this run are shown in grey, those of a run that began anew are left out;
    ``anew`` is a line of code that starts anew, shown at the end; ``row`` of the ablation gives the curve's style.
    ``alt`` describes the static picture, ``guide`` is shown below. ``value`` is "running", "finished" or "stopped".

    Example:
        >>> training_monitor([]).value
        'running'
        >>> training_monitor(3)
        Refused('expected records that fit yields, got int; pass fit(...) itself')
    """

    script_name, title, chosen = "training", "Training monitor", "status"

    def __init__(
        self,
        records: Iterable[TrainRecord],
        *,
        earlier: Iterable[TrainRecord] = (),
        anew: str = "",
        row: str = "dsrl",
        alt: str = "",
        guide: Mapping[str, str] | None = None,
    ) -> None:
        if not isinstance(records, Iterable):
            raise ValueError(f"expected records that fit yields, got {type(records).__name__}; pass fit(...) itself")
        self._source, self._row = iter(records), row
        self.earlier, self._asked = list(earlier), False
        self.records: list[TrainRecord] = []
        super().__init__(
            arrays={},
            facts={"terms": list(CURVES), "earlier": [_line(record) for record in self.earlier], "anew": anew},
            state={"status": RUNNING, "lines": [], "left": None},
            alt=alt or translate("Curves of training {row}: objective and its parts, learning rate", row=row),
            guide=guide,
        )

    @property
    def stopped(self) -> bool:
        """Whether the reader stopped the run before its end."""
        return bool(self.value == STOPPED)

    def stop(self) -> None:
        """Ask for the run to end after the record at hand, as the button does."""
        self._asked = True

    def __iter__(self) -> Iterator[TrainRecord]:
        """Show the monitor, and train: one record after the other, until the end or a stop."""
        if not is_static():
            listen_while_busy(self.comm)
            display(self)
        try:
            for record in self._source:
                self.take(record)
                yield record
                if self._asked or self.asked:
                    break
        finally:
            self.end()
            if is_static():
                display(self)
            else:
                self.refresh_twin()

    def run(self) -> list[TrainRecord]:
        """Train to the end or a "stop", show it, and return all records: pass them as ``earlier`` to go on."""
        records = list(self)
        return [*self._before(), *records]

    def _before(self) -> list[TrainRecord]:
        first = self.records[0].iteration if self.records else math.inf
        return [record for record in self.earlier if record.iteration < first]

    def take(self, record: TrainRecord) -> None:
        """Show one more record."""
        self.records.append(record)
        now = self.state
        self.state = now | {"lines": [*now["lines"], _line(record)], "left": _finite(record.seconds_left)}

    def end(self) -> None:
        """Close the source: ``fit`` writes its checkpoint then."""
        close = getattr(self._source, "close", None)
        if close is not None:
            close()
        done = not self.records or self.records[-1].iteration >= self.records[-1].iterations
        self.state = self.state | {"status": FINISHED if done else STOPPED, "left": 0}

    def static(self) -> Figure:
        """The objective and its parts, the learning rate, and the score where there is one."""
        before = self._before()
        records = [*before, *self.records]
        first = {"kind": "run", "setting": "here", "row": self._row, "seed": 0, "title": self._row}
        lines = curves(frame([Record((first, *(record.to_json() for record in records)))]))
        shown = [term for term in CURVES if any(_line(record)[term] for record in records)] or ["loss"]
        with theme():
            figure = new_figure(12, 2.7)
            for term, ax in zip(shown, figure.subplots(1, len(shown), squeeze=False)[0], strict=True):
                training_curves(lines, term, legend=False, ax=ax)
                if before:
                    ax.axvline(before[-1].iteration, color="grey", linestyle="--", linewidth=1)
            if records:
                last = records[-1]
                done = f"{last.iteration} of {last.iterations} iterations"
                figure.suptitle(f"{done}, {last.seconds:.0f} s, objective {last.loss:.3f}")
        return figure


training_monitor = or_refused(TrainingMonitor)


def listen_while_busy(comm: Any) -> None:
    """Let the browser's messages reach a widget, by its ``comm``, while a cell runs, where an ipykernel routes so.

    JupyterLab sends them to a subshell; ipykernel 7.4 hands them to the shell that used the comm last: the busy one.
    """
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = lambda data, sent_to: sent_to


def _line(record: TrainRecord) -> dict[str, float | None]:
    line = {name: _finite(getattr(record, name)) for name in ("iteration", "iterations", *CURVES[:-1])}
    return line | {"miou": _finite(record.metrics.get("miou")), "speed": _finite(record.images_per_second)}


def _finite(value: Any) -> float | None:
    return value if value is not None and math.isfinite(value) else None
