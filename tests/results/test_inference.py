"""Intervals and tests against SciPy, simulation, brute force and small cases whose answer is known."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from dsrl_lab.results.confirm import compare, redrawn
from dsrl_lab.results.frames import pictures, runs
from dsrl_lab.results.inference import (
    CONTRADICTED,
    NOT_TESTED,
    SUPPORTED,
    UNDECIDED,
    bootstrap,
    equivalence,
    estimate,
    holm,
    judge,
    judge_family,
    percentiles,
    pooled_miou,
    smallest_visible,
    t_interval,
)
from tests.results.conftest import record_lines, write_record
from tests.results.test_frames import counts_of, with_pictures


def test_estimate_by_hand_and_by_scipy() -> None:
    # mean 2, s = sqrt((1 + 0 + 1) / 2) = 1, t(0.975; 2) = 4.302653 (tables of Student's t)
    result = estimate([1.0, 2.0, 3.0])
    assert result.mean == 2.0 and result.margin == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)
    values = np.random.default_rng(0).normal(size=7)
    wanted = stats.t.interval(0.95, 6, loc=values.mean(), scale=stats.sem(values))
    assert t_interval(values) == pytest.approx(wanted) and estimate(values).interval == t_interval(values)


def test_one_seed_has_no_interval_and_no_seed_no_estimate() -> None:
    assert estimate([0.5]).interval is None and "1 seed" in estimate([0.5]).show()
    assert all(math.isnan(edge) for edge in t_interval([0.5]))
    with pytest.raises(ValueError, match="at least one value"):
        estimate([])


@pytest.mark.parametrize(
    ("values", "size", "verdict", "reason"),
    [
        ((1.0, 1.2, 1.1), None, SUPPORTED, "clear of zero"),
        ((1.0, 1.2, 1.1), 2.0, CONTRADICTED, "ends more than 0.5 below 2"),
        ((1.5, 2.6, 2.4), 2.0, UNDECIDED, "3 seeds that scatter"),  # 0.7 to 3.6: touching the size is not reaching it
        ((1.7, 1.8, 1.9), 2.0, SUPPORTED, "reaches 2 within 0.5"),  # 1.55 to 2.05
        ((1.6, 1.7, 1.8), 2.0, UNDECIDED, "holds 2 less 0.5"),  # 1.45 to 1.95
        ((-1.0, -1.2, -1.1), None, CONTRADICTED, "below zero"),
        ((-1.0, -1.2, -1.1), 0.3, CONTRADICTED, "below zero"),
        ((0.2, -0.1, 0.05), 0.3, UNDECIDED, "holds zero"),  # a claim of 0.3 is not supported by what holds zero
        ((0.1, -0.1, 0.05), 2.0, CONTRADICTED, "no gain is seen"),
        ((0.1, -0.1, 0.05), None, UNDECIDED, "no difference as large as 0.5 points"),  # DESIGN.md's words
        ((0.1, -0.1, 0.05), 0.0, SUPPORTED, "lies above -0.5, what 'no worse' may fall short by"),
        ((-1.0, -1.2, -1.1), 0.0, CONTRADICTED, "lies below -0.5"),
        ((3.0, -2.0, 1.0), 0.0, UNDECIDED, "holds -0.5"),
        ((3.0, -2.0, 1.0), 2.0, UNDECIDED, "3 seeds that scatter"),
        ((3.0, -2.0, 1.0), None, UNDECIDED, "3 seeds that scatter"),
        ((5.0,), 2.0, NOT_TESTED, "1 seed: an observation"),
    ],
)
def test_the_rule(values: tuple[float, ...], size: float | None, verdict: str, reason: str) -> None:
    found = judge(estimate(values), size)
    assert found[0] == verdict and reason in found[1]


def test_no_shared_seed_is_no_test() -> None:
    assert judge(None, 2.0) == (NOT_TESTED, "no seed has both rows")


def test_the_power_of_the_test_is_that_of_a_simulation() -> None:
    draws = np.random.default_rng(0)
    for count in (2, 3, 5):
        scatter = estimate(float(value) for value in range(count))
        visible = smallest_visible(scatter)
        assert visible is not None
        samples = visible + np.std(scatter.values, ddof=1) * draws.standard_normal((40_000, count))
        margins = stats.t.ppf(0.975, count - 1) * samples.std(1, ddof=1) / count**0.5
        assert np.mean(abs(samples.mean(1)) > margins) == pytest.approx(0.8, abs=0.01)


def test_one_seed_shows_no_difference_and_seeds_without_scatter_any() -> None:
    assert smallest_visible(estimate([1.0])) is None and smallest_visible(estimate([1.0, 1.0])) == 0


def test_holm_is_the_closed_testing_of_bonferroni() -> None:
    """Holm rejects exactly what Bonferroni rejects in every intersection of hypotheses that holds it."""
    dice = np.random.default_rng(1)
    for _ in range(40):
        p = list(dice.uniform(0, 0.2, 4).round(3))
        for one in range(4):
            others = [q for q in range(4) if q != one]
            families = [(one, *chosen) for k in range(4) for chosen in itertools.combinations(others, k)]
            closed = max(min(1.0, len(f) * min(p[i] for i in f)) for f in families)
            assert holm(p)[one] == pytest.approx(closed)


def test_a_family_is_judged_as_holm_s_p_values_say() -> None:
    dice = np.random.default_rng(2)
    for _ in range(30):
        samples = dice.normal(1.0, 1.0, (4, 6)) * dice.uniform(0.2, 2, (4, 1))
        p = [float(stats.ttest_1samp(sample, 0).pvalue) for sample in samples]
        words = [word for word, _ in judge_family([(estimate(sample), 0.4) for sample in samples])]  # goal: zero
        assert [word != UNDECIDED for word in words] == [adjusted <= 0.05 for adjusted in holm(p)]
    assert judge_family([(estimate([1.0]), None), (None, None)]) == [
        (NOT_TESTED, "1 seed: an observation"),
        (NOT_TESTED, "no seed has both rows"),
    ]


def test_equivalence_is_the_90_percent_interval_inside_the_margin() -> None:
    dice = np.random.default_rng(3)
    for _ in range(50):
        values = dice.normal(0.1, 0.4, 6)
        low, high = stats.t.interval(0.90, 5, loc=values.mean(), scale=stats.sem(values))
        assert (equivalence(values) < 0.05) == (low > -0.5 and high < 0.5)
    with pytest.raises(ValueError, match="expected two values or more to test, got 1"):
        equivalence([0.1])


def test_pooled_miou_is_the_mean_over_the_classes_that_occur() -> None:
    counts = counts_of(9, 4).sum(0)
    right, predicted, true = counts[:, :-1].astype(float)
    counts[:, -1] = 0
    assert float(pooled_miou(counts)) == pytest.approx(np.mean(right / (predicted + true - right)), rel=1e-12)


@pytest.mark.parametrize("shared", [True, False])
def test_the_bootstrap_is_that_of_a_loop_over_pictures(shared: bool) -> None:
    """Every draw computed anew, picture by picture, with the same dice."""
    seeds, pictures_, blocks = 3, 8, np.array([0, 0, 0, 1, 1, 1, 2, 2])
    ours, before = (np.stack([counts_of(pictures_, 10 * k + s) for s in range(seeds)]) for k in (1, 2))
    draws = bootstrap(ours, before, blocks, shared=shared, draws=20, seed=5)
    dice = np.random.default_rng(5)
    of_seeds = dice.multinomial(seeds, [1 / seeds] * seeds, 20)
    of_blocks = dice.multinomial(3, [1 / 3] * 3, (20, 1 if shared else seeds))
    for draw in range(20):
        gains = []
        for seed in range(seeds):
            times = of_blocks[draw, 0 if shared else seed][blocks]
            chosen = [picture for picture in range(pictures_) for _ in range(times[picture])]
            gain = float(pooled_miou(ours[seed, chosen].sum(0)) - pooled_miou(before[seed, chosen].sum(0)))
            gains += [gain] * int(of_seeds[draw, seed])
        assert draws[draw] == pytest.approx(np.mean(gains), abs=1e-14)


def test_the_bootstrap_s_spread_is_that_of_theory_and_blocks_widen_it() -> None:
    dice = np.random.default_rng(6)
    seeds, pictures_ = 4, 240
    true = np.full((seeds, pictures_, 1), 100)
    level = np.repeat(dice.uniform(0.3, 0.9, pictures_ // 15), 15)  # neighbours are alike
    right = (100 * level).astype(int)[None, :, None] * np.ones((seeds, 1, 1), int)
    ours = np.stack([right, right, true], axis=2)  # nothing is predicted wrongly: IoU = share of right pixels
    before = np.stack([0 * right, 0 * right, true], axis=2)
    single = bootstrap(ours, before, np.arange(pictures_), shared=True, draws=2000)
    blocks = bootstrap(ours, before, np.arange(pictures_) // 15, shared=True, draws=2000)
    means = right[0, :, 0].reshape(-1, 15).mean(1) / 100
    assert single.std() == pytest.approx((right[0, :, 0] / 100).std() / math.sqrt(pictures_), rel=0.1)
    assert blocks.std() == pytest.approx(means.std() / math.sqrt(len(means)), rel=0.1)
    low, high = percentiles(blocks)
    assert low < blocks.mean() < high
    with pytest.raises(ValueError, match="expected counts .* twice and a block for each picture"):
        bootstrap(ours, before[:2], np.arange(pictures_), shared=True)


def write_tested(folder: Path, better: int) -> pd.DataFrame:
    """Two rows, five seeds, 40 pictures of two drives; the second row has ``better`` more right pixels a class."""
    for row in ("normalised", "depthwise"):
        for seed in range(5):
            counts = counts_of(40, 0)
            noise = np.random.default_rng(seed + 100 * (row == "depthwise")).integers(0, 3, counts.shape[0])
            counts[:, :2, :2] += noise[:, None, None] + better * (row == "depthwise")
            lines = record_lines(f"camvid_drives_{row}", "baseline", seed)
            lines = with_pictures(lines, counts, {"a": slice(20), "b": slice(20, None)})
            write_record(folder / "s" / f"{row}_{seed}.jsonl", lines)
    return runs(folder)


def test_confirmatory_tests_stand_side_by_side(tmp_path: Path) -> None:
    found = write_tested(tmp_path, 2)
    tests = [("depthwise", "normalised", None), ("depthwise", "normalised", 9.0), ("dsrl", "normalised", None)]
    table = compare(found, tests, draws=400)
    assert list(table["verdict"]) == [SUPPORTED, CONTRADICTED, NOT_TESTED]
    first = table.iloc[0]
    assert first["seeds"] == 5 and first["low"] < first["mean"] < first["high"]
    assert first["p"] == pytest.approx(2 / 401)  # no draw of 400 at or below zero
    assert first["p_holm"] == pytest.approx(2 * first["p"])  # two tests of the family have numbers
    assert first["t_low"] < first["mean"] < first["t_high"] and table["mean"].isna().tolist() == [False, False, True]
    mixed = pd.concat([found, found.assign(setting="other")])
    with pytest.raises(ValueError, match="expected runs of one setting, got camvid_drives, other"):
        compare(mixed, tests)


@pytest.mark.parametrize(
    ("drawn", "size", "verdict", "reason"),
    [
        ((0.010, 0.012), None, SUPPORTED, "the interval is clear of zero"),
        ((0.018, 0.022), 2.0, SUPPORTED, "reaches 2 within 0.5"),
        ((0.010, 0.012), 2.0, CONTRADICTED, "ends more than 0.5 below 2"),
        ((-0.012, -0.010), None, CONTRADICTED, "lies below zero"),
        ((-0.012, 0.010), None, UNDECIDED, "holds zero"),
        ((0.012, 0.022), 2.0, UNDECIDED, "holds 2 less 0.5"),
    ],
)
def test_the_draws_over_seeds_and_pictures_decide(
    drawn: tuple[float, float], size: float | None, verdict: str, reason: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """As the design says: the bootstrap's interval and p, whatever Student's t over these few seeds says."""
    found = write_tested(tmp_path, 2)
    monkeypatch.setattr("dsrl_lab.results.confirm.redrawn", lambda *_, **__: np.linspace(*drawn, 1001))
    monkeypatch.setattr("dsrl_lab.results.inference.equivalence", lambda values: 1.0)
    (line,) = compare(found, [("depthwise", "normalised", size)]).itertuples()
    assert line.verdict == verdict and reason in line.reason
    below = (np.linspace(*drawn, 1001) <= 0).sum()
    assert line.p == pytest.approx(min(1, 2 * (min(below, 1001 - below) + 1) / 1002))


def test_holms_correction_is_within_the_family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two tests at p = 0.04 are both undecided together; each alone is supported."""
    found = write_tested(tmp_path, 2)
    drawn = np.concatenate([np.full(19, -0.001), np.linspace(0.001, 0.01, 980)])
    monkeypatch.setattr("dsrl_lab.results.confirm.redrawn", lambda *_, **__: drawn)
    test = ("depthwise", "normalised", None)
    assert list(compare(found, [test])["verdict"]) == [SUPPORTED]
    both = compare(found, [test, test])
    assert list(both["verdict"]) == [UNDECIDED] * 2 and set(both["p_holm"]) == {0.08}


def test_equivalence_is_said_and_is_no_verdict_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = write_tested(tmp_path, 0)
    monkeypatch.setattr("dsrl_lab.results.confirm.redrawn", lambda *_, **__: np.linspace(-0.002, 0.002, 1001))
    monkeypatch.setattr("dsrl_lab.results.inference.equivalence", lambda values: 0.01)
    (line,) = compare(found, [("depthwise", "normalised", None)]).itertuples()
    assert (line.verdict, line.reason) == (UNDECIDED, "no difference as large as 0.5 points")


def test_without_pictures_seeds_alone_decide(committed: Path) -> None:
    assert len(redrawn(pictures(runs(committed)), "dsrl", "baseline")) == 0
    (line,) = compare(runs(committed), [("dsrl", "baseline", 2.7)], split="val").itertuples()
    assert line.verdict == SUPPORTED and line.mean == pytest.approx(3.08)
    assert (line.low, line.high) == (line.t_low, line.t_high)
