"""How every figure looks: one theme, and rows that differ in line, marker, hatch and colour (Okabe and Ito, 2008)."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from typing import Any

import matplotlib as mpl
from matplotlib import font_manager
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.category import StrCategoryFormatter
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter, FuncFormatter

from dsrl_lab.language import LOCALE, translate
from dsrl_lab.rows import GREY, PURPLE, ROWS, Style

CHINESE_FONT = LOCALE / "chinese.otf"
"""The characters that the kit's own texts need; ``tests/plots/chinese_font.py`` makes it."""
CJK_FONTS = (
    *("Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Microsoft YaHei"),
    *("PingFang SC", "Hiragino Sans GB", "WenQuanYi Zen Hei", "SimHei"),
)
OTHER_STYLES = (Style(PURPLE, "--", "h", "//"), Style("#B8A800", "-.", "d", "xx"), Style("#444B57", ":", "*", "\\\\"))


def style_of(row: str) -> Style:
    """Style of a row of the ablation; rows that the kit does not know share three more, by their names.

    Example:
        >>> style_of("dsrl").marker
        'D'
    """
    return ROWS[row].style if row in ROWS else OTHER_STYLES[sum(map(ord, row)) % len(OTHER_STYLES)]


def faded(color: str, share: float = 0.4) -> str:
    """A colour mixed with white, for faces: opaque, so that no grid shows through.

    Example:
        >>> faded("#000000", 0.2)
        '#cccccc'
    """
    mixed = (255 - share * (255 - int(color[i : i + 2], 16)) for i in (1, 3, 5))
    return "#{:02x}{:02x}{:02x}".format(*map(round, mixed))


def font_chain(installed: Iterable[str] | None = None) -> list[str]:
    """Fonts to try for each letter in turn: matplotlib's own, the kit's for Chinese, those that are installed.

    Example:
        >>> font_chain(["SimHei", "Arial", "Noto Sans CJK SC"])
        ['DejaVu Sans', 'DSRL Lab Chinese', 'Noto Sans CJK SC', 'SimHei']
    """
    known = set(font_manager.get_font_names() if installed is None else installed)
    return ["DejaVu Sans", _own_font(), *(font for font in CJK_FONTS if font in known)]


@lru_cache
def _own_font() -> str:
    known = font_manager.fontManager
    known.addfont(CHINESE_FONT)
    known.ttflist.append(replace(known.ttflist[-1], weight=700))  # bold titles take it, without a line in the log
    return known.ttflist[-1].name


@contextmanager
def theme(*, dark: bool = False) -> Iterator[None]:
    """The kit's look inside a ``with`` block; outside it matplotlib's settings are what they were.

    Example:
        >>> with theme():
        ...     mpl.rcParams["axes.spines.top"], mpl.rcParams["figure.facecolor"]
        (False, '#FFFFFF')
    """
    ground, ink, faint = ("#16191F", "#E8EAED", "#3A404A") if dark else ("#FFFFFF", "#22262C", "#DDE1E6")
    settings: Any = {
        "figure.facecolor": ground,
        "savefig.facecolor": ground,
        "axes.facecolor": ground,
        "legend.facecolor": ground,
        "text.color": ink,
        "axes.edgecolor": GREY,
        "axes.labelcolor": ink,
        "axes.titlecolor": ink,
        "xtick.color": ink,
        "ytick.color": ink,
        "xtick.major.size": 3,
        "ytick.major.size": 3,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": faint,
        "grid.linewidth": 0.8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlelocation": "left",
        "axes.titlesize": 10.5,
        "axes.titleweight": "bold",
        "axes.labelsize": 9.5,
        "figure.titlesize": 13,
        "figure.titleweight": "bold",
        "font.family": font_chain(),
        "font.size": 9.5,
        "legend.frameon": False,
        "legend.fontsize": 8.5,
        "lines.linewidth": 1.8,
        "lines.markersize": 5.5,
        "hatch.linewidth": 0.6,
        "svg.fonttype": "path",
        "svg.hashsalt": "dsrl-lab",
        "image.interpolation": "antialiased",
    }
    with mpl.rc_context(settings):
        yield


def translate_texts(figure: Figure) -> None:
    """Put a figure's titles, labels, legends, notes and ticks that are words into the reader's language."""
    for text in figure.findobj(Text):
        before = text.get_text()
        text.set_text(translate(before))
        if text.get_text() != before:  # outside of the theme as well; formulas take the first font alone
            fonts = [*text.get_fontfamily(), _own_font()]
            text.set_fontfamily(fonts[::-1] if "$" in before else fonts)
    for axis in (axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)):
        ticks = axis.get_major_formatter()
        if isinstance(ticks, FixedFormatter | FuncFormatter | StrCategoryFormatter):
            axis.set_major_formatter(FuncFormatter(lambda *tick, ticks=ticks: translate(ticks(*tick))))


def axes_or_current(ax: Axes | None) -> Axes:
    """The axes that were passed, or pyplot's current ones."""
    return plt.gca() if ax is None else ax


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches, outside pyplot's list: nobody has to close it.

    Example:
        >>> new_figure(4, 3).get_size_inches().tolist()
        [4.0, 3.0]
    """
    return Figure(figsize=(width, height), layout="constrained")
