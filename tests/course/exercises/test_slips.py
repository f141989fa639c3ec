"""What is wrong does not pass: natural slips, and every small change of a solution that changes what it gives."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest

from dsrl_lab.course.exercises.bank import check, exercises
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
    "votes.argmax(1).masked_fill(votes.mean(1) == 0, 255)",
    "votes = F.one_hot(ids, num_classes + 2)[..., :num_classes].movedim(-1, 1)",
    "((a - b).square() + epsilon ** 2).sqrt().mean() for a, b in zip(scales, targets)]",
    "[side + 2 * max(side - dilation, 0) for side in (width, height)]",
    "height, width = features.shape[2:]",
    "return torch.stack(rows, dim=2)",
    "region(j, width)].mean((-1, -2)) for j in range(bins)], dim=-1) for i in range(bins)]",
    "region(j, width)].mean((2, -1)) for j in range(bins)], dim=-1) for i in range(bins)]",
    "seen = {1}",
    "seen = {-1}",
    "seen = {position - tap * dilation for position in seen for tap in (-1, 0, 1)}",
    "seen = {position + tap * dilation for position in seen for tap in (1, 0, -1)}",
    "positions = b.shape[1]",
    "total = b.new_zeros(())",
    "pooled = confusions.sum(0)",
    "right = int((macs > budget).float().argmax())",
    "chosen = 1 + held_out[1:].sum(1).argmax()",
    "error = (heatmaps - target).square().mean(dim=(3, 2))",
    "found = (pred - target).norm(dim=-1) <= alpha * torso[:, None]",
    "torso = (target[:, 9] - target[:, 2]).norm(dim=1)",
}
"""Ends of changed lines that change no result; annotations change none either."""
each_exercise = pytest.mark.parametrize("exercise", exercises().values(), ids=lambda exercise: exercise.name)


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
                assert change.endswith(tuple(HARMLESS)) or change.startswith("def "), change
    assert tried >= 3
