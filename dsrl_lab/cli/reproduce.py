"""``dsrl-lab reproduce`` and ``dsrl-lab figures``: the main job, and its pictures."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from dsrl_lab.cli.console import LanguageOption, fitting_table, output, progress_bar
from dsrl_lab.cli.places import folder_for_results
from dsrl_lab.files import REPOSITORY, whole_file
from dsrl_lab.language import ENGLISH, untranslated

SETTING = "streets_resolution"


def reproduce(
    out: Annotated[Path, typer.Option(help="Folder for runs and figures.")] = Path("runs/reproduce"),
    minutes: Annotated[float, typer.Option(help="No seed begins that would not end by then.")] = 7.5,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the runs in this folder.")] = False,
    seed: Annotated[int | None, typer.Option(help="Train this seed alone, on one core, and stop.")] = None,
) -> None:
    """What resolution is worth on drawn streets, and what finer labels, SSSR and whole DSRL recover of it.

    Each core trains a seed, in a town of its own; how many seeds there are is for the clock to say, never for results.
    At most ten minutes on two cores, set-up included. Ctrl-C loses nothing: with --resume the job and its clock go on.
    """
    import torch

    from dsrl_lab import experiments, recipes
    from dsrl_lab.kernels import keep_freed_memory
    from dsrl_lab.results import frames, resolution

    if seed is not None:
        torch.set_num_threads(1)
        keep_freed_memory()
        for row in resolution.NAMES:
            recipe = recipes.find_recipe(f"{SETTING}_{row}")
            for _ in experiments.run(recipe, directory=out / f"{row}_seed{seed}", seed=seed, resume=True):
                pass
        return
    if not minutes >= 0:
        raise ValueError(f"expected --minutes of 0 or more, got {minutes}; each core trains one seed in any case")
    if not resume and any(out.glob("*_seed*")):
        raise FileExistsError(f"{out} holds runs already; go on with --resume, or name another folder with --out")
    frames.runs(out)  # a record that cannot be read shows before training
    with progress_bar(transient=True) as progress:
        bar = progress.add_task("", total=round(60 * minutes))
        _train_seeds(folder_for_results(out), len(resolution.NAMES), 60 * minutes, partial(progress.update, bar))
    found = frames.alike(frames.runs(out))
    shipped = frames.runs(REPOSITORY / "data" / "runs" / SETTING)
    for title, table in resolution.tables(found).items():
        output.print(fitting_table(list(table.columns), table.to_numpy().tolist(), title=title))
    for sentence in resolution.sentences(found, shipped):
        output.print(f"- {sentence}")
    output.print("\nThree pictures to open:")
    for path in resolution.draw(out, out / "figures"):
        output.print(f"  {path}")


def _train_seeds(out: Path, rows: int, limit: float, show: Callable[..., None]) -> None:
    """Train seed after seed, a process a core; one begins if it ends within ``limit`` seconds by what others took."""
    from dsrl_lab.training.record import cores

    clock, began = out / "seconds.txt", time.monotonic()
    before, slowest = map(float, clock.read_text().split()) if clock.is_file() else (0.0, 0.0)
    command = [sys.executable, "-m", "dsrl_lab", "reproduce", "--out", str(out), "--seed"]
    running: dict[int, tuple[subprocess.Popen[bytes], float]] = {}
    seed = 0
    try:
        while True:
            now = before + time.monotonic() - began
            for number, (child, started) in list(running.items()):
                if child.poll() is None:
                    continue
                if child.returncode:
                    said = (out / f"seed{number}.log").read_text(encoding="utf-8", errors="replace")
                    raise ValueError(f"seed {number} failed; --resume tries it again. It said: {said[-500:].strip()}")
                slowest = max(slowest, now - started)
                del running[number]
            while len(running) < cores() and (any(out.glob(f"*_seed{seed}")) or not seed or now + slowest < limit):
                if len([*out.glob(f"*_seed{seed}/deployed.safetensors")]) < rows:
                    with (out / f"seed{seed}.log").open("wb") as log:
                        child = subprocess.Popen([*command, str(seed)], stdout=log, stderr=log, start_new_session=True)
                        running[seed] = child, now  # a terminal's Ctrl-C reaches it through this process alone
                seed += 1
            if not running:
                return
            show(completed=int(now), description=f"seconds; training seeds {', '.join(map(str, running))}")
            time.sleep(0.5)
    finally:
        for child, _ in running.values():
            child.terminate() if os.name == "nt" else child.send_signal(signal.SIGINT)
        for child, _ in running.values():
            child.wait()
        with whole_file(clock) as temporary:
            temporary.write_text(f"{before + time.monotonic() - began:.0f} {slowest:.0f}\n", encoding="utf-8")


def figures(
    names: Annotated[list[str] | None, typer.Argument(help="Which figures; all by default.")] = None,
    runs: Annotated[Path, typer.Option(help="Folder with records.")] = Path("data/runs"),
    out: Annotated[Path, typer.Option(help="Folder for SVG, PNG and manifest.json.")] = Path("figures"),
    check: Annotated[bool, typer.Option("--check", help="Draw nothing; say which no longer follow.")] = False,
    language: LanguageOption = ENGLISH,
) -> None:
    """Draw every figure, and the tables of docs/RESULTS.md, again from the records; or check the figures.

    Chinese figures go to the folder zh in --out.
    """
    from dsrl_lab.results import figures as drawing
    from dsrl_lab.results.readme import update_all

    out = out / ("" if language == ENGLISH else language)
    if check:
        problems = drawing.check(out, runs, expected=names or drawing.FIGURES)
        for problem in problems:
            output.print(problem)
        if problems:
            raise typer.Exit(1)
        output.print("every figure follows from its records")
        return
    folder_for_results(out)
    names = names or list(drawing.FIGURES)
    with progress_bar() as progress:
        bar = progress.add_task("figures", total=len(names))
        step = lambda name: progress.update(bar, advance=1, description=f"figure {name}")  # noqa: E731
        manifest = drawing.draw(names, runs=runs, out=out, progress=step)
    for name, reason in manifest["skipped"].items():
        output.print(f"skipped {name}: {reason}")
    for text in untranslated():
        output.print(f"in no catalogue: {text!r}")
    output.print(f"{len(manifest['figures'])} figures in {out}, listed in {out / 'manifest.json'}")
    for readme in update_all(out.parent, runs):
        output.print(f"tables in {readme} written again")
