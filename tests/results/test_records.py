"""Runs are found in both layouts; means, intervals and paired differences are those of a hand computation."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from dsrl_lab.results.records import (
    Run,
    estimate,
    find_checkpoint,
    find_runs,
    paired_difference,
    read_run,
    row_of,
    scores,
)
from dsrl_lab.training import checkpoint
from tests.plots.conftest import SCORES, SEEDS, record_lines, write_record


def test_estimate_by_hand() -> None:
    # mean 2, s = sqrt((1 + 0 + 1) / 2) = 1, t(0.975; 2) = 4.302653 (tables of Student's t)
    result = estimate([1.0, 2.0, 3.0])
    assert result.mean == 2.0
    assert result.margin == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)
    assert result.interval == pytest.approx((2 - 2.484137, 2 + 2.484137), abs=1e-5)


def test_one_seed_has_no_interval_and_no_seed_no_estimate() -> None:
    assert estimate([0.5]).interval is None
    assert "1 seed" in estimate([0.5]).show()
    with pytest.raises(ValueError, match="at least one value"):
        estimate([])


def test_both_layouts_are_found(committed: Path, reproduced: Path) -> None:
    runs = find_runs(committed)
    assert len(runs) == len(SCORES) * len(SEEDS)
    assert [run.row for run in runs[:: len(SEEDS)]] == list(SCORES)
    assert {run.setting for run in runs} == {"streets_tinynet"}
    assert [run.seed for run in runs[: len(SEEDS)]] == list(SEEDS)
    assert [run.row for run in find_runs(reproduced)] == ["baseline", "sssr", "sisr", "dsrl"]


def test_a_weight_of_sisr_that_is_not_the_paper_s_is_part_of_the_label(tmp_path: Path) -> None:
    lines = record_lines("streets_tinynet_dsrl", "dsrl", 0)
    assert read_run(write_record(tmp_path / "a.jsonl", lines)).label == "+ SSSR + SISR + FA"
    lines[0]["train"]["sisr_weight"] = 1.0
    assert read_run(write_record(tmp_path / "b.jsonl", lines)).label == "+ SSSR + SISR + FA, SISR weight 1"
    lines[0]["network"]["sisr"] = False  # without the branch there is nothing to weigh
    assert read_run(write_record(tmp_path / "c.jsonl", lines)).label == "+ SSSR + SISR + FA"


def test_scores_over_seeds_by_hand(committed: Path) -> None:
    rows = {row: [run for run in find_runs(committed) if run.row == row] for row in ("baseline", "dsrl")}
    baseline = scores(rows["baseline"])
    assert baseline is not None
    assert baseline.values == pytest.approx((0.500, 0.504, 0.508))
    gain = paired_difference(rows["dsrl"], rows["baseline"])
    assert gain is not None
    assert gain.values == pytest.approx((0.0300, 0.0308, 0.0316))  # 0.03 + 0.0008 * seed
    assert gain.mean == pytest.approx(0.0308)
    assert gain.margin == pytest.approx(4.302653 * 0.0008 / math.sqrt(3), rel=1e-5)


def test_paired_difference_leaves_out_what_one_side_lacks(committed: Path) -> None:
    runs = find_runs(committed)
    baseline = [run for run in runs if run.row == "baseline" and run.seed != 1]
    dsrl = [run for run in runs if run.row == "dsrl"]
    gain = paired_difference(dsrl, baseline)
    assert gain is not None
    assert len(gain.values) == 2
    assert paired_difference(dsrl, []) is None
    assert paired_difference(dsrl, baseline, "super_resolution.psnr") is None


def test_a_score_that_a_row_does_not_have_is_none_and_an_unfinished_run_is_an_error(tmp_path: Path) -> None:
    lines = record_lines("streets_tinynet_baseline", "baseline", 0)
    run = read_run(write_record(tmp_path / "a.jsonl", lines))
    assert run.score("super_resolution.psnr") is None
    assert run.score("seconds") == 20.0
    unfinished = read_run(write_record(tmp_path / "b.jsonl", lines[:-1]))
    assert unfinished.end is None
    with pytest.raises(ValueError, match=r"not finished; go on with --resume"):
        unfinished.score()


def test_row_is_the_longest_that_fits() -> None:
    assert row_of("cityscapes_espnetv2_deconvolution_dsrl") == "deconvolution_dsrl"
    assert row_of("cityscapes_espnetv2_dsrl") == "dsrl"
    assert row_of("super_resolution_espcn") == "super_resolution_espcn"


def test_a_record_without_its_first_line_is_refused_and_other_json_lines_are_passed_over(tmp_path: Path) -> None:
    path = write_record(tmp_path / "bench.jsonl", [{"kind": "bench", "ms": 3}])
    with pytest.raises(ValueError, match="expected a first line of kind 'run'"):
        read_run(path)
    assert find_runs(tmp_path) == []


def test_the_same_seed_twice_is_refused(tmp_path: Path) -> None:
    lines = record_lines("streets_tinynet_dsrl", "dsrl", 0)
    write_record(tmp_path / "a" / "record.jsonl", lines)
    write_record(tmp_path / "b" / "record.jsonl", lines)
    with pytest.raises(ValueError, match="streets_tinynet_dsrl with seed 0 is there twice"):
        find_runs(tmp_path)


def test_checkpoints_beside_the_record(reproduced: Path) -> None:
    run = next(run for run in find_runs(reproduced) if run.row == "dsrl")
    assert find_checkpoint(run) == reproduced / "dsrl_seed0" / "deployed.safetensors"
    assert find_checkpoint(run, whole=True) == reproduced / "dsrl_seed0" / "latest.safetensors"


def test_committed_checkpoints_are_found_by_their_headers(tmp_path: Path, reproduced: Path) -> None:
    lines = record_lines("streets_tinynet_dsrl", "dsrl", 0)
    run = read_run(write_record(tmp_path / "runs" / "streets_tinynet" / "dsrl_seed0.jsonl", lines))
    assert find_checkpoint(run) is None
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    for name in ("deployed", "latest"):
        source = reproduced / "dsrl_seed0" / f"{name}.safetensors"
        (folder / f"any_{name}.safetensors").write_bytes(source.read_bytes())
    assert find_checkpoint(run) == folder / "any_deployed.safetensors"
    assert find_checkpoint(run, whole=True) == folder / "any_latest.safetensors"
    assert checkpoint.load(folder / "any_latest.safetensors").description["recipe"] == run.recipe
    other = read_run(write_record(tmp_path / "runs" / "s" / "r.jsonl", record_lines("streets_tinynet_dsrl", "dsrl", 1)))
    assert find_checkpoint(other) is None


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    lines = record_lines("streets_tinynet_dsrl", "dsrl", 0)
    run = read_run(write_record(tmp_path / "runs" / "streets_tinynet" / "dsrl_seed0.jsonl", lines))
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "bad.safetensors").write_bytes(b"no tensors")
    with pytest.raises(ValueError, match=r"bad.safetensors is damaged"):
        find_checkpoint(run)


def test_a_seed_that_is_no_number_is_named(tmp_path: Path) -> None:
    (tmp_path / "record.jsonl").write_text('{"kind": "run", "recipe": "streets_tinynet_dsrl", "seed": "zero"}')
    with pytest.raises(ValueError, match="expected a whole number as seed, got 'zero'; it is damaged"):
        read_run(tmp_path / "record.jsonl")


@pytest.mark.parametrize("value", [{"a": 1}, "0.5", [0.5], True, float("nan"), 10**400])
def test_a_score_that_is_no_number_is_named(value: object) -> None:
    run = Run("demo_dsrl", "dsrl", 0, ({"kind": "end", "logits": {"miou": value}},), Path("dsrl.jsonl"))
    with pytest.raises(ValueError, match="dsrl.jsonl: expected a number as logits.miou, got .*the record is damaged"):
        run.score()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("train", ["a"]),
        ("train", {"input_size": [9, 12], "iterations": 600}),
        ("train", {"input_size": 9, "iterations": 600, "batch_size": 8}),
        ("dataset", None),
        ("network", {"host": "tinynet"}),
        ("macs", "many"),
    ],
)
def test_a_first_line_that_lacks_what_tables_look_up_is_named(tmp_path: Path, name: str, value: object) -> None:
    lines = record_lines("streets_tinynet_dsrl", "dsrl", 0)
    read_run(write_record(tmp_path / "good.jsonl", lines))
    lines[0][name] = value
    with pytest.raises(ValueError, match=rf"first line does not say {name}.* as dsrl-lab train writes it.*damaged"):
        read_run(write_record(tmp_path / "bad.jsonl", lines))
