"""Parameters and multiply-adds of each host against numbers measured on public code, to half a percent.

The published numbers have three or four digits. Counting runs on the meta device, where shapes are computed and nothing
else, so that a network of 364 G multiply-adds costs no more than a small one.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from dsrl_lab.models import SEGMENTATION
from dsrl_lab.models.base import DensePredictor


class Published(NamedTuple):
    """Millions of parameters (with and without auxiliary heads) and G multiply-adds in evaluation, of public code."""

    host: str
    encoder: str | None
    num_classes: int
    input_size: tuple[int, int]
    parameters: float | None  # None where only the multiply-adds were measured
    deployed_parameters: float | None
    macs: float
    source: str


PUBLISHED = [
    Published("espnetv2", None, 20, (256, 512), 0.7892, 0.7892, 0.67446, "EdgeNets"),
    Published("espnetv2", None, 20, (512, 1024), 0.7892, 0.7892, 2.69774, "EdgeNets"),
    Published("deeplabv3plus", "resnet101", 19, (256, 512), 59.34, 59.34, 44.30, "jfzhang95"),
    Published("pspnet", "resnet50", 19, (713, 713), 49.08, 49.08 - 2.36, 363.8, "hszhao/semseg"),
    Published("pspnet", "resnet50", 19, (257, 513), 49.08, 49.08 - 2.36, 96.3, "hszhao/semseg"),
    Published("bisenet", "resnet18", 19, (512, 1024), None, 12.89, 25.93, "TorchSeg"),
    Published("bisenet", "resnet18", 19, (352, 640), None, 12.89, 11.14, "TorchSeg"),
    Published("bisenet", "xception39", 19, (512, 1024), 1.84, 1.54, 6.94, "TorchSeg"),
    Published("bisenet", "xception39", 19, (352, 640), 1.84, 1.54, 2.98, "TorchSeg"),
    Published("dabnet", None, 19, (512, 1024), 0.7566, 0.7566, 10.22, "Reagan1311"),
    Published("dabnet", None, 11, (360, 480), None, None, 3.36, "Reagan1311"),
]


def build(host: str, encoder: str | None, num_classes: int) -> DensePredictor:
    with torch.device("meta"):
        return SEGMENTATION[host](num_classes, **({"encoder": encoder} if encoder else {})).eval()


def multiply_adds(model: nn.Module, size: tuple[int, int]) -> int:
    """Count convolutions of one image: each output value costs one filter's weights."""
    total = 0

    def count(layer: nn.Conv2d, _: object, output: Tensor) -> None:
        nonlocal total
        total += output.numel() * layer.weight[0].numel()

    for layer in model.modules():
        assert not isinstance(layer, nn.ConvTranspose2d | nn.Linear)  # no host has any
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(count)
    model(torch.zeros(1, 3, *size, device="meta"))
    return total


@pytest.mark.parametrize("published", PUBLISHED, ids=lambda p: f"{p.host}-{p.encoder}-{p.input_size[0]}")
def test_parameters_and_multiply_adds_are_those_of_public_code(published: Published) -> None:
    model = build(published.host, published.encoder, published.num_classes)
    parameters = sum(p.numel() for p in model.parameters() if p.requires_grad)
    auxiliary = sum(p.numel() for name, p in model.named_parameters() if name.startswith("auxiliary"))
    if published.parameters is not None:
        assert parameters / 1e6 == pytest.approx(published.parameters, rel=0.005)
    if published.deployed_parameters is not None:
        assert (parameters - auxiliary) / 1e6 == pytest.approx(published.deployed_parameters, rel=0.005)
    assert multiply_adds(model, published.input_size) / 1e9 == pytest.approx(published.macs, rel=0.005)


def test_deeplab_on_mobilenet_saves_exactly_the_releases_expansion_of_padding() -> None:
    # The release pads each block's input by its dilation and then expands it with a 1x1 convolution.
    padding = 0
    (height, width), channels = (128, 256), 16
    settings = [(24, 2, 2, 1), (32, 3, 2, 1), (64, 4, 2, 1), (96, 3, 1, 1), (160, 3, 1, 1), (320, 1, 1, 2)]
    for out_channels, repeats, stride, dilation in settings:
        for index in range(repeats):
            border = (height + 2 * dilation) * (width + 2 * dilation) - height * width
            padding += border * channels * 6 * channels
            channels = out_channels
            if index == 0:
                height, width = height // stride, width // stride
    model = build("deeplabv3plus", "mobilenet_v2", 19)
    ours = multiply_adds(model, (256, 512))
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(5.82, rel=0.005)
    assert (ours + padding) / 1e9 == pytest.approx(13.25, rel=0.0005)
    assert padding / ours == pytest.approx(0.0073, abs=1e-4)
