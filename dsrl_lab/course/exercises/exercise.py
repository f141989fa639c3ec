"""What an exercise is: a solution that is shown last, an oracle that judges, and a bank of wrong answers.

An answer that is wrong in a known way gives the numbers of the known wrong answer on the same fresh inputs, and so gets
its diagnosis. Each wrong answer is a real misconception; some were read in public code.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass

import torch

from dsrl_lab.course.exercises.calls import Answer, Case, Run, call

__all__ = ["Answer", "Case", "Exercise", "Hint", "WrongAnswer", "call", "draw_integer"]


@dataclass(frozen=True)
class WrongAnswer:
    """A misconception as code.

    Attributes:
        name: of the misconception, in a few words.
        answer: what somebody who has it would write.
        diagnosis: what the symptom means and where to look.
    """

    name: str
    answer: Answer
    diagnosis: str


@dataclass(frozen=True)
class Hint:
    """Help, found by what the reader sees."""

    symptom: str
    text: str


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
        title: the insight, shown when the answer is right.
        difficulty: 1 easy, 2 some thought, 3 hard; its points in an assignment.
        solution: a function with the signature of the stub that the notebook shows.
        oracle: gives the right result in another way than the solution.
        draw: fresh cases from a generator, plain data that tells natural mistakes apart.
        wrong_answers: at least three.
        hints: by symptom.
        run: one of ``calls.CALLS``: calls an answer with a case and gives what is compared.
    """

    name: str
    title: str
    difficulty: int
    solution: Answer
    oracle: Answer
    draw: Callable[[torch.Generator], list[Case]]
    wrong_answers: tuple[WrongAnswer, ...]
    hints: tuple[Hint, ...]
    run: Run = call

    @property
    def stub(self) -> str:
        """Signature and docstring as the notebook's source shows them, with an open body.

        Raises:
            ValueError: there is no checkout with the notebook, or it does not show the exercise.
        """
        from dsrl_lab.experiments import REPOSITORY

        sources = sorted((REPOSITORY / "notebooks" / "src").glob(f"{self.name[:2]}_*.py"))
        asked = rf"^def {self.solution.__name__}\(.*?^    raise NotImplementedError$"
        for source in sources:
            if found := re.search(asked, source.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
                return found[0]
        raise ValueError(
            f"expected the stub of {self.name} in notebooks/src/{self.name[:2]}_*.py below {REPOSITORY}, found none; "
            "run from a checkout with the notebooks' sources"
        )

    @property
    def solution_text(self) -> str:
        """The solution's code."""
        return inspect.getsource(self.solution).rstrip()
