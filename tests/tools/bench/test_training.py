"""Training pace, timed side by side: which networks step, whose ratios they are, what is recorded; nothing is timed."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from dsrl_lab.recipes import find_recipe
from dsrl_lab.rows import MAIN_ROWS
from dsrl_lab.tools.bench import training as bench
from dsrl_lab.tools.bench.report import to_record

SMALL = ["train.input_size=[32,40]", "train.batch_size=2"]


def test_each_row_trains_its_own_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    built = []
    real = bench.build_dsrl

    def watch(network: Any, **options: Any) -> Any:
        built.append((network.sssr, network.sisr, network.affinity, network.sisr_width))
        return real(network, **options)

    monkeypatch.setattr(bench, "build_dsrl", watch)
    rows = bench.run("streets_tinynet", changes=[*SMALL, "network.sisr_width=8"], steps=2)
    assert built == [(None, False, False, 8), ("sub_pixel", False, False, 8), ("sub_pixel", True, False, 8),
                     ("sub_pixel", True, True, 8)]  # fmt: skip
    assert [row.title for row in rows] == [find_recipe(f"streets_tinynet_{row}").title for row in MAIN_ROWS]
    assert rows[0].cost == 1.0 and rows[0].spread == (1.0, 1.0)
    assert all(row.spread[0] <= row.cost <= row.spread[1] and row.images_per_second > 0 for row in rows)


def test_a_record_says_what_was_changed_and_shown() -> None:
    rows = [bench.Row("baseline", 20.0, 1.0, (1.0, 1.0)), bench.Row("+ SSSR", 16.0, 1.25, (1.2, 1.3))]
    line = to_record("training_pace", rows, setting="streets_tinynet", changes=SMALL, steps=2)
    assert line["changes"] == SMALL and line["rows"][1]["cost"] == 1.25 and line["kind"] == "training_pace"
    assert {"setting", "changes", "steps", "rows", "commit", "versions"} < line.keys()
    console = Console(width=120)
    with console.capture() as capture:
        console.print(bench.table(rows))
    assert "1.25x" in capture.get() and "1.20 to 1.30" in capture.get()


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="unknown recipe 'nowhere_baseline'"):
        bench.run("nowhere")
    with pytest.raises(ValueError, match="at least 2 steps, got 1"):
        bench.run("streets_tinynet", steps=1)
