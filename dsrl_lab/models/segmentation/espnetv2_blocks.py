"""The four blocks of ESPNetv2: EESP, down-sampler, pyramid pooling, gated skip.

Source: Mehta, Rastegari, Shapiro, Hajishirzi, "ESPNetv2", CVPR 2019; details from the authors' EdgeNets release (MIT).
Deviation: the decoder's maps take the size of the skip they join, so any input size works.
"""

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dsrl_lab.kernels import ShuffledConv2d
from dsrl_lab.layers import ConvNormAct, resize

BRANCHES = 4
PYRAMID_SCALES = (2.0, 1.5, 1.0, 0.5, 0.1)


class NormAct(nn.Sequential):
    """BatchNorm, then PReLU with one slope per channel."""

    def __init__(self, channels: int) -> None:
        super().__init__(nn.BatchNorm2d(channels), nn.PReLU(channels))


def branch_dilations(receptive_limit: int) -> tuple[int, ...]:
    """Dilations of the four branches, ascending: kernels have sides 3 + 2i, or 3 beyond ``receptive_limit``.

    Example:
        >>> branch_dilations(9), branch_dilations(7)
        ((1, 2, 3, 4), (1, 1, 2, 3))
    """
    wanted = [3 + 2 * branch for branch in range(BRANCHES)]
    kernel_sizes = sorted(side if side <= receptive_limit else 3 for side in wanted)
    return tuple((side - 1) // 2 for side in kernel_sizes)


class EESPCore(nn.Module):
    """Reduce, split, transform, merge: (N, in_channels, H, W) to (N, out_channels, H / stride, W / stride), rounded up.

    A grouped 1x1 reduces to a quarter of the output channels; four depthwise 3x3 convolutions with growing dilation
    read that map; branch i adds the result of branch i - 1, against gridding; a grouped 1x1 mixes their concatenation.
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
        reduced = self.project(x)
        sums = list(itertools.accumulate(branch(reduced) for branch in self.branches))
        return self.expand(self.merge(torch.cat(sums, dim=1)))


class EESP(EESPCore):
    """Extremely efficient spatial pyramid of depthwise dilated convolutions, with a residual."""

    def __init__(self, channels: int, *, receptive_limit: int) -> None:
        super().__init__(channels, channels, stride=1, receptive_limit=receptive_limit)
        self.activation = nn.PReLU(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(super().forward(x) + x)


def shrink(x: Tensor) -> Tensor:
    """Halve the sides, rounded up, by averages over 3x3 positions; zeros around the map are counted."""
    return F.avg_pool2d(x, 3, stride=2, padding=1)


class DownSampler(nn.Module):
    """Halve the sides, rounded up: average pool and a strided EESP, plus the network's input, shrunk likewise.

    ``unused_slope`` is a PReLU that the release owns but never applies; frozen, so that checkpoints load one to one.
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
        joined = torch.cat([shrink(x), self.core(x)], dim=1)
        return self.activation(joined + self.reinforce(image))


def scaled(size: tuple[int, ...], scale: float) -> tuple[int, int]:
    """Size of a pyramid's view: rounded up, and at least 5 per side.

    Example:
        >>> scaled((32, 64), 0.1)
        (5, 7)
    """
    height, width = (max(5, math.ceil(side * scale)) for side in size)
    return height, width


class PyramidPool(nn.Module):
    """Efficient pyramid pooling: filter a narrow projection of the map at five scales and mix: (N, p, H, W)."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.project = ConvNormAct(in_channels, channels, 1, activation=nn.PReLU)
        self.stages = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False) for _ in PYRAMID_SCALES
        )
        self.normalise = NormAct(len(PYRAMID_SCALES) * channels)
        mix = ShuffledConv2d(len(PYRAMID_SCALES), channels)
        self.fuse = nn.Sequential(mix, *NormAct(channels))

    def forward(self, x: Tensor) -> Tensor:
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
    """Project an encoder map for the decoder, each channel weighted by the whole image."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.gate = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        groups = math.gcd(in_channels, out_channels)
        self.project = ConvNormAct(in_channels, out_channels, 3, groups=groups, activation=nn.PReLU)

    def forward(self, x: Tensor) -> Tensor:
        weight = torch.sigmoid(self.gate(F.adaptive_avg_pool2d(x, 1)))
        return self.project(x) * weight


class DecoderStep(nn.Module):
    """Magnify the decoder's map to the size of the encoder's next one, add the gated skip, normalise."""

    def __init__(self, channels: int, skip_channels: int) -> None:
        super().__init__()
        self.skip = GatedSkip(skip_channels, channels)
        self.normalise = NormAct(channels)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        return self.normalise(self.skip(skip) + resize(x, skip.shape[-2:], align_corners=True))
