"""Blocks that three or more networks share, and the one resize that all of them call."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
BATCHNORM_REMEDY = (
    "train with at least two images per batch, or freeze BatchNorm: train.freeze_batch_norm=true in a recipe, "
    "m.eval() of each nn.BatchNorm2d in a loop of your own"
)


def resize(x: Tensor, size: tuple[int, ...], *, align_corners: bool = False) -> Tensor:
    """Resize maps (N, C, h, w) bilinearly to ``size`` (H, W); nothing is done where it already fits.

    Example:
        >>> resize(torch.zeros(1, 3, 4, 5), (8, 10)).shape
        torch.Size([1, 3, 8, 10])
    """
    if x.shape[-2:] == tuple(size):
        return x
    return F.interpolate(x, size=tuple(size), mode="bilinear", align_corners=align_corners)


class Normalise(nn.Module):
    """ImageNet's normalisation of images (N, 3, H, W) in [0, 1]; its numbers are in no checkpoint.

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
        return (image - self.mean) / self.std


class ConvNormAct(nn.Sequential):
    """Convolution without bias, BatchNorm, activation (class or None): (N, C, H, W) to (N, C', H / stride, W / stride).

    Example:
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
        sides = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
        padding = (dilation * (sides[0] // 2), dilation * (sides[1] // 2))
        conv = nn.Conv2d(in_channels, out_channels, sides, stride, padding, dilation, groups=groups, bias=False)
        layers: list[nn.Module] = [conv, nn.BatchNorm2d(out_channels)]
        if activation is not None:
            layers.append(nn.PReLU(out_channels) if activation is nn.PReLU else activation())
        super().__init__(*layers)


class PooledContext(nn.Module):
    """Average over ``bins`` x ``bins`` parts of the map, then {1x1, BatchNorm, activation}: (N, C', bins, bins).

    Source: one block of PSPNet's pyramid (2017), DeepLabv3's image-level branch (2017) and BiSeNet's attention (2018).

    Raises:
        ValueError: training with one image and one bin, where BatchNorm has a single value per channel.

    Example:
        >>> PooledContext(8, 4)(torch.zeros(1, 8, 5, 7))
        Traceback (most recent call last):
        ValueError: global pooling leaves one value per channel of a batch of one, ...
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, bins: int = 1, activation: type[nn.Module] | None = nn.ReLU
    ) -> None:
        super().__init__()
        self.bins = bins
        self.project = ConvNormAct(in_channels, out_channels, 1, activation=activation)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[0] * self.bins == 1 and self.project[1].training:
            raise ValueError(
                "global pooling leaves one value per channel of a batch of one, and BatchNorm needs more; "
                + BATCHNORM_REMEDY
            )
        return self.project(F.adaptive_avg_pool2d(x, self.bins))
