"""Records: what is written is read again; a torn last line is forgiven, other damage is named."""

from __future__ import annotations

import errno
import math
import os
import resource
import signal
from pathlib import Path

import pytest

from dsrl_lab.training.record import append, cores, environment, read, truncate, write


def test_round_trip_and_numbers_that_json_cannot_hold(tmp_path: Path) -> None:
    path = tmp_path / "new" / "record.jsonl"
    append(path, {"kind": "run", "seed": 1})
    append(path, {"kind": "train", "iteration": 5, "loss": math.nan, "iou": {"sky": math.inf, "road": 0.5}})
    assert read(path) == [
        {"kind": "run", "seed": 1},
        {"kind": "train", "iteration": 5, "loss": None, "iou": {"sky": None, "road": 0.5}},
    ]


def test_a_torn_last_line_is_dropped_and_an_earlier_one_named(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    path.write_text('{"kind": "run"}\n{"kind": "tra')
    assert read(path) == [{"kind": "run"}]
    path.write_text('{"kind": "run"}\n{"kind": "tra\n{"kind": "end"}\n')
    with pytest.raises(ValueError, match=r"record\.jsonl, line 2: expected a JSON object"):
        read(path)
    path.write_text("")
    with pytest.raises(ValueError, match="found none"):
        read(path)


def test_truncating_drops_what_a_resumed_run_will_say_again(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    for line in ({"kind": "run"}, {"kind": "train", "iteration": 5}, {"kind": "train", "iteration": 10}):
        append(path, line)
    truncate(path, 5)
    assert read(path) == [{"kind": "run"}, {"kind": "train", "iteration": 5}]


def test_truncating_a_damaged_record_names_it(tmp_path: Path) -> None:
    append(tmp_path / "record.jsonl", {"kind": "train", "iteration": "many"})
    with pytest.raises(ValueError, match="is damaged: expected a number of iterations, got 'many'"):
        truncate(tmp_path / "record.jsonl", 5)


def test_a_resumed_run_writes_its_final_scores_once(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    record = [{"kind": "run"}, {"kind": "train", "iteration": 5}, {"kind": "scores"}, {"kind": "end", "iteration": 5}]
    write(path, record)
    truncate(path, 5)
    assert read(path) == record[:2]


def test_a_line_that_cannot_be_written_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"cannot write .*record\.jsonl: the disk is full, .*; make room.*--resume"):
        append(tmp_path / "record.jsonl", {"kind": "run"})


def test_a_disk_that_fills_up_in_a_line_leaves_the_lines_before_it(tmp_path: Path) -> None:
    """A limit on the file's size stops the write after its first half, as a full disk does."""
    path = tmp_path / "bench.jsonl"
    append(path, {"kind": "bench", "rows": list(range(10))})
    before, (soft, hard) = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 20, hard))
        with pytest.raises(OSError, match=r"cannot write .*bench\.jsonl"):
            append(path, {"kind": "bench", "rows": list(range(100))})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert path.read_bytes() == before


def test_cores_are_those_that_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {2, 5, 7}, raising=False)
    assert cores() == 3 == environment()["cores"]
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cores() == 1
