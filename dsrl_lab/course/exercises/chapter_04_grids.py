"""Exercises of notebook 04 about grids: taps that miss the map, and where an enlarged map looks.

Source: Chen et al., "Rethinking Atrous Convolution" (2017), section 3.3 and Figure 4 (degenerating filters); PyTorch's
documentation of ``interpolate`` for ``align_corners``.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

from dsrl_lab.course.exercises.exercise import Case, Exercise, Hint, WrongAnswer, draw_integer

# 04.2


def taps_inside(height: int, width: int, dilation: int) -> float:
    """Share of a dilated 3x3 convolution's taps that fall inside the map.

    It is the mean over all positions. The convolution has stride 1 and padding
    ``dilation``: output and input have one size, and taps outside meet zeros.

    Args:
        height: of the map, in positions.
        width: of the map, in positions.
        dilation: how far the taps stand apart.

    Returns:
        A share in [1/9, 1].

    Example:
        >>> round(taps_inside(16, 32, 18), 3)  # DeepLab's largest, a 256 x 512 picture
        0.208
    """

    def rows_that_count(
        side: int,
    ) -> float:  # the middle tap always, each outer one side - dilation times
        return (side + 2 * max(side - dilation, 0)) / side

    return rows_that_count(height) * rows_that_count(width) / 9


def _inside_by_convolution(height: int, width: int, dilation: int) -> float:
    ones = torch.ones(1, 1, height, width, dtype=torch.float64)
    kernel = torch.full((1, 1, 3, 3), 1 / 9, dtype=torch.float64)
    return float(F.conv2d(ones, kernel, padding=dilation, dilation=dilation).mean())


def _draw_maps(generator: torch.Generator) -> list[Case]:
    sides = [(draw_integer(generator, 8, 20), draw_integer(generator, 24, 40)) for _ in range(4)]
    return [(16, 32, 18), (16, 32, 6), *((h, w, draw_integer(generator, 2, 7)) for h, w in sides), (5, 40, 12)]


def _per_side(side: int, dilation: int) -> float:
    return (side + 2 * max(side - dilation, 0)) / (3 * side)


INSIDE = Exercise(
    name="04.2",
    title="A dilation as large as the map leaves a 1x1 convolution with dear zeros around it",
    difficulty=2,
    importance=2,
    minutes=10,
    solution=taps_inside,
    oracle=_inside_by_convolution,
    draw=_draw_maps,
    wrong_answers=(
        WrongAnswer(
            "one side only",
            lambda h, w, d: _per_side(h, d),
            "This is the share for the rows. A tap must lie inside by its row AND by its column: multiply the two "
            "sides' shares.",
        ),
        WrongAnswer(
            "negative taps",
            lambda h, w, d: (3 * h - 2 * d) * (3 * w - 2 * d) / (9 * h * w),
            "Right as long as the dilation is smaller than the map. Beyond that an outer tap is outside for EVERY "
            "position; it cannot be outside more often than that. Stop at 0.",
        ),
        WrongAnswer(
            "the middle tap forgotten",
            lambda h, w, d: max(h - d, 0) * max(w - d, 0) / (h * w),
            "This is the share of one corner tap. The middle row and the middle column never leave the map; average "
            "over all nine taps.",
        ),
        WrongAnswer(
            "only positions where all taps fit",
            lambda h, w, d: max(h - 2 * d, 0) * max(w - 2 * d, 0) / (h * w),
            "You count positions that miss no tap at all. Most positions miss some and use the rest: count taps, not "
            "positions.",
        ),
    ),
    hints=(
        Hint("Where do I begin?", "Take one side and three taps. For how many positions is the upper tap inside?"),
        Hint("More than 1, or less than 1/9", "What is max(side - dilation, 0) good for?"),
    ),
)


# 04.5


def source_position(index: int, small: int, large: int, align_corners: bool) -> float:
    """Where on the small map bilinear enlargement looks for one output position.

    Only positions away from the border are asked for. Pixels are squares. With
    ``align_corners=False`` the outer edges of both maps lie on each other; with True
    the centres of the corner pixels do. Positions count pixels from the centre of the
    first one: 0, 1, 2, ...

    Args:
        index: of the output, 0 to large - 1.
        small: side of the map that comes in.
        large: side of the map that goes out, at least 2.
        align_corners: as PyTorch's ``interpolate`` has it.

    Example:
        >>> source_position(8, 4, 16, align_corners=False)
        1.625
        >>> round(source_position(8, 4, 16, align_corners=True), 3)
        1.6
    """
    if align_corners:
        return index * (small - 1) / (large - 1)
    return (index + 0.5) * small / large - 0.5


def _position_by_ramp(index: int, small: int, large: int, align_corners: bool) -> float:
    ramp = torch.arange(small, dtype=torch.float64)[None, None]
    return float(F.interpolate(ramp, size=large, mode="linear", align_corners=align_corners)[0, 0, index])


def _draw_positions(generator: torch.Generator) -> list[Case]:
    cases: list[Case] = [(8, 4, 16, False), (8, 4, 16, True)]
    for number in range(6):
        small = draw_integer(generator, 6, 40)
        large = small * draw_integer(generator, 3, 9)
        cases.append((draw_integer(generator, large // 4, large // 3), small, large, number % 2 == 0))
    return cases


POSITION = Exercise(
    name="04.5",
    title="Half a pixel decides where a map looks",
    difficulty=2,
    importance=2,
    minutes=8,
    solution=source_position,
    oracle=_position_by_ramp,
    draw=_draw_positions,
    wrong_answers=(
        WrongAnswer(
            "half pixels forgotten",
            lambda i, small, large, align: i * (small - 1) / (large - 1) if align else i * small / large,
            "For False you scale the index itself. Index 0 is a pixel's CENTRE, half a pixel from the edge that the "
            "two maps share: add 0.5, scale, take 0.5 away. By your rule everything slides up and to the left.",
        ),
        WrongAnswer(
            "the two swapped",
            lambda i, small, large, align: (i + 0.5) * small / large - 0.5 if align else i * (small - 1) / (large - 1),
            "True and False are the wrong way round. True: corner CENTRES meet, so 0 goes to 0 and the last to the "
            "last. False: the outer EDGES meet.",
        ),
        WrongAnswer(
            "corners aligned whatever was asked",
            lambda i, small, large, align: i * (small - 1) / (large - 1),
            "This is align_corners=True for both. Trained with one and run with the other, predictions are squeezed "
            "towards the middle, most at the borders, up to half a step of the small map.",
        ),
        WrongAnswer(
            "corners never aligned",
            lambda i, small, large, align: (i + 0.5) * small / large - 0.5,
            "This is align_corners=False for both. ESPNetv2's release was trained with True; run so, its outlines "
            "slide outwards a little.",
        ),
    ),
    hints=(
        Hint("Right for True, wrong for False", "How far is the centre of pixel 0 from the picture's edge?"),
        Hint("What do the two mean at all?", "Draw 2 squares over 4 squares: edges on edges, then centres on centres."),
    ),
)

EXERCISES = (INSIDE, POSITION)
