"""Exercises of notebook 10: units of cost, a run on more GPUs, a loss over several processes.

Sources: HRNet's tables (multiply-adds over 2^30, called FLOPs), Goyal et al., "Accurate, Large Minibatch SGD" (2017,
the learning rate in proportion to the batch), and segmentation's ignored pixels, which processes share unequally.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dsrl_lab.course.exercises.exercise import Case, Exercise, Hint, WrongAnswer, draw_integer

# 10.1


def multiply_adds(stated: float, counts_two: bool, binary: bool) -> float:
    """Multiply-adds behind a number that a table states in "G".

    Args:
        stated: the table's number.
        counts_two: the table counts a multiply-add as two operations (FLOPs proper), not as one.
        binary: the table's G is 2^30, not 10^9.

    Example:
        >>> round(multiply_adds(7.12, counts_two=False, binary=True) / 1e9, 3)
        7.645
    """
    return stated * (2**30 if binary else 10**9) / (2 if counts_two else 1)


def _draw_units(generator: torch.Generator) -> list[Case]:
    values = (1 + 9 * torch.rand(4, generator=generator)).tolist()
    return [(value, two, binary) for value, (two, binary) in zip(values, _CASES, strict=True)]


_CASES = ((False, False), (True, False), (False, True), (True, True))

UNITS = Exercise(
    name="10.1",
    title="Two questions to every table: one or two operations, 10^9 or 2^30",
    difficulty=1,
    importance=2,
    minutes=4,
    solution=multiply_adds,
    oracle=lambda stated, two, binary: (
        sum([stated * math.prod([2] * 30 if binary else [10] * 9)]) * (0.5 if two else 1)
    ),
    draw=_draw_units,
    wrong_answers=(
        WrongAnswer(
            "FLOPs taken for multiply-adds",
            lambda stated, two, binary: stated * (2**30 if binary else 10**9),
            "A multiply-add is two operations. A table that counts both is halved; else its network looks twice as "
            "dear as yours, and half of all comparisons of the field turn on this.",
        ),
        WrongAnswer(
            "every G is 10^9",
            lambda stated, two, binary: stated * 10**9 / (2 if two else 1),
            "2^30 is 7.4 % more than 10^9. Small, but it is how HRNet's 7.645 becomes 7.12, and a claimed saving of "
            "7 % can be nothing else.",
        ),
        WrongAnswer(
            "doubled instead of halved",
            lambda stated, two, binary: stated * (2**30 if binary else 10**9) * (2 if two else 1),
            "If the table counts two for each, there are HALF as many multiply-adds as its number says.",
        ),
        WrongAnswer(
            "G taken the wrong way round",
            lambda stated, two, binary: stated * (10**9 if binary else 2**30) / (2 if two else 1),
            "binary=True means that the table divided by 2^30: multiply by it to come back.",
        ),
    ),
    hints=(
        Hint("Off by two", "How many operations is a * b + c?"),
        Hint("Off by 7 %", "2**30 = 1,073,741,824."),
    ),
)


# 10.2


def same_run(iterations: int, batch_size: int, learning_rate: float, new_batch_size: int) -> tuple[int, float]:
    """The same training with a larger batch: as many pictures, SGD's learning rate in proportion to the batch.

    Args:
        iterations: of the old run.
        batch_size: of the old run.
        learning_rate: of the old run.
        new_batch_size: a multiple of the old one that divides the number of pictures seen.

    Returns:
        Iterations and learning rate of the new run.

    Example:
        >>> same_run(90_000, 16, 0.01, 128)
        (11250, 0.08)
    """
    return iterations * batch_size // new_batch_size, learning_rate * new_batch_size / batch_size


def _draw_runs(generator: torch.Generator) -> list[Case]:
    cases: list[Case] = []
    for factor in (2, 8, 4):
        batch = draw_integer(generator, 3, 20)
        rate = 0.001 * draw_integer(generator, 1, 30)
        cases.append((factor * draw_integer(generator, 100, 900), batch, rate, factor * batch))
    return cases


def _pictures_first(iterations: int, batch_size: int, learning_rate: float, new_batch_size: int) -> list[float]:
    pictures, steps = iterations * batch_size, 0
    while steps * new_batch_size < pictures:
        steps += 1
    return [steps, learning_rate / batch_size * new_batch_size]


RUN = Exercise(
    name="10.2",
    title="As many pictures, fewer and larger steps",
    difficulty=1,
    importance=3,
    minutes=5,
    solution=same_run,
    oracle=_pictures_first,
    draw=_draw_runs,
    wrong_answers=(
        WrongAnswer(
            "iterations kept",
            lambda i, b, rate, new: (i, rate * new / b),
            "You kept the iterations, so the new run sees more pictures: its better score would be longer training and "
            "not DSRL. A re-implementation's stages were compared just so.",
        ),
        WrongAnswer(
            "learning rate kept",
            lambda i, b, rate, new: (i * b // new, rate),
            "Fewer steps of the same length do not get as far. With SGD a batch k times as large takes a step k times "
            "as long (and a warm-up, because the first steps are then too long).",
        ),
        WrongAnswer(
            "learning rate divided",
            lambda i, b, rate, new: (i * b // new, rate * b / new),
            "The other way round: the mean over a larger batch is a better direction, so one may go further along it.",
        ),
        WrongAnswer(
            "root of the factor",
            lambda i, b, rate, new: (i * b // new, rate * (new / b) ** 0.5),
            "The root is a rule for Adam-like optimizers. For SGD with momentum, which the paper uses, the rule in "
            "use is linear.",
        ),
        WrongAnswer(
            "more iterations for more GPUs",
            lambda i, b, rate, new: (i * new // b, rate * new / b),
            "You multiplied: the run would see the square of the factor too many pictures.",
        ),
    ),
    hints=(
        Hint("My number of pictures differs", "iterations x batch size is what both runs share."),
        Hint("My learning rate is off", "How many old steps does one new step stand for?"),
    ),
)


# 10.3


def loss_over_processes(sums: Tensor, counts: Tensor) -> Tensor:
    """The loss of the whole batch from what each process has: summed errors, and how many pixels were counted.

    Ignored pixels do not count, so the counts differ, and a process can have none at
    all.

    Shape:
        - sums, counts: (processes,)
        - output: ()

    Example:
        >>> loss_over_processes(torch.tensor([10.0, 3.0]), torch.tensor([10.0, 1.0]))
        tensor(1.1818)
    """
    return sums.sum() / counts.sum()


def _draw_shares(generator: torch.Generator) -> list[Case]:
    cases: list[Case] = []
    for processes in (2, 8):
        counts = torch.randint(1, 900, (processes,), generator=generator).float()
        counts[0] += 1000
        cases.append((counts * (0.3 + torch.rand(processes, generator=generator)), counts))
    sums, counts = cases[1][0].clone(), cases[1][1].clone()
    sums[3], counts[3] = 0.0, 0.0  # nothing but ignored pixels
    return [*cases, (sums, counts)]


SHARED = Exercise(
    name="10.3",
    title="Add up first, divide once",
    difficulty=2,
    importance=3,
    minutes=6,
    solution=loss_over_processes,
    oracle=lambda sums, counts: math.fsum(sums.double().tolist()) / math.fsum(counts.double().tolist()),
    draw=_draw_shares,
    wrong_answers=(
        WrongAnswer(
            "mean of means",
            lambda sums, counts: (sums / counts).mean(),
            "This is what DistributedDataParallel gives if each process divides by its own count: pixels of a nearly "
            "ignored picture weigh more, 8 GPUs train another loss than 1, and a process without any pixel gives NaN.",
        ),
        WrongAnswer(
            "mean of means, empty processes left out",
            lambda sums, counts: (sums / counts.clamp(min=1)).mean(),
            "NaN is gone, the bias is not: each process weighs the same, however few pixels it counted. Exchange the "
            "counts before you divide.",
        ),
        WrongAnswer(
            "divided by the number of processes",
            lambda sums, counts: sums.sum() / len(sums),
            "You divided the sum over all pixels by the number of GPUs: the loss grows with the picture's size and "
            "w1, w2 mean nothing any more.",
        ),
        WrongAnswer(
            "divided twice",
            lambda sums, counts: sums.sum() / counts.sum() / len(sums),
            "The counts are already those of all processes; dividing by their number once more shrinks the loss, and "
            "with it every step, by the number of GPUs.",
        ),
    ),
    hints=(
        Hint("NaN", "What is a mean over no pixel?"),
        Hint("Close, but not equal", "Whose pixels weigh more in a mean of means?"),
    ),
)


EXERCISES = (UNITS, RUN, SHARED)
