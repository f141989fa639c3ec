"""Settings of pose: DSRL on HRNet, with rows like those of segmentation."""

from dataclasses import replace
from typing import Any

from dsrl_lab.training.config import NetworkConfig, Recipe, TrainConfig

SMALL_HRNET: dict[str, Any] = {"width": 8, "modules": (1, 1, 1), "blocks": 1}


def people_hrnet() -> Recipe:
    """The smallest HRNet on drawn people, from scratch: 48x48 to 96x96, no download.

    HRNet's heat-maps have a quarter of its input's sides; DSRL gives them at a half. The deviation of a joint's
    Gaussian is in pixels of the whole crop, so that all rows learn the same joints with the same blur.
    Command: ``dsrl-lab train people_hrnet_dsrl``. 1 CPU core, about 2 minutes a row.
    """
    return Recipe(
        setting="people_hrnet",
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

    Paper: its pose experiment in small. Command: ``dsrl-lab train lsp_hrnet_dsrl --data ROOT``. 1 CPU core, 5 to 9
    minutes a row. Learning rate, input and network were chosen with the baseline, one seed, on the last
    quarter of train.
    """
    drawn = people_hrnet()
    train = replace(drawn.train, input_size=(64, 64), iterations=2400, learning_rate=2e-3, heatmap_sigma=8.0)
    train = replace(train, scale_range=(0.75, 1.25), max_degrees=30)
    return replace(drawn, setting="lsp_hrnet", dataset="lsp", train=train, pictures=None)


def coco_hrnet(input_size: tuple[int, int] = (128, 96)) -> Recipe:
    """HRNet-W32 on COCO 2017's people, as the paper's pose experiment: 128x96 to 256x192, or 256x192 to 512x384.

    Command: ``torchrun --nproc-per-node 4 -m dsrl_lab train coco_hrnet_128_dsrl --data COCO``. GPUs. Adam from 1e-3,
    crops scaled by 0.65 to 1.35 and turned by up to 45 degrees are HRNet's; 210 epochs of 149,813 people in batches of
    128 are 245,800 iterations. The poly schedule stands for HRNet's two steps. The release starts from ImageNet's
    weights, this from scratch.
    """
    height, _ = input_size
    train = replace(people_hrnet().train, input_size=input_size, iterations=245_800, batch_size=128, learning_rate=1e-3)
    # on the baseline's heat-maps the deviation is 1 for 128x96, 2 for 256x192, as is usual
    train = replace(train, scale_range=(0.65, 1.35), max_degrees=45, heatmap_sigma=height / 16, workers=8)
    train = replace(train, record_every=200, evaluate_every=20_000, checkpoint_every=2_000)
    network = NetworkConfig(host="hrnet", num_classes=17, host_options={"width": 32})
    return Recipe(setting=f"coco_hrnet_{height}", dataset="coco", network=network, train=train)
