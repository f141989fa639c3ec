"""Unpack zip and tar archives without trusting the names inside them.

Source: the "path traversal" weakness (CWE-22). Python's own ``extractall`` trusts tar files unless asked not to; here
every name is checked before the first byte is written, links and devices are refused, and each file appears whole or
not at all, so that an interrupted run can be repeated.
"""

from __future__ import annotations

import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

# IndexError: of zipfile itself, for an entry without a name.
_BROKEN = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, RuntimeError, IndexError)


class _Member(NamedTuple):
    name: str
    size: int
    is_file: bool
    open: Callable[[], IO[bytes] | None]


def _zip_members(archive: zipfile.ZipFile, path: Path) -> list[_Member]:
    members = []
    for info in archive.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise _refusal(path, info.filename, "is a link or a device")
        members.append(_Member(info.filename, info.file_size, not info.is_dir(), partial(archive.open, info)))
    return members


def _tar_members(archive: tarfile.TarFile, path: Path) -> list[_Member]:
    members = []
    for info in archive.getmembers():
        if not (info.isfile() or info.isdir()):
            raise _refusal(path, info.name, "is a link or a device")
        members.append(_Member(info.name, info.size, info.isfile(), partial(archive.extractfile, info)))
    while archive.fileobj is not None and archive.fileobj.read(1 << 20):
        pass  # gzip keeps its checksum at the very end, where tarfile does not look
    return members


def _refusal(path: Path, name: str, reason: str) -> ValueError:
    return ValueError(
        f"refused to unpack {path}: its entry {name!r} {reason}; fetch the archive from its official source"
    )


def _target(folder: Path, name: str, path: Path) -> Path:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if not parts or parts[0] == "/" or ".." in parts or any(":" in part for part in parts):
        raise _refusal(path, name, "points outside the folder")
    return folder.joinpath(*parts)


def _write(member: _Member, target: Path, path: Path) -> None:
    source = member.open()
    if source is None:
        raise _refusal(path, member.name, "has no content")
    part = target.with_name(target.name + ".part")
    with source, part.open("wb") as sink:
        shutil.copyfileobj(source, sink, 1 << 20)
    if part.stat().st_size != member.size:
        raise EOFError(f"{member.name} ended after {part.stat().st_size} of {member.size} bytes")
    part.replace(target)


def unpack(archive: str | Path, folder: str | Path) -> int:
    """Unpack a zip or tar archive (plain, gz, bz2, xz) into a folder.

    Files that are there already in the announced size are left alone, so a second run goes on where the first stopped.

    Args:
        archive: the file to unpack.
        folder: where to; it is created.

    Returns:
        The number of files that the archive holds.

    Raises:
        ValueError: the file is no archive or damaged; a name in it points outside the folder, or is a link or a device
            (then nothing is written); the disk is too small.
    """
    path, folder = Path(archive), Path(folder)
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as opened:
                return _unpack_members(_zip_members(opened, path), path, folder)
        with tarfile.open(path) as opened_tar:
            return _unpack_members(_tar_members(opened_tar, path), path, folder)
    except OSError as error:
        remedy = "check its place and the free space" if error.errno else "it is damaged: fetch it again"
        raise ValueError(f"cannot unpack {path} into {folder} ({error}); {remedy}") from error
    except _BROKEN as error:
        reason = str(error).partition("\n")[0].rstrip(":")
        raise ValueError(
            f"cannot unpack {path} into {folder} ({reason}); it is damaged or no zip or tar file: fetch it again"
        ) from error


def _unpack_members(members: list[_Member], path: Path, folder: Path) -> int:
    targets = [_target(folder, member.name, path) for member in members]
    folder.mkdir(parents=True, exist_ok=True)
    todo = [
        (member, target)
        for member, target in zip(members, targets, strict=True)
        if member.is_file and not (target.is_file() and target.stat().st_size == member.size)
    ]
    check_free_space(folder, sum(member.size for member, _ in todo))
    for member, target in zip(members, targets, strict=True):
        (target.parent if member.is_file else target).mkdir(parents=True, exist_ok=True)
    for member, target in todo:
        _write(member, target, path)
    return sum(member.is_file for member in members)


def check_free_space(folder: Path, needed: int) -> None:
    """Refuse to begin what the disk cannot hold.

    Raises:
        ValueError: fewer than ``needed`` bytes are free where ``folder`` lies.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise ValueError(
            f"{folder} needs {needed / 1e6:.0f} MB more and its disk has {free / 1e6:.0f} MB free; "
            "make room or choose another folder"
        )
