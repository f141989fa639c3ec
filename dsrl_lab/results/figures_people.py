"""Figure 9 of the paper with drawn people, which the kit may hold: by rule, the first of the validation split."""

from matplotlib.axes import Axes
from torch import Tensor

from dsrl_lab.datasets.joint_tables import JointTable
from dsrl_lab.datasets.people import drawing_size, open_people
from dsrl_lab.datasets.pose import PoseSample
from dsrl_lab.datasets.pose_transforms import inverse, pose_low_and_high, transform_joints
from dsrl_lab.plots.masks import show_image
from dsrl_lab.plots.people import draw_skeleton
from dsrl_lab.plots.theme import new_figure, style_of
from dsrl_lab.results.frames import pick, scores
from dsrl_lab.results.inputs import Drawing, Inputs
from dsrl_lab.rows import GREY
from dsrl_lab.training.build import load_task_model
from dsrl_lab.training.pose import PersonCrops, find_joints

SHOWN = 5


def paper_figure9(inputs: Inputs) -> Drawing:
    """Figure 9: people with their joints, the truth, by the baseline and by DSRL; below each how many were found."""
    rows = ("baseline", "dsrl")
    models = {row: load_task_model(inputs.checkpoints[row])[0] for row in rows}
    run = inputs.runs.iloc[0]
    height, width, scale = int(run.input_height), int(run.input_width), int(run.upscale_factor)
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
            _show_person(crop, transform_joints(joints, inverse(crops.matrix(own))), table, style_of(row).color, ax)
            ax.set_xlabel(f"{_right(joints, own, table)} of {int(own.visible.sum())} joints", fontsize=8)
    scored = pick(scores(inputs.runs), "keypoints.pck").set_index("row")
    names = [f"input {height}×{width}", f"truth {high[0]}×{high[1]}"]
    names += [f"{scored.at[row, 'label']}\nPCK@0.2 {100 * scored.at[row, 'value']:.1f} %" for row in rows]
    for ax, name in zip(axes[:, 0], names, strict=True):
        ax.set_ylabel(name, fontsize=9)
    note = "Joints count as found within 0.2 of the torso; joints that something covers are not marked and not drawn."
    figure.supxlabel(note, fontsize=8, color=GREY)
    return Drawing(figure)


def _show_person(crop: PoseSample, joints: Tensor, table: JointTable, color: str, ax: Axes) -> None:
    show_image(0.6 + 0.4 * crop.image, crisp=True, ax=ax)
    limits = ax.get_xlim(), ax.get_ylim()
    draw_skeleton(joints, table, visible=crop.visible, color=color, ax=ax)
    ax.set(xlim=limits[0], ylim=limits[1])


def _right(joints: Tensor, person: PoseSample, table: JointTable) -> int:
    shoulder, hip = table.torso
    torso = (person.joints[shoulder] - person.joints[hip]).norm()
    return int((((joints - person.joints).norm(dim=-1) <= 0.2 * torso) & (person.visible > 0)).sum())
