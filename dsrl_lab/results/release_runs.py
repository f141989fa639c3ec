"""Finished runs: read their final scores, score them again, and copy them to where the kit commits them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dsrl_lab.datasets.base import SegmentationDataset
from dsrl_lab.experiments import open_data
from dsrl_lab.files import sha256
from dsrl_lab.rows import ROWS
from dsrl_lab.training import checkpoint, record
from dsrl_lab.training.build import load_task_model
from dsrl_lab.training.config import NetworkConfig, Recipe, TrainConfig
from dsrl_lab.training.evaluate import PROTOCOLS, evaluate_segmentation


def final_scores(path: Path) -> dict[str, Any]:
    """Scores of a finished run, from its record.

    Raises:
        ValueError: the run is not finished.
    """
    last = record.read(path)[-1]
    if last["kind"] != "end":
        raise ValueError(f"{path}: the run is not finished; go on with --resume")
    return last


def keep(folder: Path, data: Path) -> list[Path]:
    """Copy finished runs to where the kit commits them: records to ``runs``, deployed networks to ``checkpoints``.

    The manifest of the checkpoints is written anew.

    Args:
        folder: holds runs as ``run`` leaves them, at any depth.
        data: the kit's folder of small things it owns.

    Returns:
        What was written: <setting>/<row>_seed<k>.jsonl under runs, the same .safetensors under checkpoints, and
        ..._whole.safetensors, with the SISR branch, of networks with feature affinity.

    Raises:
        ValueError: a run is not finished.
    """
    written = []
    for path in sorted(folder.rglob("record.jsonl")):
        final_scores(path)
        first = record.read(path)[0]
        row = max((row for row in ROWS if first["recipe"].endswith(f"_{row}")), key=len)
        setting = first["recipe"].removesuffix(f"_{row}")
        name = f"{row}_seed{first['seed']}"
        places = {
            path: data / "runs" / setting / f"{name}.jsonl",
            path.parent / "deployed.safetensors": data / "checkpoints" / setting / f"{name}.safetensors",
        }
        for source, place in places.items():
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, place)
            written.append(place)
        if first["network"]["affinity"]:  # figures look into the SISR branch of these
            whole = data / "checkpoints" / setting / f"{name}_whole.safetensors"
            checkpoint.copy_model(path.parent / "latest.safetensors", whole)
            written.append(whole)
    write_manifest(data)
    return written


def keep_super_resolution(directory: Path, data: Path) -> list[Path]:
    """Copy a finished super-resolution run to where the kit commits it.

    Args:
        directory: a folder that ``experiments.run`` filled.
        data: the kit's folder of small things it owns.

    Returns:
        What was written: runs/<recipe>.jsonl, checkpoints/<recipe>.safetensors and its description for people.

    Raises:
        ValueError: the run is not finished.
    """
    final_scores(directory / "record.jsonl")
    name = record.read(directory / "record.jsonl")[0]["recipe"]
    places = {
        directory / "record.jsonl": data / "runs" / f"{name}.jsonl",
        directory / "best.safetensors": data / "checkpoints" / f"{name}.safetensors",
        directory / "best.json": data / "checkpoints" / f"{name}.json",
    }
    for source, place in places.items():
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, place)
    return list(places.values())


def list_checkpoints(data: Path) -> dict[str, dict[str, Any]]:
    """What there is among the kit's checkpoints, and where each came from.

    Args:
        data: the kit's folder of small things it owns.

    Returns:
        For each file, by its path under ``checkpoints``: its SHA-256 and size, the record of its run under ``runs``,
        and the command that trains it again at the commit that the record names.

    Example:
        >>> list_checkpoints(Path("no/such/folder"))
        {}
    """
    found = {}
    for path in sorted((data / "checkpoints").rglob("*.safetensors")):
        place = path.relative_to(data / "checkpoints")
        source = (data / "runs" / place).with_name(place.stem.removesuffix("_whole") + ".jsonl")
        first = record.read(source)[0]
        recipe, seed, threads = first["recipe"], first["seed"], first["threads"]
        command = "train-sisr" if recipe.startswith("super_resolution") else "train"
        root = "" if first["dataset"] in ("streets", "people") else " --data ROOT"
        found[place.as_posix()] = {
            "sha256": sha256(path),
            "bytes": path.stat().st_size,
            "record": source.relative_to(data / "runs").as_posix(),
            "commit": first["commit"],
            "command": f"dsrl-lab {command} {recipe} --seed {seed} --threads {threads}{root}",
        }
    return found


def write_manifest(data: Path) -> Path:
    """Write ``list_checkpoints`` down as ``checkpoints/manifest.json``."""
    path = data / "checkpoints" / "manifest.json"
    path.write_text(json.dumps(list_checkpoints(data), indent=2) + "\n", encoding="utf-8")
    return path


def score_again(
    folder: Path, root: Path | None = None, *, progress: Callable[[Path, float], None] | None = None
) -> list[Path]:
    """Score the deployed networks of finished segmentation runs again, with all that the kit measures today.

    It is for records that are older than a measure, and it is an audit: the new mIoU must be the recorded one. The
    record's last line then holds the new scores, and says that it was written again.

    Args:
        folder: holds runs as ``experiments.run`` leaves them, at any depth.
        root: folder of their data set ("streets" needs none).
        progress: called with each record and its mIoU, once it is written.

    Returns:
        The records that were written again.

    Raises:
        ValueError: a run is not finished, is one of pose, or scores otherwise than its record says.
    """
    written = []
    for path in sorted(folder.rglob("record.jsonl")):
        lines, end = record.read(path), final_scores(path)
        val_set = _val_set(lines[0], root)
        model, _ = load_task_model(path.parent / "deployed.safetensors")
        size = tuple(lines[0]["train"]["input_size"])
        for protocol in PROTOCOLS:
            result = evaluate_segmentation(model, val_set, input_size=size, protocol=protocol)
            before = end[protocol]["miou"]
            if abs(result.miou - before) > 1e-4:
                raise ValueError(
                    f"{path}: mIoU by {protocol} is {result.miou:.4f} and was recorded as {before:.4f}; the data, the "
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
    """What a run was scored on, from the first line of its record."""
    train_pictures, val_pictures = first["pictures"].values()
    held_out = any("held out" in split for split in first["pictures"])
    recipe = Recipe(
        setting=first["recipe"],
        dataset=first["dataset"],
        network=NetworkConfig.from_json(first["network"]),
        train=TrainConfig.from_json(first["train"]),
        pictures=(train_pictures + held_out * val_pictures, val_pictures),
    )
    _, val_set = open_data(recipe, root, held_out=held_out)
    if not isinstance(val_set, SegmentationDataset):
        raise ValueError(f"{first['recipe']} is a run of pose; score its net with dsrl-lab evaluate")
    return val_set
