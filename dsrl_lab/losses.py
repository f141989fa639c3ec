"""The losses of the kit, and the DSRL objective that adds them up.

Source: Wang et al., CVPR 2020, equations 2 to 5: L = L_ce + w1 * L_mse + w2 * L_fa with w1 = 0.1 and w2 = 1.0.
The paper gives neither reduction nor units of L_mse. Here: a mean over pixels and channels, in units of ImageNet's
standard deviations, as of normalised images. In [0, 1] it would be some 20 times smaller and hardly train SISR.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

IGNORE_INDEX = 255


def segmentation_loss(
    logits: Tensor,
    mask: Tensor,
    *,
    ignore_index: int = IGNORE_INDEX,
    class_weights: Tensor | None = None,
    normaliser: Tensor | None = None,
) -> Tensor:
    """Cross-entropy of logits (N, K, H, W), the mean over the pixels of ``mask`` (N, H, W) not ignored; 0 if all are.

    ``class_weights`` are (K,); ``normaliser``, the whole batch's ``pixel_count``, divides the sum of this part.

    Raises:
        ValueError: logits and mask differ in size, or the mask is of no whole numbers.

    Example:
        >>> round(segmentation_loss(torch.zeros(2, 4, 1, 2), torch.tensor([[[1, 255]], [[2, 255]]])).item(), 4)  # ln 4
        1.3863
    """
    if (logits.shape[0], *logits.shape[-2:]) != tuple(mask.shape) or mask.is_floating_point():
        raise ValueError(
            f"expected logits (N, K, H, W) and ids (N, H, W) of the same N, H, W, got {tuple(logits.shape)} and "
            f"{mask.dtype} {tuple(mask.shape)}; resize the logits, or reduce the mask with nearest neighbour"
        )
    mask, logits = mask.long(), logits.to(torch.promote_types(logits.dtype, torch.float32))
    total = F.cross_entropy(logits, mask, weight=class_weights, ignore_index=ignore_index, reduction="sum")
    if normaliser is None:
        normaliser = pixel_count(mask, ignore_index=ignore_index, class_weights=class_weights)
    return total / normaliser.clamp(min=torch.finfo(total.dtype).tiny)


def pixel_count(mask: Tensor, *, ignore_index: int = IGNORE_INDEX, class_weights: Tensor | None = None) -> Tensor:
    """Count the pixels that enter ``segmentation_loss``, each with its class's weight: a float32 scalar.

    Example:
        >>> pixel_count(torch.tensor([[[0, 1, 255]]])).item()
        2.0
    """
    counted = mask != ignore_index
    if class_weights is None:
        return counted.sum().float()
    return class_weights[mask[counted].long()].sum()


def reconstruction_loss(super_res: Tensor, high_res: Tensor) -> Tensor:
    """Mean squared error of two images (N, 3, H, W) over pixels and channels; the loop passes both normalised.

    Raises:
        ValueError: the two differ in shape (broadcasting would hide it).

    Example:
        >>> reconstruction_loss(torch.zeros(1, 3, 2, 2), torch.ones(1, 3, 2, 2)).item()
        1.0
    """
    if super_res.shape != high_res.shape:
        raise ValueError(
            f"expected two images of one shape, got {tuple(super_res.shape)} and {tuple(high_res.shape)}; "
            "the high-resolution image must be upscale_factor times the input"
        )
    return F.mse_loss(super_res, high_res)


def heatmap_loss(heatmaps: Tensor, target: Tensor, visible: Tensor) -> Tensor:
    """Half the squared error of heat-maps (N, J, h, w) if ``visible`` (N, J), averaged, as HRNet's JointsMSELoss.

    Raises:
        ValueError: shapes differ.

    Example:
        >>> heatmap_loss(torch.ones(1, 2, 4, 4), torch.zeros(1, 2, 4, 4), torch.tensor([[1.0, 0.0]])).item()
        0.25
    """
    if heatmaps.shape != target.shape or visible.shape != heatmaps.shape[:2]:
        raise ValueError(
            f"expected heat-maps and target (N, J, h, w) and visible (N, J), got {tuple(heatmaps.shape)}, "
            f"{tuple(target.shape)} and {tuple(visible.shape)}; draw the target at the heat-maps' size"
        )
    return 0.5 * ((heatmaps - target).square().mean(dim=(2, 3)) * visible).mean()


class LossTerms(NamedTuple):
    """The objective and its parts, each a scalar; ``sisr`` and ``affinity`` are unweighted and 0 where absent."""

    total: Tensor
    task: Tensor
    sisr: Tensor
    affinity: Tensor


def objective(
    task: Tensor,
    sisr: Tensor | None = None,
    affinity: Tensor | None = None,
    *,
    sisr_weight: float = 0.1,
    affinity_weight: float = 1.0,
) -> LossTerms:
    """Add up the paper's objective: task + ``sisr_weight`` * SISR + ``affinity_weight`` * affinity.

    Example:
        >>> round(objective(torch.tensor(1.0), torch.tensor(0.5), torch.tensor(0.25)).total.item(), 4)
        1.3
    """
    zero = torch.zeros_like(task)
    sisr = zero if sisr is None else sisr
    affinity = zero if affinity is None else affinity
    return LossTerms(task + sisr_weight * sisr + affinity_weight * affinity, task, sisr, affinity)
