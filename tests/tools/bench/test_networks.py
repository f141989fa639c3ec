"""The pace of networks: what is measured adds up; no number is compared with a clock."""

from __future__ import annotations

import pytest
import torch
from rich.console import Console
from torch.nn import functional as F

from dsrl_lab.complexity import complexity
from dsrl_lab.kernels import FastConv2d
from dsrl_lab.models import SEGMENTATION
from dsrl_lab.models.super_resolution import LapSRN
from dsrl_lab.tools.bench.networks import Row, gemm_rate, run, table, training_loss


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    torch.manual_seed(0)
    return run(["tinynet", "espcn"], (32, 64), batch_size=2, rounds=1)


def test_rows_come_in_the_order_asked_for_and_their_numbers_fit_together(rows: list[Row]) -> None:
    assert [row.name for row in rows] == ["tinynet", "espcn"]
    assert rows[0].macs == complexity(SEGMENTATION["tinynet"](19), (32, 64)).macs
    for row in rows:
        assert row.images_per_second > 0
        assert row.gemm_share == pytest.approx(row.macs / row.seconds / row.gemm_macs_per_second)


def test_channels_last_reaches_weights_and_images(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def watch(network: torch.nn.Module, images: torch.Tensor) -> torch.Tensor:
        weight = next(p for p in network.parameters() if p.ndim == 4 and p.shape[1] > 1)
        seen.append((weight.is_contiguous(memory_format=torch.channels_last), images.stride(1) == 1))
        return training_loss(network, images)

    monkeypatch.setattr("dsrl_lab.tools.bench.networks.training_loss", watch)
    run(["tinynet"], (16, 16), batch_size=2, rounds=1, channels_last=True)
    assert set(seen) == {(True, True)}


def test_layers_are_in_their_fast_forms_unless_asked_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def watch(network: torch.nn.Module, images: torch.Tensor) -> torch.Tensor:
        seen.append(any(isinstance(module, FastConv2d) for module in network.modules()))
        return training_loss(network, images)

    monkeypatch.setattr("dsrl_lab.tools.bench.networks.training_loss", watch)
    run(["tinynet"], (16, 16), batch_size=2, rounds=1)
    run(["tinynet"], (16, 16), batch_size=2, rounds=1, fast_kernels=False)
    assert seen == [True, True, False, False]


def test_the_training_loss_counts_every_output() -> None:
    images = torch.rand(2, 3, 64, 64)
    bisenet = SEGMENTATION["bisenet"](5, encoder="xception39").train()
    head = bisenet.forward_head(bisenet.forward_features(images))
    mask = torch.zeros(2, 64, 64, dtype=torch.int64)
    outputs = [head.logits, *head.auxiliary]
    expected = sum(F.cross_entropy(F.interpolate(x, (64, 64), mode="bilinear"), mask) for x in outputs)
    torch.testing.assert_close(training_loss(bisenet, images), expected)
    lapsrn = LapSRN(4)
    scales = lapsrn(images[..., :16, :16]).scales
    assert len(scales) == 2
    expected = scales[0].square().mean() + scales[1].square().mean()
    torch.testing.assert_close(training_loss(lapsrn, images[..., :16, :16]), expected)


def test_the_matrix_product_rate_counts_a_billion_multiply_adds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dsrl_lab.tools.bench.networks._seconds", lambda function: 0.5)
    assert gemm_rate() == 1024**3 / 0.5


def test_the_table_shows_all_columns(rows: list[Row]) -> None:
    console = Console(width=160, record=True)
    console.print(table(rows))
    text = console.export_text()
    for word in ("tinynet", "espcn", "32x64", " images/s", " ms", " %", "GMAC/s"):
        assert word in text


def test_too_small_batches_and_no_rounds_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 images per step and 1 round, got 1 and 3"):
        run(["tinynet"], batch_size=1)
    with pytest.raises(ValueError, match="at least 2 images per step and 1 round, got 4 and 0"):
        run(["tinynet"], rounds=0)
