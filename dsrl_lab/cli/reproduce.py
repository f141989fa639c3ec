"""``dsrl-lab reproduce`` and ``dsrl-lab figures``: the main job, and its pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dsrl_lab.cli.bench import Changes

SETTING, KEPT_SETTING = "streets_tinynet_45x60", "streets_tinynet"  # what is trained here; what the kit draws


def reproduce(
    out: Annotated[Path, typer.Option(help="Folder for runs and figures.")] = Path("runs/reproduce"),
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds of each row.")] = 3,
    changes: Changes = None,
) -> None:
    """Train baseline, + SSSR, + SISR and + FA on drawn streets, three seeds each; print the table, draw the figures.

    At most ten minutes on two cores. What is finished is kept: after Ctrl-C the same command goes on.
    """
    from dsrl_lab import experiments, recipes, rows
    from dsrl_lab.cli.console import fitting_table, follow, output
    from dsrl_lab.cli.places import folder_for_results
    from dsrl_lab.kernels import keep_freed_memory
    from dsrl_lab.results import frames
    from dsrl_lab.results.inference import in_words
    from dsrl_lab.results.tables import ablation_table

    keep_freed_memory()
    folder_for_results(out / "figures")
    frames.runs(out)  # a record that cannot be read shows before training
    for seed in range(seeds):
        for row in rows.MAIN_ROWS:
            recipe = recipes.with_changes(recipes.find_recipe(f"{SETTING}_{row}"), changes or [])
            directory = out / f"{row}_seed{seed}"
            follow(
                experiments.run(recipe, directory=directory, seed=seed, resume=True),
                title=f"{recipe.title}, seed {seed}",
                iterations=recipe.train.iterations,
            )
    found = frames.runs(out)
    table = ablation_table(
        found, ("seeds", "mIoU", "gain", "true MACs (M)", "thin classes", "parameters (k)", "seconds")
    )
    title = "mIoU in % at the high resolution, bilinear logits (± 95 % interval over seeds)"
    output.print(fitting_table(list(table.columns), table.to_numpy().tolist(), title=title))
    gains = frames.summary(frames.pick(frames.gains(frames.scores(found))), ("label",), scale=100)
    for gain in gains.itertuples():
        output.print(f"{gain.label}: {in_words(gain.estimate)}", highlight=False)
    _draw(None, runs=out, out=out / "figures", streets=SETTING)


def figures(
    names: Annotated[list[str] | None, typer.Argument(help="Which figures; all by default.")] = None,
    runs: Annotated[Path, typer.Option(help="Folder with records.")] = Path("data/runs"),
    out: Annotated[Path, typer.Option(help="Folder for SVG, PNG and manifest.json.")] = Path("figures"),
    check: Annotated[bool, typer.Option("--check", help="Draw nothing; say which no longer follow.")] = False,
) -> None:
    """Draw every figure (and README's tables) again from the records, or check that they still follow from them."""
    from dsrl_lab.cli.console import output
    from dsrl_lab.results import figures as drawing
    from dsrl_lab.results.readme import update_all

    if check:
        problems = drawing.check(out, runs, complete=True)
        for problem in problems:
            output.print(problem, highlight=False)
        if problems:
            raise typer.Exit(1)
        output.print("every figure follows from its records")
        return
    _draw(names or None, runs=runs, out=out, streets=KEPT_SETTING)
    for readme in update_all(out.parent, runs):
        output.print(f"tables in {readme} written again")


def _draw(names: list[str] | None, *, runs: Path, out: Path, streets: str) -> None:
    from dsrl_lab.cli.console import output, progress_bar
    from dsrl_lab.cli.places import folder_for_results
    from dsrl_lab.results import figures as drawing

    folder_for_results(out)
    chosen = names or list(drawing.FIGURES)
    with progress_bar() as progress:
        bar = progress.add_task("figures", total=len(chosen))
        manifest = drawing.draw(
            chosen,
            runs=runs,
            out=out,
            streets=streets,
            progress=lambda name: progress.update(bar, advance=1, description=f"figure {name}"),
        )
    for name, reason in manifest["skipped"].items():
        output.print(f"skipped {name}: {reason}", highlight=False)
    output.print(f"{len(manifest['figures'])} figures in {out}, listed in {out / 'manifest.json'}")
