"""What a part adds, beside its control: paired differences that are those of a hand computation."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsrl_lab.plots.theme import new_figure
from dsrl_lab.results.ablation import ablation
from dsrl_lab.results.contrasts import class_gains, class_plot, contrast_plot, contrasts, label_share
from dsrl_lab.results.records import find_runs
from tests.plots.conftest import record_lines, write_record


def test_each_question_compares_rows_that_differ_in_one_thing(committed: Path) -> None:
    found = {contrast.adds: contrast for contrast in contrasts(ablation(find_runs(committed)))}
    assert [(c.row, c.before) for c in found.values()] == [
        ("bilinear", "baseline"),
        ("sssr", "bilinear"),
        ("sisr", "sssr"),
        ("dsrl", "sisr"),
        ("dsrl", "shuffled"),
    ]
    assert found["SISR"].result.values == pytest.approx((0.5, 0.5, 0.5))
    assert found["this picture's structure in FA, not another's"].result.mean == pytest.approx(0.6)
    ax = contrast_plot(list(found.values()), ax=new_figure(6, 3).add_subplot())
    assert [label.get_text() for label in ax.get_yticklabels()] == list(found)


def test_no_shared_seed_no_answer(committed: Path) -> None:
    rows = ablation([run for run in find_runs(committed) if (run.row == "sssr") == (run.seed == 0)])
    assert "sisr" not in {contrast.row for contrast in contrasts(rows) if contrast.before == "sssr"}


def test_the_share_of_finer_labels(tmp_path: Path) -> None:
    for row, by_logits, by_labels in (("baseline", 0.50, 0.47), ("sssr", 0.52, 0.51)):
        lines = record_lines(f"streets_tinynet_{row}", row, 0)
        lines[-1]["logits"]["miou"], lines[-1]["labels"]["miou"] = by_logits, by_labels
        write_record(tmp_path / "s" / f"{row}.jsonl", lines)
    baseline, sssr = ablation(find_runs(tmp_path))
    share = label_share(sssr)
    assert share is not None and share.mean == pytest.approx(2.0)  # 4 points by labels, 2 by logits
    assert label_share(baseline) is None


def test_classes_are_paired_by_seed_and_a_class_without_a_score_is_left_out(tmp_path: Path) -> None:
    for row, pole in (("baseline", 0.10), ("dsrl", 0.15)):
        for seed in (0, 1):
            lines = record_lines(f"streets_tinynet_{row}", row, seed)
            lines[-1]["logits"]["iou"] = {"road": 0.9, "pole": pole + 0.01 * seed, "train": None}
            write_record(tmp_path / "s" / f"{row}_{seed}.jsonl", lines)
    baseline, dsrl = ablation(find_runs(tmp_path))
    gains = class_gains(dsrl)
    assert list(gains) == ["road", "pole"]
    assert gains["pole"].values == pytest.approx((5.0, 5.0))
    ax = class_plot(dsrl, thin=("pole",), ax=new_figure(4, 3).add_subplot())
    assert [label.get_text() for label in ax.get_yticklabels()] == ["road", "pole *"]
    with pytest.raises(ValueError, match="expected a row other than the baseline"):
        class_gains(baseline)
