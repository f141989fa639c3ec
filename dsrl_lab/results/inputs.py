"""What a figure is drawn from: records, checkpoints, or nothing but the code; and why it cannot be drawn."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import safetensors
from matplotlib.figure import Figure

from dsrl_lab.results.findings import Finding
from dsrl_lab.results.frames import frame, runs
from dsrl_lab.results.records import Record
from dsrl_lab.training.checkpoint import DESCRIPTION


class MissingInputError(ValueError):
    """A figure's records or checkpoints are not there; the message says which. The figure is skipped, not failed."""


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """The files that one figure reads."""

    runs: pd.DataFrame = field(default_factory=lambda: frame([]))
    checkpoints: dict[str, Path] = field(default_factory=dict)  # by row, or "whole" with its training-only half

    @property
    def files(self) -> list[Path]:
        """All of them, in order."""
        return [one.path for one in self.runs["record"]] + [self.checkpoints[row] for row in sorted(self.checkpoints)]


class Sources(NamedTuple):
    """Where inputs are looked for: all finished runs of a folder, and a whole network in place of a run's own."""

    runs: pd.DataFrame
    whole: Path | None = None

    @classmethod
    def of(cls, folder: Path, whole: Path | None = None) -> Sources:
        """Read a folder; one that is not there holds no runs."""
        found = runs(folder)
        return cls(found[found["finished"]], whole)

    def finished(self, setting: str, rows: tuple[str, ...] = ()) -> pd.DataFrame:
        """Finished runs of a setting, of all rows or of some; MissingInputError where one of ``rows`` is not there."""
        found = self.runs[self.runs["setting"] == setting]
        missing = [row for row in rows if row not in set(found["row"])]
        if found.empty or missing:
            raise MissingInputError(f"no finished run of {', '.join(f'{setting}_{row}' for row in missing) or setting}")
        return found[found["row"].isin(rows)] if rows else found


class Drawing(NamedTuple):
    """What a figure's function gives: the picture, and the paper's numbers beside ours."""

    figure: Figure
    comparisons: tuple[Finding, ...] = ()


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
    return lambda sources: Inputs(runs=sources.runs[sources.runs["setting"].isin(settings)])


def runs_across(*settings: str) -> Callable[[Sources], Inputs]:
    """A figure of finished runs of several settings, at least two of which have a baseline."""

    def needs(sources: Sources) -> Inputs:
        found = sources.runs[sources.runs["setting"].isin(settings)]
        if found.loc[found["row"] == "baseline", "setting"].nunique() < 2:
            raise MissingInputError(f"no finished baselines of two or more of {', '.join(settings)}")
        return Inputs(runs=found)

    return needs


def deployed_of(setting: str, *rows: str) -> Callable[[Sources], Inputs]:
    """A figure of deployed networks: one for each of ``rows``, all of the first seed that has them all."""

    def needs(sources: Sources) -> Inputs:
        for _, chosen in sources.finished(setting, rows).groupby("seed"):
            found = {run.row: find_checkpoint(run.record) for run in chosen.itertuples()}
            paths = {row: path for row, path in found.items() if path is not None}
            if len(paths) == len(rows):
                return Inputs(runs=chosen, checkpoints=paths)
        raise MissingInputError(f"no seed of {setting} has deployed checkpoints of {', '.join(rows)}")

    return needs


def whole_of(setting: str, row: str) -> Callable[[Sources], Inputs]:
    """A figure of a network with its training-only half: the checkpoint that was passed, or the first seed's own."""

    def needs(sources: Sources) -> Inputs:
        if sources.whole is not None:
            return Inputs(checkpoints={"whole": sources.whole})
        found = sources.finished(setting, (row,))
        for place, one in enumerate(found["record"]):
            path = find_checkpoint(one, whole=True)
            if path is not None:
                return Inputs(runs=found.iloc[[place]], checkpoints={"whole": path})
        raise MissingInputError(f"no checkpoint of a whole {setting}_{row}: deployed ones hold no SISR branch")

    return needs


def find_checkpoint(one: Record, *, whole: bool = False) -> Path | None:
    """A run's checkpoint, beside its record or by its header among the kit's, or None; ValueError for a damaged one."""
    folder = one.path.parent
    beside = folder / ("latest.safetensors" if whole else "deployed.safetensors")
    if one.path.name == "record.jsonl" and beside.is_file():
        return beside
    for path in sorted((folder.parent.parent / "checkpoints").rglob("*.safetensors")):
        try:
            with safetensors.safe_open(path, framework="pt") as file:
                header = json.loads((file.metadata() or {}).get(DESCRIPTION, "{}"))
        except (safetensors.SafetensorError, OSError, ValueError) as error:
            raise ValueError(f"{path} is damaged or no safetensors file ({error}); take another copy") from error
        if not isinstance(header, dict) or header.get("recipe") != one.first["recipe"]:
            continue
        if header.get("train", {}).get("seed") == one.first["seed"] and bool(header.get("deployed")) is not whole:
            return path
    return None
