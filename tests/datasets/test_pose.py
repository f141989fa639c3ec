"""People with joints: fake trees in the real layouts, damaged files by name, and the real data where it is there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from dsrl_lab.datasets.joint_tables import COCO_JOINTS, LSP_JOINTS, JointTable
from dsrl_lab.datasets.pose import CocoKeypoints, LspExtended, PoseDataset, check
from dsrl_lab.metrics import KeypointPrediction, oks_average_precision


def write_picture(path: Path, size: tuple[int, int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = size
    values = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(values).save(path)


def lsp_entry(name: str, shift: float = 0.0) -> dict[str, Any]:
    return {"file": name, "joints": [[joint + shift, 2 * joint + 0.5, int(joint != 3)] for joint in range(14)]}


@pytest.fixture
def lsp(tmp_path: Path) -> Path:
    """Two people to train on, one to validate."""
    for split, names in (("train", ("im2.jpg", "im1.jpg")), ("val", ("im3.jpg",))):
        for name in names:
            write_picture(tmp_path / split / name, (40, 30))
        entries = [lsp_entry(name, shift) for shift, name in enumerate(names)]
        (tmp_path / f"{split}.json").write_text(json.dumps(entries))
    return tmp_path


def coco_annotation(number: int, image_id: int, **changes: Any) -> dict[str, Any]:
    keypoints = [value for joint in range(17) for value in (joint + number, 2 * joint, joint % 3)]
    annotation = {
        "id": number,
        "image_id": image_id,
        "category_id": 1,
        "iscrowd": 0,
        "num_keypoints": 11,
        "keypoints": keypoints,
        "bbox": [1.5, 2.0, 20.0, 30.0],
        "area": 400.0,
    }
    return annotation | changes


def coco_content() -> dict[str, Any]:
    return {
        "images": [{"id": 7, "file_name": "000007.jpg"}, {"id": 5, "file_name": "000005.jpg"}],
        "annotations": [
            coco_annotation(12, 7),
            coco_annotation(11, 7),
            coco_annotation(13, 5),
            coco_annotation(14, 5, iscrowd=1),
            coco_annotation(15, 5, num_keypoints=0),
        ],
        "categories": [{"id": 1, "name": "person"}],
    }


def write_coco(root: Path, content: Any, split: str = "val") -> Path:
    for name in ("000005.jpg", "000007.jpg"):
        write_picture(root / f"{split}2017" / name, (40, 50))
    path = root / "annotations" / f"person_keypoints_{split}2017.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("table", [LSP_JOINTS, COCO_JOINTS], ids=["lsp", "coco"])
def test_tables_know_left_from_right(table: JointTable) -> None:
    assert len(set(table.names)) == table.num_joints
    for joint, other in enumerate(table.mirrored):
        name, partner = table.names[joint], table.names[other]
        assert partner == name.replace("left", "?").replace("right", "left").replace("?", "right")
        assert table.mirrored[other] == joint
    assert {joint for limb in table.limbs for joint in limb} == set(range(table.num_joints))
    assert [table.names[joint] for joint in table.torso] == ["left shoulder", "right hip"]


def test_lsp_gives_what_its_list_says(lsp: Path) -> None:
    people = LspExtended(lsp, "train")
    assert len(people) == 2
    assert people.names == ("im2", "im1")  # the list's order
    assert people.joint_table is LSP_JOINTS
    sample = people[1]
    assert sample.image.shape == (3, 40, 30)
    assert sample.image.dtype == torch.float32 and 0 <= sample.image.min() < sample.image.max() <= 1
    assert sample.joints.tolist() == [[joint + 1.0, 2 * joint + 0.5] for joint in range(14)]
    assert sample.visible.tolist() == [1, 1, 1, 0] + [1] * 10
    assert sample.box.tolist() == [0, 0, 30, 40]
    sample.joints.zero_()
    assert people[1].joints.sum() > 0  # what a caller does to its sample stays there
    with pytest.raises(IndexError):
        people[2]
    assert repr(people) == "LspExtended(split='train', 2 people)"


def test_the_box_of_the_marked_joints_is_an_option(lsp: Path) -> None:
    entry = lsp_entry("im3.jpg", 2.0)
    entry["joints"][13][2] = 0  # the farthest joint is not marked
    nobody = {"file": "im3.jpg", "joints": [[5, 5, 0]] * 14}
    (lsp / "val.json").write_text(json.dumps([entry, nobody]))
    people = LspExtended(lsp, "val", box="joints")
    assert people[0].box.tolist() == [2, 0.5, 15, 25.5]  # edges: a joint's pixel is one wide
    assert people[1].box.tolist() == [0, 0, 30, 40]
    with pytest.raises(ValueError, match="unknown box 'person'; choose from picture, joints"):
        LspExtended(lsp, "val", box="person")  # type: ignore[arg-type]


def test_coco_gives_one_sample_for_each_marked_person(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_coco(tmp_path, coco_content())
    people = CocoKeypoints(tmp_path, "val")
    assert people.names == ("000005_13", "000007_11", "000007_12")
    assert people.image_ids == (5, 7, 7)
    assert people.annotations == path
    sample = people[1]
    assert sample.image.shape == (3, 40, 50)
    assert sample.joints.tolist() == [[joint + 11.0, 2.0 * joint] for joint in range(17)]
    assert sample.visible.tolist() == [float(joint % 3 > 0) for joint in range(17)]
    assert sample.box.tolist() == [1.5, 2.0, 21.5, 32.0]
    assert capsys.readouterr().out == ""


def test_the_truth_handed_in_as_prediction_scores_one(tmp_path: Path) -> None:
    write_coco(tmp_path, coco_content())
    people = CocoKeypoints(tmp_path, "val")
    found = [KeypointPrediction(image_id, people[index].joints, 1.0) for index, image_id in enumerate(people.image_ids)]
    assert oks_average_precision(people.annotations, found).ap == pytest.approx(1.0)


def test_check_tells_the_layouts_apart_and_counts(lsp: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert check(lsp).ok and check(lsp).found == {"train": 2, "val": 1}
    coco = tmp_path_factory.mktemp("coco")
    write_coco(coco, coco_content())
    report = check(coco)
    assert report.found == {"val": 3}, "read as COCO: three people"
    assert len(report.missing) == 1 and "has no split 'train'; splits found there: val" in report.missing[0]
    empty = tmp_path_factory.mktemp("empty")
    assert "folder" in check(empty).missing[0] and "cocodataset.org" in str(check(empty))
    (lsp / "train" / "im1.jpg").unlink()
    assert "1 of 2 files are missing, the first is" in check(lsp).missing[0]


@pytest.mark.parametrize("kind", [LspExtended, CocoKeypoints])
def test_a_split_that_is_not_there_is_refused(kind: type[PoseDataset], lsp: Path) -> None:
    write_coco(lsp, coco_content())
    with pytest.raises(ValueError, match="has no split 'test'; splits found there: .*val"):
        kind(lsp, "test")  # type: ignore[call-arg]


def test_missing_pictures_are_counted_and_named(lsp: Path, tmp_path: Path) -> None:
    (lsp / "val" / "im3.jpg").unlink()
    with pytest.raises(ValueError, match="1 of 1 files are missing, the first is .*im3.jpg"):
        LspExtended(lsp, "val")
    write_coco(tmp_path, coco_content())
    (tmp_path / "val2017" / "000007.jpg").unlink()
    with pytest.raises(ValueError, match="1 of 2 files are missing, the first is .*000007.jpg"):
        CocoKeypoints(tmp_path, "val")


def test_a_damaged_picture_is_named(lsp: Path) -> None:
    (lsp / "val" / "im3.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(ValueError, match="cannot decode .*im3.jpg"):
        LspExtended(lsp, "val")[0]


@pytest.mark.parametrize("content", [b"[{", b"[" * 100_000, b""])
def test_a_damaged_list_is_named(lsp: Path, content: bytes) -> None:
    (lsp / "val.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"cannot read .*val.json .* the file is damaged"):
        LspExtended(lsp, "val")


def test_lists_are_utf8_with_or_without_a_mark(lsp: Path) -> None:
    text = (lsp / "val.json").read_text()
    (lsp / "val.json").write_text(text, encoding="utf-8-sig")
    assert LspExtended(lsp, "val").names == ("im3",)
    (lsp / "val.json").write_text(text, encoding="utf-16")
    with pytest.raises(ValueError, match=r"line 1 of .*val\.json is not UTF-8"):
        LspExtended(lsp, "val")


def test_a_dangling_link_is_named(lsp: Path) -> None:
    (lsp / "val" / "im3.jpg").unlink()
    (lsp / "val" / "im3.jpg").symlink_to("gone.jpg")
    with pytest.raises(ValueError, match=r"1 of 1 files are missing, .*im3\.jpg, a link to gone\.jpg"):
        LspExtended(lsp, "val")


@pytest.mark.parametrize("turned", [False, True])
def test_a_picture_of_another_size_than_its_annotations_is_refused(tmp_path: Path, turned: bool) -> None:
    """COCO's boxes and joints are pixels of a size that the file states: 32 x 24 (H, W), upright."""
    content = coco_content()
    content["images"] = [image | {"height": 32, "width": 24} for image in content["images"]]
    write_coco(tmp_path, content)
    people = CocoKeypoints(tmp_path, "val")
    place = next((tmp_path / "val2017").glob("*7.jpg"))
    exif = Image.Exif()
    exif[0x0112] = 6 if turned else 1
    Image.new("RGB", (24, 32)).save(place, exif=exif)
    index = people.image_ids.index(7)
    if turned:
        with pytest.raises(ValueError, match=r"000007\.jpg is \(24, 32\) .* annotations are for \(32, 24\)"):
            people[index]
    else:
        assert people[index].image.shape == (3, 32, 24)


def test_lists_of_another_kind_are_refused(lsp: Path, tmp_path: Path) -> None:
    (lsp / "val.json").write_text("{}")
    with pytest.raises(ValueError, match=r"expected a JSON list in .*val.json, got dict"):
        LspExtended(lsp, "val")
    (lsp / "val.json").write_text("[]")
    with pytest.raises(ValueError, match=r"val.json lists nobody"):
        LspExtended(lsp, "val")
    write_coco(tmp_path, [])
    with pytest.raises(ValueError, match=r"expected a JSON dict in .*val2017.json, got list"):
        CocoKeypoints(tmp_path, "val")


NOT_FINITE = [[float("nan"), 0, 1]] * 14


@pytest.mark.parametrize(
    "entry",
    [
        "im3.jpg",
        {"file": "im3.jpg"},
        {"file": "im3.jpg", "joints": [[0, 0, 1]] * 13},
        {"file": "im3.jpg", "joints": [[0, 0]] * 14},
        {"file": "im3.jpg", "joints": [["0", 0, 1]] * 14},
        {"file": "im3.jpg", "joints": NOT_FINITE},
        {"file": "im3.jpg", "joints": [[10**400, 0, 1]] * 14},
        {"file": "../train/im1.jpg", "joints": [[0, 0, 1]] * 14},
        {"file": "..", "joints": [[0, 0, 1]] * 14},
        {"file": 3, "joints": [[0, 0, 1]] * 14},
    ],
    ids=lambda entry: str(entry)[:40],
)
def test_a_damaged_entry_is_numbered(lsp: Path, entry: Any) -> None:
    (lsp / "val.json").write_text(json.dumps([lsp_entry("im3.jpg"), entry]))
    with pytest.raises(ValueError, match=r"entry 1 of .*val.json: expected .* \[\[x, y, visible\] x 14\]"):
        LspExtended(lsp, "val")


@pytest.mark.parametrize(
    "changes",
    [{"keypoints": [0] * 50}, {"keypoints": None}, {"bbox": [0, 0, 0, 5]}, {"bbox": [0, 0, float("inf"), 5]}],
    ids=str,
)
def test_a_damaged_annotation_is_named(tmp_path: Path, changes: dict[str, Any]) -> None:
    content = coco_content()
    content["annotations"].append(coco_annotation(20, 5, **changes))
    write_coco(tmp_path, content)
    with pytest.raises(ValueError, match=r"annotation 20 of .*2017.json: expected 51 numbers in keypoints"):
        CocoKeypoints(tmp_path, "val")


def test_an_annotation_without_a_picture_is_named(tmp_path: Path) -> None:
    content = coco_content()
    content["annotations"].append(coco_annotation(20, 99))
    write_coco(tmp_path, content)
    with pytest.raises(ValueError, match=r"annotation 20 of .* has no picture with a bare file name"):
        CocoKeypoints(tmp_path, "val")


@pytest.mark.parametrize("place", ["images", "annotations"])
@pytest.mark.parametrize("damage", [5, ["text"], [{"id": 1}], [{"id": [1]}], {"id": 1}], ids=str)
def test_what_is_no_keypoint_file_is_refused(tmp_path: Path, place: str, damage: Any) -> None:
    write_coco(tmp_path, coco_content() | {place: damage})
    with pytest.raises(ValueError, match=r"is no COCO keypoint file \(\w+Error: .*\); expected images with id and"):
        CocoKeypoints(tmp_path, "val")


def test_a_file_without_joints_is_refused(tmp_path: Path) -> None:
    write_coco(tmp_path, {"images": []})
    with pytest.raises(ValueError, match=r"2017.json marks nobody's joints"):
        CocoKeypoints(tmp_path, "val")


def test_real_sports_people(real_data: Path) -> None:
    report = check(real_data / "pose" / "lsp_extended")
    assert report.ok and report.found == {"train": 960, "val": 240}
    sample = LspExtended(real_data / "pose" / "lsp_extended", "val")[0]
    height, width = sample.image.shape[-2:]
    assert sample.visible.sum() == 14
    inside = (sample.joints >= 0).all(1) & (sample.joints[:, 0] < width) & (sample.joints[:, 1] < height)
    assert inside.sum() >= 13


def test_real_coco_people(real_data: Path) -> None:
    report = check(real_data / "pose" / "coco_tiny")
    assert report.ok and report.found == {"train": 57, "val": 46}
    people = CocoKeypoints(real_data / "pose" / "coco_tiny", "val")
    assert len(set(people.image_ids)) == 17
    sample = people[0]
    left, top, right, bottom = sample.box.tolist()
    marked = sample.joints[sample.visible > 0]
    assert ((marked >= torch.tensor([left - 2, top - 2])) & (marked <= torch.tensor([right + 2, bottom + 2]))).all()
