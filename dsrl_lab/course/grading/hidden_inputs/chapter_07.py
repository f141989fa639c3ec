"""Hidden variants of notebook 07: pictures without labels, first and last steps, empty groups, look-alike names."""

from __future__ import annotations

import torch

from dsrl_lab.course.exercises.exercise import Case, draw_integer

LOOK_ALIKE = (
    "task_model.host.sisr_like.weight",
    "task_model.host.transform.0.weight",
    "task_model.host.task_model.bias",
    "task_model.host.norm.running_mean",
    "task_model.host.norm.running_var",
    "task_model.host.norm.num_batches_tracked",
    "task_model.sssr_head.0.weight",
    "sisr_head.task_model.weight",
    "transform.host.weight",
)


def _sparse_labels(g: torch.Generator) -> list[Case]:
    cases: list[Case] = []
    for pictures, height, width in ((5, 1, 9), (3, 7, 2)):
        losses = 4 * torch.rand(pictures, height, width, generator=g)
        mask = torch.randint(0, 19, (pictures, height, width), generator=g)
        mask[0].fill_(255)  # a picture without labels
        mask[1].view(-1)[1:] = 255  # a picture with one
        cases.append((losses, mask))
    full = torch.randint(0, 19, (2, 3, 3), generator=g)
    return [*cases, (1 + torch.rand(2, 3, 3, generator=g), full)]


def _first_and_last_steps(g: torch.Generator) -> list[Case]:
    steps = draw_integer(g, 91, 300)
    return [(0, steps, 2.0, 3.0), (steps - 1, steps, 9.0, 0.3), (draw_integer(g, 1, 4), 5, 0.4, 1.0), (0, 1, 0.7, 0.9)]


def _empty_and_crowded_groups(g: torch.Generator) -> list[Case]:
    sizes = {name: draw_integer(g, 2, 50) for name in ("a", "b", "c", "d", "e")}
    return [
        (sizes, [[], ["c", "a"], ["b"], ["e", "d"]]),  # as it should be
        (sizes, [["a", "b"], ["a", "c"], ["a"], ["a", "c"]]),
        (sizes, [[]]),
        ({"one": 1}, [["one"], ["one"]]),
    ]


def _whole_and_finished_runs(g: torch.Generator) -> list[Case]:
    cases: list[Case] = []
    for size, steps, iteration in ((2, 5, 0), (7, 16, 15), (4, 6, 6), (2, 30, 1)):
        weight, velocity = 3 * torch.randn(2, size, generator=g)
        cases.append((weight, velocity, iteration, torch.randn(steps, size, generator=g) - 2, 0.05))
    return cases


def _look_alike_names(g: torch.Generator) -> list[Case]:
    return [
        ({name: torch.rand(draw_integer(g, 2, 6), generator=g) for name in LOOK_ALIKE},),
        ({name: torch.rand(3, generator=g) for name in LOOK_ALIKE[-3:]},),
    ]


DRAWS = {
    "07.1": _sparse_labels,
    "07.2": _first_and_last_steps,
    "07.3": _empty_and_crowded_groups,
    "07.4": _whole_and_finished_runs,
    "07.5": _look_alike_names,
}
