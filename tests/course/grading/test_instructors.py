"""The teacher's guide holds what it promises; ``test_own`` follows its worked example."""

from __future__ import annotations

import re
from pathlib import Path

from dsrl_lab.course.exercises.bank import exercises
from dsrl_lab.course.grading.scale import markdown
from dsrl_lab.training.record import read as record_lines

GUIDE = Path(__file__).resolve().parents[3] / "notebooks" / "assignments" / "INSTRUCTORS.md"
TEXT = GUIDE.read_text(encoding="utf-8")
RECORD = GUIDE.parents[2] / "data" / "runs" / "classroom.jsonl"


def test_misconceptions_and_commands_are_the_kit_s() -> None:
    rows = re.findall(r"^\| (\d\d\.\d) \| ([^|]+) \| ([^|]+) \|$", TEXT, re.MULTILINE)
    assert len(rows) >= 6
    for name, misconception, diagnosis in rows:
        (wrong,) = (wrong for wrong in exercises()[name].wrong_answers if wrong.name == misconception.strip())
        assert wrong.diagnosis.startswith(diagnosis.strip())
    for command in ("release", "collect", "grade", "check"):
        assert f"dsrl-lab classroom {command}" in TEXT


def test_what_grading_takes_is_the_record_s() -> None:
    lines = record_lines(RECORD)
    assert markdown(lines) in TEXT, "what dsrl-lab bench classroom --record data/runs/classroom.jsonl prints"
    end = lines[-1]
    assert end["as_drawn"] == end["grades"] == lines[0]["submissions"]
