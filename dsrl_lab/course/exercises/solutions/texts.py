"""The words of the exercises, from the TOML file beside each chapter: title, hints by symptom, diagnoses by mistake."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from dsrl_lab.course.exercises.calls import Answer
from dsrl_lab.course.exercises.exercise import Exercise, Hint, WrongAnswer


@cache
def _chapter(number: str) -> dict[str, Any]:
    return tomllib.loads((Path(__file__).parent / f"chapter_{number}.toml").read_text(encoding="utf-8"))


def exercise(name: str, *, wrong_answers: Mapping[str, Answer], **code: Any) -> Exercise:
    """An exercise of the series from its ``code`` and its chapter's words.

    Raises ValueError unless each wrong answer has a diagnosis, and each diagnosis a wrong answer.
    """
    words = _chapter(name[:2])[name]
    diagnoses = words["diagnoses"]
    if unpaired := sorted(wrong_answers.keys() ^ diagnoses.keys()):
        place = f"chapter_{name[:2]}.toml"
        raise ValueError(
            f"expected the wrong answers of {name} in {place}, and no others; unpaired: {', '.join(unpaired)}"
        )
    return Exercise(
        name=name,
        title=words["title"],
        wrong_answers=tuple(WrongAnswer(wrong, answer, diagnoses[wrong]) for wrong, answer in wrong_answers.items()),
        hints=tuple(Hint(symptom, text) for symptom, text in words["hints"].items()),
        **code,
    )
