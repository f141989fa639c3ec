"""The bench of the affinity losses: its rows, its arithmetic, its memory probe; never a time limit."""

from __future__ import annotations

from statistics import median
from typing import Any

import pytest
from rich.console import Console

from dsrl_lab.tools.bench import affinity as bench
from dsrl_lab.tools.bench.affinity import Case, Row, run, table

MATRIX = 4 * (32 * 64) ** 2 / 1e6  # one (P, P) matrix of the measured case, in units of 10^6 bytes


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return run([Case(size=(32, 64), channels=8)], threads=1, rounds=1)


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three rounds and a memory reading for each method, instead of measurements."""
    rounds = {"dense": [10.0, 30.0, 2.0], "tiled": [1.0, 2.0, 1.0]}
    megabytes = {"dense": 60.0, "tiled": 5.0}

    def instead(function: Any, first: Any, *_: Any) -> Any:
        return rounds if function.__name__ == "_measure_seconds" else megabytes[first]

    monkeypatch.setattr(bench, "_in_fresh_process", instead)


def test_one_row_per_method(rows: list[Row]) -> None:
    assert [(row.method, row.size, row.channels) for row in rows] == [("dense", (32, 64), 8), ("tiled", (32, 64), 8)]
    assert all(row.seconds > 0 for row in rows)


def test_memory_shows_the_matrices_of_dense_only(rows: list[Row]) -> None:
    dense, tiled = rows
    assert dense.extra_megabytes > 3 * MATRIX
    assert tiled.extra_megabytes < MATRIX


@pytest.mark.usefixtures("made_up")
def test_ratios_are_to_dense() -> None:
    dense, tiled = run([Case(size=(2, 2))], threads=1)
    assert (dense.seconds, dense.extra_megabytes, dense.speedup, dense.memory_ratio) == (10, 60, 1, 1)
    assert (tiled.seconds, tiled.extra_megabytes) == (1, 5)
    assert tiled.speedup == median([10 / 1, 30 / 2, 2 / 1])  # of the same round
    assert tiled.memory_ratio == 60 / 5


@pytest.mark.usefixtures("made_up")
def test_no_ratio_without_dense() -> None:
    (alone,) = run([Case(size=(2, 2), methods=("tiled",))], threads=1)
    assert (alone.speedup, alone.memory_ratio) == (None, None)


@pytest.mark.usefixtures("made_up")
def test_table_names_what_was_measured() -> None:
    console = Console(width=120)
    with console.capture() as capture:
        console.print(table(run([Case(size=(2, 3), channels=4), Case(size=(5, 6), methods=("tiled",))], threads=1)))
    lines = capture.get().splitlines()
    (with_dense,) = (line for line in lines if "2x3" in line and "tiled" in line)
    assert [cell.strip() for cell in with_dense.split("│")[1:-1]] == [
        *("tiled", "2x3", "4 + 4", "1.000", "5 MB", "10.00x", "12.00x")
    ]
    (alone,) = (line for line in lines if "5x6" in line)
    assert alone.count(" - ") == 2


@pytest.mark.parametrize(("threads", "rounds"), [(0, 1), (1, 0)])
def test_nothing_to_measure_is_refused(threads: int, rounds: int) -> None:
    with pytest.raises(ValueError, match="at least 1 thread and 1 round"):
        run(threads=threads, rounds=rounds)
