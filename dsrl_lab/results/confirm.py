"""Confirmatory tests: a family of pairs of rows, judged together as data/runs/DESIGN.md says, by seeds and pictures."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from dsrl_lab.results import inference
from dsrl_lab.results.frames import MIOU, gains, pick, pictures, scores
from dsrl_lab.results.inference import CONFIDENCE, NOT_TESTED, SUPPORTED, UNDECIDED

Test = tuple[str, str, float | None]
COLUMNS = ["row", "over", "size", "seeds", "mean", "low", "high", "t_low", "t_high"]
COLUMNS += ["p", "p_holm", "p_equivalent", "verdict", "reason"]


def compare(runs: pd.DataFrame, tests: Sequence[Test], *, split: str = "test", draws: int = 10_000) -> pd.DataFrame:
    """Test a family of gains in mIoU, (row, other row, claimed size or None), of one setting; ValueError for several.

    A line a test, in points, paired by seed: row, over, size, seeds, mean; low and high, the 95 % interval of the
    bootstrap over seeds and blocks of pictures, and its two-sided p, which decide; t_low and t_high, Student's over
    seeds, which decide where records hold no pictures; p_holm, p_equivalent (two one-sided t tests), verdict, reason.
    """
    if runs["setting"].nunique() > 1:
        raise ValueError(f"expected runs of one setting, got {', '.join(sorted(set(runs['setting'])))}; choose one")
    table, pixels = pick(scores(runs), MIOU, split=split), pictures(runs)
    pixels = pixels[pixels["split"] == split]
    lines = []
    for row, over, size in tests:
        gained = gains(table[table["row"].isin((row, over))], over)
        line: dict[str, Any] = {"row": row, "over": over, "size": size, "seeds": len(gained)}
        if len(gained):
            line["mean"] = 100 * gained["value"].mean()
        if len(gained) > 1:
            line |= _tested(100 * gained["value"], 100 * redrawn(pixels, row, over, draws=draws))
        lines.append(line)
    result = pd.DataFrame(lines, columns=COLUMNS)
    known = result["p"].notna()
    result.loc[known, "p_holm"] = inference.holm(list(result.loc[known, "p"]))
    words = [_judged(line) for line in result.itertuples()]
    return result.assign(verdict=[word for word, _ in words], reason=[reason for _, reason in words])


def _tested(gained: pd.Series, drawn: np.ndarray) -> dict[str, float]:
    low, high = inference.t_interval(gained)
    found = {"t_low": low, "t_high": high, "low": low, "high": high, "p_equivalent": inference.equivalence(gained)}
    if not len(drawn):  # no pictures in the records
        return found | {"p": float(stats.ttest_1samp(gained, 0).pvalue)}
    low, high = inference.percentiles(drawn)
    beyond = min((drawn <= 0).sum(), (drawn >= 0).sum())
    return found | {"low": low, "high": high, "p": min(1.0, 2 * (beyond + 1) / (len(drawn) + 1))}


def redrawn(pixels: pd.DataFrame, row: str, over: str, *, draws: int = 10_000) -> np.ndarray:
    """Bootstrap draws of a gain in mIoU over seeds and blocks of one split's ``frames.pictures``; none without them."""
    counts = {
        name: {seed: np.stack(list(lines["counts"])) for seed, lines in pixels[pixels["row"] == name].groupby("seed")}
        for name in (row, over)
    }
    seeds = sorted(counts[row].keys() & counts[over].keys())
    if len(seeds) < 2:
        return np.empty(0)
    ours, before = (np.stack([counts[name][seed] for seed in seeds]) for name in (row, over))
    blocks = pixels[(pixels["row"] == row) & (pixels["seed"] == seeds[0])]["block"].to_numpy()
    shared = bool((ours[:, :, 2] == ours[:1, :, 2]).all())  # the same true pixels: the same pictures for every seed
    return inference.bootstrap(ours, before, blocks, shared=shared, draws=draws)


def _judged(line: Any) -> tuple[str, str]:
    if np.isnan(line.p):
        return NOT_TESTED, "1 seed: an observation" if line.seeds else "no seed has both rows"
    word, reason = inference.judge_interval(line.low, line.high, None if pd.isna(line.size) else line.size)
    if word == SUPPORTED and line.p_holm > 1 - CONFIDENCE:
        word, reason = UNDECIDED, inference.AFTER_HOLM
    if word == UNDECIDED and line.p_equivalent <= 1 - CONFIDENCE:
        reason = inference.NO_DIFFERENCE
    return word, reason
