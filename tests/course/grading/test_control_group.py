"""Control groups of both versions, in folders of files as the kernel shows them, and as systemd's scopes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dsrl_lab.course.grading import control_group, launch
from dsrl_lab.course.grading.control_group import CPU, MEMORY, PROCESSES, ControlGroup

FILES = {
    2: {
        "cgroup.procs": "",
        "cgroup.kill": "",
        "memory.max": "",
        "memory.swap.max": "",
        "memory.events": "low 0\noom_kill 0\n",
        "pids.max": "",
        "cpu.stat": "usage_usec 2500000\nuser_usec 7\n",
    },
    1: {
        "cgroup.procs": "",
        "memory.limit_in_bytes": "",
        "memory.memsw.limit_in_bytes": "",
        "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n",
        "pids.max": "",
        "cpuacct.usage": "2500000000\n",
    },
}


@pytest.fixture(params=(2, 1))
def parent(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A group in which a new folder is filled with the kernel's files."""
    mkdir = Path.mkdir

    def filled(self: Path, *arguments: int, **options: bool) -> None:
        mkdir(self, *arguments, **options)
        for name, text in FILES[request.param].items():
            (self / name).write_text(text)

    monkeypatch.setattr(Path, "mkdir", filled)
    monkeypatch.setattr(control_group, "_parents", lambda: [tmp_path])
    monkeypatch.setattr(control_group, "_systemd", lambda: False)
    return tmp_path


def test_limits_are_written_and_usage_is_read(parent: Path) -> None:
    group = ControlGroup(memory=1000, processes=7)
    (folder,) = group.folders
    assert group.enforced == {MEMORY, PROCESSES, CPU}
    limits = {name: (folder / name).read_text() for name in control_group.LIMITS if (folder / name).exists()}
    assert limits in (
        {"memory.max": "1000", "memory.swap.max": "0", "pids.max": "7"},
        {"memory.limit_in_bytes": "1000", "memory.memsw.limit_in_bytes": "1000", "pids.max": "7"},
    )
    assert group.join() == [str(folder / "cgroup.procs")]
    assert group.cpu_seconds() == 2.5
    assert not group.out_of_memory()
    for name in ("memory.events", "memory.oom_control"):
        if (folder / name).exists():
            (folder / name).write_text("oom_kill 3\n")
    assert group.out_of_memory()


def test_without_a_group_nothing_is_promised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_group, "_systemd", lambda: False)
    monkeypatch.setattr(control_group, "_parents", lambda: [tmp_path / "not there"])
    group = ControlGroup(memory=1, processes=1)
    assert group.enforced == set() and group.cpu_seconds() is None and not group.out_of_memory()
    group.close()


@pytest.mark.skipif(sys.platform != "linux", reason="control groups are Linux's")
def test_a_scope_of_systemd_runs_the_command_and_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "systemd-run"  # as systemd's: options, then "--", then the command in its place
    program.write_text('#!/bin/sh\nwhile [ "$1" != "--" ]; do shift; done; shift; exec "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(control_group, "_systemd", lambda: True)
    group = ControlGroup(memory=5, processes=6)
    options = [word for word in group.command if word.startswith("--property")]
    assert options == ["--property=MemoryMax=5", "--property=MemorySwapMax=0", "--property=TasksMax=6"]
    assert ("--user" in group.command) == (os.geteuid() != 0) and group.enforced == {MEMORY, PROCESSES, CPU}
    with subprocess.Popen([*group.command, "cat"], stdin=subprocess.PIPE) as process:
        group.started(process.pid)
        assert str(group.folders[0]).startswith("/sys/fs/cgroup")
        group.folders = []
        process.kill()
    group.close()


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_refuses_by_number(machine: str) -> None:
    column = list(launch.MACHINES).index(machine)
    assert launch.REFUSED["ptrace"][column] == (101, 117)[column]
    assert len({numbers[column] for numbers in launch.REFUSED.values()}) == len(launch.REFUSED) > 30
    filtered = launch.system_calls(machine)
    assert all(numbers[column].to_bytes(4, sys.byteorder) in filtered for numbers in launch.REFUSED.values())
    assert len(filtered) // 8 < 4096, "the kernel takes no longer programs"
