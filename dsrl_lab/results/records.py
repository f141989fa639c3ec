"""One run's record as it is read, held to what tables, figures and verdicts look up in it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dsrl_lab.rows import ROWS
from dsrl_lab.training import record

PROTOCOLS = ("logits", "labels", "keypoints", "mean_pose", "super_resolution", "affinity")
_NUMBER, _SIZES = (int, float), "train.input_size"
_Kinds = dict[str, type | tuple[type, ...]]
_FIRST_LINE: _Kinds = {
    "dataset": str, "macs": _NUMBER, "parameters": _NUMBER, "network": dict, "network.host": str,
    "network.host_options": dict, "network.upscale_factor": int, "train": dict, _SIZES: list, "train.iterations": int,
    "train.batch_size": int,
}  # fmt: skip
_WHERE_THERE: _Kinds = {"setting": str, "row": str, "train": dict, "versions": dict, "pictures": dict, "dataset": str}
_WHERE_THERE |= {"train.sisr_weight": _NUMBER, "macs": _NUMBER, "training_macs": _NUMBER, "parameters": _NUMBER}
_LINES: dict[str, _Kinds] = {
    "train": {"iteration": int, "metrics": dict},
    "end": {"seconds": _NUMBER, "scores": dict, **dict.fromkeys(PROTOCOLS, dict)},
    "scores": {"split": str, "protocol": str, "drives": dict, "counts": dict},
}


@dataclass(frozen=True, repr=False)
class Record:
    """The lines of one run; what ``runs`` shows of them stands in its columns."""

    lines: tuple[dict[str, Any], ...]
    path: Path = Path("not saved")

    def __repr__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """<folder>/<file>."""
        return f"{self.path.parent.name}/{self.path.name}"

    @property
    def first(self) -> dict[str, Any]:
        """The line that says how the run was made."""
        return self.lines[0]

    @property
    def end(self) -> dict[str, Any] | None:
        """The line with the final scores; None while the run is not finished."""
        return self.lines[-1] if self.lines[-1].get("kind") == "end" else None


def read_record(path: Path) -> Record:
    """Read a record, an older one with the longest row that its name ends in; ValueError if it is damaged."""
    first, *lines = record.read(path)
    if first.get("kind") != "run" or not isinstance(first.get("recipe"), str) or "seed" not in first:
        raise ValueError(
            f"{path}: expected a first line of kind 'run' with recipe and seed, got {str(first)[:60]}; "
            "records are written by dsrl-lab train"
        )
    if not isinstance(first["seed"], int):
        raise ValueError(f"{path}: expected a whole number as seed, got {str(first['seed'])[:60]!r}; it is damaged")
    kinds = _FIRST_LINE if "network" in first else {}
    kinds = kinds | {name: kind for name, kind in _WHERE_THERE.items() if first.get(name) is not None}
    _held_to(first, kinds, path, "its first line")
    for line in lines:
        kinds = _LINES.get(str(line.get("kind")), {})
        _held_to(line, {name: kind for name, kind in kinds.items() if line.get(name) is not None}, path, "a line")
    recipe, splits = first["recipe"], first.get("pictures")
    row = max((row for row in ROWS if recipe.endswith(f"_{row}")), key=len, default=recipe)
    old = {"row": row, "setting": recipe.removesuffix(f"_{row}")}
    old["held_out"] = isinstance(splits, dict) and any(split.endswith("held out") for split in splits)
    return Record((old | first, *lines), path)


def _held_to(line: dict[str, Any], kinds: _Kinds, path: Path, what: str) -> None:
    for name, kind in kinds.items():
        value: Any = line
        for part in name.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if name not in _FIRST_LINE and value is None:
            continue
        sides = value if name == _SIZES and isinstance(value, list) else [1, 1]
        if not isinstance(value, kind) or len(sides) != 2 or not all(isinstance(side, int) for side in sides):
            raise ValueError(
                f"{path}: {what} does not say {name} as dsrl-lab train writes it, got {str(value)[:60]!r}; "
                "the record is damaged: take another copy, or run the recipe again"
            )
