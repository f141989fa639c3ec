"""What a check of one's own folder finds; a folder without faults has none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from typer.testing import CliRunner

from dsrl_lab import cli
from dsrl_lab.datasets.folder import PictureFolder
from dsrl_lab.tools.folder_check import check
from tests.datasets.test_folder import IDS, painted, write


def folder(root: Path) -> Path:
    write(root, ["a", "b"], images="train/images", masks="train/masks")
    return write(root, ["c"], images="val/images", masks="val/masks")


def test_a_good_folder_has_nothing_odd_and_its_shares_are_counted(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    report = check(folder(tmp_path), progress=lambda done, of: seen.append((done, of)))
    assert report.ok and report.found == {"train": 2, "val": 1} and seen == [(1, 3), (2, 3), (3, 3)]
    assert "share of the pixels: ground 33.3 %, pole 50.0 %, ignored 16.7 %" in report.notes
    assert "pictures of 2x3 (height x width): 3" in report.notes


def test_what_is_odd_is_named_and_counted(tmp_path: Path) -> None:
    folder(tmp_path)
    masks = tmp_path / "train" / "masks"
    Image.fromarray(np.array([[0, 3, 3], [4, 0, 7]], dtype=np.uint8)).save(masks / "a.png")
    Image.fromarray(np.array([[0, 3, 3], [0, 0, 7]], dtype=np.uint8)).save(masks / "b.png")
    (tmp_path / "val" / "masks" / "c.png").unlink()
    Image.fromarray(IDS).save(tmp_path / "val" / "masks" / "extra.png")
    report = check(tmp_path)
    assert not report.ok and report.found == {"train": 2, "val": 0}
    assert "odd: id 3 is not in the class table: 4 pixels of 2 masks, the first is" in str(report)
    assert any(line.startswith("id 4 is not in the class table: 1 pixels of 1 masks") for line in report.missing)
    assert any("expected the mask" in line and "c.png, found no file" in line for line in report.missing)
    assert any("expected the picture" in line and "extra.png, found no file" in line for line in report.missing)


def test_lossy_transparent_and_turned_files(tmp_path: Path) -> None:
    folder(tmp_path)
    Image.fromarray(painted()).save(tmp_path / "train" / "masks" / "a.png", format="JPEG")
    clear = Image.fromarray(np.zeros((2, 3, 4), dtype=np.uint8))
    clear.save(tmp_path / "train" / "images" / "b.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    photo = tmp_path / "val" / "images" / "c.png"
    photo.unlink()
    Image.new("RGB", (3, 2)).save(photo.with_suffix(".jpg"), exif=exif)
    report = check(tmp_path)
    assert len(report.missing) == 2
    assert "expected a lossless mask" in report.missing[0] and "one of them is turned" in report.missing[1]
    assert "pictures with alpha: 1" in report.notes
    Image.fromarray(IDS.T.copy()).save(tmp_path / "val" / "masks" / "c.png")
    assert "pictures turned upright by their EXIF orientation: 1" in check(tmp_path).notes
    assert PictureFolder(tmp_path, "val")[0].mask.shape == (3, 2)


def test_lists_that_repeat_or_are_empty_and_files_that_are_not_read(tmp_path: Path) -> None:
    write(tmp_path, ["a", "b"])
    (tmp_path / "train.txt").write_text("a\nb\n")
    (tmp_path / "val.txt").write_text("b\n")
    (tmp_path / "test.txt").write_text("\n")
    (tmp_path / "images" / "notes.txt").write_text("")
    report = check(tmp_path)
    assert any("b.png is listed 2 times, in one split or in several" in line for line in report.missing)
    assert "split test is empty" in report.missing
    assert any("notes.txt" in note for note in report.notes)


def test_the_command_ends_with_1_if_something_is_odd(tmp_path: Path) -> None:
    write(tmp_path, ["a"])
    good = CliRunner().invoke(cli.app, ["data", "check", str(tmp_path)])
    assert good.exit_code == 0 and "train 1" in good.output and "--held-out" in good.output
    (tmp_path / "classes.csv").unlink()
    bad = CliRunner().invoke(cli.app, ["data", "check", str(tmp_path)])
    assert bad.exit_code == 1 and "odd: no class table in" in bad.output
