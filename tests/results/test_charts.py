"""What a chart shows is what the frame holds: ends of bars, points and their intervals, lines and the map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from dsrl_lab.plots.theme import new_figure
from dsrl_lab.results import charts
from dsrl_lab.results.frames import curves, gains, pick, runs, scores, steps, summary
from dsrl_lab.results.sweeps import sweep
from dsrl_lab.results.tables import ablation_table
from tests.results.conftest import record_lines, write_record


@pytest.fixture
def ax() -> Axes:
    return new_figure(6, 6).add_subplot()


@pytest.fixture
def values(committed: Path) -> pd.DataFrame:
    return scores(runs(committed))


def names(ax: Axes) -> list[str]:
    return [label.get_text().replace("\n", " ") for label in ax.get_yticklabels()]


def drawn_points(ax: Axes) -> dict[float, float]:
    """Place to mean, from the markers of the means."""
    points: dict[float, float] = {}
    for line in ax.lines:
        if line.get_marker() not in ("", "None", None) and line.get_markersize() == 7:
            for x, y in zip(np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float), strict=True):
                if not np.isnan(x):
                    points[y] = x
    return points


def test_bars_start_at_zero_and_end_at_the_mean(values: pd.DataFrame, ax: Axes) -> None:
    assert charts.score_bars(pick(values), ax=ax) is ax
    widths = [patch.get_width() for patch in ax.patches if isinstance(patch, Rectangle)]
    assert widths == pytest.approx([50.4, 50.98, 52.48, 52.98, 53.48, 52.88])
    assert ax.get_xlim()[0] == 0 and names(ax)[0] == "baseline"
    assert len({bar.get_hatch() for bar in ax.patches}) == 6
    assert [text.get_text() for text in ax.texts] == [f"{width:.1f}" for width in widths]
    dots = np.concatenate([np.asarray(dots.get_offsets()) for dots in ax.collections if len(dots.get_offsets())])
    assert sorted(dots[:, 0]) == pytest.approx(sorted(100 * pick(values)["value"]))


def test_points_stand_at_their_own_place_with_their_own_interval(values: pd.DataFrame, ax: Axes) -> None:
    gained = pick(gains(values))
    wanted = summary(gained, ("row", "label"), scale=100)
    places = ["baseline", *wanted["label"]]  # the baseline's place stays empty
    charts.gain_points(gained, places=places, ax=ax)
    assert drawn_points(ax) == pytest.approx(dict(enumerate(wanted["mean"], start=1)))
    reaches = {round(float(np.nanmin(line.get_xdata())), 6) for line in ax.lines} | {
        round(float(np.nanmax(line.get_xdata())), 6) for line in ax.lines
    }
    for edge in [*wanted["low"], *wanted["high"]]:
        assert round(edge, 6) in reaches
    assert names(ax) == places


def test_a_place_for_each_question_and_one_seed_has_no_interval(values: pd.DataFrame, ax: Axes) -> None:
    one = pick(steps(values[values["seed"] == 0]))
    charts.gain_points(one, y="adds", ax=ax)
    assert names(ax) == list(dict.fromkeys(one["adds"]))
    assert len(drawn_points(ax)) == len(one)
    assert len(ax.lines) == 1 + one["row"].nunique()  # zero, and the points of each row: no whiskers


def test_the_map_of_classes_is_bold_where_an_interval_is_clear_of_zero(tmp_path: Path, ax: Axes) -> None:
    for row, pole in (("baseline", (0.10, 0.11)), ("dsrl", (0.15, 0.1601))):
        for seed in (0, 1):
            lines = record_lines(f"streets_tinynet_{row}", row, seed)
            road = 0.9 + (0.02 * (-1) ** seed if row == "dsrl" else 0)
            lines[-1]["logits"]["iou"] = {"road": road, "pole": pole[seed], "train": None}
            write_record(tmp_path / "s" / f"{row}_{seed}.jsonl", lines)
    gained = gains(scores(runs(tmp_path)))
    charts.class_heatmap(gained[gained["metric"] == "iou"], thin=("pole",), ax=ax)
    assert [(text.get_text(), text.get_weight()) for text in ax.texts] == [("+0.0", "normal"), ("+5.0", "bold")]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["road", "pole *"]


def test_columns_beside_bars(committed: Path, ax: Axes) -> None:
    charts.number_columns(ablation_table(runs(committed), ("true MACs (M)", "seeds")).drop(columns="row"), ax=ax)
    assert [text.get_text() for text in ax.texts].count("94.0") == 5


def test_curves_are_the_records_and_their_mean(committed: Path, ax: Axes) -> None:
    lines = curves(runs(committed))
    lines = lines[lines["row"].isin(("baseline", "dsrl"))]
    assert charts.training_curves(lines, "loss", ax=ax) is ax
    drawn = [np.asarray(line.get_ydata()) for line in ax.lines if len(np.asarray(line.get_ydata()))]
    assert len(drawn) == 2 * (3 + 1)
    assert drawn[3][0] == pytest.approx(3 / 15 + 0.1)  # seeds add 0, 0.1, 0.2
    assert ax.get_legend_handles_labels()[1] == ["baseline", "+ SSSR + SISR + FA"]
    charts.training_curves(lines, "affinity", legend=False, ax=(other := new_figure(3, 3).add_subplot()))
    assert other.get_legend_handles_labels()[1] == ["+ SSSR + SISR + FA"]  # the baseline has no such term
    with pytest.raises(ValueError, match=r"unknown term 'los'; choose one of loss, task"):
        charts.training_curves(lines, "los", ax=ax)


def test_accuracy_over_cost(committed: Path, ax: Axes) -> None:
    swept = sweep(runs(committed))
    charts.cost_points(swept, ax=ax)
    entries = [text.get_text().replace("\n", " ") for text in ax.get_legend().get_texts()]  # type: ignore[union-attr]
    assert len(entries) == 6 and entries[0] == "baseline"
    xs = sorted(
        round(float(np.asarray(line.get_xdata())[0]), 2)
        for line in ax.lines
        if line.get_linestyle() == "None" and line.get_marker() not in ("_", "|")
    )
    assert xs == pytest.approx([0, 0.6, 0.8, 1.0, 1.2, 1.4])  # 90 M alone, 94 M five times
    assert [text.get_text() for text in ax.get_xticklabels()] == ["90.0", "94.0"]
    with pytest.raises(ValueError, match="expected finished runs to draw, got none"):
        charts.cost_curves(swept.iloc[:0], ax=ax)


def test_drawing_writes_nothing(values: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    charts.score_bars(pick(values), ax=new_figure(3, 3).add_subplot())
    assert sorted(tmp_path.rglob("*")) == before
