"""Two hosts, each a network namespace of its own, one of them killed in the middle: the run resumes bit for bit."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from dsrl_lab.training import record

REPOSITORY = Path(__file__).resolve().parents[2]
ADDRESSES = "10.77.0.1", "10.77.0.2"
CHANGES = {"iterations": 12, "batch_size": 4, "accumulate": 2, "precision": "bf16-mixed", "input_size": [24, 32]}
CHANGES |= {"checkpoint_every": 2, "record_every": 1}


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@pytest.fixture
def hosts() -> Iterator[list[str]]:
    """Names of two namespaces that see each other over a cable of their own, and nothing else."""
    if os.geteuid() or not shutil.which("ip"):
        pytest.skip("two hosts need root and iproute2's ip: network namespaces")
    names = [f"dsrl{os.getpid()}{letter}" for letter in "ab"]
    try:
        for name in names:
            ip("netns", "add", name)
        ip("link", "add", "cable", "netns", names[0], "type", "veth", "peer", "name", "cable", "netns", names[1])
        for name, address in zip(names, ADDRESSES, strict=True):
            ip("-n", name, "addr", "add", f"{address}/24", "dev", "cable")
            for device in ("cable", "lo"):
                ip("-n", name, "link", "set", device, "up")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network namespaces here: {error.stderr.decode().strip()}")
    yield names
    for name in names:
        ip("netns", "del", name)


def start(host: str, number: int, out: Path) -> subprocess.Popen[bytes]:
    """One of the two launchers, as a cluster's scheduler would start it on each machine."""
    options = [word for name, value in CHANGES.items() for word in ("--set", f"train.{name}={value}")]
    rendezvous = ["--nnodes", "2", "--node-rank", str(number), "--nproc-per-node", "1", "--rdzv-backend", "c10d"]
    rendezvous += ["--rdzv-endpoint", f"{ADDRESSES[0]}:29500", "--local-addr", ADDRESSES[number]]
    rendezvous += ["--rdzv-conf", f"is_host={int(number == 0)}"]
    command = ["ip", "netns", "exec", host, sys.executable, "-m", "torch.distributed.run", *rendezvous]
    command += ["-m", "dsrl_lab", "train", "streets_tinynet_45x60_dsrl", "--pictures", "4", "2"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "cable"}
    log = (out.parent / f"{out.name}_{number}.log").open("ab")
    return subprocess.Popen(
        [*command, "--out", str(out), "--resume", *options],
        cwd=REPOSITORY, env=environment, stdout=log, stderr=log, start_new_session=True,
    )  # fmt: skip


def kill(host: str) -> None:
    """Everything that runs on a host: launcher and workers are in sessions of their own."""
    for pid in subprocess.run(["ip", "netns", "pids", host], check=True, capture_output=True).stdout.split():
        os.kill(int(pid), signal.SIGKILL)


def steps_of(run: Path) -> int:
    file = run / "record.jsonl"
    return sum(line["kind"] == "train" for line in record.read(file)) if file.exists() and file.stat().st_size else 0


def end(launcher: subprocess.Popen[bytes], out: Path) -> None:
    assert launcher.wait(timeout=900) == 0, "".join(p.read_text() for p in out.parent.glob("*.log"))[-4000:]


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_a_run_on_two_hosts_survives_the_death_of_one(hosts: list[str], tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for launcher in [start(host, number, whole) for number, host in enumerate(hosts)]:
        end(launcher, whole)
    first, second = (start(host, number, cut) for number, host in enumerate(hosts))
    while steps_of(cut) < 3:
        assert first.poll() is None, "".join(p.read_text() for p in tmp_path.glob("cut*.log"))[-4000:]
        time.sleep(0.02)
    for host in reversed(hosts):  # the second host's power fails; then a scheduler ends the job on the first
        kill(host)
    first.wait(), second.wait()
    assert 3 <= steps_of(cut) < 12 and record.read(cut / "record.jsonl")[-1]["kind"] == "train"
    for launcher in [start(host, number, cut) for number, host in enumerate(hosts)]:
        end(launcher, cut)
    for name in ("latest", "deployed"):
        weights = [load_file(folder / f"{name}.safetensors") for folder in (whole, cut)]
        assert weights[0].keys() == weights[1].keys()
        assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    steps = [
        [(x["iteration"], x["loss"]) for x in record.read(f / "record.jsonl") if x["kind"] == "train"]
        for f in (whole, cut)
    ]
    assert steps[0] == steps[1] and len(steps[0]) == 12
