"""Exercises of notebook 07: the loss over a batch, the poly learning rate, and who is in the optimizer.

Source: Wang et al., CVPR 2020, equations 2 to 5; the poly schedule of DeepLab. The wrong answers "divided by the batch
size again" and the parameter that is in no group were read in public re-implementations.
"""

from __future__ import annotations

from collections import Counter

import torch
from torch import Tensor

from dsrl_lab.course.exercises.exercise import Case, Exercise, Hint, WrongAnswer, draw_integer

# 07.1


def batch_loss(losses: Tensor, mask: Tensor) -> Tensor:
    """The segmentation loss of a batch, from the cross-entropy of each pixel.

    The mean over all pixels of the batch that are not ignored (255 in the mask).

    Shape:
        - losses: (N, H, W); mask: (N, H, W) class ids
        - output: ()

    Example:
        >>> batch_loss(torch.tensor([[[1.0, 2.0, 9.0]]]), torch.tensor([[[0, 4, 255]]]))
        tensor(1.5000)
    """
    return losses[mask != 255].mean()


def _pixel_by_pixel(losses: Tensor, mask: Tensor) -> float:
    pairs = zip(losses.flatten().tolist(), mask.flatten().tolist(), strict=True)
    counted = [loss for loss, label in pairs if label != 255]
    return sum(counted) / len(counted)


def _draw_batches(generator: torch.Generator) -> list[Case]:
    cases: list[Case] = []
    for n in (2, 3, 4):
        losses = 0.5 + torch.rand(n, 4, 5, generator=generator) * torch.arange(1, n + 1)[:, None, None]
        mask = torch.randint(0, 11, (n, 4, 5), generator=generator)
        mask[0, :3] = 255  # pictures differ in what is labelled
        cases.append((losses, mask))
    return cases


def _of_each(losses: Tensor, mask: Tensor) -> Tensor:
    return torch.stack([one[labels != 255].mean() for one, labels in zip(losses, mask, strict=True)])


BATCH_LOSS = Exercise(
    name="07.1",
    title="One mean, over the labelled pixels of the whole batch",
    difficulty=1,
    importance=3,
    minutes=5,
    solution=batch_loss,
    oracle=_pixel_by_pixel,
    draw=_draw_batches,
    wrong_answers=(
        WrongAnswer(
            "divided by the batch size again",
            lambda losses, mask: losses[mask != 255].mean() / len(losses),
            "You divided by N twice: the mean over pixels has already done it. A batch of copies then has a smaller "
            "loss than one of them, and against it w1 and w2 grow with the batch size. Read in public code.",
        ),
        WrongAnswer(
            "ignored pixels in the denominator",
            lambda losses, mask: (losses * (mask != 255)).sum() / losses.numel(),
            "Ignored pixels add nothing above the line, but you count them below it: pictures with much unlabelled "
            "ground weigh less, for no reason but their borders.",
        ),
        WrongAnswer(
            "ignored pixels count",
            lambda losses, mask: losses.mean(),
            "Class 255 is no class: nothing is known there, and a loss against it trains towards noise. Leave those "
            "pixels out.",
        ),
        WrongAnswer(
            "mean of the pictures' means",
            lambda losses, mask: _of_each(losses, mask).mean(),
            "A picture with three labelled pixels now weighs as much as one with three thousand. Pool the pixels of "
            "the batch, then divide once. (With several processes the count must be shared for the same reason.)",
        ),
        WrongAnswer(
            "summed over the batch",
            lambda losses, mask: losses[mask != 255].sum(),
            "A sum: twice the pixels, twice the loss, and a learning rate that must be found anew for each crop size.",
        ),
    ),
    hints=(
        Hint("My loss shrinks when the batch grows", "How often do you divide by N?"),
        Hint("Nearly right", "Which pixels may be below the line?"),
    ),
)

# 07.2


def poly(iteration: int, iterations: int, learning_rate: float, power: float) -> float:
    """Learning rate of one step of the poly schedule.

    The first step has the whole learning rate; the step after the last would have 0.

    Args:
        iteration: number of the step, from 0 to iterations - 1.
        iterations: steps of the whole run.
        learning_rate: at the start.
        power: 0.9 as a rule.

    Example:
        >>> [poly(i, 4, 1.0, 1.0) for i in range(4)]
        [1.0, 0.75, 0.5, 0.25]
    """
    return learning_rate * (1 - iteration / iterations) ** power


def _poly_by_power_of_tensor(iteration: int, iterations: int, learning_rate: float, power: float) -> Tensor:
    left = torch.linspace(1, 0, iterations + 1, dtype=torch.float64)[iteration]
    return learning_rate * left.pow(power)


def _chained(iteration: int, iterations: int, learning_rate: float, power: float) -> float:
    rate = learning_rate
    for step in range(iteration + 1):
        rate *= (1 - step / iterations) ** power
    return rate


def _draw_steps(generator: torch.Generator) -> list[Case]:
    cases: list[Case] = [(0, 40, 0.01, 0.9)]
    for power in (0.9, 2.0, 0.5):
        iterations = draw_integer(generator, 20, 90)
        rate = 0.5 + float(torch.rand((), generator=generator))
        cases.append((draw_integer(generator, 4, iterations - 4), iterations, rate, power))
    return cases


POLY = Exercise(
    name="07.2",
    title="What is left of the run, to a power",
    difficulty=1,
    importance=2,
    minutes=5,
    solution=poly,
    oracle=_poly_by_power_of_tensor,
    draw=_draw_steps,
    wrong_answers=(
        WrongAnswer(
            "one step ahead",
            lambda i, n, rate, power: rate * (1 - (i + 1) / n) ** power,
            "Off by one: the first step does not get the whole learning rate, and the last one gets 0, so a batch is "
            "read, computed and learnt nothing from. Steps count from 0 here; a scheduler stepped before the first "
            "optimizer step does the same.",
        ),
        WrongAnswer(
            "zero on the last step",
            lambda i, n, rate, power: rate * (1 - i / (n - 1)) ** power,
            "You divide by n - 1, so the last step has learning rate 0 and is wasted. 0 belongs to the step after it.",
        ),
        WrongAnswer(
            "the power inside",
            lambda i, n, rate, power: rate * (1 - (i / n) ** power),
            "You raised the share that is gone; the power acts on the share that is left. With 0.9 the curves are near "
            "each other, and at the end yours falls too slowly.",
        ),
        WrongAnswer(
            "a straight line",
            lambda i, n, rate, power: rate * (1 - i / n),
            "Right for power 1 only: the power is not used.",
        ),
        WrongAnswer(
            "times the last one",
            _chained,
            "Each step multiplied the learning rate of the step before, so it falls like a product of all factors and "
            "is gone after a few steps. The factor belongs to the learning rate at the START.",
        ),
    ),
    hints=(
        Hint("The last step learns nothing", "What is your result for iteration = iterations - 1?"),
        Hint("Right at the start, wrong later", "Is the power on what is left, or on what is gone?"),
    ),
)

# 07.3


def audit(sizes: dict[str, int], groups: list[list[str]]) -> list[int]:
    """How many numbers an optimizer forgets, and how many it moves more than once.

    Args:
        sizes: numbers in each parameter, by its name.
        groups: names in each of the optimizer's groups, none twice in one group.

    Returns:
        [numbers in no group, numbers in several groups]; each parameter counts once.

    Example:
        >>> sizes = {"encoder": 100, "head": 10, "sisr": 40}
        >>> audit(sizes, [["encoder", "head"], ["head"]])
        [40, 10]
    """
    listed = [name for group in groups for name in group]
    forgotten = sum(size for name, size in sizes.items() if listed.count(name) == 0)
    repeated = sum(size for name, size in sizes.items() if listed.count(name) > 1)
    return [forgotten, repeated]


def _counted(sizes: dict[str, int], groups: list[list[str]]) -> list[int]:
    times = Counter(name for group in groups for name in set(group))
    forgotten = sum(sizes[name] for name in sizes.keys() - times.keys())
    return [forgotten, sum(sizes[name] for name, count in times.items() if count > 1)]


HOST_NAMES = ("host.stage2", "host.stage4", "host.stage8", "host.head")
NAMES = (*HOST_NAMES, "sssr.reduce", "sssr.expand", "sisr.project", "sisr.refine", "sisr.predict", "transform.weight")


def _draw_groups(generator: torch.Generator) -> list[Case]:
    cases: list[Case] = []
    for _ in range(4):
        sizes = {name: 7 * draw_integer(generator, 3, 90) + number for number, name in enumerate(NAMES)}
        order = [NAMES[i] for i in torch.randperm(len(NAMES), generator=generator).tolist()]
        kept = order[3:]  # the first three are forgotten
        groups = [kept[:4], [*kept[4:], kept[0]], [kept[0], kept[5]]]
        cases.append((sizes, groups))
    return cases


def _listed(groups: list[list[str]]) -> list[str]:
    return [name for group in groups for name in group]


AUDIT = Exercise(
    name="07.3",
    title="Every parameter in exactly one group",
    difficulty=2,
    importance=3,
    minutes=8,
    solution=audit,
    oracle=_counted,
    draw=_draw_groups,
    wrong_answers=(
        WrongAnswer(
            "two errors cancel",
            lambda sizes, groups: [
                sum(sizes.values()) - sum(sizes[name] for name in _listed(groups)),
                _counted(sizes, groups)[1],
            ],
            "You compared two totals. A parameter that is listed twice then hides one that is listed nowhere: the "
            "counts look right and the SISR decoder stands still. Look at each name.",
        ),
        WrongAnswer(
            "parameters, not numbers",
            lambda sizes, groups: [
                sum(name not in _listed(groups) for name in sizes),
                sum(_listed(groups).count(name) > 1 for name in sizes),
            ],
            "You counted tensors. Three forgotten biases and three forgotten decoders are not the same loss: add up "
            "their sizes.",
        ),
        WrongAnswer(
            "the first group alone",
            lambda sizes, groups: [
                sum(size for name, size in sizes.items() if name not in groups[0]),
                _counted(sizes, groups)[1],
            ],
            "You looked into the first group only, so all that the others hold seems forgotten.",
        ),
        WrongAnswer(
            "counted once for each time too many",
            lambda sizes, groups: [
                _counted(sizes, groups)[0],
                sum(sizes[name] * (_listed(groups).count(name) - 1) for name in sizes if name in _listed(groups)),
            ],
            "A parameter in three groups was counted twice. The question is how many numbers are affected, not how "
            "often.",
        ),
    ),
    hints=(
        Hint("The first number is too small, even negative", "May a parameter that is there twice make up for one?"),
        Hint("Small whole numbers", "What does the table `sizes` hold?"),
    ),
)

EXERCISES = (BATCH_LOSS, POLY, AUDIT)
