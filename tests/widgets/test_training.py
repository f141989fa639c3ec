"""The monitor: a consumer of records that lets the source write its checkpoint when it stops."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dsrl_lab.training.record import TrainRecord
from dsrl_lab.widgets.base import Refused
from dsrl_lab.widgets.training import TrainingMonitor, listen_while_busy, training_monitor


def a_record(iteration: int, **more: Any) -> TrainRecord:
    given = {"learning_rate": 0.01, "loss": 2.0 / iteration, "task": 1.0, "sisr": 0.5, "affinity": 0.1}
    return TrainRecord(
        iteration=iteration, iterations=5, seconds=2.0 * iteration, images_per_second=4.0, **(given | more)
    )


class Source:
    """As ``fit``: a generator that knows when it is closed."""

    closed = False

    def records(self) -> Iterator[TrainRecord]:
        try:
            for iteration in range(1, 6):
                yield a_record(iteration)
        except GeneratorExit:
            self.closed = True
            raise


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    seen: list[Any] = []
    monkeypatch.setattr("dsrl_lab.widgets.base.display", lambda *things, **more: seen.extend(things))
    monkeypatch.setattr("dsrl_lab.widgets.training.display", lambda widget: widget._ipython_display_())
    return seen


def test_it_hands_on_every_record_and_says_what_is_left(shown: list[Any]) -> None:
    monitor = TrainingMonitor(Source().records())
    left = [monitor.state["left"] for _ in monitor]
    assert left == [8.0, 6.0, 4.0, 2.0, 0.0]
    assert (monitor.state["status"], monitor.stopped, len(shown)) == ("finished", False, 2)


def test_a_stop_closes_the_source_which_leaves_its_checkpoint(shown: list[Any]) -> None:
    source = Source()
    monitor = TrainingMonitor(source.records())
    for record in monitor:
        if record.iteration == 2:
            monitor.asked = "stop"  # as the browser does
    assert (len(monitor.records), source.closed, monitor.stopped) == (2, True, True)


def test_python_can_stop_it_too(shown: list[Any]) -> None:
    monitor = TrainingMonitor(Source().records())
    for _ in monitor:
        monitor.stop()
    assert (len(monitor.records), monitor.stopped) == (1, True)


def test_a_message_is_handled_on_the_shell_that_it_was_sent_to() -> None:
    class Comm:
        def _reply_subshell_for(self, data: Any, sent_to: Any) -> str:
            return "the busy one"

    comm, plain = Comm(), object()
    listen_while_busy(comm)
    listen_while_busy(plain)
    assert comm._reply_subshell_for(None, "free") == "free"


def test_an_interrupt_closes_the_source_too(shown: list[Any]) -> None:
    source = Source()
    monitor = TrainingMonitor(source.records())
    with pytest.raises(KeyboardInterrupt):
        for _ in monitor:
            raise KeyboardInterrupt
    del monitor
    assert source.closed


def test_built_notebooks_get_one_picture_at_the_end(shown: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSRL_LAB_STATIC", "1")
    monitor = training_monitor(Source().records(), alt="curves")
    assert isinstance(monitor, TrainingMonitor)
    assert len(monitor.run()) == 5
    assert len(shown) == 1
    assert monitor.comm is None
    assert '<img alt="curves"' in shown[0].data


def test_terms_that_a_run_does_not_have_are_left_out(shown: list[Any]) -> None:
    monitor = TrainingMonitor([a_record(1, sisr=0.0, affinity=0.0, loss=float("nan"))])
    monitor.run()
    assert [ax.get_ylabel() for ax in monitor.static().axes] == ["cross-entropy", "learning rate"]


def test_going_on_keeps_the_earlier_records_apart(shown: list[Any]) -> None:
    earlier = TrainingMonitor([a_record(1), a_record(2)]).run()
    monitor = TrainingMonitor([a_record(3), a_record(4)], earlier=earlier, anew="rmtree(folder)")
    assert [line["iteration"] for line in monitor.facts["earlier"]] == [1, 2]
    assert [record.iteration for record in monitor.run()] == [1, 2, 3, 4]
    assert [line["iteration"] for line in monitor.state["lines"]] == [3, 4]
    assert monitor.stopped
    ax = monitor.static().axes[0]
    assert [list(line.get_xdata()) for line in ax.lines] == [[1, 2, 3, 4], [2, 2]], "one curve, and a line at the seam"


def test_a_run_that_began_anew_forgets_the_earlier_records(shown: list[Any]) -> None:
    monitor = TrainingMonitor([a_record(1), a_record(2)], earlier=[a_record(1), a_record(2), a_record(3)])
    assert [record.iteration for record in monitor.run()] == [1, 2]
    assert [len(ax.lines) for ax in monitor.static().axes] == [1] * 5


def test_nothing_left_to_train_is_an_end_and_no_stop(shown: list[Any]) -> None:
    monitor = TrainingMonitor([], earlier=[a_record(5)])
    assert [record.iteration for record in monitor.run()] == [5]
    assert (monitor.value, monitor.stopped) == ("finished", False)


def test_what_gives_no_records_is_refused() -> None:
    refused = training_monitor(3)  # type: ignore[arg-type]
    assert isinstance(refused, Refused)
    with pytest.raises(ValueError, match="expected records that fit yields, got int"):
        TrainingMonitor(3)  # type: ignore[arg-type]
