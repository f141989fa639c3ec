"""The main job in small: seeds under a clock, tables and pictures; nothing is trained twice or lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dsrl_lab import cli, recipes
from dsrl_lab.cli import console, reproduce
from dsrl_lab.results import resolution
from dsrl_lab.training import record
from tests.results.test_resolution import small, write_job


def invoke(*arguments: str) -> str:
    result = CliRunner().invoke(cli.app, ["reproduce", *arguments], env={"COLUMNS": "80"})
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result.output


def test_a_seed_trains_every_row_in_its_own_town_and_is_not_trained_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(recipes.SETTINGS, "streets_resolution", small)
    monkeypatch.setenv("DSRL_LAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(resolution, "NAMES", dict.fromkeys(("baseline", "double_input")))
    for seed in ("0", "1", "1"):
        before = {path: path.read_bytes() for path in tmp_path.glob("*/record.jsonl")}
        invoke("--out", str(tmp_path), "--seed", seed)
    lines = {path.parent.name: record.read(path) for path in before}
    assert {path: path.read_bytes() for path in tmp_path.glob("*/record.jsonl")} == before and len(lines) == 4
    truth = {name: record.unpack(one[-2]["counts"])[:, 2].tolist() for name, one in lines.items()}
    assert truth["baseline_seed1"] == truth["double_input_seed1"] != truth["baseline_seed0"]


def test_tables_fit_a_narrow_screen_and_the_last_lines_name_three_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(recipes.SETTINGS, "streets_resolution", small)
    monkeypatch.setenv("DSRL_LAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(console.output, "width", 80)
    shown = invoke("--out", str(write_job(tmp_path / "job")), "--minutes", "0", "--resume")
    in_tables = [line for line in shown.splitlines() if str(tmp_path) not in line and not line.startswith("- ")]
    assert max(map(len, in_tables)) <= 80, "sentences are wrapped by a screen, and whole in a pipe"
    assert (
        all(word in shown for word in ("perfect", "fence", "± 95 %"))
        and " ".join(shown.split()).count("A gain is ") == 5
    )
    assert [Path(line.strip()).name for line in shown.splitlines()[-3:]] == ["masks.png", "gains.png", "classes.png"]
    refused = CliRunner().invoke(cli.app, ["reproduce", "--out", str(tmp_path / "job")])
    assert refused.exit_code and "go on with --resume" in refused.output + str(refused.exception)


class Clockwork:
    """Time that passes only in ``sleep``, and seeds that take 100 seconds each."""

    def __init__(self, out: Path, monkeypatch: pytest.MonkeyPatch, cores: int) -> None:
        self.out, self.now, self.began, self.ends, self.interrupt = out, 0.0, [], {}, float("inf")
        monkeypatch.setattr(reproduce.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(reproduce.time, "sleep", self.sleep)
        monkeypatch.setattr(record, "cores", lambda: cores)
        monkeypatch.setattr(reproduce.subprocess, "Popen", self.popen)

    def sleep(self, seconds: float) -> None:
        self.now += 10
        if self.now >= self.interrupt:
            raise KeyboardInterrupt

    def popen(self, command: list[str], **options: Any) -> Any:
        clock, seed, ends = self, int(command[-1]), self.now + 100
        self.began.append(seed)
        run = self.out / f"baseline_seed{seed}"
        run.mkdir(parents=True, exist_ok=True)

        class Child:
            returncode = 0

            def poll(self) -> int | None:
                if clock.now < ends:
                    return None
                (run / "deployed.safetensors").touch()
                return 0

            def send_signal(self, number: int) -> None:
                clock.ends[seed] = number

            def wait(self) -> None: ...

        return Child()

    def train(self, limit: float) -> list[int]:
        self.began = []
        reproduce._train_seeds(self.out, 1, limit, lambda **_: None)
        return self.began


@pytest.mark.parametrize(("cores", "limit", "seeds"), [(1, 350, 3), (2, 350, 6), (4, 350, 12), (1, 10, 1)])
def test_a_seed_begins_only_if_it_will_end_in_time(
    cores: int, limit: float, seeds: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Clockwork(tmp_path, monkeypatch, cores).train(limit) == list(range(seeds))


def test_an_interrupted_job_goes_on_with_its_seeds_and_its_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clockwork(tmp_path, monkeypatch, 2)
    clock.interrupt = 150
    with pytest.raises(KeyboardInterrupt):
        clock.train(350)
    assert clock.began == [0, 1, 2, 3] and list(clock.ends) == [2, 3]
    clock.interrupt = float("inf")
    assert clock.train(360) == [2, 3, 4, 5]
    assert clock.train(360) == [], "an ended job adds no seeds when it is looked at again"


def test_a_seed_that_fails_is_named_with_its_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    popen = subprocess.Popen
    failing = [sys.executable, "-c", "raise SystemExit('no room on the disk')"]
    monkeypatch.setattr(reproduce.subprocess, "Popen", lambda command, **options: popen(failing, **options))
    with pytest.raises(ValueError, match=r"seed 0 failed; --resume tries it again. It said: no room on the disk"):
        reproduce._train_seeds(tmp_path, 1, 0.0, lambda **_: None)
