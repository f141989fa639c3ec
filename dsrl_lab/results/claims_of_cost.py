"""The paper's claims about cost: as much better at similar cost, as good at less, nothing extra at inference.

The paper counts FLOPs by a tool that leaves transposed convolutions out; here a cost is true MACs of the deployed
network. Where DSRL costs more than its baseline at the same input, it is compared with what the baseline reaches at
that cost with a larger input, on the line between two of the baseline's sizes (``sweeps``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dsrl_lab.results import paper_numbers as paper
from dsrl_lab.results.figures_paper import counted_costs
from dsrl_lab.results.figures_streets import setting_title
from dsrl_lab.results.paper_numbers import Mark, Number
from dsrl_lab.results.records import MIOU, Estimate, Run, estimate, paired_difference
from dsrl_lab.results.sweeps import Point, curve_of, families, over_cost
from dsrl_lab.results.verdicts import FAILS, HOLDS, OBSERVATION, UNTESTED, Finding, judge_gain

BILINEAR = "logits enlarged bilinearly"
SIMILAR_COST = 0.10  # what "similar FLOPs" may differ by, where nothing stricter can be read off
SAME_SCORE = 0.5  # points of mIoU that "the same mIoU" may fall short by
COSTLESS = 0.01  # what "no extra cost" may cost
# Rows with all three parts, and how their claims are marked; whether the paper stops FA's gradient is not known.
WHOLE = {
    "dsrl": "",
    "detached": " (FA's gradient stopped at SISR)",
    "paper": " (the paper's weights; added later, fresh seeds)",
    "deconvolution_dsrl": " (the authors' head)",
    "depthwise_dsrl": " (a deconvolution per class map)",
}
SAME_COST, CHEAPER = paper.CLAIMS[0], paper.CLAIMS[1]
SHRINKING = "Figure 1: the gain grows as the input shrinks"
AUTHORS = "the authors' head"
NO_COST_OF_HEAD, NO_COST_OF_BRANCH = "no extra cost: SSSR head", "no extra cost: SISR and FA"
STATED = Number(value=0, mark=Mark.AUTHORS, unit="% more", note="the repository states one FLOPs figure for both")
REMOVED = Number(value=0, mark=Mark.PAPER, unit="% more", note="SISR and FA are removed at inference")


def settings(runs: Sequence[Run]) -> Iterator[dict[str, list[Run]]]:
    """Row to runs, setting by setting."""
    for setting in sorted({run.setting for run in runs}):
        rows: dict[str, list[Run]] = {}
        for run in runs:
            if run.setting == setting:
                rows.setdefault(run.row, []).append(run)
        yield rows


def in_points(ours: Estimate | None) -> Estimate | None:
    """A share as points of per cent."""
    return None if ours is None else ours.scaled(100)


def smallest(numbers: dict[str, Number]) -> float:
    """The smallest of the paper's numbers."""
    return min(number.value for number in numbers.values() if number.value is not None)


def files(*groups: Sequence[Run]) -> tuple[str, ...]:
    """Records of runs as <folder>/<file>, each once; of several groups, those of seeds that all of them have."""
    shared = set.intersection(*({run.seed for run in group} for group in groups)) if groups else set()
    runs = [run for group in groups for run in group if run.seed in shared]
    return tuple(dict.fromkeys(f"{run.path.parent.name}/{run.path.name}" for run in runs))


def same_cost(runs: Sequence[Run]) -> Iterator[Finding]:
    """At equal true MACs where the baseline has sizes on both sides, else at the same input if costs are similar."""
    for family in families(runs).values():
        baseline = curve_of(family, "baseline")
        for row in WHOLE:
            for point in curve_of(family, row):
                yield _at_equal_cost(point, baseline)


def _at_equal_cost(point: Point, baseline: Sequence[Point]) -> Finding:
    ours, how, partners = _over_baseline(point, baseline)
    verdict, reason = judge_gain(ours, SAME_COST.number.value or 0.0, sized=True)
    return Finding(
        claim=SAME_COST.name + WHOLE[point.runs[0].row],
        paper={"": SAME_COST.number},
        setting=setting_title(point.runs[0]) + point.runs[0].weighed,
        protocol=f"{BILINEAR}; {how}" if partners else BILINEAR,
        ours=ours,
        unit="points of mIoU",
        verdict=verdict,
        reason=reason if partners else how,
        records=files(point.runs, *(p.runs for p in partners)),
    )


def _over_baseline(point: Point, baseline: Sequence[Point]) -> tuple[Estimate | None, str, list[Point]]:
    ours = over_cost(point, baseline)
    if ours is not None:
        return in_points(ours), f"baseline at equal true MACs ({point.macs:.0f} M), between its sizes", list(baseline)
    for partner in baseline:
        more = point.macs / partner.macs - 1
        if partner.input_size == point.input_size and abs(more) <= SIMILAR_COST:
            ours = paired_difference(point.runs, partner.runs)
            return in_points(ours), f"same input, {100 * more:+.0f} % true MACs", [partner]
    return None, f"no baselines on both sides of {point.macs:.0f} M true MACs (it would need a larger input)", []


def cheaper(runs: Sequence[Run]) -> Iterator[Finding]:
    """DSRL against the baseline that may cost 1 / 0.7 as much: is its mIoU at most half a point lower?"""
    share = (CHEAPER.number.value or 0.0) / 100
    for family in families(runs).values():
        baseline = curve_of(family, "baseline")
        for point in (point for row in WHOLE for point in curve_of(family, row)):
            ours = in_points(over_cost(point, baseline, factor=1 / share))
            shifted = None if ours is None else estimate([value + SAME_SCORE for value in ours.values])
            verdict, reason = UNTESTED, f"no baselines on both sides of {point.macs / share:.0f} M true MACs"
            if shifted is not None and shifted.interval is None:
                verdict, reason = UNTESTED, OBSERVATION
            elif shifted is not None and shifted.interval is not None:
                low, high = shifted.interval
                verdict = HOLDS if low > 0 else FAILS if high < 0 else UNTESTED
                side = {HOLDS: "lies above", FAILS: "lies below", UNTESTED: "holds"}[verdict]
                reason = f"the interval {side} -{SAME_SCORE:g}, what 'the same mIoU' may fall short by"
            yield Finding(
                claim=CHEAPER.name + WHOLE[point.runs[0].row],
                paper={"": CHEAPER.number},
                setting=setting_title(point.runs[0]) + point.runs[0].weighed,
                protocol=f"{BILINEAR}; DSRL less the baseline at {100 / share:.0f} % of its true MACs",
                ours=ours,
                unit="points of mIoU",
                verdict=verdict,
                reason=reason,
                records=files(point.runs, *(p.runs for p in baseline)) if ours is not None else (),
            )


def shrinking_numbers() -> dict[str, Number]:
    """How much more Figure 1 gains at its smallest input than at its largest, for each host."""
    numbers = {}
    for host in paper.HOSTS:
        gains = [point.gain.value or 0.0 for point in paper.FIGURE_1 if point.host == host]
        numbers[host] = Number(value=round(gains[0] - gains[-1], 2), mark=Mark.PAPER, unit="points of mIoU")
    return numbers


def shrinking(runs: Sequence[Run]) -> Iterator[Finding]:
    """Gain at a family's smallest input less that at its largest."""
    for family, row in ((family, row) for family in families(runs).values() for row in WHOLE):
        baseline = {point.input_size: point for point in curve_of(family, "baseline")}
        points = [point for point in curve_of(family, row) if point.input_size in baseline]
        if len(points) < 2:
            continue
        ends = (points[0], points[-1])
        gains = []
        for point in ends:
            start, end = baseline[point.input_size].by_seed(MIOU), point.by_seed(MIOU)
            gains.append({seed: 100 * (end[seed] - start[seed]) for seed in end if seed in start})
        shared = [gains[0][seed] - gains[1][seed] for seed in gains[0] if seed in gains[1]]
        ours = estimate(shared) if shared else None
        numbers = shrinking_numbers()
        verdict, reason = judge_gain(ours, smallest(numbers))
        sizes = " less that at ".join(f"{p.input_size[0]}×{p.input_size[1]}" for p in ends)
        yield Finding(
            claim=SHRINKING + WHOLE[row],
            paper=numbers,
            setting=f"{setting_title(points[0].runs[0]).split(',')[0]}: gain at {sizes}",
            protocol=BILINEAR,
            ours=ours,
            unit="points of mIoU",
            verdict=verdict,
            reason=reason,
            records=files(*(p.runs for p in ends), *(baseline[p.input_size].runs for p in ends)),
        )


def released_head() -> Iterator[Finding]:
    """The authors' head at the paper's own input, counted there and then: no run is needed."""
    counted = counted_costs()
    yield _no_cost(
        NO_COST_OF_HEAD,
        STATED,
        100 * counted["SSSR head"] / counted["plain host"],
        setting="ESPNetv2 of width 2.0 with the released head, 256×512",
        of="the deconvolutions, which the released counter leaves out, are counted",
    )


def no_extra_cost(runs: Sequence[Run]) -> Iterator[Finding]:
    """Of the head: the deployed network over the baseline. Of SISR and FA: what is left of them in it."""
    heads = (
        ("sssr", ("dsrl", "detached", "paper"), "sub-pixel head"),
        ("deconvolution", ("deconvolution_dsrl",), AUTHORS),
        ("depthwise", ("depthwise_dsrl",), "a deconvolution per class map"),
    )
    for rows in settings(runs):
        for row, wholes, head in heads:
            whole = next((name for name in wholes if name in rows), wholes[0])
            deployed = row if row in rows else whole  # SISR and FA left behind, the two are one network
            pairs = [(deployed, "baseline", NO_COST_OF_HEAD, STATED), (whole, row, NO_COST_OF_BRANCH, REMOVED)]
            for after, before, claim, number in pairs:
                if after not in rows or before not in rows:
                    continue
                first, second = rows[after][0], rows[before][0]
                yield _no_cost(
                    claim,
                    number,
                    100 * (first.first["macs"] / second.first["macs"] - 1),
                    setting=f"{setting_title(first)}; {head}",
                    of=f"{first.first['macs'] / 1e6:.1f} M against {second.first['macs'] / 1e6:.1f} M",
                    records=files([first], [second]),
                )


def _no_cost(
    claim: str, number: Number, more: float, *, setting: str, of: str, records: tuple[str, ...] = ()
) -> Finding:
    holds = more <= 100 * COSTLESS
    return Finding(
        claim=claim,
        paper={"": number},
        setting=setting,
        protocol="true MACs of the deployed network, transposed convolutions included",
        ours=estimate([more]),
        unit="% more",
        verdict=HOLDS if holds else FAILS,
        reason=of,
        records=records,
    )
