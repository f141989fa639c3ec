"""Exercises of notebook 01 that reckon: multiply-adds, receptive field, atrous in place of strided convolution.

Source: Chen et al., "DeepLab" (TPAMI 2018), section 3.1, for atrous convolution in place of the last strides; MACs are
those of ``dsrl_lab.complexity``.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from dsrl_lab.complexity import complexity
from dsrl_lab.course.exercises.exercise import Case, Exercise, Hint, WrongAnswer, draw_integer

Layers = list[tuple[int, int, int]]

# 01.1


def conv_macs(
    height: int,
    width: int,
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    stride: int,
    dilation: int,
) -> int:
    """Multiply-adds of one convolution for one picture.

    Zeros are padded so that stride 1 keeps the size.

    Args:
        height: of the INPUT, in pixels; a multiple of stride.
        width: of the INPUT, in pixels; a multiple of stride.
        in_channels: channels that come in.
        out_channels: channels that go out.
        kernel_size: k, odd.
        stride: step between outputs.
        dilation: distance between the kernel's taps.

    Example:
        >>> conv_macs(8, 8, 3, 16, 3, 2, 1)
        6912
    """
    positions = (height // stride) * (width // stride)
    return positions * in_channels * out_channels * kernel_size**2


def _macs_by_counter(h: int, w: int, c_in: int, c_out: int, k: int, s: int, d: int) -> int:
    layer = nn.Conv2d(c_in, c_out, k, stride=s, dilation=d, padding=d * (k // 2), bias=False)
    return complexity(layer, (h, w), channels=c_in).macs


def _draw_convolutions(generator: torch.Generator) -> list[Case]:
    cases = []
    for k, s, d in ((3, 1, 2), (3, 2, 1), (5, 4, 3)):
        sides = s * draw_integer(generator, 3, 6), s * draw_integer(generator, 6, 9)
        cases.append((*sides, draw_integer(generator, 2, 7), draw_integer(generator, 7, 12), k, s, d))
    return cases


MACS = Exercise(
    name="01.1",
    title="Positions that are kept, times weights; dilation is free of charge",
    difficulty=1,
    importance=3,
    minutes=6,
    solution=conv_macs,
    oracle=_macs_by_counter,
    draw=_draw_convolutions,
    wrong_answers=(
        WrongAnswer(
            "at the input's positions",
            lambda h, w, c_in, c_out, k, s, d: h * w * c_in * c_out * k**2,
            "Right at stride 1, stride² times too many otherwise: you counted the positions that come in. A "
            "convolution works once for each position that goes OUT.",
        ),
        WrongAnswer(
            "stride on one side only",
            lambda h, w, c_in, c_out, k, s, d: h * w // s * c_in * c_out * k**2,
            "stride times too many: a step of s leaves one row in s AND one column in s.",
        ),
        WrongAnswer(
            "the gaps are paid for",
            lambda h, w, c_in, c_out, k, s, d: (h // s) * (w // s) * c_in * c_out * (d * (k - 1) + 1) ** 2,
            "Right at dilation 1 only: you paid for the whole square that a dilated kernel spans. Its gaps are no "
            "weights: there are k² taps, however far apart.",
        ),
        WrongAnswer(
            "FLOPs, not MACs",
            lambda h, w, c_in, c_out, k, s, d: 2 * (h // s) * (w // s) * c_in * c_out * k**2,
            "Twice too many: one multiplication with its addition is one MAC and two FLOPs. The kit counts MACs.",
        ),
        WrongAnswer(
            "one filter",
            lambda h, w, c_in, c_out, k, s, d: (h // s) * (w // s) * c_in * k**2,
            "This is the cost of a single output channel: every one of the out_channels has a filter of its own.",
        ),
    ),
    hints=(
        Hint("Right for the first case only", "Which positions does a strided convolution visit?"),
        Hint("Too many when dilation is 2 or 3", "How many weights does a dilated 3x3 kernel have?"),
        Hint("Twice too many", "One multiplication and the addition after it: how many MACs?"),
    ),
)


# 01.3


def receptive_field(layers: list[tuple[int, int, int]]) -> int:
    """How many input pixels one output of a stack can see, along one axis.

    The stack is of convolutions; gaps between the taps are included.

    Args:
        layers: (kernel_size, stride, dilation) of each, first to last.

    Example:
        >>> receptive_field([(3, 1, 1), (3, 1, 1)])
        5
        >>> receptive_field([(3, 2, 1), (3, 1, 1)])
        7
    """
    field, step = 1, 1
    for kernel_size, stride, dilation in layers:
        field += (kernel_size - 1) * dilation * step
        step *= stride
    return field


def _field_by_gradient(layers: Layers) -> int:
    """Which inputs does one output depend on? Ask backpropagation, with weights that cannot cancel."""
    signal = torch.zeros(1, 1, 1200, dtype=torch.float64, requires_grad=True)
    x: torch.Tensor = signal
    for kernel_size, stride, dilation in layers:
        x = F.conv1d(x, torch.ones(1, 1, kernel_size, dtype=torch.float64), stride=stride, dilation=dilation)
    x[0, 0, 0].backward()
    assert signal.grad is not None
    seen = signal.grad[0, 0].nonzero()
    return int(seen.max() - seen.min()) + 1


def _field(layers: Layers, *, late: bool = False, dilated: bool = True, stepped: bool = True, less: int = 1) -> int:
    field, step = 1, 1
    for kernel_size, stride, dilation in layers:
        step *= stride if late else 1
        field += (kernel_size - less) * (dilation if dilated else 1) * (step if stepped else 1)
        step *= 1 if late else stride
    return field


def _draw_stacks(generator: torch.Generator) -> list[Case]:
    def layer() -> tuple[int, int, int]:
        kernel_size = 3 + 2 * draw_integer(generator, 0, 2)
        return kernel_size, draw_integer(generator, 1, 3), draw_integer(generator, 1, 4)

    return [([(3, 2, 1), (3, 2, 2), (3, 1, 4)],), *(([layer() for _ in range(4)],) for _ in range(3))]


FIELD = Exercise(
    name="01.3",
    title="A layer sees farther by the steps of all layers before it",
    difficulty=2,
    importance=3,
    minutes=10,
    solution=receptive_field,
    oracle=_field_by_gradient,
    draw=_draw_stacks,
    wrong_answers=(
        WrongAnswer(
            "steps forgotten",
            lambda layers: _field(layers, stepped=False),
            "Right for strides of 1 only: behind a stride of 2, neighbouring taps lie two INPUT pixels apart. Carry "
            "the product of the strides so far along.",
        ),
        WrongAnswer(
            "its own stride too early",
            lambda layers: _field(layers, late=True),
            "Too large: you let a layer's own stride widen its own kernel. A stride moves the NEXT layer's taps apart; "
            "multiply after adding.",
        ),
        WrongAnswer(
            "dilation forgotten",
            lambda layers: _field(layers, dilated=False),
            "Too small: with dilation d the taps are d apart, so a kernel spans (k - 1) * d + 1. Seeing far for the "
            "same price is what atrous convolution is for.",
        ),
        WrongAnswer(
            "a whole kernel each time",
            lambda layers: _field(layers, less=0),
            "Too large: two 3x3 layers see 5 pixels, not 7. The middle tap was seen before: each layer adds k - 1.",
        ),
    ),
    hints=(
        Hint("Right without strides only", "How many input pixels lie between neighbours of the third map?"),
        Hint("A little too large", "Two 3x3 layers of stride 1: draw which inputs the last output sees."),
        Hint("Too small", "Where are the taps of a 3x3 kernel with dilation 4?"),
    ),
)


# 01.4


def atrous_plan(strides: list[int], output_stride: int) -> list[tuple[int, int]]:
    """Keep more resolution in a trained network without touching a weight.

    Strides are kept, first to last, while their product does not pass
    ``output_stride``; each later one becomes 1. Give every layer the dilation with
    which its taps fall where they fell before.

    Args:
        strides: of each layer, 1 or 2.
        output_stride: wanted product of the strides, a power of 2.

    Returns:
        (stride, dilation) of each layer.

    Example:
        >>> atrous_plan([2, 2, 2, 1], 4)
        [(2, 1), (2, 1), (1, 1), (1, 2)]
    """
    plan, reached, dilation = [], 1, 1
    for stride in strides:
        if reached * stride <= output_stride:
            plan.append((stride, dilation))
            reached *= stride
        else:
            plan.append((1, dilation))  # its own taps have not moved yet
            dilation *= stride
    return plan


def _plan_by_distance(strides: list[int], output_stride: int) -> list[tuple[int, int]]:
    """Taps must stay as many input pixels apart as the network's strides before them had put them."""
    plan = []
    for i, stride in enumerate(strides):
        apart = int(torch.tensor([1, *strides[:i]]).prod())
        apart_now = min(apart, output_stride)
        plan.append((stride if apart * stride <= output_stride else 1, apart // apart_now))
    return plan


def _early(strides: list[int], output_stride: int) -> list[tuple[int, int]]:
    plan, reached, dilation = [], 1, 1
    for stride in strides:
        if reached * stride <= output_stride:
            reached *= stride
            plan.append((stride, dilation))
        else:
            dilation *= stride
            plan.append((1, dilation))
    return plan


def _first_removed(strides: list[int], output_stride: int) -> list[tuple[int, int]]:
    kept = atrous_plan(strides[::-1], output_stride)[::-1]
    return [(stride, 1) for stride, _ in kept]


def _draw_strides(generator: torch.Generator) -> list[Case]:
    def row(length: int) -> list[int]:
        return [draw_integer(generator, 1, 3) for _ in range(length)]

    return [([2, 1, 2, 2, 1, 2, 1], 4), ([*row(6), 2, 2, 1], 2), ([*row(7), 2, 1, 2, 1], 4), ([2, 2, *row(4)], 64)]


PLAN = Exercise(
    name="01.4",
    title="The layers behind a lost stride are dilated by it, the layer itself is not",
    difficulty=3,
    importance=3,
    minutes=15,
    solution=atrous_plan,
    oracle=_plan_by_distance,
    draw=_draw_strides,
    wrong_answers=(
        WrongAnswer(
            "one layer too early",
            _early,
            "You dilated the very layer that lost its stride. Its taps still lie on the map that comes in, which has "
            "not changed; only the layers BEHIND it see a finer map. Shapes agree, outputs do not: every weight of it "
            "looks twice too far.",
        ),
        WrongAnswer(
            "no dilation",
            lambda strides, os: [(stride, 1) for stride, _ in atrous_plan(strides, os)],
            "Strides are gone and nothing replaces them: trained filters now see half as far, or a quarter. This runs, "
            "costs as much as the right plan, and loses the context that the network was trained with.",
        ),
        WrongAnswer(
            "dilation does not add up",
            lambda strides, os: [(stride, min(dilation, 2)) for stride, dilation in atrous_plan(strides, os)],
            "Right for one lost stride. After two, the map is four times as fine, so taps must be four apart: the "
            "dilations multiply.",
        ),
        WrongAnswer(
            "the first strides go",
            _first_removed,
            "You kept the last strides and dropped the first: the early maps, the largest ones, become larger still. "
            "It is the late, small maps that are refined.",
        ),
    ),
    hints=(
        Hint(
            "One number is off",
            "Number the pixels of the map that comes INTO the layer that lost its stride: has it changed?",
        ),
        Hint("Right for one lost stride, wrong for two", "How much finer is the map after two of them?"),
    ),
)


EXERCISES = (MACS, FIELD, PLAN)
