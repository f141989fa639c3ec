"""DeepLabv3+: dilated pyramid pooling on a deep encoder, refined with one shallow map.

Source: Chen et al., "Encoder-Decoder with Atrous Separable Convolution" (ECCV 2018), with the plain (not separable)
convolutions, the widths and the dropout rates of jfzhang95's PyTorch release. The paper counts the pyramid to the
encoder (section 3.1), so the deep map of ``forward_features`` is the pyramid's output, before dropout.
ResNet-101 agrees with that release in parameters and MACs, MobileNetV2 in parameters. The release's MobileNetV2 counts
0.7 % more MACs, because it expands a block's padding as well.
Deviations: ``align_corners=False`` (the release: True); in a dilated MobileNetV2 every block after the lost stride is
dilated (see ``encoders``); the decoder keeps torch's default initialisation, and BatchNorm follows each convolution.
"""

import torch
from torch import Tensor, nn

from dsrl_lab.layers import ConvNormAct, PooledContext, resize
from dsrl_lab.models.base import DensePredictor, HeadOutput, PredictorSpec
from dsrl_lab.models.encoders import Encoder, MobileNetV2Encoder, ResNetEncoder


class ASPP(nn.Module):
    """A 1x1, dilated 3x3 convolutions and the image's average, concatenated and projected to (N, C', H, W)."""

    def __init__(self, in_channels: int, out_channels: int = 256, *, dilations: tuple[int, ...] = (6, 12, 18)) -> None:
        super().__init__()
        self.pointwise = ConvNormAct(in_channels, out_channels, 1)
        self.dilated = nn.ModuleList(ConvNormAct(in_channels, out_channels, 3, dilation=d) for d in dilations)
        self.context = PooledContext(in_channels, out_channels)
        self.project = ConvNormAct((len(dilations) + 2) * out_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        context = self.context(x).expand(-1, -1, height, width)
        branches = [self.pointwise(x), *(branch(x) for branch in self.dilated), context]
        return self.project(torch.cat(branches, dim=1))


class DeepLabv3Plus(DensePredictor):
    """DeepLabv3+ on ``resnet101``, ``resnet50`` or ``mobilenet_v2``; logits at stride 4.

    ``output_stride`` is that of the deep map: 16, or 8 for 3.4 times the encoder's MACs.

    ValueError for an unknown encoder or output stride, a batch of one in training, or an image that is too small.

    Example:
        >>> DeepLabv3Plus(19, encoder="mobilenet_v2").eval()(torch.zeros(1, 3, 33, 64)).shape
        torch.Size([1, 19, 33, 64])
    """

    ENCODERS = ("resnet101", "resnet50", "mobilenet_v2")

    def __init__(self, num_classes: int, *, encoder: str = "resnet101", output_stride: int = 16) -> None:
        super().__init__()
        if encoder not in self.ENCODERS:
            raise ValueError(f"unknown encoder {encoder!r}; DeepLabv3Plus has {', '.join(self.ENCODERS)}")
        if output_stride not in (8, 16):
            raise ValueError(f"DeepLabv3Plus needs output_stride 8 or 16, got {output_stride}")
        self.encoder: Encoder
        if encoder == "mobilenet_v2":
            self.encoder = MobileNetV2Encoder(output_stride=output_stride)
        else:
            self.encoder = ResNetEncoder(encoder, output_stride=output_stride, multi_grid=(1, 2, 4))
        reach = 16 // output_stride
        low_channels, deep_channels = self.encoder.channels[0], self.encoder.channels[-1]
        self.spec = PredictorSpec(
            num_classes=num_classes,
            feature_channels=(low_channels, 256),
            feature_strides=(4, output_stride),
            head_channels=256,
            head_stride=4,
            logits_stride=4,
            class_layers=("classify.1",),
        )

        self.pyramid = ASPP(deep_channels, 256, dilations=(6 * reach, 12 * reach, 18 * reach))
        self.pyramid_dropout = nn.Dropout(0.5)
        self.low = ConvNormAct(low_channels, 48, 1)
        self.fuse = nn.Sequential(ConvNormAct(256 + 48, 256, 3), nn.Dropout(0.5), ConvNormAct(256, 256, 3))
        self.classify = nn.Sequential(nn.Dropout(0.1), nn.Conv2d(256, num_classes, 1))

    def forward_features(self, image: Tensor) -> tuple[Tensor, ...]:
        """Give the encoder's map at stride 4 and the pyramid's output."""
        self.check_positions(image)
        feat4, *_, deep = self.encoder(image)
        return feat4, self.pyramid(deep)

    def forward_head(self, features: tuple[Tensor, ...]) -> HeadOutput:
        """Enlarge the deep map, join the shallow one, refine, classify; all at stride 4."""
        feat4, deep = features
        low = self.low(feat4)
        deep = resize(self.pyramid_dropout(deep), low.shape[-2:])
        fused = self.fuse(torch.cat([deep, low], dim=1))
        return HeadOutput(self.classify(fused), fused)
