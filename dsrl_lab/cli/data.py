"""``dsrl-lab data``: list, fetch and check the data sets."""

from pathlib import Path
from typing import Annotated

import typer

from dsrl_lab.cli.app import App
from dsrl_lab.cli.console import counting, output

app = App(help="List, fetch and check data sets and released weights.", no_args_is_help=True)


@app.command("list")
def list_entries() -> None:
    """Say what can be fetched, how large it is, under which licence, and what needs no fetching."""
    from rich.table import Table

    from dsrl_lab.tools.fetch.download import available

    table = Table(title="data sets and weights (0 files: data check NAME says how to get them by hand)")
    for column in ("name", "files", "MB", "licence"):
        table.add_column(column, justify="right" if column in ("files", "MB") else "left")
    for name, entry in available().items():
        table.add_row(name, str(len(entry.files)), f"{entry.size / 1e6:.1f}", entry.licence)
    output.print(table)


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="A name of dsrl-lab data list.")],
    root: Annotated[Path, typer.Option(help="Folder under which it is put.")] = Path("data"),
    mirror: Annotated[str, typer.Option("--from", help="Address of a data folder like root that is tried first.")] = "",
) -> None:
    """Fetch a data set; goes on where it stopped, and checks every file's SHA-256 before it gets its name."""
    from dsrl_lab.tools.fetch.download import fetch as fetch_entry

    with counting(f"fetching {name}") as progress:
        place = fetch_entry(name, root, progress=progress, mirrors=[mirror] if mirror else ())
    output.print(f"{name} is in {place}, every file checked")


@app.command()
def check(
    name: Annotated[str, typer.Argument(help="camvid, cityscapes, a name of data list, or a folder of your own.")],
    root: Annotated[Path, typer.Option(help="Folder that holds it.")] = Path("data"),
) -> None:
    """Say what of a data set is there, what is missing or odd, and what to do; exit code 1 if something is.

    A folder of your own (pictures, masks, classes.csv) is read whole, as training reads it.
    """
    from dsrl_lab.tools import folder_check
    from dsrl_lab.tools.fetch.download import available, verify

    if name not in available() and Path(name).is_dir():
        with counting(f"reading {name}") as progress:
            report = folder_check.check(name, progress=progress)
    else:
        report = verify(name, root)
    output.print(str(report))
    if not report.ok:
        raise typer.Exit(1)
