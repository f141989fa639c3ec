"""How grading scales: a simulated class, graded by the ordinary function, and what it took.

Each student has an ability; an answer is the solution with that probability, and else twice the right result or the
open stub, in equal parts. Of each hundred submissions one never ends and one cannot be read. What each should earn is
known, so that a grade that is lost, doubled or wrong shows.
"""

from __future__ import annotations

import importlib.metadata
import os
import random
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from dsrl_lab.course.exercises.bank import find
from dsrl_lab.course.grading.assignment import Question
from dsrl_lab.course.grading.course import Graded, grade_course
from dsrl_lab.course.grading.release import release
from dsrl_lab.course.grading.tables import write_whole
from dsrl_lab.course.grading.walls import not_enforced, protections
from dsrl_lab.training.record import environment, write

RIGHT, DOUBLED, OPEN, ENDLESS = "right", "doubled", "open", "endless"
LEAST_ABILITY = 0.3
BEGIN, END = "<!-- scale: dsrl-lab bench classroom --redraw -->", "<!-- end of scale -->"


@dataclass(frozen=True)
class Simulated:
    """One submission of a simulated class.

    Attributes:
        student: name of the student's folder.
        answers: by exercise: right, doubled, open or endless; empty if the notebook cannot be read.
        points: by exercise, what it should earn.
    """

    student: str
    answers: dict[str, str]
    points: dict[str, int]


def simulate_class(asked: Sequence[Question], number: int, *, seed: int = 0) -> list[Simulated]:
    """Draw a class.

    Example:
        >>> simulate_class([Question("06.2", "affinity", 2)], 2, seed=9)[0]
        Simulated(student='student000', answers={'06.2': 'right'}, points={'06.2': 4})
    """
    chance = random.Random(seed)
    simulated = []
    for place in range(number):
        ability = chance.uniform(LEAST_ABILITY, 1)
        kinds, odds = (RIGHT, DOUBLED, OPEN), (ability, (1 - ability) / 2, (1 - ability) / 2)
        answers = {question.name: chance.choices(kinds, odds)[0] for question in asked}
        if place % 100 == 37:
            answers[asked[0].name] = ENDLESS
        if place % 100 == 73:
            answers = {}
        points = {one.name: 2 * one.points * (answers.get(one.name) == RIGHT) for one in asked}
        simulated.append(Simulated(f"student{place:03d}", answers, points))
    return simulated


def hand_in(simulated: Simulated, release: Path, place: Path) -> None:
    """Write a submission."""
    handed_out = release.read_text(encoding="utf-8")
    notebook = nbformat.reads(handed_out, as_version=4)
    for cell in notebook.cells:
        name = cell.id.removesuffix("-answer").replace("-", ".")
        if cell.id.endswith("-answer") and simulated.answers.get(name, OPEN) != OPEN:
            cell.source = answer_text(name, simulated.answers[name])
    write_whole(place, nbformat.writes(notebook) if simulated.answers else handed_out[:-20])  # an upload that broke off


def answer_text(name: str, kind: str) -> str:
    """Code of an answer as a student would hand it in."""
    exercise = find(name)
    answer = exercise.solution.__name__
    if kind == ENDLESS:
        return f"def {answer}(*arguments):\n    while True:\n        pass"
    if kind == RIGHT:
        return exercise.solution_text
    double = "return 2 * torch.as_tensor(right(*arguments), dtype=torch.float64) + 1"
    return f"import torch\n{exercise.solution_text}\nright = {answer}\ndef {answer}(*arguments):\n    {double}"


def measure(
    repository: Path,
    number: int,
    *,
    assignment: str = "06",
    jobs: int = 0,
    record: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[dict[str, Any]]:
    """Draw a class, grade it and measure; give the record's lines.

    Args:
        repository: a checkout of the kit, from which the course is built in a temporary folder.
        number: of submissions.
        assignment: number of the notebook.
        jobs: submissions at once; as many as there are cores by default.
        record: file for the lines; what is in it is replaced.
        progress: called with how many grades there are, and how many there will be.

    Raises:
        ValueError: no sandbox here, no nbgrader, an unknown assignment, or a number that makes no sense.
    """
    if number < 1:
        raise ValueError(f"expected at least 1 submission, got {number}")
    in_force = protections()
    with tempfile.TemporaryDirectory(prefix="dsrl_lab_class_") as folder:
        course = Path(folder) / "course"
        (built,) = release(course, repository, only=[assignment])
        simulated = simulate_class(built.questions, number)
        for one in simulated:
            handed_out = course / "release" / built.name / f"{built.name}.ipynb"
            hand_in(one, handed_out, course / "submitted" / one.student / built.name / f"{built.name}.ipynb")
        started, loads, seconds = time.monotonic(), [], []

        def look(_: Graded, of: int) -> None:
            loads.append(os.getloadavg()[0])
            seconds.append(time.monotonic() - started)
            if progress is not None:
                progress(len(loads), of)

        graded = grade_course(course, jobs=jobs, progress=look)[built.name]
    by_student = {one.submission.student: one.result for one in graded}
    submissions: list[dict[str, Any]] = [
        {
            "kind": "submission",
            "student": one.student,
            "cpu_seconds": by_student[one.student].cpu_seconds,
            "peak_megabytes": round(by_student[one.student].peak_memory / 1e6, 1),
            "points": {mark.question: mark.points for mark in by_student[one.student].marks},
            "should_be": one.points,
        }
        for one in simulated
    ]
    lines = [
        {
            "kind": "classroom",
            "assignment": built.name,
            "submissions": number,
            "jobs": jobs or os.cpu_count(),
            "answers": Counter(kind for one in simulated for kind in one.answers.values()),
            "in_force": in_force,
            "not_enforced": not_enforced(),
            **environment(),
            "nbgrader": importlib.metadata.version("nbgrader"),
            "bubblewrap": subprocess.run(["bwrap", "--version"], capture_output=True, text=True).stdout.split()[-1],
        },
        *submissions,
        {
            "kind": "end",
            "seconds": round(seconds[-1], 1),
            "cpu_seconds": round(sum(one["cpu_seconds"] for one in submissions), 1),
            "mean_load": round(sum(loads) / len(loads), 2),
            "grades": len(graded),
            "as_drawn": sum(one["points"] == one["should_be"] for one in submissions),
        },
    ]
    if record is not None:
        write(record, lines)
    return lines


def rows(lines: Sequence[dict[str, Any]]) -> dict[str, str]:
    """What grading took, from the lines of a record."""
    first, *submissions, end = lines
    peak = max((one["peak_megabytes"] for one in submissions), default=0.0)
    return {
        "cores": str(first["cores"]),
        "minutes on the clock": f"{end['seconds'] / 60:.1f}",
        "CPU minutes in sandboxes": f"{end['cpu_seconds'] / 60:.1f}",
        "memory of one submission beyond shared libraries, at most": f"{peak / 1000:.1f} GB",
        "load of the computer, other work included": f"{end['mean_load']:.1f}",
        "points as they should be": f"{end['as_drawn']} of {first['submissions']}",
    }


def markdown(lines: Sequence[dict[str, Any]]) -> str:
    """The rows as a table, for a terminal and for the teacher's guide."""
    title = f"{lines[0]['submissions']} submissions of {lines[0]['assignment']}, {lines[0]['jobs']} at once"
    return "\n".join([f"| {title} | |", "|---|---|", *(f"| {what} | {n} |" for what, n in rows(lines).items())])


def update(guide: Path, lines: Sequence[dict[str, Any]]) -> bool:
    """Write the table between a guide's markers; say whether that changed anything.

    Raises:
        ValueError: the markers are not there.
    """
    text = guide.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        raise ValueError(f"expected the markers {BEGIN} and {END} in {guide}; put them where the table belongs")
    new = f"{text.partition(BEGIN)[0]}{BEGIN}\n{markdown(lines)}\n{END}{text.partition(END)[2]}"
    write_whole(guide, new)
    return new != text
