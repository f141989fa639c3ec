"""Hidden variants of notebook 05: kernels shorter than the stride, one class and many, other factors, uneven sizes."""

from __future__ import annotations

import torch

from dsrl_lab.course.exercises.exercise import Case, draw_integer


def _short_and_long_kernels(g: torch.Generator) -> list[Case]:
    return [
        (draw_integer(g, 61, 90), 1, 3, 0, 2),
        (1, draw_integer(g, 5, 9), 2, 1, 1),
        (draw_integer(g, 5, 60), 9, 5, 4, draw_integer(g, 1, 5)),
        (draw_integer(g, 5, 60), 5, 1, 0, 0),
    ]


def _one_class_and_many(g: torch.Generator) -> list[Case]:
    return [(draw_integer(g, 21, 40), 1, 1, 2), (2, draw_integer(g, 2, 4), 6, 4), (5, 3, draw_integer(g, 11, 20), 3)]


def _cheap_and_costly_heads(g: torch.Generator) -> list[Case]:
    side = draw_integer(g, 30, 90)
    return [(side, 1000, 0.6, 4.2), (713, side, 3e9, 1e8), (side, side, 2.5, 0.0)]


def _single_pixels(g: torch.Generator) -> list[Case]:
    cases: list[Case] = []
    for classes, images, height, width in ((11, 1, 4, 3), (2, 3, 6, 1)):
        maps = torch.full((images, classes, height, width), -1.0)
        maps[:, draw_integer(g, 0, classes), height // 2] = 4 + torch.rand((), generator=g)
        cases.append((classes, maps))
    return cases


def _other_factors(g: torch.Generator) -> list[Case]:
    shapes = ((1, 5, 3, 2, 6), (3, 2, 5, 1, 4), (1, 4, 8, 3, 1))
    return [
        (9 * torch.randn(n, k, h, w, generator=g), torch.randn(n, k * s * s, h, w, generator=g), s)
        for n, k, s, h, w in shapes
    ]


def _uneven_sizes(g: torch.Generator) -> list[Case]:
    shapes = ((3, 4, 5, 6, 13, 17), (2, 2, 3, 9, 24, 11), (1, 19, 8, 7, 8, 30))
    return [(torch.randn(n, k, h, w, generator=g), tall, wide) for n, k, h, w, tall, wide in shapes]


DRAWS = {
    "05.1": _short_and_long_kernels,
    "05.2": _one_class_and_many,
    "05.3": _cheap_and_costly_heads,
    "05.4": _single_pixels,
    "05.5": _other_factors,
    "05.6": _uneven_sizes,
}
