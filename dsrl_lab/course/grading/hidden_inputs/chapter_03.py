"""Hidden variants of notebook 03: long and narrow maps, other factors, layers of other widths."""

from __future__ import annotations

import torch

from dsrl_lab.course.exercises.exercise import Case, draw_integer


def _maps(g: torch.Generator) -> list[Case]:
    return [(torch.randn(n, c * s * s, h, w, generator=g), s) for n, c, s, h, w in ((1, 5, 4, 1, 6), (3, 2, 3, 5, 2))]


def _kernels(g: torch.Generator) -> list[Case]:
    return [(2, 5), (3, 7), (12, 5), (draw_integer(g, 13, 30), draw_integer(g, 5, 9))]


def _weights(g: torch.Generator) -> list[Case]:
    shapes = ((1, 4, 3, 1), (5, 2, 2, 3), (2, 2, 4, 3))
    return [(torch.randn(c * s * s, c_in, k, k, generator=g), s) for c, c_in, s, k in shapes]


def _filters(g: torch.Generator) -> list[Case]:
    return [(torch.randn(c, c_in, k, k, generator=g), s) for c, c_in, k, s in ((5, 1, 1, 4), (2, 7, 5, 3))]


def _layers(g: torch.Generator) -> list[Case]:
    return [(draw_integer(g, 17, 40), draw_integer(g, 41, 60), 1, 5, 1, 3), (9, draw_integer(g, 10, 20), 12, 7, 7, 4)]


DRAWS = {
    "03.1": _maps,
    "03.2": _kernels,
    "03.3": _weights,
    "03.4": _filters,
    "03.5": _layers,
}
