"""``dsrl-lab train-sisr``: train one of the four super-resolution frameworks on T91 and score it on Set5 and Set14."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dsrl_lab.cli.console import follow, output
from dsrl_lab.cli.places import folder_for_results

RUNS = Path("runs")


def train_sisr(
    recipe: Annotated[str, typer.Argument(help="For example super_resolution_srcnn; see --list.")] = "",
    data: Annotated[Path | None, typer.Option(help="Folder that holds T91, Set5 and Set14.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; runs/<recipe>_seed<seed> by default.")] = None,
    seed: Annotated[int, typer.Option(help="Of initial weights and patches.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the run in this folder stopped.")] = False,
    threads: Annotated[int | None, typer.Option(min=1, max=1024, help="CPU cores to use; all by default.")] = None,
    keep: Annotated[Path | None, typer.Option(help="Copy record and weights at the end into this data folder.")] = None,
    list_recipes: Annotated[bool, typer.Option("--list", help="List the recipes and stop.")] = False,
) -> None:
    """Train one super-resolution network: [bold]dsrl-lab train-sisr super_resolution_srcnn --data ROOT[/bold].

    Leaves a record (JSON lines), the latest checkpoint and the best weights in its folder; best is what ten held-out
    pictures of T91 say. Ctrl-C loses nothing: the same command with --resume goes on bit for bit.
    """
    from dsrl_lab import recipes

    if list_recipes or not recipe:
        output.print("\n".join(recipes.super_resolution_recipes()))
        return
    import torch

    from dsrl_lab import experiments
    from dsrl_lab.kernels import keep_freed_memory
    from dsrl_lab.results import release_runs
    from dsrl_lab.training import record

    chosen = recipes.find_super_resolution_recipe(recipe)
    if threads is not None:
        torch.set_num_threads(threads)
    keep_freed_memory()
    directory = folder_for_results(out or RUNS / f"{recipe}_seed{seed}")
    if keep is not None:
        folder_for_results(keep)
    records = experiments.run(chosen, directory=directory, root=data, seed=seed, resume=resume)
    follow(records, title=f"{recipe}, seed {seed}", iterations=chosen.train.iterations)
    scores = record.read(directory / "record.jsonl")[-1]["scores"]
    for benchmark, score in scores.items():
        network, bicubic = score["network"], score["bicubic"]
        output.print(
            f"{benchmark}: PSNR {network['psnr']:.2f} dB, SSIM {network['ssim']:.4f} "
            f"(bicubic {bicubic['psnr']:.2f} dB, {bicubic['ssim']:.4f})"
        )
    output.print(f"record and weights in {directory}")
    if keep is not None:
        for place in release_runs.keep(directory, keep):
            output.print(f"kept {place}")
