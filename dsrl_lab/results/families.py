"""The confirmatory families of data/runs/DESIGN.md: rows, seeds and tests; decided once all their runs have ended."""

from dataclasses import dataclass
from itertools import product

import pandas as pd

from dsrl_lab.results.confirm import compare
from dsrl_lab.results.frames import pick, scores, summary
from dsrl_lab.results.inference import NOT_TESTED


@dataclass(frozen=True)
class Question:
    """One test of a family: a row less another."""

    name: str
    text: str
    row: str
    controls: tuple[str, ...]  # what it is compared with; of several, the one with the higher mean on val


@dataclass(frozen=True)
class Family:
    """Questions that are corrected together."""

    setting: str
    seeds: range
    questions: tuple[Question, ...]

    @property
    def rows(self) -> list[str]:
        """The rows that the questions ask about."""
        return list(dict.fromkeys(row for one in self.questions for row in (one.row, *one.controls)))

    def missing(self, runs: pd.DataFrame) -> list[str]:
        """The runs that the questions need and that have not ended, as recipes with their seeds."""
        ended = runs[runs["finished"] & (runs["setting"] == self.setting)]
        there = set(zip(ended["row"].astype(str), ended["seed"], strict=True))
        return [
            f"{self.setting}_{row} --seed {seed}"
            for row, seed in product(self.rows, self.seeds)
            if (row, seed) not in there
        ]

    def decide(self, runs: pd.DataFrame, *, draws: int = 10_000) -> pd.DataFrame:
        """A line a question: question, text, and ``compare``'s columns; *not tested* until every run has ended."""
        named = pd.DataFrame([(one.name, one.text) for one in self.questions], columns=["question", "text"])
        if missing := self.missing(runs):
            reason = f"{len(missing)} of {len(self.rows) * len(self.seeds)} runs have not ended"
            return named.assign(verdict=NOT_TESTED, reason=reason)
        ended = runs[runs["finished"] & (runs["setting"] == self.setting) & runs["row"].isin(self.rows)]
        ended = ended[ended["seed"].isin(self.seeds)]
        on_val = summary(pick(scores(ended)), ["row"]).set_index("row")["mean"]
        tests = [(one.row, max(one.controls, key=lambda row: float(on_val[row])), None) for one in self.questions]
        return named.join(compare(ended, tests, draws=draws))


BESIDE, THIS = "Do SISR and FA bring anything beside the head?", "Is it this picture's structure?"
C, S = "depthwise_figure4", "deconvolution_figure4"  # the whole of each family
FAMILIES = {
    "C": Family(
        "camvid_drives",
        range(6, 18),
        (
            Question("C1", "Does the whole bring more than what is free?", C, ("bilinear", "normalised")),
            Question("C2", BESIDE, C, ("depthwise",)),
            Question("C3", THIS, C, (f"{C}_shuffled",)),
        ),
    ),
    "S": Family(
        "streets_towns",
        range(100, 106),
        (
            Question("S1", "Does the whole bring more than finer labels?", S, ("bilinear",)),
            Question("S2", BESIDE, S, ("deconvolution",)),
            Question("S3", THIS, S, (f"{S}_shuffled",)),
        ),
    ),
}
