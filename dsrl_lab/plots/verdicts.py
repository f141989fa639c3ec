"""The paper beside us, number by number, with a verdict that says no more than the numbers do.

Two kinds of comparison: a count (MACs, parameters) must be the same number within a tolerance; a gain was measured on
other pictures than the paper's, so only its direction is compared, and only if its 95 % interval leaves zero out.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from dsrl_lab.paper import Number
from dsrl_lab.plots.records import Estimate, estimate

SAME, OTHER = "same number", "another number"
SAME_DIRECTION, OPPOSITE, OPEN = "same direction", "opposite direction", "open: the interval holds zero"
ONE_SEED = "open: a single seed"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One number of the paper beside ours.

    Attributes:
        what: the number in words.
        paper: theirs, with its mark.
        ours: ours, with its interval.
        tolerance: relative, for counts; None where only the direction is compared.
        verdict: one of this file's constants.
    """

    what: str
    paper: Number
    ours: Estimate
    tolerance: float | None
    verdict: str

    def to_json(self) -> dict[str, Any]:
        """As a dictionary that JSON can hold."""
        low, high = self.ours.interval or (None, None)
        ours = {"mean": self.ours.mean, "low": low, "high": high, "seeds": len(self.ours.values)}
        paper = asdict(self.paper) | {"mark": self.paper.mark.value}
        return {
            "what": self.what,
            "paper": paper,
            "ours": ours,
            "tolerance": self.tolerance,
            "verdict": self.verdict,
        }


def compare_count(what: str, paper: Number, ours: float, *, tolerance: float = 0.005) -> Comparison:
    """Compare a count, which must be the same.

    Example:
        >>> from dsrl_lab.paper import COSTS
        >>> compare_count("MACs", COSTS[0].total, 1264.3).verdict
        'same number'
    """
    wanted = _value(paper)
    verdict = SAME if abs(ours - wanted) <= tolerance * abs(wanted) else OTHER
    return Comparison(what=what, paper=paper, ours=estimate([ours]), tolerance=tolerance, verdict=verdict)


def compare_direction(what: str, paper: Number, ours: Estimate) -> Comparison:
    """Compare a gain that was measured on other data: does it point the same way, and surely so?

    Example:
        >>> from dsrl_lab.paper import table_1_gain
        >>> compare_direction("FA", table_1_gain("dsrl", "ESPNetv2"), estimate([1.0, 1.2, 1.1])).verdict
        'same direction'
        >>> compare_direction("FA", table_1_gain("dsrl", "ESPNetv2"), estimate([1.0, -0.9, 0.1])).verdict
        'open: the interval holds zero'
    """
    wanted, interval = _value(paper), ours.interval
    if interval is None:
        verdict = ONE_SEED
    elif interval[0] <= 0 <= interval[1]:
        verdict = OPEN
    else:
        verdict = SAME_DIRECTION if (ours.mean > 0) == (wanted > 0) else OPPOSITE
    return Comparison(what=what, paper=paper, ours=ours, tolerance=None, verdict=verdict)


def _value(paper: Number) -> float:
    if paper.value is None:
        raise ValueError(f"expected a number of the paper to compare with, got {paper}; leave unknown ones out")
    return paper.value
