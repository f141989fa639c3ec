"""Where commands find records, and where they put what they make."""

from __future__ import annotations

from pathlib import Path


def folder_for_results(path: Path) -> Path:
    """Make a folder where there is none, and give it back.

    Raises:
        ValueError: a file stands there, or on the way to it.

    Example:
        >>> folder_for_results(Path(__file__))
        Traceback (most recent call last):
            ...
        ValueError: expected a folder at ...places.py, found a file there; name another with --out
    """
    for place in (path, *path.parents):
        if place.exists() and not place.is_dir():
            raise ValueError(f"expected a folder at {place}, found a file there; name another with --out")
    path.mkdir(parents=True, exist_ok=True)
    return path


def folder_of_records(path: Path) -> Path:
    """Give a folder back if there is a record in it; a FileNotFoundError names it if not."""
    if not any(path.rglob("*.jsonl")):
        raise FileNotFoundError(f"no folder of records at {path}; train with dsrl-lab train, or name one by --runs")
    return path
