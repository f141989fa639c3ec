"""The lecturer's tables: one line for each student, one for each exercise."""

import csv
import io
import re
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from dsrl_lab.course.grading.grading import Result
from dsrl_lab.course.grading.notebook_file import write_whole

FORMULA = re.compile(r"^(?=[=+@-])(?!-?\d+(\.\d+)?$)")  # the start of a text that is no number


def write_tables(
    folder: Path, assignment: str, graded: Mapping[str, Result], more: Mapping[str, Mapping[str, str]] | None = None
) -> None:
    """Write ``<assignment>.csv`` and ``<assignment>_questions.csv``; what was not graded has a problem and no score.

    ``more`` has further columns by student; who is not among the ``graded`` has handed nothing in.
    """
    more = more or {}
    rows = [{"student": student, **more.get(student, {}), **_row(result)} for student, result in graded.items()]
    absent = [student for student in more if student not in graded]
    rows += [{"student": student, **more[student], "problem": "not handed in"} for student in absent]
    names = list(dict.fromkeys(name for row in rows for name in row))
    write_whole(folder / f"{assignment}.csv", csv_text([names, *([row.get(n, "") for n in names] for row in rows)]))
    write_whole(folder / f"{assignment}_questions.csv", csv_text(by_question(list(graded.values()))))


def _row(result: Result) -> dict[str, str]:
    points = {mark.question: str(mark.points) for mark in result.marks}
    row = {"score": str(result.score), "out_of": str(sum(mark.out_of for mark in result.marks)), **points}
    problem = f"not graded: {result.fault}" if result.fault else result.problem
    texts = {"problem": problem, "notes": " | ".join(result.notes), "worth_a_look": "; ".join(result.look)}
    return (dict.fromkeys(row, "") if result.fault else row) | texts


def by_question(results: Sequence[Result]) -> list[list[str]]:
    """One row for each exercise; a correlation with the other points near 0 or below: it may be broken."""
    rows = [["question", "out_of", "mean", "all_points", "half", "none", "with_the_rest", "misconceptions"]]
    results = [result for result in results if not result.fault]
    for marks in zip(*(result.marks for result in results), strict=True):
        points = [mark.points for mark in marks]
        rest = [result.score - own for result, own in zip(results, points, strict=True)]
        known = Counter(mark.known_as for mark in marks if mark.known_as)
        full, none = (sum(value == wanted for value in points) for wanted in (marks[0].out_of, 0))
        numbers = [marks[0].out_of, f"{statistics.mean(points):.2f}", full, len(points) - full - none, none]
        misconceptions = "; ".join(f"{count} x {name}" for name, count in known.most_common())
        rows.append([marks[0].question, *map(str, numbers), _correlation(points, rest), misconceptions])
    return rows


def _correlation(a: Sequence[float], b: Sequence[float]) -> str:
    try:
        return f"{statistics.correlation(a, b):.2f}"
    except statistics.StatisticsError:  # fewer than two, or no spread
        return ""


def csv_text(rows: Iterable[Sequence[str]]) -> str:
    """Rows as CSV, in which a spreadsheet finds no formula of a student's."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([FORMULA.sub("'", " ".join(value.split())) for value in row] for row in rows)
    return text.getvalue()
