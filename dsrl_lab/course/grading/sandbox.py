"""One process of a student's, shut in: what it may read, write, reach and use up.

With bubblewrap it sees the system's programs and libraries, Python and the student's copy of the kit, all read-only,
and a small folder in memory that vanishes with it; no network, no other processes, no environment. The kernel limits
its time, address space, files and number of processes; memory of all its processes together, output and the time on
the clock are watched from outside. Without bubblewrap nothing is shut in, and only ``unsafe=True`` starts it all the
same.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import threading
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

import psutil

from dsrl_lab.course.grading.messages import Garbled, receive, send
from dsrl_lab.course.grading.processes import descendants, kernel_version, own_memory, spent_seconds, wants_to_run

START = "import json, os, sys; c = json.loads(sys.argv[1]); os.chdir('/tmp'); "
DROP_ROOT = "os.setgroups([]); os.setresgid(*3 * (c['user'],)); os.setresuid(*3 * (c['user'],)); "
SERVE = "sys.path[:0] = c['path']; from dsrl_lab.course.grading.worker import main; main(c['socket'], c['limits'])"
KIT = "/kit"
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64")
KEPT_OUTPUT = 20_000
NOT_INSTALLED = "it is not installed (on Debian or Ubuntu: apt-get install bubblewrap)"
REFUSED = (
    "it cannot make name spaces here ({said}); the kernel, AppArmor or the container must allow this user to make "
    "user name spaces"
)
NOT_HERE = (
    "expected bubblewrap (the program bwrap) to shut students' code in, and {found}. Grading without it lets students' "
    "code read and change whatever you can; if you trust every submission, say --unsafe"
)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a submission may use up.

    Attributes:
        cpu_seconds: of CPU time of all its processes for one request; ten times that for one process, by the kernel.
        idle_seconds: for one request (a cell, or an exercise's inputs) in which none of its processes wants to run; a
            submission that waits for its turn on a busy computer is not idle.
        wall_seconds: on the clock for one request, busy computer or not.
        memory: bytes beyond what Python and PyTorch take at the start.
        processes: of the student's, threads included.
        output: bytes printed.
        file_bytes: of one file, and of the folder in memory.
        reply: bytes of one reply.
    """

    cpu_seconds: int = 40
    idle_seconds: float = 20.0
    wall_seconds: float = 1800.0
    memory: int = 960 * 2**20
    processes: int = 24
    output: int = 2 * 2**20
    file_bytes: int = 16 * 2**20
    reply: int = 64 * 2**20


class Stopped(Exception):  # noqa: N818 - an end, expected of some submissions
    """The student's process is no more, or no longer makes sense; the text says why."""


@cache
def bubblewrap() -> str:
    """Why bubblewrap cannot be used here; "" if it can."""
    program = shutil.which("bwrap")
    if program is None:
        return NOT_INSTALLED
    tried = subprocess.run(
        [program, *_walls(), "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "true"],
        capture_output=True,
        text=True,
    )
    return "" if tried.returncode == 0 else REFUSED.format(said=tried.stderr.strip()[:200])


def protections(*, unsafe: bool = False) -> tuple[str, ...]:
    """What is in force when a student's code runs here.

    Args:
        unsafe: whether to go on where there is no bubblewrap.

    Raises:
        ValueError: there is no bubblewrap, and ``unsafe`` was not asked for.
    """
    limits = ("time", "address space", "file size", "output")
    if reason := bubblewrap():
        if not unsafe:
            raise ValueError(NOT_HERE.format(found=reason))
        return limits
    user = "unprivileged user" if os.geteuid() == 0 else "user name space"
    spaces = ("no network", "no other processes", "read-only files, solutions absent", "empty environment")
    return (*spaces, user, *limits, "number of processes", "memory of all processes")


def _walls() -> list[str]:
    spaces = ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
    if os.geteuid() == 0:  # as root, a user of its own is taken inside, so that the kernel counts its processes
        spaces += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        spaces += ["--unshare-user", *(["--disable-userns"] if _knows("--disable-userns") else [])]
    return ["--die-with-parent", "--new-session", "--clearenv", *spaces]


@cache
def _knows(option: str) -> bool:
    return option in subprocess.run(["bwrap", "--help"], capture_output=True, text=True).stdout


def packages() -> list[Path]:
    """Folders of installed packages that this Python imports from."""
    found = {Path(sysconfig.get_path(name)) for name in ("purelib", "platlib")}
    found |= {Path(entry) for entry in sys.path if Path(entry).name in ("site-packages", "dist-packages")}
    return sorted(folder.resolve() for folder in found if folder.is_dir())


def _files(kit: Path, size: int) -> list[str]:
    """Mounts: the system, Python, packages without the teacher's copy of the kit, the student's copy."""
    # First of all, so that a checkout or a Python below /tmp is mounted into it, not hidden under it.
    mounts = ["--size", str(size), "--perms", "1777", "--tmpfs", "/tmp"]
    for name in SYSTEM:
        folder = Path(name)
        if folder.is_symlink():
            mounts += ["--symlink", str(folder.readlink()), name]
        elif folder.is_dir():
            mounts += ["--ro-bind", name, name]
    mounts += ["--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"]
    shown = [Path(sys.base_prefix).resolve(), *packages()]
    for folder in shown:
        for parent in reversed(folder.parents[:-1]):  # made by bubblewrap, by default for root alone to enter
            mounts += ["--perms", "0755", "--dir", str(parent)]
        mounts += ["--ro-bind", str(folder), str(folder)]
    for folder in shown:
        hidden = [folder / "dsrl_lab", *folder.glob("dsrl_lab-*"), folder / "nbgrader"]
        for path in (path for path in hidden if path.is_dir()):
            mounts += ["--tmpfs", str(path), "--remount-ro", str(path)]
    secret = Path(__file__).resolve().parents[2]
    for folder in (kit, secret):
        inside = [str(other) for other in shown if folder.is_relative_to(other) and folder != other / "dsrl_lab"]
        if inside:
            raise ValueError(f"{folder} lies in {inside[0]}, which students' code may read; move it elsewhere")
    mounts += ["--ro-bind", str(kit), KIT, "--proc", "/proc", "--dev", "/dev"]
    mounts += ["--size", str(2**20), "--perms", "1777", "--tmpfs", "/dev/shm", "--remount-ro", "/dev"]
    return [*mounts, "--remount-ro", "/"]


class Sandbox:
    """A student's process; leave the ``with`` block and it is gone, with all that it started.

    Args:
        kit: the student's copy of the kit.
        limits: what it may use up.
        unsafe: go on where there is no bubblewrap.

    Raises:
        ValueError: there is no bubblewrap, and ``unsafe`` was not asked for.
    """

    def __init__(self, kit: Path, limits: Limits | None = None, *, unsafe: bool = False) -> None:
        protections(unsafe=unsafe)
        self.kit, self.limits, self.shut_in = kit.resolve(), limits or Limits(), not bubblewrap()
        self.output = b""
        self._printed, self._why, self._listening = 0, "", True
        self._lock = threading.Lock()
        self._peak, self._cpu_seconds, self._idle_since = 0, 0.0, time.monotonic()
        self._before: float | None = None  # CPU time before this request; the first, with the start in it, is not timed

    def __enter__(self) -> Self:
        ours, theirs = socket.socketpair()
        self._line = ours
        self._process = subprocess.Popen(
            self._command(theirs.fileno()),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(theirs.fileno(),),
            env=self._environment(),
            start_new_session=True,
        )
        theirs.close()
        assert self._process.stdout is not None
        self._pipe = self._process.stdout.fileno()
        os.set_blocking(self._pipe, False)
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop("")
        self._process.wait()
        self._watcher.join()
        self._line.close()
        assert self._process.stdout is not None
        self._process.stdout.close()

    @property
    def peak_memory(self) -> int:
        """Most bytes of its own that all processes together held, as seen from outside."""
        return self._peak

    @property
    def cpu_seconds(self) -> float:
        """CPU time of the processes that were there at once, at most 0.1 s old."""
        return self._cpu_seconds

    def ask(self, what: str, *arguments: Any) -> Any:
        """Send a request and wait for the reply.

        Args:
            what: prepare, run or call.
            arguments: plain data.

        Raises:
            Stopped: no reply came, or none that makes sense.
        """
        self._idle_since = time.monotonic()
        deadline = time.monotonic() + self.limits.wall_seconds
        try:
            send(self._line, (what, arguments), deadline=deadline)
            reply = receive(self._line, limit=self.limits.reply, deadline=deadline)
            self._before = sum(map(spent_seconds, descendants(self._process.pid)))
            return reply
        except TimeoutError:
            self._stop(f"it took longer than {self.limits.wall_seconds:.0f} seconds on the clock")
        except Garbled as error:
            self._stop(f"its reply was no message ({error})")
        except (EOFError, OSError):
            self._ended()
        raise Stopped(self._why)

    def stop_listening(self) -> None:
        """Keep what was printed up to now, and nothing after it: hidden inputs come next."""
        with self._lock:
            self._drain()
            self._listening = False

    def _command(self, descriptor: int) -> list[str]:
        path = [KIT if self.shut_in else str(self.kit), *map(str, packages())]
        root = self.shut_in and os.geteuid() == 0
        limits = {
            "cpu_seconds": 10 * self.limits.cpu_seconds,
            "memory": self.limits.memory,
            "file_bytes": self.limits.file_bytes,
            "processes": self._most_processes(root=root),
        }
        user = 61_000 + secrets.randbelow(4_000)
        told = json.dumps({"path": path, "socket": descriptor, "limits": limits, "user": user})
        python = [str(Path(sys.executable).resolve()), "-I", "-S", "-B", "-c", START + DROP_ROOT * root + SERVE, told]
        if not self.shut_in:
            return python
        bwrap = shutil.which("bwrap")
        assert bwrap is not None
        environment = [word for pair in self._environment().items() for word in ("--setenv", *pair)]
        return [bwrap, *_walls(), *environment, *_files(self.kit, self.limits.file_bytes), "--", *python]

    def _most_processes(self, *, root: bool) -> int:
        if root or (self.shut_in and kernel_version() >= (5, 14)):  # of a name space or user of its own
            return self.limits.processes
        mine = [p for p in psutil.process_iter(["uids", "num_threads"]) if _is_mine(p)]
        return self.limits.processes + sum(p.info["num_threads"] or 1 for p in mine)

    @staticmethod
    def _environment() -> dict[str, str]:
        one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        home = {"HOME": "/tmp", "USER": "student", "LOGNAME": "student", "MPLCONFIGDIR": "/tmp", "MPLBACKEND": "Agg"}
        return {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **one, **home}

    def _watch(self) -> None:
        """Read what is printed and look at the memory of all processes, until the end."""
        while True:
            with self._lock:
                self._drain()
            if self._process.poll() is not None:
                return
            family = descendants(self._process.pid)
            held = sum(map(own_memory, family))
            self._peak = max(self._peak, held)
            self._cpu_seconds = max(self._cpu_seconds, sum(map(spent_seconds, family)))
            if held > self.limits.memory + 400 * 2**20:
                self._stop(f"all its processes together took more than {self.limits.memory >> 20} MiB of memory")
            if self._before is not None and self._cpu_seconds - self._before > self.limits.cpu_seconds:
                self._stop(self._too_long)
            if any(map(wants_to_run, family)):
                self._idle_since = time.monotonic()
            elif time.monotonic() - self._idle_since > self.limits.idle_seconds:
                self._stop(f"it waited for more than {self.limits.idle_seconds:.0f} seconds and did nothing")
            time.sleep(0.1)

    @property
    def _too_long(self) -> str:
        return f"it used more than {self.limits.cpu_seconds} seconds of CPU time"

    def _drain(self) -> None:
        try:
            while part := os.read(self._pipe, 1 << 16):
                self._printed += len(part)
                if self._listening and len(self.output) < KEPT_OUTPUT:
                    self.output += part[: KEPT_OUTPUT - len(self.output)]
                if self._printed > self.limits.output:
                    self._stop(f"it printed more than {self.limits.output >> 20} MiB")
                    return
        except BlockingIOError:
            return

    def _stop(self, why: str) -> None:
        self._why = self._why or why
        members = [] if self.shut_in else descendants(self._process.pid)  # in a name space, all end with the first
        self._process.kill()
        for member in members:
            try:
                os.kill(member, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def _ended(self) -> None:
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._stop("it closed its line to the grader")
            return
        cpu_time_up = code in (-24, 152)
        self._why = self._why or (self._too_long if cpu_time_up else f"it ended without an answer (exit code {code})")


def _is_mine(process: psutil.Process) -> bool:
    return process.info["uids"] is not None and process.info["uids"].real == os.getuid()
