"""The quick PReLU against torch's own: values, gradients, memory formats, precisions."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from dsrl_lab.models.prelu import PReLU


def gradients(layer: nn.PReLU, x: Tensor, upstream: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    x = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    y = layer(x)
    return y.detach(), *torch.autograd.grad(y, (x, layer.weight), upstream)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("slopes", [6, 1])
def test_values_and_gradients_are_torchs(slopes: int, memory_format: torch.memory_format) -> None:
    x = torch.randn(3, 6, 9, 7).contiguous(memory_format=memory_format)
    x[0, :, 0] = 0  # the corner itself
    upstream = torch.randn(3, 6, 9, 7).contiguous(memory_format=memory_format)
    quick, usual = PReLU(slopes), nn.PReLU(slopes)
    quick.weight.data.uniform_(-0.5, 0.5)
    usual.load_state_dict(quick.state_dict())
    for actual, expected in zip(gradients(quick, x, upstream), gradients(usual, x, upstream), strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-6, atol=1e-6)
        assert actual.is_contiguous(memory_format=memory_format) or actual.ndim == 1


@pytest.mark.parametrize("shape", [(4, 5), (2, 5, 3), (2, 5, 3, 4)])
def test_gradcheck(shape: tuple[int, ...]) -> None:
    layer = PReLU(5).double()
    x = torch.randn(shape, dtype=torch.float64)
    x = (x + 0.1 * x.sign()).requires_grad_()  # clear of the corner
    assert torch.autograd.gradcheck(
        lambda x, slope: torch.func.functional_call(layer, {"weight": slope}, x), (x, layer.weight)
    )


def test_a_frozen_slope_and_a_vector_work() -> None:
    layer = PReLU()
    layer.weight.requires_grad_(False)
    x = torch.tensor([[-2.0, 3.0]], requires_grad=True)
    layer(x).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[0.25, 1.0]]
    vector = torch.tensor([-2.0, 3.0], requires_grad=True)
    assert layer(vector).tolist() == [-0.5, 3.0]


def test_autocast_keeps_the_slopes_gradient_in_float32() -> None:
    quick, usual = PReLU(4), nn.PReLU(4)
    x, upstream = torch.randn(2, 4, 5, 5).bfloat16(), torch.randn(2, 4, 5, 5).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        ours, torchs = gradients(quick, x, upstream), gradients(usual, x, upstream)
    assert ours[2].dtype == torch.float32
    for actual, expected in zip(ours, torchs, strict=True):
        torch.testing.assert_close(actual, expected, rtol=0.02, atol=0.05)
