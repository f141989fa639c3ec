"""Judging an answer: fresh inputs, an oracle, and a diagnosis that says what the symptom means.

No time limits: a slow computer is no mistake. Numbers are compared in float64 with a tolerance for the order of sums.
"""

from __future__ import annotations

import html
import re
import secrets
import traceback
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dsrl_lab.course.exercises.exercise import Answer, Exercise

RELATIVE, ABSOLUTE = 1e-4, 1e-5


@dataclass(frozen=True)
class Verdict:
    """What a check found. It is true if the answer is right, so that ``assert check(...)`` grades.

    Attributes:
        exercise: its name.
        passed: whether the answer is right.
        known_as: name of the wrong answer it was recognised as; "" if right or not recognised.
        message: the diagnosis.
        seed: that repeats this check.
    """

    exercise: str
    passed: bool
    known_as: str
    message: str
    seed: int

    def __bool__(self) -> bool:
        return self.passed

    def __repr__(self) -> str:
        return f"{self._head}\n{self.message}"

    @property
    def _head(self) -> str:
        sign = "✔" if self.passed else "✘"
        return f"{sign} {self.exercise}" + (f" · {self.known_as}" if self.known_as else "")

    def _repr_html_(self) -> str:
        color = "#009E73" if self.passed else "#D55E00"
        message = re.sub("`([^`]+)`", r"<code>\1</code>", html.escape(self.message))
        return (
            f'<div style="border-left:4px solid {color};padding:4px 12px;margin:4px 0">'
            f"<b>{html.escape(self._head)}</b><br>{message}</div>"
        )


@torch.random.fork_rng(devices=[])  # the reader's own draws go on as if nothing had been checked
def judge(exercise: Exercise, answer: Answer, *, seed: int | None = None) -> Verdict:
    """Try an answer on fresh inputs against the exercise's oracle.

    Args:
        exercise: what was asked.
        answer: a function with the stub's signature.
        seed: repeats a check; fresh by default.

    Raises:
        ValueError: the answer is no function.
    """
    if not callable(answer):
        raise ValueError(
            f"expected a function with the signature of {exercise.name}'s stub, got {type(answer).__name__}; "
            "pass the function itself, without calling it"
        )
    seed = secrets.randbelow(2**31) if seed is None else seed

    def verdict(message: str, *, known_as: str = "", passed: bool = False) -> Verdict:
        return Verdict(exercise.name, passed, known_as, message, seed)

    cases = exercise.draw(torch.Generator().manual_seed(seed))
    expected = [as_tensor(exercise.run(exercise.oracle, case)) for case in cases]
    got: list[Tensor] = []
    for case in cases:
        try:
            got.append(as_tensor(exercise.run(answer, case)))
        except NotImplementedError:
            return verdict(
                "Still open: write the body in place of `raise NotImplementedError`, then run the cell again."
            )
        except Exception as error:  # whatever the reader's code raises becomes a sentence
            return verdict(_raised(error, case))
    if all(map(_equal, got, expected)):
        inputs = "input" if len(cases) == 1 else "inputs"
        return verdict(f"Right, on {len(cases)} fresh {inputs}. {exercise.title}.", passed=True)
    for wrong in exercise.wrong_answers:
        theirs = [as_tensor(exercise.run(wrong.answer, case)) for case in cases]
        if all(map(_equal, got, theirs)):
            return verdict(wrong.diagnosis, known_as=wrong.name)
    first = next(i for i in range(len(cases)) if not _equal(got[i], expected[i]))
    return verdict(_difference(got[first], expected[first], cases[first]))


def as_tensor(value: Any) -> Tensor:
    """A result as float64 on the CPU, in the form in which results are compared.

    Raises:
        TypeError: the result is no number, no list of numbers and no tensor.

    Example:
        >>> as_tensor([1, 2])
        tensor([1., 2.], dtype=torch.float64)
    """
    try:
        tensor = value if isinstance(value, Tensor) else torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"the result is {type(value).__name__}, not a number, a list of numbers or a tensor") from error
    return tensor.detach().to("cpu", torch.float64)


def _equal(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and torch.allclose(a, b, RELATIVE, ABSOLUTE, equal_nan=True)


class RaisedElsewhere(Exception):  # noqa: N818 - it stands for any exception
    """An exception of an answer that ran in another process.

    Args:
        kind: name of its class.
        text: what it said.
        place: where, as " (line 3: x @ x)"; "" if unknown.
    """

    def __init__(self, kind: str, text: str, place: str = "") -> None:
        super().__init__(text)
        self.kind, self.place = kind, place


def _raised(error: Exception, case: tuple[Any, ...]) -> str:
    if isinstance(error, RaisedElsewhere):
        return f"{error.kind}: {error}{error.place}. The inputs were {_inputs(case)}."
    frames = traceback.extract_tb(error.__traceback__)
    place = f" (line {frames[-1].lineno}: {frames[-1].line})" if frames and frames[-1].line else ""
    return f"{type(error).__name__}: {error}{place}. The inputs were {_inputs(case)}."


def _difference(got: Tensor, expected: Tensor, case: tuple[Any, ...]) -> str:
    inputs = f" The inputs were {_inputs(case)}."
    if got.shape != expected.shape:
        return (
            f"The shape is {tuple(got.shape)}, expected {tuple(expected.shape)}: say aloud what each axis is." + inputs
        )
    if bool(got.isnan().any()) and not bool(expected.isnan().any()):
        return "There is NaN in the result: somewhere 0 is divided by 0, or infinity meets infinity." + inputs
    here = expected.abs() > ABSOLUTE
    ratios = got[here] / expected[here]
    if ratios.numel() and _equal(ratios, ratios.mean().expand_as(ratios)) and _equal(got[~here], expected[~here]):
        return (
            f"Everything is {float(ratios.mean()):.4g} times what it should be: a factor is missing or too many."
            + inputs
        )
    worst = int((got - expected).abs().argmax())
    place = [int(i) for i in torch.unravel_index(torch.tensor(worst), expected.shape)]
    wrong = int((got - expected).abs().gt(ABSOLUTE).sum())
    return (
        f"The shape is right, {wrong} of {expected.numel()} numbers are not; the worst "
        f" is at {place}: {float(got.flatten()[worst]):.4g}, expected {float(expected.flatten()[worst]):.4g}." + inputs
    )


def _inputs(case: tuple[Any, ...]) -> str:
    return ", ".join(f"a tensor {tuple(v.shape)}" if isinstance(v, Tensor) else repr(v) for v in case)
