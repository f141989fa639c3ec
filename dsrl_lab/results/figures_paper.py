"""Figures of the paper's own numbers, each with its mark, ours beside them; and of the network's parts.

Letters after a number: P the paper's, M measured on public code. Values that were read off a figure are drawn hollow,
with their error, and are never given as the paper's.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from matplotlib.axes import Axes

from dsrl_lab.complexity import complexity
from dsrl_lab.datasets.streets import Streets
from dsrl_lab.datasets.transforms import reduce_image
from dsrl_lab.dsrl import DSRL
from dsrl_lab.models.segmentation.espnetv2 import ESPNetv2
from dsrl_lab.plots.masks import to_picture
from dsrl_lab.plots.theme import faded, new_figure, style_of
from dsrl_lab.results import overview as drawing
from dsrl_lab.results import paper_numbers as paper
from dsrl_lab.results.ablation import ablation, cost_plot
from dsrl_lab.results.figures_streets import gain_comparisons, setting_title
from dsrl_lab.results.inputs import Drawing, Inputs, MissingInputError
from dsrl_lab.results.records import Estimate, Run, paired_difference
from dsrl_lab.results.shapes import meta_device, network_shapes, papers_network
from dsrl_lab.results.sweeps import Point, cost_curves, curve_of, families, gains_at_cost, over_cost
from dsrl_lab.results.verdicts import Comparison, compare_count, compare_direction
from dsrl_lab.rows import GREY, MAIN_ROWS, PURPLE, SKY

HOST_COLORS = {"ESPNetv2": "#0072B2", "DeepLabv3+": "#009E73"}
HOST_MARKERS = {"ESPNetv2": "o", "DeepLabv3+": "s"}
SWEPT_ROWS = ("baseline", "dsrl", "detached", "paper", "deconvolution", "deconvolution_dsrl", "depthwise_dsrl")
OUR_COLORS, OUR_MARKERS = (PURPLE, SKY, GREY), ("D", "^", "v")
# Which of our rows stand for Table 1's, where those of its names were trained with other weights than the paper's.
LADDERS = {"camvid_espnetv2_90x120": {"sssr": "depthwise", "sisr": "depthwise_sisr", "dsrl": "depthwise_dsrl"}}


def paper_table1(inputs: Inputs) -> Drawing:
    """Table 1 as bars for both hosts, and its gains beside those of our own ablations."""
    figure = new_figure(14, 4.2)
    figure.suptitle(
        "Table 1: Cityscapes val, input 256×512 [P]; our gains on other pictures beside it", x=0.01, ha="left"
    )
    *panels, gains = figure.subplots(1, 3, width_ratios=(1, 1, 1.6))
    for number, (host, ax) in enumerate(zip(paper.HOSTS, panels, strict=True)):
        for place, line in enumerate(paper.TABLE_1):
            style, value = style_of(line.row), line.miou[host].value or 0.0
            ax.barh(place, value, 0.62, color=faded(style.color), hatch=style.hatch, edgecolor=style.color)
            ax.text(value + 1, place, f"{value:.1f}", va="center", weight="bold")
        ax.set(title=host, xlabel="mIoU (%)", xlim=(0, 72))
        _rows(ax, labels=number == 0)
    _rows(gains, labels=False)
    lanes = _lanes(inputs.runs)
    for place, line in enumerate(paper.TABLE_1[1:], start=1):
        for number, host in enumerate(paper.HOSTS):
            gain = paper.table_1_gain(line.row, host).value or 0.0
            y = place + (number - (len(lanes) + 1) / 2) * 0.17
            color, marker = HOST_COLORS[host], HOST_MARKERS[host]
            gains.plot(gain, y, marker, color=color, markersize=7, label=f"{host} [P]" if place == 1 else None)
        for number, (name, rows) in enumerate(lanes.items(), start=len(paper.HOSTS)):
            result = _gain(rows, line.row)
            y = place + (number - (len(lanes) + 1) / 2) * 0.17
            _our_point(gains, result, y, number - 2, name)
    gains.axvline(0, color=GREY, linewidth=1)
    gains.set(title="gain over the baseline", xlabel="points of mIoU")
    handles, labels = gains.get_legend_handles_labels()
    named = dict(zip(labels, handles, strict=True))  # a lane names itself at each of its points
    gains.legend(list(named.values()), list(named))
    return Drawing(figure, gain_comparisons(inputs.runs))


def paper_figure1(inputs: Inputs) -> Drawing:
    """Figure 1: the read-off values over the input size, the labelled gains, and our gains at our own sizes."""
    figure = new_figure(14, 4.6)
    *panels, gains = figure.subplots(1, 3, width_ratios=(1, 1, 1.25))
    sizes = [point.input_size for point in paper.FIGURE_1 if point.host == paper.HOSTS[0]]
    ticks = [f"{height}×{width}" for height, width in sizes]
    for host, ax in zip(paper.HOSTS, panels, strict=True):
        points = [point for point in paper.FIGURE_1 if point.host == host]
        for row in ("baseline", "dsrl"):
            style, numbers = style_of(row), [getattr(point, row) for point in points]
            ax.errorbar(
                range(len(points)),
                [number.value for number in numbers],
                yerr=[number.error for number in numbers],
                color=style.color,
                linestyle=(0, (1, 1.5)),
                marker=style.marker,
                markerfacecolor="white",
                capsize=3,
                label=f"{'DSRL' if row == 'dsrl' else row} [read off]",
            )
        for x, point in enumerate(points):
            middle = ((point.baseline.value or 0) + (point.dsrl.value or 0)) / 2
            label = ax.annotate(f"+{point.gain.value:.1f}", (x, middle), (6, -3), textcoords="offset points")
            label.set(weight="bold", bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.85})
        ax.set(title=f"{host}: Cityscapes val", ylabel="mIoU (%)", ylim=(52, 74), xlim=(-0.3, len(points) - 0.45))
        ax.set_xticks(range(len(ticks)), ticks, rotation=30, ha="right")
        ax.legend(
            loc="upper left", title="bold numbers: the figure's own labels [P]", title_fontsize=8, alignment="left"
        )
    for host in paper.HOSTS:
        values = [point.gain.value for point in paper.FIGURE_1 if point.host == host]
        gains.plot(range(len(values)), values, color=HOST_COLORS[host], marker=HOST_MARKERS[host], label=f"{host} [P]")
    lanes = _lanes(inputs.runs)
    for number, (name, rows) in enumerate(lanes.items()):
        result, color, x = _gain(rows, "dsrl"), OUR_COLORS[number % 3], len(ticks)
        assert result is not None  # a lane has a DSRL row
        marker = OUR_MARKERS[number % 3]
        gains.errorbar(
            x, result.mean, yerr=result.margin, color=color, marker=marker, capsize=4, linestyle="", label=name
        )
        gains.plot([x + 0.15] * len(result.values), result.values, ".", color=color)
        height, width = rows[0].first["train"]["input_size"]
        ticks.append(f"ours: {height}×{width}")
    gains.axhline(0, color=GREY, linewidth=1)
    gains.set(title="gain of DSRL over the baseline", ylabel="points of mIoU", xlabel="input")
    gains.set_xticks(range(len(ticks)), ticks, rotation=30, ha="right")
    gains.legend()
    return Drawing(figure, tuple(c for c in gain_comparisons(inputs.runs) if "FA" in c.what))


def cost(inputs: Inputs) -> Drawing:
    """Accuracy against true MACs: the paper's numbers with the deconvolutions counted, and ours."""
    counted = counted_costs()
    lanes = _lanes(inputs.runs)
    figure = new_figure(5.6 * (1 + len(lanes)) + 1, 4.6)
    left, *others = figure.subplots(1, 1 + len(lanes), squeeze=False)[0]
    points = [point for point in paper.FIGURE_1 if point.host == "ESPNetv2"]
    plain, whole = (counted[part] / (256 * 512) for part in ("plain host", "with the SSSR head"))
    for row, per_pixel in (("baseline", plain), ("dsrl", whole)):
        style, numbers = style_of(row), [getattr(point, row) for point in points]
        costs = [per_pixel * point.input_size[0] * point.input_size[1] for point in points]
        left.errorbar(
            costs,
            [number.value for number in numbers],
            yerr=[number.error for number in numbers],
            color=style.color,
            linestyle=(0, (1, 1.5)),
            marker=style.marker,
            markerfacecolor="white",
            capsize=3,
            label=f"{'DSRL, deconvolutions counted' if row == 'dsrl' else 'plain ESPNetv2'} [mIoU read off]",
        )
    first = paper.TABLE_1[-1].miou["ESPNetv2"].value or 0.0
    left.annotate(
        "",
        (counted["with the SSSR head"] - 45, first),
        (counted["plain host"], first),
        arrowprops={"arrowstyle": "-|>"},
    )
    left.plot(
        counted["plain host"],
        first,
        "D",
        color=style_of("dsrl").color,
        alpha=0.35,
        label="DSRL at 256×512 as its release counts it",
    )
    more = 100 * counted["SSSR head"] / counted["plain host"]
    left.text(
        counted["with the SSSR head"] / 2 + counted["plain host"] / 2,
        first + 0.35,
        f"+{more:.0f} %",
        ha="center",
        weight="bold",
    )
    left.set(title="ESPNetv2 on Cityscapes val [P]", xlabel="true MACs (M)", ylabel="mIoU (%)", xlim=(0, None))
    left.legend(loc="lower right")
    for ax, rows in zip(others, lanes.values(), strict=True):
        ladder = LADDERS.get(rows[0].setting, dict(zip(MAIN_ROWS, MAIN_ROWS, strict=True)))
        shown = {"baseline", "normalised", "deconvolution", *ladder.values()}
        cost_plot(ablation([run for run in rows if run.row in shown]), ax=ax)
        ax.set_title(setting_title(rows[0]))
    return Drawing(figure, tuple(_cost_comparisons(counted)))


def sweep(inputs: Inputs) -> Drawing:
    """Our Figure 1: accuracy against true MACs over the input sizes; gains are taken at equal cost, not equal input."""
    known = {name: runs for name, runs in families(inputs.runs).items() if len(curve_of(runs, "baseline")) > 1}
    if not known:
        raise MissingInputError("no two input sizes of one family have a finished baseline")
    figure = new_figure(14, 5.2 * len(known))
    found = []
    for (curves, gains), (name, runs) in zip(
        figure.subplots(len(known), 2, squeeze=False, width_ratios=(1.25, 1)), known.items(), strict=True
    ):
        rows = [row for row in SWEPT_ROWS if curve_of(runs, row)]
        cost_curves(runs, rows, ax=curves)
        curves.set_title(textwrap.fill(name, 70), fontsize=9.5)
        gains_at_cost(runs, rows[1:], ax=gains)
        for row in rows[1:]:
            found += _gains_at_equal_cost(curve_of(runs, row), curve_of(runs, "baseline"))
    figure.supxlabel("Dots: seeds. Whiskers: 95 % t-interval. Scored at the pictures' own size", fontsize=8, color=GREY)
    return Drawing(figure, tuple(found))


def _gains_at_equal_cost(points: Sequence[Point], baseline: Sequence[Point]) -> list[Comparison]:
    """The abstract's gain at similar cost beside ours, where the baseline was trained on both sides of the cost."""
    claim = next(claim for claim in paper.CLAIMS if claim.name == "segmentation, same cost")
    found = []
    for point in points:
        ours, (height, width) = over_cost(point, baseline), point.input_size
        if ours is not None:
            row = point.runs[0].label
            what = f"gain of {row} over the baseline at equal true MACs: abstract, against {height}×{width}"
            found.append(compare_direction(what, claim.number, ours.scaled(100)))
    return found


def counted_costs() -> dict[str, float]:
    """MACs of ESPNetv2 (width 2.0, 20 outputs) at 256x512 as our counter counts them, in millions.

    Example:
        >>> {part: round(macs, 2) for part, macs in counted_costs().items()}
        {'plain host': 674.46, 'SSSR head': 589.82, 'with the SSSR head': 1264.28}
    """
    with meta_device():
        network = DSRL(ESPNetv2(20, width=2.0), sisr=False, affinity=False).task_model
    host = getattr(network, "host")  # noqa: B009 (a SuperResolved; its type says only DensePredictor)
    plain, whole = (complexity(part, input_size=(256, 512)).macs / 1e6 for part in (host, network))
    return {"plain host": plain, "SSSR head": whole - plain, "with the SSSR head": whole}


def _cost_comparisons(counted: dict[str, float]) -> list[Comparison]:
    numbers = paper.COSTS[0]
    parts = zip(counted.items(), (numbers.convolutions, numbers.deconvolutions, numbers.total), strict=True)
    return [compare_count(f"M MACs of ESPNetv2 at 256×512, {part}", number, ours) for (part, ours), number in parts]


def overview(inputs: Inputs) -> Drawing:
    """The parts of DSRL (the paper's Figure 2), with the sizes that the code gives at the paper's input."""
    figure = new_figure(13, 5.65)
    streets = Streets("val", size=(192, 384), length=12)
    sample = streets[0]
    drawing.overview(
        network_shapes(papers_network(), paper.TABLE_1_INPUT),
        low_res=to_picture(reduce_image(sample.image, (64, 128))),
        mask=streets.class_table.paint(sample.mask).numpy(),
        high_res=to_picture(sample.image),
        ax=figure.add_subplot(),
    )
    return Drawing(figure)


def branches(inputs: Inputs) -> Drawing:
    """The two branches with the sizes of their tensors (the paper's Figure 4), as the code gives them."""
    figure = new_figure(13, 6.4)
    drawing.branches(network_shapes(papers_network(), (512, 1024)), ax=figure.add_subplot())
    return Drawing(figure)


def _rows(ax: Axes, *, labels: bool) -> None:
    ax.set_yticks(range(len(MAIN_ROWS)), [line.label for line in paper.TABLE_1] if labels else [""] * len(MAIN_ROWS))
    ax.set_ylim(len(MAIN_ROWS) - 0.45, -0.55)
    ax.tick_params(axis="y", length=0)
    ax.grid(False, axis="y")


def _lanes(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Our settings that have a whole DSRL and a baseline, by a name for the legend."""
    lanes: dict[str, list[Run]] = {}
    for run in runs:
        lanes.setdefault(run.setting, []).append(run)
    return {_lane_name(rows, gain): rows for rows in lanes.values() if (gain := _gain(rows, "dsrl")) is not None}


def _lane_name(rows: Sequence[Run], gain: Estimate) -> str:
    seeds, first = len(gain.values), rows[0].first
    head = ", a deconvolution per class map" if rows[0].setting in LADDERS else ""
    return f"ours: {first['dataset']}, {first['network']['host']}{head}, {seeds} seed{'s' * (seeds > 1)}"


def _gain(runs: Sequence[Run], row: str) -> Estimate | None:
    """Gain over the baseline in points, paired by seed, of the row that takes ``row``'s place in Table 1."""
    row = LADDERS.get(runs[0].setting, {}).get(row, row)
    found = paired_difference([r for r in runs if r.row == row], [r for r in runs if r.row == "baseline"])
    return None if found is None else found.scaled(100)


def _our_point(ax: Axes, result: Estimate | None, y: float, number: int, name: str) -> None:
    if result is None:
        return
    color, marker = OUR_COLORS[number % 3], OUR_MARKERS[number % 3]
    ax.errorbar(
        result.mean,
        y,
        xerr=result.margin,
        color=color,
        marker=marker,
        capsize=3,
        linestyle="",
        markersize=6.5,
        label=name or None,
    )
