"""Drawings of networks: boxes for parts, blocks for tensors, arrows between them."""

import math
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Polygon

TRAINING_ONLY = (0, (4, 2))
Point = tuple[float, float]
Shape = tuple[int, int, int]


def say(shape: Shape | None) -> str:
    """A tensor's size (C, H, W) as a caption."""
    return "–" if shape is None else " × ".join(map(str, shape))


def canvas(ax: Axes, width: float, height: float) -> Axes:
    """Make axes an empty drawing board, its units alike on both sides."""
    ax.set(xlim=(0, width), ylim=(0, height), aspect="equal")
    ax.set_axis_off()
    return ax


def box(ax: Axes, center: Point, size: Point, name: str, tensor: str, color: str, *, dashed: bool = False) -> None:
    """Draw a part of a network: its name, and the tensor that it gives; dashed where only training needs it."""
    corner = (center[0] - size[0] / 2, center[1] - size[1] / 2)
    look: dict[str, Any] = {"linewidth": 1.6, "linestyle": TRAINING_ONLY if dashed else "-"}
    look["boxstyle"] = "round,pad=0.02,rounding_size=0.15"
    ax.add_patch(FancyBboxPatch(corner, *size, facecolor=color, edgecolor="none", alpha=0.13, **look))
    ax.add_patch(FancyBboxPatch(corner, *size, facecolor="none", edgecolor=color, alpha=1.0, **look))
    ax.text(center[0], center[1] + 0.02, name, ha="center", va="bottom", fontsize=9.5, weight="bold")
    ax.text(center[0], center[1] - 0.08, tensor, ha="center", va="top", fontsize=8)


def block(ax: Axes, at: Point, shape: Shape, color: str, name: str, *, scale: float = 1, dashed: bool = False) -> None:
    """Draw a tensor (C, H, W) as a block: tall and deep by its sides, thick by its channels (by roots)."""
    thick, tall, deep = (scale * u * math.sqrt(n) for u, n in zip((0.035, 0.055, 0.022), shape, strict=True))
    left, low = at[0] - (thick + deep) / 2, at[1] - (tall + deep) / 2
    front = [(left, low), (left + thick, low), (left + thick, low + tall), (left, low + tall)]
    side = [front[1], (front[1][0] + deep, low + deep), (front[1][0] + deep, low + tall + deep), front[2]]
    roof = [front[3], front[2], side[2], (left + deep, low + tall + deep)]
    line = TRAINING_ONLY if dashed else "-"
    for face, alpha in ((front, 0.55), (side, 0.32), (roof, 0.18)):
        ax.add_patch(Polygon(face, closed=True, facecolor=color, edgecolor="none", alpha=alpha))
        ax.add_patch(Polygon(face, closed=True, fill=False, edgecolor=color, linewidth=1.1, linestyle=line))
    ax.text(at[0], low - 0.12, say(shape), ha="center", va="top", fontsize=8)
    ax.text(at[0], low + tall + deep + 0.1, name, ha="center", va="bottom", fontsize=8.5, weight="bold")


def arrow(ax: Axes, start: Point, end: Point, color: str, *, dashed: bool = False, path: str = "arc3") -> None:
    """Draw an arrow; ``path`` is a matplotlib connection style."""
    look: dict[str, Any] = {"arrowstyle": "-|>", "mutation_scale": 11, "shrinkA": 0, "shrinkB": 0, "zorder": 1}
    look |= {"linewidth": 1.5, "linestyle": TRAINING_ONLY if dashed else "-", "connectionstyle": path}
    ax.add_patch(FancyArrowPatch(start, end, color=color, **look))
