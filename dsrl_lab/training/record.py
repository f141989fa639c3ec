"""Records: JSON lines that say how a run was made and how it went; every figure and table is drawn from them.

The first line (kind "run") is how it was made; then come "train" lines with losses and scores, "scores" of a further
split, and one "end" line. A torn last line, as a killed process leaves it, is dropped on reading.
"""

import base64
import importlib.metadata
import json
import math
import os
import platform
import subprocess
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dsrl_lab.files import REPOSITORY, cannot_write, whole_file


@dataclass(frozen=True, kw_only=True)
class TrainRecord:
    """The state of a run, as ``fit`` yields it; losses are means over the steps since the last record."""

    iteration: int  # steps done
    iterations: int  # steps planned
    learning_rate: float  # of the last step
    loss: float  # the objective; its three terms follow, unweighted
    task: float
    sisr: float
    affinity: float
    seconds: float  # in steps since the run began, over all its sessions, by the clock
    cpu_seconds: float = 0.0  # the same in processor time, which a busy machine does not inflate
    images_per_second: float  # since the last record
    metrics: dict[str, Any] = field(default_factory=dict)  # scores on the validation set, or empty

    @property
    def seconds_left(self) -> float:
        """Estimate from the mean pace so far."""
        return self.seconds / max(self.iteration, 1) * (self.iterations - self.iteration)

    def to_json(self) -> dict[str, Any]:
        """As a dictionary that JSON can hold."""
        return {"kind": "train", **asdict(self)}


def cores() -> int:
    """Cores that this process may use: in a container, or below taskset, fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def environment() -> dict[str, Any]:
    """Commit, versions and machine, for the first line of a record."""
    packages = ("dsrl-lab", "torch", "torchvision", "numpy", "torchmetrics", "lightning-fabric")
    return {
        "commit": _commit(),
        "versions": {"python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in packages},
        "platform": f"{platform.system()} {platform.machine()}",
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "cores": cores(),
        "threads": torch.get_num_threads(),
    }


def _commit() -> str:
    """Short hash of the kit's commit, with + where files were changed; "unknown" outside a checkout."""
    command = ["git", "describe", "--always", "--dirty=+"]
    if not (REPOSITORY / ".git").exists():  # installed inside another repository, perhaps
        return "unknown"
    try:
        return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def as_read(line: dict[str, Any]) -> dict[str, Any]:
    """A line as it will be read again: tuples are lists, numbers that JSON cannot hold are null."""
    return json.loads(_text(line))


def pack(counts: Any) -> dict[str, Any]:
    """Whole numbers of any shape as JSON can hold them: int32, deflated, in base 85.

    Example:
        >>> unpack(pack([[1, 2], [3, 4]])).tolist()
        [[1, 2], [3, 4]]
    """
    array = np.asarray(counts, dtype="<i4")
    text = base64.b85encode(zlib.compress(array.tobytes(), 9)).decode("ascii")
    return {"shape": list(array.shape), "int32_zlib_base85": text}


def unpack(packed: dict[str, Any]) -> np.ndarray:
    """Undo ``pack``; a ValueError for numbers that do not fill the shape."""
    flat = np.frombuffer(zlib.decompress(base64.b85decode(packed["int32_zlib_base85"])), dtype="<i4")
    return flat.reshape(packed["shape"])


def append(path: Path, line: dict[str, Any]) -> None:
    """Add a whole line or nothing; an OSError names the file. Numbers that JSON cannot hold become null."""
    path.parent.mkdir(parents=True, exist_ok=True)
    before = path.stat().st_size if path.exists() else 0
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(_text(line))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        if path.exists() and path.stat().st_size > before:
            os.truncate(path, before)
        raise OSError(f"{cannot_write(path, error)}, then run again with --resume") from error


def write(path: Path, lines: Iterable[dict[str, Any]]) -> None:
    """Write a whole record at once."""
    with whole_file(path) as temporary:
        temporary.write_text("".join(map(_text, lines)), encoding="utf-8")


def read(path: Path) -> list[dict[str, Any]]:
    """Read a record's lines, without a torn last one; ValueError for no line, or an earlier one that is no object."""
    lines: list[dict[str, Any]] = []
    texts = path.read_text(encoding="utf-8", errors="replace").splitlines()
    for number, text in enumerate(texts, start=1):
        try:
            value = json.loads(text)
        except (json.JSONDecodeError, RecursionError):
            value = None
        if isinstance(value, dict):
            lines.append(value)
        elif number < len(texts):
            raise ValueError(f"{path}, line {number}: expected a JSON object, got {text[:60]!r}; the record is damaged")
    if not lines:
        raise ValueError(f"{path}: expected a record of JSON lines, found none; run the recipe again")
    return lines


def truncate(path: Path, iteration: int) -> None:
    """Drop lines beyond ``iteration`` and the final scores, which a resumed run will write again."""
    lines = read(path)
    for line in lines:
        if not isinstance(line.get("iteration", 0), int | float):
            raise ValueError(f"{path} is damaged: expected a number of iterations, got {str(line['iteration'])[:40]!r}")
    final = ("scores", "end")
    write(path, [line for line in lines if line.get("iteration", 0) <= iteration and line.get("kind") not in final])


def _text(line: dict[str, Any]) -> str:
    return json.dumps(_finite(line)) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
