"""Exercises x wrong answers: every wrong answer is rejected by its own diagnosis, every solution passes."""

from __future__ import annotations

import ast
import doctest
import inspect
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from dsrl_lab.affinity import affinity_matrix
from dsrl_lab.course.exercises.bank import check, exercises, find, hint, solution, stub
from dsrl_lab.course.exercises.exercise import Exercise, WrongAnswer

SOURCES = Path(__file__).resolve().parents[3] / "notebooks" / "src"
PAIRS = [(exercise, wrong) for exercise in exercises().values() for wrong in exercise.wrong_answers]
each_exercise = pytest.mark.parametrize("exercise", exercises().values(), ids=lambda exercise: exercise.name)


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
    assert exercise.difficulty in (1, 2, 3)


@each_exercise
def test_the_stub_is_still_open(exercise: Exercise) -> None:
    names: dict[str, Any] = {"torch": torch, "Tensor": torch.Tensor}
    exec(compile(stub(exercise.name), "stub", "exec", dont_inherit=True), names)  # annotations are values, as in a cell
    shown = names[exercise.solution.__name__]
    assert "Still open" in check(exercise.name, shown).message
    assert inspect.signature(shown) == inspect.signature(exercise.solution)


@each_exercise
def test_the_examples_of_the_stub_hold_for_the_solution(exercise: Exercise) -> None:
    names = {"torch": torch, "F": F, exercise.solution.__name__: exercise.solution}
    (node,) = ast.parse(stub(exercise.name)).body
    assert isinstance(node, ast.FunctionDef)
    examples = doctest.DocTestParser().get_doctest(ast.get_docstring(node) or "", names, exercise.name, None, None)
    assert examples.examples
    said: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS).run(examples, out=said.append)
    assert said == []


@each_exercise
def test_the_notebook_asks_and_helps(exercise: Exercise) -> None:
    (source,) = SOURCES.glob(f"{exercise.name[:2]}_*.py")
    text = source.read_text(encoding="utf-8")
    answer = exercise.solution.__name__
    for call in (f'check("{exercise.name}", {answer})', f'hint("{exercise.name}")', f'solution("{exercise.name}")'):
        assert call in text


def test_a_stub_without_its_notebook_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dsrl_lab.files.REPOSITORY", tmp_path)
    with pytest.raises(ValueError, match=r"expected the stub of 06\.2 in notebooks/src/06_.* run from a checkout"):
        stub("06.2")


def test_an_unknown_exercise_is_refused_with_the_list() -> None:
    for ask in (find, hint, solution, stub):
        with pytest.raises(ValueError, match=r"unknown exercise '99\.1'; choose one of 01\.1"):
            ask("99.1")


def test_hints_and_solutions_are_folded_in_a_notebook_and_open_in_a_terminal() -> None:
    shown = solution("06.2")._repr_html_()
    assert shown.startswith("<details><summary>") and "<pre>" in shown and "&gt;" in shown
    assert "def affinity" in repr(solution("06.2"))
    assert re.findall("<summary>", hint("06.2")._repr_html_())
    both = hint("06.1") + solution("06.1")
    assert repr(both).startswith("Hint: My number is far too small\n") and "\n\nSolution of 06.1: " in repr(both)
