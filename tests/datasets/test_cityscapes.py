from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dsrl_lab.datasets.cityscapes import TRAIN_TO_LABEL, Cityscapes, check, to_label_ids, to_train_ids
from dsrl_lab.datasets.class_tables import CITYSCAPES
from dsrl_lab.datasets.masks import look_up
from dsrl_lab.tools.fetch.download import DownloadError, fetch, verify

HEIGHT, WIDTH = 5, 34
FRAMES = {
    "train": ["zurich_000001_000019", "aachen_000000_000019", "aachen_000001_000019"],
    "val": ["munster_000000_000019", "frankfurt_000000_000294"],
    "test": ["berlin_000000_000019"],
}


def tree(root: Path, splits: list[str]) -> Path:
    for split in splits:
        for number, frame in enumerate(FRAMES[split]):
            city = frame.split("_")[0]
            image = root / "leftImg8bit" / split / city / f"{frame}_leftImg8bit.png"
            image.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((HEIGHT, WIDTH, 3), number, dtype=np.uint8)).save(image)
            if split != "test":
                folder = root / "gtFine" / split / city
                folder.mkdir(parents=True, exist_ok=True)
                labels = np.tile(np.arange(34, dtype=np.uint8), (HEIGHT, 1))
                Image.fromarray(labels).save(folder / f"{frame}_gtFine_labelIds.png")
                Image.fromarray(labels).save(folder / f"{frame}_gtFine_instanceIds.png")
                (folder / f"{frame}_gtFine_polygons.json").write_text("{}")
    return root


def test_sample_and_order(tmp_path: Path) -> None:
    data = Cityscapes(tree(tmp_path, ["train", "val"]), "train")
    assert data.names == ("aachen_000000_000019", "aachen_000001_000019", "zurich_000001_000019")
    image, mask, name = data[2]
    assert name == "zurich_000001_000019" and data.class_table is CITYSCAPES
    assert image.shape == (3, HEIGHT, WIDTH) and image.dtype == torch.float32
    assert mask.shape == (HEIGHT, WIDTH) and mask.dtype == torch.int64
    assert mask[0, list(TRAIN_TO_LABEL)].tolist() == list(range(19))
    assert int((mask[0] == 255).sum()) == 34 - 19


def test_label_table_is_the_official_one() -> None:
    official = {"road": 7, "building": 11, "pole": 17, "sky": 23, "person": 24, "bus": 28, "train": 31, "bicycle": 33}
    assert {name: TRAIN_TO_LABEL[CITYSCAPES.index(name)] for name in official} == official
    assert len(TRAIN_TO_LABEL) == CITYSCAPES.num_classes == len(set(TRAIN_TO_LABEL))


def test_there_and_back() -> None:
    train_ids = torch.arange(19).view(1, 19)
    labels = to_label_ids(train_ids)
    assert labels.dtype == torch.uint8
    assert torch.equal(to_train_ids(labels.numpy(), Path("a_labelIds.png")), train_ids)
    with pytest.raises(ValueError, match="a_labelIds.png holds id 77, which stands for no class"):
        to_train_ids(np.array([[7, 77]], np.uint8), Path("a_labelIds.png"))
    assert to_label_ids(torch.tensor([255])).tolist() == [0]
    assert look_up(np.array([[255]], dtype=np.uint8), Cityscapes.known.ids).tolist() == [[255]]


@pytest.mark.parametrize("wrong", [19, 254, -1, 300])
def test_only_train_ids_go_back(wrong: int) -> None:
    with pytest.raises(ValueError, match=rf"expected train ids 0\.\.18 or 255, got {wrong}"):
        to_label_ids(torch.tensor([[0, wrong]]))


@pytest.mark.parametrize("wrong", [34, 254, 24001])
def test_foreign_label_names_the_file(wrong: int, tmp_path: Path) -> None:
    data = Cityscapes(tree(tmp_path, ["val"]), "val")
    labels = np.zeros((HEIGHT, WIDTH), dtype=np.uint16)
    labels[1, 0] = wrong
    Image.fromarray(labels).save(data.pairs[0][1])
    with pytest.raises(ValueError, match=rf"id {wrong} at \(1, 0\) of .*labelIds\.png; expected label ids 0\.\.33"):
        data[0]


def test_test_split_has_no_truth(tmp_path: Path) -> None:
    data = Cityscapes(tree(tmp_path, ["test"]), "test")
    assert data[0].mask.shape == (HEIGHT, WIDTH) and data[0].mask.dtype == torch.int64
    assert bool((data[0].mask == 255).all())


def test_missing_split_and_masks_are_named(tmp_path: Path) -> None:
    root = tree(tmp_path, ["val"])
    with pytest.raises(ValueError, match=r"no split 'train'; splits found there: val\. Register at"):
        Cityscapes(root, "train")
    (root / "gtFine" / "val" / "munster" / "munster_000000_000019_gtFine_labelIds.png").unlink()
    with pytest.raises(ValueError, match=r"1 of 4 files are missing, the first is .*munster_000000_000019_gtFine"):
        Cityscapes(root, "val")
    (root / "leftImg8bit" / "train").mkdir()
    with pytest.raises(ValueError, match="split 'train' of Cityscapes at .* lists no pictures"):
        Cityscapes(root, "train")


def test_size_mismatch_is_named(tmp_path: Path) -> None:
    root = tree(tmp_path, ["val"])
    mask = root / "gtFine" / "val" / "frankfurt" / "frankfurt_000000_000294_gtFine_labelIds.png"
    Image.fromarray(np.zeros((4, 4), dtype=np.uint8)).save(mask)
    with pytest.raises(ValueError, match=r"differ in size .*frankfurt_000000_000294_gtFine_labelIds\.png is \(4, 4\)"):
        Cityscapes(root, "val")[0]


def test_check(tmp_path: Path) -> None:
    root = tree(tmp_path, ["train", "test"])
    report = check(root)
    assert report.found == {"train": 3, "test": 1} and report.missing == ("split val",)
    assert "cityscapes-dataset.com" in str(report)
    tree(root, ["val"])
    assert check(root).ok
    (root / "gtFine" / "val" / "munster" / "munster_000000_000019_gtFine_labelIds.png").unlink()
    assert "1 of 4 files are missing" in check(root).missing[0] and "val" not in check(root).found


def test_a_mask_without_its_picture_is_not_left_out(tmp_path: Path) -> None:
    root = tree(tmp_path, ["val"])
    place = root / "leftImg8bit" / "val" / "munster" / "munster_000000_000019_leftImg8bit.png"
    place.unlink()
    with pytest.raises(ValueError, match=r"1 of 4 files are missing, the first is .*munster_000000_000019_leftImg8bit"):
        Cityscapes(root, "val")
    place.symlink_to("nowhere.png")
    with pytest.raises(ValueError, match=r"1 of 4 files are missing, .*, a link to nowhere\.png"):
        Cityscapes(root, "val")


def test_empty_folders_are_not_a_data_set(tmp_path: Path) -> None:
    for place in ("leftImg8bit/train", "leftImg8bit/val", "gtFine/train", "gtFine/val"):
        (tmp_path / "Cityscapes" / place).mkdir(parents=True)
    report = verify("cityscapes", tmp_path)
    assert not report.ok and report.found == {} and len(report.missing) == 2
    with pytest.raises(DownloadError, match=r"cannot be fetched by a program, and it is not all there"):
        fetch("cityscapes", tmp_path)


def test_the_check_reads_masks_as_training_would(tmp_path: Path) -> None:
    root = tree(tmp_path, ["train", "val"])
    mask = root / "gtFine" / "val" / "munster" / "munster_000000_000019_gtFine_labelIds.png"
    Image.fromarray(np.full((HEIGHT, WIDTH), 40, dtype=np.uint8)).save(mask)
    assert "id 40 at (0, 0) of" in check(root).missing[0]
