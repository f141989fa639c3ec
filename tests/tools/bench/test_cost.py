"""The cost table against hand counts and the paper's reference, and its trap."""

from __future__ import annotations

import pytest
import torch
from rich.console import Console
from torch import nn

from dsrl_lab.models import POSE, SEGMENTATION, SUPER_RESOLUTION
from dsrl_lab.tools.bench.catalogue import catalogue, find
from dsrl_lab.tools.bench.cost import Row, activation_bytes, run, table


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
    for word in ("espcn", "counted", f"{row.parameters / 1e6:.3f} M", "without transposed", " ms", " - "):
        assert word in text


def test_an_unknown_network_lists_the_names() -> None:
    with pytest.raises(ValueError, match=r"unknown network 'vnet'; choose from espnetv2, .*NAME\+deconvolution"):
        find(["dabnet", "vnet"])


def test_the_catalogue_builds_what_it_says() -> None:
    with torch.device("meta"):
        network = find(["bisenet-xception39+sub_pixel"], num_classes=7)["bisenet-xception39+sub_pixel"]()
    assert type(network).__name__ == "SuperResolved"
    assert type(network.get_submodule("host.encoder")).__name__ == "Xception39Encoder"
    assert network.eval()(torch.zeros(1, 3, 64, 64, device="meta")).shape == (1, 7, 128, 128)
