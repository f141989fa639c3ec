"""Exact faster forms of layers on a CPU: the same values and gradients, up to rounding.

Source: our own measurements (PyTorch 2.14, oneDNN 3.12, one AVX-512 core, batches of 8 maps of 100 x 100 positions).
The plain forms of some layers are slow there, above all in the backward pass:

- PReLU's own backward pass is not vectorised: 15 ms for 2.7 million values; 5 ms here.
- Almost everything is faster on channels-last maps (BatchNorm 8 against 1.6 ms), so convolutions convert their input.
- Dilated or strided depthwise convolutions have no fast backward pass. The gradient of the input is a convolution
  with the flipped kernel; that of the kernel is an undilated one on the maps' phases: 3 ms against 0.5 ms.
- A 1x1 convolution of a small batch on one thread is slow, one of a batch of single rows is not: 27 against 8 ms.
- A group with one output is a depthwise convolution, summed: 16 against 8 ms.
- Pixel shuffle's gradient is turned twice on its way to a channels-last convolution: 90 against 30 ms, turned once.

On other devices, in other types than float32, under autocast, tracing or compilation the plain form runs.
"""

import ctypes
import functools
import sys
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

Network = TypeVar("Network", bound=nn.Module)
aten = torch.ops.aten


def _applies(x: Tensor, weight: Tensor) -> bool:
    eager = not (torch.compiler.is_compiling() or torch.jit.is_tracing() or torch.is_autocast_enabled("cpu"))
    return eager and x.is_cpu and x.ndim == 4 and x.dtype == weight.dtype == torch.float32


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


class _PReLU(torch.autograd.Function):
    """PReLU with one slope per channel and a vectorised backward pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: Tensor) -> Tensor:
        ctx.save_for_backward(x, slope)
        return F.prelu(x, slope)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        x, slope = ctx.saved_tensors
        if grad.stride() != x.stride():
            grad = torch.empty_like(x).copy_(grad)
        grad_slope = x.clamp(max=0).mul_(grad).sum((0, 2, 3))
        if len(slope) == 1:
            grad_slope = grad_slope.sum(0, keepdim=True)
        # The gradient where x > 0, then moved towards the whole gradient by the slope: slope * grad where x <= 0.
        positive = aten.threshold_backward(grad, x, 0)
        return positive.lerp_(grad, slope.view(1, -1, 1, 1)), grad_slope


class FastPReLU(nn.PReLU):
    """PReLU with a vectorised backward pass."""

    def forward(self, x: Tensor) -> Tensor:
        return _PReLU.apply(x, self.weight) if _applies(x, self.weight) else super().forward(x)


def phases(x: Tensor, period: tuple[int, ...]) -> Tensor:
    """Split a map into the submaps of every ``period``-th row and column: (N * periods, C, h, w), padded with zeros."""
    if period == (1, 1):
        return x
    n, channels, height, width = x.shape
    rows, columns = -(-height // period[0]), -(-width // period[1])
    x = F.pad(x, (0, columns * period[1] - width, 0, rows * period[0] - height))
    x = x.permute(0, 2, 3, 1).reshape(n, rows, period[0], columns, period[1], channels)
    return x.permute(0, 2, 4, 1, 3, 5).reshape(-1, rows, columns, channels).permute(0, 3, 1, 2)


class _Depthwise(torch.autograd.Function):
    """Depthwise convolution with "same" padding and a fast backward pass for strides and dilations."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: tuple[int, ...], dilation: tuple[int, ...]) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.dilation = stride, dilation
        return F.conv2d(x, weight, None, stride, _same(weight, dilation), dilation, len(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, weight = ctx.saved_tensors
        dilation = ctx.dilation
        if ctx.stride != (1, 1):
            strided, grad = grad, torch.zeros_like(x)
            grad[..., :: ctx.stride[0], :: ctx.stride[1]] = strided
        grad = _channels_last(grad)
        grad_x = grad_weight = None
        if ctx.needs_input_grad[0]:
            flipped = weight.flip(2, 3)
            grad_x = F.conv2d(grad, flipped, None, 1, _same(weight, dilation), dilation, len(weight))
        if ctx.needs_input_grad[1]:
            grad, x = phases(grad, dilation), phases(x, dilation)
            args = ([1, 1], _same(weight, (1, 1)), [1, 1], False, [0, 0], len(weight), [False, True, False])
            grad_weight = aten.convolution_backward(grad, x, weight, None, *args)[1]
        return grad_x, grad_weight, None, None


def _same(weight: Tensor, dilation: tuple[int, ...]) -> tuple[int, ...]:
    return dilation[0] * (weight.shape[2] // 2), dilation[1] * (weight.shape[3] // 2)


def _depthwise(x: Tensor, weight: Tensor, stride: tuple[int, ...], dilation: tuple[int, ...]) -> Tensor:
    # A dilation along a side where the kernel has one tap means nothing, and would only cost phases.
    dilation = tuple(1 if taps == 1 else step for taps, step in zip(weight.shape[2:], dilation, strict=True))
    if stride != (1, 1) and dilation == (1, 1):
        return F.conv2d(x, weight, None, stride, _same(weight, dilation), dilation, len(weight))
    return _Depthwise.apply(x, weight, stride, dilation)


class FastConv2d(nn.Conv2d):
    """Convolution on channels-last maps, in the fastest exact form that its shape allows."""

    def forward(self, x: Tensor) -> Tensor:
        if not _applies(x, self.weight):
            return super().forward(x)
        x = _channels_last(x)
        if self.kernel_size == (1, 1):
            if self.stride == (1, 1) and self.padding == (0, 0):
                return self._by_rows(x)
        elif self.groups == self.out_channels > 1 and self._pads_same() and self.bias is None:
            weight = self.weight.reshape(self.in_channels, 1, *self.kernel_size)
            if self.in_channels == self.groups:
                return _depthwise(x, weight, self.stride, self.dilation)
            if self.stride == (1, 1):
                return _depthwise(x, weight, self.stride, self.dilation).unflatten(1, (self.groups, -1)).sum(2)
        return super().forward(x)

    def _pads_same(self) -> bool:
        odd = all(side % 2 for side in self.kernel_size)
        return odd and self.padding_mode == "zeros" and self.padding == _same(self.weight, self.dilation)

    def _by_rows(self, x: Tensor) -> Tensor:
        n, channels, height, width = x.shape
        rows = x.permute(0, 2, 3, 1).reshape(n * height, 1, width, channels).permute(0, 3, 1, 2)
        result = F.conv2d(rows, self.weight, self.bias, groups=self.groups)
        return result.permute(0, 2, 3, 1).reshape(n, height, width, -1).permute(0, 3, 1, 2)


class ShuffledConv2d(nn.Conv2d):
    """Shuffle, then a 3x3 convolution of a channel's views: (N, views * channels, H, W) to (N, channels, H, W)."""

    def __init__(self, views: int, channels: int) -> None:
        super().__init__(views * channels, channels, 3, padding=1, groups=channels, bias=False)
        self.views = views

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.unflatten(1, (self.views, -1)).transpose(1, 2).flatten(1, 2))


class FastShuffledConv2d(ShuffledConv2d):
    """The same without moving any channel: each view meets its own depthwise kernels, then the views are summed."""

    def forward(self, x: Tensor) -> Tensor:
        if not _applies(x, self.weight):
            return super().forward(x)
        weight = self.weight.transpose(0, 1).reshape(-1, 1, 3, 3)
        return _depthwise(_channels_last(x), weight, (1, 1), (1, 1)).unflatten(1, (self.views, -1)).sum(1)


class FastPixelShuffle(nn.PixelShuffle):
    """Pixel shuffle of a channels-last map by one copy, forward and backward."""

    def forward(self, x: Tensor) -> Tensor:
        if not (x.requires_grad and _applies(x, x)):  # without a gradient PyTorch's own is faster
            return super().forward(x)
        windows = x.permute(0, 2, 3, 1).unflatten(3, (-1, self.upscale_factor, self.upscale_factor))
        return windows.permute(0, 3, 1, 4, 2, 5).flatten(4).flatten(2, 3)


FAST_FORMS: dict[type[nn.Module], type[nn.Module]] = {
    nn.PReLU: FastPReLU,
    nn.Conv2d: FastConv2d,
    ShuffledConv2d: FastShuffledConv2d,
    nn.PixelShuffle: FastPixelShuffle,
}


def use_fast_kernels(network: Network) -> Network:
    """Give a network's layers their fast forms, in place, and return it; only speed and the last digits change.

    Example:
        >>> [type(layer).__name__ for layer in use_fast_kernels(nn.Sequential(nn.Conv2d(3, 8, 1), nn.PReLU(8)))]
        ['FastConv2d', 'FastPReLU']
    """
    for module in network.modules():
        module.__class__ = FAST_FORMS.get(type(module), type(module))
    return network


# Names and numbers of mallopt(3); its values are 32-bit integers.
MALLOC_TRIM_THRESHOLD, MALLOC_MMAP_MAX = -1, -4


@functools.cache
def keep_freed_memory() -> bool:
    """Let this process keep freed memory (GNU's C library only), and return whether that could be set."""
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # another C library
        return False
    return all([mallopt(MALLOC_MMAP_MAX, 0), mallopt(MALLOC_TRIM_THRESHOLD, 2**31 - 1)])
