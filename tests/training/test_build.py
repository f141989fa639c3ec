"""From a checkpoint back to its network: a header that lies is an error before it can ask for memory."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dsrl_lab.training import checkpoint
from dsrl_lab.training.build import build_dsrl, load_task_model
from dsrl_lab.training.config import NetworkConfig

NETWORK = NetworkConfig(host="tinynet", num_classes=3, host_options={"width": 0.25}, sssr="sub_pixel", sisr=True)


def save(path: Path, **changes: object) -> Path:
    checkpoint.save(path, build_dsrl(NETWORK), {"network": NETWORK.to_json() | changes})
    return path


def test_a_whole_runs_checkpoint_gives_the_deployed_network(tmp_path: Path) -> None:
    model, _ = load_task_model(save(tmp_path / "net.safetensors"))
    image = torch.rand(1, 3, 8, 12)
    with torch.inference_mode():
        assert torch.equal(model(image), build_dsrl(NETWORK).task_model.eval()(image))
    assert not any("sisr" in name for name in model.state_dict()) and not model.training


@pytest.mark.parametrize(
    "changes",
    [
        {"host": ["tinynet"]},
        {"num_classes": "3"},
        {"num_classes": 10**18},
        {"host_options": {"depth": 3}},
        {"speed": 1},
    ],
)
def test_a_header_that_describes_no_network_is_named(changes: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"the header of .*net\.safetensors describes no network of this kit"):
        load_task_model(save(tmp_path / "net.safetensors", **changes))


@pytest.mark.parametrize("changes", [{"num_classes": 10**6}, {"host_options": {"width": 1000}}])
def test_a_header_of_another_size_is_refused_without_its_memory(changes: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not fit this network"):
        load_task_model(save(tmp_path / "net.safetensors", **changes))


@pytest.mark.parametrize(
    "options", [{"speed": 9}, {"width": "wide"}, {"width": [1]}, {"width": 10**18}, {"width": None}]
)
def test_options_that_a_host_does_not_take_are_named(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"no tinynet can be built with 11 classes and host_options .*; correct them"):
        build_dsrl(NetworkConfig(host="tinynet", num_classes=11, host_options=options))
