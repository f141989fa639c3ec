"""Grades where nbgrader's own tools look for them: its gradebook, and ``autograded/`` for its form grader.

nbgrader never runs students' code here, and what it shows in the teacher's browser holds nothing that could run there:
of a submission only the answers' code is taken over, as text; outputs are ours, points and diagnoses.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat

from dsrl_lab.course.grading.course import Graded, file_name
from dsrl_lab.course.grading.grading import Mark
from dsrl_lab.course.grading.notebook_file import Unreadable, read_bytes

COLLECTED = ("timestamp.txt", "submission_secret.txt")
"""What ``nbgrader collect`` lays beside a notebook; its form grader and ``release_feedback`` want it back."""


def write_gradebook(course: Path, assignment: str, graded: Sequence[Graded]) -> bool:
    """Write an assignment's scores and its ``autograded/`` notebooks; False where there is no nbgrader or gradebook.

    Points and comments that a person gave in the form grader stay.

    Args:
        course: folder of the course.
        assignment: its name.
        graded: its submissions.
    """
    try:
        from nbgrader.api import Gradebook
        from nbgrader.utils import parse_utc
    except ImportError:
        return False
    place = course / "gradebook.db"
    if not place.is_file():
        return False
    released = nbformat.read(course / "release" / assignment / f"{assignment}.ipynb", as_version=4)
    with Gradebook(f"sqlite:///{place.resolve()}", course_id="dsrl_lab") as book:
        for one in graded:
            student = one.submission.student
            beside = _collected(one)
            try:
                handed_in = parse_utc(beside["timestamp.txt"].decode("utf-8", "replace").strip())
            except Exception:  # not collected by nbgrader, or not what it wrote: the student could change it
                handed_in = None
            book.update_or_create_student(student)
            book.update_or_create_submission(assignment, student, timestamp=handed_in)
            for mark in one.result.marks:
                for end, points in _halves(mark).items():
                    grade = book.find_grade(f"{_stem(mark)}-{end}", assignment, assignment, student)
                    grade.auto_score = float(points)
                    grade.needs_manual_grade = False
            shown = course / "autograded" / student / assignment
            for folder in (shown, course / "feedback" / file_name(student) / assignment):
                _lay_beside(folder, beside)
            nbformat.write(as_shown(released, one), shown / f"{assignment}.ipynb")
        book.db.commit()
    return True


def as_shown(released: Any, one: Graded) -> Any:
    """The notebook as it was handed out, with a student's answers, and points and diagnoses as outputs.

    Args:
        released: notebook that was handed out.
        one: a submission and what it earned.
    """
    shown = nbformat.from_dict(released)
    cells = {cell.id: cell for cell in shown.cells}
    for mark in one.result.marks:
        earned, most = _halves(mark), mark.out_of // 2
        answer, check, further = (cells[f"{_stem(mark)}-{end}"] for end in ("answer", "check", "further"))
        answer.source = mark.code or answer.source
        check.outputs = [_says(f"{earned['check']} of {most} points. {mark.message}")]
        further.outputs = [_says(f"{earned['further']} of {most} points. {mark.further_message}")]
    told = [one.result.problem, *one.result.notes]
    if any(told):
        note = nbformat.v4.new_code_cell("# What was seen while it was graded", id="seen")
        note.outputs = [_says("\n".join(filter(None, told)))]
        shown.cells.append(note)
    return shown


def _halves(mark: Mark) -> dict[str, int]:
    half = mark.out_of // 2
    return {"check": half * mark.passed, "further": mark.points - half * mark.passed}


def _stem(mark: Mark) -> str:
    return mark.question.replace(".", "-")


def _says(text: str) -> Any:
    """A text as output: a stream, which is shown letter by letter and never as HTML."""
    return nbformat.v4.new_output("stream", name="stdout", text=text + "\n")


def _collected(one: Graded) -> dict[str, bytes]:
    found = {}
    for name in COLLECTED:
        try:
            found[name] = read_bytes(one.submission.path.with_name(name), largest=1000)
        except Unreadable:
            continue
    return found


def _lay_beside(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
