"""Finished runs: copied whole to their places."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

from dsrl_lab.experiments import run
from dsrl_lab.recipes import Recipe, find_recipe, with_changes
from dsrl_lab.results.release_runs import final_scores, keep, list_checkpoints
from dsrl_lab.training import checkpoint
from dsrl_lab.training.build import load_task_model

DATA = Path(__file__).resolve().parents[2] / "data"


def small(row: str) -> Recipe:
    recipe = replace(find_recipe(f"streets_tinynet_{row}"), pictures=(8, 2))
    settings = ["train.iterations=2", "train.input_size=[16,24]", "train.batch_size=2"]
    return with_changes(recipe, [*settings, 'network.host_options={"width":0.5}'])


def test_kept_runs_are_found_by_setting_row_and_seed(tmp_path: Path) -> None:
    list(run(small("deconvolution_dsrl"), directory=tmp_path / "runs" / "x", seed=3))
    written = keep(tmp_path / "runs", tmp_path / "data")
    assert [str(path.relative_to(tmp_path / "data")) for path in written] == [
        "runs/streets_tinynet/deconvolution_dsrl_seed3.jsonl",
        "checkpoints/streets_tinynet/deconvolution_dsrl_seed3.safetensors",
        "checkpoints/streets_tinynet/deconvolution_dsrl_seed3_whole.safetensors",
    ]
    manifest = json.loads((tmp_path / "data" / "checkpoints" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest == list_checkpoints(tmp_path / "data") and len(manifest) == 2
    whole = manifest["streets_tinynet/deconvolution_dsrl_seed3_whole.safetensors"]
    assert whole["sha256"] == hashlib.sha256(written[2].read_bytes()).hexdigest()
    assert whole["record"] == "streets_tinynet/deconvolution_dsrl_seed3.jsonl"
    assert whole["command"].startswith("dsrl-lab train streets_tinynet_deconvolution_dsrl --seed 3 --threads ")
    assert not any(name.startswith("optimizer") for name in checkpoint.load(written[2]).tensors)
    assert final_scores(written[0])["kind"] == "end" and load_task_model(written[1])[0].num_classes == 11


def test_the_kits_manifest_is_that_of_its_checkpoints() -> None:
    manifest = json.loads((DATA / "checkpoints" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest == list_checkpoints(DATA), (
        "write it anew: dsrl_lab.results.release_runs.write_manifest(Path('data'))"
    )
    commands = {entry["command"].split(" --")[0] for entry in manifest.values()}
    assert {"dsrl-lab train camvid_espnetv2_90x120_paper", "dsrl-lab train-sisr super_resolution_dbpn"} <= commands
    people = manifest["people_hrnet/baseline_seed0.safetensors"]["command"]
    assert "--data" not in people  # street people are drawn: no folder is needed
