"""``dsrl-lab results``: what the records say, as tables, or as a file for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dsrl_lab.cli.console import errors, fitting_table, output
from dsrl_lab.cli.places import folder_of_records

if TYPE_CHECKING:
    import pandas as pd


def results(
    runs: Annotated[Path, typer.Option(help="Folder with records.")] = Path("data/runs"),
    setting: Annotated[list[str] | None, typer.Option(help="Only this setting; may be repeated.")] = None,
    row: Annotated[list[str] | None, typer.Option(help="Only this row; may be repeated.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write all scores, one a line, as CSV.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all scores as a JSON list.")] = False,
    wide: Annotated[bool, typer.Option("--wide", help="All columns, however wide.")] = False,
) -> None:
    """Print every ablation: means over seeds with 95 % t-intervals, gains over the baseline paired by seed.

    With --csv or --json: every score of every run (setting, row, seed, split, protocol, metric, class, drive, value).
    """
    from dsrl_lab.files import whole_file
    from dsrl_lab.results import frames
    from dsrl_lab.results.tables import ablation_table

    found = _chosen(frames.runs(folder_of_records(runs)), "setting", setting)
    rows = set(_chosen(found, "row", row)["row"])
    if csv is not None or as_json:
        scores = frames.scores(found[found["row"].isin(rows)])
        if csv is not None:
            with whole_file(csv) as part:
                scores.to_csv(part, index=False)
            (errors if as_json else output).print(f"{len(scores)} scores in {csv}")
        if as_json:
            typer.echo(scores.to_json(orient="records"))
        return
    networks = found[found["finished"] & found["host"].notna()]  # gains need the baseline, whatever is shown
    if not networks["row"].isin(rows).any():
        raise ValueError(f"no finished run of a network with masks or joints in {runs}; see --csv for other scores")
    for name, of_setting in networks.groupby("setting"):
        table = ablation_table(of_setting)
        table = table[table.index.isin(rows)]
        if len(table):
            title = f"{name}: {frames.setting_title(of_setting)}"
            output.print(fitting_table(list(table.columns), table.to_numpy().tolist(), title=title, wide=wide))


def _chosen(found: pd.DataFrame, column: str, names: list[str] | None) -> pd.DataFrame:
    there = sorted(set(found[column]))
    for name in names or ():
        if name not in there:
            raise ValueError(f"no run of {column} {name!r}; there are {', '.join(there) or 'none'}")
    return found[found[column].isin(names)] if names else found
