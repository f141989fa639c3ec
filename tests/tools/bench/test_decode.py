"""Reading pace: shares and counts fit, mistakes are reported from the process that met them; no timed assertions."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from dsrl_lab.tools.bench.decode import Reading, Row, measured, run, table
from dsrl_lab.tools.bench.drawn_cityscapes import write_drawn_cityscapes
from dsrl_lab.tools.bench.report import to_record
from dsrl_lab.training import record


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return run("streets_tinynet_baseline", processes=(1, 2), workers=(1,), batches=1)


def test_each_way_reads_whole_batches(rows: list[Row]) -> None:
    assert [(row.processes, row.workers) for row in rows] == [(1, 1), (2, 1)]
    assert {row.pictures for row in rows} == {8}
    for row in rows:
        assert min(row.files_per_second, row.memory_per_second, row.memory_processor_seconds, row.scoring_seconds) > 0
        assert row.processor_seconds > 0


def test_a_short_split_gives_smaller_batches_so_that_no_picture_comes_twice(tmp_path: Path) -> None:
    root = write_drawn_cityscapes(tmp_path, size=(32, 64), pictures={"train": 5, "val": 1}, drawn_size=(16, 32))
    (row,) = run("cityscapes_espnetv2_baseline", root, processes=(2,), workers=(0,), batches=1)
    assert row.pictures == 4 and row.scoring_seconds > 0


@pytest.mark.slow
def test_people_are_read_too() -> None:
    (row,) = run("people_hrnet_baseline", processes=(1,), workers=(0,), batches=1)
    assert row.scoring_seconds == 0 and row.files_per_second > 0


def decoded(recipe: str, seconds: list[float]) -> dict:
    paces = {"processes": 1, "workers": 0, "pictures": 4, "files_per_second": 5.0, "memory_per_second": 50.0}
    costs = [
        {"processor_seconds": one, "memory_processor_seconds": one / 10, "scoring_seconds": 2 * one} for one in seconds
    ]
    return {"kind": "decode", "recipe": recipe, "rows": [paces | one for one in costs]}


def test_a_reading_is_the_last_of_its_data_set_and_says_where_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    lines = decoded("cityscapes_espnetv2_dsrl", [9.0]), decoded("cityscapes_espnetv2_dsrl", [0.3, 0.1, 0.2])
    old = {"kind": "decode", "recipe": "cityscapes_espnetv2_dsrl", "rows": [{"processor_seconds": 7.0}]}  # no scoring
    record.write(path, [*lines, decoded("camvid_espnetv2_baseline", [0.01]), {"kind": "export"}, old])
    theirs, ours, other = (measured(name, path) for name in ("cityscapes", "camvid", "coco"))
    assert (theirs.file_seconds, theirs.scoring_seconds) == pytest.approx((0.2, 0.4))
    assert ours.file_seconds == 0.01 and str(path) in ours.source
    assert other.file_seconds == 0.2 and "which has no pictures of coco" in other.source
    with pytest.raises(ValueError, match=r"expected a line of kind 'decode'.*--record.*--decode-ms"):
        measured("cityscapes", tmp_path / "nothing.jsonl")


def test_a_record_and_a_table_hold_every_way(rows: list[Row]) -> None:
    line = to_record("decode", rows, recipe="streets_tinynet_baseline")
    assert line["kind"] == "decode" and line["rows"][1]["processes"] == 2 and "versions" in line
    console = Console(width=100)
    with console.capture() as capture:
        console.print(table(rows))
    assert "threads each" in capture.get()


def test_mistakes_come_back_from_the_process_that_met_them(tmp_path: Path) -> None:
    for wrong in ({"batches": 0}, {"processes": (0,)}, {"workers": (-1,)}):
        with pytest.raises(ValueError, match="expected at least 1 batch, 1 process and 0 threads each"):
            run(**wrong)  # type: ignore[arg-type]
    for seconds in (-0.1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=r"expected seconds of at least 0 .*\(by hand\)"):
            Reading(file_seconds=seconds, scoring_seconds=0, source="by hand")
    with pytest.raises(ValueError, match="no CamVid at"):
        run("camvid_espnetv2_baseline", tmp_path, processes=(1,), workers=(0,), batches=1)
