"""What an exercise is: a solution that is shown last, an oracle that judges, and a bank of wrong answers.

The bank is how a check explains: an answer that is wrong in a known way gives, on the same fresh inputs, the very
numbers that the known wrong answer gives, and so earns its diagnosis. Each wrong answer is a real misconception, some
of them read in public code. The stub that a notebook shows is the solution's signature and docstring: one text.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

Answer = Callable[..., Any]
Case = tuple[Any, ...]
"""The arguments of one call."""


@dataclass(frozen=True)
class WrongAnswer:
    """A misconception as code.

    Attributes:
        name: of the misconception, in a few words.
        answer: what somebody who holds it would write.
        diagnosis: what the symptom means and where to look.
    """

    name: str
    answer: Answer
    diagnosis: str


@dataclass(frozen=True)
class Hint:
    """Help, found by what one sees.

    Attributes:
        symptom: what the reader sees.
        text: what to think about then.
    """

    symptom: str
    text: str


def call(answer: Answer, case: Case) -> Any:
    """Call an answer with copies of the case's tensors, so that it cannot change what others receive.

    Example:
        >>> x = torch.ones(2)
        >>> call(lambda tensor: tensor.zero_(), (x,)), x
        (tensor([0., 0.]), tensor([1., 1.]))
    """
    return answer(*(value.clone() if isinstance(value, Tensor) else value for value in case))


def draw_integer(generator: torch.Generator, low: int, high: int) -> int:
    """A whole number from ``low`` to ``high`` - 1.

    Example:
        >>> draw_integer(torch.Generator().manual_seed(0), 5, 6)
        5
    """
    return int(torch.randint(low, high, (), generator=generator))


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """One exercise of the series.

    Attributes:
        name: "06.2": notebook and number.
        title: what is to be done.
        difficulty: 1 easy, 2 some thought, 3 hard.
        importance: 1 aside, 2 useful, 3 the notebook's heart.
        minutes: that it takes.
        solution: a function whose signature and docstring are the stub.
        oracle: gives the right result, on another way than the solution.
        draw: fresh cases from a generator.
        wrong_answers: at least three.
        hints: by symptom.
        run: calls an answer with a case and gives what is compared; ``call`` unless more than the result counts.
    """

    name: str
    title: str
    difficulty: int
    importance: int
    minutes: int
    solution: Answer
    oracle: Answer
    draw: Callable[[torch.Generator], list[Case]]
    wrong_answers: tuple[WrongAnswer, ...]
    hints: tuple[Hint, ...]
    run: Callable[[Answer, Case], Any] = call

    @property
    def stub(self) -> str:
        """The solution without its body, to be filled by the reader."""
        lines, body = _split(self.solution)
        return "\n".join([*lines[:body], "    raise NotImplementedError"])

    @property
    def solution_text(self) -> str:
        """The solution's code, its docstring left out."""
        lines, body = _split(self.solution)
        return "\n".join([*lines[: _docstring(lines)], *lines[body:]])


def _function(lines: list[str]) -> ast.FunctionDef:
    function = ast.parse("\n".join(lines)).body[0]
    assert isinstance(function, ast.FunctionDef)
    return function


def _split(function: Answer) -> tuple[list[str], int]:
    """Lines of a function, and how many of them are signature and docstring."""
    lines = textwrap.dedent(inspect.getsource(function)).splitlines()
    end = _function(lines).body[0].end_lineno
    assert end is not None
    return lines, end


def _docstring(lines: list[str]) -> int:
    return _function(lines).body[0].lineno - 1
