"""Hidden variants of notebook 06: other strides, features that are faint, strong or nowhere, more positions."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from dsrl_lab.affinity import affinity_matrix
from dsrl_lab.course.exercises.exercise import Case, draw_integer


def _sizes(g: torch.Generator) -> list[Case]:
    side = draw_integer(g, 5, 40)
    return [(side, side + 1, 1), (32 * side, 32 * (side + 3), 32), (3 * side, 3 * (side + 2), 3)]


def _features(g: torch.Generator) -> list[Case]:
    sparse = F.relu(torch.randn(2, 3, 4, 5, generator=g))
    sparse[:, :, :2, 1:3] = 0
    faint, strong = 0.05 * torch.randn(3, 6, 2, 5, generator=g), 200 * torch.randn(2, 4, 5, 3, generator=g)
    return [(sparse,), (faint,), (strong,), (torch.randn(4, 7, 1, 6, generator=g),)]


def _pairs(g: torch.Generator) -> list[Case]:
    def matrix(n: int, positions: int) -> torch.Tensor:
        return affinity_matrix(torch.randn(n, 2, 1, positions, generator=g))

    return [(matrix(n, p), matrix(n, p), q) for n, p, q in ((4, 2, 1), (2, 9, 2), (5, 3, 2), (1, 7, 1))]


def _strided(g: torch.Generator) -> list[Case]:
    shapes = ((3, 5, 3, 1, 4), (1, 2, 5, 4, 2))
    return [(torch.randn(n, c, h * s, w * s, generator=g) - 0.5, s) for n, c, s, h, w in shapes]


def _long(g: torch.Generator) -> list[Case]:
    cases: list[Case] = []
    for positions, rows in ((23, 5), (40, 7), (31, 2)):
        a, b = (F.normalize(torch.randn(c, positions, generator=g), dim=0) for c in (6, 2))
        cases.append((a, b, rows))
    return cases


DRAWS = {
    "06.1": _sizes,
    "06.2": _features,
    "06.3": _pairs,
    "06.4": _strided,
    "06.5": _long,
}
