"""Super-resolution compare: any two methods under a swipe divider, all of them under one lens, with PSNR and SSIM.

All scores are of 8-bit pictures, as in the field's tables: ``dsrl_lab.metrics`` scores wholes, the browser the crop.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from dsrl_lab.language import translate
from dsrl_lab.metrics import psnr, ssim
from dsrl_lab.plots.masks import to_picture
from dsrl_lab.plots.super_resolution import Reconstruction, error_map, super_resolution_row
from dsrl_lab.plots.theme import new_figure, theme
from dsrl_lab.widgets.affinity import sequential
from dsrl_lab.widgets.base import Widget, as_image, or_refused

ALT = "Input, {names} and original side by side, magnified, with PSNR and SSIM"
SMALLEST_LENS = 11
"""Pixels a side: SSIM's window has to fit."""
ERROR_LIMIT = 0.1
"""Error that is shown as brightest; small enough that an enlargement by two shows where it errs."""


class SuperResolutionCompare(Widget):
    """Compare super-resolved pictures by eye and by score, whole and under a lens.

    ``low_res`` is (3, H / s, W / s) in [0, 1] or a NumPy picture (H / s, W / s, 3), ``high_res`` the truth, (3, H, W)
    or (H, W, 3), at least 11 pixels a side; ``reconstructions`` by name have its shape. The lens begins at ``crop``
    (top, left, height, width) in pixels of ``high_res``, by default the middle; ``value`` is where it is now.
    ``alt`` and ``guide`` as in ``Widget``.

    Example:
        >>> high = torch.rand(3, 24, 32)
        >>> super_resolution_compare(torch.rand(3, 12, 16), high, {"small": high[:, :12]})
        Refused("'small': expected the original's shape (3, 24, 32), got (3, 12, 32); ...
    """

    script_name, title, chosen = "super_resolution", "Super-resolution compare", "lens"

    def __init__(
        self,
        low_res: Any,
        high_res: Any,
        reconstructions: Mapping[str, Any] | Sequence[Reconstruction],
        *,
        crop: tuple[int, int, int, int] | None = None,
        alt: str = "",
        guide: Mapping[str, str] | None = None,
    ) -> None:
        pairs = reconstructions.items() if isinstance(reconstructions, Mapping) else reconstructions
        several = [Reconstruction(name, as_image(image)) for name, image in pairs]
        low_res, high_res = as_image(low_res), as_image(high_res)
        check_pictures(low_res, high_res, several)
        self.low_res, self.high_res = low_res, _eight_bits(high_res)
        self.reconstructions = [Reconstruction(made.name, _eight_bits(made.image)) for made in several]
        height, width = high_res.shape[-2:]
        side = max(SMALLEST_LENS, min(height, width) // 5)
        top, left, rows, columns = crop or (round((height - side) / 2), round((width - side) / 2), side, side)
        inside = 0 <= top <= height - rows and 0 <= left <= width - columns
        if not inside or min(rows, columns) < SMALLEST_LENS:
            raise ValueError(
                f"expected a crop (top, left, height, width) of at least {SMALLEST_LENS} pixels a side inside of "
                f"{height}x{width}, got {crop}"
            )
        arrays: dict[str, NDArray[Any]] = {"low": to_picture(low_res), "high": to_picture(self.high_res)}
        scores = []
        for number, made in enumerate(self.reconstructions):
            arrays[f"made:{number}"] = to_picture(made.image)
            pair = made.image[None], self.high_res[None]
            value = float(psnr(*pair))
            scores.append({"psnr": value if value != float("inf") else None, "ssim": float(ssim(*pair))})
        arrays["colors"] = sequential("cividis")
        names = [made.name for made in self.reconstructions]
        super().__init__(
            arrays=arrays,
            facts={"names": names, "scores": scores, "limit": ERROR_LIMIT, "smallest": SMALLEST_LENS},
            state={
                "lens": [top, left, rows, columns],
                "left": names[0],
                "right": names[-1] if len(names) > 1 else "original",
                "divider": 0.5,
                "errors": False,
            },
            alt=alt or translate(ALT, names=", ".join(map(translate, names))),
            guide=guide,
        )

    def static(self) -> Figure:
        """Input, methods and original: whole, under the lens, and the error of each."""
        columns = len(self.reconstructions) + 2
        with theme():
            height, width = self.high_res.shape[-2:]
            tile = 12 / columns
            _, _, rows, across = self.value
            figure = new_figure(12, tile * (2 * height / width + rows / across) + 0.7)
            ratios = [height / width, rows / across, height / width]
            axes = figure.subplots(3, columns, squeeze=False, height_ratios=ratios)
            super_resolution_row(self.low_res, self.high_res, self.reconstructions, axes=list(axes[0]))
            for ax in axes[0]:
                ax.set_title(ax.get_title("left"), fontsize=min(10.5, 58 / columns))  # of many methods: do not touch
            super_resolution_row(
                self.low_res, self.high_res, self.reconstructions, axes=list(axes[1]), crop=self.value, titles=False
            )
            for made, ax in zip(self.reconstructions, axes[2][1:-1], strict=True):
                error_map(made.image, self.high_res, limit=ERROR_LIMIT, ax=ax)
            for ax in (axes[2][0], axes[2][-1]):
                ax.set_axis_off()
            words = f"absolute error\n(bright: {ERROR_LIMIT} or more)"
            axes[2][0].text(0.5, 0.5, words, ha="center", transform=axes[2][0].transAxes)
        return figure


super_resolution_compare = or_refused(SuperResolutionCompare)


def check_pictures(low_res: Tensor, high_res: Tensor, reconstructions: Sequence[Reconstruction]) -> None:
    """Check that the pictures can be compared; a ValueError if not."""
    to_picture(low_res)
    to_picture(high_res)
    if min(high_res.shape[-2:]) < SMALLEST_LENS:
        raise ValueError(f"expected at least {SMALLEST_LENS} pixels a side for SSIM, got {tuple(high_res.shape)}")
    names = [made.name for made in reconstructions]
    if not names or len({*names, "input", "original"}) != len(names) + 2:
        raise ValueError(f"expected methods with different names, none of them 'input' or 'original', got {names}")
    for name, image in (("original", high_res), *reconstructions):
        if image.shape != high_res.shape:
            raise ValueError(
                f"{name!r}: expected the original's shape {tuple(high_res.shape)}, got {tuple(image.shape)}; "
                "enlarge it, or crop the original to a multiple of the scale"
            )
        if not torch.isfinite(image).all():
            raise ValueError(f"{name!r}: the picture holds NaN or infinity; look for the first layer that gives NaN")


def _eight_bits(image: Tensor) -> Tensor:
    return (image.detach().float().cpu().clamp(0, 1) * 255).round() / 255
