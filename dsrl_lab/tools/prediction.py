"""Using a trained network: pictures, a folder of pictures or a video in; overlays and raw masks out.

The network may be a checkpoint of this kit or a file that ``dsrl-lab export`` wrote. Each picture keeps its own size:
it is reduced for the network, and the logits are enlarged bilinearly before the argmax, class by class where all at
once would take more than a gigabyte. A video's sound is not copied.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from dsrl_lab.datasets.base import ClassTable
from dsrl_lab.datasets.class_tables import CLASS_TABLES
from dsrl_lab.datasets.people import POSE_DATASETS
from dsrl_lab.datasets.pictures import PICTURE_SUFFIXES, list_pictures, read_image
from dsrl_lab.layers import resize
from dsrl_lab.models import POSE
from dsrl_lab.plots.masks import Picture, blend
from dsrl_lab.tools.export import FORMATS, ExportedNetwork, check_serves, chosen_input_size
from dsrl_lab.training.build import load_task_model
from dsrl_lab.training.evaluate import predict_logits, predict_mask

AT_ONCE = 2**28  # enlarged logits, of all classes: a gigabyte
STRIP = 512  # rows
VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg")


@dataclass(frozen=True)
class Predictor:
    """A network with what is needed to use it.

    Attributes:
        network: maps normalised images to logits.
        table: names and colours of its classes.
        input_size: (H, W) that it receives.
    """

    network: nn.Module
    table: ClassTable
    input_size: tuple[int, int]

    def mask(self, image: Tensor) -> Tensor:
        """Class ids of a picture at its own size.

        Shape:
            - image: (3, H, W) in [0, 1]
            - output: (H, W) int64
        """
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


def open_predictor(path: Path, *, dataset: str = "", input_size: tuple[int, int] | None = None) -> Predictor:
    """Open a checkpoint (.safetensors) or an exported network (.onnx, .pt2).

    Args:
        path: of the file.
        dataset: whose names and colours to use; what the file says by default.
        input_size: (H, W) that a checkpoint's network receives; as trained by default. Exported files have one alone.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is damaged, does not say its data set or input size, or has other classes.
    """
    network: nn.Module
    if path.suffix in FORMATS.values():
        network = ExportedNetwork(path)
        description, size = network.description, network.input_size
        if input_size not in (None, size):
            raise ValueError(f"{path} takes images of {size}, not {input_size}; export again with --input-size")
    else:
        network, loaded = load_task_model(path)
        description = loaded.description
        size = chosen_input_size(input_size, description, path)
        check_serves(network, size)
    table = _class_table(dataset or description.get("dataset"), description["network"], path)
    return Predictor(network, table, size)


def _class_table(dataset: Any, network: dict[str, Any], path: Path) -> ClassTable:
    if network.get("host") in tuple(POSE) or dataset in POSE_DATASETS:
        raise ValueError(
            f"expected a segmentation network, {path} holds a pose net ({network.get('host')}, trained on {dataset}): "
            "it marks joints and gives no masks; score it with dsrl-lab evaluate"
        )
    if not isinstance(dataset, str) or dataset not in CLASS_TABLES:
        raise ValueError(
            f"unknown data set {str(dataset or '')[:60]!r} for the classes of {path}; say --dataset with one of "
            f"{', '.join(CLASS_TABLES)}"
        )
    table, classes = CLASS_TABLES[dataset], network["num_classes"]
    if table.num_classes != classes:
        raise ValueError(f"{path} has {classes} classes, {dataset} has {table.num_classes}; say another --dataset")
    return table


def find_inputs(path: Path) -> tuple[Path, ...]:
    """Pictures and videos at a path: the file itself, or what lies in the folder, by name.

    Raises:
        FileNotFoundError: nothing there.
        ValueError: a folder without pictures and videos.
    """
    if path.is_file():
        return (path,)
    if not path.is_dir():
        raise FileNotFoundError(f"no picture, video or folder at {path}; check the path")
    found = [*list_pictures(path), *(p for p in path.iterdir() if is_video(p) and not p.name.startswith("."))]
    if not found:
        kinds = ", ".join((*PICTURE_SUFFIXES, *VIDEO_SUFFIXES))
        raise ValueError(f"no pictures or videos in {path}; expected files that end in {kinds}")
    return tuple(sorted(found))


def is_video(path: Path) -> bool:
    """Whether a file is a video, by the end of its name."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def output_names(paths: Sequence[Path]) -> list[str]:
    """Names for the results: stems, or whole names where two stems are the same.

    Example:
        >>> output_names([Path("a.png"), Path("b.png"), Path("b.jpg")])
        ['a', 'b.png', 'b.jpg']
    """
    stems = Counter(path.stem for path in paths)
    return [path.stem if stems[path.stem] == 1 else path.name for path in paths]


def predict_picture(predictor: Predictor, path: Path, out: Path, name: str) -> None:
    """Write ``<name>_overlay.png`` and ``<name>_ids.png`` (class ids, one channel) for a picture.

    Raises:
        ValueError: the picture is damaged.
    """
    image = read_image(path)
    mask = predictor.mask(image)
    Image.fromarray(mask.byte().numpy()).save(out / f"{name}_ids.png")
    Image.fromarray(predictor.overlay(image, mask)).save(out / f"{name}_overlay.png")


def predict_video(predictor: Predictor, path: Path, out: Path, name: str) -> Iterator[tuple[int, int | None]]:
    """Write ``<name>_overlay.mp4`` and the frames' ids as ``<name>_ids/000000.png``, ...

    Yields:
        (frames done, frames in all or None where the file does not say), after each frame.

    Raises:
        ValueError: the file is damaged or has no video; frames before the damage are kept as ids.
        ModuleNotFoundError: PyAV is not installed; the message says how to get it.
    """
    av = _import_av()
    ids = out / f"{name}_ids"
    ids.mkdir(parents=True, exist_ok=True)
    target, unfinished = out / f"{name}_overlay.mp4", out / f"{name}_overlay.mp4.part"
    done = 0
    try:
        with av.open(path) as source, av.open(unfinished, "w", format="mp4") as sink:
            if not source.streams.video:
                raise ValueError(f"{path} has no video in it; give a video file or a picture")
            stream = source.streams.video[0]
            stream.thread_type = "AUTO"
            written: Any = None
            for frame in source.decode(stream):
                picture = frame.to_ndarray(format="rgb24")
                image = torch.from_numpy(picture).permute(2, 0, 1).float() / 255
                mask = predictor.mask(image)
                Image.fromarray(mask.byte().numpy()).save(ids / f"{done:06d}.png")
                overlay = _even(predictor.overlay(image, mask))
                if written is None:
                    written = _add_stream(av, sink, stream.average_rate or 25, overlay)
                sink.mux(written.encode(av.VideoFrame.from_ndarray(overlay, format="rgb24")))
                done += 1
                yield done, stream.frames or None
            if written is None:
                raise ValueError(f"{path} holds no frame that can be decoded; take another copy")
            sink.mux(written.encode(None))
        unfinished.replace(target)
    except av.error.FFmpegError as error:
        raise ValueError(
            f"cannot decode {path} ({error}); {done} frames came before the damage, their ids are in {ids}"
        ) from error
    finally:
        unfinished.unlink(missing_ok=True)


def _import_av() -> Any:
    try:
        import av
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"{error}: videos need an extra: pip install dsrl-lab[video]") from error
    return av


def _add_stream(av: Any, sink: Any, rate: Any, overlay: Picture) -> Any:
    codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
    stream = sink.add_stream(codec, rate=rate)
    stream.height, stream.width = overlay.shape[:2]
    stream.pix_fmt = "yuv420p"
    return stream


def _even(picture: Picture) -> Picture:
    """Repeat the last row or column of odd sides: the codec takes even ones alone."""
    height, width = picture.shape[:2]
    return np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
