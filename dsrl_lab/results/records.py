"""Runs as plots see them: found in a folder, gathered by row, summed up over seeds with 95 % t-intervals.

Two layouts are read, told apart by nothing but their files: ``<setting>/<row>_seed<k>.jsonl`` as the kit commits them
under data/runs, and ``<row>_seed<k>/record.jsonl`` with its checkpoints beside it as a run leaves them.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
from scipy import optimize, stats

from dsrl_lab.rows import PAPER_WEIGHTS, ROWS
from dsrl_lab.training import record
from dsrl_lab.training.checkpoint import DESCRIPTION, is_number

CONFIDENCE = 0.95
MIOU = "logits.miou"  # the main score: logits enlarged bilinearly to the picture's size


@dataclass(frozen=True)
class Run:
    """One run, from its record.

    Attributes:
        recipe: name of the recipe.
        row: its row in the ablation, "baseline" say.
        seed: of every draw.
        lines: the record's lines.
        path: the record.
    """

    recipe: str
    row: str
    seed: int
    lines: tuple[dict[str, Any], ...]
    path: Path

    @property
    def folder(self) -> Path:
        """Where the record lies."""
        return self.path.parent

    @property
    def setting(self) -> str:
        """The recipe without its row: which runs belong to one ablation."""
        return self.recipe.removesuffix(f"_{self.row}")

    @property
    def first(self) -> dict[str, Any]:
        """The line that says how the run was made."""
        return self.lines[0]

    @property
    def label(self) -> str:
        """The row as tables and figures show it, with what it was weighed by where that is not the paper's."""
        return str(self.first.get("title", self.row)) + self.weighed

    @property
    def weighed(self) -> str:
        """What its label adds: ", SISR weight 1" where the branch did not weigh the paper's 0.1, else nothing."""
        weight = self.first.get("train", {}).get("sisr_weight")
        if not self.first.get("network", {}).get("sisr") or weight in (None, PAPER_WEIGHTS["sisr_weight"]):
            return ""
        return f", SISR weight {weight:g}"

    @property
    def end(self) -> dict[str, Any] | None:
        """The line with the final scores; None while the run is not finished."""
        return self.lines[-1] if self.lines[-1].get("kind") == "end" else None

    @property
    def training(self) -> tuple[dict[str, Any], ...]:
        """The lines of the curves."""
        return tuple(line for line in self.lines if line.get("kind") == "train")

    def score(self, name: str = MIOU) -> float | None:
        """A final score by its path in the record's last line: "logits.miou", "super_resolution.psnr", "seconds".

        Returns:
            The score; None where the row has none (PSNR without a SISR head, say).

        Raises:
            ValueError: the run is not finished, or what stands there is no number.
        """
        value: Any = self.end
        if value is None:
            raise ValueError(f"{self.path}: the run is not finished; go on with --resume")
        for part in name.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if value is None:
            return None
        if not is_number(value):
            raise ValueError(
                f"{self.path}: expected a number as {name}, got {str(value)[:60]!r}; the record is damaged: "
                "take another copy, or run the recipe again"
            )
        return float(value)


@dataclass(frozen=True)
class Estimate:
    """The mean of what several seeds gave, and how sure it is.

    Attributes:
        values: one per seed.
        mean: of them.
        margin: half-width of the 95 % t-interval; None for a single seed, which has none.
    """

    values: tuple[float, ...]
    mean: float
    margin: float | None

    @property
    def interval(self) -> tuple[float, float] | None:
        """(low, high), or None for a single seed."""
        return None if self.margin is None else (self.mean - self.margin, self.mean + self.margin)

    def scaled(self, factor: float) -> Estimate:
        """The same in another unit: shares as per cent, say.

        Example:
            >>> estimate((0.5, 0.5)).scaled(100).mean
            50.0
        """
        margin = None if self.margin is None else factor * self.margin
        return Estimate(tuple(factor * value for value in self.values), factor * self.mean, margin)

    def show(self, *, scale: float = 1.0, digits: int = 1, signed: bool = False) -> str:
        """As text: mean ± margin.

        Example:
            >>> estimate((0.50, 0.52, 0.54)).show(scale=100)
            '52.0 ± 5.0'
            >>> estimate((0.021,)).show(scale=100, signed=True)
            '+2.1 (1 seed)'
        """
        mean = f"{self.mean * scale:{'+' if signed else ''}.{digits}f}"
        return f"{mean} (1 seed)" if self.margin is None else f"{mean} ± {self.margin * scale:.{digits}f}"


def estimate(values: Iterable[float]) -> Estimate:
    """Mean and 95 % t-interval: mean ± t(n - 1) * s / sqrt(n), s with n - 1.

    Raises:
        ValueError: no values.

    Example:
        >>> result = estimate((1.0, 2.0, 3.0))  # t(2) = 4.303, s = 1
        >>> result.mean, round(result.margin, 3)
        (2.0, 2.484)
    """
    values = tuple(values)
    if not values:
        raise ValueError("expected at least one value to estimate from, got none; are the runs finished?")
    mean = statistics.fmean(values)
    if len(values) == 1:
        return Estimate(values, mean, None)
    t = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1))
    return Estimate(values, mean, t * statistics.stdev(values) / math.sqrt(len(values)))


def smallest_visible(result: Estimate, *, power: float = 0.8) -> float | None:
    """The smallest true difference that so many seeds, scattering so, would have shown: the power of the test.

    The test is that of the interval: two-sided, at 5 %, paired by seed. With that true difference the interval leaves
    zero out in a share ``power`` of all repetitions (the noncentral t distribution, summed here over the spreads that a
    sample may show, because SciPy's own gives NaN for two seeds).

    Args:
        result: a difference over seeds.
        power: share of repetitions, between 0.05 and 1.

    Returns:
        The difference, in the unit of ``result``; None for a single seed, which can show nothing.

    Raises:
        ValueError: ``power`` is out of range.

    Example:
        >>> round(smallest_visible(estimate((1.0, 2.0, 3.0))), 2)  # three seeds that scatter by 1
        3.26
    """
    if not 1 - CONFIDENCE < power < 1:
        raise ValueError(f"expected a power between {1 - CONFIDENCE:.2f} and 1, got {power}")
    count = len(result.values)
    if count == 1:
        return None
    error, freedom = statistics.stdev(result.values) / math.sqrt(count), count - 1
    t = float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom))
    spreads = stats.chi2.ppf((np.arange(4000) + 0.5) / 4000, freedom)  # what the sample's own spread may turn out to be
    edges = t * np.sqrt(spreads / freedom)

    def missing(shift: float) -> float:
        hidden = stats.norm.cdf(edges - shift) - stats.norm.cdf(-edges - shift)
        return 1 - float(hidden.mean()) - power

    return error * float(optimize.brentq(missing, 0.0, 5 * t))


def scores(runs: Sequence[Run], score: str = MIOU) -> Estimate | None:
    """A final score over the seeds of one row; None where the row has no such score.

    Example:
        >>> end = {"kind": "end", "logits": {"miou": 0.5}}
        >>> scores([Run("demo_dsrl", "dsrl", 0, (end,), Path("dsrl.jsonl"))]).mean
        0.5
    """
    values = [value for run in runs if (value := run.score(score)) is not None]
    return estimate(values) if values else None


def paired_difference(runs: Sequence[Run], baseline: Sequence[Run], score: str = MIOU) -> Estimate | None:
    """How much more ``runs`` score than ``baseline``, seed by seed; None where no seed has both scores.

    The same seed draws the same pictures in the same order, so a difference by seed is surer than one of means.

    Example:
        >>> def run(row: str, miou: float) -> Run:
        ...     return Run(f"demo_{row}", row, 0, ({"kind": "end", "logits": {"miou": miou}},), Path(f"{row}.jsonl"))
        >>> paired_difference([run("dsrl", 0.75)], [run("baseline", 0.5)]).mean
        0.25
    """
    before = {run.seed: run.score(score) for run in baseline}
    pairs = [(run.score(score), before.get(run.seed)) for run in runs]
    differences = [after - value for after, value in pairs if after is not None and value is not None]
    return estimate(differences) if differences else None


def row_of(recipe: str) -> str:
    """The row in a recipe's name: the longest that it ends in; the whole name where none does.

    Example:
        >>> row_of("streets_tinynet_deconvolution_dsrl")
        'deconvolution_dsrl'
    """
    rows = [row for row in ROWS if recipe.endswith(f"_{row}")]
    return max(rows, key=len, default=recipe)


def read_run(path: Path) -> Run:
    """Read one record.

    Raises:
        ValueError: the record is damaged, or does not open with the line that says how the run was made.
    """
    lines = tuple(record.read(path))
    first = lines[0]
    if first.get("kind") != "run" or "recipe" not in first or "seed" not in first:
        raise ValueError(
            f"{path}: expected a first line of kind 'run' with recipe and seed, got {str(first)[:60]}; "
            "records are written by dsrl-lab train"
        )
    if not isinstance(first["seed"], int):
        raise ValueError(f"{path}: expected a whole number as seed, got {str(first['seed'])[:60]!r}; it is damaged")
    if "network" in first:
        _check_network_line(first, path)
    return Run(str(first["recipe"]), row_of(str(first["recipe"])), first["seed"], lines, path)


def _check_network_line(first: dict[str, Any], path: Path) -> None:
    """What tables, figures and verdicts look up in the first line of a network's run is there, and of its kind."""
    wanted: dict[str, type | tuple[type, ...]] = {"dataset": str, "macs": (int, float), "parameters": (int, float)}
    wanted |= {"network": dict, "network.host": str, "network.host_options": dict, "network.upscale_factor": int}
    wanted |= {"train": dict, "train.input_size": list, "train.iterations": int, "train.batch_size": int}
    for name, kind in wanted.items():
        value: Any = first
        for part in name.split("."):
            value = value.get(part)
        sides = value if name == "train.input_size" and isinstance(value, list) else [1, 1]
        if not isinstance(value, kind) or len(sides) != 2 or not all(isinstance(side, int) for side in sides):
            raise ValueError(
                f"{path}: its first line does not say {name} as dsrl-lab train writes it, got {str(value)[:60]!r}; "
                "the record is damaged: take another copy, or run the recipe again"
            )


def find_runs(folder: Path) -> list[Run]:
    """Find all runs under a folder, in either layout, ordered by setting, row and seed.

    JSON lines that are no run's record (a benchmark's, say) are passed over.

    Raises:
        ValueError: a record is damaged, or a recipe's seed is there twice.

    Example:
        >>> find_runs(Path("no/such/folder"))
        []
    """
    runs: list[Run] = []
    for path in sorted(folder.rglob("*.jsonl")):
        if record.read(path)[0].get("kind") == "run":
            runs.append(read_run(path))
    seen: dict[tuple[str, int], Path] = {}
    for run in runs:
        if (run.recipe, run.seed) in seen:
            raise ValueError(
                f"{run.recipe} with seed {run.seed} is there twice: {seen[run.recipe, run.seed]} and {run.path}; "
                "name a folder that holds one ablation, or move one of them away"
            )
        seen[run.recipe, run.seed] = run.path
    order = {row: number for number, row in enumerate(ROWS)}
    return sorted(runs, key=lambda run: (run.setting, order.get(run.row, len(order)), run.row, run.seed))


def find_checkpoint(run: Run, *, whole: bool = False) -> Path | None:
    """Find a run's checkpoint: beside its record, or by its header among the checkpoints that the kit commits.

    Args:
        run: whose.
        whole: the network with its training-only half, instead of the deployed one.

    Returns:
        Its path, or None if there is none.
    """
    beside = run.folder / ("latest.safetensors" if whole else "deployed.safetensors")
    if run.path.name == "record.jsonl" and beside.is_file():
        return beside
    for path in sorted((run.folder.parent.parent / "checkpoints").rglob("*.safetensors")):
        header = _header(path)
        same = header.get("recipe") == run.recipe and header.get("train", {}).get("seed") == run.seed
        if same and bool(header.get("deployed")) is not whole:
            return path
    return None


def _header(path: Path) -> dict[str, Any]:
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get(DESCRIPTION, "{}"))
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise ValueError(f"{path} is damaged or no safetensors file ({error}); take another copy") from error
    return header if isinstance(header, dict) else {}
