"""U-Net: what is special to it; the contract of all hosts is tested beside it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dsrl_lab.complexity import complexity
from dsrl_lab.models.segmentation.unet import UNet, Up


def test_parameters_by_hand() -> None:
    """3x3 without bias and two numbers per BatchNorm channel; 2x2 with bias; a classifier with bias."""

    def level(inputs: int, outputs: int) -> int:
        return 9 * outputs * (inputs + outputs) + 4 * outputs

    def up(deep: int, skip: int) -> int:
        return 4 * deep * skip + skip + level(2 * skip, skip)

    encoder = level(3, 16) + level(16, 32) + level(32, 64) + level(64, 128)
    decoder = up(128, 64) + up(64, 32) + up(32, 16) + 16 * 11 + 11
    assert complexity(UNet(11), (32, 32)).parameters == encoder + decoder


def test_the_papers_size_has_the_papers_parameters() -> None:
    """About 31.0 M at width 64 and depth 4; ours has BatchNorm in place of the 3x3 layers' biases."""
    with torch.device("meta"):
        network = UNet(2, width=64, depth=4)
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(31.03, rel=0.005)


def test_multiply_adds_by_hand_and_each_level_costs_about_the_same() -> None:
    cost = complexity(UNet(5, width=8), (32, 64))
    pixels = 32 * 64
    encoder = [9 * (3 * 8 + 8 * 8)] + [9 * 3 * (8 * 2**k) ** 2 // 2 // 4**k for k in (1, 2, 3)]
    assert encoder[1] == encoder[2] == encoder[3]
    mixing = [9 * 3 * 8 * 8] * 3  # (2c + c) * c at 4^-k positions with c = 8 * 2^k
    assert cost.macs - cost.macs_without_transposed == 3 * pixels * 4 * 16 * 8 // 4
    assert cost.macs_without_transposed == pixels * (sum(encoder) + sum(mixing) + 8 * 5)


def test_an_odd_map_is_rounded_up_and_cut_to_its_partner() -> None:
    up = Up(4, 2).eval()
    assert up(torch.zeros(1, 4, 3, 4), torch.zeros(1, 2, 5, 7)).shape == (1, 2, 5, 7)
    features = UNet(3, width=4).eval().forward_features(torch.zeros(1, 3, 9, 15))
    assert [tuple(x.shape[-2:]) for x in features] == [(9, 15), (5, 8), (3, 4), (2, 2)]


def test_the_skip_carries_a_single_pixel_that_pooling_loses() -> None:
    """Two pictures alike after pooling differ in the logits: the skip remembers where."""
    torch.manual_seed(0)
    network = UNet(2, width=4).eval()
    here = torch.zeros(1, 3, 16, 16)
    for layer in network.modules():
        if isinstance(layer, nn.ConvTranspose2d):  # nothing comes from below
            nn.init.zeros_(layer.weight)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
    there = here.clone()
    there[..., 5, 5] = 9
    with torch.inference_mode():
        changed = (network(here) - network(there)).abs().amax(1)[0] > 0
    assert changed[5, 5] and not changed[15, 15]


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="num_classes, width and depth from 1, got 0, 16 and 3"):
        UNet(0)
    network = UNet(2, width=4)
    with pytest.raises(ValueError, match=r"at least 8, its deepest stride, got \(H, W\) = \(7, 40\).*to \(8, 40\)"):
        network(torch.zeros(1, 3, 7, 40))
