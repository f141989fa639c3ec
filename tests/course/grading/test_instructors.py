"""The teacher's guide holds what it promises: its worked example is followed here, step by step."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest
import torch

from dsrl_lab.course.exercises.bank import EXERCISES, check
from dsrl_lab.course.exercises.recorded import record
from dsrl_lab.course.grading.assignment import questions, source_version
from dsrl_lab.course.grading.hidden_inputs import DRAWS, check_hidden
from dsrl_lab.course.grading.scale import BEGIN, END, markdown
from dsrl_lab.training.record import read as record_lines

GUIDE = Path(__file__).resolve().parents[3] / "notebooks" / "assignments" / "INSTRUCTORS.md"
TEXT = GUIDE.read_text(encoding="utf-8")
RECORD = GUIDE.parents[2] / "data" / "runs" / "classroom.jsonl"


def example(name: str) -> str:
    found = re.search(rf"<!-- example: {name} -->\n```python\n(.*?)```", TEXT, re.DOTALL)
    assert found is not None
    return found.group(1)


def test_the_worked_example_becomes_an_exercise_of_an_assignment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "chapter_of_mine.py"
    place.write_text(example("exercise"), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("chapter_of_mine", place)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "chapter_of_mine", module)
    spec.loader.exec_module(module)
    exercise = module.POSITIONS
    monkeypatch.setitem(EXERCISES, exercise.name, exercise)

    exec(example("hidden"), vars(module))
    monkeypatch.setitem(DRAWS, exercise.name, module._flat_and_odd)

    assert check(exercise.name, exercise.solution) and check_hidden(exercise.name, exercise.solution)
    for wrong in exercise.wrong_answers:
        assert check(exercise.name, wrong.answer).known_as == wrong.name
        assert not check_hidden(exercise.name, wrong.answer)
    assert record(exercise, exercise.draw(torch.Generator().manual_seed(0))).wrong_answers

    source = tmp_path / "06_mine.py"
    source.write_text(example("cell"), encoding="utf-8")
    (question,) = questions(source)
    assert (question.name, question.answer, question.points) == ("06.9", "positions", 1)
    ids = [cell.id for cell in source_version(source).cells if "nbgrader" in cell.metadata]
    assert ids == ["06-9-answer", "06-9-check", "06-9-hidden"]


def test_misconceptions_and_commands_are_the_kit_s() -> None:
    rows = re.findall(r"^\| (\d\d\.\d) \| ([^|]+) \| ([^|]+) \|$", TEXT, re.MULTILINE)
    assert len(rows) >= 6
    for name, misconception, diagnosis in rows:
        (wrong,) = (wrong for wrong in EXERCISES[name].wrong_answers if wrong.name == misconception.strip())
        assert wrong.diagnosis.startswith(diagnosis.strip())
    for command in ("release", "grade", "check"):
        assert f"dsrl-lab classroom {command}" in TEXT


def test_what_grading_takes_is_the_record_s() -> None:
    lines = record_lines(RECORD)
    assert f"{BEGIN}\n{markdown(lines)}\n{END}" in TEXT, "dsrl-lab bench classroom --redraw --record data/runs/..."
    end = lines[-1]
    assert end["as_drawn"] == end["grades"] == lines[0]["submissions"]
