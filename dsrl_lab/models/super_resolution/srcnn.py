"""SRCNN 9-5-5: enlarge first, then repair (pre-upsampling).

Source: Dong, Loy, He, Tang, "Image Super-Resolution Using Deep Convolutional Networks" (TPAMI 2016), sections 3 and
4: patch extraction 9x9-64, non-linear mapping 5x5-32, reconstruction 5x5, all at the full size.
Deviations: the bicubic enlargement is inside the network; zero padding keeps the size (the paper trains with valid
convolutions); training starts from the identity instead of N(0, 0.001), which needs far more steps.
"""

import torch
from torch import Tensor, nn

from dsrl_lab.models.super_resolution.base import BicubicUpsample, SuperResolver


class SRCNN(SuperResolver):
    """Three convolutions over a bicubic enlargement; errors as ``SuperResolver``.

    Example:
        >>> sum(p.numel() for p in SRCNN(2, channels=1).parameters())
        57281
    """

    framework = "pre-upsampling"

    def __init__(self, upscale_factor: int, *, channels: int = 3) -> None:
        super().__init__(upscale_factor, channels=channels)
        self.enlarge = BicubicUpsample(upscale_factor)
        self.extract = nn.Conv2d(channels, 64, 9, padding=4)
        self.map = nn.Conv2d(64, 32, 5, padding=2)
        self.reconstruct = nn.Conv2d(32, channels, 5, padding=2)
        self.relu = nn.ReLU()
        self._start_as_identity()

    def forward_scales(self, low_res: Tensor) -> tuple[Tensor, ...]:
        x = self.relu(self.extract(self.enlarge(low_res)))
        return (self.reconstruct(self.relu(self.map(x))),)

    @torch.no_grad()
    def _start_as_identity(self) -> None:
        """He's values, except that the first C filters copy the image: the untrained network is nearly bicubic."""
        for layer in (self.extract, self.map, self.reconstruct):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        self.reconstruct.weight *= 0.01
        for c in range(min(self.channels, self.map.out_channels)):
            self.extract.weight[c] = self.map.weight[c] = self.reconstruct.weight[:, c] = 0
            for layer in (self.extract, self.map, self.reconstruct):
                middle = layer.kernel_size[0] // 2
                layer.weight[c, c, middle, middle] = 1
