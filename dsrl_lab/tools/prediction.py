"""Using a trained network: pictures or a folder of them in; overlays and raw masks out (videos: ``tools.video``).

Results are marked by SHA-256: a stopped run goes on, results are no input, and no other file is overwritten.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor, nn

from dsrl_lab import __version__
from dsrl_lab.datasets.base import ClassTable
from dsrl_lab.datasets.class_tables import CLASS_TABLES
from dsrl_lab.datasets.people import POSE_DATASETS
from dsrl_lab.datasets.pictures import PICTURE_SUFFIXES, read_image
from dsrl_lab.files import sha256, whole_file
from dsrl_lab.layers import resize
from dsrl_lab.models import POSE
from dsrl_lab.plots.masks import Picture, blend
from dsrl_lab.tools.export.exported import FORMATS, ExportedNetwork
from dsrl_lab.tools.input_size import check_takes, chosen_size
from dsrl_lab.tools.released import open_release
from dsrl_lab.training.build import load_task_model
from dsrl_lab.training.evaluate import predict_logits, predict_mask

AT_ONCE = 2**28  # enlarged logits, of all classes: a gigabyte
STRIP = 512  # rows
VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg")
KEY = "dsrl-lab"  # of the mark in a result


@dataclass(frozen=True)
class Predictor:
    """A network with what is needed to use it."""

    network: nn.Module  # maps images in [0, 1] to logits
    table: ClassTable
    input_size: tuple[int, int]  # (H, W) that it receives
    identity: str = ""  # the network's file, input size and classes, for the results' marks

    def mark(self, path: Path) -> str:
        """What the results of a picture or video are made of, 64 hexadecimal digits."""
        try:
            return hashlib.sha256(f"{self.identity} {sha256(path)}".encode()).hexdigest()
        except OSError as error:
            raise ValueError(f"cannot read {path} ({error.strerror}); restore it, or leave it out") from error

    def mask(self, image: Tensor) -> Tensor:
        """Class ids (H, W), int64, of a picture (3, H, W) in [0, 1]; class by class where logits exceed a gigabyte."""
        size = (image.shape[-2], image.shape[-1])
        if self.table.num_classes * size[0] * size[1] <= AT_ONCE:
            return predict_mask(self.network, image, input_size=self.input_size)
        best, mask = torch.full(size, float("-inf")), torch.zeros(size, dtype=torch.int64)
        for number, logits in enumerate(predict_logits(self.network, image, input_size=self.input_size)[0]):
            enlarged = resize(logits[None, None], size)[0, 0].cpu()
            mask[enlarged > best] = number
            torch.maximum(best, enlarged, out=best)
        return mask

    def overlay(self, image: Tensor, mask: Tensor) -> Picture:
        """Lay a mask's colours over its picture: (H, W, 3) uint8; in strips, because it works with wider numbers."""
        strips = zip(image.split(STRIP, dim=1), mask.split(STRIP), strict=True)
        return np.concatenate([blend(part, self.table.paint(ids)) for part, ids in strips])


def open_network(
    path: Path, *, input_size: tuple[int, int] | None = None
) -> tuple[Any, dict[str, Any], tuple[int, int]]:
    """Open a checkpoint (.safetensors), or an exported (.onnx) or released (.pth) network, with its input size (H, W).

    Raises FileNotFoundError, or ValueError for a damaged file, a .pt2, no input size, or one that it cannot take.
    """
    if path.suffix in FORMATS.values():
        exported = ExportedNetwork(path)
        if input_size not in (None, exported.input_size):
            raise ValueError(
                f"{path} takes images of {exported.input_size}, not {input_size}; export again with --input-size"
            )
        return exported, exported.description, exported.input_size
    network: nn.Module
    if path.suffix == ".pth":
        network, description = open_release(path)
    else:
        network, loaded = load_task_model(path)
        description = loaded.description
    size = chosen_size(input_size, description, path)
    check_takes(network, size)
    return network, description, size


def open_predictor(path: str | Path, *, dataset: str = "", input_size: tuple[int, int] | None = None) -> Predictor:
    """Open a network with the names and colours of a data set, the file's by default; raises as ``open_network``."""
    path = Path(path)
    network, description, size = open_network(path, input_size=input_size)
    name = dataset or description.get("dataset")
    table = class_table_of(name, description, path)
    return Predictor(network, table, size, f"{__version__} {sha256(path)} {size} {name}")


def class_table_of(dataset: Any, description: dict[str, Any], path: Path) -> ClassTable:
    """The class table of a network's file: that of ``dataset``, or its own where it was trained on a folder."""
    network = description["network"]
    if network.get("host") in tuple(POSE) or dataset in POSE_DATASETS:
        raise ValueError(
            f"expected a segmentation network, {path} holds a pose net ({network.get('host')}, trained on {dataset}): "
            "it marks joints and gives no masks; score it with dsrl-lab evaluate"
        )
    tables = CLASS_TABLES | (
        {"folder": ClassTable.from_json(of_file)} if (of_file := description.get("classes")) else {}
    )
    if not isinstance(dataset, str) or dataset not in tables:
        raise ValueError(
            f"unknown data set {str(dataset or '')[:60]!r} for the classes of {path}; give --dataset with one of "
            f"{', '.join(tables)}"
        )
    table, classes = tables[dataset], network["num_classes"]
    if table.num_classes != classes:
        raise ValueError(f"{path} has {classes} classes, {dataset} has {table.num_classes}; take data of those classes")
    return table


@dataclass(frozen=True)
class Inputs:
    """What was found at a path."""

    paths: tuple[Path, ...]  # pictures and videos, by name
    results: tuple[str, ...] = ()  # of ``predict``, which are no input
    others: tuple[str, ...] = ()  # other files, and folders; hidden ones are not counted


def find_inputs(path: str | Path) -> Inputs:
    """Pictures and videos at a path, a file or a folder; raises FileNotFoundError, or ValueError if there are none."""
    path = Path(path)
    if path.is_file():
        return Inputs((path,))
    if not path.is_dir():
        raise FileNotFoundError(f"no picture, video or folder at {path}; check the path")
    paths, results, others = [], [], []
    for entry in sorted(path.iterdir()):
        if entry.name.startswith("."):
            continue
        if entry.suffix.lower() not in (*PICTURE_SUFFIXES, *VIDEO_SUFFIXES) or not (
            entry.is_file() or (entry.is_symlink() and not entry.exists())  # a dangling link is named when it is read
        ):
            others.append(entry.name + "/" * entry.is_dir())
        elif entry.stem.endswith(("_ids", "_overlay")) and result_mark(entry) is not None:
            results.append(entry.name)
        else:
            paths.append(entry)
    if not paths:
        kinds = ", ".join((*PICTURE_SUFFIXES, *VIDEO_SUFFIXES))
        found = f"; found {len(results)} results of dsrl-lab predict and {shorten(others)}" if results or others else ""
        raise ValueError(f"no pictures or videos in {path}; expected files that end in {kinds}{found}")
    return Inputs(tuple(paths), tuple(results), tuple(others))


def shorten(names: Sequence[str]) -> str:
    """A number of things and the first of their names."""
    first = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    return f"{len(names)} other{'s' * (len(names) != 1)}" + (f" ({first})" if names else "")


def is_video(path: Path) -> bool:
    """Whether a file is a video, by the end of its name."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def output_names(paths: Sequence[Path]) -> list[str]:
    """Names for the results, all different: stems, or whole names where two stems are equal; case does not count."""
    taken = Counter(path.stem.casefold() for path in paths) + Counter(path.name.casefold() for path in paths)
    return [path.stem if taken[path.stem.casefold()] == 1 else path.name for path in paths]


def result_mark(path: Path) -> str | None:
    """The mark in a result of ``predict``; None for other files, and where there is none."""
    try:
        if is_video(path):
            with path.open("rb") as file:
                file.seek(-len(KEY) - 65, os.SEEK_END)
                key, _, mark = file.read().decode("ascii").partition(" ")
            return mark if key == KEY else None
        with Image.open(path) as picture:
            return picture.info.get(KEY)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None


def is_done(mark: str, *results: Path) -> bool:
    """Whether results made of the same are there; raises ValueError if a file of another origin is in their place."""
    found = [result_mark(path) for path in results]
    for path, its_mark in zip(results, found, strict=True):
        if its_mark is None and path.exists():
            raise ValueError(f"{path} is no result of this dsrl-lab; move it, or name another folder with --out")
    return all(its_mark == mark for its_mark in found)


def save_picture(pixels: NDArray[np.uint8], path: Path, mark: str) -> None:
    """Write a PNG whole, with its mark."""
    info = PngInfo()
    info.add_text(KEY, mark)
    with whole_file(path) as temporary:
        Image.fromarray(pixels).save(temporary, pnginfo=info)


def predict_picture(predictor: Predictor, path: Path, out: Path, name: str) -> bool:
    """Write ``<name>_overlay.png`` and ``<name>_ids.png`` (class ids, one channel); False if both were there already.

    Raises ValueError for an unreadable picture, logits not finite, or another's file there; OSError if it cannot write.
    """
    overlay, ids = out / f"{name}_overlay.png", out / f"{name}_ids.png"
    mark = predictor.mark(path)
    if is_done(mark, overlay, ids):
        return False
    image = read_image(path)
    mask = predictor.mask(image)
    save_picture(predictor.overlay(image, mask), overlay, mark)
    save_picture(mask.byte().numpy(), ids, mark)
    return True
