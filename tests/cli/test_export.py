"""``dsrl-lab export``: a file, what it is and how near, for people and for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dsrl_lab import cli
from dsrl_lab.training import checkpoint, record
from dsrl_lab.training.build import build_dsrl
from dsrl_lab.training.config import NetworkConfig, TrainConfig

RUNNER = CliRunner()


@pytest.fixture
def deployed(tmp_path: Path) -> Path:
    network = NetworkConfig(host="tinynet", num_classes=11, host_options={"width": 0.25}, sssr="sub_pixel")
    train = TrainConfig(input_size=(16, 24), iterations=1)
    description = {
        "network": network.to_json(),
        "train": train.to_json(),
        "dataset": "streets",
        "deployed": True,
    }
    checkpoint.save(tmp_path / "deployed.safetensors", build_dsrl(network).task_model, description)
    return tmp_path / "deployed.safetensors"


def test_help_teaches() -> None:
    result = RUNNER.invoke(cli.app, ["export", "--help"])
    assert "int8" in result.output and "torch-export" in result.output


def test_a_program_reads_file_and_scores(deployed: Path) -> None:
    arguments = ["export", str(deployed), "--format", "torch-export", "--precision", "bf16"]
    kept = deployed.parent / "kept.jsonl"
    result = RUNNER.invoke(cli.app, [*arguments, "--score", "--length", "2", "--json", "--record", str(kept)])
    assert result.exit_code == 0, result.output + repr(result.exception)
    answer = json.loads(result.stdout[result.stdout.index("{") :])
    made = deployed.with_name("deployed_bf16.pt2")
    assert Path(answer["path"]) == made and made.is_file()
    assert answer["miou"] == pytest.approx(answer["pytorch_miou"], abs=0.05)
    assert answer["output_size"] == [32, 48]
    (line,) = record.read(kept)
    assert line["kind"] == "export" and line["precision"] == "bf16" and line["pictures"] == 2
    assert line["miou"] == answer["miou"] and line["path"] == "deployed_bf16.pt2"  # no folder of this machine


def test_eight_bits_take_pictures_of_train_without_a_warning(deployed: Path, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("onnxruntime", reason="install the extra: pip install -e '.[export]'")
    result = RUNNER.invoke(cli.app, ["export", str(deployed), "--precision", "int8", "--score", "--length", "2"])
    assert result.exit_code == 0, result.output + repr(result.exception)
    printed = " ".join(result.output.split())
    assert "onnx, int8" in printed and "mIoU on streets val" in printed
    assert [entry for entry in caplog.records if entry.name == "root"] == []


def test_a_wrong_choice_is_named(deployed: Path) -> None:
    result = RUNNER.invoke(cli.app, ["export", str(deployed), "--format", "gguf"])
    assert "unknown format 'gguf'" in str(result.exception)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--format", "onnx", "--out", "net.pt2"],
            "expected .onnx for onnx, got net.pt2; name another file with --out",
        ),
        (
            ["--format", "torch-export", "--out", "net.bin"],
            "expected .pt2 for torch-export, got net",
        ),
        (
            ["--format", "torch-export", "--precision", "int8", "--dataset", "camvid"],
            "torch-export has no precision 'int8'",
        ),
        (
            ["--input-size", "0", "0"],
            "expected an input size H W of two positive whole numbers, .* got (0, 0) (--input",
        ),
        (["--input-size", "-8", "8"], "got (-8, 8) (--input-size); give another with --input-size H W"),
        (["--input-size", "100000", "100000"], "110 megapixels at most, got (100000, 100000)"),
        (["--score", "--dataset", "camvid", "--data", "nowhere"], "nowhere"),
        (["--score", "--dataset", "camvid"], "camvid needs its folder: give --data ROOT"),
        (["--out", "deployed.safetensors/net.onnx"], "expected a folder at deployed.safetensors, found a file there"),
    ],
)
def test_mistakes_are_named_before_anything_is_written(
    deployed: Path, arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(deployed.parent)
    before = sorted(deployed.parent.iterdir())
    error = RUNNER.invoke(cli.app, ["export", str(deployed), *arguments]).exception
    assert isinstance(error, ValueError) and all(part in str(error) for part in message.split(".*"))
    assert sorted(deployed.parent.iterdir()) == before


@pytest.mark.parametrize(
    ("place", "kept"),
    [
        ("dsrl_lab.tools.export.writing._write_torch_export", "Nothing was written; the same command starts anew."),
        ("dsrl_lab.training.evaluate.evaluate_segmentation", "deployed.pt2 is whole, but was not scored; the same"),
    ],
)
def test_ctrl_c_ends_in_one_true_sentence(
    deployed: Path, monkeypatch: pytest.MonkeyPatch, place: str, kept: str
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(place, stop)
    command = ["export", str(deployed), "--format", "torch-export", "--score", "--length", "2"]
    result = RUNNER.invoke(cli.app, command)
    assert result.exit_code == 130 and f"Stopped. {kept}".split("Stopped. ")[1] in result.output.replace("\n", "")
    assert deployed.with_suffix(".pt2").exists() == ("whole" in kept)


@pytest.mark.parametrize("option", [["--length", "0"], ["--length", "-1"], ["--record", "."]])
def test_options_out_of_range_are_refused_before_anything_is_written(deployed: Path, option: list[str]) -> None:
    result = RUNNER.invoke(cli.app, ["export", str(deployed), "--score", "--format", "torch-export", *option])
    assert result.exit_code == 2 and option[0] in result.output
    assert not deployed.with_suffix(".pt2").exists()


def test_what_is_exported_already_is_named(deployed: Path) -> None:
    error = RUNNER.invoke(cli.app, ["export", str(deployed.with_suffix(".onnx"))]).exception
    assert "deployed.onnx is exported already; name the checkpoint that it came from" in str(error)
