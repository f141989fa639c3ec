"""Exercises of notebook 08: pooled mIoU, a paired interval, the baseline at another's cost, choosing, verdicts.

Source: PASCAL VOC's IoU; Student's t; the rules of ``dsrl_lab.results``; some wrong answers were read in public code.
"""

import math
import statistics

import numpy as np
import torch
from torch import Tensor

from dsrl_lab.course.exercises.exercise import Case
from dsrl_lab.course.exercises.solutions.texts import exercise
from dsrl_lab.metrics.segmentation import pooled_iou


def pooled_miou(confusions: Tensor) -> Tensor:
    pooled = confusions.sum(0).float()
    right = pooled.diag()
    union = pooled.sum(0) + pooled.sum(1) - right
    return (right / union)[union > 0].mean()


def _draw_confusions(generator: torch.Generator) -> list[Case]:
    cases: list[Case] = []
    for pictures, classes in ((3, 5), (4, 6)):
        confusions = torch.randint(1, 30, (pictures, classes, classes), generator=generator)
        confusions += torch.diag_embed(torch.randint(20, 90, (pictures, classes), generator=generator))
        confusions[0] *= 6  # a picture with many pixels
        confusions[1:, 0], confusions[1:, :, 0] = 0, 0  # a class that one picture alone has
        confusions[:, 1], confusions[:, :, 1] = 0, 0
        confusions[0, 2, 1] = 1  # a class that is never there and predicted once
        confusions[:, -1], confusions[:, :, -1] = 0, 0  # a class that is nowhere
        cases.append((confusions,))
    return cases


def _ious(confusion: Tensor) -> Tensor:
    return pooled_iou(torch.stack([confusion.diag(), confusion.sum(0), confusion.sum(1)]))


POOLED = exercise(
    "08.1",
    difficulty=2,
    solution=pooled_miou,
    oracle=lambda confusions: _ious(confusions.sum(0)).nanmean(),
    draw=_draw_confusions,
    wrong_answers={
        "mean over pictures": lambda c: torch.stack([_ious(one).nanmean() for one in c]).mean(),
        "an absent class counts as 0": lambda c: _ious(c.sum(0)).nan_to_num(0).mean(),
        "an absent class counts as 1": lambda c: _ious(c.sum(0)).nan_to_num(1).mean(),
        "a class that is only predicted left out": lambda c: _ious(c.sum(0))[c.sum((0, 2)) > 0].mean(),
        "recall": lambda c: (c.sum(0).diag() / c.sum(0).sum(1)).nanmean(),
        "intersection counted twice": lambda c: (c.sum(0).diag() / (c.sum(0).sum(0) + c.sum(0).sum(1))).nanmean(),
    },
)


def paired_interval(baseline: Tensor, other: Tensor, t: float) -> Tensor:
    differences = other - baseline
    margin = t * differences.std() / len(differences) ** 0.5
    return torch.stack([differences.mean() - margin, differences.mean() + margin])


def _interval_by_statistics(baseline: Tensor, other: Tensor, t: float) -> list[float]:
    differences = [b - a for a, b in zip(baseline.double().tolist(), other.double().tolist(), strict=True)]
    mean, margin = statistics.fmean(differences), t * statistics.stdev(differences) / math.sqrt(len(differences))
    return [mean - margin, mean + margin]


def _draw_seeds(generator: torch.Generator) -> list[Case]:
    cases: list[Case] = []
    for count, t in ((3, 4.3027), (4, 3.1824), (5, 2.7764)):
        seeds = 50 + 3 * torch.randn(count, generator=generator)
        cases.append((seeds, seeds + 1 + 0.7 * torch.randn(count, generator=generator), t))
    return cases


def _around(mean: Tensor, margin: Tensor) -> Tensor:
    return torch.stack([mean - margin, mean + margin])


INTERVAL = exercise(
    "08.2",
    difficulty=2,
    solution=paired_interval,
    oracle=_interval_by_statistics,
    draw=_draw_seeds,
    wrong_answers={
        "unpaired": lambda a, b, t: _around(b.mean() - a.mean(), t * ((a.var() + b.var()) / len(a)).sqrt()),
        "spread of one run, not of the mean": lambda a, b, t: _around((b - a).mean(), t * (b - a).std()),
        "divided by n": lambda a, b, t: _around((b - a).mean(), t * (b - a).std(correction=0) / len(a) ** 0.5),
        "1.96 for any number of seeds": lambda a, b, t: _around((b - a).mean(), 1.96 * (b - a).std() / len(a) ** 0.5),
        "baseline minus row": lambda a, b, t: _around((a - b).mean(), t * (b - a).std() / len(a) ** 0.5),
    },
)


def baseline_at(macs: Tensor, scores: Tensor, budget: float) -> Tensor:
    right = int((macs >= budget).float().argmax())
    left = right - 1
    share = torch.log(budget / macs[left]) / torch.log(macs[right] / macs[left])
    return (1 - share) * scores[left] + share * scores[right]


def _by_doublings(macs: Tensor, scores: Tensor, budget: float) -> float:
    return float(np.interp(math.log2(budget), np.log2(macs.double().numpy()), scores.double().numpy()))


def _draw_sweeps(generator: torch.Generator) -> list[Case]:
    cases: list[Case] = []
    for size, gap in ((3, 1), (4, 0), (5, 2), (4, 1), (3, 1), (3, -1)):
        macs = 10 * 3.0 ** (torch.arange(size) + 0.3 * torch.rand(size, generator=generator))
        scores = 40 + 5 * torch.arange(size).float().sqrt() + torch.rand(size, generator=generator)
        share = (
            0.6 + 0.25 * float(torch.rand((), generator=generator)) if len(cases) < 4 else 1
        )  # at last a size itself
        cases.append((macs, scores, float(macs[gap] ** (1 - share) * macs[gap + 1] ** share)))
    return cases


def _straight(macs: Tensor, scores: Tensor, budget: float) -> Tensor:
    right = int((macs >= budget).float().argmax())
    share = (budget - macs[right - 1]) / (macs[right] - macs[right - 1])
    return (1 - share) * scores[right - 1] + share * scores[right]


AT_COST = exercise(
    "08.3",
    difficulty=2,
    solution=baseline_at,
    oracle=_by_doublings,
    draw=_draw_sweeps,
    wrong_answers={
        "straight over the cost itself": _straight,
        "the next cheaper size": lambda m, s, b: s[int((m >= b).float().argmax()) - 1],
        "the next costlier size": lambda m, s, b: s[int((m >= b).float().argmax())],
        "a line through the ends": lambda m, s, b: s[0] + (s[-1] - s[0]) * math.log(b / m[0]) / math.log(m[-1] / m[0]),
    },
)


def reported_gain(held_out: Tensor, val: Tensor) -> Tensor:
    chosen = 1 + held_out[1:].mean(1).argmax()
    return val[chosen].mean() - val[0].mean()


def _gain_by_sorting(held_out: Tensor, val: Tensor) -> float:
    means = sorted((statistics.fmean(row), number) for number, row in enumerate(held_out.tolist()) if number)
    return statistics.fmean(val[means[-1][1]].tolist()) - statistics.fmean(val[0].tolist())


def _draw_variants(generator: torch.Generator) -> list[Case]:
    """Held-out's best mean, its luckiest seed and val's best are three variants, none of them beside the other."""
    cases: list[Case] = []
    for seeds, (best, lucky, best_on_val), baseline in ((2, (3, 5, 1), 47), (3, (5, 1, 3), 40), (4, (3, 5, 1), 40)):
        noise = torch.rand(2, 6, seeds, generator=generator)
        held_out = 41 + noise[0]
        held_out[0] += baseline - 41  # once the baseline leads, and still is no variant
        held_out[best] += 4
        held_out[lucky] -= 4
        held_out[lucky, len(cases) % 2] += 11
        val = 52 + noise[1] + torch.arange(6)[:, None] / 5
        val[0] -= 2
        val[best_on_val] += 4
        cases.append((held_out, val))
    return cases


CHOOSING = exercise(
    "08.4",
    difficulty=2,
    solution=reported_gain,
    oracle=_gain_by_sorting,
    draw=_draw_variants,
    wrong_answers={
        "chosen on val": lambda h, v: v[1:].mean(1).max() - v[0].mean(),
        "the baseline may be chosen": lambda h, v: v[h.mean(1).argmax()].mean() - v[0].mean(),
        "the row above the chosen one": lambda h, v: v[h[1:].mean(1).argmax()].mean() - v[0].mean(),
        "held-out's gain reported": lambda h, v: h[1:].mean(1).max() - h[0].mean(),
        "chosen by its best seed": lambda h, v: v[1 + h[1:].max(1).values.argmax()].mean() - v[0].mean(),
        "its best seed reported": lambda h, v: v[1 + h[1:].mean(1).argmax()].max() - v[0].mean(),
        "best against best": lambda h, v: v[1 + h[1:].mean(1).argmax()].max() - v[0].max(),
    },
)


def verdict(low: float, high: float, size: float) -> int:
    if low > 0 and low >= size - 0.5:
        return 1
    return -1 if high < 0 or high < size - 0.5 else 0


def _by_places(low: float, high: float, size: float) -> int:
    """By where the two marks lie: zero, and the claimed size less the tolerance."""
    marks = (0.0, size - 0.5)
    beyond, short = all(mark <= low for mark in marks) and low != 0, any(mark > high for mark in marks)
    return int(beyond) - int(short)


def _draw_intervals(generator: torch.Generator) -> list[Case]:
    """All kinds in an order that is drawn too: no list of answers passes."""
    u = (0.25 + torch.rand(6, 2, generator=generator)).tolist()
    cases = [
        (1.5 + u[0][0], 3 + u[0][0] + u[0][1], 2.0),  # clear, and near the claimed size
        (1.4 + u[1][0] / 2, 4 + u[1][1], 3.0),  # above zero, and too wide to say whether as much
        (u[2][0], 0.5 + u[2][0] + u[2][1], 4.0),  # a gain, but a smaller one
        (-0.5 - u[3][0], 0.1 + u[3][1], 3.0),  # holds zero, ends below; mean below zero
        (-0.1 * u[4][0], 0.4 * u[4][1] + 0.2, 2.0),  # the same, mean above zero
        (-u[5][0], 3 + u[5][1], 2.0),  # holds zero and the claim
        (-2 - u[0][1], -u[1][1], 2.0),  # below zero
        (-0.75, -0.25, 0.25),  # below zero, near a small claim
        (1.5, 2.5, 2.0),  # ends that just suffice
        (-1.0, 1.5, 2.0),
        (0.0, 3.0, 0.5),
        (0.0, 0.75, 0.25),
        (-1.0, 0.0, 0.25),
        (0.125, 0.75, 0.25),
    ]
    return [cases[place] for place in torch.randperm(len(cases), generator=generator).tolist()]


RULE = exercise(
    "08.5",
    difficulty=1,
    solution=verdict,
    oracle=_by_places,
    draw=_draw_intervals,
    wrong_answers={
        "the sign of the mean": lambda low, high, size: 1 if low + high > 0 else -1,
        "undecided taken for contradicted": lambda low, high, size: 1 if low > 0 and low >= size - 0.5 else -1,
        "clear of zero is enough": lambda low, high, size: 1 if low > 0 else -1 if high < 0 or high < size - 0.5 else 0,
        "only an interval below zero contradicts": lambda low, high, size: (
            1 if low > 0 and low >= size - 0.5 else -1 if high < 0 else 0
        ),
        "touching the size is enough": lambda low, high, size: (
            1 if low > 0 and high >= size - 0.5 else -1 if high < max(0, size - 0.5) else 0
        ),
        "no tolerance": lambda low, high, size: 1 if low > 0 and low >= size else -1 if high < 0 or high < size else 0,
        "a lower end at zero counted as above it": lambda low, high, size: (
            1 if low >= max(0, size - 0.5) else -1 if high < max(0, size - 0.5) else 0
        ),
    },
)
EXERCISES = (POOLED, INTERVAL, AT_COST, CHOOSING, RULE)
