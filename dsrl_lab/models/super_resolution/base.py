"""The contract of every super-resolver: a low-resolution image in, every scale up to the full one out.

Source: the frameworks (pre-upsampling, post-upsampling, progressive, iterative up-and-down) are those of the survey by
Wang, Chen and Hoi (2020), section 3.1. Bicubic interpolation is Keys' kernel with a = -1/2 (Keys 1981), as in MATLAB.
Letters: N batch, C channels of the image, h w low-resolution sides, s upscale factor.
"""

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class SuperResolution(NamedTuple):
    """What a super-resolver gives back, in training and in evaluation alike."""

    image: Tensor  # (N, C, s * h, s * w), the super-resolved image, about [0, 1] and not clipped
    scales: tuple[Tensor, ...]  # each supervised image, small to large; the last is ``image``, often the only one


class BicubicUpsample(nn.Module):
    """Bicubic magnification as one sub-pixel convolution without parameters: (N, C, h, w) to (N, C, s * h, s * w).

    The s x s phases of the filter's response to one bright pixel make a 5x5 convolution to s^2 channels.

    Example:
        >>> BicubicUpsample(3)(torch.ones(1, 2, 4, 5)).shape
        torch.Size([1, 2, 12, 15])
    """

    kernel: Tensor

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        s = self.upscale_factor = upscale_factor
        impulse = torch.zeros(1, 1, 9, 9, dtype=torch.float64)
        impulse[..., 4, 4] = 1
        response = F.interpolate(impulse, scale_factor=s, mode="bicubic", antialias=True)  # antialias: a = -1/2
        phases = response[0, 0, 2 * s : 7 * s, 2 * s : 7 * s].reshape(5, s, 5, s).flip(0, 2)
        kernel = phases.permute(1, 3, 0, 2).reshape(s * s, 1, 5, 5).float()
        self.register_buffer("kernel", kernel, persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """Magnify ``image``; border pixels are repeated outwards."""
        n, c, h, w = image.shape
        planes = F.pad(image.reshape(n * c, 1, h, w), (2, 2, 2, 2), mode="replicate")
        big = F.pixel_shuffle(F.conv2d(planes, self.kernel), self.upscale_factor)
        return big.reshape(n, c, self.upscale_factor * h, self.upscale_factor * w)


class SuperResolver(nn.Module, ABC):
    """A network that magnifies images by s. A subclass writes ``forward_scales``.

    An ``upscale_factor`` that is not among the class's, or ``channels`` below 1, is a ValueError.
    """

    framework: ClassVar[str]  # the family in the survey's division
    upscale_factors: ClassVar[tuple[int, ...]] = (2, 3, 4, 8)  # the factors the network is specified for

    def __init__(self, upscale_factor: int, *, channels: int) -> None:
        if upscale_factor not in self.upscale_factors:
            *others, last = self.upscale_factors
            raise ValueError(
                f"{type(self).__name__} is specified for upscale_factor {', '.join(map(str, others))} or {last}, "
                f"got {upscale_factor}; choose one of these, or a network of another framework"
            )
        if channels < 1:
            raise ValueError(f"expected at least one channel, got channels={channels}; 1 is luminance, 3 is RGB")
        super().__init__()
        self.upscale_factor = upscale_factor
        self.channels = channels

    @abstractmethod
    def forward_scales(self, low_res: Tensor) -> tuple[Tensor, ...]:
        """Magnify (N, C, h, w) into images of growing size; the last one is s times the input."""

    def check_input(self, low_res: Tensor) -> None:
        """Refuse, with a ValueError, what is no batch of images (N, channels, h, w)."""
        if low_res.ndim != 4 or low_res.shape[1] != self.channels:
            came = low_res.shape[-3] if low_res.ndim > 2 else "..."
            raise ValueError(
                f"{type(self).__name__} expected pictures of shape (N, {self.channels}, h, w), "
                f"got {tuple(low_res.shape)}; build it with channels={came} or convert the pictures"
            )

    def forward(self, low_res: Tensor) -> SuperResolution:
        """Super-resolve (N, C, h, w) in [0, 1]; errors as in ``check_input``."""
        self.check_input(low_res)
        scales = self.forward_scales(low_res)
        return SuperResolution(scales[-1], scales)
