"""The words of exercises stand in TOML beside the code: each wrong answer has its diagnosis there."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from dsrl_lab.course.exercises.bank import SOLUTIONS, exercises, find
from dsrl_lab.course.exercises.solutions.texts import exercise

FILES = sorted(SOLUTIONS.glob("chapter_*.toml"))


def test_each_chapter_has_its_words_and_no_words_are_left_over() -> None:
    assert [path.stem for path in FILES] == sorted(path.stem for path in SOLUTIONS.glob("chapter_*.py"))
    assert [name for path in FILES for name in tomllib.loads(path.read_text("utf-8"))] == list(exercises())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_long_words_are_wrapped_without_gaps_or_breaks(path: Path) -> None:
    for words in tomllib.loads(path.read_text("utf-8")).values():
        texts = [words["title"], *words["hints"].values(), *words["diagnoses"].values()]
        assert all(text == " ".join(text.split()) for text in texts)


@pytest.mark.parametrize(("more", "less"), [({"a new one": len}, 0), ({}, 1)])
def test_a_wrong_answer_and_its_diagnosis_come_as_a_pair(more: dict[str, object], less: int) -> None:
    there = find("05.2")
    wrong = {one.name: one.answer for one in there.wrong_answers[less:]} | more
    unpaired = "a new one" if more else there.wrong_answers[0].name
    with pytest.raises(ValueError, match=rf"wrong answers of 05\.2 in chapter_05\.toml, and no others; .*{unpaired}$"):
        exercise("05.2", wrong_answers=wrong, difficulty=1, solution=len, oracle=len, draw=list)
