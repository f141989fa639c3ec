"""Grading a whole course: all submissions, in parallel, resumable, one table at the end.

What a submission earned is written down at once (``grades/<assignment>/<student>.json``), under the SHA-256 of what was
handed in, so that a run that was killed goes on where it stopped. One bad notebook never stops the rest.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import secrets
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dsrl_lab.course.grading import feedback
from dsrl_lab.course.grading.grading import Mark, Result, grade, unreadable
from dsrl_lab.course.grading.notebook_file import Unreadable, parse, read_bytes
from dsrl_lab.course.grading.paper import Paper, paper
from dsrl_lab.course.grading.sandbox import Limits, Sandbox, protections

FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Submission:
    """One notebook that was handed in.

    Attributes:
        student: name of the student's folder.
        assignment: name of the assignment.
        path: where the notebook should be; perhaps it is not.
    """

    student: str
    assignment: str
    path: Path


@dataclass(frozen=True)
class Graded:
    """A submission and what it earned.

    Attributes:
        submission: that was graded.
        result: what it earned.
        again: whether the result was there already.
    """

    submission: Submission
    result: Result
    again: bool = False


def submissions(course: Path, assignment: str) -> list[Submission]:
    """What was handed in for an assignment, by nbgrader's layout ``submitted/<student>/<assignment>/``.

    Links are not followed: a student's folder that is a link is left out of the list and told by ``strange``.

    Args:
        course: folder of the course.
        assignment: name of the assignment.
    """
    found = []
    for student in sorted(_folders(course / "submitted")):
        for folder in _folders(student):
            if folder.name == assignment:
                found.append(Submission(student.name, assignment, folder / f"{assignment}.ipynb"))
    return found


def strange(course: Path) -> list[str]:
    """Links among the submissions, which are not followed."""
    below = course / "submitted"
    tops = list(below.iterdir()) if below.is_dir() else []
    inner = [path for top in tops if top.is_dir() and not top.is_symlink() for path in top.iterdir()]
    return sorted(str(path.relative_to(below)) for path in [*tops, *inner] if path.is_symlink())


def _folders(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from (path for path in folder.iterdir() if path.is_dir() and not path.is_symlink())


def grade_course(
    course: Path,
    *,
    only: Sequence[str] = (),
    jobs: int = 0,
    unsafe: bool = False,
    limits: Limits | None = None,
    progress: Callable[[Graded, int], None] | None = None,
) -> dict[str, list[Graded]]:
    """Grade all submissions of a course; give the results by assignment.

    Args:
        course: that ``release`` built.
        only: assignments, by name or number; all that were released by default.
        jobs: processes at once; as many as there are cores by default.
        unsafe: go on where there is no sandbox.
        limits: of each submission.
        progress: told of each submission, and how many there are.

    Raises:
        ValueError: nothing was released, or there is no sandbox and ``unsafe`` was not asked for.
    """
    protections(unsafe=unsafe)
    released = sorted(course.glob("release/*/*.ipynb"))
    wanted = [path for path in released if not only or path.stem in only or path.stem[:2] in only]
    if not wanted or not (course / "kit").is_dir():
        raise ValueError(
            f"expected a course with release/ and kit/ in {course}, and {', '.join(only) or 'an assignment'} in it; "
            "build it with dsrl-lab classroom release"
        )
    graded: dict[str, list[Graded]] = {}
    for release in wanted:
        handed_in = submissions(course, release.stem)
        if not handed_in:
            continue
        grader = _Grader(course, release, unsafe=unsafe, limits=limits or Limits())
        with ThreadPoolExecutor(max_workers=jobs or os.cpu_count() or 1) as pool:
            results = []
            for one in pool.map(grader, handed_in):
                results.append(one)
                if progress is not None:
                    progress(one, len(handed_in))
        graded[release.stem] = results
        write_tables(course / "grades", release.stem, results)
    return graded


class _Grader:
    """Grades the submissions of one assignment."""

    def __init__(self, course: Path, release: Path, *, unsafe: bool, limits: Limits) -> None:
        self.course, self.unsafe, self.limits = course, unsafe, limits
        self.in_force = protections(unsafe=unsafe)
        self.folder = course / "grades" / release.stem
        self.folder.mkdir(parents=True, exist_ok=True)
        (course / "grades").chmod(0o700)  # the seed below is a secret
        self.paper: Paper = paper(release, seed=_seed(self.folder / "seed.txt"))
        self.version = hashlib.sha256(release.read_bytes()).hexdigest()

    def __call__(self, submission: Submission) -> Graded:
        place = self.folder / f"{file_name(submission.student)}.json"
        problem, content = "", b""
        try:
            content = read_bytes(submission.path)
        except Unreadable as error:
            problem = str(error)
        key = hashlib.sha256(self.version.encode() + content + problem.encode()).hexdigest()
        kept = _kept(place, key)
        if kept is not None:
            return Graded(submission, kept, again=True)
        started = time.monotonic()
        try:
            result = unreadable(self.paper, problem) if problem else self._grade(content, submission)
        except Exception as error:  # one bad notebook never stops the rest
            told = f"The grader failed on this notebook; a person has to look ({type(error).__name__}: {error})"
            result = unreadable(self.paper, told[:500])
            (self.folder / f"{file_name(submission.student)}.trace").write_text(traceback.format_exc(), "utf-8")
        seconds = round(time.monotonic() - started, 2)
        page = self.course / "feedback" / file_name(submission.student) / self.paper.name / f"{self.paper.name}.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(feedback.page(self.paper, submission.student, result), encoding="utf-8")
        about = {"key": key, "student": submission.student, "seconds": seconds, "in_force": self.in_force}
        _write(place, json.dumps({**about, **result.as_dict()}, ensure_ascii=True, indent=1))
        return Graded(submission, result)

    def _grade(self, content: bytes, submission: Submission) -> Result:
        try:
            cells, _ = parse(content, name=submission.path.name)
        except Unreadable as error:
            return unreadable(self.paper, str(error))
        return grade(self.paper, cells, lambda: Sandbox(self.course / "kit", self.limits, unsafe=self.unsafe))


def _seed(place: Path) -> int:
    """The class's secret: drawn once, so that all are tried on the same inputs, today and after a kill."""
    if not place.is_file():
        _write(place, str(secrets.randbelow(2**31)))
    return int(place.read_text(encoding="utf-8"))


def file_name(student: str) -> str:
    """A student's name as a file's: no separators, no leading dot, not too long; ordinary names stay as they are.

    Args:
        student: name of the student's folder.

    Example:
        >>> file_name("ada"), file_name("..%2F")
        ('ada', '%2E%2E%252F')
    """
    safe = quote(student, safe=" @+,").replace(".", "%2E") if student.startswith(".") else quote(student, safe=" @+,")
    return safe if len(safe) < 150 else f"{safe[:100]}-{hashlib.sha256(student.encode()).hexdigest()[:16]}"


def _write(place: Path, text: str) -> None:
    beside = place.with_name(f".{place.name}.part")
    beside.write_text(text, encoding="utf-8")
    beside.replace(place)


def _kept(place: Path, key: str) -> Result | None:
    try:
        found = json.loads(place.read_text(encoding="utf-8"))
        if found["key"] != key:
            return None
        fields = ("notes", "look", "printed", "problem", "peak_memory", "cpu_seconds")
        return Result(marks=[Mark(**mark) for mark in found["marks"]], **{name: found[name] for name in fields})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_tables(folder: Path, assignment: str, graded: Sequence[Graded]) -> None:
    """Write ``<assignment>.csv`` (one line for each student) and ``<assignment>_questions.csv``.

    Args:
        folder: gets the two files.
        assignment: name of the assignment.
        graded: its submissions.
    """
    names = [mark.question for mark in graded[0].result.marks] if graded else []
    out_of = sum(mark.out_of for mark in graded[0].result.marks) if graded else 0
    rows = [["student", "score", "out_of", *names, "problem", "notes", "worth_a_look"]]
    for one in graded:
        result = one.result
        points = [str(mark.points) for mark in result.marks]
        told = [result.problem, " | ".join(result.notes), " ".join(result.look)]
        rows.append([one.submission.student, str(result.score), str(out_of), *points, *told])
    _table(folder / f"{assignment}.csv", rows)
    _table(folder / f"{assignment}_questions.csv", statistics(graded))


def statistics(graded: Sequence[Graded]) -> list[list[str]]:
    """Per exercise: how many passed, the mean, how it goes with the rest of the score, and the misconceptions found.

    The last is what a lesson can use. *With the rest* is the correlation of an exercise's points with the points of all
    others: near 0 or below, the exercise asks something else than its fellows, or is broken.

    Args:
        graded: submissions of one assignment.
    """
    rows = [["question", "out_of", "mean", "all_points", "half", "none", "with_the_rest", "misconceptions"]]
    for marks in zip(*(one.result.marks for one in graded), strict=True):
        points = [float(mark.points) for mark in marks]
        rest = [one.result.score - own for one, own in zip(graded, points, strict=True)]
        known: dict[str, int] = {}
        for mark in marks:
            if mark.known_as:
                known[mark.known_as] = known.get(mark.known_as, 0) + 1
        told = "; ".join(f"{count} x {name}" for name, count in sorted(known.items(), key=lambda item: -item[1]))
        full, none = (sum(value == wanted for value in points) for wanted in (marks[0].out_of, 0))
        numbers = [marks[0].out_of, f"{sum(points) / len(points):.2f}", full, len(points) - full - none, none]
        rows.append([marks[0].question, *map(str, numbers), _correlation(points, rest), told])
    return rows


def _correlation(a: Sequence[float], b: Sequence[float]) -> str:
    mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
    spread = (sum((x - mean_a) ** 2 for x in a) * sum((y - mean_b) ** 2 for y in b)) ** 0.5
    if spread == 0:
        return ""
    return f"{sum((x - mean_a) * (y - mean_b) for x, y in zip(a, b, strict=True)) / spread:.2f}"


def _table(place: Path, rows: Iterable[Sequence[str]]) -> None:
    """Write CSV in which no word of a student's is taken for a formula by a spreadsheet."""
    with place.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        for row in rows:
            writer.writerow([_no_formula(_one_line(value)) for value in row])


def _no_formula(text: str) -> str:
    number = re.fullmatch(r"-?\d+(\.\d+)?", text) is not None
    return f"'{text}" if text.startswith(FORMULA) and not number else text


def _one_line(value: Any) -> str:
    return " ".join(str(value).split())
