"""DABNet: the two branches' reach, the injected image, odd sizes, and the release's BatchNorm."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from dsrl_lab.models.segmentation.dabnet import AsymmetricBottleneck, DABNet, DownSampler


@pytest.mark.parametrize("dilation", [2, 4, 16])
def test_the_far_branch_sees_a_3x3_grid_of_its_dilation(dilation: int) -> None:
    far = AsymmetricBottleneck(4, dilation=dilation).eval().far
    x = torch.zeros(1, 2, 41, 41, requires_grad=True)
    far(x + 1)[..., 20, 20].sum().backward()  # + 1: clear of PReLU's corner
    assert x.grad is not None
    seen = x.grad.abs().sum((0, 1)).nonzero() - 20
    steps = (-dilation, 0, dilation)
    assert sorted(map(tuple, seen.tolist())) == sorted((i, j) for i in steps for j in steps)


def test_a_block_whose_last_convolution_is_zero_is_the_identity() -> None:
    block = AsymmetricBottleneck(8, dilation=4)
    nn.init.zeros_(block.restore[1].weight)  # type: ignore[arg-type]
    x = torch.randn(2, 8, 9, 7)
    assert torch.equal(block(x), x)


@pytest.mark.parametrize("size", [(8, 8), (9, 7), (1, 5)])
def test_down_sampling_rounds_up_and_joins_the_pooled_input(size: tuple[int, int]) -> None:
    block = DownSampler(3, 8)
    block.norm_act = nn.Sequential()
    x = torch.randn(2, 3, *size)
    out = block(x)
    assert out.shape == (2, 8, -(-size[0] // 2), -(-size[1] // 2))
    assert torch.equal(out[:, 5:], F.max_pool2d(x, 2, ceil_mode=True))
    assert DownSampler(8, 8).conv.out_channels == 8  # where channels do not grow there is no pooled part


def test_every_map_ends_with_the_averaged_image() -> None:
    model = DABNet(5).eval()
    for norm_act in (model.norm_act2, model.norm_act4, model.norm_act8):
        norm_act[1] = nn.Identity()  # fresh BatchNorm is the identity up to epsilon
    image = torch.randn(1, 3, 64, 48)
    expected = image
    with torch.inference_mode():
        for features in model.forward_features(image):
            expected = F.avg_pool2d(expected, 3, stride=2, padding=1)
            torch.testing.assert_close(features[:, -3:], expected * (1 + 1e-3) ** -0.5)


def test_dilations_and_epsilon_are_the_releases() -> None:
    with torch.device("meta"):
        model = DABNet(19)
    convs = [m for m in model.blocks8.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 1)]
    far = [m.dilation[0] for m in convs[1::2]]  # near and far take turns
    assert far == [4, 4, 8, 8, 16, 16]
    assert {m.eps for m in model.modules() if isinstance(m, nn.BatchNorm2d)} == {1e-3}
