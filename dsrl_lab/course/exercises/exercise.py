"""What an exercise is: a solution, an oracle that judges, and misconceptions with their diagnoses."""

import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch

from dsrl_lab.course.exercises.calls import Answer, Case, Run, call

__all__ = ["Answer", "Case", "Exercise", "Hint", "WrongAnswer", "call", "draw_integer"]
SOURCES: list[Path] = []
"""Folders of notebooks' sources before the checkout's own."""


@dataclass(frozen=True)
class WrongAnswer:
    """A misconception as code: its name, what somebody who has it would write, what the symptom means."""

    name: str
    answer: Answer
    diagnosis: str


@dataclass(frozen=True)
class Hint:
    """Help, found by what the reader sees."""

    symptom: str
    text: str


def draw_integer(generator: torch.Generator, low: int, high: int) -> int:
    """A whole number from ``low`` to ``high`` - 1."""
    return int(torch.randint(low, high, (), generator=generator))


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """One exercise of the series."""

    name: str  # "06.2": notebook and number
    title: str  # the insight, shown when the answer is right
    difficulty: int  # 1 easy, 2 some thought, 3 hard; its points in an assignment
    solution: Answer  # with the signature of the stub that the notebook shows
    oracle: Answer  # gives the right result in another way than the solution
    draw: Callable[[torch.Generator], list[Case]]  # fresh cases, plain data that tells natural mistakes apart
    wrong_answers: tuple[WrongAnswer, ...]  # at least three
    hints: tuple[Hint, ...]
    run: Run = call  # one of ``calls.CALLS``: calls an answer with a case and gives what is compared
    texts: tuple[str, str] = ("", "")  # stub and solution, if no source has them
    fit: Callable[[Iterable[Case]], list[Case]] = list  # a variant's cases, from those drawn for its exercise

    @property
    def stub(self) -> str:
        """Signature and docstring as the notebook's source shows them; without that source, a ValueError."""
        from dsrl_lab.files import REPOSITORY

        if self.texts[0]:
            return self.texts[0]
        folders = (*SOURCES, REPOSITORY / "notebooks" / "src")
        sources = [path for folder in folders for path in sorted(folder.glob(f"{self.name[:2]}_*.py"))]
        asked = rf"^def {self.solution.__name__}\(.*?^    raise NotImplementedError$"
        for source in sources:
            if found := re.search(asked, source.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
                return found[0]
        raise ValueError(
            f"expected the stub of {self.name} in notebooks/src/{self.name[:2]}_*.py below {REPOSITORY}, or in a "
            "course's own/, found none; run from a checkout with the notebooks' sources"
        )

    @property
    def solution_text(self) -> str:
        """The solution's code, in a student's copy a line that says where it is."""
        return self.texts[1] or inspect.getsource(self.solution).rstrip()
