"""``dsrl-lab notebooks``: build the notebooks from their sources."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def notebooks(
    check: Annotated[bool, typer.Option("--check", help="Build nothing; say which are out of step.")] = False,
    folder: Annotated[Path, typer.Option(help="Folder with src/ and the notebooks.")] = Path("notebooks"),
) -> None:
    """Execute the notebooks' sources (notebooks/src/*.py) and write them with static pictures."""
    from dsrl_lab import publishing
    from dsrl_lab.cli.console import output

    if check:
        wrong = publishing.out_of_step(folder)
        for name in wrong:
            output.print(f"{name} is out of step with its source: dsrl-lab notebooks", highlight=False)
        if wrong:
            raise typer.Exit(1)
        output.print("every notebook is built from its source")
        return
    for path in publishing.build(folder):
        output.print(f"built {path}")
