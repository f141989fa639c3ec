"""Exercises of notebook 08 about costs and verdicts: what the baseline reaches at another's price, and what to say.

Source: ours; the same rules as ``dsrl_lab.results.sweeps`` and ``dsrl_lab.results.verdicts``.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dsrl_lab.course.exercises.exercise import Case, Exercise, Hint, WrongAnswer

# 08.3


def baseline_at(macs: Tensor, scores: Tensor, budget: float) -> Tensor:
    """What the baseline would score if it might cost ``budget``.

    Between two of its input sizes the score runs straight over the logarithm of the
    cost.

    Args:
        macs: cost of the baseline at each input size, ascending.
        scores: its score there.
        budget: a cost between the first and the last, or one of them.

    Shape:
        - macs, scores: (sizes,)
        - output: ()

    Example:
        >>> baseline_at(torch.tensor([10.0, 40.0, 160.0]), torch.tensor([40.0, 50.0, 54.0]), 80.0)
        tensor(52.)
    """
    right = int((macs >= budget).float().argmax())
    left = right - 1
    share = torch.log(budget / macs[left]) / torch.log(macs[right] / macs[left])
    return (1 - share) * scores[left] + share * scores[right]


def _by_doublings(macs: Tensor, scores: Tensor, budget: float) -> float:
    import numpy as np

    return float(np.interp(math.log2(budget), np.log2(macs.double().numpy()), scores.double().numpy()))


def _draw_sweeps(generator: torch.Generator) -> list[Case]:
    cases: list[Case] = []
    for size in (3, 4, 5):
        macs = 10 * 3.0 ** (torch.arange(size) + 0.3 * torch.rand(size, generator=generator))
        scores = 40 + 5 * torch.arange(size).float().sqrt() + torch.rand(size, generator=generator)
        share = 0.6 + 0.25 * float(torch.rand((), generator=generator))
        budget = float(macs[1] ** (1 - share) * macs[2] ** share)
        cases.append((macs, scores, budget))
    return cases


def _straight(macs: Tensor, scores: Tensor, budget: float) -> Tensor:
    right = int((macs >= budget).float().argmax())
    share = (budget - macs[right - 1]) / (macs[right] - macs[right - 1])
    return (1 - share) * scores[right - 1] + share * scores[right]


AT_COST = Exercise(
    name="08.3",
    title="A fair opponent may spend as much",
    difficulty=2,
    importance=2,
    minutes=8,
    solution=baseline_at,
    oracle=_by_doublings,
    draw=_draw_sweeps,
    wrong_answers=(
        WrongAnswer(
            "straight over the cost itself",
            _straight,
            "You interpolated over MACs. Accuracy grows by about as much for each doubling, so between two sizes the "
            "straight line over the logarithm is the better guess; yours lies too low, and flatters DSRL.",
        ),
        WrongAnswer(
            "the next cheaper size",
            lambda m, s, b: s[int((m >= b).float().argmax()) - 1],
            "You took the largest size that the budget affords. DSRL then gets the rest of the budget as a present.",
        ),
        WrongAnswer(
            "the next dearer size",
            lambda m, s, b: s[int((m >= b).float().argmax())],
            "You took a baseline that costs more than the budget: unfair in the other direction.",
        ),
        WrongAnswer(
            "a line through the ends",
            lambda m, s, b: s[0] + (s[-1] - s[0]) * math.log(b / m[0]) / math.log(m[-1] / m[0]),
            "You drew one line from the smallest size to the largest. The curve bends; use the two sizes next to the "
            "budget.",
        ),
    ),
    hints=(
        Hint("Slightly too low", "What happens to accuracy when the cost doubles, and when it doubles again?"),
        Hint("One of the given scores", "Where between its two neighbours does the budget lie?"),
    ),
)

# 08.5


def verdict(low: float, high: float, wanted: float) -> int:
    """What an interval says of the claim "this part gains".

    1, it holds here: the interval lies above zero. -1, it does not: the interval lies
    below zero, or holds zero and ends below the gain that the paper reports. 0, not
    tested: the interval holds zero and the paper's gain. The ends belong to the interval.

    Args:
        low: end of the 95 % interval, in points.
        high: its other end.
        wanted: the paper's gain, in points; positive.

    Example:
        >>> verdict(0.4, 1.6, 2.0), verdict(-0.5, 0.9, 2.0), verdict(-1.0, 3.0, 2.0)
        (1, -1, 0)
    """
    if low > 0:
        return 1
    return -1 if high < wanted else 0


def _by_cases(low: float, high: float, wanted: float) -> int:
    holds_zero, holds_wanted = low <= 0 <= high, low <= wanted <= high
    if holds_zero and holds_wanted:
        return 0
    return 1 if low > 0 else -1


def _draw_intervals(generator: torch.Generator) -> list[Case]:
    u = (0.2 + torch.rand(5, 2, generator=generator)).tolist()
    return [
        (u[0][0], 0.5 + u[0][0] + u[0][1], 4.0),  # above zero, below the paper's
        (-0.5 - u[1][0], 0.1 + u[1][0], 2.0),  # holds zero, ends below the paper's; mean below zero
        (-2 - u[2][0] - u[2][1], -u[2][0], 2.0),  # below zero
        (-u[3][0], 3 + u[3][1], 2.0),  # holds both; mean above zero
        (-0.1 * u[4][0], 0.4 * u[4][1] + 0.2, 2.0),  # holds zero, mean above zero, ends below the paper's
    ]


RULE = Exercise(
    name="08.5",
    title="Holds, does not hold, or not tested: three answers, not two",
    difficulty=1,
    importance=3,
    minutes=5,
    solution=verdict,
    oracle=_by_cases,
    draw=_draw_intervals,
    wrong_answers=(
        WrongAnswer(
            "the sign of the mean",
            lambda low, high, wanted: 1 if low + high > 0 else -1,
            "You looked at the mean alone. Half of all parts that do nothing have a positive mean.",
        ),
        WrongAnswer(
            "not shown is shown not",
            lambda low, high, wanted: 1 if low > 0 else -1,
            "An interval that holds zero is not always a refutation: if it holds the paper's gain too, your seeds were "
            "too few to tell. Say 'not tested'.",
        ),
        WrongAnswer(
            "zero inside, so nothing is said",
            lambda low, high, wanted: 1 if low > 0 else -1 if high < 0 else 0,
            "An interval from -0.5 to 0.9 does say something against a claim of 2 points: that much is excluded.",
        ),
        WrongAnswer(
            "only the paper's own size counts",
            lambda low, high, wanted: 1 if low <= wanted <= high else -1,
            "The claim is that the part gains, on whatever pictures; its size on the paper's pictures is another "
            "matter. And an interval that holds the paper's gain may hold zero as well.",
        ),
    ),
    hints=(
        Hint("I have only two answers", "What if the interval holds both zero and the paper's number?"),
        Hint("Too many zeros", "Does an interval that ends below the paper's gain say nothing?"),
    ),
)

EXERCISES = (AT_COST, RULE)
