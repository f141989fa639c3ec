"""Figures of drawn streets, by rule and not by choice: a split's first scenes, and where a named class is densest."""

from pathlib import Path
from typing import NamedTuple

import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from dsrl_lab.complexity import evaluating
from dsrl_lab.datasets.base import Sample, SegmentationDataset
from dsrl_lab.datasets.class_tables import CAMVID
from dsrl_lab.datasets.streets import Streets
from dsrl_lab.datasets.transforms import low_and_high, resize_mask
from dsrl_lab.dsrl import DSRL, DSRLOutput
from dsrl_lab.layers import resize
from dsrl_lab.plots.affinity import affinity_rows
from dsrl_lab.plots.masks import bare, class_handles, compare_masks, mask_errors, show_image, show_mask
from dsrl_lab.plots.super_resolution import Reconstruction, error_map, super_resolution_row
from dsrl_lab.plots.theme import new_figure
from dsrl_lab.results.figures_runs import scored_split
from dsrl_lab.results.frames import pick, scores, summary
from dsrl_lab.results.inputs import Drawing, Inputs, MissingInputError
from dsrl_lab.rows import ROWS
from dsrl_lab.training import checkpoint
from dsrl_lab.training.build import build_dsrl, load_task_model
from dsrl_lab.training.config import NetworkConfig
from dsrl_lab.training.evaluate import predict_mask

SHEET_SIZE = (216, 288)


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


def coarse_and_fine(inputs: Inputs) -> Drawing:
    """What a small network sees, the truth, and the best masks on the grid of its input and on one twice as fine."""
    sample, (height, width) = Streets("val", size=SHEET_SIZE, length=1)[0], SHEET_SIZE
    figure = new_figure(12.5, 2.9)
    low_res, *axes = figure.subplots(1, 4)
    small = F.adaptive_avg_pool2d(sample.image, (height // 4, width // 4))
    show_image(small, crisp=True, title=f"input {height // 4}×{width // 4}", ax=low_res)
    for ax, title, factor in zip(axes, ("truth", "the best coarse mask", "the best fine mask"), (1, 4, 2), strict=True):
        size = (height // factor, width // factor)
        best = resize_mask(resize_mask(sample.mask[None], size), SHEET_SIZE)[0]
        show_mask(best, CAMVID, legend=False, title=f"{title} {size[0]}×{size[1]}", ax=ax)
    figure.legend(handles=class_handles(CAMVID), loc="outside lower center", ncols=11, handlelength=1)
    return Drawing(figure)


def streets_side_by_side(inputs: Inputs) -> Drawing:
    """Input, truth, two networks, and the pixels that the second wins and loses, on the first validation scenes."""
    models = {row: load_task_model(path) for row, path in inputs.checkpoints.items()}
    sizes = [loaded.description["train"]["input_size"] for _, loaded in models.values()]
    network = NetworkConfig.from_json(models["baseline"][1].description["network"])
    height, width = sizes[0]
    streets = _validation(network.upscale_factor, height, width)
    figure = new_figure(13, 1.0 + 3 * 2.05)
    axes = figure.subplots(3, 5)
    values = scores(inputs.runs)
    scored = pick(values, split=scored_split(values)).set_index("row")
    titles = [f"input {height}×{width}", f"truth {streets.size[0]}×{streets.size[1]}"]
    titles += [f"{scored.at[row, 'label']}\nmIoU {100 * scored.at[row, 'value']:.1f} %" for row in models]
    titles += ["won and lost\ngrey: wrong in both"]
    for index, line in enumerate(axes):
        sample = streets[index]
        low_res = low_and_high(sample, network.upscale_factor).low_res
        networks = zip(models.values(), sizes, strict=True)
        preds = [predict_mask(model, sample.image, input_size=size) for (model, _), size in networks]
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


def _validation(scale: int, height: int, width: int) -> Streets:
    return Streets("val", size=(height * scale, width * scale), length=3)


class Seen(NamedTuple):
    """What a whole network gives for one validation scene."""

    sample: Sample
    low_res: Tensor
    high_res: Tensor
    output: DSRLOutput
    streets: SegmentationDataset


def streets_affinity(inputs: Inputs) -> Drawing:
    """A row of S_seg, of S_sr and their difference for a place on a tree, with the feature transform and without it."""
    figure = new_figure(13, 6)
    axes = figure.subplots(len(inputs.checkpoints), 4, squeeze=False)
    for number, (row, path) in enumerate(inputs.checkpoints.items()):
        seen = see(path)
        task, sisr = seen.output.task_features, seen.output.sisr_features
        if task is None or sisr is None:
            raise MissingInputError(f"{path.name} was trained without feature affinity")
        position = _most_of(seen.sample.mask, seen.streets.class_table.index("tree"), (task.shape[-2], task.shape[-1]))
        line, transformed = list(axes[number]), ROWS[row].network.get("feature_transform", True)
        affinity_rows(seen.high_res, position or (0, 0), task[0], sisr[0], axes=line, titles=number == 0)
        line[0].set_ylabel(f"{'with' if transformed else 'without'} the feature transform")
    return Drawing(figure)


def streets_super_resolution(inputs: Inputs) -> Drawing:
    """The first validation scene super-resolved by the SISR branch, bilinear enlargement beside it, with error maps."""
    seen = see(inputs.checkpoints["dsrl"])
    if seen.output.super_res is None:
        raise MissingInputError(f"{inputs.checkpoints['dsrl'].name} was trained without SISR")
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


def _validation_scores(runs: pd.DataFrame) -> str:
    lines, values = ["mean over the validation set"] if len(runs) else [], scores(runs)
    for name, prefix in (("bilinear", "bilinear_"), ("SISR branch", "")):
        found = [summary(pick(values, f"super_resolution.{prefix}{metric}"))["mean"] for metric in ("psnr", "ssim")]
        if len(found[0]):
            lines.append(f"{name}: {found[0].iloc[0]:.2f} dB, SSIM {found[1].iloc[0]:.3f}")
    return "\n".join(lines)


def see(path: Path) -> Seen:
    """A checkpoint's whole network on the first validation scene; MissingInputError where it has no SISR branch."""
    loaded = checkpoint.load(path)
    if loaded.description.get("deployed"):
        raise MissingInputError(f"{path.name} is a deployed network: its SISR branch was left behind")
    network = NetworkConfig.from_json(loaded.description["network"])
    dsrl: DSRL = build_dsrl(network)
    checkpoint.load_model(dsrl, loaded)
    streets = _validation(network.upscale_factor, *loaded.description["train"]["input_size"])
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
    share = F.adaptive_avg_pool2d((mask == index).float()[None, None], grid)[0, 0]
    if not share.any():
        return None
    place = int(torch.argmax(share))
    return place // grid[1], place % grid[1]
