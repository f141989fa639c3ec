"""A whole course: killed and resumed, tables, misconceptions counted, scores in nbgrader's gradebook."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

from dsrl_lab.classroom import sandbox
from dsrl_lab.classroom.course import Graded, Submission, grade_course, statistics, write_tables
from dsrl_lab.classroom.gradebook import write_gradebook
from dsrl_lab.classroom.grading import Mark, Result
from dsrl_lab.classroom.notebook_file import Cell

from .conftest import CHAPTER


def graded(student: str, *points: int, known_as: str = "") -> Graded:
    marks = [
        Mark(f"06.{n + 1}", p, 2, p > 0, p > 1, known_as if not p else "", "message") for n, p in enumerate(points)
    ]
    return Graded(Submission(student, "a", Path("a.ipynb")), Result(marks=marks))


def test_statistics_by_hand() -> None:
    class_of_four = [
        graded("a", 2, 2, 2),
        graded("b", 2, 1, 2),
        graded("c", 0, 0, 2, known_as="signs cancel"),
        graded("d", 0, 1, 2, known_as="signs cancel"),
    ]
    rows = statistics(class_of_four)
    assert rows[1] == ["06.1", "2", "1.00", "2", "0", "2", "0.71", "2 x signs cancel"]
    assert rows[2] == ["06.2", "2", "1.00", "1", "2", "1", "0.71", "1 x signs cancel"]
    assert rows[3][:7] == ["06.3", "2", "2.00", "4", "0", "0", ""], "no spread, no correlation"


def test_no_word_of_a_student_s_becomes_a_formula(tmp_path: Path) -> None:
    write_tables(tmp_path, "a", [graded("=1+1", 2, 0), graded("-1", 0, 1), graded("line\nbreak", 0, 2)])
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert [row[:3] for row in rows[1:]] == [["'=1+1", "2", "4"], ["-1", "1", "4"], ["line break", "2", "4"]]
    with (tmp_path / "a_questions.csv").open(encoding="utf-8", newline="") as file:
        assert next(row for row in csv.DictReader(file))["with_the_rest"].startswith("-0.")


def test_without_a_sandbox_it_stops_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "bubblewrap", lambda: "it is not installed")
    with pytest.raises(ValueError, match=r"expected bubblewrap .* it is not installed.* apt-get install .* --unsafe"):
        grade_course(tmp_path)
    assert "no network" not in sandbox.protections(unsafe=True)
    with pytest.raises(ValueError, match=r"expected a course with release/ and kit/"):
        grade_course(tmp_path, unsafe=True)


def hand_in(course: Path, student: str, cells: list[Cell]) -> None:
    notebook = nbformat.read(course / "release" / CHAPTER / f"{CHAPTER}.ipynb", as_version=4)
    for cell, answer in zip(notebook.cells, cells, strict=True):
        cell.source = answer.source
    place = course / "submitted" / student / CHAPTER / f"{CHAPTER}.ipynb"
    place.parent.mkdir(parents=True)
    nbformat.write(notebook, place)


@pytest.mark.classroom
@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("sandboxed")
def test_a_killed_run_goes_on_and_the_gradebook_knows(
    course: Path, solved: Callable[..., list[Cell]], tmp_path: Path
) -> None:
    mine = tmp_path / "course"
    shutil.copytree(course, mine)
    shutil.rmtree(mine / "submitted", ignore_errors=True)
    shutil.rmtree(mine / "grades", ignore_errors=True)
    wrong = "def affinity(features):\n    return features.flatten(2).mT @ features.flatten(2)"
    for student in ("ada", "bob", "eve"):
        hand_in(mine, student, solved(**({"q06_2": wrong} if student == "bob" else {})))
    command = [sys.executable, "-m", "dsrl_lab", "classroom", "grade", str(mine), "--jobs", "1"]
    run = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL)
    first = mine / "grades" / CHAPTER / "ada.json"
    while not first.is_file() and run.poll() is None:
        time.sleep(0.1)
    run.send_signal(signal.SIGKILL)
    run.wait()
    done = len(list(first.parent.glob("*.json")))
    results = grade_course(mine, jobs=1)[CHAPTER]
    assert [one.again for one in results][:done] == [True] * done and not results[-1].again
    assert [one.result.score for one in results] == [18, 14, 18]
    assert results[1].result.marks[1].known_as == "no unit length"
    page = (mine / "feedback" / "bob" / CHAPTER / f"{CHAPTER}.html").read_text(encoding="utf-8")
    assert "The diagonal is not 1" in page
    assert all(one.again for one in grade_course(mine, jobs=1)[CHAPTER])

    assert write_gradebook(mine, CHAPTER, results)
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{mine / 'gradebook.db'}", course_id="dsrl_lab") as book:
        scores = {s: book.find_submission(CHAPTER, s).score for s in ("ada", "bob", "eve")}
        assert scores == {"ada": 18, "bob": 14, "eve": 18}
        assert book.find_submission(CHAPTER, "ada").max_score == 18
