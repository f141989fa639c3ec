"""TinyNet: what is special to it; the contract of all hosts is tested beside it."""

from __future__ import annotations

import pytest
import torch

from dsrl_lab.complexity import complexity
from dsrl_lab.models.segmentation.tinynet import TinyNet


def test_parameters_by_hand() -> None:
    """3x3 convolutions without bias, two numbers per BatchNorm channel, laterals of 1x1, a classifier with bias."""

    def block(inputs: int, outputs: int, side: int = 3) -> int:
        return inputs * outputs * side**2 + 2 * outputs

    encoder = block(3, 16) + block(16, 32) + 2 * block(32, 32) + block(32, 64) + 4 * block(64, 64)
    decoder = block(16, 24, 1) + block(32, 24, 1) + block(64, 24, 1) + 2 * block(24, 24) + 24 * 11 + 11
    assert complexity(TinyNet(11), input_size=(32, 32)).parameters == encoder + decoder


def test_width_scales_the_channels() -> None:
    assert TinyNet(11, width=2.0).spec.feature_channels == (32, 64, 128)
    assert TinyNet(11, width=0.1).spec.feature_channels == (8, 8, 8)


def test_its_field_of_view_covers_a_car() -> None:
    """A change of one pixel reaches logits at least 40 pixels away: dilation does its work."""
    network = TinyNet(3).eval()
    image = torch.randn(1, 3, 128, 128)
    other = image.clone()
    other[..., 64, 64] += 10
    with torch.no_grad():
        moved = (network(image) - network(other)).abs().amax(1)[0] > 1e-7
    assert moved[64, 24] or moved[64, 104]


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="positive num_classes and width"):
        TinyNet(0)
    with pytest.raises(ValueError, match="positive num_classes and width, got 3 and nan"):
        TinyNet(3, width=float("nan"))
