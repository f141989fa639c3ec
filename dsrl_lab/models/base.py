"""The contract of every dense predictor: encoder features, then a head, then logits.

A network that keeps this contract can be handed to DSRL, whatever its task. The split into ``forward_features`` and
``forward_head`` follows timm; announced channels and strides follow segmentation_models.pytorch.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor, nn

from dsrl_lab.layers import BATCHNORM_REMEDY, Normalise, resize


class HeadOutput(NamedTuple):
    """What a head gives back, in training and in evaluation alike."""

    logits: Tensor  # (N, K, h, w), the prediction at the head's own resolution, before any final resize
    features: Tensor  # (N, C, h', w'), the last before the prediction layer, where feature affinity is measured
    auxiliary: tuple[Tensor, ...] = ()  # of auxiliary heads, each (N, K, h'', w''); empty in evaluation


@dataclass(frozen=True, kw_only=True)
class PredictorSpec:
    """What a dense predictor announces; one object, so that a wrapper passes on all of it."""

    num_classes: int  # K, the channels of the logits (classes, or joints of a pose net)
    feature_channels: tuple[int, ...]  # channels of each map of ``forward_features``, shallow to deep
    feature_strides: tuple[int, ...]  # input pixels per step of each of those maps; never decreasing
    head_channels: int  # channels of ``HeadOutput.features``
    head_stride: int  # input pixels per step of ``HeadOutput.features``
    logits_stride: int  # input pixels per step of ``HeadOutput.logits``
    size_divisor: int = 1  # the input's sides must be multiples of it
    output_stride: int = 1  # input pixels per output pixel of ``forward``: 1 for segmentation, 4 for heat-maps
    align_corners: bool = False  # corner convention wherever logits are resized, in ``forward`` and in an SSSR head
    class_layers: tuple[str, ...] = ()  # submodules that predict logits; they learn at the rate of all new layers


class DensePredictor(nn.Module, ABC):
    """A network that gives K values for each position of an image.

    A subclass calls ``super().__init__()``, sets ``self.spec`` and writes the two abstract methods. Images in [0, 1]
    first pass ``normalise``: ImageNet's statistics, unless the subclass replaces it.
    """

    spec: PredictorSpec

    def __init__(self) -> None:
        super().__init__()
        self.normalise: nn.Module = Normalise()

    @property
    def num_classes(self) -> int:
        """K, the channels of the logits."""
        return self.spec.num_classes

    @abstractmethod
    def forward_features(self, image: Tensor) -> tuple[Tensor, ...]:
        """Encode a normalised image (N, 3, H, W) into maps from shallow to deep, as announced."""

    @abstractmethod
    def forward_head(self, features: tuple[Tensor, ...]) -> HeadOutput:
        """Decode the encoder's maps into logits and the features before them."""

    def output_size(self, input_size: tuple[int, int]) -> tuple[int, int]:
        """Size (H, W) of ``forward``'s result for an input of ``input_size`` (H, W)."""
        height, width = input_size
        return -(-height // self.spec.output_stride), -(-width // self.spec.output_stride)

    def to_output_size(self, logits: Tensor, image: Tensor) -> Tensor:
        """Resize logits (N, K, h, w) bilinearly to the size that ``forward`` gives for ``image`` (N, 3, H, W)."""
        size = self.output_size((image.shape[-2], image.shape[-1]))
        return resize(logits, size, align_corners=self.spec.align_corners)

    def check_input(self, image: Tensor) -> None:
        """Refuse what is no (N, 3, H, W) that ``size_divisor`` divides: a ValueError names the size to pad to."""
        if image.ndim != 4 or image.shape[1] != 3:
            raise ValueError(f"expected images (N, 3, H, W), got {tuple(image.shape)}; add a batch axis, or take RGB")
        if not image.is_floating_point():
            raise ValueError(f"expected images of floats in [0, 1], got {image.dtype}; divide them by 255")
        height, width = image.shape[-2:]
        divisor = self.spec.size_divisor
        if height % divisor or width % divisor:
            padded = (-(-height // divisor) * divisor, -(-width // divisor) * divisor)
            raise ValueError(
                f"{type(self).__name__} needs sides that are multiples of {divisor}, got (H, W) = {(height, width)}; "
                f"pad or resize the image to {padded}"
            )

    def check_maps(self, image: Tensor, features: tuple[Tensor, ...], output: HeadOutput) -> None:
        """Refuse, with a ValueError that names them, maps that differ in channels or size from what ``spec`` says."""
        spec, said = self.spec, f"as the spec of {type(self).__name__} says"
        if not isinstance(output, HeadOutput) or len(features) != len(spec.feature_channels):
            raise ValueError(f"expected {len(spec.feature_channels)} features and a HeadOutput, {said}")
        channels, strides = (*spec.feature_channels, spec.head_channels), (*spec.feature_strides, spec.head_stride)
        for x, count, stride in zip((*features, output.features), channels, strides, strict=True):
            size = (count, *(-(-side // stride) for side in image.shape[-2:]))
            if tuple(x.shape[1:]) != size:
                raise ValueError(f"expected a map (C, h, w) of {size}, {said}, got {tuple(x.shape[1:])}")

    def check_positions(self, image: Tensor) -> None:
        """Refuse, with a ValueError, a side under the deepest stride, or a single position to train BatchNorm on."""
        stride, (height, width) = self.spec.feature_strides[-1], image.shape[-2:]
        if height < stride or width < stride:
            raise ValueError(
                f"{type(self).__name__} needs sides of at least {stride}, its deepest stride, got (H, W) = "
                f"{(height, width)}; enlarge or pad the image to {(max(height, stride), max(width, stride))}"
            )
        one_position = image.shape[0] == 1 and height <= stride and width <= stride
        if one_position and any(isinstance(m, nn.BatchNorm2d) and m.training for m in self.modules()):
            raise ValueError(
                f"{type(self).__name__} cannot train on one image of {(height, width)}: its deepest map has one "
                f"position, and BatchNorm needs more than one value per channel; {BATCHNORM_REMEDY}"
            )

    def forward(self, image: Tensor) -> Tensor:
        """Predict logits: (N, 3, H, W) in [0, 1] to (N, K, H / output_stride, W / output_stride), rounded up."""
        self.check_input(image)
        return self.to_output_size(self.forward_head(self.forward_features(self.normalise(image))).logits, image)
