"""Predictions of pictures, folders and videos: right sizes and ids, names that do not collide, damage that is named."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from typer.testing import CliRunner

from dsrl_lab import cli
from dsrl_lab.datasets.class_tables import CLASS_TABLES
from dsrl_lab.tools import prediction
from dsrl_lab.tools.export import export
from dsrl_lab.tools.prediction import (
    Predictor,
    find_inputs,
    open_predictor,
    output_names,
    predict_picture,
    predict_video,
)
from dsrl_lab.training import checkpoint
from dsrl_lab.training.build import build_dsrl
from dsrl_lab.training.config import NetworkConfig, TrainConfig

NEEDS_VIDEO = "install the extra: pip install dsrl-lab[video]"


class Brightness(nn.Module):
    """Class 1 where a picture is bright, class 0 elsewhere: an oracle."""

    num_classes = 11

    def forward(self, image: Tensor) -> Tensor:
        logits = torch.zeros(len(image), 11, *image.shape[-2:])
        logits[:, 0], logits[:, 1] = -image.mean(1), image.mean(1)
        logits[:, 2:] = -10
        return logits


PREDICTOR = Predictor(Brightness(), CLASS_TABLES["streets"], (16, 24))


def half_bright(height: int, width: int, *, left: bool) -> np.ndarray:
    picture = np.zeros((height, width, 3), dtype=np.uint8)
    picture[:, : width // 2] = 255 * left
    picture[:, width // 2 :] = 255 * (not left)
    return picture


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("net") / "deployed.safetensors"
    network = NetworkConfig(host="tinynet", num_classes=11, host_options={"width": 0.25}, sssr="sub_pixel")
    train = TrainConfig(input_size=(16, 24), iterations=1)
    description = {"network": network.to_json(), "train": train.to_json(), "dataset": "streets", "deployed": True}
    checkpoint.save(path, build_dsrl(network).task_model, description)
    return path


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Six frames of odd sides; the bright half changes from left to right after three."""
    av = pytest.importorskip("av", reason=NEEDS_VIDEO)
    path = tmp_path / "drive.avi"
    with av.open(path, "w") as sink:
        stream = sink.add_stream("mjpeg", rate=5)  # takes odd sides
        stream.height, stream.width, stream.pix_fmt = 33, 49, "yuvj444p"
        for number in range(6):
            picture = half_bright(33, 49, left=number < 3)
            sink.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        sink.mux(stream.encode(None))
    return path


def test_a_picture_gives_ids_and_overlay_of_its_own_size(tmp_path: Path) -> None:
    Image.fromarray(half_bright(32, 48, left=True)).save(tmp_path / "a.png")
    predict_picture(PREDICTOR, tmp_path / "a.png", tmp_path, "a")
    ids = np.asarray(Image.open(tmp_path / "a_ids.png"))
    assert ids.shape == (32, 48) and ids.dtype == np.uint8
    assert (ids[:, :23] == 1).all() and (ids[:, 25:] == 0).all()
    overlay = np.asarray(Image.open(tmp_path / "a_overlay.png"))
    assert overlay.shape == (32, 48, 3)
    sky = np.array(CLASS_TABLES["streets"].colors[0])
    assert np.abs(overlay[0, 40] - sky / 2).max() <= 1  # half of the class colour on black


def test_a_video_gives_every_frame(video: Path, tmp_path: Path) -> None:
    av = pytest.importorskip("av", reason=NEEDS_VIDEO)
    out = tmp_path / "out"
    steps = list(predict_video(PREDICTOR, video, out, "drive"))
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
    assert not list(out.glob("*.part"))


def test_a_damaged_video_is_named_and_leaves_nothing_half_done(video: Path, tmp_path: Path) -> None:
    video.write_bytes(b"RIFF\x00\x00\x00\x00AVI " + b"\x13" * 500)
    with pytest.raises(ValueError, match=r"drive.avi"):
        list(predict_video(PREDICTOR, video, tmp_path / "out", "drive"))
    assert not list((tmp_path / "out").glob("*.mp4*"))


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
    with pytest.raises(ModuleNotFoundError, match=r"pip install dsrl-lab\[video\]"):
        next(predict_video(PREDICTOR, tmp_path / "a.mp4", tmp_path, "a"))


def test_names_do_not_collide() -> None:
    assert output_names([Path("a.png"), Path("b.png"), Path("b.mp4")]) == ["a", "b.png", "b.mp4"]


def test_inputs_are_found_or_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no picture, video or folder at .*absent"):
        find_inputs(tmp_path / "absent")
    with pytest.raises(ValueError, match=r"no pictures or videos in .*expected files that end in \.png"):
        find_inputs(tmp_path)
    for name in ("b.MP4", "a.jpg", ".hidden.mp4", "notes.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in find_inputs(tmp_path)] == ["a.jpg", "b.MP4"]


def test_checkpoints_and_exported_files_open_alike(deployed: Path, tmp_path: Path) -> None:
    made = export(deployed, tmp_path / "net.pt2", format="torch-export").path
    ours, theirs = open_predictor(deployed), open_predictor(made)
    assert ours.input_size == theirs.input_size == (16, 24)
    image = torch.rand(3, 32, 48)
    assert (ours.mask(image) == theirs.mask(image)).float().mean() > 0.99
    assert open_predictor(deployed, input_size=(32, 48)).input_size == (32, 48)
    with pytest.raises(ValueError, match=r"takes images of \(16, 24\), not \(8, 8\)"):
        open_predictor(made, input_size=(8, 8))
    with pytest.raises(ValueError, match="unknown data set 'kitti'.*say --dataset with one of"):
        open_predictor(deployed, dataset="kitti")
    with pytest.raises(ValueError, match="has 11 classes, cityscapes has 19"):
        open_predictor(deployed, dataset="cityscapes")


def test_a_checkpoint_without_input_size_wants_one(tmp_path: Path) -> None:
    network = NetworkConfig(host="tinynet", num_classes=11, host_options={"width": 0.25})
    description = {"network": network.to_json(), "deployed": True, "dataset": "streets"}
    checkpoint.save(tmp_path / "net.safetensors", build_dsrl(network).task_model, description)
    with pytest.raises(ValueError, match="does not say its input size; give it with --input-size"):
        open_predictor(tmp_path / "net.safetensors")


def test_the_command_goes_on_past_a_damaged_file_and_says_so(deployed: Path, video: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    Image.fromarray(half_bright(32, 48, left=True)).save(folder / "good.png")
    (folder / "torn.png").write_bytes((folder / "good.png").read_bytes()[:40])
    video.rename(folder / "drive.avi")
    result = CliRunner().invoke(cli.app, ["predict", str(deployed), str(folder), "--out", str(tmp_path / "out")])
    assert result.exit_code == 1 and "2 overlays and masks" in result.output and "cannot decode" in result.output
    made = {path.name for path in (tmp_path / "out").iterdir()}
    assert made == {"good_ids.png", "good_overlay.png", "drive_ids", "drive_overlay.mp4"}
    with pytest.raises(ValueError, match="cannot decode"):
        raise CliRunner().invoke(cli.app, ["predict", str(deployed), str(folder / "torn.png")]).exception  # type: ignore[misc]


def test_classes_one_by_one_give_the_mask_of_all_at_once(deployed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = open_predictor(deployed)
    torch.nn.init.normal_(predictor.network.get_parameter("sssr_head.expand.weight"))
    image = torch.rand(3, 61, 83)
    at_once = predictor.mask(image)
    monkeypatch.setattr(prediction, "AT_ONCE", 0)
    assert torch.equal(predictor.mask(image), at_once) and len(at_once.unique()) > 3


def test_an_overlay_in_strips_is_that_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    image, mask = torch.rand(3, 30, 40), torch.randint(0, 11, (30, 40))
    whole = PREDICTOR.overlay(image, mask)
    monkeypatch.setattr(prediction, "STRIP", 7)
    assert np.array_equal(PREDICTOR.overlay(image, mask), whole) and whole.shape == (30, 40, 3)


def write_checkpoint(path: Path, **changes: object) -> Path:
    network = NetworkConfig(host="tinynet", num_classes=11, host_options={"width": 0.25})
    train = TrainConfig(input_size=(16, 24), iterations=1)
    header = {"network": network.to_json(), "train": train.to_json(), "dataset": "streets", "deployed": True} | changes
    checkpoint.save(path, build_dsrl(network).task_model, header)
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": {"input_size": 3}}, "expected an input size H W of two positive whole numbers, .* got 3 "),
        ({"dataset": ["a"]}, r"unknown data set \"\['a'\]\" for the classes of .*say --dataset"),
        ({"dataset": None}, "unknown data set '' for the classes of"),
        ({"dataset": "lsp"}, r"expected a segmentation network, .* pose net \(tinynet, trained on lsp\)"),
    ],
)
def test_a_strange_header_is_named(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        open_predictor(write_checkpoint(tmp_path / "net.safetensors", **changes))


def test_a_pose_net_and_a_super_resolution_network_are_called_by_their_names(tmp_path: Path) -> None:
    data = Path(__file__).resolve().parents[2] / "data" / "checkpoints"
    with pytest.raises(
        ValueError, match=r"holds a pose net \(hrnet, trained on lsp\): it marks joints and gives no masks"
    ):
        open_predictor(data / "lsp_hrnet" / "baseline_seed0.safetensors")
    with pytest.raises(
        ValueError, match="super_resolution_espcn.safetensors holds a super-resolution network of .*sisr"
    ):
        open_predictor(data / "super_resolution_espcn.safetensors")


@pytest.mark.parametrize("size", [("0", "0"), ("-8", "8")])
def test_an_input_size_is_checked_once_and_before_the_pictures(
    deployed: Path, tmp_path: Path, size: tuple[str, str]
) -> None:
    command = ["predict", str(deployed), str(tmp_path / "absent"), "--input-size", *size]
    message = str(CliRunner().invoke(cli.app, command).exception)
    assert message.count("expected an input size") == 1 and "(--input-size)" in message


def test_a_file_where_the_results_should_go_is_named(deployed: Path, tmp_path: Path) -> None:
    Image.fromarray(half_bright(32, 48, left=True)).save(tmp_path / "a.png")
    command = ["predict", str(deployed), str(tmp_path / "a.png"), "--out", str(deployed)]
    message = str(CliRunner().invoke(cli.app, command).exception)
    assert "found a file there; name another with --out" in message


def test_only_known_endings_are_videos() -> None:
    assert prediction.is_video(Path("a.MOV")) and not prediction.is_video(Path("a.png"))
