"""A small course, built once: release and kit from the notebooks' sources, inputs drawn, submissions as cells."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest

from dsrl_lab.course.exercises.bank import solution
from dsrl_lab.course.grading.answer_key import AnswerKey, answer_key
from dsrl_lab.course.grading.notebook_file import Cell
from dsrl_lab.course.grading.sandbox import Limits
from dsrl_lab.course.grading.walls import bubblewrap

REPOSITORY = Path(__file__).resolve().parents[3]
CHAPTER = "06_feature_affinity"
LIMITS = Limits(cpu_seconds=20)
"""Tighter than a teacher's, for tests that run into them."""


@pytest.fixture(scope="session")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course with all assignments, as `dsrl-lab classroom release` builds it; tests that change one take `mine`."""
    pytest.importorskip("nbgrader", reason="nbgrader is not installed here: make classroom")
    import fcntl

    from dsrl_lab.course.grading.release import release

    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "course"
    with folder.with_suffix(".lock").open("w") as lock:  # built once, whatever process comes first
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            release(folder.with_name("unfinished"), REPOSITORY)
            folder.with_name("unfinished").rename(folder)
    return folder


@pytest.fixture
def mine(course: Path, tmp_path: Path) -> Path:
    """A course of one's own without submissions, to be changed."""
    return Path(shutil.copytree(course, tmp_path / "course"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what each hostile submission got; DSRL_LAB_HOSTILE_TABLE names a file for it."""
    passed = terminalreporter.stats.get("passed", [])
    lines = sorted(text for report in passed for name, text in report.user_properties if name == "hostile")
    if lines:
        table = "\n".join([f"{len(lines)} hostile submissions, none got what it did not earn", *lines])
        terminalreporter.write_line(table)
        Path(os.environ.get("DSRL_LAB_HOSTILE_TABLE", os.devnull)).write_text(f"{table}\n", encoding="utf-8")


@pytest.fixture(scope="session")
def affinity_key(course: Path) -> AnswerKey:
    return answer_key(course / "release" / CHAPTER / f"{CHAPTER}.ipynb", seed=7)


@pytest.fixture(scope="session")
def sandboxed() -> None:
    if reason := bubblewrap():
        pytest.skip(f"no sandbox here: {reason}")


@pytest.fixture(scope="session")
def solved(affinity_key: AnswerKey) -> Callable[..., list[Cell]]:
    """Cells of a submission: the solutions, with some answers replaced."""

    def cells(**answers: str) -> list[Cell]:
        return [_answered(cell, answers) for cell in affinity_key.cells]

    return cells


def _answered(cell: Cell, answers: dict[str, str]) -> Cell:
    if not cell.grade_id.endswith("-answer"):
        return cell
    name = cell.grade_id.removesuffix("-answer").replace("-", ".")
    own = answers.get("q" + name.replace(".", "_"))
    return replace(cell, source=solution(name).parts[0].text if own is None else own)


def hand_in(course: Path, student: str, cells: list[Cell]) -> None:
    notebook = nbformat.read(course / "release" / CHAPTER / f"{CHAPTER}.ipynb", as_version=4)
    for cell, answer in zip(notebook.cells, cells, strict=True):
        cell.source = answer.source
    place = course / "submitted" / student / CHAPTER / f"{CHAPTER}.ipynb"
    place.parent.mkdir(parents=True)
    nbformat.write(notebook, place)


def earned(marks: Sequence[object]) -> dict[str, int]:
    """Points by exercise."""
    return {mark.question: mark.points for mark in marks}  # type: ignore[attr-defined]
