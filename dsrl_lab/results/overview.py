"""The network as a drawing, by Figures 2 and 4 of the paper; every size is the code's own, of ``network_shapes``."""

from __future__ import annotations

import math
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Polygon

from dsrl_lab.plots.masks import Picture
from dsrl_lab.plots.theme import axes_or_current
from dsrl_lab.results.shapes import NetworkShapes, Shape
from dsrl_lab.rows import BLUE, GREEN, GREY, VERMILLION

TRAINING_ONLY = (0, (4, 2))
Point = tuple[float, float]


def say(shape: Shape | None) -> str:
    """A tensor's size as a caption: channels, then height and width."""
    return "–" if shape is None else " × ".join(map(str, shape))


def overview(
    shapes: NetworkShapes, *, low_res: Picture, mask: Picture, high_res: Picture, ax: Axes | None = None
) -> Axes:
    """Draw DSRL's parts over pictures (H, W, 3) uint8: solid what is deployed, dashed what only training needs."""
    ax = _canvas(axes_or_current(ax), 15.0, 6.5)
    top, middle, bottom = 4.9, 2.95, 1.15
    frame = "round,pad=0,rounding_size=0.2"
    ax.add_patch(FancyBboxPatch((0.1, 3.85), 14.7, 2.3, boxstyle=frame, color=BLUE, alpha=0.06))
    ax.text(0.35, 6.22, "deployed: dsrl.task_model", va="bottom", weight="bold", color=BLUE)
    ax.text(0.35, 0.3, "dashed: training only", va="bottom", weight="bold", color=GREY)
    _picture(ax, low_res, (1.3, top), 1.6, f"input\n{say(shapes.image)}", crisp=True)
    _box(ax, (4.0, top), (2.0, 1.25), "encoder\n(shared)", say(shapes.features[-1]), GREY)
    _box(ax, (6.9, top), (2.0, 1.25), "decoder", say(shapes.class_maps), BLUE)
    _box(ax, (9.75, top), (2.0, 1.25), "SSSR head", say(shapes.logits), BLUE)
    _picture(ax, mask, (13.05, top), 3.2, "mask: cross-entropy", color=BLUE)
    twice = f"{say(shapes.task_features)}, twice"
    _box(ax, (6.9, middle), (3.0, 0.95), "feature affinity", twice, VERMILLION, dashed=True)
    _box(ax, (6.9, bottom), (2.0, 1.1), "SISR head", say(shapes.super_res), GREEN, dashed=True)
    _picture(ax, high_res, (13.05, bottom), 3.2, "picture: w₁ · squared error", color=GREEN)

    _arrow(ax, (2.15, top), (2.93, top), GREY)
    _arrow(ax, (5.04, top), (5.83, top), BLUE)
    _arrow(ax, (7.94, top), (8.68, top), BLUE)
    _arrow(ax, (10.8, top), (11.4, top), BLUE)
    _arrow(ax, (4.0, top - 0.66), (5.82, bottom), GREEN, dashed=True, path="angle,angleA=-90,angleB=180,rad=12")
    _arrow(ax, (7.97, bottom), (11.4, bottom), GREEN, dashed=True)
    _arrow(ax, (6.9, top - 0.66), (6.9, middle + 0.54), VERMILLION, dashed=True)
    _arrow(ax, (6.9, bottom + 0.58), (6.9, middle - 0.54), VERMILLION, dashed=True)
    ax.text(7.05, 3.68, "last features, 1 × 1 transform", color=VERMILLION, fontsize=8, va="center")
    ax.text(8.65, middle, "w₂ · mean |S$_{seg}$ − S$_{sr}$|", fontsize=9, va="center", color=VERMILLION, weight="bold")
    return ax


def branches(shapes: NetworkShapes, *, ax: Axes | None = None) -> Axes:
    """Draw the two branches as blocks: height and depth as the tensor's sides, thickness as its channels (by roots)."""
    ax = _canvas(axes_or_current(ax), 15.6, 7.7)
    top, middle, bottom = 5.7, 3.7, 1.75
    _block(ax, (0.9, middle), shapes.image, GREY, "input")
    x = 2.6
    for feature in shapes.features:
        _block(ax, (x, middle), feature, GREY, f"encoder\nstride {shapes.image[1] // feature[1]}")
        x += 1.6
    end = x - 1.6
    _block(ax, (9.6, top), shapes.class_maps, BLUE, "decoder: class maps")
    _block(ax, (13.9, top), shapes.logits, BLUE, "SSSR head: logits")
    _arrow(ax, (end, middle + 0.85), (8.85, top), BLUE, path="angle,angleA=90,angleB=180,rad=12")
    _arrow(ax, (10.4, top), (13.0, top), BLUE)
    if shapes.super_res is not None:
        _block(ax, (13.9, bottom), shapes.super_res, GREEN, "SISR head: picture", dashed=True)
        _arrow(ax, (end, middle - 0.75), (13.0, 0.9), GREEN, dashed=True, path="angle,angleA=-90,angleB=180,rad=12")
    if shapes.task_features is not None and shapes.sisr_features is not None:
        _block(ax, (9.6, 3.75), shapes.task_features, VERMILLION, "", dashed=True)
        _block(ax, (9.6, 2.05), shapes.sisr_features, VERMILLION, "", dashed=True)
        _arrow(ax, (9.6, top - 1.05), (9.6, 4.35), VERMILLION, dashed=True)
        _arrow(ax, (9.6, 0.9), (9.6, 1.28), VERMILLION, dashed=True)
        ax.text(9.75, 4.5, f"before them: {say(shapes.head_features)}", fontsize=8, va="center", color=VERMILLION)
        positions = shapes.task_features[1] * shapes.task_features[2]
        note = f"feature affinity\nP = {positions:,} positions a side\n"
        note += f"S is P × P: {positions**2 / 2**28:g} GiB if stored"
        ax.text(10.35, 2.95, note, fontsize=8.5, va="center", color=VERMILLION, weight="bold")
    return ax


def _canvas(ax: Axes, width: float, height: float) -> Axes:
    ax.set(xlim=(0, width), ylim=(0, height), aspect="equal")
    ax.set_axis_off()
    return ax


def _box(ax: Axes, center: Point, size: Point, name: str, tensor: str, color: str, *, dashed: bool = False) -> None:
    corner = (center[0] - size[0] / 2, center[1] - size[1] / 2)
    look: dict[str, Any] = {"linewidth": 1.6, "linestyle": TRAINING_ONLY if dashed else "-"}
    look["boxstyle"] = "round,pad=0.02,rounding_size=0.15"
    ax.add_patch(FancyBboxPatch(corner, *size, facecolor=color, edgecolor="none", alpha=0.13, **look))
    ax.add_patch(FancyBboxPatch(corner, *size, facecolor="none", edgecolor=color, alpha=1.0, **look))
    ax.text(center[0], center[1] + 0.02, name, ha="center", va="bottom", fontsize=9.5, weight="bold")
    ax.text(center[0], center[1] - 0.08, tensor, ha="center", va="top", fontsize=8)


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


def _block(ax: Axes, center: Point, shape: Shape, color: str, name: str, *, dashed: bool = False) -> None:
    channels, height, width = shape
    thick, tall, deep = 0.035 * math.sqrt(channels), 0.055 * math.sqrt(height), 0.022 * math.sqrt(width)
    left, low = center[0] - (thick + deep) / 2, center[1] - (tall + deep) / 2
    front = [(left, low), (left + thick, low), (left + thick, low + tall), (left, low + tall)]
    side = [front[1], (front[1][0] + deep, low + deep), (front[1][0] + deep, low + tall + deep), front[2]]
    roof = [front[3], front[2], side[2], (left + deep, low + tall + deep)]
    for face, alpha in ((front, 0.55), (side, 0.32), (roof, 0.18)):
        ax.add_patch(Polygon(face, closed=True, facecolor=color, edgecolor="none", alpha=alpha))
        line = TRAINING_ONLY if dashed else "-"
        ax.add_patch(Polygon(face, closed=True, fill=False, edgecolor=color, linewidth=1.1, linestyle=line))
    ax.text(center[0], low - 0.12, say(shape), ha="center", va="top", fontsize=8)
    ax.text(center[0], low + tall + deep + 0.1, name, ha="center", va="bottom", fontsize=8.5, weight="bold")


def _arrow(ax: Axes, start: Point, end: Point, color: str, *, dashed: bool = False, path: str = "arc3") -> None:
    look: dict[str, Any] = {"color": color, "linewidth": 1.5, "linestyle": TRAINING_ONLY if dashed else "-"}
    look |= {"arrowstyle": "-|>", "mutation_scale": 11, "shrinkA": 0, "shrinkB": 0, "connectionstyle": path}
    ax.add_patch(FancyArrowPatch(start, end, zorder=1, **look))
