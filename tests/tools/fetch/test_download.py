from __future__ import annotations

import hashlib
import os
import shutil
import socket
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from dsrl_lab.cli import app
from dsrl_lab.datasets.base import DataReport
from dsrl_lab.tools.fetch import download as module
from dsrl_lab.tools.fetch.download import DownloadError, available, download, fetch, verify
from dsrl_lab.tools.fetch.sources import Entry, RemoteFile

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


@pytest.mark.parametrize(
    "behaviour, reason",
    [
        ("truncated", r"IncompleteRead|the connection ended after 100000 of 200000 bytes"),
        ("portal", r"the connection ended after 26 of 200000 bytes"),
        ("endless", r"the server sent more than the 200000 bytes expected"),
        ("corrupt", r"the content is not the expected one \(SHA-256 differs\)"),
    ],
)
def test_what_is_not_whole_gets_no_name(tmp_path: Path, server: Server, behaviour: str, reason: str) -> None:
    counted: list[int] = []
    (tmp_path / "a.bin").write_bytes(b"old")
    with pytest.raises(DownloadError, match=rf"could not fetch a\.bin .*\n.*{behaviour}/a\.bin: .*({reason})"):
        download(remote(server.url(behaviour)), tmp_path, attempts=2, pause=0.0, count=counted.append)
    assert names(tmp_path) == ["a.bin"] and (tmp_path / "a.bin").read_bytes() == b"old"
    assert server.count(behaviour) == 2 and sum(counted) == 0 < max(counted)


def test_a_broken_connection_is_tried_again(tmp_path: Path, server: Server) -> None:
    assert get(tmp_path, server.url("flaky")).read_bytes() == CONTENT
    assert server.count("flaky") == 2 and names(tmp_path) == ["a.bin"]


def test_the_mode_is_the_umasks(tmp_path: Path, server: Server) -> None:
    before = os.umask(0o022)
    try:
        assert get(tmp_path, server.url("good")).stat().st_mode & 0o777 == 0o644
    finally:
        os.umask(before)


def test_corruption_goes_to_the_mirror(tmp_path: Path, server: Server) -> None:
    with pytest.raises(DownloadError, match=r"could not fetch a\.bin .*\n.*corrupt/a\.bin: .*SHA-256 differs"):
        get(tmp_path, server.url("corrupt"))
    assert names(tmp_path) == [], "nothing wrong stays"
    assert get(tmp_path, server.url("corrupt"), server.url("good")).read_bytes() == CONTENT


def test_refusal_goes_to_the_mirror(tmp_path: Path, server: Server, refusing: str) -> None:
    with pytest.raises(DownloadError, match=r"[Rr]efused"):
        get(tmp_path, refusing)
    assert get(tmp_path, refusing, server.url("good")).read_bytes() == CONTENT


def test_a_stalled_server_is_left(tmp_path: Path, server: Server) -> None:
    with pytest.raises(DownloadError, match="timed out"):
        get(tmp_path, server.url("stalled"), timeout=0.2, attempts=1)
    assert get(tmp_path, server.url("stalled"), server.url("good"), timeout=2, attempts=1).read_bytes() == CONTENT
    assert names(tmp_path) == ["a.bin"]


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
    with pytest.raises(OSError, match=r"cannot write .*file.a\.bin: .*; choose a folder that you may write"):
        get(tmp_path / "file", server.url("good"))
    assert server.count("good") == 0


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
        check=lambda folder: DataReport("x", str(folder), {}, () if (folder / "val").is_dir() else ("val",)),
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
    offline = replace(entry, files=(*entry.files[:8], *broken))
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


def test_the_command_takes_a_second_address_and_verifies_what_it_gives(
    tmp_path: Path, server: Server, entry: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.time, "sleep", lambda _: None)
    server.files.update({f"Tiny/{path}": content for path, content in server.files.copy().items()})
    command = ["data", "fetch", "tiny", "--root", str(tmp_path), "--from"]
    assert CliRunner().invoke(app, [*command, server.url("mirror", "")]).exit_code == 0
    assert server.count("mirror") == 12 and server.count("good") == 0 and verify("tiny", tmp_path).ok
    shutil.rmtree(tmp_path / "Tiny")
    assert CliRunner().invoke(app, [*command, server.url("corrupt", "")]).exit_code == 0
    assert server.count("good") == 12 and verify("tiny", tmp_path).ok, "a wrong file of the mirror is left there"


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
    with pytest.raises(DownloadError, match=r"not all there\.\nhand at .*\n  missing: val\n  .*By hand: register"):
        fetch("hand", tmp_path)
    assert verify("hand", tmp_path).missing == ("val",)
    (tmp_path / "Hand").mkdir()
    with zipfile.ZipFile(tmp_path / "Hand" / "hand.zip", "w") as archive:
        archive.writestr("train/0.png", b"0")
        archive.writestr("val/0.png", b"0")
    assert fetch("hand", tmp_path) == tmp_path / "Hand"
    assert verify("hand", tmp_path).ok


@pytest.mark.parametrize(
    "found, notes", [({}, ()), ({"train": 3}, ("no file is the released one: judged by its reader",))]
)
def test_a_copy_of_ones_own_is_judged_by_its_reader(
    tmp_path: Path, entry: Entry, monkeypatch: pytest.MonkeyPatch, found: dict[str, int], notes: tuple[str, ...]
) -> None:
    checked = replace(entry, check=lambda folder: DataReport("reader", str(folder), found))
    monkeypatch.setattr(module, "available", lambda: {"tiny": checked})
    (tmp_path / "Tiny" / "train").mkdir(parents=True)
    (tmp_path / "Tiny" / "train" / "0.png").write_bytes(b"another picture")
    report = verify("tiny", tmp_path)
    assert report.ok == bool(found) and report.notes == notes and report.dataset == "tiny"
    fetch("tiny", tmp_path)
    assert verify("tiny", tmp_path).notes == ()


def test_registry_is_sound() -> None:
    for name, entry in available().items():
        assert name == entry.name and entry.title and entry.licence and entry.by_hand
        assert entry.page.startswith("https://")
        assert entry.files or entry.check
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
    fetch("set5", tmp_path, mirrors=[server.url("flaky", "")], workers=1, pause=0.0)
    assert verify("set5", tmp_path).ok


def test_what_cannot_be_fetched_has_no_files_and_what_is_absent_is_named(tmp_path: Path) -> None:
    assert len(available()["camvid"].files) == 1405 and not available()["cityscapes"].files
    assert verify("set5", tmp_path).missing[0] == "img_001_SRF_2_HR.png: not there"
