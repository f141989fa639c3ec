"""Runs are found in both layouts; frames hold what the records say, by hand counts."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsrl_lab.results.frames import (
    alike,
    curves,
    frame,
    gains,
    pick,
    pictures,
    runs,
    scores,
    setting_title,
    steps,
    summary,
)
from dsrl_lab.results.inference import pooled_miou
from dsrl_lab.results.inputs import find_checkpoint
from dsrl_lab.results.records import Record, read_record
from dsrl_lab.training import checkpoint, record
from tests.results.conftest import SCORES, SEEDS, record_lines, write_record


def test_both_layouts_are_found(committed: Path, reproduced: Path) -> None:
    found = runs(committed)
    assert len(found) == len(SCORES) * len(SEEDS)
    assert list(found["row"][:: len(SEEDS)]) == list(found["row"].cat.categories) == list(SCORES)
    assert set(found["setting"]) == {"streets_tinynet"} and list(found["seed"][: len(SEEDS)]) == list(SEEDS)
    assert list(runs(reproduced)["row"]) == ["baseline", "sssr", "sisr", "dsrl", "untransformed"]
    run = found.iloc[-1]
    assert (run.input_height, run.input_width, run.iterations, run.macs, run.seconds) == (90, 120, 40, 94e6, 22.0)
    assert setting_title(found) == "drawn streets, TinyNet, 90×120 to 180×240"


def test_what_a_first_line_says_of_setting_row_and_held_out_is_kept(tmp_path: Path) -> None:
    lines = record_lines("streets_tinynet_dsrl", "dsrl", 0)
    older = read_record(write_record(tmp_path / "a.jsonl", lines)).first
    assert (older["setting"], older["row"], older["held_out"]) == ("streets_tinynet", "dsrl", False)
    lines[0]["pictures"] = {"train, first part": 6, "train, held out": 2}
    assert read_record(write_record(tmp_path / "b.jsonl", lines)).first["held_out"]
    lines[0] |= {"setting": "elsewhere", "row": "new_row", "held_out": False}
    newer = read_record(write_record(tmp_path / "c.jsonl", lines)).first
    assert (newer["setting"], newer["row"], newer["held_out"]) == ("elsewhere", "new_row", False)


def test_the_row_of_an_older_record_is_the_longest_that_fits(tmp_path: Path) -> None:
    for recipe, row in (
        ("cityscapes_espnetv2_deconvolution_dsrl", "deconvolution_dsrl"),
        ("cityscapes_espnetv2_dsrl", "dsrl"),
        ("super_resolution_espcn", "super_resolution_espcn"),
    ):
        path = write_record(tmp_path / "a.jsonl", [{"kind": "run", "recipe": recipe, "seed": 0}])
        assert read_record(path).first["row"] == row


def test_a_weight_of_sisr_that_is_not_the_paper_s_is_part_of_the_label(tmp_path: Path) -> None:
    lines = record_lines("streets_tinynet_dsrl", "dsrl", 0)

    def label() -> str:
        return str(frame([read_record(write_record(tmp_path / "a.jsonl", lines))])["label"].iloc[0])

    assert label() == "+ SSSR + SISR + FA"
    lines[0]["train"]["sisr_weight"] = 1.0
    assert label() == "+ SSSR + SISR + FA, SISR weight 1"
    lines[0]["network"]["sisr"] = False  # without the branch there is nothing to weigh
    assert label() == "+ SSSR + SISR + FA"


def test_scores_and_gains_by_hand(committed: Path) -> None:
    table = scores(runs(committed))
    of_row = summary(pick(table), ("row",)).set_index("row")
    assert of_row.at["baseline", "estimate"].values == pytest.approx((0.500, 0.504, 0.508))
    gained = summary(pick(gains(table)), ("row",)).set_index("row")
    assert gained.at["dsrl", "estimate"].values == pytest.approx((0.0300, 0.0308, 0.0316))  # 0.03 + 0.0008 * seed
    assert gained.at["dsrl", "mean"] == pytest.approx(0.0308)
    margin = 4.302653 * 0.0008 / math.sqrt(3)
    assert gained.at["dsrl", "high"] == pytest.approx(0.0308 + margin, rel=1e-5)
    assert "baseline" not in gained.index
    psnr = pick(table, "super_resolution.psnr")
    assert set(psnr["row"]) == {"sisr", "dsrl", "shuffled"} and psnr["value"].min() == 27.0


def test_a_gain_needs_the_same_seed_on_both_sides(committed: Path) -> None:
    found = runs(committed)
    table = scores(found[~((found["row"] == "baseline") & (found["seed"] == 1))])
    assert set(pick(gains(table)).query("row == 'dsrl'")["seed"]) == {0, 2}
    assert gains(table[table["row"] != "baseline"]).empty
    apart = table[(table["row"] == "sssr") == (table["seed"] == 0)]
    assert ("sisr", "sssr") not in set(zip(steps(apart)["row"], steps(apart)["over"], strict=True))


def test_each_question_compares_two_rows(committed: Path) -> None:
    found = summary(pick(steps(scores(runs(committed)))), ("row", "over", "adds"), scale=100)
    assert set(zip(found["row"], found["over"], strict=True)) == {
        ("bilinear", "baseline"),
        ("sssr", "baseline"),
        ("sssr", "bilinear"),
        ("sisr", "sssr"),
        ("dsrl", "sisr"),
        ("dsrl", "shuffled"),
        ("shuffled", "sisr"),
    }
    by_question = found.set_index("adds")["estimate"]
    assert by_question["SISR"].values == pytest.approx((0.5, 0.5, 0.5))
    assert by_question["this picture's structure in FA, not another's"].mean == pytest.approx(0.6)
    assert steps(scores(frame([]))).empty


def test_an_unfinished_run_has_curves_and_no_scores(tmp_path: Path) -> None:
    lines = record_lines("streets_tinynet_baseline", "baseline", 0)
    found = runs(write_record(tmp_path / "b.jsonl", lines[:-1]).parent)
    assert not found["finished"].any() and scores(found).empty
    drawn = curves(found)
    miou = drawn[drawn["term"] == "miou"]
    assert list(miou["iteration"]) == [20, 40] and list(miou["value"]) == pytest.approx([0.25, 0.5])
    assert set(drawn["term"]) == {"loss", "task", "learning_rate", "images_per_second", "miou"}  # no SISR, no FA


def counts_of(pictures: int, seed: int) -> np.ndarray:
    """Made-up counts of three classes, the last of which occurs nowhere."""
    dice = np.random.default_rng(seed)
    true = dice.integers(50, 100, (pictures, 3)) * np.array([1, 1, 0])
    right = (true * dice.uniform(0.4, 0.9, true.shape)).astype(int)
    wrong = true - right
    return np.stack([right, right + wrong[:, [1, 0, 2]], true], axis=1)


def with_pictures(lines: list[dict[str, Any]], counts: np.ndarray, drives: dict[str, slice]) -> list[dict[str, Any]]:
    """The record with a line of a further split."""
    score = {"split": "test", "protocol": "logits", "miou": float(pooled_miou(counts.sum(0))), "pictures": len(counts)}
    score["drives"] = {name: float(pooled_miou(counts[part].sum(0))) for name, part in drives.items()}
    return [*lines[:-1], {"kind": "scores"} | score | {"counts": record.pack(counts)}, lines[-1]]


def test_a_further_split_has_scores_drives_and_pictures_in_blocks(tmp_path: Path) -> None:
    counts = counts_of(40, 0)
    lines = with_pictures(record_lines("camvid_drives_dsrl", "dsrl", 0), counts, {"a": slice(8), "b": slice(8, None)})
    found = runs(write_record(tmp_path / "s" / "a.jsonl", lines).parent)
    table = scores(found)
    assert pick(table, split="test")["value"].item() == float(pooled_miou(counts.sum(0)))
    assert pick(table)["value"].item() == 0.53  # val beside it
    drives = table[table["drive"] != ""].set_index("drive")["value"]
    assert drives["a"] == float(pooled_miou(counts[:8].sum(0))) and set(drives.index) == {"a", "b"}
    frames = pictures(found)
    assert list(frames["drive"]) == ["a"] * 8 + ["b"] * 32
    assert list(frames["block"]) == [0] * 8 + [1] * 15 + [2] * 15 + [3] * 2  # of 15, never across drives
    assert (np.stack(list(frames["counts"])) == counts).all()


def test_scenes_are_blocks_of_ten_and_wrong_drives_are_named(tmp_path: Path) -> None:
    lines = record_lines("streets_towns_baseline", "baseline", 0)
    scenes = pictures(runs(write_record(tmp_path / "a" / "a.jsonl", with_pictures(lines, counts_of(12, 0), {})).parent))
    assert list(scenes["block"]) == [0] * 10 + [1] * 2 and set(scenes["drive"]) == {""}
    wrong = with_pictures(lines, counts_of(4, 0), {"a": slice(2), "b": slice(2, None)})
    wrong[-2]["drives"]["a"] += 0.01
    with pytest.raises(ValueError, match="its pictures do not give the score of a; the record is damaged"):
        pictures(runs(write_record(tmp_path / "b" / "a.jsonl", wrong).parent))


def test_rows_that_were_trained_differently_are_no_ablation(committed: Path) -> None:
    path = committed / "streets_tinynet" / "dsrl_seed0.jsonl"
    path.write_text(path.read_text().replace('"iterations": 40, "batch_size"', '"iterations": 80, "batch_size"'))
    with pytest.raises(ValueError, match="iterations 80 against 40"):
        alike(runs(committed))


def test_a_row_with_an_input_of_its_own_is_part_of_the_ablation(tmp_path: Path) -> None:
    lines = record_lines("streets_towns_baseline", "baseline", 0)
    write_record(tmp_path / "a.jsonl", lines)
    lines[0] |= {"recipe": "streets_towns_double_input"}
    lines[0]["train"] |= {"input_size": [180, 240]}
    write_record(tmp_path / "b.jsonl", lines)
    assert list(alike(runs(tmp_path))["row"]) == ["baseline", "double_input"]


def test_an_ablation_is_of_one_setting(committed: Path) -> None:
    for path in sorted((committed / "streets_tinynet").glob("dsrl_*")):
        path.write_text(path.read_text().replace("streets_tinynet_dsrl", "camvid_espnetv2_dsrl"))
    with pytest.raises(ValueError, match="runs of one setting, got camvid_espnetv2, streets_tinynet"):
        alike(runs(committed))


def test_a_record_without_its_first_line_is_refused_and_other_json_lines_are_passed_over(tmp_path: Path) -> None:
    path = write_record(tmp_path / "bench.jsonl", [{"kind": "bench", "ms": 3}])
    with pytest.raises(ValueError, match="expected a first line of kind 'run'"):
        read_record(path)
    assert runs(tmp_path).empty


def test_the_same_seed_twice_is_refused(tmp_path: Path) -> None:
    lines = record_lines("streets_tinynet_dsrl", "dsrl", 0)
    write_record(tmp_path / "a" / "record.jsonl", lines)
    write_record(tmp_path / "b" / "record.jsonl", lines)
    with pytest.raises(ValueError, match="streets_tinynet_dsrl with seed 0 is there twice"):
        runs(tmp_path)


def test_checkpoints_beside_the_record(reproduced: Path) -> None:
    one = next(run.record for run in runs(reproduced).itertuples() if run.row == "dsrl")
    assert find_checkpoint(one) == reproduced / "dsrl_seed0" / "deployed.safetensors"
    assert find_checkpoint(one, whole=True) == reproduced / "dsrl_seed0" / "latest.safetensors"


def test_committed_checkpoints_are_found_by_their_headers(tmp_path: Path, reproduced: Path) -> None:
    def at(name: str, seed: int) -> Record:
        return read_record(write_record(tmp_path / "runs" / name, record_lines("streets_tinynet_dsrl", "dsrl", seed)))

    one = at("streets_tinynet/dsrl_seed0.jsonl", 0)
    assert find_checkpoint(one) is None
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    for name in ("deployed", "latest"):
        source = reproduced / "dsrl_seed0" / f"{name}.safetensors"
        (folder / f"any_{name}.safetensors").write_bytes(source.read_bytes())
    assert find_checkpoint(one) == folder / "any_deployed.safetensors"
    assert find_checkpoint(one, whole=True) == folder / "any_latest.safetensors"
    assert checkpoint.load(folder / "any_latest.safetensors").description["recipe"] == one.first["recipe"]
    assert find_checkpoint(at("s/r.jsonl", 1)) is None


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    lines = record_lines("streets_tinynet_dsrl", "dsrl", 0)
    one = read_record(write_record(tmp_path / "runs" / "streets_tinynet" / "dsrl_seed0.jsonl", lines))
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "bad.safetensors").write_bytes(b"no tensors")
    with pytest.raises(ValueError, match=r"bad.safetensors is damaged"):
        find_checkpoint(one)


def test_a_seed_that_is_no_number_is_named(tmp_path: Path) -> None:
    (tmp_path / "record.jsonl").write_text('{"kind": "run", "recipe": "streets_tinynet_dsrl", "seed": "zero"}')
    with pytest.raises(ValueError, match="expected a whole number as seed, got 'zero'; it is damaged"):
        read_record(tmp_path / "record.jsonl")


@pytest.mark.parametrize("value", [{"a": {}}, "0.5", [0.5], True, float("nan"), 10**400])
def test_a_score_that_is_no_number_is_named(value: object) -> None:
    first = {"kind": "run", "setting": "demo", "row": "dsrl", "seed": 0}
    found = frame([Record((first, {"kind": "end", "logits": {"miou": value}}), Path("dsrl.jsonl"))])
    with pytest.raises(
        ValueError, match=r"dsrl.jsonl: expected a number as logits.miou.*, got .*the record is damaged"
    ):
        scores(found)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("train", ["a"]),
        ("train", {"input_size": [9, 12], "iterations": 600}),
        ("train", {"input_size": 9, "iterations": 600, "batch_size": 8}),
        ("dataset", None),
        ("network", {"host": "tinynet"}),
        ("macs", "many"),
        ("setting", 3),
    ],
)
def test_a_first_line_that_lacks_what_tables_look_up_is_named(tmp_path: Path, name: str, value: object) -> None:
    lines = record_lines("streets_tinynet_dsrl", "dsrl", 0)
    read_record(write_record(tmp_path / "good.jsonl", lines))
    lines[0][name] = value
    with pytest.raises(ValueError, match=rf"first line does not say {name}.* as dsrl-lab train writes it.*damaged"):
        read_record(write_record(tmp_path / "bad.jsonl", lines))


def test_a_line_that_is_not_what_figures_draw_is_named(tmp_path: Path) -> None:
    lines = record_lines("streets_tinynet_dsrl", "dsrl", 0)
    lines[2]["metrics"] = [3]
    with pytest.raises(ValueError, match="a line does not say metrics as dsrl-lab train writes it"):
        read_record(write_record(tmp_path / "bad.jsonl", lines))
