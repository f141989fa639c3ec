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
    assert Path(answer["path"]) == deployed.with_suffix(".pt2") and deployed.with_suffix(".pt2").is_file()
    assert answer["miou"] == pytest.approx(answer["pytorch_miou"], abs=0.05)
    assert answer["output_size"] == [32, 48]
    (line,) = record.read(kept)
    assert line["kind"] == "export" and line["precision"] == "bf16" and line["pictures"] == 2
    assert line["miou"] == answer["miou"] and line["path"] == "deployed.pt2"  # no folder of this machine


def test_eight_bits_take_pictures_of_train(deployed: Path) -> None:
    pytest.importorskip("onnxruntime", reason="install the extra: pip install dsrl-lab[export]")
    result = RUNNER.invoke(cli.app, ["export", str(deployed), "--precision", "int8", "--score", "--length", "2"])
    assert result.exit_code == 0, result.output + repr(result.exception)
    printed = " ".join(result.output.split())
    assert "onnx, int8" in printed and "mIoU on streets val" in printed


def test_a_wrong_choice_is_named(deployed: Path) -> None:
    result = RUNNER.invoke(cli.app, ["export", str(deployed), "--format", "gguf"])
    assert "unknown format 'gguf'" in str(result.exception)
