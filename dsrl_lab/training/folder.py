"""The folder of a run: who works in it, which run may resume in it, and its record."""

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from dsrl_lab.training import checkpoint, record

NETWORKS = ("latest.safetensors", "best.safetensors", "deployed.safetensors")
SAME = ("recipe", "held_out", "dataset", "network", "config", "train", "released", "seed", "classes", "drawn")


class RunFolder:
    """A folder that one run works in; only the run's ``first_process`` writes."""

    def __init__(self, directory: str | Path, *, first_process: bool = True) -> None:
        self.directory, self.first_process = Path(directory), first_process
        self.record, self.latest = self.directory / "record.jsonl", self.directory / "latest.safetensors"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out while one runs here; a BlockingIOError names another that does."""
        if not self.first_process:
            yield
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        lock = self.directory / "run.lock"
        while not _create(lock):
            if owner := _owner(lock):
                raise BlockingIOError(
                    f"{self.directory} is in use by process {owner}; wait for it, stop it, or name another folder with "
                    f"--out (if no such run lives, delete {lock})"
                )
            with contextlib.suppress(FileNotFoundError):  # left by a process that was killed, or taken meanwhile
                stale = lock.rename(lock.with_name(f"run.lock.{os.getpid()}"))
                stale.rename(lock) if _owner(stale) else stale.unlink()
        try:
            for unfinished in self.directory.glob(".unfinished-*.safetensors"):  # so are these
                unfinished.unlink()
            yield
        finally:
            lock.unlink(missing_ok=True)

    def check(self, identity: dict[str, Any], *, resume: bool) -> None:
        """Refuse to touch the work of another run; a record without a step is none.

        FileExistsError for a run without ``resume``; ValueError for one of another recipe, configuration or seed, or
        whose record or checkpoint is gone.
        """
        if not self.first_process:
            return
        elsewhere = "or name another folder with --out"
        left = [name for name in NETWORKS if (self.directory / name).is_file()]
        if not self.record.exists():
            if left:
                raise (ValueError if resume else FileExistsError)(
                    f"{self.directory} holds {', '.join(left)} without {self.record.name}; nothing was touched: put it "
                    f"back, {elsewhere}"
                )
            return
        if self.last_line().get("kind") == "run" and not left:
            return
        if not resume:
            raise FileExistsError(f"{self.record} is there already; go on with --resume, {elsewhere}")
        first, new = record.read(self.record)[0], record.as_read(identity)
        changed = [name for name in SAME if name in first and name in new and not _same(first[name], new[name])]
        if changed:
            raise ValueError(
                f"{self.directory} holds a run of another {' and '.join(changed)} ({first.get('recipe')}, seed "
                f"{first.get('seed')}); nothing was touched: resume with the same, {elsewhere}"
            )
        if not self.latest.is_file() and not self.is_finished():
            raise ValueError(
                f"{self.record}'s checkpoint {self.latest.name} is gone; nothing was touched: put it back, {elsewhere}"
            )

    def is_finished(self) -> bool:
        """Whether the run that is here has its final scores."""
        return self.record.exists() and self.last_line().get("kind") == "end"

    def last_line(self) -> dict[str, Any]:
        """Last line of the record."""
        return record.read(self.record)[-1]

    def open_record(self, first_line: Callable[[], dict[str, Any]]) -> None:
        """Begin the record with what ``first_line`` gives, or go back in it to where the checkpoint is."""
        if not self.first_process:
            return
        if self.latest.is_file() and self.record.exists():
            record.truncate(self.record, checkpoint.progress(checkpoint.load(self.latest)).iteration)
        else:
            record.write(self.record, [first_line()])

    def append(self, line: dict[str, Any]) -> None:
        """Add a line to the record."""
        if self.first_process:
            record.append(self.record, line)


def _same(before: Any, now: Any) -> bool:
    """Whether two values agree; a field that one table lacks was not there in its version (options of hosts aside)."""
    if isinstance(before, dict) and isinstance(now, dict) and before.get("host_options") == now.get("host_options"):
        return all(_same(before[name], now[name]) for name in before.keys() & now.keys())
    return bool(before == now)


def _create(lock: Path) -> bool:
    try:
        with lock.open("x", encoding="utf-8") as file:
            file.write(f"{os.getpid()} {psutil.Process().create_time():.2f} {socket.gethostname()}")
    except FileExistsError:
        return False
    return True


def _owner(lock: Path) -> str:
    """Number of the process that a lock file names, "" if it has ended; one on another machine is taken to live."""
    try:
        number, began, host = [*lock.read_text(encoding="utf-8").split(" "), "", "", ""][:3]
        if not number:  # its process may be about to write its name
            return "unknown" if time.time() - lock.stat().st_mtime < 60 else ""
        if host != socket.gethostname():
            return number
        return number if abs(psutil.Process(int(number)).create_time() - float(began)) < 1 else ""
    except (OSError, ValueError, psutil.NoSuchProcess):
        return ""
