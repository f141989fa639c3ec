"""The bench of the affinity losses: its rows, its arithmetic, its memory probe; never a time limit."""

from __future__ import annotations

from statistics import median
from typing import Any

import pytest
import torch
from rich.console import Console

from dsrl_lab.tools.bench import affinity as bench
from dsrl_lab.tools.bench.affinity import Case, Row, run, table

MATRIX = 4 * (32 * 64) ** 2 / 1e6  # one (P, P) matrix of the measured case, in units of 10^6 bytes

NO_GPU = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return run([Case(size=(32, 64), channels=8)], threads=1, rounds=1)


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three rounds, errors and a memory reading for each method, instead of measurements."""
    rounds = {"dense": [10.0, 30.0, 2.0], "tiled": [1.0, 2.0, 1.0]}
    rounds |= {"dense product": [1.0, 1.0, 1.0], "tiled product": [1.0, 4.0, 3.0]}
    megabytes = {"dense": 60.0, "tiled": 5.0}

    def instead(function: Any, first: Any, *_: Any) -> Any:
        return (rounds, dict.fromkeys(rounds, (2e-7, 1.5))) if function is bench._measure else megabytes[first]

    monkeypatch.setattr(bench, "_in_fresh_process", instead)


def test_one_row_per_method(rows: list[Row]) -> None:
    assert [(row.method, row.size, row.channels) for row in rows] == [("dense", (32, 64), 8), ("tiled", (32, 64), 8)]
    assert all(row.seconds > 0 and 0 < row.share[1] <= row.share[0] <= row.share[2] for row in rows)


def test_float32s_error_is_small(rows: list[Row]) -> None:
    assert all(0 <= value < 1e-5 and degrees < 0.5 for value, degrees in (row.errors for row in rows))


def test_bfloat16s_is_larger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(bench.SIDE, "cpu", 8)
    case = Case(size=(8, 8), channels=8, methods=("tiled", "tiled bfloat16"))
    _, errors = bench._measure(case, 1, 1, "cpu")
    assert errors["tiled bfloat16"][0] > 100 * errors["tiled"][0] and errors["tiled bfloat16"][1] > 0.5


def test_memory_shows_the_matrices_of_dense_only(rows: list[Row]) -> None:
    dense, tiled = rows
    assert dense.extra_megabytes > 3 * MATRIX
    assert tiled.extra_megabytes < MATRIX


@pytest.mark.usefixtures("made_up")
def test_ratios_are_to_dense() -> None:
    dense, tiled = run([Case(size=(2, 2))], threads=1)
    assert (dense.seconds, dense.extra_megabytes, dense.against_dense) == (10, 60, (1, 1))
    assert (tiled.seconds, tiled.extra_megabytes) == (1, 5)
    assert tiled.against_dense == (median([10 / 1, 30 / 2, 2 / 1]), 60 / 5)  # of the same round


@pytest.mark.usefixtures("made_up")
def test_the_share_is_of_the_products_rate_in_the_same_round() -> None:
    (tiled,) = run([Case(size=(2, 2), channels=3, methods=("tiled",))], threads=1)
    work = 2 * 4 * 4 * 6 / bench.SIDE["cpu"] ** 3  # one tile: all pairs twice, of 3 + 3 channels
    assert tiled.share == pytest.approx((2 * work, work, 3 * work))  # product over method: 1, 2 and 3


@pytest.mark.usefixtures("made_up")
def test_no_ratio_without_dense() -> None:
    (alone,) = run([Case(size=(2, 2), methods=("tiled",))], threads=1)
    assert alone.against_dense is None


@pytest.mark.usefixtures("made_up")
def test_table_names_what_was_measured() -> None:
    console = Console(width=100)
    with console.capture() as capture:
        console.print(table(run([Case(size=(2, 3), channels=4), Case(size=(5, 6), methods=("tiled",))], threads=1)))
    lines = capture.get().splitlines()
    (with_dense,) = (line for line in lines if "2x3" in line and "tiled" in line)
    assert [cell.strip() for cell in with_dense.split("│")[1:-1]] == [
        *("tiled", "2x3", "4+4", "1 s", "5 MB", "10.0x, 12.0x", "0% (0% to 0%)", "2e-07, 1.5°")
    ]
    (alone,) = (line for line in lines if "5x6" in line)
    assert alone.count(" - ") == 1


@pytest.mark.parametrize(("threads", "rounds"), [(0, 1), (1, 0)])
def test_nothing_to_measure_is_refused(threads: int, rounds: int) -> None:
    with pytest.raises(ValueError, match="at least 1 thread and 1 round"):
        run(threads=threads, rounds=rounds)


@pytest.mark.parametrize("device", ["tpu", pytest.param("cuda", marks=NO_GPU)])
def test_a_device_that_is_not_there_is_refused(device: str) -> None:
    with pytest.raises(ValueError, match=f"'cuda' where PyTorch finds a GPU, got '{device}'"):
        run(device=device)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_the_fused_form_is_measured_too() -> None:
    rows = run([Case(size=(32, 64), methods=bench.ALL)], rounds=2, device="cuda")
    assert [row.method for row in rows] == list(bench.ALL) and all(row.share[0] > 0 for row in rows)
