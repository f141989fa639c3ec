"""The ways in for the readers: good files of every kind, how they are damaged, and who reads them."""

from __future__ import annotations

import io
import json
import random
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from dsrl_lab.datasets.camvid import CamVid
from dsrl_lab.datasets.cityscapes import Cityscapes
from dsrl_lab.datasets.folder import PictureFolder
from dsrl_lab.datasets.pictures import ids_in, open_mask, read_image
from dsrl_lab.datasets.pose import LspExtended
from dsrl_lab.results.figures import read_manifest
from dsrl_lab.results.frames import frame
from dsrl_lab.results.records import read_record
from dsrl_lab.tools.fetch.archives import unpack
from dsrl_lab.tools.folder_check import check
from dsrl_lab.training import checkpoint, record
from dsrl_lab.training.build import build_dsrl, load_task_model
from dsrl_lab.training.config import NetworkConfig, TrainConfig
from tests.fuzz import mutate

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


def images(_: Path) -> Door:
    good = {f"{kind}.{kind}": encoded(kind) for kind in ("png", "jpeg", "bmp", "webp", "tiff")}
    good |= {"palette.png": encoded("png", "P"), "grey.png": encoded("png", "L"), "alpha.png": encoded("png", "RGBA")}
    sink = io.BytesIO()
    Image.fromarray(np.arange(768, dtype=np.uint16).reshape(24, 32) * 80).save(sink, "png")
    good["sixteen.png"] = sink.getvalue()
    return Door(good, lambda folder, name: read_image(folder / name), (mutate.png_header,))


def masks(_: Path) -> Door:
    def read(folder: Path, name: str) -> object:
        for room, suffix in (("leftImg8bit", "leftImg8bit"), ("gtFine", "gtFine_labelIds")):
            place = folder / room / "val" / "ulm"
            place.mkdir(parents=True, exist_ok=True)
            target = place / f"ulm_000000_000019_{suffix}.png"
            target.write_bytes(encoded("png") if room == "leftImg8bit" else (folder / name).read_bytes())
        ids_in(open_mask(folder / name), folder / name)
        return Cityscapes(folder, "val")[0]

    sink = io.BytesIO()
    palette = Image.fromarray(np.arange(768, dtype=np.uint8).reshape(24, 32) % 34, "L").convert("P")
    palette.save(sink, "png")
    good = {"grey.png": encoded("png", "L"), "palette.png": sink.getvalue()}
    return Door(good, read, (mutate.png_header,), heavy=True)


def lists(_: Path) -> Door:
    def read(folder: Path, name: str) -> object:
        (folder / "train.txt").write_bytes((folder / name).read_bytes())
        for room in ("train", "trainannot"):
            (folder / room).mkdir(exist_ok=True)
            (folder / room / "a.png").write_bytes(encoded("png", "RGB" if room == "train" else "L"))
        return CamVid(folder, "train")

    return Door({"list.txt": b"/SegNet/CamVid/train/a.png /SegNet/CamVid/trainannot/a.png\n" * 3}, read)


def tables(_: Path) -> Door:
    def read(folder: Path, name: str) -> object:
        for room in ("images", "masks"):
            (folder / room).mkdir(exist_ok=True)
            (folder / room / "a.png").write_bytes(encoded("png", "RGB" if room == "images" else "L"))
        check(folder)
        return PictureFolder(folder, "train")[0]

    rows = [{"id": number, "name": f"class {number}", "colour": f"#0000{number:02x}"} for number in range(30)]
    lines = [",".join(map(str, row.values())) for row in ({"id": "id", "name": "name", "colour": "colour"}, *rows)]
    good = {"classes.csv": "\n".join(lines).encode(), "classes.json": json.dumps(rows).encode()}
    return Door(good, read, (mutate.json_value, mutate.deep_json))


def annotations(_: Path) -> Door:
    def read(folder: Path, name: str) -> object:
        (folder / "train").mkdir(exist_ok=True)
        (folder / "train" / "a.jpg").write_bytes(encoded("jpeg"))
        return LspExtended(folder, "train")[0]

    people = [{"file": "a.jpg", "joints": [[1.5 * j, j, 1] for j in range(14)]}] * 3
    return Door({"train.json": json.dumps(people).encode()}, read, (mutate.json_value, mutate.deep_json))


def manifests(_: Path) -> Door:
    good = {
        "figures": {"a": {"files": {"a.svg": {"sha256": "0", "bytes": 1}}, "inputs": {}, "comparisons": []}},
        "skipped": {"b": "why"},
    }
    special = (mutate.json_value, mutate.deep_json)
    return Door({"manifest.json": json.dumps(good).encode()}, lambda folder, _: read_manifest(folder), special)


def records(_: Path) -> Door:
    first = {"kind": "run", "recipe": "streets_tinynet_dsrl", "seed": 0, "train": {"input_size": [9, 12]}}
    lines = [
        first,
        *({"kind": "train", "iteration": i, "loss": 0.5} for i in range(3)),
        {"kind": "end", "iteration": 3},
    ]

    def read(folder: Path, name: str) -> object:
        record.read(folder / name)
        record.truncate(folder / name, 2)
        return frame([read_record(folder / name)])

    text = "\n".join(json.dumps(line) for line in lines).encode()
    return Door({"record.jsonl": text}, read, (mutate.json_value, mutate.json_value, mutate.deep_json))


def streets_checkpoint(folder: Path) -> Path:
    """A small deployed network with the classes of the drawn streets."""
    path = folder / "net.safetensors"
    network = NetworkConfig(host="tinynet", num_classes=11, host_options={"width": 0.25}, sssr="sub_pixel")
    train = TrainConfig(input_size=(8, 12), iterations=1)
    description = {"network": network.to_json(), "train": train.to_json(), "dataset": "streets", "deployed": True}
    checkpoint.save(path, build_dsrl(network).task_model, description)
    return path


def checkpoints(folder: Path) -> Door:
    good = {"net.safetensors": streets_checkpoint(folder).read_bytes()}
    special = (mutate.safetensors_header,) * 3
    return Door(good, lambda place, name: load_task_model(place / name), special, heavy=True)


def archives(_: Path) -> Door:
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


READERS: dict[str, Callable[[Path], Door]] = {
    "images": images,
    "masks": masks,
    "lists": lists,
    "tables": tables,
    "annotations": annotations,
    "manifests": manifests,
    "records": records,
    "checkpoints": checkpoints,
    "archives": archives,
}
