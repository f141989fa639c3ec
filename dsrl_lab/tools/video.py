"""Predictions of a video, frame by frame: an overlay at the video's own times, without sound, and a folder of masks."""

import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dsrl_lab.files import whole_file, whole_folder
from dsrl_lab.plots.masks import Picture
from dsrl_lab.tools.prediction import KEY, Predictor, is_done, save_picture

TICKS = 60_000  # of the overlay's clock per second: the usual rates divide it, and MPEG-4 allows no more than 65,535
INCOMPLETE = "0" * 64  # the mark of a damaged video's results


def predict_video(predictor: Predictor, path: Path, out: Path, name: str) -> Iterator[tuple[int, int | None]]:
    """Write ``<name>_overlay.mp4`` and the frames' ids as ``<name>_ids/000000.png``, ...

    Yields (frames done, frames in all or None). Raises ValueError if it cannot be decoded to its end (what came before
    is written), or for others' files; OSError if it cannot write; ModuleNotFoundError without PyAV.
    """
    av = import_av()
    overlay, ids = out / f"{name}_overlay.mp4", out / f"{name}_ids"
    mark = predictor.mark(path)
    if is_done(mark, overlay) and ids.is_dir():
        return
    is_done(mark, *(ids.iterdir() if ids.is_dir() else (ids,)))  # refuses files of another origin
    out.mkdir(parents=True, exist_ok=True)
    frames, done = _Frames(av, path), 0
    with whole_file(overlay) as unfinished, whole_folder(ids) as folder:
        try:
            with av.open(str(unfinished), "w", format="mp4") as sink:
                write = _Writer(av, sink)
                for frame, picture in frames:
                    image = torch.from_numpy(picture).permute(2, 0, 1).float() / 255
                    mask = predictor.mask(image)
                    save_picture(mask.byte().numpy(), folder / f"{done:06d}.png", mark)
                    write(predictor.overlay(image, mask), frame.time, frames.rate, frames.aspect)
                    done += 1
                    yield done, frames.total
                write.finish()
        except av.error.FFmpegError as error:
            if isinstance(error, OSError):
                raise
            raise ValueError(f"cannot encode the overlay of {path} ({error}); convert the video first") from error
        text = f"{KEY} {INCOMPLETE if frames.damage else mark}".encode()
        with unfinished.open("ab") as file:  # a box that players skip
            file.write(struct.pack(">I4s", 8 + len(text), b"free") + text)
    if frames.damage:
        raise ValueError(f"cannot decode {path} after {done} frames ({frames.damage}); their results are in {out}")


class _Frames:
    def __init__(self, av: Any, path: Path) -> None:
        self.av, self.path = av, path
        self.rate = Fraction(25)  # frames per second, on average
        self.total: int | None = None  # None where the file does not tell
        self.aspect: Fraction | None = None  # width over height of a pixel as shown
        self.damage = ""  # why decoding ended before the end, if it did

    def __iter__(self) -> Iterator[tuple[Any, Picture]]:
        found = False
        try:
            with self.av.open(str(self.path)) as source:
                if not source.streams.video:
                    raise ValueError(f"{self.path} has no video in it; give a video file or a picture")
                stream = source.streams.video[0]
                stream.thread_type = "AUTO"
                self.rate, self.total = stream.average_rate or self.rate, stream.frames or None
                for frame in source.decode(stream):
                    matrix, self.aspect = _display_matrix(frame), stream.sample_aspect_ratio
                    if self.aspect and abs(matrix[1]) > abs(matrix[0]):
                        self.aspect = 1 / self.aspect
                    found = True
                    yield frame, upright(frame.to_ndarray(format="rgb24"), matrix)
        except self.av.error.FFmpegError as error:
            if not found:
                raise ValueError(f"cannot decode {self.path} ({error}); take another copy") from error
            self.damage = str(error)
        if not found:
            raise ValueError(f"{self.path} holds no frame that can be decoded; take another copy")


class _Writer:
    def __init__(self, av: Any, sink: Any) -> None:
        self.av, self.sink = av, sink
        self.stream: Any = None
        self.last = -1

    def __call__(self, overlay: Picture, seconds: float | None, rate: Fraction, aspect: Fraction | None) -> None:
        even = np.pad(overlay, ((0, overlay.shape[0] % 2), (0, overlay.shape[1] % 2), (0, 0)), mode="edge")
        step = round(TICKS / rate)
        ticks = self.last + step if seconds is None else round(seconds * TICKS)  # phones have no constant rate
        if self.stream is None:
            codec = "libx264" if "libx264" in self.av.codecs_available else "mpeg4"
            self.stream = self.sink.add_stream(codec, rate=rate)
            self.stream.height, self.stream.width = even.shape[:2]
            self.stream.pix_fmt = "yuv420p"
            self.stream.codec_context.time_base = Fraction(1, TICKS)
            self.stream.codec_context.sample_aspect_ratio = aspect or Fraction(1)
            self.stream.codec_context.max_b_frames = 0  # with them, the file's duration is wrong at uneven times
            self.before_zero = min(0, ticks)
        frame = self.av.VideoFrame.from_ndarray(even, format="rgb24")
        self.last = frame.pts = max(self.last + 1, ticks - self.before_zero)
        frame.time_base, frame.duration = Fraction(1, TICKS), step
        self.sink.mux(self.stream.encode(frame))

    def finish(self) -> None:
        self.sink.mux(self.stream.encode(None))


def upright(picture: Picture, matrix: tuple[int, int, int, int]) -> Picture:
    """Turn and mirror a frame (H, W, 3) as its display matrix (a, b, c, d) asks: x' = a x + c y, y' = b x + d y."""
    a, b, c, d = matrix
    if abs(b) > abs(a):
        picture, a, d = picture.swapaxes(0, 1), c, b
    return np.ascontiguousarray(picture[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])


def _display_matrix(frame: Any) -> tuple[int, int, int, int]:
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return 1, 0, 0, 1
    a, b, _, c, d, *_ = struct.unpack("=9i", bytes(data))
    return a, b, c, d


def import_av() -> Any:
    """Import PyAV; a ModuleNotFoundError names the extra."""
    try:
        import av
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"{error}: videos need an extra: pip install -e '.[video]'") from error
    return av
