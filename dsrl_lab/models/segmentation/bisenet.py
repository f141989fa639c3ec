"""BiSeNet: a shallow path keeps the detail, a deep path gathers the context, attention joins the two.

Source: Yu et al., "BiSeNet: Bilateral Segmentation Network" (ECCV 2018), and the first author's release (TorchSeg),
whose layers and widths this file follows: its parameters and MACs agree.

Deviations:
    - Bilinear resizing with ``align_corners=False`` (the release: True).
    - The auxiliary heads always exist, so that a training checkpoint loads strictly; they run in training only.
    - ResNet-18 is torchvision's, not the authors' own training of it.
    - The heads' convolutions keep torch's default initialisation.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dsrl_lab.layers import ConvNormAct, resize
from dsrl_lab.models.base import DensePredictor, HeadOutput, PredictorSpec
from dsrl_lab.models.encoders import Encoder, ResNetEncoder
from dsrl_lab.models.segmentation.pooling import PooledContext, check_positions
from dsrl_lab.models.xception39 import Xception39Encoder


class AttentionRefinement(nn.Module):
    """ARM: a 3x3 convolution whose channels are weighted by what the whole image says.

    Shape:
        - input: (N, in_channels, H, W)
        - output: (N, out_channels, H, W)

    Example:
        >>> AttentionRefinement(8, 4)(torch.zeros(2, 8, 5, 7)).shape
        torch.Size([2, 4, 5, 7])
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = ConvNormAct(in_channels, out_channels, 3)
        self.context = PooledContext(out_channels, out_channels, activation=None)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve and weigh; see the class for the shapes."""
        x = self.conv(x)
        return x * torch.sigmoid(self.context(x))


class FeatureFusion(nn.Module):
    """FFM: joins the two paths with a 1x1 convolution and adds its channels once more, weighted.

    Shape:
        - detail, context: (N, C, H, W) each
        - output: (N, 2 * C, H, W)

    Example:
        >>> x = torch.zeros(2, 4, 5, 7)
        >>> FeatureFusion(8)(x, x).shape
        torch.Size([2, 8, 5, 7])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.join = ConvNormAct(channels, channels, 1)
        self.attention = nn.Sequential(
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, detail: Tensor, context: Tensor) -> Tensor:
        """Join and weigh; see the class for the shapes."""
        x = self.join(torch.cat([detail, context], dim=1))
        return x + x * self.attention(F.adaptive_avg_pool2d(x, 1))


class BiSeNet(DensePredictor):
    """BiSeNet on ResNet-18 or Xception39; logits at stride 8, two auxiliary heads in training.

    Args:
        num_classes: channels of the logits.
        encoder: of the context path, ``resnet18`` or ``xception39``.

    Attributes:
        auxiliary_weight: weight of each auxiliary loss in the paper (1).

    Shape:
        - image: (N, 3, H, W), sides of at least 32
        - output: (N, num_classes, H, W)

    Raises:
        ValueError: an unknown encoder, a batch of one in training, or an image with a side under 32.

    Example:
        >>> model = BiSeNet(19, encoder="xception39").eval()
        >>> model.spec.feature_channels, model.spec.feature_strides, model.spec.head_channels
        ((128, 128, 256), (8, 16, 32), 64)
        >>> model(torch.zeros(1, 3, 33, 64)).shape
        torch.Size([1, 19, 33, 64])
    """

    ENCODERS = ("resnet18", "xception39")
    auxiliary_weight = 1.0

    def __init__(self, num_classes: int, *, encoder: str = "resnet18") -> None:
        super().__init__()
        if encoder not in self.ENCODERS:
            raise ValueError(f"unknown encoder {encoder!r}; BiSeNet has {', '.join(self.ENCODERS)}")
        self.encoder: Encoder = ResNetEncoder("resnet18") if encoder == "resnet18" else Xception39Encoder()
        *_, channels16, channels32 = self.encoder.channels
        self.spec = PredictorSpec(
            num_classes=num_classes,
            feature_channels=(128, channels16, channels32),
            feature_strides=(8, 16, 32),
            head_channels=64,
            head_stride=8,
            logits_stride=8,
            class_layers=("classify", "auxiliary16.1", "auxiliary8.1"),
        )

        self.spatial_path = nn.Sequential(
            ConvNormAct(3, 64, 7, stride=2),
            ConvNormAct(64, 64, 3, stride=2),
            ConvNormAct(64, 64, 3, stride=2),
            ConvNormAct(64, 128, 1),
        )
        self.global_context = PooledContext(channels32, 128)
        self.attention32 = AttentionRefinement(channels32, 128)
        self.refine32 = ConvNormAct(128, 128, 3)
        self.attention16 = AttentionRefinement(channels16, 128)
        self.refine16 = ConvNormAct(128, 128, 3)
        self.fusion = FeatureFusion(256)
        self.last = ConvNormAct(256, 64, 3)
        self.classify = nn.Conv2d(64, num_classes, 1)
        width = 256 if encoder == "resnet18" else 128
        self.auxiliary16 = nn.Sequential(ConvNormAct(128, width, 3), nn.Conv2d(width, num_classes, 1))
        self.auxiliary8 = nn.Sequential(ConvNormAct(128, width, 3), nn.Conv2d(width, num_classes, 1))

    def forward_features(self, image: Tensor) -> tuple[Tensor, ...]:
        """Give the spatial path's map and the context path's two deepest."""
        check_positions(self, image)
        *_, feat16, feat32 = self.encoder(image)
        return self.spatial_path(image), feat16, feat32

    def forward_head(self, features: tuple[Tensor, ...]) -> HeadOutput:
        """Carry the context up to stride 8, join the detail, classify; in training also at strides 16 and 8."""
        detail8, feat16, feat32 = features
        context32 = self.attention32(feat32) + self.global_context(feat32)
        context16 = self.refine32(resize(context32, (feat16.shape[-2], feat16.shape[-1])))
        summed = self.attention16(feat16) + context16
        context8 = self.refine16(resize(summed, (detail8.shape[-2], detail8.shape[-1])))
        last = self.last(self.fusion(detail8, context8))
        auxiliary = (self.auxiliary16(context16), self.auxiliary8(context8)) if self.training else ()
        return HeadOutput(self.classify(last), last, auxiliary)
