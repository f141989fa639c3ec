"""Predictions of videos: every frame, upright, at its time; whole results; damage that is named."""

from __future__ import annotations

import struct
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from dsrl_lab.datasets.class_tables import CLASS_TABLES
from dsrl_lab.tools import video
from dsrl_lab.tools.prediction import Predictor, find_inputs, result_mark
from dsrl_lab.tools.video import predict_video, upright

NEEDS_VIDEO = "install the extra: pip install -e '.[video]'"


class Brightness(nn.Module):
    """Class 1 where a picture is bright, class 0 elsewhere: an oracle."""

    num_classes = 11

    def forward(self, image: Tensor) -> Tensor:
        logits = torch.zeros(len(image), 11, *image.shape[-2:])
        logits[:, 0], logits[:, 1] = 0.5 - image.mean(1), image.mean(1) - 0.5
        logits[:, 2:] = -10
        return logits


PREDICTOR = Predictor(Brightness(), CLASS_TABLES["streets"], (16, 24))


def half_bright(height: int, width: int, *, left: bool) -> np.ndarray:
    picture = np.zeros((height, width, 3), dtype=np.uint8)
    picture[:, : width // 2] = 255 * left
    picture[:, width // 2 :] = 255 * (not left)
    return picture


def write_video(path: Path, *, frames: int = 6) -> Path:
    """Frames of odd sides at 5 per second; the bright half changes from left to right in the middle."""
    av = pytest.importorskip("av", reason=NEEDS_VIDEO)
    with av.open(str(path), "w") as sink:
        stream = sink.add_stream("mjpeg", rate=5)  # takes odd sides
        stream.height, stream.width, stream.pix_fmt = 33, 49, "yuvj444p"
        for number in range(frames):
            picture = half_bright(33, 49, left=number < frames // 2)
            sink.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        sink.mux(stream.encode(None))
    return path


def write_timed(path: Path, milliseconds: list[int], *, aspect: Fraction = Fraction(1)) -> Path:
    """Frames at given times, dark above and bright below."""
    av = pytest.importorskip("av", reason=NEEDS_VIDEO)
    height, width = 48, 64
    picture = np.zeros((height, width, 3), dtype=np.uint8)
    picture[height // 2 :] = 255
    with av.open(str(path), "w") as sink:
        stream = sink.add_stream("mpeg4", rate=25)
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        stream.codec_context.time_base, stream.codec_context.sample_aspect_ratio = Fraction(1, 1000), aspect
        for time in milliseconds:
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            sink.mux(stream.encode(frame))
        sink.mux(stream.encode(None))
    return path


def times(path: Path) -> list[float]:
    av = pytest.importorskip("av", reason=NEEDS_VIDEO)
    with av.open(str(path)) as made:
        return [float(frame.time) for frame in made.decode(video=0)]


def test_a_video_gives_every_frame(tmp_path: Path) -> None:
    av = pytest.importorskip("av", reason=NEEDS_VIDEO)
    source, out = write_video(tmp_path / "drive.avi"), tmp_path / "out"
    steps = list(predict_video(PREDICTOR, source, out, "drive"))
    assert [done for done, _ in steps] == [1, 2, 3, 4, 5, 6]
    assert {total for _, total in steps} <= {6, None}
    names = sorted(path.name for path in (out / "drive_ids").iterdir())
    assert names == [f"{number:06d}.png" for number in range(6)]
    first, last = (np.asarray(Image.open(out / "drive_ids" / name)) for name in (names[0], names[-1]))
    assert first.shape == (33, 49) and (first[:, :20] == 1).all() and (last[:, 30:] == 1).all()
    with av.open(out / "drive_overlay.mp4") as made:
        frames = [frame.to_ndarray(format="rgb24") for frame in made.decode(video=0)]
        assert float(made.streams.video[0].average_rate) == pytest.approx(5)
    assert len(frames) == 6 and frames[0].shape == (34, 50, 3)  # the codec's even sides
    assert {path.name for path in out.iterdir()} == {"drive_ids", "drive_overlay.mp4"}


@pytest.mark.parametrize(
    "milliseconds", [[0, 20, 40, 60, 80, 580, 1080, 1580], [500, 540, 1500], [0, 33, 67, 100], [7]]
)
def test_frames_keep_their_times(tmp_path: Path, milliseconds: list[int]) -> None:
    av = pytest.importorskip("av", reason=NEEDS_VIDEO)
    source = write_timed(tmp_path / "phone.mkv", milliseconds)
    list(predict_video(PREDICTOR, source, tmp_path, "phone"))
    made = tmp_path / "phone_overlay.mp4"
    assert times(made) == pytest.approx([time / 1000 for time in milliseconds], abs=0.001)
    with av.open(str(made)) as opened:
        assert opened.duration / 1e6 >= (milliseconds[-1] - milliseconds[0]) / 1000  # where a player stops


def test_frames_without_rising_times_are_still_written(tmp_path: Path) -> None:
    av = pytest.importorskip("av", reason=NEEDS_VIDEO)
    seconds = [None, None, 0.1, 0.1, 0.05, -3.0, None]
    with av.open(str(tmp_path / "made.mp4"), "w") as sink:
        write = video._Writer(av, sink)
        for time in seconds:
            write(np.zeros((32, 48, 3), dtype=np.uint8), time, Fraction(25), None)
        write.finish()
    found = times(tmp_path / "made.mp4")
    assert len(found) == len(seconds) and found == sorted(set(found))


@pytest.mark.parametrize(
    ("matrix", "bright"),  # dark above and bright below, as stored; where a player shows the bright half
    [
        ((1, 0, 0, 1), "below"),
        ((0, 1, -1, 0), "left"),  # a quarter turn clockwise
        ((-1, 0, 0, -1), "above"),
        ((0, -1, 1, 0), "right"),
        ((-1, 0, 0, 1), "below"),  # a mirror
        ((1, 0, 0, -1), "above"),
    ],
)
def test_a_video_is_predicted_upright(tmp_path: Path, matrix: tuple[int, int, int, int], bright: str) -> None:
    av = pytest.importorskip("av", reason=NEEDS_VIDEO)
    source = write_timed(tmp_path / "phone.mp4", [0, 40], aspect=Fraction(16, 15))
    content, (a, b, c, d) = bytearray(source.read_bytes()), (65536 * entry for entry in matrix)
    place = content.index(b"tkhd") + 4 + 40
    assert struct.unpack(">9i", content[place : place + 36]) == (65536, 0, 0, 0, 65536, 0, 0, 0, 2**30)
    content[place : place + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 2**30)
    source.write_bytes(content)
    list(predict_video(PREDICTOR, source, tmp_path, "phone"))
    ids = np.asarray(Image.open(tmp_path / "phone_ids" / "000000.png"))
    assert ids.shape == ((64, 48) if matrix[0] == 0 else (48, 64))
    height, width = (side // 2 - 6 for side in ids.shape)
    with av.open(str(tmp_path / "phone_overlay.mp4")) as made:
        assert made.streams.video[0].sample_aspect_ratio == (Fraction(15, 16) if matrix[0] == 0 else Fraction(16, 15))
    halves = {"above": ids[:height], "below": ids[-height:], "left": ids[:, :width], "right": ids[:, -width:]}
    assert {name for name, half in halves.items() if (half == 1).all()} == {bright}


def test_all_eight_orientations_move_a_pixel_as_the_matrix_says() -> None:
    stored = np.arange(6).reshape(2, 3, 1)
    for swap in (False, True):
        for first in (1, -1):
            for second in (1, -1):
                a, b, c, d = (0, second, first, 0) if swap else (first, 0, 0, second)
                shown = upright(stored, (a, b, c, d))
                height, width = shown.shape[:2]
                for y in range(2):
                    for x in range(3):
                        there = (a * x + c * y) % width, (b * x + d * y) % height
                        there = tuple(
                            place - 1 if sign < 0 else place for place, sign in zip(there, (a + c, b + d), strict=True)
                        )
                        assert shown[there[1], there[0], 0] == stored[y, x, 0]


def test_an_older_videos_frames_do_not_stay(tmp_path: Path) -> None:
    for frames in (10, 4):
        list(predict_video(PREDICTOR, write_video(tmp_path / "clip.avi", frames=frames), tmp_path, "clip"))
        assert len(list((tmp_path / "clip_ids").iterdir())) == frames == len(times(tmp_path / "clip_overlay.mp4"))
    assert list(predict_video(PREDICTOR, tmp_path / "clip.avi", tmp_path, "clip")) == []  # there already
    found = find_inputs(tmp_path)
    assert [path.name for path in found.paths] == ["clip.avi"] and found.results == ("clip_overlay.mp4",)


def test_frames_of_another_origin_are_not_deleted(tmp_path: Path) -> None:
    source, ids = write_video(tmp_path / "clip.avi"), tmp_path / "clip_ids"
    ids.mkdir()
    Image.new("L", (4, 4)).save(ids / "000007.png")
    with pytest.raises(ValueError, match="000007.png is no result .*name another folder with --out"):
        list(predict_video(PREDICTOR, source, tmp_path, "clip"))
    assert [path.name for path in ids.iterdir()] == ["000007.png"] and not (tmp_path / "clip_overlay.mp4").exists()


def test_a_stopped_video_leaves_the_older_results(tmp_path: Path) -> None:
    list(predict_video(PREDICTOR, write_video(tmp_path / "clip.avi", frames=3), tmp_path, "clip"))
    mark = result_mark(tmp_path / "clip_overlay.mp4")
    steps = predict_video(PREDICTOR, write_video(tmp_path / "clip.avi"), tmp_path, "clip")
    next(steps)
    steps.close()  # as Ctrl-C does
    assert mark is not None and result_mark(tmp_path / "clip_overlay.mp4") == mark
    assert len(list((tmp_path / "clip_ids").iterdir())) == 3
    assert {path.name for path in tmp_path.iterdir()} == {"clip.avi", "clip_ids", "clip_overlay.mp4"}


def test_a_video_that_cannot_be_decoded_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    pytest.importorskip("av", reason=NEEDS_VIDEO)
    (tmp_path / "drive.avi").write_bytes(b"RIFF\x00\x00\x00\x00AVI " + b"\x13" * 500)
    (tmp_path / "drive.mp4").write_bytes(b"\x13" * 500)
    for name, message in (("drive.avi", "drive.avi has no video in it"), ("drive.mp4", "cannot decode .*drive.mp4")):
        with pytest.raises(ValueError, match=message):
            list(predict_video(PREDICTOR, tmp_path / name, tmp_path / "out", "drive"))
    assert not list((tmp_path / "out").iterdir())


def test_frames_before_the_damage_are_kept_and_the_video_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    av = pytest.importorskip("av", reason=NEEDS_VIDEO)
    source, seen = write_video(tmp_path / "drive.avi"), []
    real = video._display_matrix

    def damaged(frame: Any) -> tuple[int, int, int, int]:
        seen.append(frame)
        if len(seen) % 3 == 0:
            raise av.error.InvalidDataError(1, "Invalid data found")
        return real(frame)

    monkeypatch.setattr(video, "_display_matrix", damaged)
    for _ in range(2):
        with pytest.raises(ValueError, match=r"cannot decode .*drive.avi after 2 frames \(.*Invalid data"):
            list(predict_video(PREDICTOR, source, tmp_path, "drive"))
        assert len(list((tmp_path / "drive_ids").iterdir())) == len(times(tmp_path / "drive_overlay.mp4")) == 2


def test_logits_that_are_not_finite_end_a_video(tmp_path: Path) -> None:
    class Spoilt(Brightness):
        def forward(self, image: Tensor) -> Tensor:
            return super().forward(image) / 0

    predictor = Predictor(Spoilt(), CLASS_TABLES["streets"], (16, 24))
    with pytest.raises(ValueError, match="expected finite logits"):
        list(predict_video(predictor, write_video(tmp_path / "drive.avi"), tmp_path / "out", "drive"))
    assert not list((tmp_path / "out").iterdir())


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    import wave

    pytest.importorskip("av", reason=NEEDS_VIDEO)
    with wave.open(str(tmp_path / "horn.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"\0\0" * 800)
    with pytest.raises(ValueError, match="has no video in it"):
        list(predict_video(PREDICTOR, tmp_path / "horn.wav", tmp_path / "out", "horn"))


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install -e '\.\[video\]'"):
        next(predict_video(PREDICTOR, tmp_path / "a.mp4", tmp_path, "a"))
