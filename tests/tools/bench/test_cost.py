"""The cost table against hand counts and the paper's reference, and its trap."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import nn
from torch.nn import functional as F
from typer.testing import CliRunner

from dsrl_lab import cli
from dsrl_lab.kernels import FastConv2d
from dsrl_lab.models import POSE, SEGMENTATION, SUPER_RESOLUTION
from dsrl_lab.models.super_resolution import LapSRN
from dsrl_lab.tools.bench.catalogue import catalogue, find
from dsrl_lab.tools.bench.cost import Row, activation_bytes, kept_bytes, run, table, training_loss
from dsrl_lab.tools.bench.ratios import Seconds


def test_the_counter_that_overlooks_deconvolutions_sees_no_difference_and_the_true_one_sees_87_percent() -> None:
    # 674.46 M and 589.82 M: counted on the official release (paper.md), 20 outputs.
    plain, deployed = run(["espnetv2", "espnetv2+deconvolution"], (256, 512), num_classes=20, runs=0)
    assert plain.macs == plain.macs_without_transposed == deployed.macs_without_transposed
    assert plain.macs / 1e6 == pytest.approx(674.46, abs=0.01)
    assert (deployed.macs - plain.macs) / 1e6 == pytest.approx(589.82, abs=0.01)
    assert deployed.parameters - plain.parameters == 7320


def test_multiply_adds_grow_with_the_area() -> None:
    small, large = (run(["tinynet"], size, runs=0)[0] for size in ((128, 256), (256, 512)))
    assert large.macs == 4 * small.macs
    assert large.activation_bytes == 4 * small.activation_bytes
    assert large.parameters == small.parameters
    assert large.seconds is None


def test_what_autograd_keeps_is_measured() -> None:
    """A convolution keeps its input, ReLU its output, once each though both ask for it; weights are not counted."""
    layers = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, 2, 1))

    class Scales(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = layers

        def forward(self, x: torch.Tensor) -> SimpleNamespace:
            return SimpleNamespace(scales=[self.layers(x)])

    image, relu, output = 3 * 40, 4 * 40, 2 * 40
    assert kept_bytes(Scales(), torch.rand(5, 3, 5, 8)) == 4 * (image + relu + output)


def test_activations_are_the_outputs_of_layers_that_make_a_new_tensor() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2, padding=1),  # 4 x 3 x 4 values
        nn.BatchNorm2d(4),  # as many again
        nn.ReLU(inplace=True),  # none
        nn.Identity(),  # none
        nn.Sequential(nn.Conv2d(4, 1, 1)),  # 1 x 3 x 4, once
    )
    assert activation_bytes(model.eval(), (5, 7)) == 4 * (48 + 48 + 12)
    assert all(not module._forward_hooks for module in model.modules())


def test_every_network_of_the_dicts_is_in_the_catalogue_and_can_be_counted() -> None:
    names = {*SEGMENTATION, *SUPER_RESOLUTION, *POSE}
    assert names <= set(catalogue())
    rows = run(sorted(names - {"deeplabv3plus", "pspnet"}), (64, 96), runs=0)
    assert all(0 < row.macs_without_transposed <= row.macs for row in rows)
    assert {row.name for row in rows if row.macs_without_transposed < row.macs} >= {"fsrcnn", "lapsrn", "dbpn"}


def test_by_default_each_host_stands_beside_itself_with_the_authors_head(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dsrl_lab.tools.bench.cost.SEGMENTATION", {"dabnet": SEGMENTATION["dabnet"]})
    assert [row.name for row in run(None, (32, 64), runs=0)] == ["dabnet", "dabnet+deconvolution"]


def test_latency_is_measured_and_the_table_says_it_all() -> None:
    (row,) = run(["espcn"], (16, 24), runs=1)
    assert row.seconds is not None
    assert row.seconds > 0
    console = Console(width=160, record=True)
    console.print(table([row, Row(**{**vars(row), "name": "counted", "seconds": None})]))
    text = console.export_text()
    assert "input 16x24" in text
    for word in ("espcn", "counted", f"{row.parameters / 1e6:.3f} M", "transposed", " ms", " % ", " - "):
        assert word in text


@pytest.mark.parametrize("size", [(0, 8), (8, -1), (100_000, 100_000), (8, 8)])
def test_a_size_that_cannot_be_taken_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="input size H W|BiSeNet needs sides of at least 32"):
        run(["bisenet"], size, runs=0)


def test_the_command_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["cost", "tinynet", "--input-size", "32", "48"]
    result = CliRunner().invoke(cli.app, command)
    assert result.exit_code == 0 and not list(tmp_path.iterdir())


def test_an_unknown_network_lists_the_names() -> None:
    with pytest.raises(ValueError, match=r"unknown network 'vnet'; choose from espnetv2, .*NAME\+deconvolution"):
        find(["dabnet", "vnet"])


def test_the_catalogue_builds_what_it_says() -> None:
    with torch.device("meta"):
        network = find(["bisenet-xception39+sub_pixel"], num_classes=7)["bisenet-xception39+sub_pixel"]()
    assert type(network).__name__ == "SuperResolved"
    assert type(network.get_submodule("host.encoder")).__name__ == "Xception39Encoder"
    assert network.eval()(torch.zeros(1, 3, 64, 64, device="meta")).shape == (1, 7, 128, 128)


def test_what_is_timed_alternates_and_its_numbers_fit_together(monkeypatch: pytest.MonkeyPatch) -> None:
    made_up = {"product": 0.5, "infer": 0.25, "tinynet": 2.0, "espcn": 1.0}

    def instead(calls: dict[str, Any], rounds: int) -> dict[str, Seconds]:
        for call in calls.values():
            call()
        return {name: Seconds([made_up[name.split()[-1]]] * rounds, []) for name in calls}

    monkeypatch.setattr("dsrl_lab.tools.bench.cost.alternate", instead)
    rows = run(["tinynet", "espcn"], (32, 64), runs=3, batch_size=4)
    assert [(row.name, row.seconds, row.images_per_second) for row in rows] == [
        ("tinynet", 0.25, 2.0),
        ("espcn", 0.25, 4.0),
    ]
    for row in rows:
        assert row.gemm_share == pytest.approx((row.macs / 0.25) / (1024**3 / 0.5))


def test_layers_are_in_their_fast_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def watch(network: torch.nn.Module, images: torch.Tensor) -> torch.Tensor:
        seen.append((any(isinstance(module, FastConv2d) for module in network.modules()), network.training))
        return training_loss(network, images)

    monkeypatch.setattr("dsrl_lab.tools.bench.cost.training_loss", watch)
    run(["tinynet"], (16, 16), batch_size=2, runs=1)
    assert seen == [(True, True)] * 4  # once for what is kept, three timed or not


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


@pytest.mark.parametrize(("batch_size", "runs"), [(1, 3), (4, 0), (-2, 3), (0, -1)])
def test_too_small_batches_and_no_runs_are_refused(batch_size: int, runs: int) -> None:
    with pytest.raises(ValueError, match="at least 2 images per step and 1 run, or 0 for none, got"):
        run(["tinynet"], batch_size=batch_size, runs=runs)
