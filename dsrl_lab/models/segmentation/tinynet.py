"""TinyNet: the kit's own small host, for laptops without a GPU and for notebooks that train in a minute.

Source: ours; residual blocks (He et al., 2016) in an encoder of stride 8, and a decoder that adds skips (as a feature
pyramid, Lin et al., 2017). Plain 3x3 convolutions throughout: on a CPU they are faster than ESPNetv2's grouped ones.
"""

from torch import Tensor, nn

from dsrl_lab.layers import ConvNormAct, resize
from dsrl_lab.models.base import DensePredictor, HeadOutput, PredictorSpec


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with BatchNorm, both dilated, around a shortcut; (N, C, H, W) to the same."""

    def __init__(self, channels: int, *, dilation: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            ConvNormAct(channels, channels, dilation=dilation),
            ConvNormAct(channels, channels, dilation=dilation, activation=None),
        )
        self.activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(x + self.body(x))


class TinyNet(DensePredictor):
    """A small encoder-decoder for segmentation: 0.2 M parameters at ``width`` 1, which multiplies all channels.

    ValueError where ``num_classes`` or ``width`` is not positive.

    Example:
        >>> import torch
        >>> TinyNet(11).eval()(torch.zeros(1, 3, 45, 61)).shape
        torch.Size([1, 11, 45, 61])
    """

    def __init__(self, num_classes: int, *, width: float = 1.0) -> None:
        super().__init__()
        if num_classes < 1 or not 0 < width < float("inf"):
            raise ValueError(f"expected positive num_classes and width, got {num_classes} and {width}")
        c2, c4, c8 = (max(8, round(channels * width)) for channels in (16, 32, 64))
        head = max(8, round(24 * width))
        self.spec = PredictorSpec(
            num_classes=num_classes,
            feature_channels=(c2, c4, c8),
            feature_strides=(2, 4, 8),
            head_channels=head,
            head_stride=2,
            logits_stride=2,
            class_layers=("classifier",),
        )
        self.stage2 = ConvNormAct(3, c2, stride=2)
        self.stage4 = nn.Sequential(ConvNormAct(c2, c4, stride=2), ResidualBlock(c4))
        self.stage8 = nn.Sequential(
            ConvNormAct(c4, c8, stride=2), ResidualBlock(c8, dilation=2), ResidualBlock(c8, dilation=4)
        )
        self.lateral2, self.lateral4, self.lateral8 = (
            ConvNormAct(channels, head, 1, activation=None) for channels in (c2, c4, c8)
        )
        self.refine4, self.refine2 = ConvNormAct(head, head), ConvNormAct(head, head)
        self.classifier = nn.Conv2d(head, num_classes, 1)

    def forward_features(self, image: Tensor) -> tuple[Tensor, ...]:
        """Encode a normalised image into maps of stride 2, 4 and 8."""
        feat2 = self.stage2(image)
        feat4 = self.stage4(feat2)
        return feat2, feat4, self.stage8(feat4)

    def forward_head(self, features: tuple[Tensor, ...]) -> HeadOutput:
        """Decode to logits and features at half the input size."""
        feat2, feat4, feat8 = features
        x = self.refine4(self.lateral4(feat4) + resize(self.lateral8(feat8), feat4.shape[-2:]))
        x = self.refine2(self.lateral2(feat2) + resize(x, feat2.shape[-2:]))
        return HeadOutput(self.classifier(x), x)
