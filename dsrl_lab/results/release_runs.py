"""Finished runs: read their final scores, score them again, and copy them to where the kit commits them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dsrl_lab.datasets.base import SegmentationDataset
from dsrl_lab.datasets.class_tables import CLASS_TABLES
from dsrl_lab.experiments import open_data
from dsrl_lab.files import sha256, whole_file
from dsrl_lab.recipes import SETTINGS
from dsrl_lab.results.records import Record, read_record
from dsrl_lab.training import checkpoint, record
from dsrl_lab.training.build import load_task_model
from dsrl_lab.training.checkpoint import is_number
from dsrl_lab.training.config import NetworkConfig, Recipe, TrainConfig
from dsrl_lab.training.evaluate import PROTOCOLS, evaluate_segmentation

DRAWN = ("streets", "street_people")  # data sets that need no folder


def final_scores(path: Path) -> dict[str, Any]:
    """The last line of a finished run's record; ValueError if it is not finished."""
    if (end := read_record(path).end) is None:
        raise ValueError(f"{path}: the run is not finished; go on with --resume")
    return dict(end)


def _finished_records(folder: Path) -> list[Record]:
    """All finished runs below a folder; FileNotFoundError if there is none."""
    found = [one for path in sorted(folder.rglob("record.jsonl")) if (one := read_record(path)).end is not None]
    if not found:
        raise FileNotFoundError(f"no finished run below {folder}: expected record.jsonl of one in it or its folders")
    return found


def keep(folder: Path, data: Path) -> list[Path]:
    """Copy finished runs below a folder to where the kit commits them, whole networks too if of FA; give the new files.

    Before anything is copied: FileNotFoundError without a finished run or its network, ValueError for two of a name.
    """
    places: dict[Path, Path] = {}  # new files, and what each is a copy of
    for one in _finished_records(folder):
        first, directory, networks = one.first, one.path.parent, data / "checkpoints"
        name = f"{first['setting']}/{first['row']}_seed{first['seed']}" if "network" in first else first["recipe"]
        if (taken := data / "runs" / f"{name}.jsonl") in places:
            raise ValueError(f"{places[taken]} and {one.path} would both be {taken}; keep one of them")
        places[taken] = one.path
        if "network" not in first:
            places |= {networks / f"{name}{end}": directory / f"best{end}" for end in (".safetensors", ".json")}
            continue
        places[networks / f"{name}.safetensors"] = directory / "deployed.safetensors"
        if first["network"].get("affinity"):  # figures look into the SISR branch of these
            places[networks / f"{name}_whole.safetensors"] = directory / "latest.safetensors"
    for source in places.values():
        if not source.is_file():
            raise FileNotFoundError(f"{source.parent} is a finished run without {source.name}; train it again")
    for place, source in places.items():
        if source.name == "latest.safetensors":
            checkpoint.copy_model(source, place)
            continue
        with whole_file(place) as part:
            shutil.copyfile(source, part)
    write_manifest(data)
    return list(places)


def list_checkpoints(data: Path) -> dict[str, dict[str, Any]]:
    """The kit's checkpoints by path: SHA-256, size, the run's record, and the command that trains it again."""
    found = {}
    for path in sorted((data / "checkpoints").rglob("*.safetensors")):
        place = path.relative_to(data / "checkpoints")
        source = (data / "runs" / place).with_name(place.stem.removesuffix("_whole") + ".jsonl")
        first = record.read(source)[0]
        command = "dsrl-lab train" if "network" in first else "dsrl-lab train-sisr"
        root = "" if first.get("dataset") in DRAWN else " --data ROOT"
        found[place.as_posix()] = {
            "sha256": sha256(path),
            "bytes": path.stat().st_size,
            "record": source.relative_to(data / "runs").as_posix(),
            "commit": first.get("commit", "unknown"),
            "command": f"{command} {first['recipe']} --seed {first['seed']} --threads {first.get('threads', 1)}{root}",
        }
    return found


def write_manifest(data: Path) -> Path:
    """Write ``list_checkpoints`` down as ``checkpoints/manifest.json``."""
    path = data / "checkpoints" / "manifest.json"
    with whole_file(path) as part:
        part.write_text(json.dumps(list_checkpoints(data), indent=2) + "\n", encoding="utf-8")
    return path


def score_again(
    folder: Path, root: Path | None = None, *, progress: Callable[[Path, float], None] | None = None
) -> list[Path]:
    """Score the finished segmentation runs below a folder by all of today's measures; others are left as they are.

    ValueError if none is of segmentation, one is not finished, or its mIoU is not the recorded one.
    """
    found, written = _finished_records(folder), []
    chosen = [one for one in found if one.first.get("dataset") in (*CLASS_TABLES, "folder")]
    if not chosen:
        raise ValueError(f"the runs below {folder} are of pose or super-resolution, only masks are scored again")
    for one in chosen:
        path, lines = one.path, record.read(one.path)
        end, val_set = lines[-1], _val_set(one.first, root)
        model, _ = load_task_model(path.parent / "deployed.safetensors")
        size = tuple(lines[0]["train"]["input_size"])
        for protocol in PROTOCOLS:
            result = evaluate_segmentation(model, val_set, input_size=size, protocol=protocol)
            before: Any = (end.get(protocol) or {}).get("miou")
            if not is_number(before) or not abs(result.miou - before) <= 1e-4:
                raise ValueError(
                    f"{path}: mIoU by {protocol} is {result.miou:.4f} and was recorded as {before}; the data, the "
                    "checkpoint or the scoring is not the same, so nothing was written"
                )
            end[protocol] = result.to_json()
        end["scored_again"] = record.environment()
        record.write(path, [*lines[:-1], end])
        written.append(path)
        if progress is not None:
            progress(path, end["logits"]["miou"])
    return written


def _val_set(first: dict[str, Any], root: Path | None) -> SegmentationDataset:
    train_pictures, val_pictures, *_ = first["pictures"].values()
    held_out = bool(first["held_out"])
    setting = SETTINGS[first["setting"]]() if first["setting"] in SETTINGS else None
    recipe = Recipe(
        setting=first["recipe"],
        dataset=first["dataset"],
        network=NetworkConfig.from_json(first["network"]),
        train=TrainConfig.from_json(first["train"]),
        pictures=(train_pictures + held_out * val_pictures, val_pictures),
        picture_size=None if setting is None else setting.picture_size,
        town_per_seed=setting is not None and setting.town_per_seed,
    )
    _, val_set = open_data(recipe, root, held_out=held_out)
    assert isinstance(val_set, SegmentationDataset)
    return val_set
