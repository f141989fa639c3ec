"""Figure 3: components and edges by hand, the drawing twice byte for byte, and what it cannot be drawn from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dsrl_lab.plots.theme import theme
from dsrl_lab.results.figures_features import edge_share, paper_figure3, principal_colors
from dsrl_lab.results.inputs import Inputs, MissingInputError
from dsrl_lab.results.writing import write
from dsrl_lab.training import checkpoint
from dsrl_lab.training.build import build_dsrl
from dsrl_lab.training.config import NetworkConfig, TrainConfig


def whole(path: Path, *, affinity: bool = True) -> Inputs:
    network = NetworkConfig(
        host="tinynet", num_classes=11, host_options={"width": 0.25}, sssr="sub_pixel", sisr=True, affinity=affinity
    )
    train = TrainConfig(input_size=(24, 32), iterations=1)
    checkpoint.save(path, build_dsrl(network), {"network": network.to_json(), "train": train.to_json()})
    return Inputs(checkpoints={"dsrl": path})


def test_the_first_component_is_where_most_varies_and_gains_do_not_matter() -> None:
    features = torch.zeros(4, 5, 7)
    features[1] = torch.arange(7.0)  # most of the variance runs along the columns
    features[2, 0] = 0.1
    colors = principal_colors(features)
    assert bool((colors[0].diff(dim=1) >= 0).all()) and colors[0, 0, 0] == 0 and colors[0, 0, -1] == 1
    torch.testing.assert_close(principal_colors(10 * features + 3), colors, atol=1e-5, rtol=0)


def test_edges_by_hand() -> None:
    assert edge_share(torch.tensor([[1.0, 3.0]])) == pytest.approx(2 / 2)


def test_two_drawings_are_the_same_bytes(tmp_path: Path) -> None:
    inputs = whole(tmp_path / "whole.safetensors")
    files = []
    for name in ("one", "two"):
        with theme():
            files.append(write(paper_figure3(inputs).figure, tmp_path / name)[0].read_bytes())
    assert files[0] == files[1]


def test_a_network_without_affinity_is_no_input(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="was trained without feature affinity"):
        paper_figure3(whole(tmp_path / "whole.safetensors", affinity=False))
