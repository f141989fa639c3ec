"""Hidden inputs of another kind, as plain data, which crosses into a sandbox; only the grader's side has them."""

from dataclasses import replace

import torch
from torch.nn import functional as F

from dsrl_lab.affinity import feature_affinity_loss
from dsrl_lab.course.exercises.bank import find
from dsrl_lab.course.exercises.calls import Answer, Case
from dsrl_lab.course.exercises.exercise import Exercise
from dsrl_lab.course.exercises.judge import Verdict, judge
from dsrl_lab.course.grading.hidden_inputs.draws import DRAWS


def _very_long(g: torch.Generator) -> list[Case]:
    a, b = (F.normalize(torch.randn(2, 16384, generator=g), dim=0) for _ in range(2))
    return [(a, b, 128)]  # one whole matrix takes a GiB, which is what the sandbox allows for everything


def _tiled(a: torch.Tensor, b: torch.Tensor, rows: int) -> torch.Tensor:
    return feature_affinity_loss(a[None, :, None], b[None, :, None], q=1, method="tiled")


def hidden_variants(name: str) -> tuple[Exercise, ...]:
    """The exercise on inputs of other kinds; each is to be passed. Raises ValueError for an unknown exercise."""
    exercise = find(name)
    draw = DRAWS.get(name.partition(":")[0], exercise.draw)
    variant = replace(exercise, draw=lambda generator: exercise.fit(draw(generator)))
    if name != "06.5":
        return (variant,)
    return (variant, replace(exercise, draw=_very_long, oracle=_tiled, wrong_answers=()))


def check_hidden(name: str, answer: Answer, *, seed: int | None = None) -> Verdict:
    """Judge an answer in the teacher's process: the verdict of the first hidden variant that fails."""
    verdicts = [judge(exercise, answer, seed=seed) for exercise in hidden_variants(name)]
    return next((verdict for verdict in verdicts if not verdict), verdicts[-1])
