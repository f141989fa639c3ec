"""``dsrl-lab export-widget``: a widget as one HTML page that works from the disk, with no kernel and no network."""

from pathlib import Path
from typing import Annotated

import typer

from dsrl_lab.cli.console import output


def export_widget(
    name: Annotated[str, typer.Argument(help="affinity, segmentation, super-resolution or training.")],
    out: Annotated[Path | None, typer.Option(help="The page to write; NAME.html by default.")] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="Of affinity: a whole network; the kit's by default.")] = None,
) -> None:
    """Write a widget as one self-contained page, for teaching pages and mail."""
    from dsrl_lab.files import whole_file
    from dsrl_lab.widgets.examples import EXAMPLES, street_affinity

    if name not in EXAMPLES:
        raise ValueError(f"unknown widget {name!r}; choose one of {', '.join(EXAMPLES)}")
    if checkpoint is not None and name != "affinity":
        raise ValueError(f"expected --checkpoint with affinity alone, got it with {name}; leave it out")
    page = (street_affinity(checkpoint) if checkpoint is not None else EXAMPLES[name]()).page()
    out = out or Path(f"{name}.html")
    with whole_file(out) as temporary:
        temporary.write_text(page, encoding="utf-8")
    output.print(f"{out}: {len(page.encode()) / 1e6:.2f} MB, opens from the disk, needs no network")
