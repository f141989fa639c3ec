"""Experiments as functions: each gives a ``Recipe``, the whole of what a run needs but the data's place and the seed.

The rows of an ablation differ in the parts alone: same pictures, same iterations, same draws for a seed. Names on the
command line are ``<setting>_<row>``, for example ``streets_tinynet_dsrl`` or ``camvid_espnetv2_baseline``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from dsrl_lab.recipes_cityscapes import CITYSCAPES_SETTINGS
from dsrl_lab.recipes_pose import POSE_SETTINGS
from dsrl_lab.training.config import NetworkConfig, Recipe, TrainConfig

PAPER_WEIGHTS: dict[str, Any] = {"sisr_weight": 0.1, "affinity_weight": 1.0}
# What each row of the ablation adds to the host: fields of NetworkConfig, and of TrainConfig.
ROWS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "baseline": ("baseline", {}, {}),
    "bilinear": ("baseline, high-resolution supervision", {"sssr": "bilinear"}, {}),
    "normalised": (
        "baseline, high-resolution supervision, class maps normalised",
        {"sssr": "normalised"},
        {},
    ),
    "sssr": ("+ SSSR", {"sssr": "sub_pixel"}, {}),
    "sisr": ("+ SSSR + SISR", {"sssr": "sub_pixel", "sisr": True}, {}),
    "dsrl": ("+ SSSR + SISR + FA", {"sssr": "sub_pixel", "sisr": True, "affinity": True}, {}),
    "detached": (
        "+ SSSR + SISR + FA, FA's gradient stopped at SISR",
        {"sssr": "sub_pixel", "sisr": True, "affinity": True, "detach_sisr": True},
        {},
    ),
    "shuffled": (
        "+ SSSR + SISR + FA of another picture (control)",
        {"sssr": "sub_pixel", "sisr": True, "affinity": True},
        {"shuffle_affinity": True},
    ),
    "paper": (
        "+ SSSR + SISR + FA, the paper's weights (0.1 and 1)",
        {"sssr": "sub_pixel", "sisr": True, "affinity": True},
        PAPER_WEIGHTS,
    ),
    "deconvolution": ("+ SSSR (the authors' deconvolutions)", {"sssr": "deconvolution"}, {}),
    "deconvolution_dsrl": (
        "+ SSSR (the authors' deconvolutions) + SISR + FA",
        {"sssr": "deconvolution", "sisr": True, "affinity": True},
        PAPER_WEIGHTS,
    ),
    "depthwise": ("+ SSSR (a deconvolution per class map)", {"sssr": "depthwise"}, {}),
    "depthwise_sisr": (
        "+ SSSR (a deconvolution per class map) + SISR",
        {"sssr": "depthwise", "sisr": True},
        PAPER_WEIGHTS,
    ),
    "depthwise_dsrl": (
        "+ SSSR (a deconvolution per class map) + SISR + FA",
        {"sssr": "depthwise", "sisr": True, "affinity": True},
        PAPER_WEIGHTS,
    ),
    "depthwise_shuffled": (
        "+ SSSR (a deconvolution per class map) + SISR + FA of another picture (control)",
        {"sssr": "depthwise", "sisr": True, "affinity": True},
        {**PAPER_WEIGHTS, "shuffle_affinity": True},
    ),
}
MAIN_ROWS = ("baseline", "sssr", "sisr", "dsrl")


def with_row(recipe: Recipe, row: str) -> Recipe:
    """Turn a setting's baseline into another row of its ablation.

    Raises:
        ValueError: unknown row (the message lists those there are), or a recipe that is another row already.

    Example:
        >>> with_row(streets_tinynet(), "dsrl").name
        'streets_tinynet_dsrl'
    """
    if row not in ROWS:
        raise ValueError(f"unknown row {row!r}; choose one of {', '.join(ROWS)}")
    if not recipe.name.endswith("_baseline"):
        raise ValueError(f"expected a setting's baseline, got the recipe {recipe.name!r}: its parts would stay")
    title, network, train = ROWS[row]
    return replace(
        recipe,
        name=f"{recipe.name.removesuffix('_baseline')}_{row}",
        title=title,
        network=replace(recipe.network, **network),
        train=replace(recipe.train, **train),
    )


def streets_tinynet() -> Recipe:
    """The embedded default: a small host on drawn streets, from scratch; the notebooks' networks are trained so.

    Paper: Table 1 in small. Command: ``dsrl-lab train streets_tinynet_dsrl``. Hardware: 2 CPU cores. Minutes: about 2
    a row.
    """
    return Recipe(
        name="streets_tinynet_baseline",
        title="baseline",
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
    return replace(tinynet, name="streets_tinynet_45x60_baseline", train=replace(tinynet.train, input_size=(45, 60)))


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
    return replace(
        tinynet,
        name=f"streets_{host}_baseline",
        network=replace(tinynet.network, host=host, host_options=LIGHT_HOSTS[host]),
    )


def camvid_espnetv2() -> Recipe:
    """ESPNetv2 (width 1.0) on real CamVid from the weights released for Cityscapes, 180x240 to 360x480.

    Paper: Table 1's steps on another data set. Command: ``dsrl-lab train camvid_espnetv2_dsrl --data ROOT``.
    Hardware: 1 CPU core. Minutes: about 15 a row.
    """
    return Recipe(
        name="camvid_espnetv2_baseline",
        title="baseline",
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
    """ESPNetv2 on CamVid at a small input: the ablation with seeds and controls, and one point of the sweep.

    Design, choices and what they rest on: ``data/runs/DESIGN.md``. The sub-pixel head costs at most 10 % of the host's
    true MACs. SISR weighs 1, as in the screening; the row ``paper`` takes the paper's 0.1. Command:
    ``dsrl-lab train camvid_espnetv2_90x120_detached --data ROOT``. Hardware: 1 CPU core. Minutes: 3 to 5 at 90x120.

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
        name=f"camvid_espnetv2_{height}x{width}_baseline",
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
    return replace(
        short,
        name="camvid_espnetv2_45x60_long_baseline",
        train=replace(short.train, iterations=4 * short.train.iterations),
    )


SETTINGS: dict[str, Callable[[], Recipe]] = {
    "streets_tinynet": streets_tinynet,
    "streets_tinynet_45x60": streets_tinynet_small,
    **{f"streets_{host}": partial(streets_host, host) for host in LIGHT_HOSTS},
    "camvid_espnetv2": camvid_espnetv2,
    **{f"camvid_espnetv2_{h}x{w}": partial(camvid_espnetv2_small, (h, w)) for h, w in SWEEP_SIZES},
    "camvid_espnetv2_45x60_long": camvid_espnetv2_long,
    **CITYSCAPES_SETTINGS,
    **POSE_SETTINGS,
}


def recipe_names() -> list[str]:
    """All names that ``find_recipe`` knows, setting by setting."""
    return [f"{setting}_{row}" for setting in SETTINGS for row in ROWS]


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
        room, _, field = place.partition(".")
        if room not in values or not field or not text:
            raise ValueError(f"expected train.<field>=<value> or network.<field>=<value>, got {change!r}")
        try:
            values[room][field] = json.loads(text)
        except json.JSONDecodeError:
            values[room][field] = text
    return replace(
        recipe,
        train=TrainConfig.from_json(values["train"]),
        network=NetworkConfig.from_json(values["network"]),
    )
