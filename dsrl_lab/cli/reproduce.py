"""``dsrl-lab reproduce`` and ``dsrl-lab figures``: the main job, and its pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SETTING = "streets_tinynet"


def reproduce(
    out: Annotated[Path, typer.Option(help="Folder for runs and figures.")] = Path("runs/reproduce"),
    seeds: Annotated[int, typer.Option(help="How many seeds of each row.")] = 1,
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="Another value for a field, as in dsrl-lab train.")
    ] = None,
) -> None:
    """Train baseline, + SSSR, + SISR and + FA on drawn streets; print the table, draw the figures.

    At most ten minutes on two cores. What is finished is kept: after Ctrl-C the same command goes on.
    """
    from dsrl_lab import experiments, recipes
    from dsrl_lab.cli.console import follow, output
    from dsrl_lab.plots import figures as drawing
    from dsrl_lab.plots.records import find_runs
    from dsrl_lab.plots.tables import ablation_table

    for row in recipes.MAIN_ROWS:
        for seed in range(seeds):
            recipe = recipes.with_changes(recipes.find_recipe(f"{SETTING}_{row}"), changes or [])
            directory = out / f"{row}_seed{seed}"
            follow(
                experiments.run(recipe, directory=directory, seed=seed, resume=True),
                title=f"{recipe.title}, seed {seed}",
                iterations=recipe.train.iterations,
            )
    output.print(ablation_table(find_runs(out)))
    manifest = drawing.draw(None, runs=out, out=out / "figures")
    output.print(f"{len(manifest['figures'])} figures in {out / 'figures'}, records and networks in {out}")


def figures(
    names: Annotated[list[str] | None, typer.Argument(help="Which figures; all by default.")] = None,
    runs: Annotated[Path, typer.Option(help="Folder with records.")] = Path("data/runs"),
    out: Annotated[Path, typer.Option(help="Folder for SVG, PNG and manifest.json.")] = Path("figures"),
    check: Annotated[bool, typer.Option("--check", help="Draw nothing; say which no longer follow.")] = False,
) -> None:
    """Draw every figure again from the records, or check that they still follow from them."""
    from dsrl_lab.cli.console import output
    from dsrl_lab.plots import figures as drawing

    if check:
        problems = drawing.check(out, runs)
        for problem in problems:
            output.print(problem, highlight=False)
        if problems:
            raise typer.Exit(1)
        output.print("every figure follows from its records")
        return
    manifest = drawing.draw(names or None, runs=runs, out=out)
    output.print(f"{len(manifest['figures'])} figures in {out}")
