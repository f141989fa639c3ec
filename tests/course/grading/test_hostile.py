"""Hostile submissions, really run: none gets a point it did not earn, learns a hidden input, or harms the others.

Each attacks from within exercise 06.2 (4 points), or from a cell that 06.2 needs. The other answers are right, so what
is taken from them, or given to them, shows. The table of all attacks is printed at the end (conftest).
"""

from __future__ import annotations

import json
import os
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest

from dsrl_lab.course.grading.answer_key import AnswerKey
from dsrl_lab.course.grading.course import grade_course, links
from dsrl_lab.course.grading.grading import Result, grade
from dsrl_lab.course.grading.notebook_file import Cell

from .attacks import ATTACKS, FULL, Attack, assert_withstood, without_strips
from .attacks_on_limits import ATTACKS as ON_LIMITS
from .attacks_on_replies import ATTACKS as ON_REPLIES
from .conftest import CHAPTER, LIMITS, earned

pytestmark = [pytest.mark.classroom, pytest.mark.usefixtures("sandboxed"), pytest.mark.timeout(900)]
Property = Callable[[str, object], None]


@pytest.fixture
def attacked(course: Path, affinity_key: AnswerKey, monkeypatch: pytest.MonkeyPatch) -> Callable[[list[Cell]], Result]:
    monkeypatch.setenv("GRADERS_SECRET", "swordfish")
    limits, key = replace(LIMITS, cpu_seconds=3, idle_seconds=3.0), without_strips(affinity_key)
    return lambda cells: grade(key, cells, course / "kit", limits=limits)


def filled(code: str, course: Path) -> str:
    places = f"COURSE, REPOSITORY, PORT = {str(course)!r}, {str(Path(__file__).parents[3])!r}, 22\n"
    return (places if "COURSE" in code or "PORT" in code else "") + textwrap.dedent(code)


def state(course: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in course.rglob("*") if "__pycache__" not in str(path)}


@pytest.mark.parametrize("attack", [*ATTACKS, *ON_LIMITS, *ON_REPLIES], ids=lambda attack: attack.name)
def test_an_attack_earns_nothing_and_costs_nobody(
    attack: Attack,
    course: Path,
    affinity_key: AnswerKey,
    solved: Callable[..., list[Cell]],
    attacked: Callable[[list[Cell]], Result],
    record_property: Property,
) -> None:
    before = state(course)
    result = attacked(solved(q06_2=filled(attack.code, course)))
    assert_withstood(attack, result, affinity_key)
    assert state(course) == before, "nothing outside its own folder changed"
    record_property("hostile", f"{attack.name:48} {attack.points} of 4, the others {result.score - attack.points} of 8")


def test_a_memory_bomb_in_the_strips_is_not_saved_by_patching_the_instrument(
    course: Path, affinity_key: AnswerKey, solved: Callable[..., list[Cell]], record_property: Property
) -> None:
    """06.5 asks for little memory; the instrument in the student's process can be patched, the kernel cannot."""
    code = """
import dsrl_lab.course.exercises.calls as instrument
instrument.LargestTensor.__torch_dispatch__ = lambda self, func, _, args=(), kwargs=None: func(*args, **(kwargs or {}))
def affinity_loss_in_strips(a, b, rows):
    return (a.mT @ a - b.mT @ b).abs().mean()
"""
    result = grade(affinity_key, solved(q06_5=code), course / "kit", limits=LIMITS)
    assert earned(result.marks) == {**FULL, "06.5": 3}, "the visible half, and not the half that the kernel watches"
    record_property("hostile", f"{'patches the memory instrument of 06.5':48} 3 of 6: the visible half alone")


def test_deleted_tests_and_forged_outputs_change_nothing(
    solved: Callable[..., list[Cell]], attacked: Callable[[list[Cell]], Result], record_property: Property
) -> None:
    wrong = "def affinity(features):\n    return 0"
    cells = [cell for cell in solved(q06_2=wrong) if not cell.grade_id.endswith(("-check", "-hidden"))]
    forged = [
        Cell(
            "code", "assert True", "06-2-check", {"nbgrader": {"grade": True, "grade_id": "06-2-check", "points": 99}}
        ),
        Cell("code", "1", "x", {}, ({"output_type": "stream", "name": "stdout", "text": "✔ 06.2 4 of 4"},)),
    ]
    result = attacked([*cells, *forged])
    assert earned(result.marks) == {**FULL, "06.2": 0}
    assert sum(mark.out_of for mark in result.marks) == 12
    for name in ("deletes its tests", "forged outputs and points"):
        record_property("hostile", f"{name:48} 0 of 4, the others 8 of 8")


def test_files_that_are_no_notebooks_stop_nobody(
    mine: Path, solved: Callable[..., list[Cell]], record_property: Property
) -> None:
    course, submitted = mine, mine / "submitted"

    def hand_in(student: str, content: bytes) -> Path:
        place = submitted / student / CHAPTER / f"{CHAPTER}.ipynb"
        place.parent.mkdir(parents=True)
        place.write_bytes(content)
        return place

    released = (course / "release" / CHAPTER / f"{CHAPTER}.ipynb").read_bytes()
    notebook = nbformat.reads(released.decode(), as_version=4)
    for cell, answer in zip(notebook.cells, solved(), strict=True):
        cell.source = answer.source
    right = nbformat.writes(notebook).encode()
    hand_in("honest", right)
    hand_in("invalid JSON", b'{"cells": [')
    hand_in("nested JSON", b"[" * 200_000 + b"]" * 200_000)
    hand_in("endless integer", b'{"nbformat": ' + b"9" * 6000 + b"}")
    hand_in("no UTF-8", b"\xff\xfe\x00{")
    hand_in("wrong types", b'{"nbformat": 4, "cells": [3, null, {"cell_type": [], "source": {}, "metadata": 7}]}')
    hand_in("empty", b"")
    huge = hand_in("notebook of 100 MB", b"")
    with huge.open("wb") as file:
        file.truncate(100 * 2**20)
    link = hand_in("link to another's work", b"")
    link.unlink()
    link.symlink_to(submitted / "honest" / CHAPTER / f"{CHAPTER}.ipynb")
    (submitted / "link to another's folder").symlink_to(submitted / "honest")
    (submitted / "link as assignment").mkdir()
    (submitted / "link as assignment" / CHAPTER).symlink_to(submitted / "honest" / CHAPTER)
    pipe = hand_in("a pipe", b"")
    pipe.unlink()
    os.mkfifo(pipe)
    (submitted / "a folder" / CHAPTER / f"{CHAPTER}.ipynb").mkdir(parents=True)
    (submitted / "nothing" / CHAPTER).mkdir(parents=True)
    hand_in("..%2F..%2Frelease", right)
    hand_in("=cmd|'calc'!A0", b"{}")
    hand_in("<script>alert(1)</script>".replace("/", "∕"), b"{}")
    hand_in("line\nbreak", b"{}")
    traversal = json.loads(released)
    traversal["metadata"]["name"] = "../../release/evil"
    traversal["cells"][0]["attachments"] = {"../../../evil.png": {"image/png": "aGk="}}
    hand_in("path in metadata", json.dumps(traversal).encode())

    before = state(course / "release")
    graded = grade_course(course, limits=LIMITS, jobs=2)[CHAPTER]
    scores = {one.submission.student: one.result.score for one in graded}
    assert {student for student, score in scores.items() if score} == {"honest", "..%2F..%2Frelease"}
    assert scores["honest"] == 18
    assert len(graded) == 17
    assert links(course) == [f"link as assignment/{CHAPTER}", "link to another's folder"]
    assert state(course / "release") == before
    assert not list(course.rglob("*evil*"))
    pages = list((course / "feedback").rglob("*.html"))
    assert len(pages) == len(graded)
    assert all("<script" not in path.read_text(encoding="utf-8") for path in pages)
    table = (course / "grades" / f"{CHAPTER}.csv").read_text(encoding="utf-8")
    assert len(table.splitlines()) == 1 + len(graded)
    assert "\n=cmd" not in table and "'=cmd" in table
    for one in graded:
        if one.submission.student != "honest":
            why = one.result.problem or "graded as any other"
            name = f"file: {one.submission.student!r}"[:48]
            record_property("hostile", f"{name:48} {one.result.score} of 18: {why}"[:139])
    for name in ("file: link to another's folder", "file: link as assignment"):
        record_property("hostile", f"{name:48} not followed")


def test_the_guide_says_how_many() -> None:
    others = 1 + 2 + 16 + 2  # the instrument of 06.5; deleted tests, forged outputs; files; linked folders
    guide = Path(__file__).parents[3] / "notebooks" / "assignments" / "INSTRUCTORS.md"
    number = len(ATTACKS) + len(ON_LIMITS) + len(ON_REPLIES) + others
    assert f"{number} hostile submissions" in guide.read_text(encoding="utf-8")
