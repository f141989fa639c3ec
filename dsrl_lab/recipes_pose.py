"""Experiments with people: DSRL on HRNet, as rows baseline to + FA like those of segmentation.

HRNet's heat-maps have a quarter of its input's sides. The baseline sees the person's crop at half size; DSRL sees the
same and gives heat-maps of twice the size. The deviation of a joint's Gaussian is counted in pixels of the whole crop,
so that all rows are asked for the same joints with the same blur.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dsrl_lab.training.config import NetworkConfig, Recipe, TrainConfig

SMALL_HRNET: dict[str, Any] = {"width": 8, "modules": (1, 1, 1), "blocks": 1}


def people_hrnet() -> Recipe:
    """The smallest HRNet on drawn people, from scratch: 48x48 to 96x96, no download.

    Command: ``dsrl-lab train people_hrnet_dsrl``. Hardware: 1 CPU core. Minutes: about 2 a row.

    Example:
        >>> people_hrnet().network.num_classes
        14
    """
    return Recipe(
        name="people_hrnet_baseline",
        title="baseline",
        dataset="street_people",
        network=NetworkConfig(host="hrnet", num_classes=14, host_options=SMALL_HRNET, sisr_width=16),
        train=TrainConfig(
            input_size=(48, 48),
            iterations=300,
            batch_size=16,
            optimizer="adam",
            learning_rate=4e-3,
            weight_decay=1e-4,
            scale_range=(0.8, 1.2),
            max_degrees=15,
            heatmap_sigma=6.0,
        ),
        pictures=(300, 100),
    )


def lsp_hrnet() -> Recipe:
    """A small HRNet on real people, Leeds Sports Pose Extended, from scratch: 64x64 to 128x128.

    Paper: its pose experiment in small. Command: ``dsrl-lab train lsp_hrnet_dsrl --data ROOT``. Hardware: 1 CPU core.
    Minutes: 5 (baseline) to 9 (DSRL) a row. 960 people, each seen 40 times, teach a net from scratch little; what they
    can show is whether a part helps.

    Chosen with the baseline, one seed, on the last quarter of train (PCK@0.2, which is 5 % for the training people's
    mean pose): 16.3 % after 900 steps from 2e-3; 15.9 % after 800 from 4e-3 with Gaussians half as wide again. A
    96x96 input and a net twice as wide were slow and stopped unscored. So: this size and net, and more steps.
    """
    return Recipe(
        name="lsp_hrnet_baseline",
        title="baseline",
        dataset="lsp",
        network=NetworkConfig(host="hrnet", num_classes=14, host_options=SMALL_HRNET, sisr_width=16),
        train=TrainConfig(
            input_size=(64, 64),
            iterations=2400,
            batch_size=16,
            optimizer="adam",
            learning_rate=2e-3,
            weight_decay=1e-4,
            scale_range=(0.75, 1.25),
            max_degrees=30,
            heatmap_sigma=8.0,
        ),
    )


def coco_hrnet(input_size: tuple[int, int] = (128, 96)) -> Recipe:
    """HRNet-W32 on COCO 2017's people, as the paper's pose experiment: 128x96 to 256x192, or 256x192 to 512x384.

    Command: ``torchrun --nproc-per-node 4 -m dsrl_lab train coco_hrnet_128_dsrl --data COCO``. Hardware: GPUs. Adam
    from 1e-3, crops scaled by 0.65 to 1.35 and turned by up to 45 degrees are HRNet's; 210 epochs of 149,813 people in
    batches of 128 are 245,800 iterations. The poly schedule stands for HRNet's two steps. The release starts from
    ImageNet's weights, this from scratch.

    Args:
        input_size: (H, W) that the network receives.

    Example:
        >>> coco_hrnet((256, 192)).name
        'coco_hrnet_256_baseline'
    """
    height, _ = input_size
    return Recipe(
        name=f"coco_hrnet_{height}_baseline",
        title="baseline",
        dataset="coco",
        network=NetworkConfig(host="hrnet", num_classes=17, host_options={"width": 32}),
        train=TrainConfig(
            input_size=input_size,
            iterations=245_800,
            batch_size=128,
            optimizer="adam",
            learning_rate=1e-3,
            weight_decay=1e-4,
            scale_range=(0.65, 1.35),
            max_degrees=45,
            heatmap_sigma=height / 16,  # on the baseline's heat-maps 1 for 128x96, 2 for 256x192, as is usual
            record_every=200,
            evaluate_every=20_000,
            checkpoint_every=2_000,
            workers=8,
        ),
    )


POSE_SETTINGS: dict[str, Callable[[], Recipe]] = {
    "people_hrnet": people_hrnet,
    "lsp_hrnet": lsp_hrnet,
    "coco_hrnet_128": coco_hrnet,
    "coco_hrnet_256": lambda: coco_hrnet((256, 192)),
}
