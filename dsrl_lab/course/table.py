"""Tables in notebooks: a frame with a caption, as HTML that every page shows."""

import html
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from dsrl_lab.language import translate


class Table:
    """A frame as a page shows it: texts to the left, numbers to the right ("42.8 ± 0.9" too), in its colours.

    ``rows`` is a frame, or what ``pandas.DataFrame`` takes. ``digits`` after the point: one number, or one by column
    (else 2). Missing values stay empty. Put it last in a cell or hand it to ``display``; ``.frame`` is the frame, in
    English, and what is shown is in the reader's language.

    Example:
        >>> print(Table({"grid": ["coarse", "fine"], "mIoU": [41.25, None]}, "One seed, test", digits=1))
        One seed, test
          grid mIoU
        coarse 41.2
          fine
    """

    def __init__(self, rows: pd.DataFrame | dict[str, Any], caption: str, *, digits: int | dict[str, int] = 2) -> None:
        self.frame, self.caption, self.digits = pd.DataFrame(rows), caption, digits

    def __repr__(self) -> str:
        return f"{translate(self.caption)}\n{self._texts().to_string(index=False)}"

    def _repr_html_(self) -> str:
        shown = self._texts()
        sides = ["right" if texts.str.match(r"[+-]?\d|$").all() else "left" for _, texts in shown.items()]

        def line(cells: Iterable[Any], tag: str) -> str:
            whole = {"right": ";white-space:nowrap"} if tag == "td" else {}  # no number is broken
            pairs = [(f"text-align:{side}{whole.get(side, '')}", c) for c, side in zip(cells, sides, strict=True)]
            return "".join(f'<{tag} style="{style}">{html.escape(str(c))}</{tag}>' for style, c in pairs)

        style = "caption-side:top;text-align:left;white-space:nowrap"  # a caption may be wider than its table
        caption = f'<caption style="{style}">{html.escape(translate(self.caption))}</caption>'
        body = "".join(f"<tr>{line(cells, 'td')}</tr>" for cells in shown.to_numpy())
        return f"<table>{caption}<thead><tr>{line(shown.columns, 'th')}</tr></thead><tbody>{body}</tbody></table>"

    def _texts(self) -> pd.DataFrame:
        texts = pd.DataFrame({name: [self._text(name, value) for value in self.frame[name]] for name in self.frame})
        return texts.set_axis([translate(str(name)) for name in self.frame], axis=1)

    def _text(self, column: Any, value: Any) -> str:
        if not isinstance(value, str) and pd.isna(value):
            return ""
        if isinstance(value, (float, np.floating)):
            digits = self.digits if isinstance(self.digits, int) else self.digits.get(column, 2)
            return f"{value:,.{digits}f}"
        return (
            f"{value:,}"
            if isinstance(value, (int, np.integer)) and not isinstance(value, bool)
            else translate(str(value))
        )
