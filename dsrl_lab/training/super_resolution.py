"""Training and scoring of the super-resolution networks: a small open loop beside the one for DSRL.

Source: the protocol of the field since SRCNN (Dong et al., TPAMI 2016): patches of T91, luminance only, PSNR on Y
with a border of s pixels left out. Every scale a network returns is supervised (LapSRN, CVPR 2017).

Deviations, so that a network takes minutes on one core: Adam with a cosine schedule for all of them, small batches,
and, where the processor has units for it, convolutions in bfloat16 while training (weights, loss and scores stay
float32). Which weights to keep is decided on pictures of T91 that are held out, never on Set5 or Set14.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dsrl_lab.datasets.super_resolution import SRPair, imresize_bicubic, random_patches
from dsrl_lab.metrics import psnr, ssim
from dsrl_lab.models.super_resolution import SuperResolver
from dsrl_lab.training import checkpoint
from dsrl_lab.training.optim import set_learning_rate
from dsrl_lab.training.super_resolution_config import LOSSES, SuperResolutionConfig


@dataclass(frozen=True, kw_only=True)
class SuperResolutionRecord:
    """The state of a run after ``iteration`` of ``iterations`` steps.

    Attributes:
        iteration: steps done.
        iterations: steps planned.
        learning_rate: of the last step.
        loss: mean over the steps since the last record.
        validation_psnr: dB on Y of the held-out pictures.
        seconds: spent in steps since the run began, over all its sessions; wall clock.
        cpu_seconds: the same in processor time, which a busy machine does not inflate.
    """

    iteration: int
    iterations: int
    learning_rate: float
    loss: float
    validation_psnr: float
    seconds: float
    cpu_seconds: float

    def to_json(self) -> dict[str, Any]:
        """As a dictionary that JSON can hold."""
        return {"kind": "train", **dataclasses.asdict(self)}


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
                raise ValueError(f"unknown loss {loss!r}; choose one of {', '.join(LOSSES)}")
    return torch.stack(terms).sum()


def cosine_learning_rate(iteration: int, iterations: int, *, learning_rate: float, warmup: int = 0) -> float:
    """Learning rate of a step: linear rise over ``warmup`` steps, then half a cosine down to 1 % of the peak.

    Example:
        >>> [round(cosine_learning_rate(i, 5, learning_rate=1.0, warmup=1), 3) for i in range(5)]
        [1.0, 1.0, 0.752, 0.258, 0.01]
    """
    if iteration < warmup:
        return learning_rate * (iteration + 1) / warmup
    done = (iteration - warmup) / max(1, iterations - 1 - warmup)
    return learning_rate * (0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2)


@torch.no_grad()
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
    was_training = model is not None and model.training
    if model is not None:
        model.eval()
    for low_res, high_res, _ in pairs:
        border = high_res.shape[-1] // low_res.shape[-1]
        target = high_res[None]
        if model is None:
            super_res = imresize_bicubic(low_res, (high_res.shape[-2], high_res.shape[-1]))[None]
        else:
            super_res = model(low_res[None]).image
        super_res = super_res.clamp(0, 1)
        scores.append(
            (float(psnr(super_res, target, crop_border=border)), float(ssim(super_res, target, crop_border=border)))
        )
    if model is not None:
        model.train(was_training)
    means = torch.tensor(scores, dtype=torch.float64).mean(0)
    return {"psnr": means[0].item(), "ssim": means[1].item()}


def fit_super_resolution(
    model: SuperResolver,
    train: Sequence[SRPair],
    validation: Sequence[SRPair],
    config: SuperResolutionConfig,
    *,
    directory: Path | None = None,
    resume: bool = False,
) -> Iterator[SuperResolutionRecord]:
    """Train, and yield a record every ``config.record_every`` iterations.

    Args:
        model: trained in place; it holds the last weights at the end.
        train: pictures that patches are drawn from.
        validation: held-out pictures that choose the best weights.
        config: of the run.
        directory: where latest.safetensors and best.safetensors go; None for no checkpoints.
        resume: go on from latest.safetensors if there is one: the same draws and steps as without the stop.

    Raises:
        FloatingPointError: the loss is no finite number.
        ValueError: the checkpoint is of another configuration.
    """
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    model.to(memory_format=torch.channels_last)
    iteration, seconds, cpu_seconds, best = 0, 0.0, 0.0, -math.inf
    latest = None if directory is None else directory / "latest.safetensors"
    if resume and latest is not None and latest.is_file():
        loaded = checkpoint.load(latest)
        if SuperResolutionConfig.from_json(loaded.description["config"]) != config:
            raise ValueError(
                f"{latest} was trained with another configuration; resume with the same one, or start in another folder"
            )
        checkpoint.load_model(model, loaded)
        checkpoint.load_optimizer(model, optimizer, loaded)
        iteration, best = loaded.description["iteration"], loaded.description["best"]
        seconds, cpu_seconds = loaded.description["seconds"], loaded.description["cpu_seconds"]

    while iteration < config.iterations:
        last = min(config.iterations, (iteration // config.record_every + 1) * config.record_every)
        clock, cpu_clock, total = time.perf_counter(), time.process_time(), torch.zeros(())
        for step in range(iteration, last):
            total += _step(model, optimizer, train, config, step)
        seconds += time.perf_counter() - clock
        cpu_seconds += time.process_time() - cpu_clock
        mean = total.item() / (last - iteration)
        if not math.isfinite(mean):
            raise FloatingPointError(
                f"the loss is not a finite number by iteration {last}; lower the learning rate ({config.learning_rate})"
            )
        iteration = last
        validation_psnr = score_pairs(model, validation)["psnr"]
        record = SuperResolutionRecord(
            iteration=iteration,
            iterations=config.iterations,
            learning_rate=optimizer.param_groups[0]["lr"],
            loss=mean,
            validation_psnr=validation_psnr,
            seconds=seconds,
            cpu_seconds=cpu_seconds,
        )
        improved, best = validation_psnr > best, max(best, validation_psnr)
        if directory is not None and latest is not None:
            description = {"config": config.to_json(), **dataclasses.asdict(record), "best": best}
            if improved:
                checkpoint.save(directory / "best.safetensors", model, description)
            checkpoint.save(latest, model, description, optimizer=optimizer)
        yield record


def _step(
    model: SuperResolver,
    optimizer: torch.optim.Optimizer,
    train: Sequence[SRPair],
    config: SuperResolutionConfig,
    iteration: int,
) -> Tensor:
    """One optimizer step; all that it draws follows from the seed and its number."""
    generator = torch.Generator().manual_seed(config.seed * 1_000_003 + iteration)
    low_res, high_res = random_patches(train, config.patch_size, config.batch_size, generator)
    rate = cosine_learning_rate(
        iteration, config.iterations, learning_rate=config.learning_rate, warmup=config.warmup_iterations
    )
    set_learning_rate(optimizer, rate)
    model.train()
    with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16):
        scales = model(low_res.contiguous(memory_format=torch.channels_last)).scales
    loss = super_resolution_loss([scale.float() for scale in scales], high_res, loss=config.loss)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss.detach()
