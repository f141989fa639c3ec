"""The cache of drawn scenes: equal to drawing, shared by processes, whole after any end, never above its limit."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dsrl_lab.cli.train import draw_scenes
from dsrl_lab.datasets.streets import Streets
from dsrl_lab.recipes import find_recipe
from dsrl_lab.streets import cache
from dsrl_lab.streets.cache import SceneSet
from dsrl_lab.training.splits import open_recipe_split

SIZE = (12, 16)
BYTES = 12 * 16 * 4


def scenes(root: Path | None, count: int = 3, **changes: object) -> SceneSet:
    return replace(SceneSet(root, (7, 1), SIZE, count), **changes)  # type: ignore[arg-type]


def same(one: SceneSet, other: SceneSet, index: int) -> bool:
    return all(
        np.array_equal(a, b) and a.dtype == b.dtype for a, b in zip(one.read(index), other.read(index), strict=True)
    )


def test_what_is_read_is_what_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, seen = scenes(tmp_path), []
    kept.draw(progress=lambda: seen.append(1))
    drawn = [scenes(None).read(index) for index in range(3)]
    monkeypatch.setattr(cache, "render", lambda *_: pytest.fail("drawn a second time"))
    for index, (picture, mask) in enumerate(drawn):
        again = kept.read(index)
        assert again[0].dtype == picture.dtype and again[1].dtype == mask.dtype
        np.testing.assert_array_equal(again[0], picture)
        np.testing.assert_array_equal(again[1], mask)
    kept.draw(progress=lambda: seen.append(1))
    assert len(seen) == 6


def test_towns_splits_and_sizes_are_sets_of_their_own_and_lengths_are_not(tmp_path: Path) -> None:
    others = [replace(scenes(tmp_path), key=key) for key in ((7, 1), (8, 1), (7, 2))]
    folders = {one.folder for one in (*others, replace(others[0], size=(16, 12)))}
    assert len(folders) == 4 and scenes(tmp_path, 5).folder == others[0].folder


def test_a_damaged_or_missing_file_is_drawn_again(tmp_path: Path) -> None:
    kept = scenes(tmp_path)
    kept.draw()
    files = sorted(kept.folder.iterdir())  # type: ignore[union-attr]
    files[0].write_bytes(files[0].read_bytes()[:-5])
    files[1].write_bytes(b"")
    np.save(files[2], np.zeros((4, 4, 4), np.uint8))
    assert all(same(kept, scenes(None), index) for index in range(3))
    files[2].unlink()
    assert same(kept, scenes(None), 2) and len({file.stat().st_size for file in files}) == 1


def test_an_interrupt_keeps_what_is_drawn_and_nothing_half(tmp_path: Path) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scenes(tmp_path).draw(progress=stop)
    (only,) = scenes(tmp_path).folder.iterdir()  # type: ignore[union-attr]
    assert np.load(only).shape == (*SIZE, 4)


def test_two_processes_that_draw_one_set_leave_the_same_files(tmp_path: Path) -> None:
    """Two commands at once, one of them with two processes of its own."""
    program = (
        "import sys; from pathlib import Path; from dsrl_lab.streets.cache import SceneSet\n"
        "if __name__ == '__main__': SceneSet(Path(sys.argv[1]), (7, 1), (12, 16), 8).draw(processes=int(sys.argv[2]))"
    )
    script = tmp_path / "draw.py"
    script.write_text(program, encoding="utf-8")
    commands = [subprocess.Popen([sys.executable, script, tmp_path / "kept", str(count)]) for count in (1, 2)]
    assert [command.wait(120) for command in commands] == [0, 0]
    kept = scenes(tmp_path / "kept", 8)
    assert sorted(file.name for file in kept.folder.iterdir()) == [f"{i:06d}.npy" for i in range(8)]  # type: ignore[union-attr]
    assert all(same(kept, scenes(None), index) for index in range(8))


def test_the_oldest_sets_go_first_and_whole(tmp_path: Path) -> None:
    size_on_disk = 3 * (BYTES + 128)
    towns = [replace(scenes(tmp_path), key=(town, 1), limit=2 * size_on_disk) for town in range(3)]
    for age, town in zip((20, 30), towns, strict=False):
        town.draw()
        os.utime(town.folder, (1e9 - age, 1e9 - age))  # type: ignore[arg-type]
    towns[1].draw()  # used again: now the younger
    towns[2].draw()
    assert [town.folder.is_dir() for town in towns] == [False, True, True]  # type: ignore[union-attr]
    assert len(list(towns[1].folder.iterdir())) == 3  # type: ignore[union-attr]


def test_a_set_above_the_limit_is_drawn_each_time(tmp_path: Path) -> None:
    large = scenes(tmp_path, limit=3 * BYTES - 1)
    large.draw()
    assert large.folder is None and same(large, scenes(None), 1) and not list(tmp_path.iterdir())


def test_no_room_on_the_disk_is_said_before_drawing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dsrl_lab.files._free_bytes", lambda place: 10)
    with pytest.raises(ValueError, match="make room or choose another folder"):
        scenes(tmp_path).draw()


def test_a_recipe_with_towns_of_its_own_asks_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSRL_LAB_CACHE", str(tmp_path / "kept"))
    recipe = replace(find_recipe("streets_towns_baseline"), pictures=(2, 1, 1), picture_size=SIZE)
    recipe = replace(recipe, train=replace(recipe.train, seed=105))
    sample = open_recipe_split(recipe, "train", None)[1]
    (folder,) = (tmp_path / "kept").iterdir()
    assert "town105-split0-12x16" in folder.name and len(list(folder.iterdir())) == 2
    plain = Streets("train", size=SIZE, length=2, seed=105)[1]
    assert (sample.image == plain.image).all() and (sample.mask == plain.mask).all() and sample.name == plain.name


def test_the_command_draws_all_splits_before_it_trains_and_nothing_where_there_is_no_town(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSRL_LAB_CACHE", str(tmp_path))
    recipe = replace(find_recipe("streets_towns_baseline"), pictures=(3, 1, 2), picture_size=SIZE)
    draw_scenes(find_recipe("streets_tinynet_baseline"))
    assert not list(tmp_path.iterdir())
    draw_scenes(recipe)
    assert sorted(len(list(folder.iterdir())) for folder in tmp_path.iterdir()) == [1, 2, 3]
