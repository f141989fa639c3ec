"""Figures of the paper's own numbers (hollow where read off a figure), ours beside them, and of the network's parts."""

import pandas as pd
from matplotlib.axes import Axes

from dsrl_lab.datasets.streets import Streets
from dsrl_lab.datasets.transforms import reduce_image
from dsrl_lab.plots.masks import to_picture
from dsrl_lab.plots.theme import faded, new_figure, style_of
from dsrl_lab.results import overview as drawing
from dsrl_lab.results import paper_numbers as paper
from dsrl_lab.results.claims_of_cost import WHOLE
from dsrl_lab.results.figures_runs import gain_findings, read_off, scored_split
from dsrl_lab.results.frames import gains, pick, scores, setting_title, summary
from dsrl_lab.results.inference import Estimate
from dsrl_lab.results.inputs import Drawing, Inputs
from dsrl_lab.results.shapes import network_shapes, papers_network
from dsrl_lab.results.tables import ladder
from dsrl_lab.rows import BLUE, GREEN, GREY, MAIN_ROWS, PURPLE, ROWS, SKY

HOST_STYLES = dict(zip(paper.HOSTS, ((BLUE, "o"), (GREEN, "s")), strict=True))
OUR_STYLES = ((PURPLE, "D"), (SKY, "^"), (GREY, "v"))
Lane = dict[str, Estimate]


def paper_table1(inputs: Inputs) -> Drawing:
    """Table 1 as bars for both hosts, and its gains beside those of our own ablations."""
    figure = new_figure(14, 5)
    title = "Table 1: Cityscapes val, input 256×512 [P]; our gains on other pictures beside it"
    figure.suptitle(title, x=0.01, ha="left")
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
    height = 0.17
    for place, line in enumerate(paper.TABLE_1[1:], start=1):
        top = place - height * (len(lanes) + 1) / 2
        for number, (host, (color, marker)) in enumerate(HOST_STYLES.items()):
            gain, name = paper.table_1_gain(line.row, host).value, f"{host} [P]" if place == 1 else None
            gains.plot(gain, top + number * height, marker, color=color, markersize=7, label=name)
        for number, ((name, lane), (color, marker)) in enumerate(zip(lanes.items(), OUR_STYLES, strict=False), start=2):
            if line.row in lane:
                result = lane[line.row]
                gains.errorbar(
                    result.mean, top + number * height, xerr=result.margin, color=color, marker=marker, capsize=3,
                    linestyle="", markersize=6.5, label=name,
                )  # fmt: skip
    gains.axvline(0, color=GREY, linewidth=1)
    gains.set(title="gain over the baseline", xlabel="points of mIoU")
    handles, labels = gains.get_legend_handles_labels()
    named = dict(zip(labels, handles, strict=True))  # a lane names itself at each of its points
    gains.legend(list(named.values()), list(named))
    return Drawing(figure, tuple(gain_findings(inputs.runs)))


def paper_figure1(inputs: Inputs) -> Drawing:
    """Figure 1: the read-off values over the input size, the labelled gains, and our gains at our own sizes."""
    figure = new_figure(14, 5.2)
    *panels, gains = figure.subplots(1, 3, width_ratios=(1, 1, 1.25))
    sizes = [point.input_size for point in paper.FIGURE_1 if point.host == paper.HOSTS[0]]
    ticks = [f"{height}×{width}" for height, width in sizes]
    for host, ax in zip(paper.HOSTS, panels, strict=True):
        points = [point for point in paper.FIGURE_1 if point.host == host]
        for row in ("baseline", "dsrl"):
            read_off(ax, row, range(len(points)), points, f"{'DSRL' if row == 'dsrl' else row} [read off]")
        for x, point in enumerate(points):
            middle = ((point.baseline.value or 0) + (point.dsrl.value or 0)) / 2
            label = ax.annotate(f"+{point.gain.value:.1f}", (x, middle), (6, -3), textcoords="offset points")
            label.set(weight="bold", bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.85})
        ax.set(title=f"{host}: Cityscapes val", ylabel="mIoU (%)", ylim=(52, 74), xlim=(-0.3, len(points) - 0.45))
        ax.set_xticks(range(len(ticks)), ticks, rotation=30, ha="right")
        ax.legend(loc="upper left", title="bold: the figure's own labels [P]", title_fontsize=8, alignment="left")
    for host, (color, marker) in HOST_STYLES.items():
        values = [point.gain.value for point in paper.FIGURE_1 if point.host == host]
        gains.plot(range(len(values)), values, color=color, marker=marker, label=f"{host} [P]")
    for (name, lane), (color, marker) in zip(_lanes(inputs.runs).items(), OUR_STYLES, strict=False):
        x, result = len(ticks), lane["dsrl"]
        gains.errorbar(x, result.mean, yerr=result.margin, color=color, marker=marker, capsize=4, ls="", label=name)
        gains.plot([x + 0.15] * len(result.values), result.values, ".", color=color)
        ticks.append("ours")
    gains.axhline(0, color=GREY, linewidth=1)
    gains.set(title="gain of DSRL over the baseline", ylabel="points of mIoU", xlabel="input")
    gains.set_xticks(range(len(ticks)), ticks, rotation=30, ha="right")
    gains.legend(loc="upper center", bbox_to_anchor=(0.5, -0.3), fontsize=8)
    wholes = [finding for finding in gain_findings(inputs.runs) if finding.row in WHOLE]
    return Drawing(figure, tuple(wholes))


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


def _lanes(runs: pd.DataFrame) -> dict[str, Lane]:
    lanes: dict[str, Lane] = {}
    for _, of_setting in runs.groupby("setting"):
        values, steps = scores(of_setting), ladder(of_setting)
        gained = pick(gains(values), split=scored_split(values))
        over = summary(gained, ("row",), scale=100).set_index("row")["estimate"]
        lane = {step: over[row] for step, row in steps.items() if row in over.index}
        if "dsrl" in lane:
            what, seeds = setting_title(of_setting).partition(" to ")[0], len(lane["dsrl"].values)
            head = {"depthwise": ", a deconvolution per class map"}.get(ROWS[steps["dsrl"]].network["sssr"], "")
            lanes[f"ours: {what}{head}, {seeds} seed{'s' * (seeds > 1)}"] = lane
    return lanes
