"""``dsrl-lab export-widget``: a widget as one HTML page that works from the disk, with no kernel and no network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export_widget(
    name: Annotated[str, typer.Argument(help="affinity.")],
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("affinity.html"),
    checkpoint: Annotated[
        Path | None, typer.Option(help="A whole network trained on streets; the kit's own by default.")
    ] = None,
) -> None:
    """Write a widget as one self-contained page, for teaching pages and mail."""
    from dsrl_lab.cli.console import output
    from dsrl_lab.widgets import examples

    makers = {"affinity": examples.street_affinity}
    if name not in makers:
        raise ValueError(f"unknown widget {name!r}; choose one of {', '.join(makers)}")
    page = makers[name](checkpoint or examples.CHECKPOINT).page()
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page, encoding="utf-8")
    output.print(f"{out}: {len(page.encode()) / 1e6:.2f} MB, opens from the disk, needs no network", highlight=False)
