"""Exercises of notebook 06: feature affinity.

Source: Wang et al., CVPR 2020, the equations of S_ij and L_fa. Some of the wrong answers (no unit
length, columns against columns, the sum over the batch, one norm of the whole matrix) were read in public
re-implementations.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from dsrl_lab.affinity import affinity_matrix
from dsrl_lab.course.exercises.exercise import Case, Exercise, Hint, WrongAnswer, draw_integer


def _features(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=generator) * 3


# 06.1


def affinity_bytes(height: int, width: int, stride: int) -> int:
    """Bytes of one affinity matrix in float32.

    Args:
        height: of the output, in pixels; a multiple of stride.
        width: of the output, in pixels; a multiple of stride.
        stride: output pixels per position, on each side.

    Example:
        >>> affinity_bytes(512, 1024, 8) // 2**20  # MiB
        256
    """
    positions = (height // stride) * (width // stride)
    return 4 * positions**2


def _draw_sizes(generator: torch.Generator) -> list[Case]:
    strides = [2, 4, 8, 16]
    return [(s * draw_integer(generator, 3, 20), s * draw_integer(generator, 21, 50), s) for s in strides]


BYTES = Exercise(
    name="06.1",
    title="An affinity matrix has a row and a column for each position",
    difficulty=1,
    importance=3,
    minutes=4,
    solution=affinity_bytes,
    oracle=lambda h, w, s: torch.empty(1, 2, h, w)[..., ::s, ::s].flatten(2).shape[-1] ** 2 * torch.float32.itemsize,
    draw=_draw_sizes,
    wrong_answers=(
        WrongAnswer(
            "one number for each position",
            lambda h, w, s: 4 * (h // s) * (w // s),
            "This is the size of a picture with one channel. S holds a number for each PAIR of positions: square P.",
        ),
        WrongAnswer(
            "stride on one side only",
            lambda h, w, s: 4 * (h * w // s) ** 2,
            "You kept 1/stride of the positions. The stride acts on each side, so 1/stride² of them remain, and of the "
            "pairs 1/stride⁴: at stride 8 your number is 64 times too large.",
        ),
        WrongAnswer(
            "entries, not bytes",
            lambda h, w, s: ((h // s) * (w // s)) ** 2,
            "You counted the entries. One float32 takes four bytes.",
        ),
        WrongAnswer(
            "columns against columns",
            lambda h, w, s: 4 * (w // s) ** 2,
            "W x W is what comes out when two axes of the picture are multiplied and the rows are forgotten. "
            "Positions are rows times columns: flatten H and W into one axis P first.",
        ),
    ),
    hints=(
        Hint("My number is far too small", "How many pairs can P positions form, each with each, itself included?"),
        Hint(
            "My number is a power of two off",
            "Where does the stride enter: once, or on both sides? How large is float32?",
        ),
    ),
)


# 06.2


def affinity(features: Tensor) -> Tensor:
    """Cosine similarity of each position with each other one: S of the paper, p = 2.

    A position whose features are all zero has no direction: its similarities are 0.

    Shape:
        - features: (N, C, H, W)
        - output: (N, P, P) with P = H * W, positions row by row

    Example:
        >>> affinity(torch.tensor([[[[1.0, 2.0, 0.0]], [[0.0, 0.0, 5.0]]]]))
        tensor([[[1., 1., 0.],
                 [1., 1., 0.],
                 [0., 0., 1.]]])
    """
    x = features.flatten(2)  # (N, C, P)
    x = x / x.norm(dim=1, keepdim=True).clamp(min=1e-8)
    return x.mT @ x


def _cosines_one_by_one(features: Tensor) -> Tensor:
    n, c, h, w = features.shape
    x = features.reshape(n, c, h * w).double()
    rows = [F.cosine_similarity(x, x[:, :, i, None], dim=1, eps=1e-12) for i in range(h * w)]
    return torch.stack(rows, dim=1)


def _draw_features(generator: torch.Generator) -> list[Case]:
    empty = _features(generator, 1, 4, 2, 3)
    empty[0, :, 1, 1] = 0
    return [(_features(generator, 2, 5, 3, 4),), (_features(generator, 3, 2, 4, 2),), (empty,)]


def _one_length(x: Tensor) -> Tensor:
    x = F.normalize(x.flatten(1), dim=1).reshape_as(x).flatten(2)
    return x.mT @ x


def _without_guard(x: Tensor) -> Tensor:
    x = x.flatten(2)
    x = x / x.norm(dim=1, keepdim=True)
    return x.mT @ x


MATRIX = Exercise(
    name="06.2",
    title="Unit vectors along the channels, then one product of positions with positions",
    difficulty=2,
    importance=3,
    minutes=10,
    solution=affinity,
    oracle=_cosines_one_by_one,
    draw=_draw_features,
    wrong_answers=(
        WrongAnswer(
            "no unit length",
            lambda x: x.flatten(2).mT @ x.flatten(2),
            "The diagonal is not 1: these are dot products, not cosines. A pixel then looks like another because it is "
            "bright, and features ten times as large make S a hundred times as large.",
        ),
        WrongAnswer(
            "unit length over the positions",
            lambda x: F.normalize(x.flatten(2), dim=2).mT @ F.normalize(x.flatten(2), dim=2),
            "You gave each CHANNEL length 1 over the picture, and the diagonal is not 1. The vector of a position runs "
            "along the channels: normalise over C.",
        ),
        WrongAnswer(
            "one length for the whole picture",
            _one_length,
            "You divided by one number per picture, so bright positions still outshout dark ones: the diagonal should "
            "be 1 at every position. Keep H and W while you take the norm.",
        ),
        WrongAnswer(
            "columns against columns",
            lambda x: F.normalize(x, dim=1).mT @ F.normalize(x, dim=1),
            "Your result is (N, C, W, W): the matrix product took the last two axes, so columns of the picture met "
            "columns, channel by channel. Flatten H and W into P before the product.",
        ),
        WrongAnswer(
            "channels against channels",
            lambda x: F.normalize(x.flatten(2), dim=1) @ F.normalize(x.flatten(2), dim=1).mT,
            "Your result is (N, C, C): a Gram matrix, which says which channels go together and forgets where. "
            "That is style transfer's loss. Transpose the first factor, not the second.",
        ),
        WrongAnswer(
            "positions column by column",
            lambda x: affinity_matrix(x.mT),
            "Right numbers in another order: your positions run down the columns. (H, W) is flattened row by row, "
            "without a transpose before it; a row of S can then be folded back to a picture with reshape(H, W).",
        ),
        WrongAnswer(
            "0 divided by 0",
            _without_guard,
            "NaN, where a position's features are all zero: after a ReLU that happens, and one NaN ends a training "
            "run. Keep the norm away from zero before you divide.",
        ),
    ),
    hints=(
        Hint("The diagonal is not 1", "Which axis holds the vector of a position? Only over it is the norm taken."),
        Hint("The shape is not (N, P, P)", "flatten(2) makes (N, C, P). Which of the two factors must be transposed?"),
        Hint("I see NaN", "What is the norm of a position whose features are all zero?"),
    ),
)


# 06.3


def affinity_distance(s_a: Tensor, s_b: Tensor, q: int) -> Tensor:
    """How far two affinity matrices are apart: L_fa of the paper, from the matrices.

    The mean over images and pairs of |S_a - S_b|^q: absolute differences for q = 1,
    squares for q = 2.

    Shape:
        - s_a, s_b: (N, P, P)
        - output: ()

    Example:
        >>> affinity_distance(torch.eye(2)[None], torch.ones(1, 2, 2), 1)
        tensor(0.5000)
    """
    return (s_a - s_b).abs().pow(q).mean()


def _draw_pairs(generator: torch.Generator) -> list[Case]:
    cases: list[Case] = []
    for q in (1, 2):
        for n, positions in ((1, 6), (3, 4)):
            a, b = (affinity_matrix(_features(generator, n, 3, 1, positions)) for _ in range(2))
            cases.append((a, b, q))
    return cases


DISTANCE = Exercise(
    name="06.3",
    title="The loss is a mean over images and pairs of positions",
    difficulty=1,
    importance=3,
    minutes=5,
    solution=affinity_distance,
    oracle=lambda a, b, q: (
        sum(abs(x - y) ** q for x, y in zip(a.flatten().tolist(), b.flatten().tolist(), strict=True)) / a.numel()
    ),
    draw=_draw_pairs,
    wrong_answers=(
        WrongAnswer(
            "signs cancel",
            lambda a, b, q: (a - b).pow(q).mean(),
            "With q = 1 your differences cancel: too alike here pays for too unlike there, and the loss can be 0, or "
            "negative, for matrices that differ everywhere. Take the absolute value first.",
        ),
        WrongAnswer(
            "summed over the batch",
            lambda a, b, q: (a - b).abs().pow(q).mean(dim=(1, 2)).sum(),
            "The same pair twice in the batch doubles your loss: w2 then drifts with the batch size. Average over N "
            "too.",
        ),
        WrongAnswer(
            "divided by P, not by P squared",
            lambda a, b, q: (a - b).abs().pow(q).sum(dim=2).mean(),
            "Your loss is P times too large: you averaged over rows and summed along them. There are P² pairs; at P = "
            "8192 the difference is a factor of 8192 in w2.",
        ),
        WrongAnswer(
            "q = 2 read as the norm of a number",
            lambda a, b, q: (a - b).abs().mean(),
            "Right for q = 1, and q = 2 gives the same again: the 2-norm of a single number is its absolute value. "
            "Read so, q would mean nothing; the kit takes q = 2 as the square.",
        ),
        WrongAnswer(
            "one norm of the whole matrix",
            lambda a, b, q: (a - b).norm(p=q) / a.numel(),
            "For q = 2 you took the root of the sum over everything: images of one batch then change each other's "
            "gradients. The power q acts on each entry; no root afterwards.",
        ),
    ),
    hints=(
        Hint("Negative, or zero for different matrices", "What happens to +0.5 and -0.5 in a mean?"),
        Hint("Right for one image and not for three", "Over which axes does the mean run?"),
        Hint("Right for q = 1 only", "The power acts on each entry, and nothing undoes it."),
    ),
)


EXERCISES = (BYTES, MATRIX, DISTANCE)
