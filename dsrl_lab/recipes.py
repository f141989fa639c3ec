"""Experiments: settings as functions, rows as objects; together they give a ``Recipe``, what a run needs but the seed.

A setting is a function that gives the baseline's recipe; a ``rows.Row`` says what a row of the ablation changes in it.
Names on the command line are ``<setting>_<row>``: ``streets_tinynet_dsrl``, ``camvid_drives_depthwise``.

All rows of an ablation have the same pictures, the same iterations, the same draws for a seed, one corner convention
(``NetworkConfig.align_corners``), one learning rate for all new layers, and labels that no grid favours
(``SegmentationTask.loss``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from dsrl_lab.rows import ROWS, find_row
from dsrl_lab.training.config import NetworkConfig, Recipe, TrainConfig


def with_row(recipe: Recipe, name: str) -> Recipe:
    """Turn a setting's baseline into another row of its ablation.

    Raises:
        ValueError: unknown row (the message lists those there are), a recipe that is another row already, or a row that
            needs an input size of its own where the setting has none for it.

    Example:
        >>> with_row(streets_tinynet(), "dsrl").name
        'streets_tinynet_dsrl'
    """
    row = find_row(name)
    if recipe.row != "baseline":
        raise ValueError(f"expected a setting's baseline, got the recipe {recipe.name!r}: its parts would stay")
    if row.own_size and name not in recipe.sizes:
        raise ValueError(f"{recipe.setting} has no input size for its row {name}; choose one of {_rows_of(recipe)}")
    network, train = replace(recipe.network, **row.network), replace(recipe.train, **row.train)
    if row.own_size:  # the crop shows as much of the scene as the other rows' crops
        size = recipe.sizes[name]
        ratio = size[0] * network.upscale_factor / (train.input_size[0] * recipe.network.upscale_factor)
        smallest, largest = train.scale_range
        train = replace(train, input_size=size, scale_range=(ratio * smallest, ratio * largest))
    return replace(recipe, row=name, title=row.title, network=network, train=train)


def _rows_of(recipe: Recipe) -> list[str]:
    return [name for name, row in ROWS.items() if not row.own_size or name in recipe.sizes]


def streets_tinynet() -> Recipe:
    """The embedded default: a small host on drawn streets, from scratch; the notebooks' networks are trained so.

    Paper: Table 1 in small. Command: ``dsrl-lab train streets_tinynet_dsrl``. Hardware: 2 CPU cores. Minutes: about 2
    a row.
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
    """The same at a quarter of the pixels, so that several seeds fit into minutes: what ``make reproduce`` trains.

    Paper: Table 1 in small. Command: ``dsrl-lab reproduce``. Hardware: 2 CPU cores. Minutes: under 1 a row and seed.
    """
    tinynet = streets_tinynet()
    return replace(tinynet, setting="streets_tinynet_45x60", train=replace(tinynet.train, input_size=(45, 60)))


# Each host in its lightest form: what it is built with beside its defaults.
LIGHT_HOSTS: dict[str, dict[str, Any]] = {
    "espnetv2": {"width": 1.0},
    "deeplabv3plus": {"encoder": "mobilenet_v2"},
    "pspnet": {"encoder": "resnet18"},
    "bisenet": {"encoder": "xception39"},
    "dabnet": {},
}


def streets_host(host: str) -> Recipe:
    """Another host in TinyNet's place, from scratch on the same small drawn streets: does it learn, does a sign hold?

    Command: ``dsrl-lab train streets_dabnet_baseline``. Hardware: 1 CPU core. Minutes: about 1 a row with BiSeNet,
    ESPNetv2 and DABNet, 3 with DeepLabv3+, 7 with PSPNet. One seed of a short run ranks no hosts.

    Args:
        host: a name in ``LIGHT_HOSTS``.

    Example:
        >>> streets_host("dabnet").name
        'streets_dabnet_baseline'
    """
    tinynet = streets_tinynet_small()
    network = replace(tinynet.network, host=host, host_options=LIGHT_HOSTS[host])
    return replace(tinynet, setting=f"streets_{host}", network=network)


def streets_towns(train_scenes: int = 3000) -> Recipe:
    """Drawn streets at a real scale, another town for each seed: TinyNet, 64x128 to 128x256.

    Design: ``data/runs/DESIGN.md``. Command: ``dsrl-lab train streets_towns_deconvolution_figure4 --seed 1``. Hardware:
    1 CPU core. Minutes: about 20 a row and seed.

    Args:
        train_scenes: 3000, or 400 for the question whether SISR helps where labels are few.

    Example:
        >>> streets_towns().pictures
        (3000, 100, 1000)
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


def camvid_espnetv2() -> Recipe:
    """ESPNetv2 (width 1.0) on real CamVid from the weights released for Cityscapes, 180x240 to 360x480.

    Paper: Table 1's steps on another data set. Command: ``dsrl-lab train camvid_espnetv2_dsrl --data ROOT``.
    Hardware: 1 CPU core. Minutes: about 15 a row.
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
        class_map=(10, 2, 5, 0, 1, 8, 7, 4, 13, 11, 12),
    )


# Input sizes of the ablation that is repeated over seeds, and of the sweep around it.
SWEEP_SIZES = ((45, 60), (60, 80), (90, 120), (120, 160))


def camvid_espnetv2_small(input_size: tuple[int, int]) -> Recipe:
    """ESPNetv2 on CamVid at a small input: the exploratory ablation with seeds and controls, one point of its sweep.

    The sub-pixel head costs at most 10 % of the host's true MACs. SISR weighs 1, as in the screening; the row ``paper``
    takes the paper's 0.1. Its crops are cut from pictures of full size, so that things are larger in training than in
    scoring; ``camvid_drives`` is without that fault. Command: ``dsrl-lab train camvid_espnetv2_90x120_detached
    --data ROOT``. Hardware: 1 CPU core. Minutes: 3 to 5 at 90x120.

    Args:
        input_size: (H, W); the output has twice its sides, scores are those of pictures of 360x480.

    Example:
        >>> camvid_espnetv2_small((90, 120)).name
        'camvid_espnetv2_90x120_baseline'
    """
    large = camvid_espnetv2()
    height, width = input_size
    return replace(
        large,
        setting=f"camvid_espnetv2_{height}x{width}",
        network=replace(large.network, sssr_width=10, sssr_factor=2),
        train=replace(
            large.train,
            input_size=input_size,
            iterations=600,
            warmup_iterations=50,
            class_balance=0.5,
            sisr_weight=1.0,
        ),
    )


def camvid_espnetv2_long() -> Recipe:
    """The smallest size trained four times as long: do SSSR, SISR and FA need length?

    Command: ``dsrl-lab train camvid_espnetv2_45x60_long_paper --data ROOT``. Hardware: 1 CPU core. Minutes: about 5.

    Example:
        >>> camvid_espnetv2_long().train.iterations
        2400
    """
    short = camvid_espnetv2_small(SWEEP_SIZES[0])
    train = replace(short.train, iterations=4 * short.train.iterations)
    return replace(short, setting="camvid_espnetv2_45x60_long", train=train)


def camvid_drives(length: int = 1) -> Recipe:
    """CamVid, the confirmatory ablation: 90x120 to 180x240, scored on val and on the two drives of the test split.

    Design: ``data/runs/DESIGN.md``. Scales run from the whole picture in the crop, which is how it is scored, to two
    thirds of its sides. Command: ``dsrl-lab train camvid_drives_depthwise_figure4 --data ROOT``. Hardware: 1 CPU core.
    Minutes: 3 to 5 a row and seed.

    Args:
        length: multiple of the iterations.

    Example:
        >>> camvid_drives().train.scale_range, camvid_drives(4).name
        ((0.5, 0.75), 'camvid_drives_long_baseline')
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
    """The paper's own experiments: one host at one input size; the output has twice its sides, the pictures 1024x2048.

    256x512 is Table 1's, all five sizes are Figure 1's. The paper does not say its epochs, batch size, crop or
    augmentation: 90,000 iterations of 16 are ours. On fewer or smaller GPUs ``--set train.accumulate=4`` gives the same
    step in four parts. Command: ``torchrun --nproc-per-node 8 -m dsrl_lab train cityscapes_espnetv2_dsrl --data ROOT``.
    Hardware: GPUs with bfloat16; hours and memory: ``dsrl-lab cost --plan``.

    Args:
        host: a name in ``CITYSCAPES_HOSTS``.
        input_size: (H, W) that the network receives.

    Example:
        >>> cityscapes("espnetv2", (256, 512)).name, cityscapes("deeplabv3plus", (512, 1024)).name
        ('cityscapes_espnetv2_baseline', 'cityscapes_deeplabv3plus_512x1024_baseline')
    """
    whole = 2 * input_size[0] / 1024
    return Recipe(
        setting=_cityscapes_name(host, input_size),
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


def _cityscapes_name(host: str, input_size: tuple[int, int]) -> str:
    """Name of a setting; Table 1's size needs no mention."""
    size = "" if input_size == CITYSCAPES_SIZES[0] else f"_{input_size[0]}x{input_size[1]}"
    return f"cityscapes_{host}{size}"


SMALL_HRNET: dict[str, Any] = {"width": 8, "modules": (1, 1, 1), "blocks": 1}


def people_hrnet() -> Recipe:
    """The smallest HRNet on drawn people, from scratch: 48x48 to 96x96, no download.

    HRNet's heat-maps have a quarter of its input's sides; DSRL gives them at a half. The deviation of a joint's
    Gaussian is counted in pixels of the whole crop, so that all rows learn the same joints with the same blur.
    Command: ``dsrl-lab train people_hrnet_dsrl``. Hardware: 1 CPU core. Minutes: about 2 a row.

    Example:
        >>> people_hrnet().network.num_classes
        14
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

    Paper: its pose experiment in small. Command: ``dsrl-lab train lsp_hrnet_dsrl --data ROOT``. Hardware: 1 CPU core.
    Minutes: 5 (baseline) to 9 (DSRL) a row. Learning rate, input and network were chosen with the baseline, one seed,
    on the last quarter of train.
    """
    return Recipe(
        setting="lsp_hrnet",
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
        setting=f"coco_hrnet_{height}",
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


SETTINGS: dict[str, Callable[[], Recipe]] = {
    "streets_tinynet": streets_tinynet,
    "streets_tinynet_45x60": streets_tinynet_small,
    **{f"streets_{host}": partial(streets_host, host) for host in LIGHT_HOSTS},
    "streets_towns": streets_towns,
    "streets_towns_400": partial(streets_towns, 400),
    "camvid_espnetv2": camvid_espnetv2,
    **{f"camvid_espnetv2_{h}x{w}": partial(camvid_espnetv2_small, (h, w)) for h, w in SWEEP_SIZES},
    "camvid_espnetv2_45x60_long": camvid_espnetv2_long,
    "camvid_drives": camvid_drives,
    "camvid_drives_long": partial(camvid_drives, 4),
    **{_cityscapes_name(h, s): partial(cityscapes, h, s) for h in CITYSCAPES_HOSTS for s in CITYSCAPES_SIZES},
    "people_hrnet": people_hrnet,
    "lsp_hrnet": lsp_hrnet,
    "coco_hrnet_128": coco_hrnet,
    "coco_hrnet_256": partial(coco_hrnet, (256, 192)),
}


def recipe_names() -> list[str]:
    """All names that ``find_recipe`` knows, setting by setting."""
    return [f"{setting}_{row}" for setting, build in SETTINGS.items() for row in _rows_of(build())]


def find_recipe(name: str) -> Recipe:
    """Look a recipe up by its name.

    Raises:
        ValueError: unknown name; the message lists settings and rows.

    Example:
        >>> find_recipe("camvid_espnetv2_dsrl").network.affinity
        True
    """
    for setting, build in SETTINGS.items():
        row = name.removeprefix(f"{setting}_")
        if row != name and row in ROWS:
            return with_row(build(), row)
    raise ValueError(
        f"unknown recipe {name!r}; a name is <setting>_<row>, with a setting of {', '.join(SETTINGS)} "
        f"and a row of {', '.join(ROWS)}"
    )


def with_changes(recipe: Recipe, changes: Sequence[str]) -> Recipe:
    """Give fields of a recipe other values, as ``--set`` of the command line says them.

    Args:
        recipe: where to start.
        changes: each ``train.<field>=<JSON value>`` or ``network.<field>=<JSON value>``; words need no quotes.

    Raises:
        ValueError: no such field, or a change that is not of this form.

    Example:
        >>> with_changes(streets_tinynet(), ["train.iterations=10", "network.sssr=bilinear"]).train.iterations
        10
    """
    values = {"train": recipe.train.to_json(), "network": recipe.network.to_json()}
    for change in changes:
        place, _, text = change.partition("=")
        room, _, field_name = place.partition(".")
        if room not in values or not field_name or not text:
            raise ValueError(f"expected train.<field>=<value> or network.<field>=<value>, got {change!r}")
        try:
            values[room][field_name] = json.loads(text)
        except json.JSONDecodeError:
            values[room][field_name] = text
    return replace(
        recipe,
        train=TrainConfig.from_json(values["train"]),
        network=NetworkConfig.from_json(values["network"]),
    )
