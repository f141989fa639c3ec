"""Exercises of notebook 06: feature affinity, its memory, a coarser grid (averaged by the kit), and strips (ours).

Source: Wang et al., CVPR 2020, the equations of S_ij and L_fa; some wrong answers were read in public code.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from dsrl_lab.affinity import affinity_matrix, feature_affinity_loss
from dsrl_lab.course.exercises.calls import call_for_loss_of_two, call_in_strips
from dsrl_lab.course.exercises.exercise import Case, draw_integer
from dsrl_lab.course.exercises.solutions.texts import exercise


def affinity_bytes(height: int, width: int, stride: int) -> int:
    positions = (height // stride) * (width // stride)
    return 4 * positions**2


def _draw_sizes(generator: torch.Generator) -> list[Case]:
    strides = [2, 4, 8, 16]
    return [(s * draw_integer(generator, 3, 20), s * draw_integer(generator, 21, 50), s) for s in strides]


BYTES = exercise(
    "06.1",
    difficulty=1,
    solution=affinity_bytes,
    oracle=lambda h, w, s: torch.empty(1, 2, h, w)[..., ::s, ::s].flatten(2).shape[-1] ** 2 * torch.float32.itemsize,
    draw=_draw_sizes,
    wrong_answers={
        "one number for each position": lambda h, w, s: 4 * (h // s) * (w // s),
        "stride on one side only": lambda h, w, s: 4 * (h * w // s) ** 2,
        "entries, not bytes": lambda h, w, s: ((h // s) * (w // s)) ** 2,
        "columns against columns": lambda h, w, s: 4 * (w // s) ** 2,
    },
)


def affinity(features: Tensor) -> Tensor:
    x = features.flatten(2)  # (N, C, P)
    x = x / x.norm(dim=1, keepdim=True).clamp(min=1e-8)
    return x.mT @ x


def _cosines_one_by_one(features: Tensor) -> Tensor:
    x = features.flatten(2).double()
    rows = [F.cosine_similarity(x, x[:, :, i, None], dim=1, eps=1e-12) for i in range(x.shape[2])]
    return torch.stack(rows, dim=1)


def _draw_features(generator: torch.Generator) -> list[Case]:
    shapes = ((2, 5, 3, 4), (3, 2, 4, 2), (1, 4, 2, 3))
    features = [3 * torch.randn(shape, generator=generator) for shape in shapes]
    features[2][0, :, 1, 1] = 0
    return [(one,) for one in features]


def _one_length(x: Tensor) -> Tensor:
    x = F.normalize(x.flatten(1), dim=1).reshape_as(x).flatten(2)
    return x.mT @ x


def _without_guard(x: Tensor) -> Tensor:
    x = x.flatten(2)
    x = x / x.norm(dim=1, keepdim=True)
    return x.mT @ x


MATRIX = exercise(
    "06.2",
    difficulty=2,
    solution=affinity,
    oracle=_cosines_one_by_one,
    draw=_draw_features,
    wrong_answers={
        "no unit length": lambda x: x.flatten(2).mT @ x.flatten(2),
        "unit length over the positions": lambda x: (
            F.normalize(x.flatten(2), dim=2).mT @ F.normalize(x.flatten(2), dim=2)
        ),
        "one length for the whole picture": _one_length,
        "columns against columns": lambda x: F.normalize(x, dim=1).mT @ F.normalize(x, dim=1),
        "channels against channels": lambda x: F.normalize(x.flatten(2), dim=1) @ F.normalize(x.flatten(2), dim=1).mT,
        "positions column by column": lambda x: affinity_matrix(x.mT),
        "0 divided by 0": _without_guard,
    },
)


def affinity_distance(s_a: Tensor, s_b: Tensor, q: int) -> Tensor:
    return (s_a - s_b).abs().pow(q).mean()


def _draw_pairs(generator: torch.Generator) -> list[Case]:
    cases: list[Case] = []
    for q in (1, 2):
        for n, positions in ((1, 6), (3, 4)):
            features = 3 * torch.randn(2, n, 3, 1, positions, generator=generator)
            cases.append((*map(affinity_matrix, features), q))
    return cases


DISTANCE = exercise(
    "06.3",
    difficulty=1,
    solution=affinity_distance,
    oracle=lambda a, b, q: torch.linalg.vector_norm(a - b, ord=q) ** q / a.numel(),
    draw=_draw_pairs,
    run=call_for_loss_of_two,
    wrong_answers={
        "signs cancel": lambda a, b, q: (a - b).pow(q).mean(),
        "summed over the batch": lambda a, b, q: (a - b).abs().pow(q).mean(dim=(1, 2)).sum(),
        "divided by P, not by P squared": lambda a, b, q: (a - b).abs().pow(q).sum(dim=2).mean(),
        "q = 2 read as the norm of a number": lambda a, b, q: (a - b).abs().mean(),
        "one norm of the whole matrix": lambda a, b, q: (a - b).norm(p=q) / a.numel(),
    },
)


def affinity_at(features: Tensor, stride: int) -> Tensor:
    return affinity_matrix(F.avg_pool2d(features, stride))


def _coarse_by_blocks(features: Tensor, stride: int) -> Tensor:
    x = F.unfold(features, stride, stride=stride).unflatten(1, (features.shape[1], stride**2)).mean(2).double()
    return F.cosine_similarity(x[:, :, :, None], x[:, :, None, :], dim=1)


def _unit_then_mean(x: Tensor, s: int) -> Tensor:
    means = F.avg_pool2d(F.normalize(x, dim=1), s).flatten(2)
    return means.mT @ means


COARSE = exercise(
    "06.4",
    difficulty=2,
    solution=affinity_at,
    oracle=_coarse_by_blocks,
    draw=lambda generator: [(torch.randn(2, 4, 2 * s, 3 * s, generator=generator) + 1, s) for s in (2, 4)],
    wrong_answers={
        "one pixel of each block": lambda x, s: affinity_matrix(x[..., ::s, ::s]),
        "the largest in each block": lambda x, s: affinity_matrix(F.max_pool2d(x, s)),
        "one side only": lambda x, s: affinity_matrix(F.avg_pool2d(x, (s, 1))),
        "unit length, then the average": _unit_then_mean,
    },
)


def affinity_loss_in_strips(a: Tensor, b: Tensor, rows: int) -> Tensor:
    positions = a.shape[1]
    total = a.new_zeros(())
    for start in range(0, positions, rows):
        strip = slice(start, start + rows)
        total = total + (a[:, strip].mT @ a - b[:, strip].mT @ b).abs().sum()
    return total / positions**2


def _row_by_row(a: Tensor, b: Tensor, rows: int) -> Tensor:
    return torch.stack([(x @ a - y @ b).abs().mean() for x, y in zip(a.T, b.T, strict=True)]).mean()


def _strips(a: Tensor, b: Tensor, rows: int, starts: range) -> list[Tensor]:
    return [(a[:, i : i + rows].mT @ a - b[:, i : i + rows].mT @ b).abs() for i in starts]


def _drops_the_rest(a: Tensor, b: Tensor, rows: int) -> Tensor:
    p = a.shape[1]
    return torch.stack([strip.sum() for strip in _strips(a, b, rows, range(0, p - rows + 1, rows))]).sum() / p**2


def _diagonal_only(a: Tensor, b: Tensor, rows: int) -> Tensor:
    parts = zip(a.split(rows, 1), b.split(rows, 1), strict=True)
    return torch.stack([(x.mT @ x - y.mT @ y).abs().sum() for x, y in parts]).sum() / a.shape[1] ** 2


def _draw_long(generator: torch.Generator) -> list[Case]:
    cases: list[Case] = []
    for rows in (3, 4, 5):
        positions = 6 * rows + draw_integer(generator, 1, rows)
        a, b = (F.normalize(torch.randn(c, positions, generator=generator), dim=0) for c in (3, 4))
        cases.append((a, b, rows))
    return cases


STRIPS = exercise(
    "06.5",
    difficulty=3,
    solution=affinity_loss_in_strips,
    oracle=_row_by_row,
    draw=_draw_long,
    run=call_in_strips,
    wrong_answers={
        "the whole matrix after all": lambda a, b, rows: feature_affinity_loss(
            a[None, :, None], b[None, :, None], q=1, method="dense"
        ),
        "the last strip left out": _drops_the_rest,
        "strips against themselves": _diagonal_only,
        "mean of the strips' means": lambda a, b, rows: torch.stack(
            [s.mean() for s in _strips(a, b, rows, range(0, a.shape[1], rows))]
        ).mean(),
    },
)
EXERCISES = (BYTES, MATRIX, DISTANCE, COARSE, STRIPS)
