"""Super-resolution networks in the same loop: patches of T91 as examples, PSNR on held-out pictures as the score.

Source: the field's protocol since SRCNN (Dong et al., TPAMI 2016); every scale is supervised (LapSRN, CVPR 2017).
Deviations: Adam with a cosine schedule and small batches; held-out pictures choose the weights.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional as F

from dsrl_lab.complexity import evaluating
from dsrl_lab.datasets.super_resolution import SRPair, imresize_bicubic, random_patches
from dsrl_lab.losses import LossTerms
from dsrl_lab.metrics import psnr, ssim
from dsrl_lab.training.config import TrainConfig
from dsrl_lab.training.evaluate import check_finite, check_not_empty, device_of


class PatchExample(NamedTuple):
    """A patch at two sizes, in [0, 1]."""

    low_res: Tensor  # (C, h, w)
    high_res: Tensor  # (C, s * h, s * w)


def charbonnier_loss(super_res: Tensor, high_res: Tensor, *, epsilon: float = 1e-3) -> Tensor:
    """Mean of sqrt(d^2 + epsilon^2), an absolute difference without a corner (LapSRN, section 3)."""
    return ((super_res - high_res).square() + epsilon**2).sqrt().mean()


LOSSES: dict[str, Callable[..., Tensor]] = {"charbonnier": charbonnier_loss, "l1": F.l1_loss, "mse": F.mse_loss}


def super_resolution_loss(scales: Sequence[Tensor], high_res: Tensor, *, loss: str = "mse") -> Tensor:
    """Sum of the loss over every scale, shallow to final, each against the picture reduced to it by bicubic.

    ValueError for an unknown loss, or a last scale that has not the original's shape.
    """
    if scales[-1].shape != high_res.shape:
        raise ValueError(
            f"expected the last scale in the original's shape {tuple(high_res.shape)}, got {tuple(scales[-1].shape)}; "
            "the original must be upscale_factor times the input"
        )
    if loss not in LOSSES:
        raise ValueError(f"unknown loss {loss!r}; choose one of {', '.join(LOSSES)}")
    terms = []
    for scale in scales:
        size = (scale.shape[-2], scale.shape[-1])
        target = high_res if scale.shape == high_res.shape else imresize_bicubic(high_res, size)
        terms.append(LOSSES[loss](scale, target))
    return torch.stack(terms).sum()


def score_pairs(model: nn.Module | None, pairs: Sequence[SRPair]) -> dict[str, float]:
    """Mean PSNR (dB) and SSIM over pictures, a border of s left out, clipped, of Y if C = 1; no ``model`` is bicubic.

    Not rounded: worth below 0.05 dB. A ValueError for no pictures, or an image that is not finite.

    Example:
        >>> ramp = torch.linspace(0, 1, 32).expand(1, 32, 32)
        >>> sorted(score_pairs(None, [SRPair(imresize_bicubic(ramp, (16, 16)), ramp, "ramp")]))
        ['psnr', 'ssim']
    """
    check_not_empty(pairs, "the super-resolution set")
    scores = []
    with nullcontext() if model is None else evaluating(model):
        for low_res, high_res, _ in pairs:
            border = high_res.shape[-1] // low_res.shape[-1]
            if model is None:
                super_res = imresize_bicubic(low_res, (high_res.shape[-2], high_res.shape[-1]))[None]
            else:
                super_res = check_finite(model(low_res[None].to(device_of(model))).image.cpu())
            both = super_res.clamp(0, 1), high_res[None]
            scores.append((float(psnr(*both, crop_border=border)), float(ssim(*both, crop_border=border))))
    means = torch.tensor(scores, dtype=torch.float64).mean(0)
    return {"psnr": means[0].item(), "ssim": means[1].item()}


@dataclass(frozen=True)
class SuperResolutionObjective:
    """Super-resolution of patches, each position of ``pictures`` equally likely."""

    config: TrainConfig  # ``input_size`` is that of a low-resolution patch
    pictures: Sequence[SRPair]
    upscale_factor: int = 2
    kind: str = "mse"  # a name in ``LOSSES``, on every scale that the network returns
    validation: Sequence[SRPair] = ()  # held-out pictures
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
