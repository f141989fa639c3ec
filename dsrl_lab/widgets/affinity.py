"""The affinity explorer: Wang et al., CVPR 2020, the equations of S_ij and L_fa, for a position the reader chooses.

Features cross once, as float16 directions and their lengths; rows and losses are computed where the reader clicks.
"""

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from dsrl_lab.affinity import unit_vectors
from dsrl_lab.language import translate
from dsrl_lab.plots.affinity import DIFFERENCE, SIMILARITY, affinity_row, affinity_rows
from dsrl_lab.plots.masks import to_picture
from dsrl_lab.plots.theme import new_figure, theme
from dsrl_lab.widgets.base import Widget, as_image, as_tensor, or_refused

ALT = (
    "A picture with one position marked, and how similar all positions are to it in the features of segmentation and "
    "of super-resolution"
)
MOST_POSITIONS, MOST_CHANNELS = 64 * 64, 64
COSINES = (-1.0, 1.0)
"""One scale for all rows and their differences, as in the browser: pictures can be compared."""
MOST_PIXELS = 384 * 384
"""A larger picture is made smaller on its way: an exported page stays under 3 MB."""


class AffinityExplorer(Widget):
    """Point at a position of a picture and see its row of S_seg, its row of S_sr, and what FA pays for.

    ``image`` is (3, H, W) in [0, 1] or a NumPy picture (H, W, 3); ``task_features`` are (C, h, w) of the segmentation
    branch, at most 4096 positions and 64 channels, or several by name: {"DSRL": ..., "baseline": ...};
    ``sisr_features`` are (C', h, w). ``position`` (y, x) on their grid is the middle by default, ``source`` the name
    whose row differs most from S_sr. ``value`` is the position chosen; ``alt`` and ``guide`` as in ``Widget``.

    Example:
        >>> affinity_explorer(torch.rand(3, 24, 32), torch.rand(1, 3, 4), torch.rand(16, 3, 4))
        Refused('the features of segmentation have one channel: ...
    """

    script_name, title, chosen = "affinity", "Feature affinity explorer", "position"

    def __init__(
        self,
        image: Any,
        task_features: Any,
        sisr_features: Any,
        *,
        position: tuple[int, int] | None = None,
        source: str | None = None,
        alt: str = "",
        guide: Mapping[str, str] | None = None,
    ) -> None:
        several = task_features if isinstance(task_features, Mapping) else {"segmentation": task_features}
        self.image, self.sisr_features = as_image(image), as_tensor(sisr_features)
        self.task_features = {name: as_tensor(features) for name, features in several.items()}
        grid = check_features(self.image, self.task_features, self.sisr_features)
        place = (grid[0] // 2, grid[1] // 2) if position is None else position
        if not (0 <= place[0] < grid[0] and 0 <= place[1] < grid[1]):
            raise ValueError(f"expected a position (y, x) on the grid of {grid[0]}x{grid[1]}, got {place}")
        if source is not None and source not in self.task_features:
            raise ValueError(f"unknown source {source!r}; choose one of {', '.join(self.task_features)}")
        arrays: dict[str, NDArray[Any]] = {"image": _small(self.image)}
        tasks = {f"task:{name}": features for name, features in self.task_features.items()}
        for name, features in {**tasks, "sisr": self.sisr_features}.items():
            arrays[f"{name}:norms"], arrays[f"{name}:units"] = _directions(features)
        arrays |= {"similarity": sequential(SIMILARITY), "difference": sequential(DIFFERENCE, begin=0.5)}
        teacher = affinity_row(self.sisr_features, place)
        apart = {name: (affinity_row(x, place) - teacher).abs().mean() for name, x in self.task_features.items()}
        super().__init__(
            arrays=arrays,
            facts={"grid": list(grid), "sources": list(self.task_features)},
            state={
                "position": list(place),
                "pins": [],
                "source": source or max(apart, key=lambda name: float(apart[name])),
                "p": "2",
                "q": 1,
                "pooling": 1,
            },
            alt=alt or translate(ALT),
            guide=guide,
        )

    def static(self) -> Figure:
        """Picture, row of S_seg, row of S_sr and their difference for the chosen position: one line for each source."""
        names = list(self.task_features)
        with theme():
            height, width = self.image.shape[-2:]
            figure = new_figure(11, (2.75 * height / width + 0.75) * len(names))
            for number, axes in enumerate(figure.subplots(len(names), 4, squeeze=False)):
                features = self.task_features[names[number]]
                affinity_rows(self.image, self.value, features, self.sisr_features, axes=list(axes), limits=COSINES)
                if len(names) > 1:
                    axes[0].set_title(names[number])
        return figure


affinity_explorer = or_refused(AffinityExplorer)


def check_features(image: Tensor, task_features: Mapping[str, Tensor], sisr_features: Tensor) -> tuple[int, int]:
    """Check that the explorer can show the features, and return (h, w) of their grid; a ValueError if it cannot."""
    to_picture(image)
    if not task_features:
        raise ValueError("expected features of at least one segmentation branch, got none")
    for name, features in {**task_features, "super-resolution": sisr_features}.items():
        of = f"the features of {name}"
        if features.ndim != 3 or 0 in features.shape:
            raise ValueError(f"{of}: expected (C, h, w) of a picture, got {tuple(features.shape)}; take [0] of a batch")
        if features.shape[0] == 1:
            raise ValueError(
                f"{of} have one channel: the cosine of two scalars is +1 or -1, whatever they are; take features "
                "before the prediction layer"
            )
        if not torch.isfinite(features).all():
            raise ValueError(f"{of} hold NaN or infinity; look for the first layer that gives NaN")
        if features.shape[1:] != sisr_features.shape[1:]:
            raise ValueError(
                f"{of}: expected the grid {tuple(sisr_features.shape[1:])} of the super-resolution features, got "
                f"{tuple(features.shape[1:])}; take both from one DSRLOutput, or resize one of them"
            )
        if features.shape[0] > MOST_CHANNELS or features.shape[1] * features.shape[2] > MOST_POSITIONS:
            raise ValueError(
                f"{of}: expected at most {MOST_CHANNELS} channels and {MOST_POSITIONS} positions, got "
                f"{tuple(features.shape)}; sub-sample positions (adaptive_avg_pool2d) or choose channels"
            )
    return int(sisr_features.shape[1]), int(sisr_features.shape[2])


def sequential(name: str, *, begin: float = 0.0) -> NDArray[np.uint8]:
    """A table of 256 colours (256, 3) for the browser, of matplotlib's map from ``begin`` to its end."""
    colors = mpl.colormaps[name](np.linspace(begin, 1, 256), bytes=True)
    return np.ascontiguousarray(colors[:, :3])


def _directions(features: Tensor) -> tuple[NDArray[np.float32], NDArray[np.float16]]:
    """Lengths (P,) and directions (P, C): float16 keeps a direction well, whatever the features' size is."""
    norms = features.detach().float().flatten(1).norm(dim=0).cpu()
    units = unit_vectors(features.detach()[None].cpu(), 2.0)[0]
    return norms.numpy().astype(np.float32), units.numpy().astype(np.float16)


def _small(image: Tensor) -> NDArray[np.uint8]:
    """(3, H, W) -> (H', W', 3) bytes of at most ``MOST_PIXELS`` pixels."""
    height, width = image.shape[-2:]
    scale = (MOST_PIXELS / (height * width)) ** 0.5
    if scale < 1:
        size = (max(1, int(height * scale)), max(1, int(width * scale)))
        image = F.interpolate(image[None].float(), size, mode="area")[0]
    return to_picture(image)
