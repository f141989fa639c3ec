"""The confirmatory families: those of the design, silent until their last run has ended, then decided by its rule."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from dsrl_lab import cli
from dsrl_lab.recipes import find_recipe
from dsrl_lab.results import gains, runs, scores
from dsrl_lab.results.confirm import compare
from dsrl_lab.results.families import FAMILIES, Family
from dsrl_lab.results.figures_runs import decided_figure
from dsrl_lab.results.frames import frame
from dsrl_lab.results.inference import NOT_TESTED, SUPPORTED, UNDECIDED, estimate
from dsrl_lab.results.inputs import Inputs, MissingInputError
from tests.results.conftest import record_lines, write_record
from tests.results.test_design import DESIGN, ROOT, SEEDS
from tests.results.test_frames import counts_of, with_pictures

SMALL = replace(FAMILIES["C"], seeds=range(6, 10))
GAIN = {"baseline": 0, "bilinear": 2, "normalised": 1} | dict.fromkeys(SMALL.rows[3:] + SMALL.rows[:1], 6)


def write_family(folder: Path, family: Family = SMALL, gain: dict[str, int] = GAIN) -> Path:
    """Runs of a family: its pictures alike but for a row's gain, in pixels, and a little noise of each seed."""
    for row in (*family.rows, "baseline") if family.questions else gain:
        for seed in family.seeds:
            counts = counts_of(40, 0)
            noise = np.random.default_rng([seed, len(row)]).integers(0, 2, 40)
            counts[:, :2, :2] += noise[:, None, None] + gain[row]
            lines = record_lines(f"{family.setting}_{row}", "baseline", seed)
            lines[-1]["logits"]["miou"] = 0.5 + gain[row] / 100
            lines = with_pictures(lines, counts, {"a": slice(20), "b": slice(20, None)})
            write_record(folder / family.setting / f"{row}_seed{seed}.jsonl", lines)
    return folder


@pytest.mark.parametrize("letter", FAMILIES)
def test_a_family_is_that_of_the_design(letter: str) -> None:
    family = FAMILIES[letter]
    assert family.seeds == SEEDS[family.setting]
    for one in family.questions:
        (line,) = (line for line in DESIGN.splitlines() if line.startswith(f"| {one.name} |"))
        assert one.text in line and line.count("`") == 2 * (1 + len(one.controls))
        assert all(f"`{row}`" in line for row in (one.row, *one.controls))
    assert all(find_recipe(f"{family.setting}_{row}") for row in family.rows)


def test_nothing_is_computed_before_the_last_run_has_ended(tmp_path: Path) -> None:
    folder = write_family(tmp_path)
    (folder / SMALL.setting / "bilinear_seed9.jsonl").unlink()
    found = SMALL.decide(runs(folder))
    assert set(found["verdict"]) == {NOT_TESTED} and set(found["reason"]) == {"1 of 20 runs have not ended"}
    assert "mean" not in found and SMALL.missing(runs(folder)) == ["camvid_drives_bilinear --seed 9"]


def test_a_whole_family_is_decided_against_the_better_free_control(tmp_path: Path) -> None:
    found = SMALL.decide(runs(write_family(tmp_path)), draws=500)
    assert list(found["question"]) == ["C1", "C2", "C3"] and list(found["verdict"]) == [SUPPORTED, UNDECIDED, UNDECIDED]
    assert list(found["over"]) == ["bilinear", "depthwise", "depthwise_figure4_shuffled"]
    assert found["mean"][0] > 1 and abs(found["mean"][1]) < 0.5


def test_what_stands_beside_waits_for_its_own_runs_alone(tmp_path: Path) -> None:
    folder = write_family(tmp_path)
    (folder / SMALL.setting / "bilinear_seed9.jsonl").unlink()
    reported = SMALL.report(runs(folder), draws=200)
    assert list(zip(reported["row"], reported["over"], strict=True)) == [
        (row, "baseline") for row in ("normalised", "depthwise", "depthwise_figure4", "depthwise_figure4_shuffled")
    ]
    assert not {"p", "verdict"} & set(reported)
    assert SMALL.report(runs(tmp_path / "nothing")).empty


def test_differences_as_texts_are_those_of_the_records(tmp_path: Path) -> None:
    found = runs(write_family(tmp_path))
    decided = SMALL.decide(found, draws=200)
    mixed = frame([*found["record"], *runs(ROOT / "data" / "runs" / "streets_resolution")["record"]])
    table = SMALL.texts(decided, mixed)
    assert list(table) == [
        "question", "row", "less", "seeds", "mIoU, test", "over seeds alone", "a", "b", "p, corrected", "verdict"
    ]  # fmt: skip
    first, one = table.iloc[0], decided.iloc[0]
    assert first["mIoU, test"] == f"{one['mean']:+.2f} ({one['low']:+.2f} to {one['high']:+.2f})"
    assert first["verdict"].startswith("**supported**") and first["less"] == "`bilinear`"
    of_drive = gains(scores(found)).query("drive == 'a' and seed == 6").set_index("row")["value"]
    seeds = [
        gains(scores(found), "bilinear").query(f"drive == 'a' and seed == {seed} and row == 'depthwise_figure4'")
        for seed in SMALL.seeds
    ]
    assert first["a"] == estimate([100 * lines["value"].item() for lines in seeds]).show(signed=True)
    assert of_drive["depthwise_figure4"] > of_drive["bilinear"]
    assert "question" not in SMALL.texts(SMALL.report(found, draws=200), found)


def test_a_row_s_share_of_the_gap_to_twice_the_input_stands_beside_it() -> None:
    found = runs(ROOT / "data" / "runs" / "streets_resolution")
    pairs = [("depthwise", "baseline", None), ("double_input", "baseline", None), ("depthwise", "bilinear", None)]
    compared = compare(found, pairs, draws=20)
    setting = replace(SMALL, setting="streets_resolution", seeds=range(6))
    share, all_of_it, none = setting.texts(compared, found)["of the gap"]
    assert share == f"{compared['mean'][0] / compared['mean'][1]:.0%}" and (all_of_it, none) == ("100%", "")


def test_an_estimation_says_how_much_a_difference_changes_seed_by_seed(tmp_path: Path) -> None:
    family = FAMILIES["C, four times as long"]
    found = runs(write_family(write_family(tmp_path), family, {"baseline": 0, "normalised": 5}))
    table = family.texts(family.report(found, draws=20), found)
    of_seed = gains(scores(found)).query("row == 'normalised' and split == 'test' and metric == 'miou' and drive == ''")
    settings = family.setting, family.base
    here, before = (of_seed[of_seed["setting"] == one].set_index("seed")["value"] for one in settings)
    (change,) = table[f"change from `{family.base}`"]
    assert change == estimate(list((here - before).dropna())).scaled(100).show(signed=True) and change.startswith("+")
    assert f"change from `{family.base}`" not in SMALL.texts(SMALL.report(found, draws=20), found)
    alone = runs(tmp_path / family.setting)
    assert not any("change" in name for name in family.texts(family.report(alone, draws=20), alone))


def test_the_figure_shows_the_interval_that_decides_and_the_word(tmp_path: Path) -> None:
    family = FAMILIES["C"]
    found = runs(write_family(tmp_path, family))
    (ax,) = decided_figure(Inputs(runs=found)).figure.axes
    decided = family.decide(found)
    bars = [(bar.get_x(), bar.get_x() + bar.get_width()) for test in ax.containers for bar in test]
    assert bars == [pytest.approx(ends) for ends in zip(decided["low"], decided["high"], strict=True)]
    assert [text.get_text().split("\n")[1] for text in ax.texts] == list(decided["verdict"])
    with pytest.raises(MissingInputError, match="no family of confirmatory tests has all its runs"):
        decided_figure(Inputs(runs=found[found["seed"] < 17]))


def test_the_command_says_how_many_runs_a_family_waits_for(tmp_path: Path) -> None:
    command = ["verdict", "--confirmatory", "--runs", str(write_family(tmp_path))]
    shown = CliRunner().invoke(cli.app, command)
    assert shown.exit_code == 0, shown.output + repr(shown.exception)
    as_json = json.loads(CliRunner().invoke(cli.app, [*command, "--json"]).output)
    assert list(as_json) == list(FAMILIES) and [len(as_json["C"][part]) for part in ("tests", "beside")] == [3, 0]
    text = " ".join(shown.output.split())
    assert "C1 Does the whole bring more than what is free? not tested: 40 of 60 runs have not ended" in text
    assert "S3" in text and "24 of 24 runs have not ended" in text
