"""Notebook 03: sub-pixel and transposed convolution (Shi et al. 2016; Odena et al. 2016; Aitken et al. 2017, ICNR)."""

import torch
from torch import Tensor
from torch.nn import functional as F

from dsrl_lab.complexity import complexity
from dsrl_lab.course.exercises.calls import call_without_pixel_shuffle
from dsrl_lab.course.exercises.exercise import Case, Exercise, Hint, WrongAnswer, draw_integer


def shuffle(x: Tensor, upscale_factor: int) -> Tensor:
    n, channels, h, w = x.shape
    s = upscale_factor
    blocks = x.reshape(n, channels // s**2, s, s, h, w)  # (N, C, a, b, h, w)
    return blocks.permute(0, 1, 4, 2, 5, 3).reshape(n, -1, s * h, s * w)


def _permuted(x: Tensor, s: int, order: tuple[int, ...]) -> Tensor:
    n, channels, h, w = x.shape
    return x.reshape(n, channels // s**2, s, s, h, w).permute(*order).reshape(n, -1, s * h, s * w)


def _shuffle_by_loop(x: Tensor, s: int) -> Tensor:
    n, channels, h, w = x.shape
    out = x.new_zeros(n, channels // s**2, s * h, s * w)
    for a in range(s):
        for b in range(s):
            out[:, :, a::s, b::s] = x[:, a * s + b :: s * s]
    return out


SHUFFLE = Exercise(
    name="03.1",
    title="Each channel's s x s phases lie side by side",
    difficulty=2,
    solution=shuffle,
    oracle=_shuffle_by_loop,
    draw=lambda generator: [
        (torch.randn(2, c * s * s, 3, 4, generator=generator), s) for c, s in ((1, 2), (3, 2), (2, 3))
    ],
    run=call_without_pixel_shuffle,
    wrong_answers=(
        WrongAnswer(
            "reshape without permute",
            lambda x, s: x.reshape(x.shape[0], -1, s * x.shape[2], s * x.shape[3]),
            "The shape is right, the picture is a set of flat copies: reshape alone keeps the order in memory, so "
            "whole phases follow each other. First bring the axes into the order N, C, h, a, w, b.",
        ),
        WrongAnswer(
            "row and column of the phase swapped",
            lambda x, s: _permuted(x, s, (0, 1, 4, 3, 5, 2)),
            "Each block is mirrored at its diagonal: you put b beside h and a beside w. The first of the two phase "
            "axes (a) belongs to the rows. Slanted edges look like a zip.",
        ),
        WrongAnswer(
            "four small pictures",
            lambda x, s: _permuted(x, s, (0, 1, 2, 4, 3, 5)),
            "You see the small picture s x s times, tile by tile: the phase axes stand before h and w, so they choose "
            "the tile. They must stand after: h, a, then w, b.",
        ),
        WrongAnswer(
            "phases outermost, as TensorFlow's depth_to_space",
            lambda x, s: _permuted(x.unflatten(1, (s * s, -1)).transpose(1, 2).flatten(1, 2), s, (0, 1, 4, 2, 5, 3)),
            "Right for one channel, wrong for three: you read the channels as (phase, C). PyTorch's order is (C, "
            "phase): the s² phases of one channel are neighbours.",
        ),
    ),
    hints=(
        Hint("The shape is right, the picture is not", "Name all six axes after the first reshape. Which make rows?"),
        Hint("Right for one channel only", "Which varies faster in the channel index: c, or the phase?"),
    ),
)


def taps(kernel_size: int, stride: int) -> list[int]:
    return [len(range(phase, kernel_size, stride)) for phase in range(stride)]


def _taps_by_stamping(kernel_size: int, stride: int) -> list[int]:
    inputs = 2 * kernel_size + 1
    stamped = F.conv_transpose1d(torch.ones(1, 1, inputs), torch.ones(1, 1, kernel_size), stride=stride)[0, 0]
    middle = stride * (inputs // 2 + 1)
    return [round(float(value)) for value in stamped[middle : middle + stride]]


TAPS = Exercise(
    name="03.2",
    title="Taps are even if and only if the stride divides the kernel size",
    difficulty=2,
    solution=taps,
    oracle=_taps_by_stamping,
    draw=lambda g: [(3, 2), (4, 2), (5, 3), (2, 3), *((draw_integer(g, 3, 12), draw_integer(g, 2, 5)) for _ in "1234")],
    wrong_answers=(
        WrongAnswer(
            "the average",
            lambda k, s: [k / s] * s,
            "k / s is the average. Taps are whole numbers, and their unevenness IS the checkerboard: count for each "
            "phase how many of the taps 0 .. k - 1 have that remainder.",
        ),
        WrongAnswer(
            "rounded down everywhere",
            lambda k, s: [k // s] * s,
            "k // s for every phase loses the remaining k mod s taps. They fall on the first phases, which is why "
            "those are brighter.",
        ),
        WrongAnswer(
            "rounded up everywhere",
            lambda k, s: [-(-k // s)] * s,
            "You gave every phase the most taps, so there would be no checkerboard at all. Only the first k mod s "
            "phases have one more.",
        ),
        WrongAnswer(
            "the overlap alone",
            lambda k, s: [max(k - s, 0)] * s,
            "k - s is how many positions neighbouring stamps share. The question is how many stamps lie on each "
            "position.",
        ),
        WrongAnswer(
            "the other way round",
            lambda k, s: [len(range(a, k, s)) for a in range(s)][::-1],
            "The right numbers for the wrong phases: tap 0 falls on phase 0, so the first phases get one more.",
        ),
    ),
    hints=(
        Hint("Fractions", "Write the taps 0 .. k - 1 in a row and colour them by their remainder modulo the stride."),
        Hint("Right for (4, 2), wrong for (3, 2)", "Which remainders occur once more than the others?"),
    ),
)


def transposed_kernel(weight: Tensor, upscale_factor: int) -> Tensor:
    s, (filters, c_in, k, _) = upscale_factor, weight.shape
    phases = weight.reshape(filters // s**2, s, s, c_in, k, k)  # (C, a, b, C_in, u, v)
    phases = phases.flip(4, 5)  # convolution looks, its transpose stamps
    return phases.permute(3, 0, 4, 1, 5, 2).reshape(c_in, -1, k * s, k * s)


def _kernel_by_impulses(weight: Tensor, s: int) -> Tensor:
    """What one bright input pixel leaves behind is the kernel."""
    c_in, k = weight.shape[1], weight.shape[-1]
    impulses = torch.zeros(c_in, c_in, k, k, dtype=weight.dtype)
    impulses[range(c_in), range(c_in), k // 2, k // 2] = 1
    return F.pixel_shuffle(F.conv2d(impulses, weight, padding=k // 2), s)


def _rearranged(weight: Tensor, s: int, order: tuple[int, ...], *, flip: bool = True) -> Tensor:
    filters, c_in, k, _ = weight.shape
    phases = weight.reshape(filters // s**2, s, s, c_in, k, k)
    phases = phases.flip(4, 5) if flip else phases
    return phases.permute(*order).reshape(c_in, -1, k * s, k * s)


def _draw_weights(generator: torch.Generator) -> list[Case]:
    shapes = ((2, 3, 2, 3), (2, 1, 3, 3), (3, 1, 2, 5))
    return [(torch.randn(c * s * s, c_in, k, k, generator=generator), s) for c, c_in, s, k in shapes]


KERNEL = Exercise(
    name="03.3",
    title="Sub-pixel and transposed convolution are one operation",
    difficulty=3,
    solution=transposed_kernel,
    oracle=_kernel_by_impulses,
    draw=_draw_weights,
    wrong_answers=(
        WrongAnswer(
            "not flipped",
            lambda w, s: _rearranged(w, s, (3, 0, 4, 1, 5, 2), flip=False),
            "Right size, mirrored kernel: PyTorch's convolution reads from its neighbours (a correlation), the "
            "transposed one writes to them. What is read from the left is written to the right: flip u and v.",
        ),
        WrongAnswer(
            "phases in blocks",
            lambda w, s: _rearranged(w, s, (3, 0, 1, 4, 2, 5)),
            "Each phase's kernel lies in a block of its own. Stamps move by s, so tap u of phase a belongs at s * u + "
            "a: interleave, with u outside and a inside.",
        ),
        WrongAnswer(
            "row and column of the phase swapped",
            lambda w, s: _rearranged(w, s, (3, 0, 4, 2, 5, 1)),
            "a and b are swapped: in the enlarged picture slanted edges look like a zip. The first phase axis belongs "
            "to the rows.",
        ),
        WrongAnswer(
            "flipped after interleaving",
            lambda w, s: _rearranged(w, s, (3, 0, 4, 1, 5, 2), flip=False).flip(2, 3),
            "You flipped the finished kernel, phases included: the pixels of each block come out in reverse. Flip u "
            "and v alone, before you interleave.",
        ),
        WrongAnswer(
            "in and out swapped",
            lambda w, s: _rearranged(w, s, (3, 0, 4, 1, 5, 2)).transpose(0, 1),
            "A transposed convolution keeps its weight as (C_in, C_out, kH, kW), the other way round than a "
            "convolution.",
        ),
    ),
    hints=(
        Hint("The picture is shifted and blurred", "A correlation reads from which side? A stamp writes to which?"),
        Hint("Blocks of pixels are in the wrong order", "Where must tap u of phase a lie, if stamps move by s?"),
        Hint("PyTorch complains about channels", "Which comes first in a transposed convolution's weight?"),
    ),
)


def icnr(filters: Tensor, upscale_factor: int) -> Tensor:
    return filters.repeat_interleave(upscale_factor**2, dim=0)


ICNR = Exercise(
    name="03.4",
    title="All phases of a channel start as one filter",
    difficulty=1,
    solution=icnr,
    oracle=lambda filters, s: torch.stack([filters[i // (s * s)] for i in range(len(filters) * s * s)]),
    draw=lambda generator: [(torch.randn(c, 2, 3, 3, generator=generator), s) for c, s in ((1, 2), (3, 2), (2, 3))],
    wrong_answers=(
        WrongAnswer(
            "repeated as a whole",
            lambda f, s: f.repeat(s * s, 1, 1, 1),
            "Right for one channel, wrong for three: `repeat` gives 1 2 3 1 2 3, but pixel shuffle reads neighbours as "
            "phases of one channel. Repeat each filter in place: 1 1 1 1 2 2 2 2.",
        ),
        WrongAnswer(
            "divided over the phases",
            lambda f, s: f.repeat_interleave(s * s, dim=0) / s**2,
            "The picture is s² times too dark: each output pixel is made by ONE phase, so nothing is to be divided.",
        ),
        WrongAnswer(
            "one phase only",
            lambda f, s: torch.stack([f, *[0 * f] * (s * s - 1)], 1).flatten(0, 1),
            "One pixel of each block is bright and the others are black, the strongest checkerboard there is. Every "
            "phase needs the filter.",
        ),
        WrongAnswer(
            "s times instead of s squared",
            lambda f, s: f.repeat_interleave(s, dim=0),
            "Pixel shuffle refuses this: a block has s rows AND s columns, so s² phases for each channel.",
        ),
    ),
    hints=(
        Hint("Right for one channel only", "Write down what `repeat` and `repeat_interleave` each make of 1 2."),
        Hint("Pixel shuffle refuses the channels", "How many pixels does a block of s x s have?"),
    ),
)


def sub_pixel_macs(
    height: int, width: int, in_channels: int, out_channels: int, kernel_size: int, upscale_factor: int
) -> int:
    filters = out_channels * upscale_factor**2
    return height * width * in_channels * filters * kernel_size**2


def _macs_by_counter(height: int, width: int, c_in: int, c_out: int, k: int, s: int) -> int:
    layer = torch.nn.ConvTranspose2d(c_in, c_out, k * s, stride=s, padding=s * (k // 2), bias=False)
    return complexity(layer, (height, width), channels=c_in).macs


def _draw_layers(generator: torch.Generator) -> list[Case]:
    ranges = ((4, 9), (10, 15), (5, 9), (1, 4))
    return [(*(draw_integer(generator, *limits) for limits in ranges), k, s) for k, s in ((3, 2), (1, 4), (5, 3))]


COST = Exercise(
    name="03.5",
    title="The work is done at the small size, with s squared times the filters",
    difficulty=1,
    solution=sub_pixel_macs,
    oracle=_macs_by_counter,
    draw=_draw_layers,
    wrong_answers=(
        WrongAnswer(
            "filters of one phase",
            lambda h, w, c_in, c_out, k, s: h * w * c_in * c_out * k**2,
            "s² times too few: you counted the filters of one phase, as if enlarging were free. The convolution has "
            "C * s² filters.",
        ),
        WrongAnswer(
            "at the large size",
            lambda h, w, c_in, c_out, k, s: h * s * w * s * c_in * c_out * s**2 * k**2,
            "s² times too many: the convolution runs BEFORE the shuffle, at h x w. (At the large size there are s² "
            "times the positions and a single phase; you took both factors.)",
        ),
        WrongAnswer(
            "s instead of s squared",
            lambda h, w, c_in, c_out, k, s: h * w * c_in * c_out * s * k**2,
            "s times too few: the picture grows on both sides, so there are s² phases.",
        ),
        WrongAnswer(
            "FLOPs, not MACs",
            lambda h, w, c_in, c_out, k, s: 2 * h * w * c_in * c_out * s**2 * k**2,
            "Twice too many: a multiply-add is one MAC and two FLOPs. Papers mix them; the kit counts MACs.",
        ),
    ),
    hints=(
        Hint("A power of s off", "At which size does the convolution run, and how many filters has it?"),
        Hint("Twice too many", "One multiplication and the addition after it: how many MACs?"),
    ),
)
EXERCISES = (SHUFFLE, TAPS, KERNEL, ICNR, COST)
