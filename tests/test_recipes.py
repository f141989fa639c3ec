"""Recipes: every name builds, rows differ in their parts alone, changes are checked."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from dsrl_lab.complexity import complexity
from dsrl_lab.models import SEGMENTATION
from dsrl_lab.recipes import LIGHT_HOSTS, SETTINGS, find_recipe, recipe_names, with_changes, with_row
from dsrl_lab.rows import MAIN_ROWS, ROWS
from dsrl_lab.training.build import build_dsrl


def networks() -> dict[str, str]:
    """One recipe's name for each network: the sizes of a setting share theirs."""
    return {json.dumps(find_recipe(name).network.to_json()): name for name in recipe_names()}


@pytest.mark.parametrize("name", networks().values())
def test_every_recipe_builds_its_network(name: str) -> None:
    recipe = find_recipe(name)
    with torch.device("meta"):  # sizes alone
        dsrl = build_dsrl(recipe.network)
    assert recipe.name == name
    assert (dsrl.sisr_head is not None) == recipe.network.sisr
    assert (dsrl.transform is not None) == recipe.network.affinity


@pytest.mark.parametrize("setting", SETTINGS)
def test_rows_differ_in_their_parts_alone(setting: str) -> None:
    baseline = find_recipe(f"{setting}_baseline")
    for row in ROWS:
        if ROWS[row].own_size and row not in baseline.sizes:
            continue
        recipe = find_recipe(f"{setting}_{row}")
        weights = {"sisr_weight": baseline.train.sisr_weight, "affinity_weight": baseline.train.affinity_weight}
        if ROWS[row].own_size:
            weights |= {"input_size": baseline.train.input_size, "scale_range": baseline.train.scale_range}
        assert replace(recipe.train, shuffle_affinity=False, **weights) == baseline.train
        assert recipe.network.align_corners == baseline.network.align_corners
        assert (recipe.dataset, recipe.released, recipe.pictures) == (
            baseline.dataset,
            baseline.released,
            baseline.pictures,
        )
        assert recipe.network.host == baseline.network.host


def test_every_host_of_the_story_has_a_short_run_on_the_same_streets() -> None:
    tinynet = SETTINGS["streets_tinynet_45x60"]()
    assert set(LIGHT_HOSTS) == set(SEGMENTATION) - {"tinynet", "unet"}
    for host in LIGHT_HOSTS:
        recipe = find_recipe(f"streets_{host}_baseline")
        assert recipe.network.host == host
        assert (recipe.pictures, recipe.train) == (tinynet.pictures, tinynet.train)


def test_a_row_names_only_rows_and_its_parent_comes_before_it() -> None:
    order = list(ROWS)
    for row in ROWS.values():
        assert set(row.adds) <= set(ROWS)
        assert row.parent is None or order.index(row.parent) < order.index(row.name)
    assert [name for name, row in ROWS.items() if row.parent is None] == ["baseline"]


@pytest.mark.parametrize("setting", ["camvid_drives", "camvid_drives_long", "streets_towns", "streets_towns_400"])
def test_equal_cost_is_equal_true_cost_and_shows_as_much_of_the_scene(setting: str) -> None:
    recipes = {row: find_recipe(f"{setting}_{row}") for row in ("baseline", "equal_cost", "deconvolution")}
    macs = {row: complexity(build_dsrl(r.network).task_model, r.train.input_size).macs for row, r in recipes.items()}
    assert macs["equal_cost"] == pytest.approx(macs["deconvolution"], rel=0.01)
    crops = [r.train.input_size[0] / r.train.scale_range[0] for r in (recipes["baseline"], recipes["equal_cost"])]
    assert crops[1] == pytest.approx(crops[0])


def test_crops_of_the_confirmatory_rows_begin_with_the_whole_picture_as_it_is_scored() -> None:
    for name in ("camvid_drives_baseline", "camvid_drives_equal_cost", "streets_towns_baseline"):
        recipe = find_recipe(name)
        height, _ = recipe.picture_size or (360, 480)
        assert recipe.train.scale_range[0] == pytest.approx(2 * recipe.train.input_size[0] / height)
    double = find_recipe("streets_towns_double_input")
    assert (double.network.upscale_factor, double.train.scale_range) == (1, (1.0, 1.5))


def test_the_main_rows_add_one_part_at_a_time() -> None:
    networks = [find_recipe(f"streets_tinynet_{row}").network for row in MAIN_ROWS]
    parts = [(network.sssr is not None) + network.sisr + network.affinity for network in networks]
    assert parts == [0, 1, 2, 3]


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="a setting of streets_tinynet.*a row of baseline"):
        find_recipe("streets_dsrl")
    with pytest.raises(ValueError, match="unknown row 'dslr'.*dsrl"):
        with_row(SETTINGS["streets_tinynet"](), "dslr")
    with pytest.raises(ValueError, match="expected a setting's baseline, got the recipe 'streets_tinynet_dsrl'"):
        with_row(find_recipe("streets_tinynet_dsrl"), "baseline")
    with pytest.raises(ValueError, match="streets_tinynet has no input size for its row equal_cost"):
        find_recipe("streets_tinynet_equal_cost")
    recipe = find_recipe("streets_tinynet_dsrl")
    with pytest.raises(ValueError, match="has no field speed; it has accumulate"):
        with_changes(recipe, ["train.speed=3"])
    with pytest.raises(ValueError, match="expected iterations as a whole number from 1 to 9007199254740992, got 0"):
        with_changes(recipe, ["train.iterations=0"])
    for wrong in ("96,96", "96", "[96]", "[96, 0]"):  # as a command line may say them
        with pytest.raises(ValueError, match="two positive whole numbers, as in"):
            with_changes(recipe, [f"train.input_size={wrong}"])
