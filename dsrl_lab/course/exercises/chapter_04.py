"""Exercises of notebook 04 about what hosts are made of: sizes of maps, bins of a pyramid, gaps between taps.

Source: Zhao et al., "Pyramid Scene Parsing Network" (CVPR 2017) for the bins; Mehta et al., "ESPNet" (ECCV 2018),
section 3.1, and Wang et al., "Understanding Convolution for Semantic Segmentation" (2018) for gridding.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor
from torch.nn import functional as F

from dsrl_lab.course.exercises.exercise import Case, Exercise, Hint, WrongAnswer, draw_integer

# 04.1


def map_sizes(height: int, width: int, strides: list[int]) -> list[tuple[int, int]]:
    """Sizes of an encoder's maps, when every halving rounds up.

    A 3x3 convolution with stride 2 and padding 1 does so.

    Args:
        height: of the input, in pixels; any.
        width: of the input, in pixels; any.
        strides: of the maps against the input, powers of two: [2, 4, 8, 16].

    Returns:
        (H, W) of each map.

    Example:
        >>> map_sizes(90, 120, [2, 4, 8])
        [(45, 60), (23, 30), (12, 15)]
    """
    return [(-(-height // stride), -(-width // stride)) for stride in strides]


def _sizes_by_running(height: int, width: int, strides: list[int]) -> list[tuple[int, ...]]:
    x, sizes = torch.zeros(1, 1, height, width), {}
    for doubling in range(1, 8):
        x = F.conv2d(x, torch.ones(1, 1, 3, 3), stride=2, padding=1)
        sizes[2**doubling] = tuple(x.shape[-2:])
    return [sizes[stride] for stride in strides]


def _draw_sizes(generator: torch.Generator) -> list[Case]:
    fresh = [(draw_integer(generator, 33, 260), draw_integer(generator, 33, 260), [2, 4, 8, 16]) for _ in range(4)]
    return [(90, 120, [2, 4, 8]), (90, 121, [4, 8, 32]), *fresh]


SIZES = Exercise(
    name="04.1",
    title="Sizes are rounded up, so that no pixel is lost",
    difficulty=1,
    importance=2,
    minutes=5,
    solution=map_sizes,
    oracle=_sizes_by_running,
    draw=_draw_sizes,
    wrong_answers=(
        WrongAnswer(
            "rounded down",
            lambda h, w, strides: [(h // s, w // s) for s in strides],
            "// rounds down: the last row of an odd map would be thrown away. A 3x3 convolution with stride 2 and "
            "padding 1 keeps it: 45 rows become 23. This is how two branches end up one row apart and cannot be added.",
        ),
        WrongAnswer(
            "rounded to the nearest",
            lambda h, w, strides: [(round(h / s), round(w / s)) for s in strides],
            "Right for some sizes, one row short for others (45 / 4 = 11.25 gives 11, the map has 12). A started row "
            "counts as a row: round up.",
        ),
        WrongAnswer(
            "strides multiplied up",
            lambda h, w, strides: [(-(-h // p), -(-w // p)) for p in itertools.accumulate(strides, lambda a, b: a * b)],
            "You multiplied the strides one after another. The list says each map's stride against the INPUT already: "
            "[2, 4, 8] are three halvings, not a stride of 64 at the end.",
        ),
        WrongAnswer(
            "width first",
            lambda h, w, strides: [(-(-w // s), -(-h // s)) for s in strides],
            "Right numbers, sides swapped. Sizes are (H, W) throughout the kit; only Pillow says (W, H). On a square "
            "picture nobody notices, on a street everything is turned.",
        ),
    ),
    hints=(
        Hint("One row short for odd sizes", "What does a convolution with padding 1 do with the 45th row?"),
        Hint("Far too small at the end", "Is 8 in [2, 4, 8] counted from the input or from the map before?"),
    ),
)


# 04.3


def pool_bins(features: Tensor, bins: int) -> Tensor:
    """Average a map over bins x bins regions, as PSPNet's pyramid does.

    Do not use ``adaptive_avg_pool2d``. Region i of a side of length L begins at row
    floor(i * L / bins) and ends before row ceil((i + 1) * L / bins), so that no row is
    left out; where L is no multiple of bins, neighbours share a row.

    Shape:
        - features: (N, C, H, W), H and W at least ``bins``
        - output: (N, C, bins, bins)

    Example:
        >>> row = [1.0, 2.0, 6.0]  # the middle column counts twice
        >>> pool_bins(torch.tensor([[[row, row]]]), 2)
        tensor([[[[1.5000, 4.0000],
                  [1.5000, 4.0000]]]])
    """
    height, width = features.shape[-2:]

    def region(i: int, side: int) -> slice:
        return slice(i * side // bins, -(-(i + 1) * side // bins))

    rows = [
        torch.stack([features[..., region(i, height), region(j, width)].mean((-2, -1)) for j in range(bins)], dim=-1)
        for i in range(bins)
    ]
    return torch.stack(rows, dim=-2)


def _rounded_down(x: Tensor, bins: int) -> Tensor:
    (h, w), n = x.shape[-2:], bins
    rows = [
        [x[..., i * h // n : (i + 1) * h // n, j * w // n : (j + 1) * w // n].mean((-2, -1)) for j in range(n)]
        for i in range(n)
    ]
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def _equal_tiles(x: Tensor, bins: int) -> Tensor:
    h, w = x.shape[-2] // bins, x.shape[-1] // bins
    return F.avg_pool2d(x[..., : bins * h, : bins * w], (h, w))


def _draw_maps(generator: torch.Generator) -> list[Case]:
    sizes = ((2, 3, 16, 33, 6), (1, 2, 11, 15, 2), (1, 2, 12, 18, 3), (1, 1, 23, 31, 6))
    return [(torch.rand(n, c, h, w, generator=generator), bins) for n, c, h, w, bins in sizes]


BINS = Exercise(
    name="04.3",
    title="Bins leave no row out, and share one where they must",
    difficulty=2,
    importance=2,
    minutes=10,
    solution=pool_bins,
    oracle=F.adaptive_avg_pool2d,
    draw=_draw_maps,
    wrong_answers=(
        WrongAnswer(
            "equal tiles, the rest cut off",
            _equal_tiles,
            "Tiles of H // bins rows: what is left over at the bottom and on the right is never looked at. With 6 bins "
            "on 16 rows a quarter of the picture has no say in the context.",
        ),
        WrongAnswer(
            "both ends rounded down",
            _rounded_down,
            "No row is lost, but none is shared: the regions differ in size by a row. PyTorch rounds the end UP. Your "
            "network would run with published weights and be a little off everywhere.",
        ),
        WrongAnswer(
            "the largest in place of the mean",
            lambda x, bins: F.adaptive_max_pool2d(x, bins),
            "The largest value of each region: one bright pixel speaks for a sixth of the picture. Context asks what "
            "is there on the whole.",
        ),
        WrongAnswer(
            "resized",
            lambda x, bins: F.interpolate(x, size=(bins, bins), mode="bilinear"),
            "Bilinear reduction looks at four pixels per bin and skips all others (aliasing): shift the picture by one "
            "pixel and the context changes.",
        ),
    ),
    hints=(
        Hint(
            "Right where the sides are multiples", "Where does region 0 of 2 end, if there are 11 rows: before 5, or 6?"
        ),
        Hint("Everything is a little too bright", "Mean, or maximum?"),
    ),
)


# 04.4


def gaps(dilations: list[int]) -> int:
    """Positions of the receptive field, along one axis, that a stack never hears.

    The stack is of dilated 3-tap convolutions. Stride is 1 throughout. An output hears
    a position if some choice of one tap per layer leads to it.

    Args:
        dilations: of the convolutions, first to last.

    Example:
        >>> gaps([2, 2])  # hears -4, -2, 0, 2, 4 and nothing between
        4
        >>> gaps([1, 2])
        0
    """
    heard = {0}
    for dilation in dilations:
        heard = {position + tap * dilation for position in heard for tap in (-1, 0, 1)}
    return 2 * sum(dilations) + 1 - len(heard)


def _gaps_by_gradient(dilations: list[int]) -> int:
    x = torch.zeros(1, 1, 401, dtype=torch.float64, requires_grad=True)
    y = x
    for dilation in dilations:
        y = F.conv1d(y, torch.ones(1, 1, 3, dtype=torch.float64), dilation=dilation)
    y[..., 0].sum().backward()
    assert x.grad is not None
    heard = x.grad.flatten().nonzero().flatten()
    return int(heard.max() - heard.min()) + 1 - len(heard)


def _draw_dilations(generator: torch.Generator) -> list[Case]:
    fresh = [[draw_integer(generator, 3, 9) for _ in range(3)] for _ in range(3)]
    return [([2, 2],), ([1, 2],), ([4],), ([2, 4, 8],), ([4, 4, 8, 8],), *((dilations,) for dilations in fresh)]


GAPS = Exercise(
    name="04.4",
    title="A field can be wide and full of holes",
    difficulty=2,
    importance=3,
    minutes=12,
    solution=gaps,
    oracle=_gaps_by_gradient,
    draw=_draw_dilations,
    wrong_answers=(
        WrongAnswer(
            "no gaps",
            lambda dilations: 0,
            "You take the field's width for what is heard. Taps 2 apart, twice over, land on even positions only: half "
            "of the pixels have no say. On a mask this shows as a grid of dots.",
        ),
        WrongAnswer(
            "every path counted as a position",
            lambda dilations: 2 * sum(dilations) + 1 - 3 ** len(dilations),
            "There are 3 to the n paths, but many end at the same position: with [2, 2] nine paths reach five. Collect "
            "positions in a set.",
        ),
        WrongAnswer(
            "gaps of the layers added up",
            lambda dilations: sum(2 * (dilation - 1) for dilation in dilations),
            "Each layer alone leaves 2 (d - 1) holes, but later layers fill holes of earlier ones: that is why [1, 2] "
            "has none, and why ESPNet adds its branches up from near to far.",
        ),
        WrongAnswer(
            "the widest layer alone",
            lambda dilations: 2 * (max(dilations) - 1),
            "You look at one layer. What is heard is every sum of one tap per layer.",
        ),
    ),
    hints=(
        Hint("Where do I begin?", "Which positions does the first layer hear? And each of them through the second?"),
        Hint("A negative number of gaps", "Two paths that end at one position: how often do you count it?"),
    ),
)

EXERCISES = (SIZES, BINS, GAPS)
