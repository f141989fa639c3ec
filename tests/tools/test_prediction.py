"""Predictions of pictures, folders and videos: right sizes and ids, names that do not collide, damage that is named."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from typer.testing import CliRunner

from dsrl_lab import cli
from dsrl_lab.datasets.class_tables import CLASS_TABLES
from dsrl_lab.tools import prediction
from dsrl_lab.tools.export.writing import export
from dsrl_lab.tools.prediction import (
    Predictor,
    find_inputs,
    open_predictor,
    output_names,
    predict_picture,
    result_mark,
    shorten,
)
from dsrl_lab.training import checkpoint
from dsrl_lab.training.build import build_dsrl
from dsrl_lab.training.config import NetworkConfig, TrainConfig
from tests.tools.test_video import PREDICTOR, Brightness, half_bright, write_video

NEEDS_ONNX = "install the extra: pip install -e '.[export]'"


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("net") / "deployed.safetensors"
    network = NetworkConfig(host="tinynet", num_classes=11, host_options={"width": 0.25}, sssr="sub_pixel")
    train = TrainConfig(input_size=(16, 24), iterations=1)
    description = {"network": network.to_json(), "train": train.to_json(), "dataset": "streets", "deployed": True}
    checkpoint.save(path, build_dsrl(network).task_model, description)
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


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (["a.png", "b.png", "b.mp4"], ["a", "b.png", "b.mp4"]),
        (["a.jpg", "a.png", "a.png.tif"], ["a.jpg", "a.png", "a.png.tif"]),  # whose stem is a whole name
        (["A.png", "a.jpg"], ["A.png", "a.jpg"]),  # one file where case does not count
        (["a.b.png", "a.png"], ["a.b", "a"]),
    ],
)
def test_names_do_not_collide(files: list[str], names: list[str]) -> None:
    assert output_names(list(map(Path, files))) == names


def test_a_picture_smaller_than_the_network_takes_is_enlarged(tmp_path: Path) -> None:
    for height, width in ((6, 8), (40, 8), (1, 1)):
        Image.fromarray(half_bright(height, width, left=True)).save(tmp_path / "icon.png")
        predict_picture(PREDICTOR, tmp_path / "icon.png", tmp_path, f"icon{height}")
        ids = np.asarray(Image.open(tmp_path / f"icon{height}_ids.png"))
        assert ids.shape == (height, width)
        assert (ids[:, : width // 2] == 1).all() and (ids[:, -(width // 2) :] == 0).all()


def test_logits_that_are_not_finite_give_no_mask(tmp_path: Path) -> None:
    class Spoilt(Brightness):
        def forward(self, image: Tensor) -> Tensor:
            logits = super().forward(image)
            logits[:, 5, 0, 0] = float("nan")
            return logits

    Image.fromarray(half_bright(32, 48, left=True)).save(tmp_path / "a.png")
    predictor = Predictor(Spoilt(), CLASS_TABLES["streets"], (16, 24))
    with pytest.raises(ValueError, match="expected finite logits"):
        predict_picture(predictor, tmp_path / "a.png", tmp_path, "a")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_results_of_the_same_are_kept_and_of_another_replaced(tmp_path: Path) -> None:
    source = tmp_path / "a.png"
    Image.fromarray(half_bright(32, 48, left=True)).save(source)
    assert predict_picture(PREDICTOR, source, tmp_path, "a")
    first = (tmp_path / "a_ids.png").read_bytes()
    assert not predict_picture(PREDICTOR, source, tmp_path, "a")
    (tmp_path / "a_overlay.png").unlink()  # as if it had been stopped between the two
    assert predict_picture(PREDICTOR, source, tmp_path, "a") and (tmp_path / "a_overlay.png").exists()
    Image.fromarray(half_bright(32, 48, left=False)).save(source)
    assert predict_picture(PREDICTOR, source, tmp_path, "a")
    assert (tmp_path / "a_ids.png").read_bytes() != first
    other = Predictor(Brightness(), CLASS_TABLES["streets"], (16, 24), identity="another network")
    assert predict_picture(other, source, tmp_path, "a")


def test_a_file_of_another_origin_is_not_overwritten(tmp_path: Path) -> None:
    for name in ("a.png", "a_ids.png"):  # a picture, and the mask that its owner drew
        Image.fromarray(half_bright(32, 48, left=True)).save(tmp_path / name)
    before = (tmp_path / "a_ids.png").read_bytes()
    with pytest.raises(ValueError, match="a_ids.png is no result .*name another folder with --out"):
        predict_picture(PREDICTOR, tmp_path / "a.png", tmp_path, "a")
    assert (tmp_path / "a_ids.png").read_bytes() == before and not (tmp_path / "a_overlay.png").exists()


def test_a_full_disk_names_the_file_and_leaves_nothing_half_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(half_bright(32, 48, left=True)).save(tmp_path / "a.png")
    whole = Image.Image.save

    def full(self: Image.Image, path: Path, **options: object) -> None:
        whole(self, path, **options)
        path.write_bytes(path.read_bytes()[:50])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(OSError, match="cannot write .*a_overlay.png: the disk is full, .* MB are free"):
        predict_picture(PREDICTOR, tmp_path / "a.png", tmp_path, "a")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_inputs_are_found_or_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no picture, video or folder at .*absent"):
        find_inputs(tmp_path / "absent")
    with pytest.raises(ValueError, match=r"no pictures or videos in .*expected files that end in \.png"):
        find_inputs(tmp_path)
    for name in ("b.MP4", "a.jpg", ".hidden.mp4", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "gone.png").symlink_to(tmp_path / "absent.png")
    found = find_inputs(tmp_path)
    assert [path.name for path in found.paths] == ["a.jpg", "b.MP4", "gone.png"]
    assert found.others == ("folder.png/", "notes.txt") and found.results == ()
    with pytest.raises(ValueError, match="cannot read .*gone.png"):
        predict_picture(PREDICTOR, tmp_path / "gone.png", tmp_path, "gone")


def test_results_are_not_taken_for_input_whatever_their_folder(tmp_path: Path) -> None:
    for name in ("x.png", "y_ids.png"):  # the second is a picture that is only called so
        Image.fromarray(half_bright(32, 48, left=True)).save(tmp_path / name)
        predict_picture(PREDICTOR, tmp_path / name, tmp_path, name[:-4])
    found = find_inputs(tmp_path)
    assert [path.name for path in found.paths] == ["x.png", "y_ids.png"]
    assert set(found.results) == {"x_ids.png", "x_overlay.png", "y_ids_ids.png", "y_ids_overlay.png"}
    for path in found.paths:
        path.unlink()
    with pytest.raises(ValueError, match="found 4 results of dsrl-lab predict and 0 others"):
        find_inputs(tmp_path)
    assert result_mark(tmp_path / "absent.png") is result_mark(tmp_path) is None


def test_checkpoints_and_exported_files_open_alike(deployed: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason=NEEDS_ONNX)
    made = export(deployed, tmp_path / "net.onnx").path
    ours, theirs = open_predictor(deployed), open_predictor(made)
    assert ours.input_size == theirs.input_size == (16, 24)
    image = torch.rand(3, 32, 48)
    assert (ours.mask(image) == theirs.mask(image)).float().mean() > 0.99
    assert open_predictor(deployed, input_size=(32, 48)).input_size == (32, 48)
    with pytest.raises(ValueError, match=r"takes images of \(16, 24\), not \(8, 8\)"):
        open_predictor(made, input_size=(8, 8))
    with pytest.raises(ValueError, match="unknown data set 'kitti'.*give --dataset with one of"):
        open_predictor(deployed, dataset="kitti")
    with pytest.raises(ValueError, match="has 11 classes, cityscapes has 19"):
        open_predictor(deployed, dataset="cityscapes")


def test_a_checkpoint_without_input_size_wants_one(tmp_path: Path) -> None:
    network = NetworkConfig(host="tinynet", num_classes=11, host_options={"width": 0.25})
    description = {"network": network.to_json(), "deployed": True, "dataset": "streets"}
    checkpoint.save(tmp_path / "net.safetensors", build_dsrl(network).task_model, description)
    with pytest.raises(ValueError, match="does not name its input size; give it with --input-size"):
        open_predictor(tmp_path / "net.safetensors")


def test_a_pt2_is_answered_with_what_to_take_instead(deployed: Path, tmp_path: Path) -> None:
    made = export(deployed, tmp_path / "net.pt2", format="torch-export").path
    for command in (["predict", str(made), str(tmp_path)], ["evaluate", str(made), "--dataset", "streets"]):
        message = str(CliRunner().invoke(cli.app, command).exception)
        assert "take the checkpoint that it came from (.safetensors), or export that as ONNX" in message


def test_an_exported_network_is_scored_by_the_command(deployed: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason=NEEDS_ONNX)
    made = export(deployed, tmp_path / "net.onnx").path
    options = ["--dataset", "streets", "--length", "2", "--json"]
    scores = [CliRunner().invoke(cli.app, ["evaluate", str(path), *options]) for path in (made, deployed)]
    theirs, ours = (json.loads(result.stdout[result.stdout.index("{") :])["miou"] for result in scores)
    assert theirs == pytest.approx(ours, abs=0.02)


def test_the_command_goes_on_where_it_was_stopped(
    deployed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for name in "abc":
        Image.fromarray(half_bright(32, 48, left=True)).save(folder / f"{name}.png")
    predicted, read = [], prediction.read_image

    def stopping(path: Path) -> Tensor:
        predicted.append(path.name)
        if predicted == ["a.png", "b.png"]:
            raise KeyboardInterrupt
        return read(path)

    monkeypatch.setattr(prediction, "read_image", stopping)
    command = ["predict", str(deployed), str(folder), "--out", str(out)]
    result = CliRunner().invoke(cli.app, command)
    assert result.exit_code == 130
    assert (
        "Stopped. 1 of 3 are done, in" in result.output and "the same command goes on with the rest." in result.output
    )
    result = CliRunner().invoke(cli.app, command)
    assert result.exit_code == 0 and predicted == ["a.png", "b.png", "b.png", "c.png"]
    assert "3 overlays and masks in" in result.output and "1 of them from before" in result.output


def test_the_command_names_what_it_did_not_use(deployed: Path, tmp_path: Path) -> None:
    Image.fromarray(half_bright(32, 48, left=True)).save(tmp_path / "x.png")
    (tmp_path / "notes.txt").touch()
    command = ["predict", str(deployed), str(tmp_path), "--out", str(tmp_path)]
    for expected in ("1 overlays and masks", "2 results of dsrl-lab predict"):
        result = CliRunner().invoke(cli.app, command)
        assert result.exit_code == 0 and expected in result.output and "1 other (notes.txt)" in result.output
    assert {path.name for path in tmp_path.iterdir()} == {"notes.txt", "x.png", "x_ids.png", "x_overlay.png"}


def test_the_command_goes_on_past_a_damaged_file_and_says_so(deployed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    Image.fromarray(half_bright(32, 48, left=True)).save(folder / "good.png")
    (folder / "torn.png").write_bytes((folder / "good.png").read_bytes()[:40])
    write_video(folder / "drive.avi")
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
        ({"dataset": ["a"]}, r"unknown data set \"\['a'\]\" for the classes of .*give --dataset"),
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
    assert "found a file there; name another place" in message


def test_only_known_endings_are_videos() -> None:
    assert prediction.is_video(Path("a.MOV")) and not prediction.is_video(Path("a.png"))


def test_a_long_list_of_names_is_shortened() -> None:
    assert shorten(["a.gif", "b/", "c.txt", "d.txt"]) == "4 others (a.gif, b/, c.txt, ...)"
    assert shorten(["a.gif"]) == "1 other (a.gif)"
