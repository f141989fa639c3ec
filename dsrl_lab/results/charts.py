"""Frames as charts: Axes in, Axes out; intervals are ``t_interval``'s, and gains are paired by seed, which is surer."""

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from dsrl_lab.language import translate
from dsrl_lab.plots.theme import axes_or_current, faded, style_of
from dsrl_lab.results.frames import gains, summary, wrapped
from dsrl_lab.results.inference import SMALLEST, t_interval
from dsrl_lab.results.sweeps import CLOSE
from dsrl_lab.rows import GREY

TERMS: dict[str, tuple[str, float]] = {  # of frames.curves: label of the axis, factor
    "loss": ("objective", 1),
    "task": ("cross-entropy", 1),
    "sisr": ("SISR: mean squared error", 1),
    "affinity": ("feature affinity", 1),
    "learning_rate": ("learning rate", 1),
    "images_per_second": ("images / s", 1),
    "miou": ("validation mIoU (%)", 100),
}
LOGARITHMIC = ("loss", "task", "sisr", "affinity")  # they fall fast, then slowly


def score_bars(values: pd.DataFrame, *, xlabel: str = "mIoU (%)", ax: Axes | None = None) -> Axes:
    """Draw a bar from zero for each row, with its seeds as dots and its 95 % interval."""
    import seaborn as sns

    ax, (data, rows, labels) = axes_or_current(ax), _places(values)
    styles = [style_of(row) for row in rows]
    sns.barplot(
        data, x="percent", y="label", hue="row", order=labels, hue_order=rows, width=0.62, dodge=False, legend=False,
        palette=[faded(style.color) for style in styles], saturation=1, errorbar=t_interval, capsize=0.2,
        err_kws={"color": "#444B57", "linewidth": 1.4}, ax=ax,
    )  # fmt: skip
    for bars, style in zip(ax.containers, styles, strict=True):
        for bar in bars:
            bar.set(hatch=style.hatch, edgecolor=style.color)
    _dots(data, "label", ax, rows, labels)
    for place, label in enumerate(labels):
        seeds = data.loc[data["label"] == label, "percent"]
        right = max([*seeds, *(edge for edge in t_interval(seeds) if edge == edge)])
        ax.annotate(
            f"{seeds.mean():.1f}", (right, place), (6, 0), textcoords="offset points", va="center", weight="bold"
        )
    ax.set(xlabel=xlabel, xlim=(0, None))
    ax.margins(x=0.16)
    return _named(ax, labels)


def gain_points(
    values: pd.DataFrame,
    *,
    y: str = "label",
    places: Sequence[str] | None = None,
    xlabel: str = "gain over the baseline (points of mIoU)",
    ax: Axes | None = None,
) -> Axes:
    """Draw differences by ``places`` of column ``y`` ("label", "adds", "class"): mean, interval, seeds as pale dots."""
    import seaborn as sns

    ax, (data, rows, labels) = axes_or_current(ax), _places(values.dropna(subset="value"), y)
    labels, styles = labels if places is None else list(places), [style_of(row) for row in rows]
    ax.axvline(0, color=GREY, linewidth=1)
    _dots(data, y, ax, rows, labels)
    sns.pointplot(
        data, x="percent", y=y, hue="row", order=labels, hue_order=rows, palette=[style.color for style in styles],
        markers=[style.marker for style in styles], linestyles="none", markersize=7, errorbar=t_interval, capsize=0.2,
        err_kws={"linewidth": 1.8}, dodge=False, legend=False, ax=ax,
    )  # fmt: skip
    for line in list(ax.lines):  # seaborn draws an empty line at every place that a row does not have
        if np.isnan(np.asarray(line.get_xdata(), dtype=float)).all():
            line.remove()
    ax.set_xlabel(xlabel)
    ax.margins(x=0.12)
    return _named(ax, labels)


def tested_points(tests: pd.DataFrame, values: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw ``Family.decide``'s tests as ``gain_points``; a broad bar is the interval that decides, the band ± 0.5."""
    of_tests = [
        gains(values[values["row"].isin((one.row, one.over))], one.over).assign(adds=translate(one.text))
        for one in tests.itertuples()
    ]
    ax = axes_or_current(ax)
    ax.axvspan(-SMALLEST, SMALLEST, color=GREY, alpha=0.13, linewidth=0)
    gain_points(pd.concat(of_tests), y="adds", xlabel="difference (points of mIoU, paired by seed)", ax=ax)
    for place, one in enumerate(tests.itertuples()):
        ax.barh(place, one.high - one.low, 0.2, one.low, color=style_of(one.row).color, alpha=0.35, zorder=1)
        says = f"{one.mean:+.2f} ({one.low:+.2f}, {one.high:+.2f})\n{translate(one.verdict)}"
        ax.annotate(says, (1.01, place), xycoords=("axes fraction", "data"), va="center")
    return ax


def class_heatmap(values: pd.DataFrame, *, thin: Sequence[str] = (), ax: Axes | None = None) -> Axes:
    """Draw mean gains as a map of classes by rows, in points of IoU; bold where the interval is clear of zero."""
    import seaborn as sns

    ax = axes_or_current(ax)
    table = summary(values, ("label", "class"), scale=100)
    order = list(dict.fromkeys(values["class"]))
    maps = table.pivot(index="label", columns="class")
    mean, low, high = (maps[name][order] for name in ("mean", "low", "high"))
    mean.index, mean.columns = wrapped(mean.index), [f"{name} *" if name in thin else name for name in order]
    with warnings.catch_warnings():  # seaborn 0.13 sets a colour in a way that matplotlib 3.11 deprecates
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        sns.heatmap(
            mean, cmap="PuOr", center=0, annot=True, fmt="+.1f", annot_kws={"fontsize": 8}, linewidths=0.5, ax=ax,
            cbar_kws={"label": "gain (points of IoU)"},
        )  # fmt: skip
    for text, clear in zip(ax.texts, ((low > 0) | (high < 0)).to_numpy().ravel(), strict=True):
        text.set_fontweight("bold" if clear else "normal")
    ax.set(xlabel="", ylabel="")
    ax.tick_params(length=0)
    return ax


def number_columns(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Write a table's columns beside bars of the same rows."""
    ax = axes_or_current(ax)
    ax.set(xlim=(-0.5, len(table.columns) - 0.5), ylim=(len(table) - 0.45, -0.55), yticks=[], xticks=[])
    ax.spines[:].set_visible(False)
    ax.grid(False)
    for x, name in enumerate(table.columns):
        ax.text(x, -0.62, wrapped([name], 14)[0], ha="center", va="bottom", fontsize=8, color=GREY)
        for place, cell in enumerate(table[name]):
            ax.text(x, place, cell or "–", ha="center", va="center")
    return ax


def training_curves(curves: pd.DataFrame, term: str = "task", *, legend: bool = True, ax: Axes | None = None) -> Axes:
    """Draw one of ``TERMS``: each row's seeds as thin lines, their mean as a thick one; ValueError for another term."""
    import seaborn as sns

    if term not in TERMS:
        raise ValueError(f"unknown term {term!r}; choose one of {', '.join(TERMS)}")
    ax, (name, factor) = axes_or_current(ax), TERMS[term]
    drawn = curves[curves["term"] == term].assign(value=lambda lines: factor * lines["value"])
    for (row, label), lines in drawn.groupby(["row", "label"], observed=True):
        style, what = style_of(str(row)), {"x": "iteration", "y": "value", "color": style_of(str(row)).color, "ax": ax}
        if lines["seed"].nunique() > 1:
            sns.lineplot(lines, units="seed", estimator=None, linewidth=0.7, alpha=0.45, legend=False, **what)
        marker = style.marker if lines["iteration"].nunique() <= 12 else ""
        sns.lineplot(lines, errorbar=None, linestyle=style.line, marker=marker, label=label, legend=False, **what)
    ax.set(xlabel="iteration", ylabel=name, xlim=(0, None))
    if term in LOGARITHMIC and ax.lines:
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 4, 6, 8)))
        ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        ax.yaxis.set_minor_locator(NullLocator())
    if legend and ax.get_legend_handles_labels()[0]:
        ax.legend()
    return ax


def cost_curves(swept: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw accuracy against true MACs, a line a row over its input sizes, as Figure 1; ValueError without runs."""
    import seaborn as sns

    if swept.empty:
        raise ValueError("expected finished runs to draw, got none; train them or name other rows")
    ax, data = axes_or_current(ax), swept.assign(percent=100 * swept["value"])
    for row, lines in data.groupby("row", observed=True):
        style = style_of(str(row))
        sns.lineplot(
            lines, x="cost", y="percent", errorbar=t_interval, err_style="bars", err_kws={"capsize": 4}, legend=False,
            color=style.color, linestyle=style.line, marker=style.marker, label=lines["label"].iloc[0], ax=ax,
        )  # fmt: skip
        ax.plot(lines["cost"], lines["percent"], ".", color=style.color, alpha=0.5, markersize=4)
    first = data[data["row"] == data["row"].min()].drop_duplicates("cost")  # the other rows lie near its points
    for point in first.itertuples():
        name, top = f"{point.input_height:.0f}×{point.input_width:.0f}", ("data", "axes fraction")
        ax.annotate(name, (point.cost, 1), (0, 3), top, "offset points", ha="center", fontsize=8, color=GREY)
    ax.set_xscale("log")
    ax.set_xticks(list(first["cost"]), [f"{cost:.0f}" for cost in first["cost"]])
    ax.set_xticks([], minor=True)
    ax.set(xlabel="true MACs of the deployed network (M, logarithmic)", ylabel="mIoU (%)")
    ax.margins(x=0.08, y=0.1)
    return ax


def cost_points(swept: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw accuracy by true MACs, one point with its interval a row; rows of one cost share a column."""
    ax, found = axes_or_current(ax), summary(swept, ("row", "label", "cost"), scale=100)
    found = found.sort_values("cost", kind="stable")
    columns = found.groupby((found["cost"] / found["cost"].shift() > 1 + CLOSE).cumsum())
    for place, column in columns:
        for number, point in enumerate(column.itertuples()):
            style, aside = style_of(point.row), 0.2 * (number - (len(column) - 1) / 2)
            ax.errorbar(
                place + aside, point.mean, yerr=point.estimate.margin, marker=style.marker, markersize=8,
                color=style.color, capsize=4, linestyle="", label=wrapped([point.label])[0],
            )  # fmt: skip
    costs = [" to ".join(dict.fromkeys(f"{c:.1f}" for c in (of.min(), of.max()))) for _, of in columns["cost"]]
    ax.set_xticks(range(len(costs)), costs)
    ax.set(xlabel="true MACs of the deployed network (M), a column a cost", ylabel="mIoU (%)")
    ax.margins(x=0.2)
    ax.grid(False, axis="x")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=2, fontsize=8)
    return ax


def _places(values: pd.DataFrame, y: str = "label") -> tuple[pd.DataFrame, list[str], list[str]]:
    ordered = values.sort_values(["row", "seed"], kind="stable") if y == "label" else values
    data = ordered.assign(percent=100 * ordered["value"], row=ordered["row"].astype(str))
    data[y] = data[y].astype(str)
    return data, list(dict.fromkeys(data["row"])), list(dict.fromkeys(data[y]))


def _dots(data: pd.DataFrame, y: str, ax: Axes, rows: list[str], labels: list[str]) -> None:
    import seaborn as sns

    sns.stripplot(
        data, x="percent", y=y, hue="row", order=labels, hue_order=rows, legend=False, jitter=False, dodge=False,
        palette=[style_of(row).color for row in rows], size=4.5, alpha=0.5, linewidth=0, ax=ax, zorder=2,
    )  # fmt: skip


def _named(ax: Axes, labels: list[str]) -> Axes:
    ax.set_yticks(range(len(labels)), wrapped(labels))
    ax.set(ylim=(len(labels) - 0.45, -0.55), ylabel="")
    ax.tick_params(axis="y", length=0)
    ax.grid(False, axis="y")
    ax.grid(True, axis="x")
    return ax
