"""DABNet: blocks with a plain and a dilated depthwise branch side by side, and no decoder at all.

Source: Li et al., "DABNet: Depth-wise Asymmetric Bottleneck for Real-time Semantic Segmentation" (BMVC 2019), and
the authors' release, whose layers, widths and BatchNorm epsilon this file follows: parameters and MACs agree.

Deviations:
    - Max-pooling rounds up, so that odd sizes fit the convolution beside it; even sizes are not affected.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dsrl_lab.models.base import DensePredictor, HeadOutput, PredictorSpec
from dsrl_lab.models.segmentation.pooling import check_positions


def _norm_act(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(channels, eps=1e-3), nn.PReLU(channels))


def _conv_norm_act(
    in_channels: int,
    out_channels: int,
    kernel_size: tuple[int, int] = (3, 3),
    *,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
) -> nn.Sequential:
    padding = (dilation * (kernel_size[0] // 2), dilation * (kernel_size[1] // 2))
    conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, dilation, groups=groups, bias=False)
    return nn.Sequential(conv, _norm_act(out_channels))


class AsymmetricBottleneck(nn.Module):
    """DAB block: halve the channels, look near and far with 3x1 and 1x3 depthwise filters, restore, add.

    Args:
        channels: even number of channels that come in and go out.
        dilation: of the far branch.

    Shape:
        - input and output: (N, channels, H, W)

    Example:
        >>> AsymmetricBottleneck(8, dilation=4)(torch.zeros(2, 8, 5, 7)).shape
        torch.Size([2, 8, 5, 7])
    """

    def __init__(self, channels: int, *, dilation: int) -> None:
        super().__init__()
        half = channels // 2

        def branch(dilation: int) -> nn.Sequential:
            return nn.Sequential(
                _conv_norm_act(half, half, (3, 1), dilation=dilation, groups=half),
                _conv_norm_act(half, half, (1, 3), dilation=dilation, groups=half),
            )

        self.reduce = nn.Sequential(_norm_act(channels), _conv_norm_act(channels, half))
        self.near = branch(1)
        self.far = branch(dilation)
        self.restore = nn.Sequential(_norm_act(half), nn.Conv2d(half, channels, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """Add the two branches to the input; see the class for the shapes."""
        reduced = self.reduce(x)
        return x + self.restore(self.near(reduced) + self.far(reduced))


class DownSampler(nn.Module):
    """Halve the sides with a strided 3x3; where channels grow, max-pooled input makes up part of the output.

    Shape:
        - input: (N, in_channels, H, W)
        - output: (N, out_channels, ceil(H / 2), ceil(W / 2))

    Example:
        >>> DownSampler(6, 16)(torch.zeros(2, 6, 5, 8)).shape
        torch.Size([2, 16, 3, 4])
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.grows = out_channels > in_channels
        width = out_channels - in_channels if self.grows else out_channels
        self.conv = nn.Conv2d(in_channels, width, 3, stride=2, padding=1, bias=False)
        self.norm_act = _norm_act(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Halve the sides; see the class for the shapes."""
        halved = self.conv(x)
        if self.grows:
            halved = torch.cat([halved, F.max_pool2d(x, 2, ceil_mode=True)], dim=1)
        return self.norm_act(halved)


class DABNet(DensePredictor):
    """DABNet with 3 and 6 blocks; its last map (stride 8) goes straight into a 1x1 classifier.

    Args:
        num_classes: channels of the logits.

    Shape:
        - image: (N, 3, H, W), sides of at least 8
        - output: (N, num_classes, H, W)

    Raises:
        ValueError: an image with a side under 8, or training on a single image of 8x8.

    Example:
        >>> model = DABNet(19).eval()
        >>> model.spec.feature_channels, model.spec.feature_strides, model.spec.head_channels
        ((35, 131, 259), (2, 4, 8), 259)
        >>> model(torch.zeros(1, 3, 33, 64)).shape
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
        check_positions(self, image)
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
