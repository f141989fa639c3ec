"""Hidden variants: inputs of another kind than the visible check draws. Only the grader's side has this file.

An exercise without an entry is tried a second time on fresh inputs of its own kind. Everything drawn here is plain
data, because it crosses into a sandbox. Limits of memory are tested with inputs for which the kernel, and not our own
code in the student's process, says no.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch.nn import functional as F

from dsrl_lab.affinity import affinity_matrix, feature_affinity_loss
from dsrl_lab.check.bank import EXERCISES, find
from dsrl_lab.check.exercise import Answer, Case, Exercise, draw_integer
from dsrl_lab.check.judge import Verdict, judge

Draw = Callable[[torch.Generator], list[Case]]


def _maps(g: torch.Generator) -> list[Case]:
    return [(torch.randn(n, c * s * s, h, w, generator=g), s) for n, c, s, h, w in ((1, 5, 4, 1, 6), (3, 2, 3, 5, 2))]


def _kernels(g: torch.Generator) -> list[Case]:
    return [(2, 5), (3, 7), (12, 5), (draw_integer(g, 13, 30), draw_integer(g, 5, 9))]


def _weights(g: torch.Generator) -> list[Case]:
    shapes = ((1, 4, 3, 1), (5, 2, 2, 3), (2, 2, 4, 3))
    return [(torch.randn(c * s * s, c_in, k, k, generator=g), s) for c, c_in, s, k in shapes]


def _filters(g: torch.Generator) -> list[Case]:
    return [(torch.randn(c, c_in, k, k, generator=g), s) for c, c_in, k, s in ((5, 1, 1, 4), (2, 7, 5, 3))]


def _layers(g: torch.Generator) -> list[Case]:
    return [(draw_integer(g, 17, 40), draw_integer(g, 41, 60), 1, 5, 1, 3), (9, draw_integer(g, 10, 20), 12, 7, 7, 4)]


def _sizes(g: torch.Generator) -> list[Case]:
    side = draw_integer(g, 5, 40)
    return [(side, side + 1, 1), (32 * side, 32 * (side + 3), 32), (3 * side, 3 * (side + 2), 3)]


def _features(g: torch.Generator) -> list[Case]:
    sparse = F.relu(torch.randn(2, 3, 4, 5, generator=g))
    sparse[:, :, :2, 1:3] = 0
    faint, strong = 0.05 * torch.randn(3, 6, 2, 5, generator=g), 200 * torch.randn(2, 4, 5, 3, generator=g)
    return [(sparse,), (faint,), (strong,), (torch.randn(4, 7, 1, 6, generator=g),)]


def _pairs(g: torch.Generator) -> list[Case]:
    def matrix(n: int, positions: int) -> torch.Tensor:
        return affinity_matrix(torch.randn(n, 2, 1, positions, generator=g))

    return [(matrix(n, p), matrix(n, p), q) for n, p, q in ((4, 2, 1), (2, 9, 2), (5, 3, 2), (1, 7, 1))]


def _strided(g: torch.Generator) -> list[Case]:
    shapes = ((3, 5, 3, 1, 4), (1, 2, 5, 4, 2))
    return [(torch.randn(n, c, h * s, w * s, generator=g) - 0.5, s) for n, c, s, h, w in shapes]


def _long(g: torch.Generator) -> list[Case]:
    cases: list[Case] = []
    for positions, rows in ((23, 5), (40, 7), (31, 2)):
        a, b = (F.normalize(torch.randn(c, positions, generator=g), dim=0) for c in (6, 2))
        cases.append((a, b, rows))
    return cases


def _very_long(g: torch.Generator) -> list[Case]:
    """At 16384 positions one whole matrix takes a GiB, which is what the sandbox allows for everything."""
    a, b = (F.normalize(torch.randn(2, 16384, generator=g), dim=0) for _ in range(2))
    return [(a, b, 128)]


def _tiled(a: torch.Tensor, b: torch.Tensor, rows: int) -> list[float]:
    return [float(feature_affinity_loss(a[None, :, None], b[None, :, None], q=1, method="tiled")), 0.0]


DRAWS: dict[str, Draw] = {
    "03.1": _maps,
    "03.2": _kernels,
    "03.3": _weights,
    "03.4": _filters,
    "03.5": _layers,
    "06.1": _sizes,
    "06.2": _features,
    "06.3": _pairs,
    "06.4": _strided,
    "06.5": _long,
}


def _without_matrix(exercise: Exercise) -> Exercise:
    def run(answer: Answer, case: Case) -> object:
        return answer(*case) if answer is _tiled else exercise.run(answer, case)

    return replace(exercise, draw=_very_long, oracle=_tiled, wrong_answers=(), run=run)


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
    return (*variants, _without_matrix(exercise)) if name == "06.5" else variants


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
