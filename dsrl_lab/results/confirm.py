"""Confirmatory tests: a family of pairs of rows, judged together by seeds and, where records hold them, by pictures."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from dsrl_lab.results import inference
from dsrl_lab.results.frames import MIOU, gains, pick, pictures, scores
from dsrl_lab.results.inference import CONTRADICTED, SMALLEST, SUPPORTED, UNDECIDED

Test = tuple[str, str, float | None]
COLUMNS = ["row", "over", "size", "seeds", "mean", "low", "high", "boot_low", "boot_high"]
COLUMNS += ["p", "p_equivalent", "p_holm", "verdict", "reason"]


def compare(runs: pd.DataFrame, tests: Sequence[Test], *, split: str = "test", draws: int = 10_000) -> pd.DataFrame:
    """Test a family of gains in mIoU, (row, other row, claimed size or None), of one setting; ValueError for several.

    A line a test, in points, paired by seed: row, over, size, seeds, mean, low and high (Student's t), boot_low and
    boot_high (``picture_interval``), p (two-sided t), p_holm, p_equivalent, verdict (by both intervals), reason.
    """
    if runs["setting"].nunique() > 1:
        raise ValueError(f"expected runs of one setting, got {', '.join(sorted(set(runs['setting'])))}; choose one")
    table, pixels = pick(scores(runs), MIOU, split=split), pictures(runs)
    pixels = pixels[pixels["split"] == split]
    lines, family = [], []
    for row, over, size in tests:
        gained = gains(table[table["row"].isin((row, over))], over)
        found = inference.estimate(gained["value"]).scaled(100) if len(gained) else None
        line: dict[str, Any] = {"row": row, "over": over, "size": size, "seeds": len(gained)}
        line["boot_low"], line["boot_high"] = picture_interval(pixels, row, over, draws=draws)
        if found is not None:
            line["mean"] = found.mean
            line["low"], line["high"] = found.interval or (np.nan, np.nan)
        if found is not None and found.margin:
            line["p"] = float(stats.ttest_1samp(found.values, 0).pvalue)
            line["p_equivalent"] = inference.equivalence(found.values)
        lines.append(line)
        family.append((found, size))
    result = pd.DataFrame(lines, columns=COLUMNS)
    known = result["p"].notna()
    result.loc[known, "p_holm"] = inference.holm(list(result.loc[known, "p"]))
    words = zip(inference.judge_family(family), result.itertuples(), strict=True)
    result[["verdict", "reason"]] = [_borne_out(word, line) for word, line in words]
    return result


def picture_interval(pixels: pd.DataFrame, row: str, over: str, *, draws: int = 10_000) -> tuple[float, float]:
    """The 95 % bootstrap interval, in points, over seeds and blocks of one split's ``frames.pictures``, or NaN."""
    counts = {
        name: {seed: np.stack(list(lines["counts"])) for seed, lines in pixels[pixels["row"] == name].groupby("seed")}
        for name in (row, over)
    }
    seeds = sorted(counts[row].keys() & counts[over].keys())
    if len(seeds) < 2:
        return np.nan, np.nan
    ours, before = (np.stack([counts[name][seed] for seed in seeds]) for name in (row, over))
    blocks = pixels[(pixels["row"] == row) & (pixels["seed"] == seeds[0])]["block"].to_numpy()
    shared = bool((ours[:, :, 2] == ours[:1, :, 2]).all())  # the same true pixels: the same pictures for every seed
    low, high = inference.percentiles(inference.bootstrap(ours, before, blocks, shared=shared, draws=draws))
    return 100 * low, 100 * high


def _borne_out(word: tuple[str, str], line: Any) -> tuple[str, str]:
    goal = 0.0 if line.size is None or np.isnan(line.size) else max(0.0, line.size - SMALLEST)
    nothing = line.boot_low > -SMALLEST and line.boot_high < SMALLEST
    fails = word[0] == SUPPORTED and (line.boot_low < goal or line.boot_low <= 0)
    reaches = word[0] == CONTRADICTED and line.boot_high >= goal and not nothing
    if fails or reaches:
        return UNDECIDED, "by seeds alone; the bootstrap over seeds and pictures does not bear it out"
    return word
