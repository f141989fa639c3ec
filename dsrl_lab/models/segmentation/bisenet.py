"""BiSeNet: a shallow path keeps the detail, a deep path gathers the context, attention joins the two.

Source: Yu et al., "BiSeNet: Bilateral Segmentation Network" (ECCV 2018), and the first author's release (TorchSeg),
with the same layers, parameters and MACs; ImageNet weights of its Xception39 exist only there.
Deviations: ``align_corners=False`` (the release: True); the auxiliary heads always exist, so that a training checkpoint
loads strictly, and run in training only; ResNet-18 is torchvision's; heads keep torch's default initialisation.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dsrl_lab.layers import ConvNormAct, PooledContext, resize
from dsrl_lab.models.base import DensePredictor, HeadOutput, PredictorSpec
from dsrl_lab.models.encoders import Encoder, ResNetEncoder


def _separable(
    in_channels: int, out_channels: int, *, stride: int = 1, activation: type[nn.Module] | None = nn.ReLU
) -> nn.Sequential:
    """Depthwise 3x3, then 1x1 with BatchNorm and activation; nothing between the two."""
    depthwise = nn.Conv2d(in_channels, in_channels, 3, stride, padding=1, groups=in_channels, bias=False)
    return nn.Sequential(depthwise, ConvNormAct(in_channels, out_channels, 1, activation=activation))


class XceptionBlock(nn.Module):
    """Three separable convolutions beside a shortcut: (N, C, H, W) to (N, 4 * width, H / stride, W / stride)."""

    def __init__(self, in_channels: int, width: int, *, stride: int = 1) -> None:
        super().__init__()
        out_channels = 4 * width
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or in_channels != out_channels:
            self.shortcut = _separable(in_channels, out_channels, stride=stride, activation=None)
        self.residual = nn.Sequential(
            _separable(in_channels, width, stride=stride),
            _separable(width, width),
            _separable(width, out_channels, activation=None),
        )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.shortcut(x) + self.residual(x))


class Xception39Encoder(Encoder):
    """Xception39 without its classifier: a stem of 8 channels, stages of 4, 8 and 4 blocks, whose outputs it gives.

    Example:
        >>> [tuple(x.shape) for x in Xception39Encoder()(torch.zeros(2, 3, 64, 97))]
        [(2, 64, 8, 13), (2, 128, 4, 7), (2, 256, 2, 4)]
    """

    def __init__(self) -> None:
        super().__init__()
        self.channels = (64, 128, 256)
        self.strides = (8, 16, 32)
        self.stem = nn.Sequential(ConvNormAct(3, 8, 3, stride=2), nn.MaxPool2d(3, stride=2, padding=1))
        in_channels = 8
        stages = []
        for width, repeats in ((16, 4), (32, 8), (64, 4)):
            blocks = [XceptionBlock(in_channels, width, stride=2)]
            blocks += [XceptionBlock(4 * width, width) for _ in range(repeats - 1)]
            stages.append(nn.Sequential(*blocks))
            in_channels = 4 * width
        self.stages = nn.ModuleList(stages)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        maps = [self.stem(image)]  # stride 4
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return tuple(maps[1:])


class AttentionRefinement(nn.Module):
    """ARM: a 3x3 convolution whose channels are weighted by the whole image; (N, C, H, W) to (N, C', H, W)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = ConvNormAct(in_channels, out_channels, 3)
        self.context = PooledContext(out_channels, out_channels, activation=None)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return x * torch.sigmoid(self.context(x))


class FeatureFusion(nn.Module):
    """FFM: joins two maps (N, C, H, W) by a 1x1 convolution and adds its channels again, weighted: (N, 2 * C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.join = ConvNormAct(channels, channels, 1)
        first, second = (nn.Conv2d(channels, channels, 1, bias=False) for _ in range(2))
        self.attention = nn.Sequential(first, nn.ReLU(inplace=True), second, nn.Sigmoid())

    def forward(self, detail: Tensor, context: Tensor) -> Tensor:
        x = self.join(torch.cat([detail, context], dim=1))
        return x + x * self.attention(F.adaptive_avg_pool2d(x, 1))


class BiSeNet(DensePredictor):
    """BiSeNet on ``resnet18`` or ``xception39``; two auxiliary heads in training (weight 1 in the paper).

    ValueError for an unknown encoder, a batch of one in training, or an image with a side under 32.

    Example:
        >>> BiSeNet(19, encoder="xception39").eval()(torch.zeros(1, 3, 33, 64)).shape
        torch.Size([1, 19, 33, 64])
    """

    ENCODERS = ("resnet18", "xception39")

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
        self.check_positions(image)
        *_, feat16, feat32 = self.encoder(image)
        return self.spatial_path(image), feat16, feat32

    def forward_head(self, features: tuple[Tensor, ...]) -> HeadOutput:
        """Enlarge the context to stride 8, join the detail, classify; in training also at strides 16 and 8."""
        detail8, feat16, feat32 = features
        context32 = self.attention32(feat32) + self.global_context(feat32)
        context16 = self.refine32(resize(context32, feat16.shape[-2:]))
        summed = self.attention16(feat16) + context16
        context8 = self.refine16(resize(summed, detail8.shape[-2:]))
        last = self.last(self.fusion(detail8, context8))
        auxiliary = (self.auxiliary16(context16), self.auxiliary8(context8)) if self.training else ()
        return HeadOutput(self.classify(last), last, auxiliary)
