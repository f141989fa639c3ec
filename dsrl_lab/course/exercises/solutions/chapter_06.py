"""Exercises of notebook 06: feature affinity, its memory, a coarser grid (averaged by the kit), and strips (ours).

Source: Wang et al., CVPR 2020, the equations of S_ij and L_fa; some wrong answers were read in public code.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from dsrl_lab.affinity import affinity_matrix, feature_affinity_loss
from dsrl_lab.course.exercises.calls import call_for_loss_of_two, call_in_strips
from dsrl_lab.course.exercises.exercise import Case, Exercise, Hint, WrongAnswer, draw_integer


def affinity_bytes(height: int, width: int, stride: int) -> int:
    positions = (height // stride) * (width // stride)
    return 4 * positions**2


def _draw_sizes(generator: torch.Generator) -> list[Case]:
    strides = [2, 4, 8, 16]
    return [(s * draw_integer(generator, 3, 20), s * draw_integer(generator, 21, 50), s) for s in strides]


BYTES = Exercise(
    name="06.1",
    title="An affinity matrix has a row and a column for each position",
    difficulty=1,
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
            "W x W comes out when two axes of the picture are multiplied and the rows are forgotten. Positions are "
            "rows times columns: flatten H and W into one axis P first.",
        ),
    ),
    hints=(
        Hint("My number is far too small", "How many pairs can P positions form, each with each, itself included?"),
        Hint("A power of two off", "Does the stride act once, or on both sides? How large is float32?"),
    ),
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


MATRIX = Exercise(
    name="06.2",
    title="Unit vectors along the channels, then one product of positions with positions",
    difficulty=2,
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
            "You divided by one number per picture, so bright positions still count more than dark ones: the diagonal "
            "should be 1 at every position. Keep H and W while you take the norm.",
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
            "Your result is (N, C, C): a Gram matrix. It compares channels, as style transfer does, and forgets where. "
            "Transpose the first factor, not the second.",
        ),
        WrongAnswer(
            "positions column by column",
            lambda x: affinity_matrix(x.mT),
            "Right numbers in another order: your positions run down the columns. (H, W) is flattened row by row, "
            "without a transpose before it; then reshape(H, W) makes a picture of a row of S.",
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


def affinity_distance(s_a: Tensor, s_b: Tensor, q: int) -> Tensor:
    return (s_a - s_b).abs().pow(q).mean()


def _draw_pairs(generator: torch.Generator) -> list[Case]:
    cases: list[Case] = []
    for q in (1, 2):
        for n, positions in ((1, 6), (3, 4)):
            features = 3 * torch.randn(2, n, 3, 1, positions, generator=generator)
            cases.append((*map(affinity_matrix, features), q))
    return cases


DISTANCE = Exercise(
    name="06.3",
    title="The loss is a mean over images and pairs of positions",
    difficulty=1,
    solution=affinity_distance,
    oracle=lambda a, b, q: torch.linalg.vector_norm(a - b, ord=q) ** q / a.numel(),
    draw=_draw_pairs,
    run=call_for_loss_of_two,
    wrong_answers=(
        WrongAnswer(
            "signs cancel",
            lambda a, b, q: (a - b).pow(q).mean(),
            "With q = 1 your differences cancel: too alike here and too unlike there add up to nothing, and the loss "
            "can be 0, or negative, for matrices that differ everywhere. Take the absolute value first.",
        ),
        WrongAnswer(
            "summed over the batch",
            lambda a, b, q: (a - b).abs().pow(q).mean(dim=(1, 2)).sum(),
            "The same pair twice in the batch doubles your loss: the right w2 then depends on the batch size. Average "
            "over N too.",
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
            "Then q would mean nothing; the kit takes q = 2 as the square.",
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
        Hint("Right for q = 1 only", "The power acts on each entry, and no root follows."),
    ),
)


def affinity_at(features: Tensor, stride: int) -> Tensor:
    return affinity_matrix(F.avg_pool2d(features, stride))


def _coarse_by_blocks(features: Tensor, stride: int) -> Tensor:
    x = F.unfold(features, stride, stride=stride).unflatten(1, (features.shape[1], stride**2)).mean(2).double()
    return F.cosine_similarity(x[:, :, :, None], x[:, :, None, :], dim=1)


def _unit_then_mean(x: Tensor, s: int) -> Tensor:
    means = F.avg_pool2d(F.normalize(x, dim=1), s).flatten(2)
    return means.mT @ means


COARSE = Exercise(
    name="06.4",
    title="Average the features, then take directions",
    difficulty=2,
    solution=affinity_at,
    oracle=_coarse_by_blocks,
    draw=lambda generator: [(torch.randn(2, 4, 2 * s, 3 * s, generator=generator) + 1, s) for s in (2, 4)],
    wrong_answers=(
        WrongAnswer(
            "one pixel of each block",
            lambda x, s: affinity_matrix(x[..., ::s, ::s]),
            "You kept the first pixel of each block and lost the others: a pole between two kept columns is gone, and "
            "its gradient with it. Average the block.",
        ),
        WrongAnswer(
            "the largest in each block",
            lambda x, s: affinity_matrix(F.max_pool2d(x, s)),
            "You took each channel's largest value: they come from different pixels, so the vector belongs to no pixel "
            "of the block. Average it.",
        ),
        WrongAnswer(
            "one side only",
            lambda x, s: affinity_matrix(F.avg_pool2d(x, (s, 1))),
            "The stride acts on rows and on columns: 1/stride per side, 1/stride² of the positions, 1/stride⁴ of the "
            "pairs.",
        ),
        WrongAnswer(
            "unit length, then the average",
            _unit_then_mean,
            "The diagonal is below 1: the mean of unit vectors is shorter than 1 wherever a block holds an edge. "
            "Average first, then take the length.",
        ),
    ),
    hints=(
        Hint("The diagonal is below 1", "In which order do averaging and unit length come?"),
        Hint("The numbers look random", "How many pixels of each block reach your result?"),
    ),
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


STRIPS = Exercise(
    name="06.5",
    title="A strip at a time: the same number, a small part of the memory",
    difficulty=3,
    solution=affinity_loss_in_strips,
    oracle=_row_by_row,
    draw=_draw_long,
    run=call_in_strips,
    wrong_answers=(
        WrongAnswer(
            "the whole matrix after all",
            lambda a, b, rows: feature_affinity_loss(a[None, :, None], b[None, :, None], q=1, method="dense"),
            "The number is right, but a tensor of P x P numbers was made on the way: nothing is saved. Multiply only "
            "the rows of the strip with all positions, and keep nothing but the sum.",
        ),
        WrongAnswer(
            "the last strip left out",
            _drops_the_rest,
            "Slightly too small whenever P is no multiple of rows: the shorter last strip is missing. Slicing past the "
            "end is allowed in PyTorch; let the loop run to P.",
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
EXERCISES = (BYTES, MATRIX, DISTANCE, COARSE, STRIPS)
