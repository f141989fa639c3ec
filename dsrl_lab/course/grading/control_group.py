"""What all processes of a sandbox use together: /proc, and a control group, which is systemd's scope or a folder."""

import os
import platform
import secrets
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

PREFIX = "dsrl_lab_"
MEMORY, PROCESSES, CPU = "memory of all processes", "number of all processes", "CPU time of all processes"
LIMITS = {  # by the file that sets it; those of versions 2 and 1
    "memory.max": MEMORY,
    "memory.swap.max": "",
    "memory.limit_in_bytes": MEMORY,
    "memory.memsw.limit_in_bytes": "",
    "pids.max": PROCESSES,
}


class ControlGroup:
    """A group for one process and all that it starts, with a limit of bytes and of threads; ``close`` ends them all."""

    def __init__(self, *, memory: int, processes: int) -> None:
        self.folders: list[Path] = []
        self.enforced: set[str] = set()
        self.command: list[str] = []  # words to start the process with, before its own command
        if _systemd():
            self.command = _scope(memory, processes)
            self.enforced = {MEMORY, PROCESSES, CPU}
            return
        name = f"{PREFIX}{os.getpid()}_{secrets.token_hex(4)}"
        values = {file: processes if file == "pids.max" else memory * (file != "memory.swap.max") for file in LIMITS}
        for parent in _parents():
            folder = parent / name
            try:
                folder.mkdir()
            except OSError:  # read-only, not ours, or no such groups
                continue
            self.folders.append(folder)
            self.enforced |= {LIMITS[file] for file, value in values.items() if _set(folder / file, value)} - {""}
        self.enforced |= set() if self.cpu_seconds() is None else {CPU}

    def join(self) -> list[str]:
        """Files into which the process writes its number before it becomes the student's."""
        return [str(folder / "cgroup.procs") for folder in self.folders]

    def started(self, pid: int) -> None:
        """Find the scope that systemd has made for the process."""
        if self.command:
            place = next(line for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines() if line[:3] == "0::")
            self.folders = [Path("/sys/fs/cgroup") / place[3:].lstrip("/")]

    def cpu_seconds(self) -> float | None:
        """CPU time of all processes that were ever in the group; None where the kernel does not count it."""
        for folder in self.folders:
            if (found := _numbers(folder / "cpu.stat").get("usage_usec")) is not None:
                return found / 1e6
            if used := read(folder / "cpuacct.usage"):
                return int(used) / 1e9
        return None

    def out_of_memory(self) -> bool:
        """Whether the kernel has ended a process because of the group's memory."""
        files = (folder / file for folder in self.folders for file in ("memory.events", "memory.oom_control"))
        return any(_numbers(file).get("oom_kill", 0) for file in files)

    def kill(self) -> None:
        """End all processes of the group."""
        for folder in self.folders:
            if not _set(folder / "cgroup.kill", 1):
                for pid in read(folder / "cgroup.procs").split():
                    with suppress(OSError):
                        os.kill(int(pid), signal.SIGKILL)

    def close(self) -> None:
        """End all processes and remove the group; systemd removes its own."""
        self.kill()
        for folder in [] if self.command else self.folders:
            for _ in range(200):  # the kernel needs a moment to remove the ended processes
                with suppress(OSError):
                    folder.rmdir()
                if not folder.exists():
                    break
                time.sleep(0.01)


@cache
def enforced() -> frozenset[str]:
    """What the kernel limits for all processes of a sandbox together, on this computer, for this user."""
    for parent in _parents():  # what a killed grader has left
        for folder in parent.glob(f"{PREFIX}*"):
            if not Path(f"/proc/{folder.name.removeprefix(PREFIX).partition('_')[0]}").exists():
                left = ControlGroup.__new__(ControlGroup)
                left.folders, left.command = [folder], []
                left.close()
    group = ControlGroup(memory=2**30, processes=64)
    group.close()
    return frozenset(group.enforced)


@cache
def _systemd() -> bool:
    if not Path("/run/systemd/system").is_dir() or shutil.which("systemd-run") is None:
        return False
    with suppress(subprocess.TimeoutExpired):
        return subprocess.run([*_scope(2**30, 64), "true"], capture_output=True, timeout=20).returncode == 0
    return False


def _scope(memory: int, processes: int) -> list[str]:
    unit = f"--unit={PREFIX}{os.getpid()}_{secrets.token_hex(4)}"
    limits = [f"--property={name}" for name in (f"MemoryMax={memory}", "MemorySwapMax=0", f"TasksMax={processes}")]
    return ["systemd-run", *(["--user"] * (os.geteuid() != 0)), "--scope", "--quiet", "--collect", unit, *limits, "--"]


def _parents() -> list[Path]:
    mounts: dict[str, tuple[str, str]] = {}
    for line in read(Path("/proc/self/mountinfo")).splitlines():
        words = line.split()
        kind, options = words[words.index("-") + 1], words[-1].split(",")
        for name in [""] if kind == "cgroup2" else options if kind == "cgroup" else []:
            mounts[name] = (words[3], words[4])
    found: dict[Path, None] = {}
    for line in read(Path("/proc/self/cgroup")).splitlines():
        _, names, place = line.split(":", 2)
        for name in names.split(","):
            if name in ("", "memory", "pids", "cpuacct") and name in mounts:
                found[Path(mounts[name][1]) / os.path.relpath(place, mounts[name][0])] = None
    return list(found)


def _set(file: Path, value: int) -> bool:
    with suppress(OSError), file.open("r+") as there:  # never creates it
        there.write(str(value))
        return True
    return False


def _numbers(file: Path) -> dict[str, int]:
    return {name: int(value) for name, value in (line.split() for line in read(file).splitlines())}


def descendants(pid: int) -> list[int]:
    """All descendants of a process, by the kernel's own lists; to look at all processes would cost more."""
    found, queue = [], [pid]
    while queue:
        with suppress(OSError):  # the process is gone
            for task in list(Path(f"/proc/{queue.pop()}/task").iterdir()):
                below = [int(child) for child in read(task / "children").split()]
                found += below
                queue += below
    return found


def read(path: Path) -> str:
    """A text of the kernel's; "" where there is none, or its process is gone."""
    with suppress(OSError):
        return path.read_text(encoding="utf-8", errors="replace")
    return ""


def own_memory(pid: int) -> int:
    """Bytes of memory that only this process holds, and of shared memory."""
    lines = dict(line.split(":", 1) for line in read(Path(f"/proc/{pid}/status")).splitlines() if ":" in line)
    return sum(1024 * int(lines[name].split()[0]) for name in ("RssAnon", "RssShmem") if name in lines)


def _state(pid: int) -> list[str]:
    return read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()


def cpu_time(pid: int) -> tuple[float, float]:
    """CPU seconds of a process, and of those of its children that have ended."""
    fields = _state(pid)[11:15] or ["0"] * 4
    user, system, childrens_user, childrens_system = (int(field) for field in fields)
    tick = os.sysconf("SC_CLK_TCK")
    return (user + system) / tick, (childrens_user + childrens_system) / tick


def wants_to_run(pid: int) -> bool:
    """Whether a process runs, or waits for the disk."""
    return _state(pid)[:1] in (["R"], ["D"])


def kernel_version() -> tuple[int, int]:
    """Major and minor version of the kernel."""
    major, minor = platform.release().split("-")[0].split(".")[:2]
    return int(major), int(minor)
