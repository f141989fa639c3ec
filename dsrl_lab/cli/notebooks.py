"""``dsrl-lab notebooks``: build the notebooks from their sources, and say what each takes."""

from pathlib import Path
from typing import Annotated

import typer

from dsrl_lab.cli.app import App
from dsrl_lab.cli.console import LanguageOption, fitting_table, output
from dsrl_lab.language import ENGLISH, LANGUAGES

app = App(
    no_args_is_help=True,
    help="Build the notebooks from their sources (notebooks/src/*.py), and see what each takes.",
    rich_markup_mode="rich",
)

Names = Annotated[list[str] | None, typer.Argument(help="Which, by name or number (04); all by default.")]
Folder = Annotated[Path, typer.Option(help="Folder with src/ and the notebooks.")]
Record = Annotated[Path, typer.Option(help="Where the measured seconds and memory are gathered.")]


@app.command()
def build(
    names: Names = None,
    language: LanguageOption = ENGLISH,
    folder: Folder = Path("notebooks"),
    record: Record = Path("data/runs/notebooks.jsonl"),
) -> None:
    """Execute sources in fresh kernels and write the notebooks with static pictures.

    Seconds and peak memory go to the record, and from there to the table in README.
    """
    from dsrl_lab.course import build_notebooks as publishing
    from dsrl_lab.results.readme import update_all

    for path in publishing.build(
        folder,
        names or [],
        language=language,
        record=record,
        progress=lambda name: output.print(f"executing {name} ..."),
    ):
        took = publishing.efforts(folder, language)[path.stem]
        output.print(
            f"built {path}: {took.cpu_seconds:.0f} s of CPU time, {took.wall_seconds:.0f} s by the clock, "
            f"{took.peak_megabytes / 1000:.1f} GB, {path.stat().st_size / 1000:.0f} kB",
        )
    for readme in update_all(folder.resolve().parent, record.parent):
        output.print(f"tables in {readme.name} written again")


@app.command()
def check(names: Names = None, folder: Folder = Path("notebooks")) -> None:
    """Say which texts lack a Chinese translation or have an old one; if none, which notebooks have to be built."""
    from dsrl_lab.course import build_notebooks as publishing

    wrong = publishing.translation_faults(folder, names or [])
    for language in () if wrong else LANGUAGES:
        wrong += [
            f"{name} is out of step with its source: dsrl-lab notebooks build --language {language} {name[:2]}"
            for name in publishing.out_of_step(folder, names or [], language)
        ]
    for fault in wrong:
        output.print(fault)
    if wrong:
        raise typer.Exit(1)
    output.print("every notebook is translated, and built from its source")


@app.command()
def stamp(
    names: Annotated[list[str], typer.Argument(help="Notebooks (04) or cells (04-07) whose Chinese was revised.")],
    folder: Folder = Path("notebooks"),
) -> None:
    """Note in the sources that translations were revised after their English had changed."""
    from dsrl_lab.course import build_notebooks as publishing

    output.print(f"{publishing.stamp(folder, names)} translations stamped")


@app.command("list")
def list_notebooks(folder: Folder = Path("notebooks")) -> None:
    """Say for each notebook whether it is built from its source, and what it takes."""
    from dsrl_lab.course import build_notebooks as publishing

    wrong, efforts = publishing.out_of_step(folder), publishing.efforts(folder)
    lines = []
    for source in publishing.sources(folder):
        took = efforts.get(source.stem)
        numbers = ("", "") if took is None else (f"{took.cpu_seconds:.0f}", f"{took.peak_megabytes / 1000:.1f}")
        lines.append((source.stem, "out of step" if source.stem in wrong else "built", *numbers))
    names = ("notebook", "state", "CPU seconds", "peak GB")
    output.print(fitting_table(names, lines, title="notebooks, measured with one thread", wide=True))
