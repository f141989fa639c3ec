"""``dsrl-lab verdict``: every claim of the paper beside our number, and what the records say of it."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from dsrl_lab.results.verdicts import Finding


def verdict(
    runs: Annotated[Path, typer.Option(help="Folder with records.")] = Path("data/runs"),
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list, one object for each finding.")] = False,
) -> None:
    """Hold the paper's claims against the records: holds here, does not hold here, or not tested here, and why.

    Gains are paired by seed, with 95 % t-intervals; one seed is an observation and settles nothing. Letters after the
    paper's numbers: P seen in the paper, A said by its authors, B second-hand, M measured on public code.
    """
    from rich.markup import escape

    from dsrl_lab.cli.console import output
    from dsrl_lab.results.claims import findings
    from dsrl_lab.results.records import find_runs

    if not runs.is_dir():
        raise FileNotFoundError(f"no folder of records at {runs}; train with dsrl-lab train, or name one by --runs")
    found = findings(find_runs(runs))
    if as_json:
        typer.echo(json.dumps([finding.to_json() for finding in found], indent=2, ensure_ascii=False))
        return
    for claim, group in groupby(found, key=lambda finding: finding.claim):
        of_claim = list(group)
        output.print(f"\n[bold]{escape(claim)}[/bold]  paper: {escape(_paper(of_claim[0]))}", highlight=False)
        for finding in of_claim:
            output.print(_line(finding), highlight=False, soft_wrap=True)
    counts = {name: sum(finding.verdict == name for finding in found) for name in COLORS}
    output.print("\n" + ", ".join(f"{count} × {name}" for name, count in counts.items()), highlight=False)


COLORS = {"holds here": "green", "does not hold here": "red", "not tested here": "yellow"}


def _paper(finding: Finding) -> str:
    parts = [f"{host} {number}".strip() for host, number in finding.paper.items()]
    return "; ".join(parts)


def _line(finding: Finding) -> str:
    from rich.markup import escape

    color = COLORS[finding.verdict]
    head = f"  [{color}]{finding.verdict}[/{color}]: {escape(finding.reason)}"
    if not finding.setting:
        return head
    count = len(finding.records)
    records = f"; {count} record{'s' if count > 1 else ''} in {_folders(finding)}" if count else ""
    return (
        f"  {escape(finding.setting)}: [bold]{escape(finding.shown)}[/bold]\n  {head}\n"
        f"      [dim]{escape(finding.protocol + records)}[/dim]"
    )


def _folders(finding: Finding) -> str:
    return ", ".join(sorted({record.split("/")[0] for record in finding.records}))
