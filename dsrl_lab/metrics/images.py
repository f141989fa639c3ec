"""Scores of super-resolved images: torchmetrics with the conventions of the super-resolution field.

PSNR: of each image, then the mean. SSIM: Wang et al., IEEE TIP 2004, with a Gaussian window of 11 pixels and sigma 1.5,
K1 = 0.01, K2 = 0.03, population covariances, the mean over positions where the window fits, channels and images, as in
scikit-image's "to match Wang et al.". Images are in [0, 1], scored in float64; nothing is clamped or rounded (the field
rounds to 8 bits first). "PSNR-Y" of the field's tables is that of ``luminance``, with ``crop_border`` equal to the
upscale factor.
"""

from torch import Tensor
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

SSIM_WINDOW = 11
POSITIONS_AT_ONCE = 2**18  # of SSIM's window: convolutions in float64 take some 5 kB for each on a CPU


def luminance(image: Tensor) -> Tensor:
    """Y of ITU-R BT.601 (MATLAB's ``rgb2ycbcr``): (..., 1, H, W), black at 16/255, white at 235/255.

    ValueError for an image that is not RGB (..., 3, H, W) in [0, 1], or of whole numbers.

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
    _check_floats(image)
    red, green, blue = image.unbind(-3)
    return ((16 + 65.481 * red + 128.553 * green + 24.966 * blue) / 255).unsqueeze(-3)


def _check_floats(image: Tensor) -> None:
    if not image.is_floating_point():
        raise ValueError(f"expected images in [0, 1], got {image.dtype}; divide bytes by 255")


def _to_compare(pred: Tensor, target: Tensor, crop_border: int, *, smallest: int) -> tuple[Tensor, Tensor]:
    """Both images in float64, without the border."""
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
    for image in (pred, target):
        _check_floats(image)
        if not image.isfinite().all():
            raise ValueError("expected finite images, got NaN or infinity; check the network's weights and its input")
    rows, columns = (slice(crop_border, side - crop_border) for side in pred.shape[-2:])
    return pred[..., rows, columns].double(), target[..., rows, columns].double()


def psnr(pred: Tensor, target: Tensor, *, crop_border: int = 0) -> Tensor:
    """Peak signal-to-noise ratio in dB: -10 log10 of the mean squared error, the mean over images.

    Images are (N, C, H, W) in [0, 1], of which ``crop_border`` pixels a side do not count. A pair of equal images is
    left out of the mean; if all are equal, the result is infinite.

    ValueError for shapes that do not fit, values not finite, or whole numbers.

    Example:
        >>> import torch
        >>> psnr(torch.full((1, 3, 4, 4), 0.5), torch.full((1, 3, 4, 4), 0.6))  # error 1/10: 20 dB
        tensor(20.0000, dtype=torch.float64)
    """
    pred, target = _to_compare(pred, target, crop_border, smallest=1)
    each = peak_signal_noise_ratio(pred, target, data_range=1.0, dim=(1, 2, 3), reduction="none")
    differ = each.isfinite()
    return each[differ].mean() if differ.any() else each.mean()


def ssim(pred: Tensor, target: Tensor, *, crop_border: int = 0) -> Tensor:
    """Structural similarity, at most 1, the mean over images of at least 11 pixels a side; arguments as in ``psnr``."""
    pred, target = _to_compare(pred, target, crop_border, smallest=SSIM_WINDOW)
    places = pred.shape[-2] - SSIM_WINDOW + 1  # torchmetrics also averages windows over a mirrored border; they are cut
    fits = slice(SSIM_WINDOW // 2, -(SSIM_WINDOW // 2))
    rows = max(POSITIONS_AT_ONCE // pred.shape[-1], 1)
    total, count = pred.new_zeros(()), 0
    for top in range(0, places, rows):
        strip = (..., slice(top, top + rows + SSIM_WINDOW - 1), slice(None))
        _, similarity = structural_similarity_index_measure(
            pred[strip], target[strip], sigma=1.5, data_range=1.0, return_full_image=True
        )
        similarity = similarity[..., fits, fits]
        total, count = total + similarity.sum(), count + similarity.numel()
    return total / count
