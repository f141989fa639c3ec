"""Pictures and masks: shown, laid over each other, and compared pixel by pixel."""

from typing import NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from numpy.typing import NDArray
from torch import Tensor

from dsrl_lab.datasets.base import IGNORE_INDEX, ClassTable
from dsrl_lab.plots.theme import axes_or_current
from dsrl_lab.rows import BLUE, GREY, ORANGE

Picture = NDArray[np.uint8]


def to_picture(image: Tensor) -> Picture:
    """An image (3, H, W) as bytes (H, W, 3), clipped to [0, 1]; ValueError for another shape.

    Example:
        >>> to_picture(torch.ones(3, 2, 4)).shape
        (2, 4, 3)
    """
    if image.ndim != 3 or image.shape[0] != 3:
        raise ValueError(
            f"expected one RGB image (3, H, W), got {tuple(image.shape)}; take one of the batch, or repeat grey thrice"
        )
    picture = (image.detach().clamp(0, 1) * 255).round().byte()
    return picture.permute(1, 2, 0).cpu().numpy()


def blend(image: Tensor, colors: Tensor, alpha: float = 0.5) -> Picture:
    """Lay colours (H, W, 3) over an image (3, H, W), not where black; ValueError if sizes or ``alpha`` do not fit.

    Example:
        >>> blend(torch.zeros(3, 1, 2), torch.tensor([[[200, 100, 0], [0, 0, 0]]], dtype=torch.uint8)).tolist()
        [[[100, 50, 0], [0, 0, 0]]]
    """
    if not 0 <= alpha <= 1:
        raise ValueError(f"expected alpha in [0, 1], got {alpha}")
    if colors.shape != (*image.shape[-2:], 3):
        raise ValueError(
            f"expected colours (H, W, 3) for the image {tuple(image.shape)}, got {tuple(colors.shape)}; "
            "predict at the picture's own size, or resize one of them"
        )
    picture, paint = to_picture(image).astype(np.float32), colors.cpu().numpy().astype(np.float32)
    share = alpha * paint.any(axis=2, keepdims=True)
    return np.rint((1 - share) * picture + share * paint).astype(np.uint8)


def show_image(image: Tensor | Picture, *, title: str = "", crisp: bool = False, ax: Axes | None = None) -> Axes:
    """Show a picture, (3, H, W) in [0, 1] or (H, W, 3) uint8, without ticks.

    Example:
        >>> from dsrl_lab.plots.theme import new_figure
        >>> show_image(torch.rand(3, 4, 6), ax=new_figure(2, 2).add_subplot()).images[0].get_size()
        (4, 6)
    """
    ax = axes_or_current(ax)
    picture = to_picture(image) if isinstance(image, Tensor) else image
    ax.imshow(picture, interpolation="none" if crisp else "antialiased")
    return bare(ax, title)


def show_mask(
    mask: Tensor,
    table: ClassTable,
    *,
    image: Tensor | None = None,
    alpha: float = 0.6,
    legend: bool = True,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Show a mask (H, W) in its colours, over an image (3, H, W) if given, with a legend of the classes that occur.

    Example:
        >>> from dsrl_lab.plots.theme import new_figure
        >>> table, ax = ClassTable(("road", "pole"), ((128, 64, 128), (192, 192, 128))), new_figure(2, 2).add_subplot()
        >>> show_mask(torch.tensor([[1, 255]]), table, ax=ax).get_legend().get_texts()[0].get_text()
        'pole'
    """
    ax = axes_or_current(ax)
    colors = table.paint(mask)
    picture = colors.cpu().numpy() if image is None else blend(image, colors, alpha)
    ax.imshow(picture, interpolation="none")
    if legend:
        present = [index for index in torch.unique(mask).tolist() if index != IGNORE_INDEX]
        handles = class_handles(table, present)
        ax.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.02), ncols=4, handlelength=1)
    return bare(ax, title)


def class_handles(table: ClassTable, ids: list[int] | None = None) -> list[Patch]:
    """Coloured squares with class names, for a legend.

    Example:
        >>> class_handles(ClassTable(("road", "pole"), ((128, 64, 128), (192, 192, 128))))[1].get_label()
        'pole'
    """
    colors = ["#{:02x}{:02x}{:02x}".format(*color) for color in table.colors]
    shown = range(table.num_classes) if ids is None else ids
    return [Patch(facecolor=colors[i], edgecolor=GREY, linewidth=0.5, label=table.names[i]) for i in shown]


class Changes(NamedTuple):
    """Pixels (H, W) on which two predictions differ in being right; ignored pixels are in none."""

    won: Tensor  # bool: wrong before and right after
    lost: Tensor
    wrong: Tensor  # in both
    counted: int  # pixels that are not ignored


def compare_masks(truth: Tensor, before: Tensor, after: Tensor) -> Changes:
    """Say where class ids (H, W) got better and worse, 255 in ``truth`` left out; ValueError if sizes differ.

    Example:
        >>> changes = compare_masks(torch.tensor([[0, 1, 255]]), torch.tensor([[1, 1, 0]]), torch.tensor([[0, 0, 1]]))
        >>> changes.won.tolist(), changes.lost.tolist(), changes.counted
        ([[True, False, False]], [[False, True, False]], 2)
    """
    if not truth.shape == before.shape == after.shape:
        raise ValueError(
            f"expected three masks of one size, got {tuple(truth.shape)}, {tuple(before.shape)}, {tuple(after.shape)}; "
            "predict at the picture's own size"
        )
    valid = truth != IGNORE_INDEX
    was, now = (before == truth) & valid, (after == truth) & valid
    return Changes(~was & now & valid, was & ~now & valid, ~was & ~now & valid, int(valid.sum()))


def mask_errors(
    truth: Tensor,
    before: Tensor,
    after: Tensor,
    *,
    image: Tensor | None = None,
    legend: bool = True,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Show pixels (H, W) that a second prediction wins (blue) and loses (orange) over a first; grey: wrong in both.

    Example:
        >>> from dsrl_lab.plots.theme import new_figure
        >>> truth, before, ax = torch.tensor([[0, 1]]), torch.tensor([[0, 0]]), new_figure(2, 2).add_subplot()
        >>> [text.get_text() for text in mask_errors(truth, before, truth, ax=ax).get_legend().get_texts()]
        ['wrong in both 0.0 %', 'won 50.0 %', 'lost 0.0 %']
    """
    ax = axes_or_current(ax)
    changes = compare_masks(truth, before, after)
    picture = np.full((*truth.shape, 3), 255, np.uint8)
    if image is not None:
        picture = (255 - 0.35 * (255 - to_picture(image).mean(2, keepdims=True).repeat(3, 2))).astype(np.uint8)
    parts = (("wrong in both", GREY, changes.wrong), ("won", BLUE, changes.won), ("lost", ORANGE, changes.lost))
    handles = []
    for name, color, where in parts:
        picture[where.cpu().numpy()] = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
        share = 100 * int(where.sum()) / max(changes.counted, 1)
        handles.append(Patch(facecolor=color, label=f"{name} {share:.1f} %"))
    ax.imshow(picture, interpolation="none")
    if legend:
        ax.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.02), ncols=3, handlelength=1)
    return bare(ax, title)


def bare(ax: Axes, title: str = "") -> Axes:
    """Take ticks, grid and frame away from a picture."""
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    ax.spines[:].set_visible(False)
    if title:
        ax.set_title(title)
    return ax
