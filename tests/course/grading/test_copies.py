"""A copy for each student: constants are known from the roster, and a copied or edited one gains nothing."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

from dsrl_lab.course.exercises.bank import find
from dsrl_lab.course.exercises.solutions.variants import variants
from dsrl_lab.course.grading.answer_key import AnswerKey, answer_key, draw_variants, with_variants
from dsrl_lab.course.grading.ask import write_asked
from dsrl_lab.course.grading.course import Graded, grade_course
from dsrl_lab.course.grading.grading import Mark, Result
from dsrl_lab.course.grading.handin import inspect_notebook, own_source, write_fixed
from dsrl_lab.course.grading.release import release

from .conftest import CHAPTER, LIMITS, REPOSITORY

HEADS = "05_sssr_head"
SIZE = """
def deconvolved_size(size, kernel_size, stride, padding, output_padding):
    ends = {dilation} * (kernel_size - 1) + 1
    return (size - 1) * stride + ends - 2 * padding + output_padding
"""
MACS = """
def head_macs(height, width, classes, blocks):
    macs = 0
    for block in range(blocks):
        macs += height * 2**block * width * 2**block * (classes * {side}) ** 2
    return macs
"""


def answers(own: list[str]) -> dict[str, str]:
    """A student's own answers to the exercises that vary, right for the constants of a copy."""
    dilation, side = (int(name.partition(":")[2]) for name in own)
    return {
        "05-1-answer": SIZE.format(dilation=(2, 3, 4, 5)[dilation]),
        "05-2-answer": MACS.format(side=(2, 5, 6, 7)[side]),
    }


@pytest.fixture(scope="session")
def copies(course: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course in which ada, bob and eve have copies of their own of 05, with other constants each."""
    mine = Path(shutil.copytree(course, tmp_path_factory.mktemp("copies") / "course"))
    (mine / "roster.txt").write_text("ada\nbob\neve\nfay\n", encoding="utf-8")
    folder = mine / "grades" / HEADS
    folder.mkdir(parents=True)
    (folder / "seed.txt").write_text("4", encoding="utf-8")
    release(mine, REPOSITORY, only=["05"], per_student=True)
    return mine


def copy_of(course: Path, student: str) -> Path:
    return course / "handout" / student / HEADS / f"{HEADS}.ipynb"


def hand_in(course: Path, student: str, sources: dict[str, str], change: Callable[[str], str] = str) -> None:
    notebook = nbformat.read(copy_of(course, student), as_version=4)
    for cell in notebook.cells:
        cell.source = change(sources.get(cell.id, cell.source))
    place = course / "submitted" / student / HEADS / f"{HEADS}.ipynb"
    place.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, place)


def test_two_copies_differ_where_they_should_and_nowhere_else(course: Path, copies: Path) -> None:
    drawn = json.loads((copies / "grades" / HEADS / "copies.json").read_text(encoding="utf-8"))
    assert list(drawn) == ["ada", "bob", "eve", "fay"]
    assert all(one != other for one, other in zip(drawn["ada"], drawn["bob"], strict=True)), drawn
    plain, ada, bob = (
        {cell.id: cell.source for cell in nbformat.read(path, as_version=4).cells}
        for path in (copies / "release" / HEADS / f"{HEADS}.ipynb", copy_of(copies, "ada"), copy_of(copies, "bob"))
    )
    differ = {"05-1-answer", "05-1-check", "05-2-answer", "05-2-check"}
    assert {name for name in ada if ada[name] != bob[name]} == differ
    assert {name for name in ada if ada[name] != plain[name]} == differ
    assert f'check("{drawn["ada"][0]}", deconvolved_size)' in ada["05-1-check"]
    assert f"In your copy ({drawn['ada'][0]})" in ada["05-1-answer"]
    for path in course.glob("release/*/*.ipynb"):  # without the option, all is as it was, to the letter
        again = copies / path.relative_to(course)
        assert again.read_bytes() == path.read_bytes() and not re.search(r"\d\d\.\d:\d", path.read_text("utf-8"))
    assert not (course / "handout").exists() and not list(course.glob("grades/*/copies.json"))
    assert set(released(copies)) - set(released(course)) > set(variants("05.1"))


@pytest.mark.slow
def test_a_later_release_keeps_copies_until_told_otherwise(copies: Path, tmp_path: Path) -> None:
    mine = Path(shutil.copytree(copies, tmp_path / "course"))
    before = copy_of(mine, "ada").read_bytes(), (mine / "grades" / HEADS / "copies.json").read_bytes()
    (mine / "roster.txt").write_text("gus\nada\n", encoding="utf-8")
    release(mine, REPOSITORY, only=["05", "06"])
    drawn = json.loads((mine / "grades" / HEADS / "copies.json").read_text(encoding="utf-8"))
    assert list(drawn) == ["gus", "ada"] and drawn["ada"] == json.loads(before[1])["ada"]
    assert copy_of(mine, "ada").read_bytes() == before[0]
    assert not (mine / "grades" / CHAPTER / "copies.json").exists()
    release(mine, REPOSITORY, only=["05"], per_student=False)
    assert not (mine / "grades" / HEADS / "copies.json").exists()


def released(course: Path) -> dict[str, object]:
    kit = course / "kit" / "dsrl_lab" / "course" / "exercises" / "released" / "exercises.json"
    found: dict[str, object] = json.loads(kit.read_text(encoding="utf-8"))
    return found


@pytest.mark.classroom
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("sandboxed")
def test_own_answers_get_all_points_and_another_s_are_named(copies: Path) -> None:
    drawn = json.loads((copies / "grades" / HEADS / "copies.json").read_text(encoding="utf-8"))
    hand_in(copies, "ada", answers(drawn["ada"]))
    hand_in(copies, "bob", answers(drawn["ada"]))  # copied

    def as_adas(text: str) -> str:  # copied, and the notebook's constants changed to hers
        for mine, hers in zip(drawn["eve"], drawn["ada"], strict=True):
            text = text.replace(mine, hers)
        return text

    hand_in(copies, "eve", answers(drawn["ada"]), as_adas)
    hand_in(copies, "fay", {name: find(name[:4].replace("-", ".")).solution_text for name in answers(drawn["ada"])})
    shutil.copytree(copies / "submitted" / "ada", copies / "submitted" / "guest")
    graded = {one.submission.student: one for one in grade_course(copies, only=["05"], limits=LIMITS, jobs=2)[HEADS]}

    def points(one: Graded) -> list[int]:
        return [mark.points for mark in one.result.marks[:2]]

    assert points(graded["ada"]) == [2, 4] and not graded["ada"].result.look
    for student in ("bob", "eve"):
        assert points(graded[student]) == [0, 0]
        look = [f"05.{n + 1} is right for another student's constant, {drawn['ada'][n]}" for n in range(2)]
        assert graded[student].result.look == look
        page = copies / "feedback" / student / HEADS / f"{HEADS}.html"
        assert "This is right for another student" in page.read_text(encoding="utf-8")
    assert [mark.known_as for mark in graded["fay"].result.marks[:2]] == ["without the copy's constant"] * 2
    assert "guest got no copy" in graded["guest"].result.fault, "and no zero"
    with (copies / "grades" / f"{HEADS}_ask.csv").open(encoding="utf-8", newline="") as file:
        why = {row["student"]: row["why"] for row in csv.DictReader(file)}
    assert "as in the copies of ada, 1 in all" in why["bob"] and "as in the copies of ada" in why["eve"]
    again = grade_course(copies, only=["05"], students=["ada", "bob"], limits=LIMITS)[HEADS]
    assert all(one.again for one in again if one.submission.student != "guest")


def test_a_copy_is_checked_against_itself_before_it_is_handed_in(copies: Path, tmp_path: Path) -> None:
    frame, mine = copies / "release" / HEADS / f"{HEADS}.ipynb", tmp_path / f"{HEADS}.ipynb"
    shutil.copy(copy_of(copies, "ada"), mine)
    look = inspect_notebook(mine, released=frame)
    assert not look.findings and "05.1" in look.open_answers
    notebook = nbformat.read(mine, as_version=4)
    before = next(cell.source for cell in notebook.cells if cell.id == "05-1-check")
    notebook.cells = [cell for cell in notebook.cells if cell.id != "05-1-check"]
    notebook.cells.append(nbformat.v4.new_markdown_cell("It began at 10.05:30, unlike 05.1:99."))
    nbformat.write(notebook, mine)
    write_fixed(mine, inspect_notebook(mine, released=frame))
    assert before in [cell.source for cell in nbformat.read(mine, as_version=4).cells]


def test_constants_are_drawn_by_seed_and_name_and_no_notebook() -> None:
    names = ["05.1", "05.3", "06.1"]
    drawn = [draw_variants(names, f"student{n}", seed=5) for n in range(40)]
    assert drawn == [draw_variants(names, f"student{n}", seed=5) for n in range(40)]
    assert {name for own in drawn for name in own} == {*variants("05.1"), *variants("06.1")}
    assert len({*drawn}) > 12 and drawn != [draw_variants(names, f"student{n}", seed=6) for n in range(40)]


def test_a_key_has_the_copy_s_inputs_and_cells(course: Path) -> None:
    key = answer_key(course / "release" / CHAPTER / f"{CHAPTER}.ipynb", seed=7)
    own = with_variants(key, ["06.1:0"], seed=7)
    assert own.digest != key.digest == with_variants(key, [], seed=7).digest
    assert [task.name for task in own.tasks] == [task.name for task in key.tasks]
    assert own.tasks[1:] == key.tasks[1:] and own.out_of == key.out_of
    assert find("06.1:0").stub in own.frame and find("06.1:0").stub not in key.frame
    assert any('check("06.1:0", affinity_bytes)' in source for source in own.never_run)
    assert own_source("06-2-check", 'check("06.2", affinity)', ["06.1:0"]) == 'check("06.2", affinity)'


def test_the_list_names_five_of_many(tmp_path: Path) -> None:
    look = ["06.1 is right for another student's constant, 06.1:2"]
    results = {"ada": Result(marks=[Mark("06.1", 0, 2, False, False, "", "")], look=look)}
    copies = {f"student{n}": [f"06.1:{n % 2 * 2}"] for n in range(14)}
    write_asked(tmp_path, AnswerKey("a", (), ()), results, copies, seed=5)
    assert "student1, student3, student5, student7, student9, 7 in all" in (tmp_path / "a_ask.csv").read_text("utf-8")


def test_copies_need_a_roster_and_a_folder_that_was_there_is_closed(tmp_path: Path) -> None:
    pytest.importorskip("nbgrader", reason="nbgrader is not installed here: make classroom")
    tmp_path.chmod(0o755)
    with pytest.raises(ValueError, match="expected the students of --per-student in roster.txt or roster.csv"):
        release(tmp_path, REPOSITORY, only=["05"], per_student=True)
    assert tmp_path.stat().st_mode & 0o777 == 0o700
