from __future__ import annotations

import errno
import hashlib
import os
import shutil
from pathlib import Path

import pytest

from dsrl_lab.files import read_text, sha256, whole_file, whole_folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_nothing_is_there_before_the_end_and_all_of_it_after(tmp_path: Path) -> None:
    target = tmp_path / "new" / "deep" / "a.png"
    with whole_file(target) as temporary:
        temporary.write_bytes(b"new")
        assert not target.exists()
        assert temporary.parent == target.parent and temporary.suffix == ".png", "writers go by the suffix"
        assert temporary.name.startswith("."), "a listing of pictures must not find it"
    assert target.read_bytes() == b"new" and names(target.parent) == ["a.png"]


def test_a_folder_is_replaced_by_a_whole_one_alone(tmp_path: Path) -> None:
    def fill(text: str, *, stop: bool = False) -> None:
        with whole_folder(tmp_path / "kit") as place:
            (place / text).write_text(text)
            if stop:
                raise KeyboardInterrupt

    fill("old")
    with pytest.raises(KeyboardInterrupt):
        fill("half", stop=True)
    assert names(tmp_path) == ["kit"] and names(tmp_path / "kit") == ["old"]
    fill("new")
    assert names(tmp_path) == ["kit"] and names(tmp_path / "kit") == ["new"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, BrokenPipeError])
def test_an_interrupted_write_leaves_the_old_file_and_the_files_of_others(
    tmp_path: Path, error: type[BaseException]
) -> None:
    for name in ("a.txt", "a.txt.part", ".unfinished-00000000.txt"):
        (tmp_path / name).write_text("old")
    with pytest.raises(error, match="^mine$"), whole_file(tmp_path / "a.txt") as temporary:
        temporary.write_text("half")
        raise error("mine")
    assert names(tmp_path) == [".unfinished-00000000.txt", "a.txt", "a.txt.part"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_two_writers_do_not_share_a_temporary_file(tmp_path: Path) -> None:
    with whole_file(tmp_path / "a") as first, whole_file(tmp_path / "a") as second:
        first.write_text("first")
        second.write_text("second")
    assert (tmp_path / "a").read_text() == "first", "the one that ended last"
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("umask, mode", [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_the_mode_is_the_umasks_even_if_the_writer_has_its_own(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        with whole_file(tmp_path / "a") as temporary:
            temporary.unlink()  # as safetensors does: a file of its own, for its owner alone
            temporary.touch(0o600)
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == mode


def test_a_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "a")
    with whole_file(tmp_path / "link") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "disk" / "a").read_text() == "new"


@pytest.mark.parametrize("place", [".", "/dev/null"])
def test_folders_and_devices_are_not_replaced(tmp_path: Path, place: str) -> None:
    wanted = pytest.raises(ValueError, match=r"expected a file or nothing at .*, found a folder or device")
    with wanted, whole_file(tmp_path / place):
        pass
    assert names(tmp_path) == []


@pytest.mark.parametrize("place", ["file/a", "file/deep/a"])
def test_a_file_where_a_folder_should_be_is_said(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    wanted = pytest.raises(OSError, match=rf"cannot write .*{place}: .*; choose a folder that you may write")
    with wanted, whole_file(tmp_path / place):
        pass


FULL = [
    OSError(errno.ENOSPC, "No space left on device"),
    Exception("SafetensorError: I/O error: No space left on device (os error 28)"),
    RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed"),
]


@pytest.mark.parametrize("error", FULL, ids=["python", "rust", "torch"])
def test_a_full_disk_names_file_and_free_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    usage = type(shutil.disk_usage("."))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**8, 10**8 - 20_000, 20_000))
    wanted = pytest.raises(OSError, match=r"cannot write .*a\.bin: the disk is full, 0\.0 MB are free; make room")
    with wanted, whole_file(tmp_path / "a.bin"):
        raise error
    assert names(tmp_path) == []


def test_errors_of_the_body_keep_their_kind(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="gone"), whole_file(tmp_path / "a"):
        (tmp_path / "gone").read_bytes()
    with pytest.raises(RuntimeError, match="^shape mismatch$"), whole_file(tmp_path / "a"):
        raise RuntimeError("shape mismatch")
    with pytest.raises(OSError, match=r"cannot write .*: File too large; choose"), whole_file(tmp_path / "a"):
        raise OSError(errno.EFBIG, "File too large")


def test_a_writer_that_wrote_nothing_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"cannot write .*a: No such file"), whole_file(tmp_path / "a") as temporary:
        temporary.unlink()


def test_sha256_is_hashlibs(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000
    (tmp_path / "a").write_bytes(content)
    assert sha256(tmp_path / "a") == sha256(str(tmp_path / "a")) == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_text_is_utf8_with_or_without_a_mark(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.txt").write_bytes("Straße\r\n二".encode(encoding))
    assert read_text(tmp_path / "a.txt") == "Straße\r\n二"


@pytest.mark.parametrize(
    "content, line",
    [("a\nb".encode("utf-16"), 1), ("a\nb".encode("utf-16-le"), 1), ("a\nb\nü".encode("latin-1"), 3)],
)
def test_other_encodings_are_refused_by_file_and_line(tmp_path: Path, content: bytes, line: int) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(ValueError, match=rf"line {line} of .*a\.txt is not UTF-8, .*; save the file as UTF-8"):
        read_text(tmp_path / "a.txt")
