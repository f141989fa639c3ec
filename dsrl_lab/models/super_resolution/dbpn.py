"""DBPN: go up and down again and again, feeding back what each round trip lost (iterative up-and-down sampling).

Source: Haris, Shakhnarovich, Ukita, "Deep Back-Projection Networks for Super-Resolution" (CVPR 2018), sections 3 and
4: up- and down-projection units with dense connections (D-DBPN), T up and T - 1 down; the last layer reads all T maps.
``width`` is the paper's n_R = 64, ``stem_width`` its n_0 = 256, and T = 7.
Deviations: initial weights keep the variance from unit to unit; ``global_skip`` adds the bicubic enlargement.
"""

import torch
from torch import Tensor, nn

from dsrl_lab.models.super_resolution.base import BicubicUpsample, SuperResolver

# Kernel size, stride and padding for each upscale factor.
SAMPLING = {2: (6, 2, 2), 4: (8, 4, 2), 8: (12, 8, 2)}


def _up(width: int, upscale_factor: int) -> nn.Sequential:
    return nn.Sequential(nn.ConvTranspose2d(width, width, *SAMPLING[upscale_factor]), nn.PReLU())


def _down(width: int, upscale_factor: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(width, width, *SAMPLING[upscale_factor]), nn.PReLU())


def _reduction(in_channels: int, width: int) -> nn.Module:
    return nn.Identity() if in_channels == width else nn.Sequential(nn.Conv2d(in_channels, width, 1), nn.PReLU())


class UpProjection(nn.Module):
    """Enlarge, reduce again, and add the enlarged error of the round trip; excess input channels are first reduced.

    Example:
        >>> UpProjection(16, 8, 2)(torch.zeros(1, 16, 5, 6)).shape
        torch.Size([1, 8, 10, 12])
    """

    def __init__(self, in_channels: int, width: int, upscale_factor: int) -> None:
        super().__init__()
        self.reduce = _reduction(in_channels, width)
        self.first_up = _up(width, upscale_factor)
        self.down = _down(width, upscale_factor)
        self.second_up = _up(width, upscale_factor)

    def forward(self, low: Tensor) -> Tensor:
        low = self.reduce(low)
        high = self.first_up(low)
        return high + self.second_up(self.down(high) - low)


class DownProjection(nn.Module):
    """The mirror of ``UpProjection``: reduce, enlarge again, and add the reduced error of the round trip."""

    def __init__(self, in_channels: int, width: int, upscale_factor: int) -> None:
        super().__init__()
        self.reduce = _reduction(in_channels, width)
        self.first_down = _down(width, upscale_factor)
        self.up = _up(width, upscale_factor)
        self.second_down = _down(width, upscale_factor)

    def forward(self, high: Tensor) -> Tensor:
        high = self.reduce(high)
        low = self.first_down(high)
        return low + self.second_down(self.up(low) - high)


class DBPN(SuperResolver):
    """Dense back-projection: ``stages`` up-projections (T) of ``width``; ``stem_width`` is 4 * ``width`` by default.

    ValueError for a factor the paper gives no kernel for, or a count below 1.

    Example:
        >>> DBPN(2, stages=2, width=16)(torch.zeros(1, 3, 8, 9)).image.shape
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
            raise ValueError(f"expected stages, width and stem_width from 1, got {stages}, {width} and {stem_width}")
        extract, reduce = nn.Conv2d(channels, stem_width, 3, padding=1), nn.Conv2d(stem_width, width, 1)
        self.stem = nn.Sequential(extract, nn.PReLU(), reduce, nn.PReLU())
        # The second unit of each kind sees one map; from then on each sees all maps of the other size so far.
        self.ups = nn.ModuleList(UpProjection(max(1, stage) * width, width, upscale_factor) for stage in range(stages))
        self.downs = nn.ModuleList(DownProjection((n + 1) * width, width, upscale_factor) for n in range(stages - 1))
        self.reconstruct = nn.Conv2d(stages * width, channels, 3, padding=1)
        self.enlarge = BicubicUpsample(upscale_factor) if global_skip else None
        self._initialise()

    def forward_scales(self, low_res: Tensor) -> tuple[Tensor, ...]:
        highs = [self.ups[0](self.stem(low_res))]
        lows: list[Tensor] = []
        for down, up in zip(self.downs, self.ups[1:], strict=True):
            lows.append(down(torch.cat(highs, dim=1)))
            highs.append(up(torch.cat(lows, dim=1)))
        image = self.reconstruct(torch.cat(highs, dim=1))
        return (image if self.enlarge is None else image + self.enlarge(low_res),)

    def _initialise(self) -> None:
        """He's values, weaker in units: gain g per layer gives g + g(g^2 + 1) times the variance, 1 for g = 0.45."""
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
