"""What is deployed, timed side by side: the right variants, ratios that fit their baseline; no timed assertions."""

from __future__ import annotations

import pytest
import torch
from rich.console import Console

from dsrl_lab.complexity import complexity
from dsrl_lab.tools.bench.deployment import KEPT, Row, run, table, variants
from dsrl_lab.tools.bench.report import to_record


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    pytest.importorskip("onnxruntime", reason="install the extra: pip install -e '.[export]'")
    return run("streets_tinynet", input_size=(32, 48), rounds=2)


def test_sisr_left_in_costs_and_gives_the_same_mask() -> None:
    networks = variants("streets_tinynet")
    image = torch.rand(1, 3, 32, 48)
    titles = [name for name in networks if name.endswith(KEPT)]
    assert len(networks) == 7 and len(titles) == 3
    for title in titles:
        with torch.no_grad():
            logits, super_res = networks[title](image)
            assert torch.equal(logits, networks[title.removesuffix(KEPT)](image))
        assert super_res.shape == (1, 3, 64, 96)


def test_the_head_that_is_cheap_in_multiply_adds_is_timed_too() -> None:
    networks = variants("streets_tinynet")
    assert "+ SSSR (a deconvolution per class map) + SISR + FA" in networks
    size = (32, 48)
    added = {name: complexity(network, size).macs for name, network in networks.items() if not name.endswith(KEPT)}
    baseline, _, authors, depthwise = (macs - added["baseline"] for macs in added.values())
    assert baseline == 0 < depthwise < authors / 5


def test_ratios_are_of_the_baseline(rows: list[Row]) -> None:
    assert rows[0].name == "baseline"
    assert rows[0].macs_ratio == rows[0].eager_ratio == rows[0].onnx_ratio == 1.0
    macs = {row.name: row.macs for row in rows}
    for row in rows:
        assert row.macs_ratio == pytest.approx(row.macs / rows[0].macs)
        assert row.eager_seconds > 0 and row.onnx_seconds > 0
        if row.name.endswith(KEPT):
            assert row.macs > macs[row.name.removesuffix(KEPT)] > rows[0].macs


def test_a_record_is_shown_as_the_rows_are(rows: list[Row]) -> None:
    line = to_record("deployment", rows, setting="streets_tinynet", rounds=2, threads=1)
    assert line["kind"] == "deployment" and line["threads"] == 1 and len(line["rows"]) == 7
    console = Console(width=160)
    with console.capture() as capture:
        console.print(table(rows))
    assert "onnxruntime (ms)" in capture.get() and "SISR not" in capture.get()


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="at least 1 round"):
        run("streets_tinynet", rounds=0)
    with pytest.raises(ValueError, match="unknown recipe 'nowhere_baseline'"):
        run("nowhere")
    with pytest.raises(ValueError, match=r"expected an input size H W .*got \(0, 8\)"):
        run("streets_tinynet", input_size=(0, 8))
