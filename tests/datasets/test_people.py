"""Drawn people seen through a long lens, people decoded once, people by name."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dsrl_lab.datasets.people import (
    POSE_DATASETS,
    DecodedPeople,
    StreetPeople,
    drawing_size,
    open_crowds,
    open_people,
)
from dsrl_lab.datasets.streets import Streets
from dsrl_lab.streets.mesh import BICYCLIST, PEDESTRIAN


def test_the_person_stands_in_the_middle_and_takes_the_share_of_the_height_that_is_said() -> None:
    for person in StreetPeople("train", size=(80, 64), length=4):
        left, top, right, bottom = person.box.tolist()
        assert (top + bottom) / 2 == pytest.approx(40, abs=4) and (left + right) / 2 == pytest.approx(32, abs=8)
        assert 0.5 < (bottom - top) / 80 < 0.7
        inside = (person.joints >= -0.5) & (person.joints < torch.tensor([63.5, 79.5]))
        assert bool(inside.all()) and person.visible.unique().tolist() in ([1.0], [0.0, 1.0])


def test_joints_lie_on_the_person() -> None:
    """A marked hip or shoulder is a pixel of a pedestrian or cyclist in the scene's own mask."""
    from dsrl_lab.datasets.people import _best_seen, _turned_to
    from dsrl_lab.streets.render import render

    size = (96, 96)
    people, streets = StreetPeople("train", size=size, length=6), Streets("train", size=size, length=6)
    hits = total = 0
    for index in range(6):
        scene = streets.scene(index)
        _, mask = render(_turned_to(scene, scene.people[_best_seen(scene, size)]), size)
        sample = people[index]
        for joint in (2, 3, 8, 9):
            if sample.visible[joint]:
                x, y = sample.joints[joint].round().long().tolist()
                hits, total = hits + int(mask[y, x] in (PEDESTRIAN, BICYCLIST)), total + 1
    assert total > 12 and hits / total > 0.9


def test_the_same_person_at_another_size() -> None:
    small, large = (StreetPeople("val", size=(side, side), length=2)[1] for side in (48, 96))
    assert torch.allclose((small.joints + 0.5) * 2, large.joints + 0.5, atol=1e-3)
    assert torch.equal(small.visible, large.visible)


def test_people_are_drawn_once_and_come_back_the_same() -> None:
    people = StreetPeople("val", size=(32, 32), length=2)
    kept, crammed = DecodedPeople(people), DecodedPeople(people, budget=0)
    first, again = kept[1], kept[1]
    assert torch.equal(first.image, again.image) and torch.equal(first.joints, people[1].joints)
    assert float((first.image - people[1].image).abs().max()) <= 0.5 / 255
    assert torch.equal(crammed[1].image, first.image) and not crammed.kept
    with pytest.raises(IndexError, match="expected an index below 2"):
        kept[2]


def test_people_by_name() -> None:
    assert len(open_people("street_people", "val", None, size=(32, 32), length=3)) == 3
    with pytest.raises(ValueError, match=f"unknown pose data set 'mpii'; choose one of {', '.join(POSE_DATASETS)}"):
        open_people("mpii", "val", None)
    with pytest.raises(ValueError, match="lsp needs its folder: give --data ROOT"):
        open_crowds("lsp", None, size=(32, 32), lengths=(0, 0))


@pytest.mark.slow
def test_real_people_by_name(real_data: Path) -> None:
    train, val = open_crowds("lsp", real_data / "pose" / "lsp_extended", size=(64, 64), lengths=(0, 0))
    assert (len(train), len(val)) == (960, 240)
    left, top, right, bottom = val[0].box.tolist()
    assert val[0].joints[:, 0].min() == left and val[0].joints[:, 1].max() + 1 == bottom and right > left and top < 500


def test_people_are_drawn_a_third_larger_than_their_crops() -> None:
    assert drawing_size((96, 72)) == (128, 96)
