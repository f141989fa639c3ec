"""Figures of runs: the ablation's story and the rows behind it, costs, the sweep, people."""

import textwrap
from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes

from dsrl_lab.language import translate
from dsrl_lab.plots.theme import new_figure, style_of
from dsrl_lab.results import charts
from dsrl_lab.results import paper_numbers as paper
from dsrl_lab.results.claims import pose_gain, table_1
from dsrl_lab.results.claims_of_cost import WHOLE, count_costs, counted_costs, same_cost
from dsrl_lab.results.families import FAMILIES, decided
from dsrl_lab.results.findings import Finding
from dsrl_lab.results.frames import alike, gains, pick, scores, setting_title, steps
from dsrl_lab.results.inputs import Drawing, Inputs, MissingInputError
from dsrl_lab.results.sweeps import gains_at_cost, sweep
from dsrl_lab.results.tables import ablation_table, ladder, story
from dsrl_lab.rows import GREY

AT_COST = ("bilinear", "deconvolution", "deconvolution_figure4", "equal_cost", "double_input")
NUMBERS = ("thin classes", "true MACs (M)", "SISR PSNR (dB)", "seeds")


def ablation_figure(inputs: Inputs) -> Drawing:
    """The story: baseline, + SSSR, + SISR, + FA and their one control, with gains paired by seed and what they cost."""
    runs = alike(inputs.runs)
    told = runs[runs["row"].isin(story(runs))]
    values, count = scores(told), told["row"].nunique()
    figure = new_figure(13.5, 1.9 + 0.62 * count)
    figure.suptitle(f"{setting_title(runs)}: what each part gains", x=0.01, ha="left")
    bars, points, numbers = figure.subplots(1, 3, width_ratios=(1.6, 1.9, 1.7))
    split = scored_split(values)
    charts.score_bars(pick(values, split=split), xlabel=f"mIoU on {split} (%)", ax=bars)
    charts.gain_points(pick(gains(values), split=split), places=list(told["label"].astype(str).unique()), ax=points)
    points.tick_params(labelleft=False)
    charts.number_columns(ablation_table(told, NUMBERS).drop(columns="row"), ax=numbers)
    figure.supxlabel(training_note(runs), fontsize=8, color=GREY)
    return Drawing(figure, tuple(gain_findings(told)))


def all_rows_figure(inputs: Inputs) -> Drawing:
    """Behind the story: every row over the baseline, and every question that two rows answer."""
    runs = alike(inputs.runs)
    values = scores(runs)
    split, asked = scored_split(values), steps(values)["adds"].nunique()
    figure = new_figure(15, 1.6 + 0.5 * max(runs["row"].nunique(), asked))
    figure.suptitle(f"{setting_title(runs)}: all rows, all questions, on {split}", x=0.01, ha="left")
    rows, questions = figure.subplots(1, 2)
    charts.gain_points(pick(gains(values), split=split), ax=rows)
    label = "adds (points of mIoU, paired by seed)"
    charts.gain_points(pick(steps(values), split=split), y="adds", xlabel=label, ax=questions)
    figure.supxlabel(training_note(runs), fontsize=8, color=GREY)
    return Drawing(figure, tuple(gain_findings(runs)))


def decided_figure(inputs: Inputs) -> Drawing:
    """The confirmatory tests whose runs have all ended: seeds, both intervals, and the word."""
    found = decided(inputs.runs)
    if not found:
        raise MissingInputError("no family of confirmatory tests has all its runs")
    figure = new_figure(11, 0.9 + 2.7 * len(found))
    panels = figure.subplots(len(found), sharex=True, squeeze=False)[:, 0]
    for ax, (name, tests) in zip(panels, found.items(), strict=True):
        of_family = inputs.runs[inputs.runs["setting"] == FAMILIES[name].setting]
        charts.tested_points(tests, pick(scores(of_family), split="test"), ax=ax)
        ax.set_title(f"Family {name}: {setting_title(of_family)}", loc="left")
        ax.label_outer()
    note = "Dots: seeds. Whiskers: 95 % t-interval. Broad bar: 95 % over seeds and pictures. Grey band: ±0.5 points"
    figure.supxlabel(note, fontsize=8, color=GREY)
    return Drawing(figure)


def classes_figure(inputs: Inputs) -> Drawing:
    """The gain of each class by row: where the mean comes from."""
    runs = alike(inputs.runs)
    gained = gains(scores(runs[runs["row"].isin(story(runs))]))
    split = scored_split(gained)
    of_classes = gained[(gained["protocol"] == "logits") & (gained["metric"] == "iou") & (gained["split"] == split)]
    figure = new_figure(12, 1.9 + 0.62 * of_classes["row"].nunique())
    figure.suptitle(f"{setting_title(runs)}: gain over the baseline on {split}, class by class", x=0.01, ha="left")
    charts.class_heatmap(of_classes, ax=figure.add_subplot())
    note = "Means over seeds, paired. Bold: the 95 % t-interval of that class alone is clear of zero; one test each"
    figure.supxlabel(note, fontsize=8, color=GREY)
    return Drawing(figure)


def scored_split(values: pd.DataFrame) -> str:
    """The split that figures show: test, which nothing was chosen by, where it was scored."""
    return "test" if "test" in set(values["split"]) else "val"


def gain_findings(runs: pd.DataFrame) -> list[Finding]:
    """The gains of Table 1 over the baseline beside those of our runs, setting by setting, by the honest protocol."""
    return [finding for finding in table_1(runs, ("logits",)) if finding.over == "baseline"]


def cost(inputs: Inputs) -> Drawing:
    """Accuracy against true MACs: the paper's numbers with the deconvolutions counted, and ours."""
    counted = counted_costs()
    settings = [runs for _, runs in inputs.runs.groupby("setting") if "dsrl" in ladder(runs)]
    figure = new_figure(5.6 * (1 + len(settings)) + 1, 5.8)
    left, *others = figure.subplots(1, 1 + len(settings), squeeze=False)[0]
    points = [point for point in paper.FIGURE_1 if point.host == "ESPNetv2"]
    plain, whole = counted["plain host"], counted["with the SSSR head"]
    names = {"baseline": "plain ESPNetv2", "dsrl": "DSRL, deconvolutions counted"}
    for (row, name), macs in zip(names.items(), (plain, whole), strict=True):
        costs = [macs * point.input_size[0] * point.input_size[1] / (256 * 512) for point in points]
        read_off(left, row, costs, points, f"{name} [mIoU read off]")
    first = paper.TABLE_1[-1].miou["ESPNetv2"].value or 0.0
    left.annotate("", (whole - 45, first), (plain, first), arrowprops={"arrowstyle": "-|>"})
    label = "DSRL at 256×512 as its release counts it"
    left.plot(plain, first, "D", color=style_of("dsrl").color, alpha=0.35, label=label)
    more = f"+{100 * counted['SSSR head'] / plain:.0f} %"
    left.text((plain + whole) / 2, first + 0.35, more, ha="center", weight="bold")
    left.set(title="ESPNetv2 on Cityscapes val [P]", xlabel="true MACs (M)", ylabel="mIoU (%)", xlim=(0, None))
    left.legend(loc="lower right")
    for ax, runs in zip(others, settings, strict=True):
        split, rows = scored_split(scores(runs)), [*story(runs), *AT_COST]
        charts.cost_points(sweep(runs[runs["row"].isin(rows)], split), ax=ax).set_title(setting_title(runs))
        ax.set_ylabel(f"mIoU on {split} (%), 95 % over seeds")
    return Drawing(figure, tuple(count_costs(counted)))


def read_off(ax: Axes, row: str, x: Sequence[float], points: Sequence[paper.Figure1Point], label: str) -> None:
    """Draw scores that were read off Figure 1, hollow and dotted, with their errors."""
    style, numbers = style_of(row), [getattr(point, row) for point in points]
    ax.errorbar(
        x, [number.value for number in numbers], yerr=[number.error for number in numbers], color=style.color,
        linestyle=(0, (1, 1.5)), marker=style.marker, markerfacecolor="white", capsize=3, label=label,
    )  # fmt: skip


def sweep_figure(inputs: Inputs) -> Drawing:
    """Our Figure 1: accuracy against true MACs over the input sizes; gains are taken at equal cost, not equal input."""
    swept = sweep(inputs.runs)
    of_baseline = swept[swept["row"] == "baseline"].groupby("family")["cost"].nunique()
    known = list(of_baseline.index[of_baseline > 1])
    if not known:
        raise MissingInputError("no two input sizes of one family have a finished baseline")
    figure = new_figure(14, 5.4 * len(known))
    panels = figure.subplots(len(known), 2, squeeze=False, width_ratios=(1.25, 1))
    for (left, right), name in zip(panels, known, strict=True):
        family = swept[(swept["family"] == name) & swept["row"].isin(("baseline", *WHOLE))]
        sizes = family.groupby("row", observed=True)["cost"].transform("nunique")
        charts.cost_curves(family[sizes > 1], ax=left)
        left.set_title(textwrap.fill(name, 70), fontsize=9.5, pad=18)
        left.legend(loc="lower right")
        equal = gains_at_cost(family)
        if len(equal):
            size = equal["input_height"].map("{:.0f}".format) + "×" + equal["input_width"].map("{:.0f}".format)
            equal = equal.assign(place=equal["label"].astype(str).map(translate) + "; " + size)
            label = "over the baseline at equal true MACs (points of mIoU)"
            charts.gain_points(equal, y="place", xlabel=label, ax=right)
    note = "Dots: seeds. Whiskers: 95 % t-interval. Left: rows trained at two sizes or more"
    figure.supxlabel(note, fontsize=8, color=GREY)
    return Drawing(figure, tuple(finding for finding in same_cost(inputs.runs) if finding.ours is not None))


def pose_ablation(inputs: Inputs) -> Drawing:
    """The ablation on people: PCK at 0.2 and 0.1 of the torso with seeds and intervals, and gains paired by seed."""
    runs = alike(inputs.runs)
    values = scores(runs)
    figure = new_figure(14.5, 1.75 + 0.55 * runs["row"].nunique())
    figure.suptitle(f"{setting_title(runs)}: ablation", x=0.01, ha="left")
    loose, strict, points = figure.subplots(1, 3)
    charts.score_bars(pick(values, "keypoints.pck"), xlabel="PCK@0.2 (%)", ax=loose)
    charts.score_bars(pick(values, "keypoints.pck_strict"), xlabel="PCK@0.1 (%)", ax=strict)
    places, xlabel = list(runs["label"].astype(str).unique()), "gain over the baseline (points of PCK@0.2)"
    charts.gain_points(pick(gains(values), "keypoints.pck"), places=places, xlabel=xlabel, ax=points)
    for ax in (strict, points):
        ax.tick_params(labelleft=False)
    figure.supxlabel(training_note(runs), fontsize=8, color=GREY)
    return Drawing(figure, tuple(pose_gain(runs)))


def training_note(runs: pd.DataFrame) -> str:
    """What all rows share, and how to read the marks, in one line."""
    run, counts = runs.iloc[0], [one.first.get("pictures") or {} for one in runs["record"]]
    pictures = ", ".join(f"{count} {split}" for split, count in max(counts, key=len).items())
    return (
        f"every row: {run.iterations:.0f} iterations of {run.batch_size:.0f}; samples: {pictures}. "
        "Dots: seeds. Whiskers: 95 % t-interval. Gains are paired by seed"
    )
