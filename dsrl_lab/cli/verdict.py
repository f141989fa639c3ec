"""``dsrl-lab verdict``: every claim of the paper beside our number, and what the records say of it."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.padding import Padding

from dsrl_lab.cli.console import output
from dsrl_lab.cli.places import folder_of_records

if TYPE_CHECKING:
    import pandas as pd

    from dsrl_lab.results.findings import Finding

COLORS = {"supported": "green", "contradicted": "red", "undecided": "yellow", "not tested": "dim"}


def verdict(
    runs: Annotated[Path | None, typer.Option(help="Folder with records; data/runs if none.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list, one object for each finding.")] = False,
    confirmatory: Annotated[bool, typer.Option("--confirmatory", help="DESIGN.md's tests instead.")] = False,
) -> None:
    """Hold the paper's claims against exploratory records: supported, contradicted, undecided or not tested, and why.

    Gains of data/runs/DESIGN.md's families, which decide, are left out: --confirmatory makes their tests, with
    intervals over seeds and pictures. Here gains are paired by seed, with 95 % t-intervals; findings of one claim by
    one way of scoring are corrected together (Holm); one seed settles nothing. A claim with a size is supported only if
    the interval's lower end is within 0.5 points of that size or above, and contradicted if its upper end is below it
    by more than 0.5. [P] seen in the paper, [A] said by its authors, [B] second-hand, [M] measured on public code.
    """
    from dsrl_lab.results import families, frames
    from dsrl_lab.results.claims import findings

    folder = folder_of_records(runs or Path("data/runs"))
    if confirmatory:
        _decide(frames.runs(runs) if runs else families.committed(folder.parent), as_json)
        return
    found = findings(frames.runs(folder))
    if as_json:
        typer.echo(json.dumps([finding.to_json() for finding in found], indent=2))
        return
    for claim, group in groupby(found, key=lambda finding: finding.claim):
        of_claim = list(group)
        paper = {host: number for finding in of_claim for host, number in finding.paper.items()}
        numbers = "; ".join(f"{host} {number}".strip() for host, number in paper.items())
        output.print(f"\n[bold]{escape(claim)}[/bold]  paper: {escape(numbers)}", soft_wrap=False, markup=True)
        for finding in of_claim:
            for indent, text in enumerate(_lines(finding), start=1):
                output.print(Padding(text, (0, 0, 0, 2 * indent), expand=False))
    counts = {name: sum(finding.verdict == name for finding in found) for name in COLORS}
    shown = ", ".join(f"{count} {name}" for name, count in counts.items())
    output.print(f"\nExploratory, and counts of cost: {shown}", soft_wrap=False)
    output.print("What decides: dsrl-lab verdict --confirmatory")


def _decide(runs: pd.DataFrame, as_json: bool) -> None:
    from dsrl_lab.results.families import FAMILIES

    found = ((name, {"tests": one.decide(runs), "beside": one.report(runs)}) for name, one in FAMILIES.items())
    if as_json:
        typer.echo(json.dumps(dict(found), default=lambda table: json.loads(table.to_json(orient="records"))))
        return
    for name, tables in found:
        for one in tables["tests"].itertuples():
            output.print(f"{one.question} {one.text}", style="bold")
            if one.verdict != "not tested":
                output.print(f"  {_difference(one)}, p = {one.p_holm:.3f} after Holm's correction")
            output.print(f"  {one.verdict}: {one.reason}", style=COLORS[one.verdict])
        for one in tables["beside"].itertuples():
            output.print(f"{name}, without a test: {_difference(one)}", style="dim")


def _difference(d: Any) -> str:
    return f"{d.row} less {d.over}: {d.mean:+.2f} ({d.low:+.2f} to {d.high:+.2f}) points of mIoU, {d.seeds} seeds"


def _lines(finding: Finding) -> list[str]:
    color = COLORS[finding.verdict]
    verdict = f"[{color}]{finding.verdict}[/{color}]: {escape(finding.reason)}"
    if not finding.where:
        return [verdict]
    count = len(finding.records)
    folders = ", ".join(sorted({record.split("/")[0] for record in finding.records}))
    records = f"; {count} record{'s' if count > 1 else ''} in {folders}" if count else ""
    return [
        f"{escape(finding.where)}: [bold]{escape(finding.shown)}[/bold]",
        verdict,
        f"[dim]{escape(finding.protocol + records)}[/dim]",
    ]
