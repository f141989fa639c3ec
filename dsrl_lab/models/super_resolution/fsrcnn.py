"""FSRCNN(56, 12, 4): squeeze, map, widen, and one transposed convolution at the end (post-upsampling).

Source: Dong, Loy, Tang, "Accelerating the Super-Resolution Convolutional Neural Network" (ECCV 2016), section 3:
5x5-d, 1x1-s, m times 3x3-s, 1x1-d, deconvolution 9x9, PReLU per channel; the name gives d, s and m.
Deviation: none but that only the deconvolution starts at N(0, 0.001), the others at He's values.
"""

from torch import Tensor, nn

from dsrl_lab.models.super_resolution.base import SuperResolver


class FSRCNN(SuperResolver):
    """An hourglass: ``width`` (d) at both ends, ``waist`` (s) inside, ``depth`` (m); errors as ``SuperResolver``.

    Example:
        >>> sum(p.numel() for p in FSRCNN(3, channels=1).parameters())
        12809
    """

    framework = "post-upsampling"

    def __init__(
        self, upscale_factor: int, *, channels: int = 3, width: int = 56, waist: int = 12, depth: int = 4
    ) -> None:
        super().__init__(upscale_factor, channels=channels)
        self.body = nn.Sequential(
            *_conv_prelu(channels, width, 5),
            *_conv_prelu(width, waist, 1),
            *(layer for _ in range(depth) for layer in _conv_prelu(waist, waist, 3)),
            *_conv_prelu(waist, width, 1),
        )
        self.enlarge = nn.ConvTranspose2d(
            width, channels, 9, stride=upscale_factor, padding=4, output_padding=upscale_factor - 1
        )
        nn.init.normal_(self.enlarge.weight, std=0.001)
        nn.init.zeros_(self.enlarge.bias)  # type: ignore[arg-type]

    def forward_scales(self, low_res: Tensor) -> tuple[Tensor, ...]:
        return (self.enlarge(self.body(low_res)),)


def _conv_prelu(in_channels: int, out_channels: int, kernel_size: int) -> tuple[nn.Conv2d, nn.PReLU]:
    conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
    nn.init.kaiming_normal_(conv.weight, a=0.25, nonlinearity="leaky_relu")
    nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
    return conv, nn.PReLU(out_channels)
