"""Made-up records and untrained checkpoints in both layouts, in temporary folders only."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dsrl_lab.recipes import find_recipe
from dsrl_lab.training import checkpoint
from dsrl_lab.training.build import build_dsrl
from dsrl_lab.training.config import NetworkConfig

SEEDS = (0, 1, 2)
SCORES = {"baseline": 0.50, "bilinear": 0.505, "sssr": 0.52, "sisr": 0.525, "dsrl": 0.53, "shuffled": 0.524}
Write = Callable[..., Path]


def record_lines(recipe: str, row: str, seed: int, **changes: Any) -> list[dict[str, Any]]:
    """A made-up record: a score that depends on row and seed, curves that fall."""
    found = find_recipe(recipe)
    network, train = found.network.to_json(), found.train.to_json() | {"seed": seed, "iterations": 40}
    first = {
        "kind": "run", "recipe": recipe, "title": found.title, "dataset": found.dataset, "network": network,
        "train": train, "seed": seed, "pictures": {"train": 8, "val": 4}, "parameters": 150_000 + 300 * len(row),
        "macs": 90_000_000 + 4_000_000 * (row != "baseline"), "training_macs": 200_000_000, "commit": "made-up",
        "device": "cpu", "versions": {},
    } | changes  # fmt: skip
    score = SCORES.get(row, SCORES["dsrl"]) + 0.004 * seed * (1 if row == "baseline" else 1.2)
    curve = [
        {
            "kind": "train", "iteration": step, "iterations": 40, "learning_rate": 0.05 * (1 - step / 41) ** 0.9,
            "loss": 3 / (step + 5) + 0.1 * seed, "task": 2.5 / (step + 5), "sisr": 0.5 / (step + 9),
            "affinity": 0.4 / (step + 7), "seconds": 0.5 * step, "images_per_second": 16.0,
            "metrics": {"miou": score * step / 40} if step % 20 == 0 else {},
        }
        for step in range(10, 41, 10)
    ]  # fmt: skip
    sisr = {"psnr": 27.0 + seed, "ssim": 0.9, "bilinear_psnr": 25.0, "bilinear_ssim": 0.85} if network["sisr"] else None
    end = {
        "kind": "end", "iteration": 40, "seconds": 20.0 + seed,
        "logits": {"split": "val", "miou": score, "thin_miou": score - 0.2},
        "labels": {"split": "val", "miou": score - 0.02}, "super_resolution": sisr,
    }  # fmt: skip
    return [first, *curve, end]


def write_record(path: Path, lines: list[dict[str, Any]]) -> Path:
    """Write lines as a record."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def write_runs(folder: Path, setting: str = "streets_tinynet", rows: tuple[str, ...] = tuple(SCORES)) -> Path:
    """Records as the kit commits them: <folder>/<setting>/<row>_seed<k>.jsonl."""
    for row in rows:
        for seed in SEEDS:
            write_record(folder / setting / f"{row}_seed{seed}.jsonl", record_lines(f"{setting}_{row}", row, seed))
    return folder


def write_reproduced(folder: Path) -> Path:
    """Runs as they leave themselves: <folder>/<row>_seed0/record.jsonl, with untrained checkpoints beside."""
    for row in ("baseline", "sssr", "sisr", "dsrl", "untransformed"):
        lines = record_lines(f"streets_tinynet_{row}", row, 0)
        small = {"host": "espnetv2", "host_options": {"width": 0.5}}
        lines[0]["network"] |= small
        lines[0]["train"] |= {"input_size": (48, 64)}
        write_record(folder / f"{row}_seed0" / "record.jsonl", lines)
        dsrl = build_dsrl(NetworkConfig.from_json(lines[0]["network"]))
        header = {key: lines[0][key] for key in ("recipe", "network", "train", "dataset")}
        checkpoint.save(folder / f"{row}_seed0" / "latest.safetensors", dsrl, header)
        deployed = folder / f"{row}_seed0" / "deployed.safetensors"
        checkpoint.save(deployed, dsrl.task_model, header | {"deployed": True})
    return folder


@pytest.fixture
def committed(tmp_path: Path) -> Path:
    """A folder of made-up records in the committed layout."""
    return write_runs(tmp_path / "data" / "runs")


@pytest.fixture(scope="session")
def reproduced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of made-up runs with untrained checkpoints, as ``dsrl-lab reproduce`` leaves them; read it only."""
    return write_reproduced(tmp_path_factory.mktemp("reproduce"))
