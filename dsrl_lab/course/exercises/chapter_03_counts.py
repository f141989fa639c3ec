"""Exercises of notebook 03 that count: taps on an output position, multiply-adds of a layer.

Source: Odena et al., "Deconvolution and Checkerboard Artifacts" (2016); MACs as in ``dsrl_lab.complexity``.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

from dsrl_lab.complexity import complexity
from dsrl_lab.course.exercises.exercise import Case, Exercise, Hint, WrongAnswer, draw_integer

# 03.2


def taps(kernel_size: int, stride: int) -> list[int]:
    """How many taps of a 1-D transposed convolution fall on each output position.

    Far from the border the pattern repeats every ``stride`` positions. Entry a of the
    list is for the outputs at which, without padding, position modulo stride is a.

    Example:
        >>> taps(3, 2)  # uneven: a checkerboard waits
        [2, 1]
        >>> taps(4, 2)
        [2, 2]
        >>> taps(1, 2)  # a kernel smaller than its stride leaves holes
        [1, 0]
    """
    return [len(range(phase, kernel_size, stride)) for phase in range(stride)]


def _taps_by_stamping(kernel_size: int, stride: int) -> list[int]:
    inputs = 2 * kernel_size + 1
    stamped = F.conv_transpose1d(torch.ones(1, 1, inputs), torch.ones(1, 1, kernel_size), stride=stride)[0, 0]
    middle = stride * (inputs // 2 + 1)
    return [round(float(value)) for value in stamped[middle : middle + stride]]


def _draw_kernels(generator: torch.Generator) -> list[Case]:
    fresh = [(draw_integer(generator, 3, 12), draw_integer(generator, 2, 5)) for _ in range(4)]
    return [(3, 2), (4, 2), (5, 3), (2, 3), *fresh]


TAPS = Exercise(
    name="03.2",
    title="Taps are even if and only if the stride divides the kernel",
    difficulty=2,
    importance=2,
    minutes=8,
    solution=taps,
    oracle=_taps_by_stamping,
    draw=_draw_kernels,
    wrong_answers=(
        WrongAnswer(
            "the average",
            lambda k, s: [k / s] * s,
            "k / s is the average. Taps are whole numbers, and their unevenness IS the checkerboard: count for each "
            "phase how many of the taps 0 .. k - 1 leave that remainder.",
        ),
        WrongAnswer(
            "rounded down everywhere",
            lambda k, s: [k // s] * s,
            "k // s for every phase: the k mod s taps that are left over are lost. They go to the first phases, which "
            "is why they are brighter.",
        ),
        WrongAnswer(
            "rounded up everywhere",
            lambda k, s: [-(-k // s)] * s,
            "Every phase has the most taps: by this count no checkerboard could ever come. Only the first k mod s "
            "phases have the extra tap.",
        ),
        WrongAnswer(
            "the overlap alone",
            lambda k, s: [max(k - s, 0)] * s,
            "k - s is how far neighbouring stamps overlap, in positions; asked is how many stamps lie on each "
            "position.",
        ),
        WrongAnswer(
            "the other way round",
            lambda k, s: [len(range(a, k, s)) for a in range(s)][::-1],
            "The right numbers for the wrong phases: tap 0 falls on phase 0, so what is left over goes to the first "
            "ones.",
        ),
    ),
    hints=(
        Hint("Fractions", "Write the taps 0 .. k - 1 in a row and colour them by their remainder modulo the stride."),
        Hint("Right for (4, 2), wrong for (3, 2)", "Which remainders occur once more than the others?"),
    ),
)


# 03.5


def sub_pixel_macs(
    height: int,
    width: int,
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    upscale_factor: int,
) -> int:
    """Multiply-adds of a sub-pixel convolution for one picture.

    Args:
        height: of the INPUT, in pixels.
        width: of the INPUT, in pixels.
        in_channels: channels that come in.
        out_channels: channels of the enlarged picture.
        kernel_size: k of the convolution before the shuffle.
        upscale_factor: s.

    Example:
        >>> sub_pixel_macs(10, 10, 32, 3, 3, 2)
        345600
    """
    filters = out_channels * upscale_factor**2
    return height * width * in_channels * filters * kernel_size**2


def _macs_by_counter(height: int, width: int, c_in: int, c_out: int, k: int, s: int) -> int:
    layer = torch.nn.ConvTranspose2d(c_in, c_out, k * s, stride=s, padding=s * (k // 2), bias=False)
    return complexity(layer, (height, width), channels=c_in).macs


def _draw_layers(generator: torch.Generator) -> list[Case]:
    return [
        (
            draw_integer(generator, 4, 9),
            draw_integer(generator, 10, 15),
            draw_integer(generator, 2, 9),
            draw_integer(generator, 1, 4),
            k,
            s,
        )
        for k, s in ((3, 2), (1, 4), (5, 3))
    ]


COST = Exercise(
    name="03.5",
    title="The work is done at the small size, for s squared times the filters",
    difficulty=1,
    importance=2,
    minutes=5,
    solution=sub_pixel_macs,
    oracle=_macs_by_counter,
    draw=_draw_layers,
    wrong_answers=(
        WrongAnswer(
            "filters of one phase",
            lambda h, w, c_in, c_out, k, s: h * w * c_in * c_out * k**2,
            "s² times too few: you counted the filters of one phase, as those do who say that enlarging is free. The "
            "convolution has C * s² filters.",
        ),
        WrongAnswer(
            "at the large size",
            lambda h, w, c_in, c_out, k, s: h * s * w * s * c_in * c_out * s**2 * k**2,
            "s² times too many: the convolution runs BEFORE the shuffle, at h x w. (At the large size there are s² "
            "times the positions and a single phase; you took both factors.)",
        ),
        WrongAnswer(
            "s instead of s squared",
            lambda h, w, c_in, c_out, k, s: h * w * c_in * c_out * s * k**2,
            "s times too few: the picture grows on both sides, so there are s² phases.",
        ),
        WrongAnswer(
            "FLOPs, not MACs",
            lambda h, w, c_in, c_out, k, s: 2 * h * w * c_in * c_out * s**2 * k**2,
            "Twice too many: a multiply-add is one MAC and two FLOPs. Papers mix them; the kit counts MACs.",
        ),
    ),
    hints=(
        Hint("A power of s off", "At which size does the convolution run, and how many filters has it?"),
        Hint("Twice too many", "One multiplication and the addition after it: how many MACs?"),
    ),
)


EXERCISES = (TAPS, COST)
