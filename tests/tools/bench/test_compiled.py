"""Eager against compiled: what is recorded and shown; compiling itself takes a minute and is tested as slow."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from rich.console import Console

from dsrl_lab.tools.bench import compiled as bench
from dsrl_lab.tools.bench.training import Row, table

SMALL = ["train.input_size=[32,40]", "train.batch_size=2"]


def test_both_take_the_same_steps_and_only_one_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def instead(network: torch.nn.Module) -> Any:  # compiling takes a minute, and a compiler
        asked.append(network)
        return network

    monkeypatch.setattr(torch, "compile", instead)
    measured = bench.run("streets_tinynet", changes=[*SMALL, "network.sisr_width=8"], steps=3)
    assert len(asked) == 1
    eager, compiled = measured.rows
    assert (eager.title, eager.cost, eager.spread) == ("eager", 1.0, (1.0, 1.0)) and compiled.title == "compiled"
    assert compiled.spread[0] <= compiled.cost <= compiled.spread[1] and measured.compile_seconds > 0


def test_a_record_has_the_form_of_the_training_pace() -> None:
    rows = (Row("eager", 20.0, 1.0, (1.0, 1.0)), Row("compiled", 16.0, 1.25, (1.2, 1.3)))
    measured = bench.Measured(rows=rows, compile_seconds=61.0)
    line = bench.to_record(measured, setting="streets_tinynet", row="dsrl", changes=SMALL, steps=2)
    assert line["kind"] == "compile_pace" and line["rows"][1]["cost"] == 1.25 and line["compile_seconds"] == 61.0
    assert {"setting", "changes", "steps", "rows", "commit", "versions"} < line.keys()
    console = Console(width=120)
    with console.capture() as capture:
        console.print(table(rows))
    assert "step against eager" in capture.get() and "1.20 to 1.30" in capture.get()


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="unknown recipe 'nowhere_dsrl'"):
        bench.run("nowhere")
    with pytest.raises(ValueError, match="at least 2 steps, got 1"):
        bench.run("streets_tinynet", steps=1)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_step_is_compiled_and_timed() -> None:
    eager, compiled = bench.run("streets_tinynet", row="baseline", changes=SMALL, steps=2).rows
    assert eager.images_per_second > 0 and compiled.images_per_second > 0
