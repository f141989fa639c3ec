"""What every measurement gives: a table for the terminal and one line for a record."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table

from dsrl_lab.training import record


def to_record(kind: str, rows: Sequence[Any], **facts: Any) -> dict[str, Any]:
    """A measurement's rows (dataclasses) and facts, the machine and the versions, as one JSON object."""
    return {"kind": kind, "rows": [asdict(row) for row in rows], **record.environment(), **facts}


def to_table(title: str, lines: Sequence[Mapping[str, str]], *, dense: bool = False) -> Table:
    """Lines of cells by their headings: names, in the first column, to the left, numbers to the right; "-" is none."""
    table = Table(title=title, padding=(0, 1, 0, 0) if dense else (0, 1))
    shown = [heading for heading in (lines[0] if lines else ()) if any(cells[heading] != "-" for cells in lines)]
    for number, heading in enumerate(shown):
        table.add_column(heading, justify="right" if number else "left", overflow="fold")
    for cells in lines:
        table.add_row(*(cells[heading] for heading in shown))
    return table


def times(ratio: float, spread: Sequence[float]) -> str:
    """A ratio as text, with its quartiles."""
    return f"{ratio:.2f}x ({spread[0]:.2f} to {spread[1]:.2f})"
