"""Notebook 10: HRNet's units of cost (2^30), batch and learning rate (Goyal et al. 2017), a loss over processes."""

import torch
from torch import Tensor

from dsrl_lab.course.exercises.calls import call_for_loss
from dsrl_lab.course.exercises.exercise import Case, draw_integer
from dsrl_lab.course.exercises.solutions.texts import exercise


def multiply_adds(stated: float, counts_two: bool, binary: bool) -> float:
    return stated * (2**30 if binary else 10**9) / (2 if counts_two else 1)


def _draw_units(generator: torch.Generator) -> list[Case]:
    values = (1 + 9 * torch.rand(4, generator=generator)).tolist()
    return [(value, two, binary) for value, (two, binary) in zip(values, _CASES, strict=True)]


_CASES = ((False, False), (True, False), (False, True), (True, True))

UNITS = exercise(
    "10.1",
    difficulty=1,
    solution=multiply_adds,
    oracle=lambda stated, two, binary: (
        stated
        * {(False, False): 1e9, (True, False): 5e8, (False, True): 1073741824, (True, True): 536870912}[two, binary]
    ),
    draw=_draw_units,
    wrong_answers={
        "FLOPs taken for multiply-adds": lambda stated, two, binary: stated * (2**30 if binary else 10**9),
        "every G is 10^9": lambda stated, two, binary: stated * 10**9 / (2 if two else 1),
        "doubled instead of halved": lambda stated, two, binary: (
            stated * (2**30 if binary else 10**9) * (2 if two else 1)
        ),
        "G taken the wrong way round": lambda stated, two, binary: (
            stated * (10**9 if binary else 2**30) / (2 if two else 1)
        ),
    },
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


RUN = exercise(
    "10.2",
    difficulty=1,
    solution=same_run,
    oracle=_pictures_first,
    draw=_draw_runs,
    wrong_answers={
        "iterations kept": lambda i, b, rate, new: (i, rate * new / b),
        "learning rate kept": lambda i, b, rate, new: (i * b // new, rate),
        "learning rate divided": lambda i, b, rate, new: (i * b // new, rate * b / new),
        "root of the factor": lambda i, b, rate, new: (i * b // new, rate * (new / b) ** 0.5),
        "more iterations for more GPUs": lambda i, b, rate, new: (i * new // b, rate * new / b),
    },
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


SHARED = exercise(
    "10.3",
    difficulty=2,
    solution=loss_over_processes,
    oracle=lambda sums, counts: sum((sums.double() / float(counts.double().sum())).unbind()),
    draw=_draw_processes,
    run=call_for_loss,
    wrong_answers={
        "mean of means": lambda sums, counts: (sums / counts).mean(),
        "mean of means, empty processes left out": lambda sums, counts: (sums / counts.clamp(min=1)).mean(),
        "divided by the number of processes": lambda sums, counts: sums.sum() / len(sums),
        "divided twice": lambda sums, counts: sums.sum() / counts.sum() / len(sums),
    },
)
EXERCISES = (UNITS, RUN, SHARED)
