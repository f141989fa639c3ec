"""What a figure is drawn from: records, checkpoints, or nothing but the code; and why it cannot be drawn."""

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
    checkpoints: dict[str, Path] = field(default_factory=dict)  # by row

    @property
    def files(self) -> list[Path]:
        """All of them, in order."""
        return [one.path for one in self.runs["record"]] + [self.checkpoints[row] for row in sorted(self.checkpoints)]


class Drawing(NamedTuple):
    """What a figure's function gives: the picture, and the paper's numbers beside ours."""

    figure: Figure
    comparisons: tuple[Finding, ...] = ()


class FigureRecipe(NamedTuple):
    """One figure: how its inputs are found among finished runs, and how it is drawn from them alone."""

    needs: Callable[[pd.DataFrame], Inputs]
    draw: Callable[[Inputs], Drawing]


def finished_runs(folder: Path) -> pd.DataFrame:
    """All finished runs of a folder; one that is not there holds none."""
    found = runs(folder)
    return found[found["finished"]]


def nothing(finished: pd.DataFrame) -> Inputs:
    """A figure of the code itself, or of the paper's numbers."""
    return Inputs()


def runs_of(setting: str, *rows: str) -> Callable[[pd.DataFrame], Inputs]:
    """A figure of a setting's finished runs; ``rows`` must be among them."""
    return lambda finished: Inputs(runs=_of_setting(finished, setting, rows))


def runs_if_any(*settings: str) -> Callable[[pd.DataFrame], Inputs]:
    """A figure that stands without runs, and shows those of ``settings`` beside where they are."""
    return lambda finished: Inputs(runs=finished[finished["setting"].isin(settings)])


def runs_across(*settings: str) -> Callable[[pd.DataFrame], Inputs]:
    """A figure of finished runs of several settings, at least two of which have a baseline."""

    def needs(finished: pd.DataFrame) -> Inputs:
        found = finished[finished["setting"].isin(settings)]
        if found.loc[found["row"] == "baseline", "setting"].nunique() < 2:
            raise MissingInputError(f"no finished baselines of two or more of {', '.join(settings)}")
        return Inputs(runs=found)

    return needs


def networks_of(setting: str, *rows: str, whole: bool = False) -> Callable[[pd.DataFrame], Inputs]:
    """A figure of networks, deployed or ``whole``: one for each of ``rows``, all of the first seed that has them."""

    def needs(finished: pd.DataFrame) -> Inputs:
        found = _of_setting(finished, setting, rows)
        for _, chosen in found[found["row"].isin(rows)].groupby("seed"):
            paths = {run.row: find_checkpoint(run.record, whole=whole) for run in chosen.itertuples()}
            there = {row: path for row, path in paths.items() if path is not None}
            if len(there) == len(rows):
                return Inputs(runs=chosen, checkpoints=there)
        kind = "whole" if whole else "deployed"
        raise MissingInputError(f"no seed of {setting} has {kind} checkpoints of {', '.join(rows)}")

    return needs


def _of_setting(finished: pd.DataFrame, setting: str, rows: tuple[str, ...]) -> pd.DataFrame:
    found = finished[finished["setting"] == setting]
    missing = [row for row in rows if row not in set(found["row"])]
    if found.empty or missing:
        raise MissingInputError(f"no finished run of {', '.join(f'{setting}_{row}' for row in missing) or setting}")
    return found


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
