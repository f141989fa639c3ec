"""The tables of README and docs/RESULTS.md are those that the committed records give."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import pytest

from dsrl_lab.results.claims import findings
from dsrl_lab.results.families import FAMILIES
from dsrl_lab.results.frames import gains, runs, scores, steps, summary
from dsrl_lab.results.readme import (
    ALL_BEGIN,
    ALL_END,
    NOTEBOOKS_BEGIN,
    NOTEBOOKS_END,
    PAGES,
    READMES,
    SETTINGS,
    deployed,
    everything,
    notebooks,
    results,
    super_resolution,
    training_pace,
    update,
    update_all,
)
from dsrl_lab.results.sweeps import gains_at_cost, sweep
from dsrl_lab.results.tables import affinity_table
from dsrl_lab.training import record

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", PAGES)
def test_the_pages_follow_from_the_records(name: str, tmp_path: Path) -> None:
    copy = tmp_path / Path(name).name
    copy.write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    assert not update(copy, ROOT / "data" / "runs"), "write it again: dsrl-lab figures"


def test_only_what_stands_between_the_markers_changes(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    empty = f"before\n{ALL_BEGIN}\nold\n{ALL_END}\nbetween\n{NOTEBOOKS_BEGIN}\nold\n{NOTEBOOKS_END}\nafter\n"
    readme.write_text(empty, encoding="utf-8")
    assert update(readme, ROOT / "data" / "runs") and not update(readme, ROOT / "data" / "runs")
    text = readme.read_text(encoding="utf-8")
    assert text.startswith("before\n") and "\nbetween\n" in text and text.endswith("after\n") and "old" not in text
    assert results(runs(ROOT / "data" / "runs")) in text


def test_every_setting_with_records_stands_among_all_results() -> None:
    text = everything(ROOT / "data" / "runs")
    for setting in set(runs(ROOT / "data" / "runs")["setting"]) & set(SETTINGS):
        assert f"`data/runs/{setting}`" in text
    assert (ROOT / "docs" / "RESULTS.md").read_text(encoding="utf-8").count(text) == 1


def test_a_column_that_no_row_fills_is_left_out(committed: Path) -> None:
    found = runs(committed)
    some = found[found["row"].isin(("baseline", "sssr"))]
    head, _, *rows = results(some, ["streets_tinynet"]).splitlines()[2:]
    assert head.startswith("| row | seeds | mIoU | gain |") and "PSNR" not in head
    assert [row.split(" | ")[1] for row in rows] == ["3", "3"]
    assert "SISR PSNR (dB) |" in results(found, ["streets_tinynet"])


def test_missing_markers_are_named(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("nothing here", encoding="utf-8")
    with pytest.raises(ValueError, match="put them where the tables belong"):
        update(readme, tmp_path)
    readme.write_text(ALL_BEGIN, encoding="utf-8")
    with pytest.raises(ValueError, match=ALL_END):
        update(readme, tmp_path)


def test_notebooks_are_listed_with_minutes_and_memory_and_summed_up(tmp_path: Path) -> None:
    line = {"kind": "notebook", "name": "03_sub", "cpu_seconds": 30.0, "wall_seconds": 60.0, "peak_megabytes": 1240.0}
    path = tmp_path / "notebooks.jsonl"
    path.write_text("".join(json.dumps(line | {"name": name}) + "\n" for name in ("03_sub", "04_b")), encoding="utf-8")
    rows = notebooks(path).splitlines()
    assert rows[2] == "| [03 sub](notebooks/03_sub.ipynb) | 0.5 | 1.2 |" and rows[4] == "| all | 1.0 |  |"
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line | {"name": "04_b", "language": "zh", "cpu_seconds": 42.0}) + "\n")
    rows = notebooks(path).splitlines()
    assert rows[2] == "| [03 sub](notebooks/03_sub.ipynb) | 0.5 | 1.2 |  |"
    assert rows[3] == "| [04 b](notebooks/04_b.ipynb) | 0.5 | 1.2 | [0.7](notebooks/zh/04_b.ipynb) |"
    assert rows[4] == "| all | 1.0 |  | 0.7 |"


@cache
def given() -> str:
    """Every interval that the records give, as texts."""
    known: list[str] = []
    for folder in ("runs", "repeated"):
        found = runs(ROOT / "data" / folder)
        table = scores(found)
        table = table[table["metric"].isin(("miou", "thin_miou", "thin_boundary_f", "pck")) & (table["drive"] == "")]
        for values, key in ((gains(table), "row"), (steps(table), "adds")):
            by = ["setting", "row", "split", "protocol", "metric", key] if key != "row" else None
            several = summary(values, by or ["setting", "row", "split", "protocol", "metric"], scale=100)
            known += [one.show(signed=True) for one in several["estimate"]]
        at_cost = summary(gains_at_cost(sweep(found)), scale=100)
        known += [one.show(signed=True) for one in at_cost["estimate"]]
        known += [finding.shown for finding in findings(found)]
        study = record.read(ROOT / "data" / "runs" / "affinity_study.jsonl")
        known += affinity_table(study).to_numpy().ravel().tolist()
        for family in (one for one in FAMILIES.values() if one.base):
            known += family.texts(family.report(found, draws=10), found).to_numpy().ravel().tolist()
    return " ".join(known)


@pytest.mark.parametrize("name", PAGES)
def test_the_sentences_say_no_interval_that_the_records_do_not_give(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    sentences = text.split(ALL_BEGIN)[0] + text.split(ALL_END)[-1] if ALL_BEGIN in text else text
    said = re.findall(r"[+-]?\d+\.\d ± \d+\.\d", sentences)
    assert said and [number for number in said if number not in given()] == []


def test_super_resolution_stands_from_bicubic_to_the_best(tmp_path: Path) -> None:
    def psnr(network: float) -> dict[str, dict[str, float]]:
        return {"network": {"psnr": network}, "bicubic": {"psnr": 33.7}}

    for name, db in (("b", 37.0), ("a", 36.0)):
        first = {"kind": "run", "recipe": f"super_resolution_{name}", "seed": 0, "title": name, "dataset": "T91"}
        lines = [
            first | {"macs": 2e9, "parameters": 3000},
            {"kind": "end", "cpu_seconds": 240, "scores": {"Set5": psnr(db), "Set14": psnr(db - 4)}},
        ]
        path = tmp_path / f"super_resolution_{name}.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    rows = super_resolution(runs(tmp_path)).splitlines()[4:]
    assert [row.split("|")[1].strip()[:3] for row in rows] == ["bic", "[a]", "[b]"]
    assert rows[-1] == "| [b](../data/runs/super_resolution_b.jsonl) | 37.00 | 33.00 | 2.0 | 3 | 4 |"
    assert super_resolution(runs(tmp_path / "none")) == ""


def test_latency_and_fewer_bits_are_told_from_their_record(tmp_path: Path) -> None:
    row = {"name": "+ SSSR", "macs": 85e6, "macs_ratio": 1.26, "eager_ratio": 2.0, "eager_spread": [1.9, 2.2]}
    timed = {"kind": "deployment", "setting": "demo", "input_size": [8, 12], "rows": [row | {"onnx_ratio": None}]}
    timed["rows"][0]["onnx_spread"] = None
    fewer = {"kind": "export", "checkpoint": "demo/dsrl_seed0.safetensors", "format": "onnx", "precision": "int8"}
    fewer |= {"bytes": 2_000_000, "miou": 0.59, "pytorch_miou": 0.6, "dataset": "camvid", "split": "val"}
    path = tmp_path / "deployment.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in (timed, {"kind": "decode"}, fewer)), encoding="utf-8")
    text = deployed(path)
    assert "| + SSSR | 85.0 | 1.26x | 2.00x (1.90 to 2.20) |  |" in text
    assert "| demo/dsrl_seed0, camvid val | onnx | int8 | 2.00 | 59.0 | -1.0 |" in text


def test_paces_stand_setting_by_setting_with_what_was_changed(tmp_path: Path) -> None:
    rows = [
        {"title": title, "cost": cost, "spread": [cost - 0.1, cost + 0.1]} for title, cost in (("a", 1), ("b", 1.5))
    ]
    line = {"steps": 9, "setting": "demo", "rows": [row | {"images_per_second": 30.4} for row in rows]}
    lines = line | {"changes": []}, line | {"changes": ["network.sisr_width=16"]}
    path = tmp_path / "training_pace.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in lines), encoding="utf-8")
    assert training_pace(path).splitlines()[-2:] == [
        "| `demo` | 30 | 1.50x (1.40 to 1.60) |",
        "| `demo`, `network.sisr_width=16` | 30 | 1.50x (1.40 to 1.60) |",
    ]


def test_all_pages_that_carry_markers_are_updated(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    for name in PAGES:
        pairs = (ALL_BEGIN, ALL_END) if name not in READMES else (NOTEBOOKS_BEGIN, NOTEBOOKS_END)
        (tmp_path / name).write_text("".join(pairs), encoding="utf-8")
    assert [path.relative_to(tmp_path).as_posix() for path in update_all(tmp_path, tmp_path)] == list(PAGES)
    (tmp_path / READMES[0]).write_text("a README of something else", encoding="utf-8")
    assert update_all(tmp_path, tmp_path) == []
