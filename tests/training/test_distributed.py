"""Two processes (gloo), each with its share in two parts, take the same steps as one with the whole batch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAM = """
import json, sys, torch
torch.set_num_threads(1)
from pathlib import Path
from lightning_fabric import Fabric
from dsrl_lab.training.loop import fit
from dsrl_lab.training.examples import DecodedSamples
from dsrl_lab.training.tasks import SegmentationTask
from tests.training.small import network, pictures, small_config

devices = int(sys.argv[1])
config = small_config(freeze_batch_norm=True, record_every=1, iterations=6, accumulate=int(sys.argv[3]))
fabric = Fabric(accelerator="cpu", devices=devices, strategy="ddp" if devices > 1 else "auto")
fabric.launch()
dsrl = network()
dsrl.task_model.host.classifier[0].p = 0.0  # dropout draws differ between one and two processes
samples = pictures()
samples[0].mask[:12] = 255  # the processes' shares count unequally many pixels
records = fit(dsrl, SegmentationTask(config), DecodedSamples(samples), config, fabric=fabric,
              directory=Path(sys.argv[2]))
lines = [[record.loss, record.task, record.sisr, record.affinity] for record in records]
if fabric.is_global_zero:
    print(json.dumps(lines))
"""


def losses(processes: int, directory: Path, *, accumulate: int = 1) -> list[list[float]]:
    launch = [sys.executable] if processes == 1 else [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)
    ]  # fmt: skip
    script = directory / "program.py"
    script.write_text(PROGRAM, encoding="utf-8")
    result = subprocess.run(
        [*launch, str(script), str(processes), str(directory / "run"), str(accumulate)],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return json.loads(next(line for line in result.stdout.splitlines() if line.startswith("[[")))


def test_two_processes_give_the_losses_of_one(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one, two = losses(1, tmp_path / "one"), losses(2, tmp_path / "two", accumulate=2)
    assert len(one) == len(two) == 6
    for mine, theirs in zip(one, two, strict=True):
        assert theirs == pytest.approx(mine, abs=1e-4)
    assert (tmp_path / "two" / "run" / "latest.safetensors").is_file()
