"""U-Net in small: an encoder-decoder with skips at every size, for notebook 01 and as one more host.

Source: Ronneberger, Fischer, Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation" (MICCAI 2015),
Figure 1: two 3x3 convolutions per level, max-pooling, channels doubled; back by a 2x2 transposed convolution, joined to
the encoder's map; 1x1 to the classes at full size.
Deviations: zero padding keeps the size; BatchNorm after each 3x3; three poolings and 16 channels by default (the paper:
four and 64); any size works, because pooling rounds up and the enlarged map is cropped.
"""

import torch
from torch import Tensor, nn

from dsrl_lab.layers import ConvNormAct
from dsrl_lab.models.base import DensePredictor, HeadOutput, PredictorSpec


def _level(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(ConvNormAct(in_channels, out_channels), ConvNormAct(out_channels, out_channels))


class Up(nn.Module):
    """Double the deep map, concatenate the skip of that size, and mix the two: (N, out_channels, H, W), as the skip."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.enlarge = nn.ConvTranspose2d(in_channels, out_channels, 2, stride=2)
        self.mix = _level(2 * out_channels, out_channels)

    def forward(self, deep: Tensor, skip: Tensor) -> Tensor:
        height, width = skip.shape[-2:]
        doubled = self.enlarge(deep)[..., :height, :width]
        return self.mix(torch.cat([skip, doubled], dim=1))


class UNet(DensePredictor):
    """U-Net: ``width`` channels at full size, doubled at each of ``depth`` poolings; 0.5 M parameters by default.

    ValueError where ``num_classes``, ``width`` or ``depth`` is below 1; on use, where a side is below 2^depth.

    Example:
        >>> UNet(11, width=8).eval()(torch.zeros(1, 3, 45, 61)).shape
        torch.Size([1, 11, 45, 61])
    """

    def __init__(self, num_classes: int, *, width: int = 16, depth: int = 3) -> None:
        super().__init__()
        if min(num_classes, width, depth) < 1:
            raise ValueError(f"expected num_classes, width and depth from 1, got {num_classes}, {width} and {depth}")
        channels = tuple(width * 2**level for level in range(depth + 1))
        self.spec = PredictorSpec(
            num_classes=num_classes,
            feature_channels=channels,
            feature_strides=tuple(2**level for level in range(depth + 1)),
            head_channels=width,
            head_stride=1,
            logits_stride=1,
            class_layers=("classifier",),
        )
        self.pool = nn.MaxPool2d(2, ceil_mode=True)
        downwards = zip((3, *channels[:-1]), channels, strict=True)
        self.encoder = nn.ModuleList(_level(before, after) for before, after in downwards)
        upwards = zip(channels[:0:-1], channels[-2::-1], strict=True)
        self.decoder = nn.ModuleList(Up(deep, skip) for deep, skip in upwards)
        self.classifier = nn.Conv2d(width, num_classes, 1)

    def forward_features(self, image: Tensor) -> tuple[Tensor, ...]:
        """Encode a normalised image into maps of stride 1, 2, ... 2^depth."""
        self.check_positions(image)
        features = [self.encoder[0](image)]
        for level in list(self.encoder)[1:]:
            features.append(level(self.pool(features[-1])))
        return tuple(features)

    def forward_head(self, features: tuple[Tensor, ...]) -> HeadOutput:
        """Decode to logits and features at the input's size."""
        x = features[-1]
        for up, skip in zip(self.decoder, features[-2::-1], strict=True):
            x = up(x, skip)
        return HeadOutput(self.classifier(x), x)
