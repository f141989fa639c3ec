"""A whole course: killed and resumed, tables, misconceptions counted, scores in nbgrader's gradebook."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
import psutil
import pytest

from dsrl_lab.course.grading import walls
from dsrl_lab.course.grading.course import Graded, Submission, file_name, grade_course, row_of
from dsrl_lab.course.grading.gradebook import as_shown, write_gradebook
from dsrl_lab.course.grading.grading import Mark, Result
from dsrl_lab.course.grading.notebook_file import Cell
from dsrl_lab.course.grading.release import SETTINGS
from dsrl_lab.course.grading.tables import by_question, write_tables

from .conftest import CHAPTER, hand_in


def result(*points: int, known_as: str = "") -> Result:
    marks = [
        Mark(f"06.{n + 1}", p, 2, p > 0, p > 1, known_as if not p else "", "message") for n, p in enumerate(points)
    ]
    return Result(marks=marks)


def test_statistics_by_hand() -> None:
    class_of_four = [
        result(2, 2, 2),
        result(2, 1, 2),
        result(0, 0, 2, known_as="signs cancel"),
        result(0, 1, 2, known_as="signs cancel"),
        Result(result(0, 0, 0).marks, fault="the disk was full"),
    ]
    rows = by_question(class_of_four)
    assert rows[1] == ["06.1", "2", "1.00", "2", "0", "2", "0.71", "2 x signs cancel"]
    assert rows[2] == ["06.2", "2", "1.00", "1", "2", "1", "0.71", "1 x signs cancel"]
    assert rows[3][:7] == ["06.3", "2", "2.00", "4", "0", "0", ""], "no spread, no correlation"


def test_no_word_of_a_student_s_becomes_a_formula(tmp_path: Path) -> None:
    write_tables(tmp_path, "a", {"=1+1": result(2, 0), "-1": result(0, 1), "line\nbreak": result(0, 2)})
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert [row[:3] for row in rows[1:]] == [["'=1+1", "2", "4"], ["-1", "1", "4"], ["line break", "2", "4"]]
    write_tables(tmp_path, "b", {"ada": result(2, 0)}, {"eve": {}, "ada": {"Grade": "2"}})
    last = (tmp_path / "b.csv").read_text(encoding="utf-8").splitlines()[-1]
    assert last == "eve,,,,,,not handed in,,"
    with (tmp_path / "a_questions.csv").open(encoding="utf-8", newline="") as file:
        assert next(row for row in csv.DictReader(file))["with_the_rest"].startswith("-0.")


def test_without_a_sandbox_it_stops_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walls, "bubblewrap", lambda: walls.NOT_INSTALLED)
    with pytest.raises(ValueError, match=r"expected bubblewrap .* it is not installed.* apt-get install .* --unsafe"):
        grade_course(tmp_path)
    assert "no network" not in walls.protections(unsafe=True)
    with pytest.raises(ValueError, match=r"expected a course with release/ and kit/"):
        grade_course(tmp_path, unsafe=True)


def test_what_the_form_grader_shows_holds_a_student_s_code_as_text_only() -> None:
    released = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("stub", id=f"06-1-{end}") for end in ("answer", "check", "hidden")]
    )
    evil = "<script>alert(1)</script>"
    mark = Mark("06.1", 1, 2, True, False, "", evil, evil, code=f"def f():\n    return '{evil}'")
    one = Graded(Submission("eve", "a", Path("a.ipynb")), Result(marks=[mark], notes=[evil]))
    shown = as_shown(released, one)
    nbformat.validate(shown)
    assert [cell.cell_type for cell in shown.cells] == ["code"] * 4
    assert {output.output_type for cell in shown.cells for output in cell.outputs} == {"stream"}
    assert shown.cells[0].source.startswith("def f()") and released.cells[0].source == "stub"
    assert shown.cells[1].outputs[0].text.startswith("1 of 1 points.")
    assert shown.cells[2].outputs[0].text.startswith("0 of 1 points.")


@pytest.mark.classroom
@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("sandboxed")
def test_a_killed_run_goes_on_and_the_gradebook_knows(mine: Path, solved: Callable[..., list[Cell]]) -> None:
    wrong = "def affinity(features):\n    return features.flatten(2).mT @ features.flatten(2)"
    for student in ("ada", "bob", "eve"):
        own = {"bob": {"q06_2": wrong}, "eve": {"q06_2": "from dsrl_lab.affinity import affinity_matrix as affinity"}}
        hand_in(mine, student, solved(**own.get(student, {})))
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
    looks = [one.result.look for one in results]
    assert looks == [[], [], ["06.2 has no function of its own", "06.2 calls affinity_matrix"]]
    page = (mine / "feedback" / "bob" / CHAPTER / f"{CHAPTER}.html").read_text(encoding="utf-8")
    assert "The diagonal is not 1" in page
    assert all(one.again for one in grade_course(mine, jobs=1)[CHAPTER])

    assert not [p for p in psutil.process_iter(["cmdline"]) if str(mine / "kit") in (p.info["cmdline"] or [])]
    (mine / "submitted" / "ada" / CHAPTER / "timestamp.txt").write_text("2026-11-02 10:00:00.000000 UTC\n", "utf-8")
    for _ in range(2):  # a second time changes nothing
        assert write_gradebook(mine, CHAPTER, results) == {}
    nbgrader_s_tools_know_it(mine)


def nbgrader_s_tools_know_it(course: Path) -> None:
    from nbgrader.api import Gradebook
    from nbgrader.apps import NbGraderAPI
    from traitlets.config import Config

    with Gradebook(f"sqlite:///{course / 'gradebook.db'}", course_id="dsrl_lab") as book:
        scores = {s: book.find_submission(CHAPTER, s).score for s in ("ada", "bob", "eve")}
        assert scores == {"ada": 18, "bob": 14, "eve": 18}
        assert book.find_submission(CHAPTER, "ada").max_score == 18
    settings = Config({part: dict(values) for part, values in SETTINGS.items()})
    settings.CourseDirectory.root = str(course)
    api = NbGraderAPI(config=settings)
    shown = {one["student"]: one for one in api.get_submissions(CHAPTER)}
    assert {student: one["score"] for student, one in shown.items()} == scores
    assert all(one["autograded"] and not one["needs_manual_grade"] for one in shown.values())
    assert shown["ada"]["timestamp"].startswith("2026-11-02T10:00:00") and shown["bob"]["timestamp"] is None
    assert (course / "feedback" / "ada" / CHAPTER / "timestamp.txt").is_file(), "nbgrader release_feedback wants it"
    outcome = api.generate_feedback(CHAPTER, "bob", force=True)
    assert outcome["success"], outcome
    page = (course / "feedback" / "bob" / CHAPTER / f"{CHAPTER}.html").read_text(encoding="utf-8")
    assert "The diagonal is not 1" in page and "check_hidden" not in page
    assert "c.Autograde.autograde_preprocessors = []" in (course / "nbgrader_config.py").read_text(encoding="utf-8")
    assert api.autograde(CHAPTER, "bob", force=True)["success"]
    left = nbformat.read(course / "autograded" / "bob" / CHAPTER / f"{CHAPTER}.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in left.cells), "nbgrader's own autograding runs nothing in this course"
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}", course_id="dsrl_lab") as book:
        assert book.find_submission(CHAPTER, "bob").score == 14


def test_a_folder_finds_its_row_and_a_name_makes_a_safe_file_name() -> None:
    rows = [{"Identifier": "Participant 16"}, {"Identifier": "Participant 17"}]
    assert row_of("Ada Lovelace_17", rows) == rows[1] and row_of("Ada Lovelace_18", rows) == {}
    assert file_name("ada") == "ada" and file_name("..%2F") == "%2E%2E%252F"
    assert len(file_name("a" * 400)) < 150 and file_name("a" * 400) != file_name("a" * 401)
