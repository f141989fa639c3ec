"""``dsrl-lab results``: tables that fit any screen, filters, and every score for other programs."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from dsrl_lab import cli
from dsrl_lab.cli import console
from dsrl_lab.cli.console import fitting_table, follow, summary
from dsrl_lab.results.frames import runs, scores
from dsrl_lab.training.record import TrainRecord
from tests.results.conftest import write_runs

RUNNER = CliRunner()


@pytest.fixture
def committed(tmp_path: Path) -> Path:
    return write_runs(tmp_path / "data" / "runs")


def invoke(*arguments: object) -> str:
    result = RUNNER.invoke(cli.app, ["results", *map(str, arguments)])
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result.output


@pytest.mark.parametrize("width", [60, 80, 120])
def test_tables_fit_the_screen_and_break_no_number(
    width: int, committed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dsrl_lab.cli.console.output._width", width)
    shown = invoke("--runs", committed)
    assert max(map(len, shown.splitlines())) <= width
    assert "50.4 ± 1.0" in shown and "+3.1 ± 0.2" in shown and "…" not in shown
    assert "also there with --wide: " in shown


def test_wide_leaves_nothing_out(committed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dsrl_lab.cli.console.output._width", 300)
    assert "also there" not in invoke("--runs", committed, "--wide")


def test_a_filter_by_setting_and_row(committed: Path) -> None:
    write_runs(committed, "streets_dabnet", ("baseline",))
    shown = invoke("--runs", committed, "--setting", "streets_tinynet", "--row", "dsrl")
    assert "streets_dabnet" not in shown and "+3.1 ± 0.2" in shown and "baseline" not in shown
    result = RUNNER.invoke(cli.app, ["results", "--runs", str(committed), "--row", "dslr"])
    assert "no run of row 'dslr'; there are baseline, bilinear, dsrl" in str(result.exception)


def test_csv_and_json_hold_every_score(committed: Path, tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    wanted = scores(runs(committed))
    assert f"{len(wanted)} scores in" in invoke("--runs", committed, "--csv", path).replace("\n", " ")
    read = pd.read_csv(path, keep_default_na=False)
    assert list(read["value"]) == list(wanted["value"]) and list(read.columns) == list(wanted.columns)
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["scores.csv"]
    printed = json.loads(invoke("--runs", committed, "--json", "--row", "dsrl"))
    assert len(printed) == (wanted["row"] == "dsrl").sum() and printed[0]["row"] == "dsrl"


def test_no_folder_of_records_is_an_error(tmp_path: Path) -> None:
    result = RUNNER.invoke(cli.app, ["results", "--runs", str(tmp_path / "none")])
    assert result.exit_code != 0 and "no folder of records" in str(result.exception)


@pytest.mark.parametrize("command", ["results", "verdict"])
def test_a_folder_without_records_is_an_error(command: str, tmp_path: Path) -> None:
    result = RUNNER.invoke(cli.app, [command, "--runs", str(tmp_path)])
    assert isinstance(result.exception, FileNotFoundError) and "no folder of records at" in str(result.exception)


def test_records_without_a_finished_network_are_an_error(committed: Path) -> None:
    for path in committed.rglob("*.jsonl"):
        path.write_text(path.read_text(encoding="utf-8").replace('"kind": "end"', '"kind": "cut"'), encoding="utf-8")
    result = RUNNER.invoke(cli.app, ["results", "--runs", str(committed)])
    assert isinstance(result.exception, ValueError) and "no finished run of a network" in str(result.exception)


def test_the_first_two_columns_stay_however_narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console.output, "_width", 20)
    table = fitting_table(["row", "a", "b"], [("x", "1" * 30, "2" * 30)])
    assert [column.header for column in table.columns] == ["row", "a"]
    assert table.caption == "also there in a wider window: b"  # the command has no --wide


def test_wide_tables_keep_every_column_on_a_narrow_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console.output, "_width", 20)
    with console.output.capture() as capture:
        console.output.print(fitting_table(["row", "a", "b"], [("name", "1" * 30, "2" * 30)], wide=True))
    (line,) = [line.split() for line in capture.get().splitlines() if "name" in line]
    assert line == ["name", "1" * 30, "2" * 30]


def test_scores_as_json_and_as_a_file_leave_json_alone_on_the_output(committed: Path, tmp_path: Path) -> None:
    result = RUNNER.invoke(cli.app, ["results", "--runs", str(committed), "--csv", str(tmp_path / "a.csv"), "--json"])
    assert len(json.loads(result.stdout)) > 10 and "scores in" in result.stderr


def test_a_finished_run_is_summed_up_with_its_time_and_without_its_last_rate(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def line(iteration: int, seconds: float, pace: float, **metrics: float) -> TrainRecord:
        return TrainRecord(
            iteration=iteration, iterations=40, learning_rate=0.1, loss=0.5, task=0.5, sisr=0.0, affinity=0.0,
            seconds=seconds, images_per_second=pace, metrics=metrics,
        )  # fmt: skip

    last = follow([line(20, 30.0, 90.0), line(40, 75.2, 14.0, miou=0.489)], title="baseline, seed 0", iterations=40)
    assert last is not None
    assert summary(last) == "40 of 40 iterations in 1 min 15 s, loss 0.5000, mIoU 48.9 %"
    shown = " ".join(capsys.readouterr().err.split())
    assert shown.endswith(f"baseline, seed 0: {summary(last)}") and "14 images/s" not in shown.rpartition("seed 0: ")[2]
    assert follow([], title="nothing", iterations=40) is None
