"""Exercises of notebook 06 about memory: a coarser grid, and the loss a strip at a time.

Source: the paper sub-samples both branches before comparing them (by what filter is not known: the kit averages); the
tiled loss is ours, see ``dsrl_lab.affinity``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from dsrl_lab.affinity import affinity_matrix, feature_affinity_loss
from dsrl_lab.course.exercises.exercise import Answer, Case, Exercise, Hint, WrongAnswer, call, draw_integer

# 06.4


def affinity_at(features: Tensor, stride: int) -> Tensor:
    """Affinity on a coarser grid: average over blocks, then compare by cosine.

    A block is stride x stride positions. You may use ``torch.nn.functional`` as F, and
    ``affinity_matrix`` for the comparison.

    Shape:
        - features: (N, C, H, W), H and W multiples of stride
        - output: (N, P, P) with P = (H / stride) * (W / stride)

    Example:
        >>> affinity_at(torch.rand(1, 8, 16, 24), 8).shape
        torch.Size([1, 6, 6])
    """
    return affinity_matrix(F.avg_pool2d(features, stride))


def _coarse_by_blocks(features: Tensor, stride: int) -> Tensor:
    blocks = F.unfold(features, stride, stride=stride).unflatten(1, (features.shape[1], stride**2)).mean(2)
    x = blocks.double()
    return F.cosine_similarity(x[:, :, :, None], x[:, :, None, :], dim=1)


def _draw_strided(generator: torch.Generator) -> list[Case]:
    return [(torch.randn(2, 4, 2 * s, 3 * s, generator=generator) + 1, s) for s in (2, 4)]


COARSE = Exercise(
    name="06.4",
    title="Average the features, then take directions",
    difficulty=2,
    importance=2,
    minutes=8,
    solution=affinity_at,
    oracle=_coarse_by_blocks,
    draw=_draw_strided,
    wrong_answers=(
        WrongAnswer(
            "every eighth pixel",
            lambda x, s: affinity_matrix(x[..., ::s, ::s]),
            "You picked the first pixel of each block and threw the rest away: a pole between two picked columns is "
            "gone, and its gradient with it. Average the block.",
        ),
        WrongAnswer(
            "the largest in each block",
            lambda x, s: affinity_matrix(F.max_pool2d(x, s)),
            "You took each channel's largest value: they come from different pixels, so the vector belongs to nobody "
            "in the block. Average it.",
        ),
        WrongAnswer(
            "one side only",
            lambda x, s: affinity_matrix(F.avg_pool2d(x, (s, 1))),
            "The stride acts on rows and on columns: 1/stride per side, 1/stride² of the positions, 1/stride⁴ of the "
            "pairs.",
        ),
        WrongAnswer(
            "unit length, then the average",
            lambda x, s: (
                F.avg_pool2d(F.normalize(x, dim=1), s).flatten(2).mT @ F.avg_pool2d(F.normalize(x, dim=1), s).flatten(2)
            ),
            "The diagonal is below 1: the mean of unit vectors is shorter than a unit vector wherever a block holds "
            "an edge. Average first, take the length afterwards. (Averaging the finished matrix over blocks gives "
            "your numbers too, and needs all its memory.)",
        ),
    ),
    hints=(
        Hint("The diagonal is below 1", "In which order do averaging and unit length come?"),
        Hint("The numbers look random", "How many pixels of each block reach your result?"),
    ),
)


# 06.5


def affinity_loss_in_strips(a: Tensor, b: Tensor, rows: int) -> Tensor:
    """L_fa with q = 1 of two feature maps of one image, without a P x P matrix.

    Work through ``rows`` positions at a time: their similarities to all positions are a
    strip (rows, P). The last strip may be shorter.

    Shape:
        - a: (C_a, P) and b: (C_b, P), each position of length 1
        - output: ()

    Example:
        >>> a, b = torch.eye(2), torch.tensor([[1.0, 1.0], [0.0, 0.0]])
        >>> affinity_loss_in_strips(a, b, rows=1)
        tensor(0.5000)
    """
    positions = a.shape[1]
    total = a.new_zeros(())
    for start in range(0, positions, rows):
        strip = slice(start, start + rows)
        total = total + (a[:, strip].mT @ a - b[:, strip].mT @ b).abs().sum()
    return total / positions**2


def _whole(a: Tensor, b: Tensor, rows: int) -> Tensor:
    return feature_affinity_loss(a[None, :, None], b[None, :, None], q=1, method="dense")


def _strips(a: Tensor, b: Tensor, rows: int, starts: range) -> list[Tensor]:
    return [(a[:, i : i + rows].mT @ a - b[:, i : i + rows].mT @ b).abs() for i in starts]


def _drops_the_rest(a: Tensor, b: Tensor, rows: int) -> Tensor:
    p = a.shape[1]
    return torch.stack([strip.sum() for strip in _strips(a, b, rows, range(0, p - rows + 1, rows))]).sum() / p**2


def _diagonal_only(a: Tensor, b: Tensor, rows: int) -> Tensor:
    p = a.shape[1]
    parts = zip(a.split(rows, 1), b.split(rows, 1), strict=True)
    return torch.stack([(x.mT @ x - y.mT @ y).abs().sum() for x, y in parts]).sum() / p**2


class _Largest(TorchDispatchMode):
    """Notes the largest tensor that any operation makes."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor):
            self.numbers = max(self.numbers, result.numel())
        return result


def _loss_and_size(answer: Answer, case: Case) -> list[float]:
    """The loss, and 1 if a matrix of P x P numbers was held on the way (the oracle may)."""
    with _Largest() as largest:
        loss = call(answer, case)
    too_large = answer is not _whole_oracle and largest.numbers >= case[0].shape[1] ** 2
    return [float(loss), float(too_large)]


def _whole_oracle(a: Tensor, b: Tensor, rows: int) -> Tensor:
    return _whole(a, b, rows)


def _draw_long(generator: torch.Generator) -> list[Case]:
    cases: list[Case] = []
    for rows in (4, 5, 7):
        positions = 6 * rows + draw_integer(generator, 1, rows)
        a, b = (F.normalize(torch.randn(c, positions, generator=generator), dim=0) for c in (3, 4))
        cases.append((a, b, rows))
    return cases


STRIPS = Exercise(
    name="06.5",
    title="A strip at a time: the same number, a small part of the memory",
    difficulty=3,
    importance=2,
    minutes=15,
    solution=affinity_loss_in_strips,
    oracle=_whole_oracle,
    draw=_draw_long,
    run=_loss_and_size,
    wrong_answers=(
        WrongAnswer(
            "the whole matrix after all",
            _whole,
            "The number is right, but a tensor of P x P numbers was made on the way: the memory is what it was. "
            "Multiply only the rows of the strip with all positions, and keep nothing but the sum.",
        ),
        WrongAnswer(
            "the last strip left out",
            _drops_the_rest,
            "Slightly too small whenever P is no multiple of rows: the shorter last strip was dropped. Slicing past "
            "the end is allowed in PyTorch; let the loop run to P.",
        ),
        WrongAnswer(
            "strips against themselves",
            _diagonal_only,
            "Far too small: each strip met only itself, so pairs in different strips never count. The strip's rows "
            "must meet ALL positions.",
        ),
        WrongAnswer(
            "mean of the strips' means",
            lambda a, b, rows: torch.stack([s.mean() for s in _strips(a, b, rows, range(0, a.shape[1], rows))]).mean(),
            "The short last strip counts as much as a full one. Add up sums and divide once, by P².",
        ),
    ),
    hints=(
        Hint("A tensor of P x P numbers was made", "What is the shape of a[:, strip].mT @ a? Which factor is cut?"),
        Hint("Nearly right", "What happens to the last, shorter strip?"),
        Hint("Far too small", "How many pairs did you visit? It should be P²."),
    ),
)


EXERCISES = (COARSE, STRIPS)
