"""The paper beside us, number by number, with a verdict that says no more than the numbers do.

Beside figures (``Comparison``): a count (MACs, parameters) must be the same number within a tolerance; a gain was
measured on other pictures than the paper's, so only its direction is compared, and only if its 95 % interval leaves
zero out.

For claims (``Finding``) the rule was committed before the runs of CamVid at 90x120 and of the sweep; streets_tinynet
and CamVid at 180x240 had runs already, and the row ``paper`` was added after
others' val scores had been seen (data/runs/DESIGN.md). A gain is the difference of two rows, paired by seed, in points
of mIoU, with its 95 % t-interval:

- one seed, or no record: not tested here (one seed is an observation);
- interval above zero: holds here; where the claim is a size, only if the interval reaches that size;
- interval below zero, or holding zero and ending below the paper's number: does not hold here;
- interval holding both zero and the paper's number: not tested here, because the seeds cannot tell them apart.

Costs are counts and need no interval. Pictures, hosts and lengths are not the paper's: a claim that fails here may hold
there, and the other way round.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from dsrl_lab.results.paper_numbers import Number
from dsrl_lab.results.records import Estimate, estimate, smallest_visible

SAME, OTHER = "same number", "another number"
SAME_DIRECTION, OPPOSITE, OPEN = "same direction", "opposite direction", "open: the interval holds zero"
ONE_SEED = "open: a single seed"

HOLDS, FAILS, UNTESTED = "holds here", "does not hold here", "not tested here"
OBSERVATION = "1 seed: an observation"


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
        >>> from dsrl_lab.results.paper_numbers import COSTS
        >>> compare_count("MACs", COSTS[0].total, 1264.3).verdict
        'same number'
    """
    wanted = _value(paper)
    verdict = SAME if abs(ours - wanted) <= tolerance * abs(wanted) else OTHER
    return Comparison(what=what, paper=paper, ours=estimate([ours]), tolerance=tolerance, verdict=verdict)


def compare_direction(what: str, paper: Number, ours: Estimate) -> Comparison:
    """Compare a gain that was measured on other data: does it point the same way, and surely so?

    Example:
        >>> from dsrl_lab.results.paper_numbers import table_1_gain
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


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What our records say of one claim in one setting, by one protocol.

    Attributes:
        claim: its name.
        paper: the paper's number, or one for each of its hosts.
        setting: ours in words; "" where nothing was run.
        protocol: how ours was scored, or counted.
        ours: our number with its interval; None if there is none.
        unit: of ours.
        verdict: ``HOLDS``, ``FAILS`` or ``UNTESTED``.
        reason: why.
        records: the files behind it, as <folder>/<file>.
    """

    claim: str
    paper: dict[str, Number]
    setting: str = ""
    protocol: str = ""
    ours: Estimate | None = None
    unit: str = ""
    verdict: str = UNTESTED
    reason: str = ""
    records: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """Our number as text, with its interval and unit."""
        if self.ours is None:
            return "–"
        number = self.ours.show(signed=self.unit.startswith("points"), digits=1 if self.unit else 2)
        if self.unit == "% more":
            number = number.removesuffix(" (1 seed)")  # a count has no seeds
        return f"{number} {self.unit}".rstrip()

    def to_json(self) -> dict[str, Any]:
        """As a dictionary that JSON can hold."""
        ours = None
        if self.ours is not None:
            low, high = self.ours.interval or (None, None)
            ours = {"mean": self.ours.mean, "low": low, "high": high, "values": list(self.ours.values)}
        numbers = {
            host: {"value": number.value, "unit": number.unit, "mark": number.mark.value, "note": number.note}
            for host, number in self.paper.items()
        }
        plain = {name: getattr(self, name) for name in ("claim", "setting", "protocol", "unit", "verdict", "reason")}
        return plain | {"paper": numbers, "ours": ours, "records": list(self.records)}


def judge_gain(ours: Estimate | None, wanted: float, *, sized: bool = False) -> tuple[str, str]:
    """Judge a gain in points by the rule above.

    Args:
        ours: the gain; None if no seed has both rows.
        wanted: the paper's number, the smallest where it has several.
        sized: whether the claim is a size and not a direction.

    Returns:
        The verdict and its reason.

    Example:
        >>> judge_gain(estimate((2.1, 2.6, 2.4)), 2.0, sized=True)
        ('holds here', 'the interval is clear of zero and reaches 2')
        >>> judge_gain(estimate((0.3, -0.2, 0.1)), 2.0)[0]
        'does not hold here'
        >>> judge_gain(estimate((3.0, -2.0, 1.0)), 2.0)[0]
        'not tested here'
        >>> judge_gain(estimate((3.0,)), 2.0)
        ('not tested here', '1 seed: an observation')
    """
    if ours is None:
        return UNTESTED, "no seed has both rows"
    if ours.interval is None:
        return UNTESTED, OBSERVATION
    low, high = ours.interval
    if low > 0:
        if sized and high < wanted:
            return FAILS, f"a gain, but the interval ends below {wanted:g}"
        return HOLDS, f"the interval is clear of zero{f' and reaches {wanted:g}' if sized else ''}"
    if high < 0:
        return FAILS, "the interval lies below zero: it costs accuracy here"
    if high < wanted:
        return FAILS, f"no gain is seen: the interval holds zero and ends below the paper's {wanted:g}"
    visible = smallest_visible(ours)
    return UNTESTED, (
        f"the interval holds zero and the paper's {wanted:g}; {len(ours.values)} seeds that scatter like these would "
        f"show (in 8 of 10 repetitions) no less than {visible:.1f} points"
    )


def gain_in_words(ours: Estimate) -> str:
    """What the seeds say about a gain in points of mIoU, as a sentence for people.

    Example:
        >>> gain_in_words(estimate((-2.1, -2.6, -2.4)))
        'loses 2.4 ± 0.6 points of mIoU: the interval of 3 seeds is clear of zero'
        >>> gain_in_words(estimate((0.3, -0.2, 0.1)))
        'no effect that 3 seeds can tell (+0.1 ± 0.6 points of mIoU; one of 0.8 would have shown 8 times in 10)'
        >>> gain_in_words(estimate((0.3,)))
        '+0.3 points of mIoU with one seed: an observation, no evidence'
    """
    if ours.interval is None:
        return f"{ours.mean:+.1f} points of mIoU with one seed: an observation, no evidence"
    seeds = len(ours.values)
    if min(ours.interval) > 0 or max(ours.interval) < 0:
        verb, size = ("gains" if ours.mean > 0 else "loses"), Estimate(ours.values, abs(ours.mean), ours.margin)
        return f"{verb} {size.show()} points of mIoU: the interval of {seeds} seeds is clear of zero"
    return (
        f"no effect that {seeds} seeds can tell ({ours.show(signed=True)} points of mIoU; one of "
        f"{smallest_visible(ours):.1f} would have shown 8 times in 10)"
    )


def _value(paper: Number) -> float:
    if paper.value is None:
        raise ValueError(f"expected a number of the paper to compare with, got {paper}; leave unknown ones out")
    return paper.value
