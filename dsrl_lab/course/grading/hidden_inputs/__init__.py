"""Hidden variants: inputs of another kind than the visible check draws. Only the grader's side has these files.

They are drawn in ``further_02`` to ``further_09``; an exercise without an entry there (one that a teacher has just
added) is tried a second time on fresh inputs of its own kind. Everything drawn is plain data, because it crosses into a
sandbox. Limits of memory are tested with inputs for which the kernel, and not our own code in the student's process,
says no.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch.nn import functional as F

from dsrl_lab.affinity import feature_affinity_loss
from dsrl_lab.course.exercises.bank import EXERCISES, find
from dsrl_lab.course.exercises.exercise import Answer, Case, Exercise
from dsrl_lab.course.exercises.judge import Verdict, judge
from dsrl_lab.course.grading.hidden_inputs import chapter_02 as further_02
from dsrl_lab.course.grading.hidden_inputs import chapter_03 as further_03
from dsrl_lab.course.grading.hidden_inputs import chapter_04 as further_04
from dsrl_lab.course.grading.hidden_inputs import chapter_05 as further_05
from dsrl_lab.course.grading.hidden_inputs import chapter_06 as further_06
from dsrl_lab.course.grading.hidden_inputs import chapter_07 as further_07
from dsrl_lab.course.grading.hidden_inputs import chapter_08 as further_08
from dsrl_lab.course.grading.hidden_inputs import chapter_09 as further_09

Draw = Callable[[torch.Generator], list[Case]]


def _very_long(g: torch.Generator) -> list[Case]:
    """At 16384 positions one whole matrix takes a GiB, which is what the sandbox allows for everything."""
    a, b = (F.normalize(torch.randn(2, 16384, generator=g), dim=0) for _ in range(2))
    return [(a, b, 128)]


def _tiled(a: torch.Tensor, b: torch.Tensor, rows: int) -> torch.Tensor:
    return feature_affinity_loss(a[None, :, None], b[None, :, None], q=1, method="tiled")


MODULES = (further_02, further_03, further_04, further_05, further_06, further_07, further_08, further_09)
DRAWS: dict[str, Draw] = {name: draw for module in MODULES for name, draw in module.DRAWS.items()}


def further(name: str) -> tuple[Exercise, ...]:
    """The exercise on inputs of other kinds; each is to be passed.

    Args:
        name: of the exercise, "06.2".

    Raises:
        ValueError: an unknown exercise.

    Example:
        >>> [len(exercise.draw(torch.Generator().manual_seed(0))) for exercise in further("06.5")]
        [3, 1]
    """
    exercise = find(name)
    variants = (replace(exercise, draw=DRAWS.get(name, exercise.draw)),)
    if name == "06.5":
        variants += (replace(exercise, draw=_very_long, oracle=_tiled, wrong_answers=()),)
    return variants


def check_further(name: str, answer: Answer, *, seed: int | None = None) -> Verdict:
    """Judge an answer on the hidden variants: the first that fails speaks.

    For the teacher's own notebooks; a student's answer is judged outside of the process that runs it.

    Args:
        name: of the exercise.
        answer: a function with the stub's signature.
        seed: repeats a check; fresh by default.

    Example:
        >>> check_further("06.1", find("06.1").solution).passed
        True
    """
    verdicts = [judge(exercise, answer, seed=seed) for exercise in further(name)]
    return next((verdict for verdict in verdicts if not verdict), verdicts[-1])


def unknown_draws() -> list[str]:
    """Entries that belong to no exercise.

    Example:
        >>> unknown_draws()
        []
    """
    return sorted(set(DRAWS) - set(EXERCISES))
