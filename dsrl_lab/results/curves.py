"""Training curves from records: loss terms, learning rate and scores of several runs, seeds drawn thin, means thick."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from dsrl_lab.plots.theme import axes_or_current, style_of
from dsrl_lab.results.records import Run

# What can be drawn: name in the record -> (label of the axis, factor)
TERMS: dict[str, tuple[str, float]] = {
    "loss": ("objective", 1),
    "task": ("cross-entropy", 1),
    "sisr": ("SISR: mean squared error", 1),
    "affinity": ("feature affinity", 1),
    "learning_rate": ("learning rate", 1),
    "images_per_second": ("images / s", 1),
    "miou": ("validation mIoU (%)", 100),
}
LOGARITHMIC = ("loss", "task", "sisr", "affinity")  # they fall fast, then slowly


def curve(run: Run, term: str) -> list[tuple[int, float]]:
    """(iteration, value) of one term of one run; empty where the run does not have it.

    Raises:
        ValueError: no such term; the message lists those there are.
    """
    if term not in TERMS:
        raise ValueError(f"unknown term {term!r}; choose one of {', '.join(TERMS)}")
    network = run.first.get("network", {})
    if term in ("sisr", "affinity") and not network.get(term, True):
        return []
    scale = TERMS[term][1]
    values = (
        (line["iteration"], line["metrics"].get("miou") if term == "miou" else line[term]) for line in run.training
    )
    return [(iteration, scale * value) for iteration, value in values if value is not None]


def training_curves(runs: Sequence[Run], term: str = "task", *, legend: bool = True, ax: Axes | None = None) -> Axes:
    """Draw one term over the iterations: each row's seeds as thin lines, their mean as a thick one.

    Args:
        runs: of any rows and seeds; a row that does not have the term is left out.
        term: a name in ``TERMS``.
        legend: name the rows.
        ax: where to; pyplot's current axes by default.

    Raises:
        ValueError: no such term.
    """
    ax = axes_or_current(ax)
    rows: dict[str, list[Run]] = {}
    for run in runs:
        rows.setdefault(run.row, []).append(run)
    for row, seeds in rows.items():
        curves = [points for run in seeds if (points := curve(run, term))]
        if not curves:
            continue
        style = style_of(row)
        if len(curves) > 1:
            for points in curves:
                dot = "." if len(points) == 1 else ""
                ax.plot(*zip(*points, strict=True), marker=dot, color=style.color, linewidth=0.7, alpha=0.45)
        mean = _mean_curve(curves)
        marker = style.marker if len(mean) <= 12 else ""
        ax.plot(*zip(*mean, strict=True), color=style.color, linestyle=style.line, marker=marker, label=seeds[0].label)
    ax.set(xlabel="iteration", ylabel=TERMS[term][0], xlim=(0, None))
    if term in LOGARITHMIC and ax.lines:
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 4, 6, 8)))
        ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        ax.yaxis.set_minor_locator(NullLocator())
    if legend and ax.get_legend_handles_labels()[0]:
        ax.legend()
    return ax


def _mean_curve(curves: list[list[tuple[int, float]]]) -> list[tuple[int, float]]:
    """The mean at the iterations that all curves have."""
    tables = [dict(points) for points in curves]
    shared = sorted(set.intersection(*(set(table) for table in tables)))
    return [(iteration, statistics.fmean(table[iteration] for table in tables)) for iteration in shared]
