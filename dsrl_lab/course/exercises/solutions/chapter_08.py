"""Exercises of notebook 08: pooled mIoU, a paired interval, the baseline at another's cost, choosing, verdicts.

Source: PASCAL VOC's IoU; Student's t; the rules of ``dsrl_lab.results``; some wrong answers were read in public code.
"""

import math
import statistics

import numpy as np
import torch
from torch import Tensor

from dsrl_lab.course.exercises.exercise import Case, Exercise, Hint, WrongAnswer
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


POOLED = Exercise(
    name="08.1",
    title="Add up the pixels of the set, then take one IoU for each class",
    difficulty=2,
    solution=pooled_miou,
    oracle=lambda confusions: _ious(confusions.sum(0)).nanmean(),
    draw=_draw_confusions,
    wrong_answers=(
        WrongAnswer(
            "mean over pictures",
            lambda c: torch.stack([_ious(one).nanmean() for one in c]).mean(),
            "You took a mIoU for each picture and averaged those. A class that few pictures have then hardly counts, "
            "and no other mIoU can be compared with it. Add the matrices up first.",
        ),
        WrongAnswer(
            "an absent class counts as 0",
            lambda c: _ious(c.sum(0)).nan_to_num(0).mean(),
            "A class that is nowhere in the set got IoU 0 and lowers the mean: with 11 classes by 9 points for each. "
            "0 / 0 is no score; leave it out.",
        ),
        WrongAnswer(
            "an absent class counts as 1",
            lambda c: _ious(c.sum(0)).nan_to_num(1).mean(),
            "A class that is nowhere in the set got IoU 1, a gift for every network. 0 / 0 is no score; leave it out.",
        ),
        WrongAnswer(
            "a class that is only predicted left out",
            lambda c: _ious(c.sum(0))[c.sum((0, 2)) > 0].mean(),
            "You left out a class that is not there but IS predicted. Its union is not empty and its IoU is 0: wrong "
            "predictions must lower the mean.",
        ),
        WrongAnswer(
            "recall",
            lambda c: (c.sum(0).diag() / c.sum(0).sum(1)).nanmean(),
            "You divided by the true pixels alone: that is recall, and a network that predicts road everywhere has 1 "
            "for road. The union also holds the pixels that were wrongly predicted as the class.",
        ),
        WrongAnswer(
            "intersection counted twice",
            lambda c: (c.sum(0).diag() / (c.sum(0).sum(0) + c.sum(0).sum(1))).nanmean(),
            "Rows and columns both hold the diagonal, so your union has it twice, and a perfect network scores 0.5. "
            "Subtract it once.",
        ),
    ),
    hints=(
        Hint("Right for one picture", "When do you add the matrices up: before the division, or after?"),
        Hint("NaN", "Which class has an empty union?"),
    ),
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


INTERVAL = Exercise(
    name="08.2",
    title="Subtract first, then take the spread",
    difficulty=2,
    solution=paired_interval,
    oracle=_interval_by_statistics,
    draw=_draw_seeds,
    wrong_answers=(
        WrongAnswer(
            "unpaired",
            lambda a, b, t: _around(b.mean() - a.mean(), t * ((a.var() + b.var()) / len(a)).sqrt()),
            "You added the spreads of both rows. Two runs of one seed saw the same pictures in the same order and rise "
            "and fall together; subtract seed by seed, and that part cancels.",
        ),
        WrongAnswer(
            "spread of one run, not of the mean",
            lambda a, b, t: _around((b - a).mean(), t * (b - a).std()),
            "You left out the square root of n: that interval is for one further run, not for the mean of n.",
        ),
        WrongAnswer(
            "divided by n",
            lambda a, b, t: _around((b - a).mean(), t * (b - a).std(correction=0) / len(a) ** 0.5),
            "Your standard deviation divides by n. The mean was taken from the same few numbers, so n - 1 are free; "
            "with three seeds your interval is a fifth too short.",
        ),
        WrongAnswer(
            "1.96 for any number of seeds",
            lambda a, b, t: _around((b - a).mean(), 1.96 * (b - a).std() / len(a) ** 0.5),
            "1.96 is the normal quantile, for a known spread. Three seeds hardly know theirs: t is 4.303, and your "
            "interval is less than half of what it should be.",
        ),
        WrongAnswer(
            "baseline minus row",
            lambda a, b, t: _around((a - b).mean(), t * (b - a).std() / len(a) ** 0.5),
            "The sign is reversed: a gain is the row minus its baseline.",
        ),
    ),
    hints=(
        Hint("Much too wide", "Do you subtract before you take the spread? Where is the square root of n?"),
        Hint("A little too short", "n or n - 1?"),
    ),
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


AT_COST = Exercise(
    name="08.3",
    title="A fair baseline may cost as much",
    difficulty=2,
    solution=baseline_at,
    oracle=_by_doublings,
    draw=_draw_sweeps,
    wrong_answers=(
        WrongAnswer(
            "straight over the cost itself",
            _straight,
            "You interpolated over MACs. Accuracy grows by about as much for each doubling, so a straight line over "
            "the logarithm is the better guess; yours is too low, which favours DSRL.",
        ),
        WrongAnswer(
            "the next cheaper size",
            lambda m, s, b: s[int((m >= b).float().argmax()) - 1],
            "You took a size that costs less than the budget. DSRL then gets the rest of the budget for free.",
        ),
        WrongAnswer(
            "the next costlier size",
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


CHOOSING = Exercise(
    name="08.4",
    title="Choose on held-out pictures, report on val",
    difficulty=2,
    solution=reported_gain,
    oracle=_gain_by_sorting,
    draw=_draw_variants,
    wrong_answers=(
        WrongAnswer(
            "chosen on val",
            lambda h, v: v[1:].mean(1).max() - v[0].mean(),
            "You chose the variant on val and reported val: the best of several noisy numbers is high even if all "
            "variants are equal. Choose where you do not report.",
        ),
        WrongAnswer(
            "the baseline may be chosen",
            lambda h, v: v[h.mean(1).argmax()].mean() - v[0].mean(),
            "Where the baseline leads on the held-out part you chose it and reported a gain of 0. Row 0 is no variant: "
            "leave it out of the choice.",
        ),
        WrongAnswer(
            "the row above the chosen one",
            lambda h, v: v[h[1:].mean(1).argmax()].mean() - v[0].mean(),
            "Off by one: argmax over rows 1, 2, ... counts them from 0. Add 1 before you use it as a row of val.",
        ),
        WrongAnswer(
            "held-out's gain reported",
            lambda h, v: h[1:].mean(1).max() - h[0].mean(),
            "Rightly chosen, but this is the number that decided the choice, so it is too good. Report on pictures "
            "that had no part in it.",
        ),
        WrongAnswer(
            "chosen by its best seed",
            lambda h, v: v[1 + h[1:].max(1).values.argmax()].mean() - v[0].mean(),
            "You chose the variant with the one luckiest run. The mean over seeds is what the next run will be near.",
        ),
        WrongAnswer(
            "its best seed reported",
            lambda h, v: v[1 + h[1:].mean(1).argmax()].max() - v[0].mean(),
            "The best seed against the baseline's mean: even a second baseline would gain. Compare means with means.",
        ),
        WrongAnswer(
            "best against best",
            lambda h, v: v[1 + h[1:].mean(1).argmax()].max() - v[0].max(),
            "Best seed against best seed ignores the other runs, and whoever trains more seeds wins. Take means.",
        ),
    ),
    hints=(
        Hint("Too good", "Which pictures decide the choice, and which give the number?"),
        Hint("Another variant than expected", "Mean over seeds, or one seed? Which row does argmax count as 0?"),
    ),
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


RULE = Exercise(
    name="08.5",
    title="Supported, contradicted, undecided: three answers, not two",
    difficulty=1,
    solution=verdict,
    oracle=_by_places,
    draw=_draw_intervals,
    wrong_answers=(
        WrongAnswer(
            "the sign of the mean",
            lambda low, high, size: 1 if low + high > 0 else -1,
            "You looked at the mean alone. Half of all parts that do nothing have a positive mean.",
        ),
        WrongAnswer(
            "undecided taken for contradicted",
            lambda low, high, size: 1 if low > 0 and low >= size - 0.5 else -1,
            "Not supported is not yet contradicted. An interval that still holds the claimed size leaves the claim "
            "open: answer 0, undecided.",
        ),
        WrongAnswer(
            "clear of zero is enough",
            lambda low, high, size: 1 if low > 0 else -1 if high < 0 or high < size - 0.5 else 0,
            "An interval above zero supports *a* gain. The claim names a size: 0.4 to 1.6 does not support 4 points.",
        ),
        WrongAnswer(
            "only an interval below zero contradicts",
            lambda low, high, size: 1 if low > 0 and low >= size - 0.5 else -1 if high < 0 else 0,
            "An interval from -0.5 to 0.9 does answer a claim of 2 points: so large a gain is excluded.",
        ),
        WrongAnswer(
            "touching the size is enough",
            lambda low, high, size: 1 if low > 0 and high >= size - 0.5 else -1 if high < max(0, size - 0.5) else 0,
            "Your interval touches the claimed size, but most of it may lie below. The lower end must reach the size "
            "less 0.5.",
        ),
        WrongAnswer(
            "no tolerance",
            lambda low, high, size: 1 if low > 0 and low >= size else -1 if high < 0 or high < size else 0,
            "You compared with the size itself. Half a point is the smallest difference of interest: compare with the "
            "size less 0.5.",
        ),
        WrongAnswer(
            "a lower end at zero counted as above it",
            lambda low, high, size: 1 if low >= max(0, size - 0.5) else -1 if high < max(0, size - 0.5) else 0,
            "The ends belong to the interval: one that begins at 0 holds zero.",
        ),
    ),
    hints=(
        Hint("I have only two answers", "What if the interval holds both zero and the claimed size?"),
        Hint("Wrong for small claims", "With a claim of 0.25, size - 0.5 lies below zero. What must hold besides?"),
        Hint("Wrong at an end", "Which comparisons include equality? Read the docstring once more."),
    ),
)
EXERCISES = (POOLED, INTERVAL, AT_COST, CHOOSING, RULE)
