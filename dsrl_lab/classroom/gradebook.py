"""Scores into nbgrader's own gradebook, so that its commands and its form grader know them.

Only scores go there; students' code is never run by nbgrader.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dsrl_lab.classroom.course import Graded


def write_gradebook(course: Path, assignment: str, graded: Sequence[Graded]) -> bool:
    """Write the scores of an assignment; False where there is no nbgrader or no gradebook.

    Args:
        course: folder of the course.
        assignment: its name.
        graded: its submissions.
    """
    try:
        from nbgrader.api import Gradebook
    except ImportError:
        return False
    place = course / "gradebook.db"
    if not place.is_file():
        return False
    with Gradebook(f"sqlite:///{place.resolve()}", course_id="dsrl_lab") as book:
        for one in graded:
            student = one.submission.student
            book.update_or_create_student(student)
            book.update_or_create_submission(assignment, student)
            for mark in one.result.marks:
                half = mark.out_of // 2
                earned = {"check": half * mark.passed, "further": mark.points - half * mark.passed}
                for end, points in earned.items():
                    grade_id = f"{mark.question.replace('.', '-')}-{end}"
                    grade = book.find_grade(grade_id, assignment, assignment, student)
                    grade.auto_score, grade.needs_manual_grade = float(points), False
        book.db.commit()
    return True
