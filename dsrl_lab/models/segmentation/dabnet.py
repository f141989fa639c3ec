"""DABNet: blocks with a plain and a dilated depthwise branch side by side, and no decoder at all.

Source: Li et al., "DABNet: Depth-wise Asymmetric Bottleneck for Real-time Semantic Segmentation" (BMVC 2019), and
the authors' release, with the same layers, widths, BatchNorm epsilon, parameters and MACs.
Deviation: max-pooling rounds up, so that odd sizes fit the convolution beside it.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dsrl_lab.models.base import DensePredictor, HeadOutput, PredictorSpec


def _norm_act(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(channels, eps=1e-3), nn.PReLU(channels))


def _conv_norm_act(in_channels: int, out_channels: int, *, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
    return nn.Sequential(conv, _norm_act(out_channels))


def _asymmetric(channels: int, dilation: int) -> nn.Sequential:
    """Depthwise 3x1, then depthwise 1x3, each with BatchNorm and PReLU."""
    layers: list[nn.Module] = []
    for side, padding in (((3, 1), (dilation, 0)), ((1, 3), (0, dilation))):
        conv = nn.Conv2d(channels, channels, side, 1, padding, dilation, groups=channels, bias=False)
        layers.append(nn.Sequential(conv, _norm_act(channels)))
    return nn.Sequential(*layers)


class AsymmetricBottleneck(nn.Module):
    """DAB block on (N, C, H, W), C even: halve the channels, filter near and far, restore, add."""

    def __init__(self, channels: int, *, dilation: int) -> None:
        super().__init__()
        half = channels // 2
        self.reduce = nn.Sequential(_norm_act(channels), _conv_norm_act(channels, half))
        self.near = _asymmetric(half, 1)
        self.far = _asymmetric(half, dilation)
        self.restore = nn.Sequential(_norm_act(half), nn.Conv2d(half, channels, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        reduced = self.reduce(x)
        return x + self.restore(self.near(reduced) + self.far(reduced))


class DownSampler(nn.Module):
    """Halve the sides, rounded up, with a strided 3x3; where channels grow, max-pooled input is part of the output."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.grows = out_channels > in_channels
        width = out_channels - in_channels if self.grows else out_channels
        self.conv = nn.Conv2d(in_channels, width, 3, stride=2, padding=1, bias=False)
        self.norm_act = _norm_act(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        halved = self.conv(x)
        if self.grows:
            halved = torch.cat([halved, F.max_pool2d(x, 2, ceil_mode=True)], dim=1)
        return self.norm_act(halved)


class DABNet(DensePredictor):
    """DABNet with 3 and 6 blocks; its last map (stride 8) goes straight into a 1x1 classifier.

    ValueError for an image with a side under 8, or training on a single image of 8x8.

    Example:
        >>> DABNet(19).eval()(torch.zeros(1, 3, 33, 64)).shape
        torch.Size([1, 19, 33, 64])
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        channels2, channels4, channels8 = 32 + 3, 2 * 64 + 3, 2 * 128 + 3  # each ends with the image itself, averaged
        self.spec = PredictorSpec(
            num_classes=num_classes,
            feature_channels=(channels2, channels4, channels8),
            feature_strides=(2, 4, 8),
            head_channels=channels8,
            head_stride=8,
            logits_stride=8,
            class_layers=("classify",),
        )

        self.stem = nn.Sequential(_conv_norm_act(3, 32, stride=2), _conv_norm_act(32, 32), _conv_norm_act(32, 32))
        self.norm_act2 = _norm_act(channels2)
        self.down4 = DownSampler(channels2, 64)
        self.blocks4 = nn.Sequential(*(AsymmetricBottleneck(64, dilation=2) for _ in range(3)))
        self.norm_act4 = _norm_act(channels4)
        self.down8 = DownSampler(channels4, 128)
        self.blocks8 = nn.Sequential(*(AsymmetricBottleneck(128, dilation=d) for d in (4, 4, 8, 8, 16, 16)))
        self.norm_act8 = _norm_act(channels8)
        self.classify = nn.Conv2d(channels8, num_classes, 1, bias=False)

    def forward_features(self, image: Tensor) -> tuple[Tensor, ...]:
        """Give the maps at strides 2, 4 and 8, each joined with the averaged image and normalised."""
        self.check_positions(image)
        image2 = F.avg_pool2d(image, 3, stride=2, padding=1)
        image4 = F.avg_pool2d(image2, 3, stride=2, padding=1)
        image8 = F.avg_pool2d(image4, 3, stride=2, padding=1)
        feat2 = self.norm_act2(torch.cat([self.stem(image), image2], dim=1))
        down4 = self.down4(feat2)
        feat4 = self.norm_act4(torch.cat([self.blocks4(down4), down4, image4], dim=1))
        down8 = self.down8(feat4)
        feat8 = self.norm_act8(torch.cat([self.blocks8(down8), down8, image8], dim=1))
        return feat2, feat4, feat8

    def forward_head(self, features: tuple[Tensor, ...]) -> HeadOutput:
        """Classify the deepest map; there is no decoder."""
        feat8 = features[-1]
        return HeadOutput(self.classify(feat8), feat8)
