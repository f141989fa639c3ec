"""Every number of version 0.1 to its last digit: means, intervals, paired differences, costs, verdicts, curves.

``numbers.json`` holds [mean, half-width of the interval, seeds] as version 0.1 computed them from data/runs.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dsrl_lab import results
from dsrl_lab.results.claims import findings
from dsrl_lab.results.frames import curves, gains, pick, runs, scores, steps, summary
from dsrl_lab.results.inference import estimate, smallest_visible
from dsrl_lab.results.sweeps import gains_at_cost, sweep

NUMBERS: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "numbers.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def found() -> pd.DataFrame:
    return runs(Path(__file__).resolve().parents[2] / "data" / "runs")


def same(table: pd.DataFrame, by: tuple[str, ...], wanted: dict[str, list[Any]]) -> None:
    """Each wanted number is that of the table, bit for bit."""
    numbers = summary(table, by).set_index(list(by))["estimate"]
    ours = {key: numbers[tuple(key.split("|"))] for key in wanted}
    assert {key: [one.mean, one.margin, len(one.values)] for key, one in ours.items()} == wanted


@pytest.mark.parametrize("kind", ["scores", "gains"])
def test_scores_and_gains(kind: str, found: pd.DataFrame) -> None:
    table = scores(found) if kind == "scores" else gains(scores(found))
    names = {key.split("|")[2] for key in NUMBERS[kind]}
    assert len(names) >= 4
    for score in names:
        of_score = {key.rpartition("|")[0]: value for key, value in NUMBERS[kind].items() if key.endswith(f"|{score}")}
        same(pick(table, score), ("setting", "row"), of_score)


def test_classes_by_row(found: pd.DataFrame) -> None:
    table = gains(scores(found))
    of_classes = table[(table["protocol"] == "logits") & (table["metric"] == "iou")]
    ours = summary(of_classes, ("setting", "row", "class")).set_index(["setting", "row", "class"])["estimate"]
    for key, (mean, margin, seeds) in NUMBERS["classes"].items():
        one = ours[tuple(key.split("|"))].scaled(100)
        assert (one.mean, one.margin, len(one.values)) == (mean, margin, seeds), key


def test_steps_and_equal_cost(found: pd.DataFrame) -> None:
    ours = summary(pick(steps(scores(found))), ("setting", "row", "over"), scale=100)
    by_pair = ours.set_index(["setting", "row", "over"])["estimate"]
    for key, (mean, margin, seeds) in NUMBERS["steps"].items():
        one = by_pair[tuple(key.split("|"))]
        assert (one.mean, one.margin, len(one.values)) == (mean, margin, seeds), key
    same(gains_at_cost(sweep(found)), ("setting", "row"), NUMBERS["equal_cost"])


def test_the_share_of_finer_label_maps(found: pd.DataFrame) -> None:
    table = gains(scores(found))
    pair = pick(table, "labels.miou").merge(pick(table), on=["setting", "row", "seed"], suffixes=("", "_logits"))
    pair["value"] = 100 * (pair["value"] - pair["value_logits"])
    same(pair, ("setting", "row"), NUMBERS["label_share"])


def test_every_number_of_the_verdict_is_still_there(found: pd.DataFrame) -> None:
    ours = Counter((finding.ours.mean, finding.ours.margin) for finding in findings(found) if finding.ours)
    assert not Counter(map(tuple, NUMBERS["findings"])) - ours


def test_curves_and_power(found: pd.DataFrame) -> None:
    lines = curves(found[(found["setting"] == "streets_tinynet_45x60") & (found["seed"] == 1)])
    for key, (count, last, total) in NUMBERS["curves"].items():
        row, term = key.split("|")
        drawn = lines[(lines["row"] == row) & (lines["term"] == term)]
        values = [100 * v for v in drawn["value"]] if term == "miou" else list(drawn["value"])
        assert len(values) == count and math.fsum(values) == pytest.approx(total, rel=1e-14)  # sum differs by Python
        assert last is None or [drawn["iteration"].iloc[-1], values[-1]] == last
    for count, visible in NUMBERS["visible"].items():
        assert smallest_visible(estimate(float(value) for value in range(int(count)))) == visible


def test_an_interval_of_the_results_in_five_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).resolve().parents[2])
    lines = [line.strip() for line in (results.__doc__ or "").splitlines() if line.startswith("    ")]
    names: dict[str, Any] = {}
    exec("\n".join(lines[:-1]), names)
    table = eval(lines[-1], names)
    assert table.set_index("row").at["deconvolution_figure4", "estimate"].show(signed=True) == "-1.8 ± 0.5"
    assert "-1.8 ± 0.5" in Path("docs/RESULTS.md").read_text(encoding="utf-8")
