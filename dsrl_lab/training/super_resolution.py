"""Super-resolution networks in the same loop: patches of T91 as examples, PSNR on held-out pictures as the score.

Source: the protocol of the field since SRCNN (Dong et al., TPAMI 2016): patches of T91, luminance only, PSNR on Y
with a border of s pixels left out. Every scale a network returns is supervised (LapSRN, CVPR 2017).

Deviations, so that a network takes minutes on one core: Adam with a cosine schedule for all of them and small batches.
Which weights to keep is decided on pictures of T91 that are held out, never on Set5 or Set14.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional as F

from dsrl_lab.datasets.super_resolution import SRPair, imresize_bicubic, random_patches
from dsrl_lab.losses import LossTerms
from dsrl_lab.metrics import psnr, ssim
from dsrl_lab.training.config import SUPER_RESOLUTION_LOSSES, TrainConfig
from dsrl_lab.training.evaluate import evaluating


class PatchExample(NamedTuple):
    """A patch at two sizes.

    Attributes:
        low_res: (C, h, w) in [0, 1].
        high_res: (C, s * h, s * w) in [0, 1].
    """

    low_res: Tensor
    high_res: Tensor


def charbonnier_loss(super_res: Tensor, high_res: Tensor, *, epsilon: float = 1e-3) -> Tensor:
    """Take the mean of sqrt(d^2 + epsilon^2), an absolute difference without a corner (LapSRN, section 3).

    Shape:
        - super_res, high_res: (N, C, H, W)
        - output: scalar, at least ``epsilon``

    Example:
        >>> round(charbonnier_loss(torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), 0.3)).item(), 4)
        0.3
    """
    return ((super_res - high_res).square() + epsilon**2).sqrt().mean()


def super_resolution_loss(scales: Sequence[Tensor], high_res: Tensor, *, loss: str = "mse") -> Tensor:
    """Sum of the loss over every scale, each against the picture reduced to it by antialiased bicubic.

    Args:
        scales: pictures, shallow to final, as ``SuperResolution.scales``.
        high_res: the original at the size of the last scale.
        loss: "mse", "l1" or "charbonnier".

    Raises:
        ValueError: unknown loss, or the last scale has not the original's shape.

    Example:
        >>> super_resolution_loss([torch.zeros(1, 1, 4, 4)], torch.ones(1, 1, 4, 4), loss="l1").item()
        1.0
    """
    if scales[-1].shape != high_res.shape:
        raise ValueError(
            f"expected the last scale in the original's shape {tuple(high_res.shape)}, got {tuple(scales[-1].shape)}; "
            "the original must be upscale_factor times the input"
        )
    terms = []
    for scale in scales:
        size = (scale.shape[-2], scale.shape[-1])
        target = high_res if scale.shape == high_res.shape else imresize_bicubic(high_res, size)
        match loss:
            case "mse":
                terms.append(F.mse_loss(scale, target))
            case "l1":
                terms.append(F.l1_loss(scale, target))
            case "charbonnier":
                terms.append(charbonnier_loss(scale, target))
            case _:
                raise ValueError(f"unknown loss {loss!r}; choose one of {', '.join(SUPER_RESOLUTION_LOSSES)}")
    return torch.stack(terms).sum()


def score_pairs(model: nn.Module | None, pairs: Sequence[SRPair]) -> dict[str, float]:
    """Score pictures as the field does: mean PSNR (dB) and SSIM, a border of s pixels left out.

    Super-resolved pictures are clipped to [0, 1] and not rounded to whole levels, which is worth below 0.05 dB.

    Args:
        model: a super-resolver of the pictures' channels, or None for bicubic interpolation, the reference.
        pairs: pictures at two sizes; with one channel the scores are those of Y.

    Returns:
        {"psnr": ..., "ssim": ...}, each the mean of the pictures' own scores.

    Example:
        >>> ramp = torch.linspace(0, 1, 32).expand(1, 32, 32)
        >>> sorted(score_pairs(None, [SRPair(imresize_bicubic(ramp, (16, 16)), ramp, "ramp")]))
        ['psnr', 'ssim']
    """
    scores = []
    with nullcontext() if model is None else evaluating(model):
        for low_res, high_res, _ in pairs:
            border = high_res.shape[-1] // low_res.shape[-1]
            if model is None:
                super_res = imresize_bicubic(low_res, (high_res.shape[-2], high_res.shape[-1]))[None]
            else:
                super_res = model(low_res[None]).image
            both = super_res.clamp(0, 1), high_res[None]
            scores.append((float(psnr(*both, crop_border=border)), float(ssim(*both, crop_border=border))))
    means = torch.tensor(scores, dtype=torch.float64).mean(0)
    return {"psnr": means[0].item(), "ssim": means[1].item()}


@dataclass(frozen=True)
class SuperResolutionObjective:
    """Super-resolution of patches.

    Args:
        config: of the run; ``input_size`` is that of a low-resolution patch.
        pictures: what patches are drawn from, each position of the data equally likely.
        upscale_factor: s.
        kind: "mse", "l1" or "charbonnier", on every scale the network returns.
        validation: held-out pictures.
    """

    config: TrainConfig
    pictures: Sequence[SRPair]
    upscale_factor: int = 2
    kind: str = "mse"
    validation: Sequence[SRPair] = ()
    score = "psnr"

    def example(self, sample: SRPair, generator: torch.Generator) -> PatchExample:
        """Draw a patch from all pictures; ``sample``, the loop's own choice, would favour small ones."""
        size = self.config.input_size[0] * self.upscale_factor
        low_res, high_res = random_patches(self.pictures, size, 1, generator)
        return PatchExample(low_res[0], high_res[0])

    def count(self, batch: PatchExample) -> Tensor:
        """Patches."""
        return torch.tensor(float(len(batch.low_res)))

    def loss(self, model: nn.Module, batch: PatchExample, *, iteration: int, count: Tensor) -> LossTerms:
        """The loss over every scale; it has no other terms."""
        scales = [scale.float() for scale in model(batch.low_res).scales]
        loss = super_resolution_loss(scales, batch.high_res, loss=self.kind)
        return LossTerms(loss, loss, torch.zeros_like(loss), torch.zeros_like(loss))

    def evaluate(self, model: nn.Module, fabric: Fabric | None = None) -> dict[str, Any]:
        """PSNR and SSIM of the held-out pictures; empty where there are none."""
        return score_pairs(model, self.validation) if self.validation else {}

    def deployed(self, model: nn.Module) -> nn.Module:
        """All of it."""
        return model
