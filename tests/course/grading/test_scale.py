"""Measuring the grader: a simulated class is drawn again by its seed, handed in, graded, and compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest

from dsrl_lab.course.exercises.bank import exercises
from dsrl_lab.course.exercises.exercise import Exercise
from dsrl_lab.course.exercises.judge import judge
from dsrl_lab.course.grading.assignment import questions, source_version
from dsrl_lab.course.grading.notebook_file import Unreadable, read
from dsrl_lab.course.grading.release import NUMBERS
from dsrl_lab.course.grading.scale import (
    RIGHT,
    Simulated,
    answer_text,
    hand_in,
    markdown,
    measure,
    simulate_class,
)
from dsrl_lab.training import record

from .conftest import CHAPTER, REPOSITORY

SOURCE = REPOSITORY / "notebooks" / "src" / f"{CHAPTER}.py"
FIRST = """
import torch
from torch import Tensor
from torch.nn import functional as F
from dsrl_lab.affinity import affinity_matrix
"""


def test_a_number_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="expected at least 1 submission, got 0"):
        measure(REPOSITORY, 0)


@pytest.mark.parametrize("exercise", [e for e in exercises().values() if e.name[:2] == "06"], ids=lambda e: e.name)
def test_each_text_earns_what_it_should(exercise: Exercise) -> None:
    for kind in (RIGHT, "doubled"):
        names: dict[str, Any] = {"__name__": "__main__"}
        exec(FIRST + answer_text(exercise.name, kind), names)
        assert judge(exercise, names[exercise.solution.__name__], seed=3).passed == (kind == RIGHT)
    assert exercise.name[:2] in NUMBERS and "while True" in answer_text(exercise.name, "endless")


def test_a_class_is_drawn_again_by_its_seed_and_is_a_mixture() -> None:
    asked = questions(SOURCE)
    drawn = simulate_class(asked, 200, seed=1)
    assert drawn == simulate_class(asked, 200, seed=1) != simulate_class(asked, 200, seed=2)
    assert len({one.student for one in drawn}) == 200
    kinds = [kind for one in drawn for kind in one.answers.values()]
    assert 0.5 < kinds.count(RIGHT) / len(kinds) < 0.8
    assert kinds.count("endless") == 2 and sum(not one.answers for one in drawn) == 2
    for one in drawn:
        for question in asked:
            full = 2 * question.points
            assert one.points[question.name] == (full if one.answers.get(question.name) == RIGHT else 0)


def test_what_is_handed_in_holds_the_answers(tmp_path: Path) -> None:
    handed_out = tmp_path / "released.ipynb"
    nbformat.write(source_version(SOURCE), handed_out)
    answers = {"06.1": RIGHT, "06.2": "doubled", "06.3": "open", "06.4": "endless", "06.5": RIGHT}
    hand_in(Simulated("ada", answers, {}), handed_out, tmp_path / "ada" / "a.ipynb")
    cells = {cell.grade_id: cell.source for cell in read(tmp_path / "ada" / "a.ipynb")}
    before = {cell.grade_id: cell.source for cell in read(handed_out)}
    assert cells["06-3-answer"] == before["06-3-answer"] and cells["06-2-check"] == before["06-2-check"]
    assert "while True" in cells["06-4-answer"] and "def affinity(" in cells["06-2-answer"]
    hand_in(Simulated("eve", {}, {}), handed_out, tmp_path / "eve" / "a.ipynb")
    with pytest.raises(Unreadable, match="is not JSON"):
        read(tmp_path / "eve" / "a.ipynb")


LINES = [
    {"kind": "classroom", "assignment": "06", "submissions": 200, "jobs": 2, "cores": 2},
    {"kind": "submission", "peak_megabytes": 500.0},
    {
        "kind": "end",
        "seconds": 600.0,
        "stages": {"start": 600.0, "call": 300.0},
        "mean_load": 2.5,
        "grades": 200,
        "as_drawn": 200,
    },
]


def test_the_guide_s_table_is_that_of_a_record() -> None:
    text = markdown(LINES)
    assert "| CPU minutes | 15.0 |\n| seconds of each: start of Python and PyTorch | 3.00 |" in text
    assert "at most | 0.5 GB |" in text


@pytest.mark.classroom
@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("sandboxed")
def test_a_class_is_graded_and_compared(tmp_path: Path) -> None:
    pytest.importorskip("nbgrader", reason="nbgrader is not installed here: make classroom")
    seen: list[tuple[int, int]] = []
    place = tmp_path / "record.jsonl"
    measure(REPOSITORY, 4, jobs=2, record=place, progress=lambda done, of: seen.append((done, of)))
    first, *middle, end = record.read(place)
    assert first["assignment"] == CHAPTER and first["submissions"] == 4 and first["nbgrader"] and first["bubblewrap"]
    assert [line["student"] for line in middle] == [f"student{n:03d}" for n in range(4)]
    assert all(line["points"] == line["should_be"] for line in middle)
    assert end["grades"] == end["as_drawn"] == 4
    assert end["seconds"] > 0 and {"start", "prepare", "call_traced", "call", "grader"} <= end["stages"].keys()
    assert end["stages"]["start"] > end["stages"]["call_traced"] and middle[0]["peak_megabytes"] > 100
    assert seen == [(n, 4) for n in range(1, 5)]
