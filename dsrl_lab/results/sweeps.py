"""Rows of an ablation across input sizes: accuracy against true MACs, and what the baseline reaches at another's cost.

Source: Figure 1 of the paper shows accuracy against the input's size; here the axis is what the deployed network truly
costs, transposed convolutions included, because a larger output can be bought with a larger input too. Between two of
its sizes the baseline's score is taken on the straight line over the logarithm of MACs, seed by seed; beyond them it is
not known and nothing is said.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from dsrl_lab.plots.theme import axes_or_current, style_of
from dsrl_lab.results.ablation import gain_marks, name_places
from dsrl_lab.results.records import MIOU, Estimate, Run, estimate, scores
from dsrl_lab.rows import GREY

CLOSE = 0.03  # costs that differ by less count as equal


@dataclass(frozen=True)
class Point:
    """One row at one input size.

    Attributes:
        input_size: (H, W) that the network receives.
        macs: of the deployed network, in millions.
        runs: finished, by seed.
    """

    input_size: tuple[int, int]
    macs: float
    runs: tuple[Run, ...]

    def by_seed(self, score: str = MIOU) -> dict[int, float]:
        """Seed to score."""
        return {run.seed: value for run in self.runs if (value := run.score(score)) is not None}


def families(runs: Sequence[Run]) -> dict[str, tuple[Run, ...]]:
    """Gather finished runs that differ in rows and input size alone: these can be laid on one axis.

    Returns:
        Data set, host, start and length in words, to the runs, in order of that name.

    Example:
        >>> families([])
        {}
    """
    found: dict[str, list[Run]] = {}
    for run in runs:
        if run.end is not None and "host" in run.first.get("network", {}):
            found.setdefault(_family(run), []).append(run)
    return {name: tuple(found[name]) for name in sorted(found)}


def _family(run: Run) -> str:
    network, train = run.first["network"], run.first["train"]
    options = ", ".join(f"{key} {value}" for key, value in network["host_options"].items())
    start = "released weights" if run.first.get("released") else "from scratch"
    weights = f", class weights frequency^-{train['class_balance']:g}" if train.get("class_balance") else ""
    return (
        f"{run.first['dataset']}, {network['host']}{f' ({options})' if options else ''}, {start}, "
        f"{train['iterations']} iterations of {train['batch_size']}{weights}"
    )


def curve_of(runs: Sequence[Run], row: str) -> list[Point]:
    """One row of a family over its input sizes, from the cheapest to the dearest.

    Example:
        >>> curve_of([], "baseline")
        []
    """
    groups: dict[tuple[tuple[int, int], float], list[Run]] = {}
    for run in runs:
        if run.row == row and run.end is not None:
            height, width = run.first["train"]["input_size"]
            groups.setdefault(((height, width), run.first["macs"] / 1e6), []).append(run)
    return [Point(size, macs, tuple(found)) for (size, macs), found in sorted(groups.items(), key=lambda g: g[0][1])]


def at_cost(points: Sequence[Point], macs: float, score: str = MIOU) -> dict[int, float]:
    """What each seed of a row would score at a cost between two of its sizes.

    Args:
        points: of ``curve_of``, cheapest first.
        macs: the cost, in millions.
        score: path of the score in a record's last line.

    Returns:
        Seed to score; empty where the cost lies outside the row's sizes.

    Example:
        >>> def run(row: str, size: int, macs: float, miou: float) -> Run:
        ...     first = {"macs": macs * 1e6, "train": {"input_size": (size, size)}}
        ...     return Run("demo_baseline", row, 0, (first, {"kind": "end", "logits": {"miou": miou}}), Path("x"))
        >>> from pathlib import Path
        >>> curve = curve_of([run("baseline", 90, 10, 0.4), run("baseline", 180, 40, 0.6)], "baseline")
        >>> at_cost(curve, 20)  # half-way in the logarithm
        {0: 0.5}
        >>> at_cost(curve, 80)
        {}
    """
    for point in points:
        if abs(point.macs / macs - 1) <= CLOSE:
            return point.by_seed(score)
    below = [point for point in points if point.macs < macs]
    above = [point for point in points if point.macs > macs]
    if not below or not above:
        return {}
    low, high = below[-1], above[0]
    share = math.log(macs / low.macs) / math.log(high.macs / low.macs)
    start, end = low.by_seed(score), high.by_seed(score)
    return {seed: (1 - share) * start[seed] + share * end[seed] for seed in start if seed in end}


def over_cost(point: Point, baseline: Sequence[Point], *, factor: float = 1.0, score: str = MIOU) -> Estimate | None:
    """How much more a row scores than the baseline does at ``factor`` times the row's cost, paired by seed.

    Args:
        point: of the row.
        baseline: of the same family, cheapest first.
        factor: 1 for equal cost; 1 / 0.7 where the row may cost 70 % of the baseline.
        score: path of the score in a record's last line.

    Returns:
        The differences; None where the baseline was not trained on both sides of that cost with a shared seed.
    """
    theirs, ours = at_cost(baseline, factor * point.macs, score), point.by_seed(score)
    differences = [ours[seed] - theirs[seed] for seed in ours if seed in theirs]
    return estimate(differences) if differences else None


def cost_curves(runs: Sequence[Run], rows: Sequence[str] = ("baseline", "dsrl"), *, ax: Axes | None = None) -> Axes:
    """Draw accuracy against true MACs over the input sizes: Figure 1 of the paper for one family of our runs.

    Args:
        runs: of one family.
        rows: which; those that have no run are left out.
        ax: where to; pyplot's current axes by default.

    Raises:
        ValueError: none of the rows has a finished run.
    """
    ax = axes_or_current(ax)
    drawn = {row: points for row in rows if (points := curve_of(runs, row))}
    if not drawn:
        raise ValueError(f"expected finished runs of {', '.join(rows)}, got none; train them or name other rows")
    first = next(iter(drawn.values()))  # the other rows' points lie near its own, at the same sizes
    for row, points in drawn.items():
        style, results = style_of(row), [scores(point.runs) for point in points]
        costs = [point.macs for point in points]
        means = [100 * result.mean for result in results if result is not None]
        margins = [100 * (result.margin or 0.0) for result in results if result is not None]
        ax.errorbar(
            costs,
            means,
            yerr=margins,
            color=style.color,
            linestyle=style.line,
            marker=style.marker,
            capsize=4,
            label=points[0].runs[0].label,
        )
        for point in points:
            ax.plot([point.macs] * len(point.runs), [100 * v for v in point.by_seed().values()], ".", color=style.color)
    for point in first:
        name, top = f"{point.input_size[0]}×{point.input_size[1]}", ("data", "axes fraction")
        ax.annotate(name, (point.macs, 1), (4, -4), top, "offset points", va="top", fontsize=8, color=GREY)
    ax.set_xscale("log")
    ax.set_xticks([point.macs for point in first], [f"{point.macs:.0f}" for point in first])
    ax.set_xticks([], minor=True)
    ax.margins(x=0.12, y=0.2)
    ax.set(xlabel="true MACs of the deployed network (M, logarithmic)", ylabel="mIoU (%)")
    ax.legend(loc="lower right", fontsize=7, borderaxespad=0.2)
    return ax


def gains_at_cost(runs: Sequence[Run], rows: Sequence[str], *, ax: Axes | None = None) -> Axes:
    """Draw what rows gain over the baseline's curve at their own true MACs, paired by seed: above or below that line?

    Args:
        runs: of one family.
        rows: which; sizes at whose cost the baseline was not trained on both sides are left out.
        ax: where to; pyplot's current axes by default.
    """
    ax, baseline = axes_or_current(ax), curve_of(runs, "baseline")
    ax.axvline(0, color=GREY, linewidth=1)
    names: list[str] = []
    for row in rows:
        for point in curve_of(runs, row):
            gain = over_cost(point, baseline)
            if gain is None:
                continue
            gain_marks(ax, len(names), gain, 100, style_of(row))
            label = f"{point.runs[0].label}; {point.input_size[0]}×{point.input_size[1]}"
            names.append(textwrap.fill(label, 36))
    name_places(ax, names)
    ax.set(xlabel="over the baseline at equal true MACs (points of mIoU)")
    return ax
