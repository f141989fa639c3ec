"""Slips of exercises 04 to 06 that are natural and in no table of wrong answers, as code."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from dsrl_lab.affinity import affinity_matrix

from .slips_01_03 import right


def bins_of_rows(x: Tensor, bins: int) -> Tensor:
    """Regions of one size, ceil(L / bins), laid evenly: an overlap where none belongs."""

    def starts(side: int) -> list[int]:
        return [round(i * (side - -(-side // bins)) / max(bins - 1, 1)) for i in range(bins)]

    h, w = (-(-side // bins) for side in x.shape[-2:])
    rows = [
        torch.stack([x[..., i : i + h, j : j + w].mean((-2, -1)) for j in starts(x.shape[-1])], -1)
        for i in starts(x.shape[-2])
    ]
    return torch.stack(rows, -2)


def cosine(x: Tensor, eps: float = 1e-8) -> Tensor:
    """Similarities with a chosen guard, added to the norm."""
    x = x.flatten(2)
    x = x / (x.norm(dim=1, keepdim=True) + eps)
    return x.mT @ x


def strips(a: Tensor, b: Tensor, rows: int, change: Any) -> Tensor:
    """The loss in strips, each strip's difference changed."""
    parts = [a[:, i : i + rows].mT @ a - b[:, i : i + rows].mT @ b for i in range(0, a.shape[1], rows)]
    return torch.stack([change(part) for part in parts]).sum() / a.shape[1] ** 2


SLIPS: dict[str, dict[str, Any]] = {
    "04.1": {
        "one more always": lambda h, w, strides: [(h // s + 1, w // s + 1) for s in strides],
        "floors of halves": lambda h, w, strides: [((h - 1) // s, (w - 1) // s) for s in strides],
        "without padding": lambda h, w, strides: [((h - 3) // s + 1, (w - 3) // s + 1) for s in strides],
        "only the height rounded up": lambda h, w, strides: [(-(-h // s), w // s) for s in strides],
        "only the width rounded up": lambda h, w, strides: [(h // s, -(-w // s)) for s in strides],
        "square maps": lambda h, w, strides: [(-(-h // s), -(-h // s)) for s in strides],
        "fractions": lambda h, w, strides: [(h / s, w / s) for s in strides],
        "the last map alone": lambda h, w, strides: right("04.1")(h, w, strides)[-1:],
        "the input among the maps": lambda h, w, strides: [(h, w), *right("04.1")(h, w, strides)],
        "one map too few": lambda h, w, strides: right("04.1")(h, w, strides)[:-1],
        "halved once per map": lambda h, w, strides: right("04.1")(h, w, [2 ** (i + 1) for i in range(len(strides))]),
        "rounded half up": lambda h, w, strides: [(int(h / s + 0.5), int(w / s + 0.5)) for s in strides],
    },
    "04.2": {
        "taps, not a share": lambda h, w, d: 9 * right("04.2")(h, w, d),
        "the share outside": lambda h, w, d: 1 - right("04.2")(h, w, d),
        "the mean of the sides' shares": lambda h, w, d: (right("04.2")(h, 10**6, d) + right("04.2")(10**6, w, d)) / 2,
        "one outer tap": lambda h, w, d: (h + max(h - d, 0)) * (w + max(w - d, 0)) / (9 * h * w),
        "twice the dilation": lambda h, w, d: right("04.2")(h, w, 2 * d),
        "a square map": lambda h, w, d: right("04.2")(h, h, d),
        "dilation less one": lambda h, w, d: right("04.2")(h, w, d - 1),
        "all taps inside": lambda h, w, d: 1.0,
        "the middle alone": lambda h, w, d: 1 / 9,
        "positions far from the border": lambda h, w, d: max(h - d, 0) * max(w - d, 0) / (9 * h * w),
        "either side inside": lambda h, w, d: min(
            1, (h + 2 * max(h - d, 0)) / (3 * h) + (w + 2 * max(w - d, 0)) / (3 * w)
        ),
        "negative only for the width": lambda h, w, d: (h + 2 * max(h - d, 0)) * (3 * w - 2 * d) / (9 * h * w),
    },
    "04.3": {
        "ready-made": lambda x, bins: F.adaptive_avg_pool2d(x, bins),
        "both ends rounded up": lambda x, bins: torch.stack(
            [
                torch.stack(
                    [
                        x[
                            ...,
                            -(-i * x.shape[2] // bins) : -(-(i + 1) * x.shape[2] // bins),
                            -(-j * x.shape[3] // bins) : -(-(j + 1) * x.shape[3] // bins),
                        ].mean((-2, -1))
                        for j in range(bins)
                    ],
                    -1,
                )
                for i in range(bins)
            ],
            -2,
        ),
        "regions of one size": bins_of_rows,
        "sums": lambda x, bins: right("04.3")(x, bins) * 2,
        "rows and columns swapped": lambda x, bins: right("04.3")(x, bins).mT,
        "rows for both sides": lambda x, bins: right("04.3")(x[..., : x.shape[2]], bins),
        "channels averaged": lambda x, bins: (
            right("04.3")(x.mean(1, keepdim=True), bins).expand(-1, x.shape[1], -1, -1) * 0.99
        ),
        "bins as a stride": lambda x, bins: F.avg_pool2d(x, bins),
        "tiles rounded up": lambda x, bins: F.avg_pool2d(x, [-(-s // bins) for s in x.shape[-2:]], ceil_mode=True),
        "padded with zeros": lambda x, bins: F.avg_pool2d(
            F.pad(x, (0, -x.shape[3] % bins, 0, -x.shape[2] % bins)), [-(-s // bins) for s in x.shape[-2:]]
        ),
        "medians": lambda x, bins: right("04.3")(x.round(), bins),
        "area resized in two steps": lambda x, bins: F.interpolate(
            F.avg_pool2d(x, 2, ceil_mode=True), size=(bins, bins)
        ),
    },
    "04.4": {
        "positions seen": lambda d: 2 * sum(d) + 1 - right("04.4")(d),
        "the field's width": lambda d: 2 * sum(d) + 1,
        "one side": lambda d: right("04.4")(d) // 2,
        "without the middle tap": lambda d: (
            2 * sum(d)
            + 1
            - len(
                {
                    sum(s * x for s, x in zip(signs, d, strict=True))
                    for signs in [[1 if i >> k & 1 else -1 for k in range(len(d))] for i in range(2 ** len(d))]
                }
            )
        ),
        "from the least common divisor": lambda d: 2 * sum(d) + 1 - (2 * sum(d) // math.gcd(*d) + 1),
        "the first two layers": lambda d: right("04.4")(d[:2]),
        "the last two layers": lambda d: right("04.4")(d[-2:]),
        "same dilations once": lambda d: right("04.4")(sorted(set(d))),
        "the largest gap": lambda d: max(d) - 1,
        "gaps between neighbouring dilations": lambda d: sum(abs(a - b) for a, b in pairwise([*d, 1])),
        "the first layer's own gaps": lambda d: 2 * (d[0] - 1) - (len(d) == 1),
        "one too many": lambda d: right("04.4")(d) + 1,
    },
    "04.5": {
        "whole pixels": lambda i, small, large, align: round(right("04.5")(i, small, large, align)),
        "half a pixel before only": lambda i, small, large, align: (
            i * (small - 1) / (large - 1) if align else (i + 0.5) * small / large
        ),
        "half a pixel after only": lambda i, small, large, align: (
            i * (small - 1) / (large - 1) if align else i * small / large - 0.5
        ),
        "the ratio upside down": lambda i, small, large, align: right("04.5")(i, large, small, align),
        "half a pixel for both": lambda i, small, large, align: (
            (i + 0.5) * (small - 1) / (large - 1) - 0.5 if align else right("04.5")(i, small, large, align)
        ),
        "one index on": lambda i, small, large, align: right("04.5")(i + 1, small, large, align),
        "small for True, small - 1 for False": lambda i, small, large, align: (
            i * small / (large - 1) if align else (i + 0.5) * (small - 1) / large - 0.5
        ),
        "floor": lambda i, small, large, align: math.floor(right("04.5")(i, small, large, align)),
        "a share of the side": lambda i, small, large, align: right("04.5")(i, small, large, align) / small,
        "from the far end": lambda i, small, large, align: small - 1 - right("04.5")(i, small, large, align),
        "half a pixel of the large map": lambda i, small, large, align: (
            i * (small - 1) / (large - 1) if align else (i + 0.5) * small / large - 0.5 * small / large
        ),
        "True divided by large": lambda i, small, large, align: (
            i * (small - 1) / large if align else right("04.5")(i, small, large, align)
        ),
    },
    "05.1": {
        "one padding": lambda n, k, s, p, o: (n - 1) * s + k - p + o,
        "padding added": lambda n, k, s, p, o: (n - 1) * s + k + 2 * p + o,
        "output padding twice": lambda n, k, s, p, o: (n - 1) * s + k - 2 * p + 2 * o,
        "output padding subtracted": lambda n, k, s, p, o: (n - 1) * s + k - 2 * p - o,
        "stride less one always added": lambda n, k, s, p, o: (n - 1) * s + k - 2 * p + s - 1,
        "kernel less one": lambda n, k, s, p, o: (n - 1) * s + k - 1 - 2 * p + o,
        "size less kernel": lambda n, k, s, p, o: (n - k) * s + k - 2 * p + o,
        "stride forgotten": lambda n, k, s, p, o: n - 1 + k - 2 * p + o,
        "padding scaled by the stride": lambda n, k, s, p, o: (n - 1) * s + k - 2 * p * s + o,
        "one extra always": lambda n, k, s, p, o: (n - 1) * s + k - 2 * p + 1,
        "overlap subtracted": lambda n, k, s, p, o: n * k - (n - 1) * s - 2 * p + o,
    },
    "05.2": {
        "twice per block": lambda h, w, c, b: sum(2**i * h * w * c**2 * 9 for i in range(b)),
        "the last block alone": lambda h, w, c, b: 4 ** (b - 1) * h * w * c**2 * 9 + (b == 1),
        "the first block alone": lambda h, w, c, b: h * w * c**2 * 9,
        "one block too many": lambda h, w, c, b: right("05.2")(h, w, c, b + 1),
        "one block too few": lambda h, w, c, b: right("05.2")(h, w, c, b - 1),
        "a kernel of 3": lambda h, w, c, b: right("05.2")(h, w, c, b) // 3,
        "FLOPs": lambda h, w, c, b: 2 * right("05.2")(h, w, c, b),
        "square maps": lambda h, w, c, b: right("05.2")(h, h, c, b),
        "biases counted": lambda h, w, c, b: right("05.2")(h, w, c, b) + h * w * c,
        "stride divided": lambda h, w, c, b: right("05.2")(h, w, c, b) // 4,
        "at the final size": lambda h, w, c, b: b * 4**b * h * w * c**2 * 9,
    },
    "05.3": {
        "the difference": lambda h, w, m, e: (h * math.sqrt(abs(m - e) / m), w * math.sqrt(abs(m - e) / m)),
        "the fourth root": lambda h, w, m, e: (h * ((m + e) / m) ** 0.25, w * ((m + e) / m) ** 0.25),
        "only the height": lambda h, w, m, e: (h * (m + e) / m, float(w)),
        "each side gets half of the factor": lambda h, w, m, e: (h * (1 + e / m / 2), w * (1 + e / m / 2)),
        "width first": lambda h, w, m, e: right("05.3")(w, h, m, e),
        "a square": lambda h, w, m, e: (math.sqrt(h * w * (m + e) / m),) * 2,
        "squared": lambda h, w, m, e: (h * ((m + e) / m) ** 2, w * ((m + e) / m) ** 2),
        "the head's share": lambda h, w, m, e: (h * math.sqrt(e / (m + e)), w * math.sqrt(e / (m + e))),
        "the factor alone": lambda h, w, m, e: (math.sqrt((m + e) / m),) * 2,
        "the old size": lambda h, w, m, e: (h, w),
        "host over head": lambda h, w, m, e: (h * math.sqrt((m + e) / e), w * math.sqrt((m + e) / e)),
        "rounded to tens": lambda h, w, m, e: tuple(round(side, -1) for side in right("05.3")(h, w, m, e)),
    },
    "05.4": {
        "one class only": lambda k: right("05.4")(1).expand(k, k, 3, 3) * torch.ones(k)[:, None, None, None],
        "the side as a kernel": lambda k: (
            torch.eye(k)[:, :, None, None] * torch.tensor([0.5, 1.0, 0.5])[:, None].expand(3, 3)
        ),
        "sides added": lambda k: (
            torch.eye(k)[:, :, None, None]
            * (torch.tensor([0.5, 1.0, 0.5])[:, None] + torch.tensor([0.5, 1.0, 0.5]))
            / 2
        ),
        "a corner of a half": lambda k: (
            torch.eye(k)[:, :, None, None] * torch.tensor([[0.5, 0.5, 0.5], [0.5, 1.0, 0.5], [0.5, 0.5, 0.5]])
        ),
        "corners zero": lambda k: right("05.4")(k) * torch.tensor([[0.0, 1, 0], [1, 1, 1], [0, 1, 0]]),
        "a third": lambda k: torch.eye(k)[:, :, None, None].expand(k, k, 3, 3) / 9,
        "a third each side": lambda k: (
            torch.eye(k)[:, :, None, None] * torch.outer(*(torch.tensor([1 / 3, 1, 1 / 3]),) * 2)
        ),
        "shifted": lambda k: right("05.4")(k).roll(1, -1),
        "only the first class": lambda k: right("05.4")(k) * (torch.arange(k) < 1)[:, None, None, None] + (k == 1),
        "divided by the classes": lambda k: right("05.4")(k) / (k + 1),
        "one input channel": lambda k: right("05.4")(k)[:, :1].contiguous() if k > 1 else right("05.4")(2)[:, :1],
        "mirrored classes": lambda k: right("05.4")(k).flip(0) + (k == 1),
    },
    "05.5": {
        "subtracted": lambda x, r, s: F.interpolate(x, scale_factor=s, mode="bilinear") - F.pixel_shuffle(r, s),
        "the logits alone": lambda x, r, s: F.interpolate(x, scale_factor=s, mode="bilinear"),
        "averaged": lambda x, r, s: right("05.5")(x, r, s) / 2,
        "multiplied": lambda x, r, s: F.interpolate(x, scale_factor=s, mode="bilinear") * F.pixel_shuffle(r, s),
        "bicubic": lambda x, r, s: F.interpolate(x, scale_factor=s, mode="bicubic") + F.pixel_shuffle(r, s),
        "the residual enlarged": lambda x, r, s: F.interpolate(x + r[:, : x.shape[1]], scale_factor=s, mode="bilinear"),
        "the mean of the phases": lambda x, r, s: (
            F.interpolate(x, scale_factor=s, mode="bilinear")
            + F.interpolate(r.unflatten(1, (-1, s * s)).mean(2), scale_factor=s)
        ),
        "mirrored phases": lambda x, r, s: right("05.5")(x, r.unflatten(1, (-1, s * s)).flip(2).flatten(1, 2), s),
        "rows and columns of a phase swapped": lambda x, r, s: right("05.5")(
            x, r.unflatten(1, (-1, s, s)).transpose(2, 3).flatten(1, 3), s
        ),
        "factor 2 always": lambda x, r, s: (
            F.interpolate(x, scale_factor=2, mode="bilinear") + F.pixel_shuffle(r, 2)[:, : x.shape[1]]
        ),
        "not enlarged": lambda x, r, s: x + F.pixel_shuffle(r, s)[..., : x.shape[-2], : x.shape[-1]],
        "classes mirrored": lambda x, r, s: right("05.5")(x.flip(1), r, s),
    },
    "05.6": {
        "logits returned": lambda x, h, w: F.interpolate(x, size=(h, w), mode="bilinear"),
        "nearest logits": lambda x, h, w: F.interpolate(x, size=(h, w)).argmax(1),
        "the axis kept": lambda x, h, w: F.interpolate(x, size=(h, w), mode="bilinear").argmax(1, keepdim=True),
        "width first": lambda x, h, w: F.interpolate(x, size=(w, h), mode="bilinear").argmax(1),
        "one scale for both sides": lambda x, h, w: F.interpolate(
            x, scale_factor=h / x.shape[-2], mode="bilinear"
        ).argmax(1),
        "the largest logit": lambda x, h, w: F.interpolate(x, size=(h, w), mode="bilinear").max(1).values.long(),
        "argmin": lambda x, h, w: F.interpolate(x, size=(h, w), mode="bilinear").argmin(1),
        "bicubic": lambda x, h, w: F.interpolate(x, size=(h, w), mode="bicubic").argmax(1),
        "the last axis": lambda x, h, w: F.interpolate(x, size=(h, w), mode="bilinear").argmax(-1),
        "classes from 1": lambda x, h, w: right("05.6")(x, h, w) + 1,
        "absolute values": lambda x, h, w: F.interpolate(x.abs(), size=(h, w), mode="bilinear").argmax(1),
        "clipped at 0": lambda x, h, w: F.interpolate(x.relu(), size=(h, w), mode="bilinear").argmax(1),
    },
    "06.1": {
        "half the pairs": lambda h, w, s: right("06.1")(h, w, s) // 2,
        "each pair once": lambda h, w, s: 4 * ((h // s) * (w // s)) * ((h // s) * (w // s) - 1) // 2,
        "without the diagonal": lambda h, w, s: right("06.1")(h, w, s) - 4 * (h // s) * (w // s),
        "two bytes": lambda h, w, s: right("06.1")(h, w, s) // 2 + 0,
        "eight bytes": lambda h, w, s: right("06.1")(h, w, s) * 2,
        "bits": lambda h, w, s: right("06.1")(h, w, s) * 8,
        "at full size": lambda h, w, s: 4 * (h * w) ** 2,
        "stride multiplied": lambda h, w, s: 4 * (h * w * s) ** 2,
        "MiB": lambda h, w, s: right("06.1")(h, w, s) / 2**20,
        "rows against rows": lambda h, w, s: 4 * (h // s) ** 2,
        "rows against columns": lambda h, w, s: 4 * (h // s) * (w // s) ** 2,
        "height squared": lambda h, w, s: 4 * (h // s) ** 4,
    },
    "06.2": {
        "a large guard": lambda x: cosine(x, 1e-2),
        "squared length": lambda x: (
            (x.flatten(2) / (x.flatten(2) ** 2).sum(1, keepdim=True).clamp(min=1e-8)).mT @ x.flatten(2)
        ),
        "p = 1": lambda x: F.normalize(x.flatten(2), p=1, dim=1).mT @ F.normalize(x.flatten(2), p=1, dim=1),
        "one factor normalised": lambda x: F.normalize(x.flatten(2), dim=1).mT @ x.flatten(2),
        "channels centred": lambda x: affinity_matrix(x - x.mean(1, keepdim=True)),
        "rectified": lambda x: affinity_matrix(x).relu(),
        "absolute": lambda x: affinity_matrix(x).abs(),
        "a softmax": lambda x: affinity_matrix(x).softmax(-1),
        "angles": lambda x: affinity_matrix(x).clamp(-1, 1).acos(),
        "the batch mixed": lambda x: affinity_matrix(x).roll(1, 0) if len(x) > 1 else affinity_matrix(x) * 0.9,
        "the first image alone": lambda x: affinity_matrix(x[:1]),
        "divided by the channels": lambda x: affinity_matrix(x) / x.shape[1],
        "distances": lambda x: torch.cdist(F.normalize(x.flatten(2), dim=1).mT, F.normalize(x.flatten(2), dim=1).mT),
        "the diagonal zero": lambda x: (
            affinity_matrix(x) - torch.diag_embed(affinity_matrix(x).diagonal(dim1=1, dim2=2))
        ),
        "the diagonal always 1": lambda x: (
            affinity_matrix(x)
            .clone()
            .index_put_((torch.arange(len(x))[:, None], *(torch.arange(x[0, 0].numel()),) * 2), torch.tensor(1.0))
        ),
    },
    "06.3": {
        "the sum": lambda a, b, q: (a - b).abs().pow(q).sum(),
        "a root": lambda a, b, q: (
            (a - b).abs().pow(q).mean().pow(1 / q) + 0 * q if q == 2 else (a - b).abs().mean() * 1.1
        ),
        "halved": lambda a, b, q: right("06.3")(a, b, q) / 2,
        "q swapped": lambda a, b, q: right("06.3")(a, b, 3 - q),
        "q doubled": lambda a, b, q: right("06.3")(a, b, 2 * q),
        "squares always": lambda a, b, q: (a - b).square().mean(),
        "without the diagonal": lambda a, b, q: right("06.3")(a, b, q) * a.shape[1] / (a.shape[1] - 1),
        "the upper triangle": lambda a, b, q: right("06.3")(a.triu(), b.triu(), q),
        "the power of the mean": lambda a, b, q: (a - b).abs().mean().pow(q) * (1 + (q == 1)),
        "absolute matrices": lambda a, b, q: right("06.3")(a.abs(), b.abs(), q),
        "the first image": lambda a, b, q: right("06.3")(a[:1], b[:1], q),
        "times q": lambda a, b, q: q * right("06.3")(a, b, q),
        "one detached": lambda a, b, q: right("06.3")(a.detach(), b, q),
    },
    "06.4": {
        "stride ignored": lambda x, s: affinity_matrix(x),
        "the matrix pooled": lambda x, s: F.avg_pool2d(affinity_matrix(x), s * s),
        "every s-th position of the matrix": lambda x, s: affinity_matrix(x)[:, :: s * s, :: s * s],
        "overlapping blocks": lambda x, s: affinity_matrix(F.avg_pool2d(x, s, 1)),
        "columns alone": lambda x, s: affinity_matrix(F.avg_pool2d(x, (1, s))),
        "bilinear": lambda x, s: affinity_matrix(F.interpolate(x, scale_factor=1 / s, mode="bilinear")),
        "no unit length": lambda x, s: F.avg_pool2d(x, s).flatten(2).mT @ F.avg_pool2d(x, s).flatten(2),
        "the last pixel": lambda x, s: affinity_matrix(x[..., s - 1 :: s, s - 1 :: s]),
        "the middle pixel": lambda x, s: affinity_matrix(x[..., s // 2 :: s, s // 2 :: s]),
        "blocks of s squared": lambda x, s: (
            affinity_matrix(F.avg_pool2d(x, 2)) if s != 2 else affinity_matrix(F.avg_pool2d(x, (2, 3)))
        ),
        "squares averaged": lambda x, s: affinity_matrix(F.lp_pool2d(x.abs(), 2, s)),
        "positions transposed": lambda x, s: affinity_matrix(F.avg_pool2d(x, s).mT),
        "padded": lambda x, s: affinity_matrix(F.avg_pool2d(x, s, padding=1)),
    },
    "06.5": {
        "a number": lambda a, b, rows: right("06.5")(a, b, rows).item(),
        "detached": lambda a, b, rows: right("06.5")(a, b, rows).detach(),
        "summed as numbers": lambda a, b, rows: torch.tensor(sum(float(part) for part in [right("06.5")(a, b, rows)])),
        "one branch detached": lambda a, b, rows: right("06.5")(a, b.detach(), rows),
        "signs cancel": lambda a, b, rows: strips(a, b, rows, lambda d: d.sum()),
        "squares": lambda a, b, rows: strips(a, b, rows, lambda d: d.square().sum()),
        "divided by P": lambda a, b, rows: right("06.5")(a, b, rows) * a.shape[1],
        "not divided": lambda a, b, rows: right("06.5")(a, b, rows) * a.shape[1] ** 2,
        "only the first strip": lambda a, b, rows: (a[:, :rows].mT @ a - b[:, :rows].mT @ b).abs().mean(),
        "steps of one": lambda a, b, rows: (
            sum((a[:, i : i + rows].mT @ a - b[:, i : i + rows].mT @ b).abs().sum() for i in range(a.shape[1]))
            / a.shape[1] ** 2
        ),
        "the last strip twice": lambda a, b, rows: (
            right("06.5")(a, b, rows) + (a[:, -1:].mT @ a - b[:, -1:].mT @ b).abs().mean() / a.shape[1]
        ),
        "the largest of each strip": lambda a, b, rows: strips(a, b, rows, lambda d: d.abs().max()),
        "a list of all strips": lambda a, b, rows: torch.cat(
            [(a[:, i : i + rows].mT @ a - b[:, i : i + rows].mT @ b).abs() for i in range(0, a.shape[1], rows)]
        ).mean(),
    },
}
