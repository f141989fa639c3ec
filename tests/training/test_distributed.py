"""Two processes (gloo) are one: the same steps with shares in two parts, the same scores, torchrun's command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dsrl_lab.training import record

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAM = """
import json, sys, torch
torch.set_num_threads(1)
from pathlib import Path
from lightning_fabric import Fabric
from dsrl_lab.training.loop import fit
from dsrl_lab.training.examples import Batches, DecodedSamples
from dsrl_lab.training.processes import leave_together
from dsrl_lab.training.objectives import SegmentationObjective
from tests.training.small import network, pictures, small_config

devices = int(sys.argv[1])
config = small_config(freeze_batch_norm=True, record_every=1, iterations=6, accumulate=int(sys.argv[3]))
fabric = Fabric(accelerator="cpu", devices=devices, strategy="ddp" if devices > 1 else "auto")
fabric.launch()
dsrl = network()
dsrl.task_model.host.classifier[0].p = 0.0  # dropout draws differ between one and two processes
samples = pictures()
samples[0].mask[:12] = 255  # the processes' shares count unequally many pixels
learnt = SegmentationObjective(config)
batches = Batches.for_run(DecodedSamples(samples), learnt.example, config, fabric)
records = fit(dsrl, learnt, batches, config, fabric=fabric, directory=Path(sys.argv[2]))
lines = [[record.loss, record.task, record.sisr, record.affinity] for record in records]
if fabric.is_global_zero:
    print(json.dumps(lines))
leave_together()
"""


SCORING = """
import json, sys, torch
torch.set_num_threads(1)
from dataclasses import asdict
from lightning_fabric import Fabric
from dsrl_lab.datasets.base import ClassTable, SegmentationDataset
from dsrl_lab.datasets.people import StreetPeople
from dsrl_lab.training.evaluate import evaluate_segmentation, evaluate_super_resolution
from dsrl_lab.training import pose as poses
from dsrl_lab.training.processes import leave_together
from tests.training.small import TwoLayers, network, pictures

class Val(SegmentationDataset):
    class_table, split = ClassTable(tuple("abc"), ((0, 0, 0), (9, 0, 0), (0, 9, 0)), thin=("c",)), "val"

    def __init__(self, length):
        self.names, self.read = tuple(map(str, range(length))), 0

    def __getitem__(self, index):
        self.read += 1
        return pictures(5)[index]

devices = int(sys.argv[1])
fabric = Fabric(accelerator="cpu", devices=devices, strategy="ddp" if devices > 1 else "auto")
fabric.launch()
poses.BATCH = 2
dsrl, pose = network(), TwoLayers(14)
for model in (dsrl, pose):  # as after a step: weights agree, BatchNorm's statistics do not
    for name, buffer in model.named_buffers():
        buffer += fabric.global_rank if "running" in name else 0
val, people, scores = Val(5), StreetPeople("val", size=(32, 32), length=5), {}
for protocol in ("logits", "labels"):
    result = evaluate_segmentation(dsrl.task_model, val, input_size=(12, 16), protocol=protocol, fabric=fabric)
    scores[protocol] = result.to_json()
few = evaluate_segmentation(dsrl.task_model, Val(1), input_size=(12, 16), fabric=fabric)
scores["fewer pictures than processes"] = few.to_json()
scores["sisr"] = evaluate_super_resolution(dsrl, val, input_size=(12, 16), fabric=fabric)
scores["pose"] = asdict(poses.evaluate_pose(pose, people, input_size=(32, 32), fabric=fabric))
if fabric.is_global_zero:
    print(json.dumps([val.read, scores]))
leave_together()
"""


def launched(processes: int, *arguments: str) -> str:
    """What Python prints on so many processes; it must succeed."""
    launch = [sys.executable] if processes == 1 else [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)
    ]  # fmt: skip
    result = subprocess.run(
        [*launch, *arguments],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


def printed(program: str, processes: int, directory: Path, *arguments: str) -> list[Any]:
    """The list that a program prints."""
    script = directory / "program.py"
    script.write_text(program, encoding="utf-8")
    out = launched(processes, str(script), str(processes), *arguments)
    return json.loads(next(line for line in out.splitlines() if line.startswith("[")))


def losses(processes: int, directory: Path, *, accumulate: int = 1) -> list[list[float]]:
    return printed(PROGRAM, processes, directory, str(directory / "run"), str(accumulate))


def test_two_processes_give_the_losses_of_one(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one, two = losses(1, tmp_path / "one"), losses(2, tmp_path / "two", accumulate=2)
    assert len(one) == len(two) == 6
    for mine, theirs in zip(one, two, strict=True):
        assert theirs == pytest.approx(mine, abs=1e-4)
    assert (tmp_path / "two" / "run" / "latest.safetensors").is_file()


def test_two_processes_share_the_pictures_and_score_as_one_does(tmp_path: Path) -> None:
    (read, one), (of_first, two) = (printed(SCORING, processes, tmp_path) for processes in (1, 2))
    assert read == 3 * 5 and of_first == 3 * 3
    assert one["logits"]["pictures"] == 5 and len(set(one["logits"]["iou"].values())) == 3 and one["pose"]["pck"] > 0
    assert two == one  # to the last bit


def test_torchrun_trains_by_the_command_line(tmp_path: Path) -> None:
    run = tmp_path / "run"
    changes = "train.iterations=2", "train.batch_size=2", "train.record_every=1", "train.input_size=[24,32]"
    options = [word for change in changes for word in ("--set", change)]
    out = launched(
        2, "-m", "dsrl_lab", "train", "streets_tinynet_45x60_dsrl", "--pictures", "2", "3", "--out", str(run), *options
    )
    assert out.count("record and deployed network in") == 1
    lines = record.read(run / "record.jsonl")
    assert [line["kind"] for line in lines] == ["run", "train", "train", "end"]
    assert lines[-1]["logits"]["pictures"] == lines[-1]["labels"]["pictures"] == 3 and lines[-1]["super_resolution"]
    assert (run / "deployed.safetensors").is_file()
