"""The main job's answer from made-up records: shares of a known gap, costs, words, the coarse grid's ceiling."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dsrl_lab import recipes
from dsrl_lab.datasets.class_tables import CAMVID
from dsrl_lab.datasets.streets import Streets
from dsrl_lab.recipes import find_recipe
from dsrl_lab.recipes.segmentation import streets_resolution
from dsrl_lab.results import resolution
from dsrl_lab.results.frames import alike, runs
from dsrl_lab.results.inference import pooled_miou
from dsrl_lab.training import checkpoint, record
from dsrl_lab.training.build import build_dsrl
from dsrl_lab.training.config import Recipe

GAINS = {"baseline": 0.0, "double_input": 0.06, "bilinear": 0.0, "depthwise": 0.003, "depthwise_figure4": 0.015}
MACS = {"double_input": 4_000_000, "depthwise": 1_020_000, "depthwise_figure4": 1_020_000}
PICTURES = 5


def small() -> Recipe:
    """The job's setting with tiny pictures and a narrow host."""
    setting = streets_resolution()
    network = replace(setting.network, host_options={"width": 0.5})
    train = replace(setting.train, input_size=(16, 24), iterations=2, batch_size=2)
    return replace(setting, network=network, train=train, pictures=(3, 1, PICTURES), sizes={"double_input": (32, 48)})


def counts_of(iou: float, seed: int) -> np.ndarray:
    """(pictures, 3, K): every class has the wanted IoU over all pictures, which scatter a little."""
    scatter = np.random.default_rng(seed).integers(-1000, 1001, (PICTURES, 11))
    scatter[-1] -= scatter.sum(0)
    whole = np.full((PICTURES, 11), 100_000)
    return np.stack([np.round(2e5 * iou / (1 + iou)).astype(int) + scatter, whole, whole], 1)


def write_job(folder: Path, seeds: int = 3) -> Path:
    """Finished runs of every row as the job leaves them, with untrained networks where pictures need some."""
    for row, gain in GAINS.items():
        recipe = find_recipe(f"streets_resolution_{row}")
        for seed in range(seeds):
            place = folder / f"{row}_seed{seed}"
            counts = counts_of(0.4 + gain + 0.01 * seed + 0.0005 * (seed == 1) * (gain != 0), seed + 10 * len(row))
            miou = float(pooled_miou(counts.sum(0)))
            scores = {"split": "test", "protocol": "logits", "miou": miou, "iou": dict.fromkeys(CAMVID.names, miou)}
            val = {"split": "val", "miou": miou}
            first = recipe.identity() | {"seed": seed, "held_out": False, "pictures": {"train": 3, "test": PICTURES}}
            lines = [
                {"kind": "run"} | first | {"macs": MACS.get(row, 1_000_000), "parameters": 1, "versions": {}},
                {"kind": "scores", "counts": record.pack(counts)} | scores,
                {"kind": "end", "seconds": 1.0, "logits": val, "labels": val},
            ]
            record.write(place / "record.jsonl", lines)
            (place / "deployed.safetensors").touch()
        if row in ("baseline", "double_input"):
            header = {"recipe": recipe.name, "network": recipe.network.to_json(), "dataset": "streets"}
            header |= {"train": recipe.train.to_json(), "deployed": True}
            network = build_dsrl(recipe.network).task_model
            checkpoint.save(folder / f"{row}_seed0" / "deployed.safetensors", network, header)
    return folder


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of such runs, of the small setting, with a cache of its own."""
    monkeypatch.setitem(recipes.SETTINGS, "streets_resolution", small)
    monkeypatch.setenv("DSRL_LAB_CACHE", str(tmp_path / "cache"))
    return write_job(tmp_path / "job")


def test_sentences_give_gains_costs_shares_of_the_gap_and_one_of_the_four_words(job: Path) -> None:
    found = alike(runs(job))
    fine, labels, _, whole, beyond = resolution.sentences(found, found)
    assert re.match(r"baseline 90x120 over baseline 45x60: \+6.0 points of mIoU \(.* \+6.0 to \+6.1\) for 4.00", fine)
    assert "for 4.00 times the multiply-adds; shipped: +6.0 ± 0.1. A gain is supported" in fine
    assert "of what 90x120 brings" not in fine and "for 1.00 times" in labels
    assert "A gain is undecided: no difference as large as 0.5 points" in labels
    assert "for 1.02 times the multiply-adds, 25 % of what 90x120 brings" in whole
    assert beyond.startswith("whole DSRL over finer labels alone: +1.5 points") and "supported" in beyond


def test_one_seed_is_an_observation_without_shares_and_nothing_shipped_is_no_error(job: Path) -> None:
    found = alike(runs(job))
    said = resolution.sentences(found[found["seed"] == 0], runs(job / "nothing"))
    assert all("not tested: 1 seed" in one and "%" not in one and "shipped" not in one for one in said)


def test_tables_hold_every_class_and_row_and_the_ceiling_of_the_coarse_grid(job: Path) -> None:
    classes, rows = resolution.tables(alike(runs(job))).values()
    assert list(classes["class"]) == ["mIoU", *CAMVID.names] and len(rows) == len(GAINS)
    scenes = Streets("test", size=(32, 48), length=PICTURES, seed=0)
    truth = torch.stack([scenes[index].mask for index in range(PICTURES)])
    perfect = classes.set_index("class")[resolution.PERFECT].astype(float)
    assert perfect["sky"] > 90 > perfect["pole"] and bool((truth == CAMVID.index("pole")).any())
    assert float(classes.set_index("class").at["fence", "baseline 90x120"]) == pytest.approx(47.0, abs=0.1)


def test_perfect_labels_on_the_pictures_own_grid_lose_nothing_and_a_thin_line_is_lost_on_a_coarse_one() -> None:
    mask = torch.zeros(8, 12, dtype=torch.int64)
    mask[:, 5] = CAMVID.index("pole")
    mask[6:] = CAMVID.index("road")
    assert resolution.perfect_labels([mask], (8, 12))["mIoU"] == 1.0
    coarse = resolution.perfect_labels([mask], (2, 3))
    assert coarse["pole"] == 0.0 and coarse["sky"] > 0.7


def test_three_pictures_are_drawn(job: Path) -> None:
    paths = resolution.draw(job, job / "figures")
    assert [path.name for path in paths] == ["masks.png", "gains.png", "classes.png"]
    assert all(path.stat().st_size > 10_000 for path in paths)
