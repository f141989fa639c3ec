"""Notebook 03: sub-pixel and transposed convolution (Shi et al. 2016; Odena et al. 2016; Aitken et al. 2017, ICNR)."""

import torch
from torch import Tensor
from torch.nn import functional as F

from dsrl_lab.complexity import complexity
from dsrl_lab.course.exercises.calls import call_without_pixel_shuffle
from dsrl_lab.course.exercises.exercise import Case, draw_integer
from dsrl_lab.course.exercises.solutions.texts import exercise


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


SHUFFLE = exercise(
    "03.1",
    difficulty=2,
    solution=shuffle,
    oracle=_shuffle_by_loop,
    draw=lambda generator: [
        (torch.randn(2, c * s * s, 3, 4, generator=generator), s) for c, s in ((1, 2), (3, 2), (2, 3))
    ],
    run=call_without_pixel_shuffle,
    wrong_answers={
        "reshape without permute": lambda x, s: x.reshape(x.shape[0], -1, s * x.shape[2], s * x.shape[3]),
        "row and column of the phase swapped": lambda x, s: _permuted(x, s, (0, 1, 4, 3, 5, 2)),
        "four small pictures": lambda x, s: _permuted(x, s, (0, 1, 2, 4, 3, 5)),
        "phases outermost, as TensorFlow's depth_to_space": lambda x, s: _permuted(
            x.unflatten(1, (s * s, -1)).transpose(1, 2).flatten(1, 2), s, (0, 1, 4, 2, 5, 3)
        ),
    },
)


def taps(kernel_size: int, stride: int) -> list[int]:
    return [len(range(phase, kernel_size, stride)) for phase in range(stride)]


def _taps_by_stamping(kernel_size: int, stride: int) -> list[int]:
    inputs = 2 * kernel_size + 1
    stamped = F.conv_transpose1d(torch.ones(1, 1, inputs), torch.ones(1, 1, kernel_size), stride=stride)[0, 0]
    middle = stride * (inputs // 2 + 1)
    return [round(float(value)) for value in stamped[middle : middle + stride]]


TAPS = exercise(
    "03.2",
    difficulty=2,
    solution=taps,
    oracle=_taps_by_stamping,
    draw=lambda g: [(3, 2), (4, 2), (5, 3), (2, 3), *((draw_integer(g, 3, 12), draw_integer(g, 2, 5)) for _ in "1234")],
    wrong_answers={
        "the average": lambda k, s: [k / s] * s,
        "rounded down everywhere": lambda k, s: [k // s] * s,
        "rounded up everywhere": lambda k, s: [-(-k // s)] * s,
        "the overlap alone": lambda k, s: [max(k - s, 0)] * s,
        "the other way round": lambda k, s: [len(range(a, k, s)) for a in range(s)][::-1],
    },
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


KERNEL = exercise(
    "03.3",
    difficulty=3,
    solution=transposed_kernel,
    oracle=_kernel_by_impulses,
    draw=_draw_weights,
    wrong_answers={
        "not flipped": lambda w, s: _rearranged(w, s, (3, 0, 4, 1, 5, 2), flip=False),
        "phases in blocks": lambda w, s: _rearranged(w, s, (3, 0, 1, 4, 2, 5)),
        "row and column of the phase swapped": lambda w, s: _rearranged(w, s, (3, 0, 4, 2, 5, 1)),
        "flipped after interleaving": lambda w, s: _rearranged(w, s, (3, 0, 4, 1, 5, 2), flip=False).flip(2, 3),
        "in and out swapped": lambda w, s: _rearranged(w, s, (3, 0, 4, 1, 5, 2)).transpose(0, 1),
    },
)


def icnr(filters: Tensor, upscale_factor: int) -> Tensor:
    return filters.repeat_interleave(upscale_factor**2, dim=0)


ICNR = exercise(
    "03.4",
    difficulty=1,
    solution=icnr,
    oracle=lambda filters, s: torch.stack([filters[i // (s * s)] for i in range(len(filters) * s * s)]),
    draw=lambda generator: [(torch.randn(c, 2, 3, 3, generator=generator), s) for c, s in ((1, 2), (3, 2), (2, 3))],
    wrong_answers={
        "repeated as a whole": lambda f, s: f.repeat(s * s, 1, 1, 1),
        "divided over the phases": lambda f, s: f.repeat_interleave(s * s, dim=0) / s**2,
        "one phase only": lambda f, s: torch.stack([f, *[0 * f] * (s * s - 1)], 1).flatten(0, 1),
        "s times instead of s squared": lambda f, s: f.repeat_interleave(s, dim=0),
    },
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


COST = exercise(
    "03.5",
    difficulty=1,
    solution=sub_pixel_macs,
    oracle=_macs_by_counter,
    draw=_draw_layers,
    wrong_answers={
        "filters of one phase": lambda h, w, c_in, c_out, k, s: h * w * c_in * c_out * k**2,
        "at the large size": lambda h, w, c_in, c_out, k, s: h * s * w * s * c_in * c_out * s**2 * k**2,
        "s instead of s squared": lambda h, w, c_in, c_out, k, s: h * w * c_in * c_out * s * k**2,
        "FLOPs, not MACs": lambda h, w, c_in, c_out, k, s: 2 * h * w * c_in * c_out * s**2 * k**2,
    },
)
EXERCISES = (SHUFFLE, TAPS, KERNEL, ICNR, COST)
