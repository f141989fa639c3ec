"""Scores of super-resolved images: torchmetrics with the conventions of the super-resolution field.

PSNR: of each image, then the mean. SSIM: Wang et al., IEEE TIP 2004, with a Gaussian window of 11 pixels and sigma 1.5,
K1 = 0.01, K2 = 0.03, population covariances, the mean over positions where the window fits, channels and images, as in
scikit-image's "to match Wang et al.". All in float64; nothing is clamped or rounded (the field rounds to 8 bits first).
"PSNR-Y" of the field's tables is ``y_channel=True`` with ``crop_border`` equal to the upscale factor.
"""

import math

from torch import Tensor
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

SSIM_WINDOW = 11
POSITIONS_AT_ONCE = 2**18  # of SSIM's window: convolutions in float64 take some 5 kB for each on a CPU


def luminance(image: Tensor, *, data_range: float = 1.0) -> Tensor:
    """Y of ITU-R BT.601 (MATLAB's ``rgb2ycbcr``): (..., 1, H, W), black at 16/255, white at 235/255 of the range.

    ValueError for an image that is not RGB (..., 3, H, W), or of whole numbers without their ``data_range``.

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
    red, green, blue = _as_floats(image, data_range).unbind(-3)
    return ((16 * data_range + 65.481 * red + 128.553 * green + 24.966 * blue) / 255).unsqueeze(-3)


def _as_floats(image: Tensor, data_range: float) -> Tensor:
    if not 0 < data_range < math.inf:
        raise ValueError(f"expected a positive data_range, got {data_range}; 1.0 for [0, 1], 255 for bytes")
    if image.is_floating_point():
        return image
    if data_range == 1:
        raise ValueError(f"expected images in [0, 1], got {image.dtype}; pass data_range=255, or divide them by 255")
    return image.double()


def _to_compare(
    pred: Tensor, target: Tensor, crop_border: int, y_channel: bool, data_range: float, smallest: int
) -> tuple[Tensor, Tensor]:
    """Both images in float64, as luminance if wanted, without the border."""
    if pred.ndim != 4 or pred.shape != target.shape or not len(pred):
        raise ValueError(
            f"expected two image batches of one shape (N, C, H, W), got {tuple(pred.shape)} and {tuple(target.shape)}; "
            "bring the prediction to the target's size"
        )
    if crop_border < 0 or min(pred.shape[-2:]) - 2 * crop_border < smallest:
        raise ValueError(
            f"expected at least {smallest} pixels a side within the border, got (H, W) = {tuple(pred.shape[-2:])} and "
            f"crop_border={crop_border}; crop less or score larger images"
        )
    pred, target = _as_floats(pred, data_range).double(), _as_floats(target, data_range).double()
    if not (pred.isfinite().all() and target.isfinite().all()):
        raise ValueError("expected finite images, got NaN or infinity; check the network's weights and its input")
    if y_channel:
        pred, target = luminance(pred, data_range=data_range), luminance(target, data_range=data_range)
    rows, columns = (slice(crop_border, side - crop_border) for side in pred.shape[-2:])
    return pred[..., rows, columns], target[..., rows, columns]


def psnr(
    pred: Tensor, target: Tensor, *, crop_border: int = 0, y_channel: bool = False, data_range: float = 1.0
) -> Tensor:
    """Peak signal-to-noise ratio in dB: 10 log10(data_range^2 / mean squared error), the mean over images.

    Images are (N, C, H, W). A pair of equal images is left out of the mean; if all are equal, the result is infinite.
    ``crop_border`` pixels a side do not count; ``data_range`` is the largest possible value: 1.0, or 255 for bytes.

    ValueError for shapes or channels that do not fit, values not finite, or whole numbers without ``data_range``.

    Example:
        >>> import torch
        >>> psnr(torch.full((1, 3, 4, 4), 0.5), torch.full((1, 3, 4, 4), 0.6))  # error 1/10: 20 dB
        tensor(20.0000, dtype=torch.float64)
    """
    pred, target = _to_compare(pred, target, crop_border, y_channel, data_range, smallest=1)
    each = peak_signal_noise_ratio(pred, target, data_range=data_range, dim=(1, 2, 3), reduction="none")
    differ = each.isfinite()
    return each[differ].mean() if differ.any() else each.mean()


def ssim(
    pred: Tensor, target: Tensor, *, crop_border: int = 0, y_channel: bool = False, data_range: float = 1.0
) -> Tensor:
    """Structural similarity, at most 1, the mean over images of at least 11 pixels a side; arguments as in ``psnr``."""
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
