"""Experiments: a setting is a function that gives the baseline's ``Recipe``, and a ``rows.Row`` changes parts of it.

All rows of an ablation have the same pictures, iterations and draws for a seed, one corner convention
(``NetworkConfig.align_corners``), one learning rate for all new layers, and labels that favour no grid
(``SegmentationObjective.task_loss``). Names are ``<setting>_<row>``: ``camvid_drives_depthwise``.
"""

import difflib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from dsrl_lab.recipes import pose, segmentation
from dsrl_lab.recipes.segmentation import CITYSCAPES_HOSTS, CITYSCAPES_SIZES, LIGHT_HOSTS, SWEEP_SIZES, cityscapes
from dsrl_lab.recipes.super_resolution import find_super_resolution_recipe as find_super_resolution_recipe
from dsrl_lab.recipes.super_resolution import super_resolution_recipes as super_resolution_recipes
from dsrl_lab.rows import ROWS, find_row
from dsrl_lab.training.config import NetworkConfig, Recipe, TrainConfig


def with_row(recipe: Recipe, name: str) -> Recipe:
    """Turn a setting's baseline into another row of its ablation.

    ValueError for an unknown row (the message lists them), a recipe that is no baseline, or a row that needs an input
    size of its own where the setting has none for it.
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


SETTINGS: dict[str, Callable[[], Recipe]] = {
    "streets_tinynet": segmentation.streets_tinynet,
    "streets_tinynet_45x60": segmentation.streets_tinynet_small,
    "streets_resolution": segmentation.streets_resolution,
    **{f"streets_{host}": partial(segmentation.streets_host, host) for host in LIGHT_HOSTS},
    "streets_towns": segmentation.streets_towns,
    "streets_towns_400": partial(segmentation.streets_towns, 400),
    "streets_espnetv2_256x512": segmentation.streets_espnetv2_large,
    "camvid_espnetv2": segmentation.camvid_espnetv2,
    **{f"camvid_espnetv2_{h}x{w}": partial(segmentation.camvid_espnetv2_small, (h, w)) for h, w in SWEEP_SIZES},
    "camvid_espnetv2_45x60_long": partial(segmentation.camvid_espnetv2_small, SWEEP_SIZES[0], 4),
    "camvid_drives": segmentation.camvid_drives,
    "camvid_drives_long": partial(segmentation.camvid_drives, 4),
    **{cityscapes(h, s).setting: partial(cityscapes, h, s) for h in CITYSCAPES_HOSTS for s in CITYSCAPES_SIZES},
    "folder_tinynet": segmentation.folder_tinynet,
    "people_hrnet": pose.people_hrnet,
    "lsp_hrnet": pose.lsp_hrnet,
    "coco_hrnet_128": pose.coco_hrnet,
    "coco_hrnet_256": partial(pose.coco_hrnet, (256, 192)),
}


def recipe_names() -> list[str]:
    """All names that ``find_recipe`` knows, setting by setting."""
    return [f"{setting}_{row}" for setting, build in SETTINGS.items() for row in _rows_of(build())]


def find_recipe(name: str) -> Recipe:
    """Look a recipe up by its name; a ValueError for an unknown one lists settings and rows."""
    for setting, build in SETTINGS.items():
        row = name.removeprefix(f"{setting}_")
        if row != name and row in ROWS:
            return with_row(build(), row)
    meant = "".join(f" (did you mean {one}?)" for one in difflib.get_close_matches(name, recipe_names(), n=1))
    raise ValueError(
        f"unknown recipe {name!r}{meant}; a name is <setting>_<row>, with a setting of {', '.join(SETTINGS)} "
        f"and a row of {', '.join(ROWS)}"
    )


def with_changes(recipe: Recipe, changes: Sequence[str]) -> Recipe:
    """Give fields other values, each ``train.<field>=<JSON>`` or ``network.<field>=<JSON>``; words need no quotes.

    ValueError for no such field, a value that it cannot have, or a change that is not of this form.

    Example:
        >>> with_changes(find_recipe("streets_tinynet_dsrl"), ["train.iterations=10"]).train.iterations
        10
    """
    values = {"train": recipe.train.to_json(), "network": recipe.network.to_json()}
    for change in changes:
        place, _, text = change.partition("=")
        room, _, field_name = place.partition(".")
        if room not in values or field_name in ("", "seed") or not text:  # --seed chooses the run
            raise ValueError(f"expected train.<field>=<value> or network.<field>=<value>, or --seed, got {change!r}")
        try:
            values[room][field_name] = json.loads(text)
        except (json.JSONDecodeError, RecursionError):
            values[room][field_name] = text
    train, network = TrainConfig.from_json(values["train"]), NetworkConfig.from_json(values["network"])
    return replace(recipe, train=train, network=network)
