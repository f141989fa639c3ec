"""What the sandbox mounts, and in which order: a later mount hides what lies below it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsrl_lab.course.grading import walls


def test_a_course_among_the_system_s_files_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(walls, "packages", lambda: [tmp_path / "site-packages"])
    for place in (Path("/usr/share/course"), Path("/lib/course"), tmp_path / "site-packages" / "course"):
        with pytest.raises(ValueError, match=r"course lies in .*, which students' code may read; move it elsewhere"):
            walls.refuse_visible(place)
    walls.refuse_visible(tmp_path / "course")
    walls.refuse_visible(tmp_path / "site-packages" / "dsrl_lab")  # hidden by an empty folder


def test_packages_below_tmp_are_not_hidden_by_the_empty_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = Path("/tmp/checkout/.venv/lib/site-packages")
    monkeypatch.setattr(walls, "packages", lambda: [installed])
    mounts = walls.mounts(tmp_path / "kit", 2**20)
    targets = [mounts[place + 1] for place, word in enumerate(mounts) if word == "--tmpfs"]
    assert targets.count("/tmp") == 1
    empty = next(place for place, word in enumerate(mounts) if word == "--tmpfs" and mounts[place + 1] == "/tmp")
    assert empty < mounts.index(str(installed))
