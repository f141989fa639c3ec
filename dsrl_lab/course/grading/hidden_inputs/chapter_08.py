"""Hidden variants of notebook 08: classes only predicted, losses in place of gains, budgets in other gaps."""

from __future__ import annotations

import torch

from dsrl_lab.course.exercises.exercise import Case, draw_integer


def _only_predicted(g: torch.Generator) -> list[Case]:
    cases: list[Case] = []
    for pictures, classes in ((1, 3), (6, 7)):
        confusions = torch.randint(1, 900, (pictures, classes, classes), generator=g)
        confusions[:, 1] = 0  # never there, but predicted: IoU 0, which counts
        if classes > 3:
            confusions[:, 2], confusions[:, :, 2] = 0, 0  # neither there nor predicted
            confusions[2:] //= 50
        cases.append((confusions,))
    return cases


def _losses_and_many_seeds(g: torch.Generator) -> list[Case]:
    cases: list[Case] = []
    for count, t in ((2, 12.7062), (10, 2.2622), (7, 2.4469)):
        seeds = 0.5 + 0.2 * torch.rand(count, generator=g)
        cases.append((seeds, seeds - 0.1 + 0.05 * torch.randn(count, generator=g), t))
    return cases


def _strong_baselines(g: torch.Generator) -> list[Case]:
    """The baseline leads on the held-out part; of the others one is best on average, another has the luckiest seed."""
    cases: list[Case] = []
    for variants, seeds in ((4, 6), (7, 5)):
        held_out = 30 + torch.rand(variants, seeds, generator=g)
        val = 20 + 6 * torch.rand(variants, seeds, generator=g)
        best, lucky = variants - 1, 1
        held_out[best] += 3
        held_out[lucky, 2] += 8
        held_out[0] += 9
        val[0] += 4
        val[2] += 7
        cases.append((held_out, val))
    return cases


def _other_gaps(g: torch.Generator) -> list[Case]:
    cases: list[Case] = []
    for size, gap in ((2, 0), (6, 4), (7, 0)):
        macs = 0.5 * 4.0 ** (torch.arange(size) + 0.4 * torch.rand(size, generator=g))
        scores = 60 - 3 * torch.arange(size).float().square() + torch.rand(size, generator=g)  # larger is not better
        share = 0.3 + 0.3 * float(torch.rand((), generator=g))
        cases.append((macs, scores, float(macs[gap] ** (1 - share) * macs[gap + 1] ** share)))
    return cases


def _other_scales(g: torch.Generator) -> list[Case]:
    scale = float(10 + 20 * torch.rand((), generator=g))
    return [
        (3 * scale, 4 * scale, scale),  # more than the paper's
        (-9 * scale, 0.5 * scale, scale),
        (-0.1 / scale, 9.0, 1 / scale),  # wide, the paper's gain far inside
        (0.1, 0.3, scale),
        (-0.1 * scale, 0.9 * scale, scale),
        (-3 * scale, 1.5 * scale, scale),
        (-2.0 - draw_integer(g, 1, 9), -1.0, scale),
        (0.0, 0.5 * scale, scale),  # ends that count
        (-scale, scale, scale),
    ]


DRAWS = {
    "08.1": _only_predicted,
    "08.2": _losses_and_many_seeds,
    "08.3": _other_gaps,
    "08.4": _strong_baselines,
    "08.5": _other_scales,
}
