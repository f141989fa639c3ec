"""Exported files: only the deployed network, equal to PyTorch; reduced precision near; mistakes and damage named."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from dsrl_lab.datasets.streets import Streets
from dsrl_lab.datasets.transforms import normalise, reduce_image
from dsrl_lab.tools import export as deployment
from dsrl_lab.tools.export import ExportedNetwork, calibration_pictures, export
from dsrl_lab.training import checkpoint
from dsrl_lab.training.build import build_dsrl, load_task_model
from dsrl_lab.training.config import NetworkConfig, TrainConfig
from dsrl_lab.training.evaluate import evaluate_segmentation, predict_mask

SIZE = (16, 24)
NEEDS_ONNX = "install the extra: pip install dsrl-lab[export]"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a whole DSRL network, with statistics that are not those of a new one."""
    path = tmp_path_factory.mktemp("run") / "latest.safetensors"
    network = NetworkConfig(
        host="tinynet", num_classes=11, host_options={"width": 0.5}, sssr="sub_pixel", sisr=True, affinity=True
    )
    torch.manual_seed(3)
    dsrl = build_dsrl(network, seed=3)
    torch.nn.init.normal_(dsrl.task_model.sssr_head.expand.weight, std=0.05)  # it starts at zero
    dsrl.train()
    for _ in range(4):
        dsrl(torch.randn(2, 3, *SIZE))
    train = TrainConfig(input_size=SIZE, iterations=1)
    checkpoint.save(path, dsrl, {"network": network.to_json(), "train": train.to_json(), "dataset": "streets"})
    return path


@pytest.fixture(scope="module")
def images() -> list[Tensor]:
    return calibration_pictures(Streets("train", size=(32, 48), length=8), SIZE, number=4)


def check_file(made: deployment.Exported, source: Path, *, tolerance: float) -> None:
    model, _ = load_task_model(source)
    network = ExportedNetwork(made.path)
    assert network.num_classes == 11 and network.input_size == SIZE == made.input_size
    for number in (1, 3):  # any batch size
        image = torch.randn(number, 3, *SIZE)
        with torch.inference_mode():
            expected = model(image)
        actual = network(image)
        assert actual.shape == expected.shape == (number, 11, *made.output_size)
        assert float((actual - expected).abs().max()) <= tolerance * float(expected.abs().max())


def test_torch_export_is_the_network(whole: Path, tmp_path: Path) -> None:
    made = export(whole, tmp_path / "net.pt2", format="torch-export")
    check_file(made, whole, tolerance=1e-4)
    assert made.agreement == 1.0 and made.bytes == made.path.stat().st_size


def test_onnx_is_the_network_and_nothing_else(whole: Path, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason=NEEDS_ONNX)
    pytest.importorskip("onnxruntime", reason=NEEDS_ONNX)
    made = export(whole, tmp_path / "net.onnx")
    check_file(made, whole, tolerance=1e-4)
    model = onnx.load(made.path)
    names = " ".join(tensor.name for tensor in model.graph.initializer)
    assert "sssr_head" in names and "sisr" not in names and "transform" not in names
    deployed = sum(parameter.numel() for parameter in load_task_model(whole)[0].parameters())
    assert sum(onnx.numpy_helper.to_array(t).size for t in model.graph.initializer) < 1.1 * deployed
    assert str(Path(__file__).resolve().parents[3]).encode() not in made.path.read_bytes()  # no path of this machine
    kept = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(kept["dsrl_lab"])["input_size"] == list(SIZE)


def test_eight_bits_are_smaller_and_near(whole: Path, images: list[Tensor], tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason=NEEDS_ONNX)
    plain = export(whole, tmp_path / "plain.onnx")
    made = export(whole, tmp_path / "int8.onnx", precision="int8", calibration=images)
    assert made.bytes < 0.5 * plain.bytes
    assert 0 < made.difference < 0.25 * made.largest_logit and made.agreement > 0.8


def test_bfloat16_is_near_and_leaves_the_checkpoints_network_alone(whole: Path, tmp_path: Path) -> None:
    made = export(whole, tmp_path / "bf16.pt2", format="torch-export", precision="bf16")
    assert 0 < made.difference < 0.1 * made.largest_logit
    assert ExportedNetwork(made.path)(torch.zeros(1, 3, *SIZE)).dtype == torch.float32
    assert export(whole, tmp_path / "plain.pt2", format="torch-export").difference <= 1e-4 * made.largest_logit


def test_an_exported_network_is_scored_and_predicts_like_the_original(whole: Path, tmp_path: Path) -> None:
    network = ExportedNetwork(export(whole, tmp_path / "net.pt2", format="torch-export").path)
    model, _ = load_task_model(whole)
    val = Streets("val", size=(32, 48), length=3)
    theirs, mine = (evaluate_segmentation(each, val, input_size=SIZE) for each in (network, model))
    assert theirs.miou == pytest.approx(mine.miou, abs=1e-3)
    image = val[0].image
    same = predict_mask(network, image, input_size=SIZE) == predict_mask(model, image, input_size=SIZE)
    assert same.float().mean() > 0.999


def test_calibration_pictures_are_what_the_network_receives() -> None:
    train = Streets("train", size=(32, 48), length=8)
    pictures = calibration_pictures(train, SIZE, number=4)
    assert len(pictures) == 4 and pictures[0].shape == (1, 3, *SIZE)
    assert torch.equal(pictures[1][0], normalise(reduce_image(train[2].image, SIZE)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"format": "tflite"}, "unknown format 'tflite'; choose one of onnx, torch-export"),
        ({"precision": "bf16"}, "onnx has no precision 'bf16' here; choose one of float32, int8"),
        ({"precision": "int8"}, "int8 needs calibration pictures"),
    ],
)
def test_wrong_choices_are_named(whole: Path, arguments: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        export(whole, **arguments)  # type: ignore[arg-type]


def test_a_file_that_is_off_is_refused_and_removed(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ExportedNetwork, "forward", lambda self, image: self._run(image) * 1.01)
    with pytest.raises(ValueError, match="differ from PyTorch's by .*the file was removed"):
        export(whole, tmp_path / "net.pt2", format="torch-export")
    assert not (tmp_path / "net.pt2").exists()


def test_a_checkpoint_without_input_size_wants_one(tmp_path: Path) -> None:
    network = NetworkConfig(host="tinynet", num_classes=3, host_options={"width": 0.25})
    path = tmp_path / "deployed.safetensors"
    checkpoint.save(path, build_dsrl(network).task_model, {"network": network.to_json(), "deployed": True})
    with pytest.raises(ValueError, match="does not say its input size; give it with --input-size"):
        export(path)


@pytest.mark.parametrize("train", [{"input_size": 3}, {"input_size": ["a", 4]}, {"input_size": [0, 4]}, {}, 7])
def test_an_input_size_that_is_none_is_named(train: object) -> None:
    message = "does not say its input size" if train in ({}, 7) else "expected an input size H W .*(the header of a.b)"
    with pytest.raises(ValueError, match=message):
        deployment.chosen_input_size(None, {"train": train}, Path("a.b"))


def test_an_image_that_vanishes_on_the_way_down_is_refused_before_all_work(tmp_path: Path) -> None:
    network = NetworkConfig(host="pspnet", num_classes=3)
    model = build_dsrl(network).task_model.eval()
    model.forward = lambda image: torch.zeros(1, 1, 1, 1).expand(-1, 2)  # fails as convolutions on nothing do
    with pytest.raises(ValueError, match=r"PSPNet cannot take images of \(H, W\) = \(8, 8\) .*with --input-size H W"):
        deployment.check_serves(model, (8, 8))


def test_a_missing_package_is_named(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install dsrl-lab\[export\]"):
        export(whole)


def test_opening_names_absence_damage_and_wrong_images(whole: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no exported network at .*absent.onnx"):
        ExportedNetwork(tmp_path / "absent.onnx")
    (tmp_path / "net.tflite").write_bytes(b"")
    with pytest.raises(ValueError, match=r"expected a file that ends in \.onnx or \.pt2, got net\.tflite"):
        ExportedNetwork(tmp_path / "net.tflite")
    (tmp_path / "torn.pt2").write_bytes(b"PK\x03\x04 torn")
    with pytest.raises(ValueError, match="torn.pt2 is damaged or was not written by dsrl-lab export"):
        ExportedNetwork(tmp_path / "torn.pt2")
    network = ExportedNetwork(export(whole, tmp_path / "net.pt2", format="torch-export").path)
    with pytest.raises(ValueError, match=r"expected images \(N, 3, 16, 24\), got \(1, 3, 24, 16\)"):
        network(torch.zeros(1, 3, 24, 16))
