"""What numbers over seeds and pictures can say: intervals, tests, and the four words of every table and figure.

A gain, paired by seed, in points of mIoU, is *supported* where its interval is above zero and reaches the claimed size
within ``SMALLEST``; *contradicted* where it ends below zero or farther below the size; else *undecided*; *not tested*
without two seeds. A claimed size of 0 means "no worse". Families are corrected together. Source: Holm 1979;
Schuirmann 1987 (two one-sided tests); Efron and Tibshirani 1993 (percentiles).
"""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

CONFIDENCE, POWER = 0.95, 0.8
SMALLEST = 0.5  # points of mIoU: the smallest difference of interest
BLOCK = 15  # neighbouring frames of a drive that are drawn together
DRAWN_BLOCK = 10  # the same of pictures that do not depend on each other, as drawn streets
SUPPORTED, CONTRADICTED, UNDECIDED, NOT_TESTED = "supported", "contradicted", "undecided", "not tested"
WORDS = (SUPPORTED, CONTRADICTED, UNDECIDED, NOT_TESTED)
AFTER_HOLM = "undecided after Holm's correction within its family"
NO_DIFFERENCE = f"no difference as large as {SMALLEST:g} points"


@dataclass(frozen=True)
class Estimate:
    """The mean of what several seeds gave, and the half-width of its 95 % t-interval; None for a single seed."""

    values: tuple[float, ...]
    mean: float
    margin: float | None

    @property
    def interval(self) -> tuple[float, float] | None:
        """(low, high), or None for a single seed."""
        return None if self.margin is None else (self.mean - self.margin, self.mean + self.margin)

    def scaled(self, factor: float) -> Estimate:
        """The same in another unit: shares as per cent, say."""
        margin = None if self.margin is None else factor * self.margin
        return Estimate(tuple(factor * value for value in self.values), factor * self.mean, margin)

    def show(self, *, digits: int = 1, signed: bool = False) -> str:
        """As text: mean ± margin.

        Example:
            >>> estimate((50.0, 52.0, 54.0)).show(), estimate((2.1,)).show(signed=True)
            ('52.0 ± 5.0', '+2.1 (1 seed)')
        """
        mean = f"{self.mean:{'+' if signed else ''}.{digits}f}"
        return f"{mean} (1 seed)" if self.margin is None else f"{mean} ± {self.margin:.{digits}f}"


def estimate(values: Iterable[float]) -> Estimate:
    """Mean and 95 % t-interval: mean ± t(n - 1) * s / sqrt(n), s with n - 1; ValueError without values.

    Example:
        >>> estimate((1.0, 2.0, 3.0)).show(digits=3)  # t(2) = 4.303, s = 1
        '2.000 ± 2.484'
    """
    values = tuple(float(value) for value in values)
    if not values:
        raise ValueError("expected at least one value to estimate from, got none; are the runs finished?")
    mean = statistics.fmean(values)
    if len(values) == 1:
        return Estimate(values, mean, None)
    return Estimate(values, mean, _t(len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values)))


def _t(freedom: int) -> float:
    """Half the width of a t-interval, in standard errors."""
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom))


def t_interval(values: Iterable[float]) -> tuple[float, float]:
    """The 95 % t-interval of the mean as seaborn's ``errorbar`` takes it; NaN twice for a single value.

    Example:
        >>> [round(edge, 3) for edge in t_interval((1.0, 2.0, 3.0))]
        [-0.484, 4.484]
    """
    return estimate(values).interval or (math.nan, math.nan)


def smallest_visible(result: Estimate) -> float | None:
    """The smallest true difference that seeds which scatter so would show 8 times in 10; None for a single seed.

    The two-sided interval then leaves zero out in a share ``POWER`` of repetitions (noncentral t, summed over the
    spreads that a sample may show: SciPy's own gives NaN for two seeds).

    Example:
        >>> round(smallest_visible(estimate((1.0, 2.0, 3.0))), 2)
        3.26
    """
    count = len(result.values)
    if count == 1:
        return None
    return statistics.stdev(result.values) / math.sqrt(count) * _visible_errors(count - 1)


@functools.cache
def _visible_errors(freedom: int) -> float:
    t = _t(freedom)
    spreads = stats.chi2.ppf((np.arange(4000) + 0.5) / 4000, freedom)  # what the sample's own spread may turn out to be
    edges = t * np.sqrt(spreads / freedom)

    def missing(shift: float) -> float:
        hidden = stats.norm.cdf(edges - shift) - stats.norm.cdf(-edges - shift)
        return 1 - float(hidden.mean()) - POWER

    return float(optimize.brentq(missing, 0.0, 5 * t))


def judge(ours: Estimate | None, size: float | None = None) -> tuple[str, str]:
    """Judge a gain in points, of a claimed ``size`` or by its sign, and say why.

    Example:
        >>> judge(estimate((2.1, 2.6, 2.4)), 2.0)
        ('supported', 'the interval is clear of zero and reaches 2 within 0.5')
        >>> judge(estimate((1.0, 1.2, 1.1)), 2.0)[0], judge(estimate((3.0,)), 2.0)[0]
        ('contradicted', 'not tested')
    """
    if ours is None:
        return NOT_TESTED, "no seed has both rows"
    if ours.interval is None:
        return NOT_TESTED, "1 seed: an observation"
    word, reason = judge_interval(*ours.interval, size)
    if word != UNDECIDED:
        return word, reason
    if size is None and ours.margin and equivalence(ours.values) <= 1 - CONFIDENCE:
        return UNDECIDED, NO_DIFFERENCE
    return UNDECIDED, (
        f"{reason}; {len(ours.values)} seeds that scatter like these would show (8 times in 10) no less than "
        f"{smallest_visible(ours):.1f} points"
    )


def judge_interval(low: float, high: float, size: float | None = None) -> tuple[str, str]:
    """What an interval alone says of a gain in points, of a claimed ``size`` (0: no worse) or by its sign, and why.

    Example:
        >>> judge_interval(1.6, 2.4, 2.0)[0], judge_interval(0.2, 1.4, 2.0)[0], judge_interval(-0.1, 0.4)
        ('supported', 'contradicted', ('undecided', 'the interval holds zero'))
    """
    goal = _goal(size)
    if size == 0:
        word = SUPPORTED if low >= goal else CONTRADICTED if high < goal else UNDECIDED
        side = {SUPPORTED: "lies above", CONTRADICTED: "lies below", UNDECIDED: "holds"}[word]
        return word, f"the interval {side} {goal:g}, what 'no worse' may fall short by"
    if low > 0 and low >= goal:
        reaches = "" if size is None else f" and reaches {size:g} within {SMALLEST:g}"
        return SUPPORTED, f"the interval is clear of zero{reaches}"
    if high < 0:
        return CONTRADICTED, "the interval lies below zero"
    if high < goal:
        gain = "a gain, but" if low > 0 else "no gain is seen:"
        return CONTRADICTED, f"{gain} the interval ends more than {SMALLEST:g} below {size:g}"
    return UNDECIDED, "the interval holds " + ("zero" if low <= 0 else f"{size:g} less {SMALLEST:g}")


def judge_family(family: Sequence[tuple[Estimate | None, float | None]]) -> list[tuple[str, str]]:
    """Judge the tests of one family together: what Holm's method does not reject is undecided.

    Example:
        >>> [word for word, _ in judge_family([(estimate((1.0, 1.1, 1.2)), None), (estimate((0.4, 1.6, 1.0)), None)])]
        ['supported', 'undecided']
    """
    p = [_p_decided(*test) for test in family]
    adjusted = iter(holm([value for value in p if value is not None]))
    found = []
    for test, value in zip(family, p, strict=True):
        word, reason = judge(*test)
        kept = value is None or next(adjusted) <= 1 - CONFIDENCE or word == UNDECIDED
        found.append((word, reason) if kept else (UNDECIDED, AFTER_HOLM))
    return found


def holm(p: Sequence[float]) -> list[float]:
    """P-values adjusted by Holm's method, in the order given: reject where one is at most the level.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    adjusted, highest = [0.0] * len(p), 0.0
    for rank, place in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        highest = max(highest, min(1.0, (len(p) - rank) * p[place]))
        adjusted[place] = highest
    return adjusted


def equivalence(values: Sequence[float]) -> float:
    """P-value of two one-sided t tests, for a mean within ± ``SMALLEST``; ValueError for fewer than two values.

    Example:
        >>> round(equivalence((0.1, 0.0, -0.1)), 4)
        0.0065
    """
    if len(values) < 2:
        raise ValueError(f"expected two values or more to test, got {len(values)}; run more seeds")
    above = stats.ttest_1samp(values, -SMALLEST, alternative="greater").pvalue
    below = stats.ttest_1samp(values, SMALLEST, alternative="less").pvalue
    return float(max(above, below))


def pooled_miou(counts: np.ndarray) -> np.ndarray:
    """MIoU (...) of summed counts (..., 3, K), as ``metrics.segmentation`` has it, over the classes that occur.

    Example:
        >>> float(pooled_miou(np.array([[2, 4], [2, 5], [3, 4]])))  # 2/3 and 4/5
        0.7333333333333334
    """
    import torch

    from dsrl_lab.metrics.segmentation import pooled_iou

    return pooled_iou(torch.from_numpy(counts)).nanmean(-1).numpy()


def bootstrap(
    ours: np.ndarray, before: np.ndarray, blocks: np.ndarray, *, shared: bool, draws: int = 10_000, seed: int = 0
) -> np.ndarray:
    """Draws of the gain in pooled mIoU: seeds are drawn again, and blocks of pictures; each mIoU is computed anew.

    Counts ``ours`` and ``before``, (seeds, pictures, 3, K) in one order, and ``blocks`` (pictures,) give (draws,)
    shares; ``shared``: all seeds have the same pictures, and blocks are drawn for all at once. ValueError where shapes
    differ.
    """
    if ours.shape != before.shape or blocks.shape != ours.shape[1:2]:
        raise ValueError(
            f"expected counts (seeds, pictures, 3, K) twice and a block for each picture, got {ours.shape}, "
            f"{before.shape} and {blocks.shape}; take seeds that both rows have"
        )
    names, place = np.unique(blocks, return_inverse=True)
    blocks_of = [place == number for number in range(len(names))]
    sums = np.stack([[counts[:, chosen].sum(1) for chosen in blocks_of] for counts in (ours, before)]).swapaxes(1, 2)
    generator, seeds, count = np.random.default_rng(seed), len(ours), len(names)
    gains = np.empty(draws)
    for start in range(0, draws, 500):
        size = min(500, draws - start)
        of_seeds = generator.multinomial(seeds, [1 / seeds] * seeds, size)
        of_blocks = generator.multinomial(count, [1 / count] * count, (size, 1 if shared else seeds))
        weights = np.broadcast_to(of_blocks, (size, seeds, count)).astype(float).swapaxes(0, 1)
        drawn = weights @ sums.reshape(2, seeds, count, -1)  # (2, seeds, draws, 3 * K)
        after, first = pooled_miou(drawn.reshape(*drawn.shape[:3], *ours.shape[2:]))
        gains[start : start + size] = (of_seeds * (after - first).T).sum(1) / seeds
    return gains


def percentiles(draws: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of bootstrap draws."""
    low, high = np.quantile(draws, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def _goal(size: float | None) -> float:
    """What a gain must reach."""
    return -SMALLEST if size == 0 else max(0.0, (size or 0.0) - SMALLEST)


def _p_decided(ours: Estimate | None, size: float | None) -> float | None:
    if ours is None or ours.margin is None:
        return None
    goal = _goal(size)
    error = ours.margin / _t(len(ours.values) - 1)
    if error == 0:
        return 0.0 if ours.mean != goal else 1.0
    return 2 * float(stats.t.sf(abs(ours.mean - goal) / error, len(ours.values) - 1))
