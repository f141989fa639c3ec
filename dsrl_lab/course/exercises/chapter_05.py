"""Exercises of notebook 05 that count: sizes and multiply-adds of heads, and what else they would buy.

Source: PyTorch's documentation of ``ConvTranspose2d`` for the sizes; MACs as in ``dsrl_lab.complexity``.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from dsrl_lab.complexity import complexity
from dsrl_lab.course.exercises.exercise import Case, Exercise, Hint, WrongAnswer, draw_integer

# 05.1


def deconvolved_size(
    size: int,
    kernel_size: int,
    stride: int,
    padding: int,
    output_padding: int,
) -> int:
    """Side of what a transposed convolution gives.

    Every input stamps ``kernel_size`` values, stamps stand ``stride`` apart;
    ``padding`` cuts off both ends, ``output_padding`` adds to one.

    Example:
        >>> deconvolved_size(64, 3, stride=2, padding=1, output_padding=1)  # DSRL's
        128
        >>> deconvolved_size(64, 3, stride=2, padding=1, output_padding=0)
        127
    """
    return (size - 1) * stride + kernel_size - 2 * padding + output_padding


def _size_by_running(size: int, kernel_size: int, stride: int, padding: int, output_padding: int) -> int:
    layer = nn.ConvTranspose1d(1, 1, kernel_size, stride, padding, output_padding)
    return int(layer(torch.zeros(1, 1, size)).shape[-1])


def _draw_layers(generator: torch.Generator) -> list[Case]:
    fresh: list[Case] = []
    for _ in range(4):
        stride = draw_integer(generator, 2, 5)
        kernel_size = stride + draw_integer(generator, 1, 4)
        fresh.append((draw_integer(generator, 5, 60), kernel_size, stride, draw_integer(generator, 1, 3), stride - 1))
    return [(64, 3, 2, 1, 1), (45, 3, 2, 1, 0), *fresh]


SIZE = Exercise(
    name="05.1",
    title="The last stamp begins at (size - 1) * stride",
    difficulty=1,
    importance=2,
    minutes=5,
    solution=deconvolved_size,
    oracle=_size_by_running,
    draw=_draw_layers,
    wrong_answers=(
        WrongAnswer(
            "size times stride",
            lambda size, k, stride, padding, extra: size * stride,
            "What one wishes for, and what DSRL's numbers give (3, 2, 1, 1). In general the last stamp BEGINS at "
            "(size - 1) * stride and is a kernel long; paddings do the rest. Without output_padding 64 becomes 127, "
            "and the mask no longer fits.",
        ),
        WrongAnswer(
            "output_padding forgotten",
            lambda size, k, stride, padding, extra: (size - 1) * stride + k - 2 * padding,
            "One short where output_padding is not 0. A strided convolution maps 127 and 128 to 64 alike; "
            "output_padding says which of them is meant on the way back.",
        ),
        WrongAnswer(
            "a convolution's formula",
            lambda size, k, stride, padding, extra: (size + 2 * padding - k) // stride + 1,
            "This is a convolution: it makes maps smaller. A transposed one goes the other way; solve that formula for "
            "the size that comes in.",
        ),
        WrongAnswer(
            "one stamp too many",
            lambda size, k, stride, padding, extra: size * stride + k - 2 * padding + extra,
            "There are size stamps, but only size - 1 steps between them: a fence of 64 posts has 63 gaps.",
        ),
    ),
    hints=(
        Hint("Off by one or two", "Draw three stamps of length 3, two apart. Where does the last one end?"),
        Hint("What does padding do here?", "It cuts: of the result, padding values are dropped at both ends."),
    ),
)


# 05.2


def head_macs(height: int, width: int, classes: int, blocks: int) -> int:
    """Multiply-adds of the authors' SSSR head for one picture.

    Each block is a transposed 3x3 convolution with stride 2 from ``classes`` to
    ``classes`` channels; each doubles the sides. BatchNorm and PReLU do not count.

    Args:
        height: of the class maps that come in, in positions.
        width: of the class maps that come in, in positions.
        classes: K.
        blocks: how many follow each other.

    Example:
        >>> head_macs(128, 256, classes=20, blocks=2)  # ESPNetv2 at 256 x 512
        589824000
    """
    return sum(4**block * height * width * classes**2 * 9 for block in range(blocks))


def _macs_by_counter(height: int, width: int, classes: int, blocks: int) -> int:
    layers = [nn.ConvTranspose2d(classes, classes, 3, 2, 1, 1, bias=False) for _ in range(blocks)]
    return complexity(nn.Sequential(*layers), (height, width), channels=classes).macs


def _draw_heads(generator: torch.Generator) -> list[Case]:
    fresh = [
        (draw_integer(generator, 4, 20), draw_integer(generator, 4, 20), draw_integer(generator, 3, 9), blocks)
        for blocks in (1, 2, 2, 3)
    ]
    return [(16, 32, 20, 2), *fresh]


HEAD_MACS = Exercise(
    name="05.2",
    title="A transposed convolution works once for each INPUT position, and each block has four times as many",
    difficulty=2,
    importance=3,
    minutes=8,
    solution=head_macs,
    oracle=_macs_by_counter,
    draw=_draw_heads,
    wrong_answers=(
        WrongAnswer(
            "counted at the output's positions",
            lambda h, w, classes, blocks: sum(4 ** (b + 1) * h * w * classes**2 * 9 for b in range(blocks)),
            "Four times too many: you let the whole kernel work at every OUTPUT position. A stamp is made once for "
            "each input position; most output positions receive only some of its taps.",
        ),
        WrongAnswer(
            "every block as dear as the first",
            lambda h, w, classes, blocks: blocks * h * w * classes**2 * 9,
            "Each block starts from a map of twice the sides, so it costs four times the one before. The last block "
            "alone is most of the head.",
        ),
        WrongAnswer(
            "each class for itself",
            lambda h, w, classes, blocks: sum(4**b * h * w * classes * 9 for b in range(blocks)),
            "You count one filter per class (depthwise). The head's filters go from all K classes to all K classes: K "
            "squared. More classes make this head dearer faster than anything else in the network.",
        ),
        WrongAnswer(
            "Conv2d only",
            lambda h, w, classes, blocks: 0,
            "0, as the authors' counter has it: there is no Conv2d in the head. It asks modules for their type and "
            "overlooks transposed convolutions. The multiply-adds are done all the same.",
        ),
    ),
    hints=(
        Hint("Exactly four times too many", "Does a stamp belong to an input position or to an output position?"),
        Hint("Right for one block, too few for two", "How large is the map that the second block receives?"),
    ),
)


# 05.3


def size_for_the_same_cost(
    height: int,
    width: int,
    macs: float,
    extra_macs: float,
) -> tuple[float, float]:
    """Input size at which the plain host costs what host and head cost together.

    Host and head receive (height, width).

    A convolutional network's multiply-adds grow with the number of positions. Keep the
    picture's proportions.

    Args:
        height: of the input, in pixels.
        width: of the input, in pixels.
        macs: of the host alone at this size.
        extra_macs: of the head at this size.

    Returns:
        (height, width), not rounded.

    Example:
        >>> [round(side) for side in size_for_the_same_cost(256, 512, 674.46, 589.82)]
        [350, 701]
    """
    factor = ((macs + extra_macs) / macs) ** 0.5
    return height * factor, width * factor


def _size_by_search(height: int, width: int, macs: float, extra_macs: float) -> tuple[float, float]:
    low, high = 1.0, 100.0
    for _ in range(80):
        middle = (low + high) / 2
        positions = (height * middle) * (width * middle) / (height * width)
        low, high = (middle, high) if positions * macs < macs + extra_macs else (low, middle)
    return height * low, width * low


def _draw_costs(generator: torch.Generator) -> list[Case]:
    fresh = [
        (128 * draw_integer(generator, 1, 5), 256 * draw_integer(generator, 1, 5), 100.0 * share, 30.0 * share + 50)
        for share in (draw_integer(generator, 2, 20) for _ in range(4))
    ]
    return [(256, 512, 674.46, 589.82), *fresh]


SAME_COST = Exercise(
    name="05.3",
    title="Cost goes with the square of the sides",
    difficulty=1,
    importance=3,
    minutes=5,
    solution=size_for_the_same_cost,
    oracle=_size_by_search,
    draw=_draw_costs,
    wrong_answers=(
        WrongAnswer(
            "sides times the ratio of costs",
            lambda h, w, macs, extra: (h * (macs + extra) / macs, w * (macs + extra) / macs),
            "With both sides 1.87 times as long there are 1.87² = 3.5 times as many positions. The sides grow with the "
            "square root.",
        ),
        WrongAnswer(
            "the ratio upside down",
            lambda h, w, macs, extra: (h * math.sqrt(macs / (macs + extra)), w * math.sqrt(macs / (macs + extra))),
            "Smaller than before: this is the input at which host AND head together cost what the host costs now. "
            "Asked is what the plain host could see for the money of both.",
        ),
        WrongAnswer(
            "the extra alone",
            lambda h, w, macs, extra: (h * math.sqrt(extra / macs), w * math.sqrt(extra / macs)),
            "You spend the head's multiply-adds only. The host's own are there to be spent as well: macs + extra_macs.",
        ),
        WrongAnswer(
            "one side takes it all",
            lambda h, w, macs, extra: (float(h), w * (macs + extra) / macs),
            "Right cost, wrong picture: only the width grows and everything is stretched. Share the factor between "
            "both sides.",
        ),
    ),
    hints=(
        Hint("My picture is far too dear", "How many positions has a map with sides twice as long?"),
        Hint("My picture is smaller than before", "Who has more to spend: the host alone, or host and head?"),
    ),
)

EXERCISES = (SIZE, HEAD_MACS, SAME_COST)
