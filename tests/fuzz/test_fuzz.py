"""Mutated files of every kind that the kit reads, and what is done with them: an answer or a clear error.

No hang, no code, no write outside, no more memory than asked for. A few hundred inputs by default, over 10,000 with
``make slow``; ``DSRL_LAB_FUZZ_SEED`` draws others, and ``DSRL_LAB_FUZZ_RECORD`` names a file that the counts are added
to. A failing input is kept and named by (door, seed, number), so that it can be drawn again.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
import warnings
from collections import Counter
from pathlib import Path

import pytest
import torch

from dsrl_lab.training import record
from tests.fuzz import mutate, watch
from tests.fuzz.doors import READERS, Door
from tests.fuzz.users import USERS

SEED = int(os.environ.get("DSRL_LAB_FUZZ_SEED", "0"))
ALLOWED = (ValueError, OSError, FloatingPointError)  # what the command line shows as a message
DOORS = READERS | USERS


def damaged(door: Door, dice: random.Random) -> tuple[str, bytes]:
    name = dice.choice(list(door.seeds))
    data = door.seeds[name]
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        if data:
            data = dice.choice((*mutate.BYTES, *door.special * 3))(data, dice)
    return name, data


def run(name: str, door: Door, inputs: int, folder: Path) -> Counter[str]:
    """Read so many damaged files; count the answers and errors by kind."""
    for good, data in door.seeds.items():  # the good files are read; and all lazy imports are done
        place = folder / f"good_{good}"
        place.mkdir()
        (place / good).write_bytes(data)
        door.read(place, good)
    outcomes: Counter[str] = Counter()
    for number in range(inputs):
        try:
            file, data = damaged(door, random.Random(f"{SEED} {name} {number}"))
        except Exception:  # two format-aware mutations on one another; their libraries' errors share no class
            outcomes["not drawn"] += 1
            continue
        place = folder / str(number)
        place.mkdir()
        (place / file).write_bytes(data)
        told = f"door {name!r}, seed {SEED}, input {number} ({place / file})"
        with watch.watched(place, seconds=20, gigabytes=2) as seen, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                door.read(place, file)
                outcomes["read"] += 1
            except ALLOWED as error:
                assert str(error).strip(), f"{told}: {type(error).__name__} without a message"
                outcomes["refused"] += 1
            except BaseException as error:
                raise AssertionError(f"{told}: {type(error).__name__}: {error}") from error
        assert not seen, f"{told}: {seen}"
        shutil.rmtree(place)
    assert not list(folder.rglob("outside*")) and not Path("outside").exists()
    return outcomes


@pytest.mark.parametrize("name", DOORS)
def test_damage_is_refused(name: str, tmp_path: Path) -> None:
    door = DOORS[name](tmp_path)
    outcomes = run(name, door, 25 if door.heavy else 60, tmp_path)
    assert outcomes["refused"] > 0


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", DOORS)
def test_ten_thousand_damaged_files(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    door = DOORS[name](tmp_path)
    inputs = 800 if door.heavy else 1600
    outcomes = run(name, door, inputs, tmp_path)
    with capsys.disabled():
        print(f"\n{name}: {inputs} inputs, {dict(outcomes)}")
    if "DSRL_LAB_FUZZ_RECORD" in os.environ:
        line = {"kind": "fuzz", "door": name, "seed": SEED, "inputs": inputs, **outcomes, **record.environment()}
        record.append(Path(os.environ["DSRL_LAB_FUZZ_RECORD"]), line)
    assert outcomes["refused"] > 0 and outcomes["read"] + outcomes["refused"] > 0.9 * inputs


def test_the_watch_sees_what_it_must(tmp_path: Path) -> None:
    with watch.watched(tmp_path, seconds=20, gigabytes=1) as seen:
        (tmp_path / "inside").write_text("fine")
        os.system("true")
        (tmp_path.parent / "beside").write_text("not fine")
    assert len(seen) == 2 and "os.system" in seen[0] and "beside" in seen[1]
    with pytest.raises(watch.TooLongError), watch.watched(tmp_path, seconds=0.2, gigabytes=1):
        while True:
            torch.zeros(1)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems do not bound a process's memory")
def test_the_watch_bounds_memory_and_gives_it_back(tmp_path: Path) -> None:
    with watch.watched(tmp_path, seconds=20, gigabytes=0.5):
        with pytest.raises(RuntimeError, match="can't allocate memory"):
            torch.empty(2**30)
        with pytest.raises(MemoryError):
            bytearray(2**32)
    assert len(torch.empty(2**28)) == 2**28
