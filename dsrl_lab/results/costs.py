"""Cost against input size, by counts; dotted: a counter that overlooks transposed convolutions, as DSRL's own did."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dsrl_lab.plots.theme import new_figure
from dsrl_lab.rows import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILLION

STYLES = tuple(zip((BLUE, ORANGE, GREEN, VERMILLION, PURPLE, SKY, GREY), "osD^vP*", strict=True))
QUANTITIES = {"macs": ("multiply-adds (G)", 1e9), "activation_bytes": ("activations of one image (MB)", 1e6)}


def cost_figure(rows: Sequence[Any]) -> Figure:
    """MACs and activations of rows of ``tools.bench.cost.sweep``, heads in their host's colour; ValueError for none."""
    if not rows:
        raise ValueError("expected counts to draw, got none; count with bench.cost.sweep")
    table = pd.DataFrame([vars(row) for row in rows])
    table["pixels"] = [height * width for height, width in table["input_size"]]
    hosts = list(dict.fromkeys(name.partition("+")[0] for name in table["name"]))
    figure = new_figure(11.5, max(4.2, 1.2 + 0.24 * table["name"].nunique()))
    for ax, (quantity, (label, unit)) in zip(figure.subplots(1, 2), QUANTITIES.items(), strict=True):
        for name, points in table.sort_values("pixels", kind="stable").groupby("name", sort=False):
            host, _, head = str(name).partition("+")
            color, marker = STYLES[hosts.index(host) % len(STYLES)]
            look = {"linestyle": "--", "markerfacecolor": "white"} if head else {}
            ax.plot(points["pixels"], points[quantity] / unit, color=color, marker=marker, label=name, **look)
            if quantity == "macs" and (points["macs"] != points["macs_without_transposed"]).any():
                ax.plot(points["pixels"], points["macs_without_transposed"] / unit, ":", color=color, linewidth=1.2)
        ax.set(xscale="log", yscale="log", ylabel=label, xlabel="input (pixels; logarithmic, as the other axis)")
        sizes = dict(sorted(zip(table["pixels"], table["input_size"], strict=True)))
        ax.set_xticks(list(sizes), [f"{height}×{width}" for height, width in sizes.values()])
        ax.set_xticks([], minor=True)
    figure.suptitle("Cost against input size", x=0.01, ha="left")
    handles, labels = ax.get_legend_handles_labels()
    if (table["macs"] != table["macs_without_transposed"]).any():
        handles.append(Line2D([], [], color=GREY, linestyle=":", linewidth=1.2))
        labels.append("transposed convolutions\noverlooked")
    figure.legend(handles, labels, loc="outside right center")
    return figure
