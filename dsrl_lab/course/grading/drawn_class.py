"""A class that is drawn: submissions of an assignment, and what each of them should earn.

Each student has an ability; an answer is the solution with that probability, and else a misconception of the exercise's
bank or the open stub, in equal parts. Of each hundred submissions one never ends and one cannot be read.
"""

from __future__ import annotations

import ast
import inspect
import random
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat

from dsrl_lab.course.exercises.bank import find
from dsrl_lab.course.exercises.exercise import Answer, Exercise, WrongAnswer
from dsrl_lab.course.grading.assignment import Question
from dsrl_lab.course.grading.kit import part_of

RIGHT, OPEN, ENDLESS = "right", "open", "endless"
LEAST_ABILITY = 0.3


@dataclass(frozen=True)
class Drawn:
    """One submission of a drawn class.

    Attributes:
        student: name of the student's folder.
        answers: by exercise: right, open, endless, or the name of a misconception; empty if it cannot be read.
        points: by exercise, what it should earn.
    """

    student: str
    answers: dict[str, str]
    points: dict[str, int]


def draw_class(asked: Sequence[Question], number: int, *, seed: int = 0) -> list[Drawn]:
    """Draw a class.

    Args:
        asked: exercises of the assignment.
        number: of submissions.
        seed: draws the same class again.

    Example:
        >>> one, two = draw_class([Question("06.2", "affinity", 2)], 2, seed=9)
        >>> one
        Drawn(student='student000', answers={'06.2': 'right'}, points={'06.2': 4})
        >>> two.points
        {'06.2': 0}
    """
    chance = random.Random(seed)
    drawn = []
    for place in range(number):
        ability = chance.uniform(LEAST_ABILITY, 1)
        answers = {question.name: _draw_answer(find(question.name), ability, chance) for question in asked}
        if place % 100 == 37:
            answers[asked[0].name] = ENDLESS
        if place % 100 == 73:
            answers = {}
        points = {one.name: 2 * one.points * (answers.get(one.name) == RIGHT) for one in asked}
        drawn.append(Drawn(f"student{place:03d}", answers, points))
    return drawn


def _draw_answer(exercise: Exercise, ability: float, chance: random.Random) -> str:
    if chance.random() < ability:
        return RIGHT
    return OPEN if chance.random() < 0.5 else chance.choice(exercise.wrong_answers).name


def hand_in(drawn: Drawn, release: Path, place: Path) -> None:
    """Write a submission.

    Args:
        drawn: what it holds.
        release: the notebook as it was handed out.
        place: of the notebook that is handed in; its folder is made.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    if not drawn.answers:
        place.write_bytes(release.read_bytes()[:-20])  # an upload that broke off
        return
    notebook = nbformat.read(release, as_version=4)
    for cell in notebook.cells:
        name = cell.id.removesuffix("-answer").replace("-", ".")
        if cell.id.endswith("-answer") and drawn.answers[name] != OPEN:
            cell.source = answer_text(find(name), drawn.answers[name])
    nbformat.write(notebook, place)


def answer_text(exercise: Exercise, kind: str) -> str:
    """Code of an answer as a student would hand it in.

    Args:
        exercise: what was asked.
        kind: right, endless, or the name of a misconception.

    Raises:
        ValueError: the exercise has no misconception of that name.

    Example:
        >>> print(answer_text(find("06.3"), "signs cancel").splitlines()[-1])
            return (lambda a, b, q: (a - b).pow(q).mean())(*arguments)
    """
    name = exercise.solution.__name__
    if kind == RIGHT:
        return _with_needs(exercise.solution, exercise.solution_text)
    if kind == ENDLESS:
        return f"def {name}(*arguments):\n    while True:\n        pass"
    wrong = _misconception(exercise, kind).answer
    code = _with_needs(wrong, f"def answer_here(*arguments):\n    return ({expression(wrong)})(*arguments)")
    # Some misconceptions use the solution: it must not be taken for the answer.
    return re.sub(rf"(?<![.\w]){name}\b", f"used_{name}", code).replace("answer_here", name)


def _misconception(exercise: Exercise, name: str) -> WrongAnswer:
    for wrong in exercise.wrong_answers:
        if wrong.name == name:
            return wrong
    known = ", ".join(wrong.name for wrong in exercise.wrong_answers)
    raise ValueError(f"{exercise.name} has no misconception {name!r}; expected right, endless or one of {known}")


def expression(function: Answer) -> str:
    """A function as it stands in code: its name, or the lambda.

    Args:
        function: that a module defines.

    Example:
        >>> expression(find("06.1").solution)
        'affinity_bytes'
    """
    code = function.__code__
    if code.co_name != "<lambda>":
        return code.co_name
    tree = ast.parse(inspect.getsource(sys.modules[function.__module__]))
    on_its_line = [n for n in ast.walk(tree) if isinstance(n, ast.Lambda) and n.lineno == code.co_firstlineno]
    (text,) = {text for text in map(ast.unparse, on_its_line) if _names(eval(text)) == _names(function)}
    return text


def _names(function: Answer) -> tuple[tuple[str, ...], ...]:
    return function.__code__.co_varnames, function.__code__.co_names


def _with_needs(function: Answer, code: str) -> str:
    """Code with what it needs of the function's own module before it."""
    names = {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}
    return f"{part_of(sys.modules[function.__module__], names)}\n\n{code}\n"
