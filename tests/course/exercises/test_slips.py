"""What is wrong does not pass: natural slips, and every small change of a solution that changes what it gives."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest

from dsrl_lab.course.exercises.bank import EXERCISES, check
from dsrl_lab.course.exercises.exercise import Exercise

from . import slips_01_03, slips_04_06, slips_07_08, slips_09_10
from .mutants import mutants

SLIPS: dict[str, dict[str, Callable[..., Any]]] = {
    **slips_01_03.SLIPS,
    **slips_04_06.SLIPS,
    **slips_07_08.SLIPS,
    **slips_09_10.SLIPS,
}
HARMLESS = {
    "01.2": {"votes.mean(1) == 0", "one_hot(ids, num_classes + 2)"},
    "02.3": {"zip(scales, targets)]"},
    "04.2": {"(width, height)]"},
    "04.3": {"features.shape[2:]", "stack(rows, dim=2)", "mean((-1, -2))", "mean((2, -1))"},
    "04.4": {"seen = {1}", "seen = {-1}", "position - tap", "(1, 0, -1)"},
    "06.5": {"positions = b.shape[1]", "total = b.new_zeros"},
    "07.3": {"dict[int, str]"},
    "07.5": {"dict[Tensor, str]", "dict[Tensor, str]) ->", "dict[Tensor"},
    "08.1": {"pooled = confusions.sum(0)"},
    "08.3": {"macs > budget"},
    "08.4": {"held_out[1:].sum(1)"},
    "09.3": {"dim=(3, 2)"},
    "09.4": {"torso[:, None]", "norm(dim=1)"},
    "09.5": {"of_mirrored.shape[1]"},
    "10.2": {"tuple[float, int]"},
}
"""Changes that change no result, by a part of the changed line."""
each_exercise = pytest.mark.parametrize("exercise", EXERCISES.values(), ids=lambda exercise: exercise.name)


@each_exercise
def test_natural_slips_do_not_pass(exercise: Exercise) -> None:
    known = 0
    for slip, answer in SLIPS[exercise.name].items():
        verdicts = [check(exercise.name, answer, seed=seed) for seed in range(4)]
        assert not any(verdicts), slip
        assert all(len(verdict.message) < 600 for verdict in verdicts), slip
        known += bool(verdicts[0].known_as)
    assert len(SLIPS[exercise.name]) - known >= 10, "ten slips that no table names"


@each_exercise
def test_a_solution_with_one_thing_changed_does_not_pass(exercise: Exercise) -> None:
    tried = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a complex learning rate, say
        for change, answer in mutants(exercise):
            tried += 1
            if check(exercise.name, answer, seed=0) and check(exercise.name, answer, seed=1):
                assert any(part in change for part in HARMLESS.get(exercise.name, ())), change
    assert tried >= 3
