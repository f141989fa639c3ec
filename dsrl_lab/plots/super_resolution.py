"""Super-resolved pictures side by side: what was given, what came back, and where it is wrong."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from torch import Tensor

from dsrl_lab.metrics import psnr, ssim
from dsrl_lab.plots.masks import bare, show_image
from dsrl_lab.plots.theme import axes_or_current


class Reconstruction(NamedTuple):
    """A method's reconstruction of a high-resolution picture."""

    name: str
    image: Tensor  # (3, H, W) in [0, 1]


def caption(reconstruction: Reconstruction, high_res: Tensor) -> str:
    """Name, PSNR in dB and SSIM of a reconstruction of ``high_res`` (3, H, W) in [0, 1]; RGB, no border cropped.

    Example:
        >>> caption(Reconstruction("black", Tensor(3, 16, 16).zero_()), Tensor(3, 16, 16).fill_(0.5)).split()[:3]
        ['black', '6.02', 'dB']
    """
    given, wanted = reconstruction.image.clamp(0, 1)[None], high_res[None]
    return f"{reconstruction.name}\n{float(psnr(given, wanted)):.2f} dB  SSIM {float(ssim(given, wanted)):.3f}"


def error_map(image: Tensor, high_res: Tensor, *, limit: float = 0.25, title: str = "", ax: Axes | None = None) -> Axes:
    """Show each pixel's absolute error, mean over channels (3, H, W) in [0, 1]; ValueError if sizes differ.

    Example:
        >>> from dsrl_lab.plots.theme import new_figure
        >>> image, ax = Tensor(3, 4, 6).fill_(0.5), new_figure(2, 2).add_subplot()
        >>> float(error_map(image, image, ax=ax).images[0].get_array().max())
        0.0
    """
    if image.shape != high_res.shape:
        raise ValueError(
            f"expected two pictures of one size, got {tuple(image.shape)} and {tuple(high_res.shape)}; "
            "enlarge the first"
        )
    ax = axes_or_current(ax)
    error = (image.clamp(0, 1) - high_res).abs().mean(0).detach().cpu().numpy()
    ax.imshow(error, cmap="cividis", vmin=0, vmax=limit, interpolation="none")
    return bare(ax, title)


def super_resolution_row(
    low_res: Tensor,
    high_res: Tensor,
    reconstructions: Sequence[Reconstruction],
    *,
    axes: Sequence[Axes],
    crop: tuple[int, int, int, int] | None = None,
    titles: bool = True,
) -> list[Axes]:
    """Show input (3, H / s, W / s), reconstructions and truth (3, H, W), an axes each; ValueError for more or fewer.

    Example:
        >>> from dsrl_lab.plots.theme import new_figure
        >>> truth, axes = Tensor(3, 16, 16).fill_(0.5), list(new_figure(6, 2).subplots(1, 3))
        >>> len(super_resolution_row(truth[:, ::2, ::2], truth, [Reconstruction("same", truth)], axes=axes))
        3
    """
    if len(axes) != len(reconstructions) + 2:
        raise ValueError(f"expected {len(reconstructions) + 2} axes (input, reconstructions, truth), got {len(axes)}")
    height, width = high_res.shape[-2:]
    top, left, rows, columns = crop or (0, 0, height, width)
    window = np.s_[:, top : top + rows, left : left + columns]
    scale = height / low_res.shape[-2]
    small = [round(side / scale) for side in (top, left, rows, columns)]
    given = low_res[:, small[0] : small[0] + small[2], small[1] : small[1] + small[3]]
    names = [f"input {low_res.shape[-2]}×{low_res.shape[-1]}\n"]
    names += [caption(reconstruction, high_res) for reconstruction in reconstructions]
    names += [f"original {height}×{width}\n"]
    shown = [given, *(reconstruction.image[window] for reconstruction in reconstructions), high_res[window]]
    for ax, image, name in zip(axes, shown, names, strict=True):
        show_image(image, title=name if titles else "", crisp=True, ax=ax)
    return list(axes)
