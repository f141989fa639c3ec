"""One question, two rows, one paired difference: what each part adds, what its control adds, class by class as well.

A row against the baseline says what all its parts gain together. To learn what one part adds, it must be compared with
the row that lacks nothing but that part; to learn why, with the control that keeps everything but the supposed reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from dsrl_lab.plots.theme import axes_or_current, style_of
from dsrl_lab.results.ablation import AblationRow, dots_and_interval, gain_marks, name_places
from dsrl_lab.results.records import MIOU, Estimate, estimate, paired_difference
from dsrl_lab.rows import GREY

QUESTIONS = (
    ("finer labels alone", "bilinear", "baseline"),
    ("BatchNorm on the class maps alone", "normalised", "bilinear"),
    ("the SSSR head, beyond finer labels", "sssr", "bilinear"),
    ("SISR", "sisr", "sssr"),
    ("FA, pulling SISR too", "dsrl", "sisr"),
    ("FA, its gradient stopped at SISR", "detached", "sisr"),
    ("this picture's structure in FA, not another's", "dsrl", "shuffled"),
    ("the authors' deconvolutions for the cheap head", "deconvolution", "sssr"),
    ("the authors' deconvolutions, beyond their BatchNorm", "deconvolution", "normalised"),
    ("SISR and FA beside the authors' head", "deconvolution_dsrl", "deconvolution"),
    ("a deconvolution per class map, beyond its BatchNorm", "depthwise", "normalised"),
    ("mixing the classes in a deconvolution", "deconvolution", "depthwise"),
    ("SISR and FA beside a deconvolution per class map", "depthwise_dsrl", "depthwise"),
    ("of them, SISR", "depthwise_sisr", "depthwise"),
    ("of them, FA", "depthwise_dsrl", "depthwise_sisr"),
    ("this picture's structure in that FA", "depthwise_dsrl", "depthwise_shuffled"),
    ("a deconvolution per class map, SISR and FA, beyond BatchNorm", "depthwise_dsrl", "normalised"),
)


@dataclass(frozen=True)
class Contrast:
    """What one change adds.

    Attributes:
        adds: the change in words.
        row: with it.
        before: without it.
        result: paired by seed, in points.
    """

    adds: str
    row: str
    before: str
    result: Estimate


def contrasts(rows: Sequence[AblationRow], score: str = MIOU) -> list[Contrast]:
    """All questions that the rows can answer with at least one shared seed, in order.

    Args:
        rows: of one ablation.
        score: path of the score in a record's last line.

    Example:
        >>> contrasts([])
        []
    """
    runs = {row.row: row.runs for row in rows}
    found = []
    for adds, row, before in QUESTIONS:
        result = paired_difference(runs.get(row, ()), runs.get(before, ()), score)
        if result is not None:
            found.append(Contrast(adds, row, before, result.scaled(100)))
    return found


def label_share(row: AblationRow) -> Estimate | None:
    """How much of a row's gain by the released protocol is finer label maps alone, in points, paired by seed.

    The gain by label maps enlarged with nearest neighbour less the gain by logits enlarged bilinearly; None for the
    baseline, or where no seed has all four scores.
    """
    by_labels, by_logits = row.gain("labels.miou"), row.gain(MIOU)
    if by_labels is None or by_logits is None or len(by_labels.values) != len(by_logits.values):
        return None
    return estimate(100 * (labels - logits) for labels, logits in zip(by_labels.values, by_logits.values, strict=True))


def contrast_plot(found: Sequence[Contrast], *, ax: Axes | None = None) -> Axes:
    """Draw what each change adds, with seeds as dots and 95 % intervals, in the style of the row that has it.

    Args:
        found: of ``contrasts``.
        ax: where to; pyplot's current axes by default.
    """
    ax = axes_or_current(ax)
    for place, contrast in enumerate(found):
        gain_marks(ax, place, contrast.result, 1.0, style_of(contrast.row))
    _named_rows(ax, [contrast.adds for contrast in found])
    ax.set_xlabel("adds (points of mIoU, paired by seed)")
    return ax


def class_gains(row: AblationRow) -> dict[str, Estimate]:
    """Gain in IoU of each class over the baseline, in points, paired by seed; classes without a score are left out.

    Raises:
        ValueError: the baseline itself, which gains nothing over itself.
    """
    if row.row == "baseline":
        raise ValueError("expected a row other than the baseline; its gain over itself is zero")
    names = (row.runs[0].end or {}).get("logits", {}).get("iou", {})
    gains = {name: row.gain(f"logits.iou.{name}") for name in names}
    return {name: gain.scaled(100) for name, gain in gains.items() if gain is not None}


def class_plot(row: AblationRow, *, thin: Sequence[str] = (), ax: Axes | None = None) -> Axes:
    """Draw the gain of each class with seeds as dots and 95 % intervals.

    Args:
        row: of ``ablation``, with a baseline.
        thin: classes whose names are marked with a star.
        ax: where to; pyplot's current axes by default.
    """
    ax = axes_or_current(ax)
    gains, style = class_gains(row), style_of(row.row)
    for place, gain in enumerate(gains.values()):
        dots_and_interval(ax, place, gain, 1.0, style.color, style.marker)
    _named_rows(ax, [f"{name} *" if name in thin else name for name in gains])
    ax.set_xlabel("gain over the baseline (points of IoU)")
    return ax


def _named_rows(ax: Axes, names: Sequence[str]) -> None:
    ax.axvline(0, color=GREY, linewidth=1)
    name_places(ax, names)
    ax.margins(x=0.12)
