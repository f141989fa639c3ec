"""Finished runs: copied whole to their places, and scored again to the same numbers or not at all."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dsrl_lab import cli
from dsrl_lab.experiments import run
from dsrl_lab.recipes import Recipe, find_recipe, with_changes
from dsrl_lab.results.release_runs import final_scores, keep, list_checkpoints, score_again
from dsrl_lab.training import checkpoint, record
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


@pytest.mark.parametrize("held_out", [False, True])
def test_an_older_record_gains_todays_measures_and_nothing_else(tmp_path: Path, held_out: bool) -> None:
    list(run(small("baseline"), directory=tmp_path, held_out=held_out))
    path = tmp_path / "record.jsonl"
    whole = record.read(path)
    older = [*whole[:-1], whole[-1] | {"logits": {"miou": whole[-1]["logits"]["miou"]}}]
    record.write(path, older)
    assert score_again(tmp_path) == [path]
    again = record.read(path)
    assert again[:-1] == whole[:-1]
    assert again[-1].pop("scored_again")["versions"] == whole[0]["versions"]
    assert again[-1] == whole[-1]


def super_resolution_run(folder: Path) -> Path:
    """A finished run of train-sisr: the kit's own record and network."""
    folder.mkdir(parents=True)
    shutil.copy(DATA / "runs" / "super_resolution_espcn.jsonl", folder / "record.jsonl")
    for suffix in ("safetensors", "json"):
        shutil.copy(DATA / "checkpoints" / f"super_resolution_espcn.{suffix}", folder / f"best.{suffix}")
    return folder / "record.jsonl"


def test_a_folder_may_mix_runs_of_masks_and_of_super_resolution(tmp_path: Path) -> None:
    list(run(small("baseline"), directory=tmp_path / "runs" / "a"))
    other = super_resolution_run(tmp_path / "runs" / "b")
    before = other.read_bytes()
    assert score_again(tmp_path / "runs") == [tmp_path / "runs" / "a" / "record.jsonl"]
    assert other.read_bytes() == before
    kept = {path.relative_to(tmp_path / "data").as_posix() for path in keep(tmp_path / "runs", tmp_path / "data")}
    assert {"checkpoints/super_resolution_espcn.safetensors", "runs/streets_tinynet/baseline_seed0.jsonl"} <= kept
    assert len(list_checkpoints(tmp_path / "data")) == 2
    result = CliRunner().invoke(cli.app, ["score-again", str(tmp_path / "runs")])
    assert result.exit_code == 0 and f"left as they are, not of segmentation: {other}" in result.output


def test_nothing_is_kept_where_a_run_lacks_its_network(tmp_path: Path) -> None:
    other = super_resolution_run(tmp_path / "runs" / "b")
    (other.parent / "best.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"b is a finished run without best\.json; train it again"):
        keep(tmp_path / "runs", tmp_path / "data")
    assert not (tmp_path / "data").exists()
    with pytest.raises(ValueError, match="are of pose or super-resolution, only masks are scored again"):
        score_again(tmp_path / "runs")


def test_a_setting_with_pictures_of_its_own_size_is_scored_again_at_that_size(tmp_path: Path) -> None:
    towns = replace(find_recipe("streets_towns_equal_cost"), pictures=(8, 2, 2))
    towns = with_changes(towns, ["train.iterations=1", "train.batch_size=2", 'network.host_options={"width":0.5}'])
    list(run(towns, directory=tmp_path, seed=100))
    assert score_again(tmp_path) == [tmp_path / "record.jsonl"]


def test_two_runs_of_one_name_are_not_kept_over_each_other(tmp_path: Path) -> None:
    list(run(small("baseline"), directory=tmp_path / "runs" / "a"))
    list(run(small("baseline"), directory=tmp_path / "runs" / "b", held_out=True))
    with pytest.raises(ValueError, match=r"would both be .*baseline_seed0\.jsonl; keep one of them"):
        keep(tmp_path / "runs", tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_a_folder_without_runs_is_an_error(tmp_path: Path) -> None:
    for act in (lambda: keep(tmp_path / "none", tmp_path / "data"), lambda: score_again(tmp_path)):
        with pytest.raises(FileNotFoundError, match=r"no finished run below .*: expected record\.jsonl of one in it"):
            act()


def test_a_record_that_the_network_does_not_bear_out_stays_as_it_is(tmp_path: Path) -> None:
    list(run(small("baseline"), directory=tmp_path))
    path = tmp_path / "record.jsonl"
    *lines, end = record.read(path)
    for wrong in (end["labels"]["miou"] + 0.01, None):  # None: JSON's NaN
        record.write(path, [*lines, end | {"labels": {"miou": wrong}}])
        before = path.read_bytes()
        with pytest.raises(ValueError, match=r"mIoU by labels is .* was recorded as .* nothing was written"):
            score_again(tmp_path)
        assert path.read_bytes() == before
