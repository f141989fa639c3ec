"""What copying, deleting and trying about does to a notebook is fixed or reported."""

from __future__ import annotations

import copy
import errno
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from typer.testing import CliRunner

from dsrl_lab import cli
from dsrl_lab.course.grading.assignment import source_version
from dsrl_lab.course.grading.handin import inspect_notebook, write_fixed
from dsrl_lab.course.grading.notebook_file import Unreadable

from .conftest import CHAPTER, REPOSITORY

Change = Callable[[list[dict[str, Any]]], None]


@pytest.fixture(scope="module")
def handed_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("released") / f"{CHAPTER}.ipynb"
    nbformat.write(source_version(REPOSITORY / "notebooks" / "src" / f"{CHAPTER}.py"), place)
    return place


@pytest.fixture
def mine(handed_out: Path, tmp_path: Path) -> Callable[[Change], Path]:
    def change(how: Change) -> Path:
        notebook = json.loads(handed_out.read_text(encoding="utf-8"))
        how(notebook["cells"])
        place = tmp_path / f"{CHAPTER}.ipynb"
        place.write_text(json.dumps(notebook), encoding="utf-8")
        return place

    return change


def at(cells: list[dict[str, Any]], name: str) -> int:
    return next(number for number, cell in enumerate(cells) if cell["id"] == name)


def the(cells: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return cells[at(cells, name)]


def paste_with_id(cells: list[dict[str, Any]]) -> None:
    twin = copy.deepcopy(the(cells, "06-2-answer"))
    twin["source"] = "def affinity(features):\n    return 1"
    cells.insert(at(cells, "06-2-answer") + 1, twin)


def paste_with_new_id(cells: list[dict[str, Any]]) -> None:
    cells.insert(at(cells, "06-2-hidden") + 1, {**copy.deepcopy(the(cells, "06-2-check")), "id": "fresh"})


def lose_ids(cells: list[dict[str, Any]]) -> None:
    for cell in cells:
        del cell["id"]


def lose_marks(cells: list[dict[str, Any]]) -> None:
    for cell in cells:
        cell["metadata"] = {}


def lose_one(cells: list[dict[str, Any]]) -> None:
    the(cells, "06-2-answer")["metadata"] = {}


def lose_both(cells: list[dict[str, Any]]) -> None:
    lose_marks(cells)
    for number, cell in enumerate(cells):
        cell["id"] = f"other{number}"


def turn_to_text(cells: list[dict[str, Any]]) -> None:
    for name in ("06-2-answer", "06-c04"):
        the(cells, name)["cell_type"] = "markdown"
        for key in ("outputs", "execution_count"):
            the(cells, name).pop(key)


def delete_checks(cells: list[dict[str, Any]]) -> None:
    cells[:] = [cell for cell in cells if not cell["id"].endswith(("-check", "-hidden"))]


def change_check(cells: list[dict[str, Any]]) -> None:
    the(cells, "06-2-check")["source"] = "assert True"


def raise_points(cells: list[dict[str, Any]]) -> None:
    the(cells, "06-2-check")["metadata"]["nbgrader"]["points"] = 100


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (paste_with_id, "2 cells are the answer to 06.2; cell 20 counts"),
        (paste_with_new_id, "2 cells are the check of 06.2"),
        (lose_ids, "cells have lost the ids that Jupyter gives them"),
        (lose_marks, "15 cells no longer count as answers and checks"),
        (lose_both, "15 cells no longer count as answers and checks"),
        (lose_one, "no longer counts as the answer to 06.2"),
        (turn_to_text, "is a text cell and was handed out as a code cell"),
        (delete_checks, "the check of 06.2 was deleted; it comes back as cell"),
        (change_check, "the check of 06.2 was changed"),
        (raise_points, "the points of the check of 06.2 were changed"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_it_is_reported_and_fixed(change: Change, said: str, mine: Callable[[Change], Path], handed_out: Path) -> None:
    place = mine(change)
    look = inspect_notebook(place, released=handed_out)
    assert said in "\n".join(finding.text for finding in look.findings if finding.fixable)
    before = place.read_bytes()
    assert write_fixed(place, look).read_bytes() == before
    again = inspect_notebook(place, released=handed_out)
    assert again.findings == ()
    nbformat.validate(nbformat.read(place, as_version=4))
    frame = [cell for cell in nbformat.read(handed_out, as_version=4).cells if "nbgrader" in cell.metadata]
    own = [cell for cell in nbformat.read(place, as_version=4).cells if "nbgrader" in cell.metadata]
    assert [(cell.id, cell.metadata.nbgrader) for cell in own] == [(cell.id, cell.metadata.nbgrader) for cell in frame]


def test_a_chinese_student_is_told_in_chinese(
    mine: Callable[[Change], Path], handed_out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSRL_LAB_LANGUAGE", "zh")
    for change in (paste_with_id, lose_ids, lose_marks, lose_one, turn_to_text, delete_checks, change_check):
        look = inspect_notebook(mine(change), released=handed_out)
        assert look.findings and all(re.search("[一-鿿]", finding.text) for finding in look.findings)
        assert not any(re.search(r"cell|answer|check", finding.text) for finding in look.findings)


def test_of_two_answers_the_last_that_was_worked_on_counts(mine: Callable[[Change], Path], handed_out: Path) -> None:
    look = inspect_notebook(mine(paste_with_id), released=handed_out)
    (answer,) = (cell for cell in look.notebook["cells"] if cell["id"] == "06-2-answer")
    assert answer["source"] == "def affinity(features):\n    return 1"


def first_to_last(cells: list[dict[str, Any]]) -> None:
    cells.append(cells.pop(at(cells, "06-c02")))  # the imports


def delete_helper(cells: list[dict[str, Any]]) -> None:
    the(cells, "06-2-answer")["source"] = "x = helper(3)"


def no_python(cells: list[dict[str, Any]]) -> None:
    the(cells, "06-2-answer")["source"] = "def affinity(:"


def delete_answer(cells: list[dict[str, Any]]) -> None:
    del cells[at(cells, "06-2-answer")]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (first_to_last, "uses torch, which cell "),
        (delete_helper, "uses helper, which no cell makes: it fails when the notebook is run from the top"),
        (no_python, "is not Python: "),
        (delete_answer, "the answer to 06.2 is missing; write it in cell"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_only_its_author_can_fix_is_reported(
    change: Change, said: str, mine: Callable[[Change], Path], handed_out: Path
) -> None:
    look = inspect_notebook(mine(change), released=handed_out)
    assert said in "\n".join(finding.text for finding in look.findings if not finding.fixable)


def test_what_is_right_is_not_reported(mine: Callable[[Change], Path], handed_out: Path) -> None:
    """A program that ends sources with an empty line, or an editor that removes it, changes no check."""

    def end_lines(cells: list[dict[str, Any]]) -> None:
        for cell in cells:
            cell["source"] = f"{''.join(cell['source'])}\n"

    assert inspect_notebook(mine(end_lines), released=handed_out).findings == ()
    every = inspect_notebook(mine(lose_ids), released=handed_out).findings
    assert len(every) == 1, "one line, not one for each cell"


def test_a_notebook_as_handed_out_is_in_order_and_all_its_answers_are_open(
    mine: Callable[[Change], Path], handed_out: Path
) -> None:
    look = inspect_notebook(mine(lambda cells: None), released=handed_out)
    assert look.findings == ()
    assert look.open_answers == ("06.1", "06.2", "06.3", "06.4", "06.5")


def test_strangers_are_refused(tmp_path: Path) -> None:
    place = tmp_path / "other.ipynb"
    place.write_text('{"nbformat": 4, "cells": [{"cell_type": "code", "source": "1"}]}', encoding="utf-8")
    with pytest.raises(ValueError, match="is like no assignment that was handed out"):
        inspect_notebook(place)
    for content, why in (('{"nbformat": 4, "cells": []}', "it has no cells"), ("", "the file holds nothing")):
        place.write_text(content, encoding="utf-8")
        with pytest.raises(ValueError, match=f"other.ipynb is empty: {why}"):
            inspect_notebook(place)
    place.write_text("{", encoding="utf-8")
    with pytest.raises(Unreadable, match="is not JSON"):
        inspect_notebook(place)


def test_the_command_fixes_only_with_fix(mine: Callable[[Change], Path], handed_out: Path) -> None:
    place = mine(change_check)
    arguments = ["classroom", "check", str(place), "--released", str(handed_out)]
    before = place.read_bytes()
    first = CliRunner().invoke(cli.app, arguments)
    assert first.exit_code == 1 and "--fix repairs: the check of 06.2 was changed" in first.output
    assert place.read_bytes() == before
    second = CliRunner().invoke(cli.app, [*arguments, "--fix"])
    assert second.exit_code == 0 and "ready to hand in" in second.output and "still open: 06.1" in second.output
    assert place.read_bytes() != before


def test_a_full_disk_leaves_no_half_copy_that_would_be_taken_for_the_old_file(
    mine: Callable[[Change], Path], handed_out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    place = mine(paste_with_id)
    before, look = place.read_bytes(), inspect_notebook(place, released=handed_out)
    with monkeypatch.context() as patched, pytest.raises(OSError, match="before_check.ipynb: the disk is full"):
        patched.setattr("dsrl_lab.files.os.fsync", full)
        write_fixed(place, look)
    assert [path.name for path in place.parent.iterdir()] == [place.name] and place.read_bytes() == before
    assert write_fixed(place, look).read_bytes() == before
