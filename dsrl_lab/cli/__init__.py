"""The command line ``dsrl-lab``: a thin layer over the library, imported when it is called.

A user's mistake is one red paragraph and exit code 2; ``DSRL_LAB_TRACEBACK=1`` shows the traceback.
"""

import os
import sys

from dsrl_lab.cli import (
    affinity_study,
    bench,
    classroom,
    data,
    doctor,
    evaluate,
    export,
    export_widget,
    notebooks,
    reproduce,
    results,
    train,
    verdict,
)
from dsrl_lab.cli.app import App
from dsrl_lab.cli.console import errors

app = App(
    name="dsrl-lab",
    help="Teach and reproduce Dual Super-Resolution Learning (DSRL, CVPR 2020).\n\n"
    "Start with [bold]dsrl-lab doctor[/bold], then [bold]dsrl-lab reproduce[/bold].",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(doctor.doctor)
app.add_typer(data.app, name="data")
app.command()(train.train)
app.command()(train.keep)
app.command()(train.score_again)
app.command()(train.train_sisr)
app.command()(evaluate.evaluate)
app.command()(evaluate.predict)
app.command()(evaluate.submit)
app.command()(export.export)
app.command()(export_widget.export_widget)
app.command()(reproduce.reproduce)
app.command()(reproduce.figures)
app.command()(results.results)
app.command()(verdict.verdict)
app.command()(affinity_study.affinity_study)
app.add_typer(notebooks.app, name="notebooks")
app.add_typer(classroom.app, name="classroom")
app.command()(bench.cost)
app.add_typer(bench.app, name="bench")


def main() -> None:
    """Run the command line; a user's mistake ends in a message, a programmer's in a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # closed by the caller
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # a terminal without "×" shows "?"
    try:
        app()
    except KeyboardInterrupt:  # before a command began
        sys.exit(130)
    except (ValueError, OSError, FloatingPointError, ModuleNotFoundError, MemoryError, RuntimeError) as error:
        text = str(error).partition("\nException raised")[0]  # PyTorch adds frames of C++
        of_memory = isinstance(error, MemoryError) or "allocate" in text or "out of memory" in text
        if os.environ.get("DSRL_LAB_TRACEBACK") or (isinstance(error, RuntimeError) and not of_memory):
            raise
        if of_memory:
            text = f"this machine's memory does not hold it; ask for less: a smaller size, batch or network ({text})"
        errors.print(f"{type(error).__name__}: ", style="red", end="")
        errors.print(text)
        sys.exit(2)
