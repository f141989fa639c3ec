"""Figures of an ablation's runs on drawn streets (and of any other setting's): what was trained, scored and seen.

Which scenes and pixels are shown follows from a rule and not from a choice: the first of the split, and for each class
that is named the position that holds most of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from dsrl_lab.datasets.base import Sample, SegmentationDataset
from dsrl_lab.datasets.streets import Streets
from dsrl_lab.datasets.transforms import low_and_high
from dsrl_lab.dsrl import DSRL, DSRLOutput
from dsrl_lab.layers import resize
from dsrl_lab.plots.affinity import affinity_rows
from dsrl_lab.plots.masks import bare, class_handles, compare_masks, mask_errors, show_image, show_mask
from dsrl_lab.plots.super_resolution import Reconstruction, error_map, super_resolution_row
from dsrl_lab.plots.theme import new_figure
from dsrl_lab.results.ablation import ablation, ablation_bars, ablation_table, gain_bars
from dsrl_lab.results.curves import TERMS, curve, training_curves
from dsrl_lab.results.inputs import Drawing, Inputs, MissingInputError
from dsrl_lab.results.paper_numbers import HOSTS, table_1_gain
from dsrl_lab.results.records import Run, paired_difference, scores
from dsrl_lab.results.verdicts import Comparison, compare_direction
from dsrl_lab.rows import GREY
from dsrl_lab.training import checkpoint
from dsrl_lab.training.build import build_dsrl, load_task_model
from dsrl_lab.training.config import NetworkConfig
from dsrl_lab.training.evaluate import evaluating, predict_mask

SHEET_SIZE = (216, 288)
# Our rows beside Table 1's; controls have no place there.
TABLE_1_PLACES = {
    "sssr": "sssr", "deconvolution": "sssr", "depthwise": "sssr",
    "sisr": "sisr", "depthwise_sisr": "sisr",
    "dsrl": "dsrl", "detached": "dsrl", "paper": "dsrl", "deconvolution_dsrl": "dsrl", "depthwise_dsrl": "dsrl",
}  # fmt: skip


def streets_contact_sheet(inputs: Inputs) -> Drawing:
    """Twelve street scenes and their masks: the first of the training split."""
    streets = Streets("train", size=SHEET_SIZE, length=12)
    figure = new_figure(12.5, 6.65)
    axes = figure.subplots(4, 6)
    for index in range(12):
        sample = streets[index]
        row, column = 2 * (index // 6), index % 6
        show_image(sample.image, ax=axes[row, column])
        show_mask(sample.mask, streets.class_table, legend=False, ax=axes[row + 1, column])
    figure.legend(handles=class_handles(streets.class_table), loc="outside lower center", ncols=11, handlelength=1)
    return Drawing(figure)


def training_curves_figure(inputs: Inputs) -> Drawing:
    """Loss terms, learning rate and validation mIoU of all rows over the iterations."""
    figure = new_figure(13, 6.4)
    figure.suptitle(f"{setting_title(inputs.runs[0])}: training", x=0.01, ha="left")
    terms = ("task", "sisr", "affinity", "loss", "learning_rate", "miou")
    for ax, term in zip(figure.subplots(2, 3).flat, terms, strict=True):
        shown = inputs.runs[:1] if term == "learning_rate" else inputs.runs
        training_curves(shown, term, legend=False, ax=ax)
        if not any(curve(run, term) for run in shown):
            ax.set_axis_off()
            ax.text(
                0.5, 0.5, f"{TERMS[term][0]}: not in these records", transform=ax.transAxes, ha="center", color=GREY
            )
    entries = dict(zip(*reversed(figure.axes[0].get_legend_handles_labels()), strict=True))
    figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=5)
    return Drawing(figure)


def ablation_figure(inputs: Inputs) -> Drawing:
    """The ablation: mIoU with seeds and intervals, gains paired by seed, and the table of costs beside them."""
    rows = ablation(inputs.runs)
    figure = new_figure(14.5, 1.75 + 0.5 * len(rows))
    figure.suptitle(f"{setting_title(inputs.runs[0])}: ablation", x=0.01, ha="left")
    bars, gains, table = figure.subplots(1, 3, width_ratios=(2.3, 2.2, 4))
    ablation_bars(rows, ax=bars)
    gain_bars(rows, ax=gains)
    gains.tick_params(labelleft=False)
    ablation_table(rows, ax=table)
    figure.supxlabel(training_note(inputs.runs), fontsize=8, color=GREY)
    return Drawing(figure, gain_comparisons(inputs.runs))


def gain_comparisons(runs: tuple[Run, ...]) -> tuple[Comparison, ...]:
    """The gains of Table 1 beside those of our runs, setting by setting: only the direction is compared."""
    found = []
    for setting in sorted({run.setting for run in runs}):
        rows: dict[str, list[Run]] = {}
        for run in runs:
            if run.setting == setting:
                rows.setdefault(run.row, []).append(run)
        for row, theirs in TABLE_1_PLACES.items():
            ours = paired_difference(rows.get(row, []), rows.get("baseline", []))
            if ours is None:
                continue
            for host in HOSTS:
                what = f"gain of {rows[row][0].label} over the baseline: Table 1, {host}, against {setting}"
                found.append(compare_direction(what, table_1_gain(theirs, host), ours.scaled(100)))
    return tuple(found)


def streets_side_by_side(inputs: Inputs) -> Drawing:
    """Input, truth, baseline, DSRL, and the pixels DSRL wins and loses, on the first validation scenes."""
    models = {row: load_task_model(inputs.checkpoints[row]) for row in ("baseline", "dsrl")}
    network = NetworkConfig.from_json(models["dsrl"][1].description["network"])
    height, width = models["dsrl"][1].description["train"]["input_size"]
    streets = _validation((height, width), network.upscale_factor)
    count = 3
    figure = new_figure(13, 1.0 + count * 2.05)
    axes = figure.subplots(count, 5, squeeze=False)
    runs = {run.row: run for run in inputs.runs}
    titles = [f"input {height}×{width}", f"truth {streets.size[0]}×{streets.size[1]}"]
    titles += [f"{runs[row].label}\nmIoU {100 * (runs[row].score() or 0):.1f} %" for row in models]
    titles += ["won and lost\ngrey: wrong in both"]
    for index, line in enumerate(axes):
        sample = streets[index]
        low_res = low_and_high(sample, network.upscale_factor).low_res
        preds = [predict_mask(model, sample.image, input_size=(height, width)) for model, _ in models.values()]
        show_image(low_res, crisp=True, ax=line[0])
        for ax, mask in zip(line[1:4], (sample.mask, *preds), strict=True):
            show_mask(mask, streets.class_table, legend=False, ax=ax)
        mask_errors(sample.mask, *preds, image=sample.image, legend=False, ax=line[4])
        changes = compare_masks(sample.mask, *preds)
        won, lost = (100 * int(part.sum()) / changes.counted for part in changes[:2])
        line[4].set_xlabel(f"won {won:.1f} % (blue), lost {lost:.1f} % (orange)", fontsize=8.5)
    for ax, title in zip(axes[0], titles, strict=True):
        ax.set_title(title)
    figure.legend(handles=class_handles(streets.class_table), loc="outside lower center", ncols=11, handlelength=1)
    return Drawing(figure)


class Seen(NamedTuple):
    """What a whole network gives for one validation scene."""

    sample: Sample
    low_res: Tensor
    high_res: Tensor
    output: DSRLOutput
    streets: SegmentationDataset


def streets_affinity(inputs: Inputs) -> Drawing:
    """A row of S_seg, of S_sr and their difference, for a pixel on a car and one on a pole of the first scene."""
    seen = see(inputs.checkpoints["whole"])
    task, sisr = seen.output.task_features, seen.output.sisr_features
    if task is None or sisr is None:
        raise MissingInputError(f"{inputs.checkpoints['whole'].name} was trained without feature affinity")
    positions = [
        position
        for name in ("car", "pole")
        if (
            position := _most_of(
                seen.sample.mask, seen.streets.class_table.index(name), (task.shape[-2], task.shape[-1])
            )
        )
    ]
    figure = new_figure(13, 0.35 + 2.8 * len(positions))
    axes = figure.subplots(len(positions), 4, squeeze=False)
    for number, (position, line) in enumerate(zip(positions, axes, strict=True)):
        affinity_rows(seen.high_res, position, task[0], sisr[0], axes=list(line), titles=number == 0)
    return Drawing(figure)


def streets_super_resolution(inputs: Inputs) -> Drawing:
    """The first validation scene super-resolved by the SISR branch, bilinear enlargement beside it, with error maps."""
    seen = see(inputs.checkpoints["whole"])
    if seen.output.super_res is None:
        raise MissingInputError(f"{inputs.checkpoints['whole'].name} was trained without SISR")
    size = (seen.high_res.shape[-2], seen.high_res.shape[-1])
    made = (
        Reconstruction("bilinear", resize(seen.low_res[None], size)[0].clamp(0, 1)),
        Reconstruction("SISR branch", seen.output.super_res[0].clamp(0, 1)),
    )
    crop = _window_on(seen.sample.mask, seen.streets.class_table.index("pole"))
    figure = new_figure(13, 7.9)
    axes = figure.subplots(3, 4)
    super_resolution_row(seen.low_res, seen.high_res, made, axes=list(axes[0]))
    super_resolution_row(seen.low_res, seen.high_res, made, axes=list(axes[1]), crop=crop, titles=False)
    note = axes[2, 0].text(0, 1, _validation_scores(inputs.runs), va="top", transform=axes[2, 0].transAxes)
    note.set_linespacing(1.6)
    for ax, (name, image) in zip(axes[2, 1:3], made, strict=True):
        error_map(image, seen.high_res, title=f"error of {name}", ax=ax)
    scale = axes[2, 3].inset_axes((0, 0, 0.05, 1))
    bar = figure.colorbar(axes[2, 2].images[0], cax=scale, extend="max")
    bar.set_label("absolute error")
    for ax in axes[2, ::3]:
        bare(ax)
    return Drawing(figure)


def setting_title(run: Run) -> str:
    """A setting in words: data set, host and input size."""
    height, width = run.first["train"]["input_size"]
    scale = run.first["network"].get("upscale_factor", 2)
    host = run.first["network"]["host"]
    return f"{run.first['dataset']}, {host}, {height}×{width} to {height * scale}×{width * scale}"


def training_note(runs: tuple[Run, ...]) -> str:
    """What all rows share, and how to read the marks, in one line."""
    train = runs[0].first["train"]
    pictures = ", ".join(f"{count} {split}" for split, count in runs[0].first.get("pictures", {}).items())
    return (
        f"every row: {train['iterations']} iterations of {train['batch_size']}; pictures: {pictures}. "
        "Dots: seeds. Whiskers: 95 % t-interval. Gains are paired by seed. Scored at the pictures' own size"
    )


def _validation_scores(runs: tuple[Run, ...]) -> str:
    lines = ["mean over the validation set"] if runs else []
    for name, prefix in (("bilinear", "bilinear_"), ("SISR branch", "")):
        found = [scores(runs, f"super_resolution.{prefix}{metric}") for metric in ("psnr", "ssim")]
        if found[0] is not None and found[1] is not None:
            lines.append(f"{name}: {found[0].mean:.2f} dB, SSIM {found[1].mean:.3f}")
    return "\n".join(lines)


def _validation(input_size: tuple[int, int], scale: int) -> Streets:
    return Streets("val", size=(input_size[0] * scale, input_size[1] * scale), length=3)


def see(path: Path) -> Seen:
    """Build the whole network that a checkpoint holds and show it the first validation scene.

    Raises:
        MissingInputError: the checkpoint holds no SISR branch.
    """
    loaded = checkpoint.load(path)
    if loaded.description.get("deployed"):
        raise MissingInputError(f"{path.name} is a deployed network: its SISR branch was left behind")
    network = NetworkConfig.from_json(loaded.description["network"])
    dsrl: DSRL = build_dsrl(network)
    checkpoint.load_model(dsrl, loaded)
    streets = _validation(tuple(loaded.description["train"]["input_size"]), network.upscale_factor)
    sample = streets[0]
    example = low_and_high(sample, network.upscale_factor)
    with evaluating(dsrl):
        output = dsrl(example.low_res[None])
    return Seen(sample, example.low_res, example.high_res, output, streets)


def _window_on(mask: Tensor, index: int) -> tuple[int, int, int, int]:
    """(top, left, height, width) of a third of the picture around most of a class, on whole low-resolution pixels."""
    height, width = mask.shape
    rows, columns = height // 3 // 4 * 4, width // 3 // 4 * 4
    y, x = _most_of(mask, index, (height // 8, width // 8)) or (height // 16, width // 16)
    top = min(max(8 * y - rows // 2, 0), height - rows)
    left = min(max(8 * x - columns // 2, 0), width - columns)
    return top // 4 * 4, left // 4 * 4, rows, columns


def _most_of(mask: Tensor, index: int, grid: tuple[int, int]) -> tuple[int, int] | None:
    """The position of a grid that holds most pixels of a class; None where there is none."""
    share = F.adaptive_avg_pool2d((mask == index).float()[None, None], grid)[0, 0]
    if not share.any():
        return None
    place = int(torch.argmax(share))
    return place // grid[1], place % grid[1]
