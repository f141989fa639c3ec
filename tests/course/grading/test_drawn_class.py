"""A drawn class: what is handed in earns what it is drawn to earn, and is recognised as what it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest

from dsrl_lab.course.exercises.bank import EXERCISES, find
from dsrl_lab.course.exercises.exercise import Exercise
from dsrl_lab.course.exercises.judge import judge
from dsrl_lab.course.grading.assignment import questions, source_version
from dsrl_lab.course.grading.drawn_class import RIGHT, Drawn, answer_text, draw_class, hand_in
from dsrl_lab.course.grading.notebook_file import Unreadable, read

from .conftest import CHAPTER, REPOSITORY

SOURCE = REPOSITORY / "notebooks" / "src" / f"{CHAPTER}.py"


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=lambda exercise: exercise.name)
def test_each_text_is_the_answer_that_it_stands_for(exercise: Exercise) -> None:
    for kind in (RIGHT, *(wrong.name for wrong in exercise.wrong_answers)):
        names: dict[str, Any] = {"__name__": "__main__"}
        exec(answer_text(exercise, kind), names)
        verdict = judge(exercise, names[exercise.solution.__name__], seed=3)
        assert (verdict.passed, verdict.known_as) == ((True, "") if kind == RIGHT else (False, kind))


def test_a_class_is_drawn_again_by_its_seed_and_is_a_mixture() -> None:
    asked = questions(SOURCE)
    drawn = draw_class(asked, 200, seed=1)
    assert drawn == draw_class(asked, 200, seed=1) != draw_class(asked, 200, seed=2)
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
    answers = {"06.1": RIGHT, "06.2": "no unit length", "06.3": "open", "06.4": "endless", "06.5": RIGHT}
    hand_in(Drawn("ada", answers, {}), handed_out, tmp_path / "ada" / "a.ipynb")
    cells = {cell.grade_id: cell.source for cell in read(tmp_path / "ada" / "a.ipynb")}
    before = {cell.grade_id: cell.source for cell in read(handed_out)}
    assert cells["06-3-answer"] == before["06-3-answer"] and cells["06-2-check"] == before["06-2-check"]
    assert "while True" in cells["06-4-answer"] and "def affinity(" in cells["06-2-answer"]
    hand_in(Drawn("eve", {}, {}), handed_out, tmp_path / "eve" / "a.ipynb")
    with pytest.raises(Unreadable, match="is not JSON"):
        read(tmp_path / "eve" / "a.ipynb")


def test_an_unknown_misconception_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"06.2 has no misconception 'none such'; expected right, endless or one of no u"
    ):
        answer_text(find("06.2"), "none such")
