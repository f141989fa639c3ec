"""People as pictures: skeletons, heat-maps over a crop, and PCK against the tolerance."""

import math
from collections.abc import Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from torch import Tensor

from dsrl_lab.datasets.joint_tables import JointTable
from dsrl_lab.metrics.keypoints import pck
from dsrl_lab.plots.masks import show_image
from dsrl_lab.plots.theme import axes_or_current
from dsrl_lab.rows import Style

ALPHAS = tuple(step / 50 for step in range(1, 26))
"""Tolerances of ``pck_curve``, as shares of the torso: 0.02, 0.04, ... 0.5."""


def draw_skeleton(
    joints: Tensor,
    table: JointTable,
    *,
    visible: Tensor | None = None,
    color: str = "#D55E00",
    line: str = "-",
    label: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw one person's joints (J, 2) and limbs over a picture; a limb with an end not ``visible`` (J,) is left out.

    Example:
        >>> from dsrl_lab.datasets.joint_tables import LSP_JOINTS
        >>> from dsrl_lab.plots.theme import new_figure
        >>> len(draw_skeleton(torch.rand(14, 2), LSP_JOINTS, ax=new_figure(2, 2).add_subplot()).lines[1].get_xdata())
        14
    """
    ax = axes_or_current(ax)
    edge = "#222222" if color.upper() == "#FFFFFF" else "white"  # so that it shows on any picture
    seen = torch.ones(len(joints)) if visible is None else visible
    limbs = [joints[[start, stop]] for start, stop in table.limbs if seen[start] > 0 and seen[stop] > 0]
    if limbs:  # one line, lifted between limbs
        lifted = torch.full((1, 2), math.nan)
        x, y = torch.cat([part for limb in limbs for part in (limb, lifted)]).T.tolist()
        ax.plot(
            x, y, color=color, linestyle=line, linewidth=1.6, path_effects=[withStroke(linewidth=3, foreground=edge)]
        )
    x, y = joints[seen > 0].T.tolist()
    ax.plot(x, y, "o", color=color, markersize=3.6, markeredgecolor=edge, markeredgewidth=0.6, label=label)
    return ax


def show_heatmaps(heatmaps: Tensor, image: Tensor, *, title: str = "", ax: Axes | None = None) -> Axes:
    """Show the largest of a person's heat-maps (J, h, w) at each place, over a pale crop (3, H, W) in [0, 1].

    Example:
        >>> from dsrl_lab.plots.theme import new_figure
        >>> ax = show_heatmaps(torch.rand(14, 6, 6), torch.rand(3, 24, 24), ax=new_figure(2, 2).add_subplot())
        >>> ax.images[1].get_size()
        (6, 6)
    """
    ax = axes_or_current(ax)
    height, width = image.shape[-2:]
    show_image(0.6 + 0.4 * image.mean(0).expand(3, -1, -1), title=title, ax=ax)
    highest = heatmaps.amax(0).clamp(0, 1).numpy()
    edges = (-0.5, width - 0.5, height - 0.5, -0.5)
    ax.imshow(highest, cmap="magma_r", vmin=0, vmax=1, alpha=0.25 + 0.65 * highest, extent=edges, interpolation="none")
    return ax


def pck_curve(
    pred: Tensor,
    target: Tensor,
    visible: Tensor,
    *,
    torso: tuple[int, int],
    style: Style,
    label: str,
    alphas: Sequence[float] = ALPHAS,
    ax: Axes | None = None,
) -> Axes:
    """Draw PCK (in %) of joints (N, J, 2), ``visible`` (N, J), against the tolerance as a share of the torso.

    Example:
        >>> from dsrl_lab.plots.theme import new_figure, style_of
        >>> joints, marked, ax = torch.rand(2, 14, 2), torch.ones(2, 14), new_figure(2, 2).add_subplot()
        >>> ax = pck_curve(joints, joints, marked, torso=(9, 2), style=style_of("dsrl"), label="truth", ax=ax)
        >>> float(ax.lines[0].get_ydata()[0])
        100.0
    """
    ax = axes_or_current(ax)
    values = [100 * pck(pred, target, visible, alpha=alpha, torso=torso).mean for alpha in alphas]
    every = max(1, len(values) // 6)
    ax.plot(
        list(alphas), values, color=style.color, linestyle=style.line, marker=style.marker, markevery=every, label=label
    )
    ax.set(xlabel="tolerance (share of the torso)", ylabel="PCK (%)", xlim=(0, max(alphas)), ylim=(0, 102))
    return ax
