from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from dsrl_lab.datasets import base
from dsrl_lab.datasets.base import ClassTable, DataReport, Sample, SegmentationDataset, in_split_order, missing_split
from dsrl_lab.datasets.class_tables import CAMVID, CITYSCAPES


class Three(SegmentationDataset):
    def __init__(self) -> None:
        self.class_table = CAMVID
        self.split = "train"
        self.names = ("a", "b", "c")

    def __getitem__(self, index: int) -> Sample:
        name = self.names[index]
        return Sample(torch.zeros(3, 2, 2), torch.zeros(2, 2, dtype=torch.long), name)


def test_data_sets_keep_a_quarter_of_what_is_free_for_each_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base.psutil, "virtual_memory", lambda: SimpleNamespace(available=8000))
    for name in ("LOCAL_WORLD_SIZE", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert base.memory_to_keep() == 2000
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert base.memory_to_keep() == 500


def test_a_containers_limit_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    for limit, expected in (("4000\n", 1000), ("max\n", 2000)):
        monkeypatch.setattr(base.psutil, "virtual_memory", lambda: SimpleNamespace(available=8000))
        monkeypatch.setattr(base.Path, "is_file", lambda path: True)
        monkeypatch.setattr(base.Path, "read_text", lambda path, limit=limit: limit)
        assert base.memory_to_keep() == expected


def test_camvid_order_is_segnets() -> None:
    order = "sky building pole road pavement tree signsymbol fence car pedestrian bicyclist"
    assert " ".join(CAMVID.names) == order


@pytest.mark.parametrize("table, classes", [(CAMVID, 11), (CITYSCAPES, 19)])
def test_tables_are_sound(table: ClassTable, classes: int) -> None:
    assert table.num_classes == classes
    assert len(set(table.colors)) == classes, "two classes of one colour cannot be told apart in a figure"
    assert all(0 <= value <= 255 for color in table.colors for value in color)
    assert (0, 0, 0) not in table.colors, "black is what ignored pixels become"
    assert table.thin and set(table.thin) < set(table.names)


def test_table_refuses_nonsense() -> None:
    with pytest.raises(ValueError, match="must differ from each other"):
        ClassTable(("a", "a"), ((0, 0, 0), (1, 1, 1)))
    with pytest.raises(ValueError, match="one colour for each of 2 classes, got 1"):
        ClassTable(("a", "b"), ((0, 0, 0),))
    with pytest.raises(ValueError, match=r"thin classes \['c'\] are not in the table; choose from a, b"):
        ClassTable(("a", "b"), ((0, 0, 0), (1, 1, 1)), thin=("c",))
    with pytest.raises(ValueError, match="unknown class 'zebra'; choose from sky"):
        CAMVID.index("zebra")


def test_paint_is_a_lookup() -> None:
    mask = torch.randint(0, 11, (2, 5, 7))
    mask[0, 0, 0] = 255
    painted = CAMVID.paint(mask)
    assert painted.dtype == torch.uint8
    for position in [(0, 0, 1), (1, 4, 6), (1, 2, 3)]:
        assert tuple(painted[position].tolist()) == CAMVID.colors[int(mask[position])]
    assert painted[0, 0, 0].tolist() == [0, 0, 0]


@pytest.mark.parametrize("wrong", [11, -1, 256])
def test_paint_refuses_foreign_ids(wrong: int) -> None:
    with pytest.raises(ValueError, match=rf"expected ids 0\.\.10 or 255, got {wrong}"):
        CAMVID.paint(torch.tensor([[0, wrong]]))


def test_dataset_iterates_and_ends() -> None:
    data = Three()
    assert [sample.name for sample in data] == ["a", "b", "c"]
    assert data[-1].name == "c"
    assert repr(data) == "Three(split='train', 3 pictures)"


def test_report_is_short_and_says_what_to_do() -> None:
    report = DataReport("x", "/r", {"val": 2}, tuple(f"file {i}" for i in range(100)), "Do this.")
    text = str(report)
    assert not report.ok
    assert text.splitlines()[0] == "x at /r: val 2"
    assert "file 0" in text and "and 92 more" in text and text.endswith("Do this.")
    assert str(DataReport("x", "/r", {"val": 2}, (), "Do this.")) == "x at /r: val 2"
    assert "nothing found" in str(DataReport("x", "/r"))


def test_missing_split_names_what_is_there(tmp_path) -> None:
    error = missing_split("X", "test", ("train", "val"), tmp_path, "Fetch it.")
    assert "no split 'test'; splits found there: train, val. Fetch it." in str(error)
    assert "splits found there: none" in str(missing_split("X", "test", (), tmp_path, ""))


def test_splits_come_in_the_usual_order() -> None:
    assert in_split_order({"night", "test", "train"}) == ("train", "test", "night")
