"""Fetch what ``sources`` lists: resumed after a break, checked by SHA-256, put in place only when whole.

Source: HTTP ranges as in RFC 9110, section 14. pooch, the field's usual tool, can neither resume a transfer nor change
to a mirror, so both are written here on Python's own ``urllib``.
"""

from __future__ import annotations

import errno
import http.client
import socket
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

from dsrl_lab.datasets.archives import check_free_space, unpack
from dsrl_lab.datasets.base import DataReport
from dsrl_lab.datasets.sources import Entry, RemoteFile, available
from dsrl_lab.files import sha256

__all__ = ["DownloadError", "Entry", "RemoteFile", "available", "download", "fetch", "verify"]

BLOCK = 1 << 16
SLOWEST = 1024  # bytes within one time-out; a server that sends fewer counts as stalled
_TRY_AGAIN = (408, 416, 425, 429, 500, 502, 503, 504)
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR)


class DownloadError(ValueError):
    """A file could not be fetched; the message says what was tried and what to do by hand."""


@dataclass
class _Job:
    """What the files of one fetch share: patience, the meter, and the signal to stop."""

    timeout: float
    attempts: int
    pause: float
    total: int = 0
    report: Callable[[int, int], None] | None = None
    done: int = 0
    stop: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, count: int) -> None:
        with self.lock:
            self.done += count
            if self.report is not None:
                self.report(self.done, self.total)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _is_whole(path: Path, file: RemoteFile) -> bool:
    return path.is_file() and _size(path) == file.size and sha256(path) == file.sha256


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DownloadError(f"cannot create {folder}: {error}; choose a folder you may write") from error


def _transfer(url: str, part: Path, file: RemoteFile, job: _Job) -> None:
    """Append what is missing of ``part``; raises OSError or HTTPException when the server fails."""
    have = _size(part)
    headers = {"User-Agent": "dsrl-lab"} | ({"Range": f"bytes={have}-"} if have else {})
    with urlopen(Request(url, headers=headers), timeout=job.timeout) as response:
        resumed = response.status == 206
        if resumed and not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            raise ConnectionError("the server sent another range than the one asked for")
        expected = file.size - have if resumed else file.size
        announced = int(response.headers.get("Content-Length", expected))
        if announced != expected:
            raise ConnectionError(f"the server offers {announced} bytes where {expected} were expected")
        if not resumed:
            job.add(-have)
            have = 0
        with part.open("ab" if resumed else "wb") as sink:
            since, recent = time.monotonic(), 0
            while block := response.read1(BLOCK):
                sink.write(block)
                have += len(block)
                recent += len(block)
                job.add(len(block))
                if have > file.size:
                    raise ConnectionError(f"the server sent more than the {file.size} bytes expected")
                if job.stop.is_set():
                    raise ConnectionAbortedError("stopped")
                if time.monotonic() - since > job.timeout:
                    if recent < SLOWEST:
                        raise TimeoutError(f"stalled: {recent} bytes in {job.timeout:g} s")
                    since, recent = time.monotonic(), 0
    if have < file.size:
        raise ConnectionError(f"the connection ended after {have} of {file.size} bytes")


def _reason(error: Exception) -> str:
    if isinstance(error, HTTPError):
        return f"HTTP {error.code} {error.reason}"
    inner = error.reason if isinstance(error, URLError) else error
    if isinstance(inner, socket.gaierror):
        return "the server's name cannot be resolved (this machine seems to be offline)"
    if isinstance(inner, TimeoutError):
        return str(inner) if "stalled" in str(inner) else "timed out"
    return str(inner) or type(inner).__name__


def _try_address(url: str, part: Path, file: RemoteFile, job: _Job) -> str:
    """Try one address several times; an empty string if ``part`` is whole afterwards, else the last reason."""
    reason = "stopped"
    for attempt in range(job.attempts):
        if job.stop.is_set():
            return reason
        if attempt:
            job.stop.wait(job.pause * 2 ** (attempt - 1))
        try:
            if _size(part) != file.size:
                _transfer(url, part, file, job)
            if sha256(part) == file.sha256:
                return ""
            reason = "the content is not the expected one (SHA-256 differs)"
        except (OSError, http.client.HTTPException) as error:
            if not isinstance(error, URLError) and getattr(error, "errno", None) in _DISK:
                raise DownloadError(
                    f"cannot write {part}: {error}; make room or choose a folder you may write"
                ) from error
            reason = _reason(error)
            status = error.code if isinstance(error, HTTPError) else None
            if status is not None and status not in _TRY_AGAIN:
                return reason
            if status != 416 and _size(part) <= file.size:
                continue  # what has arrived is the beginning of the file: go on from there
        job.add(-_size(part))
        part.unlink(missing_ok=True)
    return reason


def _fetch_file(file: RemoteFile, target: Path, job: _Job) -> None:
    _make_folder(target.parent)
    part = target.with_name(target.name + ".part")
    job.add(_size(part))
    failures = []
    for url in file.urls:
        reason = _try_address(url, part, file, job)
        if not reason:
            part.replace(target)
            return
        failures.append(f"  {url}: {reason}")
    raise DownloadError("\n".join([f"could not fetch {file.path} ({file.size} bytes):", *failures]))


def download(
    file: RemoteFile, folder: str | Path, *, timeout: float = 20.0, attempts: int = 3, pause: float = 0.5
) -> Path:
    """Fetch one file into ``folder``; nothing happens if it is there already and whole.

    Bytes go to ``<name>.part``, which a later run continues; only when size and SHA-256 are right does the file get its
    name, in one step.

    Args:
        file: what to fetch, and from where.
        folder: where ``file.path`` begins.
        timeout: seconds without an answer, or with less than a kilobyte, before an address counts as stalled.
        attempts: how often each address is tried.
        pause: seconds before the second attempt; doubled before each further one.

    Raises:
        DownloadError: no address gave the right content, or the disk cannot be written.
    """
    target = Path(folder) / file.path
    if not _is_whole(target, file):
        _fetch_file(file, target, _Job(timeout, attempts, pause))
    return target


def _entry(name: str) -> Entry:
    if name not in available():
        raise ValueError(f"unknown data {name!r}; choose from {', '.join(available())}")
    return available()[name]


def _by_hand(entry: Entry, folder: Path) -> str:
    return f"By hand: {entry.by_hand}. Source: {entry.page}. Place: {folder}"


def _with_mirrors(entry: Entry, mirrors: Sequence[str]) -> list[RemoteFile]:
    return [
        RemoteFile(
            path=file.path,
            urls=(*(f"{base.rstrip('/')}/{quote(f'{entry.folder}/{file.path}')}" for base in mirrors), *file.urls),
            sha256=file.sha256,
            size=file.size,
        )
        for file in entry.files
    ]


def fetch(
    name: str,
    root: str | Path,
    *,
    progress: Callable[[int, int], None] | None = None,
    mirrors: Sequence[str] = (),
    timeout: float = 20.0,
    attempts: int = 3,
    pause: float = 0.5,
    workers: int = 4,
) -> Path:
    """Fetch all files of an entry, or unpack the archives that a reader put there by hand.

    Files that are there with the right SHA-256 are left alone; others are fetched again. After a failure everything
    that has arrived stays, and the next run goes on from there.

    Args:
        name: a key of ``available()``.
        root: the data folder; the entry goes into its own folder below.
        progress: called with (bytes here, bytes in all) as pieces arrive; calls never overlap. The first number
            falls when a damaged piece is thrown away.
        mirrors: addresses of data folders (a classroom's server, say) that are tried before the official addresses.
        timeout: seconds of silence before an address counts as stalled.
        attempts: how often each address is tried for each file.
        pause: seconds before the second attempt; doubled before each further one.
        workers: files that are fetched at the same time.

    Returns:
        The entry's folder.

    Raises:
        ValueError: the name is unknown; the disk is too small.
        DownloadError: a file could not be had; the message says what was tried and what to do by hand.
    """
    entry = _entry(name)
    folder = Path(root) / entry.folder
    if not entry.files:
        return _unpack_by_hand(entry, folder)
    _make_folder(folder)
    job = _Job(timeout, attempts, pause, entry.size, progress)
    todo = [file for file in _with_mirrors(entry, mirrors) if not _is_whole(folder / file.path, file)]
    check_free_space(folder, sum(file.size for file in todo))
    job.add(entry.size - sum(file.size for file in todo))
    with ThreadPoolExecutor(max_workers=workers) as pool:
        tasks = [pool.submit(_fetch_file, file, folder / file.path, job) for file in todo]
        try:
            for task in as_completed(tasks):
                task.result()
        except DownloadError as error:
            raise DownloadError(
                f"{name}: {error}\nWhat has arrived is kept; run the command again once the network is there. "
                f"{_by_hand(entry, folder)}"
            ) from error
        finally:
            job.stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
    return folder


def _unpack_by_hand(entry: Entry, folder: Path) -> Path:
    for archive in entry.archives:
        if (folder / archive).is_file():
            unpack(folder / archive, folder)
    missing = [marker for marker in entry.markers if not (folder / marker).exists()]
    if missing:
        raise DownloadError(
            f"{entry.name} cannot be fetched by a program, and {', '.join(missing)} is not there. "
            f"{_by_hand(entry, folder)}"
        )
    return folder


def verify(name: str, root: str | Path) -> DataReport:
    """Compare what is on disk with the sizes and SHA-256 sums of an entry.

    Where an entry has no sums (it can only be had by hand), the presence of its parts is all that is checked.

    Raises:
        ValueError: the name is unknown.

    Example:
        >>> print(verify("set5", "/nowhere").missing[0])
        img_001_SRF_2_HR.png: not there
    """
    entry = _entry(name)
    folder = Path(root) / entry.folder
    problems = [f"{marker}: not there" for marker in entry.markers if not (folder / marker).exists()]
    for file in entry.files:
        if not (folder / file.path).is_file():
            problems.append(f"{file.path}: not there")
        elif not _is_whole(folder / file.path, file):
            problems.append(f"{file.path}: damaged (SHA-256 differs)")
    whole = len(entry.files) + len(entry.markers) - len(problems)
    again = f"Run `dsrl-lab data fetch {name}`. " if entry.files or entry.archives else ""
    return DataReport(name, str(folder), {"files": whole}, tuple(problems), again + _by_hand(entry, folder))
