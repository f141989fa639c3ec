"""They learn: every host draws four street scenes to over 0.9 mIoU, and why a coarse grid alone cannot.

Logits of stride 8, enlarged bilinearly, cannot draw a pole that is one or two pixels wide, whoever trains them; so a
host whose logits are coarser than stride 2 stands here with DSRL's cheap SSSR head, which draws at the input's size.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from dsrl_lab.datasets.streets import Streets
from dsrl_lab.dsrl import SubPixelHead, SuperResolved
from dsrl_lab.kernels import use_fast_kernels
from dsrl_lab.metrics import SegmentationScore
from dsrl_lab.models import SEGMENTATION
from dsrl_lab.models.base import DensePredictor

CLASSES = 11
SIZE = (96, 128)
SMALL = {"deeplabv3plus": "mobilenet_v2", "pspnet": "resnet18", "bisenet": "xception39"}


@pytest.fixture(scope="module")
def scenes() -> tuple[Tensor, Tensor]:
    """Four normalised pictures (4, 3, 96, 128) and their masks (4, 96, 128)."""
    streets = Streets("train", size=SIZE, length=4)
    samples = [streets[index] for index in range(4)]
    return torch.stack([s.image for s in samples]), torch.stack([s.mask for s in samples])


def pooled_miou(logits: Tensor, mask: Tensor) -> float:
    score = SegmentationScore(CLASSES)
    score.update(logits, mask)
    return score.compute().miou


def best_of_a_grid(mask: Tensor, stride: int) -> float:
    """mIoU of the best logits of a stride, found without any network: the grid's values themselves are learned."""
    grid = torch.zeros(len(mask), CLASSES, -(-SIZE[0] // stride), -(-SIZE[1] // stride), requires_grad=True)
    optimizer = torch.optim.Adam([grid], lr=0.3)
    for _ in range(150):
        loss = F.cross_entropy(F.interpolate(grid, SIZE, mode="bilinear"), mask)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return pooled_miou(F.interpolate(grid.detach(), SIZE, mode="bilinear"), mask)


@pytest.mark.slow
def test_a_coarse_grid_of_logits_cannot_draw_thin_things(scenes: tuple[Tensor, Tensor]) -> None:
    _, mask = scenes
    bounds = {stride: best_of_a_grid(mask, stride) for stride in (2, 4, 8)}
    assert bounds[2] > 0.95
    assert bounds[4] < 0.9
    assert bounds[8] < 0.75


def with_fine_logits(name: str) -> DensePredictor:
    host = SEGMENTATION[name](CLASSES, **({"encoder": SMALL[name]} if name in SMALL else {}))
    if host.spec.logits_stride <= 2:
        return host
    return SuperResolved(host, SubPixelHead(host, upscale_factor=1, width=64), upscale_factor=1)


def training_loss(model: DensePredictor, images: Tensor, mask: Tensor) -> Tensor:
    head = model.forward_head(model.forward_features(images))
    losses = [F.cross_entropy(model.to_output_size(x, images), mask) for x in (head.logits, *head.auxiliary)]
    return torch.stack(losses).sum()


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", sorted(SEGMENTATION))
def test_every_host_overfits_four_street_scenes(name: str, scenes: tuple[Tensor, Tensor]) -> None:
    images, mask = scenes
    torch.manual_seed(0)
    model = use_fast_kernels(with_fine_logits(name))
    optimizer = torch.optim.Adam(model.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=2e-2, total_steps=800)
    miou = 0.0
    for _ in range(16):
        model.train()
        for _ in range(50):
            optimizer.zero_grad()
            training_loss(model, images, mask).backward()
            optimizer.step()
            schedule.step()
        with torch.inference_mode():
            miou = pooled_miou(model.eval()(images), mask)
        if miou > 0.9:
            break
    assert miou > 0.9
