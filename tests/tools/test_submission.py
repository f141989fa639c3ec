"""Submission files: what the official scripts read, at full size; their score is ours."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from typer.testing import CliRunner

from dsrl_lab import cli
from dsrl_lab.datasets.cityscapes import TRAIN_TO_LABEL, Cityscapes
from dsrl_lab.layers import Normalise
from dsrl_lab.tools.bench.drawn_cityscapes import write_drawn_cityscapes
from dsrl_lab.tools.submission import official_miou, write_submission
from dsrl_lab.training import checkpoint
from dsrl_lab.training.build import build_dsrl
from dsrl_lab.training.config import NetworkConfig, TrainConfig
from dsrl_lab.training.evaluate import evaluate_segmentation

SIZE = (64, 128)
NEEDS_SCRIPTS = "pip install --no-deps cityscapesscripts pyquaternion appdirs"


class ByColour(nn.Module):
    """Road where a picture is grey in the middle, sky where it is bright, buildings elsewhere."""

    num_classes = 19

    def forward(self, image: Tensor) -> Tensor:
        logits = torch.zeros(len(image), 19, *image.shape[-2:])
        grey = Normalise()(image).mean(1)
        logits[:, 10], logits[:, 0] = grey, 0.3 - grey.abs()
        logits[:, 2] = 0.1
        return logits


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_drawn_cityscapes(tmp_path_factory.mktemp("cityscapes"), size=SIZE, pictures={"val": 3, "test": 1})


def test_files_are_what_the_server_takes(root: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    pictures = Cityscapes(root, "val")
    archive = write_submission(
        ByColour(), pictures, tmp_path, input_size=(32, 64), progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(1, 3), (2, 3), (3, 3)]
    with zipfile.ZipFile(archive) as made:
        assert made.namelist() == [f"{name}_pred_labelIds.png" for name in pictures.names]
    picture = Image.open(tmp_path / f"{pictures.names[0]}_pred_labelIds.png")
    ids = np.asarray(picture)
    assert picture.mode == "L" and ids.shape == SIZE and set(np.unique(ids)) <= set(TRAIN_TO_LABEL)


def test_a_stopped_submission_goes_on_and_is_whole(root: Path, tmp_path: Path) -> None:
    class Stopping(ByColour):
        calls, stop = 0, 2

        def forward(self, image: Tensor) -> Tensor:
            self.calls += 1
            if self.calls == self.stop:
                raise KeyboardInterrupt
            return super().forward(image)

    network, pictures = Stopping(), Cityscapes(root, "val")
    with pytest.raises(KeyboardInterrupt):
        write_submission(network, pictures, tmp_path, input_size=(32, 64), identity="net 1")
    assert [path.name for path in tmp_path.iterdir()] == [f"{pictures.names[0]}_pred_labelIds.png"]
    archive = write_submission(network, pictures, tmp_path, input_size=(32, 64), identity="net 1")
    assert network.calls == 4 and len(zipfile.ZipFile(archive).namelist()) == 3
    write_submission(network, pictures, tmp_path, input_size=(32, 64), identity="net 2")
    assert network.calls == 7  # another network: all anew
    (tmp_path / f"{pictures.names[0]}_pred_labelIds.png").write_bytes(b"by hand")
    with pytest.raises(ValueError, match="_pred_labelIds.png is no result of this dsrl-lab"):
        write_submission(network, pictures, tmp_path, input_size=(32, 64), identity="net 2")


@pytest.mark.parametrize("protocol", ["logits", "labels"])
def test_the_official_score_is_ours(root: Path, tmp_path: Path, protocol: str) -> None:
    pytest.importorskip("cityscapesscripts", reason=NEEDS_SCRIPTS)
    pictures = Cityscapes(root, "val")
    write_submission(ByColour(), pictures, tmp_path, input_size=(32, 64), protocol=protocol)
    official, by_class = official_miou(root, "val", tmp_path)
    ours = evaluate_segmentation(ByColour(), pictures, input_size=(32, 64), protocol=protocol)
    assert official == pytest.approx(ours.miou, abs=1e-6) and 0 < official < 1
    for name, iou in ours.iou.items():
        assert by_class[name] == pytest.approx(float("nan") if iou is None else iou, abs=1e-6, nan_ok=True)


def submit_command(root: Path, folder: Path) -> list[str]:
    network = NetworkConfig(host="tinynet", num_classes=19, host_options={"width": 0.25}, sssr="sub_pixel")
    train = TrainConfig(input_size=(32, 64), iterations=1)
    path = folder / "net.safetensors"
    description = {"network": network.to_json(), "train": train.to_json(), "dataset": "cityscapes", "deployed": True}
    checkpoint.save(path, build_dsrl(network).task_model, description)
    return ["submit", str(path), "--data", str(root), "--out", str(folder / "out")]


def test_the_command_prints_both_scores(root: Path, tmp_path: Path) -> None:
    pytest.importorskip("cityscapesscripts", reason=NEEDS_SCRIPTS)
    arguments = submit_command(root, tmp_path)
    result = CliRunner().invoke(cli.app, [*arguments, "--split", "val"])
    assert result.exit_code == 0, result.output + repr(result.exception)
    printed = " ".join(result.output.split())
    official, ours = printed.rpartition("cityscapesScripts ")[2].split("; ours ")
    assert float(official) == pytest.approx(float(ours), abs=1e-4)
    assert CliRunner().invoke(cli.app, arguments).exit_code == 0  # test has no truth, and needs none


def test_other_classes_and_missing_files_are_named(root: Path, tmp_path: Path) -> None:
    network = ByColour()
    network.num_classes = 11
    with pytest.raises(ValueError, match="expected a network with 19 classes, got 11"):
        write_submission(network, Cityscapes(root, "val"), tmp_path, input_size=(32, 64))
    pytest.importorskip("cityscapesscripts", reason=NEEDS_SCRIPTS)
    with pytest.raises(ValueError, match="3 of 3 predictions are missing, the first is .*_pred_labelIds.png"):
        official_miou(root, "val", tmp_path)
    with pytest.raises(ValueError, match="expected masks .*gtFine/vla, found none; check --data and --split"):
        official_miou(root, "vla", tmp_path)


def test_missing_scripts_are_named(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cityscapesscripts", None)
    monkeypatch.setitem(sys.modules, "cityscapesscripts.evaluation", None)
    with pytest.raises(ModuleNotFoundError, match="pip install --no-deps cityscapesscripts"):
        official_miou(root, "val", tmp_path)
    result = CliRunner().invoke(cli.app, [*submit_command(root, tmp_path), "--split", "val"])
    assert isinstance(result.exception, ModuleNotFoundError) and not any((tmp_path / "out").iterdir())  # not at its end
