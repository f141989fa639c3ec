"""A folder of one's own: layouts, class tables, kinds of masks, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dsrl_lab.datasets.folder import PictureFolder, read_classes, splits_of

TABLE = "id,name,colour,ignored,thin\n0,ground,#404040,,\n7,pole,200 150 100,,yes\n9,border,#ffffff,yes,\n"
IDS = np.array([[0, 7, 9], [7, 7, 0]], dtype=np.uint8)
CLASSES = [[0, 1, 255], [1, 1, 0]]
COLOURS = {0: (64, 64, 64), 7: (200, 150, 100), 9: (255, 255, 255)}


def painted(ids: np.ndarray = IDS) -> np.ndarray:
    return np.array([[COLOURS[int(i)] for i in row] for row in ids], dtype=np.uint8)


def palette_mask(ids: np.ndarray, colours: dict[int, tuple[int, int, int]]) -> Image.Image:
    mask = Image.fromarray(ids)
    mask.putpalette([part for number in range(256) for part in colours.get(number, (1, 2, 3))])
    assert mask.mode == "P"
    return mask


def write(root: Path, names: list[str], *, images: str = "images", masks: str = "masks", table: str = TABLE) -> Path:
    for folder in (images, masks):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        Image.fromarray(np.full((2, 3, 3), 10 * number, dtype=np.uint8)).save(root / images / f"{name}.png")
        Image.fromarray(IDS).save(root / masks / f"{name}.png")
    (root / "classes.csv").write_text(table, encoding="utf-8")
    return root


def test_a_table_of_ids_names_and_colours(tmp_path: Path) -> None:
    table, known = read_classes(write(tmp_path, []))
    assert table.names == ("ground", "pole") and table.thin == ("pole",)
    assert table.colors == (COLOURS[0], COLOURS[7])
    assert known.ids == {0: 0, 7: 1, 9: 255}


@pytest.mark.parametrize(
    "text", [TABLE.replace(",", ";"), TABLE.replace(",", "\t"), "\ufeff" + TABLE.replace("\n", "\r\n")]
)
def test_tables_as_spreadsheets_write_them(tmp_path: Path, text: str) -> None:
    write(tmp_path, [], table=TABLE)
    expected = read_classes(tmp_path)
    (tmp_path / "classes.csv").write_text(text, encoding="utf-8", newline="")
    assert read_classes(tmp_path) == expected


def test_a_table_in_json_and_rows_of_one_name_are_one_class(tmp_path: Path) -> None:
    rows = [
        {"id": 4, "name": "road", "color": [1, 2, 3]},
        {"id": 5, "name": "road", "color": "#040506"},
        {"id": 0, "name": "sky", "colour": "9 9 9", "ignored": False},
        {"id": 255, "name": "void", "colour": "#000000", "ignored": True},
    ]
    (tmp_path / "classes.json").write_text(json.dumps(rows))
    table, known = read_classes(tmp_path)
    assert table.names == ("road", "sky") and table.colors == ((1, 2, 3), (9, 9, 9))
    assert known.ids == {4: 0, 5: 0, 0: 1, 255: 255}
    assert known.colours == {0x010203: 0, 0x040506: 0, 0x090909: 1, 0: 255}


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("id,name,colour\n0,a,#000000\n", "expected 2 to 255 classes that are not ignored in .*, got 1"),
        ("id,name,colour\n0,a,#000000\n-1,b,#010101\n", "row 2 of .*classes.csv: expected id"),
        ("id,name,colour\n0,a,#000000\n1,,#010101\n", "row 2 of .*classes.csv: expected id"),
        ("id,name,colour\n0,a,#000000\n1,b,256 0 0\n", "row 2 of .*classes.csv: expected id"),
        ("id,name,colour\n0,a,#000000\n1,b,red\n", "row 2 of .*classes.csv: expected id"),
        ("id,name,colour,ignored\n0,a,#000000,\n1,b,#010101,perhaps\n", "row 2 .* yes or nothing"),
        ("id,name,colour\n0,a,#000000\n0,b,#010101\n", "the id or colour of 'b' is another class's too"),
        ("id,name,colour\n0,a,#000000\n1,b,#000000\n", "the id or colour of 'b' is another class's too"),
        ("a road\n", "got 0"),
    ],
)
def test_rows_that_are_wrong_are_named(tmp_path: Path, text: str, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        read_classes(write(tmp_path, [], table=text))


@pytest.mark.parametrize(
    ("text", "match"), [("[", "cannot be read"), ('{"a": 1}', "expected a list of classes"), ("[1]", "row 1 of")]
)
def test_json_that_is_no_table(tmp_path: Path, text: str, match: str) -> None:
    (tmp_path / "classes.json").write_text(text)
    with pytest.raises(ValueError, match=match):
        read_classes(tmp_path)


def test_a_folder_without_table_or_pictures_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no class table in .*write classes.csv"):
        read_classes(tmp_path)
    for place in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ValueError, match="no pictures and masks in .*: expected folders images and masks"):
            splits_of(place)


def test_layouts(tmp_path: Path) -> None:
    for split in ("val", "train", "night"):
        write(tmp_path / "a", ["x", "y"], images=f"{split}/images", masks=f"{split}/labels")
        write(tmp_path / "b", ["x", "y"], images=f"pictures/{split}", masks=f"masks/{split}")
    lists = write(tmp_path / "c", ["x", "y", "z"])
    (lists / "train.txt").write_text("x.png\n\n images/z\n")
    (lists / "val.txt").write_text("y\n")
    whole = write(tmp_path / "d", ["x", "y"])
    assert list(splits_of(tmp_path / "a")) == list(splits_of(tmp_path / "b")) == ["train", "val", "night"]
    assert PictureFolder(tmp_path / "b", "night").names == ("x", "y")
    (tmp_path / "b" / "masks" / "val").rename(tmp_path / "b" / "masks" / "valid")
    with pytest.raises(ValueError, match="2 of 4 files are missing"):
        PictureFolder(tmp_path / "b", "val")
    assert PictureFolder(lists, "train").names == ("x", "z") and PictureFolder(lists, "val").names == ("y",)
    assert list(splits_of(whole)) == ["train"] and len(PictureFolder(whole, "train")) == 2
    with pytest.raises(ValueError, match="has no split 'val'; splits found there: train"):
        PictureFolder(whole, "val")


def test_a_sample_is_picture_mask_and_name(tmp_path: Path) -> None:
    image, mask, name = PictureFolder(write(tmp_path, ["a", "b"]), "train")[1]
    assert name == "b" and mask.tolist() == CLASSES and mask.dtype == torch.int64
    assert image.shape == (3, 2, 3) and float(image[0, 0, 0]) == pytest.approx(10 / 255)


@pytest.mark.parametrize(
    "mask",
    [
        Image.fromarray(IDS),
        Image.fromarray(IDS.astype(np.uint16)),
        Image.fromarray(IDS).convert("LA"),
        Image.fromarray(painted()),
        Image.fromarray(painted()).convert("RGBA"),
        palette_mask(IDS, {0: (250, 0, 0), 7: (0, 250, 0), 9: (0, 0, 250)}),  # any colours: its ids count
        palette_mask(IDS // 4, {0: COLOURS[0], 1: COLOURS[7], 2: COLOURS[9]}),  # the table's colours count
    ],
    ids=["grey", "16 bit", "grey, alpha", "colours", "colours, alpha", "palette of ids", "palette of colours"],
)
def test_kinds_of_masks_give_the_same_classes(tmp_path: Path, mask: Image.Image) -> None:
    write(tmp_path, ["a"])
    mask.save(tmp_path / "masks" / "a.png")
    assert PictureFolder(tmp_path, "train")[0].mask.tolist() == CLASSES


def test_a_binary_mask_of_white_has_id_255(tmp_path: Path) -> None:
    write(tmp_path, ["a"], table="id,name,colour\n0,rest,#000000\n255,cell,#ffffff\n")
    Image.fromarray(np.array([[0, 255, 255]] * 2, dtype=np.uint8)).save(tmp_path / "masks" / "a.png")
    assert PictureFolder(tmp_path, "train")[0].mask.tolist() == [[0, 1, 1]] * 2


def test_unknown_ids_and_colours_are_counted(tmp_path: Path) -> None:
    data = PictureFolder(write(tmp_path, ["a"]), "train")
    Image.fromarray(np.array([[0, 3, 3], [255, 0, 7]], dtype=np.uint8)).save(tmp_path / "masks" / "a.png")
    with pytest.raises(
        ValueError,
        match=r"id 3 at \(0, 1\) of .*a.png; expected what .*classes.csv lists.*id 3 2 times, id 255 1 times",
    ):
        data[0]
    wrong = painted()
    wrong[0, 0] = (1, 2, 3)
    Image.fromarray(wrong).save(tmp_path / "masks" / "a.png")
    with pytest.raises(ValueError, match=r"colour #010203 at \(0, 0\) of .*a.png"):
        data[0]


def test_what_has_no_sure_class_is_refused(tmp_path: Path) -> None:
    data = PictureFolder(write(tmp_path, ["a"]), "train")
    clear = Image.fromarray(painted()).convert("RGBA")
    clear.putpixel((1, 1), (64, 64, 64, 254))
    clear.save(tmp_path / "masks" / "a.png")
    with pytest.raises(ValueError, match="a.png is transparent in parts"):
        data[0]
    Image.fromarray(painted()).save(tmp_path / "masks" / "a.png", format="JPEG")
    with pytest.raises(ValueError, match="expected a lossless mask"):
        data[0]
    Image.fromarray(IDS.T.copy()).save(tmp_path / "masks" / "a.png")
    with pytest.raises(ValueError, match=r"a.png is \(2, 3\), .*a.png is \(3, 2\) \(one of them is turned"):
        data[0]


def test_pictures_without_masks_and_masks_without_pictures_are_named(tmp_path: Path) -> None:
    write(tmp_path, ["a", "b"])
    (tmp_path / "masks" / "a.png").unlink()
    (tmp_path / "images" / "b.png").unlink()
    with pytest.raises(
        ValueError, match=r"2 of 4 files are missing, the first is .*masks/a.png. A picture and its mask"
    ):
        PictureFolder(tmp_path, "train")
