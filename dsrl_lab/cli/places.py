"""Where commands find records, and where they put what they make."""

import os
from pathlib import Path


def folder_for_results(path: Path) -> Path:
    """Make a folder where there is none, and give it back; ValueError for a file there, OSError if not writable."""
    for place in (path, *path.parents):
        if place.exists() and not place.is_dir():
            raise ValueError(f"expected a folder at {place}, found a file there; name another place")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"cannot write {path}: {error.strerror}; choose a folder that you may write") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise OSError(f"cannot write into {path}: permission denied; choose a folder that you may write")
    return path


def record_to_add_to(path: Path | None) -> Path | None:
    """Check an option's record before there is something to add, and make its folder."""
    return path and folder_for_results(path.parent) / path.name


def folder_of_records(path: Path) -> Path:
    """Give a folder back if there is a record in it; a FileNotFoundError names it if not."""
    if not any(path.rglob("*.jsonl")):
        raise FileNotFoundError(f"no folder of records at {path}; train with dsrl-lab train, or name one by --runs")
    return path
