"""What a figure is drawn from: records, checkpoints, or nothing but the code; and why it cannot be drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure

from dsrl_lab.results.records import Run, find_checkpoint, find_runs
from dsrl_lab.results.verdicts import Comparison


class MissingInputError(ValueError):
    """A figure's records or checkpoints are not there; the message says which. The figure is skipped, not failed."""


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """The files that one figure reads.

    Attributes:
        runs: whose records are drawn.
        checkpoints: row to the checkpoint that is run; one with its training-only half is called "whole".
    """

    runs: tuple[Run, ...] = ()
    checkpoints: dict[str, Path] = field(default_factory=dict)

    @property
    def files(self) -> list[Path]:
        """All of them, in order."""
        return [run.path for run in self.runs] + [self.checkpoints[row] for row in sorted(self.checkpoints)]


class Sources(NamedTuple):
    """Where inputs are looked for.

    Attributes:
        runs: all runs of a folder.
        whole: a checkpoint of a whole DSRL network to use in place of a run's own, or None.
    """

    runs: tuple[Run, ...]
    whole: Path | None = None

    @classmethod
    def of(cls, folder: Path, whole: Path | None = None) -> Sources:
        """Look through a folder; one that is not there holds no runs."""
        return cls(tuple(find_runs(folder)) if folder.is_dir() else (), whole)

    def finished(self, setting: str, rows: tuple[str, ...] = ()) -> tuple[Run, ...]:
        """Finished runs of a setting, of all rows or of some; each of ``rows`` must be there.

        Raises:
            MissingInputError: there are none.
        """
        runs = tuple(run for run in self.runs if run.setting == setting and run.end is not None)
        missing = [row for row in rows if row not in {run.row for run in runs}]
        if not runs or missing:
            raise MissingInputError(f"no finished run of {', '.join(f'{setting}_{row}' for row in missing) or setting}")
        return tuple(run for run in runs if not rows or run.row in rows)


class Drawing(NamedTuple):
    """What a figure's function gives: the picture, and the paper's numbers beside ours."""

    figure: Figure
    comparisons: tuple[Comparison, ...] = ()


class FigureRecipe(NamedTuple):
    """One figure: how its inputs are found, and how it is drawn from them alone."""

    needs: Callable[[Sources], Inputs]
    draw: Callable[[Inputs], Drawing]


def nothing(sources: Sources) -> Inputs:
    """A figure of the code itself, or of the paper's numbers."""
    return Inputs()


def runs_of(setting: str, *rows: str) -> Callable[[Sources], Inputs]:
    """A figure of a setting's finished runs; ``rows`` must be among them."""

    def needs(sources: Sources) -> Inputs:
        sources.finished(setting, rows)
        return Inputs(runs=sources.finished(setting))

    return needs


def runs_if_any(*settings: str) -> Callable[[Sources], Inputs]:
    """A figure that stands without runs, and shows those of ``settings`` beside where they are."""

    def needs(sources: Sources) -> Inputs:
        return Inputs(runs=tuple(run for run in sources.runs if run.setting in settings and run.end is not None))

    return needs


def runs_across(*settings: str) -> Callable[[Sources], Inputs]:
    """A figure of finished runs of several settings, at least two of which have a baseline."""

    def needs(sources: Sources) -> Inputs:
        runs = tuple(run for run in sources.runs if run.setting in settings and run.end is not None)
        if len({run.setting for run in runs if run.row == "baseline"}) < 2:
            raise MissingInputError(f"no finished baselines of two or more of {', '.join(settings)}")
        return Inputs(runs=runs)

    return needs


def deployed_of(setting: str, *rows: str) -> Callable[[Sources], Inputs]:
    """A figure of deployed networks: one for each of ``rows``, all of the first seed that has them all."""

    def needs(sources: Sources) -> Inputs:
        runs = sources.finished(setting, rows)
        for seed in sorted({run.seed for run in runs}):
            chosen = {run.row: run for run in runs if run.seed == seed}
            found = {row: find_checkpoint(run) for row, run in chosen.items()}
            paths = {row: path for row, path in found.items() if path is not None}
            if len(paths) == len(rows):
                return Inputs(runs=tuple(chosen[row] for row in rows), checkpoints=paths)
        raise MissingInputError(f"no seed of {setting} has deployed checkpoints of {', '.join(rows)}")

    return needs


def whole_of(setting: str, row: str) -> Callable[[Sources], Inputs]:
    """A figure of a network with its training-only half: the checkpoint that was passed, or the first seed's own."""

    def needs(sources: Sources) -> Inputs:
        if sources.whole is not None:
            return Inputs(checkpoints={"whole": sources.whole})
        for run in sources.finished(setting, (row,)):
            path = find_checkpoint(run, whole=True)
            if path is not None:
                return Inputs(runs=(run,), checkpoints={"whole": path})
        raise MissingInputError(f"no checkpoint of a whole {setting}_{row}: deployed ones hold no SISR branch")

    return needs
