"""Exercises of notebook 03: sub-pixel and transposed convolution.

Source: Shi et al. 2016 (sub-pixel convolution) and their note "Is the deconvolution layer the same as a convolutional
layer?" (2016); Odena et al. 2016 (checkerboards); Aitken et al. 2017 (ICNR).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from dsrl_lab.course.exercises.exercise import Case, Exercise, Hint, WrongAnswer

# 03.1


def shuffle(x: Tensor, upscale_factor: int) -> Tensor:
    """Pixel shuffle with reshape and permute only (no ``pixel_shuffle``).

    Channel c * s^2 + a * s + b becomes row a, column b of each s x s block of
    channel c.

    Shape:
        - x: (N, C * s^2, h, w)
        - output: (N, C, s * h, s * w)

    Example:
        >>> shuffle(torch.tensor([[[[1.0]], [[2.0]], [[3.0]], [[4.0]]]]), 2)
        tensor([[[[1., 2.],
                  [3., 4.]]]])
    """
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


def _channels_last(x: Tensor, s: int) -> Tensor:
    n, channels, h, w = x.shape
    blocks = x.reshape(n, s, s, channels // s**2, h, w)
    return blocks.permute(0, 3, 4, 1, 5, 2).reshape(n, -1, s * h, s * w)


def _draw_maps(generator: torch.Generator) -> list[Case]:
    return [(torch.randn(2, c * s * s, 3, 4, generator=generator), s) for c, s in ((1, 2), (3, 2), (2, 3))]


SHUFFLE = Exercise(
    name="03.1",
    title="Each channel's s x s phases lie side by side",
    difficulty=2,
    importance=3,
    minutes=10,
    solution=shuffle,
    oracle=_shuffle_by_loop,
    draw=_draw_maps,
    wrong_answers=(
        WrongAnswer(
            "reshape without permute",
            lambda x, s: x.reshape(x.shape[0], -1, s * x.shape[2], s * x.shape[3]),
            "The shape is right and the picture falls into squashed copies: reshape alone keeps the memory's order, "
            "so whole phases follow each other. Bring the axes in the order N, C, h, a, w, b first.",
        ),
        WrongAnswer(
            "row and column of the phase swapped",
            lambda x, s: _permuted(x, s, (0, 1, 4, 3, 5, 2)),
            "Each block is mirrored at its diagonal: you put b beside h and a beside w. The slower of the two phase "
            "axes (a) belongs to the rows. Slanted edges look like a zip fastener.",
        ),
        WrongAnswer(
            "four small pictures",
            lambda x, s: _permuted(x, s, (0, 1, 2, 4, 3, 5)),
            "You see the small picture s x s times, tile by tile: the phase axes stand before h and w, so they choose "
            "the tile. They must stand after: h, a, then w, b.",
        ),
        WrongAnswer(
            "phases outermost, as TensorFlow's depth_to_space",
            _channels_last,
            "Right for one channel, wrong for three: you read the channels as (phase, C). PyTorch's order is (C, "
            "phase): the s² phases of a channel are neighbours. With the other order colours wander from pixel to "
            "pixel.",
        ),
    ),
    hints=(
        Hint(
            "The shape is right, the picture is not",
            "Name all six axes after the first reshape. Which two make the rows?",
        ),
        Hint("Right for one channel only", "Which varies faster in the channel index: c, or the phase?"),
    ),
)


# 03.3


def transposed_kernel(weight: Tensor, upscale_factor: int) -> Tensor:
    """Weight of the transposed convolution that does what a sub-pixel convolution does.

    For odd k and r = k // 2 these two must agree:
    ``pixel_shuffle(conv2d(x, weight, padding=r), s)`` and
    ``conv_transpose2d(x, transposed_kernel(weight, s), stride=s, padding=s * r)``.

    Shape:
        - weight: (C * s^2, C_in, k, k)
        - output: (C_in, C, k * s, k * s)

    Example:
        >>> transposed_kernel(torch.arange(4.0).reshape(4, 1, 1, 1), 2)
        tensor([[[[0., 1.],
                  [2., 3.]]]])
    """
    s, (filters, c_in, k, _) = upscale_factor, weight.shape
    phases = weight.reshape(filters // s**2, s, s, c_in, k, k)  # (C, a, b, C_in, u, v)
    phases = phases.flip(4, 5)  # convolution looks, its transpose stamps
    return phases.permute(3, 0, 4, 1, 5, 2).reshape(c_in, -1, k * s, k * s)


def _kernel_by_sparks(weight: Tensor, s: int) -> Tensor:
    """What one bright input pixel leaves behind is the kernel."""
    c_in, k = weight.shape[1], weight.shape[-1]
    sparks = torch.zeros(c_in, c_in, k, k, dtype=weight.dtype)
    sparks[range(c_in), range(c_in), k // 2, k // 2] = 1
    return F.pixel_shuffle(F.conv2d(sparks, weight, padding=k // 2), s)


def _rearranged(weight: Tensor, s: int, order: tuple[int, ...], *, flip: bool = True) -> Tensor:
    filters, c_in, k, _ = weight.shape
    phases = weight.reshape(filters // s**2, s, s, c_in, k, k)
    phases = phases.flip(4, 5) if flip else phases
    return phases.permute(*order).reshape(c_in, -1, k * s, k * s)


def _draw_weights(generator: torch.Generator) -> list[Case]:
    shapes = ((2, 3, 2, 3), (1, 2, 3, 3), (3, 1, 2, 5))
    return [(torch.randn(c * s * s, c_in, k, k, generator=generator), s) for c, c_in, s, k in shapes]


KERNEL = Exercise(
    name="03.3",
    title="Sub-pixel and transposed convolution are one operation",
    difficulty=3,
    importance=3,
    minutes=20,
    solution=transposed_kernel,
    oracle=_kernel_by_sparks,
    draw=_draw_weights,
    wrong_answers=(
        WrongAnswer(
            "not turned round",
            lambda w, s: _rearranged(w, s, (3, 0, 4, 1, 5, 2), flip=False),
            "Right size, mirrored kernel: PyTorch's convolution looks at its neighbours (a correlation), the "
            "transposed one stamps onto them. What lies left of the look lies right of the stamp: flip u and v.",
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
            "a and b are swapped: the enlarged picture shows zipped slanted edges. The slower phase axis belongs to "
            "the rows.",
        ),
        WrongAnswer(
            "turned round after interleaving",
            lambda w, s: _rearranged(w, s, (3, 0, 4, 1, 5, 2), flip=False).flip(2, 3),
            "You flipped the finished kernel, phases included: pixels of each block come out in reverse. Flip u and v "
            "alone, before you interleave.",
        ),
        WrongAnswer(
            "in and out swapped",
            lambda w, s: _rearranged(w, s, (3, 0, 4, 1, 5, 2)).transpose(0, 1),
            "A transposed convolution keeps its weight as (C_in, C_out, kH, kW), the other way round than a "
            "convolution.",
        ),
    ),
    hints=(
        Hint(
            "The picture is slightly shifted and blurred wrongly",
            "Which way does a correlation look, which way does it stamp?",
        ),
        Hint("Blocks of pixels are in the wrong order", "Where must tap u of phase a lie, if stamps move by s?"),
        Hint("PyTorch complains about channels", "Which comes first in a transposed convolution's weight?"),
    ),
)


# 03.4


def icnr(filters: Tensor, upscale_factor: int) -> Tensor:
    """Start a sub-pixel convolution as convolution, then nearest-neighbour enlargement.

    Args:
        filters: one for each output channel.
        upscale_factor: s of the pixel shuffle that follows.

    Shape:
        - filters: (C, C_in, k, k)
        - output: (C * s^2, C_in, k, k), in the order that pixel shuffle expects

    Example:
        >>> icnr(torch.tensor([1.0, 2.0]).reshape(2, 1, 1, 1), 2).flatten()
        tensor([1., 1., 1., 1., 2., 2., 2., 2.])
    """
    return filters.repeat_interleave(upscale_factor**2, dim=0)


def _bed_of_nails(filters: Tensor, s: int) -> Tensor:
    out = filters.new_zeros(len(filters) * s * s, *filters.shape[1:])
    out[:: s * s] = filters
    return out


def _icnr_by_index(filters: Tensor, s: int) -> Tensor:
    return torch.stack([filters[i // (s * s)] for i in range(len(filters) * s * s)])


def _draw_filters(generator: torch.Generator) -> list[Case]:
    return [(torch.randn(c, 2, 3, 3, generator=generator), s) for c, s in ((1, 2), (3, 2), (2, 3))]


ICNR = Exercise(
    name="03.4",
    title="All phases of a channel start as one filter",
    difficulty=1,
    importance=3,
    minutes=6,
    solution=icnr,
    oracle=_icnr_by_index,
    draw=_draw_filters,
    wrong_answers=(
        WrongAnswer(
            "repeated as a whole",
            lambda f, s: f.repeat(s * s, 1, 1, 1),
            "Right for one channel, wrong for three: `repeat` gives 1 2 3 1 2 3, pixel shuffle reads neighbours as "
            "phases of one channel. The checkerboard is back, now in colour. Repeat each filter in place: 1 1 1 1 2 2 "
            "2 2.",
        ),
        WrongAnswer(
            "shared out over the phases",
            lambda f, s: f.repeat_interleave(s * s, dim=0) / s**2,
            "The picture comes out s² times too faint: each output pixel is made by ONE phase, so nothing is to be "
            "shared out.",
        ),
        WrongAnswer(
            "one phase only",
            _bed_of_nails,
            "One pixel of each block is bright, the others are black: a bed of nails, the worst checkerboard there "
            "is. Every phase needs the filter.",
        ),
        WrongAnswer(
            "s times instead of s squared",
            lambda f, s: f.repeat_interleave(s, dim=0),
            "Pixel shuffle refuses this: a block has s rows AND s columns, so s² phases for each channel.",
        ),
    ),
    hints=(
        Hint(
            "Right for one channel only",
            "torch has `repeat` and `repeat_interleave`: write down what each makes of 1 2.",
        ),
        Hint("Pixel shuffle refuses the channels", "How many pixels does a block of s x s have?"),
    ),
)


EXERCISES = (SHUFFLE, KERNEL, ICNR)
