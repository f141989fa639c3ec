"""LapSRN: double the image level by level, each level adding the detail that is missing (progressive).

Source: Lai, Huang, Ahuja, Yang, "Deep Laplacian Pyramid Networks for Fast and Accurate Super-Resolution" (CVPR 2017),
section 3 and Figure 1. Per level, ten 3x3-64 with LeakyReLU 0.2 and a transposed 4x4 on the feature path, another on
the image path, and a 3x3 that predicts the residual between them; every level is supervised, nothing has a bias.
Deviations: the transposed convolutions start as bilinear, the residuals near zero; each colour is enlarged by itself.
"""

import torch
from torch import Tensor, nn

from dsrl_lab.models.super_resolution.base import SuperResolver

WIDTH = 64


@torch.no_grad()
def bilinear_(weight: Tensor) -> Tensor:
    """Fill the weight (C, C, 4, 4) or (C, 1, 4, 4) of a transposed convolution of stride 2: bilinear enlargement.

    Another shape is a ValueError.

    Example:
        >>> double = nn.ConvTranspose2d(1, 1, 4, stride=2, padding=1, bias=False)
        >>> _ = bilinear_(double.weight)
        >>> double(torch.ones(1, 1, 4, 4))[0, 0, 3].tolist()
        [0.75, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.75]
    """
    in_channels, group_channels, *kernel_size = weight.shape
    if kernel_size != [4, 4] or group_channels not in (1, in_channels):
        raise ValueError(
            f"expected a weight of shape (C, C, 4, 4) or (C, 1, 4, 4), got {tuple(weight.shape)}; "
            "bilinear doubling is a 4x4 transposed convolution of stride 2 on each channel"
        )
    ramp = torch.tensor([0.25, 0.75, 0.75, 0.25], dtype=weight.dtype, device=weight.device)
    own_channel = torch.eye(in_channels, group_channels) if group_channels > 1 else torch.ones(in_channels, 1)
    return weight.copy_(own_channel.to(weight)[:, :, None, None] * torch.outer(ramp, ramp))


class LapSRN(SuperResolver):
    """A Laplacian pyramid of log2(s) levels, each of ``depth`` 3x3 layers; errors as ``SuperResolver``.

    Example:
        >>> [tuple(scale.shape[-2:]) for scale in LapSRN(4, channels=1)(torch.zeros(1, 1, 8, 9)).scales]
        [(16, 18), (32, 36)]
    """

    framework = "progressive"
    upscale_factors = (2, 4, 8)

    def __init__(self, upscale_factor: int, *, channels: int = 3, depth: int = 10) -> None:
        super().__init__(upscale_factor, channels=channels)
        self.stem = nn.Sequential(_conv(channels, WIDTH), nn.LeakyReLU(0.2))
        levels = upscale_factor.bit_length() - 1
        self.feature_levels = nn.ModuleList(_feature_level(depth) for _ in range(levels))
        residuals = [_conv(WIDTH, channels) for _ in range(levels)]
        self.residuals = nn.ModuleList(residuals)
        self.image_levels = nn.ModuleList(_double(channels, groups=channels) for _ in range(levels))
        for residual in residuals:
            nn.init.normal_(residual.weight, std=1e-3)

    def forward_scales(self, low_res: Tensor) -> tuple[Tensor, ...]:
        """(N, C, h, w) -> images of 2, 4, ... s times the size."""
        features, image = self.stem(low_res), low_res
        scales = []
        levels = zip(self.feature_levels, self.residuals, self.image_levels, strict=True)
        for feature_level, residual, image_level in levels:
            features = feature_level(features)  # (N, 64, 2h, 2w), then 4h, ...
            image = image_level(image) + residual(features)
            scales.append(image)
        return tuple(scales)


def _conv(in_channels: int, out_channels: int) -> nn.Conv2d:
    conv = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(conv.weight, a=0.2, nonlinearity="leaky_relu")
    return conv


def _double(channels: int, *, groups: int = 1) -> nn.ConvTranspose2d:
    double = nn.ConvTranspose2d(channels, channels, 4, stride=2, padding=1, groups=groups, bias=False)
    bilinear_(double.weight)
    return double


def _feature_level(depth: int) -> nn.Sequential:
    layers = [layer for _ in range(depth) for layer in (_conv(WIDTH, WIDTH), nn.LeakyReLU(0.2))]
    return nn.Sequential(*layers, _double(WIDTH), nn.LeakyReLU(0.2))
