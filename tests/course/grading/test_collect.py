"""Archives as Moodle and Canvas hand them out: each notebook finds its place, whatever its name; nothing else does."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path

import nbformat
import pytest
from typer.testing import CliRunner

from dsrl_lab import cli
from dsrl_lab.course.grading import collect as module
from dsrl_lab.course.grading.assignment import source_version
from dsrl_lab.course.grading.collect import collect

from .conftest import REPOSITORY

NAMES = ("03_subpixel_convolution", "06_feature_affinity")


@pytest.fixture(scope="module")
def notebooks() -> dict[str, str]:
    """Notebooks as text, by the name of the assignment."""
    found = {number: next((REPOSITORY / "notebooks" / "src").glob(f"{number}_*.py")) for number in ("03", "06")}
    return {source.stem: nbformat.writes(source_version(source)) for source in found.values()}


@pytest.fixture
def course(tmp_path: Path, notebooks: dict[str, str]) -> Path:
    for name, text in notebooks.items():
        place = tmp_path / "course" / "release" / name / f"{name}.ipynb"
        place.parent.mkdir(parents=True)
        place.write_text(text, encoding="utf-8")
    return tmp_path / "course"


def archived(course: Path, *members: tuple[str, str | bytes, int]) -> Path:
    with zipfile.ZipFile(course / "all.zip", "w", zipfile.ZIP_DEFLATED) as file:
        for name, content, day in members:
            file.writestr(zipfile.ZipInfo(name, (2026, 11, day, 9, 30, 0)), content)
    return course / "all.zip"


def test_each_notebook_finds_its_place(course: Path, notebooks: dict[str, str]) -> None:
    third, sixth = notebooks.values()
    placed, left = collect(
        course,
        archived(
            course,
            ("Ada Lovelace_17_assignsubmission_file_/final (2).ipynb", sixth, 3),
            ("Ada Lovelace_17_assignsubmission_file_/old.ipynb", "{}", 2),
            ("Zoë 王_18_assignsubmission_file_Untitled.ipynb", third, 2),
            ("turingalan_LATE_4711_99_06-1.ipynb", sixth, 2),
            ("hoppergrace_4712_98_first.ipynb", third, 1),
            ("hoppergrace_4712_98_second.ipynb", third + " ", 2),
            ("class/noether/x.IPYNB", sixth, 2),
            (f"broken_4713_97_{list(notebooks)[1]}.ipynb", "{", 2),
            ("__MACOSX/class/noether/._x.ipynb", b"\0", 2),
            ("Ada Lovelace_17_assignsubmission_file_/report.pdf", "pdf", 2),
        ),
    )
    there = {str(path.relative_to(course / "submitted")) for path in course.glob("submitted/*/*/*.ipynb")}
    first, second = notebooks
    assert there == {
        f"Ada Lovelace_17/{second}/{second}.ipynb",
        f"Zoë 王_18/{first}/{first}.ipynb",
        f"turingalan_4711/{second}/{second}.ipynb",
        f"hoppergrace_4712/{first}/{first}.ipynb",
        f"noether/{second}/{second}.ipynb",
        f"broken_4713/{second}/{second}.ipynb",
    }
    assert len(placed) == 6 and [text.partition(":")[0] for text in left] == [
        "Ada Lovelace_17_assignsubmission_file_/old.ipynb"
    ]
    latest = course / "submitted" / "hoppergrace_4712" / first
    assert (latest / f"{first}.ipynb").read_text(encoding="utf-8").endswith(" "), "the later of two"
    assert (latest / "timestamp.txt").read_text(encoding="utf-8") == "2026-11-02 09:30:00 UTC\n"


def test_a_hostile_archive_writes_nowhere_else(
    course: Path, notebooks: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, sixth = notebooks.values()
    before = {path for path in course.parent.rglob("*") if "submitted" not in path.parts}
    archive = archived(
        course,
        ("../../evil_1_2_a.ipynb", sixth, 1),
        ("/etc/evil_1_2_a.ipynb", sixth, 1),
        ("..\\evil_1_assignsubmission_file_/a.ipynb", sixth, 1),
        ("../a.ipynb", sixth, 1),
        ("a.ipynb", sixth, 1),
        ("bomb_3_4_a.ipynb", b" " * (9 * 2**20), 1),
        (f"{'n' * 300}_3_4_a.ipynb", sixth, 1),
    )
    with zipfile.ZipFile(archive, "a") as file:
        link = zipfile.ZipInfo("link_5_6_a.ipynb")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(link, "/etc/passwd")
        never = zipfile.ZipInfo("never_7_8_a.ipynb", (1980, 0, 0, 0, 0, 0))
        file.writestr(never, sixth)
    placed, left = collect(course, archive)
    after = {path for path in course.parent.rglob("*") if "submitted" not in path.parts}
    assert after - before == {archive}
    assert all(len(path.relative_to(course / "submitted").parts) <= 3 for path in course.rglob("submitted/**/*"))
    assert not [path for path in course.rglob("*") if path.is_symlink()]
    reasons = " ".join(left)
    for why in ("tells no student", "more than the 8 MiB", "like no assignment", "month must be in 1..12"):
        assert why in reasons, left
    assert len(placed) + len(left) == 9
    monkeypatch.setattr(module, "MOST_FILES", 3)
    with pytest.raises(ValueError, match="expected at most 3 files"):
        collect(course, archive)


def test_what_is_no_archive_or_no_course_is_refused(course: Path, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK no archive")
    for place in (tmp_path / "a.zip", tmp_path / "none.zip"):
        with pytest.raises(ValueError, match="expected a ZIP archive from Moodle or Canvas"):
            collect(course, place)
    with pytest.raises(ValueError, match="expected a course with release/"):
        collect(tmp_path / "nothing", tmp_path / "a.zip")


def test_the_command_names_what_it_left_out(course: Path) -> None:
    archive = archived(course, ("ada_1_2_a.ipynb", "{}", 1))
    done = CliRunner().invoke(cli.app, ["classroom", "collect", str(course), "--zip", str(archive)])
    assert done.exit_code == 1 and "left out: ada_1_2_a.ipynb: it is like no assignment" in done.output
