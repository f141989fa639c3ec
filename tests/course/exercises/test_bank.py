"""Exercises x wrong answers: every wrong answer is rejected by its own diagnosis, every solution passes."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from dsrl_lab.affinity import affinity_matrix
from dsrl_lab.course.exercises.bank import EXERCISES, check, find, hint, solution, stub, table
from dsrl_lab.course.exercises.exercise import Exercise, WrongAnswer

SOURCES = Path(__file__).resolve().parents[3] / "notebooks" / "src"
PAIRS = [(exercise, wrong) for exercise in EXERCISES.values() for wrong in exercise.wrong_answers]
each_exercise = pytest.mark.parametrize("exercise", EXERCISES.values(), ids=lambda exercise: exercise.name)


@pytest.mark.parametrize(("exercise", "wrong"), PAIRS, ids=[f"{e.name} {w.name}" for e, w in PAIRS])
def test_each_wrong_answer_is_rejected_by_its_own_diagnosis(exercise: Exercise, wrong: WrongAnswer) -> None:
    for seed in range(20):
        verdict = check(exercise.name, wrong.answer, seed=seed)
        assert not verdict.passed
        assert (verdict.known_as, verdict.message) == (wrong.name, wrong.diagnosis)


@each_exercise
def test_the_solution_passes_with_twenty_seeds(exercise: Exercise) -> None:
    for seed in range(20):
        assert check(exercise.name, exercise.solution, seed=seed), seed
    assert check(exercise.name, exercise.solution)


@each_exercise
def test_the_solution_as_shown_passes(exercise: Exercise) -> None:
    names: dict[str, Any] = {"torch": torch, "Tensor": torch.Tensor, "F": F, "affinity_matrix": affinity_matrix}
    exec(solution(exercise.name).parts[0][1], names)
    assert check(exercise.name, names[exercise.solution.__name__])


@each_exercise
def test_a_bank_is_large_enough_and_says_something(exercise: Exercise) -> None:
    assert len(exercise.wrong_answers) >= 3
    assert len({wrong.name for wrong in exercise.wrong_answers}) == len(exercise.wrong_answers)
    assert len({wrong.diagnosis for wrong in exercise.wrong_answers}) == len(exercise.wrong_answers)
    assert len(hint(exercise.name).parts) >= 2
    assert exercise.difficulty in (1, 2, 3) and exercise.importance in (1, 2, 3) and exercise.minutes > 0
    assert "Example" in (exercise.solution.__doc__ or "")


@each_exercise
def test_the_stub_is_still_open(exercise: Exercise) -> None:
    names: dict[str, Any] = {"torch": torch, "Tensor": torch.Tensor}
    exec(stub(exercise.name), names)
    assert "Still open" in check(exercise.name, names[exercise.solution.__name__]).message


@each_exercise
def test_the_notebook_shows_this_stub(exercise: Exercise) -> None:
    (source,) = SOURCES.glob(f"{exercise.name[:2]}_*.py")
    text = source.read_text(encoding="utf-8")
    tree = {node.name: node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)}
    shown = tree[exercise.solution.__name__]
    wanted = ast.parse(stub(exercise.name)).body[0]
    assert ast.dump(shown) == ast.dump(wanted)
    for call in (f'check("{exercise.name}", {shown.name})', f'hint("{exercise.name}")', f'solution("{exercise.name}")'):
        assert call.format(exercise.name, shown.name) in text


def test_the_table_holds_every_wrong_answer_under_its_own_name() -> None:
    rows = [line.strip("| ").split(" | ") for line in table().splitlines()[2:]]
    assert [row[0] for row in rows] == [exercise.name for exercise, _ in PAIRS]
    assert all(name == found for _, name, found in rows)


def test_an_unknown_exercise_is_refused_with_the_list() -> None:
    for ask in (find, hint, solution, stub):
        with pytest.raises(ValueError, match=r"unknown exercise '99\.1'; choose one of 01\.1"):
            ask("99.1")


def test_hints_and_solutions_are_folded_in_a_notebook_and_open_in_a_terminal() -> None:
    shown = solution("06.2")._repr_html_()
    assert shown.startswith("<details><summary>") and "<pre>" in shown and "&gt;" in shown
    assert "def affinity" in repr(solution("06.2"))
    assert re.findall("<summary>", hint("06.2")._repr_html_())
