"""The confirmatory design was committed before its runs, and its runs are those that it names."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from dsrl_lab.recipes import find_recipe
from dsrl_lab.training import record

ROOT = Path(__file__).resolve().parents[2]
DESIGN = (ROOT / "data" / "runs" / "DESIGN.md").read_text(encoding="utf-8").partition("# Part 2.")[0]
SEEDS = {"camvid_drives": range(6, 18), "camvid_drives_long": range(6, 10), "streets_towns": range(100, 106)}
SEEDS["streets_towns_400"] = SEEDS["streets_towns"]
RECORDS = sorted(
    path
    for folder in ("confirmatory", "runs")
    for setting in SEEDS
    for path in (ROOT / "data" / folder / setting).glob("*.jsonl")
)


def test_the_design_names_the_seeds_that_this_test_holds_runs_to() -> None:
    assert "Seeds 6 to 17" in DESIGN and "seeds 6 to 9" in DESIGN and DESIGN.count("eeds 100 to 105") == 2


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_confirmatory_run_is_one_of_the_design_and_its_commit_holds_the_design(path: Path) -> None:
    first, *_, scores, end = record.read(path)
    assert f"`{first['row']}`" in DESIGN and first["seed"] in SEEDS[first["setting"]] and not first["held_out"]
    assert (scores["kind"], scores["split"], end["kind"]) == ("scores", "test", "end")
    recipe = find_recipe(first["recipe"])
    assert {"network": recipe.network.to_json()}["network"] == {**recipe.network.to_json(), **first["network"]}
    assert re.fullmatch(r"[0-9a-f]{7,40}", first["commit"]), "run it from a committed state"
    place = f"{first['commit']}:data/runs/DESIGN.md"
    shown = subprocess.run(["git", "show", place], cwd=ROOT, capture_output=True, text=True)
    if shown.returncode:
        pytest.skip(f"this checkout does not have the commit {first['commit']}")
    tests = DESIGN[DESIGN.index("## What is common") : DESIGN.index("## Chosen before")]
    assert tests in shown.stdout, "the design was changed after the run"
