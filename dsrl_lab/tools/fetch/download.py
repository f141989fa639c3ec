"""Fetch what ``sources`` lists, by SHA-256; pooch's own ``retrieve`` leaves files that only their owner can read."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import quote

from pooch import HTTPDownloader
from requests.exceptions import RequestException, Timeout

from dsrl_lab.files import check_free_space, sha256, whole_file
from dsrl_lab.tools.fetch.archives import unpack
from dsrl_lab.tools.fetch.sources import Entry, RemoteFile, available

if TYPE_CHECKING:
    from dsrl_lab.datasets.base import DataReport

__all__ = ["DownloadError", "Entry", "RemoteFile", "available", "download", "fetch", "verify"]

BLOCK = 1 << 16
_TRY_AGAIN = (408, 425, 429, 500, 502, 503, 504)
_NO_NAME = ("NameResolutionError", "getaddrinfo failed", "Name or service not known", "Temporary failure in name")


class DownloadError(ValueError):
    """A file could not be fetched; the message says what was tried and what to do by hand."""


class _Sink:
    def __init__(self, file: IO[bytes], size: int, count: Callable[[int], None]) -> None:
        self.file, self.size, self.count, self.have = file, size, count, 0

    def write(self, block: bytes) -> None:
        self.have += len(block)
        self.count(len(block))
        if self.have > self.size:
            raise RequestException(f"the server sent more than the {self.size} bytes expected")
        self.file.write(block)

    def flush(self) -> None:
        self.file.flush()


def _try_once(url: str, target: Path, file: RemoteFile, timeout: float, count: Callable[[int], None]) -> None:
    headers = {"User-Agent": "dsrl-lab", "Accept-Encoding": "identity"}
    with whole_file(target) as temporary, temporary.open("wb") as opened:
        sink = _Sink(opened, file.size, count)
        try:
            HTTPDownloader(chunk_size=BLOCK, timeout=timeout, headers=headers)(url, sink, None)
            if sink.have < file.size:
                raise RequestException(f"the connection ended after {sink.have} of {file.size} bytes")
            opened.flush()
            if sha256(temporary) != file.sha256:
                raise RequestException("the content is not the expected one (SHA-256 differs)")
        except RequestException:
            count(-sink.have)
            raise


def _reason(error: RequestException) -> str:
    if error.response is not None:
        return f"HTTP {error.response.status_code} {error.response.reason}"
    if any(words in str(error) for words in _NO_NAME):
        return "the server's name cannot be resolved (this machine seems to be offline)"
    if isinstance(error, Timeout) or "timed out" in str(error):
        return "timed out"
    return str(error) or type(error).__name__


def download(
    file: RemoteFile,  # what to fetch, and from where
    folder: str | Path,  # where ``file.path`` begins
    *,
    timeout: float = 20.0,  # seconds without a byte before an attempt fails
    attempts: int = 3,  # how often each address is tried; an address without the file (HTTP 404) is tried once
    pause: float = 0.5,  # seconds before the second attempt; doubled before each further one
    count: Callable[[int], None] = lambda _: None,  # gets the bytes as they arrive, minus their sum on failure
) -> Path:
    """Fetch a file unless it is whole; raises DownloadError if no address has it, OSError if the disk fails."""
    target = Path(folder) / file.path
    if _is_whole(target, file):
        return target
    failures = []
    for url in file.urls:
        for attempt in range(attempts):
            if attempt:
                time.sleep(pause * 2 ** (attempt - 1))
            try:
                _try_once(url, target, file, timeout, count)
                return target
            except RequestException as error:
                reason = _reason(error)
                if error.response is not None and error.response.status_code not in _TRY_AGAIN:
                    break
        failures.append(f"  {url}: {reason}")
    raise DownloadError("\n".join([f"could not fetch {file.path} ({file.size} bytes):", *failures]))


def _is_whole(path: Path, file: RemoteFile) -> bool:
    return path.is_file() and path.stat().st_size == file.size and sha256(path) == file.sha256


def _entry(name: str) -> Entry:
    if name not in available():
        raise ValueError(f"unknown data {name!r}; choose from {', '.join(available())} (data check: or a folder)")
    return available()[name]


def _by_hand(entry: Entry, folder: Path) -> str:
    return f"By hand: {entry.by_hand}. Source: {entry.page}. Place: {folder}"


def fetch(
    name: str,
    root: str | Path,
    *,
    progress: Callable[[int, int], None] | None = None,  # gets bytes here (fewer after a failure) and in all
    mirrors: Sequence[str] = (),  # addresses of data folders, such as a classroom's server, that are tried first
    timeout: float = 20.0,
    attempts: int = 3,
    pause: float = 0.5,
    workers: int = 4,  # files that are fetched at the same time
) -> Path:
    """Fetch what is missing of an entry, or unpack archives put there by hand; return the entry's own folder.

    Raises ValueError for an unknown name or a disk too small, OSError if it cannot write, DownloadError with the way by
    hand.
    """
    entry = _entry(name)
    folder = Path(root) / entry.folder
    if not entry.files:
        return _unpack_by_hand(entry, Path(root))
    todo = [file for file in entry.files if not _is_whole(folder / file.path, file)]
    missing = sum(file.size for file in todo)
    check_free_space(folder, missing)
    lock, stop, done = threading.Lock(), threading.Event(), entry.size - missing

    def count(number: int) -> None:
        nonlocal done
        if stop.is_set():
            raise DownloadError("stopped")
        with lock:
            done += number
            if progress is not None:
                progress(done, entry.size)

    count(0)
    with ThreadPoolExecutor(max_workers=workers) as pool:
        fetch_one = partial(download, folder=folder, timeout=timeout, attempts=attempts, pause=pause, count=count)
        bases = [f"{mirror.rstrip('/')}/{quote(entry.folder)}" for mirror in mirrors]
        tasks = [
            pool.submit(fetch_one, replace(f, urls=(*(f"{base}/{quote(f.path)}" for base in bases), *f.urls)))
            for f in todo
        ]
        try:
            for task in as_completed(tasks):
                task.result()
        except DownloadError as error:
            raise DownloadError(
                f"{name}: {error}\nWhat has arrived is kept; run the command again once the network is there. "
                f"{_by_hand(entry, folder)}"
            ) from error
        finally:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
    return folder


def _unpack_by_hand(entry: Entry, root: Path) -> Path:
    folder = root / entry.folder
    for archive in entry.archives:
        if (folder / archive).is_file():
            unpack(folder / archive, folder)
    report = verify(entry.name, root)
    if not report.ok:
        raise DownloadError(f"{entry.name} cannot be fetched by a program, and it is not all there.\n{report}")
    return folder


def verify(name: str, root: str | Path) -> DataReport:
    """Say what is there, as training's reader sees it, and compare SHA-256; raises ValueError for an unknown name."""
    from dsrl_lab.datasets.base import DataReport

    entry = _entry(name)
    folder = Path(root) / entry.folder
    there = {file.path: _is_whole(folder / file.path, file) for file in entry.files if (folder / file.path).is_file()}
    problems = [f"{file.path}: not there" for file in entry.files if file.path not in there]
    problems += [f"{path}: damaged (SHA-256 differs)" for path, whole in there.items() if not whole]
    again = f"Run `dsrl-lab data fetch {name}`. " if entry.files or entry.archives else ""
    remedy = again + _by_hand(entry, folder)
    if entry.check is None:
        return DataReport(name, str(folder), {"files": sum(there.values())}, tuple(sorted(problems)), remedy)
    report = entry.check(folder)
    notes = report.notes
    if report.found and not any(there.values()) and entry.files:
        problems, notes = [], ("no file is the released one: judged by its reader", *notes)
    return replace(report, dataset=name, missing=tuple(sorted(problems)) or report.missing, notes=notes, remedy=remedy)
