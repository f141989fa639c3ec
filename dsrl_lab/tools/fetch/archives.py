"""Unpack zip and tar archives without trusting the names inside them (the "path traversal" weakness, CWE-22)."""

import lzma
import stat
import tarfile
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from dsrl_lab.files import check_free_space

# IndexError: of zipfile itself, for an entry without a name.
_BROKEN = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, RuntimeError, IndexError)
_Member = zipfile.ZipInfo | tarfile.TarInfo


def unpack(archive: str | Path, folder: str | Path) -> int:
    """Unpack a zip or tar archive (plain, gz, bz2, xz) but for files that are there; return the number that it holds.

    Raises ValueError for a damaged file or full disk, and, before it writes, a name outside the folder, link or device.
    """
    path, folder = Path(archive), Path(folder)
    try:
        with zipfile.ZipFile(path) if zipfile.is_zipfile(path) else tarfile.open(path) as opened:
            return _unpack(opened, path, folder)
    except OSError as error:
        remedy = "check its place and the free space" if error.errno else "it is damaged: fetch it again"
        raise ValueError(f"cannot unpack {path} into {folder} ({error}); {remedy}") from error
    except _BROKEN as error:
        reason = str(error).partition("\n")[0].rstrip(":")
        raise ValueError(
            f"cannot unpack {path} into {folder} ({reason}); it is damaged or no zip or tar file: fetch it again"
        ) from error


def _unpack(opened: zipfile.ZipFile | tarfile.TarFile, path: Path, folder: Path) -> int:
    entries: list[_Member] = [*(opened.infolist() if isinstance(opened, zipfile.ZipFile) else opened.getmembers())]
    targets = {_target(entry, path): entry for entry in entries}
    folders = [folder / name for name, entry in targets.items() if _is_folder(entry)]
    files = {name: entry for name, entry in targets.items() if not _is_folder(entry)}
    missing = {name: entry for name, entry in files.items() if not _is_there(folder / name, _size(entry))}
    check_free_space(folder, sum(_size(entry) for entry in missing.values()))
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=folder) as place:
        for name, entry in missing.items():
            if isinstance(entry, zipfile.ZipInfo) and isinstance(opened, zipfile.ZipFile):
                entry.filename = str(name)
                opened.extract(entry, place)
            elif isinstance(entry, tarfile.TarInfo) and isinstance(opened, tarfile.TarFile):
                opened.extract(entry.replace(name=str(name), deep=False), place, filter=_as_data)
        while isinstance(opened, tarfile.TarFile) and opened.fileobj is not None and opened.fileobj.read(1 << 20):
            pass  # gzip keeps its checksum at the very end, where tarfile does not look
        for target in (*folders, *((folder / name).parent for name in missing)):
            target.mkdir(parents=True, exist_ok=True)
        for name in missing:
            (Path(place) / name).replace(folder / name)
    return len(files)


def _as_data(entry: tarfile.TarInfo, place: str) -> tarfile.TarInfo:
    """Python's filter for data, with the mode that the umask asks for."""
    return tarfile.data_filter(entry, place).replace(mode=None, deep=False)  # type: ignore[arg-type]


def _is_folder(entry: _Member) -> bool:
    return entry.is_dir() if isinstance(entry, zipfile.ZipInfo) else entry.isdir()


def _size(entry: _Member) -> int:
    return entry.file_size if isinstance(entry, zipfile.ZipInfo) else entry.size


def _is_there(target: Path, size: int) -> bool:
    return target.is_file() and target.stat().st_size == size


def _target(entry: _Member, path: Path) -> PurePosixPath:
    if isinstance(entry, zipfile.ZipInfo):
        name, plain = entry.filename, stat.S_IFMT(entry.external_attr >> 16) in (0, stat.S_IFREG, stat.S_IFDIR)
    else:
        name, plain = entry.name, entry.isfile() or entry.isdir()
    target = PurePosixPath(name.replace("\\", "/"))
    reason = "" if plain else "is a link or a device"
    if not target.parts or target.is_absolute() or ".." in target.parts or ":" in name:
        reason = "points outside the folder"
    if reason:
        raise ValueError(f"refused to unpack {path}: its entry {name!r} {reason}; fetch it from its official source")
    return target
