"""Notebook 05: sizes and costs of heads, bilinear starts (Long et al., FCN, CVPR 2015, section 4.3), predictions."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dsrl_lab.complexity import complexity
from dsrl_lab.course.exercises.calls import call_deconvolution, call_for_ids
from dsrl_lab.course.exercises.exercise import Case, Exercise, Hint, WrongAnswer, draw_integer


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


SIZE = Exercise(
    name="05.1",
    title="The last stamp begins at (size - 1) * stride",
    difficulty=1,
    solution=deconvolved_size,
    oracle=_size_by_running,
    draw=_draw_layers,
    wrong_answers=(
        WrongAnswer(
            "size times stride",
            lambda size, k, stride, padding, extra: size * stride,
            "Right for DSRL's numbers (3, 2, 1, 1) only. In general the last stamp BEGINS at (size - 1) * stride and "
            "is a kernel long. Without output_padding 64 becomes 127, and the mask no longer fits.",
        ),
        WrongAnswer(
            "output_padding forgotten",
            lambda size, k, stride, padding, extra: (size - 1) * stride + k - 2 * padding,
            "Too small where output_padding is not 0. A strided convolution maps 127 and 128 to 64 alike; "
            "output_padding chooses one of them on the way back.",
        ),
        WrongAnswer(
            "a convolution's formula",
            lambda size, k, stride, padding, extra: (size + 2 * padding - k) // stride + 1,
            "This is a convolution: it makes maps smaller. A transposed one goes the other way; solve that formula for "
            "the size of the input.",
        ),
        WrongAnswer(
            "one stamp too many",
            lambda size, k, stride, padding, extra: size * stride + k - 2 * padding + extra,
            "There are size stamps, but only size - 1 steps between them: a fence of 64 posts has 63 gaps.",
        ),
    ),
    hints=(
        Hint("Off by one or two", "Draw three stamps of length 3, two apart. Where does the last one end?"),
        Hint("What does padding do here?", "It cuts: of the result, padding values are dropped at both ends."),
    ),
)


def head_macs(height: int, width: int, classes: int, blocks: int) -> int:
    return sum(4**block * height * width * classes**2 * 9 for block in range(blocks))


def _macs_by_counter(height: int, width: int, classes: int, blocks: int) -> int:
    layers = [nn.ConvTranspose2d(classes, classes, 3, 2, 1, 1, bias=False) for _ in range(blocks)]
    return complexity(nn.Sequential(*layers), (height, width), channels=classes).macs


def _draw_heads(generator: torch.Generator) -> list[Case]:
    ranges = ((4, 12), (12, 20), (3, 9))
    return [(16, 32, 20, 2), *((*(draw_integer(generator, *r) for r in ranges), blocks) for blocks in (1, 2, 2, 3))]


HEAD_MACS = Exercise(
    name="05.2",
    title="A transposed convolution works once for each INPUT position, and each block has four times as many",
    difficulty=2,
    solution=head_macs,
    oracle=_macs_by_counter,
    draw=_draw_heads,
    wrong_answers=(
        WrongAnswer(
            "counted at the output's positions",
            lambda h, w, classes, blocks: sum(4 ** (b + 1) * h * w * classes**2 * 9 for b in range(blocks)),
            "Four times too many: you applied the whole kernel at every OUTPUT position. A stamp is made once for each "
            "input position; most output positions receive only some of its taps.",
        ),
        WrongAnswer(
            "every block as costly as the first",
            lambda h, w, classes, blocks: blocks * h * w * classes**2 * 9,
            "Each block starts from a map of twice the sides, so it costs four times the one before. The last block "
            "alone is most of the head.",
        ),
        WrongAnswer(
            "each class for itself",
            lambda h, w, classes, blocks: sum(4**b * h * w * classes * 9 for b in range(blocks)),
            "You count one filter per class (depthwise). The head's filters go from all K classes to all K classes: K "
            "squared, so the cost grows fast with the number of classes.",
        ),
        WrongAnswer(
            "Conv2d only",
            lambda h, w, classes, blocks: 0,
            "0, as the authors' counter gives: it counts modules of type Conv2d, and the head has none. The "
            "multiply-adds of its transposed convolutions are done all the same.",
        ),
    ),
    hints=(
        Hint("Exactly four times too many", "Does a stamp belong to an input position or to an output position?"),
        Hint("Right for one block, too few for two", "How large is the map that the second block receives?"),
    ),
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


SAME_COST = Exercise(
    name="05.3",
    title="Cost grows with the square of the sides",
    difficulty=1,
    solution=size_for_the_same_cost,
    oracle=_size_by_search,
    draw=_draw_costs,
    wrong_answers=(
        WrongAnswer(
            "sides times the ratio of costs",
            lambda h, w, macs, extra: (h * (macs + extra) / macs, w * (macs + extra) / macs),
            "With both sides 1.87 times as long there are 1.87² = 3.5 times as many positions. The sides grow with the "
            "square root.",
        ),
        WrongAnswer(
            "the ratio upside down",
            lambda h, w, macs, extra: (h * math.sqrt(macs / (macs + extra)), w * math.sqrt(macs / (macs + extra))),
            "Smaller than before: at this input host AND head together cost what the host costs now. The question is "
            "what the host alone could see for the cost of both.",
        ),
        WrongAnswer(
            "the extra alone",
            lambda h, w, macs, extra: (h * math.sqrt(extra / macs), w * math.sqrt(extra / macs)),
            "You use the head's multiply-adds only. The host's own are part of the budget too: macs + extra_macs.",
        ),
        WrongAnswer(
            "only the width grows",
            lambda h, w, macs, extra: (float(h), w * (macs + extra) / macs),
            "Right cost, wrong picture: only the width grows, so everything is stretched. Divide the factor between "
            "both sides.",
        ),
    ),
    hints=(
        Hint("My picture is far too costly", "How many positions has a map with sides twice as long?"),
        Hint("My picture is smaller than before", "Which budget is larger: the host's alone, or that of both?"),
    ),
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


BILINEAR = Exercise(
    name="05.4",
    title="A deconvolution can start as the interpolation that it should improve",
    difficulty=2,
    solution=bilinear_start,
    oracle=_stamp_by_hand,
    draw=lambda generator: [(k, torch.randn(1, k, 5, 7, generator=generator)) for k in (1, 3, 4)],
    run=call_deconvolution,
    wrong_answers=(
        WrongAnswer(
            "every class into every class",
            lambda classes: _stamp(classes, (0.5, 1.0, 0.5), mix=True),
            "Right for one class. For more, each output map is the SUM of all class maps, so all K outputs are equal. "
            "Only a class's own channel may reach it: torch.eye.",
        ),
        WrongAnswer(
            "normalised to a sum of 1",
            lambda classes: _stamp(classes, (0.25, 0.5, 0.25)),
            "The stamp sums to 1, so a constant map becomes a quarter of it: stamps stand 2 apart, and each output "
            "collects a quarter of the taps on average. The sum must be stride² = 4.",
        ),
        WrongAnswer(
            "all ones",
            lambda classes: _stamp(classes, (1.0, 1.0, 1.0)),
            "Where two stamps overlap the values add up: 1, 2, 1, 2 along a side, 1 to 4 in the plane: the "
            "checkerboard of notebook 03.",
        ),
        WrongAnswer(
            "the middle tap alone",
            lambda classes: _stamp(classes, (0.0, 1.0, 0.0)),
            "One output in four has a value, the others are 0, and 0 is a class score like any other.",
        ),
    ),
    hints=(
        Hint("All classes look the same", "Which of the K x K kernels must be zero?"),
        Hint("Too bright, too dark or patterned", "Lay stamps (a, 1, a) two apart. For which a is the sum even?"),
    ),
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


RESIDUAL = Exercise(
    name="05.5",
    title="What is smooth is enlarged, what is fine is added",
    difficulty=1,
    solution=add_residual,
    oracle=_residual_by_loop,
    draw=_draw_residuals,
    wrong_answers=(
        WrongAnswer(
            "the residual alone",
            lambda logits, phases, s: F.pixel_shuffle(phases, s),
            "The host's own prediction is lost: with a head that starts at zero every pixel starts as class 0, and "
            "training has to learn again what the host knew.",
        ),
        WrongAnswer(
            "added at the small size",
            lambda logits, phases, s: _enlarged(logits + F.avg_pool2d(F.pixel_shuffle(phases, s), s), s),
            "You average the residual's phases before you enlarge, so its fine detail is gone and the head adds "
            "nothing new. Enlarge first, then add.",
        ),
        WrongAnswer(
            "enlarged by nearest neighbour",
            lambda logits, phases, s: F.interpolate(logits, scale_factor=s) + F.pixel_shuffle(phases, s),
            "Blocks of s x s equal logits: slanted outlines become stairs, worse than the bilinear baseline that you "
            "compare with.",
        ),
        WrongAnswer(
            "corners aligned",
            lambda logits, phases, s: (
                F.interpolate(logits, scale_factor=s, mode="bilinear", align_corners=True) + F.pixel_shuffle(phases, s)
            ),
            "The enlarged logits are squeezed towards the middle, pixel shuffle is not: the two parts do not lie on "
            "each other, least of all at the borders.",
        ),
        WrongAnswer(
            "phases outermost",
            lambda logits, phases, s: _enlarged(logits, s) + _phases_outermost(phases, s),
            "Right for one class. For more, one class's residual lands on another: pixel shuffle reads the channels as "
            "(class, phase), neighbours belong to one class.",
        ),
    ),
    hints=(
        Hint("Shapes do not fit", "What shape has pixel shuffle's result, and what shape must the logits have then?"),
        Hint("Right in the middle, wrong at the border", "Which align_corners goes with pixel shuffle? (04.5)"),
    ),
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


PREDICTION = Exercise(
    name="05.6",
    title="Decide last",
    difficulty=1,
    solution=full_size_prediction,
    oracle=_predicted_by_class,
    draw=lambda generator: [
        (3 * torch.randn(n, k, 5, 6, generator=generator), height, width)
        for n, k, height, width in ((2, 3, 20, 18), (1, 5, 15, 24), (3, 8, 13, 40))
    ],
    run=call_for_ids,
    wrong_answers=(
        WrongAnswer(
            "decided first, enlarged by nearest neighbour",
            lambda logits, h, w: _labels_first(logits, h, w, "nearest"),
            "The released protocol: the outline follows the OUTPUT's pixels. A baseline is enlarged 4 times and DSRL 2 "
            "times, so a larger output wins by finer stairs alone. Enlarge the logits, then decide.",
        ),
        WrongAnswer(
            "class ids interpolated",
            lambda logits, h, w: _labels_first(logits, h, w, "bilinear"),
            "Between class 0 and class 2 lies class 1: a border of buildings between sky and pole. Ids are names, not "
            "amounts. Interpolate the logits.",
        ),
        WrongAnswer(
            "corners aligned",
            lambda logits, h, w: F.interpolate(logits, size=(h, w), mode="bilinear", align_corners=True).argmax(1),
            "Everything is squeezed towards the middle, up to half a step of the small map at the borders (04.5). "
            "Right for a network that was trained so, wrong for this one.",
        ),
        WrongAnswer(
            "argmax over the batch",
            lambda logits, h, w: F.interpolate(logits, size=(h, w), mode="bilinear").argmax(0),
            "argmax(0) asks which PICTURE is best; with one picture the answer is always 0. The classes are axis 1.",
        ),
        WrongAnswer(
            "softmax before enlarging",
            lambda logits, h, w: F.interpolate(logits.softmax(1), size=(h, w), mode="bilinear").argmax(1),
            "You enlarged probabilities. Softmax saturates, so between two pixels the more certain one wins too often; "
            "the logits are interpolated here, and argmax needs no softmax.",
        ),
    ),
    hints=(
        Hint("Stairs at slanted outlines", "What did you enlarge: scores or decisions?"),
        Hint("Everything is class 0", "Which axis holds the classes?"),
    ),
)
EXERCISES = (SIZE, HEAD_MACS, SAME_COST, BILINEAR, RESIDUAL, PREDICTION)
