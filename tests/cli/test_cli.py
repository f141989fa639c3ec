"""The command line: every command teaches, mistakes are one paragraph, and the main path runs from end to end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
from PIL import Image
from typer.testing import CliRunner

from dsrl_lab import cli
from dsrl_lab.cli.train import starting_weights
from dsrl_lab.recipes import find_recipe
from dsrl_lab.training import checkpoint, record

RUNNER = CliRunner()
COMMANDS = ["doctor", "data", "train", "evaluate", "predict", "reproduce", "figures", "cost", "bench", "notebooks"]
COMMANDS += ["results", "verdict", "affinity-study"]
TINY = ["--set", "train.iterations=2", "--set", "train.input_size=[16,24]", "--set", "train.batch_size=2"]


def invoke(*arguments: object) -> str:
    result = RUNNER.invoke(cli.app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result.output


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    changes = [*TINY, "--set", 'network.host_options={"width":0.5}']
    invoke("train", "streets_tinynet_dsrl", *changes, "--pictures", 3, 2, "--out", folder / "dsrl")
    return folder / "dsrl"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches(command: str) -> None:
    assert len(invoke(command, "--help")) > 200


def test_python_m_is_the_same_and_a_mistake_is_one_paragraph_without_traceback() -> None:
    command = [sys.executable, "-m", "dsrl_lab", "train", "camvid_espnet_dsrl"]
    result = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "COLUMNS": "200"})
    assert result.returncode == 2
    assert "unknown recipe" in result.stderr and "Traceback" not in result.stderr


def test_doctor_tells_found_and_wanted_and_a_program_can_read_it() -> None:
    findings = json.loads(invoke("doctor", "--json"))
    assert {"Python", "torch", "cores", "memory"} <= {finding["what"] for finding in findings}
    assert all(finding["remedy"] for finding in findings)
    assert all(finding["ok"] for finding in findings if finding["needed"])


def test_the_data_check_prints_brackets_as_they_are(tmp_path: Path) -> None:
    """What a person must write is no markup: "joints": [[x, y, visible] x 14]."""
    shown = CliRunner().invoke(cli.app, ["data", "check", "lsp_extended", "--root", str(tmp_path / "[red]")])
    text = " ".join(shown.output.split())
    assert shown.exit_code == 1 and "[[x, y, visible] x 14]" in text and "[red]" in text


@pytest.mark.usefixtures("chinese")
def test_doctor_speaks_chinese_to_people_and_english_to_programs() -> None:
    assert "CPU 核数" in invoke("doctor") and "cores" in invoke("doctor", "--json")


def test_training_leaves_record_and_deployed_network(trained: Path) -> None:
    lines = record.read(trained / "record.jsonl")
    assert [line["kind"] for line in lines] == ["run", "train", "end"]
    first, last = lines[0], lines[-1]
    assert first["recipe"] == "streets_tinynet_dsrl" and first["seed"] == 0 and first["versions"]["torch"]
    assert first["training_macs"] > first["macs"] > 0
    assert last["logits"]["protocol"] == "logits" and last["labels"]["protocol"] == "labels"
    assert last["super_resolution"]["psnr"] > 0
    assert (trained / "deployed.safetensors").stat().st_size < (trained / "latest.safetensors").stat().st_size


def test_evaluate_prints_json_that_agrees_with_the_record(trained: Path) -> None:
    printed = invoke("evaluate", trained / "deployed.safetensors", "--dataset", "streets", "--length", 2, "--json")
    scores = json.loads(printed[printed.index("{") :])
    assert scores["miou"] == pytest.approx(record.read(trained / "record.jsonl")[-1]["logits"]["miou"])
    assert len(scores["iou"]) == 11 and scores["split"] == "val"


def test_evaluate_shows_every_protocol(trained: Path) -> None:
    command = ("evaluate", trained / "deployed.safetensors", "--dataset", "streets", "--length", 2)
    by_protocol, logits = (json.loads(invoke(*command, *more, "--json")) for more in (("--protocol", "all"), ()))
    assert by_protocol["logits"] == logits["miou"] and len(by_protocol) == 7


def test_evaluate_takes_a_whole_runs_checkpoint_too(trained: Path) -> None:
    printed = invoke("evaluate", trained / "latest.safetensors", "--dataset", "streets", "--length", 2, "--json")
    scores = json.loads(printed[printed.index("{") :])
    assert scores["miou"] == pytest.approx(record.read(trained / "record.jsonl")[-1]["logits"]["miou"])


def test_predict_writes_overlays_and_ids_of_a_folder(trained: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.new("RGB", (48, 32), (90, 120, 200)).save(folder / "a.png")
    invoke("predict", trained / "deployed.safetensors", folder, "--out", tmp_path / "out")
    assert Image.open(tmp_path / "out" / "a_ids.png").size == (48, 32)
    assert Image.open(tmp_path / "out" / "a_overlay.png").mode == "RGB"


@pytest.mark.parametrize(
    ("recipe", "start"),
    [
        ("streets_tinynet_dsrl", "random weights"),
        ("camvid_drives_baseline", "released weights, espnetv2_cityscapes/espnetv2_s_1.0_city_512x256.pth"),
        ("cityscapes_deeplabv3plus_dsrl", "an encoder trained on ImageNet, IMAGENET1K_V1"),
        ("cityscapes_espnetv2_dsrl", "an encoder trained on ImageNet, espnetv2_s_2.0_imagenet_224x224.pth"),
    ],
)
def test_training_says_what_it_starts_from(recipe: str, start: str) -> None:
    assert starting_weights(find_recipe(recipe)) == start


def test_a_second_run_in_the_same_folder_wants_resume(trained: Path) -> None:
    with pytest.raises(FileExistsError, match="go on with --resume"):
        arguments = ["train", "streets_tinynet_dsrl", *TINY, "--out", str(trained)]
        raise RUNNER.invoke(cli.app, arguments).exception  # type: ignore[misc]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "camvid_espnetv2_dsrl"], "give --data ROOT"),
        (["train", "streets_tinynet_dsrl", "--set", "train.speed=9"], "has no field speed"),
        (["train", "streets_tinynet_dsrl", "--devices", "1000"], "a batch size that 1000 processes can share equally"),
        (["train", "streets_tinynet_dsrl", "--set", "speed"], "expected train.<field>=<value>"),
        (["evaluate", "absent.safetensors", "--dataset", "streets"], "no checkpoint at absent.safetensors"),
        (["cost", "alexnet"], "alexnet"),
    ],
)
def test_mistakes_are_named(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = RUNNER.invoke(cli.app, arguments)
    assert message in str(result.exception)


def test_a_split_that_is_missing_is_named(trained: Path) -> None:
    arguments = ["evaluate", str(trained / "deployed.safetensors"), "--dataset", "streets", "--split", "holidays"]
    assert "holidays" in str(RUNNER.invoke(cli.app, arguments).exception)


def test_a_checkpoint_without_its_training_is_scored_at_the_size_that_is_said(trained: Path, tmp_path: Path) -> None:
    loaded = checkpoint.load(trained / "deployed.safetensors")
    header = {key: value for key, value in loaded.description.items() if key != "train"}
    path = tmp_path / "net.safetensors"
    safetensors.torch.save_file(loaded.tensors, path, metadata={"dsrl_lab": json.dumps(header)})
    command = ["evaluate", str(path), "--dataset", "streets", "--length", "2"]
    message = str(RUNNER.invoke(cli.app, command).exception)
    assert "does not name its input size; give it with --input-size H W" in message
    invoke(*command, "--input-size", 16, 24)


def test_a_run_into_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    command = ["train", "streets_tinynet_dsrl", "--out", str(tmp_path / "file" / "run")]
    assert "found a file there; name another place" in str(RUNNER.invoke(cli.app, command).exception)
