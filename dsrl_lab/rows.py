"""The rows of an ablation, each one object: what it changes, what it answers, how it is drawn.

Steps of Table 1, contrasts, ladders, tables and plot styles derive from this list; a new row is entered here alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

# Colours of Okabe and Ito, which colour-blind readers can tell apart, and darker and lighter ones beside them.
GREY, BLUE, SKY, GREEN = "#7A8290", "#0072B2", "#56B4E9", "#009E73"
VERMILLION, ORANGE, PURPLE = "#D55E00", "#E69F00", "#CC79A7"


class Style(NamedTuple):
    """How a row is drawn: colour, line, marker and hatch say the same thing four times."""

    color: str
    line: Any = "-"
    marker: Any = "o"
    hatch: str = ""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of an ablation.

    Attributes:
        name: at the end of a recipe's name.
        title: for tables and figures.
        adds: other row to the question that the difference of the two answers; the first is the row's parent.
        network: what it changes in the setting's ``NetworkConfig``.
        train: what it changes in the setting's ``TrainConfig``.
        paper_row: row of the paper's Table 1 that it stands for, or None.
        control: whether it keeps all but the supposed reason of a gain.
        own_size: whether it needs an input size of its own, which the setting gives in ``Recipe.sizes``.
        style: how it is drawn.
    """

    name: str
    title: str
    adds: Mapping[str, str] = field(default_factory=dict)
    network: Mapping[str, Any] = field(default_factory=dict)
    train: Mapping[str, Any] = field(default_factory=dict)
    paper_row: str | None = None
    control: bool = False
    own_size: bool = False
    style: Style

    @property
    def parent(self) -> str | None:
        """The row that lacks nothing but this one's last part; None for the baseline."""
        return next(iter(self.adds), None)

    @property
    def head(self) -> str | None:
        """Name of its SSSR head; None for the plain host."""
        return self.network.get("sssr")


PAPER_WEIGHTS: dict[str, Any] = {"sisr_weight": 0.1, "affinity_weight": 1.0}
SUB_PIXEL = {"sssr": "sub_pixel"}
WITH_SISR = {"sisr": True}
WITH_FA = {"sisr": True, "affinity": True}
FIGURE_4 = {**WITH_FA, "sisr_fuse": False}  # SISR from the deepest map alone, as the paper draws it
SHUFFLED = {"shuffle_affinity": True}

_ROWS = (
    Row(
        name="baseline",
        title="baseline",
        paper_row="baseline",
        style=Style(GREY, "-", "o"),
    ),
    Row(
        name="bilinear",
        title="baseline, high-resolution supervision",
        adds={"baseline": "finer labels alone"},
        network={"sssr": "bilinear"},
        control=True,
        style=Style(SKY, (0, (1, 1)), "P", "---"),
    ),
    Row(
        name="normalised",
        title="baseline, high-resolution supervision, class maps normalised",
        adds={"bilinear": "BatchNorm on the class maps alone"},
        network={"sssr": "normalised"},
        control=True,
        style=Style("#8AA9BF", (0, (2, 2)), "8", "..."),
    ),
    Row(
        name="sssr",
        title="+ SSSR",
        adds={"baseline": "SSSR", "bilinear": "the SSSR head, beyond finer labels"},
        network=SUB_PIXEL,
        paper_row="sssr",
        style=Style(BLUE, (0, (5, 2)), "s", "///"),
    ),
    Row(
        name="sisr",
        title="+ SSSR + SISR",
        adds={"sssr": "SISR"},
        network={**SUB_PIXEL, **WITH_SISR},
        paper_row="sisr",
        style=Style(GREEN, (0, (5, 2, 1, 2)), "^", "\\\\\\"),
    ),
    Row(
        name="dsrl",
        title="+ SSSR + SISR + FA",
        adds={"sisr": "FA, pulling SISR too", "shuffled": "this picture's structure in FA, not another's"},
        network={**SUB_PIXEL, **WITH_FA},
        paper_row="dsrl",
        style=Style(VERMILLION, "-", "D", "xxx"),
    ),
    Row(
        name="detached",
        title="+ SSSR + SISR + FA, FA's gradient stopped at SISR",
        adds={"sisr": "FA, its gradient stopped at SISR"},
        network={**SUB_PIXEL, **WITH_FA, "detach_sisr": True},
        paper_row="dsrl",
        style=Style(PURPLE, (0, (3, 1, 1, 1, 1, 1)), "v", "||"),
    ),
    Row(
        name="shuffled",
        title="+ SSSR + SISR + FA of another picture (control)",
        adds={"sisr": "FA of another picture"},
        network={**SUB_PIXEL, **WITH_FA},
        train=SHUFFLED,
        control=True,
        style=Style(ORANGE, (0, (1, 2)), "X", "++"),
    ),
    Row(
        name="paper",
        title="+ SSSR + SISR + FA, the paper's weights (0.1 and 1)",
        adds={"sssr": "SISR and FA at the paper's weights"},
        network={**SUB_PIXEL, **WITH_FA},
        train=PAPER_WEIGHTS,
        paper_row="dsrl",
        style=Style("#B8A800", (0, (4, 2, 4, 1)), "*", "//"),
    ),
    Row(
        name="deconvolution",
        title="+ SSSR (the authors' deconvolutions)",
        adds={
            "normalised": "the authors' deconvolutions, beyond their BatchNorm",
            "sssr": "the authors' deconvolutions for the cheap head",
            "depthwise": "mixing the classes in a deconvolution",
        },
        network={"sssr": "deconvolution"},
        paper_row="sssr",
        style=Style("#004C77", (0, (8, 2)), "<", "--"),
    ),
    Row(
        name="deconvolution_dsrl",
        title="+ SSSR (the authors' deconvolutions) + SISR + FA",
        adds={"deconvolution": "SISR and FA beside the authors' head"},
        network={"sssr": "deconvolution", **WITH_FA},
        train=PAPER_WEIGHTS,
        paper_row="dsrl",
        style=Style("#8F3F00", (0, (8, 2, 2, 2)), ">", "+"),
    ),
    Row(
        name="depthwise",
        title="+ SSSR (a deconvolution per class map)",
        adds={"normalised": "a deconvolution per class map, beyond its BatchNorm"},
        network={"sssr": "depthwise"},
        paper_row="sssr",
        style=Style("#2E7F86", (0, (8, 2, 1, 2)), "p", "|"),
    ),
    Row(
        name="depthwise_sisr",
        title="+ SSSR (a deconvolution per class map) + SISR",
        adds={"depthwise": "SISR beside a deconvolution per class map"},
        network={"sssr": "depthwise", **WITH_SISR},
        train=PAPER_WEIGHTS,
        paper_row="sisr",
        style=Style("#5B7F2B", (0, (8, 2, 1, 1)), "d", "\\"),
    ),
    Row(
        name="depthwise_dsrl",
        title="+ SSSR (a deconvolution per class map) + SISR + FA",
        adds={
            "depthwise_sisr": "FA beside a deconvolution per class map",
            "depthwise": "SISR and FA beside a deconvolution per class map",
            "depthwise_shuffled": "this picture's structure in that FA",
            "normalised": "a deconvolution per class map, SISR and FA, beyond BatchNorm",
        },
        network={"sssr": "depthwise", **WITH_FA},
        train=PAPER_WEIGHTS,
        paper_row="dsrl",
        style=Style("#B0265E", (0, (6, 1)), "H", "x"),
    ),
    Row(
        name="depthwise_shuffled",
        title="+ SSSR (a deconvolution per class map) + SISR + FA of another picture (control)",
        adds={"depthwise_sisr": "FA of another picture beside a deconvolution per class map"},
        network={"sssr": "depthwise", **WITH_FA},
        train={**PAPER_WEIGHTS, **SHUFFLED},
        control=True,
        style=Style("#A8741A", (0, (2, 1)), "h", "++|"),
    ),
    Row(
        name="depthwise_figure4",
        title="whole DSRL (a deconvolution per class map), wired as in the paper's Figure 4",
        adds={
            "depthwise": "SISR and FA, wired as in the paper, beside a deconvolution per class map",
            "depthwise_figure4_shuffled": "this picture's structure in FA, wired as in the paper",
            "normalised": "whole DSRL, wired as in the paper, beyond its BatchNorm",
        },
        network={"sssr": "depthwise", **FIGURE_4},
        train=PAPER_WEIGHTS,
        paper_row="dsrl",
        style=Style("#D1495B", (0, (7, 1, 1, 1)), (6, 1, 0), "xx"),
    ),
    Row(
        name="depthwise_figure4_shuffled",
        title="whole DSRL (a deconvolution per class map), FA of another picture (control)",
        adds={"depthwise": "SISR and FA of another picture, wired as in the paper"},
        network={"sssr": "depthwise", **FIGURE_4},
        train={**PAPER_WEIGHTS, **SHUFFLED},
        control=True,
        style=Style("#C98B2B", (0, (3, 2)), "1", "+|"),
    ),
    Row(
        name="deconvolution_figure4",
        title="whole DSRL (the authors' head), wired as in the paper's Figure 4",
        adds={
            "deconvolution": "SISR and FA, wired as in the paper, beside the authors' head",
            "deconvolution_figure4_shuffled": "this picture's structure in FA, wired as in the paper",
            "normalised": "whole DSRL with the authors' head, beyond its BatchNorm",
            "bilinear": "whole DSRL with the authors' head, beyond finer labels",
        },
        network={"sssr": "deconvolution", **FIGURE_4},
        train=PAPER_WEIGHTS,
        paper_row="dsrl",
        style=Style("#6A2C70", (0, (9, 1)), (4, 1, 0), "xxxx"),
    ),
    Row(
        name="deconvolution_figure4_shuffled",
        title="whole DSRL (the authors' head), FA of another picture (control)",
        adds={"deconvolution": "SISR and FA of another picture, wired as in the paper"},
        network={"sssr": "deconvolution", **FIGURE_4},
        train={**PAPER_WEIGHTS, **SHUFFLED},
        control=True,
        style=Style("#B08900", (0, (4, 1, 1, 1)), "2", "+++"),
    ),
    Row(
        name="equal_cost",
        title="baseline at the authors' head's cost (a larger input)",
        adds={"baseline": "the authors' head's true MACs, spent on the input"},
        control=True,
        own_size=True,
        style=Style("#3D4451", ":", "3", "o"),
    ),
    Row(
        name="double_input",
        title="baseline at twice the input's sides",
        adds={"baseline": "twice the input's sides, for about four times the true MACs"},
        network={"upscale_factor": 1},
        control=True,
        own_size=True,
        style=Style("#1F2430", "--", "4", "oo"),
    ),
)
ROWS: dict[str, Row] = {row.name: row for row in _ROWS}
MAIN_ROWS = ("baseline", "sssr", "sisr", "dsrl")


def find_row(name: str) -> Row:
    """Look a row up by its name.

    Raises:
        ValueError: unknown row; the message lists those there are.

    Example:
        >>> find_row("dsrl").parent
        'sisr'
    """
    if name not in ROWS:
        raise ValueError(f"unknown row {name!r}; choose one of {', '.join(ROWS)}")
    return ROWS[name]
