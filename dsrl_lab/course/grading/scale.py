"""How grading scales: a drawn class graded by the ordinary command, killed once on the way, and what it took.

The grader runs as a teacher would run it, as a process of its own, and is looked at from outside: seconds on the clock,
CPU time, memory of it and all sandboxes at once. What each submission should earn is known, so that a grade that is
lost, doubled or wrong shows.
"""

from __future__ import annotations

import csv
import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from rich.table import Table

from dsrl_lab.course.grading.drawn_class import ENDLESS, OPEN, RIGHT, Drawn, draw_class, hand_in
from dsrl_lab.course.grading.processes import descendants, mapped_memory, own_memory
from dsrl_lab.course.grading.release import release
from dsrl_lab.course.grading.sandbox import protections
from dsrl_lab.training.record import append, environment

LOOK_EVERY = 0.3
BEGIN, END = "<!-- scale: dsrl-lab bench classroom --redraw -->", "<!-- end of scale -->"


@dataclass
class Watched:
    """What the grader used, over all its starts.

    Attributes:
        seconds: on the clock.
        grader_cpu_seconds: of the grader alone, its sandboxes left out.
        peak_bytes: most memory of grader and sandboxes at once; the files that all of them map are counted once.
        load: the computer's load average at each look, other work included.
        kept: grades that were there when it was killed, with the time of their writing.
        left_over: processes of it that were still there five seconds after the kill.
    """

    seconds: float = 0.0
    grader_cpu_seconds: float = 0.0
    peak_bytes: int = 0
    load: list[float] = field(default_factory=list)
    kept: dict[str, int] = field(default_factory=dict)
    left_over: int = 0


def measure(
    repository: Path,
    number: int,
    *,
    assignment: str = "06",
    jobs: int = 0,
    kill_after: int = 0,
    record: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[dict[str, Any]]:
    """Draw a class, grade it and measure; give the record's lines.

    Args:
        repository: a checkout of the kit, from which the course is built in a temporary folder.
        number: of submissions.
        assignment: number of the notebook.
        jobs: submissions at once; as many as there are cores by default.
        kill_after: grades after which the grader is killed and started again; 0: never.
        record: file for the lines; what is in it is replaced.
        progress: told how many grades there are, and how many there will be.

    Raises:
        ValueError: no sandbox here, no nbgrader, an unknown assignment, or a number that makes no sense.
    """
    if number < 1 or not 0 <= kill_after < number:
        raise ValueError(
            f"expected at least 1 submission and a kill before the last, got {number} and a kill after {kill_after}"
        )
    in_force = protections()
    with tempfile.TemporaryDirectory(prefix="dsrl_lab_class_") as folder:
        course = Path(folder) / "course"
        (built,) = release(course, repository, only=[assignment])
        handed_out = course / "release" / built.name / f"{built.name}.ipynb"
        drawn = draw_class(built.questions, number)
        for one in drawn:
            hand_in(one, handed_out, course / "submitted" / one.student / built.name / f"{built.name}.ipynb")
        grades = course / "grades" / built.name
        command = [sys.executable, "-m", "dsrl_lab", "classroom", "grade", str(course), "--jobs", str(jobs)]
        watched = _watch(command, grades, number, kill_after, progress)
        first = {
            "kind": "classroom",
            "assignment": built.name,
            "submissions": number,
            "jobs": jobs or os.cpu_count(),
            "kill_after": kill_after,
            "answers": _told(drawn),
            "in_force": list(in_force),
            **environment(),
            **_programs(),
        }
        lines = [first, *_submissions(grades, drawn), _end(course, built.name, drawn, watched)]
    if record is not None:
        record.unlink(missing_ok=True)
        for line in lines:
            append(record, line)
    return lines


def _watch(
    command: Sequence[str], grades: Path, number: int, kill_after: int, progress: Callable[[int, int], None] | None
) -> Watched:
    watched, began = Watched(), time.monotonic()
    to_kill = kill_after > 0
    while True:
        with (grades.parents[1] / "told.txt").open("ab") as told:
            run = subprocess.Popen(command, stdout=told, stderr=told, stdin=subprocess.DEVNULL)
        grader, cpu_seconds, killed = psutil.Process(run.pid), 0.0, False
        try:
            while run.poll() is None:
                try:
                    times = grader.cpu_times()
                except psutil.NoSuchProcess:
                    break
                cpu_seconds = times.user + times.system
                family = [run.pid, *descendants(run.pid)]
                held = sum(map(own_memory, family)) + max(map(mapped_memory, family))
                watched.peak_bytes = max(watched.peak_bytes, held)
                watched.load.append(os.getloadavg()[0])
                there = _written(grades)
                if progress is not None:
                    progress(len(there), number)
                if to_kill and len(there) >= kill_after:
                    run.kill()
                    run.wait()
                    to_kill, killed = False, True
                    watched.kept = _written(grades)
                    watched.left_over = _still_there(family[1:], seconds=5)
                    break
                time.sleep(LOOK_EVERY)
        finally:  # whatever happens here, no grader is left behind
            run.kill()
            run.wait()
        watched.grader_cpu_seconds += cpu_seconds
        if not killed:
            break
    watched.seconds = time.monotonic() - began
    if run.wait() != 0:
        said = (grades.parents[1] / "told.txt").read_text(encoding="utf-8", errors="replace")
        raise ValueError(f"expected the grader to end well, it ended with {run.returncode} and said: {said[-1000:]}")
    return watched


def _still_there(pids: Sequence[int], *, seconds: float) -> int:
    """How many processes there still are after so long, or earlier once there is none."""
    deadline = time.monotonic() + seconds
    while (left := sum(map(psutil.pid_exists, pids))) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


def _written(grades: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in grades.glob("*.json")}


def _told(drawn: Sequence[Drawn]) -> dict[str, int]:
    """How many answers there are of each kind."""
    kinds = Counter(kind for one in drawn for kind in one.answers.values())
    known = {kind: kinds.pop(kind, 0) for kind in (RIGHT, OPEN, ENDLESS)}
    unreadable = sum(not one.answers for one in drawn)
    return {**known, "misconception": sum(kinds.values()), "unreadable submissions": unreadable}


def _programs() -> dict[str, str]:
    said = subprocess.run(["bwrap", "--version"], capture_output=True, text=True, check=False).stdout.split()
    return {"nbgrader": importlib.metadata.version("nbgrader"), "bubblewrap": said[-1] if said else ""}


def _submissions(grades: Path, drawn: Sequence[Drawn]) -> list[dict[str, Any]]:
    lines = []
    for one in drawn:
        found = json.loads((grades / f"{one.student}.json").read_text(encoding="utf-8"))
        lines.append(
            {
                "kind": "submission",
                "student": one.student,
                "seconds": found["seconds"],
                "cpu_seconds": found["cpu_seconds"],
                "peak_megabytes": round(found["peak_memory"] / 1e6, 1),
                "points": {mark["question"]: mark["points"] for mark in found["marks"]},
                "should_be": one.points,
            }
        )
    return lines


def _end(course: Path, assignment: str, drawn: Sequence[Drawn], watched: Watched) -> dict[str, Any]:
    grades = course / "grades" / assignment
    now = _written(grades)
    found = [json.loads((grades / f"{one.student}.json").read_text(encoding="utf-8")) for one in drawn]
    right = [as_drawn(one, result) for one, result in zip(drawn, found, strict=True)]
    with (course / "grades" / f"{assignment}.csv").open(encoding="utf-8", newline="") as file:
        listed = Counter(row["student"] for row in csv.DictReader(file))
    return {
        "kind": "end",
        "seconds": round(watched.seconds, 1),
        "cpu_seconds": round(sum(result["cpu_seconds"] for result in found), 1),
        "grader_cpu_seconds": round(watched.grader_cpu_seconds, 1),
        "peak_megabytes": round(watched.peak_bytes / 1e6, 1),
        "mean_load": round(sum(watched.load) / max(1, len(watched.load)), 2),
        "grades": len(now),
        "as_drawn": sum(right),
        "lines_in_table": sum(listed.values()),
        "doubled_in_table": sum(count > 1 for count in listed.values()),
        "kept_over_the_kill": len(watched.kept),
        "graded_again": sum(now.get(name) != written for name, written in watched.kept.items()),
        "left_over_after_the_kill": watched.left_over,
    }


def as_drawn(one: Drawn, result: dict[str, Any]) -> bool:
    """Whether a submission got the points and the diagnoses that it should get.

    Args:
        one: what was handed in.
        result: the grade's JSON.
    """
    points = {mark["question"]: mark["points"] for mark in result["marks"]}
    known = {mark["question"]: mark["known_as"] for mark in result["marks"]}
    meant = {name: kind for name, kind in one.answers.items() if kind not in (RIGHT, OPEN, ENDLESS)}
    return points == one.points and all(known[name] == kind for name, kind in meant.items())


def table(lines: Sequence[dict[str, Any]]) -> Table:
    """What grading took, from the lines of a record.

    Args:
        lines: that ``measure`` gave.
    """
    first = lines[0]
    shown = Table(title=f"{first['submissions']} submissions of {first['assignment']}, {first['jobs']} at once")
    shown.add_column("what")
    shown.add_column("how much", justify="right")
    for what, how_much in _rows(lines).items():
        shown.add_row(what, how_much)
    return shown


def markdown(lines: Sequence[dict[str, Any]]) -> str:
    """The same as a table in Markdown.

    Args:
        lines: of a record.

    Example:
        >>> first = {"assignment": "06", "submissions": 200, "jobs": 2, "cores": 2}
        >>> end = dict.fromkeys(("seconds", "cpu_seconds", "grader_cpu_seconds", "peak_megabytes", "mean_load"), 90.0)
        >>> end |= {"as_drawn": 200, "kept_over_the_kill": 100, "graded_again": 0}
        >>> markdown([first, end]).splitlines()[3]
        '| minutes on the clock | 1.5 |'
    """
    first = lines[0]
    title = f"{first['submissions']} submissions of `{first['assignment']}`, {first['jobs']} at once"
    return "\n".join([f"| {title} | |", "|---|---|", *(f"| {what} | {much} |" for what, much in _rows(lines).items())])


def _rows(lines: Sequence[dict[str, Any]]) -> dict[str, str]:
    first, end = lines[0], lines[-1]
    return {
        "cores": str(first["cores"]),
        "minutes on the clock": f"{end['seconds'] / 60:.1f}",
        "CPU minutes in sandboxes": f"{end['cpu_seconds'] / 60:.1f}",
        "CPU minutes in the grader": f"{end['grader_cpu_seconds'] / 60:.1f}",
        "memory of all at once, at most": f"{end['peak_megabytes'] / 1000:.1f} GB",
        "load of the computer, other work included": f"{end['mean_load']:.1f}",
        "points and diagnoses as they should be": f"{end['as_drawn']} of {first['submissions']}",
        "grades there at the kill, and graded again after it": f"{end['kept_over_the_kill']}, {end['graded_again']}",
    }


def update(guide: Path, lines: Sequence[dict[str, Any]]) -> bool:
    """Write the table between a guide's markers; say whether that changed anything.

    Args:
        guide: a Markdown file with the two markers.
        lines: of a record.

    Raises:
        ValueError: the markers are not there.
    """
    text = guide.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        raise ValueError(f"expected the markers {BEGIN} and {END} in {guide}; put them where the table belongs")
    before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    new = f"{before}{BEGIN}\n{markdown(lines)}\n{END}{after}"
    guide.write_text(new, encoding="utf-8")
    return new != text
