"""Exercises of notebook 01: multiply-adds, masks on a coarser grid, receptive fields, atrous convolution.

Source: Chen et al., "DeepLab" (TPAMI 2018), section 3.1; the wrong answers of 01.2 were read in public code.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dsrl_lab.complexity import complexity
from dsrl_lab.course.exercises.calls import call_for_ids
from dsrl_lab.course.exercises.exercise import Case, draw_integer
from dsrl_lab.course.exercises.solutions.texts import exercise

Layers = list[tuple[int, int, int]]


def conv_macs(
    height: int, width: int, in_channels: int, out_channels: int, kernel_size: int, stride: int, dilation: int
) -> int:
    positions = (height // stride) * (width // stride)
    return positions * in_channels * out_channels * kernel_size**2


def _macs_by_counter(h: int, w: int, c_in: int, c_out: int, k: int, s: int, d: int) -> int:
    layer = nn.Conv2d(c_in, c_out, k, stride=s, dilation=d, padding=d * (k // 2), bias=False)
    return complexity(layer, (h, w), channels=c_in).macs


def _draw_convolutions(generator: torch.Generator) -> list[Case]:
    cases = []
    for k, s, d in ((3, 1, 2), (3, 2, 1), (5, 4, 3), (1, 3, 1)):
        sides = s * draw_integer(generator, 3, 6), s * draw_integer(generator, 6, 9)
        cases.append((*sides, draw_integer(generator, 2, 7), draw_integer(generator, 7, 12), k, s, d))
    return cases


MACS = exercise(
    "01.1",
    difficulty=1,
    solution=conv_macs,
    oracle=_macs_by_counter,
    draw=_draw_convolutions,
    wrong_answers={
        "at the input's positions": lambda h, w, c_in, c_out, k, s, d: h * w * c_in * c_out * k**2,
        "stride on one side only": lambda h, w, c_in, c_out, k, s, d: h * w // s * c_in * c_out * k**2,
        "gaps of the kernel counted": lambda h, w, c_in, c_out, k, s, d: (
            (h // s) * (w // s) * c_in * c_out * (d * (k - 1) + 1) ** 2
        ),
        "FLOPs, not MACs": lambda h, w, c_in, c_out, k, s, d: 2 * (h // s) * (w // s) * c_in * c_out * k**2,
        "one filter": lambda h, w, c_in, c_out, k, s, d: (h // s) * (w // s) * c_in * k**2,
    },
)


def majority(mask: Tensor, factor: int, num_classes: int) -> Tensor:
    ids = mask.masked_fill(mask == 255, num_classes)
    votes = F.one_hot(ids, num_classes + 1)[..., :num_classes].movedim(-1, 1)
    votes = F.avg_pool2d(votes.float(), factor)
    return votes.argmax(1).masked_fill(votes.sum(1) == 0, 255)


def _block_by_block(mask: Tensor, factor: int, num_classes: int) -> Tensor:
    blocks = mask.unfold(1, factor, factor).unfold(2, factor, factor).flatten(3)
    known = [[value for value in block if value != 255] for block in blocks.flatten(0, 2).tolist()]
    winners = [min(votes, key=lambda value: (-votes.count(value), value), default=255) for votes in known]
    return torch.tensor(winners).reshape(blocks.shape[:3])


def _with_the_unknown(mask: Tensor, factor: int, num_classes: int) -> Tensor:
    votes = F.one_hot(mask.masked_fill(mask == 255, num_classes), num_classes + 1).movedim(-1, 1)
    winner = F.avg_pool2d(votes.float(), factor).argmax(1)
    return winner.masked_fill(winner == num_classes, 255)


def _draw_masks(generator: torch.Generator) -> list[Case]:
    cases = []
    for factor, num_classes in ((2, 5), (3, 4), (4, 11)):
        mask = torch.randint(num_classes, (2, 4 * factor, 5 * factor), generator=generator)
        mask[torch.rand(mask.shape, generator=generator) < 0.3] = 255
        mask[0, :factor, :factor] = 255
        mask[1, :factor, factor : 2 * factor] = 255
        mask[1, 0, factor] = num_classes - 1  # one vote against many unknown
        mask[0, factor, factor], mask[0, factor, factor + 1] = 2, 1  # a tie, the larger id first
        mask[0, factor + 1 : 2 * factor, factor : 2 * factor] = 255
        mask[0, factor, factor + 2 : 2 * factor] = 255
        cases.append((mask, factor, num_classes))
    return cases


MAJORITY = exercise(
    "01.2",
    difficulty=2,
    solution=majority,
    oracle=_block_by_block,
    draw=_draw_masks,
    run=call_for_ids,
    wrong_answers={
        "ids averaged": lambda mask, factor, num_classes: (
            F.avg_pool2d(mask[:, None].float(), factor)[:, 0].round().long()
        ),
        "the first pixel of each block": lambda mask, factor, num_classes: mask[:, ::factor, ::factor],
        "the largest id": lambda mask, factor, num_classes: F.max_pool2d(mask[:, None].float(), factor)[:, 0].long(),
        "the unknown have a vote": _with_the_unknown,
    },
)


def receptive_field(layers: list[tuple[int, int, int]]) -> int:
    field, step = 1, 1
    for kernel_size, stride, dilation in layers:
        field += (kernel_size - 1) * dilation * step
        step *= stride
    return field


def _field_by_gradient(layers: Layers) -> int:
    """Which inputs does one output depend on? Ask backpropagation, with weights that cannot cancel."""
    signal = torch.zeros(1, 1, 1200, dtype=torch.float64, requires_grad=True)
    x: Tensor = signal
    for kernel_size, stride, dilation in layers:
        x = F.conv1d(x, torch.ones(1, 1, kernel_size, dtype=torch.float64), stride=stride, dilation=dilation)
    (gradient,) = torch.autograd.grad(x[0, 0, 0], signal)
    seen = gradient[0, 0].nonzero()
    return int(seen.max() - seen.min()) + 1


def _field(layers: Layers, *, late: bool = False, dilated: bool = True, stepped: bool = True, less: int = 1) -> int:
    field, step = 1, 1
    for kernel_size, stride, dilation in layers:
        step *= stride if late else 1
        field += (kernel_size - less) * (dilation if dilated else 1) * (step if stepped else 1)
        step *= 1 if late else stride
    return field


def _draw_stacks(generator: torch.Generator) -> list[Case]:
    def layer() -> tuple[int, int, int]:
        kernel_size = 3 + 2 * draw_integer(generator, 0, 2)
        return kernel_size, draw_integer(generator, 1, 3), draw_integer(generator, 1, 4)

    return [([(3, 2, 1), (3, 2, 2), (1, 1, 3), (3, 1, 4)],), *(([layer() for _ in range(4)],) for _ in range(3))]


FIELD = exercise(
    "01.3",
    difficulty=2,
    solution=receptive_field,
    oracle=_field_by_gradient,
    draw=_draw_stacks,
    wrong_answers={
        "strides forgotten": lambda layers: _field(layers, stepped=False),
        "its own stride too early": lambda layers: _field(layers, late=True),
        "dilation forgotten": lambda layers: _field(layers, dilated=False),
        "a whole kernel each time": lambda layers: _field(layers, less=0),
    },
)


def atrous_plan(strides: list[int], output_stride: int) -> list[tuple[int, int]]:
    plan, reached, dilation = [], 1, 1
    for stride in strides:
        if reached * stride <= output_stride:
            plan.append((stride, dilation))
            reached *= stride
        else:
            plan.append((1, dilation))  # its own taps have not moved yet
            dilation *= stride
    return plan


def _plan_by_distance(strides: list[int], output_stride: int) -> list[tuple[int, int]]:
    """Taps must stay as many input pixels apart as the network's strides before them had put them."""
    plan = []
    for i, stride in enumerate(strides):
        apart = int(torch.tensor([1, *strides[:i]]).prod())
        plan.append((stride if apart * stride <= output_stride else 1, apart // min(apart, output_stride)))
    return plan


def _early(strides: list[int], output_stride: int) -> list[tuple[int, int]]:
    behind = atrous_plan([*strides, 1], output_stride)[1:]
    kept = atrous_plan(strides, output_stride)
    return [
        (stride, later if stride < old else own)
        for (stride, own), (_, later), old in zip(kept, behind, strides, strict=True)
    ]


def _draw_strides(generator: torch.Generator) -> list[Case]:
    def row(length: int) -> list[int]:
        return [draw_integer(generator, 1, 3) for _ in range(length)]

    return [([2, 1, 2, 2, 1, 2, 1], 4), ([*row(6), 2, 2, 1], 2), ([*row(7), 2, 1, 2, 1], 4), ([2, 2, *row(4)], 64)]


PLAN = exercise(
    "01.4",
    difficulty=3,
    solution=atrous_plan,
    oracle=_plan_by_distance,
    draw=_draw_strides,
    wrong_answers={
        "one layer too early": _early,
        "no dilation": lambda strides, os: [(stride, 1) for stride, _ in atrous_plan(strides, os)],
        "dilation does not multiply": lambda strides, os: [
            (stride, min(dilation, 2)) for stride, dilation in atrous_plan(strides, os)
        ],
        "the first strides are removed": lambda strides, os: [
            (stride, 1) for stride, _ in atrous_plan(strides[::-1], os)[::-1]
        ],
    },
)
EXERCISES = (MACS, MAJORITY, FIELD, PLAN)
