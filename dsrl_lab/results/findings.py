"""A finding: one claim of the paper, what our records say of it, and the word that the numbers allow."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import pandas as pd

from dsrl_lab.results import inference
from dsrl_lab.results.inference import CONTRADICTED, NOT_TESTED, SUPPORTED, Estimate, estimate, judge
from dsrl_lab.results.paper_numbers import Number

POINTS = "points of mIoU"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What our records say of one claim in one setting, by one protocol."""

    claim: str
    paper: dict[str, Number]  # by host, where it has one for each
    row: str = ""
    over: str = ""  # the row that ours is compared with
    setting: str = ""
    where: str = ""  # setting and rows in words, where anything was run
    protocol: str = ""  # how ours was scored, or counted
    ours: Estimate | None = None
    unit: str = ""
    counted: bool = False  # a count, which no seed changes
    size: float | None = None  # the claimed gain that ours is held to
    verdict: str = NOT_TESTED  # one of inference.WORDS
    reason: str = ""
    records: tuple[str, ...] = ()  # <folder>/<file>

    @property
    def shown(self) -> str:
        """Our number as text, with its interval and unit; a count has no seeds."""
        if self.ours is None:
            return "–"
        if self.counted:
            return f"{self.ours.mean:.1f} {self.unit}"
        number = self.ours.show(signed=self.unit == POINTS, digits=1 if self.unit else 2)
        return f"{number} {self.unit}".rstrip()

    def to_json(self) -> dict[str, Any]:
        """As a dictionary that JSON can hold."""
        low, high = (self.ours and self.ours.interval) or (None, None)
        ours = self.ours and {"mean": self.ours.mean, "low": low, "high": high, "values": list(self.ours.values)}
        numbers = {host: asdict(number) | {"mark": number.mark.value} for host, number in self.paper.items()}
        return asdict(self) | {"paper": numbers, "ours": ours, "records": list(self.records)}


def judge_gain(finding: Finding, size: float | None) -> Finding:
    """The finding, judged as a gain that is claimed to have a size."""
    verdict, reason = judge(finding.ours, size)
    return replace(finding, size=size, verdict=verdict, reason=reason if finding.ours else finding.reason or reason)


def judge_together(family: Sequence[Finding]) -> list[Finding]:
    """Judge the gains of one claim as one family (Holm); others keep their verdict."""
    judged = list(family)
    sized = [place for place, one in enumerate(family) if one.ours is not None and one.size is not None]
    words = inference.judge_family([(family[place].ours, family[place].size) for place in sized])
    for place, (verdict, reason) in zip(sized, words, strict=True):
        judged[place] = replace(family[place], verdict=verdict, reason=reason)
    return judged


def count_is(what: str, number: Number, ours: float) -> Finding:
    """A count beside the paper's, supported where they agree within 0.5 %; ValueError if it is not known."""
    if number.value is None:
        raise ValueError(f"expected a number of the paper to compare with, got {number}; leave unknown ones out")
    found = Finding(claim=what, paper={"": number}, ours=estimate([ours]), unit=number.unit, counted=True)
    if math.isclose(ours, number.value, rel_tol=0.005):
        return replace(found, verdict=SUPPORTED, reason="the same number within 0.5 %")
    return replace(found, verdict=CONTRADICTED, reason="another number")


def of_seeds(
    lines: pd.DataFrame, runs: pd.DataFrame, row: str, over: str = "", *, scale: float = 100
) -> dict[str, Any]:
    """What a finding takes over from values of seeds, ``lines``, of rows of one setting's ``runs``."""
    rows = (row, over) if over else (row,)
    ours = estimate(lines["value"]).scaled(scale)
    setting, records = str(runs["setting"].iloc[0]), files_of(runs, rows, lines["seed"])
    return {"row": row, "over": over, "setting": setting, "ours": ours, "records": records}


def smallest(numbers: dict[str, Number]) -> float:
    """The smallest of the paper's numbers."""
    return min(number.value for number in numbers.values() if number.value is not None)


def files_of(
    runs: pd.DataFrame, rows: Sequence[str] | None = None, seeds: Sequence[int] | None = None
) -> tuple[str, ...]:
    """Records of runs as <folder>/<file>, each once; of some rows and seeds."""
    chosen = runs if rows is None else runs[runs["row"].isin(rows)]
    chosen = chosen if seeds is None else chosen[chosen["seed"].isin(seeds)]
    return tuple(dict.fromkeys(one.name for one in chosen["record"]))
