"""``dsrl-lab affinity-study``: what feature affinity compares, changed one thing at a time."""

from pathlib import Path
from typing import Annotated

import typer

from dsrl_lab.cli.console import fitting_table, output, progress_bar
from dsrl_lab.cli.places import folder_for_results, record_to_add_to


def affinity_study(
    variants: Annotated[list[str] | None, typer.Argument(help="By name; all by default (kit, centred, ...).")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="How many, from 0.")] = 3,
    setting: Annotated[str, typer.Option(help="Of the recipes with drawn streets.")] = "streets_tinynet_45x60",
    record: Annotated[Path, typer.Option(help="Lines that it has are kept; new ones are added.")] = Path(
        "runs/affinity_study.jsonl"
    ),
    keep: Annotated[Path | None, typer.Option(help="Folder for the networks.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU cores to use; all by default.")] = None,
) -> None:
    """Train DSRL with another comparison each: do the matrices tell classes apart (area under the ROC curve)?

    Exploratory: trained on the first part of the training scenes, scored on the held-out rest. Ctrl-C loses nothing but
    the run under way: the same command goes on with the next.
    """
    import torch

    from dsrl_lab.kernels import keep_freed_memory
    from dsrl_lab.results.tables import affinity_table
    from dsrl_lab.tools import affinity_study as tool

    if threads is not None:
        torch.set_num_threads(threads)
    keep_freed_memory()
    names = variants or list(tool.VARIANTS)
    record_to_add_to(record)
    lines = []
    with progress_bar() as progress:
        bar = progress.add_task("training", total=len(names) * seeds)
        for line in tool.study(names, range(seeds), record, setting=setting, keep=keep and folder_for_results(keep)):
            lines.append(line)
            progress.update(bar, advance=1, description=line["title"])
    table = affinity_table(lines)
    title = f"means of {seeds} seeds; {record}"
    output.print(fitting_table(list(table.columns), table.to_numpy().tolist(), title=title))
