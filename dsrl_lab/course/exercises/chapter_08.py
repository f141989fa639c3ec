"""Exercises of notebook 08 about scores: pooled mIoU, a paired interval, and choosing without peeking.

Source: PASCAL VOC's intersection over union; Student's t for paired differences. The wrong answers about pictures'
means, absent classes, unpaired intervals and best seeds were read in public re-implementations and papers.
"""

from __future__ import annotations

import math
import statistics

import torch
from torch import Tensor

from dsrl_lab.course.exercises.exercise import Case, Exercise, Hint, WrongAnswer
from dsrl_lab.metrics.segmentation import SegmentationScore

# 08.1


def pooled_miou(confusions: Tensor) -> Tensor:
    """Mean IoU of a set from the confusion matrices of its pictures.

    Rows are true classes, columns predicted ones. A class that neither occurs nor is
    predicted in the whole set has no IoU and is left out of the mean.

    Shape:
        - confusions: (pictures, K, K) pixel counts
        - output: ()

    Example:
        >>> pooled_miou(torch.tensor([[[2, 0], [0, 0]], [[1, 1], [0, 4]]]))  # 3 / 4 and 4 / 5
        tensor(0.7750)
    """
    pooled = confusions.sum(0).float()
    right = pooled.diag()
    union = pooled.sum(0) + pooled.sum(1) - right
    return (right / union)[union > 0].mean()


def _by_the_kit(confusions: Tensor) -> float:
    score = SegmentationScore(confusions.shape[1])
    score.confusion = confusions.sum(0)
    return score.compute().miou


def _draw_confusions(generator: torch.Generator) -> list[Case]:
    cases: list[Case] = []
    for pictures, classes in ((3, 4), (4, 5)):
        confusions = torch.randint(1, 30, (pictures, classes, classes), generator=generator)
        confusions += torch.diag_embed(torch.randint(20, 90, (pictures, classes), generator=generator))
        confusions[0] *= 6  # a picture with many pixels
        confusions[1:, 0] = 0  # a class that one picture alone has
        confusions[1:, :, 0] = 0
        confusions[:, -1] = 0  # a class that is nowhere
        confusions[:, :, -1] = 0
        cases.append((confusions,))
    return cases


def _ious(confusion: Tensor) -> Tensor:
    right = confusion.diag().double()
    return right / (confusion.sum(0) + confusion.sum(1) - right)


POOLED = Exercise(
    name="08.1",
    title="Pool the pixels of the set, then take one IoU for each class",
    difficulty=2,
    importance=3,
    minutes=8,
    solution=pooled_miou,
    oracle=_by_the_kit,
    draw=_draw_confusions,
    wrong_answers=(
        WrongAnswer(
            "mean over pictures",
            lambda c: torch.stack([_ious(one).nanmean() for one in c]).mean(),
            "You took a mIoU for each picture and averaged those. A class that few pictures have then hardly counts, "
            "and the number compares with nobody's. Add the matrices up first.",
        ),
        WrongAnswer(
            "an absent class counts as 0",
            lambda c: _ious(c.sum(0)).nan_to_num(0).mean(),
            "A class that is nowhere in the set got IoU 0 and drags the mean down: with 11 classes by 9 points for "
            "each. 0 / 0 is no score; leave it out.",
        ),
        WrongAnswer(
            "an absent class counts as 1",
            lambda c: _ious(c.sum(0)).nan_to_num(1).mean(),
            "A class that is nowhere in the set got IoU 1, a present for every network. 0 / 0 is no score; leave it "
            "out.",
        ),
        WrongAnswer(
            "recall",
            lambda c: (c.sum(0).diag() / c.sum(0).sum(1)).nanmean(),
            "You divided by the true pixels alone: that is recall, and a network that calls everything road has 1 for "
            "road. The union also holds what was wrongly called so.",
        ),
        WrongAnswer(
            "intersection counted twice",
            lambda c: (c.sum(0).diag() / (c.sum(0).sum(0) + c.sum(0).sum(1))).nanmean(),
            "Rows and columns both hold the diagonal, so your union has it twice, and a perfect network scores 0.5. "
            "Take it away once.",
        ),
    ),
    hints=(
        Hint("Right for one picture", "When do you add the matrices up: before the division, or after?"),
        Hint("NaN", "Which class has an empty union?"),
    ),
)

# 08.2


def paired_interval(baseline: Tensor, other: Tensor, t: float) -> Tensor:
    """95 % interval of the mean difference, other - baseline, seed by seed.

    Half its width is t * s / sqrt(n), with s the standard deviation of the n
    differences (n - 1 in its denominator).

    Args:
        baseline: one score for each seed.
        other: of another row, with the same seeds in the same order.
        t: Student's quantile for n - 1 degrees of freedom, 4.303 for three seeds.

    Shape:
        - baseline, other: (n,)
        - output: (2,), low and high

    Example:
        >>> paired_interval(torch.tensor([50.0, 52.0]), torch.tensor([51.0, 55.0]), 12.706)
        tensor([-10.7060,  14.7060])
    """
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
    importance=3,
    minutes=8,
    solution=paired_interval,
    oracle=_interval_by_statistics,
    draw=_draw_seeds,
    wrong_answers=(
        WrongAnswer(
            "unpaired",
            lambda a, b, t: _around(b.mean() - a.mean(), t * ((a.var() + b.var()) / len(a)).sqrt()),
            "You added the spreads of both rows. Two runs of one seed saw the same pictures in the same order and go "
            "up and down together; subtract seed by seed, and that part cancels.",
        ),
        WrongAnswer(
            "spread of one run, not of the mean",
            lambda a, b, t: _around((b - a).mean(), t * (b - a).std()),
            "You left the square root of n out: that interval is for one further run, not for the mean of n.",
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
            "1.96 is the normal quantile, for a spread that is known. Three seeds hardly know theirs: t is 4.303, and "
            "your interval is less than half of what it should be.",
        ),
        WrongAnswer(
            "baseline minus row",
            lambda a, b, t: _around((a - b).mean(), t * (b - a).std() / len(a) ** 0.5),
            "The sign is turned: a gain is the row less its baseline.",
        ),
    ),
    hints=(
        Hint("Much too wide", "Do you subtract before you take the spread? Where is the square root of n?"),
        Hint("A little too short", "n or n - 1?"),
    ),
)

# 08.4


def reported_gain(held_out: Tensor, val: Tensor) -> Tensor:
    """The gain that may be reported after several variants were tried.

    The variant is the one with the best mean on the held-out part of the training
    pictures, row 0 (the baseline) left aside. Its gain is its mean on val less the
    baseline's mean on val.

    Shape:
        - held_out, val: (variants, seeds) scores, the baseline in row 0
        - output: ()

    Example:
        >>> held_out = torch.tensor([[40.0, 40.0], [41.0, 43.0], [44.0, 39.0]])
        >>> reported_gain(held_out, torch.tensor([[50.0, 50.0], [50.0, 52.0], [53.0, 53.0]]))
        tensor(1.)
    """
    chosen = 1 + held_out[1:].mean(1).argmax()
    return val[chosen].mean() - val[0].mean()


def _gain_by_sorting(held_out: Tensor, val: Tensor) -> float:
    means = sorted((statistics.fmean(row), number) for number, row in enumerate(held_out.tolist()) if number)
    return statistics.fmean(val[means[-1][1]].tolist()) - statistics.fmean(val[0].tolist())


def _draw_variants(generator: torch.Generator) -> list[Case]:
    """Val is best for variant 1, held-out's best mean is variant 2's, its best single seed variant 3's."""
    cases: list[Case] = []
    for seeds in (2, 3):
        noise = torch.rand(2, 4, seeds, generator=generator)
        held_out = torch.tensor([40.0, 41.0, 45.0, 42.0])[:, None] + noise[0]
        held_out[3, 0] = 49 - 3 * (seeds == 2)
        held_out[3, 1:] -= 4
        val = torch.tensor([50.0, 56.0, 52.0, 54.0])[:, None] + noise[1]
        cases.append((held_out, val))
    return cases


CHOOSING = Exercise(
    name="08.4",
    title="Choose on held-out pictures, report on val",
    difficulty=2,
    importance=3,
    minutes=8,
    solution=reported_gain,
    oracle=_gain_by_sorting,
    draw=_draw_variants,
    wrong_answers=(
        WrongAnswer(
            "chosen on val",
            lambda h, v: v[1:].mean(1).max() - v[0].mean(),
            "You chose the variant by val and reported val: the best of several noisy numbers is high even if all "
            "variants are equal. Choose where you do not report.",
        ),
        WrongAnswer(
            "held-out's gain reported",
            lambda h, v: h[1:].mean(1).max() - h[0].mean(),
            "Rightly chosen, but this is the number that it was chosen for, so it is too good. Report it on pictures "
            "that had no part in the choice.",
        ),
        WrongAnswer(
            "chosen by its best seed",
            lambda h, v: v[1 + h[1:].max(1).values.argmax()].mean() - v[0].mean(),
            "You chose the variant with the one luckiest run. The mean over seeds is what the next run will be near.",
        ),
        WrongAnswer(
            "its best seed reported",
            lambda h, v: v[1 + h[1:].mean(1).argmax()].max() - v[0].mean(),
            "The best seed against the baseline's mean: that is a gain even for a second baseline. Means against "
            "means, or better pairs.",
        ),
        WrongAnswer(
            "best against best",
            lambda h, v: v[1 + h[1:].mean(1).argmax()].max() - v[0].max(),
            "Best seed against best seed: fairer, but it throws the other runs away, and whoever trains more seeds "
            "wins. Take means.",
        ),
    ),
    hints=(
        Hint("Too good", "Which pictures chose, and which speak?"),
        Hint("Another variant than expected", "Mean over seeds, or one seed?"),
    ),
)

EXERCISES = (POOLED, INTERVAL, CHOOSING)
