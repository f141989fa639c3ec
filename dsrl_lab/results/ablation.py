"""The ablation as bars, gains, table, cost and sweep: means over seeds, each seed as a dot, 95 % t-intervals.

Bars start at zero. What a part gains is drawn beside them, paired by seed: two rows trained with the same seed saw the
same pictures in the same order, so their difference is surer than the difference of their means.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes

from dsrl_lab.plots.theme import axes_or_current, faded, style_of
from dsrl_lab.results.records import MIOU, Estimate, Run, paired_difference, scores
from dsrl_lab.rows import GREY, Style


@dataclass(frozen=True)
class AblationRow:
    """One row of an ablation: its finished runs, one per seed, and the baseline's beside them.

    Attributes:
        row: "baseline", "sssr", ...
        runs: finished, by seed.
        baseline: finished runs of the baseline; empty if there are none.
    """

    row: str
    runs: tuple[Run, ...]
    baseline: tuple[Run, ...] = ()

    @property
    def label(self) -> str:
        """As tables and figures show it."""
        return self.runs[0].label

    @property
    def macs(self) -> float:
        """Multiply-adds of the deployed network, in millions."""
        return float(self.runs[0].first["macs"]) / 1e6

    @property
    def parameters(self) -> float:
        """Parameters of the deployed network, in thousands."""
        return float(self.runs[0].first["parameters"]) / 1e3

    def score(self, name: str = MIOU) -> Estimate | None:
        """A final score over the seeds; None where this row has no such score (PSNR without SISR, say)."""
        return scores(self.runs, name)

    def gain(self, name: str = MIOU) -> Estimate | None:
        """The score over the baseline's, paired by seed; None for the baseline itself, or where no seed is shared."""
        return None if self.row == "baseline" else paired_difference(self.runs, self.baseline, name)


def ablation(runs: Sequence[Run]) -> list[AblationRow]:
    """Gather finished runs of one setting into rows, in the order of ``rows.ROWS``.

    Raises:
        ValueError: the runs are of several settings, or differ in what an ablation must keep equal.

    Example:
        >>> ablation([])
        []
    """
    finished = [run for run in runs if run.end is not None]
    settings = sorted({run.setting for run in finished})
    if len(settings) > 1:
        raise ValueError(f"expected runs of one setting, got {', '.join(settings)}; draw one ablation for each")
    for run in finished[1:]:
        mine, others = _kept_equal(run), _kept_equal(finished[0])
        if mine != others:
            what = ", ".join(f"{key} {mine[key]} against {others[key]}" for key in mine if mine[key] != others[key])
            raise ValueError(
                f"{run.path} and {finished[0].path} are no ablation: {what}; "
                "rows may differ in their parts alone, so train them alike"
            )
    rows: dict[str, list[Run]] = {}
    for run in finished:
        rows.setdefault(run.row, []).append(run)
    baseline = tuple(rows.get("baseline", ()))
    return [AblationRow(row, tuple(seeds), baseline) for row, seeds in rows.items()]


def _kept_equal(run: Run) -> dict[str, Any]:
    train = run.first.get("train", {})
    kept = {key: train.get(key) for key in ("input_size", "iterations", "batch_size", "scale_range")}
    return kept | {"host": run.first.get("network", {}).get("host"), "pictures": run.first.get("pictures")}


def ablation_bars(
    rows: Sequence[AblationRow],
    *,
    score: str = MIOU,
    scale: float = 100.0,
    xlabel: str = "mIoU (%)",
    ax: Axes | None = None,
) -> Axes:
    """Draw a bar from zero for each row, top to bottom, with its seeds as dots and its 95 % interval.

    Args:
        rows: of ``ablation``; a row without the score keeps its place empty.
        score: path of the score in a record's last line.
        scale: factor from the record to the axis.
        xlabel: what the axis shows.
        ax: where to; pyplot's current axes by default.
    """
    ax = axes_or_current(ax)
    for place, row in enumerate(rows):
        result = row.score(score)
        if result is None:
            continue
        style = style_of(row.row)
        ax.barh(place, scale * result.mean, 0.62, color=faded(style.color), hatch=style.hatch, edgecolor=style.color)
        dots_and_interval(ax, place, result, scale, style.color, style.marker)
        right = max([scale * v for v in result.values] + [scale * (result.mean + (result.margin or 0))])
        ax.annotate(
            f"{scale * result.mean:.1f}", (right, place), (5, 0), textcoords="offset points", va="center", weight="bold"
        )
    _rows_on_axis(ax, rows)
    ax.set(xlabel=xlabel, xlim=(0, None))
    ax.margins(x=0.16)
    return ax


def gain_bars(
    rows: Sequence[AblationRow],
    *,
    score: str = MIOU,
    scale: float = 100.0,
    xlabel: str = "gain over the baseline (points of mIoU)",
    ax: Axes | None = None,
) -> Axes:
    """Draw what each row gains over the baseline, paired by seed, with its seeds as dots and its 95 % interval.

    Args:
        rows: of ``ablation``.
        score: path of the score in a record's last line.
        scale: factor from the record to the axis.
        xlabel: what the axis shows.
        ax: where to; pyplot's current axes by default.
    """
    ax = axes_or_current(ax)
    ax.axvline(0, color=GREY, linewidth=1)
    for place, row in enumerate(rows):
        result = row.gain(score)
        if result is not None:
            gain_marks(ax, place, result, scale, style_of(row.row))
    _rows_on_axis(ax, rows)
    ax.set_xlabel(xlabel)
    ax.margins(x=0.12)
    return ax


def dots_and_interval(ax: Axes, place: float, result: Estimate, scale: float, color: str, marker: str) -> None:
    """Draw an estimate in a row: its interval as whiskers, its seeds as dots side by side."""
    if result.margin is not None:
        ax.errorbar(
            scale * result.mean, place, xerr=scale * result.margin, color=color, capsize=4, elinewidth=1.6, zorder=3
        )
    count = len(result.values)
    for number, value in enumerate(result.values):  # seeds side by side, the first on top
        shift = 0.0 if count == 1 else 0.3 * (number / (count - 1) - 0.5)
        ax.plot(
            scale * value,
            place + shift,
            marker,
            color=color,
            markersize=5.5,
            markeredgecolor="white",
            markeredgewidth=0.7,
            zorder=4,
        )


def gain_marks(ax: Axes, place: float, gain: Estimate, scale: float, style: Style) -> None:
    """Draw a gain in a row: interval and seeds as ``dots_and_interval`` does, and a bar across its mean."""
    dots_and_interval(ax, place, gain, scale, style.color, style.marker)
    ax.plot(scale * gain.mean, place, marker="|", markersize=17, markeredgewidth=2.6, color=style.color)


def _rows_on_axis(ax: Axes, rows: Sequence[AblationRow]) -> None:
    name_places(ax, [textwrap.fill(row.label, 34) for row in rows])


def name_places(ax: Axes, names: Sequence[str]) -> None:
    """Name the places 0, 1, ... of a vertical axis, from top to bottom, without ticks and grid lines."""
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.45, -0.55)
    ax.tick_params(axis="y", length=0)
    ax.grid(False, axis="y")


def ablation_table(rows: Sequence[AblationRow], *, ax: Axes | None = None) -> Axes:
    """Write the ablation's numbers as columns that stand beside bars of the same rows.

    Columns: thin classes' mIoU; mIoU by the released protocol (label maps enlarged); true MACs and parameters of the
    deployed network; PSNR of the SISR branch. Means over the seeds. (What training takes is measured side by side by
    ``dsrl-lab bench train``; seconds of runs on a machine that did other work beside them say little.)
    """
    ax = axes_or_current(ax)
    columns = [
        "thin classes\nmIoU (%)",
        "label maps\nmIoU (%)",
        "true MACs\n(M)",
        "parameters\n(k)",
        "SISR\nPSNR (dB)",
        "seeds",
    ]
    _rows_on_axis(ax, rows)
    ax.set(xlim=(-0.5, len(columns) - 0.5), yticks=[], xticks=[])
    ax.spines[:].set_visible(False)
    ax.grid(False)
    for x, name in enumerate(columns):
        ax.text(x, -0.62, name, ha="center", va="bottom", fontsize=8, color=GREY)
    for place, row in enumerate(rows):
        cells = [
            _mean(row.score("logits.thin_miou"), 100),
            _mean(row.score("labels.miou"), 100),
            f"{row.macs:.1f}",
            f"{row.parameters:.1f}",
            _mean(row.score("super_resolution.psnr"), 1),
            str(len(row.runs)),
        ]
        for x, cell in enumerate(cells):
            ax.text(x, place, cell, ha="center", va="center")
    return ax


def _mean(result: Estimate | None, scale: float) -> str:
    return "–" if result is None else f"{scale * result.mean:.1f}"


def cost_plot(rows: Sequence[AblationRow], *, score: str = MIOU, scale: float = 100.0, ax: Axes | None = None) -> Axes:
    """Draw accuracy against true MACs of the deployed network, one labelled point with its interval per row.

    Args:
        rows: of ``ablation``.
        score: path of the score in a record's last line.
        scale: factor from the record to the axis.
        ax: where to; pyplot's current axes by default.
    """
    ax = axes_or_current(ax)
    widest = max((row.macs for row in rows), default=1.0)
    seen: dict[float, int] = {}
    for row in rows:
        result = row.score(score)
        if result is None:
            continue
        style = style_of(row.row)
        beside = seen[row.macs] = seen.get(row.macs, -1) + 1  # rows of one cost stand side by side
        margin = None if result.margin is None else scale * result.margin
        ax.errorbar(
            row.macs + 0.018 * widest * beside,
            scale * result.mean,
            yerr=margin,
            marker=style.marker,
            color=style.color,
            capsize=4,
            markersize=8,
            linestyle="",
            label=textwrap.fill(row.label, 30),
        )
    ax.set(
        xlabel="true MACs of the deployed network (M); equal ones stand side by side",
        ylabel="mIoU (%)",
        xlim=(0, 1.15 * widest),
    )
    ax.legend(loc="center left")  # nothing costs so little
    return ax


def sweep_plot(
    points: Sequence[tuple[float, Estimate]],
    *,
    label: str,
    row: str = "dsrl",
    scale: float = 100.0,
    xlabel: str = "",
    ylabel: str = "mIoU (%)",
    ax: Axes | None = None,
) -> Axes:
    """Draw a score against a knob, with intervals as a band and seeds as dots; call again for another line.

    Args:
        points: (value of the knob, estimate), in any order.
        label: of the line.
        row: whose style to draw in.
        scale: factor from the estimates to the axis.
        xlabel: what the knob is.
        ylabel: what the score is.
        ax: where to; pyplot's current axes by default.

    Raises:
        ValueError: no points.

    Example:
        >>> from dsrl_lab.results.records import estimate
        >>> from dsrl_lab.plots.theme import new_figure
        >>> points = [(0.1, estimate([0.50, 0.52])), (1.0, estimate([0.53, 0.54]))]
        >>> ax = sweep_plot(points, label="w2", xlabel="weight of FA", ax=new_figure(3, 2).add_subplot())
        >>> ax.get_ylabel()
        'mIoU (%)'
    """
    if not points:
        raise ValueError(f"expected points to draw for {label!r}, got none; are the sweep's runs finished?")
    ax = axes_or_current(ax)
    style, ordered = style_of(row), sorted(points, key=lambda point: point[0])
    xs = [x for x, _ in ordered]
    means = [scale * result.mean for _, result in ordered]
    margins = [scale * (result.margin or 0.0) for _, result in ordered]
    low = [mean - margin for mean, margin in zip(means, margins, strict=True)]
    high = [mean + margin for mean, margin in zip(means, margins, strict=True)]
    ax.fill_between(xs, low, high, color=style.color, alpha=0.15, linewidth=0)
    ax.plot(xs, means, color=style.color, linestyle=style.line, marker=style.marker, label=label)
    for x, result in ordered:
        ax.plot([x] * len(result.values), [scale * v for v in result.values], ".", color=style.color, alpha=0.6)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.legend()
    return ax
