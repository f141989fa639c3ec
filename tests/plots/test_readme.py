"""README's tables are those that the committed records give."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsrl_lab.plots.readme import BEGIN, END, results, update
from dsrl_lab.plots.records import find_runs

ROOT = Path(__file__).resolve().parents[2]


def test_the_readme_follows_from_the_records(tmp_path: Path) -> None:
    copy = tmp_path / "README.md"
    copy.write_text((ROOT / "README.md").read_text(encoding="utf-8"), encoding="utf-8")
    assert not update(copy, ROOT / "data" / "runs"), "write it again: dsrl-lab figures"


def test_only_what_stands_between_the_markers_changes(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    assert update(readme, ROOT / "data" / "runs") and not update(readme, ROOT / "data" / "runs")
    text = readme.read_text(encoding="utf-8")
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text
    assert results(find_runs(ROOT / "data" / "runs")) in text


def test_missing_markers_are_named(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("nothing here", encoding="utf-8")
    with pytest.raises(ValueError, match="put them where the tables belong"):
        update(readme, tmp_path)
