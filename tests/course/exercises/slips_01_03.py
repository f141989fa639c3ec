"""Slips of exercises 01 to 03 that are natural and in no table of wrong answers, as code."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.nn import functional as F

from dsrl_lab.course.exercises.bank import exercises


def right(name: str) -> Any:
    """The solution of an exercise."""
    return exercises()[name].solution


def padded(h: int, w: int, k: int, s: int) -> int:
    """Output positions of a convolution without padding."""
    return ((h - k) // s + 1) * ((w - k) // s + 1)


def mode_of_all(mask: torch.Tensor, factor: int, num_classes: int) -> torch.Tensor:
    """The most frequent id, 255 among them, the largest of those with equally many votes."""
    blocks = mask.unfold(1, factor, factor).unfold(2, factor, factor).flatten(3)
    votes = F.one_hot(blocks.clamp(max=num_classes), num_classes + 1)[..., :num_classes].sum(3)
    winner = num_classes - 1 - votes.flip(-1).argmax(-1)
    return winner.masked_fill(votes.sum(-1) == 0, 255)


SLIPS: dict[str, dict[str, Any]] = {
    "01.1": {
        "without padding": lambda h, w, i, o, k, s, d: padded(h, w, k, s) * i * o * k**2,
        "the kernel on one side": lambda h, w, i, o, k, s, d: h // s * (w // s) * i * o * k,
        "channels added": lambda h, w, i, o, k, s, d: h // s * (w // s) * (i + o) * k**2,
        "a bias counted": lambda h, w, i, o, k, s, d: h // s * (w // s) * (i * k**2 + 1) * o,
        "dilation as a stride": lambda h, w, i, o, k, s, d: h // (s * d) * (w // (s * d)) * i * o * k**2,
        "dilation multiplies": lambda h, w, i, o, k, s, d: h // s * (w // s) * i * o * k**2 * d,
        "output channels forgotten and input squared": lambda h, w, i, o, k, s, d: h // s * (w // s) * i * i * k**2,
        "parameters alone": lambda h, w, i, o, k, s, d: i * o * k**2,
        "positions alone": lambda h, w, i, o, k, s, d: h // s * (w // s),
        "height squared": lambda h, w, i, o, k, s, d: (h // s) ** 2 * i * o * k**2,
    },
    "01.2": {
        "the largest id wins a tie": mode_of_all,
        "the last pixel": lambda m, f, k: m[:, f - 1 :: f, f - 1 :: f],
        "the middle pixel": lambda m, f, k: m[:, f // 2 :: f, f // 2 :: f],
        "the smallest id": lambda m, f, k: -F.max_pool2d(-m[:, None].float(), f)[:, 0].long(),
        "one unknown pixel makes all unknown": lambda m, f, k: right("01.2")(m, f, k).masked_fill(
            F.max_pool2d((m == 255)[:, None].float(), f)[:, 0] > 0, 255
        ),
        "unknown is class 0": lambda m, f, k: right("01.2")(m.masked_fill(m == 255, 0), f, k),
        "an empty block becomes class 0": lambda m, f, k: right("01.2")(m, f, k) % 255,
        "axes swapped": lambda m, f, k: right("01.2")(m.mT, f, k),
        "unknown wins a tie": lambda m, f, k: right("01.2")(m, f, k).masked_fill(
            F.avg_pool2d((m == 255)[:, None].float(), f)[:, 0] >= 0.5, 255
        ),
        "one class too few": lambda m, f, k: right("01.2")(m.masked_fill(m == k - 1, 255), f, k),
    },
    "01.3": {
        "without the first pixel": lambda layers: right("01.3")(layers) - 1,
        "only kernels": lambda layers: 1 + sum(k - 1 for k, _, _ in layers),
        "the sum of kernels": lambda layers: sum(k * d for k, _, d in layers),
        "strides added": lambda layers: 1 + sum((k - 1) * d * (1 + i) for i, (k, s, d) in enumerate(layers)),
        "the last layer left out": lambda layers: right("01.3")(layers[:-1]),
        "from last to first": lambda layers: right("01.3")(layers[::-1]),
        "dilation as a stride": lambda layers: right("01.3")([(k, s * d, 1) for k, s, d in layers]),
        "kernels of 3 only": lambda layers: right("01.3")([(3, s, d) for _, s, d in layers]),
        "half of the kernel": lambda layers: right("01.3")([(k // 2 + 1, s, d) for k, s, d in layers]),
        "both sides": lambda layers: 2 * right("01.3")(layers) - 1,
    },
    "01.4": {
        "one stride too many removed": lambda strides, os: right("01.4")(strides, os // 2),
        "one stride too few removed": lambda strides, os: right("01.4")(strides, 2 * os),
        "dilations add up": lambda strides, os: [
            (s, d if d < 3 else 1 + d.bit_length()) for s, d in right("01.4")(strides, os)
        ],
        "strides kept": lambda strides, os: [
            (s, d) for s, (_, d) in zip(strides, right("01.4")(strides, os), strict=True)
        ],
        "dilation before stride": lambda strides, os: [(d, s) for s, d in right("01.4")(strides, os)],
        "one dilation for all": lambda strides, os: [
            (s, max(1, math.prod(strides) // os)) for s, _ in right("01.4")(strides, os)
        ],
        "one layer too late": lambda strides, os: [
            (s, d)
            for (s, _), d in zip(
                right("01.4")(strides, os), [1, *(d for _, d in right("01.4")(strides, os))], strict=False
            )
        ],
        "every stride removed": lambda strides, os: right("01.4")(strides, 1),
        "dilation only where the stride was removed": lambda strides, os: [
            (s, d if old > s else 1) for (s, d), old in zip(right("01.4")(strides, os), strides, strict=True)
        ],
        "the dilation of the last layer forgotten": lambda strides, os: [*right("01.4")(strides, os)[:-1], (1, 1)],
    },
    "02.1": {
        "only bright values clipped": lambda a, b, n: (
            right("02.1")(torch.where(a < 0, a + 0, a.clamp(max=1)), b, n)
            if bool((a >= 0).all())
            else unclipped_below(a, b, n)
        ),
        "the border of one side": lambda a, b, n: right("02.1")(a[:, n:, n:], b[:, n:, n:], 1),
        "one pixel of border": lambda a, b, n: right("02.1")(a, b, 1),
        "colours in the order of OpenCV": lambda a, b, n: right("02.1")(a.flip(0), b.flip(0), n),
        "the mean of three scores": lambda a, b, n: torch.stack(
            [-10 * ((a.clamp(0, 1) - b)[c, n:-n, n:-n] ** 2).mean().log10() for c in range(3)]
        ).mean(),
        "grey as the plain mean": lambda a, b, n: -10 * ((a.clamp(0, 1) - b).mean(0)[n:-n, n:-n] ** 2).mean().log10(),
        "natural logarithm": lambda a, b, n: right("02.1")(a, b, n) * math.log(10),
        "absolute errors": lambda a, b, n: -10 * luma(a, b)[n:-n, n:-n].abs().mean().log10(),
        "a peak of 255": lambda a, b, n: right("02.1")(a, b, n) + 20 * math.log10(255),
        "a sum over pixels": lambda a, b, n: -10 * (luma(a, b)[n:-n, n:-n] ** 2).sum().log10(),
        "clipped after luminance": lambda a, b, n: (
            -10 * ((luma_of(a).clamp(0, 1) - luma_of(b))[n:-n, n:-n] ** 2).mean().log10()
        ),
        "the sign forgotten": lambda a, b, n: -right("02.1")(a, b, n),
    },
    "02.2": {
        "no padding": lambda x, w, b, s: F.pixel_shuffle(
            F.conv2d(F.conv2d(F.conv2d(x - 0.5, w[0], b[0]).tanh(), w[1], b[1]).tanh(), w[2], b[2]), s
        ),
        "the padding of 3 x 3 everywhere": lambda x, w, b, s: F.interpolate(
            right("02.2")(x[..., 1:-1, 1:-1], w, b, s), scale_factor=1
        ),
        "enlarged first": lambda x, w, b, s: right("02.2")(F.interpolate(x, scale_factor=s), w, b, s)[..., ::s, ::s],
        "phases outermost": lambda x, w, b, s: F.pixel_shuffle(
            F.pixel_unshuffle(right("02.2")(x, w, b, s), s).unflatten(1, (-1, s * s)).transpose(1, 2).flatten(1, 2), s
        ).flip(-1),
        "rows and columns of a phase swapped": lambda x, w, b, s: F.pixel_shuffle(
            F.pixel_unshuffle(right("02.2")(x, w, b, s), s).unflatten(1, (-1, s, s)).transpose(2, 3).flatten(1, 3),
            s,
        ),
        "biases forgotten": lambda x, w, b, s: right("02.2")(x, w, [0 * one for one in b], s),
        "the last bias forgotten": lambda x, w, b, s: right("02.2")(x, w, [*b[:2], 0 * b[2]], s),
        "one layer without tanh": lambda x, w, b, s: right("02.2")(x, [w[0] / 50, w[1] * 50, w[2]], b, s),
        "sigmoid": lambda x, w, b, s: right("02.2")(x, w, b, s).sigmoid(),
        "clamped": lambda x, w, b, s: right("02.2")(x, w, b, s).clamp(0, 1),
        "kernels flipped": lambda x, w, b, s: right("02.2")(x, [one.flip(2, 3) for one in w], b, s),
        "no shuffle": lambda x, w, b, s: F.pixel_unshuffle(right("02.2")(x, w, b, s), s),
        "a mean in place of the shuffle": lambda x, w, b, s: F.interpolate(
            F.avg_pool2d(right("02.2")(x, w, b, s), s), scale_factor=s
        ),
        "mid-grey with the wrong sign": lambda x, w, b, s: right("02.2")(x + 1, w, b, s) - 1,
        "the enlarged picture added": lambda x, w, b, s: (
            right("02.2")(x, w, b, s) - 0.5 + F.interpolate(x, scale_factor=s)
        ),
    },
    "02.3": {
        "the first level alone": lambda a, b, e: right("02.3")(a[:1], b[:1], e),
        "summed over channels": lambda a, b, e: right("02.3")(a, b, e) * a[0].shape[1],
        "summed over pictures": lambda a, b, e: right("02.3")(a, b, e) * a[0].shape[0],
        "epsilon added once": lambda a, b, e: sum((x - y).abs().mean() for x, y in zip(a, b, strict=True)) + e,
        "plain L1": lambda a, b, e: sum((x - y).abs().mean() for x, y in zip(a, b, strict=True)),
        "squares without a root": lambda a, b, e: sum(((x - y) ** 2 + e**2).mean() for x, y in zip(a, b, strict=True)),
        "levels weighted by size": lambda a, b, e: sum(
            ((x - y) ** 2 + e**2).sqrt().mean() * x.shape[-1] / a[-1].shape[-1] for x, y in zip(a, b, strict=True)
        ),
        "halved": lambda a, b, e: right("02.3")(a, b, e) / 2,
        "targets reversed": lambda a, b, e: sum(
            ((x - F.interpolate(y, x.shape[-2:])) ** 2 + e**2).sqrt().mean() for x, y in zip(a, b[::-1], strict=True)
        ),
        "a fixed epsilon": lambda a, b, e: right("02.3")(a, b, 1e-3),
        "a number in place of a tensor": lambda a, b, e: float(right("02.3")(a, b, e)),
    },
    "02.4": {
        "only the first enlargement": lambda x, up, down, again: F.conv_transpose2d(x, up, stride=2, padding=2),
        "reduced by `up`": lambda x, up, down, again: right("02.4")(x, up, up, again),
        "enlarged by `again` at first": lambda x, up, down, again: right("02.4")(x, again, down, again),
        "kernels in another order": lambda x, up, down, again: right("02.4")(x, down, up, again),
        "the error of the wrong pair": lambda x, up, down, again: F.conv_transpose2d(
            F.conv2d(F.conv_transpose2d(x, up, stride=2, padding=2), down, stride=2, padding=2),
            again,
            stride=2,
            padding=2,
        ),
        "input and output channels swapped": lambda x, up, down, again: right("02.4")(x, up.mT, down, again),
        "a kernel flipped": lambda x, up, down, again: right("02.4")(x, up, down.flip(2, 3), again),
        "padding of 3": lambda x, up, down, again: F.conv_transpose2d(x, up, stride=2, padding=3),
        "halved": lambda x, up, down, again: right("02.4")(x, up, down, again) / 2,
        "stopped at zero": lambda x, up, down, again: right("02.4")(x, up, down, again).relu(),
    },
    "03.1": {
        "nearest enlargement of the first phases": lambda x, s: F.interpolate(x[:, :: s * s], scale_factor=s),
        "height and width swapped": lambda x, s: right("03.1")(x.mT, s).mT[..., : x.shape[2] * s, :].mT,
        "rows alone": lambda x, s: x.reshape(len(x), -1, s * s * x.shape[2], x.shape[3]),
        "mirrored phases": lambda x, s: right("03.1")(x.unflatten(1, (-1, s * s)).flip(2).flatten(1, 2), s),
        "batch and channel swapped": lambda x, s: right("03.1")(x, s).transpose(0, 1),
        "the mean of the phases": lambda x, s: F.interpolate(x.unflatten(1, (-1, s * s)).mean(2), scale_factor=s),
        "phases outermost in rows": lambda x, s: right("03.1")(
            x.unflatten(1, (s, -1, s)).transpose(1, 2).flatten(1, 3), s
        ),
        "phases outermost in columns": lambda x, s: right("03.1")(
            x.unflatten(1, (s, s, -1)).permute(0, 2, 1, 3, 4, 5).flatten(1, 3).roll(1, 1), s
        ),
        "s in place of s squared": lambda x, s: x.reshape(len(x), -1, s, *x.shape[2:]).flatten(2, 3),
        "a ready-made shuffle": lambda x, s: torch.pixel_shuffle(x, s),
    },
    "03.2": {
        "one number": lambda k, s: k // s,
        "overlap counted": lambda k, s: [k - s + 1] * s,
        "as long as the kernel": lambda k, s: [len(range(a, k, s)) for a in range(k)],
        "one tap fewer": lambda k, s: [max(n - 1, 0) for n in right("03.2")(k, s)],
        "kernel and stride swapped": lambda k, s: [len(range(a, s, k)) for a in range(s)],
        "the last phase gets the rest": lambda k, s: [k // s] * (s - 1) + [k // s + k % s],
        "the first phase gets the rest": lambda k, s: [k // s + k % s] + [k // s] * (s - 1),
        "from the middle": lambda k, s: [right("03.2")(k, s)[(a + k // 2) % s] for a in range(s)],
        "two dimensions": lambda k, s: [n**2 for n in right("03.2")(k, s)],
        "holes left out": lambda k, s: [max(n, 1) for n in right("03.2")(k, s)],
    },
    "03.3": {
        "only rows flipped": lambda w, s: right("03.3")(w.flip(2), s),
        "only columns flipped": lambda w, s: right("03.3")(w.flip(3), s),
        "u and v swapped": lambda w, s: right("03.3")(w.mT, s),
        "the weight as it is": lambda w, s: w,
        "every phase the first": lambda w, s: right("03.3")(w[:: s * s].repeat_interleave(s * s, 0), s),
        "phases outermost": lambda w, s: right("03.3")(w.unflatten(0, (s * s, -1)).transpose(0, 1).flatten(0, 1), s),
        "divided by s squared": lambda w, s: right("03.3")(w, s) / s**2,
        "repeated": lambda w, s: right("03.3")(w, s).repeat(1, 1, 1, 1).flip(0),
        "output channels mirrored": lambda w, s: right("03.3")(w, s).flip(1),
        "shifted by one": lambda w, s: right("03.3")(w, s).roll(1, -1),
    },
    "03.4": {
        "input channels repeated": lambda f, s: f.repeat_interleave(s * s, dim=1),
        "tiled in the kernel": lambda f, s: f.repeat(1, 1, s, s),
        "s in place of s squared, tiled": lambda f, s: f.repeat(s, 1, 1, 1),
        "one too many": lambda f, s: f.repeat_interleave(s * s + 1, dim=0),
        "random phases": lambda f, s: torch.randn(len(f) * s * s, *f.shape[1:]),
        "zeros": lambda f, s: torch.zeros(len(f) * s * s, *f.shape[1:]),
        "mirrored": lambda f, s: right("03.4")(f, s).flip(0),
        "kernels flipped": lambda f, s: right("03.4")(f, s).flip(2, 3),
        "divided by s": lambda f, s: right("03.4")(f, s) / s,
        "expanded without a copy": lambda f, s: f[None].expand(s * s, *f.shape),
        "the mean filter everywhere": lambda f, s: f.mean(0, keepdim=True).expand(len(f) * s * s, -1, -1, -1),
    },
    "03.5": {
        "kernel not squared": lambda h, w, i, o, k, s: h * w * i * o * s**2 * k,
        "channels added": lambda h, w, i, o, k, s: h * w * (i + o * s**2) * k**2,
        "input channels forgotten": lambda h, w, i, o, k, s: h * w * o * s**2 * k**2,
        "output channels forgotten": lambda h, w, i, o, k, s: h * w * i * s**2 * k**2,
        "square pictures": lambda h, w, i, o, k, s: h * h * i * o * s**2 * k**2,
        "divided by s squared": lambda h, w, i, o, k, s: h * w * i * o * k**2 // s**2,
        "a bias counted": lambda h, w, i, o, k, s: h * w * (i * k**2 + 1) * o * s**2,
        "s doubled": lambda h, w, i, o, k, s: h * w * i * o * 2 * s * k**2,
        "at the reduced size": lambda h, w, i, o, k, s: (h // s) * (w // s) * i * o * s**2 * k**2,
        "parameters alone": lambda h, w, i, o, k, s: i * o * s**2 * k**2,
    },
}


def luma_of(a: torch.Tensor) -> torch.Tensor:
    """Y in video range."""
    return ((a * torch.tensor([65.481, 128.553, 24.966])[:, None, None]).sum(0) + 16) / 255


def luma(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The error of Y after clipping."""
    return luma_of(a.clamp(0, 1)) - luma_of(b)


def unclipped_below(a: torch.Tensor, b: torch.Tensor, n: int) -> torch.Tensor:
    """PSNR where only values above 1 are clipped."""
    return -10 * ((luma_of(a.clamp(max=1)) - luma_of(b))[n:-n, n:-n] ** 2).mean().log10()
