"""The teacher's guide holds what it promises; ``test_own`` follows its worked example."""

from __future__ import annotations

import re
from pathlib import Path

from dsrl_lab.course.exercises.bank import exercises
from dsrl_lab.course.grading.scale import markdown
from dsrl_lab.training.record import read as record_lines

GUIDE = Path(__file__).resolve().parents[3] / "notebooks" / "assignments" / "INSTRUCTORS.md"
TEXT = GUIDE.read_text(encoding="utf-8")
LOCALE = GUIDE.parents[2] / "dsrl_lab" / "locale" / "zh"
RECORD = GUIDE.parents[2] / "data" / "runs" / "classroom.jsonl"


def chinese() -> dict[str, str]:
    """The Chinese of the exercises' texts."""
    catalogues = [read_po(path.read_bytes().splitlines(keepends=True)) for path in LOCALE.glob("exercises_*.po")]
    return {str(message.id): str(message.string) for catalogue in catalogues for message in catalogue}


@pytest.mark.parametrize("language", ["English", "Chinese"])
def test_misconceptions_and_commands_are_the_kit_s(language: str) -> None:
    messages = {} if language == "English" else chinese()
    if language == "Chinese" and not {LOCALE / f"exercises_{n}.po" for n in ("03", "06")} <= set(LOCALE.iterdir()):
        pytest.skip("the exercises of 03 and 06 have no Chinese yet")
    text = TEXT if language == "English" else GUIDE.with_suffix(".zh-CN.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d\d\.\d) \| ([^|]+) \| ([^|]+) \|$", text, re.MULTILINE)
    assert len(rows) >= 6
    for name, misconception, diagnosis in rows:
        (wrong,) = (wrong for wrong in exercises()[name].wrong_answers if wrong.name == misconception.strip())
        assert wrong.diagnosis.startswith(diagnosis.strip())
    for command in ("release", "collect", "grade", "check"):
        assert f"dsrl-lab classroom {command}" in text


def test_what_grading_takes_is_the_record_s() -> None:
    lines = record_lines(RECORD)
    assert markdown(lines) in TEXT, "what dsrl-lab bench classroom --record data/runs/classroom.jsonl prints"
    end = lines[-1]
    assert end["as_drawn"] == end["grades"] == lines[0]["submissions"]
