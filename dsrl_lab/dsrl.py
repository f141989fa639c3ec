"""Dual Super-Resolution Learning: the paper in one file.

Source: Wang, Li, Zhu, Tian, Shan, "Dual Super-Resolution Learning for Semantic Segmentation", CVPR 2020, section 3 and
Figure 4; the shape of the deconvolution head is that of the authors' release. A host network (any ``DensePredictor``)
receives a low-resolution image. Around it stand

- an SSSR head, which brings its prediction to ``upscale_factor`` times the input and stays at inference,
- a SISR head on the same encoder, which reconstructs the high-resolution image, in training only,
- a feature transform, which makes the two branches' last features comparable for feature affinity, in training only.
Deviations, each where the paper is silent: SISR starts from all encoder maps or, as in Figure 4, the deepest alone;
both branches' features are averaged to 1/8 of the output's sides, before the feature transform, then compared.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dsrl_lab.layers import ConvNormAct, resize
from dsrl_lab.models.base import DensePredictor, HeadOutput
from dsrl_lab.models.super_resolution.espcn import icnr_


class SSSRHead(nn.Module, ABC):
    """Semantic segmentation super-resolution: from the host's head to logits on a finer grid."""

    @abstractmethod
    def forward(self, output: HeadOutput) -> Tensor:
        """Give logits (N, K, h', w'); the caller resizes them bilinearly to the output size if they differ."""


class BilinearHead(SSSRHead):
    """The host's logits, to be enlarged bilinearly, with no layers. The control for "is it only the finer labels?".

    With ``classes``, their number, {BatchNorm, PReLU} act on them. The control for "is it only the normalisation?".
    """

    def __init__(self, classes: int = 0) -> None:
        super().__init__()
        self.normalise = nn.Sequential(nn.BatchNorm2d(classes), nn.PReLU(classes)) if classes else nn.Identity()

    def forward(self, output: HeadOutput) -> Tensor:
        """Give the logits back, normalised where wanted."""
        return self.normalise(output.logits)


class DeconvolutionHead(SSSRHead):
    """The authors' released head: deconvolutions (transposed convolutions) on the class maps.

    The class maps at half the host's output size (coarser ones enlarged bilinearly first) pass log2(2 * upscale_factor)
    blocks of {transposed 3x3, stride 2, no bias, K -> K; BatchNorm; PReLU}; the last one's output is the logits.
    ``depthwise`` is the kit's cheap form, 1 / K of the cost: each class map by itself, at first bilinearly.

    Raises:
        ValueError: ``upscale_factor`` is no power of two.
    """

    def __init__(self, host: DensePredictor, *, upscale_factor: int = 2, depthwise: bool = False) -> None:
        super().__init__()
        if upscale_factor < 1 or upscale_factor & (upscale_factor - 1):
            raise ValueError(f"expected upscale_factor to be a power of two (each block doubles), got {upscale_factor}")
        classes = host.num_classes
        self.align_corners = host.spec.align_corners
        steps = host.spec.logits_stride // host.spec.output_stride  # output pixels per position of the class maps
        self.enlarge = max(steps // 2, 1)
        doublings = int(math.log2(upscale_factor * min(steps, 2)))
        groups = classes if depthwise else 1
        deconvolutions = [
            nn.ConvTranspose2d(classes, classes, 3, stride=2, padding=1, output_padding=1, groups=groups, bias=False)
            for _ in range(doublings)
        ]
        blocks = [nn.Sequential(layer, nn.BatchNorm2d(classes), nn.PReLU(classes)) for layer in deconvolutions]
        self.blocks = nn.Sequential(*blocks)
        for layer in deconvolutions if depthwise else ():
            layer.weight.data.copy_(torch.tensor([[0.25, 0.5, 0.25], [0.5, 1.0, 0.5], [0.25, 0.5, 0.25]]))

    def forward(self, output: HeadOutput) -> Tensor:
        """Enlarge the class maps."""
        height, width = output.logits.shape[-2:]
        size = (height * self.enlarge, width * self.enlarge)
        return self.blocks(resize(output.logits, size, align_corners=self.align_corners))


class SubPixelHead(SSSRHead):
    """A cheap head of the kit: bilinear logits plus a sub-pixel residual from the last features.

    {1x1 C -> width, BatchNorm, ReLU; 1x1 width -> K * r^2; pixel shuffle r}, the last layer zero at first: training
    starts from the host's own prediction. ``factor`` is r; by default the shuffle enlarges to the output in one step.
    """

    def __init__(
        self, host: DensePredictor, *, upscale_factor: int = 2, width: int = 16, factor: int | None = None
    ) -> None:
        super().__init__()
        spec = host.spec
        factor = spec.head_stride * upscale_factor // spec.output_stride if factor is None else factor
        self.align_corners = spec.align_corners
        self.reduce = ConvNormAct(spec.head_channels, width, 1)
        self.expand = nn.Conv2d(width, host.num_classes * factor**2, 1)
        nn.init.zeros_(self.expand.weight)
        nn.init.zeros_(self.expand.bias)  # type: ignore[arg-type]
        self.shuffle = nn.PixelShuffle(factor)

    def forward(self, output: HeadOutput) -> Tensor:
        """Add the residual to the enlarged logits."""
        residual = self.shuffle(self.expand(self.reduce(output.features)))
        return resize(output.logits, residual.shape[-2:], align_corners=self.align_corners) + residual


SSSR_HEADS: dict[str, Callable[..., SSSRHead]] = {
    "deconvolution": DeconvolutionHead,
    "depthwise": partial(DeconvolutionHead, depthwise=True),
    "sub_pixel": SubPixelHead,
    "bilinear": lambda host, upscale_factor: BilinearHead(),
    "normalised": lambda host, upscale_factor: BilinearHead(host.num_classes),
}


class SuperResolved(DensePredictor):
    """A host with an SSSR head: itself a dense predictor; only ``output_size`` differs, by ``upscale_factor``."""

    def __init__(self, host: DensePredictor, sssr_head: SSSRHead, *, upscale_factor: int = 2) -> None:
        super().__init__()
        self.host, self.normalise = host, host.normalise
        self.sssr_head = sssr_head
        self.upscale_factor = upscale_factor
        self.spec = replace(host.spec, class_layers=tuple(f"host.{name}" for name in host.spec.class_layers))

    def forward_features(self, image: Tensor) -> tuple[Tensor, ...]:
        """Encode a normalised image with the host."""
        return self.host.forward_features(image)

    def forward_head(self, features: tuple[Tensor, ...]) -> HeadOutput:
        """Decode with the host, then enlarge its logits."""
        output = self.host.forward_head(features)
        return output._replace(logits=self.sssr_head(output))

    def check_input(self, image: Tensor) -> None:
        """Refuse what the host refuses."""
        self.host.check_input(image)

    def output_size(self, input_size: tuple[int, int]) -> tuple[int, int]:
        """Size (H, W) of the result: the host's own, times ``upscale_factor``."""
        height, width = self.host.output_size(input_size)
        return self.upscale_factor * height, self.upscale_factor * width


class SISRHead(nn.Module):
    """Single image super-resolution on the host's encoder, of the post-upsampling kind (ESPCN's sub-pixel layer).

    With ``fuse`` every encoder map is brought to ``width`` channels (1x1) and the shallowest map's size, and they are
    added. Without, the deepest is doubled by {3x3 width -> 4 * width, pixel shuffle 2, ReLU} to its stride, as in
    Figure 4. {3x3, BatchNorm, ReLU} twice (ESPCN has no BatchNorm; here it learns little without), and a 3x3 sub-pixel
    layer with ICNR give the image, or with ``residual`` what bilinear enlargement misses.

    Returned are the image (N, 3, h * r, w * r), r = stride * upscale_factor, and the features (N, width, h, w).
    """

    def __init__(
        self,
        host: DensePredictor,
        *,
        upscale_factor: int = 2,
        width: int = 32,
        fuse: bool = True,
        residual: bool = False,
    ) -> None:
        super().__init__()
        channels, strides = host.spec.feature_channels, host.spec.feature_strides
        self.fuse = fuse
        self.residual = residual
        inputs = channels if fuse else channels[-1:]
        self.project = nn.ModuleList(nn.Conv2d(count, width, 1) for count in inputs)
        doublings = 0 if fuse else int(math.log2(strides[-1] // strides[0]))
        blocks = [[nn.Conv2d(width, 4 * width, 3, padding=1), nn.PixelShuffle(2), nn.ReLU()] for _ in range(doublings)]
        self.enlarge = nn.Sequential(*(nn.Sequential(*block) for block in blocks))
        self.refine = nn.Sequential(ConvNormAct(width, width), ConvNormAct(width, width))
        factor = strides[0] * upscale_factor
        last = nn.Conv2d(width, 3 * factor**2, 3, padding=1)
        nn.init.zeros_(last.weight) if residual else icnr_(last.weight, factor)
        nn.init.constant_(last.bias, 0.0 if residual else 0.5)  # type: ignore[arg-type]
        self.predict = nn.Sequential(last, nn.PixelShuffle(factor))

    def forward(self, features: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """Reconstruct the image, or its residual; give it and the features before its last layer."""
        size = features[0].shape[-2:]
        if self.fuse:
            maps = zip(self.project, features, strict=True)
            x = torch.stack([resize(project(feature), size) for project, feature in maps]).sum(0)
        else:
            x = self.enlarge(self.project[0](features[-1]))[..., : size[0], : size[1]]  # its last steps overhang
        x = self.refine(x)
        return self.predict(x), x


class FeatureTransform(ConvNormAct):
    """The paper's feature transform on the segmentation side, {1x1, BatchNorm, ReLU}: (N, C, h, w) to (N, C', h, w)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 1)


class DSRLOutput(NamedTuple):
    """What a DSRL network gives, in training and in evaluation alike; parts it does not have are None."""

    logits: Tensor  # (N, K, H', W') with (H', W') = ``task_model.output_size``
    super_res: Tensor | None = None  # (N, 3, sH, sW), the reconstructed image, about [0, 1]
    task_features: Tensor | None = None  # (N, C', h, w), the transformed segmentation features for affinity
    sisr_features: Tensor | None = None  # (N, C'', h, w), the super-resolution features for affinity
    auxiliary: tuple[Tensor, ...] = ()  # the host's auxiliary logits, each (N, K, H', W'); empty in evaluation


class DSRL(nn.Module):
    """A host trained with its two helpers; ``task_model`` alone is what is deployed.

    ``sssr`` is "deconvolution" (the authors'), "depthwise", "sub_pixel" (cheap), "bilinear" or "normalised" (control),
    a head of your own, or None for the plain host. ``sisr`` adds a head, or is one; ``affinity`` needs it, and compares
    means over ``affinity_stride`` output pixels a side (the maps' own positions if those are fewer), with
    ``feature_transform=False`` of the host's own features.
    ``detach_sisr`` stops its gradient at the SISR features.

    Raises:
        ValueError: an unknown head, affinity without SISR, or an input the host cannot use.

    Example:
        >>> from dsrl_lab.models.segmentation.espnetv2 import ESPNetv2
        >>> output = DSRL(ESPNetv2(11, width=0.5)).eval()(torch.zeros(1, 3, 64, 96))
        >>> output.logits.shape, output.super_res.shape, output.task_features.shape
        (torch.Size([1, 11, 128, 192]), torch.Size([1, 3, 128, 192]), torch.Size([1, 32, 16, 24]))
    """

    def __init__(
        self,
        host: DensePredictor,
        *,
        upscale_factor: int = 2,
        sssr: str | SSSRHead | None = "deconvolution",
        sisr: bool | SISRHead | None = True,
        affinity: bool = True,
        affinity_stride: int = 8,
        feature_transform: bool = True,
        detach_sisr: bool = False,
    ) -> None:
        super().__init__()
        if not isinstance(host, DensePredictor) or not hasattr(host, "spec"):
            raise ValueError(f"expected a DensePredictor with a spec, got {type(host).__name__}; see BRING_YOUR_OWN.md")
        if min(upscale_factor, affinity_stride) < 1:
            raise ValueError(f"expected factor and stride from 1, got {upscale_factor} and {affinity_stride}")
        if affinity and not sisr:
            raise ValueError("feature affinity compares with the SISR branch: pass sisr=True, or affinity=False")
        self.upscale_factor = upscale_factor
        self.affinity_stride = affinity_stride
        self.detach_sisr = detach_sisr
        if isinstance(sssr, str):
            if sssr not in SSSR_HEADS:
                raise ValueError(f"unknown SSSR head {sssr!r}; choose one of {', '.join(SSSR_HEADS)}, or None")
            sssr = SSSR_HEADS[sssr](host, upscale_factor=upscale_factor)
        self.task_model = host if sssr is None else SuperResolved(host, sssr, upscale_factor=upscale_factor)
        self.sisr_head: SISRHead | None = None
        if sisr:
            self.sisr_head = SISRHead(host, upscale_factor=upscale_factor) if sisr is True else sisr
        self.transform: FeatureTransform | nn.Identity | None = None
        if affinity and self.sisr_head is not None:
            width = int(self.sisr_head.project[0].out_channels)  # type: ignore[arg-type]
            self.transform = FeatureTransform(host.spec.head_channels, width) if feature_transform else nn.Identity()

    def forward(self, image: Tensor) -> DSRLOutput:
        """Run both branches on an image (N, 3, H, W) in [0, 1]."""
        features, head = self._encode(image)
        logits = self.task_model.to_output_size(head.logits, image)
        align_corners = self.task_model.spec.align_corners
        auxiliary = tuple(resize(x, logits.shape[-2:], align_corners=align_corners) for x in head.auxiliary)
        if self.sisr_head is None:
            return DSRLOutput(logits, auxiliary=auxiliary)
        high_size = (self.upscale_factor * image.shape[-2], self.upscale_factor * image.shape[-1])
        super_res, sisr_features = self.sisr_head(features)
        super_res = resize(super_res, high_size)
        if self.sisr_head.residual:
            super_res = super_res + resize(image, high_size)
        if self.transform is None:
            return DSRLOutput(logits, super_res, auxiliary=auxiliary)
        sisr_features = sisr_features.detach() if self.detach_sisr else sisr_features
        compared = self._compared(head.features, sisr_features, high_size)
        return DSRLOutput(logits, super_res, *compared, auxiliary)

    def compared_features(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """The features (N, C, h, w) of task (without a transform the host's own) and SISR that affinity compares.

        Raises:
            ValueError: there is no SISR head to compare with.
        """
        if self.sisr_head is None:
            raise ValueError("feature affinity compares with the SISR branch; build the network with sisr=True")
        features, head = self._encode(image)
        high_size = (self.upscale_factor * image.shape[-2], self.upscale_factor * image.shape[-1])
        return self._compared(head.features, self.sisr_head(features)[1], high_size)

    def _encode(self, image: Tensor) -> tuple[tuple[Tensor, ...], HeadOutput]:
        self.task_model.check_input(image)
        features = self.task_model.forward_features(self.task_model.normalise(image))
        head = self.task_model.forward_head(features)
        self.task_model.check_maps(image, features, head)
        return features, head

    def _compared(self, task: Tensor, sisr: Tensor, high_size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        own = [max(sides) for sides in zip(task.shape[-2:], sisr.shape[-2:], strict=True)]  # finer would repeat them
        height, width = (min(-(-high // self.affinity_stride), x) for high, x in zip(high_size, own, strict=True))
        task = F.adaptive_avg_pool2d(task, (height, width))
        return task if self.transform is None else self.transform(task), F.adaptive_avg_pool2d(sisr, (height, width))
