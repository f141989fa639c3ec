"""Exercises as data, for a student's copy and the grader: results looked up by the case's number, and no solutions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from dsrl_lab.course.exercises.calls import Answer, Case, Run
from dsrl_lab.course.exercises.exercise import Exercise, WrongAnswer
from dsrl_lab.course.exercises.judge import Result, as_result


class NumberedCase(tuple[Any, ...]):
    """A case that knows its place in the row, so that a recorded result can be found for it."""

    number: int

    @classmethod
    def row(cls, cases: Sequence[Case]) -> list[NumberedCase]:
        """Number cases from 0."""
        numbered = []
        for number, case in enumerate(cases):
            numbered.append(cls(case))
            numbered[-1].number = number
        return numbered


@dataclass(frozen=True)
class Recorded:
    """An answer known by its results, or by what it raised, one for each case."""

    results: tuple[Result | Exception, ...]

    def __call__(self, *arguments: Any) -> Any:
        """Refuse: there is no code to call."""
        raise TypeError("a recorded answer is looked up by its case's number; it cannot be called")


def replaying(run: Run) -> Run:
    """A ``run`` that looks recorded answers up and runs all others."""

    def replay(answer: Answer, case: Case) -> Any:
        if not isinstance(answer, Recorded):
            return run(answer, case)
        assert isinstance(case, NumberedCase)
        result = answer.results[case.number]
        if isinstance(result, Exception):
            raise result
        return result

    return replay


def results_of(exercise: Exercise, answer: Answer, cases: Sequence[Case]) -> Recorded:
    """Run an answer on cases and keep what it gives."""
    results: list[Result | Exception] = []
    for case in cases:
        try:
            results.append(as_result(exercise.run(answer, case)))
        except Exception as error:  # whatever an answer raises is its result
            results.append(error)
    return Recorded(tuple(results))


def record(exercise: Exercise, cases: Sequence[Case]) -> Exercise:
    """The exercise on these very cases, oracle and wrong answers recorded; those that raise on one are left out."""
    numbered = NumberedCase.row(cases)
    theirs = [(wrong, results_of(exercise, wrong.answer, numbered)) for wrong in exercise.wrong_answers]
    wrong_answers = tuple(
        WrongAnswer(wrong.name, recorded, wrong.diagnosis)
        for wrong, recorded in theirs
        if not any(isinstance(result, Exception) for result in recorded.results)
    )
    return replace(
        exercise,
        oracle=results_of(exercise, exercise.oracle, numbered),
        wrong_answers=wrong_answers,
        draw=lambda generator: list(numbered),
        run=replaying(exercise.run),
    )


Packed = Any
"""JSON in which {"tensor": 3} stands for the fourth of a list of tensors."""


def pack(value: Any, tensors: list[Tensor]) -> Packed:
    """Plain data as JSON, beside a list that gets its tensors; other values raise a ValueError."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    if type(value) is Tensor or isinstance(value, torch.nn.Parameter):
        tensors.append(value.detach().clone().contiguous())
        return {"tensor": len(tensors) - 1}
    if isinstance(value, torch.Size | tuple):
        return {"tuple": [pack(item, tensors) for item in value]}
    if type(value) is list:
        return {"list": [pack(item, tensors) for item in value]}
    if type(value) is dict and all(isinstance(key, str) for key in value):
        return {"dict": {key: pack(item, tensors) for key, item in value.items()}}
    raise ValueError(
        f"expected plain data (numbers, words, tensors, and lists, tuples, dicts of them), got {type(value).__name__}; "
        "let the exercise draw plain data"
    )


def unpack(packed: Packed, tensors: Sequence[Tensor]) -> Any:
    """The opposite of ``pack``; other JSON raises a ValueError."""
    if packed is None or isinstance(packed, bool | int | float | str):
        return packed
    if isinstance(packed, dict) and len(packed) == 1:
        ((kind, content),) = packed.items()
        if kind == "tensor" and type(content) is int and 0 <= content < len(tensors):
            return tensors[content]
        if kind in ("tuple", "list") and isinstance(content, list):
            return (tuple if kind == "tuple" else list)(unpack(item, tensors) for item in content)
        if kind == "dict" and isinstance(content, dict):
            return {key: unpack(item, tensors) for key, item in content.items()}
    raise ValueError(f"expected packed plain data, got {str(packed)[:60]!r}; it was not written by `pack`")
