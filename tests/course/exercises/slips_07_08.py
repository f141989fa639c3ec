"""Slips of exercises 07 and 08 that are natural and in no table of wrong answers, as code."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from .slips_01_03 import right


def resumed(weight: Tensor, velocity: Tensor, i: int, gradients: Tensor, rate: float, **other: Any) -> Tensor:
    """A run that goes on with one thing different."""
    momentum, power, steps = other.get("momentum", 0.9), other.get("power", 0.9), len(gradients)
    for step in range(i + other.get("skip", 0), steps - other.get("less", 0)):
        share = 1 - (step + other.get("ahead", 0)) / other.get("steps", steps)
        old = velocity
        velocity = momentum * velocity + other.get("damp", 1.0) * gradients[step]
        used = {"old": old, "nesterov": gradients[step] + momentum * velocity}.get(other.get("use", ""), velocity)
        weight = weight + other.get("sign", -1) * rate * share**power * used
    return weight


def iou(c: Tensor) -> Tensor:
    """IoU of each class of one matrix."""
    return c.diag() / (c.sum(0) + c.sum(1) - c.diag())


def around(mean: Tensor, margin: Tensor) -> Tensor:
    """An interval."""
    return torch.stack([mean - margin, mean + margin])


def at(macs: Tensor, scores: Tensor, budget: float, left: int) -> Tensor:
    """The line over the logarithm through two chosen sizes."""
    share = math.log(budget / macs[left]) / math.log(macs[left + 1] / macs[left])
    return (1 - share) * scores[left] + share * scores[left + 1]


def gap(macs: Tensor, budget: float) -> int:
    """The size before the budget."""
    return max(int((macs >= budget).float().argmax()) - 1, 0)


SLIPS: dict[str, dict[str, Any]] = {
    "07.1": {
        "background ignored": lambda x, m: x[(m != 255) & (m != 0)].mean(),
        "only the ignored": lambda x, m: x[m == 255].mean(),
        "the first picture": lambda x, m: x[1][m[1] != 255].mean(),
        "ids below 10": lambda x, m: x[m < 10].mean(),
        "the median": lambda x, m: x[m != 255].median(),
        "divided by the pictures' pixels": lambda x, m: x[m != 255].sum() / x[0].numel(),
        "plus one in the denominator": lambda x, m: x[m != 255].sum() / ((m != 255).sum() + 1),
        "weighted by class": lambda x, m: (x * m)[m != 255].mean(),
        "mean of columns": lambda x, m: (x * (m != 255)).sum(2).mean(),
        "a number": lambda x, m: x[m != 255].mean().item(),
        "largest": lambda x, m: x[m != 255].max(),
        "each picture's sum": lambda x, m: torch.stack([a[b != 255].sum() for a, b in zip(x, m, strict=True)]).mean(),
    },
    "07.2": {
        "rising": lambda i, n, rate, power: rate * (i / n) ** power,
        "power times": lambda i, n, rate, power: rate * (1 - i / n) * power,
        "the rate to the power": lambda i, n, rate, power: (rate * (1 - i / n)) ** power,
        "whole shares": lambda i, n, rate, power: rate * (1 - i // n) ** power,
        "a fixed power": lambda i, n, rate, power: rate * (1 - i / n) ** 0.9,
        "the power upside down": lambda i, n, rate, power: rate * (1 - i / n) ** (1 / power),
        "n + 1 steps": lambda i, n, rate, power: rate * (1 - i / (n + 1)) ** power,
        "one step behind": lambda i, n, rate, power: rate * (1 - max(i - 1, 0) / n) ** power,
        "constant": lambda i, n, rate, power: rate,
        "cosine": lambda i, n, rate, power: rate * (1 + math.cos(math.pi * i / n)) / 2,
        "exponential": lambda i, n, rate, power: rate * power**i,
        "minus the power": lambda i, n, rate, power: rate - (i / n) ** power,
    },
    "07.3": {
        "swapped": lambda sizes, groups: right("07.3")(sizes, groups)[::-1],
        "exactly two": lambda sizes, groups: [
            right("07.3")(sizes, groups)[0],
            sum(s for n, s in sizes.items() if sum(n in g for g in groups) == 2),
        ],
        "in every group": lambda sizes, groups: [
            right("07.3")(sizes, groups)[0],
            sum(s for n, s in sizes.items() if all(n in g for g in groups)),
        ],
        "listed at all": lambda sizes, groups: [
            right("07.3")(sizes, groups)[0],
            sum(s for n, s in sizes.items() if any(n in g for g in groups)),
        ],
        "missing in some group": lambda sizes, groups: [
            sum(s for n, s in sizes.items() if not all(n in g for g in groups)),
            right("07.3")(sizes, groups)[1],
        ],
        "the last group": lambda sizes, groups: [
            sum(s for n, s in sizes.items() if n not in groups[-1]),
            right("07.3")(sizes, groups)[1],
        ],
        "counted as often as listed": lambda sizes, groups: [
            right("07.3")(sizes, groups)[0],
            sum(s * k for n, s in sizes.items() if (k := sum(n in g for g in groups)) > 1),
        ],
        "repeated counted as forgotten": lambda sizes, groups: [
            sum(right("07.3")(sizes, groups)),
            right("07.3")(sizes, groups)[1],
        ],
        "names' lengths": lambda sizes, groups: right("07.3")({n: len(n) for n in sizes}, groups),
        "the first repeated": lambda sizes, groups: [
            right("07.3")(sizes, groups)[0],
            next((s for n, s in sizes.items() if sum(n in g for g in groups) > 1), 0),
        ],
        "one group after another": lambda sizes, groups: [
            right("07.3")(sizes, groups)[0],
            sum(sizes[n] for a, b in pairwise(groups) for n in a if n in b),
        ],
        "the total": lambda sizes, groups: [sum(sizes.values()), 0],
        "shares": lambda sizes, groups: [x / sum(sizes.values()) for x in right("07.3")(sizes, groups)],
    },
    "07.4": {
        "one step too few at first": lambda *c: resumed(*c, skip=1),
        "one step too few at the end": lambda *c: resumed(*c, less=1),
        "a step ahead in the schedule": lambda *c: resumed(*c, ahead=1),
        "a step behind in the schedule": lambda *c: resumed(*c, ahead=-1),
        "the schedule of what is left": lambda w, v, i, g, r: resumed(w, v, i, g, r, ahead=-i, steps=len(g) - i),
        "no schedule": lambda *c: resumed(*c, power=0),
        "power 1": lambda *c: resumed(*c, power=1),
        "no momentum": lambda *c: resumed(*c, momentum=0),
        "dampened": lambda *c: resumed(*c, damp=0.1),
        "Nesterov": lambda *c: resumed(*c, use="nesterov"),
        "the old velocity": lambda *c: resumed(*c, use="old"),
        "uphill": lambda *c: resumed(*c, sign=1),
        "from the beginning": lambda w, v, i, g, r: resumed(w, v, 0, g, r),
        "the weight as saved": lambda w, *c: w,
        "in place": lambda w, *c: w.sub_(0.1),
    },
    "07.5": {
        "lstrip": lambda s: {n.lstrip("task_model."): v for n, v in s.items() if n.startswith("task_model.")},
        "contains": lambda s: {
            n.removeprefix("task_model."): v for n, v in s.items() if "model" in n and "classifier" not in n
        },
        "the dot kept": lambda s: {
            n.removeprefix("task_model"): v for n, v in s.items() if n.startswith("task_model.")
        },
        "one letter too many": lambda s: {
            n[len("task_model.") + 1 :]: v for n, v in s.items() if n.startswith("task_model.")
        },
        "host stripped too": lambda s: {
            n.removeprefix("task_model.").removeprefix("host."): v for n, v in s.items() if n.startswith("task_model.")
        },
        "the last part of names": lambda s: {
            n.rsplit(".", 1)[1]: v for n, v in s.items() if n.startswith("task_model.")
        },
        "split at every dot": lambda s: {n.split(".")[1]: v for n, v in s.items() if n.startswith("task_model.")},
        "names alone": lambda s: [n for n in s if n.startswith("task_model.")],
        "without running means": lambda s: {
            n.removeprefix("task_model."): v
            for n, v in s.items()
            if n.startswith("task_model.") and "running_mean" not in n and "bias" not in n
        },
        "weights alone": lambda s: {
            n.removeprefix("task_model."): v
            for n, v in s.items()
            if n.startswith("task_model.") and n.endswith("weight")
        },
        "zeros": lambda s: {n: torch.zeros_like(v) for n, v in right("07.5")(s).items()},
        "one tensor for all": lambda s: dict.fromkeys(right("07.5")(s), next(iter(s.values()))),
        "popped in place": lambda s: [s.pop(n) for n in list(s) if not n.startswith("task_model.")] and s,
        "empty": lambda s: {},
    },
    "08.1": {
        "pixel accuracy": lambda c: c.sum(0).diag().sum() / c.sum(),
        "mean accuracy by picture": lambda c: torch.stack([x.diag().sum() / x.sum() for x in c]).mean(),
        "precision": lambda c: (c.sum(0).diag() / c.sum(0).sum(0)).nanmean(),
        "F1": lambda c: (2 * c.sum(0).diag() / (c.sum(0).sum(0) + c.sum(0).sum(1))).nanmean(),
        "without class 0": lambda c: iou(c.sum(0).double())[1:].nanmean(),
        "weighted by frequency": lambda c: (iou(c.sum(0).double()).nan_to_num() * c.sum((0, 2))).sum() / c.sum(),
        "classes that were hit": lambda c: iou(c.sum(0).double())[c.sum(0).diag() > 0].mean(),
        "the mean matrix rounded": lambda c: iou(c.double().mean(0).round()).nanmean(),
        "normalised pictures": lambda c: iou((c / c.sum((1, 2), keepdim=True)).sum(0)).nanmean(),
        "divided by all classes": lambda c: iou(c.sum(0).double()).nansum() / c.shape[1],
        "the first picture": lambda c: iou(c[0].double()).nanmean(),
        "intersection over rows and columns less one": lambda c: (
            c.sum(0).diag() / (c.sum(0).sum(0) + c.sum(0).sum(1) - 1)
        ).nanmean(),
        "percent": lambda c: 100 * iou(c.sum(0).double()).nanmean(),
        "the median": lambda c: iou(c.sum(0).double()).nanmedian(),
    },
    "08.2": {
        "half the width": lambda a, b, t: around((b - a).mean(), t * (b - a).std() / len(a) ** 0.5 / 2),
        "n - 1 under the root": lambda a, b, t: around((b - a).mean(), t * (b - a).std() / (len(a) - 1) ** 0.5),
        "divided by n, not its root": lambda a, b, t: around((b - a).mean(), t * (b - a).std() / len(a)),
        "variance": lambda a, b, t: around((b - a).mean(), t * (b - a).var() / len(a) ** 0.5),
        "without t": lambda a, b, t: around((b - a).mean(), (b - a).std() / len(a) ** 0.5),
        "high before low": lambda a, b, t: right("08.2")(a, b, t).flip(0),
        "mean and margin": lambda a, b, t: torch.stack([(b - a).mean(), t * (b - a).std() / len(a) ** 0.5]),
        "smallest and largest": lambda a, b, t: torch.stack([(b - a).min(), (b - a).max()]),
        "the other row alone": lambda a, b, t: around(b.mean(), t * b.std() / len(b) ** 0.5),
        "difference of spreads": lambda a, b, t: around((b - a).mean(), t * (b.std() - a.std()) / len(a) ** 0.5),
        "the spread of the baseline": lambda a, b, t: around((b - a).mean(), t * a.std() / len(a) ** 0.5),
        "sorted seeds": lambda a, b, t: right("08.2")(a.sort().values, b.sort(descending=True).values, t),
        "the median": lambda a, b, t: around((b - a).median(), t * (b - a).std() / len(a) ** 0.5),
        "relative": lambda a, b, t: right("08.2")(a, b, t) / a.mean(),
    },
    "08.3": {
        "the first gap": lambda m, s, b: at(m, s, b, 0),
        "the last gap": lambda m, s, b: at(m, s, b, len(m) - 2),
        "the share reversed": lambda m, s, b: s[gap(m, b)] + s[gap(m, b) + 1] - at(m, s, b, gap(m, b)),
        "the mean of both": lambda m, s, b: (s[gap(m, b)] + s[gap(m, b) + 1]) / 2,
        "one gap too far": lambda m, s, b: at(m, s, b, min(gap(m, b) + 1, len(m) - 2)),
        "logarithm of scores": lambda m, s, b: at(m, s.log(), b, gap(m, b)).exp(),
        "over the root": lambda m, s, b: at(m.sqrt().exp(), s, math.exp(b**0.5), gap(m, b)),
        "nearest size": lambda m, s, b: s[(m - b).abs().argmin()],
        "nearest by logarithm": lambda m, s, b: s[(m.log() - math.log(b)).abs().argmin()],
        "scores and macs swapped": lambda m, s, b: at(s, m, b, gap(m, b)),
        "the best score": lambda m, s, b: s.max(),
        "in proportion": lambda m, s, b: s[-1] * b / m[-1],
        "rounded": lambda m, s, b: at(m, s, b, gap(m, b)).round(),
    },
    "08.4": {
        "the worst": lambda h, v: v[1 + h[1:].mean(1).argmin()].mean() - v[0].mean(),
        "all variants' mean": lambda h, v: v[1:].mean() - v[0].mean(),
        "without the baseline": lambda h, v: v[1 + h[1:].mean(1).argmax()].mean(),
        "against held-out's baseline": lambda h, v: v[1 + h[1:].mean(1).argmax()].mean() - h[0].mean(),
        "by the first seed": lambda h, v: v[1 + h[1:, 0].argmax()].mean() - v[0].mean(),
        "the first seed reported": lambda h, v: (v[1 + h[1:].mean(1).argmax()] - v[0])[0],
        "by gain on both": lambda h, v: v[1 + (h + v)[1:].mean(1).argmax()].mean() - v[0].mean() + 0.01,
        "the sign": lambda h, v: -right("08.4")(h, v),
        "two rows too far": lambda h, v: v[(2 + h[1:].mean(1).argmax()) % len(h)].mean() - v[0].mean(),
        "the last variant": lambda h, v: v[-1].mean() - v[0].mean(),
        "by its worst seed": lambda h, v: v[1 + h[1:].min(1).values.argmax()].mean() - v[0].mean() + 0.01,
        "each seed's own choice": lambda h, v: torch.stack(
            [v[1 + h[1:, s].argmax(), s] - v[0, s] for s in range(h.shape[1])]
        ).mean(),
        "the largest entry": lambda h, v: v.flatten()[h.argmax()] - v[0].mean(),
        "by the spread": lambda h, v: v[1 + h[1:].std(1).argmin()].mean() - v[0].mean() + 0.01,
    },
    "08.5": {
        "the mean against the size": lambda low, high, size: (
            1 if (low + high) / 2 >= size else -1 if high < size - 0.5 else 0
        ),
        "0 for below zero": lambda low, high, size: 1 if low > 0 and low >= size - 0.5 else 0,
        "True and False": lambda low, high, size: low > 0 and low >= size - 0.5,
        "the size alone": lambda low, high, size: 1 if low >= size - 0.5 else -1 if high < size - 0.5 else 0,
        "the size inside is proof": lambda low, high, size: 1 if low <= size <= high else -1 if high < size else 0,
        "reversed": lambda low, high, size: -right("08.5")(low, high, size),
        "tolerance added": lambda low, high, size: 1 if low > 0 and low >= size + 0.5 else -1 if high < size else 0,
        "tolerance of one": lambda low, high, size: 1 if low > 0 and low >= size - 1 else -1 if high < size - 1 else 0,
        "more than the size less 0.5": lambda low, high, size: (
            1 if low > 0 and low > size - 0.5 else -1 if high < 0 or high < size - 0.5 else 0
        ),
        "an upper end there contradicts": lambda low, high, size: (
            1 if low > 0 and low >= size - 0.5 else -1 if high < 0 or high <= size - 0.5 else 0
        ),
        "an upper end at zero contradicts": lambda low, high, size: (
            1 if low > 0 and low >= size - 0.5 else -1 if high <= 0 or high < size - 0.5 else 0
        ),
        "below zero forgotten": lambda low, high, size: (
            1 if low > 0 and low >= size - 0.5 else -1 if high < size - 0.5 else 0
        ),
        "one list of answers": lambda low, high, size, left=[1, 0, -1, -1, -1, 0, -1, -1, 1, 0, 0, 0, 0, 1] * 9: (
            left.pop(0)
        ),
        "the width": lambda low, high, size: 1 if high - low < size else 0,
    },
}
