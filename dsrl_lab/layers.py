"""Blocks that three or more networks share, and the one resize that all of them call.

Source: standard convolution-normalisation-activation grammar of the field; nothing here is specific to DSRL.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def resize(x: Tensor, size: tuple[int, int], *, align_corners: bool = False) -> Tensor:
    """Resize feature maps or logits bilinearly; a no-op when the size already fits.

    Shape:
        - x: (N, C, h, w), any float dtype
        - output: (N, C, H, W) with (H, W) = ``size``

    Example:
        >>> resize(torch.zeros(1, 3, 4, 5), (8, 10)).shape
        torch.Size([1, 3, 8, 10])
    """
    if x.shape[-2:] == tuple(size):
        return x
    return F.interpolate(x, size=tuple(size), mode="bilinear", align_corners=align_corners)


class Normalise(nn.Module):
    """Subtract ImageNet's mean colour and divide by its deviation; the numbers are in no checkpoint.

    Shape:
        - image: (N, 3, H, W) in [0, 1]
        - output: the same, about zero mean and unit deviation

    Example:
        >>> float(Normalise()(torch.full((1, 3, 1, 1), 0.485))[0, 0])
        0.0
    """

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(-1, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """Normalise."""
        return (image - self.mean) / self.std


class ConvNormAct(nn.Sequential):
    """Convolution without bias, BatchNorm, activation; "same" padding for odd kernels at stride 1.

    Args:
        in_channels: channels that come in.
        out_channels: channels that go out.
        kernel_size: odd side of the kernel, or an (H, W) pair.
        stride: step of the convolution.
        dilation: spacing of the kernel's taps.
        groups: channel groups.
        activation: a factory for the activation; called with ``out_channels`` if it is ``nn.PReLU``; None for none.

    Shape:
        - input: (N, in_channels, H, W)
        - output: (N, out_channels, ceil(H / stride), ceil(W / stride))

    Example:
        >>> import torch
        >>> ConvNormAct(3, 8, 3, stride=2)(torch.zeros(1, 3, 9, 9)).shape
        torch.Size([1, 8, 5, 5])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int] = 3,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        activation: type[nn.Module] | None = nn.ReLU,
    ) -> None:
        kernel_h, kernel_w = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
        padding = (dilation * (kernel_h - 1) // 2, dilation * (kernel_w - 1) // 2)
        blocks: list[nn.Module] = [
            nn.Conv2d(
                in_channels,
                out_channels,
                (kernel_h, kernel_w),
                stride=stride,
                padding=padding,
                dilation=dilation,
                groups=groups,
                bias=False,
            ),
            nn.BatchNorm2d(out_channels),
        ]
        if activation is nn.PReLU:
            blocks.append(nn.PReLU(out_channels))
        elif activation is not None:
            blocks.append(activation())
        super().__init__(*blocks)
