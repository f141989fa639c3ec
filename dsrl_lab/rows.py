"""The rows of an ablation, each one object: what it changes, what it answers, how it is drawn.

Steps of Table 1, contrasts, tables and plot styles derive from this list; a new row is entered here alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

# Colours of Okabe and Ito, which colour-blind readers can tell apart, and darker and lighter ones beside them.
GREY, BLUE, SKY, GREEN = "#7A8290", "#0072B2", "#56B4E9", "#009E73"
VERMILLION, ORANGE, PURPLE = "#D55E00", "#E69F00", "#CC79A7"


class Style(NamedTuple):
    """How a row is drawn: colour, line, marker and hatch each identify it."""

    color: str
    line: Any = "-"
    marker: Any = "o"
    hatch: str = ""


@dataclass(frozen=True)
class Row:
    """One row of an ablation."""

    name: str  # at the end of a recipe's name
    title: str  # for tables and figures
    style: Style
    adds: Mapping[str, str] = field(default_factory=dict)  # other row: the question that the difference answers
    network: Mapping[str, Any] = field(default_factory=dict)  # what it changes in the setting's NetworkConfig
    train: Mapping[str, Any] = field(default_factory=dict)  # what it changes in the setting's TrainConfig
    paper_row: str | None = None  # row of the paper's Table 1 that it stands for; None for a control
    own_size: bool = False  # whether it needs an input size of its own, which is in the setting's Recipe.sizes

    @property
    def parent(self) -> str | None:
        """The first row of ``adds``, which lacks nothing but this one's last part; None for the baseline."""
        return next(iter(self.adds), None)


PAPER_WEIGHTS: dict[str, Any] = {"sisr_weight": 0.1, "affinity_weight": 1.0}
SISR = {"sisr": True}
FA = {"sisr": True, "affinity": True}
FIGURE_4 = {**FA, "sisr_fuse": False}  # SISR from the deepest map alone, as the paper draws it
SHUFFLED = {"shuffle_affinity": True}
SUB_PIXEL, DEPTHWISE, DECONVOLUTION = ({"sssr": head} for head in ("sub_pixel", "depthwise", "deconvolution"))

# fmt: off
_ROWS = (
    Row("baseline", "baseline", Style(GREY), paper_row="baseline"),
    Row("bilinear", "baseline, high-resolution supervision", Style(SKY, (0, (1, 1)), "P", "---"),
        {"baseline": "finer labels alone"}, {"sssr": "bilinear"}),
    Row("normalised", "baseline, high-resolution supervision, class maps normalised",
        Style("#8AA9BF", (0, (2, 2)), "8", "..."),
        {"bilinear": "BatchNorm on the class maps alone"}, {"sssr": "normalised"}),
    Row("sssr", "+ SSSR", Style(BLUE, (0, (5, 2)), "s", "///"),
        {"baseline": "SSSR", "bilinear": "the SSSR head, beyond finer labels"}, SUB_PIXEL, paper_row="sssr"),
    Row("sisr", "+ SSSR + SISR", Style(GREEN, (0, (5, 2, 1, 2)), "^", "\\\\\\"),
        {"sssr": "SISR"}, {**SUB_PIXEL, **SISR}, paper_row="sisr"),
    Row("dsrl", "+ SSSR + SISR + FA", Style(VERMILLION, "-", "D", "xxx"),
        {"sisr": "FA, pulling SISR too", "shuffled": "this picture's structure in FA, not another's"},
        {**SUB_PIXEL, **FA}, paper_row="dsrl"),
    Row("detached", "+ SSSR + SISR + FA, FA's gradient stopped at SISR",
        Style(PURPLE, (0, (3, 1, 1, 1, 1, 1)), "v", "||"), {"sisr": "FA, its gradient stopped at SISR"},
        {**SUB_PIXEL, **FA, "detach_sisr": True}, paper_row="dsrl"),
    Row("shuffled", "+ SSSR + SISR + FA of another picture (control)", Style(ORANGE, (0, (1, 2)), "X", "++"),
        {"sisr": "FA of another picture"}, {**SUB_PIXEL, **FA}, SHUFFLED),
    Row("paper", "+ SSSR + SISR + FA, the paper's weights (0.1 and 1)", Style("#B8A800", (0, (4, 2, 4, 1)), "*", "//"),
        {"sssr": "SISR and FA at the paper's weights"}, {**SUB_PIXEL, **FA}, PAPER_WEIGHTS, paper_row="dsrl"),
    Row("untransformed", "+ SSSR + SISR + FA without the feature transform",
        Style("#7A5195", (0, (6, 2, 2, 2)), (5, 1, 0), "**"),
        {"paper": "FA on the host's own features"}, {**SUB_PIXEL, **FA, "feature_transform": False}, PAPER_WEIGHTS),
    Row("deconvolution", "+ SSSR (the authors' deconvolutions)", Style("#004C77", (0, (8, 2)), "<", "--"),
        {"normalised": "the authors' deconvolutions, beyond their BatchNorm",
         "sssr": "the authors' deconvolutions for the cheap head",
         "depthwise": "mixing the classes in a deconvolution"}, DECONVOLUTION, paper_row="sssr"),
    Row("deconvolution_sisr", "+ SSSR (the authors' deconvolutions) + SISR, wired as in the paper's Figure 4",
        Style("#4B6F44", (0, (8, 2, 2, 1)), (3, 0, 0), "\\|"), {"deconvolution": "SISR alone beside the authors' head"},
        {**DECONVOLUTION, **SISR, "sisr_fuse": False}, PAPER_WEIGHTS, paper_row="sisr"),
    Row("deconvolution_dsrl", "+ SSSR (the authors' deconvolutions) + SISR + FA",
        Style("#8F3F00", (0, (8, 2, 2, 2)), ">", "+"), {"deconvolution": "SISR and FA beside the authors' head"},
        {**DECONVOLUTION, **FA}, PAPER_WEIGHTS, paper_row="dsrl"),
    Row("depthwise", "+ SSSR (a deconvolution per class map)", Style("#2E7F86", (0, (8, 2, 1, 2)), "p", "|"),
        {"normalised": "a deconvolution per class map, beyond its BatchNorm"}, DEPTHWISE, paper_row="sssr"),
    Row("depthwise_sisr", "+ SSSR (a deconvolution per class map) + SISR",
        Style("#5B7F2B", (0, (8, 2, 1, 1)), "d", "\\"), {"depthwise": "SISR beside a deconvolution per class map"},
        {**DEPTHWISE, **SISR}, PAPER_WEIGHTS, paper_row="sisr"),
    Row("depthwise_dsrl", "+ SSSR (a deconvolution per class map) + SISR + FA",
        Style("#B0265E", (0, (6, 1)), "H", "x"),
        {"depthwise_sisr": "FA beside a deconvolution per class map",
         "depthwise": "SISR and FA beside a deconvolution per class map",
         "depthwise_shuffled": "this picture's structure in that FA",
         "normalised": "a deconvolution per class map, SISR and FA, beyond BatchNorm"},
        {**DEPTHWISE, **FA}, PAPER_WEIGHTS, paper_row="dsrl"),
    Row("depthwise_shuffled", "+ SSSR (a deconvolution per class map) + SISR + FA of another picture (control)",
        Style("#A8741A", (0, (2, 1)), "h", "++|"),
        {"depthwise_sisr": "FA of another picture beside a deconvolution per class map"},
        {**DEPTHWISE, **FA}, {**PAPER_WEIGHTS, **SHUFFLED}),
    Row("depthwise_figure4", "whole DSRL (a deconvolution per class map), wired as in the paper's Figure 4",
        Style("#D1495B", (0, (7, 1, 1, 1)), (6, 1, 0), "xx"),
        {"depthwise": "SISR and FA, wired as in the paper, beside a deconvolution per class map",
         "depthwise_figure4_shuffled": "this picture's structure in FA, wired as in the paper",
         "normalised": "whole DSRL, wired as in the paper, beyond its BatchNorm"},
        {**DEPTHWISE, **FIGURE_4}, PAPER_WEIGHTS, paper_row="dsrl"),
    Row("depthwise_figure4_shuffled", "whole DSRL (a deconvolution per class map), FA of another picture (control)",
        Style("#C98B2B", (0, (3, 2)), (3, 1, 0), "+|"),
        {"depthwise": "SISR and FA of another picture, wired as in the paper"},
        {**DEPTHWISE, **FIGURE_4}, {**PAPER_WEIGHTS, **SHUFFLED}),
    Row("deconvolution_figure4", "whole DSRL (the authors' head), wired as in the paper's Figure 4",
        Style("#6A2C70", (0, (9, 1)), (4, 1, 0), "xxxx"),
        {"deconvolution_sisr": "FA, wired as in the paper, beside the authors' head",
         "deconvolution": "SISR and FA, wired as in the paper, beside the authors' head",
         "deconvolution_figure4_shuffled": "this picture's structure in FA, wired as in the paper",
         "normalised": "whole DSRL with the authors' head, beyond its BatchNorm",
         "bilinear": "whole DSRL with the authors' head, beyond finer labels"},
        {**DECONVOLUTION, **FIGURE_4}, PAPER_WEIGHTS, paper_row="dsrl"),
    Row("deconvolution_figure4_shuffled", "whole DSRL (the authors' head), FA of another picture (control)",
        Style("#B08900", (0, (4, 1, 1, 1)), (3, 1, 180), "+++"),
        {"deconvolution": "SISR and FA of another picture, wired as in the paper"},
        {**DECONVOLUTION, **FIGURE_4}, {**PAPER_WEIGHTS, **SHUFFLED}),
    Row("equal_cost", "baseline at the authors' head's cost (a larger input)", Style("#3D4451", ":", (4, 1, 45), "o"),
        {"baseline": "the authors' head's true MACs, spent on the input"}, own_size=True),
    Row("double_input", "baseline at twice the input's sides", Style("#1F2430", "--", (8, 1, 0), "oo"),
        {"baseline": "twice the input's sides, for about four times the true MACs"},
        {"upscale_factor": 1}, own_size=True),
)
# fmt: on
ROWS: dict[str, Row] = {row.name: row for row in _ROWS}
MAIN_ROWS = ("baseline", "sssr", "sisr", "dsrl")


def find_row(name: str) -> Row:
    """Look a row up by its name; a ValueError for an unknown one lists those there are."""
    if name not in ROWS:
        raise ValueError(f"unknown row {name!r}; choose one of {', '.join(ROWS)}")
    return ROWS[name]
