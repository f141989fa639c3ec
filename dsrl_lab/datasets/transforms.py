"""Joint transforms of picture and mask, and the pair of resolutions that DSRL learns from (section 3.1 of the paper).

Source: one draw for both, picture bilinear, mask nearest, padding ignored, as in torchvision's segmentation reference.
Deviations: a picture that shrinks is antialiased; the crop is cut before it is resized, which costs less.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from dsrl_lab.datasets.base import IGNORE_INDEX, Sample, check_sample
from dsrl_lab.layers import IMAGENET_MEAN, IMAGENET_STD


class TrainingExample(NamedTuple):
    """One example of DSRL; pictures are float32 in [0, 1]."""

    low_res: Tensor  # (3, H / s, W / s), the network's input
    high_res: Tensor  # (3, H, W), the target of super-resolution
    mask: Tensor  # (H, W) int64, 255 = ignored, the target of segmentation


def normalise(image: Tensor) -> Tensor:
    """Centre a picture (..., 3, H, W) in [0, 1] on ImageNet's mean, in units of its deviations, for SISR's loss."""
    mean, deviation = (image.new_tensor(values).view(-1, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    return (image - mean) / deviation


def _resample(image: Tensor, size: tuple[int, int]) -> Tensor:
    if image.shape[-2:] == tuple(size):
        return image
    batch = image if image.ndim == 4 else image[None]
    resized = F.interpolate(batch, size=tuple(size), mode="bilinear", align_corners=False, antialias=True)
    return resized if image.ndim == 4 else resized[0]


def reduce_image(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Reduce a picture (..., 3, H, W) to ``size`` by an antialiased bilinear filter; a larger one is a ValueError."""
    height, width = image.shape[-2:]
    if not (1 <= size[0] <= height and 1 <= size[1] <= width):
        raise ValueError(
            f"reduce_image makes pictures smaller: got (H, W) = {(height, width)}, asked for {tuple(size)}; "
            "use dsrl_lab.layers.resize to enlarge"
        )
    return _resample(image, size)


def resize_mask(mask: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize ids (..., H, W) to ``size`` by the nearest pixel centre, as a bilinearly resized picture lies.

    Example:
        >>> resize_mask(torch.arange(6).view(1, 6), (1, 2))
        tensor([[1, 4]])
    """
    rows, columns = (
        (2 * torch.arange(new, device=mask.device) + 1) * old // (2 * new)
        for new, old in zip(size, mask.shape[-2:], strict=True)
    )
    return mask.index_select(-2, rows).index_select(-1, columns)


def low_and_high(sample: Sample, upscale_factor: int) -> TrainingExample:
    """Make the pair of resolutions: the input is the antialiased reduction of the picture itself.

    A side of the picture that is no multiple of ``upscale_factor`` is a ValueError.
    """
    return TrainingExample(low_res(sample.image, upscale_factor, sample.name), sample.image, sample.mask)


def low_res(image: Tensor, upscale_factor: int, name: str) -> Tensor:
    """Reduce a picture (3, H, W) to (3, H / s, W / s); a ValueError, with its name, if that is not whole."""
    height, width = image.shape[-2:]
    if upscale_factor < 1 or height % upscale_factor or width % upscale_factor:
        raise ValueError(
            f"expected sides that are multiples of upscale_factor={upscale_factor}, "
            f"got (H, W) = {(height, width)} for {name}; choose another crop size or factor"
        )
    return reduce_image(image, (height // upscale_factor, width // upscale_factor))


@dataclass(frozen=True)
class JointTransform:
    """Scale, crop and flip picture and mask by the same draw; a setting out of its range is a ValueError.

    The scale is uniform in ``scale_range``, the crop's position among those possible. A scaled picture smaller than the
    crop lies at a uniform position, surrounded by ImageNet's mean colour and by 255 in the mask.
    """

    output_size: tuple[int, int]  # (H, W) of the crop
    scale_range: tuple[float, float] = (1.0, 1.0)  # smallest and largest enlargement before the crop
    flip_probability: float = 0.5  # of mirroring left and right

    def __post_init__(self) -> None:
        if min(self.output_size) < 1:
            raise ValueError(f"output_size (H, W) must be positive, got {self.output_size}; choose a crop size")
        smallest, largest = self.scale_range
        if not 0.0 < smallest <= largest:
            raise ValueError(f"scale_range must be 0 < smallest <= largest, got {self.scale_range}; e.g. (0.5, 2.0)")
        if not 0.0 <= self.flip_probability <= 1.0:
            raise ValueError(f"flip_probability must be in [0, 1], got {self.flip_probability}; e.g. 0.5")

    def __call__(self, sample: Sample, generator: torch.Generator) -> Sample:
        """Draw once from ``generator`` (always four numbers) and apply the draw to picture and mask."""
        check_sample(sample)
        draw_scale, draw_top, draw_left, draw_flip = torch.rand(4, generator=generator).tolist()
        smallest, largest = self.scale_range
        scale = smallest + (largest - smallest) * draw_scale
        top, height, row, new_height = _window(sample.image.shape[-2], self.output_size[0], scale, draw_top)
        left, width, column, new_width = _window(sample.image.shape[-1], self.output_size[1], scale, draw_left)

        image = _resample(sample.image[:, top : top + height, left : left + width], (new_height, new_width))
        mask = resize_mask(sample.mask[top : top + height, left : left + width], (new_height, new_width))
        if (new_height, new_width) != self.output_size:
            image, mask = self._pad(image, mask, row, column)
        if draw_flip < self.flip_probability:
            image, mask = image.flip(-1), mask.flip(-1)
        return Sample(image.contiguous(), mask.contiguous(), sample.name)

    def _pad(self, image: Tensor, mask: Tensor, row: int, column: int) -> tuple[Tensor, Tensor]:
        height, width = mask.shape
        canvas = image.new_tensor(IMAGENET_MEAN).view(3, 1, 1).expand(3, *self.output_size).clone()
        canvas[:, row : row + height, column : column + width] = image
        ids = mask.new_full(self.output_size, IGNORE_INDEX)
        ids[row : row + height, column : column + width] = mask
        return canvas, ids


def _window(length: int, output: int, scale: float, draw: float) -> tuple[int, int, int, int]:
    """Along one axis: start and length of the window in the source, then start and length in the output."""
    scaled = max(1, round(length * scale))
    if scaled <= output:
        return 0, length, int(draw * (output - scaled + 1)), scaled
    window = min(length, max(1, round(output / scale)))
    return int(draw * (length - window + 1)), window, 0, output
