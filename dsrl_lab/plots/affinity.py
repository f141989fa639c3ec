"""One row of the affinity matrix (S_ij of Wang et al., CVPR 2020) as a picture: what looks like the marked position."""

from collections.abc import Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, MaxNLocator
from torch import Tensor

from dsrl_lab.plots.masks import bare, show_image
from dsrl_lab.plots.theme import axes_or_current
from dsrl_lab.rows import VERMILLION

SIMILARITY, DIFFERENCE = "cividis", "PuOr"


def affinity_row(features: Tensor, position: tuple[int, int], *, p: float = 2.0) -> Tensor:
    """A row of ``affinity_matrix`` without it: (C, h, w) to (h, w), in [-1, 1] for p = 2; ValueError off the grid.

    Example:
        >>> affinity_row(torch.tensor([[[1.0, 0.0, 2.0]], [[0.0, 3.0, 0.0]]]), (0, 0))  # (2, 1, 3)
        tensor([[1., 0., 1.]])
    """
    _, height, width = features.shape
    y, x = position
    if not (0 <= y < height and 0 <= x < width):
        raise ValueError(f"expected a position (y, x) on the grid of {height}x{width}, got {position}")
    units = torch.nn.functional.normalize(features.float(), p=p, dim=0)
    return torch.einsum("chw,c->hw", units, units[:, y, x])


def mark_position(position: tuple[int, int], grid: tuple[int, int], size: tuple[int, int], *, ax: Axes) -> Axes:
    """Frame one position of a grid on a picture, in its pixels."""
    step_y, step_x = size[0] / grid[0], size[1] / grid[1]
    corner = (position[1] * step_x - 0.5, position[0] * step_y - 0.5)
    for color, line in (("white", 3.2), (VERMILLION, 1.6)):
        ax.add_patch(Rectangle(corner, step_x, step_y, fill=False, edgecolor=color, linewidth=line, zorder=3))
    return ax


def affinity_picture(
    row: Tensor,
    position: tuple[int, int],
    *,
    difference: bool = False,
    limits: tuple[float, float] | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Show one row (h, w) of the affinity matrix, or the difference of two, with the position framed.

    Example:
        >>> from dsrl_lab.plots.theme import new_figure
        >>> affinity_picture(torch.rand(3, 4), (1, 2), ax=new_figure(2, 2).add_subplot()).images[0].get_size()
        (3, 4)
    """
    ax = axes_or_current(ax)
    values = row.detach().cpu().numpy()
    low, high = min(0.0, float(values.min())), 1.0
    if difference:
        high = max(0.1, float(abs(values).max()))
        low = -high
    if limits is not None:
        low, high = limits
    colors = DIFFERENCE if difference else SIMILARITY
    shown = ax.imshow(values, cmap=colors, vmin=low, vmax=high, interpolation="none")
    assert ax.figure is not None
    bar = ax.figure.colorbar(shown, cax=ax.inset_axes((0, -0.075, 1, 0.04)), orientation="horizontal")
    bar.locator = MaxNLocator(5) if limits is None else FixedLocator([low, (low + high) / 2, high])
    bar.update_ticks()
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, length=2)
    grid = (values.shape[0], values.shape[1])
    mark_position(position, grid, grid, ax=ax)
    return bare(ax, title)


def affinity_rows(
    image: Tensor,
    position: tuple[int, int],
    task_features: Tensor,
    sisr_features: Tensor,
    *,
    axes: Sequence[Axes],
    limits: tuple[float, float] | None = None,
    titles: bool = True,
) -> list[Axes]:
    """Show a position on an image (3, H, W), its rows by features (C, h, w), the difference; ValueError if none fit.

    Example:
        >>> from dsrl_lab.plots.theme import new_figure
        >>> axes, task, sisr = list(new_figure(8, 2).subplots(1, 4)), torch.rand(8, 3, 4), torch.rand(16, 3, 4)
        >>> len(affinity_rows(torch.rand(3, 24, 32), (1, 2), task, sisr, axes=axes))
        4
    """
    if len(axes) != 4:
        raise ValueError(f"expected 4 axes (picture, S_seg, S_sr, difference), got {len(axes)}")
    if task_features.shape[1:] != sisr_features.shape[1:]:
        raise ValueError(
            f"expected features on one grid, got {tuple(task_features.shape)} and {tuple(sisr_features.shape)}; "
            "take them from one DSRLOutput"
        )
    task, sisr = affinity_row(task_features, position), affinity_row(sisr_features, position)
    grid, size = (task.shape[0], task.shape[1]), (image.shape[-2], image.shape[-1])
    names = (
        "the marked position",
        "S$_{seg}$: segmentation",
        "S$_{sr}$: super-resolution",
        "difference, S$_{seg}$ − S$_{sr}$",
    )
    if not titles:
        names = ("", "", "", "")
    mark_position(position, grid, size, ax=show_image(image, title=names[0], ax=axes[0]))
    affinity_picture(task, position, limits=limits, title=names[1], ax=axes[1])
    affinity_picture(sisr, position, limits=limits, title=names[2], ax=axes[2])
    affinity_picture(task - sisr, position, difference=True, limits=limits, title=names[3], ax=axes[3])
    return list(axes)
