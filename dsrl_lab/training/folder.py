"""The folder of a run: who works in it, what may go on in it, and its record."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from dsrl_lab.training import checkpoint, record

NETWORKS = ("latest.safetensors", "best.safetensors", "deployed.safetensors")
SAME = ("recipe", "held_out", "dataset", "network", "config", "train", "released", "seed")  # of a run that goes on


class RunFolder:
    """A folder that one run works in; only the run's ``first_process`` writes.

    Raises:
        BlockingIOError: on entering, if another process is running in the folder.
    """

    def __init__(self, directory: Path, *, first_process: bool = True) -> None:
        self.directory, self.first_process = directory, first_process
        self.record, self.latest = directory / "record.jsonl", directory / "latest.safetensors"
        self._lock = directory / "run.lock"

    def __enter__(self) -> Self:
        if not self.first_process:
            return self
        self.directory.mkdir(parents=True, exist_ok=True)
        me = f"{os.getpid()} {psutil.Process().create_time():.2f} {socket.gethostname()}"
        while True:
            try:
                descriptor = os.open(self._lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
            except FileExistsError:
                owner = _read(self._lock)
                if _lives(owner) or (not owner and _is_new(self._lock)):
                    raise BlockingIOError(
                        f"{self.directory} is in use by process {owner.partition(' ')[0]}; wait for it, stop it, or "
                        f"name another folder with --out (if no such run lives, delete {self._lock})"
                    ) from None
                self._lock.unlink(missing_ok=True)  # left by a process that was killed
                continue
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(me)
            for unfinished in self.directory.glob(".unfinished-*.safetensors"):  # of a run here that was killed
                unfinished.unlink()
            return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.first_process:
            self._lock.unlink(missing_ok=True)

    def check(self, identity: dict[str, Any], *, resume: bool) -> None:
        """Refuse to touch the work of another run; a record without a step, as an early error leaves it, is none.

        Raises:
            FileExistsError: there is a run, and ``resume`` is not set.
            ValueError: it is of another recipe, configuration or seed, or its record or checkpoint is gone.
        """
        if not self.first_process:
            return
        if not self.record.exists():
            left = [name for name in NETWORKS if (self.directory / name).is_file()]
            if left:
                raise (ValueError if resume else FileExistsError)(
                    f"{self.directory} holds {', '.join(left)} without {self.record.name}; nothing was touched: put it "
                    "back, or name another folder with --out"
                )
            return
        if self.last_line().get("kind") == "run" and not self.latest.is_file():
            return
        if not resume:
            raise FileExistsError(
                f"{self.record} is there already; go on with --resume, or name another folder with --out"
            )
        first = record.read(self.record)[0]
        new = record.as_read(identity)
        changed = [name for name in SAME if name in first and name in new and not _same(first[name], new[name])]
        if changed:
            raise ValueError(
                f"{self.directory} holds a run of another {' and '.join(changed)} ({first.get('recipe')}, seed "
                f"{first.get('seed')}); nothing was touched: resume with the same, or name another folder with --out"
            )
        if not self.latest.is_file() and not self.is_finished():
            raise ValueError(
                f"{self.record} is of a run whose checkpoint {self.latest.name} is gone; nothing was touched: "
                "put it back, or name another folder with --out"
            )

    def is_finished(self) -> bool:
        """Whether the run that is here has its final scores."""
        return self.record.exists() and self.last_line().get("kind") == "end"

    def last_line(self) -> dict[str, Any]:
        """Last line of the record."""
        return record.read(self.record)[-1]

    def open_record(self, first_line: dict[str, Any]) -> None:
        """Begin the record, or go back in it to where the checkpoint is."""
        if not self.first_process:
            return
        if self.latest.is_file() and self.record.exists():
            record.truncate(self.record, checkpoint.progress(checkpoint.load(self.latest)).iteration)
        else:
            record.write(self.record, [first_line])

    def append(self, line: dict[str, Any]) -> None:
        """Add a line to the record."""
        if self.first_process:
            record.append(self.record, line)


def _same(before: Any, now: Any) -> bool:
    """Whether two values agree; a field that one of two tables lacks was not there in its version."""
    if isinstance(before, dict) and isinstance(now, dict):
        return all(_same(before[name], now[name]) for name in before.keys() & now.keys())
    return bool(before == now)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def _is_new(lock: Path) -> bool:
    """Whether a lock file is so new that its process may not have written its name yet."""
    try:
        return time.time() - lock.stat().st_mtime < 60
    except OSError:
        return False


def _lives(owner: str) -> bool:
    """Whether the process that a lock file names is running; one on another machine is taken to."""
    number, began, host = [*owner.split(" "), "", "", ""][:3]
    if host != socket.gethostname():
        return bool(owner)
    try:
        return abs(psutil.Process(int(number)).create_time() - float(began)) < 1
    except (ValueError, psutil.NoSuchProcess):
        return False
