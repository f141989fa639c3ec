"""Hidden variants of notebook 09: uneven strides, maps below zero, nobody to swap, one marked joint, lying torsos."""

from __future__ import annotations

import torch

from dsrl_lab.course.exercises.exercise import Case, draw_integer

LIMBS = [(0, 5), (1, 4), (2, 3), (6, 11), (7, 10), (8, 9)]


def _uneven_strides(g: torch.Generator) -> list[Case]:
    sizes = (((30, 48), (10, 12), 1), ((7, 9), (28, 18), 16), ((100, 37), (25, 37), 3))
    return [
        (torch.rand(joints, 2, generator=g) * (image[1] + 6) - 3, image, size)  # some just outside
        for image, size, joints in sizes
    ]


def _below_zero(g: torch.Generator) -> list[Case]:
    cases: list[Case] = []
    for joints, height, width in ((1, 3, 3), (6, 12, 4)):
        maps = -9 - torch.rand(joints, height, width, generator=g)
        for number, heatmap in enumerate(maps):
            row, column = draw_integer(g, 1, height - 1), draw_integer(g, 1, width - 1)
            heatmap[row, column] = -1
            heatmap[row, column - 1], heatmap[row, column + 1] = (-7, -6) if number % 2 else (-6, -7)
            heatmap[row - 1, column] = heatmap[row + 1, column]  # equal on this axis
        cases.append((maps,))
    return cases


def _nobody_to_swap(g: torch.Generator) -> list[Case]:
    shapes = ((3, 2, 3, 4), (1, 14, 5, 3), (2, 2, 2, 7))
    partners: tuple[list[tuple[int, int]], ...] = ([], LIMBS, [(0, 1)])
    return [
        (4 * torch.randn(shape, generator=g), 4 * torch.randn(shape, generator=g), pairs)
        for shape, pairs in zip(shapes, partners, strict=True)
    ]


def _one_marked(g: torch.Generator) -> list[Case]:
    cases: list[Case] = []
    for people, joints, marked in ((2, 3, 1), (5, 2, 7), (1, 6, 6)):
        maps = torch.randn(2, people, joints, 3, 5, generator=g)
        visible = torch.zeros(people * joints)
        visible[torch.randperm(people * joints, generator=g)[:marked]] = 1
        visible = visible.view(people, joints)
        maps[0] += 50 * (1 - visible[:, :, None, None])  # whatever the network says there
        cases.append((maps[0], maps[1], visible))
    return cases


def _lying_torsos(g: torch.Generator) -> list[Case]:
    cases: list[Case] = []
    for people, alpha in ((9, 0.5), (1, 0.3), (12, 0.05)):
        torso = 20 + 280 * torch.rand(people, generator=g).square()
        target = 3 * torso[:, None, None] * torch.rand(people, 14, 2, generator=g)
        target[:, 9] = target[:, 2] + torch.stack([torso, torch.zeros(people)], dim=-1)
        visible = (torch.rand(people, 14, generator=g) > 0.5).float()
        visible[:, [2, 9]] = 1
        visible[0] = 1
        visible[1:, 11:] = 0  # joints that are marked for one person only
        reach = alpha * torso[:, None] * (0.3 + 1.2 * torch.rand(people, 14, generator=g)) * (2 - visible)
        angle = 6.2832 * torch.rand(people, 14, generator=g)
        pred = target + torch.stack([reach * angle.cos(), reach * angle.sin()], dim=-1)
        pred[:, 9, 0] += torso * torch.tensor([0.6, -0.7]).repeat(people)[:people]  # shoulders that are lost
        cases.append((pred, target, visible, alpha))
    return cases


DRAWS = {
    "09.1": _uneven_strides,
    "09.2": _below_zero,
    "09.3": _one_marked,
    "09.4": _lying_torsos,
    "09.5": _nobody_to_swap,
}
