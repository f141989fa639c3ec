"""Notebook 05: sizes and costs of heads, bilinear starts (Long et al., FCN, CVPR 2015, section 4.3), predictions."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dsrl_lab.complexity import complexity
from dsrl_lab.course.exercises.calls import call_deconvolution, call_for_ids
from dsrl_lab.course.exercises.exercise import Case, draw_integer
from dsrl_lab.course.exercises.solutions.texts import exercise


def deconvolved_size(size: int, kernel_size: int, stride: int, padding: int, output_padding: int) -> int:
    return (size - 1) * stride + kernel_size - 2 * padding + output_padding


def _size_by_running(size: int, kernel_size: int, stride: int, padding: int, output_padding: int) -> int:
    layer = nn.ConvTranspose1d(1, 1, kernel_size, stride, padding, output_padding)
    return int(layer(torch.zeros(1, 1, size)).shape[-1])


def _draw_layers(generator: torch.Generator) -> list[Case]:
    fresh: list[Case] = []
    for _ in range(4):
        stride = draw_integer(generator, 3, 6)
        kernel_size = stride + draw_integer(generator, 1, 4)
        extra = draw_integer(generator, 1, stride)
        fresh.append((draw_integer(generator, 5, 60), kernel_size, stride, draw_integer(generator, 1, 3), extra))
    return [(64, 3, 2, 1, 1), (45, 3, 2, 1, 0), (9, 2, 4, 0, 3), *fresh]


SIZE = exercise(
    "05.1",
    difficulty=1,
    solution=deconvolved_size,
    oracle=_size_by_running,
    draw=_draw_layers,
    wrong_answers={
        "size times stride": lambda size, k, stride, padding, extra: size * stride,
        "output_padding forgotten": lambda size, k, stride, padding, extra: (size - 1) * stride + k - 2 * padding,
        "a convolution's formula": lambda size, k, stride, padding, extra: (size + 2 * padding - k) // stride + 1,
        "one stamp too many": lambda size, k, stride, padding, extra: size * stride + k - 2 * padding + extra,
    },
)


def head_macs(height: int, width: int, classes: int, blocks: int) -> int:
    return sum(4**block * height * width * classes**2 * 9 for block in range(blocks))


def _macs_by_counter(height: int, width: int, classes: int, blocks: int) -> int:
    layers = [nn.ConvTranspose2d(classes, classes, 3, 2, 1, 1, bias=False) for _ in range(blocks)]
    return complexity(nn.Sequential(*layers), (height, width), channels=classes).macs


def _draw_heads(generator: torch.Generator) -> list[Case]:
    ranges = ((4, 12), (12, 20), (3, 9))
    return [(16, 32, 20, 2), *((*(draw_integer(generator, *r) for r in ranges), blocks) for blocks in (1, 2, 2, 3))]


HEAD_MACS = exercise(
    "05.2",
    difficulty=2,
    solution=head_macs,
    oracle=_macs_by_counter,
    draw=_draw_heads,
    wrong_answers={
        "counted at the output's positions": lambda h, w, classes, blocks: sum(
            4 ** (b + 1) * h * w * classes**2 * 9 for b in range(blocks)
        ),
        "every block as costly as the first": lambda h, w, classes, blocks: blocks * h * w * classes**2 * 9,
        "each class for itself": lambda h, w, classes, blocks: sum(4**b * h * w * classes * 9 for b in range(blocks)),
        "Conv2d only": lambda h, w, classes, blocks: 0,
    },
)


def size_for_the_same_cost(height: int, width: int, macs: float, extra_macs: float) -> tuple[float, float]:
    factor = ((macs + extra_macs) / macs) ** 0.5
    return height * factor, width * factor


def _size_by_search(height: int, width: int, macs: float, extra_macs: float) -> tuple[float, float]:
    low, high = 1.0, 100.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if middle * middle * macs < macs + extra_macs else (low, middle)
    return height * low, width * low


def _draw_costs(generator: torch.Generator) -> list[Case]:
    fresh = [
        (128 * draw_integer(generator, 1, 5), 256 * draw_integer(generator, 3, 6), 100.0 * share, 30.0 * share + 50)
        for share in (draw_integer(generator, 2, 20) for _ in range(4))
    ]
    return [(256, 512, 674.46, 589.82), *fresh]


SAME_COST = exercise(
    "05.3",
    difficulty=1,
    solution=size_for_the_same_cost,
    oracle=_size_by_search,
    draw=_draw_costs,
    wrong_answers={
        "sides times the ratio of costs": lambda h, w, macs, extra: (
            h * (macs + extra) / macs,
            w * (macs + extra) / macs,
        ),
        "the ratio upside down": lambda h, w, macs, extra: (
            h * math.sqrt(macs / (macs + extra)),
            w * math.sqrt(macs / (macs + extra)),
        ),
        "the extra alone": lambda h, w, macs, extra: (h * math.sqrt(extra / macs), w * math.sqrt(extra / macs)),
        "only the width grows": lambda h, w, macs, extra: (float(h), w * (macs + extra) / macs),
    },
)


def bilinear_start(classes: int) -> Tensor:
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


BILINEAR = exercise(
    "05.4",
    difficulty=2,
    solution=bilinear_start,
    oracle=_stamp_by_hand,
    draw=lambda generator: [(k, torch.randn(1, k, 5, 7, generator=generator)) for k in (1, 3, 4)],
    run=call_deconvolution,
    wrong_answers={
        "every class into every class": lambda classes: _stamp(classes, (0.5, 1.0, 0.5), mix=True),
        "normalised to a sum of 1": lambda classes: _stamp(classes, (0.25, 0.5, 0.25)),
        "all ones": lambda classes: _stamp(classes, (1.0, 1.0, 1.0)),
        "the middle tap alone": lambda classes: _stamp(classes, (0.0, 1.0, 0.0)),
    },
)


def add_residual(logits: Tensor, phases: Tensor, upscale_factor: int) -> Tensor:
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


def _phases_outermost(phases: Tensor, s: int) -> Tensor:
    return F.pixel_shuffle(phases.unflatten(1, (s * s, -1)).transpose(1, 2).flatten(1, 2), s)


def _enlarged(logits: Tensor, s: int) -> Tensor:
    return F.interpolate(logits, scale_factor=s, mode="bilinear")


RESIDUAL = exercise(
    "05.5",
    difficulty=1,
    solution=add_residual,
    oracle=_residual_by_loop,
    draw=_draw_residuals,
    wrong_answers={
        "the residual alone": lambda logits, phases, s: F.pixel_shuffle(phases, s),
        "added at the small size": lambda logits, phases, s: _enlarged(
            logits + F.avg_pool2d(F.pixel_shuffle(phases, s), s), s
        ),
        "enlarged by nearest neighbour": lambda logits, phases, s: (
            F.interpolate(logits, scale_factor=s) + F.pixel_shuffle(phases, s)
        ),
        "corners aligned": lambda logits, phases, s: (
            F.interpolate(logits, scale_factor=s, mode="bilinear", align_corners=True) + F.pixel_shuffle(phases, s)
        ),
        "phases outermost": lambda logits, phases, s: _enlarged(logits, s) + _phases_outermost(phases, s),
    },
)


def full_size_prediction(logits: Tensor, height: int, width: int) -> Tensor:
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


PREDICTION = exercise(
    "05.6",
    difficulty=1,
    solution=full_size_prediction,
    oracle=_predicted_by_class,
    draw=lambda generator: [
        (3 * torch.randn(n, k, 5, 6, generator=generator), height, width)
        for n, k, height, width in ((2, 3, 20, 18), (1, 5, 15, 24), (3, 8, 13, 40))
    ],
    run=call_for_ids,
    wrong_answers={
        "decided first, enlarged by nearest neighbour": lambda logits, h, w: _labels_first(logits, h, w, "nearest"),
        "class ids interpolated": lambda logits, h, w: _labels_first(logits, h, w, "bilinear"),
        "corners aligned": lambda logits, h, w: F.interpolate(
            logits, size=(h, w), mode="bilinear", align_corners=True
        ).argmax(1),
        "argmax over the batch": lambda logits, h, w: F.interpolate(logits, size=(h, w), mode="bilinear").argmax(0),
        "softmax before enlarging": lambda logits, h, w: F.interpolate(
            logits.softmax(1), size=(h, w), mode="bilinear"
        ).argmax(1),
    },
)
EXERCISES = (SIZE, HEAD_MACS, SAME_COST, BILINEAR, RESIDUAL, PREDICTION)
