"""Hidden variants of notebook 04: maps smaller than a stride, taps that all miss, bins as many as rows, reductions."""

from __future__ import annotations

import torch

from dsrl_lab.course.exercises.exercise import Case, draw_integer


def _tiny_and_narrow(g: torch.Generator) -> list[Case]:
    return [
        (3, draw_integer(g, 5, 8), [2, 4, 8]),  # smaller than the stride: one row is left
        (draw_integer(g, 300, 400), 1, [64]),
        (2 * draw_integer(g, 9, 14) + 1, 128, [32, 2]),
    ]


def _dilations_beyond_the_map(g: torch.Generator) -> list[Case]:
    return [
        (draw_integer(g, 3, 6), draw_integer(g, 6, 9), draw_integer(g, 9, 20)),  # the middle tap alone
        (draw_integer(g, 25, 40), 7, 1),
        (draw_integer(g, 25, 40), 6, 8),
        (1, draw_integer(g, 11, 30), 3),
    ]


def _bins_as_many_as_rows(g: torch.Generator) -> list[Case]:
    shapes = ((3, 1, 5, 9, 5), (1, 4, 7, 8, 4), (2, 2, 6, 10, 1))
    return [(torch.randn(n, c, h, w, generator=g) - 1, bins) for n, c, h, w, bins in shapes]


def _falling_dilations(g: torch.Generator) -> list[Case]:
    d = draw_integer(g, 5, 12)
    return [([1],), ([9, 3, 1],), ([d, 1],), ([d, d, d, d, d],), ([1, 1, d, 1],)]


def _reductions(g: torch.Generator) -> list[Case]:
    side = draw_integer(g, 5, 12)
    return [
        (0, 3 * side, side, False),
        (side - 2, 5 * side, side, True),
        (side - 2, 2 * side + 1, side, False),
        (side, 2 * side, 2 * side + 3, True),
        (side, 2 * side, 2 * side + 3, False),
    ]


DRAWS = {
    "04.1": _tiny_and_narrow,
    "04.2": _dilations_beyond_the_map,
    "04.3": _bins_as_many_as_rows,
    "04.4": _falling_dilations,
    "04.5": _reductions,
}
