"""Hidden variants of notebook 02: narrow pictures, one wrong colour, deep and shallow stacks, threefold pyramids."""

from __future__ import annotations

import torch

from dsrl_lab.course.exercises.exercise import Case, draw_integer


def _errors_of_one_colour(g: torch.Generator) -> list[Case]:
    cases: list[Case] = []
    for colour, (height, width, border) in enumerate(((9, 31, 4), (25, 6, 1), (8, 8, 3))):
        high_res = torch.full((3, height, width), 0.2) + 0.7 * torch.rand(3, 1, 1, generator=g)
        super_res = high_res.clone()
        super_res[colour] += 0.3 * torch.randn(height, width, generator=g)
        super_res[:, -1] -= 0.5  # a border that is worse than the rest
        super_res[:, border, border] = 1.6
        cases.append((super_res, high_res, border))
    return cases


def _deep_and_shallow_stacks(g: torch.Generator) -> list[Case]:
    width = draw_integer(g, 15, 22)
    deep = [(3, width, 3), (width, 5, 3), (5, 5, 7), (5, 2, 1), (2, 12, 3)]
    return [
        ([(3, draw_integer(g, 2, 7), 9)], draw_integer(g, 9, 14), 4, 6, True),
        (deep, 3, draw_integer(g, 4, 7), 5, True),
        (deep[1:], 11, draw_integer(g, 2, 6), 8, False),
    ]


def _threefold_pyramids(g: torch.Generator) -> list[Case]:
    cases: list[Case] = []
    for levels, images, epsilon in ((3, 1, 2.0), (2, 4, 0.02)):
        sizes = [(images, 3, 2 * 3**level, 3**level) for level in range(levels)]
        scales = [3 * torch.randn(size, generator=g) for size in sizes]
        cases.append((scales, [torch.rand(size, generator=g) for size in sizes], epsilon))
    return cases


def _thin_maps(g: torch.Generator) -> list[Case]:
    cases: list[Case] = []
    for images, channels, height, width in ((1, 5, 1, 7), (4, 2, 6, 2)):
        kernels = [0.3 * torch.rand(channels, channels, 6, 6, generator=g) - 0.1 for _ in range(3)]
        cases.append((5 + torch.rand(images, channels, height, width, generator=g), *kernels))
    return cases


DRAWS = {
    "02.1": _errors_of_one_colour,
    "02.2": _deep_and_shallow_stacks,
    "02.3": _threefold_pyramids,
    "02.4": _thin_maps,
}
