"""Finished runs: read their final scores, and copy them to where the kit commits them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from dsrl_lab.files import sha256, whole_file
from dsrl_lab.results.records import Record, read_record
from dsrl_lab.training import checkpoint, record

DRAWN = ("streets", "street_people")  # data sets that need no folder


def finished_record(path: Path) -> Record:
    """The record of a finished run; ValueError if it is not finished."""
    one = read_record(path)
    if one.end is None:
        raise ValueError(f"{path}: the run is not finished; go on with --resume")
    return one


def final_scores(path: Path) -> dict[str, Any]:
    """The last line of a finished run's record; errors as for ``finished_record``."""
    return dict(finished_record(path).end or {})


def keep(folder: Path, data: Path) -> list[Path]:
    """Copy finished runs, whole networks too if of FA, to where the kit commits them; ValueError if unfinished."""
    written = []
    for path in sorted(folder.rglob("record.jsonl")):
        first = finished_record(path).first
        name = f"{first['setting']}/{first['row']}_seed{first['seed']}"
        places = {
            path: data / "runs" / f"{name}.jsonl",
            path.parent / "deployed.safetensors": data / "checkpoints" / f"{name}.safetensors",
        }
        written += _copied(places)
        if first["network"]["affinity"]:  # figures look into the SISR branch of these
            whole = data / "checkpoints" / f"{name}_whole.safetensors"
            checkpoint.copy_model(path.parent / "latest.safetensors", whole)
            written.append(whole)
    write_manifest(data)
    return written


def keep_super_resolution(directory: Path, data: Path) -> list[Path]:
    """Copy a finished super-resolution run to where the kit commits it; give the files, or ValueError if unfinished."""
    name = finished_record(directory / "record.jsonl").first["recipe"]
    places = {
        directory / "record.jsonl": data / "runs" / f"{name}.jsonl",
        directory / "best.safetensors": data / "checkpoints" / f"{name}.safetensors",
        directory / "best.json": data / "checkpoints" / f"{name}.json",
    }
    return _copied(places)


def _copied(places: dict[Path, Path]) -> list[Path]:
    for source, place in places.items():
        with whole_file(place) as part:
            shutil.copyfile(source, part)
    return list(places.values())


def list_checkpoints(data: Path) -> dict[str, dict[str, Any]]:
    """The kit's checkpoints by path: SHA-256, size, the run's record, and the command that trains it again."""
    found = {}
    for path in sorted((data / "checkpoints").rglob("*.safetensors")):
        place = path.relative_to(data / "checkpoints")
        source = (data / "runs" / place).with_name(place.stem.removesuffix("_whole") + ".jsonl")
        first = record.read(source)[0]
        command = "dsrl-lab train" if "network" in first else "dsrl-lab train-sisr"
        root = "" if first["dataset"] in DRAWN else " --data ROOT"
        found[place.as_posix()] = {
            "sha256": sha256(path),
            "bytes": path.stat().st_size,
            "record": source.relative_to(data / "runs").as_posix(),
            "commit": first["commit"],
            "command": f"{command} {first['recipe']} --seed {first['seed']} --threads {first['threads']}{root}",
        }
    return found


def write_manifest(data: Path) -> Path:
    """Write ``list_checkpoints`` down as ``checkpoints/manifest.json``."""
    path = data / "checkpoints" / "manifest.json"
    with whole_file(path) as part:
        part.write_text(json.dumps(list_checkpoints(data), indent=2) + "\n", encoding="utf-8")
    return path
