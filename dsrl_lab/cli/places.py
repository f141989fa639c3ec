"""Where commands find records, and where they put what they make."""

import tempfile
from pathlib import Path

from dsrl_lab.files import cannot_write


def folder_for_results(path: Path) -> Path:
    """Make a folder where there is none, and give it back; ValueError for a file there, OSError if not writable."""
    for place in (path, *path.parents):
        if place.exists() and not place.is_dir():
            raise ValueError(f"expected a folder at {place}, found a file there; name another place")
    try:
        path.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path).close()
    except OSError as error:
        raise cannot_write(path, error) from error
    return path


def record_to_add_to(path: Path | None) -> Path | None:
    """Check an option's record before there is something to add, and make its folder."""
    return path and folder_for_results(path.parent) / path.name


def folder_of_records(path: Path) -> Path:
    """Give a folder back if there is a record in it; a FileNotFoundError names it if not."""
    if not any(path.rglob("*.jsonl")):
        raise FileNotFoundError(f"no folder of records at {path}; train with dsrl-lab train, or name one by --runs")
    return path
