from __future__ import annotations

import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data as skimage_data

from dsrl_lab.datasets import photos
from dsrl_lab.datasets.photos import WHEEL_PHOTOS, Photos


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("photographs must not need the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.mark.usefixtures("no_network")
def test_wheel_photographs_are_scikit_images() -> None:
    collection = Photos()
    assert len(collection) == len(WHEEL_PHOTOS) == 10
    assert list(collection.names) == sorted(collection.names)
    for photo in collection:
        assert photo.image.dtype == torch.float32 and photo.image.shape[0] == 3
        assert photo.image.min() >= 0 and photo.image.max() <= 1
        assert photo.licence in ("CC0", "public domain") and photo.credit
    astronaut = collection[collection.names.index("astronaut")].image
    expected = torch.from_numpy(skimage_data.astronaut()).permute(2, 0, 1).float() / 255
    assert torch.equal(astronaut, expected)
    grey = collection[collection.names.index("camera")].image
    assert torch.equal(grey[0], grey[2]) and grey.shape == (3, 512, 512)


def test_folder_of_ones_own(tmp_path: Path) -> None:
    for name in ("b.png", "a.jpg"):
        Image.fromarray(np.zeros((3, 5, 3), dtype=np.uint8)).save(tmp_path / name)
    collection = Photos(tmp_path)
    assert collection.names == ("a", "b") and repr(collection) == "Photos(2 photographs)"
    assert collection[0].licence == "not stated"
    (tmp_path / "more").mkdir()
    with pytest.warns(UserWarning, match=r"not read in .*, 1 in all: more/"):
        Photos(tmp_path)


def test_telephone_picture_stands_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: rotate by 90 degrees
    Image.fromarray(np.zeros((3, 5, 3), dtype=np.uint8)).save(tmp_path / "a.jpg", exif=exif)
    assert Photos(tmp_path)[0].image.shape == (3, 5, 3)


def test_nothing_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"found no photographs in .*Install scikit-image"):
        Photos(tmp_path)
    monkeypatch.setattr(photos, "wheel_folder", lambda: None)
    with pytest.raises(ValueError, match="found no photographs in the installed scikit-image"):
        Photos()


def test_part_of_the_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("coffee.png", "logo.png"):
        Image.fromarray(np.zeros((3, 5, 3), dtype=np.uint8)).save(tmp_path / name)
    monkeypatch.setattr(photos, "wheel_folder", lambda: tmp_path)
    assert Photos().names == ("coffee",), "only what is known to be free"


def test_damage_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"cannot decode .*a\.png"):
        Photos(tmp_path)[0]
