"""The main job in small: every row and seed is trained once, told in words, drawn, and kept for the next call."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from dsrl_lab import cli, experiments
from dsrl_lab.results.figures import read_manifest
from dsrl_lab.rows import MAIN_ROWS
from dsrl_lab.training import record

SMALL = ["train.iterations=2", "train.input_size=[24,32]", "train.batch_size=2", 'network.host_options={"width":0.5}']


def test_the_main_job_from_nothing_to_figures_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn_small = experiments.open_split
    monkeypatch.setattr(experiments, "open_split", lambda *args, **kwargs: drawn_small(*args, **kwargs | {"length": 4}))
    changes = [argument for change in SMALL for argument in ("--set", change)]
    command = ["reproduce", "--seeds", "2", "--out", str(tmp_path), *changes]
    first = CliRunner().invoke(cli.app, command)
    assert first.exit_code == 0, first.output + repr(first.exception)
    for row in MAIN_ROWS[1:]:
        label = record.read(tmp_path / f"{row}_seed0" / "record.jsonl")[0]["title"]
        assert any(line.startswith(f"{label}: ") and "2 seeds" in line for line in first.output.splitlines())
    records = {path: path.read_bytes() for path in tmp_path.glob("*_seed*/record.jsonl")}
    assert len(records) == 2 * len(MAIN_ROWS)
    drawn = read_manifest(tmp_path / "figures")["figures"]
    assert {"streets_ablation", "streets_side_by_side", "streets_affinity", "streets_super_resolution"} <= set(drawn)
    again = CliRunner().invoke(cli.app, command)
    assert again.exit_code == 0
    assert {path: path.read_bytes() for path in tmp_path.glob("*_seed*/record.jsonl")} == records
