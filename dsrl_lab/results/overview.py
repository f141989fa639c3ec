"""The network as a drawing, by Figures 2 and 4 of the paper; every size is the code's own, of ``network_shapes``."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from dsrl_lab.plots.masks import Picture
from dsrl_lab.plots.theme import axes_or_current
from dsrl_lab.results.diagrams import Point, arrow, block, box, canvas, say
from dsrl_lab.results.shapes import NetworkShapes
from dsrl_lab.rows import BLUE, GREEN, GREY, VERMILLION


def overview(
    shapes: NetworkShapes, *, low_res: Picture, mask: Picture, high_res: Picture, ax: Axes | None = None
) -> Axes:
    """Draw DSRL's parts over pictures (H, W, 3) uint8: solid what is deployed, dashed what only training needs."""
    ax = canvas(axes_or_current(ax), 15.0, 6.5)
    top, middle, bottom = 4.9, 2.95, 1.15
    frame = "round,pad=0,rounding_size=0.2"
    ax.add_patch(FancyBboxPatch((0.1, 3.85), 14.7, 2.3, boxstyle=frame, color=BLUE, alpha=0.06))
    ax.text(0.35, 6.22, "deployed: dsrl.task_model", va="bottom", weight="bold", color=BLUE)
    ax.text(0.35, 0.3, "dashed: training only", va="bottom", weight="bold", color=GREY)
    _picture(ax, low_res, (1.3, top), 1.6, f"input\n{say(shapes.image)}", crisp=True)
    box(ax, (4.0, top), (2.0, 1.25), "encoder\n(shared)", say(shapes.features[-1]), GREY)
    box(ax, (6.9, top), (2.0, 1.25), "decoder", say(shapes.class_maps), BLUE)
    box(ax, (9.75, top), (2.0, 1.25), "SSSR head", say(shapes.logits), BLUE)
    _picture(ax, mask, (13.05, top), 3.2, "mask: cross-entropy", color=BLUE)
    twice = f"{say(shapes.task_features)}, twice"
    box(ax, (6.9, middle), (3.0, 0.95), "feature affinity", twice, VERMILLION, dashed=True)
    box(ax, (6.9, bottom), (2.0, 1.1), "SISR head", say(shapes.super_res), GREEN, dashed=True)
    _picture(ax, high_res, (13.05, bottom), 3.2, "picture: w₁ · squared error", color=GREEN)

    arrow(ax, (2.15, top), (2.93, top), GREY)
    arrow(ax, (5.04, top), (5.83, top), BLUE)
    arrow(ax, (7.94, top), (8.68, top), BLUE)
    arrow(ax, (10.8, top), (11.4, top), BLUE)
    arrow(ax, (4.0, top - 0.66), (5.82, bottom), GREEN, dashed=True, path="angle,angleA=-90,angleB=180,rad=12")
    arrow(ax, (7.97, bottom), (11.4, bottom), GREEN, dashed=True)
    arrow(ax, (6.9, top - 0.66), (6.9, middle + 0.54), VERMILLION, dashed=True)
    arrow(ax, (6.9, bottom + 0.58), (6.9, middle - 0.54), VERMILLION, dashed=True)
    ax.text(7.05, 3.68, "last features, 1 × 1 transform", color=VERMILLION, fontsize=8, va="center")
    ax.text(8.65, middle, "w₂ · mean |S$_{seg}$ − S$_{sr}$|", fontsize=9, va="center", color=VERMILLION, weight="bold")
    return ax


def branches(shapes: NetworkShapes, *, ax: Axes | None = None) -> Axes:
    """Draw the two branches as blocks: height and depth as the tensor's sides, thickness as its channels (by roots)."""
    ax = canvas(axes_or_current(ax), 15.6, 7.7)
    top, middle, bottom = 5.7, 3.7, 1.75
    block(ax, (0.9, middle), shapes.image, GREY, "input")
    x = 2.6
    for feature in shapes.features:
        block(ax, (x, middle), feature, GREY, f"encoder\nstride {shapes.image[1] // feature[1]}")
        x += 1.6
    end = x - 1.6
    block(ax, (9.6, top), shapes.class_maps, BLUE, "decoder: class maps")
    block(ax, (13.9, top), shapes.logits, BLUE, "SSSR head: logits")
    arrow(ax, (end, middle + 0.85), (8.85, top), BLUE, path="angle,angleA=90,angleB=180,rad=12")
    arrow(ax, (10.4, top), (13.0, top), BLUE)
    if shapes.super_res is not None:
        block(ax, (13.9, bottom), shapes.super_res, GREEN, "SISR head: picture", dashed=True)
        arrow(ax, (end, middle - 0.75), (13.0, 0.9), GREEN, dashed=True, path="angle,angleA=-90,angleB=180,rad=12")
    if shapes.task_features is not None and shapes.sisr_features is not None:
        block(ax, (9.6, 3.75), shapes.task_features, VERMILLION, "", dashed=True)
        block(ax, (9.6, 2.05), shapes.sisr_features, VERMILLION, "", dashed=True)
        arrow(ax, (9.6, top - 1.05), (9.6, 4.35), VERMILLION, dashed=True)
        arrow(ax, (9.6, 0.9), (9.6, 1.28), VERMILLION, dashed=True)
        ax.text(9.75, 4.5, f"before them: {say(shapes.head_features)}", fontsize=8, va="center", color=VERMILLION)
        positions = shapes.task_features[1] * shapes.task_features[2]
        note = f"feature affinity\nP = {positions:,} positions a side\n"
        note += f"S is P × P: {positions**2 / 2**28:g} GiB if stored"
        ax.text(10.35, 2.95, note, fontsize=8.5, va="center", color=VERMILLION, weight="bold")
    return ax


def _picture(
    ax: Axes, picture: Picture, center: Point, width: float, caption: str, *, color: str = "", crisp: bool = False
) -> None:
    height = width * picture.shape[0] / picture.shape[1]
    left, right = center[0] - width / 2, center[0] + width / 2
    low, high = center[1] - height / 2, center[1] + height / 2
    limits, how = (ax.get_xlim(), ax.get_ylim()), "none" if crisp else "antialiased"
    ax.imshow(picture, extent=(left, right, low, high), interpolation=how, zorder=2)
    ax.set(xlim=limits[0], ylim=limits[1])
    words: dict[str, Any] = {"fontsize": 9, "weight": "bold", "color": color} if color else {"fontsize": 8}
    ax.text(center[0], low - (0.06 if color else 0.1), caption, ha="center", va="top", **words)
