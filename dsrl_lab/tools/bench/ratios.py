"""What is measured in turns is compared turn by turn: the ratio to the baseline, and how it scatters."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def ratio_to(baseline: Sequence[float], mine: Sequence[float]) -> tuple[float, tuple[float, float]]:
    """Median of the ratios to the baseline in the same turn, and their quartiles.

    Args:
        baseline: seconds of each turn.
        mine: of the same turns.

    Raises:
        ValueError: different numbers of turns.

    Example:
        >>> ratio_to([1.0, 2.0, 4.0], [2.0, 4.0, 8.0])
        (2.0, (2.0, 2.0))
    """
    ratios = [own / first for own, first in zip(mine, baseline, strict=True)]
    low, _, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    return statistics.median(ratios), (low, high)
