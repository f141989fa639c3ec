"""The confirmatory families of data/runs/DESIGN.md: rows, seeds and tests; decided once all their runs have ended."""

from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pandas as pd

from dsrl_lab.results.confirm import compare
from dsrl_lab.results.frames import MIOU, frame, gains, pick, runs, scores, summary
from dsrl_lab.results.inference import NOT_TESTED, estimate
from dsrl_lab.results.tables import COLUMNS


@dataclass(frozen=True)
class Question:
    """One test of a family: a row less another."""

    name: str
    text: str
    row: str
    controls: tuple[str, ...]  # what it is compared with; of several, the one with the higher mean on val


@dataclass(frozen=True)
class Family:
    """Questions that are corrected together; without any it is an estimation: how differences change from ``base``."""

    setting: str
    seeds: range
    questions: tuple[Question, ...]
    beside: tuple[tuple[str, str], ...]  # (row, other row): differences that the design reports without a test
    base: str = ""  # setting of another family, whose seeds hold these

    @property
    def rows(self) -> list[str]:
        """The rows that the questions ask about."""
        return list(dict.fromkeys(row for one in self.questions for row in (one.row, *one.controls)))

    def missing(self, runs: pd.DataFrame) -> list[str]:
        """The runs that the questions need and that have not ended, as recipes with their seeds."""
        ended = runs[runs["finished"] & (runs["setting"] == self.setting)]
        there = set(zip(ended["row"].astype(str), ended["seed"], strict=True))
        needed = product(self.rows, self.seeds)
        return [f"{self.setting}_{row} --seed {seed}" for row, seed in needed if (row, seed) not in there]

    def decide(self, runs: pd.DataFrame, *, draws: int = 10_000) -> pd.DataFrame:
        """A line a question: question, text, and ``compare``'s columns; *not tested* until every run has ended."""
        named = pd.DataFrame([(one.name, one.text) for one in self.questions], columns=["question", "text"])
        if missing := self.missing(runs):
            reason = f"{len(missing)} of {len(self.rows) * len(self.seeds)} runs have not ended"
            return named.assign(verdict=NOT_TESTED, reason=reason)
        ended = self._ended(runs, self.setting)
        on_val = summary(pick(scores(ended)), ["row"]).set_index("row")["mean"]
        tests = [(one.row, max(one.controls, key=lambda row: float(on_val[row])), None) for one in self.questions]
        return named.join(compare(ended, tests, draws=draws))

    def report(self, runs: pd.DataFrame, *, draws: int = 10_000) -> pd.DataFrame:
        """``compare``'s columns up to the intervals, for the differences beside the questions whose runs have ended."""
        ended = self._ended(runs, self.setting)
        whole = {row for row, count in ended["row"].value_counts().items() if count == len(self.seeds)}
        tests = [(*pair, None) for pair in self.beside if whole.issuperset(pair)]
        return compare(ended, tests, draws=draws).loc[:, :"t_high"]  # without verdicts: nothing was asked before

    def texts(self, compared: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
        """Differences as texts, in points: by pictures and seeds, by seeds alone, by drive, thin classes.

        ``compared`` is of ``decide`` or ``report``; the columns of tests (question, p, verdict) are there for tests.
        "of the gap" is the share of what twice the input's sides bring over the baseline, where a row does so;
        "change from" another setting is paired by seed.
        """
        tables = (scores(self._ended(runs, setting)) for setting in (self.setting, self.base))
        ours, base = (one[(one["split"] == "test") & (one["protocol"] == "logits")] for one in tables)
        finer = gains(ours[ours["row"].isin(("baseline", "double_input"))])
        gap, lines = 100 * pick(finer, MIOU, split=None)["value"].mean(), []
        for one in compared.itertuples():
            gained, before = (gains(table[table["row"].isin((one.row, one.over))], one.over) for table in (ours, base))
            line = {"question": one.text} if "text" in compared else {}
            line |= {"row": f"`{one.row}`", "less": f"`{one.over}`", "seeds": str(one.seeds)}
            line["mIoU, test"] = f"{one.mean:+.2f} ({one.low:+.2f} to {one.high:+.2f})"
            parts = {"over seeds alone": pick(gained, MIOU, split=None)}
            parts |= {drive: part for drive, part in gained[gained["metric"] == "miou"].groupby("drive") if drive}
            thin = ("thin classes", "thin outlines (F)")
            parts |= {name: pick(gained, COLUMNS[name].score, split=None) for name in thin}
            parts["all outlines (F)"] = gained[gained["metric"] == "boundary_f"].groupby("seed")[["value"]].mean()
            here, there = (pick(part, MIOU, split=None).set_index("seed")[["value"]] for part in (gained, before))
            parts[f"change from `{self.base}`"] = (here - there).dropna()
            shown = {name: part["value"] for name, part in parts.items() if len(part)}
            line |= {name: estimate(values).scaled(100).show(signed=True) for name, values in shown.items()}
            if one.over == "baseline" and gap > 0:
                line["of the gap"] = f"{one.mean / gap:.0%}"
            if "text" in compared:
                line |= {"p, corrected": f"{one.p_holm:.4f}", "verdict": f"**{one.verdict}**: {one.reason}"}
            lines.append(line)
        return pd.DataFrame(lines).fillna("")

    def _ended(self, runs: pd.DataFrame, setting: str) -> pd.DataFrame:
        return runs[runs["finished"] & (runs["setting"] == setting) & runs["seed"].isin(self.seeds)]


def committed(data: Path) -> pd.DataFrame:
    """The runs of ``data/runs`` and of ``data/confirmatory``, where a row waits for the last of its seeds."""
    return frame([one for name in ("runs", "confirmatory") for one in runs(data / name)["record"]])


BESIDE, THIS = "Do SISR and FA bring anything beside the head?", "Is it this picture's structure?"
C, S = "depthwise_figure4", "deconvolution_figure4"  # the whole of each family
LONG = (("normalised", "baseline"), (C, "baseline"), (C, "normalised"))
FEW = (("bilinear", "baseline"), (S, "baseline"), (S, "bilinear"))
HEADS = ("bilinear", "normalised", "depthwise", "deconvolution")
FAMILIES = {
    "C": Family(
        "camvid_drives",
        range(6, 18),
        (
            Question("C1", "Does the whole bring more than what is free?", C, ("bilinear", "normalised")),
            Question("C2", BESIDE, C, ("depthwise",)),
            Question("C3", THIS, C, (f"{C}_shuffled",)),
        ),
        (
            *((row, "baseline") for row in (*HEADS, C, S, f"{C}_shuffled", "equal_cost")),
            *((S, row) for row in ("deconvolution", "normalised", "equal_cost")),
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
        (
            *((row, "baseline") for row in ("bilinear", "deconvolution", S, f"{S}_shuffled", "equal_cost")),
            ("double_input", "baseline"),
            (S, "equal_cost"),
        ),
    ),
    "C, four times as long": Family("camvid_drives_long", range(6, 10), (), LONG, base="camvid_drives"),
    "S, 400 scenes": Family("streets_towns_400", range(100, 106), (), FEW, base="streets_towns"),
}


def decided(runs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The tests of the families whose runs have all ended, by the family's name."""
    return {name: one.decide(runs) for name, one in FAMILIES.items() if one.questions and not one.missing(runs)}
