"""DBPN: go up and down again and again, feeding back what each trip lost (iterative up-and-down sampling).

Source: Haris, Shakhnarovich, Ukita, "Deep Back-Projection Networks for Super-Resolution" (CVPR 2018), sections 3 and
4: up- and down-projection units with dense connections (D-DBPN), T up and T - 1 down units; the last layer sees all T
high-resolution maps. ``width`` is the paper's n_R = 64, ``stem_width`` its n_0 = 256, and T = 7. Kernel, stride and
padding per factor are the paper's: x2 6/2/2, x4 8/4/2, x8 12/8/2.

Deviations: initial weights keep the variance from unit to unit; an optional ``global_skip`` adds the bicubic
enlargement to the output, which the paper does not have. The committed small network uses it, to train in minutes.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from dsrl_lab.models.super_resolution.base import BicubicUpsample, SuperResolver


class _Sampling(NamedTuple):
    kernel_size: int
    stride: int
    padding: int


SAMPLING = {2: _Sampling(6, 2, 2), 4: _Sampling(8, 4, 2), 8: _Sampling(12, 8, 2)}


class _Up(nn.Sequential):
    """Transposed convolution and PReLU: (N, width, h, w) -> (N, width, s * h, s * w)."""

    def __init__(self, width: int, sampling: _Sampling) -> None:
        super().__init__(nn.ConvTranspose2d(width, width, *sampling), nn.PReLU())


class _Down(nn.Sequential):
    """Strided convolution and PReLU: (N, width, s * h, s * w) -> (N, width, h, w)."""

    def __init__(self, width: int, sampling: _Sampling) -> None:
        super().__init__(nn.Conv2d(width, width, *sampling), nn.PReLU())


class UpProjection(nn.Module):
    """Enlarge, reduce again, and add the enlarged error of the round trip.

    Args:
        in_channels: channels that come in; reduced to ``width`` by 1x1 and PReLU unless they are ``width``
            already.
        width: channels of the unit.
        upscale_factor: 2, 4 or 8.

    Example:
        >>> UpProjection(16, 8, 2)(torch.zeros(1, 16, 5, 6)).shape
        torch.Size([1, 8, 10, 12])
    """

    def __init__(self, in_channels: int, width: int, upscale_factor: int) -> None:
        super().__init__()
        sampling = SAMPLING[upscale_factor]
        self.reduce = _reduction(in_channels, width)
        self.first_up = _Up(width, sampling)
        self.down = _Down(width, sampling)
        self.second_up = _Up(width, sampling)

    def forward(self, low: Tensor) -> Tensor:
        """(N, in_channels, h, w) -> (N, width, s * h, s * w)."""
        low = self.reduce(low)
        high = self.first_up(low)
        return high + self.second_up(self.down(high) - low)


class DownProjection(nn.Module):
    """The mirror of ``UpProjection``: reduce, enlarge again, and add the reduced error of the round trip.

    Example:
        >>> DownProjection(16, 8, 2)(torch.zeros(1, 16, 10, 12)).shape
        torch.Size([1, 8, 5, 6])
    """

    def __init__(self, in_channels: int, width: int, upscale_factor: int) -> None:
        super().__init__()
        sampling = SAMPLING[upscale_factor]
        self.reduce = _reduction(in_channels, width)
        self.first_down = _Down(width, sampling)
        self.up = _Up(width, sampling)
        self.second_down = _Down(width, sampling)

    def forward(self, high: Tensor) -> Tensor:
        """(N, in_channels, s * h, s * w) -> (N, width, h, w)."""
        high = self.reduce(high)
        low = self.first_down(high)
        return low + self.second_down(self.up(low) - high)


class DBPN(SuperResolver):
    """Dense deep back-projection.

    Args:
        upscale_factor: 2, 4 or 8.
        channels: C, 1 for luminance or 3 for RGB.
        stages: T, the number of up-projections, at least 1.
        width: channels of the projection units.
        stem_width: channels of the first convolution; 4 * ``width`` if not given, as in the paper.
        global_skip: add the bicubic enlargement to the output.

    Raises:
        ValueError: a factor the paper gives no kernel for, or a count below 1.

    Example:
        >>> net = DBPN(2, stages=2, width=16)
        >>> net(torch.zeros(1, 3, 8, 9)).image.shape
        torch.Size([1, 3, 16, 18])
    """

    framework = "iterative up-and-down"
    upscale_factors = tuple(SAMPLING)

    def __init__(
        self,
        upscale_factor: int,
        *,
        channels: int = 3,
        stages: int = 7,
        width: int = 64,
        stem_width: int | None = None,
        global_skip: bool = False,
    ) -> None:
        super().__init__(upscale_factor, channels=channels)
        stem_width = 4 * width if stem_width is None else stem_width
        if min(stages, width, stem_width) < 1:
            raise ValueError(
                f"expected stages, width and stem_width of at least 1, got {stages}, {width} and {stem_width}; "
                "the paper's network has 7, 64 and 256"
            )
        self.stem = nn.Sequential(
            nn.Conv2d(channels, stem_width, 3, padding=1),
            nn.PReLU(),
            nn.Conv2d(stem_width, width, 1),
            nn.PReLU(),
        )
        # The second unit of each kind sees one map; from then on each sees all maps of the other size so far.
        self.ups = nn.ModuleList(UpProjection(max(1, stage) * width, width, upscale_factor) for stage in range(stages))
        self.downs = nn.ModuleList(
            DownProjection((stage + 1) * width, width, upscale_factor) for stage in range(stages - 1)
        )
        self.reconstruct = nn.Conv2d(stages * width, channels, 3, padding=1)
        self.enlarge = BicubicUpsample(upscale_factor) if global_skip else None
        self._initialise()

    def forward_scales(self, low_res: Tensor) -> tuple[Tensor, ...]:
        """(N, C, h, w) -> one picture (N, C, s * h, s * w)."""
        highs = [self.ups[0](self.stem(low_res))]
        lows: list[Tensor] = []
        for down, up in zip(self.downs, self.ups[1:], strict=True):
            lows.append(down(torch.cat(highs, dim=1)))
            highs.append(up(torch.cat(lows, dim=1)))
        image = self.reconstruct(torch.cat(highs, dim=1))
        return (image if self.enlarge is None else image + self.enlarge(low_res),)

    def _initialise(self) -> None:
        """He's values, weaker inside the units so that each keeps the variance of what comes in.

        With a variance gain g per layer, a unit gives g + g(g^2 + 1) times the variance: 1 for g = 0.45.
        """
        in_units = {id(layer) for units in (self.ups, self.downs) for layer in units.modules()}
        for layer in self.modules():
            if not isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                continue
            taps = float(layer.kernel_size[0] * layer.kernel_size[1])
            if isinstance(layer, nn.ConvTranspose2d):
                taps /= layer.stride[0] * layer.stride[1]  # that many reach one output pixel
            gain = 0.45 if id(layer) in in_units and layer.kernel_size != (1, 1) else 1.0
            nn.init.normal_(layer.weight, std=(2 * gain / (1.0625 * layer.in_channels * taps)) ** 0.5)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        nn.init.normal_(self.reconstruct.weight, std=1e-3)


def _reduction(in_channels: int, width: int) -> nn.Module:
    if in_channels == width:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(in_channels, width, 1), nn.PReLU())
