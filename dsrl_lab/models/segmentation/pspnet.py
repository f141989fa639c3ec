"""PSPNet: averages over 1, 2, 3 and 6 bins per side, concatenated with a dilated ResNet's last map.

Source: Zhao et al., "Pyramid Scene Parsing Network" (CVPR 2017); widths, deep stem and auxiliary head of the
first author's PyTorch release (semseg), with the same parameters and MACs.
Deviations: ``align_corners=False``, and any input size (the release: sides of 8k + 1); ``deep_stem=False`` gives
torchvision's stem, so that its weights fit; heads keep torch's default initialisation, with BatchNorm after each layer.
"""

import torch
from torch import Tensor, nn

from dsrl_lab.layers import ConvNormAct, PooledContext, resize
from dsrl_lab.models.base import DensePredictor, HeadOutput, PredictorSpec
from dsrl_lab.models.encoders import ResNetEncoder


class PyramidPooling(nn.Module):
    """The map (N, C, H, W) and its averages over bins, of C // len(bins) channels each, enlarged to its size."""

    def __init__(self, in_channels: int, *, bins: tuple[int, ...] = (1, 2, 3, 6)) -> None:
        super().__init__()
        width = in_channels // len(bins)
        self.contexts = nn.ModuleList(PooledContext(in_channels, width, bins=n) for n in bins)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, *(resize(context(x), x.shape[-2:]) for context in self.contexts)], dim=1)


class PSPNet(DensePredictor):
    """PSPNet on ``resnet50``, ``resnet101`` or ``resnet18``; one auxiliary head in training (weight 0.4 in the paper).

    The encoder's output stride is 8; ``deep_stem`` is the release's stem of 3x3 convolutions, or torchvision's 7x7.

    ValueError for an unknown encoder, a batch of one in training, or an image with a side under 8.

    Example:
        >>> PSPNet(19, encoder="resnet18").eval()(torch.zeros(1, 3, 33, 64)).shape
        torch.Size([1, 19, 33, 64])
    """

    ENCODERS = ("resnet50", "resnet101", "resnet18")

    def __init__(self, num_classes: int, *, encoder: str = "resnet50", deep_stem: bool = True) -> None:
        super().__init__()
        if encoder not in self.ENCODERS:
            raise ValueError(f"unknown encoder {encoder!r}; PSPNet has {', '.join(self.ENCODERS)}")
        self.encoder = ResNetEncoder(encoder, output_stride=8, deep_stem=deep_stem)
        *_, auxiliary_channels, deep_channels = self.encoder.channels
        self.spec = PredictorSpec(
            num_classes=num_classes,
            feature_channels=self.encoder.channels,
            feature_strides=self.encoder.strides,
            head_channels=512,
            head_stride=8,
            logits_stride=8,
            class_layers=("classify.1", "auxiliary.2"),
        )

        self.pyramid = PyramidPooling(deep_channels)
        self.fuse = ConvNormAct(2 * deep_channels, 512, 3)
        self.classify = nn.Sequential(nn.Dropout2d(0.1), nn.Conv2d(512, num_classes, 1))
        self.auxiliary = nn.Sequential(
            ConvNormAct(auxiliary_channels, 256, 3), nn.Dropout2d(0.1), nn.Conv2d(256, num_classes, 1)
        )

    def forward_features(self, image: Tensor) -> tuple[Tensor, ...]:
        """Give the outputs of the encoder's four stages."""
        self.check_positions(image)
        return self.encoder(image)

    def forward_head(self, features: tuple[Tensor, ...]) -> HeadOutput:
        """Pool the deepest map, fuse, classify; in training also classify the map before it."""
        *_, before, deep = features
        fused = self.fuse(self.pyramid(deep))
        auxiliary = (self.auxiliary(before),) if self.training else ()
        return HeadOutput(self.classify(fused), fused, auxiliary)
