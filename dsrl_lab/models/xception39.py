"""Xception39: the light encoder of BiSeNet, an Xception of 39 layers with 64 to 256 channels.

Source: Yu et al., "BiSeNet" (ECCV 2018), section 4.1, and the first author's release (TorchSeg): a 3x3 stem of
8 channels, max-pooling, then stages of 4, 8 and 4 blocks whose inner widths 16, 32 and 64 are expanded fourfold.

Deviations: none in layers or sizes. ImageNet weights exist only in the authors' release, not in torchvision.
"""

from __future__ import annotations

from torch import Tensor, nn

from dsrl_lab.layers import ConvNormAct
from dsrl_lab.models.encoders import Encoder


def _separable(
    in_channels: int, out_channels: int, *, stride: int = 1, activation: type[nn.Module] | None = nn.ReLU
) -> nn.Sequential:
    """Depthwise 3x3, then 1x1 with BatchNorm and activation; nothing stands between the two."""
    depthwise = nn.Conv2d(in_channels, in_channels, 3, stride, padding=1, groups=in_channels, bias=False)
    return nn.Sequential(depthwise, ConvNormAct(in_channels, out_channels, 1, activation=activation))


class XceptionBlock(nn.Module):
    """Three separable convolutions beside a shortcut, which is projected where size or channels change.

    Shape:
        - input: (N, in_channels, H, W)
        - output: (N, 4 * width, ceil(H / stride), ceil(W / stride))

    Example:
        >>> import torch
        >>> XceptionBlock(8, 16, stride=2)(torch.zeros(2, 8, 9, 9)).shape
        torch.Size([2, 64, 5, 5])
    """

    def __init__(self, in_channels: int, width: int, *, stride: int = 1) -> None:
        super().__init__()
        out_channels = 4 * width
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or in_channels != out_channels:
            self.shortcut = _separable(in_channels, out_channels, stride=stride, activation=None)
        self.residual = nn.Sequential(
            _separable(in_channels, width, stride=stride),
            _separable(width, width),
            _separable(width, out_channels, activation=None),
        )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Add the residual to the shortcut; see the class for the shapes."""
        return self.relu(self.shortcut(x) + self.residual(x))


class Xception39Encoder(Encoder):
    """Xception39 without its classifier: the outputs of the three stages.

    Shape:
        - input: (N, 3, H, W)
        - output: maps with 64, 128 and 256 channels at strides 8, 16 and 32; sides rounded up

    Example:
        >>> import torch
        >>> encoder = Xception39Encoder()
        >>> encoder.channels, encoder.strides
        ((64, 128, 256), (8, 16, 32))
        >>> [tuple(x.shape[-2:]) for x in encoder(torch.zeros(2, 3, 64, 97))]
        [(8, 13), (4, 7), (2, 4)]
    """

    def __init__(self) -> None:
        super().__init__()
        self.channels = (64, 128, 256)
        self.strides = (8, 16, 32)
        self.stem = nn.Sequential(ConvNormAct(3, 8, 3, stride=2), nn.MaxPool2d(3, stride=2, padding=1))
        in_channels = 8
        stages = []
        for width, repeats in ((16, 4), (32, 8), (64, 4)):
            blocks = [XceptionBlock(in_channels, width, stride=2)]
            blocks += [XceptionBlock(4 * width, width) for _ in range(repeats - 1)]
            stages.append(nn.Sequential(*blocks))
            in_channels = 4 * width
        self.stages = nn.ModuleList(stages)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Encode an image; see the class for the shapes."""
        maps = []
        x = self.stem(image)  # stride 4
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return tuple(maps)
