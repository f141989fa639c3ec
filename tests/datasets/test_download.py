from __future__ import annotations

import hashlib
import shutil
import socket
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dsrl_lab.datasets import download as module
from dsrl_lab.datasets.download import DownloadError, available, download, fetch, verify
from dsrl_lab.datasets.sources import Entry, RemoteFile

if TYPE_CHECKING:
    from conftest import Server

CONTENT = hashlib.shake_256(b"DSRL Lab").digest(200_000)  # what the server of conftest.py sends


def remote(*urls: str, path: str = "a.bin", content: bytes = CONTENT) -> RemoteFile:
    return RemoteFile(path=path, urls=urls, sha256=hashlib.sha256(content).hexdigest(), size=len(content))


def get(folder: Path, *urls: str, timeout: float = 5.0, attempts: int = 3) -> Path:
    return download(remote(*urls), folder, timeout=timeout, attempts=attempts, pause=0.0)


def names(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_good_server(tmp_path: Path, server: Server) -> None:
    path = get(tmp_path, server.url("good"))
    assert path.read_bytes() == CONTENT and names(tmp_path) == ["a.bin"]
    get(tmp_path, server.url("good"))
    assert server.count("good") == 1, "what is here and whole is not fetched again"


def test_truncation_is_resumed_by_ranges(tmp_path: Path, server: Server) -> None:
    path = get(tmp_path, server.url("truncated"), attempts=20)
    assert path.read_bytes() == CONTENT and names(tmp_path) == ["a.bin"]
    starts = [int(wanted[6:-1]) if wanted else 0 for _, wanted in server.requests]
    assert len(starts) > 5 and starts == sorted(set(starts)), "each request goes on from the last byte"


def test_resume_after_the_process_died(tmp_path: Path, server: Server) -> None:
    (tmp_path / "a.bin.part").write_bytes(CONTENT[:150_000])
    assert get(tmp_path, server.url("good")).read_bytes() == CONTENT
    assert server.requests == [("good", "bytes=150000-")]


def test_part_that_was_whole_needs_no_server(tmp_path: Path, refusing: str) -> None:
    (tmp_path / "a.bin.part").write_bytes(CONTENT)
    assert get(tmp_path, refusing).read_bytes() == CONTENT


@pytest.mark.parametrize("junk", [b"x" * 1000, CONTENT + b"x", b"x" * len(CONTENT)])
def test_wrong_part_is_thrown_away(tmp_path: Path, server: Server, junk: bytes) -> None:
    (tmp_path / "a.bin.part").write_bytes(junk)
    assert get(tmp_path, server.url("good")).read_bytes() == CONTENT
    assert names(tmp_path) == ["a.bin"]


def test_server_without_ranges_starts_again(tmp_path: Path, server: Server) -> None:
    (tmp_path / "a.bin.part").write_bytes(CONTENT[:1000])
    assert get(tmp_path, server.url("no_ranges")).read_bytes() == CONTENT
    with pytest.raises(DownloadError, match=r"the connection ended after 100000 of 200000 bytes"):
        get(tmp_path / "other", server.url("no_ranges_truncated"))
    assert server.count("no_ranges_truncated") == 3


@pytest.mark.parametrize("behaviour", ["wrong_range", "range_refused"])
def test_lies_about_ranges_do_no_harm(tmp_path: Path, server: Server, behaviour: str) -> None:
    with pytest.raises(DownloadError, match=r"another range than the one asked for|HTTP 416|connection ended"):
        get(tmp_path, server.url(behaviour))
    assert "a.bin" not in names(tmp_path)
    assert get(tmp_path, server.url(behaviour), server.url("good")).read_bytes() == CONTENT


def test_corruption_goes_to_the_mirror(tmp_path: Path, server: Server) -> None:
    with pytest.raises(DownloadError, match=r"could not fetch a\.bin .*\n.*corrupt/a\.bin: .*SHA-256 differs"):
        get(tmp_path, server.url("corrupt"))
    assert names(tmp_path) == [], "nothing wrong stays"
    assert get(tmp_path, server.url("corrupt"), server.url("good")).read_bytes() == CONTENT


def test_wrong_sizes_are_refused(tmp_path: Path, server: Server) -> None:
    (tmp_path / "a.bin.part").write_bytes(CONTENT[:5000])
    with pytest.raises(DownloadError) as caught:
        get(tmp_path, server.url("portal"), attempts=1)
    assert "the server offers 26 bytes where 195000 were expected" in str(caught.value)
    assert (tmp_path / "a.bin.part").read_bytes() == CONTENT[:5000], "a log-in page does not spoil what is here"
    with pytest.raises(DownloadError, match="the server sent more than the 200000 bytes expected"):
        get(tmp_path, server.url("endless"), attempts=1)
    assert names(tmp_path) == []


def test_refusal_goes_to_the_mirror(tmp_path: Path, server: Server, refusing: str) -> None:
    with pytest.raises(DownloadError, match=r"[Rr]efused"):
        get(tmp_path, refusing)
    assert get(tmp_path, refusing, server.url("good")).read_bytes() == CONTENT


@pytest.mark.parametrize("behaviour, reason", [("stalled", "timed out"), ("dripping", "stalled: .* bytes in 0.2 s")])
def test_stall_ends_and_what_came_is_kept(tmp_path: Path, server: Server, behaviour: str, reason: str) -> None:
    with pytest.raises(DownloadError, match=reason):
        get(tmp_path, server.url(behaviour), timeout=0.2, attempts=1)
    kept = (tmp_path / "a.bin.part").read_bytes()
    assert kept and CONTENT.startswith(kept)
    assert get(tmp_path, server.url("good")).read_bytes() == CONTENT
    assert server.requests[-1] == ("good", f"bytes={len(kept)}-")


def test_offline_is_said_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(DownloadError, match="this machine seems to be offline"):
        get(tmp_path, "https://data.example.org/a.bin")


def test_missing_is_final_and_busy_is_not(tmp_path: Path, server: Server) -> None:
    with pytest.raises(DownloadError, match="HTTP 404"):
        get(tmp_path, server.url("gone"))
    assert server.count("gone") == 1
    assert get(tmp_path, server.url("busy")).read_bytes() == CONTENT
    assert server.count("busy") == 2


def test_unwritable_place_is_said_at_once(tmp_path: Path, server: Server) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DownloadError, match=r"cannot create .*file.*; choose a folder you may write"):
        get(tmp_path / "file", server.url("good"))
    (tmp_path / "a.bin.part").mkdir()
    with pytest.raises(DownloadError, match=r"cannot write .*a\.bin\.part"):
        get(tmp_path, server.url("good"))
    assert server.count("good") == 1


@pytest.fixture
def entry(server: Server, monkeypatch: pytest.MonkeyPatch) -> Entry:
    contents = {f"train/{i}.png": hashlib.shake_256(bytes([i])).digest(5000 + i) for i in range(12)}
    server.files.update(contents)
    made = Entry(
        name="tiny",
        title="",
        folder="Tiny",
        licence="",
        page="https://example.org/tiny",
        by_hand="copy the folder train",
        files=tuple(remote(server.url("good", path), path=path, content=data) for path, data in contents.items()),
    )
    hand = Entry(
        name="hand",
        title="",
        folder="Hand",
        licence="",
        page="https://example.org/hand",
        by_hand="register and put hand.zip there",
        archives=("hand.zip",),
        markers=("train/0.png", "val"),
    )
    monkeypatch.setattr(module, "available", lambda: {"tiny": made, "hand": hand})
    return made


def test_fetch_verifies_and_reports(tmp_path: Path, server: Server, entry: Entry) -> None:
    seen: list[tuple[int, int]] = []
    assert not verify("tiny", tmp_path).ok
    folder = fetch("tiny", tmp_path, progress=lambda done, total: seen.append((done, total)))
    assert folder == tmp_path / "Tiny" and names(folder) == sorted(file.path for file in entry.files)
    assert all((folder / path).read_bytes() == server.files[path] for path in server.files)
    done = [here for here, _ in seen]
    assert done == sorted(done) and done[0] == 0 and done[-1] == entry.size
    assert {total for _, total in seen} == {entry.size}
    assert verify("tiny", tmp_path).ok and verify("tiny", tmp_path).found == {"files": 12}


def test_fetch_repairs_only_what_is_wrong(tmp_path: Path, server: Server, entry: Entry) -> None:
    folder = fetch("tiny", tmp_path)
    (folder / "train" / "3.png").write_bytes(b"damaged")
    (folder / "train" / "4.png").unlink()
    report = verify("tiny", tmp_path)
    assert report.missing == ("train/3.png: damaged (SHA-256 differs)", "train/4.png: not there")
    assert "dsrl-lab data fetch tiny" in str(report) and "By hand: copy the folder train" in str(report)
    server.requests.clear()
    fetch("tiny", tmp_path)
    assert server.count("good") == 2 and verify("tiny", tmp_path).ok


def test_offline_says_what_to_do_and_keeps_what_came(
    tmp_path: Path, server: Server, entry: Entry, refusing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = [
        RemoteFile(path=file.path, urls=(refusing,), sha256=file.sha256, size=file.size) for file in entry.files[8:]
    ]
    offline = Entry(**{**vars(entry), "files": (*entry.files[:8], *broken)})
    monkeypatch.setattr(module, "available", lambda: {"tiny": offline})
    with pytest.raises(DownloadError) as caught:
        fetch("tiny", tmp_path, attempts=1, workers=1)
    message = str(caught.value)
    assert "tiny: could not fetch train/8.png" in message and "refused" in message.lower()
    assert "run the command again" in message
    assert f"By hand: copy the folder train. Source: https://example.org/tiny. Place: {tmp_path / 'Tiny'}" in message
    assert len(names(tmp_path / "Tiny")) == 8
    monkeypatch.setattr(module, "available", lambda: {"tiny": entry})
    server.requests.clear()
    fetch("tiny", tmp_path)
    assert server.count("good") == 4


def test_mirror_is_tried_first(tmp_path: Path, server: Server, entry: Entry) -> None:
    server.files.update({f"Tiny/{path}": content for path, content in server.files.copy().items()})
    mirror = server.url("mirror", "")
    fetch("tiny", tmp_path, mirrors=[mirror])
    assert server.count("mirror") == 12 and server.count("good") == 0


def test_small_disk_is_noticed_first(
    tmp_path: Path, server: Server, entry: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type(shutil.disk_usage("."))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(100, 90, 10))
    with pytest.raises(ValueError, match="MB free; make room or choose another folder"):
        fetch("tiny", tmp_path)
    assert not server.requests


@pytest.mark.usefixtures("entry")
def test_unknown_name_lists_the_names(tmp_path: Path) -> None:
    for call in (fetch, verify):
        with pytest.raises(ValueError, match="unknown data 'tinny'; choose from tiny, hand"):
            call("tinny", tmp_path)


@pytest.mark.usefixtures("entry")
def test_by_hand_archives_are_unpacked(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"train/0\.png, val is not there\. By hand: register"):
        fetch("hand", tmp_path)
    assert verify("hand", tmp_path).missing == ("train/0.png: not there", "val: not there")
    (tmp_path / "Hand").mkdir()
    with zipfile.ZipFile(tmp_path / "Hand" / "hand.zip", "w") as archive:
        archive.writestr("train/0.png", b"0")
        archive.writestr("val/0.png", b"0")
    assert fetch("hand", tmp_path) == tmp_path / "Hand"
    assert verify("hand", tmp_path).ok


def test_registry_is_sound() -> None:
    for name, entry in available().items():
        assert name == entry.name and entry.title and entry.licence and entry.by_hand
        assert entry.page.startswith("https://")
        assert bool(entry.files) != bool(entry.markers)
        assert len({file.path for file in entry.files}) == len(entry.files)
        for file in entry.files:
            assert len(file.sha256) == 64 and int(file.sha256, 16) and file.size > 0
            assert len(file.urls) == 2 and all(url.startswith("https://") for url in file.urls)
            assert ".." not in file.path and not file.path.startswith("/")
    urls = [file.urls[0] for file in available()["set5"].files]
    assert urls[0].endswith("/data/Set5/image_SRF_2/img_001_SRF_2_HR.png")


@pytest.mark.parametrize("name", ["set5", "set14", "espnetv2_cityscapes", "camvid"])
def test_real_files_have_the_sums_of_the_registry(real_data: Path, name: str) -> None:
    if not (real_data / available()[name].folder).is_dir():
        pytest.skip(f"{name} is not among the real data")
    report = verify(name, real_data)
    assert report.ok, str(report)


def test_real_entry_through_a_mirror(tmp_path: Path, server: Server, real_data: Path) -> None:
    folder = available()["set5"].folder
    if not (real_data / folder).is_dir():
        pytest.skip("Set5 is not among the real data")
    server.files.update({f"{folder}/{path.name}": path.read_bytes() for path in (real_data / folder).iterdir()})
    fetch("set5", tmp_path, mirrors=[server.url("truncated", "")], attempts=20, pause=0.0)
    assert verify("set5", tmp_path).ok
