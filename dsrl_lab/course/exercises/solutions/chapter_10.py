"""Notebook 10: HRNet's units of cost (2^30), batch and learning rate (Goyal et al. 2017), a loss over processes."""

import torch
from torch import Tensor

from dsrl_lab.course.exercises.calls import call_for_loss
from dsrl_lab.course.exercises.exercise import Case, Exercise, Hint, WrongAnswer, draw_integer


def multiply_adds(stated: float, counts_two: bool, binary: bool) -> float:
    return stated * (2**30 if binary else 10**9) / (2 if counts_two else 1)


def _draw_units(generator: torch.Generator) -> list[Case]:
    values = (1 + 9 * torch.rand(4, generator=generator)).tolist()
    return [(value, two, binary) for value, (two, binary) in zip(values, _CASES, strict=True)]


_CASES = ((False, False), (True, False), (False, True), (True, True))

UNITS = Exercise(
    name="10.1",
    title="Two questions to every table: one or two operations, 10^9 or 2^30",
    difficulty=1,
    solution=multiply_adds,
    oracle=lambda stated, two, binary: (
        stated
        * {(False, False): 1e9, (True, False): 5e8, (False, True): 1073741824, (True, True): 536870912}[two, binary]
    ),
    draw=_draw_units,
    wrong_answers=(
        WrongAnswer(
            "FLOPs taken for multiply-adds",
            lambda stated, two, binary: stated * (2**30 if binary else 10**9),
            "A multiply-add is two operations. Halve a table that counts both, or its network looks twice as costly as "
            "yours. Many comparisons of the field go wrong here.",
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
            "If the table counts two for each, there are HALF as many multiply-adds as its number.",
        ),
        WrongAnswer(
            "G taken the wrong way round",
            lambda stated, two, binary: stated * (10**9 if binary else 2**30) / (2 if two else 1),
            "binary=True means that the table divided by 2^30: multiply by it to come back.",
        ),
    ),
    hints=(Hint("Off by two", "How many operations is a * b + c?"), Hint("Off by 7 %", "2**30 = 1,073,741,824.")),
)


def same_run(iterations: int, batch_size: int, learning_rate: float, new_batch_size: int) -> tuple[int, float]:
    return iterations * batch_size // new_batch_size, learning_rate * new_batch_size / batch_size


def _draw_runs(generator: torch.Generator) -> list[Case]:
    cases: list[Case] = []
    for factor in (2, 8, 4):
        batch = draw_integer(generator, 3, 20)
        rate = 0.01 * draw_integer(generator, 1, 30)
        cases.append((factor * draw_integer(generator, 100, 900), batch, rate, factor * batch))
    return [*cases, (300, 4, 0.02, 6)]  # a multiple and a half


def _pictures_first(iterations: int, batch_size: int, learning_rate: float, new_batch_size: int) -> list[float]:
    pictures, steps = iterations * batch_size, 0
    while steps * new_batch_size < pictures:
        steps += 1
    return [steps, learning_rate / batch_size * new_batch_size]


RUN = Exercise(
    name="10.2",
    title="As many pictures, fewer and larger steps",
    difficulty=1,
    solution=same_run,
    oracle=_pictures_first,
    draw=_draw_runs,
    wrong_answers=(
        WrongAnswer(
            "iterations kept",
            lambda i, b, rate, new: (i, rate * new / b),
            "You kept the iterations, so the new run sees more pictures: a better score would come from longer "
            "training. A re-implementation's stages were compared in this way.",
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
            "The other way round: the mean over a larger batch is a better direction, so a step may be longer.",
        ),
        WrongAnswer(
            "root of the factor",
            lambda i, b, rate, new: (i * b // new, rate * (new / b) ** 0.5),
            "The root is a rule for Adam-like optimizers. For SGD with momentum, which the paper uses, the usual rule "
            "is linear.",
        ),
        WrongAnswer(
            "more iterations for more GPUs",
            lambda i, b, rate, new: (i * new // b, rate * new / b),
            "You multiplied: the run would see too many pictures, by the square of the factor.",
        ),
    ),
    hints=(
        Hint("My number of pictures differs", "iterations x batch size is what both runs share."),
        Hint("My learning rate is off", "How many old steps does one new step replace?"),
    ),
)


def loss_over_processes(sums: Tensor, counts: Tensor) -> Tensor:
    return sums.sum() / counts.sum()


def _draw_processes(generator: torch.Generator) -> list[Case]:
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
    solution=loss_over_processes,
    oracle=lambda sums, counts: sum((sums.double() / float(counts.double().sum())).unbind()),
    draw=_draw_processes,
    run=call_for_loss,
    wrong_answers=(
        WrongAnswer(
            "mean of means",
            lambda sums, counts: (sums / counts).mean(),
            "DistributedDataParallel gives this if each process divides by its own count: pixels of a nearly ignored "
            "picture weigh more, 8 GPUs train another loss than 1, and a process without any pixel gives NaN.",
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
            "You divided the sum over all pixels by the number of GPUs: the loss grows with the picture's size, and "
            "w1, w2 lose their meaning.",
        ),
        WrongAnswer(
            "divided twice",
            lambda sums, counts: sums.sum() / counts.sum() / len(sums),
            "The counts are already those of all processes; dividing by their number once more makes the loss, and "
            "with it every step, too small by the number of GPUs.",
        ),
    ),
    hints=(
        Hint("NaN", "What is a mean over no pixel?"),
        Hint("Close, but not equal", "Whose pixels weigh more in a mean of means?"),
    ),
)
EXERCISES = (UNITS, RUN, SHARED)
