"""The exercise of notebook 01 on class ids: a mask at a coarser grid, and why ids cannot be averaged.

Source: ours; the wrong answers are ways in which masks are reduced in public code.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from dsrl_lab.course.exercises.exercise import Case, Exercise, Hint, WrongAnswer

# 01.2


def majority(mask: Tensor, factor: int, num_classes: int) -> Tensor:
    """Reduce a mask: each block becomes the class that most of its pixels have.

    A block is factor x factor pixels. Pixels with id 255 are unknown and have no vote;
    a block of them alone stays 255. Of classes with equally many votes, the smallest
    id wins.

    Shape:
        - mask: (N, H, W) int64, ids below num_classes or 255; H, W multiples of factor
        - output: (N, H / factor, W / factor) int64

    Example:
        >>> majority(torch.tensor([[[7, 7, 255, 255], [0, 7, 255, 3]]]), 2, 8)
        tensor([[[7, 3]]])
    """
    ids = mask.masked_fill(mask == 255, num_classes)
    votes = F.one_hot(ids, num_classes + 1)[..., :num_classes].movedim(-1, 1)
    votes = F.avg_pool2d(votes.float(), factor)
    return votes.argmax(1).masked_fill(votes.sum(1) == 0, 255)


def _block_by_block(mask: Tensor, factor: int, num_classes: int) -> Tensor:
    n, height, width = (side // factor if axis else side for axis, side in enumerate(mask.shape))
    out = torch.full((n, height, width), 255)
    for i in range(n):
        for y in range(height):
            for x in range(width):
                block = mask[i, y * factor : (y + 1) * factor, x * factor : (x + 1) * factor].flatten().tolist()
                known = [value for value in block if value != 255]
                if known:
                    out[i, y, x] = min(known, key=lambda value: (-known.count(value), value))
    return out


def _with_the_unknown(mask: Tensor, factor: int, num_classes: int) -> Tensor:
    votes = F.one_hot(mask.masked_fill(mask == 255, num_classes), num_classes + 1).movedim(-1, 1)
    winner = F.avg_pool2d(votes.float(), factor).argmax(1)
    return winner.masked_fill(winner == num_classes, 255)


def _draw_masks(generator: torch.Generator) -> list[Case]:
    cases = []
    for factor, num_classes in ((2, 5), (3, 4), (4, 11)):
        mask = torch.randint(num_classes, (2, 4 * factor, 5 * factor), generator=generator)
        unknown = torch.rand(mask.shape, generator=generator) < 0.3
        mask[unknown] = 255
        mask[0, :factor, :factor] = 255
        mask[1, :factor, factor : 2 * factor] = 255
        mask[1, 0, factor] = num_classes - 1  # one vote against many unknown
        cases.append((mask, factor, num_classes))
    return cases


MAJORITY = Exercise(
    name="01.2",
    title="Classes vote; they are never averaged",
    difficulty=2,
    importance=2,
    minutes=10,
    solution=majority,
    oracle=_block_by_block,
    draw=_draw_masks,
    wrong_answers=(
        WrongAnswer(
            "ids averaged",
            lambda mask, factor, num_classes: F.avg_pool2d(mask[:, None].float(), factor)[:, 0].round().long(),
            "Ids are names, not amounts: between class 2 and class 8 the mean says 5, a class that nobody saw. At "
            "edges of masks reduced so there is a rim of wrong classes. Count votes, class by class.",
        ),
        WrongAnswer(
            "the first pixel of each block",
            lambda mask, factor, num_classes: mask[:, ::factor, ::factor],
            "One pixel speaks for its whole block, and always the one at the top left: the mask is shifted by half a "
            "block, and thin things vanish or triple by chance.",
        ),
        WrongAnswer(
            "the largest id",
            lambda mask, factor, num_classes: F.max_pool2d(mask[:, None].float(), factor)[:, 0].long(),
            "Max-pooling ids lets the class with the largest NUMBER win, and 255 wins over all: the order of a class "
            "table means nothing.",
        ),
        WrongAnswer(
            "the unknown have a vote",
            _with_the_unknown,
            "255 won where unknown pixels were the most. They know nothing, so they must not vote: leave their channel "
            "out, and give 255 only where nobody votes.",
        ),
    ),
    hints=(
        Hint("Classes come out that were not there", "What is the mean of `car` and `road`?"),
        Hint("255 where there should be a class", "Who may vote in a block of three unknown pixels and one car?"),
        Hint("one_hot complains", "255 is no class: give it an id of its own first, and forget its channel after."),
    ),
)


EXERCISES = (MAJORITY,)
