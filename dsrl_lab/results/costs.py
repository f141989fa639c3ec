"""Cost against input size, by counts; dotted: a counter that overlooks transposed convolutions, as DSRL's own did."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator

from dsrl_lab.plots.theme import axes_or_current, new_figure
from dsrl_lab.rows import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILLION

COLORS = (BLUE, ORANGE, GREEN, VERMILLION, PURPLE, SKY, GREY)
MARKERS = "osD^vP*"
Counted = Any  # a row of tools.bench.cost: name ("+" before an SSSR head), input_size, macs, activation_bytes, ...
Value = Callable[[Counted], float]
QUANTITIES: dict[str, tuple[str, Value, Value | None]] = {  # label, value, value without transposed convolutions
    "macs": ("multiply-adds (G)", lambda row: row.macs / 1e9, lambda row: row.macs_without_transposed / 1e9),
    "activations": ("activations of one image (MB)", lambda row: row.activation_bytes / 1e6, None),
}


def cost_curves(rows: Sequence[Counted], quantity: str = "macs", *, ax: Axes | None = None) -> Axes:
    """Draw one of ``QUANTITIES``, a line a network, heads in their host's colour; ValueError for another or no rows."""
    if quantity not in QUANTITIES:
        raise ValueError(f"unknown quantity {quantity!r}; choose one of {', '.join(QUANTITIES)}")
    if not rows:
        raise ValueError("expected counts to draw, got none; count with bench.cost.sweep")
    ax = axes_or_current(ax)
    label, value, overlooking = QUANTITIES[quantity]
    networks: dict[str, list[Counted]] = {}
    for row in sorted(rows, key=_pixels):
        networks.setdefault(row.name, []).append(row)
    hosts = list(dict.fromkeys(row.name.partition("+")[0] for row in rows))
    for name in dict.fromkeys(row.name for row in rows):
        points, host = networks[name], hosts.index(name.partition("+")[0])
        color, marker = COLORS[host % len(COLORS)], MARKERS[host % len(MARKERS)]
        pixels = [_pixels(row) for row in points]
        ax.plot(
            pixels,
            [value(row) for row in points],
            color=color,
            marker=marker,
            linestyle="--" if "+" in name else "-",
            markerfacecolor="white" if "+" in name else color,
            label=name,
        )
        if overlooking is not None and any(row.macs != row.macs_without_transposed for row in points):
            ax.plot(pixels, [overlooking(row) for row in points], color=color, linestyle=":", linewidth=1.2)
    sizes = sorted({row.input_size for row in rows}, key=lambda size: size[0] * size[1])
    ax.set(xscale="log", yscale="log", ylabel=label, xlabel="input (pixels; logarithmic, as the other axis)")
    ax.xaxis.set_major_locator(FixedLocator([height * width for height, width in sizes]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xticks([height * width for height, width in sizes], [f"{height}×{width}" for height, width in sizes])
    return ax


def cost_figure(rows: Sequence[Counted]) -> Figure:
    """All quantities side by side, with one legend; ValueError without rows."""
    networks = len({row.name for row in rows})
    figure = new_figure(11.5, max(4.2, 1.2 + 0.24 * networks))
    axes = figure.subplots(1, len(QUANTITIES))
    for ax, quantity in zip(axes, QUANTITIES, strict=True):
        cost_curves(rows, quantity, ax=ax)
    figure.suptitle("Cost against input size", x=0.01, ha="left")
    handles, labels = axes[0].get_legend_handles_labels()
    if any(row.macs != row.macs_without_transposed for row in rows):
        handles.append(Line2D([], [], color=GREY, linestyle=":", linewidth=1.2))
        labels.append("transposed convolutions\noverlooked")
    figure.legend(handles, labels, loc="outside right center")
    return figure


def _pixels(row: Counted) -> int:
    return row.input_size[0] * row.input_size[1]
