"""Figures of pose nets: Figure 9 in our own drawing, and the ablation on people by PCK.

Source: Figure 9 of the paper shows people of COCO with joints by HRNet and by DSRL. Ours are drawn people, whose
pictures the kit may hold; who is shown follows from a rule and not from a choice: the first of the validation split.
"""

from __future__ import annotations

import torch
from matplotlib.axes import Axes
from torch import Tensor

from dsrl_lab.datasets.joint_tables import JointTable
from dsrl_lab.datasets.people import drawing_size, open_people
from dsrl_lab.datasets.pose import PoseSample
from dsrl_lab.datasets.pose_transforms import pose_low_and_high, transform_joints
from dsrl_lab.plots.masks import show_image
from dsrl_lab.plots.people import draw_skeleton
from dsrl_lab.plots.theme import new_figure, style_of
from dsrl_lab.results.ablation import ablation, ablation_bars, gain_bars
from dsrl_lab.results.figures_streets import setting_title, training_note
from dsrl_lab.results.inputs import Drawing, Inputs
from dsrl_lab.results.paper_numbers import CLAIMS
from dsrl_lab.results.records import Run, paired_difference
from dsrl_lab.results.verdicts import UNTESTED, Comparison
from dsrl_lab.rows import GREY
from dsrl_lab.training.build import load_task_model
from dsrl_lab.training.pose import PersonCrops, find_joints

SHOWN = 5
PCK, PCK_STRICT = "keypoints.pck", "keypoints.pck_strict"


def paper_figure9(inputs: Inputs) -> Drawing:
    """Figure 9: people with their joints, the truth, by the baseline and by DSRL; below each how many were found."""
    rows = ("baseline", "dsrl")
    models = {row: load_task_model(inputs.checkpoints[row])[0] for row in rows}
    network, train = (inputs.runs[0].first[part] for part in ("network", "train"))
    height, width = train["input_size"]
    scale = network["upscale_factor"]
    high = (height * scale, width * scale)
    people = open_people("street_people", "val", None, size=drawing_size(high), length=SHOWN)
    crops, table = PersonCrops(people, high), people.joint_table
    figure = new_figure(11, 9)
    axes = figure.subplots(4, SHOWN)
    found = {row: find_joints(model, people, input_size=(height, width))[0] for row, model in models.items()}
    for number in range(SHOWN):
        crop, own = crops[number], people[number]
        show_image(pose_low_and_high(crop, scale).low_res, crisp=True, ax=axes[0, number])
        _show_person(crop, crop.joints, table, "#111111", axes[1, number])
        for row, ax in zip(rows, axes[2:, number], strict=True):
            joints = found[row][number]
            _show_person(crop, transform_joints(joints, _inverse(crops.matrix(own))), table, style_of(row).color, ax)
            ax.set_xlabel(f"{_right(joints, own, table)} of {int(own.visible.sum())} joints", fontsize=8)
    runs = {run.row: run for run in inputs.runs}
    names = [f"input {height}×{width}", f"truth {high[0]}×{high[1]}"]
    names += [f"{runs[row].label}\nPCK@0.2 {100 * (runs[row].score(PCK) or 0):.1f} %" for row in rows]
    for ax, name in zip(axes[:, 0], names, strict=True):
        ax.set_ylabel(name, fontsize=9)
    note = "Joints count as found within 0.2 of the torso; joints that something covers are not marked and not drawn."
    figure.supxlabel(note, fontsize=8, color=GREY)
    return Drawing(figure)


def pose_ablation(inputs: Inputs) -> Drawing:
    """The ablation on people: PCK at 0.2 and 0.1 of the torso with seeds and intervals, and gains paired by seed."""
    rows = ablation(inputs.runs)
    figure = new_figure(14.5, 1.75 + 0.5 * len(rows))
    figure.suptitle(f"{setting_title(inputs.runs[0])}: ablation", x=0.01, ha="left")
    loose, strict, gains = figure.subplots(1, 3)
    ablation_bars(rows, score=PCK, xlabel="PCK@0.2 (%)", ax=loose)
    ablation_bars(rows, score=PCK_STRICT, xlabel="PCK@0.1 (%)", ax=strict)
    gain_bars(rows, score=PCK, xlabel="gain over the baseline (points of PCK@0.2)", ax=gains)
    for ax in (strict, gains):
        ax.tick_params(labelleft=False)
    figure.supxlabel(training_note(inputs.runs).replace("pictures:", "people:"), fontsize=8, color=GREY)
    return Drawing(figure, pose_comparisons(inputs.runs))


def pose_comparisons(runs: tuple[Run, ...]) -> tuple[Comparison, ...]:
    """The abstract's gain on pose beside ours: another score on other people, which is no test of it (``claims``)."""
    claim = next(claim for claim in CLAIMS if claim.name == "pose, same cost")
    ours = paired_difference(
        [run for run in runs if run.row == "dsrl"], [run for run in runs if run.row == "baseline"], PCK
    )
    if ours is None:
        return ()
    what = f"gain of DSRL on pose: mAP on COCO in the abstract, against PCK@0.2 of {runs[0].setting}"
    return (Comparison(what=what, paper=claim.number, ours=ours.scaled(100), tolerance=None, verdict=UNTESTED),)


def _show_person(crop: PoseSample, joints: Tensor, table: JointTable, color: str, ax: Axes) -> None:
    show_image(0.6 + 0.4 * crop.image, crisp=True, ax=ax)
    limits = ax.get_xlim(), ax.get_ylim()
    draw_skeleton(joints, table, visible=crop.visible, color=color, ax=ax)
    ax.set(xlim=limits[0], ylim=limits[1])


def _right(joints: Tensor, person: PoseSample, table: JointTable) -> int:
    """How many marked joints lie within 0.2 of the torso from where they are; covered joints are known too here."""
    shoulder, hip = table.torso
    torso = (person.joints[shoulder] - person.joints[hip]).norm()
    return int((((joints - person.joints).norm(dim=-1) <= 0.2 * torso) & (person.visible > 0)).sum())


def _inverse(matrix: Tensor) -> Tensor:
    """From the picture's pixels to the crop's."""
    whole = torch.cat([matrix.double(), torch.tensor([[0.0, 0.0, 1.0]], dtype=torch.float64)])
    return torch.linalg.inv(whole)[:2].float()
