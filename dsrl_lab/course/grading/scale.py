"""A simulated class whose points are known, graded as any other; of each 100 one never ends and one cannot be read."""

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
from dsrl_lab.course.grading.notebook_file import write_whole
from dsrl_lab.course.grading.release import release
from dsrl_lab.course.grading.walls import not_enforced, protections
from dsrl_lab.training.record import cores, environment, write

RIGHT, DOUBLED, OPEN, ENDLESS = "right", "doubled", "open", "endless"
LEAST_ABILITY = 0.3
STAGES = {"start": "start of Python and PyTorch", "prepare": "finding the needed cells", "run": "cells"}
STAGES |= {"call_traced": "visible inputs", "call": "hidden inputs", "grader": "the grader itself"}


@dataclass(frozen=True)
class Simulated:
    """One submission of a simulated class."""

    student: str
    answers: dict[str, str]  # by exercise: right, doubled, open or endless; empty if the notebook cannot be read
    points: dict[str, int]  # by exercise, that it should earn


def simulate_class(asked: Sequence[Question], number: int, *, seed: int = 0) -> list[Simulated]:
    """Draw a class."""
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
    notebook = nbformat.read(release, as_version=4)
    for cell in notebook.cells:
        name = cell.id.removesuffix("-answer").replace("-", ".")
        if cell.id.endswith("-answer") and simulated.answers.get(name, OPEN) != OPEN:
            cell.source = answer_text(name, simulated.answers[name])
    text = nbformat.writes(notebook)
    write_whole(place, text if simulated.answers else text[:-20])  # an upload that broke off


def answer_text(name: str, kind: str) -> str:
    """Code of an answer as a student would hand it in."""
    answer, right = find(name).solution.__name__, find(name).solution_text
    if kind == ENDLESS:
        return f"def {answer}(*arguments):\n    while True:\n        pass"
    double = "return 2 * torch.as_tensor(right(*arguments), dtype=torch.float64) + 1"
    doubled = f"import torch\n{right}\nright = {answer}\ndef {answer}(*arguments):\n    {double}"
    return right if kind == RIGHT else doubled


def measure(
    repository: Path,
    number: int,
    *,
    assignment: str = "06",
    jobs: int = 0,
    record: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[dict[str, Any]]:
    """Grade ``number`` simulated submissions in a temporary folder; return the lines for ``record``; 0 jobs: all cores.

    Raises ValueError for no sandbox or nbgrader, an unknown assignment, or fewer than one submission.
    """
    if number < 1:
        raise ValueError(f"expected at least 1 submission, got {number}")
    in_force = protections()
    with tempfile.TemporaryDirectory(prefix="dsrl_lab_class_") as folder:
        course = Path(folder) / "course"
        ((name, asked),) = release(course, repository, only=[assignment]).items()
        simulated = simulate_class(asked, number)
        place = Path(name, f"{name}.ipynb")
        for one in simulated:
            hand_in(one, course / "release" / place, course / "submitted" / one.student / place)
        started, own_cpu, loads = time.monotonic(), time.process_time(), []

        def look(_: Graded, of: int) -> None:
            loads.append(os.getloadavg()[0])
            if progress is not None:
                progress(len(loads), of)

        graded = grade_course(course, jobs=jobs, progress=look)[name]
        seconds = time.monotonic() - started
    should_be = {one.student: one.points for one in simulated}
    submissions: list[dict[str, Any]] = []
    for student, result in ((one.submission.student, one.result) for one in graded):
        took = {"cpu_seconds": result.cpu_seconds, "peak_megabytes": round(result.peak_memory / 1e6, 1)}
        points = {"points": {mark.question: mark.points for mark in result.marks}, "should_be": should_be[student]}
        submissions.append({"kind": "submission", "student": student} | took | points)
    first: dict[str, Any] = {"kind": "classroom", "assignment": name, "submissions": number}
    kinds = Counter(kind for one in simulated for kind in one.answers.values())
    first |= {"jobs": jobs or cores(), "answers": kinds}
    first |= {"in_force": in_force, "not_enforced": not_enforced(), **environment()}
    bubblewrap = subprocess.run(["bwrap", "--version"], capture_output=True, text=True).stdout.split()[-1]
    first |= {"nbgrader": importlib.metadata.version("nbgrader"), "bubblewrap": bubblewrap}
    stages = sum((Counter(one.result.stages) for one in graded), Counter({"grader": time.process_time() - own_cpu}))
    end: dict[str, Any] = {"kind": "end", "seconds": round(seconds, 1), "stages": stages}
    end |= {"mean_load": round(sum(loads) / len(loads), 2), "grades": len(graded)}
    end |= {"as_drawn": sum(one["points"] == one["should_be"] for one in submissions)}
    lines = [first, *submissions, end]
    if record is not None:
        write(record, lines)
    return lines


def markdown(lines: Sequence[dict[str, Any]]) -> str:
    """What grading took, as a table, from the lines of a record."""
    first, *submissions, end = lines
    peak = max((one["peak_megabytes"] for one in submissions), default=0.0)
    rows = (
        (f"{first['submissions']} submissions of {first['assignment']}, {first['jobs']} at once", ""),
        ("---", "---"),
        ("cores", first["cores"]),
        ("minutes on the clock", f"{end['seconds'] / 60:.1f}"),
        ("CPU minutes", f"{sum(end['stages'].values()) / 60:.1f}"),
        *((f"seconds of each: {name}", f"{end['stages'].get(s, 0) / end['grades']:.2f}") for s, name in STAGES.items()),
        ("memory of one submission beyond shared libraries, at most", f"{peak / 1000:.1f} GB"),
        ("load of the computer, other work included", f"{end['mean_load']:.1f}"),
        ("points as they should be", f"{end['as_drawn']} of {first['submissions']}"),
    )
    return "\n".join(f"| {what} | {value} |" for what, value in rows).replace("|  |", "| |").replace("| --- ", "|---")
