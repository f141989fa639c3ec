"""Values of masks are looked up exactly, whatever their type; real data sets' tests read whole files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dsrl_lab.datasets.masks import MaskValues, colour_code, look_up, read_pair


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int32])
def test_values_become_classes_and_the_others_are_marked(kind: type) -> None:
    known = {0: 7, 2: 255, 255: 0}
    values = np.arange(256, dtype=kind).reshape(16, 16)
    expected = [[known.get(int(value), -1) for value in row] for row in values]
    assert look_up(values, known).tolist() == expected


@pytest.mark.parametrize("wrong", [1, 3, -1, 70_000])
def test_a_value_between_below_or_above_those_known_is_none_of_them(wrong: int) -> None:
    assert look_up(np.array([[0, wrong], [2, 2]]), {0: 7, 2: 255}).tolist() == [[7, -1], [255, 255]]


def test_colours_have_a_number_each() -> None:
    assert colour_code([[(1, 2, 3), (255, 255, 255), (0, 0, 0)]]).tolist() == [[0x010203, 0xFFFFFF, 0]]


def test_an_opaque_mask_in_four_channels_is_refused_by_its_own_mode(tmp_path: Path) -> None:
    """Where ids are wanted; where colours are, it is read as they appear."""
    image, mask = tmp_path / "a.png", tmp_path / "a_mask.png"
    Image.new("RGB", (4, 3)).save(image)
    Image.new("RGBA", (4, 3), (3, 3, 3, 255)).save(mask)
    with pytest.raises(ValueError, match="one channel in .*a_mask.png, got mode RGBA"):
        read_pair(image, mask, MaskValues({3: 0}, {}, "3"))
    _, ids, unknown = read_pair(image, mask, MaskValues({}, {int(colour_code((3, 3, 3))): 0}, "one colour"))
    assert ids.eq(0).all() and not unknown
