"""The teacher's guide holds what it promises; ``test_own`` follows its worked example."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dsrl_lab.course.exercises.bank import exercises
from dsrl_lab.course.grading.scale import markdown
from dsrl_lab.language import catalogue
from dsrl_lab.training.record import read as record_lines

GUIDE = Path(__file__).resolve().parents[3] / "notebooks" / "assignments" / "INSTRUCTORS.md"
TEXT = GUIDE.read_text(encoding="utf-8")
RECORD = GUIDE.parents[2] / "data" / "runs" / "classroom.jsonl"


@pytest.mark.parametrize("language", ["English", "Chinese"])
def test_misconceptions_and_commands_are_the_kit_s(language: str) -> None:
    messages = {} if language == "English" else catalogue("zh")
    text = TEXT if language == "English" else GUIDE.with_suffix(".zh-CN.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d\d\.\d) \| ([^|]+) \| ([^|]+) \|$", text, re.MULTILINE)
    assert len(rows) >= 6
    for name, misconception, diagnosis in rows:
        wrongs = {messages.get(w.name, w.name): w.diagnosis for w in exercises()[name].wrong_answers}
        found = wrongs[misconception.strip()]
        assert messages.get(found, found).startswith(diagnosis.strip())
    for command in ("release", "collect", "grade", "check"):
        assert f"dsrl-lab classroom {command}" in text


def test_what_grading_takes_is_the_record_s() -> None:
    lines = record_lines(RECORD)
    assert markdown(lines) in TEXT, "what dsrl-lab bench classroom --record data/runs/classroom.jsonl prints"
    end = lines[-1]
    assert end["as_drawn"] == end["grades"] == lines[0]["submissions"]
