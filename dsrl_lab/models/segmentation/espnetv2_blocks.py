"""The four blocks of ESPNetv2: EESP, down-sampler, pyramid pooling, gated skip.

Source: Mehta, Rastegari, Shapiro, Hajishirzi, "ESPNetv2: A Light-weight, Power Efficient, and General Purpose
Convolutional Neural Network", CVPR 2019; details from the authors' EdgeNets release (MIT).
Deviation: the decoder's maps take the size of the skip they join, so any input size works; for sides that are
multiples of 16 nothing changes.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dsrl_lab.kernels import ShuffledConv2d
from dsrl_lab.layers import ConvNormAct, resize

BRANCHES = 4
PYRAMID_SCALES = (2.0, 1.5, 1.0, 0.5, 0.1)
SMALLEST_PYRAMID_SIDE = 5


class NormAct(nn.Sequential):
    """BatchNorm, then PReLU with one slope per channel.

    Example:
        >>> NormAct(8)(torch.zeros(1, 8, 4, 4)).shape
        torch.Size([1, 8, 4, 4])
    """

    def __init__(self, channels: int) -> None:
        super().__init__(nn.BatchNorm2d(channels), nn.PReLU(channels))


def branch_dilations(receptive_limit: int) -> tuple[int, ...]:
    """Dilations of the four parallel branches, ascending.

    Branch i wants a kernel of side 3 + 2i; one that exceeds ``receptive_limit`` falls back to side 3.

    Example:
        >>> branch_dilations(9), branch_dilations(7)
        ((1, 2, 3, 4), (1, 1, 2, 3))
    """
    wanted = [3 + 2 * branch for branch in range(BRANCHES)]
    kernel_sizes = sorted(side if side <= receptive_limit else 3 for side in wanted)
    return tuple((side - 1) // 2 for side in kernel_sizes)


class EESPCore(nn.Module):
    """Reduce, split, transform, merge: the part that EESP and the down-sampler share.

    A grouped 1x1 reduces to a quarter of the output channels; four depthwise 3x3 convolutions with growing
    dilation look at that map; branch i adds the result of branch i - 1, against gridding; a grouped 1x1 mixes
    what was joined.

    Args:
        in_channels: a multiple of 4.
        out_channels: a multiple of 16.
        stride: of the depthwise convolutions.
        receptive_limit: largest kernel side that a dilated branch may cover.

    Shape:
        - x: (N, in_channels, H, W)
        - output: (N, out_channels, ceil(H / stride), ceil(W / stride))

    Example:
        >>> EESPCore(32, 96, stride=2, receptive_limit=13)(torch.zeros(1, 32, 9, 16)).shape
        torch.Size([1, 96, 5, 8])
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int, receptive_limit: int) -> None:
        super().__init__()
        reduced = out_channels // BRANCHES
        self.project = ConvNormAct(in_channels, reduced, 1, groups=BRANCHES, activation=nn.PReLU)
        self.branches = nn.ModuleList(
            nn.Conv2d(reduced, reduced, 3, stride=stride, padding=rate, dilation=rate, groups=reduced, bias=False)
            for rate in branch_dilations(receptive_limit)
        )
        self.merge = NormAct(out_channels)
        self.expand = ConvNormAct(out_channels, out_channels, 1, groups=BRANCHES, activation=None)

    def forward(self, x: Tensor) -> Tensor:
        """Transform the map; see the class for shapes."""
        reduced = self.project(x)
        sums: list[Tensor] = []
        for branch in self.branches:
            result = branch(reduced)
            sums.append(result + sums[-1] if sums else result)
        return self.expand(self.merge(torch.cat(sums, dim=1)))


class EESP(EESPCore):
    """Extremely efficient spatial pyramid of depthwise dilated convolutions, with a residual.

    Shape:
        - x: (N, channels, H, W), channels a multiple of 16
        - output: as the input

    Example:
        >>> EESP(64, receptive_limit=7)(torch.zeros(1, 64, 4, 6)).shape
        torch.Size([1, 64, 4, 6])
    """

    def __init__(self, channels: int, *, receptive_limit: int) -> None:
        super().__init__(channels, channels, stride=1, receptive_limit=receptive_limit)
        self.activation = nn.PReLU(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Transform the map and add it to the input."""
        return self.activation(super().forward(x) + x)


def shrink(x: Tensor) -> Tensor:
    """Halve the sides by averages over 3x3 positions, zeros around the map counted.

    Shape:
        - x: (N, C, H, W)
        - output: (N, C, ceil(H / 2), ceil(W / 2))

    Example:
        >>> shrink(torch.ones(1, 1, 4, 4))[0, 0]
        tensor([[0.4444, 0.6667],
                [0.6667, 1.0000]])
    """
    return F.avg_pool2d(x, 3, stride=2, padding=1)


class DownSampler(nn.Module):
    """Halve the sides: average pool beside a strided EESP, plus the shrunken input picture.

    ``unused_slope`` is a leftover of the release: a PReLU that its down-samplers own but never apply (weight
    decay shrank the released values to 4e-13). It is kept, frozen, so that released checkpoints load one to one
    and parameter counts agree.

    Shape:
        - x: (N, in_channels, H, W)
        - image: (N, 3, ceil(H / 2), ceil(W / 2)), the network's input, shrunk as often as the output
        - output: (N, out_channels, ceil(H / 2), ceil(W / 2))

    Example:
        >>> down = DownSampler(32, 64, receptive_limit=13)
        >>> down(torch.zeros(1, 32, 8, 9), torch.zeros(1, 3, 4, 5)).shape
        torch.Size([1, 64, 4, 5])
    """

    def __init__(self, in_channels: int, out_channels: int, *, receptive_limit: int) -> None:
        super().__init__()
        learned = out_channels - in_channels
        self.core = EESPCore(in_channels, learned, stride=2, receptive_limit=receptive_limit)
        self.unused_slope = nn.Parameter(torch.full((learned,), 0.25), requires_grad=False)
        self.reinforce = nn.Sequential(
            ConvNormAct(3, 3, 3, activation=nn.PReLU), ConvNormAct(3, out_channels, 1, activation=None)
        )
        self.activation = nn.PReLU(out_channels)

    def forward(self, x: Tensor, image: Tensor) -> Tensor:
        """Halve the map and remind it of the picture."""
        joined = torch.cat([shrink(x), self.core(x)], dim=1)
        return self.activation(joined + self.reinforce(image))


def scaled(size: tuple[int, int], scale: float) -> tuple[int, int]:
    """Size of a pyramid's view: rounded up, and at least 5 per side.

    Example:
        >>> scaled((32, 64), 0.1)
        (5, 7)
    """
    height, width = (max(SMALLEST_PYRAMID_SIDE, math.ceil(side * scale)) for side in size)
    return height, width


class PyramidPool(nn.Module):
    """Efficient pyramid pooling: look at a narrow projection of the map at five scales and mix.

    Args:
        in_channels: channels that come in.
        channels: p, the width of the projection and of the result.

    Shape:
        - x: (N, in_channels, H, W)
        - output: (N, channels, H, W)

    Example:
        >>> PyramidPool(64, 10)(torch.zeros(1, 64, 6, 7)).shape
        torch.Size([1, 10, 6, 7])
    """

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.project = ConvNormAct(in_channels, channels, 1, activation=nn.PReLU)
        self.stages = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False) for _ in PYRAMID_SCALES
        )
        self.normalise = NormAct(len(PYRAMID_SCALES) * channels)
        self.fuse = nn.Sequential(
            ShuffledConv2d(len(PYRAMID_SCALES), channels), nn.BatchNorm2d(channels), nn.PReLU(channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Pool, look, and mix; see the class for shapes."""
        x = self.project(x)
        size = (x.shape[-2], x.shape[-1])
        views = []
        for scale, stage in zip(PYRAMID_SCALES, self.stages, strict=True):
            scaled_size = scaled(size, scale)
            if scale > 1:
                view = stage(F.interpolate(x, scaled_size, mode="bilinear", align_corners=True))
                view = F.adaptive_avg_pool2d(view, size)
            elif scale < 1:
                view = stage(F.adaptive_avg_pool2d(x, scaled_size))
                view = F.interpolate(view, size, mode="bilinear", align_corners=True)
            else:
                view = stage(x)
            views.append(view)
        # The shuffle in ``fuse`` makes the five views of one projected channel one group.
        return self.fuse(self.normalise(torch.cat(views, dim=1)))


class GatedSkip(nn.Module):
    """Project an encoder map for the decoder, each channel weighted by what the whole picture holds.

    Shape:
        - x: (N, in_channels, H, W)
        - output: (N, out_channels, H, W)

    Example:
        >>> GatedSkip(128, 48)(torch.zeros(1, 128, 6, 7)).shape
        torch.Size([1, 48, 6, 7])
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.gate = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.project = ConvNormAct(
            in_channels, out_channels, 3, groups=math.gcd(in_channels, out_channels), activation=nn.PReLU
        )

    def forward(self, x: Tensor) -> Tensor:
        """Project and weight; see the class for shapes."""
        weight = torch.sigmoid(self.gate(F.adaptive_avg_pool2d(x, 1)))
        return self.project(x) * weight


class DecoderStep(nn.Module):
    """Magnify the decoder's map to the encoder's next one, add the gated skip, normalise.

    Shape:
        - x: (N, channels, h, w), the decoder's map
        - skip: (N, skip_channels, H, W), the encoder's map
        - output: (N, channels, H, W)

    Example:
        >>> DecoderStep(64, 256)(torch.zeros(1, 64, 3, 4), torch.zeros(1, 256, 6, 7)).shape
        torch.Size([1, 64, 6, 7])
    """

    def __init__(self, channels: int, skip_channels: int) -> None:
        super().__init__()
        self.skip = GatedSkip(skip_channels, channels)
        self.normalise = NormAct(channels)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Join the two maps; see the class for shapes."""
        size = (skip.shape[-2], skip.shape[-1])
        return self.normalise(self.skip(skip) + resize(x, size, align_corners=True))
