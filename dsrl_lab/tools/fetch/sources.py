"""Where data sets and released weights come from: ``sources.toml``, with sizes and SHA-256 in ``checksums.json``."""

from __future__ import annotations

import json
import pkgutil
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from dsrl_lab.datasets.base import DataReport


def _reader(name: str) -> Callable[[Path], DataReport]:
    """A check of ``dsrl_lab.datasets`` that is imported when it is called: listing needs no torch."""
    return lambda folder: pkgutil.resolve_name(f"dsrl_lab.datasets.{name}")(folder)


CHECKS = {  # what training could read of an entry's folder
    "camvid": _reader("camvid:check"),
    "cityscapes": _reader("cityscapes:check"),
    "lsp_extended": _reader("pose:check"),
    "t91": _reader("super_resolution:check_t91"),
}


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """One file of an entry."""

    path: str  # where it goes, relative to the entry's folder
    urls: tuple[str, ...]  # where it can be had, the preferred address first
    sha256: str  # 64 hexadecimal digits
    size: int  # in bytes


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Something that ``dsrl-lab data fetch`` knows."""

    name: str  # what to type
    title: str  # what it is
    folder: str  # where it goes, relative to the data folder
    licence: str  # as the source states it
    page: str  # where a reader finds it
    by_hand: str  # what to do without a program
    files: tuple[RemoteFile, ...] = ()  # what a program can fetch
    archives: tuple[str, ...] = ()  # archives that a reader puts into the folder by hand and ``fetch`` unpacks
    check: Callable[[Path], DataReport] | None = None  # None where sums are all there is to check

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def _files(name: str, repository: str, commit: str, folder: str) -> tuple[RemoteFile, ...]:
    files = []  # at the commit, and on the branch: the SHA-256 decides whether it still fits
    sums = json.loads((Path(__file__).parent / "checksums.json").read_text(encoding="utf-8"))[name]
    for path, (size, sha256) in sums.items():
        # SelfExSR sorts its pictures into one folder for each factor.
        factor = f"image_SRF_{path.split('_SRF_')[1][0]}/" if name in ("set5", "set14") else ""
        place = quote(f"{folder}/{factor}{path}")
        bases = f"raw.githubusercontent.com/{repository}/{commit}", f"github.com/{repository}/raw/master"
        urls = tuple(f"https://{base}/{place}" for base in bases)
        files.append(RemoteFile(path=path, urls=urls, sha256=sha256, size=size))
    return tuple(files)


@cache
def available() -> dict[str, Entry]:
    """Return everything that ``dsrl-lab data fetch`` knows, by name."""
    entries = {}
    for name, table in tomllib.loads((Path(__file__).parent / "sources.toml").read_text(encoding="utf-8")).items():
        files = _files(name, **table.pop("files")) if "files" in table else ()
        archives = tuple(table.pop("archives", ()))
        entries[name] = Entry(name=name, files=files, archives=archives, check=CHECKS.get(name), **table)
    return entries
