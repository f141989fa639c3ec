"""Sizes that a network cannot take are refused from shapes alone, before any work."""

from __future__ import annotations

from types import SimpleNamespace
from typing import ClassVar

import psutil
import pytest
import torch
from torch import Tensor, nn

from dsrl_lab.models import SEGMENTATION
from dsrl_lab.tools.input_size import check_size, check_takes
from dsrl_lab.training.build import build_dsrl
from dsrl_lab.training.config import NetworkConfig


class Counting(nn.Sequential):
    """Two convolutions that note the devices of what they compute."""

    devices: ClassVar[list[str]] = []

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 3, stride=2))
        self.devices.clear()

    def forward(self, image: Tensor) -> Tensor:
        self.devices.append(image.device.type)
        return super().forward(image)


@pytest.mark.parametrize("value", [(0, 8), (8, -1), (8.0, 8), (True, 8), "88", None, (8,), (8, 8, 8), (20_000, 20_000)])
def test_what_is_no_size_is_named_with_its_source(value: object) -> None:
    with pytest.raises(ValueError, match=r"expected an input size H W .*110 megapixels at most, .*\(by hand\); give"):
        check_size(value, source="by hand")


def test_shapes_alone_are_computed_and_the_network_is_as_it_was() -> None:
    model = Counting()
    check_takes(model, (10_000, 11_000))
    assert model.devices == ["meta"] and model.training
    assert all(parameter.device.type == "cpu" for parameter in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())


def test_maps_that_vanish_and_sides_under_the_stride_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Counting cannot take images of \(H, W\) = \(3, 4\) .*with --input-size H W"):
        check_takes(Counting(), (3, 4))
    check_takes(Counting(), (5, 5))
    bisenet = SEGMENTATION["bisenet"](3)
    with pytest.raises(ValueError, match="BiSeNet needs sides of at least 32"):
        check_takes(bisenet, (31, 64))
    model = build_dsrl(NetworkConfig(host="pspnet", num_classes=3, sssr="sub_pixel")).task_model.eval()
    check_takes(model, (64, 96))
    assert model(torch.rand(1, 3, 64, 96)).shape == (1, 3, 128, 192)  # all of it is still on the CPU


def test_more_than_the_machine_holds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with torch.device("meta"):
        model = nn.Conv2d(3, 1000, 1)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=4 * 1000 * 100 * 100))
    check_takes(model, (100, 100))
    with pytest.raises(ValueError, match=r"need more than 0 GB for one layer of Conv2d, this machine has 0 GB"):
        check_takes(model, (100, 101))
