"""``dsrl-lab train`` and ``train-sisr``: run one recipe with one seed; what is done with finished runs."""

from __future__ import annotations

import dataclasses
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dsrl_lab.cli.bench import Changes
from dsrl_lab.cli.console import errors, follow, output, progress_bar
from dsrl_lab.cli.places import folder_for_results

if TYPE_CHECKING:
    from dsrl_lab.training.config import Recipe

RUNS = Path("runs")
Out = Annotated[Path | None, typer.Option(help="Folder of the run; runs/<recipe>_seed<seed> by default.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where the run in this folder stopped.")]
Threads = Annotated[int | None, typer.Option(min=1, max=1024, help="CPU cores to use; all by default.")]
ListRecipes = Annotated[bool, typer.Option("--list", help="List the recipes and stop.")]


def train(
    recipe: Annotated[str, typer.Argument(help="<setting>_<row>, for example camvid_espnetv2_dsrl; see --list.")] = "",
    data: Annotated[Path | None, typer.Option(help="Folder of the data set (drawn data needs none).")] = None,
    out: Out = None,
    seed: Annotated[int, typer.Option(help="Of initial weights, order and augmentation.")] = 0,
    resume: Resume = False,
    held_out: Annotated[bool, typer.Option("--held-out", help="Score on the last quarter of train, not val.")] = False,
    changes: Changes = None,
    pictures: Annotated[tuple[int, int] | None, typer.Option(help="Drawn for train and val (drawn data only).")] = None,
    encoder_weights: Annotated[str | None, typer.Option(help="The encoder's: file, torchvision's name, none.")] = None,
    threads: Threads = None,
    devices: Annotated[int, typer.Option(min=1, help="GPUs, or processes; under torchrun its own number counts.")] = 1,
    list_recipes: ListRecipes = False,
) -> None:
    """Train one row of an ablation: [bold]dsrl-lab train streets_tinynet_dsrl[/bold].

    Leaves a record (JSON lines), the latest checkpoint and the deployed network in its folder. Ctrl-C loses nothing:
    the same command with --resume goes on bit for bit.
    """
    from dsrl_lab import recipes

    if list_recipes:
        output.print("\n".join(recipes.recipe_names()))
        return
    if not recipe:
        raise ValueError("expected a recipe, as in dsrl-lab train streets_tinynet_dsrl; --list names all of them")
    import torch
    from lightning_fabric import Fabric

    from dsrl_lab import experiments
    from dsrl_lab.kernels import keep_freed_memory
    from dsrl_lab.results import release_runs
    from dsrl_lab.training.examples import check_shares
    from dsrl_lab.training.loop import accelerator
    from dsrl_lab.training.processes import leave_together

    if threads is not None:
        torch.set_num_threads(threads)
    chosen = recipes.with_changes(recipes.find_recipe(recipe), changes or [])
    if encoder_weights is not None:
        chosen = dataclasses.replace(chosen, encoder_weights=None if encoder_weights == "none" else encoder_weights)
    if pictures is not None:
        chosen = dataclasses.replace(chosen, pictures=pictures + (chosen.pictures or ())[2:])
    keep_freed_memory()
    directory = folder_for_results(out or RUNS / f"{recipe}_seed{seed}")
    processes = int(os.environ.get("WORLD_SIZE", devices))
    check_shares(chosen.train.batch_size, processes)  # before they are started
    per_node = int(os.environ.get("LOCAL_WORLD_SIZE", devices))
    options: dict[str, Any] = {"num_nodes": processes // per_node, "strategy": "ddp" if processes > 1 else "auto"}
    fabric = Fabric(accelerator=accelerator(), devices=per_node, precision=chosen.train.precision, **options)
    fabric.launch()
    if fabric.is_global_zero:
        draw_scenes(dataclasses.replace(chosen, train=dataclasses.replace(chosen.train, seed=seed)))
    records = experiments.run(
        chosen, directory=directory, root=data, seed=seed, resume=resume, held_out=held_out, fabric=fabric
    )
    if not fabric.is_global_zero:
        for _ in records:
            pass
        leave_together()
        return
    output.print(f"starting from {starting_weights(chosen)}")
    follow(records, title=f"{recipe}, seed {seed}", iterations=chosen.train.iterations)
    scores = release_runs.final_scores(directory / "record.jsonl")
    output.print(f"{_summary(scores)}, in {scores['seconds']:.0f} s of training")
    output.print(f"record and deployed network in {directory}")
    leave_together()


def starting_weights(recipe: Recipe) -> str:
    """What a recipe's network starts from, in words."""
    if recipe.released is not None:
        return f"released weights, {recipe.released}"
    if recipe.encoder_weights is not None:
        return f"an encoder trained on ImageNet, {recipe.encoder_weights}"
    return "random weights"


def draw_scenes(recipe: Recipe) -> None:
    """Draw the scenes that a recipe reads from the cache, a process for each of PyTorch's threads."""
    import torch

    from dsrl_lab.datasets.streets import LENGTHS, Streets
    from dsrl_lab.training.splits import picture_size_of

    size, town, counts = picture_size_of(recipe), recipe.train.seed, recipe.pictures if recipe.town_per_seed else None
    lengths = zip(LENGTHS, counts or (), strict=False)
    sets = [Streets(split, size=size, length=n, seed=town, cache=True) for split, n in lengths]
    with progress_bar(transient=True) as progress:
        bar = progress.add_task("drawing scenes", total=sum(map(len, sets)), visible=bool(sets))
        for one in sets:
            one.drawn.draw(processes=torch.get_num_threads(), progress=lambda: progress.advance(bar))


def _summary(scores: dict[str, Any]) -> str:
    if "keypoints" in scores:
        found = scores["keypoints"]
        loose, strict = (math.nan if found[name] is None else found[name] for name in ("pck", "pck_strict"))
        return f"PCK@0.2 {loose:.4f}, PCK@0.1 {strict:.4f} on {found['split']} ({found['people']} people)"
    logits, labels = scores["logits"], scores["labels"]
    return (
        f"mIoU {logits['miou']:.4f} on {logits['split']} ({logits['pictures']} pictures, bilinear logits; "
        f"{labels['miou']:.4f} with magnified labels)"
    )


def train_sisr(
    recipe: Annotated[str, typer.Argument(help="For example super_resolution_srcnn; see --list.")] = "",
    data: Annotated[Path | None, typer.Option(help="Folder that holds T91, Set5 and Set14.")] = None,
    out: Out = None,
    seed: Annotated[int, typer.Option(help="Of initial weights and patches.")] = 0,
    resume: Resume = False,
    threads: Threads = None,
    keep: Annotated[Path | None, typer.Option(help="Copy record and weights at the end into this data folder.")] = None,
    list_recipes: ListRecipes = False,
) -> None:
    """Train one super-resolution network: [bold]dsrl-lab train-sisr super_resolution_srcnn --data ROOT[/bold].

    Leaves a record (JSON lines), the latest checkpoint and the best weights in its folder; best is what ten held-out
    pictures of T91 say. Ctrl-C loses nothing: the same command with --resume goes on bit for bit.
    """
    from dsrl_lab import recipes

    if list_recipes:
        output.print("\n".join(recipes.super_resolution_recipes()))
        return
    if not recipe:
        raise ValueError("expected a recipe, as in dsrl-lab train-sisr super_resolution_espcn; --list names all")
    import torch

    from dsrl_lab import experiments
    from dsrl_lab.kernels import keep_freed_memory
    from dsrl_lab.results import release_runs

    chosen = recipes.find_super_resolution_recipe(recipe)
    if threads is not None:
        torch.set_num_threads(threads)
    keep_freed_memory()
    directory = folder_for_results(out or RUNS / f"{recipe}_seed{seed}")
    if keep is not None:
        folder_for_results(keep)
    records = experiments.run(chosen, directory=directory, root=data, seed=seed, resume=resume)
    follow(records, title=f"{recipe}, seed {seed}", iterations=chosen.train.iterations)
    for benchmark, score in release_runs.final_scores(directory / "record.jsonl")["scores"].items():
        network, bicubic = score["network"], score["bicubic"]
        output.print(
            f"{benchmark}: PSNR {network['psnr']:.2f} dB, SSIM {network['ssim']:.4f} "
            f"(bicubic {bicubic['psnr']:.2f} dB, {bicubic['ssim']:.4f})"
        )
    output.print(f"record and weights in {directory}")
    if keep is not None:
        for place in release_runs.keep(directory, keep):
            output.print(f"kept {place}")


def keep(
    folder: Annotated[Path, typer.Argument(help="Holds finished runs, at any depth.")],
    data: Annotated[Path, typer.Option(help="The kit's data folder.")] = Path("data"),
) -> None:
    """Copy records and deployed networks of finished runs into data/runs and data/checkpoints, to be committed."""
    from dsrl_lab.results import release_runs
    from dsrl_lab.training.folder import RunFolder

    for place in release_runs.keep(folder, data):
        output.print(f"kept {place}")
    folders = sorted(path.parent for path in folder.rglob("record.jsonl"))
    if left := [str(one) for one in folders if not RunFolder(one).is_finished()]:
        errors.print(f"left out, not finished (go on with --resume): {', '.join(left)}")


def score_again(
    folder: Annotated[Path, typer.Argument(help="Holds finished segmentation runs, at any depth.")],
    data: Annotated[Path | None, typer.Option(help="Folder of the data set (drawn data needs none).")] = None,
) -> None:
    """Score finished runs again: older records gain newer measures, and every mIoU must be what its record says."""
    from dsrl_lab.results import release_runs

    scored = release_runs.score_again(
        folder, data, progress=lambda run, miou: output.print(f"mIoU {miou:.4f} again: {run}")
    )
    if others := sorted(set(folder.rglob("record.jsonl")) - set(scored)):
        names = ", ".join(map(str, others))
        errors.print(f"left as they are, not of segmentation: {names}")
