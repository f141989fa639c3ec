"""Measuring the grader: a drawn class, killed once on the way, loses nothing and doubles nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dsrl_lab.course.grading.drawn_class import RIGHT, Drawn
from dsrl_lab.course.grading.scale import BEGIN, END, as_drawn, markdown, measure, update
from dsrl_lab.training import record

from .conftest import CHAPTER, REPOSITORY


def test_a_number_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 submission and a kill before the last, got 0 and"):
        measure(REPOSITORY, 0)
    with pytest.raises(ValueError, match="got 5 and a kill after 5"):
        measure(REPOSITORY, 5, kill_after=5)


def test_a_grade_is_compared_with_what_was_drawn() -> None:
    drawn = Drawn("ada", {"06.1": RIGHT, "06.2": "no unit length"}, {"06.1": 2, "06.2": 0})

    def result(first: int, known_as: str) -> dict[str, Any]:
        marks = [("06.1", first, ""), ("06.2", 0, known_as)]
        return {"marks": [{"question": q, "points": p, "known_as": k} for q, p, k in marks]}

    assert as_drawn(drawn, result(2, "no unit length"))
    assert not as_drawn(drawn, result(1, "no unit length")), "half of the points were lost"
    assert not as_drawn(drawn, result(2, "")), "the misconception was not recognised"


LINES = [
    {"kind": "classroom", "assignment": "06", "submissions": 200, "jobs": 2, "cores": 2, "kill_after": 100},
    {
        "kind": "end",
        "seconds": 600.0,
        "cpu_seconds": 900.0,
        "grader_cpu_seconds": 120.0,
        "peak_megabytes": 1500.0,
        "mean_load": 2.5,
        "as_drawn": 200,
        "kept_over_the_kill": 100,
        "graded_again": 0,
    },
]


def test_the_guide_s_table_is_written_between_its_markers(tmp_path: Path) -> None:
    guide = tmp_path / "guide.md"
    guide.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    assert update(guide, LINES) and not update(guide, LINES)
    text = guide.read_text(encoding="utf-8")
    assert text == f"before\n{BEGIN}\n{markdown(LINES)}\n{END}\nafter\n"
    assert "| CPU minutes in sandboxes | 15.0 |" in text
    (tmp_path / "other.md").write_text("nothing", encoding="utf-8")
    with pytest.raises(ValueError, match="expected the markers"):
        update(tmp_path / "other.md", LINES)


@pytest.mark.classroom
@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("sandboxed")
def test_a_class_is_graded_killed_and_graded_to_its_end(tmp_path: Path) -> None:
    pytest.importorskip("nbgrader", reason="nbgrader is not installed here: make classroom")
    told: list[tuple[int, int]] = []
    place = tmp_path / "record.jsonl"
    measure(REPOSITORY, 4, jobs=2, kill_after=1, record=place, progress=lambda done, of: told.append((done, of)))
    first, *middle, end = record.read(place)
    assert first["assignment"] == CHAPTER and first["submissions"] == 4 and first["nbgrader"] and first["bubblewrap"]
    assert [line["student"] for line in middle] == [f"student{n:03d}" for n in range(4)]
    assert all(line["points"] == line["should_be"] for line in middle)
    assert end["grades"] == end["lines_in_table"] == end["as_drawn"] == 4
    assert end["doubled_in_table"] == end["graded_again"] == end["left_over_after_the_kill"] == 0
    assert 1 <= end["kept_over_the_kill"] < 4
    assert min(end["seconds"], end["cpu_seconds"], end["grader_cpu_seconds"]) > 0 and end["peak_megabytes"] > 300
    assert told[-1][1] == 4
