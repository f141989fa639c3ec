"""One student stops nobody, and a fault of the computer or of the course is "not graded", never a zero."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import pytest
from typer.testing import CliRunner

from dsrl_lab import cli
from dsrl_lab.course.grading import course as grading_course
from dsrl_lab.course.grading.answer_key import AnswerKey
from dsrl_lab.course.grading.course import Submission, _Grader, grade_course
from dsrl_lab.course.grading.feedback import page
from dsrl_lab.course.grading.gradebook import write_gradebook
from dsrl_lab.course.grading.grading import Result, grade
from dsrl_lab.course.grading.notebook_file import Cell, parse
from dsrl_lab.course.grading.release import NUMBERS
from dsrl_lab.course.grading.sandbox import Limits, NotStarted, Sandbox, Usage

from .conftest import CHAPTER, earned, hand_in

pytestmark = [pytest.mark.classroom, pytest.mark.usefixtures("sandboxed"), pytest.mark.timeout(900)]


def grades(course: Path) -> dict[str, dict[str, str]]:
    with (course / "grades" / f"{CHAPTER}.csv").open(encoding="utf-8", newline="") as file:
        return {row["student"]: row for row in csv.DictReader(file)}


def test_half_characters_everywhere_stop_nobody(mine: Path, solved: Callable[..., list[Cell]]) -> None:
    hand_in(mine, "honest", solved())
    hand_in(mine, "exception", solved(q06_2=r"def affinity(features): raise ValueError('\ud800' * 9)"))
    hand_in(mine, "escape", solved())
    notebook = mine / "submitted" / "escape" / CHAPTER / f"{CHAPTER}.ipynb"
    content = json.loads(notebook.read_text(encoding="utf-8"))
    for cell in content["cells"]:
        cell["source"] = f"{''.join(cell['source'])}\n# \udc80"
        cell["metadata"].setdefault("name", "\udfff")
    notebook.write_text(json.dumps(content), encoding="utf-8")
    hand_in(mine, "bytes", solved())
    (mine / "submitted" / "bytes").rename(mine / "submitted" / b"by\xfftes".decode("utf-8", "surrogateescape"))
    done = CliRunner().invoke(cli.app, ["classroom", "grade", str(mine), "--jobs", "2"])
    assert done.exit_code == 0, done.output
    assert {name: row["score"] for name, row in grades(mine).items()} == {
        "by\\xfftes": "18",
        "escape": "18",
        "exception": "14",
        "honest": "18",
    }
    assert len(list((mine / "feedback").rglob("*.html"))) == 4
    assert "not graded" not in done.output and "scores are in nbgrader's gradebook.db" in done.output


def test_a_course_that_cannot_be_read_is_no_zero(mine: Path, solved: Callable[..., list[Cell]]) -> None:
    hand_in(mine, "ada", solved())
    for path in [mine, *mine.rglob("*")]:
        path.chmod(path.stat().st_mode & 0o700)
    try:
        graded = grade_course(mine)[CHAPTER]  # a plain user of a user name space still owns it
        assert [one.result.score for one in graded] == [18]
    except ValueError as error:
        assert "its own solution got 0 of 18 points in the sandbox, so nothing was graded" in str(error)
        assert "the sandbox did not start" in str(error) and "rights of the course" in str(error)
        assert not list((mine / "grades").rglob("ada.json"))
    for path in mine.rglob("*"):
        path.chmod(path.stat().st_mode | 0o055)
    assert grade_course(mine)[CHAPTER][0].result.score == 18


def test_a_kit_that_judges_wrongly_stops_grading(mine: Path, solved: Callable[..., list[Cell]]) -> None:
    hand_in(mine, "ada", solved())
    worker = mine / "kit" / "dsrl_lab" / "course" / "grading" / "worker.py"
    worker.write_text(worker.read_text(encoding="utf-8").replace("as_result(run(", "3 * as_result(run("), "utf-8")
    with pytest.raises(ValueError, match=r"06_feature_affinity: its own solution got 0 of 18 points .* 06.1"):
        grade_course(mine)


def test_a_grader_that_fails_is_not_graded_and_tried_again(
    mine: Path, solved: Callable[..., list[Cell]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for student in ("ada", "bob"):
        hand_in(mine, student, solved(q06_1=f"# {student}\ndef affinity_bytes(*sizes):\n    return 0"))
    wanted = grading_course.grade

    def failing(key: AnswerKey, cells: list[Cell], *arguments: Any, **options: Any) -> Result:
        if any("# bob" in cell.source for cell in cells):
            raise OSError(28, "No space left on device")
        return wanted(key, cells, *arguments, **options)

    monkeypatch.setattr(grading_course, "grade", failing)
    done = CliRunner().invoke(cli.app, ["classroom", "grade", str(mine)])
    assert done.exit_code == 1 and "not graded: bob: the grader failed" in " ".join(done.output.split())
    assert grades(mine)["bob"]["score"] == grades(mine)["bob"]["06.1"] == ""
    assert "No space left" in grades(mine)["bob"]["problem"] and grades(mine)["ada"]["score"] == "16"
    assert not (mine / "grades" / CHAPTER / "bob.json").exists()
    monkeypatch.undo()
    again = {one.submission.student: (one.result.score, one.again) for one in grade_course(mine)[CHAPTER]}
    assert again == {"ada": (16, True), "bob": (16, False)}


def test_one_student_is_graded_again_and_absentees_are_named(mine: Path, solved: Callable[..., list[Cell]]) -> None:
    for student in ("ada", "bob"):
        hand_in(mine, student, solved())
    (mine / "roster.txt").write_text("ada\nbob\neve\n", encoding="utf-8")
    assert [one.submission.student for one in grade_course(mine, students=["ada"])[CHAPTER]] == ["ada"]
    assert list(grades(mine)) == ["ada", "eve"], "bob has handed in, and waits"
    graded = grade_course(mine, students=["bob"])[CHAPTER]
    assert [(one.submission.student, one.again) for one in graded] == [("ada", True), ("bob", False)]
    graded = grade_course(mine, students=["ada"], again=True)[CHAPTER]
    assert [one.again for one in graded] == [False, True]
    assert grades(mine)["eve"]["problem"] == "not handed in" and grades(mine)["bob"]["score"] == "18"
    with pytest.raises(ValueError, match="nothing was handed in by zoe; expected some of ada, bob"):
        grade_course(mine, students=["zoe"])


def test_a_writer_that_fails_for_one_student_writes_the_others(
    mine: Path, solved: Callable[..., list[Cell]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for student in ("ada", "bob", "eve"):
        hand_in(mine, student, solved())
    wanted = grading_course.feedback.page

    def failing(key: AnswerKey, student: str, result: Result) -> str:
        if student.startswith("bob"):
            raise UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed")
        return wanted(key, student, result)

    monkeypatch.setattr(grading_course.feedback, "page", failing)
    graded = grade_course(mine)[CHAPTER]
    assert [bool(one.result.fault) for one in graded] == [False, True, False]
    assert [row["score"] for row in grades(mine).values()] == ["18", "", "18"]
    book = {one.submission.student: one for one in graded}
    broken = replace(book["eve"], submission=Submission("e\0ve", CHAPTER, book["eve"].submission.path))
    failed = write_gradebook(mine, CHAPTER, [broken, book["ada"]])
    assert failed is not None and list(failed) == ["e\0ve"]


def test_tables_that_cannot_be_written_stop_no_grading(
    mine: Path, solved: Callable[..., list[Cell]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError("the disk is full, 0.0 MB are free; make room")

    for student in ("ada", "bob"):
        hand_in(mine, student, solved())
    real = grading_course.write_tables
    monkeypatch.setattr(grading_course, "write_tables", full)
    with pytest.raises(OSError, match=r"all is graded and kept.*the disk is full.*grades nothing twice"):
        grade_course(mine)
    monkeypatch.setattr(grading_course, "write_tables", real)
    assert [one.again for one in grade_course(mine)[CHAPTER]] == [True, True]
    assert {"ada", "bob"} <= grades(mine).keys()


def test_a_gradebook_that_cannot_be_opened_stops_no_table(mine: Path, solved: Callable[..., list[Cell]]) -> None:
    hand_in(mine, "ada", solved())
    graded = grade_course(mine)[CHAPTER]
    (mine / "gradebook.db").write_bytes(b"no data base" * 99)
    assert list(write_gradebook(mine, CHAPTER, graded) or {}) == ["ada"]
    (mine / "gradebook.db").unlink()


def test_the_table_grows_with_each_student(mine: Path, solved: Callable[..., list[Cell]]) -> None:
    for student in ("ada", "bob"):
        hand_in(mine, student, solved())
    lines = []

    def look(*_: object) -> None:
        lines.append(len(grades(mine)))

    grade_course(mine, jobs=1, progress=look)
    assert lines == [1, 2]


def test_a_grade_is_kept_until_anything_changes_that_it_depends_on(mine: Path) -> None:
    release = mine / "release" / CHAPTER / f"{CHAPTER}.ipynb"

    def version(**options: Any) -> str:
        return _Grader(mine, release, unsafe=False, limits=Limits(**options)).version

    versions = [version(), version(cpu_seconds=1)]
    assert version() == versions[0]
    notebook = nbformat.read(release, as_version=4)
    notebook.cells[-1].source += "\n"
    nbformat.write(notebook, release)
    versions.append(version())
    (mine / "kit" / "dsrl_lab" / "losses.py").write_text("changed", encoding="utf-8")
    versions.append(version())
    (mine / "grades" / CHAPTER / "seed.txt").write_text("5", encoding="utf-8")
    versions.append(version())
    assert len(set(versions)) == 5


def test_hidden_inputs_that_change_are_seen(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dsrl_lab.course.grading.hidden_inputs import DRAWS

    release = mine / "release" / CHAPTER / f"{CHAPTER}.ipynb"
    before = _Grader(mine, release, unsafe=False, limits=Limits())
    monkeypatch.setitem(DRAWS, "06.1", lambda generator: [(32, 32, 4)])
    after = _Grader(mine, release, unsafe=False, limits=Limits())
    assert before.key.digest != after.key.digest and before.version != after.version


def added(cells: list[Cell], *codes: str) -> list[Cell]:
    """Cells of a submission with more before the answer to 06.2, which needs them all."""
    place = next(n for n, cell in enumerate(cells) if cell.grade_id == "06-2-answer")
    more = [Cell("code", f"{code}\nneeded_{n} = 1") for n, code in enumerate(codes)]
    needs = f"NEEDED = ({', '.join(f'needed_{n}' for n in range(len(codes)))})\n"
    return [*cells[:place], *more, replace(cells[place], source=needs + cells[place].source), *cells[place + 1 :]]


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import time\nend = time.process_time() + 1\nwhile time.process_time() < end:\n    pass", "4 seconds of CPU"),
        ("import time\ntime.sleep(1)", "4 seconds of waiting"),
    ],
    ids=["CPU time", "waiting"],
)
def test_cells_are_added_up(
    code: str, why: str, course: Path, affinity_key: AnswerKey, solved: Callable[..., list[Cell]]
) -> None:
    limits = Limits(cpu_seconds=3, idle_seconds=3, total_cpu_seconds=4, total_idle_seconds=4)
    result = grade(affinity_key, added(solved(), *[code] * 8), course / "kit", limits=limits)
    assert why in " ".join(result.notes), result.notes
    assert earned(result.marks)["06.2"] == 0
    assert result.cpu_seconds < 40


def test_a_budget_is_not_renewed_by_a_new_process(course: Path) -> None:
    usage, spent = Usage(), []
    for _ in range(2):
        with Sandbox(course / "kit", Limits(), usage=usage) as box:
            box.ask("prepare", [["student", "x = sum(range(10**7))"]], ["x"])
            box.ask("run", 0)
        spent.append(usage.cpu_seconds)
    assert spent[1] > 1.4 * spent[0] > 0 and usage.wall_seconds > 0  # the same work twice, on whatever machine


def test_a_sandbox_that_does_not_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "kit").mkdir()
    with pytest.raises(NotStarted, match=r"the sandbox did not start: ModuleNotFoundError: No module named 'dsrl_lab'"):
        Sandbox(tmp_path / "kit").__enter__()


def test_a_page_takes_whatever_a_notebook_holds(affinity_key: AnswerKey) -> None:
    cells, _ = parse(b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": "\\ud800", "id": "\\udfff"}]}')
    assert cells[0].source.encode() and cells[0].id.encode()
    assert page(affinity_key, "a\ud800", Result(notes=["\ud800\x1b"])).encode()


@pytest.mark.parametrize("number", NUMBERS)
def test_each_assignment_s_own_solution_gets_all_points(number: str, mine: Path) -> None:
    (release,) = (mine / "release").glob(f"{number}_*/*.ipynb")
    _Grader(mine, release, unsafe=False, limits=Limits()).try_own_solution()
