"""Settings of segmentation: drawn streets, CamVid, Cityscapes. Each function gives the baseline of one ablation."""

from dataclasses import replace
from typing import Any

from dsrl_lab.training.config import NetworkConfig, Recipe, TrainConfig


def streets_tinynet() -> Recipe:
    """The embedded default: a small host on drawn streets, from scratch; the notebooks' networks are trained so.

    Paper: Table 1 in small. Command: ``dsrl-lab train streets_tinynet_dsrl``. 2 CPU cores, about 2 minutes a row.
    """
    return Recipe(
        setting="streets_tinynet",
        dataset="streets",
        network=NetworkConfig(host="tinynet", num_classes=11, sisr_width=16),
        train=TrainConfig(
            input_size=(90, 120),
            iterations=600,
            learning_rate=0.05,
            weight_decay=1e-4,
            class_balance=0.5,
            scale_range=(1.0, 1.5),
            channels_last=True,
        ),
        pictures=(400, 100),
    )


def streets_tinynet_small() -> Recipe:
    """The same at a quarter of the pixels. Command: ``dsrl-lab train streets_tinynet_45x60_dsrl``, about 1 minute."""
    tinynet = streets_tinynet()
    return replace(tinynet, setting="streets_tinynet_45x60", train=replace(tinynet.train, input_size=(45, 60)))


def streets_resolution() -> Recipe:
    """What resolution is worth and what recovers it: 45x60 beside 90x120, another town for each seed.

    Command: ``dsrl-lab reproduce``. 1 CPU core, 15 to 40 seconds a row and seed.
    """
    small = streets_tinynet_small()
    of_seed: dict[str, Any] = {"pictures": (200, 10, 80), "town_per_seed": True, "further_split": "test"}
    of_seed |= {"train": replace(small.train, iterations=300), "sizes": {"double_input": (90, 120)}}
    return replace(small, setting="streets_resolution", **of_seed)


def folder_tinynet() -> Recipe:
    """A folder of one's own, as ``datasets.folder`` reads it: TinyNet from scratch; the folder gives the classes.

    Command: ``dsrl-lab train folder_tinynet_dsrl --data FOLDER``. Change the input's size and the number of iterations
    with ``--set``.
    """
    tinynet = streets_tinynet()
    network, train = replace(tinynet.network, num_classes=1), replace(tinynet.train, scale_range=(1.0, 1.0))
    return replace(tinynet, setting="folder_tinynet", dataset="folder", network=network, train=train, pictures=None)


# Each host in its lightest form: what it is built with beside its defaults.
LIGHT_HOSTS: dict[str, dict[str, Any]] = {
    "espnetv2": {"width": 1.0},
    "deeplabv3plus": {"encoder": "mobilenet_v2"},
    "pspnet": {"encoder": "resnet18"},
    "bisenet": {"encoder": "xception39"},
    "dabnet": {},
}


def streets_host(host: str) -> Recipe:
    """A host of ``LIGHT_HOSTS`` in TinyNet's place, from scratch on the same small streets: does it learn?

    Command: ``dsrl-lab train streets_dabnet_baseline``. 1 CPU core, about 1 minute a row with BiSeNet, ESPNetv2 and
    DABNet, 3 with DeepLabv3+, 7 with PSPNet. One seed of a short run ranks no hosts.
    """
    tinynet = streets_tinynet_small()
    network = replace(tinynet.network, host=host, host_options=LIGHT_HOSTS[host])
    return replace(tinynet, setting=f"streets_{host}", network=network)


def streets_towns(train_scenes: int = 3000) -> Recipe:
    """Drawn streets at a real scale, another town for each seed: TinyNet, 64x128 to 128x256.

    400 ``train_scenes`` ask whether SISR helps where labels are few. Design: ``data/runs/DESIGN.md``.
    Command: ``dsrl-lab train streets_towns_deconvolution_figure4 --seed 1``. 1 CPU core, about 10 minutes a run.
    """
    tinynet = streets_tinynet()
    return replace(
        tinynet,
        setting="streets_towns" if train_scenes == 3000 else f"streets_towns_{train_scenes}",
        train=replace(tinynet.train, input_size=(64, 128), iterations=4000, record_every=100, checkpoint_every=500),
        pictures=(train_scenes, 100, 1000),
        picture_size=(128, 256),
        town_per_seed=True,
        further_split="test",
        sizes={"equal_cost": (69, 138), "double_input": (128, 256)},
    )


def streets_espnetv2_large() -> Recipe:
    """The paper's network and sizes on drawn towns, for a GPU: ESPNetv2 (width 2.0), 256x512 to 512x1024, from scratch.

    Command: ``dsrl-lab train streets_espnetv2_256x512_baseline --seed 100``; all rows: ``docs/SCALE.md``.
    """
    towns, paper = streets_towns(), cityscapes("espnetv2", CITYSCAPES_SIZES[0])
    train = replace(paper.train, iterations=800, scale_range=towns.train.scale_range, evaluate_every=0)
    large: dict[str, Any] = {"setting": "streets_espnetv2_256x512", "picture_size": (512, 1024), "sizes": {}}
    large |= {"network": replace(paper.network, num_classes=towns.network.num_classes), "pictures": (3000, 100, 300)}
    return replace(towns, train=train, **large)


def camvid_espnetv2() -> Recipe:
    """ESPNetv2 (width 1.0) on real CamVid from the weights released for Cityscapes, 180x240 to 360x480.

    Paper: Table 1's steps on another data set. Command: ``dsrl-lab train camvid_espnetv2_dsrl --data ROOT``.
    1 CPU core, about 15 minutes a row.
    """
    return Recipe(
        setting="camvid_espnetv2",
        dataset="camvid",
        network=NetworkConfig(host="espnetv2", num_classes=11, host_options={"width": 1.0, "pyramid_channels": 10}),
        train=TrainConfig(
            input_size=(180, 240),
            iterations=800,
            head_learning_rate_multiplier=10.0,
            scale_range=(1.0, 1.5),
            channels_last=True,
        ),
        released="espnetv2_cityscapes/espnetv2_s_1.0_city_512x256.pth",
        class_map=(10, 2, 5, 0, 1, 8, 7, 4, 13, 11, 12),  # Cityscapes' train ids for CamVid's classes
    )


# Input sizes of the ablation that is repeated over seeds, and of the sweep around it.
SWEEP_SIZES = ((45, 60), (60, 80), (90, 120), (120, 160))


def camvid_espnetv2_small(input_size: tuple[int, int], length: int = 1) -> Recipe:
    """ESPNetv2 on CamVid at a small input: the exploratory ablation with seeds and controls, one point of its sweep.

    The sub-pixel head costs at most 10 % of the host's true MACs. SISR weighs 1, as in the screening; the row ``paper``
    takes the paper's 0.1. Crops are cut from pictures of full size (360x480), so things are larger in training than in
    scoring; ``camvid_drives`` is without that fault. ``length`` multiplies the iterations.
    Command: ``dsrl-lab train camvid_espnetv2_90x120_detached --data ROOT``. 1 CPU core, 3 to 5 minutes at 90x120.
    """
    large, (height, width) = camvid_espnetv2(), input_size
    train: dict[str, Any] = {"input_size": input_size, "iterations": 600 * length, "warmup_iterations": 50}
    return replace(
        large,
        setting=f"camvid_espnetv2_{height}x{width}" + ("_long" if length > 1 else ""),
        network=replace(large.network, sssr_width=10, sssr_factor=2),
        train=replace(large.train, class_balance=0.5, sisr_weight=1.0, **train),
    )


def camvid_drives(length: int = 1) -> Recipe:
    """CamVid, the confirmatory ablation: 90x120 to 180x240, scored on val and on the two drives of the test split.

    Crops hold from the whole picture, which is how it is scored, to two thirds of its sides. ``length`` multiplies the
    iterations. Design: ``data/runs/DESIGN.md``.
    Command: ``dsrl-lab train camvid_drives_depthwise_figure4 --data ROOT``. 1 CPU core, 3 to 5 minutes a row and seed.
    """
    small = camvid_espnetv2_small((90, 120))
    return replace(
        small,
        setting="camvid_drives" if length == 1 else "camvid_drives_long",
        train=replace(small.train, iterations=600 * length, scale_range=(0.5, 0.75), sisr_weight=0.1),
        further_split="test",
        sizes={"equal_cost": (114, 152)},
    )


CITYSCAPES_HOSTS: dict[str, dict[str, Any]] = {
    "espnetv2": {"width": 2.0},
    "deeplabv3plus": {"encoder": "resnet101"},  # the paper does not name its encoder
}
CITYSCAPES_SIZES = ((256, 512), (320, 640), (384, 768), (448, 896), (512, 1024))


def cityscapes(host: str, input_size: tuple[int, int]) -> Recipe:
    """The paper's own experiments: one of ``CITYSCAPES_HOSTS`` at one input size; the pictures are 1024x2048.

    256x512 is Table 1's, all five sizes are Figure 1's. Its encoders start from ImageNet, as these do: torchvision's
    file is fetched; for ESPNetv2 it is EdgeNets' own (``--encoder-weights FILE``). The paper does not give its epochs,
    batch size, crop or augmentation: 90,000 iterations of 16 are ours; ``--set train.accumulate=4`` takes the step in
    four parts (BatchNorm sees one at a time). Command: ``torchrun --nproc-per-node 8 -m dsrl_lab train
    cityscapes_espnetv2_dsrl --data ROOT``, on GPUs with bfloat16; hours and memory: ``dsrl-lab cost --plan``.
    """
    whole = 2 * input_size[0] / 1024
    size = "" if input_size == CITYSCAPES_SIZES[0] else f"_{input_size[0]}x{input_size[1]}"
    return Recipe(
        setting=f"cityscapes_{host}{size}",
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
        encoder_weights="IMAGENET1K_V1" if host == "deeplabv3plus" else "espnetv2_s_2.0_imagenet_224x224.pth",
    )
