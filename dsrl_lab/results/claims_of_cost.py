"""The paper's claims about cost, by true MACs; the baseline at a cost lies between two of its sizes (``sweeps``)."""

import functools
from collections.abc import Iterator
from dataclasses import replace

import pandas as pd

from dsrl_lab.complexity import complexity
from dsrl_lab.dsrl import DSRL
from dsrl_lab.models.segmentation.espnetv2 import ESPNetv2
from dsrl_lab.results import paper_numbers as paper
from dsrl_lab.results.findings import POINTS, Finding, count_is, files_of, judge_gain, of_seeds, smallest
from dsrl_lab.results.frames import setting_title, spelled
from dsrl_lab.results.inference import CONTRADICTED, SUPPORTED, estimate
from dsrl_lab.results.paper_numbers import Mark, Number
from dsrl_lab.results.shapes import meta_device
from dsrl_lab.results.sweeps import gains_at_cost, sweep
from dsrl_lab.rows import ROWS

BILINEAR = "logits enlarged bilinearly"
SIMILAR_COST = 0.10  # what "similar FLOPs" may differ by, where nothing stricter can be read off
COSTLESS = 1.0  # per cent that "no extra cost" may cost
SAME_COST, CHEAPER = paper.CLAIMS[:2]
SHRINKING = "Figure 1: the gain grows as the input shrinks"
NO_COST_OF_HEAD, NO_COST_OF_BRANCH = "no extra cost: SSSR head", "no extra cost: SISR and FA"
STATED = Number(value=0, mark=Mark.AUTHORS, unit="% more", note="the repository states one FLOPs figure for both")
REMOVED = Number(value=0, mark=Mark.PAPER, unit="% more", note="SISR and FA are removed at inference")
WHOLE = tuple(row.name for row in ROWS.values() if row.paper_row == "dsrl")
HEADS = {
    "sub_pixel": "sub-pixel head",
    "deconvolution": "the authors' head",
    "depthwise": "a deconvolution per class map",
}


def same_cost(runs: pd.DataFrame) -> list[Finding]:
    """At equal true MACs where the baseline has sizes on both sides, else at the same input if costs are similar."""
    found, swept = [], sweep(runs)
    equal = gains_at_cost(swept)
    for point, baseline in _points(swept):
        first = point.iloc[0]
        lines, partners = _same(equal, first), baseline
        how = f"baseline at equal true MACs ({first['cost']:.0f} M), between its sizes"
        if lines.empty:
            near = (first["cost"] / baseline["cost"] - 1).abs() <= SIMILAR_COST
            partners = baseline[near & (baseline["input_height"] == first["input_height"])]
            lines = point.merge(partners[["seed", "value", "cost"]], on="seed", suffixes=("", "_before"))
            lines["value"] -= lines["value_before"]
            more = 100 * (lines["cost"] / lines["cost_before"] - 1).max()
            how = f"same input, {more:+.0f} % true MACs"
        none = f"no baselines on both sides of {first['cost']:.0f} M true MACs (it would need a larger input)"
        finding = _of_point(SAME_COST, point, lines, partners, how, none)
        found.append(judge_gain(finding, SAME_COST.number.value))
    return found


def cheaper(runs: pd.DataFrame) -> list[Finding]:
    """DSRL against the baseline that may cost 1 / 0.7 as much: is its mIoU at most half a point lower?"""
    share, found, swept = (CHEAPER.number.value or 0.0) / 100, [], sweep(runs)
    of_cost = gains_at_cost(swept, 1 / share)
    for point, baseline in _points(swept):
        how = f"DSRL less the baseline at {100 / share:.0f} % of its true MACs"
        none = f"no baselines on both sides of {point['cost'].iloc[0] / share:.0f} M true MACs"
        finding = _of_point(CHEAPER, point, _same(of_cost, point.iloc[0]), baseline, how, none)
        found.append(judge_gain(finding, 0.0))
    return found


def _points(swept: pd.DataFrame) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    for _, family in swept.groupby("family"):
        for row in WHOLE:
            for _, point in family[family["row"] == row].groupby("cost"):
                yield point, family[family["row"] == "baseline"]


def _same(table: pd.DataFrame, first: pd.Series) -> pd.DataFrame:
    return table[(table["setting"] == first["setting"]) & (table["row"] == first["row"])]


def _of_point(
    claim: paper.Claim, point: pd.DataFrame, lines: pd.DataFrame, partners: pd.DataFrame, how: str, none: str
) -> Finding:
    row, where = str(point["row"].iloc[0]), f"{setting_title(point)}; {point['label'].iloc[0]}"
    finding = Finding(claim=claim.name, paper={"": claim.number}, where=where, protocol=BILINEAR, unit=POINTS)
    if lines.empty:
        return replace(finding, row=row, over="baseline", setting=point["setting"].iloc[0], reason=none)
    runs = pd.concat([point, partners])
    return replace(finding, protocol=f"{BILINEAR}; {how}", **of_seeds(lines, runs, row, "baseline"))


def shrinking_numbers() -> dict[str, Number]:
    """How much more Figure 1 gains at its smallest input than at its largest, for each host."""
    numbers = {}
    for host in paper.HOSTS:
        gains = [point.gain.value or 0.0 for point in paper.FIGURE_1 if point.host == host]
        numbers[host] = Number(value=round(gains[0] - gains[-1], 2), mark=Mark.PAPER, unit=POINTS)
    return numbers


def shrinking(runs: pd.DataFrame) -> list[Finding]:
    """Gain at a family's smallest input less that at its largest."""
    found, numbers, keys = [], shrinking_numbers(), ["input_height", "input_width", "seed"]
    for _, family in sweep(runs).groupby("family"):
        baseline = family.loc[family["row"] == "baseline", [*keys, "value"]]
        for row in WHOLE:
            both = family[family["row"] == row].merge(baseline, on=keys, suffixes=("", "_before"))
            sizes = sorted(set(both["input_height"]))
            if len(sizes) < 2:
                continue
            small, large = sizes[0], sizes[-1]
            both["gain"] = 100 * (both["value"] - both["value_before"])
            gained, first = both.pivot(index="seed", columns="input_height", values="gain"), both.iloc[0]
            gained = (gained[small] - gained[large]).dropna()
            used = family[family["input_height"].isin((small, large))]
            finding = Finding(
                claim=SHRINKING,
                paper=numbers,
                row=row,
                over="baseline",
                setting=str(first["setting"]),
                where=f"{spelled(first['dataset'])}, {first['label']}: gain at {small:.0f} rows less at {large:.0f}",
                protocol=BILINEAR,
                ours=estimate(gained) if len(gained) else None,
                unit=POINTS,
                records=files_of(used, (row, "baseline"), gained.index),
            )
            found.append(judge_gain(finding, smallest(numbers)))
    return found


@functools.cache
def counted_costs() -> dict[str, float]:
    """MACs of ESPNetv2 (width 2.0, 20 outputs) at 256x512 as our counter counts them, in millions."""
    with meta_device():
        network = DSRL(ESPNetv2(20, width=2.0), sisr=False, affinity=False).task_model
    host = getattr(network, "host")  # noqa: B009 (a SuperResolved; its type says only DensePredictor)
    plain, whole = (complexity(part, input_size=(256, 512)).macs / 1e6 for part in (host, network))
    return {"plain host": plain, "SSSR head": whole - plain, "with the SSSR head": whole}


def count_costs(counted: dict[str, float]) -> list[Finding]:
    """``counted_costs`` beside what was measured on public code."""
    numbers = (paper.COSTS[0].convolutions, paper.COSTS[0].deconvolutions, paper.COSTS[0].total)
    parts = zip(counted.items(), numbers, strict=True)
    return [count_is(f"M MACs of ESPNetv2 at 256×512, {part}", number, ours) for (part, ours), number in parts]


def no_extra_cost(runs: pd.DataFrame) -> list[Finding]:
    """Of the head: the deployed network over the baseline, also without runs; of SISR and FA: what is left of them."""
    counted = counted_costs()
    where = "ESPNetv2 of width 2.0 with the released head, 256×512"
    reason = "the deconvolutions, which the released counter leaves out, are counted"
    more = 100 * counted["SSSR head"] / counted["plain host"]
    found = [_no_cost(Finding(claim=NO_COST_OF_HEAD, paper={"": STATED}, where=where, reason=reason), more)]
    for setting, of_setting in runs.groupby("setting"):
        there = of_setting.groupby("row", observed=True).first()
        for head, words in HEADS.items():
            same = [row for row in ROWS.values() if row.network.get("sssr") == head]
            alone = next((row.name for row in same if row.paper_row == "sssr"), "")
            whole = next((row.name for row in same if row.paper_row == "dsrl" and row.name in there.index), "")
            deployed = alone if alone in there.index else whole  # SISR and FA left behind, the two are one network
            pairs = [(deployed, "baseline", NO_COST_OF_HEAD, STATED), (whole, alone, NO_COST_OF_BRANCH, REMOVED)]
            for row, over, claim, number in pairs:
                if row not in there.index or over not in there.index:
                    continue
                after, before = there.at[row, "macs"], there.at[over, "macs"]
                finding = Finding(
                    claim=claim,
                    paper={"": number},
                    row=row,
                    over=over,
                    setting=str(setting),
                    where=f"{setting_title(of_setting)}; {words}",
                    reason=f"{after / 1e6:.1f} M against {before / 1e6:.1f} M",
                    records=tuple(there.at[name, "record"].name for name in (row, over)),
                )
                found.append(_no_cost(finding, 100 * (after / before - 1)))
    return sorted(found, key=lambda finding: finding.claim != NO_COST_OF_HEAD)


def _no_cost(finding: Finding, more: float) -> Finding:
    how = "true MACs of the deployed network, transposed convolutions included"
    verdict = SUPPORTED if more <= COSTLESS else CONTRADICTED
    return replace(finding, ours=estimate([more]), unit="% more", counted=True, verdict=verdict, protocol=how)
