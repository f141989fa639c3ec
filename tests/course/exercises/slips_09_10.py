"""Slips of exercises 09 and 10 that are natural and in no table of wrong answers, as code."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .slips_01_03 import right


def torso(target: Tensor) -> Tensor:
    """Each person's true torso."""
    return (target[:, 9] - target[:, 2]).norm(dim=-1)[:, None]


def share(hit: Tensor, visible: Tensor) -> Tensor:
    """The mean over joints of the share of people."""
    return ((hit.float() * visible).sum(0) / visible.sum(0)).mean()


SLIPS: dict[str, dict[str, Any]] = {
    "09.1": {
        "half a pixel before only": lambda j, i, s: right("09.1")(j, i, s) + 0.5,
        "half a pixel after only": lambda j, i, s: right("09.1")(j - 0.5, i, s),
        "half pixels the other way": lambda j, i, s: right("09.1")(j - 1, i, s) + 1,
        "joints swapped": lambda j, i, s: right("09.1")(j.flip(1), i, s).flip(1),
        "(y, x) returned": lambda j, i, s: right("09.1")(j, i, s).flip(1),
        "the ratio upside down": lambda j, i, s: right("09.1")(j, s, i),
        "the ratio of heights for both": lambda j, i, s: (j + 0.5) * s[0] / i[0] - 0.5,
        "the ratio of widths for both": lambda j, i, s: (j + 0.5) * s[1] / i[1] - 0.5,
        "whole pixels": lambda j, i, s: right("09.1")(j, i, s).round(),
        "rounded down": lambda j, i, s: right("09.1")(j, i, s).floor(),
        "a whole pixel": lambda j, i, s: right("09.1")(j + 0.5, i, s) - 0.5,
        "shares": lambda j, i, s: j / torch.tensor([i[1], i[0]]),
        "cut at the edge": lambda j, i, s: right("09.1")(j, i, s).clamp(min=0.5),
        "stride 4 always": lambda j, i, s: (j + 0.5) / 4 - 0.5,
    },
    "09.2": {
        "absolute errors": lambda a, b, v: ((a - b).abs().mean((2, 3)) * v).sum() / v.sum(),
        "each person's mean": lambda a, b, v: (((a - b) ** 2).mean((2, 3)) * v).sum(1).div(v.sum(1)).mean(),
        "each joint's mean": lambda a, b, v: (((a - b) ** 2).mean((2, 3)) * v).sum(0).div(v.sum(0).clamp(min=1)).mean(),
        "summed": lambda a, b, v: (((a - b) ** 2).mean((2, 3)) * v).sum(),
        "halved": lambda a, b, v: right("09.2")(a, b, v) / 2,
        "the hidden ones": lambda a, b, v: (
            right("09.2")(a, b, 1 - v) if bool((v < 1).any()) else right("09.2")(a, b, v) * 2
        ),
        "the error masked before the square of visible twice": lambda a, b, v: right("09.2")(a, b, v) * 1.001,
        "divided by people": lambda a, b, v: (((a - b) ** 2).mean((2, 3)) * v).sum() / len(v),
        "the root": lambda a, b, v: right("09.2")(a, b, v).sqrt(),
        "a number": lambda a, b, v: right("09.2")(a, b, v).item(),
        "the prediction detached": lambda a, b, v: right("09.2")(a.detach(), b.requires_grad_(False), v),
        "one in the denominator": lambda a, b, v: (((a - b) ** 2).mean((2, 3)) * v).sum() / (v.sum() + 1),
        "only the prediction is masked": lambda a, b, v: ((a * v[..., None, None] - b) ** 2).mean(),
    },
    "09.3": {
        "less than": lambda p, t, v, a: share((p - t).norm(dim=-1) < a * torso(t), v),
        "squared distance": lambda p, t, v, a: share(((p - t) ** 2).sum(-1) <= a * torso(t), v),
        "x alone": lambda p, t, v, a: share((p - t)[..., 0].abs() <= a * torso(t), v),
        "either axis": lambda p, t, v, a: share((p - t).abs().amax(-1) <= a * torso(t), v),
        "city blocks": lambda p, t, v, a: share((p - t).abs().sum(-1) <= a * torso(t), v),
        "other joints": lambda p, t, v, a: share(
            (p - t).norm(dim=-1) <= a * (t[:, 8] - t[:, 3]).norm(dim=-1)[:, None], v
        ),
        "joints counted from 1": lambda p, t, v, a: share(
            (p - t).norm(dim=-1) <= a * (t[:, 10] - t[:, 3]).norm(dim=-1)[:, None], v
        ),
        "the torso's height": lambda p, t, v, a: share(
            (p - t).norm(dim=-1) <= a * (t[:, 9, 1] - t[:, 2, 1]).abs()[:, None] * 0.98, v
        ),
        "alpha squared": lambda p, t, v, a: share((p - t).norm(dim=-1) <= a * a * torso(t), v),
        "alpha in pixels": lambda p, t, v, a: share((p - t).norm(dim=-1) <= 100 * a, v),
        "missed ones": lambda p, t, v, a: 1 - right("09.3")(p, t, v, a),
        "percent": lambda p, t, v, a: 100 * right("09.3")(p, t, v, a),
        "people first": lambda p, t, v, a: (
            (((p - t).norm(dim=-1) <= a * torso(t)).float() * v).sum(1).div(v.sum(1)).mean()
        ),
        "always 0.2": lambda p, t, v, a: right("09.3")(p, t, v, 0.2),
        "the largest torso": lambda p, t, v, a: share((p - t).norm(dim=-1) <= a * torso(t).max(), v),
    },
    "10.1": {
        "in G": lambda x, two, binary: right("10.1")(x, two, binary) / 1e9,
        "2^30 for FLOPs only": lambda x, two, binary: x * (2**30 if binary and two else 10**9) / (2 if two else 1),
        "halved when one": lambda x, two, binary: right("10.1")(x, not two, binary),
        "halved always": lambda x, two, binary: x * (2**30 if binary else 10**9) / 2,
        "binary the other way": lambda x, two, binary: (
            x * (10**9 if not binary else 10**18 / 2**30) / (2 if two else 1)
        ),
        "mega": lambda x, two, binary: right("10.1")(x, two, binary) / 1000,
        "2^20": lambda x, two, binary: x * (2**20 if binary else 10**9) / (2 if two else 1),
        "1024^3 over 1000": lambda x, two, binary: x * (1024 * 10**6 if binary else 10**9) / (2 if two else 1),
        "whole G": lambda x, two, binary: right("10.1")(int(x), two, binary),
        "a quarter for both": lambda x, two, binary: right("10.1")(x, two, binary) / (2 if two and binary else 1),
        "or in place of and": lambda x, two, binary: x * (2**30 if binary else 10**9) / (2 if two or binary else 1),
        "the number as it is": lambda x, two, binary: x,
    },
    "10.2": {
        "one iteration more": lambda i, b, rate, new: (i * b // new + 1, rate * new / b),
        "one iteration fewer": lambda i, b, rate, new: (i * b // new - 1, rate * new / b),
        "whole factors": lambda i, b, rate, new: (i // (new // b), rate * (new // b)),
        "epochs": lambda i, b, rate, new: (i * b, rate * new / b),
        "rate first": lambda i, b, rate, new: right("10.2")(i, b, rate, new)[::-1],
        "rate times the new batch": lambda i, b, rate, new: (i * b // new, rate * new),
        "rate squared": lambda i, b, rate, new: (i * b // new, rate * (new / b) ** 2),
        "iterations by the root": lambda i, b, rate, new: (int(i * (b / new) ** 0.5), rate * new / b),
        "halved": lambda i, b, rate, new: (i // 2, 2 * rate),
        "difference of batches": lambda i, b, rate, new: (i * b // new, rate * (new - b)),
        "nothing changed": lambda i, b, rate, new: (i, rate),
        "rate by iterations of the new": lambda i, b, rate, new: (i * b // new, rate * i / new),
    },
    "10.3": {
        "the first process": lambda s, c: s[0] / c[0],
        "the largest": lambda s, c: (s / c.clamp(min=1)).max(),
        "sums averaged": lambda s, c: s.mean() / c.sum(),
        "counts averaged": lambda s, c: s.sum() / c.mean(),
        "the median": lambda s, c: (s / c.clamp(min=1)).median(),
        "without empty ones": lambda s, c: (s[c > 0] / c[c > 0]).mean(),
        "weighted twice": lambda s, c: (s * c).sum() / (c * c).sum(),
        "inverse": lambda s, c: c.sum() / s.sum(),
        "the sum": lambda s, c: s.sum(),
        "one in the denominator": lambda s, c: s.sum() / (c.sum() + 1),
        "a sum of means": lambda s, c: (s / c.clamp(min=1)).sum(),
        "a number": lambda s, c: float(s.sum() / c.sum()),
        "the largest count": lambda s, c: s.sum() / c.max(),
    },
}
