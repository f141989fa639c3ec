"""Exported files: only the deployed network, equal to PyTorch; reduced precision near; mistakes and damage named."""

from __future__ import annotations

import errno
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from dsrl_lab.datasets.streets import Streets
from dsrl_lab.datasets.transforms import normalise, reduce_image
from dsrl_lab.files import REPOSITORY
from dsrl_lab.tools.export import writing
from dsrl_lab.tools.export.exported import FORMATS, ExportedNetwork
from dsrl_lab.tools.export.writing import PRECISIONS, calibration_pictures, export
from dsrl_lab.tools.input_size import chosen_size
from dsrl_lab.training import checkpoint
from dsrl_lab.training.build import build_dsrl, load_task_model
from dsrl_lab.training.config import NetworkConfig, TrainConfig
from dsrl_lab.training.evaluate import evaluate_segmentation, predict_mask

SIZE = (16, 24)
NEEDS_ONNX = "install the extra: pip install -e '.[export]'"


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


def check_file(made: writing.Exported, source: Path, *, tolerance: float) -> None:
    model, _ = load_task_model(source)
    network: Any = (
        torch.export.load(made.path).module() if made.format == "torch-export" else ExportedNetwork(made.path)
    )
    assert made.input_size == SIZE and made.bytes == made.path.stat().st_size
    for number in (1, 3):  # any batch size
        image = torch.randn(number, 3, *SIZE)
        with torch.inference_mode():
            expected = model(image)
        actual = network(image).detach()
        assert actual.shape == expected.shape == (number, 11, *made.output_size)
        assert float((actual - expected).abs().max()) <= tolerance * float(expected.abs().max())


def test_torch_export_is_the_network(whole: Path, tmp_path: Path) -> None:
    made = export(whole, tmp_path / "net.pt2", format="torch-export")
    check_file(made, whole, tolerance=1e-4)
    assert made.agreement == 1.0
    kept = {"dsrl_lab.json": ""}
    torch.export.load(made.path, extra_files=kept)
    assert json.loads(kept["dsrl_lab.json"])["input_size"] == list(SIZE)


def test_onnx_is_the_network_and_nothing_else(whole: Path, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason=NEEDS_ONNX)
    pytest.importorskip("onnxruntime", reason=NEEDS_ONNX)
    made = export(whole, tmp_path / "net.onnx")
    check_file(made, whole, tolerance=1e-4)
    network = ExportedNetwork(made.path)
    assert network.num_classes == 11 and network.input_size == SIZE
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


@pytest.mark.slow
def test_eight_bits_of_the_kits_espnetv2(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason=NEEDS_ONNX)
    path = REPOSITORY / "data" / "checkpoints" / "camvid_espnetv2" / "dsrl_seed0.safetensors"
    made = export(path, tmp_path / "int8.onnx", precision="int8", calibration=[torch.rand(1, 3, 180, 240)])
    assert made.bytes < 2 * 2**20 and ExportedNetwork(made.path)(torch.rand(3, 3, 180, 240)).shape[0] == 3


def test_bfloat16_is_near_and_leaves_the_checkpoints_network_alone(whole: Path, tmp_path: Path) -> None:
    made = export(whole, tmp_path / "bf16.pt2", format="torch-export", precision="bf16")
    assert 0 < made.difference < 0.1 * made.largest_logit
    assert torch.export.load(made.path).module()(torch.zeros(1, 3, *SIZE)).dtype == torch.float32
    assert export(whole, tmp_path / "plain.pt2", format="torch-export").difference <= 1e-4 * made.largest_logit


def test_an_exported_network_is_scored_and_predicts_like_the_original(whole: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason=NEEDS_ONNX)
    network = ExportedNetwork(export(whole, tmp_path / "net.onnx").path)
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
    assert torch.equal(pictures[1][0], reduce_image(train[2].image, SIZE))


def test_a_file_of_version_0_1_gets_the_normalised_images_that_it_takes(whole: Path, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason=NEEDS_ONNX)
    model = onnx.load(export(whole, tmp_path / "net.onnx").path)
    description = json.loads(model.metadata_props[0].value)
    onnx.helper.set_model_props(model, {"dsrl_lab": json.dumps(description | {"mean": [0.485], "std": [0.229]})})
    onnx.save(model, tmp_path / "old.onnx")
    image = torch.rand(1, 3, *SIZE)
    old, new = ExportedNetwork(tmp_path / "old.onnx"), ExportedNetwork(tmp_path / "net.onnx")
    assert torch.equal(old(image), new(normalise(image)))


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


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda logits: logits * 1.01, "differ from PyTorch's by .*nothing was written"),
        (lambda logits: logits * float("nan"), "the torch-export file of .* gives NaN or infinity"),
    ],
)
def test_a_file_that_is_off_is_refused_and_an_earlier_one_stays(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: Any, message: str
) -> None:
    path = tmp_path / "net.pt2"
    path.write_bytes(b"earlier")
    monkeypatch.setattr(writing._TorchExport, "forward", lambda self, image: wrong(self._run[0](image)))
    with pytest.raises(ValueError, match=message):
        export(whole, path, format="torch-export")
    assert path.read_bytes() == b"earlier" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_a_network_that_gives_nan_is_not_exported(whole: Path, tmp_path: Path, value: float, precision: str) -> None:
    spoilt = spoil(whole, tmp_path, value)
    with pytest.raises(ValueError, match="expected finite logits, .*spoilt.safetensors gives NaN or infinity"):
        export(spoilt, format="torch-export", precision=precision)
    assert [path.name for path in tmp_path.iterdir()] == ["spoilt.safetensors"]


def spoil(whole: Path, folder: Path, value: float) -> Path:
    """The checkpoint with one weight that is no number."""
    loaded = checkpoint.load(whole)
    name = next(name for name, tensor in loaded.tensors.items() if tensor.ndim == 4 and "task_model" in name)
    loaded.tensors[name].view(-1)[0] = value
    metadata = {checkpoint.DESCRIPTION: json.dumps(loaded.description)}
    safetensors.torch.save_file(loaded.tensors, folder / "spoilt.safetensors", metadata=metadata)
    return folder / "spoilt.safetensors"


@pytest.mark.slow
def test_each_precision_has_its_own_name(whole: Path, tmp_path: Path, images: list[Tensor]) -> None:
    pytest.importorskip("onnxruntime", reason=NEEDS_ONNX)
    source = tmp_path / "net.safetensors"
    source.write_bytes(whole.read_bytes())
    for format, precisions in PRECISIONS.items():
        for precision in precisions:
            export(source, format=format, precision=precision, calibration=images)
    names = {"net.safetensors", "net.onnx", "net_int8.onnx", "net.pt2", "net_bf16.pt2"}
    assert {path.name for path in tmp_path.iterdir()} == names


@pytest.mark.parametrize("format", ["onnx", "torch-export"])
def test_a_full_disk_names_the_file_and_the_room(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str
) -> None:
    if format == "onnx":
        pytest.importorskip("onnxruntime", reason=NEEDS_ONNX)

    def full(self: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match=r"cannot write .*deployed\.(onnx|pt2): the disk is full, .* MB are free"):
        export(whole, tmp_path / f"deployed{FORMATS[format]}", format=format)
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_without_input_size_wants_one(tmp_path: Path) -> None:
    network = NetworkConfig(host="tinynet", num_classes=3, host_options={"width": 0.25})
    path = tmp_path / "deployed.safetensors"
    checkpoint.save(path, build_dsrl(network).task_model, {"network": network.to_json(), "deployed": True})
    with pytest.raises(ValueError, match="does not name its input size; give it with --input-size"):
        export(path)


@pytest.mark.parametrize("train", [{"input_size": 3}, {"input_size": ["a", 4]}, {"input_size": [0, 4]}, {}, 7])
def test_an_input_size_that_is_none_is_named(train: object) -> None:
    message = "does not name its input size" if train in ({}, 7) else "expected an input size H W .*(the header of a.b)"
    with pytest.raises(ValueError, match=message):
        chosen_size(None, {"train": train}, Path("a.b"))


def test_a_missing_package_is_named(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install -e '\.\[export\]'"):
        export(whole)


def test_opening_names_absence_damage_and_wrong_images(
    whole: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(FileNotFoundError, match="no exported network at .*absent.onnx"):
        ExportedNetwork(tmp_path / "absent.onnx")
    (tmp_path / "net.tflite").write_bytes(b"")
    with pytest.raises(ValueError, match=r"expected a file that ends in \.onnx, got net\.tflite"):
        ExportedNetwork(tmp_path / "net.tflite")
    pytest.importorskip("onnxruntime", reason=NEEDS_ONNX)
    (tmp_path / "torn.onnx").write_bytes(b"torn")
    with pytest.raises(ValueError, match="torn.onnx is damaged or was not written by dsrl-lab export"):
        ExportedNetwork(tmp_path / "torn.onnx")
    assert caplog.records == []
    network = ExportedNetwork(export(whole, tmp_path / "net.onnx").path)
    with pytest.raises(ValueError, match=r"expected images \(N, 3, 16, 24\), got \(1, 3, 24, 16\)"):
        network(torch.zeros(1, 3, 24, 16))


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.mark}",)


def test_a_pt2_is_not_opened_and_the_remedy_is_named(tmp_path: Path) -> None:
    torch.save(Payload(tmp_path / "mark"), tmp_path / "net.pt2")
    with pytest.raises(ValueError, match=r"take the checkpoint .*\(.safetensors\), or export that as ONNX"):
        ExportedNetwork(tmp_path / "net.pt2")
    assert not (tmp_path / "mark").exists()
    with pytest.raises(ValueError, match="net.pt2 is exported already; name the checkpoint"):
        export(tmp_path / "net.pt2")
