from __future__ import annotations

import io
import os
import shutil
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from dsrl_lab.files import check_free_space
from dsrl_lab.tools.fetch.archives import unpack

FILES = {"top.txt": b"top", "folder/deep/a.bin": bytes(range(256)) * 300, "empty": b""}
EVIL = ["../evil", "/tmp/evil", "a/../../evil", "..\\evil", "C:\\evil", "C:/evil"]


def make_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("hollow")
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def make_tar(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        hollow = tarfile.TarInfo("hollow")
        hollow.type = tarfile.DIRTYPE
        archive.addfile(hollow)
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


MAKERS = pytest.mark.parametrize("make", [make_zip, make_tar])


def tree(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@MAKERS
def test_everything_comes_out(tmp_path: Path, make) -> None:
    archive = make(tmp_path / "archive", FILES)
    assert unpack(archive, tmp_path / "out") == 3
    assert tree(tmp_path / "out") == FILES
    assert (tmp_path / "out" / "hollow").is_dir()


@MAKERS
def test_second_run_repairs_what_is_missing_only(tmp_path: Path, make) -> None:
    archive, out = make(tmp_path / "archive", FILES), tmp_path / "out"
    unpack(archive, out)
    (out / "top.txt").write_bytes(b"TOP")  # same size: ours now, left alone
    (out / "folder" / "deep" / "a.bin").write_bytes(b"cut short")
    unpack(archive, out)
    assert tree(out) == FILES | {"top.txt": b"TOP"}


@MAKERS
def test_folders_of_windows_names_are_folders(tmp_path: Path, make) -> None:
    unpack(make(tmp_path / "archive", {"a\\b.txt": b"b"}), tmp_path / "out")
    assert tree(tmp_path / "out") == {"a/b.txt": b"b"}


def test_modes_are_the_umasks(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "archive", "w") as archive:
        info = tarfile.TarInfo("a")
        info.mode = 0o600
        archive.addfile(info)
    before = os.umask(0o022)
    try:
        unpack(tmp_path / "archive", tmp_path / "out")
    finally:
        os.umask(before)
    assert (tmp_path / "out" / "a").stat().st_mode & 0o777 == 0o644


@MAKERS
@pytest.mark.parametrize("name", EVIL)
def test_nothing_escapes_and_nothing_is_written(tmp_path: Path, make, name: str) -> None:
    archive = make(tmp_path / "archive", {"good.txt": b"good", name: b"evil"})
    with pytest.raises(ValueError, match=r"refused to unpack .*archive: its entry .* points outside the folder"):
        unpack(archive, tmp_path / "inner" / "out")
    assert tree(tmp_path).keys() == {"archive"}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_tar_are_refused(tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(tmp_path / "archive", "w") as archive:
        info = tarfile.TarInfo("link")
        info.type, info.linkname = kind, "/etc"
        archive.addfile(info)
    with pytest.raises(ValueError, match="'link' is a link or a device"):
        unpack(tmp_path / "archive", tmp_path / "out")


def test_links_in_zip_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "archive", "w") as archive:
        info = zipfile.ZipInfo("link")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc")
    with pytest.raises(ValueError, match="'link' is a link or a device"):
        unpack(tmp_path / "archive", tmp_path / "out")


@MAKERS
@pytest.mark.parametrize("damage", ["half", "text", "flipped"])
def test_damage_names_the_archive(tmp_path: Path, make, damage: str) -> None:
    archive = make(tmp_path / "archive", {"a": bytes(range(256)) * 40, "b": b"b" * 500})
    good = archive.read_bytes()
    middle = len(good) // 2
    flipped = good[: middle - 20] + bytes(byte ^ 0xFF for byte in good[middle - 20 : middle]) + good[middle:]
    archive.write_bytes({"half": good[:middle], "text": b"<html>", "flipped": flipped}[damage])
    with pytest.raises(ValueError, match=r"cannot unpack .*archive into .*fetch it again"):
        unpack(archive, tmp_path / "out")
    assert not tree(tmp_path / "out"), "all or nothing"


def test_missing_archive_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"cannot unpack .*gone\.zip into .*No such file"):
        unpack(tmp_path / "gone.zip", tmp_path / "out")


def test_small_disk_is_noticed_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type(shutil.disk_usage("."))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(100, 90, 10))
    check_free_space(tmp_path, 10)
    with pytest.raises(ValueError, match="needs 0 MB more and its disk has 0 MB free; make room"):
        unpack(make_zip(tmp_path / "archive", FILES), tmp_path / "out")
    assert not tree(tmp_path / "out")


def test_an_entry_without_a_name_is_damage(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        archive.writestr("a", "text")
    content = (tmp_path / "data.zip").read_bytes()
    place = content.index(b"PK\x01\x02")
    nameless = content[: place + 28] + b"\0\0" + content[place + 30 : place + 46] + content[place + 47 :]
    end = nameless.index(b"PK\x05\x06")
    size = int.from_bytes(nameless[end + 12 : end + 16], "little") - 1
    (tmp_path / "data.zip").write_bytes(nameless[: end + 12] + size.to_bytes(4, "little") + nameless[end + 16 :])
    with pytest.raises(ValueError, match=r"refused to unpack .*data\.zip: its entry '' points outside"):
        unpack(tmp_path / "data.zip", tmp_path / "out")
