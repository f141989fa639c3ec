"""Grading a whole course, in parallel and resumable; an assignment's own solution must first get all points."""

from __future__ import annotations

import csv
import hashlib
import hmac
import json
import os
import secrets
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dsrl_lab.course.exercises.solutions.variants import variants
from dsrl_lab.course.grading import feedback
from dsrl_lab.course.grading.answer_key import AnswerKey, answer_key, with_variants
from dsrl_lab.course.grading.ask import write_asked
from dsrl_lab.course.grading.grading import Mark, Result, grade, not_graded, unreadable
from dsrl_lab.course.grading.notebook_file import Unreadable, parse, read_bytes, write_whole
from dsrl_lab.course.grading.own import days_late, load_own, penalty, settings
from dsrl_lab.course.grading.sandbox import Limits, NotStarted
from dsrl_lab.course.grading.tables import write_tables
from dsrl_lab.course.grading.walls import protections
from dsrl_lab.files import sha256
from dsrl_lab.training.record import cores

COLLECTED = ("timestamp.txt", "submission_secret.txt")  # nbgrader's other commands need them
COPIES = "copies.json"  # variants of exercises in each student's copy, if copies differ
FIELDS = ("notes", "look", "written", "printed", "problem", "peak_memory", "cpu_seconds", "stages")
STOPS = (
    "{name}: its own solution got {score} of {out_of} points in the sandbox, so nothing was graded: {why}. Check the "
    "rights of the course's folder and the free memory, or build the course again with dsrl-lab classroom release"
)


@dataclass(frozen=True)
class Submission:
    """One notebook that was handed in; there may be no file at ``path``."""

    student: str  # name of the folder, with escapes for bytes that are not UTF-8
    assignment: str
    path: Path


@dataclass(frozen=True)
class Graded:
    """A submission and what it earned; ``again`` if that was known from an earlier run."""

    submission: Submission
    result: Result
    again: bool = False
    days_late: int = 0
    penalty: float = 0.0  # points lost for being late


def submissions(course: Path, assignment: str) -> list[Submission]:
    """What was handed in, in nbgrader's layout ``submitted/<student>/<assignment>/``; links are not followed."""
    place = Path(assignment, f"{assignment}.ipynb")
    return [
        Submission(os.fsencode(student.name).decode("utf-8", "backslashreplace"), assignment, student / place)
        for student in sorted(_folders(course / "submitted"))
        if student / assignment in _folders(student)
    ]


def roster(course: Path) -> list[dict[str, str]]:
    """The class: rows of ``roster.csv``, which a learning platform exports, or names in ``roster.txt``, one a line."""
    place = next((path for name in ("roster.csv", "roster.txt") if (path := course / name).is_file()), None)
    try:
        lines = place.read_text("utf-8-sig").splitlines(keepends=True) if place is not None else []
    except UnicodeDecodeError as error:
        raise ValueError(f"expected UTF-8 in {place}, got {error}; save it as CSV UTF-8") from error
    if place is None or place.suffix == ".txt":
        return [{"student": line.strip()} for line in lines if line.strip()]
    rows = csv.DictReader(lines, delimiter=max(",;\t", key=lines[0].count) if lines else ",")
    found = [{name: value or "" for name, value in row.items() if name} for row in rows]
    return [row for row in found if any(row.values()) and "Points Possible" not in map(str.strip, row.values())]


def row_of(student: str, rows: Iterable[dict[str, str]]) -> dict[str, str]:
    """A student's row: it holds the folder's name, or the number at its end as it is or as Moodle's participant."""
    number = student.rpartition("_")[2] if "_" in student else ""
    known = {student, *((number, f"Participant {number}") if number.isdecimal() else ())}
    return next((row for row in rows if known & set(row.values())), {})


def links(course: Path) -> list[str]:
    """Links among the submissions, which are not followed."""
    below = course / "submitted"
    places = [*below.glob("*"), *(path for folder in _folders(below) for path in folder.iterdir())]
    return sorted(str(path.relative_to(below)) for path in places if path.is_symlink())


def _folders(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from (path for path in folder.iterdir() if path.is_dir() and not path.is_symlink())


def grade_course(
    course: Path,
    *,
    only: Sequence[str] = (),
    students: Sequence[str] = (),
    again: bool = False,
    late: str = "none",
    jobs: int = 0,
    unsafe: bool = False,
    limits: Limits | None = None,
    progress: Callable[[Graded, int], None] | None = None,
) -> dict[str, list[Graded]]:
    """Grade the submissions of a course; return the results by assignment.

    ``only`` has names or numbers of assignments; 0 ``jobs``: one on each core; ``progress`` gets a grade and how many.
    Raises ValueError if nothing was released, for an unknown student, no sandbox, or an own solution that loses points;
    OSError, once everything is graded, for tables that cannot be written.
    """
    protections(unsafe=unsafe)
    load_own(course)
    penalty(late, 0, 0)
    released = sorted(course.glob("release/*/*.ipynb"))
    wanted = [path for path in released if not only or path.stem in only or path.stem[:2] in only]
    if not wanted or not (course / "kit").is_dir():
        parts = f"release/ and kit/ in {course}, and {', '.join(only) or 'an assignment'} in it"
        raise ValueError(f"expected a course with {parts}; build it with dsrl-lab classroom release")
    handed_in = {path: found for path in wanted if (found := submissions(course, path.stem))}
    known = {one.student for found in handed_in.values() for one in found}
    if unknown := sorted(set(students) - known):
        raise ValueError(f"nothing was handed in by {', '.join(unknown)}; expected some of {', '.join(sorted(known))}")
    graded, unwritten = {}, []
    for release, found in handed_in.items():
        grader = _Grader(course, release, unsafe=unsafe, limits=limits or Limits(), late=late)
        chosen = {one for one in found if not students or one.student in students}
        kept = {one: None if again and one in chosen else grader.kept(one) for one in found}
        kept = {one: result for one, result in kept.items() if one in chosen or result is not None}
        graded[release.stem] = _all(grader, kept, jobs or cores(), progress)
        unwritten += [f"{release.stem}: {grader.unwritten}"] if grader.unwritten else []
    if unwritten:
        raise OSError(
            f"all is graded and kept, but not all tables could be written ({'; '.join(unwritten)}); "
            "then run the same command again: it grades nothing twice"
        )
    return graded


def _all(
    grader: _Grader, kept: dict[Submission, Result | None], jobs: int, progress: Callable[[Graded, int], None] | None
) -> list[Graded]:
    found: dict[Submission, Graded] = {}
    results: dict[str, Result] = {}
    if not all(kept.values()):
        grader.try_own_solution()
    here = [row_of(one.student, grader.rows) for one in submissions(grader.course, grader.key.name)]
    more = {next(iter(row.values())): row for row in grader.rows if row not in here}  # of the absent, then of all
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        try:
            for done in as_completed([pool.submit(grader, one, kept[one]) for one in kept]):
                one = done.result()
                found[one.submission] = one
                more[one.submission.student] = grader.columns(one)
                results = {submission.student: found[submission].result for submission in kept if submission in found}
                grader.write(partial(write_tables, grader.grades, grader.key.name, results, more))
                if progress is not None:
                    progress(one, len(kept))
        except BaseException:  # Ctrl-C: those that run are finished, no other begins
            pool.shutdown(cancel_futures=True)
            raise
    copies = {student: grader.copies.get(grader.name(student), []) for student in results}
    if not grader.unwritten:
        grader.write(partial(write_asked, grader.grades, grader.key, results, copies, seed=grader.seed))
    return [found[one] for one in kept]


class _Grader:
    def __init__(self, course: Path, release: Path, *, unsafe: bool, limits: Limits, late: str = "none") -> None:
        self.course, self.unsafe, self.limits, self.late = course, unsafe, limits, late
        self.unwritten = ""  # why the last table could not be written
        self.due = settings(course).due.get(release.stem)
        self.in_force = protections(unsafe=unsafe)
        self.usual: set[str] = set()  # library functions that the exercises' own solutions call
        self.grades = course / "grades"
        self.folder = self.grades / release.stem
        self.seed = class_seed(self.folder)
        self.rows = roster(course)
        copies = self.folder / COPIES
        self.copies: dict[str, list[str]] = json.loads(copies.read_text(encoding="utf-8")) if copies.is_file() else {}
        self.key = answer_key(release, seed=self.seed)
        self.keys: dict[tuple[str, ...], tuple[AnswerKey, str]] = {}
        try:
            depends_on = (release.read_bytes(), self.key.digest, _digest(course / "kit"), limits, version("torch"))
        except OSError as error:
            raise ValueError(f"the course cannot be read ({error}); see to the rights of its folders") from error
        self.version = hashlib.sha256(repr(depends_on).encode()).hexdigest()

    def write(self, table: Callable[[], None]) -> None:
        """Write a table of all that is graded so far; a full disk stops no grading."""
        try:
            table()
            self.unwritten = ""
        except OSError as error:
            self.unwritten = str(error)

    def try_own_solution(self) -> None:
        varied = [names for task in self.key.tasks if (names := variants(task.name))] if self.copies else []
        for number in range(max(map(len, varied), default=1)):  # each variant of each exercise once
            key = with_variants(self.key, [names[number % len(names)] for names in varied], seed=self.seed)
            try:
                result = grade(key, key.solved, self.course / "kit", limits=self.limits, unsafe=self.unsafe)
            except (NotStarted, OSError) as error:
                result = not_graded(key, str(error))
            if result.score < key.out_of:
                lost = [f"{mark.question}: {mark.message}" for mark in result.marks if mark.points < mark.out_of]
                why = " ".join(filter(None, [result.fault, *result.notes, *lost]))[:600]
                raise ValueError(STOPS.format(name=key.name, score=result.score, out_of=key.out_of, why=why))
            self.usual.update(result.look)

    def name(self, student: str) -> str:
        """The name in the roster, or that of the folder."""
        return next(iter(row_of(student, self.rows).values()), student)

    def key_of(self, student: str) -> tuple[AnswerKey, str]:
        """The answer key for a student's copy, and a digest of what a grade depends on."""
        name = self.name(student)
        if self.copies and name not in self.copies:
            raise ValueError(f"{name} got no copy; add them to the roster, and release --per-student again")
        own = tuple(self.copies.get(name, ()))
        if own not in self.keys:
            key = with_variants(self.key, own, seed=self.seed)
            self.keys[own] = key, hashlib.sha256(f"{self.version} {key.digest}".encode()).hexdigest()
        return self.keys[own]

    def kept(self, submission: Submission) -> Result | None:
        try:
            found = json.loads(self._place(submission).read_text(encoding="utf-8"))
            if found["key"] != self._cache_key(submission, *_content(submission)):
                return None
            return Result(marks=[Mark(**mark) for mark in found["marks"]], **{name: found[name] for name in FIELDS})
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def __call__(self, submission: Submission, kept: Result | None) -> Graded:
        try:
            result = kept or self._grade(submission)
            days = days_late(collected(submission).get("timestamp.txt", ""), self.due)
            return Graded(submission, result, bool(kept), days, penalty(self.late, days, result.score))
        except Exception as error:  # one bad notebook or a full disk must not stop the rest
            fault = f"the grader failed, and a person has to look ({type(error).__name__}: {error})"
            with suppress(OSError):
                write_whole(self._place(submission).with_suffix(".trace"), traceback.format_exc())
            return Graded(submission, not_graded(self.key, fault))

    def anonymous(self, student: str) -> str:
        """A name that tells nobody who it is, in this assignment."""
        return hmac.new(str(self.seed).encode(), student.encode(), "sha256").hexdigest()[:8]

    def columns(self, one: Graded) -> dict[str, str]:
        """Further columns of the table; the roster's Grade, or its column of this assignment, gets the total."""
        total = "" if one.result.fault else f"{one.result.score - one.penalty:g}"
        own = {"anonymous_id": self.anonymous(one.submission.student), "days_late": str(one.days_late)}
        theirs = row_of(one.submission.student, self.rows)
        filled = {name: total for name in theirs if name == "Grade" or name.startswith(self.key.name)}
        return theirs | filled | own | {"penalty": f"{one.penalty:g}", "total": total}

    def _grade(self, submission: Submission) -> Result:
        started = time.monotonic()
        content, problem = _content(submission)
        key, _ = self.key_of(submission.student)
        try:
            if problem:
                raise Unreadable(problem)
            cells, _ = parse(content, name=submission.path.name)
            result = grade(key, cells, self.course / "kit", limits=self.limits, unsafe=self.unsafe)
            result.look = [one for one in result.look if one not in self.usual]
        except Unreadable as error:
            result = unreadable(key, str(error))
        page = self.course / "feedback" / file_name(submission.student) / key.name / f"{key.name}.html"
        name = f"{submission.student} ({self.anonymous(submission.student)})"
        write_whole(page, feedback.page(key, name, result))
        about: dict[str, Any] = {"key": self._cache_key(submission, content, problem), "student": submission.student}
        about |= {**result.as_dict(), "in_force": self.in_force, "seconds": round(time.monotonic() - started, 2)}
        write_whole(self._place(submission), json.dumps(about, indent=1))
        return result

    def _place(self, submission: Submission) -> Path:
        return self.folder / f"{file_name(submission.student)}.json"

    def _cache_key(self, submission: Submission, content: bytes, problem: str) -> str:
        _, version = self.key_of(submission.student)
        return hashlib.sha256(version.encode() + content + problem.encode("utf-8", "replace")).hexdigest()


def collected(submission: Submission) -> dict[str, str]:
    """The small files that ``collect`` leaves beside a notebook."""
    found = {}
    for name in COLLECTED:
        with suppress(Unreadable):
            found[name] = read_bytes(submission.path.with_name(name), largest=1000).decode("utf-8", "replace")
    return found


def _content(submission: Submission) -> tuple[bytes, str]:
    try:
        return read_bytes(submission.path), ""
    except Unreadable as error:
        return b"", str(error)


def _digest(kit: Path) -> str:
    files = sorted(path for path in kit.rglob("*") if path.suffix != ".pyc" and path.is_file())
    return hashlib.sha256("".join(f"{path.relative_to(kit)} {sha256(path)}\n" for path in files).encode()).hexdigest()


def class_seed(folder: Path) -> int:
    """The class's secret in an assignment's folder of ``grades/``; all students get the same inputs."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.parent.chmod(0o700)
    if not (place := folder / "seed.txt").is_file():
        write_whole(place, str(secrets.randbits(128)))
    return int(place.read_text(encoding="utf-8"))


def file_name(student: str) -> str:
    """A student's name as a file name: no separators, no leading dot, at most 150 characters."""
    safe = quote(student, safe=" @+,")
    safe = safe.replace(".", "%2E") if safe.startswith(".") else safe
    return safe if len(safe) < 150 else f"{safe[:100]}-{hashlib.sha256(student.encode()).hexdigest()[:16]}"
