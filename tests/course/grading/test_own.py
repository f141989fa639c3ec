"""A lecturer's own exercises and settings, as the guide's worked example has them, outside of the checkout."""

from __future__ import annotations

import csv
import re
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import nbformat
import pytest
from typer.testing import CliRunner

from dsrl_lab import cli
from dsrl_lab.course.exercises.bank import check, exercises, find, stub
from dsrl_lab.course.exercises.exercise import SOURCES
from dsrl_lab.course.exercises.solutions.variants import VARIATIONS, variants
from dsrl_lab.course.grading.assignment import questions, source_version
from dsrl_lab.course.grading.course import roster
from dsrl_lab.course.grading.hidden_inputs import DRAWS, check_hidden
from dsrl_lab.course.grading.own import Settings, days_late, load_own, penalty, prove, settings

from .conftest import CHAPTER, REPOSITORY

TEXT = (REPOSITORY / "notebooks" / "assignments" / "INSTRUCTORS.md").read_text(encoding="utf-8")


def example(name: str) -> str:
    found = re.search(rf"<!-- example: {name} -->\n```\w+\n(.*?)```", TEXT, re.DOTALL)
    assert found is not None
    return found.group(1)


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A course's folder with the guide's exercise and notebook; what is loaded from it is forgotten afterwards."""
    monkeypatch.setitem(exercises(), "20.1", None)  # type: ignore[arg-type]
    monkeypatch.setitem(DRAWS, "20.1", None)  # type: ignore[arg-type]
    before = SOURCES.copy()
    own = tmp_path / "course" / "own"
    own.mkdir(parents=True)
    (own / "exercises.py").write_text(example("exercise"), encoding="utf-8")
    (own / "20_grids.py").write_text(example("cell"), encoding="utf-8")
    yield own.parent
    SOURCES[:] = before


def test_the_worked_example_becomes_an_exercise_of_an_assignment(beside: Path) -> None:
    (exercise,) = load_own(beside)
    assert load_own(beside) and SOURCES.count(beside / "own") == 1, "a second time changes nothing"
    prove(exercise)
    assert check("20.1", exercise.solution) and check_hidden("20.1", exercise.solution)
    assert stub("20.1").startswith("def positions(height")
    (question,) = questions(beside / "own" / "20_grids.py")
    assert (question.name, question.answer, question.points) == ("20.1", "positions", 1)
    ids = [cell.id for cell in source_version(beside / "own" / "20_grids.py").cells if "nbgrader" in cell.metadata]
    assert ids == ["20-1-answer", "20-1-check", "20-1-hidden"]


def test_the_worked_example_has_a_constant_for_each_student(beside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(VARIATIONS, "20.1", None)  # type: ignore[arg-type]
    place = beside / "own" / "exercises.py"
    place.write_text(place.read_text(encoding="utf-8") + example("variation"), encoding="utf-8")
    notebook = beside / "own" / "20_grids.py"
    text = notebook.read_text(encoding="utf-8").replace(
        ">>> positions(16, ", ">>> side = 16\n        >>> positions(side, "
    )
    notebook.write_text(text, encoding="utf-8")
    load_own(beside)
    for name in variants("20.1"):
        prove(find(name))
    assert check("20.1:2", lambda h, w, s: 5 * (h // s) * (w // s))
    assert "In your copy (20.1:1) the grids of 3 pictures count." in stub("20.1:1")
    assert ">>> positions(side, 24, 8)\n        18\n" in stub("20.1:1")


@pytest.mark.parametrize(
    ("text", "students"),
    [
        ("name,mail\nada,a@b\n,\nbob,\n", ["ada", "bob"]),
        ("\ufeffVorname;Nachname\nJörg;Müller\n", ["Jörg"]),
        ('Student,ID\n"    Points Possible",\n"Doe, Jo\nAnn",7\n', ["Doe, Jo\nAnn"]),
        ("", []),
    ],
)
def test_rosters_of_spreadsheets_and_of_canvas(text: str, students: list[str], tmp_path: Path) -> None:
    (tmp_path / "roster.csv").write_text(text, encoding="utf-8")
    assert [next(iter(row.values())) for row in roster(tmp_path)] == students


def test_a_roster_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    (tmp_path / "roster.csv").write_bytes("name\nJörg\n".encode("cp1252"))
    with pytest.raises(ValueError, match=r"expected UTF-8 in .*roster.csv, got .* save it as CSV UTF-8"):
        roster(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('name="20.1"', 'name="06.1"', "expected a new name and hidden inputs in DRAWS for exercise 06.1"),
        ('"20.1": _flat', '"20.2": _flat', "expected a new name and hidden inputs in DRAWS for exercise 20.1"),
        ("solution=positions", "solution=lambda h, w, s: h", "20.1: its own solution does not pass"),
        ("w, s: h * w // s", "w, s: h", "20.1: 'pixels, not positions' is not recognised"),
        ("w, s: h * w, ", "w, s: 0 * (h // s) if h > s else (h // s) * (w // s), ", "passes on hidden inputs"),
    ],
)
def test_an_exercise_that_would_judge_wrongly_is_refused(old: str, new: str, why: str, beside: Path) -> None:
    place = beside / "own" / "exercises.py"
    assert old in place.read_text(encoding="utf-8")
    text = place.read_text(encoding="utf-8").replace(old, new)
    if "not recognised" in why:  # two wrong answers that give the same
        text = text.replace("lambda h, w, s: h * w, ", "lambda h, w, s: h, ")
    place.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=why):
        prove(load_own(beside)[0])


def test_points_and_questions_in_words_reach_the_assignment(tmp_path: Path) -> None:
    (tmp_path / "points.toml").write_text(example("points"), encoding="utf-8")
    chosen = settings(tmp_path)
    assert chosen.due == {CHAPTER: datetime(2026, 11, 2, 10, tzinfo=UTC)}
    source = REPOSITORY / "notebooks" / "src" / f"{CHAPTER}.py"
    assert {one.name: one.points for one in questions(source, chosen.points)}["06.2"] == 3
    cells = {cell.id: cell for cell in source_version(source, chosen).cells}
    assert cells["06-2-check"].metadata.nbgrader.points == cells["06-2-hidden"].metadata.nbgrader.points == 3
    written = cells["06-2-written"]
    assert written.cell_type == "markdown" and written.metadata.nbgrader.points == 2
    assert written.metadata.nbgrader.grade and written.metadata.nbgrader.solution, "nbgrader's manually graded answer"
    assert "Why is the diagonal 1" in cells["06-2-asked"].source and "2 more points" in cells["06-rules"].source
    assert settings(tmp_path / "none") == Settings()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[points]\n'06.2' = -1", "points that are no whole numbers"),
        ("[points]\n'99.1' = 1", "unknown exercises: 99.1"),
        ("[written]\n'06.2' = {points = 1}", "got 'question'"),
        ("[due]\na = 2026-11-02", "a due time that is no date and time"),
        ("[other]\na = 1", "unexpected keyword"),
        ("points", "got Expected '='"),
    ],
)
def test_other_settings_are_refused(text: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "points.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=why):
        settings(tmp_path)


def test_late_by_the_clock() -> None:
    due = datetime(2026, 11, 2, 10, tzinfo=UTC)
    hours = {"2026-11-02 10:00:00 UTC": 0, "2026-11-03 10:00:00 UTC": 1, "2026-11-03T11:59:59+02:00": 1, "soon": 0}
    assert {text: days_late(text, due) for text in hours} == hours
    assert days_late("2026-11-09", due) == 7 and days_late("2026-11-09", None) == days_late("", due) == 0
    assert penalty("10", 20, 18) == penalty("zero", 1, 18) == 18 and penalty("none", 9, 18) == penalty("10", 0, 18) == 0
    assert penalty("10", 2, 18) == 3.6
    for policy in ("a tenth", "101", "-1"):
        with pytest.raises(ValueError, match="expected none, zero or percent a day"):
            penalty(policy, 1, 18)


@pytest.mark.classroom
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("sandboxed")
def test_a_lecturer_s_week(beside: Path) -> None:
    """Own exercise, question in words, archive, roster, lateness, whom to ask, the form grader: command by command."""
    pytest.importorskip("nbgrader", reason="nbgrader is not installed here: make classroom")
    from nbgrader.api import Gradebook

    due, written = "20_grids = 2026-11-02T10:00:00", '"20.1" = {question = "Why?", points = 2}'
    text = f'[points]\n"20.1" = 5\n[written]\n{written}\n[due]\n{due}\n'
    (beside / "points.toml").write_text(text, encoding="utf-8")

    def run(*words: str) -> str:
        done = CliRunner().invoke(cli.app, ["classroom", words[0], str(beside), *words[1:]])
        assert done.exit_code == 0, done.output
        return done.output

    assert "20_grids: 10 points for 20.1" in run("release", "--only", "20")
    archive = beside / "all.zip"
    own = "def positions(height, width, stride):\n    return (height // stride) * (width // stride)"
    with zipfile.ZipFile(archive, "w") as file:
        for name, day, answer in (("Ada Lovelace_17", 2, own), ("Bob_18", 4, BY_LIBRARY)):
            notebook = nbformat.read(beside / "release" / "20_grids" / "20_grids.ipynb", as_version=4)
            cells = {cell.id: cell for cell in notebook.cells}
            cells["20-1-answer"].source = answer
            cells["20-1-written"].source = "<script>alert(1)</script>\n\nRows times columns."
            member = zipfile.ZipInfo(f"{name}_assignsubmission_file_/my work (1).ipynb", (2026, 11, day, 9, 0, 0))
            file.writestr(member, nbformat.writes(notebook))
    assert "Bob_18: 20_grids" in run("collect", "--zip", str(archive))
    roster = "Identifier,Full name,Grade\nParticipant 17,Ada Lovelace,\nParticipant 18,Bob,\nParticipant 19,Eve,\n"
    (beside / "roster.csv").write_text(roster, encoding="utf-8")
    run("grade", "--late", "10")

    with (beside / "grades" / "20_grids.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["Identifier"]: row for row in csv.DictReader(file)}
    shown = [(row["score"], row["days_late"], row["penalty"], row["Grade"]) for row in rows.values()]
    assert shown == [("10", "0", "0", "10"), ("10", "2", "2", "8"), ("", "", "", "")]
    assert rows["Participant 19"]["problem"] == "not handed in"
    assert rows["Participant 17"]["worth_a_look"] == ""
    assert rows["Participant 18"]["worth_a_look"].startswith("20.1 calls ")
    assert "affinity_matrix" in rows["Participant 18"]["worth_a_look"]
    page = next((beside / "feedback" / "Bob_18").rglob("*.html")).read_text(encoding="utf-8")
    assert rows["Participant 18"]["anonymous_id"] in page
    asked = (beside / "grades" / "20_grids_ask.csv").read_text(encoding="utf-8").splitlines()
    assert asked[1].startswith("Ada Lovelace_17,drawn by chance,") and asked[2].startswith("Bob_18,20.1 calls ")

    with Gradebook(f"sqlite:///{beside / 'gradebook.db'}", course_id="dsrl_lab") as book:
        written = book.find_grade("20-1-written", "20_grids", "20_grids", "Bob_18")
        assert written.needs_manual_grade and written.max_score == 2
        assert book.find_submission("20_grids", "Bob_18").late_submission_penalty == 2
        written.manual_score = 2
        book.db.commit()
    run("grade")
    with Gradebook(f"sqlite:///{beside / 'gradebook.db'}", course_id="dsrl_lab") as book:
        assert book.find_submission("20_grids", "Bob_18").score == 12, "a person's points stay"
        assert not book.find_submission("20_grids", "Bob_18").needs_manual_grade
    shown_cells = nbformat.read(beside / "autograded" / "Bob_18" / "20_grids" / "20_grids.ipynb", as_version=4).cells
    (text,) = (cell.source for cell in shown_cells if cell.id == "20-1-written")
    assert text.startswith("    <script>"), "as text, which no browser runs"


BY_LIBRARY = """
import torch
from dsrl_lab.affinity import affinity_matrix as mine

def positions(height, width, stride):
    return len(mine(torch.ones(1, 2, height // stride, width // stride))[0])
"""
