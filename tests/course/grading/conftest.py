"""A small course, built once: release and kit from the notebooks' sources, papers drawn, submissions as cells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from dsrl_lab.course.exercises.bank import solution
from dsrl_lab.course.grading.notebook_file import Cell
from dsrl_lab.course.grading.paper import Paper, paper
from dsrl_lab.course.grading.sandbox import Limits, bubblewrap

REPOSITORY = Path(__file__).resolve().parents[3]
CHAPTER = "06_feature_affinity"
LIMITS = Limits(cpu_seconds=20)
"""Tighter than a teacher's, for tests that run into them."""


@pytest.fixture(scope="session")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course with all assignments, as `dsrl-lab classroom release` builds it."""
    pytest.importorskip("nbgrader", reason="nbgrader is not installed here: make classroom")
    from dsrl_lab.course.grading.release import release

    folder = tmp_path_factory.mktemp("course")
    release(folder, REPOSITORY)
    return folder


@pytest.fixture(scope="session")
def affinity_paper(course: Path) -> Paper:
    return paper(course / "release" / CHAPTER / f"{CHAPTER}.ipynb", seed=7)


@pytest.fixture(scope="session")
def sandboxed() -> None:
    if reason := bubblewrap():
        pytest.skip(f"no sandbox here: {reason}")


@pytest.fixture(scope="session")
def solved(affinity_paper: Paper) -> Callable[..., list[Cell]]:
    """Cells of a submission: the solutions, with some answers replaced."""

    def cells(**answers: str) -> list[Cell]:
        return [_answered(cell, answers) for cell in affinity_paper.cells]

    return cells


def _answered(cell: Cell, answers: dict[str, str]) -> Cell:
    if not cell.grade_id.endswith("-answer"):
        return cell
    name = cell.grade_id.removesuffix("-answer").replace("-", ".")
    own = answers.get("q" + name.replace(".", "_"))
    return replace(cell, source=solution(name).parts[0].text if own is None else own)


def earned(marks: Sequence[object]) -> dict[str, int]:
    """Points by exercise."""
    return {mark.question: mark.points for mark in marks}  # type: ignore[attr-defined]
