"""The paper's own experiments: Cityscapes, both hosts, the five input sizes of Figure 1; 256x512 is Table 1's.

They are for GPUs, through torchrun, with mixed precision and channels-last maps; the loop is the one that trains the
small recipes. The paper does not say its epochs, batch size, crop or augmentation: 90,000 iterations of 16 are ours. On
fewer or smaller GPUs ``--set train.accumulate=4`` gives the same step in four parts. ``train.compile`` is off: on CPUs
it did not help (data/runs/compile_pace.jsonl), and on GPUs ``dsrl-lab bench compile`` has yet to say.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from dsrl_lab.training.config import NetworkConfig, Recipe, TrainConfig

CITYSCAPES_HOSTS: dict[str, dict[str, Any]] = {
    "espnetv2": {"width": 2.0},
    "deeplabv3plus": {"encoder": "resnet101"},  # the paper does not name its encoder
}
CITYSCAPES_SIZES = ((256, 512), (320, 640), (384, 768), (448, 896), (512, 1024))


def cityscapes(host: str, input_size: tuple[int, int]) -> Recipe:
    """One host at one input size; the output has twice its sides, the pictures are 1024x2048.

    Command: ``torchrun --nproc-per-node 8 -m dsrl_lab train cityscapes_espnetv2_dsrl --data ROOT``. Hardware: GPUs with
    bfloat16; hours and memory: ``dsrl-lab cost`` and its plan. Expected: the gains of Table 1 and Figure 1.

    Args:
        host: a name in ``CITYSCAPES_HOSTS``.
        input_size: (H, W) that the network receives.

    Example:
        >>> cityscapes("espnetv2", (256, 512)).name, cityscapes("deeplabv3plus", (512, 1024)).name
        ('cityscapes_espnetv2_baseline', 'cityscapes_deeplabv3plus_512x1024_baseline')
    """
    whole = 2 * input_size[0] / 1024
    return Recipe(
        name=f"{setting_name(host, input_size)}_baseline",
        title="baseline",
        dataset="cityscapes",
        network=NetworkConfig(host=host, num_classes=19, host_options=CITYSCAPES_HOSTS[host]),
        train=TrainConfig(
            input_size=input_size,
            iterations=90_000,
            batch_size=16,
            scale_range=(whole, 2 * whole),  # from the whole picture to a half of its sides
            evaluate_every=10_000,
            checkpoint_every=1_000,
            precision="bf16-mixed",
            channels_last=True,
            workers=8,
        ),
    )


def setting_name(host: str, input_size: tuple[int, int]) -> str:
    """Name of a setting; Table 1's size needs no mention."""
    size = "" if input_size == CITYSCAPES_SIZES[0] else f"_{input_size[0]}x{input_size[1]}"
    return f"cityscapes_{host}{size}"


CITYSCAPES_SETTINGS: dict[str, Callable[[], Recipe]] = {
    setting_name(host, size): partial(cityscapes, host, size) for host in CITYSCAPES_HOSTS for size in CITYSCAPES_SIZES
}
