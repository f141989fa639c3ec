"""Exercises of notebook 05 about masks: a deconvolution that starts as bilinear, a residual head, a fair prediction.

Source: Long, Shelhamer, Darrell, "Fully Convolutional Networks" (CVPR 2015), section 4.3, for deconvolutions that start
as bilinear interpolation.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from dsrl_lab.course.exercises.exercise import Answer, Case, Exercise, Hint, WrongAnswer, call

# 05.4


def bilinear_start(classes: int) -> Tensor:
    """Weight of a transposed 3x3 convolution that enlarges each map smoothly.

    Stride 2, padding 1, output padding 1. Each class map is enlarged for itself:
    nothing of one class reaches another's map, and a constant map keeps its value (away
    from the border). Along one axis the stamp is a half, one, a half: what falls
    between two inputs becomes their mean.

    Shape:
        - output: (classes, classes, 3, 3), as ``torch.nn.ConvTranspose2d`` keeps it

    Example:
        >>> bilinear_start(1)[0, 0]
        tensor([[0.2500, 0.5000, 0.2500],
                [0.5000, 1.0000, 0.5000],
                [0.2500, 0.5000, 0.2500]])
    """
    side = torch.tensor([0.5, 1.0, 0.5])
    return torch.eye(classes)[:, :, None, None] * torch.outer(side, side)


def _stamp_by_hand(classes: int) -> Tensor:
    weight = torch.zeros(classes, classes, 3, 3)
    for c in range(classes):
        for u in range(3):
            for v in range(3):
                weight[c, c, u, v] = 0.5 ** (abs(u - 1) + abs(v - 1))
    return weight


def _stamp(classes: int, side: tuple[float, float, float], *, mix: bool = False) -> Tensor:
    pairs = torch.ones(classes, classes) if mix else torch.eye(classes)
    return pairs[:, :, None, None] * torch.outer(torch.tensor(side), torch.tensor(side))


def _enlarged(answer: Answer, case: Case) -> Tensor:
    """What the layer does with maps, not how its weight is written."""
    classes, maps = case
    weight = torch.as_tensor(call(answer, (classes,)))
    if weight.shape != (classes, classes, 3, 3):
        return weight
    return F.conv_transpose2d(maps, weight.to(maps.dtype), stride=2, padding=1, output_padding=1)


BILINEAR = Exercise(
    name="05.4",
    title="A deconvolution can start as what it is to improve on",
    difficulty=2,
    importance=3,
    minutes=12,
    solution=bilinear_start,
    oracle=_stamp_by_hand,
    draw=lambda generator: [(k, torch.randn(1, k, 5, 7, generator=generator)) for k in (1, 3, 4)],
    run=_enlarged,
    wrong_answers=(
        WrongAnswer(
            "every class into every class",
            lambda classes: _stamp(classes, (0.5, 1.0, 0.5), mix=True),
            "Right for one class. For more, each output map is the SUM of all class maps: all K outputs are equal and "
            "the argmax says class 0 everywhere. Only a class's own channel may reach it: torch.eye.",
        ),
        WrongAnswer(
            "shared out to a sum of 1",
            lambda classes: _stamp(classes, (0.25, 0.5, 0.25)),
            "The stamp sums to 1, so a constant map comes out at a quarter: stamps stand 2 apart, each output collects "
            "a quarter of the taps on average. The sum must be stride² = 4.",
        ),
        WrongAnswer(
            "all ones",
            lambda classes: _stamp(classes, (1.0, 1.0, 1.0)),
            "Where two stamps overlap the values are added up: 1, 2, 1, 2 along a side, 1 to 4 in the plane: the "
            "checkerboard of 03 in its purest form.",
        ),
        WrongAnswer(
            "the middle tap alone",
            lambda classes: _stamp(classes, (0.0, 1.0, 0.0)),
            "A bed of nails: one output in four has a value, the others are 0, and 0 is a class score like any other.",
        ),
    ),
    hints=(
        Hint("All classes look the same", "Which of the K x K kernels must be zero?"),
        Hint("Too bright, too faint or patterned", "Lay stamps (a, 1, a) two apart. For which a is the sum even?"),
    ),
)


# 05.5


def add_residual(logits: Tensor, phases: Tensor, upscale_factor: int) -> Tensor:
    """The kit's cheap head: logits enlarged bilinearly, plus a residual.

    The residual was computed at the small size.
    You may use ``torch.nn.functional`` as F.

    Args:
        logits: the host's class maps.
        phases: the residual before pixel shuffle.
        upscale_factor: s of the pixel shuffle.

    Shape:
        - logits: (N, K, h, w)
        - phases: (N, K * s^2, h, w)
        - output: (N, K, s * h, s * w)

    Example:
        >>> logits = torch.rand(1, 3, 4, 5)
        >>> silent = torch.zeros(1, 12, 4, 5)  # a head that starts at zero
        >>> enlarged = F.interpolate(logits, scale_factor=2, mode="bilinear")
        >>> torch.equal(add_residual(logits, silent, 2), enlarged)
        True
    """
    enlarged = F.interpolate(logits, scale_factor=upscale_factor, mode="bilinear")
    return enlarged + F.pixel_shuffle(phases, upscale_factor)


def _residual_by_loop(logits: Tensor, phases: Tensor, s: int) -> Tensor:
    h, w = logits.shape[-2:]
    total = F.interpolate(logits, size=(s * h, s * w), mode="bilinear", align_corners=False).clone()
    for a in range(s):
        for b in range(s):
            total[:, :, a::s, b::s] += phases[:, a * s + b :: s * s]
    return total


def _draw_residuals(generator: torch.Generator) -> list[Case]:
    return [
        (torch.randn(2, k, 4, 5, generator=generator), torch.randn(2, k * s * s, 4, 5, generator=generator), s)
        for k, s in ((1, 2), (3, 2), (2, 4))
    ]


def _fold(phases: Tensor, s: int) -> Tensor:
    """Phases outermost: right for one class only."""
    return F.pixel_shuffle(phases.unflatten(1, (s * s, -1)).transpose(1, 2).flatten(1, 2), s)


RESIDUAL = Exercise(
    name="05.5",
    title="What is smooth is enlarged, what is fine is added",
    difficulty=1,
    importance=3,
    minutes=6,
    solution=add_residual,
    oracle=_residual_by_loop,
    draw=_draw_residuals,
    wrong_answers=(
        WrongAnswer(
            "the residual alone",
            lambda logits, phases, s: F.pixel_shuffle(phases, s),
            "The host's own prediction is thrown away: with a head that starts at zero every pixel starts as class 0, "
            "and training has to win back what the host knew.",
        ),
        WrongAnswer(
            "added at the small size",
            lambda logits, phases, s: F.interpolate(
                logits + F.avg_pool2d(F.pixel_shuffle(phases, s), s), scale_factor=s, mode="bilinear"
            ),
            "You average the residual's phases before you enlarge: what was fine in them is gone, and the head can say "
            "nothing that the host could not. Enlarge first, then add.",
        ),
        WrongAnswer(
            "enlarged by nearest neighbour",
            lambda logits, phases, s: F.interpolate(logits, scale_factor=s) + F.pixel_shuffle(phases, s),
            "Blocks of s x s equal logits: the start is the magnified label map, with stairs at slanted outlines, "
            "worse than the bilinear baseline you compare with.",
        ),
        WrongAnswer(
            "corners aligned",
            lambda logits, phases, s: (
                F.interpolate(logits, scale_factor=s, mode="bilinear", align_corners=True) + F.pixel_shuffle(phases, s)
            ),
            "The enlarged logits are squeezed towards the middle, while pixel shuffle is not: the two parts no longer "
            "lie on each other, most at the borders.",
        ),
        WrongAnswer(
            "phases outermost",
            lambda logits, phases, s: F.interpolate(logits, scale_factor=s, mode="bilinear") + _fold(phases, s),
            "Right for one class. For more, one class's residual lands on another: pixel shuffle reads the channels as "
            "(class, phase), neighbours belong to one class.",
        ),
    ),
    hints=(
        Hint("Shapes do not fit", "What shape has pixel shuffle's result, and what shape must the logits have then?"),
        Hint("Right in the middle, wrong at the border", "Which align_corners goes with pixel shuffle? (04.5)"),
    ),
)


# 05.6


def full_size_prediction(logits: Tensor, height: int, width: int) -> Tensor:
    """Class ids at the picture's size: enlarge logits, then decide.

    This protocol favours no output size. Enlarge as bilinear interpolation does whose
    pixels are squares (``align_corners=False``).
    You may use ``torch.nn.functional`` as F.

    Shape:
        - logits: (N, K, h, w)
        - output: (N, height, width), int64

    Example:
        >>> full_size_prediction(torch.tensor([[[[1.0, 0.0]], [[0.0, 3.0]]]]), 1, 8)
        tensor([[[0, 0, 0, 1, 1, 1, 1, 1]]])
    """
    return F.interpolate(logits, size=(height, width), mode="bilinear").argmax(1)


def _predicted_by_class(logits: Tensor, height: int, width: int) -> Tensor:
    best = torch.full((len(logits), height, width), -torch.inf)
    ids = torch.zeros(len(logits), height, width, dtype=torch.long)
    for k in range(logits.shape[1]):
        score = F.interpolate(logits[:, k : k + 1], size=(height, width), mode="bilinear", align_corners=False)[:, 0]
        ids, best = torch.where(score > best, k, ids), torch.maximum(score, best)
    return ids


def _labels_first(logits: Tensor, height: int, width: int, mode: str) -> Tensor:
    ids = logits.argmax(1, keepdim=True).float()
    return F.interpolate(ids, size=(height, width), mode=mode)[:, 0].round().long()


PREDICTION = Exercise(
    name="05.6",
    title="Decide last",
    difficulty=1,
    importance=2,
    minutes=5,
    solution=full_size_prediction,
    oracle=_predicted_by_class,
    draw=lambda generator: [(3 * torch.randn(1, k, 5, 6, generator=generator), 20, 24) for k in (3, 5, 8)],
    wrong_answers=(
        WrongAnswer(
            "decided first, magnified by nearest neighbour",
            lambda logits, h, w: _labels_first(logits, h, w, "nearest"),
            "The released protocol: the outline is a staircase of the OUTPUT's pixels. A baseline is magnified 4 times "
            "and DSRL 2 times, so a larger output wins by finer stairs alone. Enlarge the logits, then decide.",
        ),
        WrongAnswer(
            "class ids interpolated",
            lambda logits, h, w: _labels_first(logits, h, w, "bilinear"),
            "Between class 0 and class 2 lies class 1: a rim of buildings between sky and pole. Ids are names, not "
            "amounts. Only nearest neighbour may touch them, and logits need not be names at all.",
        ),
        WrongAnswer(
            "corners aligned",
            lambda logits, h, w: F.interpolate(logits, size=(h, w), mode="bilinear", align_corners=True).argmax(1),
            "Everything is squeezed towards the middle, up to half a step of the small map at the borders (04.5). "
            "Right for a network that was trained so, wrong for this one.",
        ),
        WrongAnswer(
            "argmax over the batch",
            lambda logits, h, w: F.interpolate(logits, size=(h, w), mode="bilinear").argmax(0)[None, 0],
            "argmax(0) asks which PICTURE is best; with one picture the answer is always 0. The classes are axis 1.",
        ),
    ),
    hints=(
        Hint("Stairs at slanted outlines", "What did you enlarge: scores or decisions?"),
        Hint("Everything is class 0", "Which axis holds the classes?"),
    ),
)

EXERCISES = (BILINEAR, RESIDUAL, PREDICTION)
