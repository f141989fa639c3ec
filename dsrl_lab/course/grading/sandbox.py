"""A student's process, shut in by bubblewrap: files read-only, no network; one budget over all its starts."""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import psutil

from dsrl_lab.course.grading import control_group, launch, walls
from dsrl_lab.course.grading.control_group import ControlGroup, descendants
from dsrl_lab.course.grading.messages import BadMessage, clean, receive, send
from dsrl_lab.language import VARIABLE, language

START = "import json, os, sys; c = json.loads(sys.argv[1]); os.chdir('/tmp'); "
DROP_ROOT = "os.setgroups([]); os.setresgid(*3 * (c['user'],)); os.setresuid(*3 * (c['user'],)); "
SERVE = "sys.path[:0] = c['path']; from dsrl_lab.course.grading.worker import main; main(c['socket'], c['limits'])"
AT_THE_START = 400 * 2**20  # bytes of memory that Python and PyTorch take
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/tmp", "USER": "student", "LOGNAME": "student"}
ENVIRONMENT |= {"MPLCONFIGDIR": "/tmp", "MPLBACKEND": "Agg"}
ENVIRONMENT |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
KEPT_OUTPUT = 20_000
KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)
CPU_LIMIT = (-signal.SIGXCPU, 128 + signal.SIGXCPU)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a submission may use: for one request (a cell, or an exercise's inputs), and in total."""

    cpu_seconds: int = 40  # of all its processes
    idle_seconds: float = 20.0  # in which no process wants to run; to wait for a busy computer is not idle
    wall_seconds: float = 1800.0
    total_cpu_seconds: int = 160
    total_idle_seconds: float = 60.0
    total_wall_seconds: float = 3600.0
    memory: int = 960 * 2**20  # bytes beyond what Python and PyTorch take at the start
    processes: int = 24  # threads included
    output: int = 2 * 2**20  # bytes printed
    file_bytes: int = 16 * 2**20  # of one file, and of the folder in memory


@dataclass
class Usage:
    """What a submission has used, over all its processes, since each was ready."""

    cpu_seconds: float = 0.0
    idle_seconds: float = 0.0  # in which a request was open and no process wanted to run
    wall_seconds: float = 0.0  # in which a request was open
    peak_memory: int = 0  # most bytes of their own that all processes held at once
    stages: dict[str, float] = field(default_factory=lambda: defaultdict(float))  # CPU seconds, by kind of request


class Stopped(Exception):  # noqa: N818 - expected of some submissions
    """The student's process has ended, or no longer makes sense; the text gives the reason in the grader's words."""

    def __init__(self, why: str, *, for_good: bool = False, unexplained: bool = False) -> None:
        super().__init__(why)
        self.for_good = for_good  # the submission's whole budget is used
        self.unexplained = unexplained  # it was killed, and not by the grader or its limits


class NotStarted(RuntimeError):  # noqa: N818
    """The sandbox did not start: a fault of this computer or of the course, never of a submission."""


class Sandbox:
    """A student's process; after the ``with`` block it is gone, with all that it started; ``usage`` grows.

    Raises ValueError without bubblewrap unless ``unsafe``, and NotStarted at the start of the block.
    """

    def __init__(
        self, kit: Path, limits: Limits | None = None, *, usage: Usage | None = None, unsafe: bool = False
    ) -> None:
        walls.protections(unsafe=unsafe)
        self.kit, self.limits, self.shut_in = kit.resolve(), limits or Limits(), not walls.bubblewrap()
        self.usage = usage or Usage()
        self.output = b""
        self._too_long = f"it used more than {self.limits.cpu_seconds} seconds of CPU time"
        self._too_much = f"all its processes together took more than {self.limits.memory >> 20} MiB of memory"
        self._printed, self._listening = 0, True
        self._end: Stopped | None = None
        self._lock = threading.Lock()
        self._seen: dict[int, tuple[float, float]] = {}  # process: CPU time when last seen, its ended children's
        self._asked: float | None = None  # when the open request began; none is open: None
        self._cpu_before, self._idle = 0.0, 0.0  # of the open request
        self._ready = False

    def __enter__(self) -> Self:
        self._line, theirs = socket.socketpair()
        processes = self.limits.processes + 8  # bubblewrap's own, too
        self._group = ControlGroup(memory=AT_THE_START + self.limits.memory, processes=processes)
        pipe, filter_end = os.pipe()
        os.write(filter_end, launch.system_calls())
        os.close(filter_end)
        bus = {name: os.environ[name] for name in ("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS") if name in os.environ}
        self._process = subprocess.Popen(
            self._command(theirs.fileno(), pipe),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(theirs.fileno(), pipe),
            env=ENVIRONMENT | {VARIABLE: language()} | (bus if self._group.command else {}),
            start_new_session=True,
        )
        theirs.close()
        os.close(pipe)
        assert self._process.stdout is not None
        self._pipe = self._process.stdout.fileno()
        os.set_blocking(self._pipe, False)
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        try:
            assert receive(self._line, limit=1000, deadline=time.monotonic() + self.limits.wall_seconds) == "ready"
            self._group.started(self._process.pid)
            self._cpu_start, self._ready = self._cpu(), True
            self.usage.stages["start"] += self._cpu_start
        except (AssertionError, EOFError, OSError, BadMessage, StopIteration) as error:
            self.__exit__()
            last = clean(self.output.decode("utf-8", "replace")).strip().splitlines()[-1:]
            raise NotStarted(f"the sandbox did not start: {''.join(last)[:300] or type(error).__name__}") from error
        return self

    def __exit__(self, *_: object) -> None:
        if self._ready:
            self.usage.cpu_seconds += self._cpu() - self._cpu_start
        self._ready = False
        self._stop("")
        self._process.wait()
        self._watcher.join()
        self._group.close()
        self._line.close()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def ask(self, request: str, *arguments: Any, limit: int = 2 * 2**20) -> Any:
        """Send a request and return the reply; raises Stopped if none came, or none that makes sense."""
        self._cpu_before, self._idle, began = self._cpu(), 0.0, time.monotonic()
        self._asked = began
        try:
            deadline = began + self.limits.wall_seconds
            send(self._line, (request, arguments), deadline=deadline)
            return receive(self._line, limit=limit, deadline=deadline)
        except TimeoutError:
            self._stop(f"it took longer than {self.limits.wall_seconds:.0f} seconds on the clock")
        except BadMessage as error:
            self._stop(f"its reply was no message ({error})")
        except (EOFError, OSError):
            self._ended()
        finally:
            self._asked = None
            self.usage.wall_seconds += time.monotonic() - began
            self.usage.stages[request] += self._cpu() - self._cpu_before
        assert self._end is not None
        raise self._end

    def stop_listening(self) -> None:
        """Keep what was printed so far, and nothing after it: hidden inputs come next."""
        with self._lock:
            self._drain()
            self._listening = False

    def _command(self, line: int, filter_pipe: int) -> list[str]:
        path = [walls.KIT if self.shut_in else str(self.kit), *map(str, walls.packages())]
        root = self.shut_in and os.geteuid() == 0
        limits = {name: getattr(self.limits, name) for name in ("memory", "file_bytes")}
        limits |= {"cpu_seconds": 2 * self.limits.total_cpu_seconds, "processes": self._most_processes(root=root)}
        user = 61_000 + secrets.randbelow(4_000)
        settings = json.dumps({"path": path, "socket": line, "limits": limits, "user": user})
        program = str(Path(sys.executable).resolve())
        python = [program, "-I", "-S", "-B", "-c", START + DROP_ROOT * root + SERVE, settings]
        starter = [*self._group.command, program, "-I", "-S", "-B", str(Path(launch.__file__).resolve())]
        starter += [*self._group.join(), "--"]
        if not self.shut_in:
            return [*starter, *python]
        words = [str(shutil.which("bwrap")), *walls.name_spaces()]
        words += ["--seccomp", str(filter_pipe)] if launch.system_calls() else []
        words += [word for pair in (*ENVIRONMENT.items(), (VARIABLE, language())) for word in ("--setenv", *pair)]
        return [*starter, *words, *walls.mounts(self.kit, self.limits.file_bytes), "--", *python]

    def _most_processes(self, *, root: bool) -> int:
        if root or (self.shut_in and control_group.kernel_version() >= (5, 14)):  # of a name space or user of its own
            return self.limits.processes
        found = [process.info for process in psutil.process_iter(["uids", "num_threads"])]
        mine = (one["num_threads"] or 1 for one in found if one["uids"] and one["uids"].real == os.getuid())
        return self.limits.processes + sum(mine)

    def _watch(self) -> None:
        looked = time.monotonic()
        while True:
            ended = self._process.poll() is not None  # before the last of what it printed is read
            with self._lock:
                self._drain()
            if ended:
                return
            family = descendants(self._process.pid)
            self._seen.update({pid: control_group.cpu_time(pid) for pid in family})
            held = sum(map(control_group.own_memory, family))
            self.usage.peak_memory = max(self.usage.peak_memory, held)
            counted = control_group.MEMORY in self._group.enforced  # what is seen counts a fork's pages twice
            if self._group.out_of_memory() or (not counted and held > AT_THE_START + self.limits.memory):
                self._stop(self._too_much)
            looked, since = time.monotonic(), time.monotonic() - looked
            if self._ready:
                idle = self._asked is not None and not any(map(control_group.wants_to_run, family))
                self._look_at_time(since, idle=idle)
            time.sleep(0.1)

    def _look_at_time(self, since: float, *, idle: bool) -> None:
        limits, usage, asked, cpu = self.limits, self.usage, self._asked, self._cpu()
        self._idle = self._idle + since if idle else 0.0
        usage.idle_seconds += since * idle
        open_seconds = 0.0 if asked is None else time.monotonic() - asked
        if cpu - self._cpu_before > limits.cpu_seconds and asked is not None:
            self._stop(self._too_long)
        if self._idle > limits.idle_seconds:
            self._stop(f"it waited for more than {limits.idle_seconds:.0f} seconds and did nothing")
        for used, most, what in (
            (usage.cpu_seconds + cpu - self._cpu_start, limits.total_cpu_seconds, "of CPU time"),
            (usage.idle_seconds, limits.total_idle_seconds, "of waiting"),
            (usage.wall_seconds + open_seconds, limits.total_wall_seconds, "on the clock"),
        ):
            if used > most:
                self._stop(f"the whole submission took more than {most:.0f} seconds {what}", for_good=True)

    def _cpu(self) -> float:
        counted = self._group.cpu_seconds()
        if counted is not None:
            return counted
        seen = self._seen.copy()
        living = sum(sum(seen[pid]) for pid in descendants(self._process.pid) if pid in seen)
        return max(living, sum(own for own, _ in seen.values()))

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

    def _stop(self, why: str, *, for_good: bool = False, unexplained: bool = False) -> None:
        self._end = self._end or Stopped(why, for_good=for_good, unexplained=unexplained)
        members = [] if self.shut_in else descendants(self._process.pid)  # in a name space, all end with the first
        self._process.kill()
        for member in members:
            with suppress(ProcessLookupError):
                os.kill(member, signal.SIGKILL)
        self._group.kill()

    def _ended(self) -> None:
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._stop("it closed its connection to the grader")
            return
        if self._group.out_of_memory():
            self._stop(self._too_much)
        elif code in CPU_LIMIT:
            self._stop(self._too_long)
        else:
            self._stop("it ended without an answer", unexplained=code in KILLED)
