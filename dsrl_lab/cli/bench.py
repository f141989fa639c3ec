"""``dsrl-lab bench`` and ``dsrl-lab cost``: what things cost, measured side by side in one run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Measure speed and memory, side by side in one run.", no_args_is_help=True)


@app.command()
def affinity(
    rounds: Annotated[int, typer.Option(help="Timed turns of each form; the median counts.")] = 5,
) -> None:
    """Dense against tiled feature affinity: seconds forward and backward, and extra memory."""
    from dsrl_lab.bench import affinity as bench
    from dsrl_lab.cli.console import output

    output.print(bench.table(bench.run(rounds=rounds)))


@app.command()
def train(
    recipe: Annotated[str, typer.Option(help="A recipe; its setting's four main rows are measured.")] = (
        "streets_tinynet_dsrl"
    ),
    steps: Annotated[int, typer.Option(help="Timed steps of each row, in turns.")] = 10,
) -> None:
    """Images per second in training: baseline, + SSSR, + SISR, + FA in turns."""
    from dsrl_lab.bench import training as bench
    from dsrl_lab.cli.console import output

    output.print(bench.table(bench.run(recipe, steps=steps)))


@app.command()
def networks(
    names: Annotated[
        list[str] | None, typer.Argument(help="Networks by name; all segmentation hosts by default.")
    ] = None,
    input_size: Annotated[tuple[int, int], typer.Option(help="H W of the input.")] = (128, 256),
) -> None:
    """Latency, training pace, MACs and share of the machine's own matrix product rate of each network."""
    from dsrl_lab.bench import networks as bench
    from dsrl_lab.cli.console import output

    output.print(bench.table(bench.run(names, input_size)))


@app.command()
def classroom(
    submissions: Annotated[int, typer.Option(help="How many are drawn and graded.")] = 200,
    assignment: Annotated[str, typer.Option(help="Number of the notebook.")] = "06",
    jobs: Annotated[int, typer.Option(help="Submissions at once; as many as there are cores by default.")] = 0,
    kill_after: Annotated[
        int, typer.Option(help="Kill the grader after so many grades, and start it again; 0: never.")
    ] = 0,
    record: Annotated[Path, typer.Option(help="Where the record goes: JSON lines.")] = Path("runs/classroom.jsonl"),
    redraw: Annotated[
        bool, typer.Option("--redraw", help="Measure nothing: write the table of the teacher's guide from the record.")
    ] = False,
) -> None:
    """Grade a drawn class as a teacher would: minutes, memory, and whether each grade is what it should be."""
    from dsrl_lab.classroom import scale
    from dsrl_lab.cli.console import output, progress_bar
    from dsrl_lab.experiments import REPOSITORY
    from dsrl_lab.training.record import read

    if redraw:
        guide = REPOSITORY / "notebooks" / "assignments" / "INSTRUCTORS.md"
        changed = scale.update(guide, read(record))
        output.print(f"{guide}: {'written anew' if changed else 'as it was'}", highlight=False)
        return
    with progress_bar() as progress:
        bar = progress.add_task("grading a drawn class", total=submissions)
        lines = scale.measure(
            REPOSITORY,
            submissions,
            assignment=assignment,
            jobs=jobs,
            kill_after=kill_after,
            record=record,
            progress=lambda done, total: progress.update(bar, completed=done, total=total),
        )
    output.print(scale.table(lines))
    output.print(f"record: {record}", highlight=False)


def cost(
    names: Annotated[
        list[str] | None, typer.Argument(help="Networks by name; all segmentation hosts by default.")
    ] = None,
    input_size: Annotated[tuple[int, int], typer.Option(help="H W of the input.")] = (256, 512),
    plot: Annotated[
        Path, typer.Option(help="Where the log-log plot of cost against input size goes: .svg and .png.")
    ] = Path("runs/cost"),
) -> None:
    """Parameters, MACs with and without transposed convolutions, activation memory and latency of networks.

    Beside the table a log-log plot is drawn of MACs and activations from a quarter of the input's sides to four times.
    """
    from dsrl_lab.bench import cost as bench
    from dsrl_lab.cli.console import output
    from dsrl_lab.plots.costs import cost_figure
    from dsrl_lab.plots.theme import theme
    from dsrl_lab.plots.writing import write

    output.print(bench.table(bench.run(names, input_size)))
    with theme():
        files = write(cost_figure(bench.sweep(names, input_size)), plot.with_suffix(""))
    output.print(f"cost against input size: {', '.join(map(str, files))}", highlight=False)
