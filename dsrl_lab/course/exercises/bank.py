"""The exercises by name: checked, hinted at, solved; and the table of all wrong answers."""

from __future__ import annotations

import html
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from dsrl_lab.course.exercises.calls import Answer
from dsrl_lab.course.exercises.exercise import Exercise
from dsrl_lab.course.exercises.judge import Verdict, judge
from dsrl_lab.course.exercises.released import FOLDER, load
from dsrl_lab.language import translate

SOLUTIONS = Path(__file__).parent / "solutions"
"""The exercises with their solutions, a file for each notebook; a student's copy leaves the folder out."""


def _exercises() -> dict[str, Exercise]:
    if not SOLUTIONS.is_dir():
        return load(FOLDER)
    chapters = [import_module(f"{__package__}.solutions.{path.stem}") for path in SOLUTIONS.glob("chapter_*.py")]
    exercises = [exercise for chapter in chapters for exercise in chapter.EXERCISES]
    return {exercise.name: exercise for exercise in sorted(exercises, key=lambda exercise: exercise.name)}


EXERCISES = _exercises()


class Part(NamedTuple):
    """One folded text: what is seen while it is folded, the text, and whether that is code."""

    summary: str
    text: str
    code: bool = False


@dataclass(frozen=True)
class Folded:
    """Texts that a notebook shows folded, each under its summary, and a terminal shows open; they add up."""

    parts: tuple[Part, ...]

    def __add__(self, other: Folded) -> Folded:
        return Folded(self.parts + other.parts)

    def __repr__(self) -> str:
        return "\n\n".join(f"{part.summary}\n{part.text}" for part in self.parts)

    def _repr_html_(self) -> str:
        shown = []
        for part in self.parts:
            tag = "pre" if part.code else "p"
            body = f"<{tag}>{html.escape(part.text)}</{tag}>"
            shown.append(f"<details><summary>{html.escape(part.summary)}</summary>{body}</details>")
        return "".join(shown)


def find(name: str) -> Exercise:
    """An exercise by its name; for an unknown one, a ValueError lists those there are."""
    if name not in EXERCISES:
        raise ValueError(f"unknown exercise {name!r}; choose one of {', '.join(EXERCISES)}")
    return EXERCISES[name]


def check(name: str, answer: Answer, *, seed: int | None = None) -> Verdict:
    """Try an answer to exercise "06.2", say, on inputs that a seed repeats, and explain what is wrong with it.

    Raises:
        ValueError: an unknown exercise, or an answer that is no function.

    Example:
        >>> check("06.1", lambda height, width, stride: 4 * (height // stride) * (width // stride))
        ✘ 06.1 · one number for each position
        This is the size of a picture with one channel. S holds a number for each PAIR of positions: square P.
    """
    return judge(find(name), answer, seed=seed)


def hint(name: str) -> Folded:
    """Hints for an exercise, each under the symptom it helps with; an unknown name raises a ValueError.

    Example:
        >>> hint("06.1").parts[0].summary
        'Hint: My number is far too small'
    """
    summary = translate("Hint: {symptom}")
    hints = find(name).hints
    return Folded(tuple(Part(summary.format(symptom=translate(h.symptom)), translate(h.text)) for h in hints))


def solution(name: str) -> Folded:
    """The solution, in a student's copy a line that says where it is; an unknown name raises a ValueError."""
    exercise = find(name)
    summary = translate("Solution of {name}: {title}").format(name=name, title=translate(exercise.title))
    return Folded((Part(summary, exercise.solution_text, code=True),))


def stub(name: str) -> str:
    """What the reader starts from: signature, docstring, no body; an unknown name raises a ValueError."""
    return find(name).stub


def table(*, seed: int = 0) -> str:
    """Exercises x wrong answers, as a table in Markdown: what each was recognised as."""
    lines = ["| exercise | wrong answer | recognised as |", "|---|---|---|"]
    for exercise in EXERCISES.values():
        for wrong in exercise.wrong_answers:
            verdict = judge(exercise, wrong.answer, seed=seed)
            found = "passed!" if verdict.passed else verdict.known_as or "not recognised"
            lines.append(f"| {exercise.name} | {wrong.name} | {found} |")
    return "\n".join(lines)
