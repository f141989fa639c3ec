"""Grades for nbgrader's gradebook and form grader; of a submission only the answers' code is taken, as text."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import nbformat

from dsrl_lab.course.grading.course import Graded, collected, file_name
from dsrl_lab.course.grading.grading import Mark
from dsrl_lab.course.grading.notebook_file import write_whole


def write_gradebook(course: Path, assignment: str, graded: Sequence[Graded]) -> dict[str, str] | None:
    """Write scores and ``autograded/``; return why students' grades could not be written, None without a gradebook."""
    place = course / "gradebook.db"
    try:
        from nbgrader.api import Gradebook
    except ImportError:
        return None
    if not place.is_file():
        return None
    released = nbformat.read(course / "release" / assignment / f"{assignment}.ipynb", as_version=4)
    failed = {}
    try:
        with Gradebook(f"sqlite:///{place.resolve()}", course_id="dsrl_lab") as book:
            for one in graded:
                try:
                    if not one.result.fault:
                        _write(book, course, released, one)
                        book.db.commit()
                except Exception as error:  # must not stop the others
                    book.db.rollback()
                    failed[one.submission.student] = f"{type(error).__name__}: {error}"[:300]
    except Exception as error:  # a gradebook that is locked or damaged takes nobody's grade
        why = f"gradebook.db: {type(error).__name__}: {error}"[:300]
        failed = {one.submission.student: why for one in graded} | failed
    return failed


def _write(book: Any, course: Path, released: Any, one: Graded) -> None:
    from nbgrader.utils import parse_utc

    student, assignment = one.submission.student, one.submission.assignment
    beside, handed_in = collected(one.submission), None
    with suppress(Exception):  # not collected by nbgrader, or changed by the student
        handed_in = parse_utc(beside["timestamp.txt"].strip())
    book.update_or_create_student(student)
    book.update_or_create_submission(assignment, student, timestamp=handed_in)
    for mark in one.result.marks:
        for end, points in _halves(mark).items():
            grade = book.find_grade(_grade_id(mark, end), assignment, assignment, student)
            grade.auto_score = float(points)  # a person's own score in the form grader stays
            grade.needs_manual_grade = False
    for grade_id in one.result.written:
        grade = book.find_grade(grade_id, assignment, assignment, student)
        grade.needs_manual_grade = grade.manual_score is None
    book.find_submission_notebook(assignment, assignment, student).late_submission_penalty = one.penalty or None
    shown = course / "autograded" / student / assignment
    for folder in (shown, course / "feedback" / file_name(student) / assignment):
        for name, content in beside.items():
            write_whole(folder / name, content)
    write_whole(shown / f"{assignment}.ipynb", nbformat.writes(as_shown(released, one)) + "\n")


def as_shown(released: Any, one: Graded) -> Any:
    """The notebook as it was handed out, with a student's answers, and points and diagnoses as outputs."""
    shown = nbformat.from_dict(released)
    cells = {cell.id: cell for cell in shown.cells}
    for mark in one.result.marks:
        earned, most = _halves(mark), mark.out_of // 2
        answer, check, hidden = (cells[_grade_id(mark, end)] for end in ("answer", "check", "hidden"))
        answer.source = mark.code or answer.source
        check.outputs = [_text(f"{earned['check']} of {most} points. {mark.message}")]
        hidden.outputs = [_text(f"{earned['hidden']} of {most} points. {mark.hidden_message}")]
    for grade_id, text in one.result.written.items():  # indented: shown as text, whatever it holds
        cells[grade_id].source = "\n".join(f"    {line}" for line in text.splitlines())
    if notes := "\n".join(filter(None, (one.result.problem, *one.result.notes))):
        title = "# What was seen while it was graded"
        shown.cells.append(nbformat.v4.new_code_cell(title, id="seen", outputs=[_text(notes)]))
    return shown


def _halves(mark: Mark) -> dict[str, int]:
    half = mark.out_of // 2
    return {"check": half * mark.passed, "hidden": mark.points - half * mark.passed}


def _grade_id(mark: Mark, end: str) -> str:
    return f"{mark.question.replace('.', '-')}-{end}"


def _text(text: str) -> Any:
    return nbformat.v4.new_output("stream", name="stdout", text=text + "\n")  # never shown as HTML
