"""The folder of a run: who works in it, what may go on in it, and its record."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from dsrl_lab.training import checkpoint, record

SAME = ("recipe", "held_out", "dataset", "network", "config", "train", "released", "seed")  # of a run that goes on


class RunFolder:
    """A folder that one run works in; others are refused while its process lives.

    Args:
        directory: of the run.
        first_process: whether this process writes; the others of a run only read.

    Raises:
        BlockingIOError: another process is running in the folder.
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
                if _lives(owner):
                    raise BlockingIOError(
                        f"{self.directory} is in use by process {owner.partition(' ')[0]}; wait for it, stop it, or "
                        f"name another folder with --out (if no such run lives, delete {self._lock})"
                    ) from None
                self._lock.unlink(missing_ok=True)  # left by a process that was killed
                continue
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(me)
            return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.first_process:
            self._lock.unlink(missing_ok=True)

    def check(self, identity: dict[str, Any], *, resume: bool) -> None:
        """Refuse to touch what another run has left here.

        Raises:
            FileExistsError: there is a run, and ``resume`` was not asked for.
            ValueError: it is of another recipe, configuration or seed, or its checkpoint is gone.
        """
        if not self.first_process or not self.record.exists():
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
        if not self.latest.is_file() and not self.is_finished() and self.last_line().get("kind") != "run":
            raise ValueError(
                f"{self.record} tells of a run whose checkpoint {self.latest.name} is gone; nothing was touched: "
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
            self.record.unlink(missing_ok=True)
            record.append(self.record, first_line)

    def append(self, line: dict[str, Any]) -> None:
        """Add a line to the record."""
        if self.first_process:
            record.append(self.record, line)


def _same(before: Any, now: Any) -> bool:
    """Whether two values agree; fields that one of two tables lacks were not there in its version."""
    if isinstance(before, dict) and isinstance(now, dict):
        return all(_same(before[name], now[name]) for name in before.keys() & now.keys())
    return bool(before == now)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def _lives(owner: str) -> bool:
    """Whether the process that a lock file names is running; one on another machine is taken to."""
    number, began, host = [*owner.split(" "), "", "", ""][:3]
    if host != socket.gethostname():
        return bool(owner)
    try:
        return abs(psutil.Process(int(number)).create_time() - float(began)) < 1
    except (ValueError, psutil.NoSuchProcess):
        return False
