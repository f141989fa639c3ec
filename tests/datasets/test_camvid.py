from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dsrl_lab.datasets import camvid
from dsrl_lab.datasets.camvid import ORIGINAL_COLORS, CamVid, check, colors_to_ids, original_split
from dsrl_lab.datasets.class_tables import CAMVID
from dsrl_lab.datasets.masks import colour_code, look_up
from dsrl_lab.tools.fetch.download import verify

HEIGHT, WIDTH = 6, 8
NAMES = {
    "train": ["0001TP_006690", "0006R0_f00930", "0016E5_00390"],
    "val": ["0016E5_07959", "0016E5_07961"],
    "test": ["0001TP_008550", "Seq05VD_f00000"],
}


def picture(number: int) -> Image.Image:
    return Image.fromarray(np.full((HEIGHT, WIDTH, 3), number, dtype=np.uint8))


def segnet_tree(root: Path, splits: list[str], *, lists: bool = True) -> Path:
    for split in splits:
        (root / split).mkdir(parents=True)
        (root / f"{split}annot").mkdir()
        lines = []
        for number, name in enumerate(NAMES[split]):
            picture(number).save(root / split / f"{name}.png")
            ids = (np.arange(HEIGHT * WIDTH, dtype=np.uint8).reshape(HEIGHT, WIDTH) + number) % 12
            Image.fromarray(ids).save(root / f"{split}annot" / f"{name}.png")
            lines.append(f"/SegNet/CamVid/{split}/{name}.png /SegNet/CamVid/{split}annot/{name}.png")
        if lists:
            (root / f"{split}.txt").write_text("\n".join(lines) + "\n")
    return root


def original_tree(root: Path) -> Path:
    images, labels = root / "701_StillsRaw_full", root / "LabeledApproved_full"
    images.mkdir(parents=True)
    labels.mkdir()
    colors = np.array(list(ORIGINAL_COLORS), dtype=np.uint8)
    for number, name in enumerate(name for names in NAMES.values() for name in names):
        picture(number).save(images / f"{name}.png")
        pixels = colors[(np.arange(HEIGHT * WIDTH) + number) % len(colors)].reshape(HEIGHT, WIDTH, 3)
        Image.fromarray(pixels).save(labels / f"{name}_L.png")
    return root


def test_segnet_sample(tmp_path: Path) -> None:
    data = CamVid(segnet_tree(tmp_path, ["train", "val"]), "train")
    assert data.layout == "segnet" and data.class_table is CAMVID and len(data) == 3
    image, mask, name = data[1]
    assert name == "0006R0_f00930" == data.names[1]
    assert image.shape == (3, HEIGHT, WIDTH) and image.dtype == torch.float32
    assert mask.shape == (HEIGHT, WIDTH) and mask.dtype == torch.int64
    assert torch.allclose(image, torch.tensor(1 / 255))
    expected = (torch.arange(HEIGHT * WIDTH) + 1) % 12
    assert torch.equal(mask.flatten(), torch.where(expected == 11, 255, expected))


def test_list_file_gives_the_order_and_the_folder_is_sorted_without_it(tmp_path: Path) -> None:
    root = segnet_tree(tmp_path, ["train"])
    lines = (root / "train.txt").read_text().splitlines()
    (root / "train.txt").write_text("\n\n".join(reversed(lines)).replace("/", "\\"))
    assert CamVid(root, "train").names == tuple(reversed(NAMES["train"])), "blank lines and Windows paths do no harm"
    (root / "train.txt").unlink()
    assert CamVid(root, "train").names == tuple(sorted(NAMES["train"]))


@pytest.mark.parametrize("lists", [True, False])
def test_any_split_that_is_there_will_do(tmp_path: Path, lists: bool) -> None:
    root = segnet_tree(tmp_path, ["train", "val"], lists=lists)
    with pytest.raises(ValueError, match=r"no split 'test'; splits found there: train, val\. Get it with"):
        CamVid(root, "test")
    segnet_tree(root, ["test"], lists=lists)
    assert len(CamVid(root, "test")) == 2
    (root / "night").mkdir()
    (root / "nightannot").mkdir()
    for folder in ("", "annot"):
        (root / f"train{folder}" / "0016E5_00390.png").rename(root / f"night{folder}" / "n.png")
    assert CamVid(root, "night")[0].name == "n"


def test_missing_files_are_counted_and_named(tmp_path: Path) -> None:
    root = segnet_tree(tmp_path, ["train"])
    (root / "trainannot" / "0006R0_f00930.png").unlink()
    with pytest.raises(ValueError, match=r"1 of 6 files are missing, the first is .*trainannot.0006R0_f00930\.png"):
        CamVid(root, "train")
    (root / "train.txt").unlink()
    with pytest.raises(ValueError, match=r"1 of 6 files are missing, the first is .*trainannot.0006R0_f00930\.png"):
        CamVid(root, "train")


def test_broken_list_names_its_line(tmp_path: Path) -> None:
    root = segnet_tree(tmp_path, ["train"])
    with (root / "train.txt").open("a") as file:
        file.write("0001TP_006720.png\n")
    with pytest.raises(ValueError, match=r"line 4 of .*train\.txt: expected 'folder/picture.png folder/mask.png'"):
        CamVid(root, "train")


def test_no_camvid_at_all(tmp_path: Path) -> None:
    for root in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ValueError, match=r"no CamVid at .*expected folders train/ .*data fetch camvid"):
            CamVid(root, "train")
    with pytest.raises(ValueError, match="unknown layout 'flat'; choose from auto, segnet, kaggle, original, fastai"):
        CamVid(tmp_path, "train", layout="flat")  # type: ignore[arg-type]


def test_id_out_of_range_names_the_file(tmp_path: Path) -> None:
    root = segnet_tree(tmp_path, ["val"])
    ids = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    ids[2, 5] = 12
    Image.fromarray(ids).save(root / "valannot" / "0016E5_07961.png")
    data = CamVid(root, "val")
    assert data[0].name == "0016E5_07959"
    with pytest.raises(ValueError, match=r"id 12 at \(2, 5\) of .*0016E5_07961\.png; expected 0\.\.11 or 255"):
        data[1]


def test_damage_and_wrong_size_name_the_file(tmp_path: Path) -> None:
    root = segnet_tree(tmp_path, ["val"])
    picture(0).resize((WIDTH, HEIGHT - 1)).save(root / "val" / "0016E5_07959.png")
    with pytest.raises(ValueError, match=r"differ in size \(H, W\): .*0016E5_07959\.png is \(5, 8\), .* is \(6, 8\)"):
        CamVid(root, "val")[0]
    (root / "val" / "0016E5_07961.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    with pytest.raises(ValueError, match=r"cannot decode .*0016E5_07961\.png"):
        CamVid(root, "val")[1]


def test_grouping_of_the_32_colours() -> None:
    assert len(ORIGINAL_COLORS) == 32
    assert set(ORIGINAL_COLORS.values()) == {*range(11), 255}
    for name, color in zip(CAMVID.names, CAMVID.colors, strict=True):
        assert ORIGINAL_COLORS[color] == CAMVID.index(name), "a class has the colour of its main member"
    assert ORIGINAL_COLORS[(0, 0, 0)] == 255


def test_every_other_colour_is_unknown() -> None:
    rng = np.random.default_rng(0)
    steps = [(r, g, b) for r in range(0, 256, 64) for g in range(0, 256, 64) for b in range(0, 256, 64)]
    others = [color for color in steps if color not in ORIGINAL_COLORS]
    others += [tuple(color) for color in rng.integers(0, 256, (200, 3)).tolist() if tuple(color) not in ORIGINAL_COLORS]
    assert len(others) > 200
    known = {int(colour_code(color)): number for color, number in ORIGINAL_COLORS.items()}
    assert len(known) == 32
    for color in others:
        pixels = np.zeros((2, 3, 3), dtype=np.uint8)
        pixels[1, 2] = color
        assert look_up(colour_code(pixels), known).tolist() == [[255, 255, 255], [255, 255, -1]]


def test_colours_become_ids_and_another_names_its_file() -> None:
    colours = np.array([[[128, 128, 128], [0, 0, 0], [0, 128, 192]]], np.uint8)
    assert colors_to_ids(colours, Path("x_L.png")).tolist() == [[0, 255, 10]]
    with pytest.raises(ValueError, match=r"x_L.png holds colour \(255, 69, 0\), which stands for no class"):
        colors_to_ids(np.array([[[255, 69, 0]]], np.uint8), Path("x_L.png"))


def test_original_layout(tmp_path: Path) -> None:
    root = original_tree(tmp_path)
    table = list(ORIGINAL_COLORS.values())
    for split, names in NAMES.items():
        data = CamVid(root, split)
        assert data.layout == "original" and data.names == tuple(sorted(names))
    image, mask, _ = CamVid(root, "train", layout="original")[1]
    assert torch.allclose(image, torch.tensor(1 / 255))
    assert mask.flatten().tolist() == [table[(i + 1) % 32] for i in range(HEIGHT * WIDTH)]
    with pytest.raises(ValueError, match="no split 'trainval'; splits found there: train, val, test"):
        CamVid(root, "trainval")


def test_original_layout_with_lists(tmp_path: Path) -> None:
    root = original_tree(tmp_path)
    (root / "val.txt").write_text("0006R0_f00930.png\n0001TP_006690\n")
    assert CamVid(root, "val").names == ("0006R0_f00930", "0001TP_006690")
    with pytest.raises(ValueError, match="splits found there: val"):
        CamVid(root, "train")


def test_unknown_colour_names_file_and_colour(tmp_path: Path) -> None:
    root = original_tree(tmp_path)
    pixels = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
    pixels[3, 1] = (1, 2, 3)
    Image.fromarray(pixels).save(root / "LabeledApproved_full" / "0016E5_07959_L.png")
    with pytest.raises(
        ValueError, match=r"colour #010203 at \(3, 1\) of .*0016E5_07959_L\.png; expected one of the 32"
    ):
        CamVid(root, "val")[0]


def test_foreign_frame_needs_a_list(tmp_path: Path) -> None:
    root = original_tree(tmp_path)
    picture(0).save(root / "701_StillsRaw_full" / "holiday.png")
    with pytest.raises(ValueError, match=r"no split is known for frame 'holiday'.*put train\.txt"):
        CamVid(root, "train")


def test_check_names_what_is_missing(tmp_path: Path) -> None:
    assert check(tmp_path).missing == (f"folder {tmp_path} with train/ and trainannot/",)
    root = segnet_tree(tmp_path, ["train"])
    report = check(root)
    assert report.found == {"train": 3} and report.missing == ("split val",)
    assert "dsrl-lab data fetch camvid" in str(report)
    segnet_tree(root, ["val"])
    assert check(root).ok and not check(root, splits=("test",)).ok
    (root / "val" / "0016E5_07959.png").unlink()
    assert "1 of 4 files are missing" in check(root).missing[0]


def test_check_of_the_original(tmp_path: Path) -> None:
    report = check(original_tree(tmp_path), splits=camvid.SPLITS)
    assert report.ok and report.found == {"train": 3, "val": 2, "test": 2}


def kaggle_tree(root: Path) -> Path:
    colors = np.array(list(ORIGINAL_COLORS), dtype=np.uint8)
    for split, names in NAMES.items():
        (root / split).mkdir(parents=True)
        (root / f"{split}_labels").mkdir()
        for number, name in enumerate(names):
            picture(number).save(root / split / f"{name}.png")
            pixels = colors[(np.arange(HEIGHT * WIDTH) + number) % len(colors)].reshape(HEIGHT, WIDTH, 3)
            Image.fromarray(pixels).save(root / f"{split}_labels" / f"{name}_L.png")
    (root / "class_dict.csv").write_text("name,r,g,b\n")
    return root


def test_kaggles_layout_keeps_its_own_splits(tmp_path: Path) -> None:
    root, table = kaggle_tree(tmp_path), list(ORIGINAL_COLORS.values())
    (root / "val" / "0016E5_07961.png").rename(root / "test" / "0016E5_07961.png")
    (root / "val_labels" / "0016E5_07961_L.png").rename(root / "test_labels" / "0016E5_07961_L.png")
    data = CamVid(root, "test")
    assert data.layout == "kaggle" and data.names == ("0001TP_008550", "0016E5_07961", "Seq05VD_f00000")
    assert data[1].mask.flatten().tolist() == [table[(i + 1) % 32] for i in range(HEIGHT * WIDTH)]
    assert check(root, splits=camvid.SPLITS).found == {"train": 3, "val": 1, "test": 3}


CODES = ["Animal", "Archway", "Bicyclist", "Void", "Wall", "Sky"]  # the first and last of fastai's 32, in its order


def fastai_tree(root: Path, *, valid: list[str]) -> Path:
    (root / "images").mkdir(parents=True)
    (root / "labels").mkdir()
    for name in [name for names in NAMES.values() for name in names]:
        picture(1).save(root / "images" / f"{name}.png")
        ids = np.arange(HEIGHT * WIDTH, dtype=np.uint8).reshape(HEIGHT, WIDTH) % len(CODES)
        Image.fromarray(ids).save(root / "labels" / f"{name}_P.png")
    (root / "codes.txt").write_text("\n".join(CODES))
    (root / "valid.txt").write_text("".join(f"{name}.png\n" for name in valid))
    return root


def test_fastais_layout_reads_ids_by_its_codes(tmp_path: Path) -> None:
    root = fastai_tree(tmp_path, valid=["0001TP_006690", "Seq05VD_f00000"])
    val = CamVid(root, "val")
    assert val.layout == "fastai" and val.names == ("0001TP_006690", "Seq05VD_f00000")
    expected = [CAMVID.index(name) for name in ("pedestrian", "building", "bicyclist")] + [255, 1, 0]
    assert val[0].mask.flatten().tolist() == expected * (HEIGHT * WIDTH // 6)
    assert set(CamVid(root, "train").names) == {n for names in NAMES.values() for n in names} - set(val.names)
    (root / "valid.txt").unlink()
    assert CamVid(root, "val").names == tuple(NAMES["val"]), "without a list by the frames' names"


def test_fastais_codes_are_needed_and_known(tmp_path: Path) -> None:
    root = fastai_tree(tmp_path, valid=NAMES["val"])
    (root / "codes.txt").write_text("\n".join(CODES[:-1]))
    with pytest.raises(ValueError, match=r"id 5 at \(0, 5\) of .*_P\.png; expected the ids of codes\.txt, 0\.\.4"):
        CamVid(root, "val")[0]
    (root / "codes.txt").write_text("Sky\nZebra")
    with pytest.raises(ValueError, match=r"unknown class 'Zebra' in .*codes\.txt; expected CamVid's: Void, Sky"):
        CamVid(root, "val")
    (root / "codes.txt").unlink()
    with pytest.raises(ValueError, match=r"names of the mask's classes in .*codes\.txt, found no file"):
        CamVid(root, "val")


@pytest.mark.parametrize(
    "encoding, good", [("utf-8", True), ("utf-8-sig", True), ("utf-16", False), ("latin-1", False)]
)
def test_lists_are_utf8_with_or_without_a_mark(tmp_path: Path, encoding: str, good: bool) -> None:
    for folder, image in (("train", picture(1)), ("trainannot", Image.new("L", (WIDTH, HEIGHT), 3))):
        (tmp_path / folder).mkdir()
        for name in ("a", "Straße"):
            image.save(tmp_path / folder / f"{name}.png")
    lines = [f"train/{name}.png trainannot/{name}.png" for name in ("a", "Straße")]
    (tmp_path / "train.txt").write_bytes("\r\n".join(lines).encode(encoding))
    if good:
        assert CamVid(tmp_path, "train").names == ("a", "Straße")
    else:
        line = 1 if encoding == "utf-16" else 2
        with pytest.raises(ValueError, match=rf"line {line} of .*train\.txt is not UTF-8, .*; save the file as UTF-8"):
            CamVid(tmp_path, "train")


@pytest.mark.parametrize(
    "line", ['"{0}" "{1}"', "{0} {1}", "{0}\t{1}", "/home/some one/Cam Vid/{0}   /home/some one/Cam Vid/{1} "]
)
def test_blanks_in_listed_names_are_read(tmp_path: Path, line: str) -> None:
    root = segnet_tree(tmp_path / "Cam Vid", ["val"])
    for folder in ("val", "valannot"):
        (root / folder / "0016E5_07959.png").rename(root / folder / "rainy day (2).v1.png")
    (root / "val.txt").write_text(line.format("val/rainy day (2).v1.png", "valannot/rainy day (2).v1.png"))
    assert CamVid(root, "val").names == ("rainy day (2).v1",) and CamVid(root, "val")[0].mask.shape == (6, 8)


def test_listed_subfolders_are_found(tmp_path: Path) -> None:
    root = segnet_tree(tmp_path, ["val"])
    for folder in ("val", "valannot"):
        (root / folder / "one").mkdir()
        (root / folder / "0016E5_07959.png").rename(root / folder / "one" / "a.png")
    (root / "val.txt").write_text("val/one/a.png valannot/one/a.png\n")
    assert CamVid(root, "val").names == ("a",)


@pytest.mark.parametrize("place", ["val", "valannot"])
def test_what_has_no_partner_is_missing_not_left_out(tmp_path: Path, place: str) -> None:
    root = segnet_tree(tmp_path, ["val"], lists=False)
    (root / place / "0016E5_07961.png").unlink()
    wanted = rf"1 of 4 files are missing, the first is .*{place}.0016E5_07961\.png"
    with pytest.raises(ValueError, match=wanted):
        CamVid(root, "val")
    (root / place / "0016E5_07961.png").symlink_to("../annex/x")
    with pytest.raises(ValueError, match=wanted + r", a link to \.\./annex/x\."):
        CamVid(root, "val")


def test_what_is_not_read_is_said(tmp_path: Path) -> None:
    root = segnet_tree(tmp_path, ["train", "val"], lists=False)
    (root / "val" / "more").mkdir()
    (root / "val" / "b.heic").touch()
    with pytest.warns(UserWarning, match=r"not read in .*val, 2 in all: b\.heic, more/"):
        CamVid(root, "val")
    report = check(root)
    assert report.ok and report.notes == (f"not read in {root / 'val'}, 2 in all: b.heic, more/",)
    assert "note: not read in" in str(report)


def test_empty_lists_and_folders_list_nothing(tmp_path: Path) -> None:
    root = segnet_tree(tmp_path, ["val"])
    (root / "val.txt").write_text("\n \n")
    with pytest.raises(ValueError, match=r"split 'val' of CamVid at .* lists no pictures"):
        CamVid(root, "val")
    for folder in ("train", "trainannot"):
        (root / folder).mkdir()
    with pytest.raises(ValueError, match=r"split 'train' of CamVid at .* lists no pictures"):
        CamVid(root, "train")
    assert not check(root).ok and check(root).found == {}


def test_lossy_masks_are_refused_by_reader_and_check(tmp_path: Path) -> None:
    root = segnet_tree(tmp_path, ["train", "val"], lists=False)
    (root / "valannot" / "0016E5_07961.png").unlink()
    Image.new("L", (WIDTH, HEIGHT), 3).save(root / "valannot" / "0016E5_07961.jpg")
    with pytest.raises(ValueError, match=r"expected a lossless mask, .*0016E5_07961\.jpg is JPEG"):
        CamVid(root, "val")[1]
    assert "expected a lossless mask" in check(root).missing[0]
    original = original_tree(tmp_path / "original")
    labels = original / "LabeledApproved_full"
    Image.open(labels / "0016E5_07959_L.png").save(labels / "0016E5_07959_L.jpg")
    (labels / "0016E5_07959_L.png").unlink()
    with pytest.raises(ValueError, match=r"expected a lossless mask, .*0016E5_07959_L\.jpg"):
        CamVid(original, "val")[0]


def test_a_larger_copy_of_ones_own_passes_the_check(tmp_path: Path) -> None:
    """``data check`` compares SHA-256 sums with SegNet's 480x360 copy; a 960x720 one has its own files."""
    segnet_tree(tmp_path / "CamVid", ["train", "val"])
    report = verify("camvid", tmp_path)
    assert report.ok and report.found == {"train": 3, "val": 2}
    assert report.notes == ("no file is the released one: judged by its reader",)
    (tmp_path / "CamVid" / "valannot" / "0016E5_07959.png").write_bytes(b"damaged")
    assert "cannot decode" in verify("camvid", tmp_path).missing[0]


def test_real_splits_follow_the_rule(real_data: Path) -> None:
    root = real_data / "CamVid"
    if not root.is_dir():
        pytest.skip("CamVid is not among the real data")
    of_splits = {split: CamVid(root, split) for split in ("train", "val", "test")}
    assert [len(split) for split in of_splits.values()] == [367, 101, 233]
    for split, data in of_splits.items():
        assert {original_split(name) for name in data.names} == {split}
    val = of_splits["val"]
    image, mask, name = val[0]
    assert name == "0016E5_07959" and image.shape == (3, 360, 480) and mask.shape == (360, 480)
    assert set(mask.unique().tolist()) <= {*range(11), 255}
    road = mask == CAMVID.index("road")
    assert road[240:].float().mean() > 0.3 > road[:120].float().mean(), "the road lies below"


@pytest.mark.slow
def test_every_real_sample_reads(real_data: Path) -> None:
    pixels = torch.zeros(12, dtype=torch.long)
    for split in ("train", "val", "test"):
        for image, mask, _ in CamVid(real_data / "CamVid", split):
            assert image.shape[-2:] == mask.shape and 0.02 < image.mean() < 0.9
            pixels += torch.bincount(mask.clamp(max=11).flatten(), minlength=12)
    share = pixels / pixels.sum()
    assert share.argmax() == CAMVID.index("road") and share.min() > 0.001
