"""What the sandbox mounts, and in which order: a later mount hides what lies below it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsrl_lab.course.grading import sandbox


def test_packages_below_tmp_are_not_hidden_by_the_empty_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = Path("/tmp/checkout/.venv/lib/site-packages")
    monkeypatch.setattr(sandbox, "packages", lambda: [installed])
    mounts = sandbox._files(tmp_path / "kit", 2**20)
    targets = [mounts[place + 1] for place, word in enumerate(mounts) if word == "--tmpfs"]
    assert targets.count("/tmp") == 1
    empty = next(place for place, word in enumerate(mounts) if word == "--tmpfs" and mounts[place + 1] == "/tmp")
    assert empty < mounts.index(str(installed))
