"""Reading pace: shares and counts fit, mistakes are told from the process that met them; no timed assertions."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from dsrl_lab.bench.decode import Row, run, table, to_record


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return run("streets_tinynet_baseline", processes=(1, 2), workers=(1,), batches=1)


def test_each_way_reads_whole_batches(rows: list[Row]) -> None:
    assert [(row.processes, row.workers) for row in rows] == [(1, 1), (2, 1)]
    assert {row.pictures for row in rows} == {8}
    assert all(min(row.files_per_second, row.memory_per_second, row.processor_seconds) > 0 for row in rows)


def test_a_record_and_a_table_hold_every_way(rows: list[Row]) -> None:
    line = to_record(rows, "streets_tinynet_baseline")
    assert line["kind"] == "decode" and line["rows"][1]["processes"] == 2 and "versions" in line
    console = Console(width=100)
    with console.capture() as capture:
        console.print(table(rows))
    assert "threads each" in capture.get()


def test_mistakes_come_back_from_the_process_that_met_them(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 1 batch"):
        run(batches=0)
    with pytest.raises(ValueError, match="no CamVid at"):
        run("camvid_espnetv2_baseline", tmp_path, processes=(1,), workers=(0,), batches=1)
