"""Notebook 04: sizes, PSPNet's bins (CVPR 2017), taps (Chen et al. 2017, section 3.3), gaps (Wang et al. 2018)."""

import itertools

import torch
from torch import Tensor
from torch.nn import functional as F

from dsrl_lab.course.exercises.calls import call_without_adaptive_pooling
from dsrl_lab.course.exercises.exercise import Case, draw_integer
from dsrl_lab.course.exercises.solutions.texts import exercise


def map_sizes(height: int, width: int, strides: list[int]) -> list[tuple[int, int]]:
    return [(-(-height // stride), -(-width // stride)) for stride in strides]


def _sizes_by_running(height: int, width: int, strides: list[int]) -> list[tuple[int, ...]]:
    x, sizes = torch.zeros(1, 1, height, width), {}
    for doubling in range(1, 8):
        x = F.conv2d(x, torch.ones(1, 1, 3, 3), stride=2, padding=1)
        sizes[2**doubling] = tuple(x.shape[-2:])
    return [sizes[stride] for stride in strides]


def _draw_sizes(generator: torch.Generator) -> list[Case]:
    fresh = [(draw_integer(generator, 33, 140), draw_integer(generator, 141, 260), [2, 4, 8, 16]) for _ in range(4)]
    return [(90, 120, [2, 4, 8]), (90, 121, [4, 8, 32]), *fresh]


SIZES = exercise(
    "04.1",
    difficulty=1,
    solution=map_sizes,
    oracle=_sizes_by_running,
    draw=_draw_sizes,
    wrong_answers={
        "rounded down": lambda h, w, strides: [(h // s, w // s) for s in strides],
        "rounded to the nearest": lambda h, w, strides: [(round(h / s), round(w / s)) for s in strides],
        "strides multiplied up": lambda h, w, strides: [
            (-(-h // p), -(-w // p)) for p in itertools.accumulate(strides, lambda a, b: a * b)
        ],
        "width first": lambda h, w, strides: [(-(-w // s), -(-h // s)) for s in strides],
    },
)


def taps_inside(height: int, width: int, dilation: int) -> float:
    inside = [side + 2 * max(side - dilation, 0) for side in (height, width)]  # the middle tap always is
    return inside[0] * inside[1] / (9 * height * width)


def _inside_by_convolution(height: int, width: int, dilation: int) -> float:
    ones = torch.ones(1, 1, height, width, dtype=torch.float64)
    kernel = torch.full((1, 1, 3, 3), 1 / 9, dtype=torch.float64)
    return float(F.conv2d(ones, kernel, padding=dilation, dilation=dilation).mean())


def _draw_grids(generator: torch.Generator) -> list[Case]:
    sides = [(draw_integer(generator, 8, 20), draw_integer(generator, 24, 40)) for _ in range(4)]
    drawn = [(h, w, draw_integer(generator, 2, 7)) for h, w in sides]
    return [(16, 32, 18), (16, 32, 6), *drawn, (5, 40, 12), (30, 9, 12)]


INSIDE = exercise(
    "04.2",
    difficulty=2,
    solution=taps_inside,
    oracle=_inside_by_convolution,
    draw=_draw_grids,
    wrong_answers={
        "one side only": lambda h, w, d: (h + 2 * max(h - d, 0)) / (3 * h),
        "negative taps": lambda h, w, d: (3 * h - 2 * d) * (3 * w - 2 * d) / (9 * h * w),
        "the middle tap forgotten": lambda h, w, d: max(h - d, 0) * max(w - d, 0) / (h * w),
        "only positions where all taps fit": lambda h, w, d: max(h - 2 * d, 0) * max(w - 2 * d, 0) / (h * w),
    },
)


def pool_bins(features: Tensor, bins: int) -> Tensor:
    height, width = features.shape[-2:]

    def region(i: int, side: int) -> slice:
        return slice(i * side // bins, -(-(i + 1) * side // bins))

    rows = [
        torch.stack([features[..., region(i, height), region(j, width)].mean((-2, -1)) for j in range(bins)], dim=-1)
        for i in range(bins)
    ]
    return torch.stack(rows, dim=-2)


def _pooled_by_weights(x: Tensor, bins: int) -> Tensor:
    """A matrix of weights for each side: a bin covers row r if some of r lies between i / bins and (i + 1) / bins."""

    def weights(side: int) -> Tensor:
        rows, edges = torch.arange(side) * bins, torch.arange(bins)[:, None] * side
        covered = ((rows + bins > edges) & (rows < edges + side)).to(x.dtype)
        return covered / covered.sum(1, keepdim=True)

    return weights(x.shape[-2]) @ x @ weights(x.shape[-1]).T


def _rounded_down(x: Tensor, n: int) -> Tensor:
    h, w = x.shape[-2:]
    rows = [
        [x[..., i * h // n : (i + 1) * h // n, j * w // n : (j + 1) * w // n].mean((-2, -1)) for j in range(n)]
        for i in range(n)
    ]
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def _equal_tiles(x: Tensor, bins: int) -> Tensor:
    h, w = x.shape[-2] // bins, x.shape[-1] // bins
    return F.avg_pool2d(x[..., : bins * h, : bins * w], (h, w))


def _draw_maps(generator: torch.Generator) -> list[Case]:
    sizes = ((2, 3, 16, 33, 6), (1, 2, 11, 15, 2), (1, 2, 12, 19, 3), (1, 1, 23, 31, 6))
    return [(torch.rand(n, c, h, w, generator=generator), bins) for n, c, h, w, bins in sizes]


BINS = exercise(
    "04.3",
    difficulty=2,
    solution=pool_bins,
    oracle=_pooled_by_weights,
    draw=_draw_maps,
    run=call_without_adaptive_pooling,
    wrong_answers={
        "equal tiles, the rest cut off": _equal_tiles,
        "both ends rounded down": _rounded_down,
        "the largest in place of the mean": lambda x, bins: F.adaptive_max_pool2d(x, bins),
        "resized": lambda x, bins: F.interpolate(x, size=(bins, bins), mode="bilinear"),
    },
)


def gaps(dilations: list[int]) -> int:
    seen = {0}
    for dilation in dilations:
        seen = {position + tap * dilation for position in seen for tap in (-1, 0, 1)}
    return 2 * sum(dilations) + 1 - len(seen)


def _gaps_by_gradient(dilations: list[int]) -> int:
    x = torch.zeros(1, 1, 601, dtype=torch.float64, requires_grad=True)
    y = x
    for dilation in dilations:
        y = F.conv1d(y, torch.ones(1, 1, 3, dtype=torch.float64), dilation=dilation)
    (gradient,) = torch.autograd.grad(y[..., 0].sum(), x)
    seen = gradient.flatten().nonzero().flatten()
    return int(seen.max() - seen.min()) + 1 - len(seen)


def _draw_dilations(generator: torch.Generator) -> list[Case]:
    fresh = [[draw_integer(generator, 3, 9) for _ in range(3)] for _ in range(3)]
    return [([2, 2],), ([1, 2],), ([4],), ([2, 4, 8],), ([4, 4, 8, 8],), *((dilations,) for dilations in fresh)]


GAPS = exercise(
    "04.4",
    difficulty=2,
    solution=gaps,
    oracle=_gaps_by_gradient,
    draw=_draw_dilations,
    wrong_answers={
        "no gaps": lambda dilations: 0,
        "every path counted as a position": lambda dilations: 2 * sum(dilations) + 1 - 3 ** len(dilations),
        "gaps of the layers added up": lambda dilations: sum(2 * (dilation - 1) for dilation in dilations),
        "the widest layer alone": lambda dilations: 2 * (max(dilations) - 1),
    },
)


def source_position(index: int, small: int, large: int, align_corners: bool) -> float:
    if align_corners:
        return index * (small - 1) / (large - 1)
    return (index + 0.5) * small / large - 0.5


def _position_by_ramp(index: int, small: int, large: int, align_corners: bool) -> float:
    ramp = torch.arange(small, dtype=torch.float64)[None, None]
    return float(F.interpolate(ramp, size=large, mode="linear", align_corners=align_corners)[0, 0, index])


def _draw_positions(generator: torch.Generator) -> list[Case]:
    cases: list[Case] = [(8, 4, 16, False), (8, 4, 16, True)]
    for number in range(6):
        small = draw_integer(generator, 6, 40)
        large = small * draw_integer(generator, 3, 9)
        cases.append((draw_integer(generator, large // 4, large // 3), small, large, number % 2 == 0))
    return cases


POSITION = exercise(
    "04.5",
    difficulty=2,
    solution=source_position,
    oracle=_position_by_ramp,
    draw=_draw_positions,
    wrong_answers={
        "half pixels forgotten": lambda i, small, large, align: (
            i * (small - 1) / (large - 1) if align else i * small / large
        ),
        "the two swapped": lambda i, small, large, align: (
            (i + 0.5) * small / large - 0.5 if align else i * (small - 1) / (large - 1)
        ),
        "corners always aligned": lambda i, small, large, align: i * (small - 1) / (large - 1),
        "corners never aligned": lambda i, small, large, align: (i + 0.5) * small / large - 0.5,
    },
)
EXERCISES = (SIZES, INSIDE, BINS, GAPS, POSITION)
