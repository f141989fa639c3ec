"""Scores of super-resolved images: torchmetrics behind the switches of the super-resolution field.

PSNR: of each image over all its values, then the mean over images; infinite for equal images. SSIM: Wang et al., IEEE
TIP 2004, with a Gaussian window of 11 pixels and sigma 1.5, K1 = 0.01, K2 = 0.03, population covariances; the mean over
the positions where the window fits, over channels and over images, as scikit-image's "to match Wang et al." settings.
Both are computed in float64. Nothing is clamped or rounded here: tables of the field round images to 8 bits first.
"PSNR-Y" of those tables is ``y_channel=True`` with ``crop_border`` equal to the upscale factor.
"""

from __future__ import annotations

from torch import Tensor
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

SSIM_WINDOW = 11
POSITIONS_AT_ONCE = 2**18  # of SSIM's window: convolutions in float64 take some 5 kB for each on a CPU


def luminance(image: Tensor, *, data_range: float = 1.0) -> Tensor:
    """Y of ITU-R BT.601 as MATLAB's ``rgb2ycbcr`` has it: black at 16/255, white at 235/255 of the range.

    Shape:
        - image: (..., 3, H, W) in [0, data_range], RGB
        - output: (..., 1, H, W)

    Raises:
        ValueError: the image has not three channels.

    Example:
        >>> import torch
        >>> (luminance(torch.ones(3, 1, 1)) * 255).round().item()
        235.0
    """
    if image.ndim < 3 or image.shape[-3] != 3:
        raise ValueError(
            f"expected RGB images of shape (..., 3, H, W), got {tuple(image.shape)}; what is luminance already needs "
            "no conversion"
        )
    red, green, blue = image.unbind(-3)
    return ((16 * data_range + 65.481 * red + 128.553 * green + 24.966 * blue) / 255).unsqueeze(-3)


def _to_compare(
    pred: Tensor, target: Tensor, crop_border: int, y_channel: bool, data_range: float, smallest: int
) -> tuple[Tensor, Tensor]:
    """Both images in float64, as luminance if wanted, without the border."""
    if pred.ndim != 4 or pred.shape != target.shape:
        raise ValueError(
            f"expected two image batches of one shape (N, C, H, W), got {tuple(pred.shape)} and {tuple(target.shape)}; "
            "bring the prediction to the target's size"
        )
    if crop_border < 0 or min(pred.shape[-2:]) - 2 * crop_border < smallest:
        raise ValueError(
            f"expected at least {smallest} pixels a side within the border, got (H, W) = {tuple(pred.shape[-2:])} and "
            f"crop_border={crop_border}; crop less or score larger images"
        )
    pred, target = pred.double(), target.double()
    if y_channel:
        pred, target = luminance(pred, data_range=data_range), luminance(target, data_range=data_range)
    height, width = pred.shape[-2:]
    inner = (..., slice(crop_border, height - crop_border), slice(crop_border, width - crop_border))
    return pred[inner], target[inner]


def psnr(
    pred: Tensor, target: Tensor, *, crop_border: int = 0, y_channel: bool = False, data_range: float = 1.0
) -> Tensor:
    """Peak signal-to-noise ratio in dB: 10 log10(data_range^2 / mean squared error), the mean over images.

    Nothing is clamped or rounded: tables of the field round to 8 bits first. "PSNR-Y" is ``y_channel=True`` with
    ``crop_border`` equal to the upscale factor.

    Args:
        pred: images.
        target: the truth.
        crop_border: pixels left out on each side.
        y_channel: compare the luminance of RGB images.
        data_range: the largest value an image can have, 1.0 or 255.

    Shape:
        - pred, target: (N, C, H, W)
        - output: () float64

    Raises:
        ValueError: shapes that differ, nothing left within the border, or ``y_channel`` without 3 channels.

    Example:
        >>> import torch
        >>> psnr(torch.full((1, 3, 4, 4), 0.5), torch.full((1, 3, 4, 4), 0.6))  # error 1/10: 20 dB
        tensor(20.0000, dtype=torch.float64)
    """
    pred, target = _to_compare(pred, target, crop_border, y_channel, data_range, smallest=1)
    return peak_signal_noise_ratio(pred, target, data_range=data_range, dim=(1, 2, 3))


def ssim(
    pred: Tensor, target: Tensor, *, crop_border: int = 0, y_channel: bool = False, data_range: float = 1.0
) -> Tensor:
    """Structural similarity, at most 1 (equal images), the mean over images; arguments as those of ``psnr``.

    Shape:
        - pred, target: (N, C, H, W), at least 11 pixels a side within the border
        - output: () float64

    Raises:
        ValueError: shapes that differ, fewer than 11 pixels a side, or ``y_channel`` without 3 channels.

    Example:
        >>> import torch
        >>> image = torch.rand(1, 3, 16, 16)
        >>> ssim(image, image)
        tensor(1., dtype=torch.float64)
    """
    pred, target = _to_compare(pred, target, crop_border, y_channel, data_range, smallest=SSIM_WINDOW)
    places = pred.shape[-2] - SSIM_WINDOW + 1  # torchmetrics also averages windows over a mirrored border; they are cut
    fits = slice(SSIM_WINDOW // 2, -(SSIM_WINDOW // 2))
    rows = max(POSITIONS_AT_ONCE // pred.shape[-1], 1)
    total, count = pred.new_zeros(()), 0
    for top in range(0, places, rows):
        strip = (..., slice(top, top + rows + SSIM_WINDOW - 1), slice(None))
        _, similarity = structural_similarity_index_measure(
            pred[strip], target[strip], sigma=1.5, data_range=data_range, return_full_image=True
        )
        similarity = similarity[..., fits, fits]
        total, count = total + similarity.sum(), count + similarity.numel()
    return total / count
