"""Mutated files of every kind that the kit reads: an answer or a clear error; no hang, no code, no write outside.

A few hundred inputs by default, over 10,000 with ``make slow``; ``DSRL_LAB_FUZZ_SEED`` draws others, and
``DSRL_LAB_FUZZ_RECORD`` names a file that the counts are added to. A failing input is kept and named by (door, seed,
number), so that it can be drawn again.
"""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import struct
import tarfile
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dsrl_lab.datasets.archives import unpack
from dsrl_lab.datasets.camvid import CamVid
from dsrl_lab.datasets.cityscapes import Cityscapes
from dsrl_lab.datasets.pictures import read_ids, read_image
from dsrl_lab.datasets.pose import LspExtended
from dsrl_lab.plots.figures import read_manifest
from dsrl_lab.plots.records import read_run
from dsrl_lab.training import checkpoint, record
from dsrl_lab.training.build import build_dsrl, load_task_model
from dsrl_lab.training.config import NetworkConfig, TrainConfig
from tests.fuzz import mutate, watch

SEED = int(os.environ.get("DSRL_LAB_FUZZ_SEED", "0"))
ALLOWED = (ValueError, OSError)
Mutation = Callable[[bytes, random.Random], bytes]


@dataclass(frozen=True)
class Door:
    """One way in: files that are good, how they are damaged, and who reads them.

    Attributes:
        seeds: good files by name.
        read: reads a folder that holds one damaged file of that name.
        special: mutations that know the format.
        heavy: a call takes milliseconds; fewer are made.
    """

    seeds: dict[str, bytes]
    read: Callable[[Path, str], object]
    special: tuple[Mutation, ...] = ()
    heavy: bool = False


def encoded(kind: str, mode: str = "RGB", **options: object) -> bytes:
    generator = np.random.default_rng(1)
    pixels = generator.integers(0, 30, (24, 32, 3), dtype=np.uint8)
    sink = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(sink, kind, **options)
    return sink.getvalue()


def images() -> Door:
    good = {f"{kind}.{kind}": encoded(kind) for kind in ("png", "jpeg", "bmp", "webp", "tiff")}
    good |= {"palette.png": encoded("png", "P"), "grey.png": encoded("png", "L"), "alpha.png": encoded("png", "RGBA")}
    sink = io.BytesIO()
    Image.fromarray(np.arange(768, dtype=np.uint16).reshape(24, 32) * 80).save(sink, "png")
    good["sixteen.png"] = sink.getvalue()
    return Door(good, lambda folder, name: read_image(folder / name), (mutate.png_header,))


def masks() -> Door:
    def read(folder: Path, name: str) -> object:
        for room, suffix in (("leftImg8bit", "leftImg8bit"), ("gtFine", "gtFine_labelIds")):
            place = folder / room / "val" / "ulm"
            place.mkdir(parents=True, exist_ok=True)
            target = place / f"ulm_000000_000019_{suffix}.png"
            target.write_bytes(encoded("png") if room == "leftImg8bit" else (folder / name).read_bytes())
        read_ids(folder / name)
        return Cityscapes(folder, "val")[0]

    sink = io.BytesIO()
    palette = Image.fromarray(np.arange(768, dtype=np.uint8).reshape(24, 32) % 34, "L").convert("P")
    palette.save(sink, "png")
    good = {"grey.png": encoded("png", "L"), "palette.png": sink.getvalue()}
    return Door(good, read, (mutate.png_header,), heavy=True)


def lists() -> Door:
    def read(folder: Path, name: str) -> object:
        (folder / "train.txt").write_bytes((folder / name).read_bytes())
        for room in ("train", "trainannot"):
            (folder / room).mkdir(exist_ok=True)
            (folder / room / "a.png").write_bytes(encoded("png", "RGB" if room == "train" else "L"))
        return CamVid(folder, "train")

    return Door({"list.txt": b"/SegNet/CamVid/train/a.png /SegNet/CamVid/trainannot/a.png\n" * 3}, read)


def annotations() -> Door:
    def read(folder: Path, name: str) -> object:
        (folder / "train").mkdir(exist_ok=True)
        (folder / "train" / "a.jpg").write_bytes(encoded("jpeg"))
        return LspExtended(folder, "train")[0]

    people = [{"file": "a.jpg", "joints": [[1.5 * j, j, 1] for j in range(14)]}] * 3
    return Door({"train.json": json.dumps(people).encode()}, read, (mutate.json_value, mutate.deep_json))


def manifests() -> Door:
    good = {"figures": {"a": {"files": {"a.svg": {"sha256": "0", "bytes": 1}}, "inputs": {}}}, "skipped": {"b": "why"}}
    special = (mutate.json_value, mutate.deep_json)
    return Door({"manifest.json": json.dumps(good).encode()}, lambda folder, _: read_manifest(folder), special)


def records() -> Door:
    first = {"kind": "run", "recipe": "streets_tinynet_dsrl", "seed": 0, "train": {"input_size": [9, 12]}}
    lines = [
        first,
        *({"kind": "train", "iteration": i, "loss": 0.5} for i in range(3)),
        {"kind": "end", "iteration": 3},
    ]

    def read(folder: Path, name: str) -> object:
        record.read(folder / name)
        record.truncate(folder / name, 2)
        return read_run(folder / name)

    text = "\n".join(json.dumps(line) for line in lines).encode()
    return Door({"record.jsonl": text}, read, (mutate.json_value, mutate.json_value, mutate.deep_json))


def checkpoints(folder: Path) -> Door:
    network = NetworkConfig(host="tinynet", num_classes=3, host_options={"width": 0.25}, sssr="sub_pixel")
    train = TrainConfig(input_size=(8, 12), iterations=1)
    description = {"network": network.to_json(), "train": train.to_json(), "dataset": "streets", "deployed": True}
    checkpoint.save(folder / "net.safetensors", build_dsrl(network).task_model, description)
    good = {"net.safetensors": (folder / "net.safetensors").read_bytes()}
    special = (mutate.safetensors_header, mutate.safetensors_header, mutate.safetensors_header)
    return Door(good, lambda place, name: load_task_model(place / name), special, heavy=True)


def archives() -> Door:
    packed, tarred = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("CamVid/train/a.png", encoded("png"))
        archive.writestr("CamVid/train.txt", "a\n" * 50)
    with tarfile.open(fileobj=tarred, mode="w:gz") as opened:
        info = tarfile.TarInfo("CamVid/a.png")
        info.size = len(encoded("png"))
        opened.addfile(info, io.BytesIO(encoded("png")))
    good = {"data.zip": packed.getvalue(), "data.tgz": tarred.getvalue()}
    return Door(good, lambda folder, name: unpack(folder / name, folder / "out"))


def doors(folder: Path) -> dict[str, Door]:
    return {
        "images": images(),
        "masks": masks(),
        "lists": lists(),
        "annotations": annotations(),
        "manifests": manifests(),
        "records": records(),
        "checkpoints": checkpoints(folder),
        "archives": archives(),
    }


def damaged(door: Door, dice: random.Random) -> tuple[str, bytes]:
    name = dice.choice(list(door.seeds))
    data = door.seeds[name]
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        if data:
            data = dice.choice((*mutate.BYTES, *door.special * 3))(data, dice)
    return name, data


def run(name: str, door: Door, inputs: int, folder: Path) -> Counter[str]:
    """Read so many damaged files; count the answers and errors by kind."""
    for good, data in door.seeds.items():  # the good files are read; and all lazy imports are done
        place = folder / f"good_{good}"
        place.mkdir()
        (place / good).write_bytes(data)
        door.read(place, good)
    outcomes: Counter[str] = Counter()
    for number in range(inputs):
        try:
            file, data = damaged(door, random.Random(f"{SEED} {name} {number}"))
        except (
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
            RecursionError,
            struct.error,
        ):  # two format-aware mutations on one another
            outcomes["not drawn"] += 1
            continue
        place = folder / str(number)
        place.mkdir()
        (place / file).write_bytes(data)
        told = f"door {name!r}, seed {SEED}, input {number} ({place / file})"
        with watch.watched(place, seconds=20) as seen, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                door.read(place, file)
                outcomes["read"] += 1
            except ALLOWED as error:
                assert str(error).strip(), f"{told}: {type(error).__name__} without a message"
                outcomes["refused"] += 1
            except BaseException as error:
                raise AssertionError(f"{told}: {type(error).__name__}: {error}") from error
        assert not seen, f"{told}: {seen}"
        shutil.rmtree(place)
    assert not list(folder.rglob("outside*")) and not Path("outside").exists()
    return outcomes


NAMES = ("images", "masks", "lists", "annotations", "manifests", "records", "checkpoints", "archives")


@pytest.mark.parametrize("name", NAMES)
def test_damage_is_refused(name: str, tmp_path: Path) -> None:
    door = doors(tmp_path)[name]
    outcomes = run(name, door, 25 if door.heavy else 60, tmp_path)
    assert outcomes["refused"] > 0


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", NAMES)
def test_ten_thousand_damaged_files(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    door = doors(tmp_path)[name]
    inputs = 800 if door.heavy else 1600
    outcomes = run(name, door, inputs, tmp_path)
    with capsys.disabled():
        print(f"\n{name}: {inputs} inputs, {dict(outcomes)}")
    if "DSRL_LAB_FUZZ_RECORD" in os.environ:
        line = {"kind": "fuzz", "door": name, "seed": SEED, "inputs": inputs, **outcomes, **record.environment()}
        record.append(Path(os.environ["DSRL_LAB_FUZZ_RECORD"]), line)
    assert outcomes["refused"] > 0 and outcomes["read"] + outcomes["refused"] > 0.9 * inputs


def test_the_watch_sees_what_it_must(tmp_path: Path) -> None:
    with watch.watched(tmp_path, seconds=20) as seen:
        (tmp_path / "inside").write_text("fine")
        os.system("true")
        (tmp_path.parent / "beside").write_text("not fine")
    assert len(seen) == 2 and "os.system" in seen[0] and "beside" in seen[1]
    with pytest.raises(watch.TooLongError), watch.watched(tmp_path, seconds=1):
        while True:
            torch.zeros(1)
