"""Cityscapes recipes run one iteration from end to end, on drawn files in the official layout (full-size: -m slow)."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dsrl_lab import experiments
from dsrl_lab.datasets.cityscapes import Cityscapes
from dsrl_lab.recipes import CITYSCAPES_HOSTS, CITYSCAPES_SIZES, SETTINGS, cityscapes, find_recipe
from dsrl_lab.results import paper_numbers as paper
from dsrl_lab.rows import MAIN_ROWS
from dsrl_lab.tools.bench.drawn_cityscapes import FULL_SIZE, write_drawn_cityscapes
from dsrl_lab.training import record


@pytest.fixture(scope="module")
def full_size(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_drawn_cityscapes(tmp_path_factory.mktemp("cityscapes"), pictures={"train": 2, "val": 1})


def run_one_iteration(name: str, root: Path, directory: Path, **changes: object) -> list[dict]:
    recipe = find_recipe(name)
    few = {"iterations": 1, "batch_size": 2, "record_every": 1, **changes}
    recipe = replace(recipe, train=replace(recipe.train, **few), encoder_weights=None)  # type: ignore[arg-type]
    list(experiments.run(recipe, directory=directory, root=root))
    return record.read(directory / "record.jsonl")


def check_lines(lines: list[dict], name: str) -> None:
    first, step, last = lines[0], lines[-2], lines[-1]
    assert first["recipe"] == name and first["pictures"] == {"train": 2, "val": 1}
    assert np.isfinite([step["loss"], step["task"], step["sisr"], step["affinity"]]).all()
    assert (step["sisr"] > 0) == first["network"]["sisr"] and (step["affinity"] > 0) == first["network"]["affinity"]
    assert last["kind"] == "end" and last["logits"]["protocol"] == "logits" and last["labels"]["protocol"] == "labels"


def test_the_settings_are_table_1_and_figure_1() -> None:
    names = {"espnetv2": "ESPNetv2", "deeplabv3plus": "DeepLabv3+"}
    points = {(point.host, point.input_size) for point in paper.FIGURE_1}
    assert points == {(names[host], size) for host in CITYSCAPES_HOSTS for size in CITYSCAPES_SIZES}
    assert sum(name.startswith("cityscapes") for name in SETTINGS) == 10
    for host, size in itertools.product(CITYSCAPES_HOSTS, CITYSCAPES_SIZES):
        recipe = cityscapes(host, size)
        assert recipe.network.num_classes == 19 and recipe.network.upscale_factor == 2
        assert recipe.train.precision == "bf16-mixed" and recipe.train.channels_last


@pytest.mark.slow
def test_the_files_are_full_size(full_size: Path) -> None:
    sample = Cityscapes(full_size, "val")[0]
    assert sample.image.shape == (3, *FULL_SIZE) and set(sample.mask.unique().tolist()) <= {*range(19), 255}
    assert 0 in sample.mask.unique()


def test_table_1_runs_from_end_to_end(tmp_path: Path) -> None:
    name, quarter = "cityscapes_espnetv2_dsrl", (FULL_SIZE[0] // 4, FULL_SIZE[1] // 4)
    root = write_drawn_cityscapes(tmp_path / "files", size=quarter, pictures={"train": 2, "val": 1})
    changes = {"precision": "32-true", "input_size": (64, 128)}
    check_lines(run_one_iteration(name, root, tmp_path / "run", **changes), name)
    assert (tmp_path / "run" / "deployed.safetensors").is_file()


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("size", CITYSCAPES_SIZES)
@pytest.mark.parametrize("host", CITYSCAPES_HOSTS)
def test_each_recipe_runs_from_end_to_end(host: str, size: tuple[int, int], full_size: Path, tmp_path: Path) -> None:
    for row in MAIN_ROWS if size == CITYSCAPES_SIZES[0] else ("baseline", "dsrl"):
        name = f"{cityscapes(host, size).setting}_{row}"
        check_lines(run_one_iteration(name, full_size, tmp_path / row), name)
