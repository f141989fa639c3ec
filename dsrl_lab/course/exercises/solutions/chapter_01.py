"""Exercises of notebook 01: multiply-adds, masks on a coarser grid, receptive fields, atrous convolution.

Source: Chen et al., "DeepLab" (TPAMI 2018), section 3.1; the wrong answers of 01.2 were read in public code.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dsrl_lab.complexity import complexity
from dsrl_lab.course.exercises.calls import call_for_ids
from dsrl_lab.course.exercises.exercise import Case, Exercise, Hint, WrongAnswer, draw_integer

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


MACS = Exercise(
    name="01.1",
    title="A convolution costs its output positions times its weights; dilation costs nothing",
    difficulty=1,
    solution=conv_macs,
    oracle=_macs_by_counter,
    draw=_draw_convolutions,
    wrong_answers=(
        WrongAnswer(
            "at the input's positions",
            lambda h, w, c_in, c_out, k, s, d: h * w * c_in * c_out * k**2,
            "Right at stride 1, stride² times too many otherwise: you counted the positions of the input. A "
            "convolution works once for each position of its OUTPUT.",
        ),
        WrongAnswer(
            "stride on one side only",
            lambda h, w, c_in, c_out, k, s, d: h * w // s * c_in * c_out * k**2,
            "stride times too many: a step of s keeps one row in s AND one column in s.",
        ),
        WrongAnswer(
            "gaps of the kernel counted",
            lambda h, w, c_in, c_out, k, s, d: (h // s) * (w // s) * c_in * c_out * (d * (k - 1) + 1) ** 2,
            "Right at dilation 1 only: you counted the whole square that a dilated kernel covers. Its gaps are not "
            "weights: there are k² taps at any dilation.",
        ),
        WrongAnswer(
            "FLOPs, not MACs",
            lambda h, w, c_in, c_out, k, s, d: 2 * (h // s) * (w // s) * c_in * c_out * k**2,
            "Twice too many: one multiplication with its addition is one MAC and two FLOPs. The kit counts MACs.",
        ),
        WrongAnswer(
            "one filter",
            lambda h, w, c_in, c_out, k, s, d: (h // s) * (w // s) * c_in * k**2,
            "This is the cost of a single output channel. Each of the out_channels has a filter of its own.",
        ),
    ),
    hints=(
        Hint("Right for the first case only", "Which positions does a strided convolution visit?"),
        Hint("Too many when dilation is 2 or 3", "How many weights does a dilated 3x3 kernel have?"),
        Hint("Twice too many", "One multiplication and the addition after it: how many MACs?"),
    ),
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


MAJORITY = Exercise(
    name="01.2",
    title="Classes vote; ids are never averaged",
    difficulty=2,
    solution=majority,
    oracle=_block_by_block,
    draw=_draw_masks,
    run=call_for_ids,
    wrong_answers=(
        WrongAnswer(
            "ids averaged",
            lambda mask, factor, num_classes: F.avg_pool2d(mask[:, None].float(), factor)[:, 0].round().long(),
            "Ids are names, not amounts: the mean of class 2 and class 8 is 5, a class that is not there. Edges get "
            "a border of wrong classes. Count votes, class by class.",
        ),
        WrongAnswer(
            "the first pixel of each block",
            lambda mask, factor, num_classes: mask[:, ::factor, ::factor],
            "You keep the top left pixel of each block: the mask is shifted by half a block, and thin things "
            "disappear or become too thick by chance.",
        ),
        WrongAnswer(
            "the largest id",
            lambda mask, factor, num_classes: F.max_pool2d(mask[:, None].float(), factor)[:, 0].long(),
            "With max-pooling the class with the largest NUMBER wins, and 255 wins over all. The order of the ids in "
            "a class table means nothing.",
        ),
        WrongAnswer(
            "the unknown have a vote",
            _with_the_unknown,
            "255 won where unknown pixels were the most. They must not vote: leave their channel out, and give 255 "
            "only where no pixel votes.",
        ),
    ),
    hints=(
        Hint("Classes come out that were not there", "What is the mean of `car` and `road`?"),
        Hint("255 where there should be a class", "Who may vote in a block of three unknown pixels and one car?"),
        Hint("one_hot raises an error", "255 is no class: give it an id of its own first, then drop its channel."),
    ),
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


FIELD = Exercise(
    name="01.3",
    title="A layer sees farther by the strides of all layers before it",
    difficulty=2,
    solution=receptive_field,
    oracle=_field_by_gradient,
    draw=_draw_stacks,
    wrong_answers=(
        WrongAnswer(
            "strides forgotten",
            lambda layers: _field(layers, stepped=False),
            "Right for strides of 1 only: after a stride of 2, neighbouring taps are two INPUT pixels apart. Keep "
            "the product of the strides so far.",
        ),
        WrongAnswer(
            "its own stride too early",
            lambda layers: _field(layers, late=True),
            "Too large: a layer's stride does not widen its own kernel. It moves the NEXT layer's taps apart; "
            "multiply after adding.",
        ),
        WrongAnswer(
            "dilation forgotten",
            lambda layers: _field(layers, dilated=False),
            "Too small: with dilation d the taps are d apart, so a kernel covers (k - 1) * d + 1 positions.",
        ),
        WrongAnswer(
            "a whole kernel each time",
            lambda layers: _field(layers, less=0),
            "Too large: two 3x3 layers see 5 pixels, not 7. The middle tap was seen before: each layer adds k - 1.",
        ),
    ),
    hints=(
        Hint("Right without strides only", "How many input pixels lie between neighbours of the third map?"),
        Hint("A little too large", "Two 3x3 layers of stride 1: draw which inputs the last output sees."),
        Hint("Too small", "Where are the taps of a 3x3 kernel with dilation 4?"),
    ),
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


PLAN = Exercise(
    name="01.4",
    title="The layers behind a removed stride are dilated by it, the layer itself is not",
    difficulty=3,
    solution=atrous_plan,
    oracle=_plan_by_distance,
    draw=_draw_strides,
    wrong_answers=(
        WrongAnswer(
            "one layer too early",
            _early,
            "You dilated the layer that lost its stride. The map that it receives has not changed; only the layers "
            "BEHIND it see a finer map. The shapes agree, but its weights look twice too far.",
        ),
        WrongAnswer(
            "no dilation",
            lambda strides, os: [(stride, 1) for stride, _ in atrous_plan(strides, os)],
            "The strides are gone and nothing replaces them: trained filters now see half as far, or a quarter. It "
            "runs and costs as much, but the context is lost.",
        ),
        WrongAnswer(
            "dilation does not multiply",
            lambda strides, os: [(stride, min(dilation, 2)) for stride, dilation in atrous_plan(strides, os)],
            "Right for one removed stride. After two, the map is four times as fine, so taps must be four apart: the "
            "dilations multiply.",
        ),
        WrongAnswer(
            "the first strides are removed",
            lambda strides, os: [(stride, 1) for stride, _ in atrous_plan(strides[::-1], os)[::-1]],
            "You kept the last strides and removed the first: the early maps, the largest ones, become larger still. "
            "Refine the late, small maps.",
        ),
    ),
    hints=(
        Hint("One number is wrong", "Has the map changed that the layer WITHOUT its stride receives?"),
        Hint("Right for one removed stride, wrong for two", "How much finer is the map after two of them?"),
    ),
)
EXERCISES = (MACS, MAJORITY, FIELD, PLAN)
